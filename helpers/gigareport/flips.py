"""From which value of an input on the choice turns, the others as they are.

The choice is the sign of the median saving for the same useful work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy

from gigacluster.uncertainty import Uncertain, interval, turning_point
from gigareport import scenario
from gigareport.answers import named
from gigareport.scenario.register import Site
from gigareport.words import number, share, usd

#: By how much an input is moved to find where the decision turns, and how late in the horizon power may come.
_WIDEST, _LATEST = 8.0, 0.92
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
        start, low = given.median, max(given.median / _WIDEST, entry.least)
        high = min(given.median * _WIDEST, entry.most)
        # A contract is paid for every hour, used or not, so that only a rent by the hour can gain from hours not used.
        basis = scenario.with_value(story, "rent.kind", "hourly") if path == _USED else story
    else:
        start, low, high = 0.0, 0.0, _LATEST * story.horizon_months

    def saving_usd(values: numpy.ndarray) -> numpy.ndarray:
        fixed = (Uncertain.fixed(float(x)) for x in values)
        variants = [scenario.with_value(basis, path, x) if path else _with_late_power(story, x.median) for x in fixed]
        plans = [outlook.plan] * len(variants)
        outlooks = scenario.evaluate(
            variants, samples=samples, seed=outlook.seed, device="cpu", plans=plans, answers=("saving_usd",)
        )
        return numpy.array([interval(one.saving_usd).median for one in outlooks])

    value = turning_point(saving_usd, low, high, near=start) if low < high else numpy.nan
    return None if numpy.isnan(value) else value


def _with_late_power(story: scenario.Scenario, month: float) -> scenario.Scenario:
    """Return the scenario with all of its power there from one month on, and none before."""
    power, when = Uncertain.fixed(_ANY_POWER_MW), Uncertain.fixed(month)
    site: Site[Uncertain, float, str] = Site(name="", power_mw=power, month=when)
    return replace(story, cluster=replace(story.cluster, sites=(site,)))
