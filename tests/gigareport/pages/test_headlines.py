import math
from pathlib import Path

from gigareport import headlines

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_numbers_of_the_readme_are_those_of_the_models():
    text = README.read_text(encoding="utf-8")
    for line in headlines.lines():
        assert line in text, "the numbers moved: run `make readme`, and say why in CHANGELOG.md"


def test_a_gpu_figure_comes_from_a_record_or_is_not_measured():
    results = README.parent / "benchmarks" / "results"
    records = [file for file in results.glob("*.json") if file.stem != "cpu"]
    assert (headlines.lines()[-1] == "- on a GPU: not measured.") is (not records)


def test_writing_replaces_the_text_between_the_marks_alone(tmp_path):
    copy = tmp_path / "README.md"
    text = README.read_text(encoding="utf-8")
    copy.write_text(text.replace("How far to trust it", "Old text"), encoding="utf-8")
    headlines.write(copy)
    assert copy.read_text(encoding="utf-8") == text


def test_pictures_of_the_readme_exist():
    import re

    for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / picture).is_file(), picture


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
