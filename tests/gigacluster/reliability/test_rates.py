"""Counted, logged and pooled failure rates: intervals that cover what they claim."""

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from gigacluster import reliability


def test_counted_rate_covers_the_true_rate_as_often_as_it_says():
    rng = numpy.random.default_rng(4)
    counts = rng.poisson(0.02 * 1000, 4000)
    found = [reliability.counted_rate(count, 1000) for count in counts]
    covered = numpy.mean([one.low <= 20 <= one.high for one in found])
    assert covered == pytest.approx(0.90, abs=0.02)  # a count is a whole number: coverage moves in steps


def test_counted_rate_agrees_with_the_exact_poisson_interval_for_large_counts():
    found = reliability.counted_rate(419, 2048 * 54)
    # Garwood's interval at 90 %: Jeffreys' lies inside it by half a count on each side
    low, high = stats.chi2.ppf([0.05, 0.95], [2 * 419, 2 * 420]) / 2 / (2048 * 54) * 1000
    assert low < found.low < found.high < high
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.002)  # half a count of 419


def test_bursts_widen_a_counted_rate_by_the_root_of_their_dispersion():
    apart, bursts = reliability.counted_rate(400, 1e5), reliability.counted_rate(400, 1e5, dispersion=4)
    assert numpy.log(bursts.high / bursts.low) == pytest.approx(2 * numpy.log(apart.high / apart.low), rel=0.01)
    assert bursts.median == pytest.approx(apart.median, rel=0.01)  # both: terms of one over the count


def pool_of(rng, between_houses, between_runs, sizes=(1, 1, 2, 3)):
    """Return log rates of runs, their houses, and the log rate of one run of one more house."""
    house = numpy.repeat(numpy.arange(len(sizes) + 1), [*sizes, 1])
    log_rate = 1.2 + rng.normal(0, between_houses, len(sizes) + 1)[house] + rng.normal(0, between_runs, house.size)
    return log_rate[:-1] + rng.normal(0, 0.1, house.size - 1), house[:-1], log_rate[-1]


def test_pooled_interval_covers_one_more_run_of_one_more_house_as_often_as_it_says():
    rng = numpy.random.default_rng(4)
    covered = []
    for between_houses, between_runs in numpy.abs(rng.normal(0, 0.5, (300, 2))):  # spreads from the prior itself
        logs, house, new = pool_of(rng, between_houses, between_runs)
        found = reliability.pooled_rate(numpy.exp(logs), log_errors=numpy.full(logs.size, 0.1), houses=house).rate
        covered.append(found.low <= numpy.exp(new) <= found.high)
    assert numpy.mean(covered) == pytest.approx(0.90, abs=0.05)  # 0.017 is one standard error


def test_runs_of_one_house_are_no_independent_witnesses():
    rates, errors = [2.0, 2.1, 1.9, 2.0, 2.05, 6.0], [0.05] * 6
    one = reliability.pooled_rate(rates, log_errors=errors, houses=["a"] * 5 + ["b"])
    many = reliability.pooled_rate(rates, log_errors=errors, houses=list("abcdef"))
    assert (one.houses, many.houses) == (2, 6)
    assert one.rate.median > many.rate.median  # the five count as little more than one
    assert one.between_houses > one.between_runs


def test_noise_is_taken_out_of_the_spread():
    rng = numpy.random.default_rng(2)
    rates = numpy.exp(1 + rng.normal(0, 0.6, 40))  # all of it noise
    noisy = reliability.pooled_rate(rates, log_errors=numpy.full(40, 0.6), houses=numpy.arange(40))
    exact = reliability.pooled_rate(rates, log_errors=numpy.full(40, 0.01), houses=numpy.arange(40))
    assert noisy.between_houses < 0.25 < exact.between_houses + exact.between_runs
    assert noisy.rate.high / noisy.rate.low < 0.5 * exact.rate.high / exact.rate.low


def test_rate_follows_size_where_sizes_say_so_and_is_wider_beyond_them():
    sizes = numpy.geomspace(1000, 30_000, 12)
    rates = 3 * (sizes / 16_384) ** 0.3
    found = [
        reliability.pooled_rate(
            rates, log_errors=numpy.full(12, 0.05), houses=numpy.arange(12), n_gpus=sizes, at_n_gpus=size
        )
        for size in (5_000, 100_000)
    ]
    assert found[0].size_power == pytest.approx(0.3, abs=0.04)  # drawn to 0 by its prior of 0.2
    width = [numpy.log(one.rate.high / one.rate.low) for one in found]
    assert width[1] > 1.05 * width[0]


