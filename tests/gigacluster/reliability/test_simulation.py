"""The simulation against the exact model, a plain event loop, and its own promises of memory and repeatability."""

import itertools
import math
import tracemalloc

import numpy
import pytest
from scipy import stats

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigacluster.reliability.simulate import Draws, Rules, Runs, advance

#: Jobs at the rate of RSC-1: a failure in 29 hours, 1.8 hours and 13.5 minutes.
GRID = list(itertools.product((1024, 16_384, 131_072), (0.5, 30.0, 120.0), (60.0, 300.0, 600.0)))


def job(n_gpus=131_072, write_s=30.0, restart_s=300.0, **more):
    return {
        "n_gpus": n_gpus,
        "failures_per_1000_node_days": 6.5,
        "checkpoint_write_s": write_s,
        "restart_s": restart_s,
        **more,
    }


def test_simulation_agrees_with_the_exact_model_over_a_grid_to_131072_gpus():
    # losses vary most where they are largest, so 131,072 GPUs take more failures for the same standard error
    found = [
        reliability.simulate(**job(*point), failures=3_200_000 if point[0] > 1e5 else 400_000, seed=100 + i)
        for i, point in enumerate(GRID)
    ]
    assert max(run.standard_error / run.goodput_frac for run in found) <= 1e-3
    assert max(abs(run.z) for run in found) < 4.5
    # the z of 27 independent points have a chi-square of 27 +- 7.3 if the standard errors are right
    assert 8 < sum(run.z**2 for run in found) < 56
    assert sum(run.cluster_days for run in found) > 1e6


@pytest.mark.parametrize(
    "more",
    [
        {"restart_sigma": 1.0},
        {"restart_sigma": 2.17, "detection_s": 120.0},
        {"detection_s": 300.0, "queue_s": 60.0},
        {"mode": "non-blocking", "checkpoint_stall_s": 2.0},
        {"mode": "non-blocking"},
        {"mode": "in-memory", "write_s": 2.0, "checkpoint_stall_s": 1.0, "lost_frac": 0.08},
        {"mode": "in-memory", "write_s": 2.0, "lost_frac": 0.5, "stored_interval_s": 400.0},
        {"mode": "non-blocking", "checkpoint_stall_s": 10.0, "lost_frac": 0.3, "stored_restart_s": 900.0},
        {"checkpoint_interval_s": 1000.0},
        {"overhead_frac": 0.1},
        {"planned_stops_per_day": 1.0, "planned_stop_s": 3600.0},
    ],
)
def test_simulation_agrees_with_the_exact_model_in_every_mode(more):
    run = reliability.simulate(**job(restart_s=120.0, **more), failures=4_000_000, seed=11)
    assert run.standard_error / run.goodput_frac <= 1e-3
    assert abs(run.z) < 4.5


def test_standard_error_says_how_far_repeated_simulations_scatter():
    runs = [reliability.simulate(**job(), failures=64_000, seed=seed) for seed in range(60)]
    scatter = numpy.std([run.goodput_frac for run in runs], ddof=1)
    # the spread of 60 draws is known to 9 %: three times that
    assert scatter == pytest.approx(numpy.mean([run.standard_error for run in runs]), rel=0.28)


def test_one_step_is_what_an_event_loop_does(xp):
    rng = numpy.random.default_rng(3)
    failure_s, restart_s = rng.exponential(1500, 300), rng.lognormal(5, 1, 300)
    rules = Rules(interval_s=200.0, stall_s=20.0, lag_s=30.0, dead_s=60.0)
    wall_s, intervals = [], []
    for x, t in zip(failure_s.tolist(), restart_s.tolist(), strict=True):
        clock_s, done = t, 0
        while clock_s + 200 + 20 + 30 <= x:  # the next checkpoint is safe in time
            clock_s, done = clock_s + 200 + 20, done + 1
        wall_s.append(60 + x)
        intervals.append(done)
    start = Runs(0 * xp.array(failure_s), 0 * xp.array(failure_s))
    end = advance(xp, start, Draws(xp.array(failure_s), xp.array(restart_s)), rules)
    assert to_host(end.wall_s).tolist() == pytest.approx(wall_s)
    assert to_host(end.intervals).tolist() == intervals


def test_copies_lost_with_the_memory_go_back_to_the_stored_ones(xp):
    rules = Rules(interval_s=100.0, stall_s=0.0, lag_s=0.0, dead_s=0.0, stored_every=10.0)
    start = Runs(xp.array([0.0, 0.0]), xp.array([17.0, 17.0]))
    lost = xp.array([True, False], dtype=xp.bool if xp.name == "array-api-strict" else numpy.bool_)
    end = advance(xp, start, Draws(xp.array([250.0, 250.0]), 0.0, memory_lost=lost), rules)
    assert to_host(end.intervals).tolist() == [12.0, 19.0]  # lost before this restart


