"""Hints on the job of a scenario: batch and split, the least recomputation that fits, spares and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
import pandas as pd

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigacluster.throughput.plan_search import search_job
from gigacluster.units import SECONDS_PER_DAY
from gigareport import catalog, scenario
from gigareport.facts import failures
from gigareport.scenario import Scenario
from gigareport.words import share

__all__ = ["Advice", "advice"]

#: How the plan's batch may be moved. [sequence over sequence]
_BATCHES = (0.5, 0.75, 1.0, 1.125, 1.5, 2.0)
#: Least gain for which another batch is advised. [of peak]
_LEAST_GAIN = 0.01
#: Least to most that is computed again.
_RECOMPUTE = ("none", "selective", "full")
#: Row of ``data/restart_times.csv`` with the time for which a broken node is away: the only mean of many repairs.
_REPAIR = "stepfun-repair"


@dataclass(frozen=True, kw_only=True, eq=False)
class Advice:
    """Hints on a job: batch and split, the least recomputation that fits, spares and the checkpoint interval."""

    batches: pd.DataFrame  # n_chips, global_batch, mfu_frac, split in words, is_now; the best first
    recompute: pd.DataFrame  # recompute, fits, mfu_frac, memory_frac
    checkpoint_interval_s: float
    spare_nodes: int  # with which the job is complete in 99 % of the time, while broken nodes are away
    repair_days: float  # for so long, on average

    def say(self) -> str:
        """Write the hints as sentences."""
        lines = []
        now = self.batches[self.batches["is_now"]]
        if len(now):
            n_chips, batch, frac = (now.iloc[0][name] for name in ("n_chips", "global_batch", "mfu_frac"))
            same = self.batches[self.batches["n_chips"] == n_chips].iloc[0]
            gains = same["mfu_frac"] - frac >= _LEAST_GAIN
            other = (
                f"with {same['global_batch']:,}: {share(same['mfu_frac'])}"
                if gains
                else "no other batch tried gains 1 % of peak"
            )
            lines.append(f"{n_chips:,} chips with a batch of {batch:,}: {share(frac)} of peak; {other}.")
        fits = self.recompute[self.recompute["fits"]]
        if len(fits):
            least, frac = fits.iloc[0]["recompute"], share(fits.iloc[0]["mfu_frac"])
            lines.append(
                "Nothing need be computed again."
                if least == "none"
                else f"The least that must be computed again is {least!r} ({frac} of peak)."
            )
        minutes = self.checkpoint_interval_s / 60
        lines.append(
            f"Write a checkpoint every {minutes:.0f} minutes. With {self.spare_nodes:,} spare nodes of 8 chips the job "
            f"is complete 99 % of the time, if a broken node is away for {self.repair_days:.1f} days on average."
        )
        return " ".join(lines)


def advice(story: Scenario, *, around: Sequence[float] = (0.75, 1.0, 1.5), samples: int = 500, seed: int = 7) -> Advice:
    """Return hints on the job of a scenario.

    Parameters
    ----------
    story : Scenario
    around : sequence of float
        Numbers of chips that are tried, over that of the job.
    samples, seed : int
    """
    job = scenario.job_of(story)
    rows = []
    for chips in dict.fromkeys(_even(job.cluster.n_chips * factor) for factor in around):
        for batch in dict.fromkeys(round(job.global_batch * factor) for factor in _BATCHES):
            other = replace(job, cluster=replace(job.cluster, n_chips=chips), global_batch=max(batch, 1))
            try:
                found = search_job(other, top=1, device="cpu")
            except ValueError:  # no plan divides it, or none fits
                continue
            is_now = chips == job.cluster.n_chips and batch == job.global_batch
            rows.append((chips, batch, float(found.mfu[0]), scenario.split_words(found.plans.plan(0)), is_now))
    batches = pd.DataFrame(rows, columns=["n_chips", "global_batch", "mfu_frac", "split", "is_now"])
    again = []
    for recompute in _RECOMPUTE:
        try:
            found = search_job(job, top=1, limits={"recompute": [recompute]}, device="cpu")
        except ValueError:
            again.append((recompute, False, math.nan, math.nan))
        else:
            again.append((recompute, True, float(found.mfu[0]), float(found.memory_frac[0])))
    outlook = scenario.evaluate(story, samples=samples, seed=seed, plans=scenario.search_step(story), device="cpu")
    n_nodes = math.ceil(job.cluster.n_chips / 8)
    rate = failures.failure_rate(story.cluster.chip, job.cluster.n_chips, counts="hardware").pooled.rate.median
    repair_s = float(catalog.load("restart_times").set_index("restart_id").loc[_REPAIR, "mean_s"])
    spares = reliability.spares_needed(n_nodes, reliability.broken_frac(rate, repair_s))
    return Advice(
        batches=batches.sort_values("mfu_frac", ascending=False, kind="stable").reset_index(drop=True),
        recompute=pd.DataFrame(again, columns=["recompute", "fits", "mfu_frac", "memory_frac"]),
        checkpoint_interval_s=float(numpy.median(to_host(outlook.checkpoint_interval_s))),
        spare_nodes=int(spares),
        repair_days=repair_s / SECONDS_PER_DAY,
    )


def _even(n_chips: float) -> int:
    """Return the number of whole nodes of 8 nearest to a number of chips."""
    return max(8 * round(n_chips / 8), 1) if n_chips >= 8 else max(round(n_chips), 1)
