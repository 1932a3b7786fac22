"""Growth, lead and the worth of time: exact answers, coverage of the interval, and what the data say happened."""

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigacluster import race
from gigacluster.arrays import to_host
from gigareport import catalog


def test_exact_exponential_is_found_without_scatter(xp):
    years = xp.array([2019.0, 2020.5, 2023.0, 2024.25])
    trend = race.growth(years, 3.0 * 2.5 ** (years - 2020.0))
    assert float(trend.per_year) == pytest.approx(2.5, rel=1e-10)
    assert float(trend.scatter) == pytest.approx(0.0, abs=1e-10)
    assert float(trend.at(2020.0)) == pytest.approx(3.0, rel=1e-9)


def test_interval_of_growth_covers_as_often_as_it_says():
    rng = numpy.random.default_rng(11)
    years = numpy.sort(rng.uniform(2019, 2026, 12))
    noisy = 2.5 ** (years[:, None] - 2020) * numpy.exp(rng.normal(0, 0.8, (12, 4_000)))
    trend = race.growth(years, noisy)
    inside = (trend.low_per_year < 2.5) & (trend.high_per_year > 2.5)
    # 4,000 trials of 0.90: a standard error of 0.005
    assert inside.mean() == pytest.approx(0.90, abs=0.015)


def test_growth_agrees_with_scipy_line():
    from scipy import stats

    rng = numpy.random.default_rng(2)
    years, values = rng.uniform(2019, 2026, 30), rng.lognormal(0, 2, 30)
    line = stats.linregress(years, numpy.log(values))
    trend = race.growth(years, values)
    assert float(trend.per_year) == pytest.approx(math.exp(line.slope), rel=1e-10)
    assert float(trend.standard_error) == pytest.approx(line.stderr, rel=1e-8)


@pytest.mark.parametrize(("years", "values"), [([2020.0, 2021.0], [1.0, 2.0]), ([2020.0, 2021.0, 2022.0], [1.0, 2.0])])
def test_too_few_points_are_refused(years, values):
    with pytest.raises(ValueError, match="a trend needs 3 or more dates"):
        race.growth(numpy.asarray(years), numpy.asarray(values))


@given(ratio=st.floats(0.01, 100), rate=st.floats(1.05, 10))
def test_rival_that_grows_for_the_months_of_the_lead_is_as_large(ratio, rate):
    months = float(race.lead_months(ratio, rate))
    assert rate ** (months / 12) == pytest.approx(ratio, rel=1e-9)


def test_lead_over_a_rival_that_does_not_grow_is_not_a_number(xp):
    months = to_host(race.lead_months(2.0, xp.array([2.5, 1.0, 0.5])))
    assert numpy.isfinite(months).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="growth_per_year must be above 1"):
        race.lead_months(2.0, 0.9)


def test_longest_run_does_most_work_by_a_given_date():
    rates = (1.3, 1.7, 2.0)
    best = float(race.longest_run_months(*rates)) / 12
    lengths = numpy.linspace(0.2, 3, 2_801)
    work = lengths * math.prod(rates) ** (-lengths)
    assert lengths[work.argmax()] == pytest.approx(best, abs=0.001)


def test_best_start_finishes_soonest():
    starts = numpy.linspace(0, 60, 60_001)
    for now in (4.0, 30.0, 90.0):
        finish = starts + race.train_months(now, starts, 2.2)
        assert float(race.best_start_months(now, 2.2)) == pytest.approx(starts[finish.argmin()], abs=0.002)


def test_no_run_pays_to_wait_if_it_is_shorter_than_the_longest_sensible_one(xp):
    longest = float(race.longest_run_months(2.2))
    waits = to_host(race.best_start_months(xp.array([0.5, 0.99, 1.01]) * longest, 2.2))
    assert waits[:2].tolist() == [0.0, 0.0]
    assert waits[2] > 0


def test_lead_of_colossus_was_matched_within_three_months():
    """The table of clusters: Meta said in October 2024 that it trained on more than 100,000 H100."""
    clusters = catalog.load("clusters")
    rivals = clusters[
        (clusters["record_type"] == "cluster")
        & (clusters["status"] == "operational")
        & (clusters["owner"] != "xAI")
        & clusters["h100e_bf16"].notna()
    ]
    years = 2024 + (rivals["as_of"] - clusters["as_of"].dtype.type("2024-01-01")).dt.days / 366
    months = race.matched_after_months(
        years.to_numpy(), rivals["h100e_bf16"].to_numpy(), since_year=2024 + 245 / 366, level=100_000
    )
    assert 1.5 < months < 3


def test_lead_that_nobody_matches_is_infinite(xp):
    dates, sizes = xp.array([2024.0, 2025.0]), xp.array([5.0, 9.0])
    assert race.matched_after_months(dates, sizes, since_year=2024.0, level=10.0) == math.inf
    assert race.matched_after_months(dates, sizes, since_year=2024.0, level=9.0) == pytest.approx(12.0)
    assert race.matched_after_months(dates, sizes, since_year=2024.0, level=4.0) == 0.0


def test_constant_worth_counts_months_up_to_the_match(xp):
    value = race.value_of_time(
        lead_months=xp.array([9.0, 9.0, 9.0]), months_gained=xp.array([3.0, 12.0, -2.0]), usd_per_month=1e8
    )
    # a gain beyond the lead is worth the whole lead; arriving later loses what it is late by
    numpy.testing.assert_allclose(to_host(value.worth_usd), [3e8, 9e8, -2e8])


def test_needed_worth_of_a_month_makes_speed_cost_nothing(xp):
    terms = {"lead_months": xp.array([9.0, 6.0]), "months_gained": 4.0, "extra_cost_usd": xp.array([5e8, 2e8])}
    for model in (race.constant_value, race.fading_value(5.0)):
        needed = race.value_of_time(**terms, usd_per_month=0.0, model=model).needed_usd_per_month
        at_turn = race.value_of_time(**terms, usd_per_month=needed, model=model)
        numpy.testing.assert_allclose(to_host(at_turn.net_usd), 0.0, atol=1e-6)


def test_fading_worth_is_below_constant_worth_and_meets_it_for_long_half_lives():
    lead = numpy.asarray([1.0, 6.0, 24.0])
    assert numpy.all(race.fading_value(6.0)(lead) < lead)
    numpy.testing.assert_allclose(race.fading_value(1e9)(lead), lead, rtol=1e-7)
    assert float(race.fading_value(6.0)(numpy.asarray(1e6))) == pytest.approx(6 / math.log(2))


def test_speed_that_saves_money_needs_no_worth_and_speed_that_gains_nothing_has_no_price():
    cheap = race.value_of_time(lead_months=9, months_gained=3, usd_per_month=0, extra_cost_usd=-1e8)
    idle = race.value_of_time(lead_months=9, months_gained=0, usd_per_month=1e8, extra_cost_usd=1e8)
    assert float(cheap.needed_usd_per_month) == 0.0
    assert math.isnan(float(idle.needed_usd_per_month))


def test_negative_worth_or_lead_is_refused():
    with pytest.raises(ValueError, match="usd_per_month must be 0 or more, got -1"):
        race.value_of_time(lead_months=9, months_gained=3, usd_per_month=-1)
    value = race.value_of_time(lead_months=numpy.asarray([9.0, -9.0]), months_gained=3, usd_per_month=1e8)
    assert numpy.isfinite(value.worth_usd).tolist() == [True, False]


def test_race_does_not_know_cost():
    import ast
    from pathlib import Path

    files = sorted(Path(race.__file__).parent.glob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert "gigacluster.race.trend" in modules
    assert not any("cost" in str(module) for module in modules)
