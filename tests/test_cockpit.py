"""The inputs that decide a scenario, and the answers that follow them."""

import pytest

from gigareport import cockpit, scenario
from gigareport.answers import HEADLINES, answers_of

STORY = scenario.load("xai-colossus-2024")


def answer(*steps):
    made = cockpit.levers(STORY)
    return answers_of(scenario.evaluate(cockpit.changed(STORY, made, steps), samples=300))


STARTS = tuple(lever.start for lever in cockpit.levers(STORY))


def moved(label, step):
    made = cockpit.levers(STORY)
    place = next(index for index, lever in enumerate(made) if lever.label.startswith(label))
    numbers = {number.quantity: number.raw for number in answer(*STARTS[:place], step, *STARTS[place + 1 :]).numbers}
    base = {number.quantity: number.raw for number in answer(*STARTS).numbers}
    return {
        name: numbers[name] / base[name] for name in ("reference_run_days", "saving_usd", "advantage_usd", "own_usd")
    }


def test_levers_at_their_start_leave_the_scenario_as_it_is():
    assert cockpit.changed(STORY, cockpit.levers(STORY), STARTS) == STORY


@pytest.mark.parametrize(
    ("label", "quantity", "rises"),
    [
        ("Chips", "reference_run_days", False),
        ("Rent", "saving_usd", True),
        ("Power", "own_usd", True),
        ("Failures", "reference_run_days", True),
        ("Delay", "advantage_usd", False),
        ("Value of a month", "advantage_usd", True),
    ],
)
def test_each_lever_moves_its_answer_the_way_it_must(label, quantity, rises):
    ratio = moved(label, 4)[quantity]
    assert ratio > 1.005 if rises else ratio < 0.995


def test_a_page_holds_the_models_answer_at_each_step_the_others_at_their_start():
    made = cockpit.levers(STORY)
    record = cockpit.page_record(made, answer)
    assert [len(steps) for steps in record["answers"]] == [len(lever.texts) for lever in made]
    for steps, lever in zip(record["answers"], made, strict=True):
        assert steps[lever.start] == record["start"]
    assert len({steps[-1]["verdict"] for steps in record["answers"]}) > 1


def test_the_headline_numbers_come_first():
    assert tuple(number.quantity for number in answer(*STARTS).numbers[: len(HEADLINES)]) == HEADLINES
