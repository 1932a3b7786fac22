"""Chunks, progress and executors."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gigacluster.parallel import chunks, progress, workers


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


def test_own_workers_are_processes_that_end():
    with workers() as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, -1)


def test_workers_hand_through_what_they_are_given():
    with ThreadPoolExecutor(1) as pool, workers(pool) as same:
        assert same is pool
