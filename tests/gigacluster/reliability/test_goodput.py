"""The exact goodput model against 50-digit arithmetic, Daly's closed form and its own laws."""

import dataclasses

import mpmath
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigacluster import reliability
from gigacluster.arrays import to_host

LOSSES = (
    "goodput_frac",
    "overhead_frac",
    "checkpoint_frac",
    "rework_frac",
    "restart_frac",
    "waiting_frac",
    "planned_frac",
)
seconds = st.floats(min_value=0, max_value=5000)


def daly_complete(mttf, write, restart, interval):
    """Daly's complete cost, in 50 digits."""
    with mpmath.workdps(50):
        mttf, write, restart, interval = (mpmath.mpf(float(v)) for v in (mttf, write, restart, interval))
        return interval / (mttf * mpmath.exp(restart / mttf) * mpmath.expm1((interval + write) / mttf))


@pytest.mark.parametrize("restart_share", [0.0, 1e-6, 1.0])
def test_blocking_goodput_is_daly_complete_cost_in_50_digits(restart_share, xp):
    write = numpy.geomspace(1e-9, 1, 200)
    found = reliability.goodput(mttf_s=1.0, checkpoint_write_s=xp.array(write), restart_s=restart_share)
    pairs = zip(to_host(found.goodput_frac), write, to_host(found.checkpoint_interval_s), strict=True)
    # 1e-14: a dozen roundings; the figure asked for is 1e-12
    assert max(abs(float(g / daly_complete(1.0, w, restart_share, tau) - 1)) for g, w, tau in pairs) < 1e-14


@given(
    st.floats(min_value=10, max_value=1e6),
    seconds,
    seconds,
    seconds,
    st.floats(min_value=0, max_value=1),
    st.floats(min_value=0, max_value=3),
    st.sampled_from(reliability.MODES),
)
def test_shares_of_time_add_up_to_one_and_none_is_negative(mttf_s, write_s, restart_s, detection_s, lost, sigma, mode):
    found = reliability.goodput(
        mttf_s=mttf_s,
        checkpoint_write_s=write_s,
        restart_s=restart_s,
        restart_sigma=sigma,
        detection_s=detection_s,
        lost_frac=lost,
        mode=mode,
        planned_stops_per_day=1,
        planned_stop_s=1200,
    )
    parts = [float(getattr(found, name)) for name in LOSSES]
    assert sum(parts) == pytest.approx(1, rel=1e-12)
    assert min(parts) >= -1e-12  # rework is what is left over, and carries the roundings of the others


@given(st.floats(min_value=100, max_value=1e6), st.floats(min_value=0.01, max_value=1000), seconds)
def test_more_failures_slower_restarts_and_slower_detection_never_help(mttf_s, write_s, restart_s):
    def found(**change):
        base = {"mttf_s": mttf_s, "checkpoint_write_s": write_s, "restart_s": restart_s}
        return float(reliability.goodput(**base | change).goodput_frac)

    best = found() * (1 + 1e-12)
    assert found(mttf_s=mttf_s / 2) <= best
    assert found(restart_s=restart_s + 60) <= best
    assert found(detection_s=60) <= best
    assert found(checkpoint_write_s=write_s + 60) <= best
    assert found(planned_stops_per_day=1, planned_stop_s=600) <= best


def test_writing_behind_training_beats_stopping_for_it():
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": numpy.asarray([10.0, 60.0, 300.0]), "restart_s": 300.0}
    blocking = reliability.goodput(**inputs).goodput_frac
    behind = reliability.goodput(**inputs, mode="non-blocking").goodput_frac
    in_memory = reliability.goodput(**inputs | {"checkpoint_write_s": 1.0}, mode="in-memory").goodput_frac
    assert (behind > blocking).all()
    assert (in_memory > behind).all()


def test_copies_in_memory_that_always_survive_are_a_non_blocking_checkpoint():
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 5.0, "checkpoint_stall_s": 1.0, "restart_s": 300.0}
    one, other = (reliability.goodput(**inputs, mode=mode) for mode in ("non-blocking", "in-memory"))
    assert float(one.goodput_frac) == pytest.approx(float(other.goodput_frac), rel=1e-14)


