"""The parallel plan of a scenario: searched once, shared by all samples; and the best ones at other sizes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy
from scipy import special

from gigacluster import hardware, transformer
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.job import LARGEST_BATCH, Job
from gigacluster.throughput.plan_search import Search, search_job
from gigacluster.throughput.plans import Plan, UnevenChipsError, plan_fields
from gigacluster.throughput.shipped import read_calibration
from gigacluster.throughput.step import step_time
from gigacluster.uncertainty import Uncertain, draw
from gigacluster.units import BITS_PER_BYTE, GIGA
from gigareport import catalog
from gigareport.scenario.chips import chip_of
from gigareport.scenario.known import job_chips, scheme_of
from gigareport.scenario.load import ScenarioError
from gigareport.scenario.register import Scenario, loaded

if TYPE_CHECKING:
    import pandas as pd


#: Batches over that of the scenario that plans are searched for.
BATCH_RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
DOUBLINGS = (-2.0, -1.0, 0.0, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedStep:
    """One step of a job under one plan."""

    name: str  # of the plan
    n_chips: int
    n_replicas: int  # data-parallel: of which one can be dropped
    peak_bf16_flop_per_s: float
    step_flop: float  # model FLOP of one step, recomputation not counted
    step_time_s: float
    log_error: Uncertain  # logarithm of observed over predicted step time
    chip_log_error: Uncertain = Uncertain.fixed(0.0)  # the part of it that plans on other chips do not share
    #: Logarithm of the rate at other batches over that at the planned one, at each of :data:`BATCH_RATIOS`.
    batch_gains: tuple[float, ...] = (0.0,) * 5


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPlan(PlannedStep):
    """How a scenario's job is split, and how long its step is predicted to take."""

    found: Search  # the whole search: the next best plans, breakdown, plans counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Rivals:
    """How sure the choice of the plan is."""

    other_wins_frac: float  # share of draws in which another of the best plans is faster
    lost_frac: float  # median share of the step that the chosen plan loses then
    strongest: str  # the plan that wins most often then


