"""What holds for any plan: sharding and memory, overlap, power, words; each claim over random plans or every word."""

import dataclasses

import numpy
import pandas as pd
import pytest

from gigacluster import hardware, transformer
from gigacluster.names import Vocabulary
from gigacluster.throughput import case as codes
from gigacluster.throughput import predict, search, software, words
from gigacluster.throughput.case import Case
from gigacluster.throughput.job import Job
from gigacluster.throughput.layers import layer_times
from gigacluster.throughput.memory import peak_memory
from gigacluster.throughput.plans import Plan, case_of_plan, enumerate_plans
from gigacluster.throughput.shipped import shipped
from gigacluster.throughput.step import on_arrays, step_time
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs
from gigareport.dictionary import columns_of

K = shipped().coefficients
BASE = {
    "run_id": "a", "source_id": "me", "arch": "dense", "model": "llama3-70b", "n_layers": 80, "d_model": 8192,
    "n_heads": 64, "n_kv_heads": 8, "d_head": 128, "d_ff": 28672, "ffn_act": "swiglu", "vocab": 128256,
    "seq_len": 8192, "chip": "A100-80", "n_chips": 64, "tp": 1, "pp": 1, "micro_batch": 1, "global_batch": 64,
    "precision": "bf16", "recompute": "full", "shard_strategy": "fsdp_full", "framework": "torchtitan", "year": 2024,
    "step_time_s": 24.75, "plan_complete": 1,
}  # fmt: skip


def one(**changes):
    return predict(pd.DataFrame([{**BASE, **changes}])).iloc[0]


@pytest.fixture(scope="module")
def cases():
    """Every measured run that can be expressed, as one case."""
    case = on_arrays(table_of_runs.cases(catalog.load("training_runs")).case)[1]
    return Case(**{name: value + 0.0 * case.n_chips for name, value in case.fields().items()})


@pytest.fixture(scope="module")
def plans():
    """Random plans of a job on a slow network, of all kinds of sharding, as cases."""
    rng = numpy.random.default_rng(5)
    job = Job(
        model=transformer.model("llama2-70b"),
        cluster=hardware.cluster("A100-80", 128),
        global_batch=256,
        seq_len=4096,
    )
    table, _ = enumerate_plans(job, {"sharding": ["zero1"]})
    return job, [table.plan(i) for i in rng.integers(0, len(table), 150)]


def of_sharding(job, plan, word, group=0):
    changed = dataclasses.replace(plan, sharding=word, shard_group=group)
    case = case_of_plan(job, changed)
    return float(step_time(case, K).total_s), float(peak_memory(case).needed)


def test_more_sharding_never_takes_more_memory(plans):
    job, some = plans
    for plan in some:
        none, zero1, zero2 = (of_sharding(job, plan, word)[1] for word in ("none", "zero1", "zero2"))
        assert none >= zero1 >= zero2


def test_zero2_with_a_pipeline_takes_what_zero1_does(plans):
    job, some = plans
    piped = [plan for plan in some if plan.pp > 1]
    assert len(piped) > 20
    for plan in piped:
        assert of_sharding(job, plan, "zero2")[0] == pytest.approx(of_sharding(job, plan, "zero1")[0], rel=0.05)


