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


@settings(max_examples=60)
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


@pytest.mark.parametrize("before", [0, 1, 30])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("rate", [-0.9, -0.2, 0.0, 0.15, 3.0, 100.0])
def test_a_rate_of_return_is_that_of_lender_and_borrower_whenever_they_begin(rate, sign, before):
    """Months of nothing before the first payment change no rate, nor does the other side's view of it."""
    flows = [0.0] * before + [sign, *[0.0] * 5, sign, *[0.0] * 5, -sign * (1 + rate) * (1 + (1 + rate) ** -0.5)]
    assert float(_internal_rate(numpy, numpy.asarray(flows)[:, None])[0]) == pytest.approx(rate, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("back", "found"), [(0.04, False), (0.06, True), (140.0, True), (160.0, False), (0.0, False)])
def test_a_rate_is_sought_between_a_loss_of_95_percent_and_a_gain_of_147_times(back, found, sign):
    flows = sign * numpy.asarray([-1.0, *[0.0] * 11, back])[:, None]
    rate = float(_internal_rate(numpy, flows)[0])
    assert rate == pytest.approx(back - 1, rel=1e-8) if found else numpy.isnan(rate)


def bill(start, term, leave, notice, step, least, used, fee, prepaid, renews, share, horizon=30):
    """Live through a contract for 1,000 chips month by month: hours worked and dollars paid at the end of each."""
    hours, paid, owed = numpy.zeros(horizon + 1), numpy.zeros(horizon + 1), numpy.zeros(horizon + 1)
    month = 1_000 * HOURS_PER_MONTH
    end = start + term
    leave = leave if renews else min(leave, end)
    freed = min(leave + notice, end)  # from then on the fee alone is owed
    for begins in range(start, horizon):
        price = share * month * 2.0 * (1 - step) ** ((begins - start) // 12)
        works, bound = begins < leave, begins < end
        hours[begins + 1] = month * works
        if bound:
            owed[begins + 1] = least * price * (begins < freed)
            paid[begins + 1] += max(used, least) * price if works else owed[begins + 1]
            if begins >= freed and freed <= horizon:
                paid[freed] += fee * least * price
        if works:
            paid[begins + 1] += month * used * 5.0 * (1 - share if bound else 1)
    paid -= prepaid * owed
    paid[0] += prepaid * owed.sum()
    return hours, paid


part = st.sampled_from([0.0, 0.3, 0.7, 1.0])


@settings(max_examples=200)
@given(
    start=st.integers(0, 10),
    term=st.integers(0, 40),
    leave=st.integers(0, 40),
    notice=st.integers(0, 15),
    step=st.sampled_from([0.0, 0.1, 0.5]),
    least=part,
    used=st.sampled_from([0.2, 0.8, 1.0]),
    fee=part,
    prepaid=part,
    renews=st.booleans(),
    share=part,
)
def test_a_contract_of_whole_months_bills_what_living_through_it_bills(start, term, leave, notice, renews, **terms):
    hours, paid = bill(start, term, leave, notice, renews=renews, **terms)
    flows = cost.rent(
        n_chips=1_000.0,
        horizon_months=30,
        market_usd_per_chip_hour=5.0,
        discount_rate_per_year=0.1,
        committed_usd_per_chip_hour=2.0,
        start_month=float(start),
        term_months=float(term),
        leave_month=float(leave),
        notice_months=float(notice),
        step_down_frac_per_year=terms["step"],
        minimum_take_frac=terms["least"],
        utilisation_frac=terms["used"],
        exit_fee_frac=terms["fee"],
        prepaid_frac=terms["prepaid"],
        committed_frac=terms["share"],
        renews=renews,
    )
    assert flows.chip_hours[:, 0] == pytest.approx(hours, abs=1e-6)
    assert flows.spend_usd[:, 0] == pytest.approx(paid, abs=1e-4)


@settings(max_examples=40)
@given(
    leave=st.floats(0.0, 24.0),
    notice=st.floats(0.0, 12.0),
    step=st.floats(0.0, 0.6),
    ramp=st.floats(0.0, 6.0),
    used=st.floats(0.1, 1.0),
)
def test_a_fee_of_all_that_is_left_costs_as_much_as_its_minimum(leave, notice, step, ramp, used):
    """Not discounted, to leave for the whole of the rest at once is to owe it month by month, steps down and all."""
    terms = TERMS | {"discount_rate_per_year": 0.0, "committed_frac": 1.0, "committed_usd_per_chip_hour": 2.0}
    terms |= {"term_months": 24.0, "leave_month": leave, "step_down_frac_per_year": step, "ramp_months": ramp}
    terms |= {"minimum_take_frac": 0.8, "utilisation_frac": used}
    stays = cost.rent(**terms)
    goes = cost.rent(**terms, notice_months=min(notice, 24.0 - leave), exit_fee_frac=1.0)
    assert float(goes.net_present_usd[0]) == pytest.approx(float(stays.net_present_usd[0]), rel=1e-9)


def test_payments_in_any_order_are_worth_nothing_at_their_rate_of_return():
    """Costs among the gains too, where Newton's method alone leaves the bracket."""
    rng, years = numpy.random.default_rng(3), numpy.arange(121)[:, None] / 12
    size = (121, 10_000)
    flows = rng.normal(0, 1, size) * rng.lognormal(0, 1, size) * (rng.random(size) < 0.2)
    rates = _internal_rate(numpy, flows)
    known = numpy.isfinite(rates)
    assert known.sum() > 1_000
    present = flows[:, known] * (1 + rates[known]) ** -years
    assert numpy.max(numpy.abs(present.sum(axis=0)) / numpy.abs(present).sum(axis=0)) < 1e-12
