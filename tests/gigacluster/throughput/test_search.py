"""The search: exact, complete, bounded, interruptible, and the same on every array library."""

import dataclasses
import itertools
import shutil
from types import SimpleNamespace

import numpy
import pytest

from gigacluster import hardware, throughput, transformer
from gigacluster.throughput import plan_search
from gigacluster.throughput.evaluate import PlanEvaluator
from gigacluster.throughput.job import Job
from gigacluster.throughput.memory import peak_memory
from gigacluster.throughput.plan_search import best_of
from gigacluster.throughput.plans import Plan, PlanTable, case_of_plan, enumerate_plans, plan_fields
from gigacluster.throughput.rules import RULES
from gigacluster.throughput.shipped import shipped
from gigacluster.throughput.step import step_time
from gigacluster.throughput.words import PART_NAMES
from gigareport import catalog
from tests import cuda_on_host

GPT3 = transformer.model("gpt3-175b")
K = shipped().coefficients


def job_of(name="gpt3-175b", n_chips=512, batch=768, seq_len=2048, chip="H100-SXM", **options):
    return Job(
        model=transformer.model(name),
        cluster=hardware.cluster(chip, n_chips),
        global_batch=batch,
        seq_len=seq_len,
        **options,
    )


def sample(table, n, seed=3):
    return table.take(numpy.random.default_rng(seed).integers(0, len(table), n))


@pytest.fixture(scope="module")
def found():
    return throughput.search(GPT3, hardware.cluster("H100-SXM", 512), 768, seq_len=2048, device="cpu")


@pytest.mark.parametrize(("name", "n"), [("gpt3-175b", 1000), ("deepseek-v3", 200), ("grok1-314b", 200)])
def test_sampled_plans_equal_the_model_one_by_one(name, n):
    job = job_of(name, n_chips=1024, batch=1536, seq_len=4096, idle_frac=0.1)
    table = sample(enumerate_plans(job)[0], n)
    step, memory = PlanEvaluator(job, table, K)(slice(0, n))
    alone = [case_of_plan(job, table.plan(index)) for index in range(n)]
    # Tolerance: sums of tens of terms in another order differ in the last digits of 16.
    numpy.testing.assert_allclose(step.total_s, [float(step_time(case, K).total_s) for case in alone], rtol=1e-12)
    numpy.testing.assert_allclose(memory.total, [float(peak_memory(case).total) for case in alone], rtol=1e-12)


def test_searched_plans_are_predicted_alike_as_runs_of_a_table(tmp_path):
    # The same plans written as rows of a table of runs, whose words and blanks take another way into the model.
    import pandas as pd

    job = job_of(n_chips=512, attention="flash3", software_year=2025.5, chip_effect=shipped().chip_effect("H100-SXM"))
    table = sample(enumerate_plans(job, {"sharding": ["none", "zero1", "zero3", "hsdp"]})[0], 200)
    plans = [table.plan(index) for index in range(200)]
    shape = job.model.shape()
    runs = pd.DataFrame([{**dataclasses.asdict(plan), "sp": int(plan.sp)} for plan in plans]).rename(
        columns={"sharding": "shard_strategy"}
    )
    same = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_head", "d_ff", "vocab")
    runs = runs.assign(
        run_id=[f"S{index}" for index in range(200)], source_id="new", arch="dense", model="gpt3-175b", chip="H100-SXM",
        n_chips=512, seq_len=2048, global_batch=768, ffn_act="gelu", attn_notes="tied embeddings", precision="bf16",
        comm_overlap="tp,pp,dp", framework="Megatron-Core", year=2025, etp=1, grad_dtype="bf16",
        model_gflop_per_token_causal=job.step_flop / job.tokens / 1e9, **{name: shape[name] for name in same},
    )  # fmt: skip
    runs.assign(step_time_s="").to_csv(tmp_path / "plans.csv", index=False)
    predicted = throughput.predict(catalog.load("training_runs", path=tmp_path / "plans.csv"))
    assert (predicted["inexpressible"] == "").all()
    step, memory = PlanEvaluator(job, table, K)(slice(0, 200))
    numpy.testing.assert_allclose(predicted["step_time_s"], step.total_s, rtol=1e-12)
    assert memory.total.shape == (200,)


