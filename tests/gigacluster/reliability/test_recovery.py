"""The four recovery schemes: closed form, simulation and an independent event loop, and what they refuse."""

import itertools
import math
import random

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigacluster.reliability import Blast, Recovery, goodput_with, simulate_with
from gigacluster.reliability.simulate import ReplicaRules, Replicas, advance_replicas

PARTS = (
    "goodput_frac",
    "overhead_frac",
    "checkpoint_frac",
    "rework_frac",
    "restart_frac",
    "waiting_frac",
    "planned_frac",
)
#: One of each, with every time in use.
TIMES = {
    "restart_all": {"checkpoint_write_s": 40.0, "checkpoint_stall_s": 40.0},
    "hot_spare": {"resume_s": 250.0, "lost_frac": 0.1, "checkpoint_write_s": 60.0, "checkpoint_stall_s": 3.0},
    "in_memory": {
        "resume_s": 120.0,
        "lost_frac": 0.1,
        "checkpoint_write_s": 2.0,
        "checkpoint_stall_s": 0.2,
        "overhead_frac": 0.01,
        "stored_interval_s": 1200.0,
    },
    "drop_replica": {
        "resume_s": 60.0,
        "rebuild_s": 900.0,
        "lost_frac": 0.1,
        "checkpoint_write_s": 20.0,
        "checkpoint_stall_s": 20.0,
        "overhead_frac": 0.05,
    },
}
COLD = {"detection_s": 1, "restart_s": 1, "checkpoint_write_s": 1, "checkpoint_stall_s": 1}
MTTFS = (3e4, 5e3, 1200.0)


def recovery(scheme, **change):
    return Recovery(**{"scheme": scheme, "detection_s": 30.0, "restart_s": 600.0} | TIMES[scheme] | change)


def replicas(scheme, n=8):
    return {"n_replicas": n} if scheme == "drop_replica" else {}


def loop_of_nodes(rule, interval_s, mttf_s, failures, rng):
    """Live through failures and checkpoints one at a time, where all nodes stop with any."""
    stall_s, lag_s = rule.checkpoint_stall_s, rule.checkpoint_write_s - rule.checkpoint_stall_s
    stored_every = max(1, round(rule.stored_interval_s / interval_s))
    wall_s, safe, lost = 0.0, 0, False
    for _ in range(failures):
        slow = lost or rule.scheme == "restart_all"
        left_s = rng.expovariate(1 / mttf_s)
        wall_s += rule.detection_s + left_s
        left_s -= rule.restart_s if slow else rule.resume_s
        while left_s >= interval_s + stall_s + lag_s:  # one more checkpoint is safe before the failure
            left_s, safe = left_s - interval_s - stall_s, safe + 1
        lost = rng.random() < rule.lost_frac
        if lost and rule.scheme == "in_memory":
            safe -= safe % stored_every
    return safe * interval_s / wall_s


def loop_of_replicas(rule, interval_s, mttf_s, failures, rng, n_replicas, replicas_lost=1):
    """Live through failures, returns of replicas and checkpoints one event at a time."""
    write_s, wall_s, now_s, work_s, saved_s = rule.checkpoint_write_s, 0.0, 0.0, 0.0, 0.0
    back_s, start_s, next_write_s = [0.0] * n_replicas, 0.0, interval_s
    for _ in range(failures):
        failure_s = now_s + rng.expovariate(1 / mttf_s)
        now_s = min(max(now_s, start_s), failure_s)
        while now_s < failure_s:
            until_s = min([failure_s, next_write_s] + [t for t in back_s if t > now_s])
            work_s += sum(t <= now_s for t in back_s) / n_replicas * (until_s - now_s)
            now_s = until_s
            if now_s == next_write_s and now_s + write_s <= failure_s:
                now_s, saved_s, next_write_s = now_s + write_s, work_s, next_write_s + write_s + interval_s
            elif now_s == next_write_s:
                break  # the failure strikes within the write
        now_s = failure_s
        if rng.random() < rule.lost_frac:
            work_s, start_s, wall_s = saved_s, now_s + rule.restart_s, wall_s + rule.detection_s
            next_write_s = start_s + interval_s
        else:
            first = rng.randrange(n_replicas)
            for number in range(replicas_lost):
                back_s[(first + number) % n_replicas] = now_s + rule.rebuild_s
            wall_s += rule.detection_s + rule.resume_s
            if next_write_s < now_s:  # a write that a failure cut short ends when the others go on
                next_write_s = next_write_s + write_s + interval_s
    return work_s / (wall_s + now_s)


