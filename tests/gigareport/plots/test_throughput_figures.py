"""The roofline's operations and the figures of throughput."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gigacluster import hardware, throughput, transformer
from gigacluster.throughput.plans import Plan, case_of_plan
from gigacluster.throughput.roofline import operations, roof_flop_per_s
from gigacluster.throughput.shipped import shipped
from gigareport.plots import figure
from gigareport.plots import throughput as draw

K = shipped().coefficients
JOB = throughput.Job(
    model=transformer.model("gpt3-175b"), cluster=hardware.cluster("H100-SXM", 512), global_batch=768, seq_len=2048
)
PLAN = Plan(tp=8, sp=True, pp=8, dp=8)


@pytest.fixture
def ax():
    fig, ax = figure()
    yield ax
    plt.close(fig)


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


def test_parts_are_drawn_largest_on_top_with_their_share(ax):
    draw.plot_parts(ax, {"matmul_s": 3.0, "bubble_s": 1.0, "optimizer_s": 0.0})
    assert [text.get_text() for text in ax.texts] == ["1,000 ms (25.0%)", "3,000 ms (75.0%)"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["pipeline bubble", "matrix multiplications"]


def test_every_part_of_a_step_has_a_name():
    found = throughput.search(JOB.model, JOB.cluster, 768, seq_len=2048, device="cpu", limits={"tp": [8]}, top=1)
    assert set(found.parts) == set(draw.PART_NAMES)


def test_roofline_names_each_operation(ax):
    found = operations(case_of_plan(JOB, PLAN), K)
    draw.plot_roofline(ax, found, peak_flop_per_s=989e12, matmul_flop_per_s=np.nan, memory_bytes_per_s=3.35e12)
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {operation.name for operation in found}
    assert not ax.texts  # no line of a measured matmul where nobody measured one


def test_utilisation_is_drawn_with_its_interval_and_what_was_measured(ax):
    curves = {"same batch": [0.5, 0.4, np.nan], "batch grows": [0.5, 0.48, 0.47]}
    draw.plot_mfu_by_scale(
        ax, [1024, 2048, 4096], curves, log_half_width=0.1, measured=([512], [0.45]), own=(2048, 0.41)
    )
    assert [text.get_text() for text in ax.texts] == ["same batch", "batch grows", "scenario"]
    assert len(ax.collections) == 1


def test_losses_add_up_to_what_is_marked(ax):
    losses = [
        {"bubble_s": 0.010, "matmul_s": -0.004, "host_s": 0.001},
        {"bubble_s": 0.0, "matmul_s": 0.002, "host_s": 0.0},
    ]
    draw.plot_losses(ax, [PLAN, Plan(tp=4, pp=16, dp=8)], losses, most=2)
    marks = next(line for line in ax.lines if line.get_label() == "all together")
    assert marks.get_xdata() == pytest.approx([7.0, 2.0])
    assert [label.get_text().splitlines()[0] for label in ax.get_yticklabels()] == [
        "tp8 pp8",
        "tp4 pp16",
    ]
