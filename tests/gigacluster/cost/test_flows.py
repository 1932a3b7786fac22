"""Own and rent: laws that cash flows keep, whatever the inputs, and closed forms of simple cases."""

import dataclasses

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import cost
from gigacluster.arrays import to_host
from gigacluster.cost.flows import bought, first_lasting_month, in_month, paid_evenly, paid_once
from gigacluster.cost.own import loan_owed, loan_service
from gigacluster.units import HOURS_PER_MONTH

PLAIN = {
    "n_chips": 1_000.0,
    "horizon_months": 36,
    "deliveries": [(0.0, 1.0)],
    "chip_usd": 25_000.0,
    "server_usd_per_chip": 8_000.0,
    "network_usd_per_chip": 6_000.0,
    "storage_usd_per_chip": 600.0,
    "building_usd_per_it_w": 10.0,
    "power_plant_usd_per_it_w": 0.5,
    "it_power_w_per_chip": 1_400.0,
    "load_frac": 0.8,
    "pue": 1.25,
    "energy_usd_per_kwh": 0.08,
    "staff_usd_per_chip_year": 250.0,
    "maintenance_frac_per_year": 0.03,
    "spares_frac": 0.02,
    "hardware_life_months": 72.0,
    "hardware_value_decline_per_year": 0.3,
    "building_life_months": 240.0,
    "debt_frac": 0.6,
    "debt_effective_rate_per_year": 0.11,
    "equity_rate_per_year": 0.15,
    "loan_months": 60.0,
}
#: Every cost that is neither hardware nor finance taken away.
BARE = PLAIN | dict.fromkeys(
    [
        "server_usd_per_chip",
        "network_usd_per_chip",
        "storage_usd_per_chip",
        "building_usd_per_it_w",
        "power_plant_usd_per_it_w",
        "energy_usd_per_kwh",
        "staff_usd_per_chip_year",
        "maintenance_frac_per_year",
        "spares_frac",
        "debt_frac",
        "equity_rate_per_year",
    ],
    0.0,
)


def cash_usd(flows):
    """Return the money of each month, with the sale at the end of the last one taken off."""
    usd = numpy.array(to_host(flows.spend_usd))
    usd[-1] -= to_host(flows.exit_usd)[-1]
    return usd


def own(**changes):
    return cost.own(**(PLAIN | changes))


def decide(owned, rented):
    return cost.decide(owned, rented, usd_per_useful_chip_hour=3.0)


def test_free_money_and_hardware_alone_cost_the_price_less_the_resale():
    flows = cost.own(**BARE)
    assert float(flows.net_present_usd[0]) == pytest.approx(1_000 * 25_000 * (1 - 0.7**3), rel=1e-12)
    assert float(flows.present_chip_hours[0]) == pytest.approx(1_000 * 36 * HOURS_PER_MONTH, rel=1e-12)


def test_hardware_that_keeps_its_value_costs_the_interest_on_its_price():
    flows = cost.own(**BARE | {"hardware_value_decline_per_year": 0.0, "equity_rate_per_year": 0.10})
    assert float(flows.net_present_usd[0]) == pytest.approx(25e6 * (1 - 1.1**-3), rel=1e-12)