def test_every_array_library_gives_the_same(xp):
    job = job_of("deepseek-v3", n_chips=256, batch=512, seq_len=4096)
    table = sample(enumerate_plans(job)[0], 300)
    host_step, host_memory = PlanEvaluator(job, table, K)(slice(0, 300))
    evaluator = PlanEvaluator(job, table, K, xp.library, xp.device)
    step, memory = evaluator(slice(0, 300))
    for name in ("total_s", "bubble_s", "parameter_comm_s"):
        there = getattr(step, name)
        numpy.testing.assert_allclose([float(there[i]) for i in range(300)], getattr(host_step, name), rtol=1e-9)
    numpy.testing.assert_allclose([float(memory.total[i]) for i in range(300)], host_memory.total, rtol=1e-9)


def test_the_best_is_the_best_of_all_plans_that_fit(found):
    table, considered = enumerate_plans(found.job)
    step, memory = PlanEvaluator(found.job, table, K)(slice(0, len(table)))
    fits = memory.needed <= found.job.cluster.chip.memory_bytes
    assert found.step_time_s.tolist() == sorted(numpy.where(fits, step.total_s, numpy.inf))[:10]
    assert (found.considered, found.feasible, found.evaluated) == (considered, len(table), len(table))
    assert found.fitting == fits.sum() < found.feasible
    assert not found.interrupted


def test_a_search_is_never_worse_than_the_plan_that_was_used(found):
    # GPT-3 175B on H100 as NVIDIA ran it, with the same model, chips and batch (data/training_runs.csv, D0298).
    used = Plan(tp=4, sp=True, pp=8, vpp=12, dp=16, sharding="zero1")
    used_s = float(step_time(case_of_plan(found.job, used), K).total_s)
    assert found.step_time_s[0] <= used_s < 1.2 * found.step_time_s[0]


@pytest.mark.parametrize("chunk", [1_000, 100_000])
def test_the_size_of_a_chunk_changes_nothing(found, chunk):
    other = throughput.search(
        GPT3, hardware.cluster("H100-SXM", 512), 768, seq_len=2048, device="cpu", chunk=chunk, top=10
    )
    assert [other.plans.plan(i) for i in range(10)] == [found.plans.plan(i) for i in range(10)]
    numpy.testing.assert_allclose(other.step_time_s, found.step_time_s, rtol=1e-12)


def test_parts_add_up_to_the_step_and_explain_the_runner_up(found):
    numpy.testing.assert_allclose(sum(found.parts.values()), found.step_time_s, rtol=1e-9)
    assert sum(found.lost_s(5).values()) == pytest.approx(
        found.step_time_s[5] - found.step_time_s[0], rel=1e-6, abs=1e-9
    )
    assert str(found.plans.plan(0)) in found.why()
    assert str(found.plans.plan(1)) in found.why()
    assert any(name in found.why() for name in PART_NAMES.values())
    assert "_" not in found.why().partition(": ")[2]
    with pytest.raises(ValueError, match="rank 10 is not among the 10 plans kept"):
        found.lost_s(10)


def test_the_interval_is_wider_than_nothing_and_holds_the_median(found):
    low_s, high_s = found.interval_s
    assert (low_s < found.step_time_s).all()
    assert (found.step_time_s < high_s).all()


def test_the_table_shows_each_plan_with_its_time_and_memory(found):
    table = found.columns()
    assert {len(values) for values in table.values()} == {10}
    assert sorted(table["step_time_s"]) == table["step_time_s"].tolist()
    assert table["memory_frac"].max() <= 1
    assert ((table["mfu"] > 0.2) & (table["mfu"] < 0.7)).all()  # what anybody measured on H100 with bf16


def test_an_interruption_keeps_the_best_so_far(monkeypatch):
    job = job_of()
    table, _ = enumerate_plans(job)
    calls = itertools.count()
    evaluate = PlanEvaluator.time_and_memory

    def interrupted(self, piece):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, piece)

    monkeypatch.setattr(PlanEvaluator, "time_and_memory", interrupted)
    best = best_of(job, table, K, chunk=4_000, partial=True)
    assert 4_000 < best.evaluated <= 12_000 < len(table)
    monkeypatch.undo()
    whole = best_of(job, table.take(slice(0, best.evaluated)), K)
    assert best.index.tolist() == whole.index.tolist()