@pytest.mark.parametrize("scheme", reliability.SCHEMES)
def test_simulation_agrees_with_the_closed_form_of_each_scheme_over_a_grid(scheme):
    found = [
        simulate_with(recovery(scheme, **change), mttf_s=mttf_s, **replicas(scheme), failures=400_000, seed=50 + i)
        for i, (mttf_s, change) in enumerate(itertools.product(MTTFS, ({}, {"detection_s": 0.0, "restart_s": 200.0})))
    ]
    assert max(abs(run.z) for run in found) < 4.5
    assert max(run.standard_error / run.goodput_frac for run in found) < 3e-3


@pytest.mark.parametrize("more", [{"replicas_lost": 3}, {"n_replicas": 2}, {"n_replicas": 32, "replicas_lost": 32}])
def test_simulation_of_dropped_replicas_agrees_for_few_replicas_and_wide_failures(more):
    given = {"n_replicas": 8} | more
    run = simulate_with(recovery("drop_replica"), mttf_s=1500.0, **given, failures=400_000, seed=3)
    assert abs(run.z) < 4.5


@pytest.mark.parametrize("scheme", reliability.SCHEMES)
@pytest.mark.parametrize("mttf_s", [9000.0, 1500.0])
def test_event_loop_agrees_with_the_closed_form_of_each_scheme(scheme, mttf_s):
    rule, rng = recovery(scheme), random.Random(5)
    found = goodput_with(rule, mttf_s=mttf_s, **replicas(scheme))
    given = rule, float(found.checkpoint_interval_s), mttf_s, 20_000, rng
    share = loop_of_replicas(*given, 8) if scheme == "drop_replica" else loop_of_nodes(*given)
    # 20,000 failures leave a noise below 0.5 %: three times that
    assert (1 - rule.overhead_frac) * share == pytest.approx(float(found.goodput_frac), rel=0.015)


def test_one_step_of_replicas_is_what_a_plain_count_does(xp):
    rules = ReplicaRules(
        interval_s=90.0, write_s=10.0, detection_s=5.0, resume_s=20.0, restart_s=300.0, rebuild_s=400.0
    )
    zero = 0 * xp.array([1.0, 1.0])
    start = Replicas(zero, zero, xp.array([[0.0, 50.0], [0.0, 0.0]]), zero, zero, zero)
    boolean = xp.bool if xp.name == "array-api-strict" else numpy.bool_
    deep, hit = xp.array([False, True], dtype=boolean), xp.array([[True, True], [False, False]], dtype=boolean)
    end = advance_replicas(xp, start, xp.array([250.0, 250.0]), deep, hit, rules)
    # writes end at 100 and 200 s: 230 s of computing by two replicas; the second run lacks one of them for 50 s
    assert to_host(end.done_s).tolist() == [230.0, 180.0 - 25.0]
    assert to_host(end.safe_s).tolist() == [180.0, 155.0]
    assert to_host(end.wall_s).tolist() == [275.0, 255.0]
    assert to_host(end.start_s).tolist() == [0.0, 550.0]
    assert to_host(end.back_s).tolist() == [[650.0, 50.0], [0.0, 0.0]]


