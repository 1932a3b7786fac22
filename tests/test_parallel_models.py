"""Fits, searches and simulations give the same bytes whoever computes them, and lose nothing to a killed worker."""

import numpy
import pytest

from gigacluster import scaling
from gigacluster.scaling import replicates
from tests import scaling_runs


@pytest.fixture(scope="module")
def processes():
    """Return how the tests share work out: alone, one, two and four processes."""
    return (None, 1, 2, 4)


def same_bytes(one, other):
    return all(numpy.asarray(one[name]).tobytes() == numpy.asarray(other[name]).tobytes() for name in one)


def test_a_bootstrap_is_the_same_from_any_number_of_workers(processes, monkeypatch):
    monkeypatch.setattr(replicates, "_BLOCK", 40)
    runs = scaling_runs.synthetic(noise=0.01, seed=3)
    found = [
        scaling.fit(runs, bootstrap=200, kind="case", starts=8, device="cpu", flags=False, executor=count).replicates
        for count in processes
    ]
    assert all(same_bytes(found[0], other) for other in found[1:])


def test_an_executor_of_the_wrong_kind_is_refused_by_a_fit():
    with pytest.raises(TypeError, match="executor is 'two'"):
        scaling.fit(
            scaling_runs.synthetic(noise=0.01, seed=3), bootstrap=8, kind="case", starts=8, device="cpu", executor="two"
        )