def test_copies_in_memory_that_never_survive_are_the_stored_checkpoints_alone():
    # every failure goes back to the last stored copy: Daly's model with periods of ten intervals, stalls included
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 0.0, "restart_s": 300.0, "checkpoint_stall_s": 2.0}
    found = reliability.goodput(
        **inputs, mode="in-memory", lost_frac=1.0, checkpoint_interval_s=60.0, stored_interval_s=600.0
    )
    expected = 600 / (2000 * numpy.exp(300 / 2000) * numpy.expm1(620 / 2000))
    assert float(found.goodput_frac) == pytest.approx(expected, rel=1e-13)


def test_lognormal_restart_without_spread_is_the_constant_one(xp):
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 20.0, "restart_s": xp.array([60.0, 600.0])}
    constant = reliability.goodput(**inputs).goodput_frac
    spread = reliability.goodput(**inputs, restart_sigma=xp.array([0.0, 1e-6])).goodput_frac
    assert to_host(spread) == pytest.approx(to_host(constant), rel=1e-6)  # the second spread is 1e-6


def test_transform_of_the_lognormal_agrees_with_quadrature():
    from gigacluster.reliability.checkpoints import survival_of_restart

    for sigma in (0.1, 1.0, 2.17):
        for share in (1e-3, 0.1, 3.0):
            with mpmath.workdps(25):
                expected = mpmath.quad(
                    lambda z, share=share, sigma=sigma: mpmath.npdf(z) * mpmath.exp(-share * mpmath.exp(sigma * z)),
                    [-12, -6, -3, 0, 3, 6, 12],
                )
            one, other, third = (numpy.asarray(v) for v in (share, sigma, 1.0))
            found = float(survival_of_restart(numpy, one, other, third))
            assert found == pytest.approx(float(expected), rel=1e-11)  # of the trapezoid rule


def test_spread_of_restarts_comes_back_from_its_mean(xp):
    median, sigma = xp.array([60.0, 222.0]), numpy.asarray([0.5, 2.17])
    mean = median * xp.array(numpy.exp(sigma**2 / 2))
    assert to_host(reliability.sigma_from_mean(median, mean)) == pytest.approx([0.5, 2.17])
    assert numpy.isnan(float(reliability.sigma_from_mean(100.0, 50.0)))


def test_a_write_that_training_waits_for_altogether_is_a_blocking_one(xp):
    write = xp.array([0.0, 20.0, 300.0])
    blocking = reliability.goodput(mttf_s=2000.0, checkpoint_write_s=write, restart_s=300.0)
    waiting = reliability.goodput(
        mttf_s=2000.0, checkpoint_write_s=write, checkpoint_stall_s=write, restart_s=300.0, mode="non-blocking"
    )
    assert to_host(waiting.goodput_frac).tolist() == to_host(blocking.goodput_frac).tolist()


def test_writes_that_overlap_allow_a_shorter_interval_and_never_cost():
    inputs = {"mttf_s": 1500.0, "checkpoint_write_s": 300.0, "restart_s": 120.0, "mode": "non-blocking"}
    stalls = {"checkpoint_stall_s": 2.0}
    one, two, all_of_them = (reliability.goodput(**inputs, **stalls, writes_at_once=n) for n in (1, 2, numpy.inf))
    assert [float(run.checkpoint_interval_s) for run in (one, two)] == [298.0, 148.0]
    assert float(all_of_them.checkpoint_interval_s) == float(reliability.checkpoint_interval_s(1500.0, 2.0))
    shares = [float(run.goodput_frac) for run in (one, two, all_of_them)]
    assert shares[0] < 0.97 * shares[1] < shares[1] < shares[2]


def test_planned_stops_take_their_share_of_any_number_and_length_without_nan(xp):
    stops, seconds = xp.array([[0.0], [0.87], [100.0]]), xp.array([0.0, 600.0, 86_400.0])
    found = reliability.goodput(
        mttf_s=1e5, checkpoint_write_s=10, restart_s=60, planned_stops_per_day=stops, planned_stop_s=seconds
    )
    planned = to_host(found.planned_frac)
    assert planned[0].tolist() == planned[:, 0].tolist() == [0, 0, 0]
    assert planned[1, 1] == pytest.approx(0.87 * 600 / 86_400, rel=0.01)  # the day of operation is 0.6 % shorter
    assert planned[2, 2] == pytest.approx(100 / 101)
    assert (to_host(found.goodput_frac) > 0).all()


