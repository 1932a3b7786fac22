"""From a goal to the options that reach it: screened on few samples, refined on many, told with what they lose by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy
import pandas as pd

from gigacluster.parallel import Workers, progress
from gigareport.planner.base import Base, base_of
from gigareport.planner.evaluation import (
    LONGEST_MONTHS,
    Drawn,
    Task,
    booked_months,
    days_of,
    drawn,
    is_bridge,
    searched,
    story_of,
)
from gigareport.planner.options import WAYS, NotOffered, Option, offered
from gigareport.planner.register import Goal
from gigareport.planner.scores import Score, front, objective, score, survivors
from gigareport.scenario import Scenario
from gigareport.scenario.plans import PlannedStep

#: Samples of the screen, and of the stage between it and all.
SCREEN_SAMPLES, _BETWEEN = 200, 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """An option with its scenario and what its samples say."""

    task: Task
    score: Score

    @property
    def option(self) -> Option:
        """What it is."""
        return self.task.option

    @property
    def scenario(self) -> Scenario:
        """The option as a scenario: :func:`gigareport.scenario.evaluate` says the same numbers of it."""
        return self.task.story


@dataclass(frozen=True, kw_only=True, slots=True)
class Regret:
    """What the second best loses, and how surely: chips have errors of their own here."""

    usd: float  # median of the second's cost less that of the best
    months: float
    better_frac: float  # share of the samples in which the second is the better one
    expected_usd: float  # what is lost on average by choosing the best and not, sample by sample, the better of both


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Every option of a goal that was looked at, the front, the choice and what it rests on."""

    goal: Goal
    base: Base
    found: tuple[Found, ...]  # at all samples
    screened: tuple[Found, ...]  # the others, at those of the screen
    front: tuple[Found, ...]  # of cost against date, the soonest first
    best: Found | None  # the choice; None: no option reaches the goal
    second: Found | None  # the best of another chip or another way that reaches it too
    regret: Regret | None
    refused: tuple[NotOffered, ...]
    n_samples: int
    seed: int
    interrupted: bool = False
    n_late: int = 0  # options that take more than twenty years
    samples: dict[str, Drawn] = field(default_factory=dict)  # of the best and the second, paired

    @property
    def everything(self) -> tuple[Found, ...]:
        """Every option that was priced."""
        return self.found + self.screened

    @property
    def nearest(self) -> Found:
        """The option that holds all limits in most samples."""
        return max(self.everything, key=lambda item: item.score.holds_all)

    def to_frame(self) -> pd.DataFrame:
        """Return a row an option, the choice first, then the front, then the others by cost.

        Returns
        -------
        DataFrame
            ``name, chip, n_chips, way, wait_months, site, plan``; ``usd_low, usd, usd_high``, ``months_low, months,
            months_high`` (90 % of the samples); ``sure_usd, sure_months`` (at the probability asked for); ``energy_mwh,
            capital_usd, rated_mw``; ``by_frac, budget_frac, capital_frac, power_frac, all_frac`` (shares of the samples
            in which limits hold); ``is_best, on_front, samples``.
        """
        on_front = {id(item) for item in self.front}
        rows = [_row(item, item is self.best, id(item) in on_front) for item in self.everything]
        table = pd.DataFrame(rows, columns=_COLUMNS)
        order = ["is_best", "on_front", "samples", "sure_usd"]
        return table.sort_values(order, ascending=[False, False, False, True], kind="stable").reset_index(drop=True)


_COLUMNS = (
    *("name", "chip", "n_chips", "way", "wait_months", "site", "plan", "usd_low", "usd", "usd_high"),
    *("months_low", "months", "months_high", "sure_usd", "sure_months", "energy_mwh", "capital_usd", "rated_mw"),
    *("by_frac", "budget_frac", "capital_frac", "power_frac", "all_frac", "is_best", "on_front", "samples"),
)


def _row(item: Found, is_best: bool, on_front: bool) -> tuple[Any, ...]:
    option, said = item.option, item.score
    return (
        *(option.name, option.chip, option.n_chips, WAYS[option.way], option.wait_months, option.site),
        *(item.task.step.name, said.usd.low, said.usd.median, said.usd.high),
        *(said.months.low, said.months.median, said.months.high, said.sure_usd, said.sure_months),
        *(said.energy_mwh, said.capital_usd, said.rated_mw),
        *(said.holds[name] for name in ("by", "budget_usd", "capital_usd", "power")),
        *(said.holds_all, is_best, on_front, said.samples),
    )


def plan(
    goal: Goal,
    *,
    like: Scenario | None = None,
    samples: int = 10_000,
    seed: int = 7,
    screen: int = SCREEN_SAMPLES,
    executor: Workers = None,
) -> Plan:
    """Find which clusters reach a goal, by when, for how much, and how surely.

    Parameters
    ----------
    goal : Goal
        From :func:`gigareport.planner.load`.
    like : Scenario, optional
        Stands for the scenario that the goal names, such as the same with changes.
    samples : int, default 10,000
        Draws of the inputs for every option that may be on the front or be chosen.
    seed : int, default 7
    screen : int, default 200
        Draws for all options; ``screen=samples`` drops none.
    executor : number of processes, or an executor, optional
        See :mod:`gigacluster.parallel`.

    Returns
    -------
    Plan
        Interrupted (Ctrl-C), it holds what was found until then.

    Raises
    ------
    ScenarioError
        If the loss wanted is beyond the scaling law.

    Notes
    -----
    Screened options are dropped where another one beats them by a margin in cost and date
    (:func:`gigareport.planner.scores.margin`); what is left is drawn again, in pieces of less than 1 GB.

    Examples
    --------
    ``plan(load("startup-2025")).best.option.name``
    """
    base = base_of(goal, like)
    options, refused = offered(base)
    found, stopped, n_late = _screened(base, options, refused, min(screen, samples), seed, executor)
    dropped: list[Found] = []
    for n in () if stopped else _stages(screen, samples):
        places = survivors(goal, [item.option for item in found], [item.score for item in found])
        kept = [found[place] for place in places]
        dropped += [item for place, item in enumerate(found) if place not in set(places)]
        try:
            found = _scored(goal, [item.task for item in kept], n, seed, executor, what=f"{n:,} samples")
        except KeyboardInterrupt:
            found, stopped = kept, True
            break
    return _chosen(base, found, dropped, refused, samples, seed, stopped=stopped, n_late=n_late)


