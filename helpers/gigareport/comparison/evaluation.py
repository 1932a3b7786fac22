"""One run on many options with common random numbers: days, dollars, energy, and how sure the order is.

Every option sees the same draw of each shared input (restarts, energy price, building, cost of capital, software), so
what they have in common cancels out of their order; the price, the power and the step time of each kind of chip carry
errors of their own, and so does the rate of failures of each site: its interval is how much known clusters differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy
import pandas as pd

from gigacluster.arrays import as_common, to_device, to_host
from gigacluster.uncertainty import interval
from gigacluster.units import MEGA, SECONDS_PER_DAY, SECONDS_PER_HOUR
from gigareport.comparison.market import ChipMarket, markets
from gigareport.comparison.options import Option, capital_usd_per_chip
from gigareport.comparison.owned import OwnedHour
from gigareport.comparison.plans import FittedPlan, chip_error, fit_plan, shared_error
from gigareport.comparison.runs import Run, reference_run
from gigareport.scenario import Scenario, inputs_of
from gigareport.scenario.inputs import STEP_ERROR, alike, draw_inputs, inputs_from
from gigareport.scenario.known import Step
from gigareport.scenario.plans import batch_gain, search_plan
from gigareport.scenario.recovery import replicas_lost, scheme_of
from gigareport.scenario.spine import speed_of

__all__ = ["MEASURES", "Comparison", "Measure", "compare"]

_TO_DROP_ONE = 2  # replicas: with fewer the job stops as a whole
_FLOP = "training.reference_run_flop"
_FAILURES = "reliability.failures_per_1000_node_days"


@dataclass(frozen=True, slots=True)
class Measure:
    """One quantity that options are compared by."""

    label: str
    unit: str
    more_is_better: bool


MEASURES = {
    "days": Measure("Time to train", "days", False),
    "usd": Measure("Cost of the run, owned", "USD", False),
    "mwh": Measure("Energy of the site", "MWh", False),
    "flop_per_usd": Measure("Useful compute for a dollar", "FLOP/USD", True),
    "flop_per_joule": Measure("Useful compute for a joule", "FLOP/J", True),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What a run takes on each option, sample by sample, and which options it cannot use."""

    run: Run
    options: tuple[Option, ...]
    plans: tuple[FittedPlan, ...]
    samples: dict[str, numpy.ndarray]  # measure -> shape (options, samples), on the host
    mfu_frac: numpy.ndarray  # median of each option
    left_out: pd.DataFrame  # name, why

    def of_basis(self, basis: str) -> Comparison:
        """Return the part whose options share a basis: ``cluster``, or one of those of :func:`equal`.

        Raises
        ------
        ValueError
            If no option has it.
        """
        kept = [number for number, option in enumerate(self.options) if option.basis == basis]
        if not kept:
            known = sorted({option.basis for option in self.options})
            raise ValueError(f"no option has the basis {basis!r}; there are: {', '.join(known)}")
        return replace(
            self,
            options=tuple(self.options[number] for number in kept),
            plans=tuple(self.plans[number] for number in kept),
            samples={name: values[kept] for name, values in self.samples.items()},
            mfu_frac=self.mfu_frac[kept],
        )

    def ranked(self, measure: str = "days") -> pd.DataFrame:
        """Return the options in the order of a measure's medians, the best first.

        Returns
        -------
        DataFrame
            ``rank, name, chip, n_chips, low, median, high`` (5, 50 and 95 % of the samples), ``beats_next`` (share of
            joint samples in which the row is better than the next one, equal ones counting half), ``is_best`` (share in
            which it is the best of all). Options without the measure, such as dollars of a chip without a price, are
            left out.

        Raises
        ------
        ValueError
            If there is no such measure.
        """
        values, options = self._of(measure)
        rows = [interval(row) for row in values]
        sign = -1.0 if MEASURES[measure].more_is_better else 1.0
        order = sorted(range(len(options)), key=lambda i: sign * rows[i].median)
        ordered = sign * values[order]
        best = ordered == ordered.min(axis=0, initial=numpy.inf)
        wins = [_share_below(row, following) for row, following in pairwise(ordered)]
        return pd.DataFrame(
            {
                "rank": range(1, len(order) + 1),
                "name": [options[i].name for i in order],
                "chip": [options[i].chip for i in order],
                "n_chips": [options[i].n_chips for i in order],
                "low": [rows[i].low for i in order],
                "median": [rows[i].median for i in order],
                "high": [rows[i].high for i in order],
                "beats_next": [*wins, numpy.nan][: len(order)],
                "is_best": (best / numpy.maximum(best.sum(axis=0), 1)).mean(axis=1),
            }
        )

    def beats(self, name: str, other: str, measure: str = "days") -> float:
        """Return the share of joint samples in which one option is better than another, by a measure."""
        values, options = self._of(measure)
        names = [option.name for option in options]
        if unknown := [wanted for wanted in (name, other) if wanted not in names]:
            raise ValueError(f"no {measure} for {' and '.join(unknown)}; there are: {', '.join(names)}")
        sign = -1.0 if MEASURES[measure].more_is_better else 1.0
        return _share_below(sign * values[names.index(name)], sign * values[names.index(other)])

    def table(self) -> pd.DataFrame:
        """Return every measure of every option: its name, chips, MFU, and ``measure_low, measure, measure_high``."""
        columns: dict[str, Any] = {
            "name": [option.name for option in self.options],
            "chip": [option.chip for option in self.options],
            "n_chips": [option.n_chips for option in self.options],
            "used_frac": [fitted.used_frac for fitted in self.plans],
            "mfu_frac": self.mfu_frac,
            "plan": [fitted.plan.name for fitted in self.plans],
        }
        for measure, values in self.samples.items():
            found = [interval(row) for row in values]
            columns[f"{measure}_low"] = [item.low for item in found]
            columns[measure] = [item.median for item in found]
            columns[f"{measure}_high"] = [item.high for item in found]
        return pd.DataFrame(columns)

    def _of(self, measure: str) -> tuple[numpy.ndarray, list[Option]]:
        if measure not in self.samples:
            raise ValueError(f"there is no measure {measure!r}; a comparison has: {', '.join(MEASURES)}")
        values = self.samples[measure]
        known = numpy.isfinite(values).all(axis=1)
        return values[known], [option for option, is_known in zip(self.options, known, strict=True) if is_known]