def test_overhead_slows_all_computing_and_nothing_else():
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 20.0, "restart_s": 300.0}
    without, slowed = (reliability.goodput(**inputs, overhead_frac=share) for share in (0.0, 0.25))
    assert float(slowed.goodput_frac) == pytest.approx(0.75 * float(without.goodput_frac))
    assert float(slowed.overhead_frac) == pytest.approx(0.25 * float(without.goodput_frac))
    assert float(slowed.rework_frac) == pytest.approx(float(without.rework_frac))


def test_a_restart_of_its_own_for_some_failures_lies_between_the_two():
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 20.0, "lost_frac": 0.25, "stored_restart_s": 900.0}
    mixed = float(reliability.goodput(**inputs, restart_s=100.0).goodput_frac)
    ends = [
        float(reliability.goodput(mttf_s=2000.0, checkpoint_write_s=20.0, restart_s=time_s).goodput_frac)
        for time_s in (100.0, 900.0)
    ]
    assert mixed == pytest.approx(0.75 * ends[0] + 0.25 * ends[1], rel=1e-12)


def test_samples_lie_along_the_last_axis_and_follow_their_library(xp):
    rate, write = xp.array([[2.0], [6.5]]), xp.array([1.0, 10.0, 100.0])
    found = reliability.goodput(100_000, failures_per_1000_node_days=rate, checkpoint_write_s=write, restart_s=600)
    single = reliability.goodput(100_000, failures_per_1000_node_days=6.5, checkpoint_write_s=100.0, restart_s=600)
    assert found.goodput_frac.shape == (2, 3)
    assert float(to_host(found.goodput_frac)[1, 2]) == pytest.approx(float(single.goodput_frac), rel=1e-14)


def test_interval_alone_may_be_an_array(xp):
    found = reliability.goodput(
        mttf_s=2000, checkpoint_write_s=10, restart_s=60, checkpoint_interval_s=xp.array([100.0, 0.0, 300.0])
    )
    assert numpy.isnan(to_host(found.goodput_frac)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_gpus": 0}, "n_gpus must be 1 or more, got 0"),
        ({"gpus_per_node": 0}, "gpus_per_node must be 1 or more, got 0"),
        ({"failures_per_1000_node_days": -1}, "failures_per_1000_node_days must be above 0, got -1"),
        ({"checkpoint_interval_s": 0}, "checkpoint_interval_s must be above 0, from 1e-9 to 1e12, got 0"),
        ({"restart_s": -5}, "restart_s must be 0 or more, at most 1e12, got -5"),
        ({"lost_frac": 1.5}, "lost_frac must be from 0 to 1, got 1.5"),
        ({"restart_sigma": 6.0}, "restart_sigma must be a spread from 0 to 5, got 6.0"),
        ({"mode": "async"}, "mode is 'async'; it can be 'blocking', 'non-blocking', 'in-memory'"),
        ({"failures_per_1000_node_days": None}, "given not at all; give mttf_s, or n_gpus with"),
        ({"mttf_s": 1000.0}, "given twice"),
        ({"mttf_s": 1000.0, "failures_per_1000_node_days": None}, "given twice; .* mttf_s is that of the whole job"),
        ({"mttf_s": 1000.0, "n_gpus": None}, "given twice"),
        ({"n_gpus": "many"}, "n_gpus must be a number or an array of numbers, got 'many'"),
        ({"restart_s": "soon"}, "restart_s must be a number or an array of numbers, got 'soon'"),
        ({"planned_stop_s": [60, 90]}, r"planned_stop_s must be a number or an array of numbers, got \[60, 90\]"),
        ({"writes_at_once": 0}, "writes_at_once must be 1 or more; infinite for no limit, got 0"),
        ({"overhead_frac": 1.0}, "overhead_frac must be from 0 to below 1, got 1.0"),
    ],
)
def test_impossible_inputs_are_refused_with_what_is_valid(change, message):
    inputs = {"n_gpus": 8000, "failures_per_1000_node_days": 6.5, "checkpoint_write_s": 10.0, "restart_s": 300.0}
    with pytest.raises(ValueError, match=message):
        reliability.goodput(**inputs | change)


def test_failures_per_day_follow_the_exposed_time():
    found = reliability.goodput(mttf_s=3600, checkpoint_write_s=10, restart_s=60, detection_s=3600)
    assert float(found.failures_per_day) == pytest.approx(12)


