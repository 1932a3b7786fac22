"""A plan in sentences: the choice, what it rests on, why the others lose, and what an impossible goal needs."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gigacluster.units import HOURS_PER_DAY, HOURS_PER_MONTH
from gigareport import words
from gigareport.planner.options import WAYS
from gigareport.planner.plan import Found, Plan
from gigareport.planner.register import Goal
from gigareport.planner.scores import LIMITS, limits_of, objective

#: Longest reason that is told in full.
_LONGEST_WHY = 160
#: Writes a number with its name and the place that explains it, such as :func:`gigareport.answers.named`.
Namer = Callable[[str, str, str], str]
#: Where the numbers of an answer come about.
_PLACE = "70-planning.html#what-is-an-option"


def _unnamed(text: str, _name: str, _place: str) -> str:
    return text


def _told(named: Namer) -> Callable[[str, str], str]:
    return lambda text, name: named(text, f"planned {name}", _PLACE)


def day_of(goal: Goal, months: float) -> str:
    """Return the day some months after the decision, as a reader says it; ``never`` beyond 200 years.

    Examples
    --------
    >>> from gigareport import planner
    >>> day_of(planner.load("grok-3-2024"), 6.0)
    '8 January 2025'
    """
    if not months < 2400:
        return "never"
    day = goal.decided_on + datetime.timedelta(days=round(months * HOURS_PER_MONTH / HOURS_PER_DAY))
    return f"{day.day} {day:%B %Y}"


def answer(found: Plan, named: Namer = _unnamed) -> str:
    """Say in a paragraph which option is chosen and how surely, or that none is and which limit binds first.

    ``named`` writes each number with a name, such as :func:`gigareport.answers.named` for a page.
    """
    goal, best, told = found.goal, found.best, _told(named)
    early = " Interrupted: this is the best of what was looked at until then." if found.interrupted else ""
    if found.interrupted and not found.everything:
        return "**Interrupted before any option was priced.** Let it run longer, or offer fewer chips or sizes."
    if best is None:
        return _impossible(found, told) + early
    said = best.score
    held = [f"{LIMITS[name]} in {told(words.share(said.holds[name]), f'{name} held')}" for name in _given(goal)]
    together = f", all together in {told(words.share(said.holds_all), 'all held')}" if len(held) > 1 else ""
    first = (
        f"**{told(_capital(best.option.name), 'choice')}**: done by {told(day_of(goal, said.sure_months), 'day')} for "
        f"at most {told(words.usd(said.sure_usd), 'cost')}, each with "
        f"{told(words.share(goal.probability), 'probability')} probability."
    )
    usd = told(words.interval(said.usd.low, said.usd.median, said.usd.high, "USD"), "cost in the middle")
    day = told(day_of(goal, said.months.median), "day in the middle")
    second = f"In the middle of the samples it costs {usd} and is done on {day}."
    third = f" It holds {_listed(held)} of the samples{together}." if held else ""
    return f"{first} {second}{third}{_owning(found, told)}{early}"


def _owning(found: Plan, told: Callable[[str, str], str]) -> str:
    """Say of an owned choice what it takes, and what becomes of it: on that the cost of the run rests."""
    if found.best is None or found.best.option.way not in ("own", "bridge"):
        return ""
    money = f" The cluster takes {told(words.usd(found.best.score.capital_usd), 'capital')} of capital"
    if found.goal.afterwards == "sold":
        return f"{money}; it is sold after the run, which bears all of its cost (`afterwards: sold`)."
    return (
        f"{money}, of which the run bears only its own hours: the chips are taken to work on until the horizon "
        "(`afterwards: used`; `sold` lets the run bear all)."
    )


def _listed(parts: list[str]) -> str:
    """Return parts as a list in words.

    >>> _listed(["a", "b", "c"]), _listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _given(goal: Goal) -> list[str]:
    """Return the limits that a goal gives."""
    found = [name for name, value in limits_of(goal).items() if math.isfinite(value)]
    return found + (["power"] if goal.sites else [])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def regret(found: Plan, named: Namer = _unnamed) -> str:
    """Say what the second best is, what it loses and how surely, or that there is none; empty without a choice."""
    best, second, lost = found.best, found.second, found.regret
    if best is not None and second is None and not found.interrupted:
        return "No other chip and no other way of having one reaches the goal: there is no second best."
    if best is None or second is None or lost is None:
        return ""
    goal, told = found.goal, _told(named)
    more = second.score.sure_usd - best.score.sure_usd
    less = second.score.sure_months - best.score.sure_months
    text = (
        f"Second best of another kind is {told(second.option.name, 'second')}: "
        f"{told(_more_usd(more), 'second dearer')} and {told(_later(less), 'second later')} at "
        f"{told(words.share(goal.probability), 'probability')} probability. Sample by sample, with errors of their own "
        f"for each chip, it is the better one in {told(words.share(lost.better_frac), 'second better')}"
    )
    if goal.prefer == "cheapest" and math.isfinite(lost.expected_usd):
        average = told(words.usd(lost.expected_usd), "regret")
        text += f"; not to have chosen the cheaper of the two each time loses {average} on average"
    return f"{text}."


