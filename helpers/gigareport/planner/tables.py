"""A plan as tables and figures of a page: the front, the choice by deadline, why others lose, what happened since."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from gigareport import catalog, words
from gigareport.planner.flips import flips
from gigareport.planner.options import WAYS, NotOffered
from gigareport.planner.plan import Found, Plan
from gigareport.planner.register import Goal, months_between
from gigareport.planner.scores import LIMITS
from gigareport.planner.words import binding, day_of, losers
from gigareport.scenario import plain

#: Axes of the figure.
DATE, COST = "Done by [months from the decision]", "Cost [$ million]"
#: What a later model of the owner may differ in compute by to count as the one that was planned.
_NEAR = 2.0


def chosen(found: Plan) -> pd.DataFrame:
    """Return the choice and the second best side by side; where none is, the nearest and what a moved limit allows."""
    pairs = [("choice", found.best), ("second best of another kind", found.second)]
    if found.best is None and found.everything:
        pairs = [("nearest", found.nearest)]
        pairs += [(f"with {LIMITS[bind.limit]} moved", bind.option) for bind in binding(found)[:1]]
    return pd.DataFrame({head: _facts(found, item) for head, item in pairs if item is not None})


def _facts(found: Plan, item: Found) -> dict[str, str]:
    said, goal = item.score, found.goal
    sure = words.share(goal.probability)
    return {
        "option": item.option.name,
        "cost": words.interval(said.usd.low, said.usd.median, said.usd.high, "USD"),
        f"cost, {sure} sure": words.usd(said.sure_usd),
        "done": day_of(goal, said.months.median),
        f"done, {sure} sure": day_of(goal, said.sure_months),
        "all limits hold": words.share(said.holds_all),
        "capital": words.usd(said.capital_usd) if said.capital_usd else "none",
        "power": f"{words.number(said.rated_mw)} MW" if said.rated_mw else "the landlord's",
        "energy": f"{words.number(said.energy_mwh / 1000)} GWh",
    }


def draw_front(found: Plan) -> Any:
    """Draw cost against date of every option looked at again, and the front through those that no other beats."""
    from gigareport.plots import marks  # drawing needs matplotlib, the plan does not

    on_front = {id(item) for item in found.front}
    table = pd.DataFrame(
        [
            (item.score.sure_months, item.score.sure_usd / 1e6, item.option.name, WAYS[item.option.way], id(item))
            for item in sorted(found.found, key=lambda one: (WAYS[one.option.way], one.score.sure_months))
        ],
        columns=[DATE, COST, "name", "way", "id"],
    )
    front = table[table["id"].isin(on_front)].sort_values(DATE).assign(front="front")
    chart = marks.points(table.drop(columns="id"), DATE, COST, label="name", by="way", log="y")
    marks.curves(front[[DATE, COST, "front"]], DATE, COST, by="front", log="y", on=chart)
    return chart


def by_deadline(found: Plan) -> pd.DataFrame:
    """Return the front as a reader uses it: for each date, the cheapest option that is done by then.

    Returns
    -------
    DataFrame
        ``done by``, ``option``, ``cost``, ``capital``, the soonest first.
    """
    sure = words.share(found.goal.probability)
    heads = {f"done, {sure} sure": "done by", "option": "option", f"cost, {sure} sure": "cost", "capital": "capital"}
    return pd.DataFrame([_facts(found, item) for item in found.front], columns=list(heads)).rename(columns=heads)


def with_probability(goal: Goal, probability: float) -> Goal:
    """Return the same goal with another probability that must hold."""
    return replace(goal, probability=probability)


def promise(found: Plan) -> dict[str, str]:
    """Return what a goal comes to at its probability: option, cost, date; or what the date would have to be."""
    if found.best is not None:
        said = found.best.score
        return {
            "choice": found.best.option.name,
            "costs at most": words.usd(said.sure_usd),
            "is done by": day_of(found.goal, said.sure_months),
        }
    binds = binding(found)
    needs = binds[0].say(found.goal) if binds else "several limits wider"
    return {"choice": "none", "costs at most": "–", "is done by": f"only {needs}"}


def flip_table(found: Plan) -> pd.DataFrame:
    """Return what would make another option the choice, or any the first: ``what``, ``from where``, ``then``."""
    rows = [(flip.what, flip.from_where, flip.then) for flip in flips(found)]
    rows += [
        (f"{LIMITS[bind.limit]}, moved", bind.say(found.goal).partition(" (")[0], bind.option.option.name)
        for bind in (binding(found) if found.best is None else [])
    ]
    return pd.DataFrame(rows, columns=["what", "from where", "then"])


def lose_table(found: Plan) -> pd.DataFrame:
    """Return each chip that is not the choice and, in a sentence, why; chips with the same reason share a row."""
    by_why: dict[str, list[str]] = {}
    for chip, why in losers(found):
        by_why.setdefault(why, []).append(chip)
    return pd.DataFrame([(", ".join(chips), why) for why, chips in by_why.items()], columns=["chip", "why not"])


def offered_table(found: Plan) -> pd.DataFrame:
    """Return what is not offered of chips that are, and why: ``chip``, ``what``, ``why``, ``options``."""
    rows = [item for item in found.refused if item.what != "everything"]
    by_why: dict[tuple[str, str], list[NotOffered]] = {}
    for item in rows:
        is_way = item.what in WAYS.values()
        reason = (item.what, item.why) if is_way else ("some number of chips", "no parallel plan fits")
        by_why.setdefault(reason, []).append(item)
    return pd.DataFrame(
        [
            (what, ", ".join(dict.fromkeys(item.chip for item in items)), why, sum(item.n_options for item in items))
            for (what, why), items in by_why.items()
        ],
        columns=["what", "chips", "why", "options"],
    )


def happened(found: Plan) -> pd.DataFrame:
    """Return models of about that compute which the owner released after the decision: what no plan could know.

    Returns
    -------
    DataFrame
        ``model, released, compute, chips, months later``; empty for a scenario without an owner in the tables.
    """
    owner = found.base.story.owner
    table = catalog.load("notable_models")
    flop = found.base.flop.median
    known = table[(table["organization"] == owner) & table["training_flop"].between(flop / _NEAR, flop * _NEAR)]
    known = known[known["publication_date"] > pd.Timestamp(found.goal.decided_on)].sort_values("publication_date")
    return pd.DataFrame(
        [
            (
                str(row["model"]),
                f"{row['publication_date']:%Y-%m-%d}",
                words.quantity(float(row["training_flop"]), "FLOP"),
                words.number(float(row["n_chips"]), 3) if row["n_chips"] == row["n_chips"] else "not published",
                round(months_between(found.goal.decided_on, row["publication_date"].date()), 1),
            )
            for _, row in known.iterrows()
        ],
        columns=["model", "released", "compute", "chips", "months after the decision"],
    )


def write_scenario(found: Found, file: Path) -> None:
    """Write an option as a scenario file."""
    head = f"# {found.option.name}: chosen by a plan. Its plan: {found.task.step.name}\n"
    text: str = yaml.safe_dump(_simple(plain(found.scenario)), sort_keys=False, allow_unicode=True, width=110)
    catalog.write_whole(file, head + text)


def _simple(value: Any) -> Any:
    """Return values that a scenario file takes: whole numbers without a point, exact ones once."""
    if isinstance(value, dict):
        return {name: _simple(item) for name, item in value.items() if item != ""}
    if isinstance(value, list):
        simple = [_simple(item) for item in value]
        numbers = [item for item in simple if isinstance(item, int | float)]
        return simple[0] if len(numbers) == 3 and len(set(simple)) == 1 else simple
    if isinstance(value, float):
        return int(value) if value == int(value) and abs(value) < 1e15 else float(value)
    return str(value) if isinstance(value, datetime.date) else value
