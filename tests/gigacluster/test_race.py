"""Growth, lead and the worth of time: exact answers, coverage of the interval, and what the data say happened."""

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import race
from gigacluster.arrays import to_host


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
    half = stats.t.ppf(0.95, len(years) - 2) * line.stderr  # 90 %, and two degrees of freedom are the line's
    assert float(trend.low_per_year) == pytest.approx(math.exp(line.slope - half), rel=1e-8)
    assert float(trend.high_per_year) == pytest.approx(math.exp(line.slope + half), rel=1e-8)


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
    for rate in (0.9, 1.0, math.inf):
        with pytest.raises(ValueError, match="growth_per_year must be above 1"):
            race.lead_months(2.0, rate)


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


def test_each_sample_has_its_own_rivals(xp):
    years = xp.array([[2023.0, 2023.5], [2024.0, 2024.5]])[:, None, :]
    sizes = xp.array([[10.0, 20.0], [40.0, 50.0]])[:, None, :]
    levels = xp.array([[15.0], [45.0]])  # two options, the same samples
    got = to_host(race.matched_year(years, sizes, levels, 2.0))
    assert got.tolist() == [[2024.0, 2023.5], [pytest.approx(2024 + numpy.log2(45 / 40)), 2024.5]]


@settings(max_examples=60)
@given(
    sizes=st.lists(st.floats(1.0, 1e6), min_size=1, max_size=8),
    level=st.floats(1.0, 1e8),
    more=st.floats(1.0, 3.0),
    rate=st.floats(1.1, 5.0),
)
def test_larger_levels_are_reached_later_and_faster_rivals_reach_them_sooner(sizes, level, more, rate):
    dates = 2020.0 + numpy.arange(len(sizes)) / 4
    first = race.matched_year(dates, numpy.asarray(sizes), numpy.asarray([level, level * more]), rate)
    faster = race.matched_year(dates, numpy.asarray(sizes), numpy.asarray([level, level * more]), rate * 1.1)
    assert first[0] <= first[1] + 1e-9
    assert numpy.all(faster <= first + 1e-9)
    if level <= max(sizes):
        assert first[0] == dates[numpy.flatnonzero(numpy.asarray(sizes) >= level)[0]]
    else:
        assert first[0] >= dates[-1]


def test_level_beyond_the_table_is_reached_at_the_rate_of_growth(xp):
    dates, sizes = xp.array([2023.0, 2024.0]), xp.array([20_000.0, 50_000.0])
    reached = to_host(
        race.matched_year(dates, sizes, xp.array([10_000.0, 50_000.0, 200_000.0]), xp.array([2.0, 2.0, 4.0]))
    )
    assert reached == pytest.approx([2023.0, 2024.0, 2025.0])
    assert numpy.isnan(to_host(race.matched_year(dates, sizes, xp.array([-1.0]), 2.0))).all()
    with pytest.raises(ValueError, match="dates and sizes of one shape"):
        race.matched_year(dates, sizes[:1], 1.0, 2.0)


def test_a_rate_out_of_range_spoils_its_own_sample_even_where_the_table_has_the_date():
    dates, sizes = numpy.asarray([2023.0, 2024.0]), numpy.asarray([20_000.0, 50_000.0])
    reached = race.matched_year(dates, sizes, 10_000.0, numpy.asarray([2.0, 1.0, 3.0]))
    numpy.testing.assert_array_equal(reached, [2023.0, numpy.nan, 2023.0])


@given(now=st.floats(0.1, 1e3), rate=st.floats(1.05, 10), doublings=st.floats(0, 6))
def test_a_run_takes_half_as_long_after_each_doubling(now, rate, doublings):
    later = doublings * float(race.doubling_months(rate))
    assert float(race.train_months(now, later, rate)) == pytest.approx(now / 2**doublings, rel=1e-9)


@given(scale=st.floats(1e-6, 1e6), years=st.floats(-500, 500), pace=st.floats(0.2, 5.0))
@settings(max_examples=40)
def test_a_trend_follows_the_units_of_its_values_and_dates(scale, years, pace):
    """Other units of size, another calendar, and dates that lie further apart."""
    dates, sizes = numpy.asarray([2019.0, 2020.5, 2021.0, 2024.0, 2026.0]), numpy.asarray([1.0, 4.0, 2.0, 30.0, 50.0])
    plain, moved = race.growth(dates, sizes), race.growth(pace * dates + years, scale * sizes)
    assert float(moved.scatter) == pytest.approx(float(plain.scatter), rel=1e-6)
    assert float(moved.standard_error) == pytest.approx(float(plain.standard_error) / pace, rel=1e-6)
    assert float(moved.value_at_centre) == pytest.approx(scale * float(plain.value_at_centre), rel=1e-9)
    assert float(moved.centre_year) == pytest.approx(pace * float(plain.centre_year) + years, rel=1e-12)
    for name in ("per_year", "low_per_year", "high_per_year"):
        assert float(getattr(moved, name)) == pytest.approx(float(getattr(plain, name)) ** (1 / pace), rel=1e-6)
    at = moved.at(pace * 2022.0 + years)
    assert float(at) == pytest.approx(scale * float(plain.at(2022.0)), rel=1e-6)