def _more_usd(usd: float) -> str:
    return f"{words.usd(abs(usd))} {'dearer' if usd >= 0 else 'cheaper'}"


def _later(months: float) -> str:
    days = round(abs(months) * HOURS_PER_MONTH / HOURS_PER_DAY)
    if days < 1:
        return "done on the same day"
    took = f"{days} day{'s' * (days > 1)}" if abs(months) < 2 else f"{words.number(abs(months))} months"
    return f"done {took} {'later' if months > 0 else 'sooner'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """What one limit would have to be for the goal to be reached, the others as they are."""

    limit: str
    given: float
    needed: float
    excess: float  # needed over given, of a date from the decision, less 1: what is smallest binds first
    option: Found

    def say(self, goal: Goal) -> str:
        """Write it as a sentence."""
        name = self.option.option.name
        if self.limit == "by":
            late = words.number(self.needed - self.given)
            return f"with the date moved by {late} months to {day_of(goal, self.needed)} ({name})"
        if self.limit == "power":
            return f"with {words.number(self.needed)} MW at the site, {words.number(self.excess * 100)} % more ({name})"
        more = words.usd(self.needed - self.given)
        return f"with {LIMITS[self.limit]} raised by {more} to {words.usd(self.needed)} ({name})"


def binding(found: Plan) -> list[Bind]:
    """Return what each limit would have to be for a goal that no option reaches, the one that binds first in front."""
    goal, binds = found.goal, []
    for name, given in {**limits_of(goal), "power": math.nan}.items():
        if name not in _given(goal) or not found.everything:
            continue
        best = min(found.everything, key=lambda item: item.score.needs[name])
        needed = best.score.needs[name]
        if name == "power":
            given = best.option.site_mw.median if best.option.site_mw else math.nan
        if math.isfinite(needed):
            excess = needed / given - 1 if given > 0 else math.inf
            binds.append(Bind(limit=name, given=given, needed=needed, excess=excess, option=best))
    return sorted(binds, key=lambda bind: bind.excess)


def _impossible(found: Plan, told: Callable[[str, str], str]) -> str:
    goal = found.goal
    if not found.everything:
        why = "; ".join(f"{item.chip}: {item.why}" for item in found.refused[:3])
        return f"**Nothing is on offer for this goal.** {_cut(why)}"
    nearest = found.nearest
    near = (
        f"The nearest is {told(nearest.option.name, 'nearest')}, in "
        f"{told(words.share(nearest.score.holds_all), 'nearest held')} of the samples."
    )
    if nearest.score.holds_all == 0:
        near = "None reaches it in any sample."
    probability = told(words.share(goal.probability), "probability")
    first = f"**No option reaches the goal with {probability} probability.** {near}"
    binds = binding(found)
    if not binds:
        wider = "No single limit, moved alone, would do: the goal needs several of them wider."
        return f"{first} {wider} {_ends(found, told)}"
    reached = [told(bind.say(goal), f"{bind.limit} moved") for bind in binds]
    then = f"{_capital(LIMITS[binds[0].limit])} binds first: the goal is reached {reached[0]}."
    others = f" Or {'; or '.join(reached[1:])}." if reached[1:] else ""
    return f"{first} {then}{others}"


def _ends(found: Plan, told: Callable[[str, str], str]) -> str:
    """Say how much wider limits of date and cost would have to be: the soonest and the cheapest of the front."""
    if not found.front:
        return "Capital and power alone leave no option."
    said = [
        f"the {what}, {told(item.option.name, what)}, is done by "
        f"{told(day_of(found.goal, item.score.sure_months), f'{what} day')} for "
        f"{told(words.usd(item.score.sure_usd), f'{what} cost')}"
        for what, item in (("soonest", found.front[0]), ("cheapest", found.front[-1]))
    ]
    probability = told(words.share(found.goal.probability), "probability")
    return f"With {probability} probability {'; '.join(said[: len(found.front)])}."


def losers(found: Plan) -> Iterator[tuple[str, str]]:
    """Yield every chip that is not chosen and, in a sentence, why: beside the choice, or what it lacks."""
    chosen = found.best.option.chip if found.best else ""
    by_chip: dict[str, list[Found]] = {}
    for item in found.everything:
        by_chip.setdefault(item.option.chip, []).append(item)
    for chip, items in by_chip.items():
        if chip != chosen:
            yield chip, _why(found, items)
    for refused in found.refused:
        if refused.what == "everything" and refused.chip not in by_chip:
            yield refused.chip, f"{_capital(_cut(refused.why))}."


def _why(found: Plan, items: list[Found]) -> str:
    goal, best = found.goal, found.best
    reaching = [item for item in items if item.score.reaches(goal)]
    if best is not None and reaching:
        here = min(reaching, key=lambda item: objective(goal, item.score))
        usd = here.score.sure_usd - best.score.sure_usd
        months = here.score.sure_months - best.score.sure_months
        return f"{_capital(_kind(here))} reaches the goal too, {_more_usd(usd)} and {_later(months)}."
    here = max(items, key=lambda item: (item.score.holds_all, -item.score.sure_months))
    missed = [
        f"{LIMITS[name]} in {words.share(1 - here.score.holds[name])}"
        for name in _given(goal)
        if here.score.holds[name] < goal.probability
    ]
    said = " and ".join(missed) or f"some limit in {words.share(1 - here.score.holds_all)}"
    return (
        f"{_capital(_kind(here))} comes nearest and misses {said} of the samples: done by "
        f"{day_of(goal, here.score.sure_months)} for {words.usd(here.score.sure_usd)}."
    )


def _kind(item: Found) -> str:
    option = item.option
    return f"{option.n_chips:,} of it, {WAYS[option.way]},"


def not_offered(found: Plan) -> str:
    """Say how many options there were, and which were not offered and why, counted apart."""
    counted = sum(item.n_options for item in found.refused)
    without = [item.chip for item in found.refused if item.what == "everything"]
    ways = sum(item.what in WAYS.values() and not item.n_options for item in found.refused)
    least = min((item.score.samples for item in found.everything), default=0)
    most = max((item.score.samples for item in found.found), default=0)  # less than asked for if interrupted
    again = f", {len(found.found):,} of them again on {most:,}" if least < most else ""
    late = f" {found.n_late:,} take more than twenty years." if found.n_late else ""
    return (
        f"{len(found.everything):,} options were priced on {least:,} samples{again}. Not offered: "
        f"{len(without)} chip{'s' * (len(without) != 1)} without a sourced price, rate or power; "
        f"{ways} ways of having one of the others without a sourced price; "
        f"{counted:,} options larger than any known block of their kind of rent, or whose job no plan fits.{late}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_WHY else f"{text[:_LONGEST_WHY].rsplit(' ', 1)[0]} ..."
