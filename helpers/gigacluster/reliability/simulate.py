"""A cluster's life failure by failure: what the closed forms are checked against, and where they stop.

Many independent runs advance together, one failure a vector step. Random numbers are told by run and step
(:mod:`gigacluster.philox`), so that every device and every worker sees the same ones, whatever the chunk; memory is
bounded by the number of runs in a chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy

from gigacluster.arrays import NUMPY, Array, Mask, Namespace, device_namespace, free_bytes, is_array, release, to_host
from gigacluster.limits import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, checked
from gigacluster.parallel import Workers, chunks, halving, in_order
from gigacluster.philox import exponential, normal, uniform
from gigacluster.reliability.goodput import MODES, Goodput, goodput
from gigacluster.reliability.recovery import Recovery, goodput_with
from gigacluster.units import SECONDS_PER_DAY

_WARM_UP_STEPS = 20
#: Runs that advance together on a CPU, where their arrays stay in the cache, and on a GPU, which they fill.
_CPU_CHUNK, _GPU_CHUNK = 8192, 2**22
#: Memory of a run, and of each of its spares or replicas.
_BYTES_A_RUN = 100
#: Streams of random numbers; normal ones take two.
_FAILURES, _FATES, _REPAIRS, _PLACES, _RESTARTS = range(5)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What many simulated runs did, beside the closed form for the same inputs."""

    goodput_frac: float
    standard_error: float
    failures: int
    cluster_days: float  # planned stops not counted
    #: Goodput of single runs, at most one chunk of them: how much a run differs from the next.
    run_goodput_frac: numpy.ndarray
    closed_form: Goodput

    @property
    def z(self) -> float:
        """Distance from the closed form in standard errors; ``nan`` where there is no spread to measure it by."""
        difference = self.goodput_frac - float(self.closed_form.goodput_frac)
        return difference / self.standard_error if self.standard_error > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers that one step needs. [s], [1]"""

    interval_s: float
    stall_s: float
    lag_s: float
    dead_s: float
    stored_every: float = math.inf  # intervals between stored checkpoints, a whole number
    repair_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Draws:
    """Random numbers of one step, an element a run: times to failure and to restart [s], fates and repairs [1]."""

    failure_s: Any
    restart_s: Any
    memory_lost: Any = None  # true where the failure before this restart took the copies in memory
    repair: Any = None  # unit exponentials


@dataclass(frozen=True, slots=True)
class Runs:
    """Where the runs stand: wall-clock time, safe intervals of computing, and when each spare is whole again."""

    wall_s: Any
    intervals: Any
    spare_ready_s: Any = None  # shape (spares, runs)


def advance(xp: Namespace, runs: Runs, draws: Draws, rules: Rules) -> Runs:
    """Take every run from one failure to the next; computing since the last safe checkpoint is lost."""
    wall_s, ready = runs.wall_s + rules.dead_s, runs.spare_ready_s
    if ready is not None:  # of the spares and the failed node, the first that is whole goes to work
        first, repaired = xp.min(ready, axis=0), runs.wall_s + rules.repair_s * draws.repair
        wall_s = xp.maximum(wall_s, xp.minimum(first, repaired))
        ready = xp.where(ready == first, xp.maximum(first, repaired), ready)
    intervals = runs.intervals
    if draws.memory_lost is not None:
        stored = rules.stored_every * xp.floor(intervals / rules.stored_every)
        intervals = xp.where(draws.memory_lost, stored, intervals)
    exposed_s = draws.failure_s - draws.restart_s - rules.lag_s
    intervals = intervals + xp.maximum(xp.floor(exposed_s / (rules.interval_s + rules.stall_s)), 0.0)
    return Runs(wall_s=wall_s + draws.failure_s, intervals=intervals, spare_ready_s=ready)


def simulate(
    n_gpus: float | None = None,
    *,
    restart_sigma: float = 0.0,
    lost_frac: float = 0.0,
    stored_restart_s: float | None = None,
    stored_interval_s: float = 3600.0,
    failure_shape: Annotated[float, POSITIVE] = 1.0,
    spares: Annotated[int, AT_LEAST_ONE] | None = None,
    repair_s: Annotated[float, NON_NEGATIVE] = 0.0,
    failures: Annotated[int, AT_LEAST_ONE] = 1_000_000,
    failures_per_run: Annotated[int, AT_LEAST_ONE] = 128,
    seed: int = 7,
    device: str = "cpu",
    chunk: Annotated[int, AT_LEAST_ONE] | None = None,
    executor: Workers = None,
    **inputs: Any,
) -> Simulation:
    """Simulate one cluster through a number of failures, and set the closed form beside the result.

    Parameters
    ----------
    n_gpus, restart_sigma, lost_frac, stored_restart_s, stored_interval_s, **inputs : float or str
        Numbers, as in :func:`gigacluster.reliability.goodput`. Planned stops save first, so they take their time alone.
    failure_shape
        Weibull shape of the time to failure, its mean unchanged: 1 is exponential, less means failures come in bursts.
        Time counts from the last failure. [1]
    spares : Spare nodes; when all are under repair, the job waits for the first. By default there is always one.
    repair_s : Mean repair time, exponential. [s]
    failures : Failures to simulate; rounded up to whole runs. One run alone has no standard error.
    failures_per_run : Length of one run.
    seed : int, default 7
    device : {"cpu", "cuda", "auto"}, default "cpu"
    chunk : Runs that advance together: memory is about 100 bytes x chunk x (1 + spares). Left out: 8,192, on a GPU as
        many as fill it; fewer where its memory does not suffice, and half of them each time it runs out.
    executor : int or executor, optional
        Who simulates the chunks: None for this process, a number of processes, or an executor such as
        ``dask.distributed.Client.get_executor()``. The result is the same, byte for byte.

    Returns
    -------
    Simulation
        The closed form assumes ``failure_shape`` 1 and enough spares.

    Raises
    ------
    ValueError
        If an input is out of range, or is an array: a simulation is of one cluster.

    Examples
    --------
    >>> times = {"checkpoint_write_s": 20.0, "restart_s": 300.0}
    >>> run = simulate(16_384, failures_per_1000_node_days=5.0, failures=2_000, seed=7, **times)
    >>> round(run.goodput_frac, 2), round(float(run.closed_form.goodput_frac), 2)
    (0.9, 0.9)
    """
    lost = {"lost_frac": lost_frac, "stored_restart_s": stored_restart_s, "stored_interval_s": stored_interval_s}
    given = {"n_gpus": n_gpus, "restart_sigma": restart_sigma, **lost, **inputs}
    _refuse_arrays(given)
    counts = failures, failures_per_run, 1 if chunk is None else chunk
    checked(simulate, failure_shape, 1 if spares is None else spares, repair_s, *counts)
    expected = goodput(**given)
    job = _Whole(
        rules=_rules(expected, stored_interval_s, repair_s, inputs),
        mttf_s=float(expected.mttf_s),
        shape=failure_shape,
        restart_s=float(inputs["restart_s"]),
        sigma=restart_sigma,
        lost_frac=lost_frac,
        stored_restart_s=stored_restart_s,
        in_memory=inputs.get("mode") == "in-memory" and lost_frac > 0,
        spares=spares,
    )
    return _simulated(job, expected, failures, failures_per_run, seed, device, chunk, executor)


def _rules(expected: Goodput, stored_interval_s: float, repair_s: float, inputs: dict[str, Any]) -> Rules:
    write_s, interval_s = float(inputs["checkpoint_write_s"]), float(expected.checkpoint_interval_s)
    blocking = inputs.get("mode", MODES[0]) == "blocking"
    stall_s = write_s if blocking else float(inputs.get("checkpoint_stall_s", 0.0))
    return Rules(
        interval_s=interval_s,
        stall_s=stall_s,
        lag_s=max(write_s - stall_s, 0.0),
        dead_s=float(inputs.get("detection_s", 0.0)) + float(inputs.get("queue_s", 0.0)),
        stored_every=max(1.0, float(round(stored_interval_s / interval_s))),
        repair_s=repair_s,
    )


def _refuse_arrays(given: dict[str, Any]) -> None:
    if arrays := [name for name, value in given.items() if is_array(value)]:
        raise ValueError(f"{arrays[0]} is an array; simulate one cluster at a time, in numbers")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A job that stops as a whole: what the random numbers of a step follow, and what they do."""

    rules: Rules
    mttf_s: float
    shape: float
    restart_s: float
    sigma: float
    lost_frac: float
    stored_restart_s: float | None
    in_memory: bool
    spares: int | None

    @property
    def beside(self) -> int:
        """How many spares each run keeps."""
        return self.spares or 0

    @property
    def settle(self) -> int:
        """How many failures come before any counts."""
        waiting = 0 if self.spares is None else math.ceil(3 * self.rules.repair_s / self.mttf_s)
        return _WARM_UP_STEPS * self.in_memory + waiting

    def start(self, xp: Namespace, size: int) -> Runs:
        """Return so many runs before their first failure; ready times all differ, so that one spare is the first."""
        zero, ready = xp.zeros(size), None
        if self.spares is not None:
            ready = -xp.ones((self.spares, size)) * xp.arange(1, self.spares + 1, dtype=xp.float64)[:, None]
        return Runs(zero, zero, ready)

    def step(self, xp: Namespace, runs: Runs, seed: int, *place: int) -> Runs:
        """Take runs from one failure to the next; ``place`` tells their random numbers: step, first run, runs."""
        failure = exponential(xp, seed, _FAILURES, *place)
        if self.shape != 1:
            failure = failure ** (1 / self.shape)
        restart: Any = self.restart_s
        if self.sigma > 0:
            restart = self.restart_s * xp.exp(self.sigma * normal(xp, seed, _RESTARTS, *place))
        lost = uniform(xp, seed, _FATES, *place) < self.lost_frac if self.lost_frac > 0 else None
        if lost is not None and self.stored_restart_s is not None:
            restart = xp.where(lost, self.stored_restart_s, restart)
        draws = Draws(
            failure_s=self.mttf_s / math.gamma(1 + 1 / self.shape) * failure,
            restart_s=restart,
            memory_lost=lost if self.in_memory else None,
            repair=None if self.spares is None else exponential(xp, seed, _REPAIRS, *place),
        )
        return advance(xp, runs, draws, self.rules)

    def useful_s(self, begin: Runs, end: Runs) -> Array:
        """Return the computing that was kept between two failures. [s]"""
        useful_s: Array = self.rules.interval_s * (end.intervals - begin.intervals)
        return useful_s


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Runs of one job that advance together, through so many failures each once they have settled."""

    job: _Whole | _OfReplicas
    failures: int
    seed: int
    device: str
    first: int
    size: int


def _times_s(task: _Chunk) -> numpy.ndarray:
    """Return wall-clock and useful time of each run, shape (2, runs), of as many at once as memory holds. [s]"""
    job, xp = task.job, device_namespace(task.device)
    at_once = max(1, int(min(task.size, free_bytes(xp) / 2 / (_BYTES_A_RUN * (1 + job.beside)))))

    def some(few: slice) -> numpy.ndarray:
        size = few.stop - few.start
        runs: Any = job.start(xp, size)
        begin = runs
        for step in range(job.settle + task.failures):
            begin = runs if step == job.settle else begin
            runs = job.step(xp, runs, task.seed, step, few.start, size)
        return to_host(xp.stack([runs.wall_s - begin.wall_s, job.useful_s(begin, runs)]))

    pieces = halving(some, task.first + task.size, at_once, first=task.first, release=lambda: release(xp))
    return numpy.concatenate([times for _, times in pieces], axis=1)


def _simulated(
    job: _Whole | _OfReplicas,
    expected: Goodput,
    failures: int,
    failures_per_run: int,
    seed: int,
    device: str,
    chunk: int | None,
    executor: Workers,
) -> Simulation:
    """Simulate a job; what planned stops and overhead take, the result and the closed form lose alike."""
    on_cpu = device == "cpu" or (device == "auto" and device_namespace(device) is NUMPY)
    n_runs = math.ceil(failures / failures_per_run)
    pieces = chunks(n_runs, chunk or (_CPU_CHUNK if on_cpu else _GPU_CHUNK))
    tasks = (_Chunk(job, failures_per_run, seed, device, few.start, few.stop - few.start) for few in pieces)
    totals, kept = numpy.zeros(5), numpy.empty(0)
    for wall_s, useful_s in in_order(_times_s, tasks, executor=executor, what="runs"):
        totals += [wall_s.sum(), useful_s.sum(), wall_s @ wall_s, wall_s @ useful_s, useful_s @ useful_s]
        kept = kept if kept.size else useful_s / wall_s
    share, error = _ratio(totals, n_runs)
    useful = float(expected.goodput_frac + expected.overhead_frac)
    left = (1 - float(expected.planned_frac)) * (float(expected.goodput_frac) / useful if useful > 0 else 1.0)
    return Simulation(
        goodput_frac=left * share,
        standard_error=left * error,
        failures=n_runs * failures_per_run,
        cluster_days=float(totals[0]) / SECONDS_PER_DAY,
        run_goodput_frac=left * kept,
        closed_form=expected,
    )


def _ratio(totals: numpy.ndarray, n_runs: int) -> tuple[float, float]:
    """Return useful / wall time over all runs, and its standard error by the ratio estimator."""
    wall, useful, wall_2, cross, useful_2 = totals.tolist()
    share = useful / wall
    squares = max(useful_2 - 2 * share * cross + share**2 * wall_2, 0.0)
    return share, math.sqrt(squares * n_runs / (n_runs - 1)) / wall if n_runs > 1 else math.nan


def simulate_with(
    recovery: Recovery,
    n_gpus: float | None = None,
    *,
    n_replicas: int = 1,
    replicas_lost: int = 1,
    failures: int = 1_000_000,
    failures_per_run: int = 128,
    seed: int = 7,
    device: str = "cpu",
    chunk: int | None = None,
    executor: Workers = None,
    **inputs: Any,
) -> Simulation:
    """Simulate one cluster under a recovery scheme, beside :func:`gigacluster.reliability.goodput_with`.

    Parameters
    ----------
    recovery : Recovery
        Of numbers.
    n_gpus, **inputs : As in :func:`gigacluster.reliability.goodput_with`.
    n_replicas, replicas_lost : Of ``drop_replica``: replicas, and neighbours among them that one failure takes out.
    failures, failures_per_run, seed, device, chunk, executor
        As in :func:`simulate`; memory is about 100 bytes x chunk x replicas.

    Raises
    ------
    ValueError
        If an input is out of range or an array, or ``drop_replica`` has a checkpoint that is not safe when training
        goes on: which of several past failures it comes before is not kept.
    """
    _refuse_arrays({"n_gpus": n_gpus, "n_replicas": n_replicas, **inputs, **recovery.numbers})
    expected = goodput_with(recovery, n_gpus, n_replicas=n_replicas, replicas_lost=replicas_lost, **inputs)
    if recovery.scheme != "drop_replica":
        how: dict[str, Any] = {"failures": failures, "failures_per_run": failures_per_run, "seed": seed}
        how |= {"device": device, "chunk": chunk, "executor": executor}
        return simulate(n_gpus, **recovery.as_a_whole, **inputs, **how)
    if recovery.checkpoint_stall_s < recovery.checkpoint_write_s:
        raise ValueError(
            f"checkpoint_stall_s is {recovery.checkpoint_stall_s!r} of a write of {recovery.checkpoint_write_s!r}; "
            "to simulate drop_replica make them equal"
        )
    rules = ReplicaRules(
        interval_s=float(expected.checkpoint_interval_s),
        write_s=float(recovery.checkpoint_write_s),
        detection_s=float(recovery.detection_s),
        resume_s=float(recovery.resume_s),
        restart_s=float(recovery.restart_s),
        rebuild_s=float(recovery.rebuild_s),
    )
    job = _OfReplicas(rules, float(expected.mttf_s), float(recovery.lost_frac), int(n_replicas), int(replicas_lost))
    return _simulated(job, expected, failures, failures_per_run, seed, device, chunk, executor)


@dataclass(frozen=True, slots=True)
class Replicas:
    """Where runs of a job of replicas stand. Times but ``wall_s`` count while the job runs. [s]"""

    wall_s: Any
    running_s: Any
    back_s: Any  # when each replica is there again, shape (replicas, runs)
    start_s: Any  # when the job last began to train, a restart done
    done_s: Any  # computing of full size since the beginning, what was lost taken back
    safe_s: Any  # of it, what a checkpoint holds


@dataclass(frozen=True, slots=True)
class ReplicaRules:
    """The numbers that one step needs. [s], [1]"""

    interval_s: float
    write_s: float
    detection_s: float
    resume_s: float
    restart_s: float
    rebuild_s: float


def advance_replicas(
    xp: Namespace, runs: Replicas, failure_s: Array, deep: Mask, hit: Mask, rules: ReplicaRules
) -> Replicas:
    """Take every run from one failure to the next, replica by replica.

    ``deep``, of shape (runs,), says where the failure ends the whole job, ``hit``, of shape (replicas, runs), which
    replicas it takes out elsewhere.
    """
    end_s, period_s = runs.running_s + failure_s, rules.interval_s + rules.write_s
    n_written = xp.floor(xp.maximum(end_s - runs.start_s, 0.0) / period_s)
    written_s = xp.where(n_written > 0, runs.start_s + n_written * period_s, -math.inf)

    def computed(until_s: Array) -> Array:
        """Return computing of full size from the state until then: the replicas there, outside restart and writes."""
        begin = xp.maximum(runs.back_s, xp.maximum(runs.running_s, runs.start_s))
        return xp.mean(_between_writes(xp, begin, xp.maximum(until_s, begin), runs.start_s, rules), axis=0)

    done_s = runs.done_s + computed(end_s)
    here = written_s > runs.running_s  # a checkpoint was written since the last failure
    safe_s = xp.where(here, runs.done_s + computed(xp.where(here, written_s, runs.running_s)), runs.safe_s)
    stall_s = rules.detection_s + rules.resume_s * xp.astype(~deep, xp.float64)
    return Replicas(
        wall_s=runs.wall_s + failure_s + stall_s,
        running_s=end_s,
        back_s=xp.where(hit & ~deep, end_s + rules.rebuild_s, runs.back_s),
        start_s=xp.where(deep, end_s + rules.restart_s, runs.start_s),
        done_s=xp.where(deep, safe_s, done_s),
        safe_s=safe_s,
    )


def _between_writes(xp: Namespace, begin_s: Array, end_s: Array, start_s: Array, rules: ReplicaRules) -> Array:
    """Return the computing from ``begin_s`` to ``end_s`` of a replica that writes ``write_s`` after each interval."""
    period_s = rules.interval_s + rules.write_s

    def since_start(now_s: Array) -> Array:
        age = now_s - start_s
        whole = xp.floor(age / period_s)
        return whole * rules.interval_s + xp.minimum(age - whole * period_s, rules.interval_s)

    return since_start(end_s) - since_start(begin_s)


@dataclass(frozen=True, slots=True)
class _OfReplicas:
    """A job whose other data-parallel replicas go on; methods as those of a job that stops as a whole."""

    rules: ReplicaRules
    mttf_s: float
    lost_frac: float
    n_replicas: int
    replicas_lost: int

    @property
    def beside(self) -> int:
        return self.n_replicas

    @property
    def settle(self) -> int:
        return _WARM_UP_STEPS + math.ceil(3 * self.rules.rebuild_s / self.mttf_s)

    def start(self, xp: Namespace, size: int) -> Replicas:
        zero = xp.zeros(size)
        return Replicas(zero, zero, xp.zeros((self.n_replicas, size)), zero, zero, zero)

    def step(self, xp: Namespace, runs: Replicas, seed: int, *place: int) -> Replicas:
        failure_s = self.mttf_s * exponential(xp, seed, _FAILURES, *place)
        deep = uniform(xp, seed, _FATES, *place) < self.lost_frac
        hit = xp.floor(self.n_replicas * uniform(xp, seed, _PLACES, *place))
        number = xp.astype(xp.arange(self.n_replicas), xp.float64)[:, None]
        away = (number - hit) % self.n_replicas
        return advance_replicas(xp, runs, failure_s, deep, away < self.replicas_lost, self.rules)

    def useful_s(self, begin: Replicas, end: Replicas) -> Array:
        useful_s: Array = end.done_s - begin.done_s
        return useful_s
