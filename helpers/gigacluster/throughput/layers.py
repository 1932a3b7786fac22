"""Stage one of the step time: what one micro-batch costs in one layer, on one chip.

Depends on model, chip, precision, ``tp sp cp ep etp``, micro-batch and recompute alone, so that a search evaluates it
for the few distinct combinations of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.throughput import inputs
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.collectives import all_to_all_s, ring_s
from gigacluster.throughput.inputs import Case
from gigacluster.throughput.kernels import (
    attention_s,
    cast_bytes_per_value,
    either,
    gemm_s,
    matmul_rate_flop_per_s,
    soft_maximum,
)

__all__ = ["LayerTimes", "Parts", "layer_times"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Forward, backward and recomputation of one layer and micro-batch, by cause. [s]"""

    matmul_s: Any
    attention_s: Any
    memory_s: Any  # norms, activations, quantising: bound by memory bandwidth
    tensor_comm_s: Any  # what is not hidden, as for the next two
    context_comm_s: Any
    expert_comm_s: Any
    host_s: Any  # waiting for launches
    total_s: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTimes:
    """Times of one micro-batch, and parameters, on one chip."""

    dense: Parts
    moe: Parts
    head: Parts  # logits and loss, on the last pipeline stage
    dense_params: Any
    moe_shared_params: Any  # attention, router, shared experts of an MoE layer
    expert_params: Any  # routed experts of an MoE layer
    embedding_params: Any
    boundary_bytes: Any  # activations that a pipeline stage passes on


def layer_times(xp: Any, case: Case, k: Coefficients) -> LayerTimes:
    """Return the times of a dense layer, an MoE layer and the output head for every element of ``case``."""
    tokens = case.micro_batch * case.seq_len / case.cp
    rate = matmul_rate_flop_per_s(xp, case, k)
    projections = _projections(xp, case)
    gated = 1.0 + case.ffn_gated
    dense_ffn = [(gated * case.d_ff / case.tp, case.d_model), (case.d_model, case.d_ff / case.tp)]
    shared_width = case.n_shared_experts * case.d_ff_expert / case.tp
    shared_ffn = [(gated * shared_width, case.d_model), (case.d_model, shared_width)]

    attention = _attention(xp, case, k)
    dense = _compute(xp, case, k, tokens, rate, [*projections, *dense_ffn], case.d_ff / case.tp)
    shared = _compute(xp, case, k, tokens, rate, [*projections, *shared_ffn], shared_width)
    routed = _experts(xp, case, k, tokens, rate)
    tensor_s = _tensor_comm(xp, case, k, tokens)
    context_s = _context_comm(xp, case, k, tokens, attention)
    expert_s = _expert_comm(xp, case, k, tokens)
    zero = xp.zeros_like(tokens)
    head_width = case.vocab / case.tp
    head_rate = case.gemm_bf16_flop_per_s * k.gemm_frac
    head_s = _three_matmuls(xp, tokens, head_width, case.d_model, head_rate, case, k)
    head_memory_s = k.logit_bytes * tokens * head_width / (k.memory_frac * case.memory_bytes_per_s)
    moe_layers = case.n_experts > 0
    return LayerTimes(
        dense=_parts(xp, case, dense, attention, tensor_s, context_s, zero, k.host_layer_s + zero),
        moe=_parts(
            xp,
            case,
            tuple(xp.where(moe_layers, a + b, 0.0) for a, b in zip(shared, routed, strict=True)),
            attention,
            tensor_s,
            context_s,
            expert_s,
            (k.host_moe_s + k.host_expert_s * case.n_experts / case.ep) * _moe_software(xp, case, k),
        ),
        head=_parts(xp, case, (head_s, head_memory_s), zero, zero, zero, zero, zero),
        dense_params=sum(width * inner for width, inner in [*projections, *dense_ffn]),
        moe_shared_params=sum(width * inner for width, inner in [*projections, *shared_ffn])
        + case.n_experts * case.d_model,
        expert_params=case.n_experts / (case.ep * case.etp) * (gated + 1.0) * case.d_model * case.d_ff_expert,
        embedding_params=case.vocab * case.d_model / case.tp,
        boundary_bytes=2.0 * tokens * case.d_model / case.tp,
    )


