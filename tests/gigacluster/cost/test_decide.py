"""The decision on one clock: an independent calculation of the two flows, identities, and laws over random inputs."""

import numpy
import numpy_financial
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from gigacluster import cost
from gigacluster.arrays import to_host
from gigacluster.units import HOURS_PER_MONTH
from tests.gigacluster.cost.test_flows import PLAIN, own

RATE = 0.6 * 0.11 + 0.4 * 0.15  # the weighted cost of capital of PLAIN
CHIPS, MONTHS = PLAIN["n_chips"], PLAIN["horizon_months"]


def rent(price=2.8, **changes):
    terms = {"n_chips": CHIPS, "horizon_months": MONTHS, "discount_rate_per_year": RATE}
    if "market_path_usd_per_chip_hour" not in changes:
        terms["market_usd_per_chip_hour"] = price
    return cost.rent(**(terms | changes))


def decide(owned, rented, worth=3.0):
    return cost.decide(owned, rented, usd_per_useful_chip_hour=worth)


prices, months, shares = st.floats(0.2, 8.0), st.floats(0.0, 30.0), st.floats(0.05, 1.0)


def split(month, until):
    return [point for point in (month - 1, month, month + 1) if 0 < point < until] or None


def independent_flows(price, own_month, rent_month, worth, goodput):
    """Own and rent month by month, written out without the package: net of the worth of compute."""
    net_own, net_rent = numpy.zeros(MONTHS + 1), numpy.zeros(MONTHS + 1)
    hours = 365.25 * 24 / 12
    hardware = 1_000 * 1.02 * (25_000 + 8_000 + 6_000 + 600)
    site = 1_000 * 1_400 * 10.5
    month_usd = (
        1_000 * 1.4 * 0.8 * 1.25 * hours * 0.08 + 1_000 * 250 / 12 + hardware * 0.03 / 12
    )  # energy, staff, maintenance
    for month in range(MONTHS + 1):
        net_own[month] -= hardware * max(0.0, 1 - abs(month - own_month))
        if own_month == 0:
            net_own[month] -= site if month == 0 else 0.0
        else:  # every instant of the building time split between the ends of its month
            net_own[month] -= (
                site
                / own_month
                * integrate.quad(
                    lambda at, month=month: max(0.0, 1 - abs(month - at)), 0, own_month, points=split(month, own_month)
                )[0]
            )
        for net, start, paid in ((net_own, own_month, month_usd), (net_rent, rent_month, 1_000 * hours * price)):
            worked = min(max(month - start, 0.0), 1.0)
            net[month] += worked * (1_000 * hours * goodput * worth - paid)
    held = MONTHS - own_month
    net_own[-1] += hardware * 0.7 ** (held / 12) + site * (1 - held / 240)
    return net_own, net_rent


@settings(max_examples=60)
@given(prices, st.just(0.0) | st.floats(0.01, 20.0), st.floats(0.0, 20.0), st.floats(0.0, 9.0), st.floats(0.3, 1.0))
def test_two_flows_agree_with_an_independent_calculation(price, own_month, rent_month, worth, goodput):
    owned = own(deliveries=[(own_month, 1.0)], goodput_frac=goodput)
    rented = rent(price, start_month=rent_month, goodput_frac=goodput)
    found = decide(owned, rented, worth)
    monthly = (1 + RATE) ** (1 / 12) - 1
    for option, net in zip(
        (found.own, found.rent), independent_flows(price, own_month, rent_month, worth, goodput), strict=True
    ):
        expected = numpy_financial.npv(monthly, net)
        # what is added up is worth and cost, tens of millions that may cancel: rounding of these alone
        scale = float(abs(option.worth_usd[0]) + abs(option.cost_usd[0]))
        assert float(option.net_usd[0]) == pytest.approx(expected, rel=1e-10, abs=1e-10 * scale)
        rate = float(option.return_per_year[0])
        if numpy.isfinite(rate):
            assert abs(numpy_financial.npv((1 + rate) ** (1 / 12) - 1, net)) <= 1e-9 * (scale + numpy.abs(net).sum())


