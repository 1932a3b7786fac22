"""Runs whose memory was printed, or that ran out of it, beside what the model says."""

from __future__ import annotations

from typing import Any

import numpy
import pandas as pd

from gigacluster.throughput import predict
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs

#: Column of a prediction that is of the kind that a source printed; what a device shows where it does not say.
_KINDS = {"allocated": "allocated_memory_gib", "reserved": "reserved_memory_gib"}


def of_kind(runs: pd.DataFrame, said: pd.DataFrame) -> numpy.ndarray:
    """Return predicted peaks of the kind that each run printed. [GiB]"""
    kinds = runs["memory_kind"].astype(str).map(_KINDS).fillna("peak_memory_gib")
    return said.to_numpy()[numpy.arange(len(said)), said.columns.get_indexer(kinds)].astype(float)


def weigh(runs: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that can be expressed, and what their prediction says of memory.

    Added are ``predicted_gib`` (of the kind that was printed), ``fits`` and ``fit_probability``.
    """
    told = (said["inexpressible"] == "").to_numpy()
    kept, said = runs[told].reset_index(drop=True), said[told].reset_index(drop=True)
    return pd.concat([kept, said[["fits", "fit_probability"]].assign(predicted_gib=of_kind(kept, said))], axis=1)


def known() -> pd.DataFrame:
    """Return the runs of ``memory_runs`` and ``training_runs``, weighed.

    ``table`` tells which, ``blank`` whether something that memory hangs on is not told.
    """
    tables = []
    for name in ("memory_runs", "training_runs"):
        runs = catalog.load(name)
        blank = table_of_runs.cases(runs).memory_blank
        tables.append(weigh(runs, predict(table_of_runs.columns(runs))).assign(blank=blank, table=name))
    return pd.concat(tables, ignore_index=True)


def peaks(weighed: pd.DataFrame) -> pd.DataFrame:
    """Return those of weighed runs that printed a peak, with ``log_error``: the logarithm of the predicted over it."""
    table = weighed[(weighed["peak_mem_gib"] > 0) & (weighed["oom"] != 1)].reset_index(drop=True)
    return table.assign(log_error=numpy.log(table["predicted_gib"] / table["peak_mem_gib"]))


def scores(weighed: pd.DataFrame) -> dict[str, Any]:
    """Return how well peaks and decisions are met, in percent; ``None`` where there is no run.

    Peaks are of runs that are told in full; decisions are of all: a run that ran, or that ran out.
    """
    told = peaks(weighed[weighed["plan_complete"] == 1])
    size = 100.0 * numpy.expm1(told["log_error"]).abs()
    by_source = size.groupby(told["source_id"].astype(str)).mean()
    out = weighed["oom"] == 1
    return {
        "n": len(told),
        "mape": _mean(size),
        "mean_over_sources": _mean(by_source),
        "sources": by_source.to_dict(),
        "n_ran": int((~out).sum()),
        "ran_said_not_to_fit": _mean(100.0 * ~weighed.loc[~out, "fits"]),
        "n_ran_out": int(out.sum()),
        "ran_out_said_to_fit": _mean(100.0 * weighed.loc[out, "fits"]),
    }


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None
