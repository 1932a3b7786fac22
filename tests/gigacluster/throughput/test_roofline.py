"""The roofline's operations, and names of the parts of a step."""

import dataclasses

import pytest

from gigacluster import hardware, throughput, transformer
from gigacluster.throughput.plans import Plan, case_of_plan
from gigacluster.throughput.roofline import operations, roof_flop_per_s
from gigacluster.throughput.shipped import shipped
from gigacluster.throughput.words import PART_NAMES

K = shipped().coefficients
JOB = throughput.Job(
    model=transformer.model("gpt3-175b"), cluster=hardware.cluster("H100-SXM", 512), global_batch=768, seq_len=2048
)


@pytest.mark.parametrize(
    ("name", "precision"),
    [("gpt3-175b", "bf16"), ("gpt3-175b", "fp8"), ("llama3-70b", "bf16"), ("mixtral-8x7b", "bf16")],
)
def test_no_operation_is_above_the_roof(name, precision):
    job = dataclasses.replace(JOB, model=transformer.model(name), precision=precision)
    for operation in operations(case_of_plan(job, Plan(tp=8, sp=True, dp=64)), K):
        peak = job.cluster.chip.peak_flop_per_s("fp8" if precision == "fp8" else "bf16")
        roof = roof_flop_per_s(operation.intensity, peak, job.cluster.chip.memory_bytes_per_s)
        assert 0 < operation.flop_per_s < roof


@pytest.mark.parametrize("name", ["gpt3-175b", "llama3-70b", "mixtral-8x7b", "deepseek-v3"])
def test_operations_hold_the_model_flop_of_a_layer(name):
    # Forward, a third of training: the layer's share of the independent count, less the router and small projections.
    job = dataclasses.replace(
        JOB, model=dataclasses.replace(transformer.model(name), n_dense_layers=0), global_batch=512
    )
    found = {o.name: o.flop for o in operations(case_of_plan(job, Plan(dp=512, ep=1)), K)}
    layers = sum(flop for operation, flop in found.items() if operation not in ("norm", "output head"))
    model = job.model
    head = 2.0 * model.d_model * model.vocab
    expected = float(model.flop_per_token(2048)) / 3 - head
    # Latent attention leaves its low-rank projections out; shared experts are not drawn.
    tolerance = 0.3 if model.mla_kv_rank else 0.01
    assert layers * model.n_layers / 2048 == pytest.approx(expected, rel=tolerance)
    assert found["output head"] / 2048 == pytest.approx(head)


def test_the_corner_of_the_roof_is_peak_over_bandwidth():
    corner = 989e12 / 3.35e12
    assert roof_flop_per_s(corner, 989e12, 3.35e12) == pytest.approx(989e12)
    assert roof_flop_per_s(corner / 2, 989e12, 3.35e12) == pytest.approx(989e12 / 2)
    assert roof_flop_per_s(corner * 2, 989e12, 3.35e12) == 989e12


def test_every_part_of_a_step_has_a_name():
    found = throughput.search(JOB.model, JOB.cluster, 768, seq_len=2048, device="cpu", limits={"tp": [8]}, top=1)
    assert set(found.parts) == set(PART_NAMES)