def test_rate_of_return_is_that_of_numpy_financial(xp):
    worths = [2.5, 3.5, 6.0]
    found = cost.appraise(own(deliveries=[(2.0, 1.0)], goodput_frac=xp.array([0.9] * 3)), xp.array(worths))
    nets = [independent_flows(2.8, 2.0, 6.0, worth, 0.9)[0] for worth in worths]
    expected = [(1 + numpy_financial.irr(net)) ** 12 - 1 for net in nets]
    assert to_host(found.return_per_year) == pytest.approx(expected, rel=1e-9)
    assert numpy.isnan(cost.appraise(rent(), 0.0).return_per_year[0])  # nothing is ever earned: no rate


@settings(max_examples=60)
@given(prices, months, months, shares, shares)
def test_compute_worth_the_tenants_cost_makes_both_answers_one(price, own_month, rent_month, goodput, extras):
    owned = own(deliveries=[(own_month, 1.0)], goodput_frac=goodput)
    rented = rent(price, start_month=rent_month, goodput_frac=goodput, extras_frac=extras, prepaid_frac=0.2)
    found = decide(owned, rented, rented.usd_per_useful_chip_hour)
    scale = float(found.own.cost_usd[0] + found.rent.cost_usd[0])
    assert float(found.advantage_usd[0]) == pytest.approx(float(found.same_work_usd[0]), abs=1e-12 * scale)
    assert float(found.rent.net_usd[0]) == pytest.approx(0.0, abs=1e-12 * scale)


@settings(max_examples=40)
@given(prices, months, months)
def test_compute_worth_nothing_leaves_the_difference_of_the_bills(price, own_month, rent_month):
    owned, rented = own(deliveries=[(own_month, 1.0)]), rent(price, start_month=rent_month)
    found = decide(owned, rented, 0.0)
    expected = float(rented.net_present_usd[0] - owned.net_present_usd[0])
    assert float(found.advantage_usd[0]) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40)
@given(prices, st.floats(0.0, 5.0), st.floats(0.0, 9.0), months)
def test_a_dearer_rent_never_helps_renting(price, more, worth, start):
    owned = own()
    cheap, dear = (
        decide(owned, rent(usd, start_month=start, extras_frac=0.03), worth) for usd in (price, price + more)
    )
    assert float(dear.rent.net_usd[0]) <= float(cheap.rent.net_usd[0]) + 1e-6
    assert float(dear.advantage_usd[0]) >= float(cheap.advantage_usd[0]) - 1e-6
    assert float(dear.same_work_usd[0]) >= float(cheap.same_work_usd[0]) - 1e-6


@settings(max_examples=40)
@given(st.floats(0.02, 3.0), st.floats(0.0, 2.0), months, st.floats(0.5, 9.0))
def test_more_site_power_never_hurts_where_compute_is_worth_its_energy(site_mw, more_mw, month, worth):
    """Power that costs nothing and need not be used: an hour is worth its energy, 0.11 dollars here, or more."""
    little, much = (
        decide(own(sites=[(month, 0.7 * mw * 1e6), (0.0, 0.3 * mw * 1e6)]), rent(), worth)
        for mw in (site_mw, site_mw + more_mw)
    )
    assert float(much.own.net_usd[0]) >= float(little.own.net_usd[0]) - 1e-6
    assert float(much.own.useful_chip_hours[0]) >= float(little.own.useful_chip_hours[0]) - 1e-6


def test_chips_beyond_the_power_stand_idle_and_are_paid_for():
    """1,000 chips of 1.4 kW at a PUE of 1.25 need 1.75 MW; a site of 0.7 MW runs 400 of them."""
    all_work, some = own(), own(sites=[(0.0, 0.7e6)])
    assert float(some.idle_chips[1:].max()) == pytest.approx(600.0)
    assert float(some.idle_chips[1:].min()) == pytest.approx(600.0)
    assert float(some.chip_hours.sum()) == pytest.approx(0.4 * float(all_work.chip_hours.sum()))
    assert float(some.parts_usd["energy"][0]) == pytest.approx(0.4 * float(all_work.parts_usd["energy"][0]))
    for part in ("chips", "building", "staff", "maintenance", "sale"):
        assert float(some.parts_usd[part][0]) == pytest.approx(float(all_work.parts_usd[part][0]), rel=1e-12), part
    assert float(own(sites=[(0.0, 1.75e6)]).idle_chips.max()) == pytest.approx(0.0, abs=1e-9)


