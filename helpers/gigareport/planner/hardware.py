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

from gigacluster.arrays import to_host
from gigacluster.uncertainty import Uncertain, interval, turning_point
from gigacluster.units import SECONDS_PER_DAY
from gigareport import scenario, words
from gigareport.comparison.runs import divisible_batch
from gigareport.planner.base import nearest_shape
from gigareport.planner.options import even_sizes
from gigareport.scenario import Outlook, Scenario, ScenarioError
from gigareport.scenario.chips import chip_of, with_chip
from gigareport.scenario.plans import PlannedStep

__all__ = ["Model", "best_model", "chips_needed", "on", "renting_wins"]

#: Share of the peak from which a first shape is guessed.
_USUAL_FRAC = 0.35
#: Samples of the search for where the choice turns.
_SAMPLES = 500
#: Inputs that decide between owning and renting, with the factors between which a turn is looked for.
_DECIDING = {
    "rent.committed_usd_per_chip_hour": "price of the rent",
    "own.chip_usd": "price of a chip",
    "own.energy_usd_per_kwh": "price of electricity",
    "own.building_usd_per_it_w": "price of the building",
    "own.hardware_value_decline_per_year": "value that used chips lose a year",
    "training.used_frac": "share of the hours that are used",
}


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
    return replace(here, cluster=replace(here.cluster, sites=()), training=training)


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
        rows = [
            (row.label, words.interval(row.low, row.median, row.high, row.unit)) for row in self.to_frame().itertuples()
        ]
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
        ``n_chips, days_low, days, days_high, share`` (of the samples in time), the numbers tried.
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
        rows.append((size, said.low, said.median, said.high, float(numpy.mean(took <= days))))
        if rows[-1][-1] >= probability:
            break
    table = pd.DataFrame(rows, columns=["n_chips", "days_low", "days", "days_high", "share"])
    reached = table[table["share"] >= probability]
    return (int(reached["n_chips"].iloc[0]) if len(reached) else None), table


def renting_wins(
    story: Scenario,
    *,
    probability: float = 0.5,
    samples: int = _SAMPLES,
    seed: int = 7,
    plan: PlannedStep | None = None,
) -> pd.DataFrame:
    """Return what must be true for renting to win: the value of each input at which the choice turns.

    Parameters
    ----------
    story : Scenario
    probability : float
        Share of the samples in which renting the same work must be cheaper.
    samples, seed : int
    plan : PlannedStep, optional
        Its parallel plan, if it was searched.

    Returns
    -------
    DataFrame
        ``input, what, given, turns_at, unit, rent_wins`` (``below``, ``above``, ``always``, ``never``, from a tenth to
        ten times the given median), and ``share`` (of the samples in which renting is cheaper as things are).
    """
    step = plan or scenario.search_plan(story)
    given = scenario.inputs_of(story)

    def shares_of(cases: Sequence[Scenario]) -> numpy.ndarray:
        found = scenario.evaluate(
            cases, samples=samples, seed=seed, plans=[step] * len(cases), device="cpu", answers=("saving_usd",)
        )
        return numpy.array([numpy.mean(to_host(one.saving_usd) < 0) for one in found])

    here, rows = float(shares_of([story])[0]), []
    for path, what in _DECIDING.items():
        entry, value = scenario.entry_of(path), given[path]
        if not value.median > 0:
            continue
        low, high = max(entry.least / value.low, 0.1), min(entry.most / value.high, 10.0)

        def beyond(factors: numpy.ndarray, path: str = path, value: Uncertain = value) -> numpy.ndarray:
            moved = ({name: getattr(value, name) * x for name in ("low", "median", "high")} for x in factors.tolist())
            return shares_of([scenario.with_value(story, path, replace(value, **one)) for one in moved]) - probability

        at_low = float(beyond(numpy.array([low]))[0])
        factor = turning_point(beyond, low, high, near=1.0)
        if math.isnan(factor):
            turn, wins = math.nan, "always" if at_low >= 0 else "never"
        else:
            turn, wins = factor * value.median, "below" if at_low >= 0 else "above"
        rows.append((path, what, value.median, turn, entry.unit, wins, here))
    return pd.DataFrame(rows, columns=["input", "what", "given", "turns_at", "unit", "rent_wins", "share"])
