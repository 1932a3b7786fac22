"""Fits, searches and simulations give the same bytes whoever computes them, and lose nothing to a killed worker."""

import numpy
import pytest

from gigacluster import hardware, scaling, throughput, transformer
from gigacluster.scaling import replicates
from gigacluster.throughput import plan_search
from tests import scaling_runs

GPT3 = transformer.model("gpt3-175b")


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


def search_with(executor, top=5):
    found = throughput.search(
        GPT3, hardware.cluster("H100-SXM", 512), 768, seq_len=2048, device="cpu", top=top, executor=executor
    )
    numbers = {"time": found.step.total_s, "memory": found.memory.needed, **found.plans.columns()}
    return numbers, (found.considered, found.feasible, found.evaluated, found.fitting)


def test_a_search_is_the_same_from_any_number_of_workers(processes, monkeypatch):
    monkeypatch.setattr(plan_search, "_SHARE", 40_000)
    wanted, counts = search_with(None)
    for executor in processes:
        found, again = search_with(executor)
        assert same_bytes(wanted, found)
        assert again == counts


def test_where_nothing_fits_workers_say_the_same(monkeypatch):
    monkeypatch.setattr(plan_search, "_SHARE", 4_000)
    said = []
    for executor in (None, 2):
        with pytest.raises(ValueError, match="none of .* feasible plans fits: the nearest") as fault:
            throughput.search(
                GPT3, hardware.cluster("H100-SXM", 16), 768, seq_len=2048, device="cpu", executor=executor
            )
        said.append(str(fault.value))
    assert said[0] == said[1]