def test_power_that_comes_late_is_waited_for():
    flows = own(sites=[(0.0, 0.7e6), (12.0, 1.05e6)])
    assert to_host(flows.idle_chips)[[1, 12, 13, 36], 0] == pytest.approx([600.0, 600.0, 0.0, 0.0], abs=1e-9)


@settings(max_examples=30)
@given(months, shares, st.floats(0.1, 3.0))
def test_two_halves_of_one_delivery_change_nothing(month, share, site_mw):
    site = {"sites": [(0.0, site_mw * 1e6)], "goodput_frac": 0.9}
    whole = own(deliveries=[(month, 1.0)], **site)
    halves = own(deliveries=[(month, share), (month, 1 - share)], **site)
    for name in ("net_present_usd", "usd_per_useful_chip_hour"):
        assert float(getattr(halves, name)[0]) == pytest.approx(float(getattr(whole, name)[0]), rel=1e-10), name
    run = 100 * HOURS_PER_MONTH  # a hundred chips for a month
    assert float(halves.finish_month(run)[0]) == pytest.approx(float(whole.finish_month(run)[0]), rel=1e-10)


@settings(max_examples=40)
@given(st.floats(0.0, 20.0), st.floats(0.1, 10.0), st.floats(1.0, 3.0))
def test_later_delivery_never_helps_where_compute_is_worth_its_cost(month, later, factor):
    """Condition: a month's compute is worth its levelised cost or more, and the hardware outlives the horizon."""
    worth = factor * float(own(deliveries=[(month, 1.0)]).usd_per_useful_chip_hour[0])
    early, late = (decide(own(deliveries=[(start, 1.0)]), rent(), worth).own for start in (month, month + later))
    assert float(late.net_usd[0]) <= float(early.net_usd[0]) + 1e-6 * float(early.cost_usd[0])


@settings(max_examples=40)
@given(months, months, st.floats(0.5, 5.0))
def test_arriving_later_costs_nothing_where_compute_is_worth_its_rent(start, later_start, price):
    """Condition: the tenant pays neither prepayment nor minimum, and an hour is worth exactly its rent."""
    owned = own()
    both = [decide(owned, rent(price, start_month=month), price).rent.net_usd for month in (start, later_start)]
    assert float(both[0][0]) == pytest.approx(0.0, abs=1e-4)
    assert float(both[1][0]) == pytest.approx(0.0, abs=1e-4)


def test_needed_worth_makes_both_options_equal(xp):
    owned = own(deliveries=[(2.0, 1.0)], goodput_frac=xp.array([0.9, 0.8]))
    rented = rent(1.2, start_month=8.0, goodput_frac=xp.array([0.9, 0.8]))
    needed = decide(owned, rented).needed_usd_per_useful_chip_hour
    assert numpy.all(to_host(needed) > 0)
    numpy.testing.assert_allclose(to_host(decide(owned, rented, needed).advantage_usd), 0.0, atol=1e-3)
    late = own(deliveries=[(9.0, 1.0)], goodput_frac=xp.array([0.9, 0.8]))
    assert numpy.isnan(to_host(decide(late, rented).needed_usd_per_useful_chip_hour)).all()


def test_payback_is_the_first_month_from_which_more_was_earned_than_paid():
    flows = own(deliveries=[(1.0, 1.0)])
    found = decide(flows, rent(), 6.0).own
    net = independent_flows(2.8, 1.0, 6.0, 6.0, 1.0)[0]
    so_far = numpy.cumsum(net[:-1])  # the last month holds the sale
    assert int(found.payback_month[0]) == int(numpy.flatnonzero(so_far < 0).max()) + 1
    assert numpy.isnan(decide(flows, rent(), 0.5).own.payback_month[0])


