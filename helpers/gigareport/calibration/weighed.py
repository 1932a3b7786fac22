"""Runs whose memory was printed, or that ran out of it, beside what the model says."""

from __future__ import annotations

import numpy
import pandas as pd

from gigacluster.throughput import predict
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs

#: Column of a prediction that is of the kind that a source printed; what a device shows where it does not say.
_KINDS = {"allocated": "allocated_memory_gib", "reserved": "reserved_memory_gib"}


def runs() -> pd.DataFrame:
    """Return the runs of ``memory_runs`` and ``training_runs`` that can be expressed, and what is said of their memory.

    Added are ``table``, ``predicted_gib`` (of the kind that was printed), ``fits``, ``fit_probability`` and ``blank``
    (something that memory hangs on is not told).
    """
    found = []
    for name in ("memory_runs", "training_runs"):
        table = catalog.load(name)
        cases = table_of_runs.cases(table)
        table = table[cases.expressible].reset_index(drop=True)
        said = predict(table_of_runs.columns(table))
        kinds = table["memory_kind"].astype(str).map(_KINDS).fillna("peak_memory_gib")
        table["predicted_gib"] = [said.loc[i, kind] for i, kind in kinds.items()]
        said = said[["fits", "fit_probability"]].assign(table=name, blank=cases.memory_blank)
        found.append(pd.concat([table, said], axis=1))
    return pd.concat(found, ignore_index=True)


def peaks(table: pd.DataFrame) -> pd.DataFrame:
    """Return those of :func:`runs` that printed a peak, with ``log_error``: the logarithm of the predicted over it."""
    table = table[(table["peak_mem_gib"] > 0) & (table["oom"] != 1)].reset_index(drop=True)
    return table.assign(log_error=numpy.log(table["predicted_gib"] / table["peak_mem_gib"]))
