"""Checkpoint intervals against 50-digit arithmetic, Daly's paper and each other."""

import mpmath
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigacluster import reliability
from gigacluster.arrays import to_host


def exact_share(write_share):
    """The interval over the MTTF in 50 digits, by the textbook form."""
    with mpmath.workdps(50):
        return 1 + mpmath.lambertw(-mpmath.exp(-1 - mpmath.mpf(float(write_share)))).real


def test_exact_interval_agrees_with_50_digits_from_1e_minus_9_to_1(xp):
    shares = numpy.geomspace(1e-9, 1, 400)
    found = to_host(reliability.checkpoint_interval_s(1.0, xp.array(shares)))
    # 1e-15 is five roundings: the figure asked for is 1e-12
    assert max(abs(float(x / exact_share(d) - 1)) for x, d in zip(found, shares, strict=True)) < 1e-15


@given(st.floats(min_value=1e-12, max_value=1e3), st.floats(min_value=1.0, max_value=1e9))
def test_exact_interval_agrees_with_50_digits_at_any_write_and_mttf(write_share, mttf_s):
    found = float(reliability.checkpoint_interval_s(mttf_s, write_share * mttf_s))
    with mpmath.workdps(50):
        expected = mttf_s * exact_share(mpmath.mpf(write_share * mttf_s) / mpmath.mpf(mttf_s))
    assert abs(float(found / expected - 1)) < 2e-15  # the quotient of the inputs is rounded once more


def test_textbook_lambert_form_loses_the_digits_that_ours_keeps():
    from scipy.special import lambertw

    textbook = 1 + lambertw(-numpy.exp(-1 - 1e-9)).real
    assert abs(textbook / float(exact_share(1e-9)) - 1) > 1e-9


@pytest.mark.parametrize("method", ["young", "daly-first", "daly"])
def test_other_methods_agree_with_50_digits(method):
    shares = numpy.geomspace(1e-9, 1, 100)
    found = reliability.checkpoint_interval_s(1.0, shares, method)
    with mpmath.workdps(50):
        for d, x in zip(shares, found, strict=True):
            d_ = mpmath.mpf(float(d))
            young = mpmath.sqrt(2 * d_)
            expected = {
                "young": young,
                "daly-first": young - d_,
                "daly": young * (1 + mpmath.sqrt(d_ / 2) / 3 + d_ / 18) - d_,
            }[method]
            assert abs(float(x / expected - 1)) < 1e-14


def test_daly_interval_is_the_mttf_from_twice_the_mttf_on():
    assert float(reliability.checkpoint_interval_s(100.0, 200.0, "daly")) == 100.0
    assert numpy.isnan(float(reliability.checkpoint_interval_s(100.0, 201.0, "daly-first")))


def test_exact_interval_is_the_best_of_all_intervals():
    mttf_s, write_s = 3000.0, numpy.geomspace(0.01, 3000, 7)[:, None]
    best = reliability.checkpoint_interval_s(mttf_s, write_s)
    around = best * numpy.linspace(0.5, 2.0, 301)
    found = reliability.goodput(
        mttf_s=mttf_s, checkpoint_write_s=write_s, restart_s=100, checkpoint_interval_s=around
    ).goodput_frac
    most = reliability.goodput(mttf_s=mttf_s, checkpoint_write_s=write_s, restart_s=100).goodput_frac
    assert (found <= most * (1 + 1e-14)).all()
    assert (found[:, [0, -1]] < most).all()


def test_free_checkpoints_are_written_all_the_time():
    assert float(reliability.checkpoint_interval_s(1000.0, 0.0)) == 0.0


def test_bad_numbers_are_refused_and_bad_elements_become_nan(xp):
    with pytest.raises(ValueError, match=r"mttf_s must be above 0, got 0"):
        reliability.checkpoint_interval_s(0, 10.0)
    with pytest.raises(ValueError, match=r"write_s must be 0 or more, got -1.0"):
        reliability.checkpoint_interval_s(10.0, -1.0)
    with pytest.raises(ValueError, match=r"method is 'dally'; it can be 'exact', 'young', 'daly-first', 'daly'"):
        reliability.checkpoint_interval_s(10.0, 1.0, "dally")
    found = to_host(reliability.checkpoint_interval_s(xp.array([1000.0, -1.0, float("nan")]), 10.0))
    assert numpy.isnan(found).tolist() == [False, True, True]


def test_checkpoint_size_and_time_follow_the_parameters(xp):
    size = reliability.checkpoint_bytes(xp.array([405e9]), xp.array([12.0, 16.0]))
    assert to_host(size).tolist() == [4.86e12, 6.48e12]  # Llama 3: 4.9 to 6.5 TB
    assert float(reliability.checkpoint_write_s(405e9, 2e12, 16.0)) == 3.24
    for bad in (
        lambda: reliability.checkpoint_write_s(-405e9, 2e12),
        lambda: reliability.checkpoint_bytes(0.0),
    ):
        with pytest.raises(ValueError, match="n_params must be above 0"):
            bad()


@given(st.floats(0.01, 100), st.floats(1e-6, 1e6), st.floats(-0.9, 0.9), st.floats(0.01, 1e4))
def test_a_power_of_size_depends_on_no_unit_and_takes_one_size_to_another(of_sizes, of_seconds, power, at):
    sizes = numpy.asarray([0.5, 2.0, 8.0, 9.0])
    seconds = of_seconds * sizes**power
    assert reliability.size_power(of_sizes * sizes, seconds) == pytest.approx(power, abs=1e-9)
    there = reliability.at_size_s(seconds, 4_096 * at, measured_at_gpus=1_024 * sizes, size_power=power)
    assert there == pytest.approx(of_seconds * (4 * at) ** power, rel=1e-9)


def test_times_that_are_all_alike_have_the_power_0():
    assert reliability.size_power([8, 64], [5.0, 5.0]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("power", [-1.0, 1.0])
def test_a_power_of_size_is_one_at_most_either_way(power):
    assert float(reliability.at_size_s(60.0, 16, measured_at_gpus=8, size_power=power)) == 60.0 * 2**power
    with pytest.raises(ValueError, match="a power of size from -1 to 1"):
        reliability.at_size_s(60.0, 16, measured_at_gpus=8, size_power=1.01 * power)


@given(st.floats(0.0, 4.9), st.floats(1e-3, 1e6))
def test_the_spread_of_a_lognormal_time_is_that_of_its_mean(sigma, median_s):
    found = reliability.sigma_from_mean(median_s, median_s * numpy.exp(sigma**2 / 2))
    # near none the mean tells the spread by its square: half of the digits
    assert float(found) == pytest.approx(sigma, rel=1e-6, abs=3e-8)


@given(st.floats(1e-3, 1e9), st.floats(1e-6, 3.0), st.sampled_from(["exact", "young", "daly-first", "daly"]))
def test_an_interval_is_in_the_unit_of_its_times(unit, share, method):
    one, other = (float(reliability.checkpoint_interval_s(k, share * k, method)) for k in (1.0, unit))
    assert other == pytest.approx(unit * one, rel=1e-9, nan_ok=True)
