"""data/training_runs.csv from the raw file of measured runs: the same rows and cells, fewer columns."""

import pandas as pd

from gigareport.dictionary import columns_of


def build(raw_data):
    """Return the table as ``data/training_runs.csv`` holds it: every cell as printed in the raw file."""
    raw = pd.read_csv(raw_data / "throughput_runs" / "runs.csv", dtype=str, keep_default_na=False)
    return raw[columns_of("training_runs")]