@pytest.mark.parametrize(("call", "partial"), [(0, True), (0, False), (3, False)])
def test_an_interruption_is_passed_on_where_nothing_was_found_or_the_best_alone_is_wanted(call, partial, monkeypatch):
    """Whatever computes on with the best plan would else take another for it, without a word."""
    job, calls, evaluate = job_of(), itertools.count(), PlanEvaluator.time_and_memory

    def interrupted(self, piece):
        if next(calls) == call:
            raise KeyboardInterrupt
        return evaluate(self, piece)

    monkeypatch.setattr(PlanEvaluator, "time_and_memory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        best_of(job, enumerate_plans(job)[0], K, chunk=4_000, partial=partial)


def test_the_public_search_keeps_what_it_found_and_says_that_it_was_interrupted(monkeypatch):
    calls, evaluate = itertools.count(), PlanEvaluator.time_and_memory

    def interrupted(self, piece):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, piece)

    monkeypatch.setattr(PlanEvaluator, "time_and_memory", interrupted)
    cluster = hardware.cluster("H100-SXM", 512)
    assert throughput.search(GPT3, cluster, 768, seq_len=2048, device="cpu", chunk=4_000).interrupted


def test_a_model_too_large_for_the_cluster_says_what_comes_nearest():
    with pytest.raises(
        ValueError, match=r"none of [\d,]+ feasible plans fits: the nearest \(.*\) needs .* GiB of the 80 GiB"
    ):
        throughput.search(GPT3, hardware.cluster("H100-SXM", 8), 8, seq_len=2048, device="cpu")


@pytest.mark.parametrize("top", [0, -1, 2.5])
def test_a_search_keeps_a_whole_number_of_plans(top):
    with pytest.raises(ValueError, match="top must be a whole number of plans, at least 1"):
        throughput.search(GPT3, hardware.cluster("H100-SXM", 512), 768, seq_len=2048, top=top)


def test_unknown_precision_is_refused_before_anything_is_computed():
    with pytest.raises(ValueError, match="unknown precision 'fp7'; use one of: bf16"):
        throughput.search(GPT3, hardware.cluster("H100-SXM", 512), 768, seq_len=2048, precision="fp7")


def test_idle_chips_make_a_search_possible_on_a_round_number_of_chips():
    cluster = hardware.cluster("H100-SXM", 500)
    with pytest.raises(ValueError, match=r"480 chips would fit|\d+ chips would fit"):
        throughput.search(GPT3, cluster, 768, seq_len=2048, device="cpu", limits={"tp": [8]})
    found = throughput.search(GPT3, cluster, 768, seq_len=2048, device="cpu", limits={"tp": [8]}, idle_frac=0.05)
    assert (found.chips_used >= 475).all()


def test_sharded_gradients_cost_a_reduction_in_every_micro_batch():
    def step_s(sharding, micro_batch):
        plan = Plan(tp=8, sp=True, dp=64, sharding=sharding, micro_batch=micro_batch)
        return float(step_time(case_of_plan(job_of(batch=512), plan), K).total_s)

    assert step_s("zero2", 8) == pytest.approx(step_s("zero1", 8), rel=1e-12)  # one micro-batch a step
    assert step_s("zero2", 1) > step_s("zero1", 1)


def test_a_faster_network_never_slows_the_best_plan(xp):
    job = job_of()
    best = throughput.search(GPT3, job.cluster, 768, seq_len=2048, device="cpu", top=1).plans.plan(0)
    fields = {name: float(value) for name, value in best.codes().items()}
    case = job.case(**plan_fields(job, SimpleNamespace(**fields)))
    times = step_time(dataclasses.replace(case, nic_bytes_per_s=xp.array([5e9, 25e9, 50e9, 400e9])), K).total_s
    seconds = [float(times[i]) for i in range(4)]
    assert seconds == sorted(seconds, reverse=True)


def test_layers_are_computed_once_for_each_distinct_combination():
    job = job_of()
    table, _ = enumerate_plans(job)
    axes = ("tp", "sp", "cp", "ep", "micro_batch", "recompute")
    some = table.take(slice(None, None, 50))
    distinct = len({tuple(int(getattr(some, a)[i]) for a in axes) for i in range(len(some))})
    evaluator = PlanEvaluator(job, table, K)
    computed = evaluator._layer_times.dense.total_s.shape[0]
    assert distinct <= computed < len(table) / 20


