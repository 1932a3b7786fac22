"""``gigacluster validate``: scores a file without refitting, drops nothing in silence, and prints the agreed JSON."""

import datetime
import json
import subprocess

import numpy
import pandas as pd
import pytest
import report_samples

from gigacluster.throughput import predict
from gigareport import catalog
from gigareport.__main__ import main
from gigareport.calibration import own, vault
from gigareport.calibration import scores as scoring
from gigareport.calibration.runs import columns, not_scored_reasons
from gigareport.calibration.validation import validate

ERRORS = {"n", "mape", "median_ape", "p90_ape", "bias", "coverage80", "memory_mape"}


@pytest.fixture(scope="module")
def table():
    return catalog.load("training_runs").drop(columns="verification")


@pytest.fixture
def write(tmp_path):
    def to_file(table):
        path = tmp_path / "runs.csv"
        table.to_csv(path, index=False)
        return path

    return to_file


def test_json_has_the_agreed_form(table, write):
    found = json.loads(validate(write(table)).to_json())
    assert list(found) == ["dense", "moe", "by_source", "ranking", "memory", "inexpressible", "not_scored"]
    assert set(found["dense"]) == set(found["moe"]) == ERRORS
    assert set(found["ranking"]) == {"pairs", "concordant"}
    assert all(set(row) == {"run_id", "reason"} for row in found["not_scored"])
    assert found["dense"]["n"] + found["moe"]["n"] + len(found["not_scored"]) == len(table)
    assert sum(row["n"] for row in found["by_source"].values()) == found["dense"]["n"] + found["moe"]["n"]


def test_plans_of_the_bloom_sweep_are_ranked(table, write):
    ranking = validate(write(table)).ranking
    assert ranking["pairs"] > 100
    assert ranking["concordant"] / ranking["pairs"] >= 0.8  # the figure asked for; Calculon ranks 57 to 59 % right


def test_memory_is_scored_by_its_kind_with_a_step_time_or_not(table, write):
    weighed = catalog.load("memory_runs").drop(columns="verification")
    found = validate(write(weighed)).memory
    assert found["n"] == 57
    assert found["mape"] <= 12
    assert found["n_ran"] == 77
    assert found["n_ran_out"] == 15
    assert 0 < found["ran_out_said_to_fit"] < 100
    device = validate(write(weighed.assign(memory_kind="device"))).memory
    assert device["mape"] > found["mape"] + 3  # what a device shows is more than what tensors take


def test_runs_of_the_table_are_said_to_fit(table):
    scored = table[[not reason for reason in not_scored_reasons(table)]]
    assert predict(columns(scored))["fits"].mean() >= 0.95


def test_measured_times_are_not_looked_at(table):
    some = table.iloc[::5]
    blind = some.assign(step_time_s=numpy.nan, tokens_per_s_per_chip=numpy.nan, peak_mem_gib=numpy.nan)
    pd.testing.assert_frame_equal(predict(some), predict(blind))


def test_a_run_is_predicted_the_same_alone_and_among_others(table):
    alone = pd.concat([predict(table.iloc[[index]]) for index in (5, 200, 300)])
    together = predict(table).loc[alone.index]
    numbers = alone.select_dtypes("number").columns
    numpy.testing.assert_allclose(alone[numbers], together[numbers], rtol=1e-12)


def test_what_cannot_be_expressed_counts_at_constant_utilisation_and_is_listed(table, write):
    some = table[table["source_id"] == "korthikanti22"].assign(shard_strategy="of my own")
    found = validate(write(some))
    errors = found.summary()
    assert errors["n"] == len(found.inexpressible) == 8
    assert all("unknown sharding 'of my own'; " in row["reason"] for row in found.inexpressible)
    assert errors["mape"] > 0
    assert errors["coverage80"] == 0  # no interval holds them


def test_a_run_that_contradicts_itself_is_left_out_and_told(table, write):
    some = table[table["source_id"] == "korthikanti22"].assign(dp=3.0)
    found = validate(write(some))
    assert found.summary()["n"] == 0
    assert sum("contradicts itself: tp*pp*cp*dp" in row["reason"] for row in found.not_scored) == 8