@settings(max_examples=60)
@given(st.lists(st.floats(min_value=1e-3, max_value=1e3), min_size=1, max_size=12), st.integers(1, 5), st.floats(0, 30))
def test_pooled_rate_is_finite_ordered_and_scales_with_its_unit(rates, n_houses, error):
    houses = [number % n_houses for number in range(len(rates))]
    one = reliability.pooled_rate(rates, log_errors=[error] * len(rates), houses=houses)
    ten = reliability.pooled_rate([10 * rate for rate in rates], log_errors=[error] * len(rates), houses=houses)
    assert 0 < one.rate.low < one.rate.median < one.rate.high < numpy.inf
    assert ten.rate.median == pytest.approx(10 * one.rate.median, rel=1e-6)


def test_rates_from_log_widen_where_failures_come_in_bursts():
    rng = numpy.random.default_rng(3)
    apart = numpy.sort(rng.uniform(0, 100, 400))
    bursts = numpy.repeat(rng.uniform(0, 100, 40), 10)
    calm, wild = (reliability.rates_from_log(times, 1e5) for times in (apart, bursts))
    assert calm.failures == wild.failures == 400
    assert calm.dispersion < 2 < wild.dispersion
    assert wild.rate.high / wild.rate.low > 1.3 * calm.rate.high / calm.rate.low
    assert calm.rate.median == pytest.approx(4.0, rel=0.01)


def test_rates_from_log_covers_the_true_rate_with_and_without_bursts():
    rng = numpy.random.default_rng(8)
    covered = {1: [], 5: []}
    for burst, found in covered.items():
        for _ in range(400):
            times = numpy.repeat(rng.uniform(0, 100, rng.poisson(300 / burst)), burst)
            rate = reliability.rates_from_log(times, 1000.0).rate
            found.append(rate.low <= 300 <= rate.high)
    # never narrower than a Poisson count, and the dispersion is itself estimated from some 24 blocks
    assert 0.88 <= numpy.mean(covered[1]) <= 0.97
    assert 0.82 <= numpy.mean(covered[5]) <= 0.97


def test_a_log_says_more_with_its_begin_and_end_and_one_burst_is_one_event():
    times = numpy.linspace(40, 50, 60)  # ten bad days of ninety
    alone, framed = (reliability.rates_from_log(times, 1e4, between=ends) for ends in (None, (0.0, 90.0)))
    assert alone.dispersion == 1
    assert framed.dispersion > 10
    at_once = reliability.rates_from_log([3.0] * 50, 1e4)
    assert at_once.dispersion == 50
    assert at_once.rate.high > 2 * at_once.rate.median > 4 * at_once.rate.low


