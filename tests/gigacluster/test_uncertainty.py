import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gigacluster.uncertainty import Uncertain, draw, interval, sobol_indices, tornado, turning_point

RISING = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3, unique=True).map(sorted)


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
    for count in (1, 2, 3, 99):
        assert numpy.array_equal(draw({"x": x}, count, seed=7)["x"], many["x"][:count])
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


@given(percentiles=RISING, share=st.floats(0.001, 0.999), more=st.floats(0.0, 0.5))
def test_quantiles_rise_and_meet_the_three_percentiles(percentiles, share, more):
    low, median, high = percentiles
    quantity = Uncertain(low=low, median=median, high=high)
    met = quantity.quantile(numpy.asarray([0.05, 0.5, 0.95]))
    assert met == pytest.approx(percentiles, rel=1e-9, abs=1e-9 * (high - low))
    first, second = quantity.quantile(numpy.asarray([share, share + more * (1 - share)]))
    assert first <= second + 1e-9 * abs(second)


@given(percentiles=RISING, share=st.floats(0.01, 0.99))
def test_each_side_is_half_a_normal_or_of_a_positive_quantity_half_a_lognormal(percentiles, share):
    low, median, high = percentiles
    scores = stats.norm.ppf(share) / stats.norm.ppf(0.95)
    other = low if share < 0.5 else high
    if low > 0:
        expected = median * math.exp(abs(scores) * math.log(other / median))
    else:
        expected = median + abs(scores) * (other - median)
    found = Uncertain(low=low, median=median, high=high).quantile(numpy.asarray([share]))
    assert found == pytest.approx([expected], rel=1e-9, abs=1e-9)


def test_limits_clip_both_tails_and_nothing_between():
    bounded = Uncertain(low=-1.0, median=0.0, high=1.0, lower=-1.5, upper=1.25)
    free = Uncertain(low=-1.0, median=0.0, high=1.0)
    shares = numpy.linspace(0.0005, 0.9995, 999)
    numpy.testing.assert_array_equal(bounded.quantile(shares), numpy.clip(free.quantile(shares), -1.5, 1.25))


@given(lower=st.floats(-100, 100), width=st.floats(0.1, 100), share=st.floats(0.0, 1.0))
def test_a_uniform_quantity_is_a_straight_line_between_its_limits(lower, width, share):
    quantity = Uncertain.uniform(lower, lower + width)
    assert quantity.quantile(numpy.asarray([share])) == pytest.approx([lower + share * width], abs=1e-9)
    line = [lower + part * width for part in (0.05, 0.5, 0.95)]
    assert [quantity.low, quantity.median, quantity.high] == pytest.approx(line)


@given(seed=st.integers(0, 2**32), coverage=st.floats(0.02, 0.98), missing=st.integers(0, 5))
def test_an_interval_holds_its_share_with_as_many_left_out_on_either_side(seed, coverage, missing):
    """Whatever the order of the samples, and whatever stands among them that has no answer."""
    values = numpy.random.default_rng(seed).permutation(numpy.arange(10_001.0))
    found = interval(numpy.concatenate([values, numpy.full(missing, numpy.nan)]), coverage)
    assert found.low < found.median == 5_000.0 < found.high
    assert found.low == pytest.approx(5_000 * (1 - coverage), abs=1e-6)
    assert found.high == pytest.approx(5_000 * (1 + coverage), abs=1e-6)
    assert (found.coverage, found.without_frac) == (coverage, pytest.approx(missing / (10_001 + missing)))


def test_what_decides_comes_first_and_a_constant_keeps_its_value():
    inputs = {
        "small": Uncertain(low=-1, median=0, high=1),
        "kept": Uncertain.fixed(10.0),
        "large": Uncertain(low=-1, median=0, high=1),
    }

    def model(x):
        return x["small"] - x["kept"] * x["large"]

    assert list(sobol_indices(model, inputs, samples=256)) == ["large", "small"]
    assert tornado(model, inputs) == {"large": (10.0, -10.0), "small": (-1.0, 1.0)}
    assert list(tornado(model, inputs)) == ["large", "small"]
    assert tornado(model, {name: Uncertain.fixed(1.0) for name in inputs}) == {}


def test_what_works_together_counts_in_the_total_alone():
    """For y = a b with means 0 neither alone moves the mean of y: first order 0, total 1."""
    inputs = {name: Uncertain(low=-1, median=0, high=1) for name in "ab"}
    for first, total in sobol_indices(lambda x: x["a"] * x["b"], inputs, samples=4096).values():
        assert first == pytest.approx(0.0, abs=0.05)  # the estimator's error at 4,096 base samples
        assert total == pytest.approx(1.0, abs=0.05)


def test_a_quantity_left_out_draws_nothing_but_nan():
    assert numpy.isnan(draw({"x": Uncertain.left_out()}, 4, seed=1)["x"]).all()


@pytest.mark.parametrize("turn", [0.11, 0.7, 1.0, 3.3, 9.9])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_turning_point_of_a_smooth_difference_is_found_to_a_thousandth(turn, sign):
    found = turning_point(lambda x: sign * (x**3 - turn**3), 0.1, 10.0, near=1.0)
    assert found == pytest.approx(turn, rel=2e-3)  # the bend of a cube within a 144th of two decades


def test_the_turn_nearest_to_where_one_stands_is_taken_and_none_is_told():
    twice = lambda x: (x - 2.0) * (x - 7.0)  # noqa: E731
    assert turning_point(twice, 0.0, 10.0, near=1.0) == pytest.approx(2.0, abs=0.01)
    assert turning_point(twice, 0.0, 10.0, near=9.0) == pytest.approx(7.0, abs=0.01)
    assert math.isnan(turning_point(lambda x: x + 1, 0.1, 10.0, near=1.0))
    assert math.isnan(turning_point(lambda x: x * math.nan, 0.1, 10.0, near=1.0))


def test_what_was_left_out_equals_what_was_left_out_on_every_python():
    """From 3.13 on a dataclass with nan equals no other, so that a scenario would not equal itself read again."""
    assert Uncertain.left_out() == Uncertain.left_out()
    assert hash(Uncertain.left_out()) == hash(Uncertain.left_out())
    assert Uncertain.left_out() != Uncertain.fixed(1.0)
    assert Uncertain.fixed(1.0) == Uncertain.fixed(1.0) != (1.0, 1.0, 1.0)
