"""From where on another option would be chosen: the price of the choice, its date, and the deadline or budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy

from gigacluster.uncertainty import Uncertain, turning_point
from gigareport import words
from gigareport.planner.evaluation import Task, drawn
from gigareport.planner.plan import Found, Plan
from gigareport.planner.prices import times
from gigareport.planner.scores import score
from gigareport.planner.words import day_of
from gigareport.scenario.record import with_value

__all__ = ["Flip", "flips"]

#: Samples of the search for a price.
_SAMPLES = 1_000
#: No price is taken to be further off than this.
_WIDEST = 16.0
_PRICE = {"rent.committed_usd_per_chip_hour": "the price of its rent", "own.chip_usd": "the price of its chips"}


@dataclass(frozen=True, slots=True)
class Flip:
    """What would have to be otherwise, from where on, and what would be chosen then."""

    what: str
    from_where: str
    then: str


def flips(found: Plan) -> list[Flip]:
    """Return what would make another option the choice; empty where nothing is chosen."""
    if found.best is None:
        return []
    return [*_by_limits(found), *_by_price(found)]


def _by_limits(found: Plan) -> list[Flip]:
    """Return the deadline and the budget from which the front offers something cheaper or sooner."""
    goal, best = found.goal, found.best
    assert best is not None
    here, said = [], best.score
    others = [item for item in found.front if item is not best]
    cheaper = [item for item in others if item.score.sure_usd < said.sure_usd]
    if goal.prefer == "cheapest" and cheaper:
        next_one = min(cheaper, key=lambda item: item.score.sure_months)
        saved = words.usd(said.sure_usd - next_one.score.sure_usd)
        here.append(
            Flip(
                "a later date",
                f"from {day_of(goal, next_one.score.sure_months)} on",
                f"{_name(next_one)}, {saved} less",
            )
        )
    sooner = [item for item in others if item.score.sure_months < said.sure_months]
    if sooner:
        next_one = min(sooner, key=lambda item: item.score.sure_usd)
        if goal.prefer == "cheapest":
            more = words.usd(next_one.score.sure_usd - said.sure_usd)
            beyond = ", beyond the budget" if next_one.score.sure_usd > goal.budget_usd else ""
            then = f"{_name(next_one)}, {more} more{beyond}"
            here.append(Flip("an earlier date", f"before {day_of(goal, said.sure_months)}", then))
        else:
            less = words.number(said.sure_months - next_one.score.sure_months)
            budget = f"from {words.usd(next_one.score.sure_usd)} on"
            here.append(Flip("a larger budget", budget, f"{_name(next_one)}, {less} months sooner"))
    return here


def _name(item: Found) -> str:
    return item.option.name


def _by_price(found: Plan) -> list[Flip]:
    """Return the price of the choice at which the second best costs the same, where cost decides."""
    best, second = found.best, found.second
    if best is None or second is None or found.goal.prefer != "cheapest" or found.interrupted:
        return []
    path = "own.chip_usd" if best.option.way == "own" else "rent.committed_usd_per_chip_hour"
    given: Uncertain = (best.option.chip_usd if best.option.way == "own" else best.option.rent_usd) or Uncertain.fixed(
        1
    )
    (other,) = drawn([second.task], _SAMPLES, found.seed)
    aim = score(other, found.goal).sure_usd

    def dearer(factors: numpy.ndarray) -> numpy.ndarray:
        tasks = [_scaled(best.task, path, given, float(factor)) for factor in factors]
        return numpy.array([score(one, found.goal).sure_usd - aim for one in drawn(tasks, _SAMPLES, found.seed)])

    factor = turning_point(dearer, 1 / _WIDEST, _WIDEST, near=1.0)
    if math.isnan(factor):
        return []
    unit = "a chip-hour" if path.startswith("rent") else "a chip"
    return [Flip(_PRICE[path], f"above {words.usd(factor * given.median, 3)} {unit}", _name(second))]


def _scaled(task: Task, path: str, given: Uncertain, factor: float) -> Task:
    value = times(given, Uncertain.fixed(factor))
    return replace(task, story=with_value(task.story, path, value))