def test_bad_cells_are_named_and_none_stops_the_others(table, write):
    some = table[table["source_id"] == "llm-foundry"].head(9).reset_index(drop=True)
    some.loc[0, "n_chips"] = 0
    some.loc[1, "step_time_s"] = 0
    some.loc[2, "chip"] = "XYZ"
    some.loc[3, "precision"] = "int3"
    some.loc[4, "d_model"] = numpy.nan
    some.loc[5, ["model_gflop_per_token_causal", "params_total", "params_active"]] = numpy.nan
    some.loc[5, "recompute"] = "sometimes"
    some.loc[6, "global_batch"] = 1
    some.loc[7, "chip"] = None
    found = validate(write(some))
    assert len(found.inexpressible) == 6
    assert [row["reason"] for row in found.not_scored] == [
        "no step time",
        "contradicts itself: global_batch 1 is less than dp*micro_batch = 2048",
    ]
    assert found.summary()["n"] == 7
    assert "not named" in found.to_text()
    json.loads(found.to_json())


def test_a_file_without_scored_runs_gives_nulls(table, write):
    found = json.loads(validate(write(table.head(3).assign(plan_complete=0))).to_json())
    assert found["dense"] == {"n": 0, **dict.fromkeys(ERRORS - {"n"})}
    assert len(found["not_scored"]) == 3
    assert "Not scored: 3 runs" in validate(write(table.head(3).assign(plan_complete=0))).to_text()


def test_a_header_alone_is_no_run_at_all(table, write):
    found = validate(write(table.head(0)))
    said = json.loads(found.to_json())
    for arch in ("dense", "moe"):
        assert said[arch] == {"n": 0, **dict.fromkeys(ERRORS - {"n"})}
    assert said["by_source"] == {}
    assert said["inexpressible"] == said["not_scored"] == []
    assert said["ranking"] == {"pairs": 0, "concordant": 0}
    assert (said["memory"]["n"], said["memory"]["mape"]) == (0, None)
    assert found.to_text().startswith("No run to score: n = 0.")
    assert "Not scored: 0 runs" in found.to_text()
    assert "Empty" not in found.to_text()


def test_blank_words_are_called_blank(table, write):
    some = table[table["source_id"] == "llm-foundry"].head(2).reset_index(drop=True)
    some.loc[0, "arch"] = None
    some.loc[1, "precision"] = None
    found = validate(write(some))
    assert [row["reason"] for row in found.not_scored] == ["arch is blank; give dense or moe"]
    assert [row["reason"].partition(";")[0] for row in found.inexpressible] == ["precision is blank"]


def test_a_new_family_is_said_to_be_new_and_gets_a_wider_interval(table):
    some = table[table["source_id"] == "llm-foundry"].head(4)
    known, new = predict(some), predict(some.assign(source_id="somebody-else"))
    assert known["family_known"].all()
    assert not new["family_known"].any()
    assert (
        new["step_time_high_s"] / new["step_time_low_s"] > known["step_time_high_s"] / known["step_time_low_s"]
    ).all()


def test_raw_file_of_runs_is_read_as_it_is(raw_data):
    found = validate(raw_data / "throughput_runs" / "runs.csv")
    assert found.summary()["n"] == 550
    assert not found.inexpressible


def test_interval_score_is_its_definition():
    inside, score = scoring.interval_scores(
        numpy.array([10.0, 10.0]), numpy.array([8.0, 11.0]), numpy.array([12.0, 13.0])
    )
    assert inside.tolist() == [True, False]
    assert score.tolist() == pytest.approx([4 / 10, (2 + 10 * 1) / 10])


def test_ties_count_half_and_close_pairs_are_left_out(table):
    sweep = table[(table["source_id"] == "bloom-prequel") & (table["plan_complete"] == 1)]
    tied = scoring.ranking(sweep, numpy.ones(len(sweep)))
    assert tied["concordant"] == tied["pairs"] / 2
    perfect = scoring.ranking(sweep, sweep["step_time_s"].to_numpy())
    assert perfect["concordant"] == perfect["pairs"] == tied["pairs"]


