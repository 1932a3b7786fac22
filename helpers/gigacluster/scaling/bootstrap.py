"""Resampling: which rows each replicate draws, and what that means for its weights and its losses."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["KINDS", "draw_rows", "multiplicities"]

KINDS = ("case", "residual", "cluster")


def draw_rows(bootstrap: Any, count: int, seed: int) -> numpy.ndarray:
    """Return the rows of each replicate, shape (replicates, count).

    Parameters
    ----------
    bootstrap : int or array of int, shape (replicates, count)
        How many replicates, or their rows.
    count : int
        Units to draw from: runs, or clusters of runs.
    seed : int
        Of ``numpy.random.RandomState``, whose stream is frozen for good: replicate i is the i-th call of
        ``RandomState(seed).choice(count, count)``, and the same whatever the number of replicates.

    Examples
    --------
    >>> draw_rows(2, 4, 42)
    array([[2, 3, 0, 2],
           [2, 3, 0, 0]])
    """
    if numpy.ndim(bootstrap) == 0:
        if int(bootstrap) != bootstrap or bootstrap < 0:
            raise ValueError(f"bootstrap is {bootstrap!r}; give a count of replicates, or an array of row numbers")
        return numpy.random.RandomState(seed).randint(0, count, size=(int(bootstrap), count))
    rows = numpy.asarray(bootstrap)
    if rows.ndim != 2 or not numpy.issubdtype(rows.dtype, numpy.integer):
        raise ValueError(
            f"bootstrap has shape {rows.shape} and type {rows.dtype}; it must be integers of shape (replicates, rows)"
        )
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise ValueError(f"bootstrap names rows from {rows.min()} to {rows.max()}; there are rows 0 to {count - 1}")
    return rows


def multiplicities(rows: numpy.ndarray, count: int) -> numpy.ndarray:
    """Return how often each replicate draws each unit, shape (replicates, count): a replicate is a weight vector."""
    offset = count * numpy.arange(len(rows))[:, None]
    return numpy.bincount((rows + offset).ravel(), minlength=count * len(rows)).reshape(len(rows), count).astype(float)
