import math
import re
from pathlib import Path

import pytest

from gigareport import headlines

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.fixture(scope="module")
def lines():
    return headlines.lines()


def test_the_numbers_of_the_readme_are_those_of_the_models(lines):
    text = README.read_text(encoding="utf-8")
    for line in lines:
        assert line in text, "the numbers moved: run `make readme`, and say why in CHANGELOG.md"


#: What the changelog says a headline became, and where the README, whose numbers are computed, says the same.
SAID_TWICE = {
    "advantage": (
        r"Advantage of owning with time .*?, now (\$[\d.]+ billion)",
        r"is better by (\$[\d.]+ billion)",
    ),
    "chance": (r"better in over 99 %, now (\d+ %)", r"better in (\d+ %) where each is counted"),
    "saving": (
        r"Saving for the same .*?, now (\$[\d.]+ billion)",
        r"over 48 months (\$[\d.]+ billion)",
    ),
    "lead": (r"- Lead: .*?, now ([\d.]+) months", r"as large ([\d.]+) months"),
    "months": (r"story: 6\.0, now ([\d.]+\d)", r"done ([\d.]+) months"),
    "share": (r"world when it started: .*? to ([\d.]+ %)", r"Place\.\*\* ([\d.]+ %)"),
    "speed": (r"of peak .*? to (\d+ %) \(", r"Speed\.\*\* (\d+ %) \([^)]*\) of peak"),
    "size": (
        r"Best size for a run .*?, now ([\d.]+ trillion parameters \([^)]*\))",
        r"compute-optimal that is ([\d.]+ trillion parameters \([^)]*\))",
    ),
    "goodput": (r"Goodput of the story: .*? to (\d+ %) \(([^)]*)\) with", r"leave (\d+ %) \(([^)]*)\) of the time"),
    "dense": (r"scored runs: dense ([\d.]+ %) on new", r"dense models: ([\d.]+ %) on new"),
    "happened": (r"owning (\$[\d.]+ billion) and following", r"net present: own (\$[\d.]+ billion)"),
}


@pytest.mark.parametrize("name", SAID_TWICE)
def test_a_number_that_moved_stands_in_the_changelog_as_it_is_now(name):
    """Of what is not released yet; what earlier versions said stays as it was."""
    unreleased = (README.parent / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    assert unreleased.startswith("Unreleased")
    in_changelog, in_readme = SAID_TWICE[name]
    moved = re.search(in_changelog, unreleased)
    if moved is None:
        pytest.skip(f"the {name} did not move since the last release")
    now = re.search(in_readme, README.read_text(encoding="utf-8"))
    assert now is not None, "the README's sentence changed: follow it here"
    assert moved.groups() == now.groups()


def test_a_gpu_figure_comes_from_a_record_or_is_not_measured(lines):
    results = README.parent / "benchmarks" / "results"
    records = [file for file in results.glob("*.json") if file.stem != "cpu"]
    assert (lines[-1] == "- on a GPU: not measured.") is (not records)


def test_writing_replaces_the_text_between_the_marks_alone(tmp_path, lines, monkeypatch):
    monkeypatch.setattr(headlines, "lines", lambda: lines)
    copy = tmp_path / "README.md"
    text = README.read_text(encoding="utf-8")
    copy.write_text(text.replace("How far to trust it", "Old text"), encoding="utf-8")
    headlines.write(copy)
    assert copy.read_text(encoding="utf-8") == text


def test_pictures_of_the_readme_exist():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert "docs/pictures/choice.png" in pictures
    assert [picture for picture in pictures if not (README.parent / picture).is_file()] == []


def test_work_beyond_this_machine_says_what_was_measured():
    rows = headlines.past_this_machine()
    results = README.parent / "benchmarks" / "results"
    on_gpu = any(file.stem != "cpu" for file in results.glob("*.json"))
    assert {row["on"] for row in rows} == {"1 core", "100 workers", "1 GPU", "8 GPUs"}
    for row in rows:
        assert math.isfinite(row["hours"]) is (on_gpu or "GPU" not in row["on"])
        assert (row["known"] == headlines.NOT_MEASURED) is (not math.isfinite(row["hours"]))
    core, workers = (next(row["hours"] for row in rows if row["on"] == on) for on in ("1 core", "100 workers"))
    assert core / 100 <= workers < core / 50


def test_other_ways_to_the_same_work_stand_beside_ours():
    rows = headlines.beside_others()
    for work in {row["work"] for row in rows}:
        ours, *others = (row for row in rows if row["work"] == work)
        assert (ours["by"], ours["times"]) == ("ours", 1.0)
        assert math.isnan(ours["limit"]) or 0 < ours["limit"] < 1  # nothing is faster than its operations alone
        assert others
        assert all(row["times"] > 1 or row["known"] not in ("measured", "a sample of them measured") for row in others)
