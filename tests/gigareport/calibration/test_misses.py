"""Runs that the model misses: which are named, what is said of them, and that a stale diagnosis fails."""

import pandas as pd
import pytest

from gigareport import catalog
from gigareport.beside import count_within, met_within, ratio_rows, worst_factor
from gigareport.calibration import misses


@pytest.fixture(scope="module")
def scored():
    return misses.scored_ratios()


def test_the_worst_are_named_once_a_model_and_source_and_the_worst_first(scored):
    worst = misses.worst(scored, 5)
    assert len(worst) == 5
    assert not worst.duplicated(["source_id", "model"]).any()
    factors = worst["ratio"].where(worst["ratio"] > 1, 1 / worst["ratio"])
    assert factors.is_monotonic_decreasing
    assert factors.iloc[0] == pytest.approx(worst_factor(scored["ratio"]))


def test_the_share_within_a_factor_grows_to_all(scored):
    shares = [misses.within_share(scored, part) for part in (0.0, 0.15, 100.0)]
    assert shares[0] < shares[1] < shares[2] == 1


def test_every_diagnosis_is_of_a_run_that_is_missed(scored):
    found = misses.diagnosed(scored)
    assert len(found) == len(catalog.load("misses"))
    assert found["ratio"].notna().all()


def test_stale_diagnoses_fail_all_at_once(scored):
    met = scored.loc[(scored["ratio"] - 1).abs() < 0.01, "run_id"].iloc[0]
    rows = pd.DataFrame({"run_id": [met, "X9"], "kind": "plan", "why": "…", "is_assumed": False, "source_id": "dgxc"})
    with pytest.raises(ValueError, match=r"stale rows(.|\n)*X9 is no scored run(.|\n)*is met: predicted"):
        misses.diagnosed(scored, rows)


def test_a_title_counts_what_is_met_and_passes_over_what_is_not_known():
    assert met_within(0.2, [0.79, 0.81, 1.19, 1.21]) == "2 of 4 published figures are met within 20 %"
    assert count_within(0.1, [1.0, float("nan")]) == "1 of 1"


def test_rows_of_ratios_stand_worst_first():
    table = pd.DataFrame(
        {"what": ["a", "b", "c"], "published": 1.0, "low": 0.5, "median": [1.1, 0.5, 1.5], "high": 2.0}
    )
    assert ratio_rows(table, "what")["label"].tolist() == ["b", "c", "a"]
