"""From a YAML file to a checked goal, by the reader of scenarios: every fault at once, each with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gigareport import scenario
from gigareport.planner.register import ALWAYS, Aim, Goal
from gigareport.scenario import Scenario, ScenarioError
from gigareport.scenario.load import bundled, find_file, made, read
from gigareport.scenario.together import said


def names() -> tuple[str, ...]:
    """Return the names of the bundled goals."""
    return bundled("goal")


def find(name_or_path: str | Path) -> Path:
    """Return the file of a goal: a bundled name or a path.

    Raises
    ------
    ScenarioError
        If there is no such file.
    """
    return find_file(str(name_or_path), "goal")


def load(name_or_path: str | Path, *, changes: Mapping[str, Any] | None = None) -> Goal:
    """Read and check a goal.

    Parameters
    ----------
    name_or_path : str or path
        A bundled name or a file.
    changes : mapping, optional
        Values that replace those of the file, by path, written as a file would.

    Raises
    ------
    ScenarioError
        With every fault of the file and of the changes.

    Examples
    --------
    >>> load("grok-3-2024").probability
    0.5
    """
    file = find(name_or_path)
    goal: Goal = read(file, Aim, lambda good: _impossible(good, file.parent), changes=changes, what="goal")
    beside = file.parent / goal.like
    return replace(goal, like=str(beside)) if goal.like and beside.is_file() else goal


def goal_of(name_or_path: str | Path = "", *, changes: Mapping[str, Any] | None = None) -> Goal:
    """Return the goal of a scenario: the one that it names, or else its reference run at the least cost.

    Parameters
    ----------
    name_or_path : str or path
        The scenario, as in :func:`gigareport.scenario.load`. A goal file that it names lies beside it, or in
        ``data/goals``.
    changes : mapping, optional
        Changes of the scenario.
    """
    file = scenario.find(name_or_path)
    story = scenario.load(file, changes=changes)
    if story.goal:
        beside = file.parent / story.goal
        return load(beside if beside.is_file() else story.goal)
    return _like(story, str(file))


def _like(story: Scenario, file: str) -> Goal:
    """Return the goal of a scenario that names none: its reference run at the least cost, on sizes around its own."""
    n_chips, flop = float(story.cluster.n_chips), story.training.reference_run_flop
    said = {
        "name": story.name[:31].rstrip("-"),
        "title": f"The reference run of {story.name} at the least cost",
        "story": "The scenario names no goal, so its reference run is planned: without a deadline, at the least cost.",
        "decided_on": str(story.decided_on),
        "sizes_per_doubling": 1,
        "want": {"flop": flop.median},
    }
    goal: Goal = made(said, Aim, lambda good: (), what="the goal")
    want, least, most = replace(goal.want, flop=flop), max(8.0, n_chips / 16), max(16.0, 2 * n_chips)
    return replace(goal, like=file, want=want, least_chips=least, most_chips=most)


def _impossible(good: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Find limits that contradict each other or leave nothing."""
    yield from _wanted(good)
    decided, by, start = (good.get(name) for name in ("decided_on", "by", "earliest_start"))
    if decided and by and by <= decided:
        yield "by", f"got {by}, which is not after decided_on ({decided}); give a later day, or an earlier decision"
    if start and by and by <= start != ALWAYS:
        yield "by", f"got {by}, but earliest_start lets nothing be ordered before {start}; move one of the two"
    if decided and start and ALWAYS != start < decided:
        yield "earliest_start", f"got {start}, which is before decided_on ({decided}); leave it out to start at once"
    nothing = "give dollars, or leave it out for no limit"
    if good.get("budget_usd") == 0:
        yield "budget_usd", f"got 0, which trains nothing; {nothing}"
    if good.get("capital_usd") == 0:
        yield "capital_usd", f'got 0, which buys no chip; {nothing}, or say ways: "rent"'
    least, most = good.get("least_chips"), good.get("most_chips")
    if least and most and least > most:
        yield "least_chips", f"got {least:,.0f}, more than most_chips ({most:,.0f}); lower it, or raise the other"
    if said(good, "capital_usd") and good.get("ways") == "rent":
        yield "capital_usd", 'limits an own cluster, but ways is "rent"; leave one of the two out'
    yield from _offered(good)
    like = good.get("like")
    if like:
        try:
            scenario.load(folder / like if (folder / like).is_file() else like)
        except (ScenarioError, OSError, ValueError) as fault:
            yield "like", str(fault).splitlines()[0]


def _wanted(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = ("flop", "loss", "tokens")
    given = [name for name in wanted if said(good, f"want.{name}") is not None]
    if not given and all(good.get(f"want.{name}") is not None for name in wanted):
        yield "want", "says nothing; give flop, or loss, or tokens with training.model"
    elif len(given) > 1:
        yield f"want.{given[-1]}", f"says once more what is wanted; keep one of {', '.join(given)}"
    elif given == ["tokens"] and good.get("training.model") == "" and not good.get("like"):
        yield "want.tokens", "are of a model; give training.model too"


def _offered(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find lists of what is offered that the ways exclude, and what stands twice."""
    ways, sites, rents = good.get("ways"), good.get("sites") or (), good.get("rents") or ()
    if ways == "rent" and sites:
        yield "sites", 'hold owned chips, but ways is "rent"; leave one of the two out'
    if ways == "own" and rents:
        yield "rents", 'are offered, but ways is "own"; leave one of the two out'
    for name, keys in (
        ("chips", [offer.chip for offer in good.get("chips") or ()]),
        ("rents", [f"{rent.kind} {rent.chip}".strip() for rent in rents]),
    ):
        for number, key in enumerate(keys):
            if key in keys[:number]:
                yield f"{name}.{number}", f"{key} stands a second time; keep one"
