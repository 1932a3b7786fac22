"""Memory that runs out, as CuPy tells it: pieces are halved, and the answers are those of a device with room."""

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


class OutOfMemoryError(MemoryError):
    """What CuPy raises: a kind of MemoryError."""


@pytest.fixture
def device(monkeypatch):
    """The strict array library on a device that has no room for an array of more elements than ``most``."""
    kind = type(strict.asarray(1.0))
    new = kind._new.__func__

    class Device:
        most, refused = numpy.inf, 0

    def limited(cls, x, /, device):
        if numpy.size(x) > Device.most:
            Device.refused += 1
            raise OutOfMemoryError(f"Out of memory allocating {numpy.size(x) * 8:,} bytes")
        return new(cls, x, device)

    monkeypatch.setattr(kind, "_new", classmethod(limited))
    return Device


def test_a_search_goes_on(device):
    job = Job(
        model=transformer.model("gpt3-175b"), cluster=hardware.cluster("H100-SXM", 512), global_batch=768, seq_len=2048
    )
    table, _ = enumerate_plans(job, {"tp": [4, 8]})
    wanted = best_of(job, table, Coefficients(), chunk=65_536)
    most = max(len(table.rows["tp"]), 4_000)  # the rows themselves stay on the device
    assert most < len(table)
    device.most = most
    found = best_of(job, table, Coefficients(), chunk=65_536, xp=strict)
    assert device.refused > 0
    assert found.index.tolist() == wanted.index.tolist()
    assert (found.evaluated, found.fitting) == (wanted.evaluated, wanted.fitting)


def test_a_fit_goes_on(device):
    runs = scaling_runs.synthetic(noise=0.01, seed=3)
    options = {"bootstrap": 64, "kind": "case", "starts": 4, "replicate_starts": 4, "flags": False}
    wanted = scaling.fit(runs, device="cpu", **options)
    columns = {name: strict.asarray(numpy.asarray(runs[name])) for name in runs}
    device.most = 320 * 30  # what is kept of 320 fits has room, their terms at all 48 runs have not
    found = scaling.fit(columns, **options)
    assert device.refused > 0
    assert found.parameters == pytest.approx(wanted.parameters, rel=1e-8)
    assert found.replicates["objective"] == pytest.approx(wanted.replicates["objective"], rel=1e-9)


SIMULATED = {
    "restarts": lambda **how: reliability.simulate(
        mttf_s=7_200.0, checkpoint_write_s=60.0, restart_s=600.0, restart_sigma=0.5, spares=2, repair_s=3_600.0, **how
    ),
    "replicas": lambda **how: reliability.simulate_with(
        reliability.Recovery(
            scheme="drop_replica", checkpoint_write_s=60.0, checkpoint_stall_s=60.0, resume_s=60.0, rebuild_s=3_600.0,
            restart_s=600.0, detection_s=60.0,
        ),
        mttf_s=7_200.0, n_replicas=4, **how,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SIMULATED)
def test_a_simulation_goes_on(device, monkeypatch, kind):
    simulated, counts = SIMULATED[kind], {"failures": 4_000, "failures_per_run": 10}
    wanted = simulated(**counts)
    monkeypatch.setattr(sys.modules["gigacluster.reliability.simulate"], "device_namespace", lambda device: strict)
    device.most = 600  # of 400 runs with 2 spares, or 4 replicas
    found = simulated(**counts)
    assert device.refused > 0
    assert found.goodput_frac == pytest.approx(wanted.goodput_frac, rel=1e-9)
    assert len(found.run_goodput_frac) == 400


def test_an_evaluation_goes_on(device, monkeypatch):
    story = scenario.load(scenario.STORY)
    plan = scenario.search_plan(story)
    wanted = scenario.evaluate(story, samples=6_000, plans=plan, device="cpu")
    module = sys.modules["gigareport.scenario.evaluate"]
    monkeypatch.setattr(module, "device_namespace", lambda device: strict)
    monkeypatch.setattr(module, "_samples_at_once", lambda xp, months: 6_000)
    device.most = 220_000  # the stored paths of the rent fit, the months of all samples do not
    found = scenario.evaluate(story, samples=6_000, plans=plan)
    assert device.refused > 0
    for name in found.answers():
        assert to_host(getattr(found, name)) == pytest.approx(getattr(wanted, name), rel=1e-12, nan_ok=True)