def replicas_of(plan: Plan) -> int:
    """Return how many copies of the whole model a plan holds: those of which one can be dropped.

    Experts lie across data-parallel and context-parallel ranks, so that with them a copy takes several of these.

    Examples
    --------
    >>> replicas_of(Plan(tp=8, pp=8, dp=96)), replicas_of(Plan(pp=16, dp=256, ep=64))
    (96, 4)
    """
    return plan.dp if plan.ep == 1 else max(1, plan.dp * plan.cp // plan.ep)


def job_of(scenario: Scenario) -> Job:
    """Return the job of a scenario: model, cluster, batch and precision."""
    loaded(scenario)
    cluster, training = scenario.cluster, scenario.training
    n_chips, calibration = job_chips(scenario), read_calibration(training.calibration)
    chip = chip_of(cluster)
    fabric = replace(
        chip.fabric,
        rails=bool(cluster.rails),
        pod_chips=int(cluster.pod_chips),
        oversubscription=float(cluster.oversubscription),
    )
    if not math.isnan(cluster.nic_gbps_per_chip):
        fabric = replace(fabric, nic_bytes_per_s=cluster.nic_gbps_per_chip * GIGA / BITS_PER_BYTE)
    return Job(
        model=transformer.model(training.model),
        cluster=hardware.Cluster(name=f"{n_chips} x {chip.name}", chip=chip, n_chips=n_chips, fabric=fabric),
        global_batch=int(training.global_batch),
        seq_len=int(training.seq_len),
        precision=training.precision,
        chip_effect=calibration.chip_effect(chip.name),
        family_effect=calibration.own_effect,
    )


@cache
def search_plan(scenario: Scenario, top: int = 10) -> TrainingPlan:
    """Search the best plan of a scenario at the medians of its inputs, and keep the ``top`` best.

    Raises
    ------
    ScenarioError
        If the job cannot run: no plan divides it, none fits in memory, or the chip lacks the number format.
    """
    with _told(scenario):
        job = job_of(scenario)
        found = search_job(job, top=top, calibration=scenario.training.calibration, device="cpu")
    plan = TrainingPlan(**_step(job, found), batch_gains=_batch_gains(job, found), found=found)
    _check_replicas(scenario, plan)
    return plan


def search_step(scenario: Scenario) -> PlannedStep:
    """Search the best plan of a scenario at the batch that its file says, and keep the step alone.

    The same step as :func:`search_plan` finds, in a fifth of the time: other batches are not searched, so it serves
    scenarios whose ``training.batch_ratio`` is exactly 1. A job is searched once, whichever scenarios have it.

    Raises
    ------
    ScenarioError
        As :func:`search_plan`.
    """
    with _told(scenario):
        step = _step_of(job_of(scenario), scenario.training.calibration)
    _check_replicas(scenario, step)
    return step


@cache
def _step_of(job: Job, calibration: str) -> PlannedStep:
    return PlannedStep(**_step(job, search_job(job, top=1, calibration=calibration, device="cpu")))


def _step(job: Job, found: Search) -> dict[str, Any]:
    plan = found.plans.plan(0)
    return {
        "name": str(plan),
        "n_chips": job.cluster.n_chips,
        "n_replicas": replicas_of(plan),
        "peak_bf16_flop_per_s": job.cluster.chip.peak_bf16_flop_per_s,
        "step_flop": job.step_flop,
        "step_time_s": float(found.step_time_s[0]),
        "log_error": log_error(found.half_width),
    }


@contextlib.contextmanager
def _told(scenario: Scenario) -> Iterator[None]:
    """Say of a job that cannot run which scenario has it, and what to change."""
    try:
        yield
    except UnevenChipsError as fault:
        batch, n_chips = int(scenario.training.global_batch), job_chips(scenario)
        raise ScenarioError(
            f"scenario {scenario.name!r}, training: no parallel plan spreads a global_batch of {batch} over {n_chips} "
            f"chips; give training.n_chips: {fault.n_chips} (chips beyond that are spares), or "
            "another training.global_batch"
        ) from None
    except (ValueError, IndexError) as fault:
        raise ScenarioError(f"scenario {scenario.name!r}, training: {fault}") from None


def _check_replicas(scenario: Scenario, step: PlannedStep) -> None:
    if step.n_replicas < 2 and scheme_of(scenario) == "drop_replica":
        raise ScenarioError(
            f"scenario {scenario.name!r}, reliability.recovery: drop_replica goes on without one of the data-parallel "
            f"replicas, and the plan {step.name!r} has {step.n_replicas}; take another scheme, or a larger "
            "training.global_batch"
        )


def _batch_gains(job: Job, found: Search) -> tuple[float, ...]:
    """Return the logarithm of the rate at each of :data:`BATCH_RATIOS`, over that of the best plan found.

    Plans of the kinds that large runs use: few micro-batch sizes, ZeRO-1 or FSDP, and the sharding of the best plan.
    Where no plan divides a batch, the next one towards the planned batch stands in.
    """
    best = found.plans.plan(0)
    near: dict[str, list[Any]] = {"sharding": sorted({"zero1", "zero3", best.sharding}), "micro_batch": [1, 2, 4]}
    if best.sharding == "hsdp":
        near["shard_group"] = [best.shard_group]
    planned = job.step_flop / float(found.step_time_s[0])
    gains = {1.0: 0.0}
    for ratio, towards in ((0.5, 1.0), (0.25, 0.5), (2.0, 1.0), (4.0, 2.0)):
        batch = job.global_batch * ratio
        gains[ratio] = gains[towards]
        if batch == int(batch) and batch <= LARGEST_BATCH:
            other = replace(job, global_batch=int(batch))
            with contextlib.suppress(ValueError):  # no plan divides it
                there = search_job(other, top=1, limits=near, calibration=found.calibration, device="cpu")
                rate = other.step_flop / float(there.step_time_s[0])
                gains[ratio] = max(math.log(rate / planned), gains[towards]) if ratio > 1 else math.log(rate / planned)
    return tuple(gains[ratio] for ratio in BATCH_RATIOS)


def log_error(half_width: float) -> Uncertain:
    """Return the error of a prediction for a cluster that calibration never saw, as a logarithm, 5 to 95 %.

    The half-width of the calibration is that of the central 80 %, from folds held out by family.
    """
    wider = float(special.ndtri(0.95) / special.ndtri(0.9))
    return Uncertain(low=-wider * half_width, median=0.0, high=wider * half_width)


def rivals(plan: TrainingPlan, *, samples: int = 200, seed: int = 7) -> Rivals:
    """Say how often another of the best plans would win, with the model's coefficients drawn from their intervals.

    Parameters
    ----------
    plan : TrainingPlan
        From :func:`search_plan`.
    samples : Draws of the coefficients, independent of each other.
    seed : int
    """
    table = catalog.load("throughput_coefficients", path=plan.found.calibration.name or None)
    known = table[table["kind"] == "coefficient"]
    rows = known[["name", "low", "value", "high"]].itertuples(index=False)
    intervals = {name: Uncertain(low=low, median=value, high=high) for name, low, value, high in rows}
    values: dict[str, Any] = {name: draws[:, None] for name, draws in draw(intervals, samples, seed).items()}
    drawn = Coefficients(**values)
    best = {name: numpy.asarray(values, dtype=float)[None, :] for name, values in plan.found.plans.columns().items()}
    job = plan.found.job
    times_s = numpy.asarray(step_time(job.case(**plan_fields(job, SimpleNamespace(**best))), drawn).total_s)
    winner = numpy.argmin(times_s, axis=1)
    lost = times_s[:, 0] / times_s.min(axis=1) - 1
    return Rivals(
        other_wins_frac=float(numpy.mean(lost > 0)),
        lost_frac=float(numpy.median(lost[lost > 0])) if (lost > 0).any() else 0.0,
        strongest=str(plan.found.plans.plan(int(numpy.bincount(winner[winner > 0], minlength=1).argmax()))),
    )


def mfu_by_size(job: Job, sizes: Sequence[int], *, device: str = "auto") -> pd.DataFrame:
    """Return the utilisation of the best plan at each size: with the job's batch, and with one that grows along.

    Parameters
    ----------
    job : Job
        Whose model, chip and number format hold.
    sizes : sequence of int
        Numbers of chips.
    device : str
        See :func:`gigacluster.arrays.to_device`.

    Returns
    -------
    DataFrame
        ``n_chips, batch`` ("same batch", "batch grows"), ``low, median, high``: share of the chip's peak, with the 80 %
        interval of its step time; nan where no plan fits into memory.
    """
    import pandas as pd

    base = max(job.global_batch // 2 ** round(numpy.log2(job.cluster.n_chips / 1024)), 1)
    rows = []
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for name, batches in (
        ("same batch", [job.global_batch] * len(sizes)),
        ("batch grows", [base * n // 1024 for n in sizes]),
    ):
        for size in zip(map(int, sizes), map(int, batches), strict=True):
            mfu, spread = found[size] = found.get(size) or _best(job, *size, device)
            rows.append((size[0], name, mfu / spread, mfu, mfu * spread))
    return pd.DataFrame(rows, columns=["n_chips", "batch", "low", "median", "high"])


def _best(job: Job, n_chips: int, batch: int, device: str) -> tuple[float, float]:
    """Return the utilisation of the best plan and the factor of its interval."""
    changed = replace(job, cluster=replace(job.cluster, n_chips=n_chips), global_batch=batch)
    try:
        found = search_job(changed, top=1, device=device)
    except ValueError:  # no plan fits into memory
        return numpy.nan, numpy.nan
    return float(found.mfu[0]), float(numpy.exp(found.half_width))
