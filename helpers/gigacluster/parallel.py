"""Work in pieces: chunks of bounded size, progress for whoever watches a terminal, and where the pieces run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["chunks", "progress", "workers"]

Item = TypeVar("Item")


def chunks(total: int, size: int) -> Iterator[slice]:
    """Cut ``range(total)`` into slices of at most ``size``.

    Examples
    --------
    >>> [(piece.start, piece.stop) for piece in chunks(5, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def progress(items: Iterable[Item], total: int | None = None, what: str = "", unit: str = "piece") -> Iterable[Item]:
    """Pass items on, showing how many are done where a person looks at a terminal; silent elsewhere.

    Parameters
    ----------
    total : number of items, where ``items`` does not know it.
    what : what is being done, in a word or two.
    unit : what one item is called.
    """
    if not sys.stderr.isatty():
        return items
    from tqdm.auto import tqdm  # only where someone looks: the models run without it

    return tqdm(items, total=total, desc=what, unit=unit, leave=False)


@contextmanager
def workers(executor: Executor | None = None) -> Iterator[Executor]:
    """Give an executor: the one passed in, left open, or processes on the CPUs this process may use, closed at the end.

    Anything with the interface of :mod:`concurrent.futures` serves, such as ``dask.distributed.Client.get_executor()``.
    """
    if executor is not None:
        yield executor
        return
    with ProcessPoolExecutor(max_workers=_usable_cpus()) as own:
        yield own


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
