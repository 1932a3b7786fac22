import json

import numpy
import pytest

from gigareport import __main__ as command
from gigareport import scenario


@pytest.fixture(scope="module")
def sides():
    story = scenario.load("xai-colossus-2024")
    dear = scenario.load("xai-colossus-2024", changes={"own.chip_usd": [28_000, 31_000, 36_000]})
    plan = scenario.search_plan(story)
    return [scenario.evaluate(it, samples=200, plans=plan, device="cpu") for it in (story, dear)]


def test_a_scenario_differs_from_itself_in_nothing(sides):
    table = scenario.differences(sides[0], sides[0])
    assert scenario.differing_inputs(sides[0].scenario, sides[0].scenario).empty
    assert (table[["low", "median", "high"]].fillna(0.0) == 0).all(axis=None)
    assert (table["more_frac"].dropna() == 0.5).all()


def test_dearer_chips_cost_more_in_every_paired_sample_and_leave_speed_alone(sides):
    table = scenario.differences(*sides).set_index("quantity")
    assert table.loc["own_usd", "low"] > 0
    assert table.loc["own_usd", "more_frac"] == 1.0
    assert table.loc["mfu_frac", "median"] == 0.0
    assert list(scenario.differing_inputs(sides[0].scenario, sides[1].scenario)["field"]) == ["own.chip_usd"]


def test_outlooks_of_other_seeds_are_not_paired(sides):
    other = scenario.evaluate(sides[0].scenario, samples=200, seed=8, plans=sides[0].plan, device="cpu")
    with pytest.raises(ValueError, match="evaluate both with the same"):
        scenario.differences(sides[0], other)


def test_evaluate_prints_every_answer_with_the_samples_that_have_none(capsys):
    assert command.main(["evaluate", "startup-512-2025", "--json", "--samples", "50"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [row["quantity"] for row in found["answers"]] == list(scenario.Outlook.answers())
    assert all(0 <= row["without_frac"] <= 1 for row in found["answers"])
    assert "50 samples, seed 7" in err


def test_compare_prints_inputs_and_differences_and_draws_them(capsys, tmp_path):
    figure = tmp_path / "differences.svg"
    names = ["xai-colossus-2024", "oracle-24k-2024"]
    assert command.main(["compare", *names, "--samples", "50", "--json", "--figure", str(figure)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "cluster.n_chips" in [row["field"] for row in found["inputs"]]
    assert len(found["differences"]) == len(scenario.Outlook.answers())
    assert "</svg>" in figure.read_text()


def test_a_number_of_samples_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["evaluate", "--samples", "10.000"])
    assert caught.value.code == 2
    assert "10 or 10,000" in capsys.readouterr().err


def test_answers_and_rows_agree(sides):
    frame = sides[0].to_frame().set_index("quantity")
    for name in scenario.Outlook.answers():
        assert frame.loc[name, "without_frac"] == pytest.approx(numpy.isnan(getattr(sides[0], name)).mean(), abs=1e-12)