def _stages(screen: int, samples: int) -> list[int]:
    """Return the numbers of samples after the screen.

    >>> _stages(200, 10_000), _stages(200, 1_000), _stages(500, 500)
    ([1000, 10000], [1000], [])
    """
    between = [_BETWEEN] if 2 * screen <= _BETWEEN <= samples / 2 else []
    return [*between, samples] if screen < samples else []


def _screened(
    base: Base, options: Sequence[Option], refused: list[NotOffered], samples: int, seed: int, executor: Workers
) -> tuple[list[Found], bool, int]:
    """Search, book and score every option, one chip after the other, until interrupted."""
    by_chip: dict[str, list[Option]] = {}
    for option in options:
        by_chip.setdefault(option.chip, []).append(option)
    found: list[Found] = []
    n_late = 0
    try:
        for few in progress(list(by_chip.values()), what="chips", unit="chip"):
            tasks, late = _tasks(base, few, refused, seed, executor)
            n_late += late
            found += _scored(base.goal, tasks, samples, seed, executor, what="options")
    except KeyboardInterrupt:
        return found, True, n_late
    return found, False, n_late


def _tasks(
    base: Base, options: Sequence[Option], refused: list[NotOffered], seed: int, executor: Workers
) -> tuple[list[Task], int]:
    """Return the options of a chip with plans and months, by month and kind of rent, and how many take too long."""
    planned: dict[tuple[str, int], tuple[Option, PlannedStep]] = {}
    for option, step in searched(base, options, executor=executor):
        if isinstance(step, str):
            same = sum(other.cluster == option.cluster for other in options)
            refused.append(NotOffered(option.chip, f"{option.n_chips:,} chips", step, same))
        else:
            planned[option.cluster] = (option, step)
    # Months are booked by the same few samples however many the screen draws: they are a part of the option.
    days = days_of(base, planned.values(), SCREEN_SAMPLES, seed, executor=executor)
    tasks, n_late = [], 0
    for option in options:
        if option.cluster not in planned:
            continue
        took = days[option.cluster]
        if option.way == "bridge" and not is_bridge(option, took, seed):
            continue
        months = booked_months(base, option, took, seed)
        if months > LONGEST_MONTHS:
            n_late += 1
            continue
        story, step = story_of(base, option, months), planned[option.cluster][1]
        tasks.append(Task(option=option, step=step, story=story, sold=base.goal.afterwards == "sold"))
    tasks.sort(key=lambda task: (task.story.horizon_months, task.story.rent.kind))
    return tasks, n_late


def _scored(goal: Goal, tasks: Sequence[Task], samples: int, seed: int, executor: Workers, what: str) -> list[Found]:
    results = drawn(tasks, samples, seed, executor=executor, what=what)
    return [Found(task=task, score=score(one, goal)) for task, one in zip(tasks, results, strict=True)]


def _chosen(
    base: Base,
    found: Sequence[Found],
    dropped: Sequence[Found],
    refused: Sequence[NotOffered],
    samples: int,
    seed: int,
    *,
    stopped: bool,
    n_late: int,
) -> Plan:
    goal = base.goal
    standing = [item for item in found if item.score.may_stand(goal)]
    places = front([item.score.sure_usd for item in standing], [item.score.sure_months for item in standing])
    reaching = sorted((item for item in found if item.score.reaches(goal)), key=lambda one: objective(goal, one.score))
    best = reaching[0] if reaching else None
    second = next((item for item in reaching if _kind(item) != _kind(best)), None) if best else None
    made = Plan(
        goal=goal,
        base=base,
        found=tuple(found),
        screened=tuple(dropped),
        front=tuple(standing[place] for place in places),
        best=best,
        second=second,
        regret=None,
        refused=tuple(refused),
        n_samples=samples,
        seed=seed,
        interrupted=stopped,
        n_late=n_late,
    )
    if best is None or second is None or stopped:
        return made
    try:
        pair = dict(zip(("best", "second"), drawn([best.task, second.task], samples, seed, apart=True), strict=True))
    except KeyboardInterrupt:
        return replace(made, interrupted=True)
    return replace(made, regret=_regret(goal, pair["best"], pair["second"]), samples=pair)


def _kind(item: Found | None) -> tuple[str, str] | None:
    return None if item is None else (item.option.chip, item.option.way)


def _regret(goal: Goal, best: Drawn, second: Drawn) -> Regret:
    usd, months = second.usd - best.usd, second.months - best.months
    aim = usd if goal.prefer == "cheapest" else months
    return Regret(
        usd=float(numpy.median(usd)),
        months=float(numpy.median(months)),
        better_frac=float(numpy.mean(aim < 0)),
        expected_usd=float(numpy.mean(numpy.maximum(-usd, 0.0))) if numpy.isfinite(usd).all() else math.nan,
    )
