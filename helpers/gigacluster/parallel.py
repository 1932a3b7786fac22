"""Work in pieces: chunks of bounded size, progress for whoever watches a terminal, and where the pieces run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["chunks", "map_all", "progress", "workers"]

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
    items : iterable
    total : int, optional
        Number of items, where ``items`` does not know it.
    what : str
        What is being done, in a word or two.
    unit : str
        What one item is called.
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


def map_all(
    function: Callable[[Any], Item], arguments: Iterable[Any], *, executor: Executor | None = None, what: str = ""
) -> list[Item]:
    """Return ``[function(a) for a in arguments]``, by an executor; an interruption cancels what has not begun."""
    with workers(executor) as pool:
        futures = [pool.submit(function, argument) for argument in arguments]
        try:
            return [future.result() for future in progress(futures, what=what)]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
