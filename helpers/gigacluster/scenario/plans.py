"""The parallel plan of a scenario: searched once, shared by all samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from gigacluster import hardware, transformer
from gigacluster.scenario.schema import Scenario
from gigacluster.throughput.job import Job
from gigacluster.throughput.search import Search, search
from gigacluster.uncertainty import Uncertain
from gigacluster.units import BITS_PER_BYTE, GIGA

__all__ = ["TrainingPlan", "job_of", "search_plan"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPlan:
    """How a scenario's job is split, and how long its step is predicted to take."""

    name: str
    n_chips: int
    peak_bf16_flop_per_s: float
    step_flop: float  # model FLOP of one step, recomputation not counted
    step_time_s: float
    log_error: Uncertain  # logarithm of observed over predicted step time
    found: Search | None = None  # the whole search: the next best plans, breakdown, plans counted


def job_of(scenario: Scenario) -> Job:
    """Return the job of a scenario: model, cluster, batch and precision."""
    cluster, training = scenario.cluster, scenario.training
    n_chips = training.n_chips or cluster.n_chips
    fabric = hardware.chip(cluster.chip).fabric
    if cluster.nic_gbps_per_chip is not None:
        fabric = replace(fabric, nic_bytes_per_s=cluster.nic_gbps_per_chip * GIGA / BITS_PER_BYTE)
    return Job(
        model=transformer.model(training.model),
        cluster=hardware.cluster(cluster.chip, n_chips, fabric=fabric),
        global_batch=training.global_batch,
        seq_len=training.seq_len,
        precision=training.precision,
    )


@cache
def search_plan(scenario: Scenario, top: int = 10) -> TrainingPlan:
    """Search the best plan of a scenario at the medians of its inputs, and keep the ``top`` best."""
    job = job_of(scenario)
    found = search(
        job.model,
        job.cluster,
        job.global_batch,
        seq_len=job.seq_len,
        precision=job.precision,
        top=top,
        device="cpu",
    )
    return TrainingPlan(
        name=str(found.plans.plan(0)),
        n_chips=job.cluster.n_chips,
        peak_bf16_flop_per_s=job.cluster.chip.peak_bf16_flop_per_s,
        step_flop=job.step_flop,
        step_time_s=float(found.step_time_s[0]),
        log_error=Uncertain(low=-0.25, median=0.0, high=0.25),
        found=found,
    )
