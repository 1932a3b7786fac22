"""The same questions for hardware that is there: the best model, the chips that a time takes, what a rent needs to win.

All answers are those of scenarios: chip and number are given, and site, finance, failures and habits are those of a
scenario that is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
import pandas as pd

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigacluster.throughput.plan_search import search_job
from gigacluster.uncertainty import Uncertain, interval
from gigacluster.units import SECONDS_PER_DAY
from gigareport import catalog, scenario
from gigareport.comparison.runs import divisible_batch
from gigareport.facts import failures
from gigareport.planner.base import nearest_shape
from gigareport.planner.options import even_sizes
from gigareport.scenario import Outlook, Scenario, ScenarioError
from gigareport.scenario.chips import chip_of, said_or_usual, with_chip
from gigareport.words import share

#: Share of the peak from which a first shape is guessed.
_USUAL_FRAC = 0.35


def on(like: Scenario, chip: str, n_chips: int, *, days: float | None = None) -> Scenario:
    """Return a scenario on other hardware: chip, number and, if given, the days of a run.

    Parameters
    ----------
    like : Scenario
        Whose site, finance, failures, model shape and batch hold.
    chip : str
        A name of ``data/chips.csv``.
    n_chips : int
    days : float, optional
        Length of one run.

    Examples
    --------
    >>> here = on(scenario.load("startup-512-2025"), "H200", 2048, days=60)
    >>> here.cluster.chip, int(here.cluster.n_chips), here.training.run_days.median
    ('H200', 2048, 60.0)
    """
    if n_chips < 1 or n_chips != int(n_chips):
        raise ScenarioError(f"n_chips must be a whole number of chips, at least 1; got {n_chips!r}")
    if days is not None and not 0.01 <= days <= 3650:
        raise ScenarioError(f"days must be from 0.01 to 3,650; got {days!r}")
    training = replace(
        like.training,
        n_chips=math.inf,
        batch_ratio=Uncertain.fixed(1.0),
        global_batch=float(divisible_batch(int(like.training.global_batch), n_chips)),
        run_days=like.training.run_days if days is None else Uncertain.fixed(float(days)),
    )
    here = with_chip(like, chip, float(n_chips))
    power = said_or_usual(like, "cluster.it_power_w_per_chip", chip)
    return replace(here, cluster=replace(here.cluster, it_power_w_per_chip=power, sites=()), training=training)


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """The best model that given hardware trains in given days."""

    outlook: Outlook
    shape: str  # of data/models.csv, which the step time is predicted for

    @property
    def plan(self) -> str:
        """How the job is split."""
        return str(self.outlook.plan.name)

    def to_frame(self) -> pd.DataFrame:
        """Return parameters, tokens, loss and compute, and what they rest on: ``quantity, low, median, high, unit``."""
        wanted = (
            "run_params",
            "run_tokens",
            "run_loss",
            "run_flop",
            "mfu_frac",
            "goodput_frac",
            "checkpoint_interval_s",
        )
        table = self.outlook.to_frame().set_index("quantity").loc[list(wanted)]
        return table.reset_index()[["quantity", "label", "low", "median", "high", "unit"]]

    def read(self) -> pd.DataFrame:
        """Return the same in words: ``what``, ``median (5 to 95 %)``."""
        rows = [(row.label, self.outlook.say(row.quantity)) for row in self.to_frame().itertuples()]
        return pd.DataFrame(rows, columns=["what", "median (5 to 95 %)"])


def best_model(like: Scenario, chip: str, n_chips: int, days: float, *, samples: int = 2_000, seed: int = 7) -> Model:
    """Return the compute-optimal model that so many chips train in so many days, with its interval.

    The shape whose step time is predicted is the known dense one nearest to the model found.

    Parameters
    ----------
    like : Scenario
    chip, n_chips : the hardware.
    days : Length of the run.
    samples, seed : As in :func:`gigareport.scenario.evaluate`.
    """
    here = on(like, chip, n_chips, days=days)
    peak_flop_per_s = n_chips * chip_of(here.cluster).peak_bf16_flop_per_s
    flop = _USUAL_FRAC * peak_flop_per_s * days * SECONDS_PER_DAY
    for _ in range(2):  # a first shape at the usual share of the peak, then one at what that shape reaches
        fitting = replace(here, training=replace(here.training, model=nearest_shape(Uncertain.fixed(flop))))
        step = scenario.search_step(fitting)
        few = scenario.evaluate(fitting, samples=min(samples, 200), seed=seed, plans=step, answers=("run_flop",))
        flop = few.interval("run_flop").median
    outlook = scenario.evaluate(fitting, samples=samples, seed=seed, plans=step)
    return Model(outlook=outlook, shape=fitting.training.model)


def chips_needed(
    like: Scenario,
    chip: str,
    days: float,
    probability: float = 0.9,
    *,
    samples: int = 1_000,
    seed: int = 7,
    most: int = 262_144,
) -> tuple[int | None, pd.DataFrame]:
    """Return the least number of chips on which the reference run takes at most so many days with a probability.

    Parameters
    ----------
    like : Scenario
        Whose ``training.reference_run_flop`` is trained.
    chip : str
    days, probability : float
    samples, seed : int
    most : int
        Largest number tried, of powers of two and three times those.

    Returns
    -------
    int or None
        ``None`` where even ``most`` chips, or any larger number that a plan fits, take longer.
    DataFrame
        ``n_chips, days_low, days, days_high, days_sure`` (in which the probability asked for is reached, infinite
        where some of it never is) and ``share`` (of the samples in time), the numbers tried.
    """
    if not 0 < probability < 1:
        raise ScenarioError(f"probability must lie between 0 and 1; got {probability!r}")
    rows = []
    for size in even_sizes(8, most):
        here = on(like, chip, size)
        try:
            step = scenario.search_step(here)
        except ScenarioError:
            continue
        found = scenario.evaluate(
            here, samples=samples, seed=seed, plans=step, device="cpu", answers=("reference_run_days",)
        )
        took = to_host(found.reference_run_days)
        said = interval(took)
        sure = float(numpy.quantile(numpy.nan_to_num(took, nan=math.inf), probability, method="higher"))
        rows.append((size, said.low, said.median, said.high, sure, float(numpy.mean(took <= days))))
        if rows[-1][-1] >= probability:
            break
    table = pd.DataFrame(rows, columns=["n_chips", "days_low", "days", "days_high", "days_sure", "share"])
    reached = table[table["share"] >= probability]
    return (int(reached["n_chips"].iloc[0]) if len(reached) else None), table


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
