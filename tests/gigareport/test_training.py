"""Tables of what compute trains: their order, and what no law of this form can do."""

import numpy
import pytest

from gigacluster import scaling
from gigareport import catalog, scenario, training

RUNS = catalog.load("scaling_chinchilla_runs")


@pytest.fixture(scope="module")
def law():
    return scaling.fit(RUNS, bootstrap=40, flags=False, device="cpu")


@pytest.fixture(scope="module")
def budgets(law):
    stories = [scenario.load(name) for name in ("xai-colossus-2024", "oracle-24k-2024")]
    outlooks = [scenario.evaluate(story, samples=100, device="cpu") for story in stories]
    return training.budgets(outlooks, law.sample(100, 7))


def test_the_slowest_cluster_comes_first_and_each_row_knows_its_scenario(budgets):
    assert list(budgets["scenario"].unique()) == ["oracle-24k-2024", "xai-colossus-2024"]
    assert list(budgets["days"]) == [30, 100, 300] * 2
    by_length = budgets.groupby("cluster", sort=False)["loss"]
    assert (by_length.diff().dropna() < 0).all()
    assert len(training.budgets_in_words(budgets)) == 6


def test_each_tenfold_of_compute_gains_less_and_all_of_them_less_than_is_left(budgets, law):
    gained = training.gains(budgets, law.sample(100, 7))
    assert (gained["low"] <= gained["median"]).all()
    assert (gained["median"] <= gained["high"]).all()
    _, first, second, left = gained["median"]
    assert 0 < second < first < first + second < left


@pytest.mark.parametrize("seed", range(5))
def test_a_model_that_serves_is_smaller_the_more_it_serves_and_never_dearer(law, seed):
    flop = 10 ** numpy.random.default_rng(seed).uniform(20, 27)
    table = training.serving(law, flop)
    size, compute = (table.loc[table["what"] == what, training.SHARE] for what in table["what"].unique())
    assert (size.diff().dropna() <= 0).all()
    assert size.between(0, 1).all()
    assert (compute <= 1 + 1e-9).all()
    at = numpy.interp(table["at"].iloc[0], table[training.SERVED].iloc[:61], size)
    assert table["smaller"].iloc[0] == pytest.approx(at, abs=0.02)


def test_text_that_runs_short_costs_loss_and_less_the_longer_repeats_teach(law, budgets):
    lost = training.repeating(law, 40.0, 1e27, 1e13)["loss lost [nat/token]"]
    assert (lost > 0).all()
    assert (lost.diff().dropna() < 0).all()
    asked = training.text_asked(budgets).set_index("label")
    assert asked.loc["Llama 3's", "over Llama 3's"] == 1


def test_every_law_stands_beside_ours_and_the_printed_one_costs_more(law):
    split = scaling.compute_optimal(law, 1e26)
    laws = training.laws_beside(split, 1e26)
    assert laws["label"].iloc[0] == "this fit"
    assert laws["label"].is_unique
    excess = training.excess_as_printed(laws, split, law.sample(100, 7))["value"].astype(float)
    assert excess[0] < 1 < excess[1]
    assert excess[2] <= excess[3]


def test_a_score_is_told_no_further_than_models_were_measured():
    far, near = (training.scores(flop, 7)[0].iloc[0] for flop in (1e30, 1e22))
    assert near["here"] == 1e22
    assert far["here"] == catalog.load("scaling_benchmark_models")["training_flop"].max()
    assert far["low_here"] < far["high_here"] <= 1
    found = training.ladder()
    assert (found["low"] <= found["high"]).all()
