"""Operations of a layer: their FLOP and bytes by counting, whatever the format of numbers and the split."""

import dataclasses

import pytest

from gigacluster import hardware, transformer
from gigacluster.throughput import case as codes
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.job import Job
from gigacluster.throughput.plans import Plan, case_of_plan
from gigacluster.throughput.roofline import operations

TOKENS = 2 * 2048
#: Bytes of an input of a matmul by format of numbers; blocks and rows of FP8 keep their scales, which are few.
INPUT_BYTES = {
    codes.PRECISION_BF16: 2.0,
    codes.PRECISION_FP8_DELAYED: 1.0,
    codes.PRECISION_FP8_CURRENT: 1.0,
    codes.PRECISION_FP8_ROW: 1.0,
    codes.PRECISION_MXFP8: 1.0,
    codes.PRECISION_INT8: 1.0,
    codes.PRECISION_NVFP4: 0.5,
}


def case_of(name, chip="B200", **plan):
    job = Job(model=transformer.model(name), cluster=hardware.cluster(chip, 64), global_batch=128, seq_len=2048)
    return case_of_plan(job, Plan(micro_batch=2, dp=64 // plan.get("tp", 1), sharding="none", **plan))


def by_name(case):
    return {one.name: one for one in operations(case, Coefficients())}


@pytest.mark.parametrize("tp", [1, 8])
def test_matmuls_of_a_dense_layer_spend_two_flop_a_parameter_and_token(tp):
    model = transformer.model("llama3-8b")
    found = by_name(case_of("llama3-8b", tp=tp, sp=tp > 1))
    heads = (model.n_heads + 2 * model.n_kv_heads) * model.d_head
    params = {
        "queries, keys, values": model.d_model * heads,
        "attention output": model.n_heads * model.d_head * model.d_model,
        "FFN up": 2 * model.d_model * model.d_ff,
        "FFN down": model.d_ff * model.d_model,
        "output head": model.d_model * model.vocab,
    }
    for name, count in params.items():
        assert found[name].flop == pytest.approx(2 * TOKENS * count / tp, rel=1e-12), name
    # Causal attention sees half the tokens, and one: two matmuls of 2 FLOP a pair and channel.
    pairs = TOKENS * (2048 + 1) / 2
    assert found["attention core"].flop == pytest.approx(4 * pairs * model.n_heads * model.d_head / tp, rel=1e-3)
    assert found["norm"].bytes_moved == 4.0 * TOKENS * model.d_model / tp  # read and written in 16 bit
    reached = Coefficients().memory_frac * hardware.chip("B200").memory_bytes_per_s
    assert found["norm"].bytes_moved / found["norm"].seconds == pytest.approx(reached, rel=1e-12)
    assert found["norm"].intensity == 1.0  # four operations a value


@pytest.mark.parametrize("tp", [1, 8])
def test_experts_get_their_share_of_the_tokens(tp):
    model = transformer.model("mixtral-8x7b")
    found = by_name(case_of("mixtral-8x7b", ep=8, tp=tp, sp=tp > 1))
    # Each token at two experts; a chip of eight holds one and sees an eighth of eight, which tp chips share.
    copies = TOKENS * model.top_k / tp
    assert found["FFN down"].flop == pytest.approx(2 * copies * model.d_ff_expert * model.d_model, rel=1e-12)


@pytest.mark.parametrize(("precision", "input_bytes"), INPUT_BYTES.items())
def test_inputs_are_read_and_outputs_written_once(precision, input_bytes):
    model = transformer.model("llama3-8b")
    found = by_name(dataclasses.replace(case_of("llama3-8b"), precision=float(precision)))
    read = (TOKENS + model.d_model) * model.d_ff * input_bytes
    assert found["FFN down"].bytes_moved == pytest.approx(read + 2.0 * TOKENS * model.d_model, rel=1e-12)
    head = 2.0 * ((TOKENS + model.vocab) * model.d_model + TOKENS * model.vocab)  # the head stays in 16 bit
    assert found["output head"].bytes_moved == pytest.approx(head, rel=1e-12)


def test_operations_come_once_each_in_the_order_of_the_forward_pass():
    names = ["queries, keys, values", "attention output", "attention core", "FFN up", "FFN down", "output head", "norm"]
    assert [one.name for one in operations(case_of("llama3-8b"), Coefficients())] == names


@pytest.mark.parametrize("tp", [1, 8])
def test_latent_attention_projects_from_its_rank_and_to_its_own_width_of_values(tp):
    model = transformer.model("deepseek-v3")
    found = by_name(case_of("deepseek-v3", tp=tp, sp=tp > 1, ep=8))
    queries = model.mla_q_rank * model.n_heads * (model.d_head + model.mla_rope_dim)
    assert found["queries, keys, values"].flop == pytest.approx(2 * TOKENS * queries / tp, rel=1e-12)
    output = model.n_heads * model.mla_value_dim * model.d_model
    assert found["attention output"].flop == pytest.approx(2 * TOKENS * output / tp, rel=1e-12)


def test_a_large_matmul_in_16_bit_takes_its_operations_over_the_reached_share_of_the_peak():
    """The head, with a vocabulary so large that neither its launch nor its edges count."""
    case = dataclasses.replace(case_of("llama3-8b"), vocab=2.0**24)
    for share in (0.4, 0.8):
        k = dataclasses.replace(Coefficients(), gemm_frac=share)
        (head,) = (one for one in operations(case, k) if one.name == "output head")
        # Sizes that fill no last tile and the ramp of short inner products leave a few percent.
        assert head.flop_per_s == pytest.approx(share * case.gemm_bf16_flop_per_s, rel=0.1)


@pytest.mark.parametrize("tp", [1, 8])
@pytest.mark.parametrize("name", ["llama3-8b", "gpt3-175b"])
def test_a_core_of_attention_reads_queries_keys_and_values_once_and_writes_its_output(name, tp):
    model = transformer.model(name)
    found = by_name(case_of(name, tp=tp, sp=tp > 1))["attention core"]
    values = (2 * model.n_heads + 2 * model.n_kv_heads) * model.d_head / tp
    assert found.bytes_moved == pytest.approx(2.0 * TOKENS * values, rel=1e-12)
    assert found.intensity == pytest.approx(found.flop / found.bytes_moved)
