"""Whole computations on the strict array library, with every crossing to the host counted: a GPU would wait at each."""

import sys

import numpy
import pytest

from gigacluster import hardware, reliability, scaling, transformer
from gigacluster.arrays import to_host
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.job import Job
from gigacluster.throughput.plan_search import best_of
from gigacluster.throughput.plans import enumerate_plans
from gigareport import scenario
from tests import scaling_runs

strict = pytest.importorskip("array_api_strict", reason="needs array-api-strict")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture
def crossings(monkeypatch):
    """Count what makes a Python number, a truth value or a NumPy array of a strict one."""
    counted = []
    kind = type(strict.asarray(1.0))
    for name in ("__bool__", "__float__", "__int__", "__index__", "__complex__", "__dlpack__"):
        method = getattr(kind, name)

        def crossing(self, *given, method=method, name=name, **named):
            counted.append(name)
            return method(self, *given, **named)

        monkeypatch.setattr(kind, name, crossing)
    return counted


def test_a_scenario_never_crosses(crossings, monkeypatch):
    story = scenario.load("xai-colossus-2024")
    plan = scenario.search_plan(story)
    wanted = scenario.evaluate(story, samples=50, plans=plan, device="cpu")
    module = sys.modules["gigareport.scenario.evaluate"]
    monkeypatch.setattr(module, "device_namespace", lambda device: strict)
    crossings.clear()
    found = scenario.evaluate(story, samples=50, plans=plan)
    assert crossings == []
    for name in found.answers():
        assert to_host(getattr(found, name)) == pytest.approx(getattr(wanted, name), rel=1e-12, nan_ok=True)


def test_a_search_crosses_a_few_times_for_each_piece(crossings):
    job = Job(
        model=transformer.model("gpt3-175b"),
        cluster=hardware.cluster("H100-SXM", 512),
        global_batch=768,
        seq_len=2048,
    )
    table, _ = enumerate_plans(job, {"tp": [4, 8]})
    wanted = best_of(job, table, Coefficients(), chunk=4_000)
    crossings.clear()
    found = best_of(job, table, Coefficients(), chunk=4_000, xp=strict)
    pieces = 0
    first = 0
    while first < len(table):  # as the search cuts them
        group = table.group_of(first)
        first = min(first + max(1, 4_000 // len(group.options)) * len(group.options), group.stop)
        pieces += 1
    assert len(crossings) <= 6 * pieces + 40  # 40: fields of a layer that are the same throughout
    assert found.index.tolist() == wanted.index.tolist()
    assert found.step_time_s == pytest.approx(wanted.step_time_s, rel=1e-12)


@pytest.mark.parametrize(
    ("model", "limits"),
    [("gpt3-175b", {}), ("deepseek-v3", {"tp": [1, 2, 4]}), ("gpt3-175b", {"shard_group": [2, 4, 8]})],
)
def test_plans_are_enumerated_on_the_arrays_given_and_cross_a_few_times_for_each_axis(crossings, model, limits):
    job = Job(model=transformer.model(model), cluster=hardware.cluster("H100-SXM", 512), global_batch=768, seq_len=2048)
    wanted, considered = enumerate_plans(job, limits)
    crossings.clear()
    found, again = enumerate_plans(job, limits, strict)
    assert len(crossings) <= 12  # of nine axes: is there any plan left; and the combinations that are sharded
    assert (len(found), again) == (len(wanted), considered)
    for name, column in found.rows.items():
        assert to_host(column).tolist() == wanted.rows[name].tolist()
    some = numpy.random.default_rng(7).integers(0, len(wanted), 50)
    assert {n: c.tolist() for n, c in found.take(some).columns().items()} == {
        n: c.tolist() for n, c in wanted.take(some).columns().items()
    }
    chosen = best_of(job, found, Coefficients(), chunk=20_000, xp=strict)
    assert chosen.index.tolist() == best_of(job, wanted, Coefficients()).index.tolist()


def test_a_job_without_plans_says_why_on_any_arrays():
    job = Job(
        model=transformer.model("gpt3-175b"), cluster=hardware.cluster("H100-SXM", 101), global_batch=32, seq_len=2048
    )
    said = []
    for xp in (numpy, strict):
        with pytest.raises(ValueError, match="no feasible plan") as fault:
            enumerate_plans(job, xp=xp)
        said.append(str(fault.value))
    assert said[0] == said[1]


def test_a_fit_crosses_a_few_times_for_each_iteration(crossings):
    runs = scaling_runs.synthetic(noise=0.01, seed=3)
    options = {"bootstrap": 64, "kind": "case", "starts": 4, "flags": False}
    wanted = scaling.fit(runs, device="cpu", **options)
    crossings.clear()
    found = scaling.fit({name: strict.asarray(numpy.asarray(runs[name])) for name in runs}, **options)
    assert found.parameters == pytest.approx(wanted.parameters, rel=1e-8)
    solves = 8  # of starts, of the optimum to the limit of rounding, of replicates, and their second chances
    assert len(crossings) <= 2 * found.replicates["iterations"].max() * solves + 60


def test_a_simulation_crosses_once_for_each_chunk(crossings, monkeypatch):
    module = sys.modules["gigacluster.reliability.simulate"]
    job = {"mttf_s": 7_200.0, "checkpoint_write_s": 60.0, "restart_s": 600.0, "restart_sigma": 0.5}
    counts = {"failures": 3_000, "failures_per_run": 10, "chunk": 100, "spares": 2, "repair_s": 3_600.0}
    wanted = reliability.simulate(**job, **counts)
    monkeypatch.setattr(module, "device_namespace", lambda device: strict)
    crossings.clear()
    found = reliability.simulate(**job, **counts)
    assert len(crossings) == 3
    assert found.goodput_frac == pytest.approx(wanted.goodput_frac, rel=1e-9)