def test_worth_that_fades_counts_less_and_never_more():
    flows = own()
    fading = 0.5 ** (numpy.arange(MONTHS + 1) / 3.5)
    even, faded = cost.appraise(flows, 3.0), cost.appraise(flows, 3.0, fading)
    expected = (to_host(flows.discount_factor)[:, 0] * fading * to_host(flows.useful_chip_hours)[:, 0] * 3.0).sum()
    assert float(faded.worth_usd[0]) == pytest.approx(expected, rel=1e-12)
    assert float(faded.worth_usd[0]) < float(even.worth_usd[0])


def test_options_stand_between_months_and_samples(xp):
    """Shape (options, samples): one call equals a call an option."""
    chips = xp.array([[500.0], [1_000.0]])
    site = xp.array([[0.4e6], [2e6]])
    price = xp.array([[2.0, 3.0, 4.0]])
    together = decide(own(n_chips=chips, sites=[(0.0, site)]), rent(price, n_chips=chips, start_month=3.0))
    assert together.advantage_usd.shape == (2, 3)
    for option in range(2):
        alone = decide(
            own(n_chips=chips[option, :], sites=[(0.0, site[option, :])]),
            rent(price[0, :], n_chips=chips[option, :], start_month=3.0),
        )
        for name in ("advantage_usd", "same_work_usd", "month"):
            numpy.testing.assert_allclose(
                to_host(getattr(together, name))[option], to_host(getattr(alone, name)), rtol=1e-12
            )
    run = 100 * HOURS_PER_MONTH
    assert own(n_chips=chips, sites=[(0.0, site)]).finish_month(run).shape == (2, 1)


def test_nominal_capital_is_what_leaves_and_not_its_present_value():
    flows = own(deliveries=[(12.0, 1.0)])
    assert float(flows.nominal_usd("chips")[0]) == pytest.approx(1_000 * 1.02 * 25_000)
    assert float(flows.parts_usd["chips"][0]) == pytest.approx(1_000 * 1.02 * 25_000 / (1 + RATE))


@settings(max_examples=40)
@given(st.lists(st.tuples(months, st.floats(0.05, 1.0)), min_size=1, max_size=4), st.floats(0.05, 30.0))
def test_a_run_is_finished_when_the_ramp_has_given_its_hours(parts, run_months):
    total = sum(share for _, share in parts)
    deliveries = [(float(int(month)), share / total) for month, share in parts]  # whole months: the ramp is exact
    done = own(deliveries=deliveries).finish_month(run_months * CHIPS * HOURS_PER_MONTH)

    def given_by(month):
        return sum(share * max(month - start, 0.0) for start, share in deliveries)

    if given_by(MONTHS) < run_months:
        assert numpy.isnan(done[0])
    else:
        assert given_by(float(done[0])) == pytest.approx(run_months, rel=1e-9)


def test_months_gained_of_a_phased_site_are_not_those_of_its_last_delivery():
    """30, 30 and 40 % at months 8, 12 and 18 beside a rent at 9: a run of a month and a half is done in month 13."""
    owned, rented = own(deliveries=[(8.0, 0.3), (12.0, 0.3), (18.0, 0.4)]), rent(start_month=9.0)
    run = 1.5 * CHIPS * HOURS_PER_MONTH
    gained = float(rented.finish_month(run)[0] - owned.finish_month(run)[0])
    assert gained == pytest.approx(10.5 - (12 + 0.3 / 0.6), rel=1e-9)
    long_run = 10.0 * CHIPS * HOURS_PER_MONTH  # beyond the last delivery the shares alone decide
    gained = float(rented.finish_month(long_run)[0] - owned.finish_month(long_run)[0])
    assert gained == pytest.approx(9 - (0.3 * 8 + 0.3 * 12 + 0.4 * 18), rel=1e-9)


