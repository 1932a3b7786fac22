"""When the sites of a goal have their power: phases that add up, and the slips of known sites."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import cache

import numpy
import pandas as pd

from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts import plans
from gigareport.planner.register import Goal

__all__ = ["later", "phases"]


def later(first: Uncertain, second: Uncertain) -> Uncertain:
    """Return the later of two days, percentile by percentile: whoever is late is taken to be late together.

    Examples
    --------
    >>> later(Uncertain(low=1, median=4, high=9), Uncertain.fixed(5.0))
    Uncertain(low=5.0, median=5.0, high=9, lower=0.0, upper=inf, is_uniform=False)
    """
    low, median, high = (max(getattr(first, name), getattr(second, name)) for name in ("low", "median", "high"))
    return Uncertain(low=low, median=median, high=high, lower=0.0)


def phases(goal: Goal) -> Iterator[tuple[str, Uncertain, Uncertain]]:
    """Yield name, power and month of every phase of every site: what was there before stays."""
    power: dict[str, tuple[Uncertain, Uncertain]] = {}
    for site in goal.sites:
        month = _slipped(site.month, goal.decided_on)
        mw, since = power.get(site.name, (Uncertain.fixed(0.0), Uncertain.fixed(0.0)))
        low, median, high = (getattr(mw, name) + getattr(site.power_mw, name) for name in ("low", "median", "high"))
        power[site.name] = Uncertain(low=low, median=median, high=high), later(since, month)
        yield site.name or "the site", *power[site.name]


def _slipped(month: Uncertain, decided_on: datetime.date) -> Uncertain:
    """Return when power is there: as given, or, of one planned month, with the slips of known sites."""
    slips = _slips(decided_on)
    if month.low < month.high or month.median == 0 or slips is None:
        return month
    low, median, high = (max(0.0, month.median * (1 + part)) for part in slips)
    return Uncertain(low=low, median=max(low, median), high=max(low, median, high))


@cache
def _slips(decided_on: datetime.date) -> tuple[float, float, float] | None:
    """Return the slips of planned sites, 5, 50 and 95 %, in months for each month waited; None before any is known."""
    vintages = plans.vintages()
    if len(vintages) < 2 or pd.Timestamp(vintages[-1]) > pd.Timestamp(decided_on):
        return None
    states, names = catalog.read("data_center_timelines"), catalog.read("site_names")
    revisions = plans.revisions_between(states, names, *vintages[-2:])
    slips = revisions.by_site["slip_months"] / revisions.window_months
    low, median, high = (float(value) for value in numpy.quantile(slips, [0.05, 0.5, 0.95]))
    return low, median, high
