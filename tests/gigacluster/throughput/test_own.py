"""A reader's own runs: what three of them teach, what logs say, and what the commands print."""

import json
from dataclasses import replace

import numpy
import pandas as pd
import pytest

from gigacluster import hardware
from gigacluster.tables import data_dir
from gigacluster.throughput import predict, search
from gigacluster.throughput import shipped as shipping
from gigacluster.transformer import model
from gigareport import catalog, scenario
from gigareport.__main__ import main
from gigareport.calibration import logs, own
from gigareport.calibration import runs as table_of_runs


@pytest.fixture(scope="module")
def slower():
    """Runs of a stack that is a quarter slower than the model predicts, under a name that nobody knows."""
    runs = catalog.load("training_runs").drop(columns="verification")
    some = runs[runs["source_id"] == "nemo-24.05"].reset_index(drop=True).assign(source_id="mine")
    return some.assign(step_time_s=1.25 * predict(table_of_runs.columns(some))["step_time_s"])


@pytest.fixture
def foreign(slower, tmp_path):
    """The file of these runs."""
    slower.to_csv(file := tmp_path / "mine.csv", index=False)
    return file


@pytest.fixture(scope="module")
def taught(slower, tmp_path_factory):
    """What these runs teach."""
    slower.to_csv(file := tmp_path_factory.mktemp("taught") / "mine.csv", index=False)
    return own.calibrate(file)


def test_runs_of_a_slower_stack_teach_that_it_is_slower(taught):
    assert taught.n_runs == 8
    assert 0.05 < taught.stack_effect < numpy.log(1.25)  # some of it goes to the coefficients
    assert taught.mape_before == pytest.approx(20.0, abs=0.5)  # predicted over 1.25 times predicted
    assert taught.mape_after < 2
    assert "slower than the model expected" in taught.to_text()


@pytest.fixture
def learnt(taught, tmp_path):
    """The file of a calibration that these runs taught."""
    file = tmp_path / "calibration.csv"
    taught.to_csv(file)
    return file


def test_what_was_learnt_is_used_by_predictions(foreign, learnt, tmp_path, capsys):
    again = tmp_path / "again.csv"
    assert main(["calibrate", str(foreign), "--out", str(again)]) == 0
    assert "8 runs." in capsys.readouterr().out
    assert again.read_text() == learnt.read_text()
    runs = table_of_runs.columns(catalog.load("training_runs", path=foreign))
    before = predict(runs)["step_time_s"] / runs["step_time_s"]
    after = predict(runs, calibration=learnt)["step_time_s"] / runs["step_time_s"]
    assert numpy.abs(numpy.log(after)).max() < 0.05 < numpy.abs(numpy.log(before)).min()


def test_what_was_learnt_is_used_by_commands(foreign, learnt, capsys):
    option = ["--calibration", str(learnt)]
    assert main(["validate", str(foreign), "--json", *option]) == 0
    assert json.loads(capsys.readouterr().out)["dense"]["mape"] < 5
    assert main(["predict", str(foreign)]) == 0
    shipped = capsys.readouterr().out
    assert main(["predict", str(foreign), *option]) == 0
    assert capsys.readouterr().out != shipped


def test_what_was_learnt_is_used_by_a_search_which_says_so(learnt):
    cluster, limits = hardware.cluster("H100-SXM", 8), {"tp": [1], "pp": [1], "cp": [1]}
    usual, mine = (
        search(model("llama3-8b"), cluster, 16, seq_len=8192, limits=limits, device="cpu", calibration=given)
        for given in (None, learnt)
    )
    assert mine.step_time_s[0] > 1.05 * usual.step_time_s[0]
    assert "8 of one's own" in mine.told()
    assert "own" not in usual.told()


def test_what_was_learnt_is_used_by_a_scenario_beside_it(learnt):
    file = learnt.parent / "mine.yaml"
    text = (catalog.data_dir() / "scenarios" / "xai-colossus-2024.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("training:\n", f"training:\n  calibration: {learnt.name}\n"), encoding="utf-8")
    story = scenario.load(file)
    assert story.training.calibration == str(learnt)
    usual = scenario.search_plan(scenario.load("xai-colossus-2024"))
    mine = scenario.search_plan(story)
    assert mine.step_time_s > 1.05 * usual.step_time_s
    assert mine.found.calibration.own_runs == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "cannot be read"), ("a,b\n1,2\n", "is no calibration"), ("kind,name,value\n", "is no calibration")],
)
def test_a_file_that_is_no_calibration_is_told(tmp_path, foreign, capsys, text, says):
    file = tmp_path / "none.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=says):
        shipping.read_calibration(file)
    with pytest.raises(SystemExit):
        main(["predict", str(foreign), "--calibration", str(file)])
    assert says in capsys.readouterr().err
    with pytest.raises(scenario.ScenarioError, match=rf"training\.calibration: .*{says}"):
        scenario.load("xai-colossus-2024", changes={"training.calibration": str(file)})