def test_a_price_path_has_an_argument_of_its_own():
    """One answer, 58.77 million: 36 months of 1,000 chips at a price that falls from 2.80 to 1.70."""
    path = numpy.linspace(2.8, 1.7, 37)
    terms = {"n_chips": 1_000, "horizon_months": 36, "discount_rate_per_year": 0.0}
    flows = cost.rent(**terms, market_path_usd_per_chip_hour=path)
    assert flows.net_present_usd.shape == (1,)
    assert float(flows.net_present_usd[0]) == pytest.approx(1_000 * HOURS_PER_MONTH * path[1:].sum(), rel=1e-12)
    assert float(flows.net_present_usd[0]) == pytest.approx(58.77e6, rel=1e-4)
    with pytest.raises(ValueError, match=r"37 elements.*market_path_usd_per_chip_hour.*reshape it to \(1, samples\)"):
        cost.rent(**terms, market_usd_per_chip_hour=path)
    assert cost.rent(**terms, market_usd_per_chip_hour=path[:-1]).net_present_usd.shape == (36,)
    assert cost.rent(**terms, market_usd_per_chip_hour=path[None, :]).net_present_usd.shape == (1, 37)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: rent(market_path_usd_per_chip_hour=numpy.ones(36)),
            "market_path_usd_per_chip_hour has the shape .36,",
        ),
        (lambda: cost.rent(n_chips=1, horizon_months=3, discount_rate_per_year=0.1), "got neither"),
        (
            lambda: rent(market_path_usd_per_chip_hour=numpy.ones(37), market_usd_per_chip_hour=1.0),
            "got both",
        ),
        (lambda: own().with_income(numpy.ones(36)), "income_usd has the shape .36,"),
        (lambda: cost.appraise(own(), 1.0, numpy.ones(5)), "worth_by_month has the shape .5,"),
        (lambda: decide(own(), rent(), -1.0), "usd_per_useful_chip_hour must be 0 or more, got -1"),
        (lambda: own(sites=[(0.0, -1.0)]), "sites.0. power_w must be 0 or more, got -1"),
        (lambda: own(sites=[]), "sites must be .month, watts. pairs"),
        (lambda: own(deliveries=[(0.0, 0.4)]), "the shares of deliveries must add up to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_fault_in_one_month_of_a_path_spoils_its_sample_alone():
    path = numpy.full((37, 3), 2.0)
    path[5, 1] = -1.0
    flows = rent(market_path_usd_per_chip_hour=path)
    assert numpy.isfinite(flows.net_present_usd).tolist() == [True, False, True]


def test_an_income_of_one_dimension_is_months():
    let = own().with_income(numpy.full(37, 1e6))
    assert let.spend_usd.shape == (37, 1)


TERM = {"committed_frac": 1.0, "committed_usd_per_chip_hour": 2.0, "market_usd_per_chip_hour": 5.0}
HOURS = 1_000 * HOURS_PER_MONTH


def contract(**changes):
    return cost.rent(**({"n_chips": 1_000, "horizon_months": 36, "discount_rate_per_year": 0.0} | TERM | changes))


def paid(flows):
    return float(flows.net_present_usd[0]) / HOURS


def test_a_ramp_pays_for_the_chips_that_stand():
    flows = contract(term_months=36, ramp_months=4.0)
    assert paid(flows) == pytest.approx(2.0 * (36 - 2.0), rel=1e-12)
    assert to_host(flows.chip_hours)[1:6, 0] / HOURS == pytest.approx([0.125, 0.375, 0.625, 0.875, 1.0])


def test_the_deal_that_google_made_comes_to_thirty_billion():
    """110,000 chips at 11.449 dollars over 33 months: $30.36 billion; a ramp of four months takes two of them off."""
    terms = {"n_chips": 110_000, "horizon_months": 33, "committed_usd_per_chip_hour": 11.449, "term_months": 33}
    assert float(contract(**terms).nominal_usd()[0]) == pytest.approx(30.36e9, rel=1e-3)
    ramped = float(contract(**terms, ramp_months=4.0).nominal_usd()[0])
    assert ramped == pytest.approx(30.36e9 * 31 / 33, rel=1e-3)


def test_what_follows_a_term_is_the_market_or_nothing():
    assert paid(contract(term_months=24)) == pytest.approx(24 * 2.0 + 12 * 5.0)
    stopped = contract(term_months=24, renews=False)
    assert paid(stopped) == pytest.approx(24 * 2.0)
    assert float(stopped.chip_hours.sum()) == pytest.approx(24 * HOURS)


def test_steps_down_fall_at_each_anniversary():
    assert paid(contract(term_months=36, step_down_frac_per_year=0.1)) == pytest.approx(12 * 2.0 * (1 + 0.9 + 0.81))


def test_leaving_owes_the_minimum_for_the_notice_and_a_fee_of_the_rest():
    terms = {"term_months": 36, "leave_month": 12.0, "minimum_take_frac": 0.8}
    assert paid(contract(**terms)) == pytest.approx(2.0 * (12 + 0.8 * 24))  # nothing agreed: the whole term
    assert paid(contract(**terms, notice_months=3.0)) == pytest.approx(2.0 * (12 + 0.8 * 3))
    with_fee = contract(**terms, notice_months=3.0, exit_fee_frac=0.5)
    assert paid(with_fee) == pytest.approx(2.0 * (12 + 0.8 * 3 + 0.5 * 0.8 * 21))
    assert float(with_fee.chip_hours.sum()) == pytest.approx(12 * HOURS)


@settings(max_examples=40)
@given(st.floats(0.0, 30.0), st.floats(0.0, 6.0), st.floats(0.0, 12.0), shares)
def test_prepayment_changes_no_sum_under_any_contract(term, ramp, notice, prepaid):
    terms = {"term_months": term, "ramp_months": ramp, "notice_months": notice, "leave_month": 10.0}
    terms |= {"step_down_frac_per_year": 0.1, "minimum_take_frac": 0.7, "start_month": 1.5}
    assert paid(contract(**terms, prepaid_frac=prepaid)) == pytest.approx(paid(contract(**terms)), rel=1e-10, abs=1e-9)


@settings(max_examples=40)
@given(st.floats(0.0, 30.0), st.floats(0.0, 12.0), st.floats(0.0, 0.3), st.floats(0.0, 9.0))
def test_better_terms_never_cost_more(term, notice, step, price):
    terms = {"term_months": term, "leave_month": 15.0, "committed_usd_per_chip_hour": price, "notice_months": notice}
    base = paid(contract(**terms))
    assert paid(contract(**terms, step_down_frac_per_year=step)) <= base + 1e-9
    assert paid(contract(**terms | {"notice_months": notice + 2})) >= base - 1e-9
    assert paid(contract(**terms, exit_fee_frac=step)) >= base - 1e-9


def test_letting_out_brings_the_rent_of_the_hours_and_takes_them_away():
    kept, let = own(), own().let_out(24.0, 2.0, 0.8)
    assert float(let.chip_hours.sum()) == pytest.approx(24 / 36 * float(kept.chip_hours.sum()))
    gain = float(kept.net_present_usd[0] - let.net_present_usd[0])
    factor = to_host(kept.discount_factor)[25:, 0].sum()
    assert gain == pytest.approx(2.0 * 0.8 * HOURS * factor, rel=1e-12)
    never = own().let_out(float("inf"), 2.0)
    assert float(never.net_present_usd[0]) == pytest.approx(float(kept.net_present_usd[0]), rel=1e-12)


def test_a_run_that_waits_for_the_last_chip_is_never_done_before_one_that_grows():
    flows = own(deliveries=[(2.0, 0.5), (8.0, 0.5)])
    run = 3.0 * HOURS
    assert float(flows.finish_month(run)[0]) == pytest.approx(8.0)  # six months of half the chips
    assert float(flows.finish_month(run, waits=True)[0]) == pytest.approx(11.0)


def test_an_overrun_is_paid_and_brings_nothing_at_the_sale():
    planned, over = own(), own(overrun_frac=0.25)
    for part in ("chips", "network", "building"):
        assert float(over.parts_usd[part][0]) == pytest.approx(1.25 * float(planned.parts_usd[part][0]))
    for part in ("sale", "maintenance", "energy"):
        assert float(over.parts_usd[part][0]) == pytest.approx(float(planned.parts_usd[part][0]))


def bought_out(term, usd=0.0, **owner):
    rented = rent(term_months=term, committed_frac=1.0, committed_usd_per_chip_hour=2.0, renews=False)
    return cost.buy_out(rented, own(**owner), month=term, usd=usd)


@settings(max_examples=30)
@given(st.floats(0.5, 35.0), st.floats(1e5, 5e7))
def test_a_tenant_who_buys_works_as_long_as_an_owner_and_pays_what_he_bought_for(term, usd):
    kept, free = bought_out(term, usd), bought_out(term)
    assert float(kept.chip_hours.sum()) == pytest.approx(float(own().chip_hours.sum()), rel=1e-9)
    assert float(kept.nominal_usd("purchase")[0]) == pytest.approx(usd, rel=1e-12)
    assert float(kept.net_present_usd[0]) > float(free.net_present_usd[0])
    assert float(sum(kept.parts_usd.values())[0]) == pytest.approx(float(kept.net_present_usd[0]), rel=1e-12)


def test_buying_at_once_at_the_price_of_new_chips_is_owning():
    """A term of nothing, the hardware and the site at their price: an owner's flows, delivered at month 0."""
    owner = own()
    names = ("chips", "servers", "network", "storage", "building", "power plant")
    usd = sum(float(owner.nominal_usd(name)[0]) for name in names)
    found = bought_out(0.0, usd)
    assert float(found.net_present_usd[0]) == pytest.approx(float(owner.net_present_usd[0]), rel=1e-9)


def test_what_is_bought_beyond_the_horizon_costs_nothing():
    assert float(bought_out(36.0, 1e9).nominal_usd("purchase")[0]) == pytest.approx(1e9)
    late = bought_out(40.0, 1e9)
    assert float(late.nominal_usd("purchase")[0]) == 0.0
    assert float(late.parts_usd.get("sale", numpy.zeros(1))[0]) == 0.0


# A dollar or more: below, a price loses digits near the smallest number that there is.
@given(st.just(0.0) | st.floats(1.0, 1e12), st.floats(1.0, 1e6), st.floats(1.0, 120.0))
def test_a_deal_is_its_price_times_its_hours_and_its_size_that_of_its_price(value_usd, chips, term_months):
    price = float(cost.deal_usd_per_chip_hour(value_usd, chips, term_months))
    assert price * chips * term_months * HOURS_PER_MONTH == pytest.approx(value_usd, rel=1e-12)
    if price > 0:
        assert float(cost.deal_size_chips(value_usd, price, term_months)) == pytest.approx(chips, rel=1e-12)


USD = sorted(name for name in PLAIN if "usd" in name)
#: What a decision says in dollars, and what it says in months, shares and rates.
IN_USD = ("same_work_usd", "advantage_usd")
PLAINLY = ("parity_frac", "utilisation_frac", "month")


@settings(max_examples=30)
@given(st.floats(1e-5, 1e5), prices, st.floats(0.5, 9.0))
def test_a_decision_does_not_depend_on_the_currency(unit, price, worth):
    """Every price in other money: sums follow it, months, shares and rates stay."""
    terms = {"start_month": 3.0, "setup_usd": 1e5, "term_months": 12.0, "committed_frac": 0.5}
    here = decide(own(), rent(price, committed_usd_per_chip_hour=2.0, **terms), worth)
    dear = {name: unit * PLAIN[name] for name in USD}
    terms |= {"setup_usd": unit * 1e5, "committed_usd_per_chip_hour": unit * 2.0}
    there = decide(own(**dear), rent(unit * price, **terms), unit * worth)
    same_digits(here, there, unit, unit)


@settings(max_examples=30)
@given(st.floats(1e-9, 1e5), prices, st.floats(0.5, 9.0))
def test_a_decision_is_the_same_for_a_cluster_of_any_size(size, price, worth):
    here = decide(own(), rent(price, start_month=3.0), worth)
    there = decide(own(n_chips=size * CHIPS), rent(price, start_month=3.0, n_chips=size * CHIPS), worth)
    same_digits(here, there, size, 1.0)


def same_digits(here, there, of_sums, of_prices):
    scale = of_sums * float(here.own.cost_usd[0])
    for name in IN_USD:
        expected = of_sums * float(getattr(here, name)[0])
        assert float(getattr(there, name)[0]) == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale), name
    for name in PLAINLY:
        expected = float(getattr(here, name)[0])
        assert float(getattr(there, name)[0]) == pytest.approx(expected, rel=1e-9, nan_ok=True), name
    expected = of_prices * float(here.needed_usd_per_useful_chip_hour[0])
    assert float(there.needed_usd_per_useful_chip_hour[0]) == pytest.approx(expected, rel=1e-6, nan_ok=True)
    for one, other in ((here.own, there.own), (here.rent, there.rent)):
        for name in ("return_per_year", "payback_month"):
            expected = float(getattr(one, name)[0])
            assert float(getattr(other, name)[0]) == pytest.approx(expected, rel=1e-6, abs=1e-8, nan_ok=True), name
        expected = of_prices * float(one.flows.usd_per_useful_chip_hour[0])
        assert float(other.flows.usd_per_useful_chip_hour[0]) == pytest.approx(expected, rel=1e-9)


