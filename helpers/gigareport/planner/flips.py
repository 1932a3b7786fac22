"""From where on another option would be chosen: the price of the choice, its date, and the deadline or budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy

from gigacluster.uncertainty import Uncertain, turning_point
from gigareport import words
from gigareport.planner.evaluation import drawn
from gigareport.planner.plan import Plan
from gigareport.planner.prices import times
from gigareport.planner.scores import score
from gigareport.planner.words import day_of
from gigareport.scenario.record import with_value

#: Samples of the search for a price.
_SAMPLES = 1_000
#: No price is taken to be further off than this.
_WIDEST = 16.0


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
    here, said, is_cheapest = [], best.score, goal.prefer == "cheapest"
    others = [item for item in found.front if item is not best]
    cheaper = [item for item in others if item.score.sure_usd < said.sure_usd]
    if is_cheapest and cheaper:
        other = min(cheaper, key=lambda item: item.score.sure_months)
        then = f"{other.option.name}, {words.usd(said.sure_usd - other.score.sure_usd)} less"
        here.append(Flip("a later date", f"from {day_of(goal, other.score.sure_months)} on", then))
    sooner = [item for item in others if item.score.sure_months < said.sure_months]
    if sooner:
        other = min(sooner, key=lambda item: item.score.sure_usd)
        usd = other.score.sure_usd
        beyond = ", beyond the budget" if usd > goal.budget_usd else ""
        then = f"{other.option.name}, {words.usd(usd - said.sure_usd)} more{beyond}"
        flip = Flip("an earlier date", f"before {day_of(goal, said.sure_months)}", then)
        if not is_cheapest:
            less = words.number(said.sure_months - other.score.sure_months)
            flip = Flip("a larger budget", f"from {words.usd(usd)} on", f"{other.option.name}, {less} months sooner")
        here.append(flip)
    return here


def _by_price(found: Plan) -> list[Flip]:
    """Return the price of the choice at which the second best costs the same, where cost decides."""
    best, second = found.best, found.second
    if best is None or second is None or found.goal.prefer != "cheapest" or found.interrupted:
        return []
    is_own = best.option.way == "own"
    path = "own.chip_usd" if is_own else "rent.committed_usd_per_chip_hour"
    given = (best.option.chip_usd if is_own else best.option.rent_usd) or Uncertain.fixed(1)
    (other,) = drawn([second.task], _SAMPLES, found.seed)
    aim = score(other, found.goal).sure_usd

    def dearer(factors: numpy.ndarray) -> numpy.ndarray:
        prices = [times(given, Uncertain.fixed(float(factor))) for factor in factors]
        tasks = [replace(best.task, story=with_value(best.task.story, path, usd)) for usd in prices]
        return numpy.array([score(one, found.goal).sure_usd - aim for one in drawn(tasks, _SAMPLES, found.seed)])

    factor = turning_point(dearer, 1 / _WIDEST, _WIDEST, near=1.0)
    if math.isnan(factor):
        return []
    what, unit = ("the price of its chips", "a chip") if is_own else ("the price of its rent", "a chip-hour")
    return [Flip(what, f"above {words.usd(factor * given.median, 3)} {unit}", second.option.name)]
