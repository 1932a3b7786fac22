"""The tables of reliability against the raw files they were read from."""

import pandas as pd
import pytest

from curation import reliability as curation
from gigareport import catalog


def test_committed_interruptions_are_those_of_the_raw_file(raw_data):
    ours = catalog.load("component_failures").query("list == 'llama3'")[["component", "count", "printed_share"]]
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), curation.interruptions(raw_data))


def test_rows_of_more_houses_are_those_of_the_raw_files(raw_data):
    folder = raw_data / "reliability_2"
    raw = pd.read_csv(folder / "failure_rates_2.csv").set_index("id")
    ours = catalog.load("failure_rates").set_index("failure_id")
    for mine, theirs in {
        "ant-2023": "ant-2023",
        "crusoe-low": "crusoe-h200-low",
        "crusoe-high": "crusoe-h200-high",
    }.items():
        assert ours.loc[mine, "failures_per_1000_node_days"] == pytest.approx(
            raw.loc[theirs, "rate_per_1000_node_days"]
        )
    same = ours.index.intersection(raw.index)
    assert len(same) == 13
    same = same[ours.loc[same, "failures_per_1000_node_days"].notna()]  # two are bounds
    rates = ours.loc[same, "failures_per_1000_node_days"], raw.loc[same, "rate_per_1000_node_days"]
    assert rates[0].tolist() == pytest.approx(rates[1].tolist(), abs=0.0006)
    raw_times = pd.read_csv(folder / "recovery_2.csv").set_index("id")
    times = catalog.load("restart_times").set_index("restart_id")
    same = times.index.intersection(raw_times.index)
    assert len(same) > 50
    for column in ("seconds", "high", "mean_s"):
        assert times.loc[same, column].tolist() == pytest.approx(raw_times.loc[same, column].tolist(), nan_ok=True)
    raw_shares = pd.read_csv(folder / "published_goodput_2.csv").set_index("id")["effective_time_frac"]
    shares = catalog.load("effective_time_published").set_index("effective_id")["value"]
    same = shares.index.intersection(raw_shares.index)
    assert len(same) >= 12
    assert shares[same].tolist() == pytest.approx(raw_shares[same].tolist())


def test_failure_rates_are_those_of_the_raw_file(raw_data):
    raw = pd.read_csv(raw_data / "reliability" / "failure_rates.csv").set_index("id")
    ours = catalog.load("failure_rates").set_index("failure_id")
    same = {
        "llama3-unexpected": "F01",
        "llama3-all": "F02",
        "rsc-1": "F03",
        "rsc-2": "F04",
        "rsc-8-gpu": "F05",
        "rsc-1024-gpu": "F06",
        "ft-hsdp-100k": "F08",
        "ft-hsdp-32k": "F09",
        "opt-175b": "F10",
        "semianalysis-512": "F11",
        "tpu-v4": "F16",
        "llama3-sdc": "F22",
    }
    for mine, theirs in same.items():
        for column, raw_column in (
            ("failures_per_1000_node_days", "rate_per_1000_node_days"),
            ("mttf_h", "mttf_hours_at_gpus"),
            ("n_gpus", "gpus"),
            ("failures", "events"),
        ):
            value = pd.to_numeric(raw.loc[theirs, raw_column], errors="coerce")
            # rates of small jobs follow from their printed times to failure
            assert pd.isna(value) or ours.loc[mine, column] == value, (mine, column)


def test_published_effective_times_are_those_of_the_raw_file(raw_data):
    raw = pd.read_csv(raw_data / "reliability" / "effective_time_published.csv").set_index("id")
    same = ["E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08", "E09", "E10", "E11"]
    ours = catalog.load("effective_time_published").head(len(same))
    printed = raw.loc[same, "value"].str.extract(r"(0\.\d+)")[0].astype(float)
    assert ours["value"].tolist() == printed.tolist()
    assert ours["is_lower_bound"].tolist() == raw.loc[same, "value"].str.startswith(">").tolist()