def test_a_calibration_that_was_written_again_is_read_again(tmp_path):
    file = tmp_path / "mine.csv"
    text = (data_dir() / "throughput_coefficients.csv").read_text()
    for n_runs in (4, 9):
        file.write_text(f"{text}own,runs,{n_runs}\n")
        assert shipping.read_calibration(file).own_runs == n_runs


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
    with pytest.raises(catalog.CatalogError, match=r"(?s)no run to learn from; .*no step time"):
        own.calibrate(foreign)


LOGS = {
    "megatron": " iteration 10/ 100 | elapsed time per iteration (ms): 4320.1 | lr: 1e-4 | global batch size:   256 |",
    "titan": "step: 10  loss:  8.49  memory: 47.65GiB(50.16%)  tps: 5,760  mfu: 33.73%",
}


def test_logs_are_read_in_the_median_of_their_steady_steps():
    slow = LOGS["megatron"].replace("4320.1", "99999")
    text = "\n".join([slow] + [LOGS["megatron"]] * 19)
    assert logs.read_log(text) == {"step_time_s": 4.3201, "global_batch": 256.0}
    assert logs.read_log(LOGS["titan"]) == {"tokens_per_s_per_chip": 5760.0, "peak_mem_gib": 47.65}
    assert logs.read_log("Epoch 1: loss 3") is None


def test_logs_measure_the_rows_of_their_plans(foreign, tmp_path, capsys):
    table = pd.read_csv(foreign).assign(step_time_s=numpy.nan, tokens_per_s_per_chip=numpy.nan)
    table.to_csv(foreign, index=False)
    files = []
    for i, run in table.iterrows():
        file = tmp_path / f"{i}.log"
        file.write_text(
            LOGS["megatron"].replace("256 |", f"{run['global_batch']:.0f} |").replace("4320.1", f"{7000 + i}")
        )
        files.append(f"{run['run_id']}={file}")
    read = logs.joined(catalog.load("training_runs", path=foreign), files)
    assert read["step_time_s"].tolist() == [7.0 + i / 1000 for i in range(8)]
    tokens = read["global_batch"] * read["seq_len"] / read["step_time_s"] / read["n_chips"]
    numpy.testing.assert_allclose(read["tokens_per_s_per_chip"], tokens)
    assert own.calibrate(foreign, logs=files).n_runs == 8
    options = [part for file in files[:3] for part in ("--log", file)]
    assert main(["validate", str(foreign), "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["dense"]["n"] == 3


def test_a_log_of_torchtitan_alone_gives_step_time_and_memory(foreign, tmp_path):
    pd.read_csv(foreign).head(1).assign(global_batch=64, n_chips=8, seq_len=8192).to_csv(foreign, index=False)
    file = tmp_path / "titan.log"
    file.write_text(LOGS["titan"])
    (run,) = logs.joined(catalog.load("training_runs", path=foreign), [str(file)]).to_dict("records")
    assert run["step_time_s"] == pytest.approx(64 * 8192 / (5760 * 8))
    assert run["peak_mem_gib"] == 47.65


def test_every_log_that_does_not_belong_is_told(foreign, tmp_path):
    runs = catalog.load("training_runs", path=foreign)
    first, empty = str(runs["run_id"].iloc[0]), tmp_path / "empty.log"
    empty.write_text("Epoch 1: loss 3")
    other = tmp_path / "other.log"
    other.write_text(LOGS["megatron"].replace("256 |", "31 |"))
    with pytest.raises(catalog.CatalogError) as fault:
        logs.joined(runs, [str(empty), f"nobody={empty}", f"{first}={empty}", f"{first}=gone", f"{first}={other}"])
    heading, *said = str(fault.value).splitlines()
    assert heading == "--log has 5 faults:"
    for line, part in zip(
        said,
        [
            "of which of the 8 runs",
            "no run is called 'nobody'",
            "no line of Megatron",
            "gone does not exist; give the path of a log",
            "batch size 31",
        ],
        strict=True,
    ):
        assert part in line


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
