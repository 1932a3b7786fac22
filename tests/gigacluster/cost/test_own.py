"""To own: each part of the bill in closed form, the loan against numpy_financial, and laws of power, life and sale."""

import numpy
import numpy_financial
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import cost
from gigacluster.arrays import to_host
from gigacluster.cost.own import annuity_factor
from gigacluster.units import HOURS_PER_MONTH
from tests.gigacluster.cost.test_flows import BARE, PLAIN, cash_usd, own

HARDWARE = ("chips", "servers", "network", "storage")
SITE = ("building", "power plant")
HARDWARE_USD = 1_000 * 1.02 * (25_000 + 8_000 + 6_000 + 600)
SITE_USD = 1_000 * 1_400 * 10.5


def total(values):
    return float(to_host(values).sum())


@given(spares=st.floats(0, 0.5), overrun=st.floats(0, 1.0), storage=st.floats(0, 5e3), network=st.floats(0, 2e4))
@settings(max_examples=30)
def test_capital_per_chip_is_what_leaves_for_hardware_and_site_over_the_chips(spares, overrun, storage, network):
    terms = {"spares_frac": spares, "overrun_frac": overrun}
    terms |= {"storage_usd_per_chip": storage, "network_usd_per_chip": network}
    capital = cost.capital_usd_per_chip(33_000.0, site_usd_per_chip=1_400 * 10.5, **terms)
    assert float(capital) * 1_000 == pytest.approx(total(own(**terms).nominal_usd(*HARDWARE, *SITE)), rel=1e-12)


def test_a_site_for_rent_is_paid_by_the_rated_kilowatt_while_chips_stand():
    flows = cost.own(**BARE | {"site_rent_usd_per_kw_month": 130.0, "deliveries": [(6.0, 1.0)], "load_frac": 0.3})
    assert total(flows.nominal_usd("site rent")) == pytest.approx(1_000 * 1.4 * 130.0 * 30, rel=1e-12)


@given(rate=st.floats(0.0, 0.3), start=st.integers(0, 30))
@settings(max_examples=30)
def test_running_costs_that_grow_as_money_is_discounted_are_worth_their_plain_sum(rate, start):
    """Each month's cost is that of month 0 grown and discounted by the same factor."""
    terms = {"deliveries": [(float(start), 1.0)], "site_rent_usd_per_kw_month": 100.0}
    terms |= {"debt_frac": 0.0, "equity_rate_per_year": rate}
    grown, plain = own(**terms, running_cost_growth_per_year=rate), own(**terms)
    for part in ("energy", "staff", "maintenance", "site rent"):
        assert total(grown.parts_usd[part]) == pytest.approx(total(plain.nominal_usd(part)), rel=1e-10), part
    assert total(grown.nominal_usd(*HARDWARE)) == total(plain.nominal_usd(*HARDWARE))


@pytest.mark.parametrize("delivery", [0.0, 3.0, 11.0])
def test_a_sale_brings_what_age_left_of_hardware_and_site(delivery):
    """By the end of each month: 30 % a year less for hardware until it wears out, a straight line for the site."""
    terms = {"hardware_life_months": 20.0, "building_life_months": 10.0, "selling_cost_frac": 0.1, "overrun_frac": 0.5}
    flows = own(deliveries=[(delivery, 1.0)], **terms)
    for month in range(37):
        age = month - delivery
        hardware = HARDWARE_USD * 0.7 ** (age / 12) if 0 <= age < 20 else 0.0
        site = SITE_USD * max(0.0, 1 - age / 10) if age >= 0 else 0.0
        assert float(flows.exit_usd[month, 0]) == pytest.approx(0.9 * (hardware + site), rel=1e-12, abs=1e-3), month
    assert {name: total(usd) for name, usd in flows.sale_usd.items()} == pytest.approx(
        {"hardware": 0.0, "site": 0.0}, abs=1e-3
    )