def test_more_compute_for_less_money_is_better_at_any_worth():
    found = decide(own(), rent(20.0, start_month=8.0))
    assert float(found.needed_usd_per_useful_chip_hour[0]) == 0.0
    assert float(decide(own(), rent(20.0, start_month=8.0), 0.0).advantage_usd[0]) > 0


def test_a_rent_that_costs_nothing_has_no_break_even():
    found = decide(own(), rent(0.0))
    assert numpy.isnan(float(found.parity_frac[0]))
    assert float(found.same_work_usd[0]) == pytest.approx(-float(found.own.cost_usd[0]))


@pytest.mark.parametrize("month", [0.0, 4.0, 40.0])
def test_idle_chips_are_the_tenants_once_he_has_bought_them(month):
    """A site of 0.7 MW runs 400 of the 1,000."""
    rented = rent(term_months=36.0, committed_frac=1.0, leave_month=month)
    found = cost.buy_out(rented, own(sites=[(0.0, 0.7e6)]), month=month, usd=0.0)
    since = numpy.arange(37) > month
    assert to_host(found.idle_chips)[:, 0] == pytest.approx(600.0 * since)
    worked = numpy.where(since, 400.0, 1_000.0) * (numpy.arange(37) > 0)
    assert to_host(found.chip_hours)[:, 0] == pytest.approx(worked * HOURS_PER_MONTH)