def test_fsdp_with_a_pipeline_gathers_for_every_micro_batch(plans):
    job, some = plans
    many = [p for p in some if p.pp > 1 and p.dp > 1 and job.global_batch // (p.dp * p.micro_batch) >= 8]
    assert len(many) > 10
    more = [of_sharding(job, plan, "zero3")[0] - of_sharding(job, plan, "zero1")[0] for plan in many]
    assert min(more) > -0.02 * max(of_sharding(job, plan, "zero1")[0] for plan in many)
    assert numpy.median(more) > 0


def test_hybrid_sharding_over_a_slow_network_is_no_slower_than_full(plans):
    job, some = plans
    slow = dataclasses.replace(
        job,
        cluster=dataclasses.replace(job.cluster, fabric=dataclasses.replace(job.cluster.fabric, nic_bytes_per_s=3e9)),
    )
    fits = [plan for plan in some if plan.dp * plan.cp > 8 and (plan.dp * plan.cp) % 8 == 0 and plan.tp == 1]
    assert len(fits) > 10
    for plan in fits:
        assert of_sharding(slow, plan, "hsdp", 8)[0] <= of_sharding(slow, plan, "zero3")[0] * (1 + 1e-9)


@pytest.mark.parametrize("flag", ["overlap_tp", "overlap_dp", "overlap_pp", "overlap_cp", "fused_gradients"])
def test_overlap_and_fusion_never_cost_time(cases, flag):
    off, on = (step_time(dataclasses.replace(cases, **{flag: 0.0 * cases.tp + v}), K).total_s for v in (0.0, 1.0))
    assert (on <= off * (1 + 1e-12)).all()
    assert (on < off).any()


def test_overlap_of_experts_helps_with_graphs_and_not_where_the_host_is_the_limit(cases):
    moe = Case(**{name: value[cases.n_experts > 0] for name, value in cases.fields().items()})
    graphs = dataclasses.replace(moe, graph_frac=0.0 * moe.tp + 1.0)
    off, on = (step_time(dataclasses.replace(graphs, overlap_ep=0.0 * moe.tp + v), K).total_s for v in (0.0, 1.0))
    assert numpy.median(on / off) < 1
    assert (on < off * 1.02).mean() > 0.95


@pytest.mark.parametrize(
    ("changes", "helps"),
    [
        ({"graph_frac": 1.0}, True),
        ({"fused_experts": 1.0}, True),
        ({"fp8_attention": 1.0}, True),
        ({"attention_sinks": 1.0}, False),
        ({"attention_regressed": 1.0}, False),
        ({"sequential_experts": 1.0}, False),
        ({"routing_excess": 2.0}, False),
        ({"fp8_dispatch": 1.0}, True),
        ({"expert_capacity": 2.0}, False),
    ],
)
def test_software_inputs_have_their_sign(cases, changes, helps):
    moe = Case(**{name: value[cases.n_experts > 0] for name, value in cases.fields().items()})
    zero = dict.fromkeys(changes, 0.0 * moe.tp)
    there = {name: 0.0 * moe.tp + value for name, value in changes.items()}
    before, after = (step_time(dataclasses.replace(moe, **fields), K).total_s for fields in (zero, there))
    assert ((after <= before) if helps else (after >= before)).all()
    assert (after != before).any()


#: A word of every software input that differs from what is usual, on a run of an MoE of Megatron.
OTHER = {
    "dispatcher": "allgather", "fp8_dispatch": "1", "ep_overlap": "1", "cuda_graph": "full_iteration",
    "grouped_gemm": "none", "fused_grouped_mlp": "1", "fp8_attention": "1", "router": "natural",
    "expert_padding": "capacity 1.5, padded", "recompute_modules": "layernorm,moe", "optimizer_offload": "1",
    "activation_offload": "all", "attention_backend": "flash2", "release": "26.08", "loss_impl": "chunked",
    "logits_dtype": "bf16", "optimizer": "muon", "grad_dtype": "bf16", "compiled": "1",
}  # fmt: skip


MOE_RUN = {
    "arch": "moe", "model": "qwen3-30b-a3b", "n_layers": 48, "d_model": 2048, "n_heads": 32, "n_kv_heads": 4,
    "d_ff": 6144, "vocab": 151936, "n_experts": 128, "top_k": 8, "d_ff_expert": 768, "chip": "H100-SXM",
    "n_chips": 16, "ep": 16, "global_batch": 64, "recompute": None, "shard_strategy": "zero1", "year": 2024,
    "framework": "Megatron-LM",
}  # fmt: skip
SOFTWARE = [field.name for field in dataclasses.fields(software.Software)]
#: Those that move memory; their time hides behind computation, but for a reduction in 32 bit on a slow network.
OF_MEMORY = {"activation_offload", "loss_impl", "logits_dtype", "optimizer", "compiled", "grad_dtype"}


@pytest.mark.parametrize("name", SOFTWARE)
def test_every_software_input_moves_time_or_memory_in_runs_and_in_plans(name):
    assert name in columns_of("training_runs")
    loss = {"loss_impl": "full"} if name == "logits_dtype" else {}
    usual, other = one(**MOE_RUN, **loss), one(**{**MOE_RUN, **loss, name: OTHER[name]})
    assert other["inexpressible"] == ""
    part = "peak_memory_gib" if name in OF_MEMORY else "step_time_s"
    assert abs(other[part] / usual[part] - 1) > 1e-3
    job = Job(model=transformer.model("qwen3-30b-a3b"), cluster=hardware.cluster("H100-SXM", 16), global_batch=64,
              seq_len=4096, software_year=2024.5, **loss)  # fmt: skip
    again = {"recompute": "selective"} if name == "recompute_modules" else {}
    word = "fp32" if name == "grad_dtype" else OTHER[name]  # 16 bit is what a job has
    plans = [Plan(dp=16, ep=16, **changes) for changes in ({}, {name: word, **again})]
    cases = [case_of_plan(job, plan) for plan in plans]
    moved = [
        (float(step_time(case, K).total_s), float(peak_memory(case).total), float(peak_memory(case).needed))
        for case in cases
    ]
    assert moved[0] != moved[1]


@pytest.mark.parametrize("name", software.MOE_INPUTS)
def test_an_input_of_experts_that_nobody_gives_makes_a_prediction_less_certain(name):
    said = {**MOE_RUN, **{other: OTHER[other] for other in software.MOE_INPUTS}}
    known, *blank = (one(**{**said, **change}) for change in ({}, {name: None}, {name: "unknown"}))
    width = known["step_time_high_s"] / known["step_time_low_s"]
    for run in blank:
        assert run["inexpressible"] == ""
        assert run["step_time_high_s"] / run["step_time_low_s"] > width


@pytest.mark.parametrize(
    ("said", "capacity"),
    [
        ("capacity 1.0, padded", 1), ("1.25", 1.25), ("capacity factor (mixtral_8x7b_dropped)", 1), ("none", 0),
        ("rank capacity 1.5, paged stash", 0), ("router padded for quantisation", 0),
    ],
)  # fmt: skip
def test_padding_says_what_experts_compute(said, capacity):
    fields = software.Software(expert_padding=said).fields(stack=codes.FRAMEWORK_MEGATRON, year=2026.0, moe=True)
    assert fields["expert_capacity"] == capacity


def test_padding_that_cannot_be_read_is_a_fault():
    for stranger in ("much", "capacity -1", "0.0.1"):
        with pytest.raises(ValueError, match="expert_padding"):
            software.Software(expert_padding=stranger)


def test_what_is_outside_is_told():
    for notes in ("Mamba layers", "gated DeltaNet"):
        assert "hybrid models" in one(attn_notes=notes)["inexpressible"]
    for asked in ({"framework": "Megatron-LM, DualPipe"}, {"pipeline_schedule": "zero-bubble"}):
        row = one(**asked)
        assert "zero-bubble and DualPipe schedules are outside" in row["warnings"]
        assert row["step_time_s"] > 0
    with pytest.raises(ValueError, match="hybrid models .* are outside"):
        transformer.model("nvidia/Nemotron-H-8B-Base-8K")
    with pytest.raises(ValueError, match="DualPipe schedules are outside"):
        search(
            transformer.model("llama3-8b"), hardware.cluster("H100-SXM", 8), 16, seq_len=8192,
            limits={"schedule": ["dualpipe"]},
        )  # fmt: skip


def test_groups_of_hybrid_sharding_that_nobody_gives_hold_the_states():
    plan = {"shard_strategy": "hsdp", "n_chips": 256, "global_batch": 256, "chip": "H100-SXM"}
    assert one(**plan)["fits"]  # 70 billion parameters in one node take 140 GiB a chip
    assert not one(**plan, shard_group=8)["fits"]
    small = {"n_layers": 32, "d_model": 4096, "n_heads": 32, "d_ff": 14336}
    in_a_node = one(**plan, **small, shard_group=8)
    assert one(**plan, **small)["step_time_s"] == in_a_node["step_time_s"]


def test_a_policy_that_offloads_keeps_nothing_on_the_chip():
    jax = {"framework": "MaxText", "chip": "TPUv5p"}
    kept, gone = (one(**jax, recompute=word)["peak_memory_gib"] for word in ("minimal", "minimal_offloaded"))
    assert gone < kept


def test_matmul_time_never_falls_below_its_share_of_peak(cases):
    layers = layer_times(*on_arrays(cases), K)
    tokens = cases.micro_batch * cases.seq_len / cases.cp
    half = cases.precision == codes.PRECISION_BF16
    least_s = 6.0 * tokens * layers.dense_params / cases.peak_bf16_flop_per_s
    dense = half & (cases.n_experts == 0)
    assert (layers.dense.matmul_s[dense] > least_s[dense] * numpy.exp(cases.chip_effect[dense])).all()


def test_parameters_timed_are_the_parameters_counted():
    for name, shape in transformer.models().items():
        cluster = hardware.cluster("H100-SXM", 1)
        case = on_arrays(Job(model=shape, cluster=cluster, global_batch=1, seq_len=2048).case(n_chips=1.0, tp=1.0))[1]
        layers = layer_times(numpy, case, K)
        part = transformer.layer_params(shape)
        counted = part.attention + part.dense_ffn
        assert float(layers.dense_params) == pytest.approx(float(counted), rel=1e-12), name


def test_latent_attention_without_a_query_rank_loses_no_parameter():
    shape = dataclasses.replace(transformer.model("deepseek-v3"), mla_q_rank=0)
    job = Job(model=shape, cluster=hardware.cluster("H100-SXM", 1), global_batch=1, seq_len=2048)
    layers = layer_times(*on_arrays(job.case(n_chips=1.0)), K)
    part = transformer.layer_params(shape)
    assert float(layers.dense_params) == pytest.approx(float(part.attention + part.dense_ffn), rel=1e-12)


@pytest.mark.parametrize(
    ("column", "vocabulary"),
    [
        ("shard_strategy", words.SHARDING),
        ("recompute", words.RECOMPUTE),
        ("precision", words.PRECISION),
        ("ffn_act", words.ACTIVATION),
        ("attention_backend", words.ATTENTION),
        ("dispatcher", software.DISPATCHER),
        ("router", software.ROUTER),
        ("grouped_gemm", software.GROUPED_GEMM),
        ("optimizer", software.OPTIMIZER),
        ("loss_impl", software.LOSS),
    ],
)
def test_a_word_is_known_or_a_fault_with_the_words_allowed(column, vocabulary: Vocabulary):
    for word, synonyms in vocabulary.words.items():
        for said in filter(None, (item.strip() for item in synonyms.split(";"))):
            assert vocabulary.read(said) == vocabulary.read(said.upper()) == word
    for stranger in ("frobnicate", "zero 9", "4", "maybe"):
        row = one(**{column: stranger})
        assert numpy.isnan(row["step_time_s"])
        assert numpy.isnan(row["peak_memory_gib"])
        assert repr(stranger) in row["inexpressible"]
        assert next(iter(vocabulary.words)) in row["inexpressible"]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("shard_strategy", "FULL_SHARD"), ("shard_strategy", "ZeRO-3"), ("shard_strategy", "FSDP2"),
        ("shard_strategy", "fsdp"), ("shard_strategy", "FSDP"), ("shard_strategy", "megatron-fsdp"),
        ("recompute", "full AC"), ("recompute", "full activation checkpointing"),
        ("recompute", "gradient_checkpointing"), ("recompute", "uniform"), ("recompute", "block"),
        ("recompute", "true"), ("recompute", True), ("ffn_act", "silu"), ("precision", "bfloat16"),
        ("chip", "a100-80"), ("chip", "NVIDIA A100-SXM4-80GB"),
    ],
)  # fmt: skip
def test_spellings_of_one_plan_give_one_number(column, said):
    base, other = one(), one(**{column: said})
    assert other["step_time_s"] == pytest.approx(base["step_time_s"], rel=1e-12)
    assert other["peak_memory_gib"] == pytest.approx(base["peak_memory_gib"], rel=1e-12)


