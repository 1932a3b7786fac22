"""A goal file is read as scenarios are: a right answer or one short message, every fault at once."""

import datetime
import math
import random
import time

import pytest
import yaml

from gigareport import catalog, planner, scenario
from gigareport.planner.base import base_of, flop_of_loss
from gigareport.planner.register import ALWAYS, NEVER
from gigareport.scenario import ScenarioError

BUNDLED = (catalog.data_dir() / "goals" / "startup-2025.yaml").read_text()


def changed(changes):
    return planner.load("startup-2025", changes=changes)


@pytest.fixture
def written(tmp_path):
    """Load the bundled goal from a file in which some sections are others: a change leaves their other fields."""

    def load(sections):
        (file := tmp_path / "goal.yaml").write_text(yaml.safe_dump(yaml.safe_load(BUNDLED) | sections))
        return planner.load(file)

    return load


@pytest.mark.parametrize("name", planner.names())
def test_every_bundled_goal_is_good(name):
    goal = planner.load(name)
    assert goal.name == name
    assert base_of(goal).story.decided_on == goal.decided_on


def test_what_is_left_out_is_no_limit():
    goal = changed({"wait_months": 0})
    assert math.isnan(goal.capital_usd)
    assert goal.earliest_start == ALWAYS
    assert goal.sites == goal.chips == goal.rents == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget_usd": 0}, ["budget_usd", "got 0", "trains nothing"]),
        ({"capital_usd": 0}, ["capital_usd", "buys no chip", 'ways: "rent"']),
        ({"by": "2025-05-01"}, ["by", "2025-05-01", "not after decided_on (2025-06-01)"]),
        ({"by": "2025-06-01"}, ["by", "not after decided_on"]),
        ({"earliest_start": "2026-01-01"}, ["by", "earliest_start", "2026-01-01"]),
        ({"earliest_start": "2025-01-01"}, ["earliest_start", "before decided_on"]),
        ({"want.loss": 1.95}, ["want.loss", "keep one of flop, loss"]),
        ({"least_chips": 5000}, ["least_chips", "more than most_chips"]),
        ({"ways": "rent", "sites": [{"name": "here", "power_mw": 5, "month": 0}]}, ["sites", 'ways is "rent"']),
        ({"ways": "own", "rents": [{"kind": "hourly"}]}, ["rents", 'ways is "own"']),
        ({"chips": [{"chip": "H100-SXM"}, {"chip": "H100-SXM"}]}, ["chips.1", "a second time"]),
        ({"chips": [{"chip": "H100-SMX"}]}, ["chips.0.chip", "did you mean 'H100-SXM'"]),
        ({"like": "startup-512-2052"}, ["like", "did you mean 'startup-512-2025'"]),
        ({"probability": 1}, ["probability", "0.05", "0.99"]),
        ({"wnat": {"flop": 1e24}}, ["wnat", "did you mean 'want'"]),
        ({"flop": 1e24}, ["flop", "belongs under 'want'"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_contradictions_are_said_with_their_fields(changes, said):
    with pytest.raises(ScenarioError) as fault:
        changed(changes)
    assert all(part in str(fault.value) for part in said), str(fault.value)
    assert len(str(fault.value)) < 2200


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"want": {}}, ["want", "says nothing"]),
        ({"want": {"tokens": 2e12}, "like": ""}, ["want.tokens", "training.model"]),
    ],
)
def test_a_goal_that_wants_nothing_or_tokens_of_no_model_is_refused(sections, said, written):
    with pytest.raises(ScenarioError) as fault:
        written(sections)
    assert all(part in str(fault.value) for part in said), str(fault.value)


def test_contradicting_limits_name_both_and_all_faults_come_at_once():
    with pytest.raises(ScenarioError) as fault:
        changed({"budget_usd": 0, "by": "2025-01-01", "least_chips": 9999, "probability": 2})
    message = str(fault.value)
    assert all(
        name in message for name in ("budget_usd", "by", "decided_on", "least_chips", "most_chips", "probability")
    )


def test_no_such_goal_names_the_nearest():
    with pytest.raises(ScenarioError, match="did you mean 'grok-3-2024'"):
        planner.load("grok-3-2042")
    for odd in ("x" * 5000, "a\0b", ""):
        with pytest.raises(ScenarioError):
            planner.load(odd)


