"""Plans: one checked with reasons, all enumerated without a gap."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy
import pytest

from gigacluster import hardware, transformer
from gigacluster.throughput import predict
from gigacluster.throughput.job import Job
from gigacluster.throughput.memory import peak_memory
from gigacluster.throughput.plans import (
    AXES,
    RECOMPUTES,
    SHARDINGS,
    Plan,
    axis_values,
    case_of_plan,
    check_plan,
    enumerate_plans,
    plan_fields,
)
from gigacluster.throughput.rules import SEARCHED, divisors

SMALL = transformer.Transformer(name="small", n_layers=6, d_model=256, n_heads=8, n_kv_heads=4, d_ff=1024, vocab=1000)
MOE = transformer.Transformer(
    name="small-moe", n_layers=6, d_model=256, n_heads=4, d_ff=1024, vocab=1000, n_experts=4, top_k=2, d_ff_expert=512
)


def job(model=SMALL, n_chips=16, batch=32, **options):
    cluster = hardware.cluster("H100-SXM", n_chips)
    return Job(model=model, cluster=cluster, global_batch=batch, **{"seq_len": 512, **options})


def test_an_axis_stands_wherever_axes_are_told():
    """One that is missing in a place would be taken by a search and do nothing."""
    axes = set(AXES)
    space, _ = enumerate_plans(job(n_chips=8, batch=8))
    assert axes == set(axis_values(job())) == set(space.take(slice(0, 1)).columns())
    assert set(space.rows) == axes - {"sharding", "shard_group"}
    assert axes <= {field.name for field in dataclasses.fields(Plan)}
    told = SimpleNamespace(**{axis: axis if axis not in ("sharding", "recompute") else 0.0 for axis in axes})
    handed_on = plan_fields(job(), SimpleNamespace(**{**vars(told), **dict.fromkeys(("tp", "pp", "cp", "dp"), 1.0)}))
    assert axes - {"sharding", "recompute"} <= set(handed_on)


@pytest.mark.parametrize("model", [SMALL, MOE], ids=["dense", "moe"])
def test_enumeration_finds_exactly_the_plans_that_pass_the_check(model):
    # Brute force over a cube that holds every feasible value of every axis.
    asked = job(model, n_chips=8, batch=8)
    cube = itertools.product(
        divisors(8), (False, True), range(1, 7), range(1, 7), divisors(8), divisors(8), divisors(4), divisors(8),
        ("none", "full"), SHARDINGS, (2, 4),
    )  # fmt: skip
    passing = set()
    for tp, sp, pp, vpp, dp, cp, ep, micro, recompute, sharding, group in cube:
        if tp * pp * cp * dp != 8:
            continue
        plan = Plan(
            tp=tp, sp=sp, pp=pp, vpp=vpp, dp=dp, cp=cp, ep=ep, micro_batch=micro, recompute=recompute,
            sharding=sharding, shard_group=group if sharding == "hsdp" else 0,
        )  # fmt: skip
        try:
            check_plan(plan, asked)
        except ValueError:
            continue
        if all(rule.holds(asked, SimpleNamespace(**plan.codes())) for rule in SEARCHED.values()):
            passing.add(plan)
    space, considered = enumerate_plans(asked, {"shard_group": [2, 4]})
    table = space.take(slice(None))
    found = [table.plan(index) for index in range(len(table))]
    assert len(set(found)) == len(found)  # each plan once
    assert set(found) == passing
    assert len(passing) > 100
    assert considered > len(passing)


def test_every_enumerated_plan_uses_all_chips_and_the_whole_batch():
    space, _ = enumerate_plans(job(n_chips=96, batch=48))
    table = space.take(slice(None))
    assert (table.tp * table.pp * table.cp * table.dp == 96).all()
    assert (48 % (table.dp * table.micro_batch) == 0).all()


def test_idle_chips_are_allowed_only_as_far_as_asked():
    space, _ = enumerate_plans(job(n_chips=100, batch=32, idle_frac=0.05))
    table = space.take(slice(None))
    used = table.tp * table.pp * table.cp * table.dp
    assert used.min() >= 95
    assert used.max() <= 100


def test_no_plan_for_a_number_of_chips_says_how_many_would_fit():
    with pytest.raises(
        ValueError, match=r"with dp dividing global_batch=32 is n_chips=101; 96 chips would fit: .*0\.0496"
    ):
        enumerate_plans(job(n_chips=101))
    assert len(enumerate_plans(job(n_chips=101, idle_frac=0.0496))[0]) > 0


def test_limits_restrict_the_axes():
    space, _ = enumerate_plans(job(), {"tp": [2], "sharding": ["zero1"], "recompute": ["full"]})
    table = space.take(slice(None))
    assert set(table.tp) == {2}
    assert {table.plan(i).sharding for i in range(len(table))} == {"zero1"}
    assert {table.plan(i).recompute for i in range(len(table))} == {"full"}


def test_limits_that_fit_nothing_say_what_would():
    with pytest.raises(ValueError, match=r"tp can be 1, 2, 4; none of them is in \[3\]"):
        enumerate_plans(job(), {"tp": [3]})
    with pytest.raises(ValueError, match="unknown axes fsdp; a search can be restricted in: tp, sp"):
        enumerate_plans(job(), {"fsdp": [1]})


def test_uneven_layers_may_be_piped():
    # Llama 3.1 405B: 126 layers in 16 stages, in which the embedding and the loss count as layers.
    llama = transformer.model("llama3.1-405b")
    asked = job(llama, n_chips=16_384, batch=2048, seq_len=8192)
    check_plan(Plan(tp=8, sp=True, pp=16, vpp=8, dp=128, sharding="zero1"), asked)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan(tp=4, pp=2, dp=3), r"tp\*pp\*cp\*dp = 4\*2\*1\*3 = 24 is not n_chips = 16; dp=2 would fit"),
        (Plan(tp=8, dp=2), r"tp=8 does not divide the 8 heads, 4 key-value heads .* tp can be 1, 2, 4"),
        (Plan(pp=8, dp=2), r"pp=8 is more than the 6 layers"),
        (Plan(cp=16), r"cp=16 does not cut sequences of 512 tokens .* cp can be 1, 2, 4"),
        (Plan(dp=16, ep=2), r"ep=2 does not divide both the 0 experts and dp\*cp\*tp = 16; ep can be 1"),
        (Plan(dp=16, micro_batch=4), r"global_batch=32 is not .* dp\*micro_batch = 16\*4; micro_batch can be 1, 2"),
        (Plan(pp=2, vpp=5, dp=8), r"vpp=5 needs pp > 1 and a layer for each of the .* 10 chunks of 6 layers; with"),
        (Plan(pp=4, vpp=2, dp=4, micro_batch=4), r"vpp=2 needs micro-batches in multiples of pp=4, and there are 2"),
        (Plan(dp=16, sp=True), r"sp needs tp > 1 that divides the 512 tokens of a chip; got tp=1; sp=False would fit"),
        (Plan(dp=16, sharding="hsdp"), r"hsdp needs a divisor between 1 and 16 \(2, 4, 8\)"),
        (Plan(tp=4, pp=4, sharding="zero1"), r"one replica cannot be sharded; sharding='none' would fit"),
    ],
    ids=lambda value: str(value) if isinstance(value, Plan) else "",
)  # fmt: skip
def test_a_plan_that_cannot_run_says_what_would_fit(plan, says):
    with pytest.raises(ValueError, match=says):
        check_plan(plan, job())


def test_batch_that_no_replica_count_divides_names_the_next_batch():
    with pytest.raises(ValueError, match="a batch of 48 sequences would fit, or dp of 1, 2, 4, 5, 8, 10, 20, 40"):
        check_plan(Plan(dp=16), job(batch=40))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"tp": 0}, "tp must be a whole number, at least 1, got 0"),
        ({"pp": float("nan")}, "pp must be a whole number, at least 1, got nan"),
        ({"dp": 1.5}, "dp must be a whole number"),
        ({"recompute": "some"}, "unknown recompute 'some'; .*use one of: none, selective, full"),
        (
            {"sharding": "zero9"},
            "unknown sharding 'zero9'; did you mean zero.* use one of: none, zero1, zero2",
        ),
    ],
)
def test_impossible_numbers_and_words_are_refused_at_birth(bad, says):
    with pytest.raises(ValueError, match=says):
        Plan(**bad)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"batch": 0}, "global_batch must be a whole number, at least 1 and at most 10,000,000, got 0"),
        ({"batch": 10**30}, "global_batch must be .* at most 10,000,000, got 10{30}"),
        ({"batch": "64"}, "global_batch must be a whole number, .* got '64'"),
        ({"seq_len": 10**30}, "seq_len must be .* at most 10,000,000, got 10{30}"),
        ({"seq_len": float("nan")}, "seq_len must be a whole number"),
        ({"precision": "bf8"}, "unknown precision 'bf8'; .*use one of: bf16, fp16, fp8_ds"),
        ({"precision": "nvfp4"}, "H100-SXM has no peak rate for 'fp4'; it has: bf16, fp8, int8"),
        ({"attention": "flash9"}, "unknown attention 'flash9'; did you mean .* use one of: unfused, flash1"),
        ({"idle_frac": 1.0}, r"idle_frac must be in \[0, 1\)"),
    ],
)
def test_an_impossible_job_is_refused_at_birth(bad, says):
    with pytest.raises(ValueError, match=says):
        job(**bad)


def test_words_and_codes_round_trip():
    space, _ = enumerate_plans(job(attention="unfused"))
    table = space.take(slice(None))
    assert {table.plan(i).recompute for i in range(len(table))} == set(RECOMPUTES)
    plan = table.plan(len(table) - 1)
    assert [getattr(table, name)[-1] for name in plan.codes()] == list(plan.codes().values())


def test_sharding_words_become_flags_of_the_case():
    flags = {}
    for word in SHARDINGS:
        case = case_of_plan(job(batch=16), Plan(dp=16, sharding=word, shard_group=4 if word == "hsdp" else 0))
        flags[word] = [float(f) for f in (case.shard_optimizer, case.shard_grads, case.shard_params, case.shard_group)]
    assert flags == {
        "none": [0, 0, 0, 16],
        "zero1": [1, 0, 0, 16],
        "zero2": [1, 1, 0, 16],
        "zero3": [1, 1, 1, 16],
        "hsdp": [1, 1, 1, 4],
    }


def test_a_job_counts_its_flop_and_tokens():
    asked = job()
    assert asked.tokens == 32 * 512
    assert asked.step_flop == pytest.approx(float(SMALL.flop_per_token(512)) * 32 * 512)


def test_divisors_of_powers_and_primes():
    assert divisors(1) == [1]
    assert divisors(13) == [1, 13]
    assert numpy.prod(divisors(36)) == 36 ** (9 / 2)  # the product of the divisors is n to half their number


def test_states_of_zero_may_be_sharded_over_groups_of_the_replicas():
    asked = job(batch=16)
    for limits, expected in (
        ({"sharding": ["zero1", "none"], "shard_group": [4]}, {("none", False), ("zero1", False), ("zero1", True)}),
        ({"sharding": ["zero1", "hsdp"], "shard_group": [4]}, {("zero1", False), ("hsdp", True)}),
        ({"sharding": ["zero1"]}, {("zero1", False)}),
    ):
        table = enumerate_plans(asked, limits)[0].take(slice(None))
        plans = [table.plan(index) for index in range(len(table))]
        assert len(set(plans)) == len(plans)
        assert {(plan.sharding, plan.shard_group < plan.dp * plan.cp) for plan in plans} == expected
    with pytest.raises(ValueError, match="zero1 and zero2 may have"):
        case_of_plan(asked, Plan(dp=16, sharding="zero1", shard_group=3))


def test_smaller_groups_of_zero1_take_more_memory_and_leave_only_shards_to_the_network_between_them():
    asked = Job(
        model=transformer.model("llama3-70b"),
        cluster=hardware.cluster("H100-SXM", 1024),
        global_batch=1024,
        seq_len=8192,
    )
    cases = [case_of_plan(asked, Plan(tp=8, sp=True, dp=128, shard_group=group)) for group in (2, 8, 32, 128)]
    needed = [float(peak_memory(case).needed) for case in cases]
    assert needed == sorted(needed, reverse=True)
    assert len(set(needed)) == 4
    predicted = predict(
        {"chip": ["H100-SXM"] * 2, "n_chips": [1024] * 2, "tp": [8] * 2, "pp": [1] * 2, "precision": ["bf16"] * 2}
        | {name: [value] * 2 for name, value in asked.model.shape().items()}
        | {"seq_len": [8192] * 2, "global_batch": [1024] * 2, "shard_strategy": ["zero1"] * 2, "shard_group": [8, 128]}
    )
    assert predicted["allocated_memory_gib"][0] > predicted["allocated_memory_gib"][1]
    assert predicted["parameter_comm_s"][0] != predicted["parameter_comm_s"][1]
