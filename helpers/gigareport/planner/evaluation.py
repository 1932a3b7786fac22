"""What an option costs and when it is done, sample by sample: answers of its scenario, and nothing else.

===========  ==========================================================  ====================================
way          cost of the run                                             done
===========  ==========================================================  ====================================
own          its hours of an owned cluster that works on afterwards,     delivery and the days of the run
             or, sold afterwards, all of it
rent         the bill of the months booked; by the hour the hours used   start and the days of the run
bridge       hours rented until delivery, the others of the own cluster  start of the earlier of both
===========  ==========================================================  ====================================

Every sample sees the same draw of each shared input in all options (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy

from gigacluster.arrays import to_host
from gigacluster.parallel import Workers, in_order
from gigacluster.uncertainty import Uncertain, draw
from gigacluster.units import HOURS_PER_DAY, HOURS_PER_MONTH
from gigareport.comparison.runs import divisible_batch
from gigareport.planner.base import Base
from gigareport.planner.options import Option
from gigareport.planner.register import NEVER, Goal, months_between
from gigareport.scenario import Delivery, Scenario, ScenarioError, evaluate, search_step
from gigareport.scenario.chips import said_or_usual, with_chip
from gigareport.scenario.inputs import STEP_ERROR
from gigareport.scenario.plans import PlannedStep

#: A scenario refuses a start beyond this share of its horizon.
LATEST_START = 0.9


def story_of(base: Base, option: Option, horizon_months: int) -> Scenario:
    """Return an option as a scenario: what :func:`gigareport.scenario.evaluate` says of it is what a plan says.

    What the option does not use and no table says, such as the price of a chip that is only rented, stands at an
    H100's, because a scenario holds both sides; its story says so.
    """
    like = base.story
    other = with_chip(like, option.chip, float(option.n_chips))

    def said(path: str) -> Uncertain:
        return said_or_usual(like, path, option.chip)

    never = Uncertain.fixed(min(1.0, LATEST_START * horizon_months))
    own = replace(
        like.own,
        deliveries=(Delivery(share=1.0, month=option.own_start or never),),
        chip_usd=option.chip_usd or said("own.chip_usd"),
        server_usd_per_chip=Uncertain.fixed(0.0),
        network_usd_per_tier_per_chip=said("own.network_usd_per_tier_per_chip"),
        let_from_month=math.inf,
    )
    rent = replace(
        like.rent,
        kind="contract" if option.way in ("own", "bridge") else option.way,
        committed_usd_per_chip_hour=option.rent_usd or said("rent.committed_usd_per_chip_hour"),
        term_months=math.inf,
        after_term="renew",
        renewal_usd_per_chip_hour=Uncertain.left_out(),
        leave_month=math.inf,
        start_month=option.rent_start or never,
    )
    batch = divisible_batch(int(like.training.global_batch), option.n_chips)
    return replace(
        like,
        name=_name(base.goal.name, option),
        title=option.name[:120],
        story=f"{like.story} {_unused(option)}".strip()[:4000],
        horizon_months=float(horizon_months),
        cluster=replace(other.cluster, it_power_w_per_chip=said("cluster.it_power_w_per_chip"), sites=()),
        training=replace(like.training, global_batch=batch),
        own=own,
        rent=rent,
    )


def _unused(option: Option) -> str:
    if option.chip_usd is None:
        return "Planned as a rental: the owned side stands at usual prices and was not looked at."
    return (
        "" if option.rent_usd else "Planned to be owned: the rented side stands at usual prices and was not looked at."
    )


def _name(goal: str, option: Option) -> str:
    text = f"{goal}-{option.n_chips}-{option.chip}-{option.way}".lower()
    return "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in text)[:63].rstrip("-")


#: Longest time that a plan looks ahead. [month]
LONGEST_MONTHS = 240
#: Options drawn at once: with 10,000 samples, arrays of one piece take less than 0.3 GB.
PIECE = 16
#: Options of one piece where samples are few.
_FEW_SAMPLES, _PIECE_OF_FEW = 1_000, 128
_ANSWERS = (
    "reference_run_days",
    "own_usd",
    "own_reference_run_usd",
    "rent_bill_usd",
    "rent_reference_run_usd",
    "own_capital_usd",
    "rated_power_mw",
    "site_power_mw",
)
_OWN_START, _RENT_START = "own.deliveries.0.month", "rent.start_month"


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """What an option comes to, arrays of shape (samples,)."""

    usd: numpy.ndarray  # net present
    months: numpy.ndarray  # from the decision until the run is done
    energy_mwh: numpy.ndarray  # of the run
    capital_usd: numpy.ndarray
    rated_mw: numpy.ndarray
    site_mw: numpy.ndarray  # infinite where no site limits
    days: numpy.ndarray  # of the run


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """An option with its plan and the scenario that stands for it."""

    option: Option
    step: PlannedStep
    story: Scenario
    sold: bool  # whether owned chips are sold after the run


def searched(
    base: Base, options: Iterable[Option], *, executor: Workers = None
) -> Iterator[tuple[Option, PlannedStep | str]]:
    """Search the plan of every chip and number once, and yield it with one of its options, or why none fits."""
    first = list({option.cluster: option for option in options}.values())
    stories = [story_of(base, option, LONGEST_MONTHS) for option in first]
    steps = in_order(_step_of, stories, executor=executor, what="parallel plans")
    yield from zip(first, steps, strict=True)


def _step_of(story: Scenario) -> PlannedStep | str:
    try:
        return search_step(story)
    except ScenarioError as fault:
        return str(fault).partition("training: ")[2] or str(fault)


def days_of(
    base: Base, planned: Iterable[tuple[Option, PlannedStep]], samples: int, seed: int, *, executor: Workers = None
) -> dict[tuple[str, int], numpy.ndarray]:
    """Return the days of the run on every chip and number, each of shape (samples,); no horizon moves them."""
    tasks = [Task(option=one, step=step, story=story_of(base, one, 2), sold=False) for one, step in planned]
    found = drawn(tasks, samples, seed, executor=executor, what="days")
    return {task.option.cluster: one.days for task, one in zip(tasks, found, strict=True)}


def is_bridge(option: Option, days: numpy.ndarray, seed: int) -> bool:
    """Return whether a rental before an own cluster is one: in most samples the run outlasts the wait for it."""
    starts = _starts(option, len(days), seed)
    waited = (starts["own"] - starts["rent"]) * HOURS_PER_MONTH / HOURS_PER_DAY
    return bool(numpy.median(waited - days) < 0 < numpy.median(waited))


def booked_months(base: Base, option: Option, days: numpy.ndarray, seed: int) -> int:
    """Return the months from the decision for which an option is booked or kept; beyond 240 it is not offered.

    A rental is booked, and a cluster to be sold is kept, until the run is done in all but half of the share of samples
    that may miss the goal; a cluster that works on is kept to the horizon of the scenario. The screen's own samples
    say when that is, so the months do not depend on the other options, nor on any limit of the goal.
    """
    goal = base.goal
    finished = _finish(option, days, _starts(option, len(days), seed))
    needed = float(numpy.quantile(finished, (1 + goal.probability) / 2))
    starts = [start.high for start in (option.own_start, option.rent_start) if start is not None]
    least = max(needed, max(starts) / LATEST_START, 2.0)
    if option.way in ("own", "bridge") and goal.afterwards == "used":
        least = max(least, float(base.story.horizon_months))
    if not least <= LONGEST_MONTHS:
        return LONGEST_MONTHS + 1
    months = math.ceil(least)
    if option.way == "reserved":  # whole years from the start
        assert option.rent_start is not None
        begun = option.rent_start.median
        months = math.ceil(begun + 12 * math.ceil(max(months - begun, 1e-9) / 12))
    return months


def drawn(
    tasks: Sequence[Task],
    samples: int,
    seed: int,
    *,
    executor: Workers = None,
    apart: bool = False,
    what: str = "options",
) -> Iterator[Drawn]:
    """Yield what each option comes to, in order, computed in pieces of bounded memory.

    ``apart``: step time, price, rent and power of each chip have errors of their own, as for a comparison of chips
    sample by sample; otherwise one stream an input serves all, as in a scenario alone.
    """
    size = _PIECE_OF_FEW if samples <= _FEW_SAMPLES else PIECE
    pieces = [(tasks[start : start + size], samples, seed, apart) for start in range(0, len(tasks), size)]
    for several in in_order(_drawn, pieces, executor=executor, what=what):
        yield from several


def _drawn(piece: tuple[Sequence[Task], int, int, bool]) -> list[Drawn]:
    tasks, samples, seed, apart = piece
    outlooks = evaluate(
        [task.story for task in tasks],
        samples=samples,
        seed=seed,
        device="cpu",
        plans=[task.step for task in tasks],
        answers=_ANSWERS,
        streams=[_streams(task.option) for task in tasks] if apart else (),
    )
    return [
        _of_outlook(task, {name: _finite(getattr(outlook, name)) for name in _ANSWERS}, samples, seed)
        for task, outlook in zip(tasks, outlooks, strict=True)
    ]


def _streams(option: Option) -> dict[str, str]:
    paths = (STEP_ERROR, "own.chip_usd", "rent.committed_usd_per_chip_hour", "cluster.it_power_w_per_chip")
    return {path: f"{path} {option.chip}" for path in paths}


def _of_outlook(task: Task, answer: Mapping[str, numpy.ndarray], samples: int, seed: int) -> Drawn:
    option, days = task.option, answer["reference_run_days"]
    starts = _starts(option, samples, seed)
    own_usd = answer["own_usd"] if task.sold else answer["own_reference_run_usd"]
    rent_usd = answer["rent_reference_run_usd"] if option.way in ("hourly", "bridge") else answer["rent_bill_usd"]
    owns = option.way in ("own", "bridge")
    usd = own_usd if option.way == "own" else rent_usd
    if option.way == "bridge":
        usd = bridge_usd(starts["own"] - starts["rent"], days, rent_usd, own_usd, sold=task.sold)
    mw = Uncertain.fixed(math.inf) if option.site_mw is None else option.site_mw
    limit = draw({f"sites.{option.site}.mw": mw}, samples, seed)
    return Drawn(
        usd=usd,
        months=_finish(option, days, starts),
        energy_mwh=answer["site_power_mw"] * days * HOURS_PER_DAY,
        capital_usd=answer["own_capital_usd"] if owns else numpy.zeros(samples),
        rated_mw=answer["rated_power_mw"] if owns else numpy.zeros(samples),
        site_mw=next(iter(limit.values())),
        days=days,
    )


def bridge_usd(
    before_months: numpy.ndarray, days: numpy.ndarray, rent_usd: numpy.ndarray, own_usd: numpy.ndarray, *, sold: bool
) -> numpy.ndarray:
    """Return the cost of a run on rented chips until the own cluster stands: each pays its part of the days. [USD]

    The own cluster starts ``before_months`` after the rental. ``rent_usd`` and ``own_usd`` are what the whole run costs
    on either; with ``sold`` it bears all of the own cluster. Days are infinite where the run never ends.
    """
    rented = numpy.clip(before_months * HOURS_PER_MONTH / (days * HOURS_PER_DAY), 0.0, 1.0)
    ends = numpy.isfinite(days)  # a run without an end has no price, not none times infinity
    part_usd = rented * numpy.where(ends, rent_usd, 0.0)
    usd = part_usd + (own_usd if sold else (1 - rented) * own_usd)
    return numpy.where(ends, usd, numpy.inf)


def _starts(option: Option, samples: int, seed: int) -> dict[str, numpy.ndarray]:
    """Return the drawn starts: of the same streams as in the scenario, and not cut at its horizon."""
    found = {}
    for name, path, start in (("own", _OWN_START, option.own_start), ("rent", _RENT_START, option.rent_start)):
        if start is not None:
            found[name] = draw({path: start}, samples, seed)[path]
    return found


def _finish(option: Option, days: numpy.ndarray, starts: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
    first = numpy.minimum.reduce(list(starts.values()))
    months: numpy.ndarray = first + days * HOURS_PER_DAY / HOURS_PER_MONTH
    return months


def _finite(values: numpy.ndarray) -> numpy.ndarray:
    """Return an answer on the host, without an answer infinite: it is reached never, or at no price."""
    host = numpy.array(to_host(values), dtype=float)
    host[numpy.isnan(host)] = numpy.inf
    return host


def deadline_months(goal: Goal) -> float:
    """Return the months from the decision to the deadline, infinite without one."""
    return math.inf if goal.by == NEVER else months_between(goal.decided_on, goal.by)
