"""Questions about hardware that is there, and the command line of the planner."""

import json

import numpy
import pytest
from scipy import stats

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigacluster.units import SECONDS_PER_DAY
from gigareport import planner, scenario
from gigareport.__main__ import main
from gigareport.facts import failures
from gigareport.scenario import ScenarioError


@pytest.fixture(scope="module")
def story():
    return scenario.load("startup-512-2025")


def test_a_chip_of_unknown_power_has_that_of_an_h100_whatever_stood_there(story):
    dense = planner.on(story, "B200", 64)
    usual_w = story.cluster.it_power_w_per_chip.median
    assert dense.cluster.it_power_w_per_chip.median > usual_w
    for like in (story, dense):
        assert planner.on(like, "Trainium1", 64).cluster.it_power_w_per_chip.median == usual_w


def test_more_days_and_more_chips_train_a_better_model(story):
    losses = [
        planner.best_model(story, "H200", n_chips, days, samples=200).outlook.interval("run_loss").median
        for n_chips, days in ((256, 30), (256, 60), (1024, 60))
    ]
    assert losses == sorted(losses, reverse=True)


def test_a_few_chips_train_a_shape_of_their_size(story):
    small, large = (planner.best_model(story, "H200", n_chips, 60, samples=100) for n_chips in (8, 2048))
    params = [found.outlook.interval("run_params").median for found in (small, large)]
    assert params[0] < params[1] / 10
    assert small.shape != large.shape


def test_the_chips_needed_are_enough_and_the_number_before_is_not(story):
    n_chips, tried = planner.chips_needed(story, "H200", 30, 0.9, samples=300)
    assert n_chips == tried["n_chips"].iloc[-1]
    assert (tried["share"].iloc[:-1] < 0.9).all()
    here = planner.on(story, "H200", n_chips)
    days = to_host(scenario.evaluate(here, samples=300, plans=scenario.search_step(here)).reference_run_days)
    assert numpy.mean(days <= 30) >= 0.9
    assert planner.chips_needed(story, "H200", 0.01, 0.9, samples=50, most=64)[0] is None


def test_advice_is_about_the_job_and_its_plans_run(story):
    found = planner.advice(planner.on(story, "H100-SXM", 256), samples=100)
    assert found.batches["is_now"].sum() == 1
    assert found.batches["mfu_frac"].is_monotonic_decreasing
    assert found.recompute["fits"].any()
    assert "256 chips" in found.say()


@pytest.mark.parametrize("n_chips", [8, 256, 2048])
def test_the_spares_advised_keep_the_job_complete_and_one_fewer_does_not(story, n_chips):
    found = planner.advice(planner.on(story, "H200", n_chips), around=(), samples=50)
    rate = failures.failure_rate("H200", n_chips, counts="hardware").pooled.rate.median
    broken = float(reliability.broken_frac(rate, found.repair_days * SECONDS_PER_DAY))
    complete = [
        stats.binom.cdf(spares, n_chips // 8 + spares, broken) for spares in (found.spare_nodes, found.spare_nodes - 1)
    ]
    assert complete[0] >= 0.99 > complete[1]


@pytest.mark.parametrize(
    ("chip", "n_chips", "days"),
    [("H100-SMX", 64, 30), ("H100-SXM", 0, 30), ("H100-SXM", 64, -1), ("H100-SXM", 64.5, 3)],
)
def test_wrong_hardware_is_refused_with_what_is_allowed(story, chip, n_chips, days):
    with pytest.raises((ScenarioError, ValueError), match="H100-SXM|n_chips|days"):
        planner.best_model(story, chip, n_chips, days)


SMALL = """
name: small
title: A small goal
like: startup-512-2025
decided_on: 2025-06-01
by: 2025-12-01
least_chips: 128
most_chips: 256
sizes_per_doubling: 1
want: {flop: 4.0e+23}
chips:
  - {chip: H100-SXM}
"""


def test_the_command_prints_answer_json_and_csv_and_writes_the_winner(tmp_path, capsys):
    file, winner = tmp_path / "goal.yaml", tmp_path / "winner.yaml"
    file.write_text(SMALL)
    arguments = ["plan", str(file), "--samples", "300"]
    assert main([*arguments, "--winner", str(winner)]) == 0
    text = capsys.readouterr().out
    assert "H100-SXM" in text
    assert "90 % probability" in text
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sum(row["is_best"] for row in said["options"]) == 1
    assert main([*arguments, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("name,chip,n_chips,way")
    best = next(row for row in said["options"] if row["is_best"])
    assert main(["evaluate", str(winner), "--samples", "300", "--json"]) == 0
    answers = {row["quantity"]: row for row in json.loads(capsys.readouterr().out)["answers"]}
    column = {"rent by the hour": "rent_reference_run_usd", "own": "own_reference_run_usd"}.get(best["way"])
    if column:
        assert answers[column]["median"] == pytest.approx(
            best["usd"], rel=0.01
        )  # one is a sample, the other between two


def test_the_command_says_an_impossible_goal_and_a_wrong_file(tmp_path, capsys):
    file = tmp_path / "goal.yaml"
    file.write_text(SMALL.replace("2025-12-01", "2025-06-05"))
    assert main(["plan", str(file), "--samples", "200"]) == 3
    assert "The date binds first" in capsys.readouterr().out
    file.write_text(SMALL.replace("by: 2025-12-01", "by: 2025-01-01\nbudget_usd: 0"))
    assert main(["plan", str(file)]) == 1
    fault = capsys.readouterr().err
    assert "budget_usd" in fault
    assert "not after decided_on" in fault
    with pytest.raises(SystemExit):
        main(["plan"])


def test_a_goal_is_checked_by_name_and_by_file(tmp_path, capsys):
    file = tmp_path / "goal.yaml"
    file.write_text(SMALL)
    assert main(["check", "startup-2025", str(file)]) == 0
    assert capsys.readouterr().out.count("good") == 2
