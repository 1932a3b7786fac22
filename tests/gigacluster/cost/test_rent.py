"""Rent and run times: laws of scale, closed forms of contracts, and the smallest cases that are allowed."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import cost
from gigacluster.cost.decide import _internal_rate
from gigacluster.cost.own import network_tiers
from gigacluster.units import HOURS_PER_MONTH

TERMS = {"n_chips": 1_000.0, "horizon_months": 24, "market_usd_per_chip_hour": 3.0, "discount_rate_per_year": 0.1}


def test_extras_are_a_share_on_top_of_the_whole_bill():
    plain, more = cost.rent(**TERMS), cost.rent(**TERMS, extras_frac=0.07)
    assert float(more.net_present_usd[0]) == pytest.approx(1.07 * float(plain.net_present_usd[0]), rel=1e-12)


@pytest.mark.parametrize("take", [0.5, 1.0])
def test_a_minimum_prepaid_as_a_whole_is_worth_its_plain_sum(take):
    """Paid at month 0 it is not discounted; a term of 12 months is over halfway through the horizon."""
    rented = cost.rent(
        **TERMS | {"market_usd_per_chip_hour": 0.0},
        committed_frac=1.0,
        committed_usd_per_chip_hour=2.0,
        minimum_take_frac=take,
        utilisation_frac=take,
        term_months=12,
        prepaid_frac=1.0,
    )
    assert float(rented.net_present_usd[0]) == pytest.approx(1_000 * 12 * HOURS_PER_MONTH * 2.0 * take, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 8), months=st.floats(0.1, 12.0), scale=st.sampled_from([1e-7, 1e-4, 1.0, 1e3]))
def test_when_a_run_ends_does_not_depend_on_the_size_of_the_unit(start, months, scale):
    """A millionth of the chips does a millionth of the work in the same months; months before the start do none.

    Starts are whole months: within one month the work is taken as even.
    """
    rented = cost.rent(**TERMS | {"n_chips": 1_000.0 * scale}, start_month=start)
    ends = rented.finish_month(1_000.0 * scale * months * HOURS_PER_MONTH)
    assert float(ends[0]) == pytest.approx(start + months, rel=1e-9)


def test_a_horizon_of_one_month_is_the_shortest():
    one = cost.rent(**TERMS | {"horizon_months": 1, "discount_rate_per_year": 0.0})
    assert float(one.net_present_usd[0]) == pytest.approx(1_000 * HOURS_PER_MONTH * 3.0)
    with pytest.raises(ValueError, match="1 or more, got 0"):
        cost.rent(**TERMS | {"horizon_months": 0})


@pytest.mark.parametrize("ports", [4, 64, 128])
def test_a_tree_that_is_full_needs_its_tiers_and_a_chip_more_another(ports):
    for tiers in (1, 2, 3, 4):
        full = 2.0 * (ports / 2) ** tiers  # the chips that a full fat tree reaches
        assert float(network_tiers(full, ports)) == tiers
        assert float(network_tiers(1.01 * full, ports)) == tiers + 1


@pytest.mark.parametrize(("chips", "tiers"), [(64, 1), (2_048, 2), (65_536, 3), (100_000, 4)])
def test_a_network_costs_its_tiers(chips, tiers):
    """64 ports: a tier reaches 64 chips, two 2,048, three 65,536."""
    assert float(cost.network_usd_per_chip(chips, 2_200.0, 64)) == pytest.approx(2_200.0 * tiers)


def test_a_switch_has_four_ports_or_more():
    assert float(network_tiers(8, 4)) == 2
    with pytest.raises(ValueError, match="4 or more ports, got 3"):
        network_tiers(8, 3)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(("flows", "rate"), [([-1, *[0] * 11, 1.21], 0.21), ([-2, *[0] * 23, 2], 0.0), ([1, 1], None)])
def test_a_rate_of_return_does_not_depend_on_the_currency(flows, rate, scale):
    found = float(_internal_rate(numpy, scale * numpy.asarray(flows, dtype=float)[:, None])[0])
    assert found == pytest.approx(rate, abs=1e-9) if rate is not None else numpy.isnan(found)


def test_flows_that_turn_twice_have_no_one_rate():
    """-1, +2.5, -1.54 a year apart is worth nothing at 10 and at 40 %."""
    flows = numpy.zeros((25, 1))
    flows[[0, 12, 24], 0] = -1.0, 2.5, -1.54
    assert numpy.isnan(_internal_rate(numpy, flows)[0])


@pytest.mark.parametrize("ports", [3.9, float("inf")])
def test_a_switch_has_four_ports_or_more_and_an_end(ports):
    with pytest.raises(ValueError, match=f"switch_ports must be 4 or more ports, got {ports}"):
        network_tiers(100.0, ports)