def test_an_interval_of_any_length_gives_a_share_and_no_overflow():
    """exp(710) is beyond the largest number: an interval of ten thousand times the MTTF finishes nothing."""
    for periods in (100.0, 699.0, 701.0, 1e4):
        found = reliability.goodput(mttf_s=1.0, restart_s=0.0, checkpoint_interval_s=periods, checkpoint_write_s=0.0)
        assert 0.0 <= float(found.goodput_frac) < 1e-40


@pytest.mark.parametrize(("name", "least"), [("mttf_s", 1e-6), ("checkpoint_interval_s", 1e-9)])
def test_the_smallest_time_allowed_is_allowed_and_less_is_refused(name, least):
    times = {"mttf_s": 1e3, "checkpoint_interval_s": 10.0, "checkpoint_write_s": 0.0, "restart_s": 0.0}
    reliability.goodput(**times | {name: least})
    with pytest.raises(ValueError, match=name):
        reliability.goodput(**times | {name: 0.9 * least})


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("mttf_s", 1e30),
        *[(name, 1e12) for name in ("checkpoint_write_s", "restart_s", "checkpoint_interval_s", "detection_s")],
        ("planned_stops_per_day", 1e6),
        ("restart_sigma", 5.0),
        ("lost_frac", 1.0),
    ],
)
def test_the_largest_number_allowed_is_allowed_and_more_is_refused(name, most):
    times = {"mttf_s": 1e3, "checkpoint_interval_s": 10.0, "checkpoint_write_s": 0.0, "restart_s": 0.0}
    found = reliability.goodput(**times | {name: most})
    assert sum(float(getattr(found, part)) for part in LOSSES) == pytest.approx(1.0, abs=1e-9)
    with pytest.raises(ValueError, match=name):
        reliability.goodput(**times | {name: 1.1 * most})


@given(
    interval=st.floats(0.01, 0.5),
    lag=st.floats(0.0, 1.0),
    restart=st.floats(0.0, 1.0),
    q=st.floats(0.0, 1.0),
    n=st.integers(1, 12),
    stall=st.floats(0.0, 0.2),
)
def test_copies_in_memory_keep_what_a_chain_of_failures_keeps(interval, lag, restart, q, n, stall):
    """From failure to failure, written out anew: the job holds ``held`` of ``n`` periods since the stored checkpoint.

    After a failure the first period is safe if none strikes in the restart, the period and the lag; each further one
    if none strikes in the period alone. A share q of failures takes back what is not stored. All times in MTTF.
    """
    period = interval + stall
    first, more = numpy.exp(-restart - lag - period), numpy.exp(-period)
    steps = numpy.arange(4_000)
    gains = numpy.where(steps == 0, 1 - first, first * more ** (steps - 1.0) * (1 - more))  # periods between failures
    move, net = numpy.zeros((n, n)), numpy.zeros(n)
    for held in range(n):
        after = (held + steps) % n
        move[held] += (1 - q) * numpy.bincount(after, weights=gains, minlength=n)
        move[held, 0] += q * gains.sum()
        net[held] = gains @ (steps - q * after)
    share = numpy.linalg.lstsq(numpy.vstack([move.T - numpy.eye(n), numpy.ones(n)]), [*[0.0] * n, 1.0], rcond=None)[0]
    found = reliability.goodput(
        mttf_s=1.0,
        checkpoint_write_s=stall + lag,
        checkpoint_stall_s=stall,
        restart_s=restart,
        checkpoint_interval_s=interval,
        stored_interval_s=n * interval,
        lost_frac=q,
        mode="in-memory",
        detection_s=0.5,
    )
    assert float(found.goodput_frac) == pytest.approx(float(share @ net) * interval / 1.5, rel=1e-8)


def test_a_job_never_finishes_below_a_thousandth_of_its_time():
    found = reliability.goodput(mttf_s=1e3, checkpoint_write_s=1.0, restart_s=10.0)
    for share, never in ((0.00099, True), (0.00101, False), (0.5, False)):
        assert dataclasses.replace(found, goodput_frac=numpy.asarray(share)).never_finishes == never


def test_while_stops_are_planned_nothing_fails():
    """A stop of a day after each day of operation: half of the time, and half of the failures of a calendar day."""
    inputs = {"mttf_s": 3600.0, "checkpoint_write_s": 10.0, "restart_s": 60.0, "detection_s": 1800.0}
    always = reliability.goodput(**inputs)
    half = reliability.goodput(**inputs, planned_stops_per_day=1.0, planned_stop_s=86_400.0)
    assert float(half.planned_frac) == pytest.approx(0.5)
    for name in ("failures_per_day", *(part for part in LOSSES if part != "planned_frac")):
        assert float(getattr(half, name)) == pytest.approx(0.5 * float(getattr(always, name))), name