def test_energy_is_rated_power_times_load_times_pue():
    with_energy = cost.own(**BARE | {"energy_usd_per_kwh": 0.08})
    years = 3
    expected = 1_400 * 0.8 * 1.25 * 8.766 * 0.08 * 1_000 * years  # W x h/1000 x USD/kWh x chips
    assert float(with_energy.parts_usd["energy"][0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", ["wacc", "equity"])
def test_parts_add_up_to_the_present_value_of_the_months(xp, method):
    flows = own(
        n_chips=xp.array([500.0, 1_000.0, 2_000.0]),
        deliveries=[(xp.array([1.3, 2.0, 0.0]), 0.25), (4.7, 0.75)],
        delay_months=xp.array([0.0, 2.5, 7.0]),
        method=method,
    )
    by_month = cash_usd(flows) * to_host(flows.discount_factor)
    numpy.testing.assert_allclose(by_month.sum(axis=0), to_host(flows.net_present_usd), rtol=1e-12)


def test_samples_equal_single_calls():
    chips = numpy.asarray([500.0, 1_000.0, 2_000.0])
    price = numpy.asarray([0.05, 0.08, 0.12])
    together = own(n_chips=chips, energy_usd_per_kwh=price, delay_months=chips / 400)
    for index in range(3):
        alone = own(
            n_chips=float(chips[index]), energy_usd_per_kwh=float(price[index]), delay_months=float(chips[index]) / 400
        )
        assert float(together.net_present_usd[index]) == pytest.approx(float(alone.net_present_usd[0]), rel=1e-13)


def test_double_the_chips_cost_double():
    one, two = own(), own(n_chips=2_000.0)
    assert float(two.net_present_usd[0] / one.net_present_usd[0]) == pytest.approx(2.0, rel=1e-13)
    assert float(two.usd_per_chip_hour[0]) == pytest.approx(float(one.usd_per_chip_hour[0]), rel=1e-13)


def test_useful_hours_cost_more_by_utilisation_and_goodput():
    flows = own(utilisation_frac=0.8, goodput_frac=0.9)
    assert float(flows.usd_per_useful_chip_hour[0] * 0.72) == pytest.approx(float(flows.usd_per_chip_hour[0]))
    per_flop = float(flows.usd_per_useful_flop(4e14)[0])
    assert per_flop == pytest.approx(float(flows.usd_per_useful_chip_hour[0]) / 3600 / 4e14)
    assert float(flows.usd_per_run(3e25, 4e14)[0]) == pytest.approx(3e25 * per_flop)


def test_delivery_in_two_phases_is_two_clusters():
    both = own(deliveries=[(2.0, 0.25), (5.0, 0.75)])
    parts = own(n_chips=250.0, deliveries=[(2.0, 1.0)]), own(n_chips=750.0, deliveries=[(5.0, 1.0)])
    expected = sum(float(part.net_present_usd[0]) for part in parts)
    assert float(both.net_present_usd[0]) == pytest.approx(expected, rel=1e-12)


def test_loan_at_the_rate_of_equity_changes_nothing():
    """Modigliani and Miller without taxes: who lends does not matter if the price of money is the same."""
    rates = {"debt_effective_rate_per_year": 0.12, "equity_rate_per_year": 0.12}
    lent, unlevered = own(method="equity", **rates), own(method="wacc", **rates)
    assert float(lent.net_present_usd[0]) == pytest.approx(float(unlevered.net_present_usd[0]), rel=1e-12)
    assert float(lent.parts_usd["loan"][0]) == pytest.approx(0.0, abs=1e-3)  # of 40 million


@settings(max_examples=150)
@given(
    month=st.floats(0, 20),
    rate=st.just(0.0) | st.floats(1e-9, 0.4),  # the numbers nearest to 0 carry few digits
    term=st.floats(1, 80),
)
def test_loan_is_worth_nothing_at_its_own_rate(month, rate, term):
    rows = numpy.arange(61.0)[:, None]
    lent = (numpy, rows, numpy.asarray(month), numpy.asarray(rate), numpy.asarray(term))
    service, owed = loan_service(*lent), loan_owed(*lent)
    factor = (1 + rate) ** (-rows / 12)
    # a term of whole months closes to rounding; a fraction leaves the last payment's share of a month of interest
    tolerance = 1e-10 + (0.0 if float(term).is_integer() else rate / 12)
    assert float((factor * service).sum() + factor[-1, 0] * owed[-1, 0]) == pytest.approx(0.0, abs=tolerance)


@settings(max_examples=40)
@given(month=st.floats(0, 35.9))
def test_schedules_share_out_one_payment_and_count_the_time_left(month):
    rows, at = numpy.arange(37.0)[:, None], numpy.asarray(month)
    assert paid_once(numpy, rows, at).sum() == pytest.approx(1.0)
    assert paid_evenly(numpy, rows, at).sum() == pytest.approx(1.0)
    assert in_month(numpy, rows, at).sum() == pytest.approx(36 - month)
    numpy.testing.assert_allclose(numpy.cumsum(paid_once(numpy, rows, at)), bought(numpy, rows, at)[:, 0], atol=1e-12)


@settings(max_examples=40)
@given(start=st.floats(0, 50), length=st.floats(0, 50))
def test_what_runs_for_a_time_runs_for_that_time_and_within_it(start, length):
    rows = numpy.arange(37.0)[:, None]
    running = in_month(numpy, rows, numpy.asarray(start), numpy.asarray(start + length))
    assert running.sum() == pytest.approx(max(0.0, min(start + length, 36) - min(start, 36)), abs=1e-9)
    assert (running >= 0).all()
    assert not running[(rows <= start) | (rows >= start + length + 1)].any()


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_the_first_lasting_month_is_that_after_which_nothing_is_behind(behind):
    found = float(first_lasting_month(numpy, numpy.asarray(behind)[:, None])[0])
    lasting = [month for month in range(len(behind)) if not any(behind[month:])]
    assert found == lasting[0] if lasting else numpy.isnan(found)


def test_what_leaves_is_the_sum_of_its_parts_and_of_its_months():
    flows = own(deliveries=[(1.5, 0.5), (7.0, 0.5)], method="equity")
    whole = float(flows.nominal_usd()[0])
    assert whole == pytest.approx(float(flows.spend_usd.sum()), rel=1e-12)
    assert whole == pytest.approx(sum(float(flows.nominal_usd(name)[0]) for name in flows.flows), rel=1e-12)
    assert float(flows.nominal_usd("chips", "staff")[0]) == pytest.approx(
        float(flows.nominal_usd("chips")[0] + flows.nominal_usd("staff")[0]), rel=1e-12
    )
    assert float(flows.so_far_usd[-1, 0]) == pytest.approx(float((flows.discount_factor * flows.spend_usd).sum()))


@pytest.mark.parametrize("samples", [1, 3])
def test_arrays_by_month_have_a_row_a_month_and_a_column_a_sample(samples):
    chips = numpy.full(samples, 10.0)
    rented = cost.rent(n_chips=chips, horizon_months=36, market_usd_per_chip_hour=2.0, discount_rate_per_year=0.1)
    for flows in (own(n_chips=chips), rented, cost.buy_out(rented, own(n_chips=chips), month=3.0, usd=1.0)):
        for name in ("chip_hours", "idle_chips", "spend_usd", "exit_usd", "so_far_usd", "useful_chip_hours"):
            assert getattr(flows, name).shape == (37, samples), name
        for name in ("net_present_usd", "present_chip_hours", "usd_per_chip_hour", "usd_per_useful_chip_hour"):
            assert getattr(flows, name).shape == (samples,), name


@pytest.mark.parametrize("months", [True, 1.5, 0, -3, "12"])
def test_a_horizon_is_a_whole_number_of_months(months):
    with pytest.raises(ValueError, match=r"horizon_months must be a whole number of months|invalid literal|could not"):
        own(horizon_months=months)


def test_a_run_of_nothing_and_one_longer_than_the_horizon_have_no_end():
    flows = own(deliveries=[(3.0, 1.0)])
    hours = float(flows.useful_chip_hours.sum())
    assert numpy.isnan(flows.finish_month(0.0)[0])
    assert float(flows.finish_month(hours)[0]) == pytest.approx(36.0)
    assert numpy.isnan(flows.finish_month(hours * 1.001)[0])
    assert numpy.isnan(flows.finish_month(hours * 1.001, waits=True)[0])


def test_delay_costs_useful_hours_and_never_adds_any():
    delays = numpy.asarray([0.0, 1.0, 5.5, 20.0])
    hours = own(delay_months=delays).chip_hours.sum(axis=0)
    assert numpy.all(numpy.diff(hours) < 0)


def test_nothing_delivered_within_the_horizon_has_no_price_per_hour():
    flows = own(delay_months=numpy.asarray([0.0, 40.0]))
    assert numpy.isfinite(flows.usd_per_chip_hour).tolist() == [True, False]


def test_depreciation_is_no_payment():
    """The life that accounts use moves nothing; the value that a sale brings does."""
    assert not any("depreciation" in name for name in own().parts_usd)
    assert float(own(building_life_months=480.0).net_present_usd[0]) < float(own().net_present_usd[0])


def test_hardware_stops_at_the_end_of_its_life():
    flows = own(hardware_life_months=24.0)
    assert float(flows.chip_hours.sum()) == pytest.approx(1_000 * 24 * HOURS_PER_MONTH)
    assert float(flows.exit_usd[-1, 0]) == pytest.approx(1_000 * 1_400 * 10.5 * (1 - 36 / 240))  # the site alone


def test_rent_on_demand_pays_used_hours():
    flows = cost.rent(
        n_chips=1_000, horizon_months=12, market_usd_per_chip_hour=2.5, discount_rate_per_year=0.0, utilisation_frac=0.8
    )
    assert float(flows.net_present_usd[0]) == pytest.approx(1_000 * 8_766 * 0.8 * 2.5, rel=1e-12)
    assert float(flows.usd_per_useful_chip_hour[0]) == pytest.approx(2.5, rel=1e-12)


@pytest.mark.parametrize(("take", "used", "paid"), [(0.7, 0.5, 0.7), (0.7, 0.9, 0.9), (0.0, 0.5, 0.5), (1.0, 0.5, 1.0)])
def test_take_or_pay_pays_the_larger_of_use_and_minimum(take, used, paid):
    flows = cost.rent(
        n_chips=1_000,
        horizon_months=12,
        market_usd_per_chip_hour=9.0,
        discount_rate_per_year=0.0,
        committed_frac=1.0,
        committed_usd_per_chip_hour=2.0,
        term_months=12,
        minimum_take_frac=take,
        utilisation_frac=used,
    )
    assert float(flows.net_present_usd[0]) == pytest.approx(1_000 * 8_766 * 2.0 * paid, rel=1e-12)


def test_prepayment_moves_money_forward_and_changes_no_sum():
    terms = {
        "n_chips": 1_000,
        "horizon_months": 48,
        "market_usd_per_chip_hour": 3.0,
        "committed_frac": 1.0,
        "committed_usd_per_chip_hour": 2.0,
        "term_months": 36,
        "start_month": 2.5,
    }
    free = [cost.rent(**terms, discount_rate_per_year=0.0, prepaid_frac=share) for share in (0.0, 0.25)]
    dear = [cost.rent(**terms, discount_rate_per_year=0.1, prepaid_frac=share) for share in (0.0, 0.25)]
    assert float(free[0].net_present_usd[0]) == pytest.approx(float(free[1].net_present_usd[0]), rel=1e-12)
    assert float(dear[0].net_present_usd[0]) < float(dear[1].net_present_usd[0])


def test_after_the_term_the_market_price_holds(xp):
    path = xp.array(numpy.linspace(3.0, 1.0, 25)[:, None] * numpy.ones(2))
    flows = cost.rent(
        n_chips=100,
        horizon_months=24,
        market_path_usd_per_chip_hour=path,
        discount_rate_per_year=0.0,
        committed_frac=1.0,
        committed_usd_per_chip_hour=2.0,
        term_months=12,
    )
    expected = 100 * HOURS_PER_MONTH * (12 * 2.0 + numpy.linspace(3.0, 1.0, 25)[13:].sum())
    numpy.testing.assert_allclose(to_host(flows.net_present_usd), [expected, expected], rtol=1e-12)


def test_break_even_rent_makes_both_cost_the_same(xp):
    owned = own(goodput_frac=xp.array([0.8, 0.9]), deliveries=[(4.3, 1.0)])
    rate = owned.discount_rate_per_year
    terms = {"n_chips": 700, "horizon_months": 36, "discount_rate_per_year": rate, "goodput_frac": 0.95}
    terms |= {"start_month": 6.0, "extras_frac": 0.03}
    turn = decide(owned, cost.rent(**terms, market_usd_per_chip_hour=2.5))
    at_turn = decide(owned, cost.rent(**terms, market_usd_per_chip_hour=2.5 * turn.parity_frac))
    numpy.testing.assert_allclose(to_host(at_turn.same_work_usd), 0.0, atol=1e-3)  # of 40 million
    numpy.testing.assert_allclose(to_host(at_turn.utilisation_frac), 1.0, rtol=1e-9)


def test_break_even_utilisation_makes_both_cost_the_same():
    rented = cost.rent(n_chips=9, horizon_months=36, market_usd_per_chip_hour=2.5, discount_rate_per_year=0.126)
    used = decide(own(), rented).utilisation_frac
    at_turn = decide(own(utilisation_frac=float(used[0])), rented)
    assert float(at_turn.same_work_usd[0]) == pytest.approx(0.0, abs=1e-3)


def test_owning_pays_off_later_where_rent_is_cheaper():
    owned = own(selling_cost_frac=0.2)
    months = [
        float(decide(owned, rented).month[0])
        for rented in (
            cost.rent(n_chips=1e3, horizon_months=36, market_usd_per_chip_hour=price, discount_rate_per_year=0.126)
            for price in (9.0, 4.0, 2.5, 0.5)
        )
    ]
    assert months[0] < months[1] < months[2]
    assert numpy.isnan(months[3])


def test_break_even_month_agrees_with_a_comparison_that_ends_there():
    terms = {"n_chips": 1e3, "market_usd_per_chip_hour": 3.0, "discount_rate_per_year": own().discount_rate_per_year}

    def saving_usd(months):
        owned = own(horizon_months=months, selling_cost_frac=0.2)
        return float(decide(owned, cost.rent(**terms, horizon_months=months)).same_work_usd[0])

    owned = own(selling_cost_frac=0.2)
    month = int(decide(owned, cost.rent(**terms, horizon_months=36)).month[0])
    assert saving_usd(month - 1) < 0 <= saving_usd(month)


def test_lease_income_comes_off_the_cost():
    flows = own()
    lease = numpy.zeros((37, 1))
    lease[30:] = 5e6
    let = flows.with_income(lease)
    gain = float((flows.discount_factor[30:, 0] * 5e6).sum())
    assert float(flows.net_present_usd[0] - let.net_present_usd[0]) == pytest.approx(gain)
    numpy.testing.assert_allclose((cash_usd(let) * let.discount_factor).sum(axis=0), let.net_present_usd)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pue": 0.9}, "pue must be 1 or more, got 0.9"),
        ({"utilisation_frac": 1.2}, "utilisation_frac must be above 0 and at most 1, got 1.2"),
        ({"debt_effective_rate_per_year": -0.01}, "debt_effective_rate_per_year must be 0 or more, got -0.01"),
        ({"hardware_life_months": 0.0}, "hardware_life_months must be above 0, got 0.0"),
        ({"deliveries": [(-2.0, 1.0)]}, "deliveries.0. month must be from 0 to below horizon_months=36, got -2.0"),
        ({"deliveries": [(36.0, 1.0)]}, "deliveries.0. month must be from 0 to below horizon_months=36, got 36.0"),
        ({"deliveries": [(1.0, 0.5)]}, "must add up to 1"),
        ({"deliveries": []}, "pairs such as"),
        ({"horizon_months": 0}, "horizon_months must be a whole number of months, 1 or more, got 0"),
        ({"method": "both"}, "'wacc' .no interest. or 'equity'"),
        ({"chip_usd": float("nan")}, "chip_usd must be above 0"),
        (
            {"chip_usd": "cheap", "pue": 0.9},
            "chip_usd must be a number or an array of numbers, got 'cheap'; .*pue must",
        ),
    ],
)
def test_impossible_number_is_refused_with_what_is_valid(change, said):
    with pytest.raises(ValueError, match=said):
        own(**change)


