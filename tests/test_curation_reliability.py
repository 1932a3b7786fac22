"""The tables of reliability against the raw files they were read from."""

import pandas as pd
from curation import reliability as curation

from gigareport import catalog


def test_committed_interruptions_are_those_of_the_raw_file(raw_data):
    committed = pd.read_csv(catalog.data_dir() / "llama3_interruptions.csv")
    pd.testing.assert_frame_equal(committed, curation.build(raw_data))


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
    ours = catalog.load("effective_time_published")
    same = ["E01", "E02", "E03", "E04", "E05", "E06", "E07", "E08", "E09", "E10", "E11"]
    printed = raw.loc[same, "value"].str.extract(r"(0\.\d+)")[0].astype(float)
    assert ours["value"].tolist() == printed.tolist()
    assert ours["is_lower_bound"].tolist() == raw.loc[same, "value"].str.startswith(">").tolist()
