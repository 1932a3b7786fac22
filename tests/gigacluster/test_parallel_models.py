"""Fits, searches and simulations give the same bytes whoever computes them, and lose nothing to a killed worker."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest

from gigacluster import hardware, reliability, scaling, throughput, transformer
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


RUNS = scaling_runs.synthetic(noise=0.01, seed=3)
FACES = {
    "search": lambda executor: search_with(executor),
    "fit": lambda executor: scaling.fit(RUNS, bootstrap=8, kind="case", starts=8, device="cpu", executor=executor),
    "simulation": lambda executor: reliability.simulate(
        mttf_s=7_200.0, checkpoint_write_s=60.0, restart_s=600.0, failures=1_000, executor=executor
    ),
}


@pytest.mark.parametrize("face", FACES)
def test_every_face_refuses_what_is_no_executor_and_one_that_is_closed(face):
    with pytest.raises(TypeError, match="executor is 'two'; it can be a number of processes"):
        FACES[face]("two")
    with pytest.raises(ValueError, match="executor is 0; as a number of processes it must be at least 1"):
        FACES[face](0)
    with ThreadPoolExecutor(1) as pool:
        pass
    with pytest.raises(RuntimeError, match="the executor takes no work .*; open a new one, or give a number"):
        FACES[face](pool)


def test_a_fit_without_replicates_refuses_an_executor_of_the_wrong_kind_too():
    with pytest.raises(TypeError, match="executor is 'two'"):
        scaling.fit(RUNS, device="cpu", executor="two")


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


JOB = {"checkpoint_write_s": 60.0, "mttf_s": 7_200.0, "failures": 20_000, "failures_per_run": 100}


@pytest.mark.parametrize("spares", [None, 3])
def test_a_simulation_is_the_same_from_any_number_of_workers(processes, spares):
    found = [
        reliability.simulate(
            restart_s=600.0, restart_sigma=0.5, spares=spares, repair_s=3_600.0, chunk=30, executor=count, **JOB
        )
        for count in processes
    ]
    assert len({(one.goodput_frac, one.standard_error, one.cluster_days) for one in found}) == 1


def test_a_simulation_does_not_depend_on_its_chunks():
    small, large = (reliability.simulate(restart_s=600.0, chunk=chunk, **JOB) for chunk in (7, 1_000))
    assert small.goodput_frac == pytest.approx(large.goodput_frac, rel=1e-12)  # sums in another order
    assert small.run_goodput_frac.tobytes() == large.run_goodput_frac[:7].tobytes()


@pytest.fixture(scope="module")
def dask():
    """A Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed", reason="needs distributed (the extra 'workers')")
    config = pytest.importorskip("dask").config
    with (
        config.set({"distributed.nanny.pre-spawn-environ": {}}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Dask closes sockets of its own late
def test_dask_gives_the_same_bytes_though_a_worker_is_killed(dask, monkeypatch):
    monkeypatch.setattr(replicates, "_BLOCK", 40)
    runs = scaling_runs.synthetic(noise=0.01, seed=3)
    options = {"bootstrap": 400, "kind": "case", "starts": 8, "device": "cpu", "flags": False}
    wanted = scaling.fit(runs, **options).replicates
    victim = next(iter(dask.run(os.getpid).values()))
    threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
    executor = dask.get_executor()
    assert same_bytes(wanted, scaling.fit(runs, executor=executor, **options).replicates)
    one, other = (reliability.simulate(restart_s=600.0, chunk=30, executor=who, **JOB) for who in (None, executor))
    assert one.goodput_frac == other.goodput_frac