def test_the_base_line_stays_near_its_measured_time():
    assert one()["step_time_s"] == pytest.approx(24.75, rel=0.12)  # pytorch/torchtitan docs/performance.md
    assert one()["fits"]
    assert one()["untested"] == ""


def test_flashattention_2_of_a_note_is_fused():
    # jzhang38/TinyLlama README: 24,000 tokens/s a GPU, on chips of 40 GB.
    tiny = {
        "model": "tinyllama-1.1b", "n_layers": 22, "d_model": 2048, "n_heads": 32, "n_kv_heads": 4, "d_head": 64,
        "d_ff": 5632, "vocab": 32000, "seq_len": 2048, "chip": "A100-40", "n_chips": 16, "micro_batch": 8,
        "global_batch": 1024, "recompute": "none", "framework": "Lit-GPT FSDP", "year": 2023,
    }  # fmt: skip
    said = one(**tiny, attn_notes="FlashAttention 2")
    assert said["step_time_s"] == pytest.approx(5.461, rel=0.15)
    assert said["fits"]
    assert one(**tiny, attn_notes="FlashAttention 2, of my own")["warnings"] == "attn_notes 'of my own' was not read"


def test_a_run_that_does_not_fit_is_told():
    row = one(shard_strategy="none", recompute="none")
    assert not row["fits"]
    assert "does not fit: needs" in row["warnings"]