def test_a_scenario_names_its_goal_and_one_without_plans_its_reference_run(tmp_path):
    assert planner.goal_of("xai-colossus-2024").name == "grok-3-2024"
    own = planner.goal_of("gigawatt-2026")
    assert own.want.flop == scenario.load("gigawatt-2026").training.reference_run_flop
    assert own.by == NEVER
    beside = (catalog.data_dir() / "scenarios" / "startup-512-2025.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(beside.replace("horizon_months", "goal: aim.yaml\nhorizon_months", 1))
    (tmp_path / "aim.yaml").write_text(BUNDLED.replace("startup-512-2025 ", "mine.yaml "))
    found = planner.goal_of(tmp_path / "mine.yaml")
    assert found.like == str(tmp_path / "mine.yaml")
    assert base_of(found).story.own.energy_usd_per_kwh.median == 0


def test_a_loss_becomes_the_compute_of_the_law_and_a_lower_one_needs_more():
    higher, lower = (flop_of_loss(loss, 0.9) for loss in (2.0, 1.95))
    for name in ("low", "median", "high"):
        assert getattr(higher, name) < getattr(lower, name)
    with pytest.raises(ScenarioError, match=r"want.loss: got 1.5.*give at least"):
        flop_of_loss(1.5, 0.9)


def test_tokens_of_a_named_model_become_its_compute(written):
    goal = written({"want": {"tokens": 2e12}, "training": {"model": "llama2-70b"}})
    assert base_of(goal).flop.median == pytest.approx(6 * 6.9e10 * 2e12, rel=0.15)  # attention comes on top of 6 N D


def test_a_goal_without_a_scenario_takes_sourced_defaults():
    base = base_of(changed({"like": "", "training": {"model": "llama3-8b"}}))
    assert base.story.training.global_batch * base.story.training.seq_len == pytest.approx(16e6, rel=0.5)
    assert base.build_months.median == 4.3


NAMES = ("probability", "budget_usd", "by", "want.flop", "least_chips", "wait_months", "decided_on", "prefer", "chips")
ODD = (
    "25.000",
    "025",
    "8:32",
    "yes",
    "~",
    "",
    ".inf",
    ".nan",
    "9" * 400,
    "1e400",
    "!!python/object:os.system 3",
    "[1]",
)
ODD += ("[3, 2, 1]", "{low: 1}", "'\\x1b[31mred'", "x" * 10_000, "&a [*a, *a]", "2024-02-30", "-5", "1,000", "3%")


@pytest.mark.parametrize("number", range(60))
def test_a_damaged_file_is_read_or_refused_in_one_short_message(number, tmp_path):
    draw = random.Random(number)
    lines = BUNDLED.splitlines()
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(lines))
        kind = draw.randrange(5)
        if kind == 0:
            lines[place] = lines[place][: draw.randint(0, len(lines[place]))]
        elif kind == 1:
            lines.insert(place, lines[draw.randrange(len(lines))])
        elif kind == 2:
            lines[place] = draw.choice((" ", "\t", "- ")) + lines[place]
        elif kind == 3:
            lines.insert(place, f"{draw.choice(NAMES)}: {draw.choice(ODD)}")
        else:
            key = lines[place].split(":")[0]
            lines[place] = f"{key}: {draw.choice(ODD)}"
    file = tmp_path / "mine.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    started = time.process_time()
    try:
        goal = planner.load(file)
    except ScenarioError as fault:
        said = str(fault)
        assert len(said) < 2000 + len(str(file))
        assert all(letter.isprintable() or letter == "\n" for letter in said)
    else:
        assert isinstance(goal.decided_on, datetime.date)
        assert 0.05 <= goal.probability <= 0.99
    assert time.process_time() - started < 5.0


def test_the_schema_is_that_of_the_register():
    import json

    stored = json.loads((catalog.data_dir() / "goals" / "schema.json").read_text())
    assert stored == scenario.json_schema(planner.Aim)
    assert set(yaml.safe_load(BUNDLED)) <= set(stored["properties"])
