"""From which value of an input on the choice turns, the others as they are.

The choice is the sign of the median saving for the same useful work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from gigacluster.uncertainty import Uncertain, interval
from gigareport import scenario
from gigareport.answers import named
from gigareport.scenario.register import Site
from gigareport.words import number, share, usd

#: How far an input is moved to find where the decision turns.
_FACTORS = numpy.geomspace(1 / 8, 8, 13)
#: More power than any site has, so that nothing but its month limits. [MW]
_ANY_POWER_MW = 1e5
_NO_PATH = ""
_USED = "training.used_frac"


@dataclass(frozen=True, slots=True)
class Flip:
    """One input that may turn the choice: its ``path`` in the file, and what says it and writes its value."""

    name: str
    path: str
    form: str
    text: Callable[[float], str]


_FLIPS = (
    Flip("price of the contract", "rent.committed_usd_per_chip_hour", "below {} a chip-hour", lambda x: usd(x, 3)),
    Flip("hours used", _USED, "below {}, against a rent paid by the hour", share),
    Flip("chips last", "own.hardware_life_months", "less than {} months", number),
    Flip("power comes", _NO_PATH, "more than {} months late", number),
    Flip("price of a chip", "own.chip_usd", "above {}", usd),
    Flip("failures", "reliability.failures_per_1000_node_days", "above {} per 1,000 node-days", lambda x: number(x, 2)),
)


def flips(outlook: scenario.Outlook, *, samples: int = 300) -> dict[str, str]:
    """Return what turns the choice, in words by the name of the input; what never turns it is left out.

    Each number leads to the page that recomputes, with that value set.
    """
    found = {}
    for flip in _FLIPS:
        value = turning_value(outlook, flip.path, samples)
        if value is not None:
            at = f"what-if.html#{flip.path}={value:.4g}" if flip.path else "what-if.html"
            text = named(flip.text(value), f"turns at {flip.path or 'power'}", at, of=outlook)
            found[flip.name] = flip.form.format(text)
    return found


def turning_value(outlook: scenario.Outlook, path: str, samples: int) -> float | None:
    """Return the value of one input at which the median saving is 0, or nothing where it does not change its sign.

    Parameters
    ----------
    outlook : Outlook
        Of the scenario.
    path : str
        The input by its path in the file; without one the months that power comes late.
    samples : int
        Joint draws of the other inputs.
    """
    story = outlook.scenario
    if path:
        entry = scenario.entry_of(path)
        given: Uncertain = {p: value for p, _, value in scenario.leaves(story)}[path]
        start = given.median
        values = [float(x) for x in start * _FACTORS if entry.least <= x <= entry.most]
        # A contract is paid for every hour, used or not, so that only a rent by the hour can gain from hours not used.
        basis = scenario.with_value(story, "rent.kind", "hourly") if path == _USED else story
        variants = [scenario.with_value(basis, path, Uncertain.fixed(x)) for x in values]
    else:
        start = 0.0
        values = numpy.linspace(0.0, float(story.horizon_months), 13, endpoint=False).tolist()
        variants = [_with_late_power(story, month) for month in values]
    plans = [outlook.plan] * len(variants)
    outlooks = scenario.evaluate(
        variants, samples=samples, seed=outlook.seed, device="cpu", plans=plans, answers=("saving_usd",)
    )
    saving = numpy.array([interval(one.saving_usd).median for one in outlooks])
    turns = numpy.flatnonzero(numpy.diff(numpy.sign(saving)))
    turns = turns[numpy.isfinite(saving[turns] + saving[turns + 1])]
    if not len(turns):
        return None
    nearest = min(turns, key=lambda place: abs(values[place] - start))
    return float(numpy.interp(0.0, *_rising(saving[nearest : nearest + 2], values[nearest : nearest + 2])))


def _with_late_power(story: scenario.Scenario, month: float) -> scenario.Scenario:
    """Return the scenario with all of its power there from one month on, and none before."""
    power, when = Uncertain.fixed(_ANY_POWER_MW), Uncertain.fixed(month)
    site: Site[Uncertain, float, str] = Site(name="", power_mw=power, month=when)
    return replace(story, cluster=replace(story.cluster, sites=(site,)))


def _rising(x: Sequence[float] | numpy.ndarray, y: Sequence[float] | numpy.ndarray) -> tuple[Any, Any]:
    order = numpy.argsort(x)
    return numpy.asarray(x)[order], numpy.asarray(y)[order]
