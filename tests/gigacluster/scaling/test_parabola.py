"""The lowest point of the runs of one budget, and lines through lowest points, against NumPy's polynomials."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gigacluster.scaling.parabola import Curve, bend, budget_groups, line_through

seeds = st.integers(0, 2**32 - 1).map(numpy.random.default_rng)


@given(seeds, st.integers(3, 12), st.floats(0.1, 3.0))
def test_the_lowest_point_of_a_parabola_is_found_in_any_order_and_window(chance, count, window_log):
    x = chance.uniform(18.0, 26.0, count)
    centre = chance.uniform(numpy.sort(x)[0], numpy.sort(x)[-1])
    loss = 2.0 + 0.05 * (x - centre) ** 2
    curve = Curve.at(x, loss, numpy.exp(window_log))
    found = curve.minima(loss[curve.near][None, :])
    assert curve.reason == ""
    assert found[0] == pytest.approx(centre, abs=1e-5)  # sizes that are close leave few digits of a bend
    numpy.testing.assert_allclose(curve.fitted, loss[curve.near], atol=1e-9)
    lowest = x[numpy.argmin(loss)]
    within = numpy.flatnonzero(abs(x - lowest) <= window_log)
    assert set(within) <= set(curve.near)
    assert len(curve.near) <= max(3, len(within) + 2)
    as_they_are = Curve.at(x, loss, 2.0, approach=1)
    assert as_they_are.minima(loss[numpy.argsort(x)][None, :])[0] == lowest
    assert (as_they_are.residuals == 0).all()


@pytest.mark.parametrize(("lowest", "expected"), [(0, [0, 1, 2]), (1, [0, 1, 2]), (3, [2, 3, 4]), (5, [3, 4, 5])])
def test_the_narrowest_window_holds_the_lowest_run_and_its_neighbours(lowest, expected):
    x = numpy.arange(6.0)
    assert sorted(Curve.at(x, (x - lowest) ** 2, 1.1).near) == expected
    assert sorted(Curve.at(x[:3], (x[:3] - min(lowest, 2)) ** 2, 1.1).near) == [0, 1, 2]


def test_a_size_at_just_the_factor_of_the_window_lies_within_it():
    x = numpy.log(2.0) * numpy.arange(-4.0, 5.0)
    for factor, count in ((3.9, 3), (4.0, 5), (7.9, 5), (8.0, 7)):
        assert len(Curve.at(x, x**2, factor).near) == count


def test_a_budget_without_a_minimum_says_why():
    x = numpy.linspace(0.0, 4.0, 5)
    assert Curve.at(x, x, 10.0).reason == "its lowest run is the smallest"
    assert Curve.at(x, -x, 10.0).reason == "its lowest run is the largest"
    assert Curve.at(x[[0, 0, 1]], x[:3], 10.0).reason == "fewer than three sizes"
    assert numpy.isnan(Curve.at(x, x, 10.0).minima(x[None, :2])).all()


@given(seeds, st.integers(1, 6), st.integers(3, 9))
def test_a_line_is_least_squares_of_what_is_known(chance, rows, count):
    x, y = chance.normal(size=(count,)), chance.normal(size=(rows, count))
    y[chance.random((rows, count)) < 0.3] = numpy.nan
    for found, values in zip(line_through(x, y), y, strict=True):
        known = numpy.isfinite(values)
        if known.sum() < 3:
            assert numpy.isnan(found).all()
        else:
            expected = numpy.polynomial.Polynomial.fit(x[known], values[known], 1).convert().coef[::-1]
            numpy.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@given(seeds, st.integers(5, 12))
def test_a_bend_is_the_t_of_the_square_beside_the_line(chance, count):
    x, noise = numpy.linspace(0.0, 9.0, count), chance.normal(size=count)
    y = 0.3 * x + 0.02 * x**2 + 0.05 * noise
    found, lower, upper = bend(x, y)
    # The same chance as an F test of the two sums of squares.
    (_, (one, *_)), (_, (two, *_)) = (numpy.polyfit(x, y, degree, full=True)[:2] for degree in (1, 2))
    expected = stats.f.sf((one - two) / (two / (count - 3)), 1, count - 3)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    middle = count // 2
    assert lower == pytest.approx(numpy.polyfit(x[: middle + 1], y[: middle + 1], 1)[0], rel=1e-6)
    assert upper == pytest.approx(numpy.polyfit(x[middle:], y[middle:], 1)[0], rel=1e-6)
    assert numpy.isnan(bend(x[:4], y[:4])).all()


def test_budgets_are_told_apart_where_they_jump_by_more_than_two_hundredths_of_a_decade():
    budget = 10 ** numpy.array([20.0, 18.0, 20.019, 18.01, 20.04, 18.02, 19.0])
    assert [sorted(group) for group in budget_groups(budget, 1)] == [[1, 3, 5], [6], [0, 2], [4]]
    assert [sorted(group) for group in budget_groups(budget, 2)] == [[1, 3, 5], [0, 2]]


@given(seeds, st.integers(4, 12))
def test_residuals_have_the_variance_that_the_degrees_of_freedom_leave(chance, count):
    x = numpy.sort(chance.uniform(18.0, 26.0, count))
    loss = 2.0 + 0.05 * (x - x.mean()) ** 2 + 0.01 * chance.standard_normal(count)
    curve = Curve.at(x, loss, numpy.inf)
    fitted = numpy.polynomial.Polynomial.fit(x, loss, 2)(x)
    numpy.testing.assert_allclose(curve.fitted, fitted, atol=1e-9)
    assert (curve.residuals**2).mean() == pytest.approx(((loss - fitted) ** 2).sum() / (count - 3), rel=1e-6)
    assert numpy.corrcoef(curve.residuals, loss - fitted)[0, 1] == pytest.approx(1.0)
    assert len(Curve.at(x[:3], loss[:3], numpy.inf).residuals) == 0  # nothing is left
    assert len(Curve.at(x[[0, 0, 1, 1]], loss[:4], numpy.inf).residuals) == 0


@given(seeds, st.booleans(), st.floats(-4.0, 4.0))
def test_a_minimum_is_that_of_a_curve_that_opens_upwards_inside_the_sizes(chance, upwards, away):
    x = numpy.linspace(-1.0, 1.0, 5)
    curve = Curve.at(x, x**2, numpy.inf)
    found = curve.minima(((1.0 if upwards else -1.0) * (x - away) ** 2 + chance.uniform(1.0, 3.0))[None, :])[0]
    if upwards and abs(away) <= 1.0 - 1e-9:
        assert found == pytest.approx(away, abs=1e-9)
    elif not upwards or abs(away) >= 1.0 + 1e-9:
        assert numpy.isnan(found)


def test_points_at_one_place_have_no_line():
    x, y = numpy.array([2.0, 2.0, 2.0, 5.0]), numpy.array([[1.0, 2.0, 3.0, numpy.nan], [1.0, 2.0, 3.0, 5.0]])
    found = line_through(x, y)
    assert numpy.isnan(found[0]).all()
    assert found[1] == pytest.approx((1.0, 0.0))