def test_scatter_is_what_the_points_keep_of_the_line_with_two_degrees_of_freedom_gone(xp):
    rng = numpy.random.default_rng(5)
    years, values = rng.uniform(2019, 2026, 8), rng.lognormal(0, 1, (8, 3))
    found = race.growth(xp.array(years), xp.array(values))
    for column in range(3):
        left = numpy.polyfit(years, numpy.log(values[:, column]), 1, full=True)[1]
        assert float(found.scatter[column]) == pytest.approx(math.sqrt(float(left[0]) / 6), rel=1e-9)
        alone = race.growth(years, values[:, column])
        for name in ("per_year", "low_per_year", "high_per_year", "value_at_centre"):
            assert float(getattr(found, name)[column]) == pytest.approx(float(getattr(alone, name)), rel=1e-12)
    assert (found.n_points, found.coverage) == (8, 0.9)


def test_a_wider_coverage_has_a_wider_interval_and_none_or_all_is_refused():
    years, values = numpy.asarray([2020.0, 2021.0, 2022.0, 2023.0]), numpy.asarray([1.0, 3.0, 4.0, 20.0])
    half, most = (race.growth(years, values, coverage=share) for share in (0.5, 0.99))
    assert float(most.low_per_year) < float(half.low_per_year) < float(half.per_year)
    assert float(half.per_year) < float(half.high_per_year) < float(most.high_per_year)
    for share in (0.0, 1.0, 1.5, -0.1):
        with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
            race.growth(years, values, coverage=share)


def test_a_value_that_is_not_positive_spoils_its_own_sample():
    values = numpy.asarray([[1.0, 1.0, 1.0], [2.0, 0.0, -2.0], [4.0, 4.0, 4.0]])
    assert numpy.isfinite(race.growth([2020.0, 2021.0, 2022.0], values).per_year).tolist() == [True, False, False]


@pytest.mark.parametrize(("dates", "sizes"), [([], []), ([2023.0, 2024.0], [1.0]), ([[2023.0]], [[1.0], [2.0]])])
def test_rivals_without_dates_and_sizes_of_one_shape_are_refused(dates, sizes):
    with pytest.raises(ValueError, match="dates and sizes of one shape"):
        race.matched_year(numpy.asarray(dates), numpy.asarray(sizes), 1.0, 2.0)
    with pytest.raises(ValueError, match="dates and sizes of one shape"):
        race.matched_year(2023.0, 1.0, 1.0, 2.0)


@given(order=st.permutations(range(4)), level=st.floats(1.0, 1e7), rate=st.floats(1.1, 9.0), unit=st.floats(1e-6, 1e6))
@settings(max_examples=60)
def test_neither_the_order_of_rivals_nor_the_unit_of_size_matters(order, level, rate, unit):
    dates, sizes = numpy.asarray([2020.0, 2021.5, 2023.0, 2024.0]), numpy.asarray([1e3, 5e4, 1e5, 2e4])
    plain = float(race.matched_year(dates, sizes, level, rate))
    other = float(race.matched_year(dates[order], unit * sizes[order], 1.000001 * unit * level, rate))
    assert other == pytest.approx(plain, abs=1e-4)
    if level > 1e5:  # the largest stood in 2023 and grows from there; the table goes on to 2024
        grown = 2023.0 + math.log(level / 1e5) / math.log(rate)
        assert plain == pytest.approx(max(grown, 2024.0), rel=1e-12)


def test_a_rival_whose_size_nobody_knows_gives_no_date_beyond_the_table():
    dates = numpy.asarray([2023.0, 2024.0])
    assert numpy.isnan(race.matched_year(dates, numpy.asarray([1e4, numpy.nan]), 1e5, 2.0))
    assert float(race.matched_year(dates, numpy.asarray([1e4, numpy.nan]), 1e4, 2.0)) == 2023.0