def test_rates_of_discount_are_compared_to_the_last_digits():
    same = rent(discount_rate_per_year=RATE * (1 + 1e-15))
    other = rent(discount_rate_per_year=RATE * (1 + 1e-6))
    assert numpy.isfinite(decide(own(), same).same_work_usd).all()
    assert numpy.isnan(decide(own(), other).same_work_usd).all()


@settings(max_examples=20)
@given(st.integers(0, 36))
def test_what_a_cluster_costs_to_run_is_the_landlords_until_it_is_bought(month):
    kept, owner = bought_out(float(month)), own(site_rent_usd_per_kw_month=9.0)
    for name in ("energy", "staff", "maintenance"):
        expected = (36 - month) / 36 * float(owner.nominal_usd(name)[0])
        assert float(kept.nominal_usd(name)[0]) == pytest.approx(expected, rel=1e-12), name


def test_options_stand_between_months_and_samples_of_a_purchase_a_letting_and_a_path():
    """Shape (months, options, samples): one call equals a call an option."""
    chips, price = numpy.asarray([[500.0], [1_000.0]]), numpy.asarray([[2.0, 3.0, 4.0], [1.0, 5.0, 2.5]])
    path = price * numpy.linspace(1.0, 0.5, MONTHS + 1)[:, None, None]
    month = numpy.asarray([[3.0], [30.0]])

    def all_of(option):
        rented = rent(market_path_usd_per_chip_hour=path[:, option, :])
        constant = rent(price[option], n_chips=chips[option], leave_month=month[option])
        owned = own(n_chips=chips[option])
        bought = cost.buy_out(constant, owned, month=month[option], usd=1e6 * price[option])
        return rented, bought, owned.let_out(month[option], price[option], 0.8)

    for together, *alone in zip(all_of(slice(None)), all_of(0), all_of(1), strict=True):
        assert together.net_present_usd.shape == (2, 3)
        for option, one in enumerate(alone):
            assert together.net_present_usd[option] == pytest.approx(one.net_present_usd, rel=1e-12)
            hours = numpy.broadcast_to(together.chip_hours, (MONTHS + 1, 2, 3))[:, option, :]
            assert hours == pytest.approx(numpy.broadcast_to(one.chip_hours, hours.shape), rel=1e-12)
