"""From a table of runs to numbers: what is filled, by which rule, and what is refused, with the reason."""

import numpy
import pytest

from gigacluster.throughput import predict, words
from gigacluster.throughput.columns import cases_of
from gigacluster.throughput.shipped import shipped
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs


@pytest.fixture
def one():
    """One complete run: Llama 3.1 405B on 16,384 H100s."""
    table = catalog.load("training_runs")
    return table[table["run_id"] == "D0603"].reset_index(drop=True).assign(grad_accum=float("nan"))


def case_of(table, **changes):
    found = cases_of(table.assign(**changes))
    assert found.reasons == [""]
    return found.case


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dp": 100.0}, "tp*pp*cp*dp = 12800 is not n_chips = 16384"),
        ({"chip": "H1000"}, "unknown chip 'H1000'; did you mean H100-"),
        ({"chip": None}, "chip is blank; give a name of data/chips.csv"),
        ({"chip": float("nan")}, "chip is blank"),
        ({"precision": "int3"}, "unknown precision 'int3'"),
        ({"shard_strategy": "zero9"}, "unknown sharding 'zero9'"),
        ({"recompute": "some"}, "unknown recompute 'some'"),
        ({"ffn_act": "softplus"}, "unknown ffn_act 'softplus'"),
        ({"comm_overlap": "tp,xx"}, "unknown comm_overlap 'xx'; use none, or some of: tp, dp, pp, cp, ep"),
        ({"dispatcher": "pigeon"}, "unknown dispatcher 'pigeon'"),
        ({"precision": "int3", "recompute": "some", "chip": None}, "chip is blank"),
        ({"precision": float("nan")}, "precision is blank; use bf16"),
        ({"precision": " "}, "precision is blank; use bf16"),
        ({"precision": "nvfp4"}, "chip 'H100-SXM' has no published rate for precision 'nvfp4'"),
        ({"n_layers": 0.0}, "n_layers must be a whole number of at least 1, got 0.0"),
        ({"seq_len": float("nan")}, "seq_len must be positive and known"),
        ({"global_batch": 64.0}, "global_batch 64 is less than dp*micro_batch = 128"),
        ({"n_layers": 10.0}, "10 layers do not fill 16 pipeline stages"),
        ({"ep": 8.0}, "ep = 8 is more than the 0 experts"),
        ({"plan_complete": 0.0, "tp": float("nan")}, "tp must be positive and known"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_its_reason(one, changes, said):
    (reason,) = cases_of(one.assign(**changes)).reasons
    assert said in reason


def test_layers_need_not_divide_by_the_stages(one):
    assert float(case_of(one).n_layers[0]) % float(case_of(one).pp[0]) > 0


def test_blank_interleave_holds_two_layers_a_chunk(one):
    assert float(case_of(one).vpp[0]) == numpy.floor(126 / 16 / 2)
    assert float(case_of(one, framework="Megatron-DeepSpeed").vpp[0]) == 1
    assert float(case_of(one, pp=1.0, dp=2048.0).vpp[0]) == 1


def test_blank_micro_batch_follows_from_accumulation_or_is_one_in_a_pipeline(one):
    blank = {"micro_batch": float("nan"), "global_batch": 4096.0}
    assert float(case_of(one, **blank, grad_accum=16.0).micro_batch[0]) == 2
    assert float(case_of(one, **blank, grad_accum=float("nan")).micro_batch[0]) == 1
    alone = case_of(one, **blank, grad_accum=float("nan"), pp=1.0, dp=2048.0)
    assert float(alone.micro_batch[0]) == 2  # no pipeline: 16,384 tokens at once


@pytest.mark.parametrize(
    ("policy", "framework", "shares"),
    [
        ("none", "Megatron-LM", (0, 0, 0, 0, 0, 0)),
        ("unknown", "Megatron-LM", (0, 0, 0, 0, 0, 0)),
        ("unknown", "MaxText", (1, 1, 1, 1, 1, 1)),
        ("custom", "MaxText", (1, 1, 1, 1, 1, 1)),
        ("minimal", "MaxText", (1, 0, 0, 0, 1, 1)),  # saves every matmul
        ("save_dot_except_mlpwi", "MaxText", (1, 0, 0.67, 0.67, 1, 1)),
        ("qkv_proj_offloaded", "MaxText", (1, 0.4, 1, 1, 1, 1)),  # keeps little more than q, k and v
        ("selective", "Megatron-LM", (1, 0, 0, 0, 0, 0)),
        ("selective", "torchtitan", (0, 0.5, 0.5, 0.5, 1, 1)),
        ("full", "Megatron-LM", (1, 1, 1, 1, 1, 1)),
    ],
)
def test_recompute_says_what_of_a_layer_is_computed_again(one, policy, framework, shares):
    case = case_of(one, recompute=policy, framework=framework)
    assert tuple(float(getattr(case, part)[0]) for part in words.PARTS_AGAIN) == shares


def test_named_modules_say_what_is_computed_again(one):
    case = case_of(one, recompute="selective", recompute_modules="layernorm,mlp")
    assert [float(getattr(case, part)[0]) for part in words.PARTS_AGAIN] == [0, 0, 1, 0, 1, 1]


def test_the_table_alone_needs_no_optional_column(one):
    least = one[["run_id", "source_id", "arch", "chip", "n_layers", "d_model", "n_heads", "seq_len", "n_chips", "tp"]]
    least = least.assign(pp=16.0, global_batch=2048.0, precision="bf16")
    assert float(case_of(least).dp[0]) == 128


def test_a_scale_up_domain_or_network_that_is_blank_is_the_chips_usual_one(one):
    case = case_of(one, scaleup_domain=float("nan"), nic_gbps_per_chip=float("nan"))
    assert (float(case.scaleup_domain[0]), float(case.nic_bytes_per_s[0])) == (8, 50e9)


def test_experts_are_whole_unless_a_row_splits_them():
    table = catalog.load("training_runs")
    grok = table[table["run_id"] == "D0364"].reset_index(drop=True)
    assert float(case_of(grok).etp[0]) == float(grok["tp"][0]) > 1  # as its launcher does
    assert float(case_of(grok, etp=float("nan")).etp[0]) == 1


def test_every_scored_run_of_the_table_can_be_expressed():
    table = catalog.load("training_runs")
    complete = table[(table["plan_complete"] == 1) & table["arch"].isin(["dense", "moe"])]
    assert cases_of(complete).expressible.all()


def test_a_source_is_known_by_name_or_as_a_release_and_never_by_how_it_begins(one):
    known = shipped()
    assert known.family_of("mlperf-v5.1") == known.family_of("mlperf-v9.0") == "mlperf"
    assert known.family_of("nemo-25.02") == known.family_of("megatron-bridge-27.01") == "nemo"
    for stranger in ("nemo-of-my-own", "mlperfect", "nemo-rl-26.01", "me"):
        assert known.family_of(stranger) == ""
        assert not predict(one.assign(source_id=stranger))["family_known"].any()


def test_families_keep_papers_of_one_group_together():
    names = ["sc21", "sc21-tab2", "korthikanti22", "mt-nlg", "nemo-launcher-a100", "nemo-25.02", "x-12"]
    found = table_of_runs.families(catalog.load("training_runs").head(7).assign(source_id=names))
    assert list(found) == ["megatron-a100"] * 4 + ["nemo-launcher-a100", "nemo", "x"]
