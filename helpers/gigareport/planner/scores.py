"""What the samples of an option say of a goal: quantiles, how surely each limit holds, and which would have to move.

Options are compared by two numbers, the cost and the date that hold with the probability asked for; a limit is held
where all limits together hold in that share of the samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike

from gigacluster.uncertainty import Interval, interval
from gigareport.planner.evaluation import Drawn, deadline_months
from gigareport.planner.options import Option
from gigareport.planner.register import Goal

#: Limits by name, in words.
LIMITS = {"by": "the date", "budget_usd": "the budget", "capital_usd": "the capital", "power": "the power of the site"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One option against a goal; intervals hold 90 % of the samples."""

    usd: Interval
    months: Interval
    energy_mwh: float  # medians
    capital_usd: float
    rated_mw: float
    sure_usd: float  # cost that holds with the probability asked for
    sure_months: float  # the same of the date
    holds: dict[str, float]  # share of the samples in which each limit holds
    holds_all: float  # in which all hold
    holds_standing: float  # in which capital and power hold, which no later date or larger budget mends
    #: The least value of each limit with which, the others as they are, the goal would be reached; infinite: none.
    needs: dict[str, float]
    samples: int

    def reaches(self, goal: Goal) -> bool:
        """Whether all limits hold with the probability asked for."""
        return self.holds_all >= goal.probability

    def may_stand(self, goal: Goal) -> bool:
        """Whether capital and power hold with it, so that the option may be on the front."""
        return self.holds_standing >= goal.probability


def limits_of(goal: Goal) -> dict[str, float]:
    """Return the values of the limits that are one number: infinite where left out."""
    given = {"budget_usd": goal.budget_usd, "capital_usd": goal.capital_usd}
    found = {name: math.inf if math.isnan(value) else float(value) for name, value in given.items()}
    return {"by": deadline_months(goal), **found}


def score(found: Drawn, goal: Goal) -> Score:
    """Return what the samples of an option say of a goal."""
    limits, n = limits_of(goal), len(found.usd)
    values = {"by": found.months, "budget_usd": found.usd, "capital_usd": found.capital_usd}
    kept = {name: values[name] <= limits[name] for name in values}
    kept["power"] = found.rated_mw <= found.site_mw
    values["power"] = found.rated_mw
    needs = {}
    for name in kept:
        others = numpy.logical_and.reduce([kept[other] for other in kept if other != name])
        needs[name] = _sure(numpy.where(others, values[name], math.inf), goal.probability)
    return Score(
        usd=_interval(found.usd),
        months=_interval(found.months),
        energy_mwh=float(numpy.median(found.energy_mwh)),
        capital_usd=float(numpy.median(found.capital_usd)),
        rated_mw=float(numpy.median(found.rated_mw)),
        sure_usd=_sure(found.usd, goal.probability),
        sure_months=_sure(found.months, goal.probability),
        holds={name: float(held.mean()) for name, held in kept.items()},
        holds_all=float(numpy.logical_and.reduce(list(kept.values())).mean()),
        holds_standing=float((kept["capital_usd"] & kept["power"]).mean()),
        needs=needs,
        samples=n,
    )


def _interval(values: numpy.ndarray) -> Interval:
    low, median, high = numpy.quantile(values, [0.05, 0.5, 0.95], method="inverted_cdf")
    return (
        Interval(float(low), float(median), float(high))
        if numpy.isfinite(values).all()
        else interval(numpy.where(numpy.isfinite(values), values, numpy.nan))
    )


def _sure(values: numpy.ndarray, probability: float) -> float:
    """Return the least value below which a share of the samples lies: one of them, so infinite values do no harm.

    >>> _sure(numpy.array([3.0, 1.0, 2.0, math.inf]), 0.75)
    3.0
    """
    place = max(math.ceil(probability * len(values) - 1e-9) - 1, 0)
    return float(numpy.partition(values, place)[place])


def margin(samples: int, probability: float) -> float:
    """Return by how much one option must beat another, as a share, before a number of samples may drop the other.

    Options share their draws, so their difference is far surer than either: four tenths of the relative error of the
    count in the tail hold on every grid that was tried (tests compare with all options at full samples).

    Examples
    --------
    >>> round(margin(200, 0.9), 3), round(margin(10_000, 0.9), 3)
    (0.089, 0.013)
    """
    return 0.4 / math.sqrt(samples * min(probability, 1 - probability))


