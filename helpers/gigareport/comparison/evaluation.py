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

from gigacluster.arrays import to_host
from gigacluster.uncertainty import interval
from gigacluster.units import HOURS_PER_DAY, MEGA, SECONDS_PER_HOUR
from gigareport.comparison.options import Option, capital_usd_per_chip, known_chips, on_chips, own_cluster
from gigareport.comparison.runs import FittedPlan, Run, fit_plan, reference_run
from gigareport.scenario import Outlook, Scenario, evaluate, search_plan
from gigareport.scenario.chips import chip_of
from gigareport.scenario.inputs import CHIP_ERROR
from gigareport.scenario.register import OWN

_FAILURES = "reliability.failures_per_1000_node_days"
#: Inputs whose errors are those of a kind of chip.
_OF_CHIP = ("own.chip_usd", "cluster.it_power_w_per_chip")
#: Answers of an outlook that the measures are made of.
_ANSWERS = ("reference_run_days", "own_reference_run_usd", "site_power_mw", "mfu_frac")


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

    def ranked(self, measure: str = "days", *, most: int | None = None, kept: str = "") -> pd.DataFrame:
        """Return the options in the order of a measure's medians, the best first.

        Parameters
        ----------
        measure : str
        most : int, optional
            How many of the best to return.
        kept : str
            Name of an option to return whatever its rank.

        Returns
        -------
        DataFrame
            ``rank, name, chip, n_chips, low, median, high`` (5, 50 and 95 % of the samples), ``beats_next`` (share of
            joint samples in which the row is better than the next one, equal ones counting half), ``is_best`` (share in
            which it is the best of all). Options without the measure, such as dollars of a chip without a price, are
            left out; a sample in which an option's job never ends counts as its worst.

        Raises
        ------
        ValueError
            If there is no such measure.
        """
        values, options = self._of(measure)
        rows = [interval(row) for row in values]
        sign = -1.0 if MEASURES[measure].more_is_better else 1.0
        order = sorted(range(len(options)), key=lambda i: sign * rows[i].median)
        ordered = _or_worst(sign * values[order])
        best = ordered == ordered.min(axis=0, initial=numpy.inf)
        is_best = (best / numpy.maximum(best.sum(axis=0), 1)).mean(axis=1)
        ranks = [rank for rank, i in enumerate(order) if rank < (most or len(order)) or options[i].name == kept]
        order, ordered = [order[rank] for rank in ranks], ordered[ranks]
        wins = [_share_below(row, following) for row, following in pairwise(ordered)]
        return pd.DataFrame(
            {
                "rank": [rank + 1 for rank in ranks],
                "name": [options[i].name for i in order],
                "chip": [options[i].chip for i in order],
                "n_chips": [options[i].n_chips for i in order],
                "low": [rows[i].low for i in order],
                "median": [rows[i].median for i in order],
                "high": [rows[i].high for i in order],
                "beats_next": [*wins, numpy.nan][: len(order)],
                "is_best": is_best[ranks],
            }
        )

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
        known = numpy.isfinite(values).any(axis=1)
        return values[known], [option for option, is_known in zip(self.options, known, strict=True) if is_known]


def _or_worst(lower_is_better: numpy.ndarray) -> numpy.ndarray:
    """Return samples in which the job never ends as the worst there can be: an option with a few of them has a rank."""
    return numpy.where(numpy.isnan(lower_is_better), numpy.inf, lower_is_better)


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
    story : Whose site, energy, finance and failures hold for every option.
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
    known = known_chips(story)
    cases, left_out = [], []
    for option in options:
        if option.chip not in known:
            left_out.append((option.name, f"the power of {option.chip} is not known"))
            continue
        try:
            cases.append(_case(option, run, story))
        except ValueError as fault:
            left_out.append((option.name, str(fault)))
    outlooks = evaluate(
        [case.story for case in cases],
        samples=samples,
        seed=seed,
        device=device,
        plans=[case.fitted.plan for case in cases],
        answers=_ANSWERS,
        streams=[case.streams for case in cases],
    )
    rows = [_measures(case, outlook, story) for case, outlook in zip(cases, outlooks, strict=True)]
    return Comparison(
        run=run,
        options=tuple(case.option for case in cases),
        plans=tuple(case.fitted for case in cases),
        samples={name: numpy.array([row[name] for row in rows]).reshape(len(rows), samples) for name in MEASURES},
        mfu_frac=numpy.array([numpy.median(to_host(outlook.mfu_frac)) for outlook in outlooks]),
        left_out=pd.DataFrame(left_out, columns=["name", "why"]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """An option as a scenario of its own, with its plan and the random streams that are its alone."""

    option: Option
    story: Scenario
    fitted: FittedPlan
    streams: dict[str, str]


def _case(option: Option, run: Run, story: Scenario) -> _Case:
    """Put a run on an option: the scenario's site, finance and failures, the option's chips, price and power.

    Raises
    ------
    ValueError
        If no plan of the run fits.
    """
    is_own = option == own_cluster(story) and run == reference_run(story)
    planned = search_plan(story)
    kind = chip_of(story.cluster) if option.chip == OWN else option.chip
    fitted = FittedPlan(plan=planned, used_frac=1.0) if is_own else fit_plan(run, kind, option.n_chips)
    if run == reference_run(story):  # whose batch is an input of the scenario; other runs have their own
        fitted = replace(fitted, plan=replace(fitted.plan, batch_gains=planned.batch_gains))
    own_streams = [CHIP_ERROR] if option.chip == story.cluster.chip else [CHIP_ERROR, *_OF_CHIP]
    streams = {name: f"{name} {option.chip}" for name in own_streams}
    if option.site:
        streams[_FAILURES] = f"{_FAILURES} {option.site}"
    if is_own:
        return _Case(option=option, story=story, fitted=fitted, streams=streams)
    other = on_chips(story, option.chip, fitted.plan.n_chips)
    training = replace(story.training, n_chips=math.inf, reference_run_flop=run.flop)
    return _Case(option=option, story=replace(other, training=training), fitted=fitted, streams=streams)


def _measures(case: _Case, outlook: Outlook, story: Scenario) -> dict[str, numpy.ndarray]:
    """Return every measure of one option, on the host."""
    option, planned = case.option, case.story.cluster.n_chips
    days, usd, site_mw = (
        to_host(values) for values in (outlook.reference_run_days, outlook.own_reference_run_usd, outlook.site_power_mw)
    )
    given, n_chips = outlook.inputs, numpy.asarray(option.n_chips)
    if option.basis == "money":
        n_chips = option.amount / capital_usd_per_chip(story, given)
    elif option.basis == "power":
        n_chips = option.amount / (given["cluster.it_power_w_per_chip"] * given["cluster.pue"])
    flop = given["training.reference_run_flop"]
    mwh = days * HOURS_PER_DAY * site_mw
    return {
        "days": days * planned / (n_chips * case.fitted.used_frac),
        "usd": usd,
        "mwh": mwh,
        "flop_per_usd": flop / usd,
        "flop_per_joule": flop / (mwh * MEGA * SECONDS_PER_HOUR),
    }