def test_plans_can_be_searched_in_a_table_of_ones_own():
    job = job_of()
    mine = [Plan(tp=8, sp=True, pp=8, dp=8, micro_batch=m, recompute=r) for m in (1, 2, 4) for r in ("none", "full")]
    columns = {name: numpy.asarray([plan.codes()[name] for plan in mine]) for name in mine[0].codes()}
    best = best_of(job, PlanTable(**columns), K, top=2)
    assert best.evaluated == 6
    assert best.step_time_s[0] <= best.step_time_s[1]


def test_progress_is_silent_where_nobody_watches(capsys, found):
    throughput.search(GPT3, hardware.cluster("H100-SXM", 512), 768, seq_len=2048, device="cpu", limits={"tp": [8]})
    assert capsys.readouterr() == ("", "")
    assert plan_search.CPU_CHUNK > 1_000


def test_plans_by_number_are_those_that_the_rules_allow_each_once():
    job = job_of()
    space, _ = enumerate_plans(job, {"shard_group": [2, 4, 8]})
    table = space.take(slice(None))
    columns = numpy.stack(list(table.columns().values()))
    assert len(numpy.unique(columns, axis=1).T) == len(space)
    assert all(rule.holds(job, table).all() for rule in RULES)
    some = numpy.random.default_rng(1).integers(0, len(space), 50)
    assert [str(space.plan(int(i))) for i in some] == [str(table.plan(int(i))) for i in some]


def test_pieces_give_what_each_plan_gives_alone():
    job = job_of()
    space, _ = enumerate_plans(job)
    evaluator, first = PlanEvaluator(job, space, K), 0
    step, memory = PlanEvaluator(job, space.take(slice(None)), K)(slice(0, len(space)))
    while first < len(space):
        piece = evaluator.piece(first, 5_000)
        piece = slice(piece.start, piece.stop - 3 if piece.stop - piece.start > 9 else piece.stop)  # within a row
        time_s, needed = evaluator.time_and_memory(piece)
        assert time_s.tobytes() == step.total_s[piece].tobytes()
        assert needed.tobytes() == memory.needed[piece].tobytes()
        first = piece.stop


def test_memory_that_runs_out_halves_the_pieces_and_the_search_goes_on(monkeypatch):
    job = job_of()
    table, _ = enumerate_plans(job)
    evaluate, sizes = PlanEvaluator.time_and_memory, []

    def limited(self, piece):
        if piece.stop - piece.start > 3_000:
            raise MemoryError
        sizes.append(piece.stop - piece.start)
        return evaluate(self, piece)

    wanted = best_of(job, table, K)
    monkeypatch.setattr(PlanEvaluator, "time_and_memory", limited)
    found = best_of(job, table, K)
    assert found.index.tolist() == wanted.index.tolist()
    assert (found.fitting, found.evaluated) == (wanted.fitting, sum(sizes))


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("model", ["gpt3-175b", "deepseek-v3"])
def test_the_kernel_of_a_search_gives_what_the_arrays_give(model, tmp_path):
    job = Job(model=transformer.model(model), cluster=hardware.cluster("H100-SXM", 512), global_batch=512, seq_len=4096)
    space, _ = enumerate_plans(job, {"tp": [2, 4]})
    arrays, fused, first = PlanEvaluator(job, space, K), PlanEvaluator(job, space, K), 0
    fused._fuse(lambda source: cuda_on_host.kernel(source, "plans", tmp_path))
    while first < min(len(space), 50_000):
        piece = arrays.piece(first, 5_000)
        for one, other in zip(fused.time_and_memory(piece), arrays.time_and_memory(piece), strict=True):
            assert one == pytest.approx(other, rel=1e-13)
        first = piece.stop


def test_a_kernel_that_computes_otherwise_is_refused():
    job = job_of()
    space, _ = enumerate_plans(job, {"tp": [4]})

    def wrong(source):
        return lambda columns, tables, n_outputs, size: numpy.ones((n_outputs, size))

    with pytest.raises(RuntimeError, match="the kernel of the search and the array operations differ"):
        PlanEvaluator(job, space, K)._fuse(wrong)
