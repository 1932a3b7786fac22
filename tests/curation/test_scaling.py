"""The committed tables about scaling are what the raw files and the fitter give."""

import numpy
import pandas as pd
import pytest

from curation import scaling as curation
from gigacluster import scaling
from gigareport import catalog
from gigareport.calibration.law import replicate_table

NAMES = [
    "chinchilla_runs",
    "data_constrained_runs",
    "routing_runs",
    "benchmark_models",
    "isoflop_runs",
    "ladder_scores",
]


@pytest.mark.parametrize("name", NAMES)
def test_table_equals_the_raw_file(raw_data, name):
    built = getattr(curation, name)(raw_data)
    stored = pd.read_csv(catalog.data_dir() / f"scaling_{name}.csv")
    pd.testing.assert_frame_equal(built, stored, check_exact=False, rtol=1e-15)


def test_stored_replicates_are_the_bootstrap_that_the_residuals_of_the_stored_runs_ask_for():
    stored, made = catalog.load("scaling_law_replicates"), replicate_table()
    for symbol in scaling.LAWS["chinchilla"].names:
        assert numpy.allclose(stored[symbol], made[symbol], rtol=6e-9)  # stored to nine digits