def test_many_runs_take_bounded_memory():
    import tracemalloc

    rng = numpy.random.default_rng(1)
    tracemalloc.start()
    rates = numpy.exp(rng.normal(1, 0.5, 200))
    found = reliability.pooled_rate(rates, log_errors=numpy.full(200, 0.1), houses=numpy.arange(200) % 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert found.between_houses + found.between_runs == pytest.approx(0.5, abs=0.15)


def test_a_log_without_failures_still_bounds_the_rate():
    found = reliability.rates_from_log([], 1000.0)
    assert found.failures == 0
    assert 0 < found.rate.low < found.rate.high < 3  # three events in 1,000 node-days would be seen nearly always


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability.rates_from_log([1.0, numpy.nan], 10.0), "1 of 2 times are no finite numbers"),
        (lambda: reliability.rates_from_log([1.0, 9.0], 10.0, between=(2, 8)), "the failures lie between 1 and 9"),
        (lambda: reliability.rates_from_log([1.0], 0.0), "node_days must be above 0, got 0.0"),
        (lambda: reliability.counted_rate(-1, 10.0), "failures must be 0 or more, got -1"),
        (lambda: reliability.counted_rate(3, 0), "node_days must be above 0, got 0"),
        (lambda: reliability.counted_rate(3, 10, dispersion=0.5), "dispersion must be 1 or more, got 0.5"),
        (lambda: reliability.pooled_rate([], log_errors=[], houses=[]), "and at least one run"),
        (lambda: reliability.pooled_rate([2.0, -1.0], log_errors=[0.1, 0.1], houses=[1, 2]), "must be above 0"),
        (
            lambda: reliability.pooled_rate([2.0], log_errors=[0.1, 0.1], houses=[1]),
            r"have shapes \(1,\), \(2,\)",
        ),
        (lambda: reliability.pooled_rate([2.0], log_errors=[0.1], houses=[1], n_gpus=[8]), "give both n_gpus and at"),
        (
            lambda: reliability.pooled_rate([2.0], log_errors=[0.1], houses=[1], n_gpus=[0], at_n_gpus=8),
            "give one size of 1 or more",
        ),
    ],
)
def test_impossible_records_of_failures_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_pooled_rate_is_that_of_the_model_integrated_by_brute_force():
    """log r = mu + house + run + power log(n / 16,384) + noise, written out anew: densities of the runs, mu nearly
    flat, on a grid of the two spreads twice as fine; the two grids agree to a percent.
    """
    logs, error = numpy.log([2.0, 4.0, 8.0, 5.0]), numpy.asarray([0.1, 0.3, 0.2, 0.1])
    house, power = numpy.asarray([0, 1, 2, 2]), numpy.log(numpy.asarray([1e3, 1e4, 3e4, 1e5]) / 16_384)
    asked = numpy.asarray([1.0, math.log(5e4 / 16_384)])
    design, prior = numpy.column_stack([numpy.ones(4), power]), numpy.diag([1e6, 0.2**2])
    same = (house[:, None] == house[None, :]).astype(float)
    weights, means, spreads, others = [], [], [], []
    for of_houses in numpy.arange(0.02, 2.0, 0.04):
        for of_runs in numpy.arange(0.02, 2.0, 0.04):
            own = numpy.diag(error**2 + of_runs**2) + of_houses**2 * same
            whole = own + design @ prior @ design.T
            gain = asked @ prior @ design.T @ numpy.linalg.inv(whole)
            means.append(float(gain @ logs))
            others.append((of_houses, of_runs, float((prior @ design.T @ numpy.linalg.inv(whole) @ logs)[1])))
            spread = asked @ prior @ asked - gain @ design @ prior @ asked + of_houses**2 + of_runs**2
            spreads.append(math.sqrt(spread))
            density = stats.multivariate_normal.logpdf(logs, cov=whole)
            weights.append(math.exp(density - (of_houses**2 + of_runs**2) / (2 * 0.5**2)))
    weights = numpy.asarray(weights) / sum(weights)

    def quantile(share):
        def over(value):
            return float(weights @ stats.norm.cdf((value - numpy.asarray(means)) / numpy.asarray(spreads))) - share

        return math.exp(optimize.brentq(over, -10, 10))

    found = reliability.pooled_rate(
        numpy.exp(logs), log_errors=error, houses=house, n_gpus=16_384 * numpy.exp(power), at_n_gpus=5e4
    )
    expected = [quantile(share) for share in (0.05, 0.5, 0.95)]
    assert [found.rate.low, found.rate.median, found.rate.high] == pytest.approx(expected, rel=0.01)
    by_brute_force = weights @ numpy.asarray(others)
    assert (found.between_houses, found.between_runs, found.size_power) == pytest.approx(by_brute_force, rel=0.01)


def test_fewer_than_eight_failures_show_no_bursts():
    for failures in (2, 4, 7):
        assert reliability.rates_from_log([5.0] * failures, 1e3, between=(0.0, 10.0)).dispersion == 1.0
    assert reliability.rates_from_log([5.0] * 8, 1e3, between=(0.0, 10.0)).dispersion == pytest.approx(8.0)


@pytest.mark.parametrize("n_failures", [8, 50, 450])
def test_failures_of_one_moment_are_one_event(n_failures):
    """All counts in one of b blocks: the variance of the counts over their mean is the number of the failures."""
    found = reliability.rates_from_log([5.0] * n_failures, 1e3, between=(0.0, 10.0))
    assert found.dispersion == pytest.approx(n_failures)
    one = reliability.counted_rate(1, 1e3 / n_failures)
    assert (found.rate.low, found.rate.high) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf])
def test_one_bad_rate_or_error_among_good_ones_is_refused(place, bad):
    good = [1.0, 2.0, 3.0]
    spoilt = [*good[:place], bad, *good[place + 1 :]]
    for rates, errors in ((spoilt, good), (good, spoilt))[: 1 if bad == 0 else 2]:  # a rate may be without error
        with pytest.raises(ValueError, match="rates must be above 0, errors 0 or more"):
            reliability.pooled_rate(rates, log_errors=errors, houses=list("abc"))
    with pytest.raises(ValueError, match="give one size of 1 or more"):
        reliability.pooled_rate(
            good, log_errors=good, houses=list("abc"), n_gpus=[x if x in good else 0.9 for x in spoilt], at_n_gpus=8.0
        )