@pytest.mark.parametrize("term", [24, 60])
@pytest.mark.parametrize("delivery", [0, 5])
def test_equity_pays_the_loan_of_numpy_financial_and_what_is_owed_at_the_sale(term, delivery):
    flows = own(method="equity", loan_months=float(term), deliveries=[(float(delivery), 1.0)])
    monthly, lent = 1.11 ** (1 / 12) - 1, 0.6 * HARDWARE_USD
    payment = -float(numpy_financial.pmt(monthly, term, lent))
    paid = numpy.zeros(37)
    paid[delivery] -= lent
    paid[delivery + 1 : delivery + term + 1] += payment
    owed = [-float(numpy_financial.fv(monthly, age, -payment, lent)) if 0 <= age < term else 0.0
            for age in range(-delivery, 37 - delivery)]  # fmt: skip
    assert to_host(flows.flows["loan"].amount_usd * flows.flows["loan"].by_month)[:, 0] == pytest.approx(
        paid, rel=1e-9, abs=1e-3
    )
    assert float(flows.sale_usd["loan"][0]) == pytest.approx(-owed[-1], rel=1e-9, abs=1e-3)
    assert flows.discount_rate_per_year == 0.15
    unlent = own(method="equity", debt_frac=0.0, deliveries=[(float(delivery), 1.0)])
    with_loan = cash_usd(unlent)[:, 0] + paid
    with_loan[-1] += owed[-1]
    assert float(flows.net_present_usd[0]) == pytest.approx(
        float(numpy_financial.npv(1.15 ** (1 / 12) - 1, with_loan)), rel=1e-9
    )


@given(rate=st.just(0.0) | st.floats(1e-3, 0.5), months=st.integers(0, 120))
@settings(max_examples=60)
def test_an_annuity_is_worth_its_dollars_discounted_one_by_one(rate, months):
    found = annuity_factor(numpy, numpy.asarray(rate), numpy.asarray(float(months)))
    expected = sum((1 + rate) ** (-month / 12) for month in range(1, months + 1))
    assert float(found) == pytest.approx(expected, rel=1e-9)


@given(lent=st.floats(0, 1), debt=st.floats(0, 0.5), equity=st.floats(0, 0.5))
def test_capital_costs_between_debt_and_equity_by_their_shares(lent, debt, equity):
    found = float(cost.weighted_cost_of_capital(lent, debt, equity))
    assert found - equity == pytest.approx(lent * (debt - equity), abs=1e-12)


def test_chips_without_power_do_no_work_and_take_no_energy():
    dark = own(sites=[(0.0, 0.0)])
    assert total(dark.chip_hours) == 0
    assert total(dark.nominal_usd("energy")) == 0
    assert to_host(dark.idle_chips)[1:, 0] == pytest.approx([1_000.0] * 36)
    late = own(sites=[(6.0, float("inf"))])  # as much as they need, from then on
    assert total(late.chip_hours) == pytest.approx(1_000 * 30 * HOURS_PER_MONTH)
    assert numpy.isfinite(to_host(late.net_present_usd)).all()


@given(parts=st.lists(st.floats(1e3, 2e6), min_size=1, max_size=4), month=st.integers(0, 20))
@settings(max_examples=30)
def test_sites_of_one_date_are_one_site_of_their_power(parts, month):
    several, one = own(sites=[(month, part) for part in parts]), own(sites=[(month, sum(parts))])
    numpy.testing.assert_allclose(to_host(several.chip_hours), to_host(one.chip_hours), rtol=1e-9, atol=1e-6)
    fed = min(1.0, sum(parts) / (1_000 * 1_400 * 1.25))
    assert total(one.chip_hours) == pytest.approx(1_000 * fed * (36 - month) * HOURS_PER_MONTH, rel=1e-9)


def test_one_delivery_of_samples_beside_one_of_a_number_must_add_up_in_each_sample():
    flows = own(deliveries=[(1.0, numpy.asarray([0.25, 0.5])), (2.0, 0.75)])
    assert numpy.isfinite(flows.net_present_usd).tolist() == [True, False]
    alone = own(deliveries=[(1.0, 0.25), (2.0, 0.75)])
    assert float(flows.net_present_usd[0]) == pytest.approx(float(alone.net_present_usd[0]), rel=1e-12)


@pytest.mark.parametrize("pairs", [[(1.0,)], [(1.0, 0.5, 0.5)], [(0.0, 0.5), (1.0, 0.5, 2.0)]])
@pytest.mark.parametrize("name", ["deliveries", "sites"])
def test_pairs_are_pairs(name, pairs):
    with pytest.raises(ValueError, match=f"{name} must be .month, .* pairs such as"):
        own(**{name: pairs})


@pytest.mark.parametrize("part", sorted(name for name in PLAIN if "_usd" in name or name.startswith("energy_usd")))
def test_each_price_moves_the_bill_in_proportion_to_its_own_part(part):
    """Twice a price costs as much more as leaving it out costs less."""
    none, once, twice = (total(own(**{part: k * PLAIN[part]}).net_present_usd) for k in (1e-9, 1.0, 2.0))
    assert none < once
    assert twice - once == pytest.approx(once - none, rel=1e-6)
