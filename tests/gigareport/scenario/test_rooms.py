"""Which rooms an evaluation enters: what the tables say is gathered once a scenario, before anything is drawn."""

import sys
from dataclasses import replace

from gigacluster.uncertainty import Uncertain
from gigareport import scenario

#: Drawing, the walk over the register and its records, the spine, its answers, the call itself, and its two numbers.
ROOMS = {f"gigareport.scenario.{name}" for name in ("evaluate", "inputs", "record", "register", "spine", "outlook")}
ROOMS |= {"gigareport.fields"}


def entered(call):
    """Return the modules of the report whose functions a call runs."""
    found = set()

    def look(frame, event, _):
        if event == "call" and (name := frame.f_globals.get("__name__", "")).startswith("gigareport"):
            found.add(name)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(before)
    return found


def test_a_scenario_with_its_plan_is_evaluated_within_seven_rooms():
    story = scenario.load(scenario.STORY)
    plan = scenario.search_plan(story)
    scenario.evaluate(story, samples=8, plans=plan, device="cpu")  # what its tables say is gathered once
    assert entered(lambda: scenario.evaluate(story, samples=64, plans=plan, device="cpu", seed=11)) == ROOMS


def test_an_option_asks_the_tables_for_what_it_changes_alone():
    """The stock, the timeline, rents and laws are those of the story, and nothing is read again."""
    story = scenario.load(scenario.STORY)
    plan = scenario.search_plan(story)
    scenario.evaluate(story, samples=8, plans=plan, device="cpu")
    dear = replace(story, own=replace(story.own, chip_usd=Uncertain.fixed(31_234.0)))
    rooms = entered(lambda: scenario.evaluate(dear, samples=8, plans=plan, device="cpu"))
    assert not rooms & {f"gigareport.{name}" for name in ("catalog", "dictionary")}
    assert not rooms & {f"gigareport.facts.{name}" for name in ("stock", "timeline", "rents", "sites", "ahead")}


def test_what_is_filled_in_does_not_stand_in_the_scenario():
    story = scenario.load("startup-512-2025")
    scenario.evaluate(story, samples=8, device="cpu")
    assert story == scenario.load("startup-512-2025")