@pytest.mark.parametrize(
    ("chip", "kinds"),
    [("Trainium2", {"vendor", "chip"}), ("MI300X", {"vendor", "chip"}), ("GH200-144", {"chip"}), ("H800", {"chip"})],
)
def test_what_hardly_a_run_had_widens_the_interval_and_is_named(chip, kinds):
    new, seen = one(chip=chip), one(chip="H100-SXM")
    assert set(new["untested"].split(", ")) == kinds
    width = [row["step_time_high_s"] / row["step_time_low_s"] for row in (new, seen)]
    assert width[0] > (1.5 if "vendor" in kinds else 1.02) * width[1]


@pytest.mark.parametrize(
    ("chip", "said"),
    [("MI300X", "untested, so that the interval is wider: chip and vendor."), ("H100-SXM", "published runs.")],
)
def test_a_search_says_what_is_untested(chip, said):
    found = search(
        transformer.model("llama3-8b"), hardware.cluster(chip, 8), 16, seq_len=8192, device="cpu", top=1,
        limits={"tp": [1], "pp": [1], "cp": [1]},
    )  # fmt: skip
    assert said in found.told()


def test_sizes_beyond_any_measured_run_are_marked_and_grow_in_width():
    rows = [one(n_chips=n, global_batch=n, chip="H100-SXM") for n in (8192, 32768, 131072)]
    assert [("scale" in row["untested"]) for row in rows] == [False, True, True]
    widths = [row["step_time_high_s"] / row["step_time_low_s"] for row in rows]
    assert widths[0] < widths[1] < widths[2]


