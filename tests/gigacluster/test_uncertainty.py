import numpy
import pytest

from gigacluster.uncertainty import Uncertain, draw, interval, sobol_indices


@pytest.mark.parametrize("percentiles", [(1.0, 2.0, 8.0), (-3.0, 0.0, 1.0), (0.0, 0.5, 1.0)])
def test_draws_have_the_percentiles_that_were_asked_for(percentiles):
    low, median, high = percentiles
    values = draw({"x": Uncertain(low=low, median=median, high=high)}, 200_000, seed=1)["x"]
    got = numpy.quantile(values, [0.05, 0.5, 0.95])
    # The standard error of a 5 % quantile of 200,000 draws is below 0.5 % of the spread here.
    assert got == pytest.approx(percentiles, abs=0.015 * (high - low))


def test_positive_inputs_stay_positive_and_limits_hold():
    values = draw({"share": Uncertain(low=0.1, median=0.8, high=0.99, lower=0.0, upper=1.0)}, 50_000, seed=3)["share"]
    assert values.min() > 0
    assert values.max() == 1.0


def test_uniform_quantities_are_equally_likely_everywhere():
    values = draw({"x": Uncertain.uniform(2.0, 4.0)}, 100_000, seed=4)["x"]
    assert numpy.quantile(values, [0.01, 0.25, 0.5, 0.99]) == pytest.approx([2.02, 2.5, 3.0, 3.98], abs=0.02)


def test_equal_percentiles_make_a_constant():
    assert set(draw({"x": Uncertain.fixed(0.3)}, 5, seed=2)["x"]) == {0.3}


def test_a_sample_does_not_depend_on_the_number_of_samples_or_on_other_inputs():
    x, y = Uncertain(low=1, median=2, high=3), Uncertain(low=4, median=5, high=6)
    many = draw({"x": x, "y": y}, 100, seed=7)
    assert numpy.array_equal(draw({"x": x}, 3, seed=7)["x"], many["x"][:3])
    assert not numpy.array_equal(draw({"x": x}, 3, seed=8)["x"], many["x"][:3])


def test_inputs_are_independent():
    drawn = draw({name: Uncertain(low=1, median=2, high=3) for name in ("x", "y")}, 100_000, seed=5)
    assert abs(numpy.corrcoef(drawn["x"], drawn["y"])[0, 1]) < 0.01  # three standard errors


def test_falling_percentiles_are_refused():
    with pytest.raises(ValueError, match="low=3, median=2, high=4"):
        Uncertain(low=3, median=2, high=4)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        draw({}, 0, seed=1)


def test_interval_leaves_out_nan_and_all_nan_gives_nan():
    assert interval(numpy.asarray([numpy.nan, 1.0, 2.0, 3.0])).median == 2.0
    assert numpy.isnan(interval(numpy.asarray([numpy.nan])).median)


def test_sobol_indices_match_the_closed_form_of_a_linear_model():
    """For y = 3 a + b with equal variances the shares are 0.9 and 0.1, and nothing interacts."""
    inputs = {
        "b": Uncertain(low=-1, median=0, high=1),
        "a": Uncertain(low=-1, median=0, high=1),
        "c": Uncertain.fixed(2),
    }
    indices = sobol_indices(lambda x: 3 * x["a"] + x["b"] + x["c"], inputs, samples=4096)
    assert list(indices) == ["a", "b"]
    assert indices["a"] == pytest.approx((0.9, 0.9), abs=0.02)  # the estimator's error at 4,096 base samples
    assert indices["b"] == pytest.approx((0.1, 0.1), abs=0.02)


def test_sobol_of_constants_is_empty():
    assert sobol_indices(lambda x: x["a"], {"a": Uncertain.fixed(1)}) == {}


def test_an_interval_counts_the_samples_that_it_leaves_out():
    found = interval(numpy.array([1.0, 2.0, numpy.nan, 3.0]))
    assert (found.median, found.without_frac) == (2.0, 0.25)
    assert interval(numpy.array([numpy.nan])).without_frac == 1.0
