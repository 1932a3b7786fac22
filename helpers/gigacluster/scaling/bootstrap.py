"""Resampling: which rows each replicate draws, block by block, and what that means for its weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from gigacluster.limits import whole

#: "auto" is "case", or "shared" where residuals are shared by groups of runs, or "model" for squared loss.
KINDS = ("auto", "case", "cluster", "model", "shared")


def check_rows(bootstrap: Any, count: int) -> int:
    """Return the number of replicates that ``bootstrap`` asks for: a count, or rows of shape (replicates, count)."""
    if numpy.ndim(bootstrap) == 0:
        return whole("bootstrap", bootstrap)
    rows = numpy.asarray(bootstrap)
    if rows.ndim != 2 or not numpy.issubdtype(rows.dtype, numpy.integer):
        raise ValueError(
            f"bootstrap has shape {rows.shape} and type {rows.dtype}; it must be integers of shape (replicates, rows)"
        )
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise ValueError(f"bootstrap names rows from {rows.min()} to {rows.max()}; there are rows 0 to {count - 1}")
    return len(rows)


def draw_rows(bootstrap: Any, count: int, seed: int, block: int | None = None) -> Iterator[numpy.ndarray]:
    """Yield the rows of the replicates in blocks of shape (up to ``block`` replicates, count).

    ``bootstrap``: how many replicates, or their rows of shape (replicates, count); ``count``: units to draw from, runs
    or clusters of runs. The stream of ``numpy.random.RandomState(seed)`` is frozen for good: replicate i is the i-th
    call of ``choice(count, count)``, whatever the number of replicates and the block.

    Examples
    --------
    >>> next(draw_rows(2, 4, 42))
    array([[2, 3, 0, 2],
           [2, 3, 0, 0]])
    """
    total = check_rows(bootstrap, count)
    given = None if numpy.ndim(bootstrap) == 0 else numpy.asarray(bootstrap)
    stream = numpy.random.RandomState(seed)
    step = block or max(total, 1)
    for first in range(0, total, step):
        size = min(step, total - first)
        yield stream.randint(0, count, size=(size, count)) if given is None else given[first : first + size]


def multiplicities(rows: numpy.ndarray, count: int) -> numpy.ndarray:
    """Return how often each replicate draws each unit, shape (replicates, count): a replicate is a weight vector."""
    offset = count * numpy.arange(len(rows))[:, None]
    return numpy.bincount((rows + offset).ravel(), minlength=count * len(rows)).reshape(len(rows), count).astype(float)
