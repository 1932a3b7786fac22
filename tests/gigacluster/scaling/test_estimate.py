"""A value with its interval: the quantiles of what was drawn, what was lost among it, and how it is written."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigacluster.scaling.estimate import Estimate, Flag, spread

seeds = st.integers(0, 2**32 - 1).map(numpy.random.default_rng)


@given(seeds, st.floats(0.05, 0.99), st.sampled_from([(), (3,), (2, 2)]))
def test_an_interval_is_that_of_the_quantiles_with_equal_tails(chance, coverage, shape):
    samples = chance.standard_normal((50, *shape))
    told = Flag("reach", "", "far")
    found = spread(numpy.zeros(shape), samples, coverage, (told,))
    tails = 0.5 - coverage / 2, 0.5 + coverage / 2
    numpy.testing.assert_allclose(found.low, numpy.quantile(samples, tails[0], axis=0), rtol=1e-9, atol=1e-12)
    numpy.testing.assert_allclose(found.high, numpy.quantile(samples, tails[1], axis=0), rtol=1e-9, atol=1e-12)
    assert numpy.shape(found.low) == numpy.shape(found.high) == numpy.shape(found.value) == shape
    assert found.flags == (told,)
    inside = ((samples >= found.low) & (samples <= found.high)).mean()
    assert inside == pytest.approx(coverage, abs=0.04)


@pytest.mark.parametrize("samples", [None, numpy.zeros((0, 2)), numpy.full((4, 2), numpy.nan)])
def test_nothing_drawn_is_an_interval_that_nobody_knows(samples):
    found = spread([1.0, 2.0], samples, 0.9)
    assert found.value.tolist() == [1.0, 2.0]
    assert numpy.isnan(found.low).all()
    assert numpy.isnan(found.high).all()
    assert found.low.shape == found.high.shape == (2,)
    lost = samples is not None and len(samples) > 0
    assert [str(flag) for flag in found.flags] == [
        "no answer: in 100.0% of the replicates, which the interval leaves out"
    ] * lost


@given(seeds, st.integers(1, 9))
def test_replicates_without_an_answer_are_left_out_counted_and_told(chance, lost):
    samples = chance.standard_normal(40)
    samples[chance.permutation(40)[:lost]] = numpy.nan
    found = spread(0.0, samples, 0.8)
    known = samples[numpy.isfinite(samples)]
    assert (found.low, found.high) == pytest.approx(tuple(numpy.quantile(known, [0.1, 0.9], method="inverted_cdf")))
    assert [flag.kind for flag in found.flags] == ["no answer"]
    assert f"in {lost / 40:.1%} of the replicates" in found.flags[0].message
    assert found.flags[0].symbol == ""


def test_an_interval_that_reaches_infinity_says_so_and_is_made_of_what_was_drawn():
    """Between a number and infinity there is nothing to interpolate: NumPy would give nan."""
    samples = numpy.array([1.0, 2.0, 3.0, numpy.inf, numpy.inf])
    assert spread(2.0, samples, 0.5).high == numpy.inf
    assert spread(2.0, samples, 0.5).low == 2.0
    assert spread(2.0, samples, 0.1).high == 3.0
    assert spread(2.0, samples, 0.5).flags == ()
    one = spread(numpy.zeros(2), numpy.array([[1.0, 5.0], [2.0, numpy.inf]]), 0.9)
    assert (one.low.tolist(), one.high.tolist()) == ([1.0, 5.0], [2.0, numpy.inf])


def test_numbers_are_written_with_their_interval_to_the_digits_asked_for():
    known = Estimate(1.23456789, 1.0, 2.0)
    assert f"{known}" == "1.235 (1 to 2)"
    assert f"{known:.2f}" == "1.23 (1.00 to 2.00)"
    assert f"{Estimate(1.23456789, numpy.nan, numpy.nan)}" == "1.235"
    assert f"{Estimate(1.23456789, numpy.nan, numpy.nan):.2f}" == "1.23"
    assert f"{Estimate(numpy.zeros((2, 3)), 0, 0)}" == "6 values"
    flag = Flag("at boundary", "E", "the best fit is at E = 0")
    assert str(Estimate(1.23456789, 1.0, 2.0, (flag,))).splitlines() == [
        "1.23457 (1 to 2)",
        "  ! E at boundary: the best fit is at E = 0",
    ]
