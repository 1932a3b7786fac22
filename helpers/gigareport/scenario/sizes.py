"""The best plan of a job at other sizes of its cluster and its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy

from gigacluster.throughput.job import Job
from gigacluster.throughput.plan_search import search_job

if TYPE_CHECKING:
    import pandas as pd


def mfu_by_size(job: Job, sizes: Sequence[int], *, device: str = "auto") -> pd.DataFrame:
    """Return the utilisation of the best plan at each size: with the job's batch, and with one that grows along.

    Parameters
    ----------
    job : Job
        Whose model, chip and number format hold.
    sizes : sequence of int
        Numbers of chips.
    device : str
        See :func:`gigacluster.arrays.to_device`.

    Returns
    -------
    DataFrame
        ``n_chips, batch`` ("same batch", "batch grows"), ``low, median, high``: share of the chip's peak, with the 80 %
        interval of its step time; nan where no plan fits into memory.
    """
    import pandas as pd

    base = max(job.global_batch // 2 ** round(numpy.log2(job.cluster.n_chips / 1024)), 1)
    rows = []
    for name, batches in (
        ("same batch", [job.global_batch] * len(sizes)),
        ("batch grows", [base * n // 1024 for n in sizes]),
    ):
        for n_chips, batch in zip(sizes, batches, strict=True):
            mfu, spread = _best(job, int(n_chips), int(batch), device)
            rows.append((n_chips, name, mfu / spread, mfu, mfu * spread))
    return pd.DataFrame(rows, columns=["n_chips", "batch", "low", "median", "high"])


def _best(job: Job, n_chips: int, batch: int, device: str) -> tuple[float, float]:
    """Return the utilisation of the best plan and the factor of its interval."""
    changed = replace(job, cluster=replace(job.cluster, n_chips=n_chips), global_batch=batch)
    try:
        found = search_job(changed, top=1, device=device)
    except ValueError:  # no plan fits into memory
        return numpy.nan, numpy.nan
    return float(found.mfu[0]), float(numpy.exp(found.half_width))