@settings(max_examples=300)
@given(
    st.sampled_from(reliability.SCHEMES),
    st.floats(min_value=1e-6, max_value=1e18),
    st.floats(0, 1e12),
    st.floats(0, 1e12),
    st.floats(0, 1),
    st.floats(0, 0.99),
    st.integers(2, 4096),
    st.floats(0, 1e6),
)
def test_shares_of_time_add_up_and_nothing_is_nan(scheme, mttf_s, one_s, other_s, lost, overhead, n_replicas, stops):
    rule = recovery(scheme, restart_s=one_s, resume_s=other_s, rebuild_s=one_s, lost_frac=lost, overhead_frac=overhead)
    found = goodput_with(rule, mttf_s=mttf_s, n_replicas=n_replicas, planned_stops_per_day=stops, planned_stop_s=one_s)
    parts = [float(getattr(found, name)) for name in PARTS]
    assert all(math.isfinite(part) for part in parts)
    assert sum(parts) == pytest.approx(1, rel=1e-9)
    assert min(parts) >= -1e-9  # rework is what is left over, and carries the roundings of the others
    assert bool(found.never_finishes) == (parts[0] < reliability.NEVER_BELOW)


@settings(max_examples=100)
@given(st.sampled_from(reliability.SCHEMES), st.floats(min_value=300, max_value=1e6), st.floats(1, 600))
def test_longer_times_and_more_failures_never_help(scheme, mttf_s, more_s):
    base = float(goodput_with(recovery(scheme), mttf_s=mttf_s, n_replicas=8).goodput_frac) * (1 + 1e-12)
    for name in ("detection_s", "restart_s", "resume_s", "rebuild_s"):
        longer = recovery(scheme, **{name: getattr(recovery(scheme), name) + more_s})
        assert float(goodput_with(longer, mttf_s=mttf_s, n_replicas=8).goodput_frac) <= base
    assert float(goodput_with(recovery(scheme), mttf_s=mttf_s / 2, n_replicas=8).goodput_frac) <= base


def test_each_scheme_that_never_helps_is_the_job_that_stops_as_a_whole():
    useless = {"lost_frac": 1.0, "overhead_frac": 0.0, "checkpoint_write_s": 40.0, "checkpoint_stall_s": 40.0}
    whole = float(goodput_with(recovery("restart_all"), mttf_s=4000.0).goodput_frac)
    for scheme in ("hot_spare", "drop_replica"):
        found = goodput_with(recovery(scheme, **useless), mttf_s=4000.0, n_replicas=8)
        assert float(found.goodput_frac) == pytest.approx(whole, rel=1e-12)


def test_dropping_one_of_very_many_replicas_at_no_cost_loses_only_the_stall():
    free = recovery("drop_replica", lost_frac=0.0, overhead_frac=0.0)
    found = goodput_with(free, mttf_s=1000.0, n_replicas=1e9)
    assert float(found.goodput_frac) == pytest.approx(1000 / (1000 + 90), rel=1e-5)  # checkpoints, never needed: 1e-6
    assert float(found.mttf_s) == 1000.0


def test_schemes_rank_as_they_must_and_their_order_can_turn_with_overhead():
    mttf_s = 1080.0  # 18 minutes
    whole, dropped = (
        float(goodput_with(recovery(scheme), mttf_s=mttf_s, n_replicas=16).goodput_frac)
        for scheme in ("restart_all", "drop_replica")
    )
    assert dropped > 1.3 * whole
    small = {"mttf_s": 1e6, "n_replicas": 8}  # failures are rare: what is paid all the time decides
    whole = float(goodput_with(recovery("restart_all"), **small).goodput_frac)
    slow = recovery("drop_replica", overhead_frac=0.3)
    assert float(goodput_with(slow, **small).goodput_frac) < whole


def test_times_may_be_samples_and_follow_their_library(xp):
    rule = recovery("in_memory", resume_s=xp.array([60.0, 120.0, -1.0]), lost_frac=xp.array([0.0, 0.1, 0.1]))
    found = to_host(goodput_with(rule, mttf_s=xp.array([[2000.0], [4000.0]])).goodput_frac)
    single = goodput_with(recovery("in_memory", resume_s=120.0, lost_frac=0.1), mttf_s=4000.0).goodput_frac
    assert found.shape == (2, 3)
    assert found[1, 1] == pytest.approx(float(single), rel=1e-14)
    assert numpy.isnan(found[:, 2]).all()


