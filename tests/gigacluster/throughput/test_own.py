"""A reader's own runs: what three of them teach, what logs say, and what the commands print."""

import json
from dataclasses import replace

import numpy
import pandas as pd
import pytest

from gigacluster.throughput import predict
from gigacluster.throughput import shipped as shipping
from gigareport import catalog
from gigareport.__main__ import main
from gigareport.calibration import own
from gigareport.calibration import runs as table_of_runs


@pytest.fixture
def foreign(tmp_path):
    """Runs of a stack that is a quarter slower than the model predicts, under a name that nobody knows."""
    runs = catalog.load("training_runs").drop(columns="verification")
    some = runs[runs["source_id"] == "nemo-24.05"].reset_index(drop=True).assign(source_id="mine")
    predicted = predict(table_of_runs.columns(some))["step_time_s"]
    file = tmp_path / "mine.csv"
    some.assign(step_time_s=1.25 * predicted).to_csv(file, index=False)
    return file


def test_runs_of_a_slower_stack_teach_that_it_is_slower(foreign):
    taught = own.calibrate(foreign)
    assert taught.n_runs == 8
    assert 0.05 < taught.stack_effect < numpy.log(1.25)  # some of it goes to the coefficients
    assert taught.mape_before == pytest.approx(20.0, abs=0.5)  # predicted over 1.25 times predicted
    assert taught.mape_after < 2
    assert "slower than the model expected" in taught.to_text()


def test_what_was_learnt_is_used_by_predictions(foreign, tmp_path, monkeypatch, capsys):
    out = tmp_path / "calibration.csv"
    assert main(["calibrate", str(foreign), "--out", str(out)]) == 0
    assert "8 runs." in capsys.readouterr().out
    runs = table_of_runs.columns(catalog.load("training_runs", path=foreign))
    before = predict(runs)["step_time_s"] / runs["step_time_s"]
    monkeypatch.setenv("GIGACLUSTER_CALIBRATION", str(out))
    after = predict(runs)["step_time_s"] / runs["step_time_s"]
    assert numpy.abs(numpy.log(after)).max() < 0.05 < numpy.abs(numpy.log(before)).min()
    assert shipping.shipped().own_effect > 0


def test_a_stack_as_expected_teaches_nothing():
    known, widths = shipping.shipped(), own._widths()
    runs = catalog.load("training_runs")
    from gigareport.calibration.crossvalidate import observe
    from gigareport.calibration.fit import log_step_time

    data = observe(runs[runs["source_id"] == "nemo-24.05"])
    chips = numpy.array([known.chip_effects[name] for name in data.labels["chip"]])
    case = replace(data.case, chip_effect=chips, family_effect=0.0 * chips)
    expected = replace(data, log_step_time=log_step_time(case, known.coefficients))
    taught = own.learn(expected, known, widths)
    assert abs(taught.stack_effect) < 1e-6
    assert taught.mape_after < 1e-4


def test_a_file_without_a_run_to_learn_from_says_why(foreign):
    runs = pd.read_csv(foreign)
    runs.assign(step_time_s=0.0).to_csv(foreign, index=False)
    with pytest.raises(catalog.CatalogError, match="no run to learn from; .*no step time"):
        own.calibrate(foreign)


LOGS = {
    "megatron": " iteration 10/ 100 | elapsed time per iteration (ms): 4320.1 | lr: 1e-4 | global batch size:   256 |",
    "titan": "step: 10  loss:  8.49  memory: 47.65GiB(50.16%)  tps: 5,760  mfu: 33.73%",
}


def test_logs_are_read_in_the_median_of_their_steady_steps():
    slow = LOGS["megatron"].replace("4320.1", "99999")
    text = "\n".join([slow] + [LOGS["megatron"]] * 19)
    assert own.read_log(text) == {"step_time_s": 4.3201, "global_batch": 256.0}
    assert own.read_log(LOGS["titan"]) == {"tokens_per_s_per_chip": 5760.0, "peak_mem_gib": 47.65}
    assert own.read_log("Epoch 1: loss 3") is None


@pytest.mark.parametrize(("kind", "says"), [("megatron", "step_time_s = 4.3201"), ("titan", "peak_mem_gib = 47.65")])
def test_a_log_given_instead_of_a_table_is_told_what_it_says(tmp_path, capsys, kind, says):
    file = tmp_path / "log.txt"
    file.write_text(f"[rank0] {LOGS[kind]}\n".replace(",", "") if kind == "megatron" else f"starting\n{LOGS[kind]}\n")
    assert main(["validate", str(file)]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert "Wanted is a CSV" in said


def test_errors_by_source_are_printed_without_a_file(capsys):
    assert main(["validate", "--by-source", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dense"]["worst"]["mape"] == max(row["mape"] for row in found["dense"]["sources"].values())
    assert found["dense"]["mean_over_sources"] <= 12
    assert found["moe"]["source_left_out"]["mape"] <= 18
    assert main(["validate", "--by-source"]) == 0
    assert "nemo-24.05" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["validate"])


def test_runs_on_a_chip_of_ones_own_are_predicted_and_scored(foreign, tmp_path, capsys):
    runs = pd.read_csv(foreign)
    runs.assign(chip="mine").to_csv(foreign, index=False)
    chips = tmp_path / "chips.csv"
    table = catalog.load("chips").drop(columns="verification")
    table[table["chip"] == "H100-SXM"].assign(chip="mine").to_csv(chips, index=False)
    assert main(["predict", str(foreign), "--chips", str(chips)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + len(runs)
    assert main(["validate", str(foreign), "--chips", str(chips), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dense"]["n"] == len(runs)
