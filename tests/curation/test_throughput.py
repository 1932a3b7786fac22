"""The tables of chips, runs and models: made from the raw files, and open to further files of the same form."""

import pandas as pd
import pytest

from curation import chips, training_runs
from gigareport import catalog


def _committed(name):
    return pd.read_csv(catalog.data_dir() / f"{name}.csv", dtype=str, keep_default_na=False)


def test_chips_follow_from_the_raw_files(raw_data):
    file = catalog.data_dir() / "chips.csv"
    pd.testing.assert_frame_equal(chips.build(raw_data), pd.read_csv(file), check_dtype=False)


def test_names_of_chips_follow_from_the_raw_file(raw_data):
    raw = pd.read_csv(raw_data / "catalogue_2026" / "chip_aliases.csv", dtype=str, keep_default_na=False)
    committed = _committed("chip_names")
    assert committed[["alias", "chip", "note"]].equals(raw[["alias", "chip", "note"]])


def test_runs_with_their_memory_follow_from_the_raw_file(raw_data):
    assert training_runs.build_memory(raw_data).equals(_committed("memory_runs"))


def test_training_runs_follow_from_the_raw_file(raw_data):
    assert training_runs.build(raw_data).equals(_committed("training_runs"))


def test_the_raw_file_of_runs_itself_loads_to_the_same_table(raw_data):
    raw = catalog.load("training_runs", path=raw_data / "throughput_runs" / "runs.csv").set_index("run_id")
    committed = catalog.load("training_runs").set_index("run_id").loc[raw.index]
    same = ["step_time_s", "global_batch", "model", "chip", "precision", "n_layers", "d_model", "notes"]
    pd.testing.assert_frame_equal(raw[same], committed[same])


def test_the_raw_table_of_chips_itself_loads(raw_data):
    raw = catalog.load("chips", path=raw_data / "chips" / "chips.csv").set_index("chip")
    committed = catalog.load("chips").set_index("chip").loc[raw.index]
    assert (raw["bf16_tflops"].dropna() == committed["bf16_tflops"].dropna()).all()


def test_another_file_of_runs_may_have_blanks_further_columns_and_unknown_sources(tmp_path):
    file = tmp_path / "more.csv"
    file.write_text(
        "run_id,source_id,model,arch,chip,n_chips,seq_len,global_batch,step_time_s,colour\n"
        "X1,some new paper 2027,big,dense,H100-SXM,64,4096,512,3.5,red\n"
        "X2,another,,,,,,,,\n"
    )
    runs = catalog.load("training_runs", path=file)
    assert runs["step_time_s"].tolist()[0] == 3.5
    assert runs.loc[1, ["n_chips", "tp", "step_time_s"]].isna().all()
    assert "colour" not in runs


def test_a_negative_number_in_a_file_of_runs_is_named_by_line_and_column(tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text(
        "run_id,source_id,model,arch,chip,n_chips,seq_len,global_batch,step_time_s\nX,s,m,dense,H100-SXM,8,1,1,-3\n"
    )
    with pytest.raises(catalog.CatalogError, match=r"line 2, column 'step_time_s': must be at least 0; got -3"):
        catalog.load("training_runs", path=file)


def test_runs_are_complete_and_consistent():
    runs = catalog.load("training_runs")
    assert len(runs) == 774
    assert (runs["step_time_s"] > 0).all()
    assert runs["chip"].isin(catalog.load("chips")["chip"]).all()
    # Tokens a second, step time and batch say the same: figures are printed with at least two digits.
    tokens = runs["global_batch"] * runs["seq_len"] / runs["step_time_s"] / runs["n_chips"]
    assert (abs(tokens / runs["tokens_per_s_per_chip"] - 1) < 0.01).all()


def test_recalled_sources_never_carry_a_headline():
    runs = catalog.load("training_runs")
    assert set(runs["source_id"]) - set(catalog.headline(runs)["source_id"]) == {"opt", "gpt-neox", "llama2", "llama3"}
    assert "bloom-176b" not in set(catalog.headline(catalog.load("models"))["name"])


def test_every_source_of_a_chip_is_known():
    known = set(catalog.load("sources")["source_id"])
    further = catalog.load("chips")["further_source_ids"].dropna().str.split(";").explode()
    assert set(further) <= known


def test_recalled_columns_of_chips_are_named_and_cite_memory():
    table = catalog.load("chips")
    recalled = table[table["recalled"].notna()]
    assert len(recalled) > 0
    assert recalled["further_source_ids"].str.contains("chips-recalled").all()