def front(usd: ArrayLike, months: ArrayLike) -> numpy.ndarray:
    """Return the places of the options that no other beats in cost and date, the soonest first.

    Examples
    --------
    >>> front([5.0, 3.0, 4.0, 9.0], [1.0, 4.0, 4.0, 1.0]).tolist()
    [0, 1]
    """
    cost, date = numpy.asarray(usd, dtype=float), numpy.asarray(months, dtype=float)
    order: numpy.ndarray = numpy.lexsort((cost, date))
    order = order[numpy.isfinite(cost[order]) & numpy.isfinite(date[order])]
    if not len(order):
        return order
    before = numpy.concatenate([[math.inf], numpy.minimum.accumulate(cost[order])[:-1]])
    kept: numpy.ndarray = order[cost[order] < before]
    return kept


def dominated(usd: ArrayLike, months: ArrayLike, by: float, beaters: ArrayLike | None = None) -> numpy.ndarray:
    """Return which options another one, of those that may, beats by a margin in both cost and date.

    ``by`` is the margin of the cost, as a share; that of the date is a quarter of it, because dates scatter less.

    Examples
    --------
    >>> dominated([5.0, 3.0, 4.0], [1.0, 4.0, 4.3], 0.2).tolist()
    [False, False, True]
    >>> dominated([5.0, 3.0, 4.0], [1.0, 4.0, 4.3], 0.5).tolist()
    [False, False, False]
    """
    cost, date = numpy.asarray(usd, dtype=float), numpy.asarray(months, dtype=float)
    hopeless = ~numpy.isfinite(cost) | ~numpy.isfinite(date)
    may = ~hopeless if beaters is None else ~hopeless & numpy.asarray(beaters)
    order = numpy.flatnonzero(may)[numpy.argsort(cost[may], kind="stable")]
    if not len(order):
        return numpy.asarray(hopeless)
    soonest = numpy.minimum.accumulate(date[order])
    places = numpy.searchsorted(cost[order] * (1 + by), cost, side="right") - 1
    beaten = numpy.where(places >= 0, soonest[numpy.maximum(places, 0)] * (1 + by / 4) <= date, False)
    either: numpy.ndarray = beaten | hopeless
    return either


def objective(goal: Goal, found: Score) -> tuple[float, float]:
    """Return what is made least: cost or date, and between equals the other."""
    pair = found.sure_usd, found.sure_months
    return pair if goal.prefer == "cheapest" else pair[::-1]


def survivors(goal: Goal, options: Sequence[Option], scores: Sequence[Score]) -> list[int]:
    """Return the places of the options that more samples may still put on the front or make the choice."""
    if not scores:
        return []
    n, p = scores[0].samples, goal.probability
    by, slack = margin(n, p), 3 * math.sqrt(p * (1 - p) / n)
    usd, months = (numpy.array([getattr(item, name) for item in scores]) for name in ("sure_usd", "sure_months"))
    standing, holding = (
        numpy.array([getattr(item, name) for item in scores]) for name in ("holds_standing", "holds_all")
    )
    stands = standing >= p - slack
    on_front = stands & ~dominated(usd, months, by, standing >= min(p + slack, 1.0)) & ~_dearer_twin(options, usd, by)
    kept = set(numpy.flatnonzero(on_front).tolist())
    aim = numpy.array([objective(goal, item)[0] for item in scores])
    may, sure = holding >= p - slack, holding >= min(p + slack, 1.0)
    kinds = [(option.chip, option.way) for option in options]
    for kind in dict.fromkeys(kinds):  # the choice is the best of its kind, and so is the second best
        here = numpy.array([other == kind for other in kinds])
        least = aim[here & sure].min() if (here & sure).any() else math.inf
        kept |= set(numpy.flatnonzero(here & may & numpy.isfinite(aim) & (aim <= least * (1 + by))).tolist())
    if not (holding >= p).any():
        if holding.max() > 0:
            kept |= set(numpy.flatnonzero(holding >= holding.max() - slack).tolist())
        for name in LIMITS:
            needs = numpy.array([item.needs[name] for item in scores])
            if numpy.isfinite(needs).any():
                kept |= set(numpy.flatnonzero(needs <= needs.min() * (1 + by)).tolist())
    return sorted(kept)


def _dearer_twin(options: Sequence[Option], usd: numpy.ndarray, by: float) -> numpy.ndarray:
    """Return which options are done on the same day in every sample as one that is cheaper by the margin."""
    keys = [(option.cluster, option.own_start, option.rent_start, option.site_mw) for option in options]
    least: dict[object, float] = {}
    for key, value in zip(keys, usd, strict=True):
        least[key] = min(value, least.get(key, math.inf))
    return numpy.array([value > least[key] * (1 + by) for key, value in zip(keys, usd, strict=True)])