def _share_below(a: numpy.ndarray, b: numpy.ndarray) -> float:
    return float(numpy.mean(a < b) + 0.5 * numpy.mean(a == b))


def compare(
    run: Run,
    options: Iterable[Option],
    story: Scenario,
    *,
    samples: int = 10_000,
    seed: int = 7,
    device: str = "auto",
) -> Comparison:
    """Train one run on every option.

    Parameters
    ----------
    run : Run
    options : iterable of Option
        From :func:`gigareport.comparison.clusters` and :func:`gigareport.comparison.equal`, or of your own.
    story : Scenario
        Whose site, energy, finance and failures hold for every option.
    samples, seed, device
        As in :func:`gigareport.scenario.evaluate`; the same seed draws the same inputs there and here.

    Returns
    -------
    Comparison
        Options that the run does not fit on, or whose chip lacks a fact, stand in ``left_out`` with the reason.

    Notes
    -----
    Dollars are the levelised cost of owning the chips that work, over the scenario's horizon, with the sale at its end.
    Of equal money or power, each sample gives the number of chips that its price and power allow.

    Examples
    --------
    >>> from gigareport import comparison, scenario
    >>> story = scenario.load("xai-colossus-2024")
    >>> two = [Option(name=str(n), chip="H100-SXM", n_chips=n) for n in (8192, 16384)]
    >>> found = compare(comparison.run("llama3.1-405b"), two, story, samples=100, device="cpu")
    >>> found.ranked("days")["name"].tolist()
    ['16384', '8192']
    """
    known = markets(story)
    usable, plans, left_out = [], [], []
    for option in options:
        if option.chip not in known:
            left_out.append((option.name, f"the power of {option.chip} is not known"))
            continue
        try:
            plans.append(fit_plan(run, option.chip, option.n_chips))
        except ValueError as fault:
            left_out.append((option.name, str(fault)))
        else:
            usable.append(option)
    given = _draw(run, usable, known, story, samples, seed, device)
    price = OwnedHour.of(story, given)
    rows = [
        _answers(option, fitted, known[option.chip], story, given, price)
        for option, fitted in zip(usable, plans, strict=True)
    ]
    return Comparison(
        run=run,
        options=tuple(usable),
        plans=tuple(plans),
        samples={name: numpy.array([row[name] for row in rows]).reshape(len(rows), samples) for name in MEASURES},
        mfu_frac=numpy.array([numpy.median(row["mfu_frac"]) for row in rows]),
        left_out=pd.DataFrame(left_out, columns=["name", "why"]),
    )


