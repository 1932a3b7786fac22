"""Measured runs that the step-time model misses, worst first, and what is known about why."""

from __future__ import annotations

import numpy
import pandas as pd

from gigacluster.throughput.prediction import predict
from gigareport import catalog
from gigareport.calibration.runs import not_scored_reasons

#: A run counts as missed from this factor between prediction and measurement on.
LEAST_MISS = 1.1


def scored_ratios() -> pd.DataFrame:
    """Return the scored runs of ``data/training_runs.csv`` with the shipped model's prediction.

    Added are ``predicted_s`` [s] and ``ratio``, predicted over measured [1].
    """
    runs = catalog.load("training_runs")
    scored = numpy.array([not reason for reason in not_scored_reasons(runs)])
    table = runs.assign(predicted_s=predict(runs)["step_time_s"].to_numpy())[scored]
    table = table.assign(ratio=table["predicted_s"] / table["step_time_s"])
    return table[table["ratio"].notna()]


def worst(scored: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the ``n`` runs whose prediction is furthest off, one a model and source."""
    order = numpy.log(scored["ratio"]).abs().sort_values(ascending=False, kind="stable").index
    return scored.loc[order].drop_duplicates(["source_id", "model"]).head(n)


def within_share(scored: pd.DataFrame, part: float) -> float:
    """Return the share of the runs that are predicted within a share of the measured step time."""
    return float(numpy.mean(numpy.abs(scored["ratio"] - 1) <= part))


def diagnosed(scored: pd.DataFrame, diagnoses: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the diagnosed misses of ``data/misses.csv`` with their runs, worst first.

    Added are of the run ``model, chip, n_chips, source, step_time_s, predicted_s, ratio``. Others in the form of the
    table may stand for it.

    Raises
    ------
    ValueError
        If a run is not scored, or is met within 10 % by now: its diagnosis is stale. All such rows at once.
    """
    rows = catalog.load("misses") if diagnoses is None else diagnoses
    known = scored.set_index("run_id")
    missing = [run for run in rows["run_id"] if run not in known.index]
    found = rows[~rows["run_id"].isin(missing)].drop(columns="source_id")
    runs = known[["model", "chip", "n_chips", "source_id", "step_time_s", "predicted_s", "ratio"]]
    found = found.join(runs.rename(columns={"source_id": "source"}), on="run_id")
    factor = numpy.exp(numpy.abs(numpy.log(found["ratio"])))
    faults = [f"{run} is no scored run of training_runs.csv" for run in missing]
    faults += [
        f"{row.run_id} ({row.model}) is met: predicted {row.ratio:.2f} times the measured step time"
        for row in found[factor < LEAST_MISS].itertuples()
    ]
    if faults:
        raise ValueError("data/misses.csv has stale rows; correct or delete them:\n  " + "\n  ".join(faults))
    return found.loc[factor.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
