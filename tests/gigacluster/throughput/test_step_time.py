"""The step: laws of pipeline, precision and recomputation, the same on every array library, and published times."""

import json
from dataclasses import replace

import numpy
import pandas as pd
import pytest

from gigacluster.arrays import to_host
from gigacluster.throughput import case as codes
from gigacluster.throughput import words
from gigacluster.throughput.case import Case
from gigacluster.throughput.layers import layer_times
from gigacluster.throughput.prediction import predict
from gigacluster.throughput.shipped import shipped
from gigacluster.throughput.step import breakdown, on_arrays, step_from_layers, step_time
from gigareport import catalog
from gigareport.calibration.runs import cases

CLAIMS = catalog.load("published_claims").query("function == 'step_time_s'")
#: Table 5 of Korthikanti et al. 2022: printed step time by run. [s]
TABLE_5 = pd.Series(CLAIMS["expected"].to_numpy(), [json.loads(inputs)["run_id"] for inputs in CLAIMS["inputs"]])


@pytest.fixture(scope="module")
def runs():
    table = catalog.load("training_runs")
    return table[(table["plan_complete"] == 1) & (table["arch"] != "hybrid")].reset_index(drop=True)


@pytest.fixture(scope="module")
def case(runs):
    return cases(runs).case


@pytest.fixture
def gpt3(runs, case):
    """One published plan: GPT-3 175B on 1,024 H100s, tp 4, pp 8, 12 model chunks a rank."""
    (index,) = numpy.flatnonzero(runs["run_id"] == "D0299")
    return Case(**{name: float(numpy.broadcast_to(value, len(runs))[index]) for name, value in case.fields().items()})


def seconds(case):
    return float(step_time(case, shipped().coefficients).total_s)


def test_every_array_library_gives_the_same_times(xp, case):
    fields = {name: value[::7] if numpy.ndim(value) else value for name, value in case.fields().items()}
    expected = step_time(Case(**fields), shipped().coefficients)
    on_library = Case(**{name: xp.array(numpy.asarray(value)) for name, value in fields.items()})
    found = step_time(on_library, shipped().coefficients)
    for part in ("total_s", "layers_s", "bubble_s", "parameter_comm_s", "straggler_s"):
        numpy.testing.assert_allclose(to_host(getattr(found, part)), getattr(expected, part), rtol=1e-9)


def test_the_parts_add_up_to_the_step(case):
    xp, case = on_arrays(case)
    layers = layer_times(xp, case, shipped().coefficients)
    step = step_from_layers(xp, layers, case, shipped().coefficients)
    parts = breakdown(xp, layers, step, case)
    numpy.testing.assert_allclose(sum(parts.values()), step.total_s, rtol=1e-12)
    assert all((part >= -1e-12 * step.total_s).all() for part in parts.values())


def test_bubble_is_its_closed_form(gpt3):
    step = step_time(gpt3, shipped().coefficients)
    # (pp - 1) / vpp stages' time beside the micro-batches': Narayanan et al. 2021, section 2.2
    expected = (gpt3.pp - 1) / gpt3.vpp / gpt3.n_micro_batches
    assert float(step.bubble_s / step.layers_s) == pytest.approx(expected, rel=1e-12)


def test_layer_times_do_not_depend_on_what_only_the_step_sees(gpt3):
    k = shipped().coefficients
    xp, plain = on_arrays(gpt3)
    other = replace(plain, **{name: xp.asarray(2.0) for name in ("pp", "vpp", "dp", "global_batch", "n_chips")})
    for kind in ("dense", "moe", "head"):
        first, second = (getattr(layer_times(xp, which, k), kind).total_s for which in (plain, other))
        numpy.testing.assert_array_equal(first, second)


def test_fp8_is_faster_but_not_twice(gpt3):
    gain = seconds(gpt3) / seconds(replace(gpt3, precision=float(codes.PRECISION_FP8_DELAYED)))
    assert 1.2 < gain < 1.9


def again(case, policy):
    shares = zip(words.PARTS_AGAIN, words.RECOMPUTED[policy], strict=True)
    return replace(case, **dict(shares))


def test_full_recompute_costs_up_to_a_third_more_computation(gpt3):
    cost = seconds(again(gpt3, "full")) / seconds(gpt3)
    assert 1.15 < cost < 1.40  # a third of the matmuls, and its share of communication


def test_selective_recompute_costs_nothing_where_attention_is_fused(gpt3):
    assert seconds(again(gpt3, "selective")) == pytest.approx(seconds(gpt3), rel=1e-12)
    unfused = replace(gpt3, attention_kernel=float(codes.ATTENTION_UNFUSED))
    assert 1.01 < seconds(again(unfused, "selective")) / seconds(unfused) < 1.2


@pytest.mark.parametrize(
    ("field", "factor"),
    [("nic_bytes_per_s", 2), ("scaleup_bytes_per_s", 2), ("memory_bytes_per_s", 2), ("gemm_bf16_flop_per_s", 2)],
)
def test_better_hardware_never_slows_a_run(case, field, factor):
    k = shipped().coefficients
    before = step_time(case, k).total_s
    after = step_time(replace(case, **{field: factor * getattr(case, field)}), k).total_s
    assert (after <= before * (1 + 1e-12)).all()
    assert (after < before).any()


def test_more_chips_with_their_share_of_the_batch_never_speed_a_step_up(gpt3):
    times = [
        seconds(replace(gpt3, n_chips=gpt3.n_chips * more, dp=gpt3.dp * more, global_batch=gpt3.global_batch * more))
        for more in (1, 2, 8, 64)
    ]
    assert times == sorted(times)
    assert times[-1] < 1.15 * times[0]  # weak scaling is good: published runs lose a few percent over such a range


def test_korthikanti_table_5_within_four_and_a_half_percent(runs):
    of_paper = runs[runs["run_id"].isin(TABLE_5.index)]
    predicted = predict(of_paper).set_index("run_id")["step_time_s"]
    error = (predicted / TABLE_5 - 1).abs()
    assert len(error) == 8
    assert error.mean() <= 0.045  # the figure asked for; Calculon, tuned on these cases, reaches 0.0365
    assert error.max() < 0.10
