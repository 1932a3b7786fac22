"""Every feasible plan of a job, evaluated; the best ones, and what the second best loses.

No plan is dropped on a guess: time and memory of all feasible plans are computed, and only those that do not fit into
memory lose. An interruption keeps the best found so far.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy

from gigacluster.arrays import NUMPY, Namespace, device_namespace, free_bytes, keep_freed_memory, release, to_host
from gigacluster.hardware import Cluster
from gigacluster.parallel import Workers, chunks, halving, in_order, progress
from gigacluster.throughput.case import changed
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.evaluate import PlanEvaluator
from gigacluster.throughput.job import Job
from gigacluster.throughput.memory import Memory
from gigacluster.throughput.plans import PlanSpace, PlanTable, enumerate_plans
from gigacluster.throughput.shipped import Calibration, calibration_of
from gigacluster.throughput.software import MOE_INPUTS
from gigacluster.throughput.step import StepTime
from gigacluster.throughput.words import ATTENTION_KERNELS, PART_NAMES, PRECISIONS
from gigacluster.transformer import Transformer
from gigacluster.units import GIB

#: Plans evaluated at once on a CPU: few enough for the arrays of a chunk to stay in the cache of a core.
CPU_CHUNK = 65_536
#: The same on a GPU: enough to fill it.
GPU_CHUNK = 4_194_304
#: Memory that arrays of one plan take while it is evaluated.
BYTES_A_PLAN = 1024
#: Plans that a worker gets at once: a fifth of a second of work, so that none waits long for the last. It does not
#: depend on how many workers there are.
_SHARE = 2**19


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search found. Arrays hold the best plans, fastest first, on the host."""

    job: Job
    plans: PlanTable
    step: StepTime
    parts: dict[str, numpy.ndarray]  # of the step by cause, adding up to it [s]
    memory: Memory
    half_width: float  # of the 80 % interval of a step time, as a logarithm
    untested: list[str]  # what of the job hardly any calibrating run had: vendor, chip, precision, attention, scale
    calibration: Calibration  # what step times come from
    considered: int  # tuples of axis values, before any rule
    feasible: int  # those that pass the rules
    evaluated: int  # whose full time and memory were computed: all feasible ones unless interrupted
    fitting: int  # of these, those whose memory fits
    elapsed_s: float

    @property
    def interrupted(self) -> bool:
        """Whether the search ended before all feasible plans were evaluated."""
        return self.evaluated < self.feasible

    @property
    def step_time_s(self) -> numpy.ndarray:
        """Time of a step under each plan."""
        return numpy.asarray(self.step.total_s)

    @property
    def interval_s(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Low and high end of the 80 % interval of the step time, for a cluster that calibration has not seen."""
        factor = math.exp(self.half_width)
        return self.step_time_s / factor, self.step_time_s * factor

    def told(self) -> str:
        """Say what the times were calibrated on, what of the job hardly any run had, and how well the best fits."""
        untested = " and ".join(filter(None, [", ".join(self.untested[:-1]), *self.untested[-1:]]))
        wider = f"; untested, so that the interval is wider: {untested}" if untested else ""
        told = self.calibration.told()
        spare, chance = 1.0 - float(self.memory_frac[0]), float(self.fit_probability[0])
        sure = "almost surely" if chance > 0.99 else f"with a chance of {100 * chance:.0f} %"
        fits = f"The best plan leaves {100 * spare:.0f} % of the memory and fits {sure}."
        return f"{told[0].upper()}{told[1:]}{wider}. {fits}"

    @property
    def chips_used(self) -> numpy.ndarray:
        """Chips that each plan uses."""
        plans = self.plans
        return numpy.asarray(plans.tp * plans.pp * plans.cp * plans.dp, dtype=float)

    @property
    def mfu(self) -> numpy.ndarray:
        """Model FLOP a second over the 16-bit dense peak of the chips that a plan uses."""
        peak_flop_per_s = self.chips_used * self.job.cluster.chip.peak_bf16_flop_per_s
        return self.job.step_flop / self.step_time_s / peak_flop_per_s

    @property
    def memory_frac(self) -> numpy.ndarray:
        """Memory that each plan needs over what the chip has."""
        return numpy.asarray(self.memory.needed) / self.job.cluster.chip.memory_bytes

    @property
    def fit_probability(self) -> numpy.ndarray:
        """Probability that each plan fits, from how far printed peaks lie from predicted ones."""
        return self.calibration.fit_probability(numpy.asarray(self.memory.needed), self.job.cluster.chip.memory_bytes)

    def lost_s(self, rank: int = 1) -> dict[str, float]:
        """Return what the plan of a rank (0: the best) loses to the best one, by part. [s]"""
        if not 0 <= rank < len(self.plans):
            raise ValueError(f"rank {rank} is not among the {len(self.plans)} plans kept; search with a larger top")
        return {name: float(values[rank] - values[0]) for name, values in self.parts.items()}

    def best_by_split(self, axes: Iterable[str] = ("tp", "pp", "cp", "ep")) -> list[int]:
        """Return the ranks of the plans that are the best of their split, the best of all first.

        Near-equal plans differ in what hardly matters; the best of another split is the runner-up that teaches.
        """
        first: dict[tuple[int, ...], int] = {}
        for rank, split in enumerate(zip(*(getattr(self.plans, axis).tolist() for axis in axes), strict=True)):
            first.setdefault(split, rank)
        return list(first.values())

    def why(self) -> str:
        """Say in a sentence why the best plan wins over the runner-up."""
        if len(self.plans) < 2:
            return "No other plan fits."
        lost_s, total_s = self.lost_s(), float(self.step_time_s[1] - self.step_time_s[0])
        parts = sorted(lost_s.items(), key=lambda item: -abs(item[1]))[:3]
        said = [f"{PART_NAMES[name]} {1e3 * value:+.3g} ms" for name, value in parts if abs(value) > 0.01 * total_s]
        return (
            f"The runner-up ({self.plans.plan(1)}) takes {1e3 * total_s:.3g} ms or "
            f"{total_s / float(self.step_time_s[0]):.2%} longer than the best ({self.plans.plan(0)}): "
            f"{'; '.join(said) or 'no part differs'}."
        )

    def columns(self) -> dict[str, Any]:
        """Return the best plans as columns by name, an element a plan, words as words."""
        plans = [self.plans.plan(index) for index in range(len(self.plans))]
        return {
            **{name: [getattr(plan, name) for plan in plans] for name in self.plans.columns()},
            "step_time_s": self.step_time_s,
            "mfu": self.mfu,
            "memory_gib": numpy.asarray(self.memory.needed) / GIB,
            "memory_frac": self.memory_frac,
            "fit_probability": self.fit_probability,
        }


def search(
    model: Transformer,
    cluster: Cluster,
    global_batch: int,
    *,
    seq_len: int,
    precision: str = "bf16",
    top: int = 10,
    limits: Mapping[str, Iterable[Any]] | None = None,
    calibration: Calibration | str | Path | None = None,
    device: str = "auto",
    chunk: int | None = None,
    executor: Workers = None,
    **job_options: Any,
) -> Search:
    """Evaluate every feasible plan and return the best.

    Parameters
    ----------
    global_batch : Sequences a step.
    seq_len : Length of a sequence. [token]
    precision : Number format of the linear layers, one of :data:`gigacluster.throughput.words.PRECISIONS`.
    top : Plans to keep.
    limits : Allowed values of some axes, for instance ``{"tp": [8], "sharding": ["zero1"]}``.
    calibration : A record, or a file that ``gigacluster calibrate`` wrote; that of the package unless given.
    device : {"auto", "cpu", "cuda"}
        Where to compute.
    chunk
        Plans evaluated at once: sets the memory of the search, about 1 KB a plan. On a GPU as many as fit into half of
        its free memory; where memory runs out all the same, pieces are halved.
    executor : int or executor, optional
        Who evaluates: None for this process, a number of processes, or an executor such as
        ``dask.distributed.Client.get_executor()``. The result is the same, byte for byte.
    **job_options : Further fields of :class:`~gigacluster.throughput.job.Job`, such as ``idle_frac``.

    Raises
    ------
    ValueError
        If no plan is feasible, or none fits into memory: the message says what would fit.

    Examples
    --------
    >>> from gigacluster import hardware, throughput, transformer
    >>> cluster = hardware.cluster("H100-SXM", 512)
    >>> found = throughput.search(transformer.model("gpt3-175b"), cluster, 768, seq_len=2048, limits={"tp": [8]}, top=3)
    >>> found.plans.plan(0).tp, round(float(found.mfu[0]), 1)
    (8, 0.5)
    """
    known = calibration_of(calibration)
    effects = {"chip_effect": known.chip_effect(cluster.chip.name), "family_effect": known.own_effect}
    job_options = {**effects, **job_options}
    job = Job(
        model=model, cluster=cluster, global_batch=global_batch, seq_len=seq_len, precision=precision, **job_options
    )
    return search_job(
        job, top=top, limits=limits, calibration=known, device=device, chunk=chunk, executor=executor, partial=True
    )


def search_job(
    job: Job,
    *,
    top: int = 10,
    limits: Mapping[str, Iterable[Any]] | None = None,
    calibration: Calibration | str | Path | None = None,
    device: str = "auto",
    chunk: int | None = None,
    executor: Workers = None,
    partial: bool = False,
) -> Search:
    """Do what :func:`search` does for a job that exists, such as a variant of one searched before.

    What calibration adds for its chip and stack stands in the job: ``chip_effect`` and ``family_effect``. Interrupted,
    it gives the best so far only if ``partial``: who computes on with the best plan must not take another for it.
    """
    if not (top >= 1 and top == int(top)):
        raise ValueError(f"top must be a whole number of plans, at least 1, got {top!r}")
    began_s = time.perf_counter()
    known = calibration_of(calibration)
    k = known.coefficients
    xp = device_namespace(device) if executor is None else NUMPY
    table, considered = enumerate_plans(job, limits, xp)
    if executor is None:
        found = best_of(job, table, k, top=int(top), xp=xp, chunk=chunk, partial=partial)
    else:
        frozen = None if limits is None else tuple((axis, tuple(values)) for axis, values in limits.items())
        of_share = functools.partial(_best_of_share, job, frozen, k, device, int(top), chunk)
        results = in_order(of_share, chunks(len(table), _SHARE), executor=executor, what="plans")
        found = _kept(job, table, accumulate(results, lambda best, other: best.joined(other, int(top))), partial)
    best = table.take(found.index)
    evaluator = PlanEvaluator(job, best, k)
    everything = slice(0, len(best))
    step, memory = evaluator(everything)
    return Search(
        job=job,
        plans=best,
        step=changed(step, lambda _, part: _whole(part, len(best))),
        parts={name: _whole(part, len(best)) for name, part in evaluator.breakdown(everything).items()},
        memory=changed(memory, lambda _, part: _whole(part, len(best))),
        **_certainty(job, known),
        calibration=known,
        considered=considered,
        feasible=len(table),
        evaluated=found.evaluated,
        fitting=found.fitting,
        elapsed_s=time.perf_counter() - began_s,
    )


def _certainty(job: Job, calibration: Calibration) -> dict[str, Any]:
    """Return how sure the step times of a job are: of a cluster that calibration has not seen."""
    n_chips = float(job.cluster.n_chips)
    codes = float(PRECISIONS[job.precision][0]), float(ATTENTION_KERNELS[job.attention])
    untested = calibration.untested_of(job.cluster.chip, *codes, n_chips)
    blanks = sum(not getattr(job, name) for name in MOE_INPUTS) / len(MOE_INPUTS)
    width = calibration.half_width(
        known=False, moe=job.model.n_experts > 0, untested=untested, blanks_frac=blanks, n_chips=n_chips
    )
    return {"half_width": width, "untested": untested}


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """The fastest plans that fit, and how many were looked at."""

    #: Numbers of plans, fastest first, their times and their needs.
    index: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0, dtype=numpy.int64))
    step_time_s: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    needed_bytes: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    evaluated: int = 0
    fitting: int = 0
    #: Number and need of the plan that needs least, where none fitted so far.
    nearest: int = 0
    least_bytes: float = math.inf

    def joined(self, other: Best, top: int) -> Best:
        """Return the best of two: of equal times the one that needs less memory, then the lower number."""
        index, time_s, bytes_ = (
            numpy.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("index", "step_time_s", "needed_bytes")
        )
        order = numpy.lexsort((index, bytes_, time_s))[:top]
        nearer = min(self, other, key=lambda best: best.least_bytes)
        return Best(
            index=index[order],
            step_time_s=time_s[order],
            needed_bytes=bytes_[order],
            evaluated=self.evaluated + other.evaluated,
            fitting=self.fitting + other.fitting,
            nearest=nearer.nearest,
            least_bytes=nearer.least_bytes,
        )


@functools.lru_cache(maxsize=1)
def _evaluator(job: Job, limits: Any, coefficients: Coefficients, device: str) -> PlanEvaluator:
    keep_freed_memory()
    xp = device_namespace(device)
    table, _ = enumerate_plans(job, None if limits is None else dict(limits), xp)
    return PlanEvaluator(job, table, coefficients, xp)


def _best_of_share(
    job: Job, limits: Any, coefficients: Coefficients, device: str, top: int, chunk: int | None, share: slice
) -> Best:
    """Return the best of a part of the plans, which a worker enumerates for itself: nothing large travels."""
    evaluator = _evaluator(job, limits, coefficients, device)
    *_, best = _bests(evaluator, job, share.start, share.stop, top, chunk)
    return best


def best_of(
    job: Job,
    table: PlanTable | PlanSpace,
    coefficients: Coefficients,
    *,
    top: int = 10,
    xp: Namespace = NUMPY,
    chunk: int | None = None,
    partial: bool = False,
) -> Best:
    """Evaluate every plan of a table and return the fastest that fit; of equals, the one that needs less memory.

    Interrupted, it returns the best so far only if ``partial``.

    Raises
    ------
    ValueError
        If none fits; the message says which plan comes nearest.
    """
    keep_freed_memory()
    evaluator = PlanEvaluator(job, table, coefficients, xp)
    return _kept(job, table, _bests(evaluator, job, 0, len(table), top, chunk), partial)


def _kept(job: Job, table: PlanTable | PlanSpace, bests: Iterable[Best], partial: bool) -> Best:
    """Return the last of ever better results, or if ``partial`` what there is when somebody interrupts."""
    best = Best()
    try:
        for better in bests:
            best = better
    except KeyboardInterrupt:
        if not (partial and len(best.index)):
            raise
    if not len(best.index):
        chip = job.cluster.chip
        raise ValueError(
            f"none of {len(table):,} feasible plans fits: the nearest ({table.plan(best.nearest)}) needs "
            f"{best.least_bytes / GIB:.1f} GiB of the {chip.memory_bytes / GIB:.0f} GiB of {chip.name}; take more "
            "chips, a chip with more memory or a smaller model"
        )
    return best


def _bests(evaluator: PlanEvaluator, job: Job, first: int, stop: int, top: int, chunk: int | None) -> Iterator[Best]:
    """Yield the best plans among those from a number on, after each piece."""
    xp, best = evaluator.xp, Best()
    size = chunk or (CPU_CHUNK if xp is NUMPY else int(min(GPU_CHUNK, free_bytes(xp) / 2 / BYTES_A_PLAN)))
    pieces = halving(
        evaluator.time_and_memory, stop, size, first=first, cut=evaluator.piece, release=lambda: release(xp)
    )
    for piece, (total_s, needed) in progress(pieces, what="plans", unit="chunk"):
        fits = needed <= job.cluster.chip.memory_bytes
        worst_s = float(best.step_time_s[-1]) if len(best.index) == top else math.inf
        better = xp.nonzero(fits & (total_s <= worst_s))[0]
        fitting, nearest, least_bytes = int(xp.sum(xp.astype(fits, xp.int64))), 0, math.inf
        if not fitting and not best.fitting:
            nearest, least_bytes = piece.start + int(xp.argmin(needed)), float(xp.min(needed))
        found = Best(
            index=piece.start + to_host(better),
            step_time_s=to_host(xp.take(total_s, better)),
            needed_bytes=to_host(xp.take(needed, better)),
            evaluated=piece.stop - piece.start,
            fitting=fitting,
            nearest=nearest,
            least_bytes=least_bytes,
        )
        best = best.joined(found, top)
        yield best


def _whole(values: Any, size: int) -> numpy.ndarray:
    return numpy.broadcast_to(to_host(values), (size,)).copy()