def _projections(xp: Any, case: Case) -> list[tuple[Any, Any]]:
    """Return (output width, inner length) of the matmuls around attention, on one chip."""
    latent = case.mla_kv_rank > 0
    key = case.d_head + case.mla_rope_dim
    value = xp.where(case.mla_value_dim > 0, case.mla_value_dim, case.d_head)
    plain = (case.n_heads + 2.0 * case.n_kv_heads) * case.d_head / case.tp
    down = case.mla_q_rank + case.mla_kv_rank + case.mla_rope_dim  # not split over the tensor-parallel group
    query_up = case.n_heads * key / case.tp
    value_up = case.n_heads * (case.d_head + value) / case.tp
    return [
        (xp.where(latent, down, plain), case.d_model),
        (xp.where(latent, query_up, 0.0), case.mla_q_rank),
        (xp.where(latent, value_up, 0.0), case.mla_kv_rank),
        (case.d_model + 0.0 * plain, case.n_heads * value / case.tp),
    ]


def _three_matmuls(xp: Any, tokens: Any, width: Any, inner: Any, rate: Any, case: Case, k: Coefficients) -> Any:
    """Forward, and backward with respect to inputs and to weights; absent where a dimension is zero."""
    present = (width > 0) & (inner > 0)
    width, inner = xp.where(present, width, 1.0), xp.where(present, inner, 1.0)
    forward = gemm_s(xp, tokens, width, inner, 1.0, rate, case, k)
    inputs_s = gemm_s(xp, tokens, inner, width, 1.0, rate, case, k)
    weights_s = gemm_s(xp, inner, width, tokens, 1.0, rate, case, k)
    return xp.where(present, forward + inputs_s + weights_s, 0.0)


def _repeat(xp: Any, case: Case) -> Any:
    """Return the share of the forward pass of the linear layers that runs twice.

    Selective recomputation repeats the core of attention alone in Megatron; policies of PyTorch and XLA save about
    every other matmul.
    """
    policy = either(xp, case.framework == inputs.FRAMEWORK_MEGATRON, 0.0, 0.5)
    selective = xp.where(case.recompute == inputs.RECOMPUTE_SELECTIVE, policy, 0.0)
    return xp.where(case.recompute == inputs.RECOMPUTE_FULL, 1.0, selective)


def _compute(
    xp: Any, case: Case, k: Coefficients, tokens: Any, rate: Any, shapes: list[tuple[Any, Any]], ffn_width: Any
) -> tuple[Any, Any]:
    """Return matmul time and memory-bound time of a layer's linear part."""
    matmul_s = sum(_three_matmuls(xp, tokens, width, inner, rate, case, k) for width, inner in shapes)
    spread = xp.where(case.sp > 0, case.tp, 1.0)
    values = k.norm_passes * case.d_model / spread + k.activation_passes * ffn_width * (1.0 + case.ffn_gated) / 2.0
    cast = cast_bytes_per_value(xp, case, k) * sum(inner for _, inner in shapes)
    again = 1.0 + _repeat(xp, case) / 3.0  # the forward pass is a third of all
    eager = either(xp, case.framework == inputs.FRAMEWORK_FSDP, k.eager_factor, 1.0)
    gradients = _gradient_bytes(xp, case, k) * sum(width * inner for width, inner in shapes)
    bytes_moved = tokens * (2.0 * values + cast) * again * eager + gradients
    return matmul_s * again, bytes_moved / (k.memory_frac * case.memory_bytes_per_s)


def _gradient_bytes(xp: Any, case: Case, k: Coefficients) -> Any:
    """Return the memory traffic of adding one parameter's gradient of a micro-batch to the sum."""
    return k.gradient_bytes * either(xp, case.fused_gradients > 0, 1.0, k.unfused_gradient_factor)


def _attention(xp: Any, case: Case, k: Coefficients) -> Any:
    forward_s, backward_s = attention_s(xp, case, k)
    again = either(xp, case.recompute == inputs.RECOMPUTE_NONE, 0.0, 1.0)
    fused = case.attention_kernel > inputs.ATTENTION_UNFUSED
    again = xp.where((case.recompute == inputs.RECOMPUTE_SELECTIVE) & fused, 0.0, again)  # fused kernels do so anyway
    return forward_s * (1.0 + again) + backward_s