def test_one_plan_can_be_asked_for():
    found = search(
        transformer.model("llama3-8b"), hardware.cluster("H100-SXM", 8), 16, seq_len=8192, device="cpu",
        limits={"tp": [1], "pp": [1], "cp": [1], "micro_batch": [2], "sharding": ["zero3"], "recompute": ["full"]},
    )  # fmt: skip
    assert len(found.plans) == 1
    assert 1.5 < found.step_time_s[0] < 3.0  # 55 to 27 % of peak


def test_published_uneven_stages_can_be_searched():
    found = search(
        transformer.model("deepseek-v3"), hardware.cluster("H100-SXM", 256), 512, seq_len=4096, device="cpu",
        limits={"tp": [1], "pp": [4], "vpp": [8], "ep": [64]}, top=3, dispatcher="deepep",
    )  # fmt: skip
    assert set(found.plans.vpp) == {8}


def test_limits_take_the_words_of_a_table():
    wanted = {"recompute": ["selective"], "sharding": ["FSDP"], "tp": [1], "pp": [1]}
    job = Job(
        model=transformer.model("llama3-8b"), cluster=hardware.cluster("H100-SXM", 8), global_batch=16, seq_len=8192
    )
    table, _ = enumerate_plans(job, wanted)
    assert {table.plan(i).recompute for i in range(len(table))} == {"selective"}
    assert {table.plan(i).sharding for i in range(len(table))} == {"zero3"}


#: What two rows of one plan have in common.
SAME_PLAN = ["model", "chip", "n_chips", "tp", "pp", "vpp", "ep", "cp", "micro_batch", "global_batch", "seq_len",
             "precision"]  # fmt: skip


def test_pairs_of_releases_that_isolate_an_input_move_as_measured():
    """Same plan and chip, two releases: graphs of a whole iteration with fused experts and overlap; a lost kernel."""
    runs = catalog.load("training_runs")
    runs = runs[(runs["arch"] == "moe") & (runs["plan_complete"] == 1)]
    runs = runs.assign(predicted_s=predict(table_of_runs.columns(runs))["step_time_s"])
    of = dict(iter(runs.groupby("source_id")))
    compared = 0
    for before, after in (("26.04.01", "26.06"), ("26.06", "26.06.01")):
        pairs = of[f"megatron-bridge-{before}"].merge(of[f"megatron-bridge-{after}"], on=SAME_PLAN)
        measured = pairs["step_time_s_y"] / pairs["step_time_s_x"]
        predicted = pairs["predicted_s_y"] / pairs["predicted_s_x"]
        # 16 %: measurements of one plan by two releases differ by a median of 4 %, 16 % for one in ten.
        assert numpy.abs(numpy.log(predicted / measured)).max() < 0.16
        assert (predicted[measured < 0.9] < 0.9).all()
        assert (predicted[measured > 1.5] > 1.5).all()
        compared += len(pairs)
    assert compared >= 16


def test_mixtures_of_experts_without_their_inputs_stay_usable_and_less_certain():
    runs = catalog.load("training_runs")
    runs = runs[(runs["arch"] == "moe") & (runs["plan_complete"] == 1) & (runs["end_to_end"] != 1)]
    said = table_of_runs.columns(runs)
    blank = said.drop(columns=[field.name for field in dataclasses.fields(software.Software) if field.name in said])
    known, unknown = predict(said), predict(blank)
    error = 100 * (unknown["step_time_s"] / runs["step_time_s"] - 1).abs()
    assert error.mean() <= 25
    width = [found["step_time_high_s"] / found["step_time_low_s"] for found in (known, unknown)]
    assert (width[1] > width[0]).mean() > 0.9
