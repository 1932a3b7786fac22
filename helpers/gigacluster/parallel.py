"""Work in pieces: chunks of bounded size, progress for whoever watches a terminal, and where the pieces run."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from itertools import islice
from typing import Any, TypeAlias, TypeVar

Item = TypeVar("Item")
#: Who computes: this process, so many processes, or an executor with the interface of :mod:`concurrent.futures`.
Workers: TypeAlias = Executor | int | None

#: Pieces in flight where an executor does not say how many workers it has.
_WINDOW = 1000
#: Times in a row that a pool of processes may break without a result between: a piece may be what kills them.
_MOST_BREAKS = 3


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
    total : Number of items, where ``items`` does not know it.
    what : What is being done, in a word or two.
    unit : What one item is called.
    """
    if not sys.stderr.isatty():
        return items
    try:
        from tqdm.auto import tqdm  # only where someone looks: the models run without it
    except ImportError:
        return items
    return tqdm(items, total=total, desc=what, unit=unit, leave=False)


def in_order(
    function: Callable[[Any], Item], pieces: Iterable[Any], *, executor: Workers = None, what: str = ""
) -> Iterator[Item]:
    """Yield ``function(piece)`` for every piece, in their order, wherever they are computed.

    Parameters
    ----------
    function : Importable by name where the pieces go to other processes.
    executor : number of processes, or an executor as in :mod:`concurrent.futures`, or None for this process
        Pools, ``dask.distributed.Client.get_executor()`` and ``mpi4py.futures.MPIPoolExecutor`` serve. One that is
        passed in stays open. A pool of processes that breaks, because one of them was killed, is replaced by a new one
        of the same size, and only pieces that had no result are computed again.
    what : What is being done, in a word or two, for who watches a terminal.

    Raises
    ------
    TypeError, ValueError
        If ``executor`` is neither.
    RuntimeError
        If it is closed, or if its processes break again and again.

    Examples
    --------
    >>> list(in_order(abs, [-3, 2]))
    [3, 2]
    """
    if executor is None:
        yield from map(function, progress(pieces, what=what))
        return
    pool = _Pool(executor)
    left = iter(pieces)
    waiting: deque[tuple[Any, Future[Item]]] = deque()  # bounded: results wait for their turn
    broken = 0
    try:
        while True:
            try:
                for piece in islice(left, pool.window - len(waiting)):
                    waiting.append((piece, pool.submit(function, piece)))
                if not waiting:
                    return
                result = waiting[0][1].result()
            except BrokenExecutor as fault:
                broken += 1
                if broken > _MOST_BREAKS:
                    raise RuntimeError(f"the processes ended {broken} times without a result: {fault}") from fault
                pool.replace()
                waiting = deque((p, f if _has_result(f) else pool.submit(function, p)) for p, f in waiting)
                continue
            broken = 0
            waiting.popleft()
            yield result
    finally:
        for _, future in waiting:
            future.cancel()
        pool.close()


def check_executor(executor: Workers) -> None:
    """Refuse what is no executor, before any work begins.

    Raises
    ------
    TypeError, ValueError
        If it is neither a number of processes, nor an executor, nor None.
    """
    if isinstance(executor, int) and not isinstance(executor, bool):
        if executor < 1:
            raise ValueError(f"executor is {executor}; as a number of processes it must be at least 1")
    elif executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor is {executor!r}; it can be a number of processes, an executor of concurrent.futures, "
            "client.get_executor() of Dask, or None"
        )


class _Pool:
    """An executor of ours, which is closed at the end, or one passed in, which stays open."""

    def __init__(self, executor: Workers) -> None:
        check_executor(executor)
        self._own: Executor | None = _processes(executor) if isinstance(executor, int) else None
        self._now: Any = self._own or executor
        count = getattr(self._now, "_max_workers", None)
        self._context = getattr(self._now, "_mp_context", None)
        self._count = count if isinstance(count, int) else None
        #: Pieces submitted at once: enough to keep everyone busy while the first is waited for.
        self.window = 4 * self._count if self._count else _WINDOW

    def submit(self, function: Callable[[Any], Item], piece: Any) -> Future[Item]:
        try:
            return self._now.submit(function, piece)  # type: ignore[no-any-return]
        except BrokenExecutor:
            failed: Future[Item] = Future()
            failed.set_exception(BrokenExecutor("the pool is broken"))
            return failed
        except Exception as fault:  # a closed pool says RuntimeError, a closed client of Dask an error of its own
            raise RuntimeError(f"the executor takes no work ({fault}); open a new one, or give a number") from fault

    def replace(self) -> None:
        self.close()
        self._own = self._now = _processes(self._count, self._context)

    def close(self) -> None:
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)


def _processes(count: int | None, context: Any = None) -> Executor:
    """Return a pool that leaves Ctrl-C, which a terminal sends to all processes, to the one that asked."""
    ignored = (signal.SIGINT, signal.SIG_IGN)
    return ProcessPoolExecutor(count, mp_context=context, initializer=signal.signal, initargs=ignored)


def _has_result(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and not isinstance(future.exception(), BrokenExecutor)


def halving(
    function: Callable[[slice], Item],
    total: int,
    size: int,
    *,
    first: int = 0,
    cut: Callable[[int, int], slice] = lambda start, size: slice(start, start + size),
    release: Callable[[], None] = lambda: None,
) -> Iterator[tuple[slice, Item]]:
    """Yield pieces of ``range(first, total)`` with what a function makes of them; pieces shrink where memory runs out.

    Parameters
    ----------
    function : Takes a slice.
    total, size : int
        Elements, and how many at once to begin with. Each time ``function`` runs out of memory the size is halved.
    first : Where to begin.
    cut : ``cut(start, size)`` returns the piece from an element on, which may have another size.
    release : Called after memory ran out, such as to give back what a memory pool holds.
    """
    while first < total:
        piece = cut(first, size)
        piece = slice(piece.start, min(piece.stop, total))
        try:
            result = function(piece)
        except MemoryError:
            if size <= 1:
                raise
            size = min(size, piece.stop - first) // 2
            release()
            continue
        yield piece, result
        first = piece.stop
