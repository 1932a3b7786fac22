"""Predictions beside measurements: which misses are named, and what shares and factors are said of them."""

import pytest

from gigacluster import throughput
from gigareport import catalog
from gigareport.plots import validation
from gigareport.plots.ratios import met_within, worst_factor


@pytest.fixture(scope="module")
def scored():
    runs = catalog.load("training_runs")
    runs = runs[runs["source_id"].isin(["dgxc", "megatron-bridge-26.02"])].reset_index(drop=True)
    return runs, throughput.predict(runs)


def test_worst_misses_name_each_model_of_a_source_once_and_the_worst_first(scored):
    misses = validation.worst_misses(*scored, 5)
    assert len(misses) == 5
    assert not misses.duplicated(["source_id", "model"]).any()
    factors = misses["ratio"].where(misses["ratio"] > 1, 1 / misses["ratio"])
    assert factors.is_monotonic_decreasing
    assert factors.iloc[0] == pytest.approx(worst_factor(validation.worst_misses(*scored, 10_000)["ratio"]))


def test_the_share_within_a_factor_grows_to_all(scored):
    shares = [validation.within_share(*scored, factor) for factor in (0.0, 0.15, 100.0)]
    assert shares[0] < shares[1] < shares[2] == 1


def test_a_title_counts_what_is_met():
    assert met_within(0.2, [0.79, 0.81, 1.19, 1.21]) == "2 of 4 published figures are met within 20 %"