@pytest.mark.parametrize("text", ["", "a;b;c\n1;2;3\n", "name,age\nx,3\n", "\0\1 binary"])
@pytest.mark.parametrize("read", [validate, own.calibrate])
def test_an_empty_or_foreign_file_is_told_the_form_that_is_wanted(tmp_path, text, read):
    file = tmp_path / "runs.csv"
    file.write_text(text)
    with pytest.raises(catalog.CatalogError, match="holds no runs. Wanted is a CSV with commas, a row a run"):
        read(file)


@pytest.fixture
def checkout(tmp_path):
    """A folder under version control that holds the vault of a checkout, empty."""
    folder = tmp_path / "data"
    folder.mkdir()
    header = (catalog.data_dir() / "throughput_vault.csv").read_text(encoding="utf-8").partition("\n")[0]
    (folder / "throughput_vault.csv").write_text(f"{header}\n", encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "vault"]):
        subprocess.run([*git, *words], check=True)
    return folder


def test_the_vault_scores_a_new_source_once(table, write, checkout):
    new = table[table["source_id"].isin(["korthikanti22", "nemo-24.05"])]
    new = new.assign(source_id="new-" + new["source_id"].astype(str))
    file = write(new)
    found = validate(file)
    held = vault.enter(found, file, into=checkout, on=datetime.date(2027, 1, 31))
    assert held["source"].tolist() == ["new-korthikanti22", "new-nemo-24.05"]
    assert held["mape"].tolist() == pytest.approx(
        [found.summary(found.runs["source_id"] == s)["mape"] for s in held["source"]]
    )
    assert (held["entered_on"].dt.date == datetime.date(2027, 1, 31)).all()
    assert held["commit"].str.fullmatch("[0-9a-f]{40}").all()
    with pytest.raises(catalog.CatalogError, match="new-korthikanti22, new-nemo-24.05 was seen before"):
        vault.enter(found, file, into=checkout)
    other = write(new.assign(source_id="newer"))
    assert len(vault.enter(validate(other), other, into=checkout)) == 3  # the vault's own change is no obstacle
    (checkout / "chips.csv").write_text("changed")
    third = write(new.assign(source_id="newest"))
    with pytest.raises(catalog.CatalogError, match="commit these first"):
        vault.enter(validate(third), third, into=checkout)


@pytest.mark.parametrize("found", ["full disk", "no git", "seen before"])
def test_nobody_sees_scores_that_the_vault_does_not_take(found, table, write, checkout, monkeypatch, capsys):
    runs = table[table["source_id"] == "korthikanti22"]
    file = write(runs if found == "seen before" else runs.assign(source_id="new"))
    enter, before = vault.enter, (checkout / "throughput_vault.csv").read_text(encoding="utf-8")
    monkeypatch.setattr(vault, "enter", lambda *given: enter(*given, into=checkout))
    monkeypatch.setenv("GIT_OPTIONAL_LOCKS", "0")  # git is bound by the size too
    if found == "no git":
        monkeypatch.setenv("PATH", "")
    with report_samples.full_disk(100 if found == "full disk" else 2**30):
        assert main(["validate", str(file), "--vault"]) == 1
    said = {
        "full disk": f"{checkout / 'throughput_vault.csv'}: File too large\n",
        "no git": "the vault names the commit that scored; run it in a checkout with git\n",
        "seen before": f"{file}: korthikanti22 was seen before",
    }[found]
    shown = capsys.readouterr()
    assert shown.err.startswith(said)
    assert shown.out == ""
    assert (checkout / "throughput_vault.csv").read_text(encoding="utf-8") == before
    assert [one.name for one in checkout.iterdir()] == ["throughput_vault.csv"]


def test_the_vault_takes_no_source_that_calibration_saw(table, write, checkout):
    file = write(table[table["source_id"] == "korthikanti22"])
    with pytest.raises(catalog.CatalogError, match="korthikanti22 was seen before"):
        vault.enter(validate(file), file, into=checkout)
    assert len(vault.read(checkout)) == 0
    assert vault.told()