def _experts(xp: Any, case: Case, k: Coefficients, tokens: Any, rate: Any) -> tuple[Any, Any]:
    """Return matmul and memory-bound time of the routed experts."""
    present = case.n_experts > 0
    n_experts = xp.where(present, case.n_experts, 1.0)
    top_k = xp.where(present, case.top_k, 1.0)
    width = xp.where(present, case.d_ff_expert / case.etp, 1.0)
    routed = tokens / case.tp * top_k * (1.0 + k.expert_imbalance) * case.etp  # token copies on a chip
    local = n_experts / case.ep
    rows = routed / local
    gated = 1.0 + case.ffn_gated
    matmul_s = 0.0
    for across, inner in ((gated * width, case.d_model), (case.d_model, width)):
        matmul_s = matmul_s + gemm_s(xp, rows, across, inner, local, rate, case, k)
        matmul_s = matmul_s + gemm_s(xp, rows, inner, across, local, rate, case, k)
        matmul_s = matmul_s + gemm_s(xp, inner, across, rows, local, rate, case, k)
    cast = cast_bytes_per_value(xp, case, k) * (case.d_model + width)
    values = k.permute_passes * case.d_model + k.activation_passes * width * (1.0 + case.ffn_gated) / 2.0
    weights = (
        (6.0 + _gradient_bytes(xp, case, k)) * local * (gated + 1.0) * case.d_model * width
    )  # read three times in 16 bit
    bytes_moved = routed * (2.0 * values + cast) + weights
    memory_s = _moe_software(xp, case, k) * bytes_moved / (k.memory_frac * case.memory_bytes_per_s)
    again = 1.0 + _repeat(xp, case) / 3.0
    return xp.where(present, matmul_s * again, 0.0), xp.where(present, memory_s * again, 0.0)


def _moe_software(xp: Any, case: Case, k: Coefficients) -> Any:
    """Return the time that routing and launching take over that of dropless software of mid 2025."""
    newer = xp.exp(-k.moe_software_per_year * (case.software_year - 2025.5))
    return newer * either(xp, case.token_drop > 0, k.token_drop_factor, 1.0)


def _tensor_comm(xp: Any, case: Case, k: Coefficients, tokens: Any) -> Any:
    """Return exposed tensor-parallel communication: two all-reduces each way, or gathers and scatters of that size."""
    message = 2.0 * tokens * case.d_model
    once = 2.0 * ring_s(xp, message, case.tp, 1.0, case, k)  # an all-reduce is a reduce-scatter and an all-gather
    passes = 4.0 + 2.0 * _repeat(xp, case)
    return passes * once * (1.0 - k.tp_overlap_frac * case.overlap_tp)


def _context_comm(xp: Any, case: Case, k: Coefficients, tokens: Any, attention_time_s: Any) -> Any:
    """Return exposed exchange of keys and values around the context-parallel ring."""
    width = xp.where(case.mla_kv_rank > 0, 2.0 * case.n_heads * case.d_head, 2.0 * case.n_kv_heads * case.d_head)
    message = 2.0 * tokens * width / case.tp * case.cp
    around_s = 3.0 * ring_s(xp, message, case.cp, case.tp, case, k)  # keys and values forward, with gradients backward
    hidden = k.cp_overlap_frac * attention_time_s
    return xp.where(case.cp > 1.0, soft_maximum(xp, around_s, hidden) - hidden, 0.0)


def _expert_comm(xp: Any, case: Case, k: Coefficients, tokens: Any) -> Any:
    """Return exposed all-to-all: tokens to their experts and back, forward and backward."""
    message = 2.0 * tokens / case.tp * case.top_k * case.d_model
    once = all_to_all_s(xp, message, case.ep, case.etp, case.top_k, case, k)
    once = once + ring_s(xp, message * case.etp, case.etp, 1.0, case, k)  # received tokens, over the experts' own split
    passes = 4.0 + 2.0 * _repeat(xp, case)
    return xp.where(case.n_experts > 0, passes * once * (1.0 - k.ep_overlap_frac), 0.0)


def _parts(
    xp: Any, case: Case, linear: tuple[Any, Any], attention: Any, tensor: Any, context: Any, expert: Any, host: Any
) -> Parts:
    matmul, memory = linear
    device = matmul + memory + attention + tensor + context + expert
    total = soft_maximum(xp, device, host)
    return Parts(
        matmul_s=matmul,
        attention_s=attention,
        memory_s=memory,
        tensor_comm_s=tensor,
        context_comm_s=context,
        expert_comm_s=expert,
        host_s=total - device,
        total_s=total,
    )