@pytest.mark.parametrize("name", sorted(cost.OWN_LIMITS))
def test_impossible_element_of_own_becomes_nan_and_spares_the_others(name):
    flows = own(**{name: numpy.asarray([PLAIN.get(name, 0.5), -1.0])})
    assert numpy.isfinite(flows.net_present_usd).tolist() == [True, False]
    assert numpy.isfinite(flows.usd_per_useful_chip_hour).tolist() == [True, False]


@pytest.mark.parametrize("name", sorted(cost.RENT_LIMITS))
def test_impossible_element_of_rent_becomes_nan_and_spares_the_others(name):
    terms = {"n_chips": 10.0, "horizon_months": 12, "market_usd_per_chip_hour": 2.0, "discount_rate_per_year": 0.1}
    flows = cost.rent(**(terms | {name: numpy.asarray([terms.get(name, 0.5), -1.0])}))
    assert numpy.isfinite(flows.net_present_usd).tolist() == [True, False]
    assert numpy.isfinite(flows.usd_per_useful_chip_hour).tolist() == [True, False]


def test_rent_that_starts_after_the_horizon_is_refused():
    with pytest.raises(ValueError, match="start_month must be from 0 to below horizon_months=12, got 13"):
        cost.rent(n_chips=1, horizon_months=12, market_usd_per_chip_hour=2, discount_rate_per_year=0.1, start_month=13)


def test_shares_of_deliveries_that_do_not_add_up_become_nan():
    shares = numpy.asarray([0.25, 0.5]), numpy.asarray([0.75, 0.75])
    flows = own(deliveries=[(1.0, shares[0]), (2.0, shares[1])])
    assert numpy.isfinite(flows.net_present_usd).tolist() == [True, False]


def test_different_horizons_or_rates_are_not_compared():
    rent = {"n_chips": 1, "market_usd_per_chip_hour": 2.0}
    with pytest.raises(ValueError, match="owned runs over 36 months and rented over 24"):
        decide(own(), cost.rent(**rent, horizon_months=24, discount_rate_per_year=0.126))
    other_rate = cost.rent(**rent, horizon_months=36, discount_rate_per_year=0.05)
    assert numpy.isnan(decide(own(), other_rate).same_work_usd).all()


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        own().spend_usd = None