def test_a_rate_that_is_known_of_one_run_is_the_middle_of_what_another_may_have():
    """One run without error: the median is its rate, and both spreads keep the means of their priors in size."""
    found = reliability.pooled_rate([4.0], log_errors=[0.0], houses=["a"])
    assert found.rate.median == pytest.approx(4.0, rel=1e-6)
    assert found.rate.high * found.rate.low == pytest.approx(16.0, rel=1e-6)
    assert found.between_houses == pytest.approx(found.between_runs, rel=1e-9)
    assert (found.houses, found.runs, found.size_power) == (1, 1, 0.0)
    assert found.between_houses == pytest.approx(0.5 * math.sqrt(2 / math.pi), rel=0.02)  # of a grid of its own


def test_sizes_may_be_of_any_unit_and_their_order_does_not_matter():
    rates, sizes, houses = numpy.asarray([2.0, 3.0, 5.0, 4.0]), numpy.asarray([1e3, 8e3, 3e4, 5e4]), list("abcc")
    errors = numpy.asarray([0.1, 0.3, 0.2, 0.1])
    plain = reliability.pooled_rate(rates, log_errors=errors, houses=houses, n_gpus=sizes, at_n_gpus=1e4)
    other = reliability.pooled_rate(
        rates[::-1], log_errors=errors[::-1], houses=houses[::-1], n_gpus=64 * sizes[::-1], at_n_gpus=64e4
    )
    assert (other.rate.low, other.rate.high) == pytest.approx((plain.rate.low, plain.rate.high), rel=1e-6)
    assert other.size_power == pytest.approx(plain.size_power, abs=1e-6)


@given(n_nodes=st.floats(1, 1e5), rate=st.floats(0.01, 1e3), per_node=st.floats(1, 72))
def test_a_thousand_nodes_fail_as_often_a_day_as_the_rate_says(n_nodes, rate, per_node):
    one_s = float(reliability.mttf_s(1_000 * per_node, rate, gpus_per_node=per_node))
    assert one_s == pytest.approx(86_400 / rate, rel=1e-12)
    some_s = float(reliability.mttf_s(n_nodes * per_node, rate, gpus_per_node=per_node))
    assert some_s * n_nodes == pytest.approx(1_000 * one_s, rel=1e-12)


@pytest.mark.parametrize("dispersion", [1.0, 2.5])
def test_no_failure_leaves_the_square_of_a_normal_variable(dispersion):
    """Jeffreys' posterior of nothing counted is Gamma(1/2), half of a square: its percentiles in closed form."""
    found = reliability.counted_rate(0, 500.0, dispersion=dispersion)
    squares = stats.norm.ppf([0.525, 0.75, 0.975]) ** 2
    assert [found.low, found.median, found.high] == pytest.approx(1_000 * dispersion / 500 * squares / 2, rel=1e-9)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 100), min_size=8, max_size=40), st.sampled_from([1e-6, 3_600.0, 1e9]), st.randoms())
def test_a_log_may_be_in_any_order_and_unit_of_time(times, unit, rng):
    plain = reliability.rates_from_log(times, 1e3, between=(0.0, 100.0))
    at_edges = numpy.histogram_bin_edges([], int(math.sqrt(2 * len(times))), (0.0, 100.0))
    near = min(abs(at - edge) for at in times for edge in at_edges[1:-1])
    if near > 1e-6:  # else a rounding moves one failure to the next block
        other = [unit * at for at in rng.sample(times, len(times))]
        found = reliability.rates_from_log(other, 1e3, between=(0.0, 100.0 * unit))
        assert (found.dispersion, found.rate.low) == pytest.approx((plain.dispersion, plain.rate.low), rel=1e-9)
    assert plain.failures == len(times)


def test_a_size_asked_for_needs_the_sizes_of_the_runs_and_one_gpu_is_a_size():
    with pytest.raises(ValueError, match="give both n_gpus and at_n_gpus"):
        reliability.pooled_rate([2.0], log_errors=[0.1], houses=[1], at_n_gpus=8)
    found = reliability.pooled_rate([2.0], log_errors=[0.1], houses=[1], n_gpus=[1], at_n_gpus=1)
    assert found.rate.median == pytest.approx(2.0, rel=1e-6)