@given(mttf_s=st.floats(1e5, 1e7), restart=st.floats(0, 3e-3), interval=st.floats(1e-4, 3e-3), write=st.floats(0, 1e-2))
def test_the_ratio_of_kokolis_is_the_exact_model_where_failures_are_rare(mttf_s, restart, interval, write):
    """To first order in all times over the MTTF; what is left out is of the second, of times of a part in a hundred."""
    write = write * interval
    times = [share * mttf_s for share in (restart, interval, write)]
    found = float(reliability.kokolis_2025(mttf_s, *times))
    exact = reliability.goodput(
        mttf_s=mttf_s, restart_s=times[0], checkpoint_interval_s=times[1], checkpoint_write_s=times[2]
    )
    assert found == pytest.approx(float(exact.goodput_frac), abs=(restart + interval + write) ** 2 + write)
    without = float(reliability.kokolis_2025(mttf_s, times[0], times[1], 0.0))
    assert without == pytest.approx(1 - restart - interval / 2, rel=1e-12)
    assert found * (1 + write / interval) == pytest.approx(without, rel=1e-12)


def test_the_best_interval_of_kokolis_is_youngs():
    intervals = numpy.geomspace(60.0, 6_000.0, 20_001)
    ratio = reliability.kokolis_2025(13_000.0, 0.0, intervals, 60.0)
    young = float(reliability.checkpoint_interval_s(13_000.0, 60.0, "young"))
    # its best is Young's to first order in the write over the MTTF: sqrt(60 / 13,000) is 7 %
    assert intervals[ratio.argmax()] == pytest.approx(young, rel=0.07)


@given(st.floats(1.0, 1e6), st.floats(0.0, 1e6))
def test_an_interval_between_failures_that_holds_the_stall_is_one_that_does_not_and_the_stall(running_s, stall_s):
    outside = float(reliability.stall_goodput(running_s, stall_s, "outside"))
    assert outside * (running_s + stall_s) == pytest.approx(running_s)
    inside = float(reliability.stall_goodput(running_s + stall_s, stall_s, "inside"))
    assert inside == pytest.approx(outside, rel=1e-9, abs=1e-9)
    assert float(reliability.stall_goodput(running_s, running_s)) == 0.0
    assert numpy.isnan(float(reliability.stall_goodput(running_s, 1.01 * running_s)))


@given(st.floats(0, 2), st.floats(0, 0.5), st.floats(0, 1), st.sampled_from(reliability.MODES))
def test_all_times_in_another_unit_leave_every_share(restart, write, queue, mode):
    def found(unit):
        return reliability.goodput(
            mttf_s=unit,
            restart_s=restart * unit,
            checkpoint_write_s=write * unit,
            queue_s=queue * unit,
            detection_s=0.1 * unit,
            lost_frac=0.3,
            stored_interval_s=2.0 * unit,
            mode=mode,
        )

    for name in LOSSES:
        assert float(getattr(found(1e6), name)) == pytest.approx(float(getattr(found(1.0), name)), abs=1e-12), name


def test_detecting_and_queueing_are_one_wait():
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 20.0, "restart_s": 300.0}
    one = reliability.goodput(**inputs, detection_s=70.0, queue_s=30.0)
    assert float(one.waiting_frac) == pytest.approx(100 / 2100)
    assert float(one.goodput_frac) == float(reliability.goodput(**inputs, detection_s=100.0).goodput_frac)


@pytest.mark.parametrize("mode", reliability.MODES)
def test_shares_have_the_shape_of_all_inputs_and_a_bad_element_is_known_in_none(mode):
    inputs = {"mttf_s": 2000.0, "checkpoint_write_s": 20.0, "restart_s": 300.0, "planned_stops_per_day": 1.0}
    others = ["detection_s", "queue_s", "overhead_frac", "planned_stop_s"] + ["lost_frac"] * (mode == "in-memory")
    for name in (*inputs, *others):
        found = reliability.goodput(**inputs | {name: numpy.asarray([[0.5, -1.0, 0.25]])}, mode=mode)
        for part in LOSSES:
            assert numpy.isfinite(getattr(found, part)).tolist() == [[True, False, True]], (name, part)
