"""Which options are looked at again with more samples: those that may be on the front, be chosen, or come second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy

from gigareport.planner.options import Option
from gigareport.planner.register import Goal
from gigareport.planner.scores import LIMITS, Score, dominated, margin

__all__ = ["objective", "survivors"]


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