def test_of_the_spares_and_the_failed_node_the_first_that_is_whole_goes_to_work(xp):
    rules = Rules(interval_s=100.0, stall_s=0.0, lag_s=0.0, dead_s=10.0, repair_s=100.0)
    ready = xp.array([[500.0, 0.0, 900.0], [700.0, 2000.0, 950.0]])
    start = Runs(xp.array([400.0, 400.0, 400.0]), xp.array([0.0, 0.0, 0.0]), ready)
    repair = xp.array([5.0, 1.0, 2.0])  # whole again at 900, 500 and 600 s
    end = advance(xp, start, Draws(xp.array([1.0, 1.0, 1.0]), 0.0, repair=repair), rules)
    assert to_host(end.wall_s).tolist() == [501.0, 411.0, 601.0]
    assert to_host(end.spare_ready_s).T.tolist() == [[900.0, 700.0], [500.0, 2000.0], [900.0, 950.0]]


@pytest.mark.parametrize("spares", [1, 5, 20])
def test_waiting_for_spares_agrees_with_erlang(spares):
    repair_s = 3 * 3600.0
    # a job that waits does not fail, so the broken nodes are Erlang's loss system
    load = 131_072 / 8 * 6.5 * repair_s / (1000 * 86_400)
    blocked = stats.poisson.pmf(spares, load) / stats.poisson.cdf(spares, load)
    wait_s = float(blocked * repair_s / (spares + 1))
    run = reliability.simulate(**job(), spares=spares, repair_s=repair_s, failures=1_000_000, seed=5)
    expected = reliability.goodput(**job(), queue_s=wait_s)
    # 0.5 %: the closed form leaves out detection and waiting of the time in which nodes fail
    assert run.goodput_frac == pytest.approx(float(expected.goodput_frac), rel=0.005)


def test_closed_form_breaks_where_failures_come_in_bursts():
    # shape 0.7: the same mean, but most failures follow soon on another, so that less is lost at each
    run = reliability.simulate(**job(), failure_shape=0.7, failures=200_000)
    assert run.z > 20
    # far from failures the shape does not matter: losses of 2 % instead of 48 %
    rare = reliability.simulate(**job(n_gpus=1024, write_s=1.0, restart_s=60.0), failure_shape=0.7, failures=200_000)
    assert rare.goodput_frac == pytest.approx(float(rare.closed_form.goodput_frac), rel=0.01)


def test_weibull_failures_keep_their_mean():
    run = reliability.simulate(**job(), failure_shape=0.7, failures=400_000)
    mean_s = run.cluster_days * 86_400 / run.failures
    # the spread of one is 1.46 means: 0.23 % of the mean over 400,000, and four times that
    assert mean_s == pytest.approx(float(run.closed_form.mttf_s), rel=0.01)


def test_memory_is_bounded_by_the_chunk_and_not_by_the_failures():
    def peak_bytes(failures):
        tracemalloc.start()
        reliability.simulate(**job(), failures=failures, chunk=1024)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = peak_bytes(131_072 * 2), peak_bytes(131_072 * 16)
    assert many < 1.2 * few
    assert many < 1024 * 200


def test_same_seed_gives_the_same_numbers_and_another_seed_others():
    one, same, other = (reliability.simulate(**job(), failures=20_000, seed=seed).goodput_frac for seed in (7, 7, 8))
    assert one == same != other


def test_one_run_alone_has_no_standard_error():
    run = reliability.simulate(**job(), failures=100)
    assert math.isnan(run.standard_error)
    assert math.isnan(run.z)


def test_failures_are_counted_in_whole_runs():
    run = reliability.simulate(**job(), failures=1000, failures_per_run=300)
    assert run.failures == 1200
    assert run.run_goodput_frac.shape == (4,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"failures": 0}, "failures must be 1 or more, got 0"),
        ({"failure_shape": -1.0}, "failure_shape must be above 0, got -1.0"),
        ({"spares": 0}, "spares must be 1 or more, got 0"),
        ({"restart_s": math.nan}, "restart_s must be 0 or more, at most 1e12, got nan"),
        ({"restart_s": numpy.ones(2)}, "restart_s is an array; simulate one cluster at a time"),
    ],
)
def test_impossible_simulations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        reliability.simulate(**job() | change)
