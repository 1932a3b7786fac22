"""The step: laws of pipeline, precision and recomputation, the same on every array library, and published times."""

import json
import math
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


def test_the_number_of_processors_of_a_chip_hardly_moves_a_step(runs):
    """It is known from memory for some chips: 10 % less or more is a tenth of the model's own error."""
    case = cases(runs).case
    usual = step_time(case, shipped().coefficients).total_s
    for factor in (0.9, 1.1):
        other = step_time(replace(case, n_processors=factor * case.n_processors), shipped().coefficients).total_s
        moved = numpy.abs(numpy.log(other / usual))
        assert numpy.median(moved) < 0.005
        assert moved.max() < 0.05


@pytest.mark.parametrize("part", words.PARTS_AGAIN)
def test_computing_a_part_again_never_saves_time(case, part):
    k = shipped().coefficients
    none, all_of_it = (step_time(replace(case, **{part: share}), k).total_s for share in (0.0, 1.0))
    assert (all_of_it >= none * (1 - 1e-12)).all()
    assert (all_of_it > none).any()


def test_every_doubling_of_the_chips_beyond_one_server_adds_the_same_jitter(gpt3):
    k = shipped().coefficients

    def share(n_chips):
        step = step_time(replace(gpt3, n_chips=float(n_chips)), k)
        return float(step.straggler_s / (step.total_s - step.straggler_s))

    assert [share(n) for n in (1, 8, 16, 64, 8192)] == pytest.approx(
        [doublings * k.jitter_per_doubling for doublings in (0, 0, 1, 3, 10)], abs=1e-12
    )


def test_compilers_and_years_of_software_change_every_part_by_one_factor(gpt3):
    k = shipped().coefficients
    xla = step_time(replace(gpt3, framework=float(codes.FRAMEWORK_XLA)), k)
    other = step_time(replace(gpt3, framework=float(codes.FRAMEWORK_MEGATRON)), k)
    assert float(xla.parameter_comm_s / other.parameter_comm_s) == pytest.approx(k.xla_factor, rel=1e-12)
    older, newer = (step_time(replace(gpt3, software_year=year), k) for year in (2024.0, 2025.0))
    assert float(newer.host_s) == pytest.approx(k.host_step_s, rel=1e-12)
    assert float(older.host_s / newer.host_s) == pytest.approx(math.exp(k.software_per_year), rel=1e-12)


def test_the_layers_time_is_shared_out_by_kinds_of_layers(case):
    """Dense layers, layers of experts and the head, each as often as it is there."""
    k = shipped().coefficients
    xp, case = on_arrays(case)
    layers = layer_times(xp, case, k)
    step = step_from_layers(xp, layers, case, k)
    dense = numpy.where(case.n_experts > 0, case.n_dense_layers, case.n_layers)

    def of_all(part):
        times = [getattr(kind, part) for kind in (layers.dense, layers.moe, layers.head)]
        return dense * times[0] + (case.n_layers - dense) * times[1] + times[2]

    parts = breakdown(xp, layers, step, case)
    for part in ("matmul_s", "attention_s", "expert_comm_s"):
        numpy.testing.assert_allclose(parts[part], step.layers_s * of_all(part) / of_all("total_s"), rtol=1e-12)
    assert (parts["expert_comm_s"][case.n_experts == 0] == 0).all()
    assert (parts["expert_comm_s"] > 0).any()


def test_sharded_parameters_without_overlap_are_gathered_for_every_micro_batch(gpt3):
    """FSDP whose communication hides behind nothing: three rings a micro-batch, whatever the computation takes."""
    k = shipped().coefficients
    alone = {"pp": 1.0, "vpp": 1.0, "dp": 256.0, "shard_params": 1.0, "shard_group": 256.0, "overlap_dp": 0.0}
    times = [
        float(step_time(replace(gpt3, **alone, global_batch=256.0 * n), k).parameter_comm_s) for n in (1.0, 2.0, 5.0)
    ]
    assert times[1] - times[0] == pytest.approx((times[2] - times[0]) / 4, rel=1e-9)
    assert times[0] == pytest.approx(times[1] - times[0], rel=1e-4)  # nothing is held alike; the maximum is a soft one
    hidden = float(step_time(replace(gpt3, **alone | {"overlap_dp": 1.0}, global_batch=256.0), k).parameter_comm_s)
    assert hidden < times[0]