def test_recovery_longer_than_the_time_between_failures_never_finishes_and_says_so():
    rule = recovery("restart_all", restart_s=numpy.asarray([600.0, 20_000.0]))
    found = goodput_with(rule, mttf_s=1200.0)
    assert found.never_finishes.tolist() == [False, True]
    assert numpy.isfinite(found.goodput_frac).all()


def test_blast_takes_whole_replicas(xp):
    blast = Blast(chips=[4, 72, 576], shares=[0.8, 0.15, 0.05])
    lost = to_host(blast.replicas_lost(xp.array([8.0, 72.0, 1000.0])))
    assert lost.tolist() == pytest.approx([0.8 + 0.15 * 9 + 0.05 * 72, 0.95 + 0.05 * 8, 1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Recovery(scheme="cold", **COLD), "it can be 'restart_all', 'hot_spare'"),
        (lambda: recovery("hot_spare", resume_s=-1.0), "resume_s must be 0 or more, at most 1e12, got -1.0"),
        (lambda: recovery("hot_spare", lost_frac=1.5, detection_s="soon"), "must be a number .*; lost_frac"),
        (lambda: recovery("drop_replica", overhead_frac=1.0), "overhead_frac must be from 0 to below 1, got 1.0"),
        (lambda: goodput_with(recovery("drop_replica"), mttf_s=900.0), "2 or more to drop one of them: take a plan"),
        (lambda: goodput_with(recovery("restart_all")), "how often the job fails is given not at all"),
        (lambda: goodput_with(recovery("restart_all"), 8, failures_per_1000_node_days=-2.0), "above 0, got -2.0"),
        (lambda: Blast(chips=[8, 72], shares=[0.9, 0.2]), "in all 1.1; they must add up to 1"),
        (lambda: Blast(chips=[8, 0], shares=[0.5, 0.5]), "each must be 1 or more"),
        (lambda: Blast(chips=[8], shares=[0.5, 0.5]), r"have shapes \(1,\) and \(2,\)"),
        (lambda: simulate_with(recovery("drop_replica", checkpoint_stall_s=1.0), mttf_s=9.0, n_replicas=4), "equal"),
        (lambda: simulate_with(recovery("hot_spare", resume_s=numpy.ones(2)), mttf_s=1e3), "one cluster at a time"),
        (lambda: reliability.size_power([8, 8], [1.0, 2.0]), "at two or more sizes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_is_valid(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("bad", [0.0, -8.0, math.nan, math.inf])
def test_the_power_of_size_is_asked_of_times_and_sizes_above_zero_alone(bad, place):
    good = [8.0, 64.0, 512.0]
    spoilt = [*good[:place], bad, *good[place + 1 :]]
    for sizes, seconds in ((spoilt, good), (good, spoilt)):
        with pytest.raises(ValueError, match="above 0 at two or more sizes"):
            reliability.size_power(sizes, seconds)


def test_restart_grows_with_size_as_measured():
    sizes, seconds = [2048, 4096, 8192, 16_384], [454.0, 545.0, 635.0, 768.0]  # ByteRobust, queued again
    power = reliability.size_power(sizes, seconds)
    predicted = reliability.at_size_s(454.0, numpy.asarray(sizes), measured_at_gpus=2048, size_power=power)
    assert predicted == pytest.approx(seconds, rel=0.02)  # four points on one power


@pytest.mark.parametrize("queue_s", [0.0, 600.0, 1e5, 1e7])
def test_a_longer_stall_never_helps_however_long_nodes_are_waited_for(queue_s):
    """The job stalls for a dropped replica while it runs, not while it waits for nodes."""
    terms = {"mttf_s": 1e4, "n_replicas": 8, "queue_s": queue_s, "checkpoint_interval_s": 900.0}
    short, long = (goodput_with(recovery("drop_replica", resume_s=seconds), **terms) for seconds in (60.0, 900.0))
    assert 0 < float(long.goodput_frac) < float(short.goodput_frac)
    for found in (short, long):
        parts = [float(getattr(found, part)) for part in PARTS]
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("shares", [[1.1, -0.1], [-0.1, 1.1], [0.5, 0.4]])
def test_shares_of_kinds_of_failure_are_shares(shares):
    with pytest.raises(ValueError, match="shares"):
        Blast(chips=[8, 256], shares=shares)


@pytest.mark.parametrize("scheme", reliability.SCHEMES)
@pytest.mark.parametrize(("least", "most"), [(1e-6, 1e18)])
def test_the_times_between_failures_that_any_scheme_takes_are_taken_and_no_others_by_dropping(scheme, least, most):
    for mttf_s in (least, most):
        found = goodput_with(recovery(scheme), mttf_s=mttf_s, n_replicas=8)
        assert sum(float(getattr(found, part)) for part in PARTS) == pytest.approx(1.0, abs=1e-9)
    for mttf_s in (0.9 * least, 1.1 * most):
        with pytest.raises(ValueError, match="mttf_s must be above 0, from 1e-6 to 1e18"):
            goodput_with(recovery("drop_replica"), mttf_s=mttf_s, n_replicas=8)


@pytest.mark.parametrize("n_replicas", [2, 8])
def test_a_failure_takes_no_more_replicas_than_there_are(n_replicas):
    found = [
        float(
            goodput_with(recovery("drop_replica"), mttf_s=2e3, n_replicas=n_replicas, replicas_lost=lost).goodput_frac
        )
        for lost in (n_replicas - 1, n_replicas, 2 * n_replicas, 1e6)
    ]
    assert found[0] > found[1] == found[2] == found[3]


@settings(max_examples=60)
@given(st.floats(500.0, 1e6), st.floats(0, 2e3), st.floats(0, 1), st.integers(2, 64), st.data())
def test_a_replica_is_away_as_long_as_its_rebuilding_takes_of_the_others_time(mttf_s, rebuild_s, lost, n, data):
    """Nothing but what is written here: of the work that all would do, exp(-share of replicas x rebuild / MTTF)."""
    out = data.draw(st.integers(1, n))
    rule = recovery("drop_replica", rebuild_s=rebuild_s, lost_frac=lost)
    whole = goodput_with(recovery("drop_replica", rebuild_s=0.0, lost_frac=lost), mttf_s=mttf_s, n_replicas=n)
    found = goodput_with(rule, mttf_s=mttf_s, n_replicas=n, replicas_lost=out)
    there = math.exp(-out / n * rebuild_s * (1 - lost) / mttf_s)
    assert float(found.goodput_frac) == pytest.approx(there * float(whole.goodput_frac), rel=1e-9)
    assert float(found.overhead_frac) == pytest.approx(there * float(whole.overhead_frac), rel=1e-9)
    for part in ("checkpoint_frac", "rework_frac", "waiting_frac", "planned_frac"):
        assert float(getattr(found, part)) == pytest.approx(float(getattr(whole, part)), rel=1e-9), part


@settings(max_examples=60)
@given(st.floats(500.0, 1e6), st.floats(0, 1), st.floats(0, 5e3), st.floats(0, 500), st.floats(0, 500))
def test_stalls_of_dropped_replicas_and_waits_for_nodes_share_the_time_out(
    mttf_s, lost, queue_s, detection_s, resume_s
):
    """Between two failures the job runs one MTTF on average and waits what each kind of failure waits."""
    rule = recovery("drop_replica", lost_frac=lost, detection_s=detection_s, resume_s=resume_s)
    found = goodput_with(rule, mttf_s=mttf_s, n_replicas=8, queue_s=queue_s)
    waited = lost * (detection_s + queue_s) + (1 - lost) * (detection_s + resume_s)
    assert float(found.waiting_frac) == pytest.approx(waited / (mttf_s + waited), rel=1e-6, abs=1e-9)


def test_the_smallest_kind_of_failure_takes_one_gpu():
    assert float(Blast(chips=[1], shares=[1.0]).replicas_lost(64)) == 1.0
    assert float(Blast(chips=[1, 2], shares=[0.5, 0.5]).replicas_lost(1)) == 1.5
    with pytest.raises(ValueError, match="each must be 1 or more"):
        Blast(chips=[0.9], shares=[1.0])
    for empty in ([], [[8.0]]):
        with pytest.raises(ValueError, match="give one of each a kind"):
            Blast(chips=empty, shares=empty)
