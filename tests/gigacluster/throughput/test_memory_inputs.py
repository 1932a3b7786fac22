"""Inputs of memory: every word is taken by a table of runs, a plan and a search alike, and moves the right bytes."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import hardware, transformer
from gigacluster.throughput import Plan, predict, search
from gigacluster.throughput.job import Job
from gigacluster.throughput.memory import in_flight, layer_memory, peak_memory
from gigacluster.throughput.plans import case_of_plan
from gigacluster.throughput.software import DTYPE, LOSS, OPTIMIZER, Software
from gigacluster.throughput.step import on_arrays
from gigacluster.units import GIB
from gigareport import catalog, dictionary

MODEL = transformer.model("llama3-8b")
MOE = transformer.model("deepseek-v3")
CLUSTER = hardware.cluster("H100-SXM", 8)
#: Words of every input of memory beside the plan, and those whose bytes differ: (bytes of the first) > (of the second).
WORDS = {
    "loss_impl": tuple(LOSS.words),
    "logits_dtype": tuple(DTYPE.words),
    "optimizer": tuple(OPTIMIZER.words),
    "grad_dtype": tuple(DTYPE.words),
    "compiled": ("0", "1"),
    "recompute_modules": ("core_attn", "layernorm", "mlp", "layernorm,mlp"),
    "activation_offload": ("0", "8", "all"),
    "optimizer_offload": ("0", "1"),
}
MORE_THAN = [
    ("loss_impl", "full", "compiled"),
    ("loss_impl", "full", "vocabulary_parallel"),
    ("loss_impl", "compiled", "chunked"),
    ("loss_impl", "compiled", "fused"),
    ("logits_dtype", "fp32", "bf16"),
    *(("optimizer", "adamw", word) for word in ("adamw_bf16_moments", "muon", "adamw_bf16", "adamw_8bit", "host")),
    ("optimizer", "adamw_unfused", "adamw"),
    ("optimizer", "adamw", "sgd"),
    ("grad_dtype", "fp32", "bf16"),
    ("compiled", "0", "1"),
    ("recompute_modules", "core_attn", "layernorm"),
    ("recompute_modules", "layernorm", "layernorm,mlp"),
    ("activation_offload", "0", "8"),
    ("activation_offload", "8", "all"),
    ("optimizer_offload", "0", "1"),
]
#: What shows an input: logits where nothing else is large, an update where activations are small.
SETTING = {
    "loss_impl": {"recompute": "full", "micro_batch": 2},
    "logits_dtype": {"recompute": "full", "micro_batch": 2, "loss_impl": "full"},
    "optimizer": {"recompute": "full", "seq_len": 512},
    "activation_offload": {"recompute": "full", "loss_impl": "fused", "micro_batch": 4},
    "recompute_modules": {"recompute": "selective", "loss_impl": "fused", "micro_batch": 2},
}


def by_three_ways(*, seq_len=4096, recompute="none", micro_batch=1, **said):
    """Return the allocated memory of one plan by a table of runs, a plan and a search. [GiB]"""
    software = {"grad_dtype": "fp32", "loss_impl": "fused", **said}
    plan = {"dp": 8, "micro_batch": micro_batch, "recompute": recompute, "sharding": "zero3"}
    shape = {name: getattr(MODEL, name) for name in ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "vocab")}
    row = {
        **shape, **software, **plan, "framework": "torchtitan", "ffn_act": "swiglu", "seq_len": seq_len, "tp": 1,
        "pp": 1, "global_batch": 32, "precision": "bf16", "chip": "H100-SXM", "n_chips": 8, "shard_strategy": "zero3",
        "year": 2025,
    }  # fmt: skip
    table = predict({name: [value] for name, value in row.items()})
    assert table["inexpressible"][0] == ""
    job = {"model": MODEL, "cluster": CLUSTER, "global_batch": 32, "seq_len": seq_len, "framework": "fsdp"}
    alone = peak_memory(case_of_plan(Job(**job), Plan(**plan, **software)))
    limits = {name: [value] for name, value in plan.items() if name != "dp"} | {"tp": [1], "pp": [1], "cp": [1]}
    found = search(**job, **software, limits=limits, top=1, device="cpu")
    return table["allocated_memory_gib"][0], float(alone.allocated) / GIB, float(found.memory.allocated[0]) / GIB


@pytest.mark.parametrize(("column", "word"), [(column, word) for column, words in WORDS.items() for word in words])
def test_every_word_is_taken_by_runs_plans_and_searches_alike(column, word):
    assert column in dictionary.columns_of("training_runs")
    assert column in {field.name for field in dataclasses.fields(Software)}
    runs, plan, found = by_three_ways(**SETTING.get(column, {}), **{column: word})
    assert runs == pytest.approx(plan, rel=1e-9)
    assert found == pytest.approx(plan, rel=1e-9)


@pytest.mark.parametrize(("column", "more", "less"), MORE_THAN)
def test_every_input_moves_memory_the_way_it_should(column, more, less):
    setting = SETTING.get(column, {})
    assert by_three_ways(**setting, **{column: more})[0] > by_three_ways(**setting, **{column: less})[0]


def test_every_word_of_an_input_is_told_apart():
    said = {column: {word for row in MORE_THAN if row[0] == column for word in row[1:]} for column in WORDS}
    assert said == {column: set(words) - {"mlp"} for column, words in WORDS.items()}


def test_kinds_of_peak_are_a_column():
    told = catalog.load("memory_runs")["memory_kind"]
    assert {"allocated", "reserved", "device"} <= set(told)


def test_programs_of_xla_need_little_beside_their_buffers():
    job = Job(model=MODEL, cluster=hardware.cluster("TPUv5p", 8), global_batch=32, seq_len=4096, framework="xla")
    gpu = dataclasses.replace(job, framework="fsdp")
    plan = Plan(dp=8, sharding="zero3", recompute="full")
    assert float(peak_memory(case_of_plan(job, plan)).context) < 0.2 * float(
        peak_memory(case_of_plan(gpu, plan)).context
    )


@st.composite
def pipelines(draw):
    """Draw a model whose layers divide into chunks, and how it is laid out."""
    pp, vpp, layers = draw(st.sampled_from([2, 4, 8])), draw(st.sampled_from([1, 2, 3])), draw(st.integers(1, 3))
    experts = draw(st.booleans())
    n_layers = pp * vpp * layers
    model = dataclasses.replace(
        MOE if experts else MODEL,
        n_layers=n_layers,
        **({"n_dense_layers": draw(st.integers(0, vpp * layers))} if experts else {}),
        vocab=draw(st.sampled_from([1024, 128256, 2_000_000])),
    )
    micro = draw(st.sampled_from([1, 2]))
    n_micro = pp * draw(st.integers(1, 4))
    plan = Plan(
        pp=pp,
        vpp=vpp,
        dp=8,
        ep=8 if experts else 1,
        micro_batch=micro,
        recompute=draw(st.sampled_from(["none", "full"])),
    )
    return Job(
        model=model, cluster=hardware.cluster("H100-SXM", 8 * pp), global_batch=8 * micro * n_micro, seq_len=4096
    ), plan


def stages(job, plan):
    """Return parameters and bytes of every stage, laid out one by one."""
    case = case_of_plan(job, plan)
    layer = layer_memory(*on_arrays(case))
    xp, _ = on_arrays(case)
    per_stage = job.model.n_layers // plan.pp
    moe = job.model.n_experts > 0
    params, peaks = [], []
    for rank in range(plan.pp):
        dense = min(max(job.model.n_dense_layers - rank * per_stage, 0), per_stage) if moe else per_stage
        experts = (per_stage - dense) * float(layer.expert_params)
        shared = dense * float(layer.dense_params) + (per_stage - dense) * float(layer.moe_params)
        shared += float(layer.vocabulary_params) * (rank in (0, plan.pp - 1))
        kept = dense * float(layer.dense_kept_bytes) + (per_stage - dense) * float(layer.moe_kept_bytes)
        held = float(in_flight(xp, float(plan.pp), float(plan.vpp), float(case.n_micro_batches), float(rank)))
        activations = held * kept + (held * float(layer.embedding_bytes) if rank == 0 else 0.0)
        moment = float(layer.logit_bytes) if rank == plan.pp - 1 else 0.0
        states = (2 + float(case.grad_bytes)) * (shared + experts) + 12 * (shared / 8 + experts)
        params.append(shared + experts * 8)  # an eighth of the experts is on each of eight chips
        peaks.append(states + activations + max(moment, float(layer.working_bytes)))
    return params, peaks


@settings(max_examples=60)
@given(drawn=pipelines())
def test_the_peak_is_that_of_the_fullest_stage_and_stages_are_the_model(drawn):
    params, peaks = stages(*drawn)
    final_norm = drawn[0].model.d_model
    assert sum(params) + final_norm == pytest.approx(drawn[0].model.params, rel=1e-9)
    assert float(peak_memory(case_of_plan(*drawn)).allocated) == pytest.approx(max(peaks), rel=1e-9)


@given(pp=st.integers(2, 64), vpp=st.integers(2, 12), many=st.integers(1, 50))
def test_interleaving_holds_as_many_micro_batches_as_published(pp, vpp, many):
    # Korthikanti et al. 2022, section 4.2.3: 1 + (p - 1) / (p v) times as many in the first; Narayanan et al. 2021.
    xp, _ = on_arrays(case_of_plan(Job(model=MODEL, cluster=CLUSTER, global_batch=8, seq_len=4096), Plan(dp=8)))
    held = [float(in_flight(xp, float(pp), float(vpp), 1e9, float(rank))) for rank in range(pp)]
    assert held[0] == pytest.approx(pp * (1 + (pp - 1) / (pp * vpp)))
    assert held[-1] == pytest.approx((1 + (vpp - 1) * pp) / vpp)  # chunks of which a stage has vpp
    assert held == sorted(held, reverse=True)
    assert float(in_flight(xp, float(pp), float(vpp), float(many), 0.0)) == min(held[0], many)