def _draw(
    run: Run,
    options: list[Option],
    known: dict[str, ChipMarket],
    story: Scenario,
    samples: int,
    seed: int,
    device: str,
) -> dict[str, Any]:
    """Draw every input once for all options."""
    inputs = inputs_of(story) | {_FLOP: run.flop, STEP_ERROR: shared_error(run)}
    for option in options:
        inputs |= known[option.chip].inputs()
        inputs[f"comparison.step_error.{option.chip}"] = chip_error(run, option.chip)
        if option.site:
            inputs[f"comparison.failures.{option.site}"] = inputs[_FAILURES]
    drawn = {
        name: to_device(numpy.broadcast_to(values[0], (samples,)), device)
        for name, values in draw_inputs([inputs], samples, seed).items()
    }
    if run == reference_run(story):  # whose batch is an input of the scenario; other runs have their own
        gains = search_plan(story).batch_gains
        drawn[STEP_ERROR] = drawn[STEP_ERROR] - batch_gain(drawn["training.batch_ratio"], gains)
    return drawn


def _answers(
    option: Option, fitted: FittedPlan, chip: ChipMarket, story: Scenario, given: dict[str, Any], price: OwnedHour
) -> dict[str, numpy.ndarray]:
    """Return every measure of one option, on the host."""
    inputs = chip.put_into(given)
    inputs[STEP_ERROR] = given[STEP_ERROR] + given[f"comparison.step_error.{chip.chip}"]
    if option.site:
        inputs[_FAILURES] = given[f"comparison.failures.{option.site}"]
    plan = fitted.plan
    xp, (error, job_chips, peak, step_flop, n_replicas, lost) = as_common(
        inputs[STEP_ERROR],
        plan.n_chips,
        plan.peak_bf16_flop_per_s,
        plan.step_flop,
        plan.n_replicas,
        replicas_lost(story, float(plan.n_replicas)),
    )
    scheme = scheme_of(story)
    step = Step(
        job_chips=job_chips,
        peak_bf16_flop_per_s=peak,
        step_flop=step_flop,
        step_time_s=plan.step_time_s * xp.exp(error),
        n_replicas=n_replicas,
        replicas_lost=lost,
        schemes=("restart_all" if scheme == "drop_replica" and plan.n_replicas < _TO_DROP_ONE else scheme,),
    )
    unlimited = inputs | {"cluster.site_power_mw": error * 0.0 + math.inf}
    speed = speed_of(inputs_from(alike([story]), unlimited), step)
    chip_flop_per_s = speed.useful_flop_per_s / plan.n_chips
    site_w_per_chip = inputs["cluster.it_power_w_per_chip"] * inputs["cluster.pue"]
    n_chips: Any = option.n_chips
    if option.basis == "money":
        n_chips = option.amount / capital_usd_per_chip(story, story.cluster.n_chips, inputs)
    elif option.basis == "power":
        n_chips = option.amount / site_w_per_chip
    flop = given[_FLOP]
    chip_s = flop / chip_flop_per_s
    usd = chip_s / SECONDS_PER_HOUR * price.usd_per_chip_hour(story, fitted.plan.n_chips, inputs)
    joules = chip_s * site_w_per_chip * inputs["cluster.load_frac"]
    found = {
        "days": chip_s / (n_chips * fitted.used_frac) / SECONDS_PER_DAY,
        "usd": usd,
        "mwh": joules / (MEGA * SECONDS_PER_HOUR),
        "flop_per_usd": flop / usd,
        "flop_per_joule": flop / joules,
        "mfu_frac": speed.mfu_frac,
    }
    return {name: to_host(values) for name, values in found.items()}
