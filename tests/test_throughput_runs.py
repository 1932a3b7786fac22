"""From a table of runs to numbers: what is filled, by which rule, and what is refused, with the reason."""

import numpy
import pytest
from gigacluster.throughput.runs import cases_from_runs

from gigacluster.throughput import case as codes
from gigacluster.throughput.words import family_of, recompute_code
from gigareport import catalog


@pytest.fixture
def one():
    """One complete run: Llama 3.1 405B on 16,384 H100s."""
    table = catalog.load("training_runs")
    return table[table["run_id"] == "D0603"].reset_index(drop=True)


def case_of(table, **changes):
    found = cases_from_runs(table.assign(**changes), catalog.load("chips"))
    assert found.reasons == [""]
    return found.case


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dp": 100.0}, "tp*pp*cp*dp = 12800 is not n_chips = 16384"),
        ({"chip": "H1000"}, "chip 'H1000' is not in data/chips.csv"),
        ({"chip": None}, "chip is blank; give a name of data/chips.csv"),
        ({"chip": float("nan")}, "chip is blank"),
        ({"precision": "int3"}, "precision 'int3' is unknown"),
        ({"precision": float("nan")}, "precision is blank; use bf16"),
        ({"precision": " "}, "precision is blank; use bf16"),
        ({"precision": "nvfp4"}, "chip 'H100-SXM' has no published rate for precision 'nvfp4'"),
        ({"n_layers": 0.0}, "n_layers must be positive and known"),
        ({"seq_len": float("nan")}, "seq_len must be positive and known"),
        ({"global_batch": 64.0}, "global_batch 64 is less than dp*micro_batch = 128"),
        ({"n_layers": 10.0}, "10 layers do not fill 16 pipeline stages"),
        ({"ep": 8.0}, "ep = 8 is more than the 0 experts"),
        ({"plan_complete": 0.0, "tp": float("nan")}, "tp must be positive and known"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_its_reason(one, changes, said):
    (reason,) = cases_from_runs(one.assign(**changes), catalog.load("chips")).reasons
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
    ("policy", "xla", "code"),
    [
        ("none", False, codes.RECOMPUTE_NONE),
        ("unknown", False, codes.RECOMPUTE_NONE),
        ("unknown", True, codes.RECOMPUTE_FULL),
        ("custom", True, codes.RECOMPUTE_FULL),
        ("save_dot_except_mlpwi", True, codes.RECOMPUTE_SELECTIVE),
        ("full", False, codes.RECOMPUTE_FULL),
    ],
)
def test_recompute_is_filled_by_rule(policy, xla, code):
    assert recompute_code(policy, xla=xla) == code


def test_the_table_alone_needs_no_optional_column(one):
    least = one[["run_id", "source_id", "arch", "chip", "n_layers", "d_model", "n_heads", "seq_len", "n_chips", "tp"]]
    least = least.assign(pp=16.0, global_batch=2048.0, precision="bf16")
    assert float(case_of(least).dp[0]) == 128


def test_a_scale_up_domain_or_network_that_is_blank_is_the_chips_usual_one(one):
    case = case_of(one, scaleup_domain=float("nan"), nic_gbps_per_chip=float("nan"))
    assert (float(case.scaleup_domain[0]), float(case.nic_bytes_per_s[0])) == (8, 50e9)


def test_experts_are_split_like_the_layer_except_in_recipes_that_keep_them_whole():
    table = catalog.load("training_runs")
    grok = table[table["run_id"] == "D0364"].reset_index(drop=True)
    assert float(case_of(grok).etp[0]) == float(grok["tp"][0]) > 1
    assert float(case_of(grok, framework="Megatron-Bridge/NeMo 26.02").etp[0]) == 1


def test_every_scored_run_of_the_table_can_be_expressed():
    table = catalog.load("training_runs")
    complete = table[(table["plan_complete"] == 1) & table["arch"].isin(["dense", "moe"])]
    assert cases_from_runs(complete, catalog.load("chips")).expressible.all()


def test_releases_of_one_publisher_are_one_family():
    assert {family_of(name) for name in ("nemo-25.02", "megatron-bridge-26.04", "nemo-longseq")} == {"nemo"}
    assert family_of("nemo-launcher-a100") not in ("nemo", "mlperf")
    assert len({family_of(name) for name in ("sc21", "sc21-tab2", "korthikanti22", "mt-nlg")}) == 1
