"""Chunks, progress and executors."""

import io
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from gigacluster.parallel import chunks, halving, in_order, progress


@pytest.mark.parametrize(("total", "size"), [(0, 3), (1, 3), (6, 3), (7, 3)])
def test_chunks_cover_everything_once(total, size):
    pieces = list(chunks(total, size))
    assert [i for piece in pieces for i in range(piece.start, piece.stop)] == list(range(total))
    assert all(0 < piece.stop - piece.start <= size for piece in pieces)


def test_a_chunk_needs_a_size():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        list(chunks(3, 0))


def test_progress_passes_items_on_in_silence(capsys):
    assert list(progress(range(3), what="work")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress(range(3), what="work", unit="run")) == [0, 1, 2]
    assert "work" in sys.stderr.getvalue()


def test_progress_is_silent_where_tqdm_is_missing(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert list(progress(range(3))) == [0, 1, 2]


def test_results_come_back_in_order_from_any_executor():
    with ThreadPoolExecutor(2) as pool:
        assert list(in_order(lambda x: x * x, range(20), executor=pool)) == [x * x for x in range(20)]
        assert pool.submit(int, 3).result() == 3  # a passed-in executor stays open
    assert list(in_order(abs, range(-20, 0), executor=2)) == list(range(20, 0, -1))
    assert list(in_order(abs, [-1, -2])) == [1, 2]


def test_pieces_in_flight_are_bounded():
    taken = []

    def pieces():
        for number in range(1000):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(abs, pieces(), executor=pool)
        assert next(results) == 0
        assert len(taken) <= 9  # four for each worker, and the one that was taken out
        results.close()


def test_a_failure_cancels_what_has_not_begun():
    def fail(x):
        raise ArithmeticError(x)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ArithmeticError):
        list(in_order(fail, range(100), executor=pool))


def square_after_a_kill(argument):
    """Return a square; the first time a piece is seen that is marked, its process is killed."""
    number, folder, kills = argument
    with (Path(folder) / "log").open("a") as log:
        log.write(f"{number}\n")
    time.sleep(0.05)  # a piece is long against the way of its result
    if number in kills:
        try:
            (Path(folder) / str(number)).touch(exist_ok=False)
        except FileExistsError:
            return number**2
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


@pytest.mark.parametrize("passed_in", [False, True])
def test_a_pool_of_processes_is_rebuilt_after_a_kill_and_nothing_is_lost(tmp_path, passed_in):
    pieces = [(number, str(tmp_path), (3, 11)) for number in range(20)]
    executor = ProcessPoolExecutor(2) if passed_in else 2
    assert list(in_order(square_after_a_kill, pieces, executor=executor)) == [x**2 for x in range(20)]
    computed = (tmp_path / "log").read_text().split()
    assert len(computed) <= 20 + 2 * 2  # each kill costs at most the piece of each of the two workers


def test_a_piece_that_always_kills_is_given_up():
    with pytest.raises(RuntimeError, match="the processes ended 4 times without a result"):
        list(in_order(kill_oneself, [1], executor=1))


def kill_oneself(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("wrong", ["dask", 2.0, True, object()])
def test_an_executor_of_the_wrong_kind_is_named(wrong):
    with pytest.raises(TypeError, match=r"executor is .*; it can be a number of processes"):
        list(in_order(abs, [1], executor=wrong))


def test_no_processes_and_a_closed_pool_say_what_to_do():
    with pytest.raises(ValueError, match="executor is 0; as a number of processes it must be at least 1"):
        list(in_order(abs, [1], executor=0))
    with ThreadPoolExecutor(1) as pool:
        pass
    with pytest.raises(RuntimeError, match=r"takes no work .*; open a new one, or give a number"):
        list(in_order(abs, [1], executor=pool))


@pytest.fixture(scope="module")
def dask():
    """A Dask cluster of two processes; its nanny would slow small arrays down by trimming memory all the time."""
    distributed = pytest.importorskip("distributed", reason="needs distributed (the extra 'workers')")
    config = pytest.importorskip("dask").config
    with (
        config.set({"distributed.nanny.pre-spawn-environ": {}, "distributed.comm.timeouts.connect": "20s"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Dask closes sockets of its own late
def test_dask_loses_nothing_when_a_worker_is_killed(dask, tmp_path):
    pieces = [(number, str(tmp_path), (5,)) for number in range(20)]
    assert list(in_order(square_after_a_kill, pieces, executor=dask.get_executor())) == [x**2 for x in range(20)]
    assert len((tmp_path / "log").read_text().split()) <= 20 + 20  # finished results of the killed one go with it


@pytest.mark.filterwarnings("default")
def test_a_closed_client_of_dask_says_what_to_do(dask):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(dask.scheduler.address, set_as_default=False) as client:
        executor = client.get_executor()
    with pytest.raises(RuntimeError, match=r"takes no work \(.*closed.*\); open a new one, or give a number"):
        list(in_order(abs, [1], executor=executor))


def test_memory_that_runs_out_halves_the_pieces_and_goes_on():
    released = []

    def work(piece):
        if piece.stop - piece.start > 3:
            raise MemoryError
        return list(range(piece.start, piece.stop))

    pieces = list(halving(work, 10, 8, release=lambda: released.append(True)))
    assert [x for _, part in pieces for x in part] == list(range(10))
    assert max(piece.stop - piece.start for piece, _ in pieces) == 2
    assert len(released) == 2


def test_memory_that_never_suffices_is_said():
    def work(piece):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        list(halving(work, 4, 4))
