"""Stage one of the step time: what one micro-batch costs in one layer, on one chip.

Depends on model, chip, precision, ``tp sp cp ep etp``, micro-batch and recompute alone, so that a search evaluates it
for the few distinct combinations of those.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

from gigacluster.arrays import Array, Namespace, Samples
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.kernels import (
    attention_s,
    cast_bytes_per_value,
    either,
    gemm_s,
    half_rate_flop_per_s,
    matmul_rate_flop_per_s,
    soft_maximum,
)
from gigacluster.throughput.network import all_to_all_s, ring_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Forward, backward and recomputation of one layer and micro-batch, by cause. [s]"""

    matmul_s: Samples
    attention_s: Samples
    memory_s: Samples  # norms, activations, quantising: bound by memory bandwidth
    tensor_comm_s: Samples  # what is not hidden, as for the next two
    context_comm_s: Samples
    expert_comm_s: Samples
    host_s: Samples  # waiting for launches
    total_s: Samples


#: Matmuls: output width and inner length of each.
Shapes: TypeAlias = list[tuple[Samples, Samples]]
#: The parts of a layer that are work of the chip or of its links, in order.
CAUSES = tuple(field.name for field in fields(Parts))[:-2]


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerTimes:
    """Times of one micro-batch, and parameters, on one chip."""

    dense: Parts
    moe: Parts
    head: Parts  # logits and loss, on the last pipeline stage
    dense_params: Samples
    moe_shared_params: Samples  # attention, router, shared experts of an MoE layer
    expert_params: Samples  # routed experts of an MoE layer
    embedding_params: Samples
    boundary_bytes: Samples  # activations that a pipeline stage passes on


def layer_times(xp: Namespace, case: Case, k: Coefficients) -> LayerTimes:
    """Return the times of a dense layer, an MoE layer and the output head for every element of ``case``."""
    rate = matmul_rate_flop_per_s(xp, case, k)
    projections = _projections(xp, case)
    gated = 1.0 + case.ffn_gated
    dense_ffn = [(gated * case.d_ff / case.tp, case.d_model), (case.d_model, case.d_ff / case.tp)]
    shared_width = case.n_shared_experts * case.d_ff_expert / case.tp
    shared_ffn = [(gated * shared_width, case.d_model), (case.d_model, shared_width)]

    attention = _attention(xp, case, k)
    dense = _linear(xp, case, k, rate, projections, dense_ffn, case.d_ff / case.tp)
    shared = _linear(xp, case, k, rate, projections, shared_ffn, shared_width)
    routed = _experts(xp, case, k, rate)
    around = _tensor_comm(xp, case, k), _context_comm(xp, case, k, attention)
    zero = xp.zeros_like(case.tokens)
    head_width = case.vocab / case.tp
    head_rate = half_rate_flop_per_s(xp, case, k)
    head_s = _three_matmuls(xp, head_width, case.d_model, head_rate, 0.0, case, k)
    head_memory_s = k.logit_bytes * case.tokens * head_width / (k.memory_frac * case.memory_bytes_per_s)
    moe_layers = case.n_experts > 0
    moe = (xp.where(moe_layers, shared[0] + routed[0], 0.0), xp.where(moe_layers, shared[1] + routed[1], 0.0))
    expert_s = _expert_comm(xp, case, k, moe[0] + moe[1] + attention)
    launches_s = _moe_launches_s(xp, case, k)
    # Two micro-batches at once double what the host has to look after.
    overlapped = 1.0 + (k.overlap_launch_factor - 1.0) * case.overlap_ep
    return LayerTimes(
        dense=_parts(xp, case, k, (dense[0], attention, dense[1], *around, zero), k.host_layer_s + zero, 1.0),
        moe=_parts(xp, case, k, (moe[0], attention, moe[1], *around, expert_s), launches_s, overlapped),
        head=_parts(xp, case, k, (head_s, zero, head_memory_s, zero, zero, zero), zero, 1.0),
        dense_params=_weights([*projections, *dense_ffn]),
        moe_shared_params=_weights([*projections, *shared_ffn]) + case.n_experts * case.d_model,
        expert_params=case.n_experts / (case.ep * case.etp) * (gated + 1.0) * case.d_model * case.d_ff_expert,
        embedding_params=case.vocab * case.d_model / case.tp,
        boundary_bytes=2.0 * case.tokens * case.d_model / case.tp,
    )


def _weights(shapes: Shapes) -> Samples:
    """Return the weights of matmuls."""
    return sum((width * inner for width, inner in shapes), start=0.0)


def _projections(xp: Namespace, case: Case) -> Shapes:
    """Return the matmuls around attention, on one chip."""
    latent = case.mla_kv_rank > 0
    ranked = case.mla_q_rank > 0  # otherwise queries come straight from the model's width
    key = case.d_head + case.mla_rope_dim
    value = xp.where(case.mla_value_dim > 0, case.mla_value_dim, case.d_head)
    plain = (case.n_heads + 2.0 * case.n_kv_heads) * case.d_head / case.tp
    query = case.n_heads * key / case.tp
    down = xp.where(ranked, case.mla_q_rank, query) + case.mla_kv_rank + case.mla_rope_dim  # ranks: not split by tp
    value_up = case.n_heads * (case.d_head + value) / case.tp
    return [
        (xp.where(latent, down, plain), case.d_model),
        (xp.where(latent & ranked, query, 0.0), case.mla_q_rank),
        (xp.where(latent, value_up, 0.0), case.mla_kv_rank),
        (case.d_model + 0.0 * plain, case.n_heads * value / case.tp),
    ]


def _three_matmuls(
    xp: Namespace, width: Samples, inner: Samples, rate: Samples, again: Samples, case: Case, k: Coefficients
) -> Array:
    """Forward, ``again`` of it once more, and backward by inputs and by weights; absent where a dimension is zero."""
    present = (width > 0) & (inner > 0)
    width, inner = xp.where(present, width, 1.0), xp.where(present, inner, 1.0)
    forward = gemm_s(xp, case.tokens, width, inner, 1.0, rate, case, k)
    inputs_s = gemm_s(xp, case.tokens, inner, width, 1.0, rate, case, k)
    weights_s = gemm_s(xp, inner, width, case.tokens, 1.0, rate, case, k)
    added_s = _gradient_bytes(xp, case, k) * width * inner / (k.memory_frac * case.memory_bytes_per_s)
    # A matmul that adds to the sum itself loads and stores it while it computes.
    fused_s = soft_maximum(xp, weights_s, added_s)
    weights_s = xp.where(case.fused_gradients > 0, fused_s, weights_s + added_s)
    return xp.where(present, (1.0 + again) * forward + inputs_s + weights_s, 0.0)


def _linear(
    xp: Namespace, case: Case, k: Coefficients, rate: Samples, projections: Shapes, ffn: Shapes, ffn_width: Samples
) -> tuple[Array, Array]:
    """Return matmul time and memory-bound time of a layer without its attention core and routed experts."""
    matmul_s = xp.zeros_like(case.tokens)
    for shapes, again in ((projections, case.again_projections), (ffn, case.again_ffn)):
        for width, inner in shapes:
            matmul_s = matmul_s + _three_matmuls(xp, width, inner, rate, again, case, k)
    spread = xp.where(case.sp > 0, case.tp, 1.0)
    norms = k.norm_passes * case.d_model / spread * (1.0 + case.again_norms / 3.0)  # forward is a third of all
    inner_values = k.activation_passes * ffn_width * (1.0 + case.ffn_gated) / 2.0 * (1.0 + case.again_activations / 3.0)
    lengths = sum(inner * (1.0 + case.again_projections / 3.0) for _, inner in projections)
    lengths = lengths + sum(inner * (1.0 + case.again_ffn / 3.0) for _, inner in ffn)
    cast = cast_bytes_per_value(xp, case, k) * lengths
    eager = either(xp, (case.framework == codes.FRAMEWORK_FSDP) & (case.compiled == 0.0), k.eager_factor, 1.0)
    bytes_moved = case.tokens * (2.0 * (norms + inner_values) + cast) * eager
    # FSDP quantises the gathered weights in every micro-batch, forward and backward; others keep them in 8 bit.
    cast_again = either(xp, (case.framework == codes.FRAMEWORK_FSDP) & (case.fp8_params == 0.0), 2.0, 0.0)
    bytes_moved = bytes_moved + cast_again * cast_bytes_per_value(xp, case, k) * _weights([*projections, *ffn])
    return matmul_s, bytes_moved / (k.memory_frac * case.memory_bytes_per_s)


def _gradient_bytes(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return the memory traffic of adding one parameter's gradient of a micro-batch to the sum."""
    return k.gradient_bytes * either(xp, case.fused_gradients > 0, 1.0, k.unfused_gradient_factor)


def _attention(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return the time of the attention core, with what of it is computed again.

    Fused kernels compute the scores again anyway: where only the core is to be, they keep their output instead.
    """
    forward_s, backward_s = attention_s(xp, case, k)
    alone = (case.again_core > 0) & (case.again_projections == 0) & (case.again_norms == 0)
    again = xp.where(alone & (case.attention_kernel > codes.ATTENTION_UNFUSED), 0.0, case.again_core)
    return forward_s * (1.0 + again) + backward_s


def _experts(xp: Namespace, case: Case, k: Coefficients, rate: Samples) -> tuple[Array, Array]:
    """Return matmul and memory-bound time of the routed experts."""
    present = case.n_experts > 0
    n_experts = xp.where(present, case.n_experts, 1.0)
    top_k = xp.where(present, case.top_k, 1.0)
    width = xp.where(present, case.d_ff_expert / case.etp, 1.0)
    excess = k.expert_imbalance * case.routing_excess
    load = xp.where(case.expert_capacity > 0, case.expert_capacity, 1.0 + excess)  # over an even share
    routed = case.tokens / case.tp * top_k * load * case.etp  # token copies on a chip
    local = n_experts / case.ep
    rows = routed / local
    gated = 1.0 + case.ffn_gated
    matmul_s = xp.zeros_like(case.tokens)
    for across, inner in ((gated * width, case.d_model), (case.d_model, width)):
        matmul_s = matmul_s + (1.0 + case.again_experts) * gemm_s(xp, rows, across, inner, local, rate, case, k)
        matmul_s = matmul_s + gemm_s(xp, rows, inner, across, local, rate, case, k)
        matmul_s = matmul_s + gemm_s(xp, inner, across, rows, local, rate, case, k)
    cast = cast_bytes_per_value(xp, case, k) * (case.d_model + width) * (1.0 + case.again_experts / 3.0)
    inner_values = k.activation_passes * width * (1.0 + case.ffn_gated) / 2.0 * (1.0 + case.again_activations / 3.0)
    values = k.permute_passes * case.d_model + inner_values
    # Weights are read three times in 16 bit.
    weights = (6.0 + _gradient_bytes(xp, case, k)) * local * (gated + 1.0) * case.d_model * width
    moved = routed * (2.0 * values + cast) * (1.0 - (1.0 - k.fused_experts_frac) * case.fused_experts) + weights
    memory_s = _drop_factor(xp, case, k) * moved / (k.memory_frac * case.memory_bytes_per_s)
    return xp.where(present, matmul_s, 0.0), xp.where(present, memory_s, 0.0)


def _drop_factor(xp: Namespace, case: Case, k: Coefficients) -> Array:
    return either(xp, case.token_drop > 0, k.token_drop_factor, 1.0)


def _moe_launches_s(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return the time of launching an MoE layer: a launch an expert where they are computed one after another."""
    experts = xp.where(case.sequential_experts > 0, case.n_experts / case.ep, 0.0)
    return (k.host_moe_s + k.host_expert_s * experts) * _drop_factor(xp, case, k)


def _tensor_comm(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return exposed tensor-parallel communication: two all-reduces each way, or gathers and scatters of that size."""
    message = 2.0 * case.tokens * case.d_model
    once = 2.0 * ring_s(xp, message, case.tp, 1.0, case, k)  # an all-reduce is a reduce-scatter and an all-gather
    passes = 4.0 + case.again_projections + case.again_ffn
    return passes * once * (1.0 - k.tp_overlap_frac * case.overlap_tp)


def _context_comm(xp: Namespace, case: Case, k: Coefficients, attention_time_s: Samples) -> Array:
    """Return exposed exchange of keys and values around the context-parallel ring."""
    width = xp.where(case.mla_kv_rank > 0, 2.0 * case.n_heads * case.d_head, 2.0 * case.n_kv_heads * case.d_head)
    message = 2.0 * case.tokens * width / case.tp * case.cp
    around_s = 3.0 * ring_s(xp, message, case.cp, case.tp, case, k)  # keys and values forward, with gradients backward
    hidden = k.cp_overlap_frac * case.overlap_cp * attention_time_s
    return xp.where(case.cp > 1.0, soft_maximum(xp, around_s, hidden) - hidden, 0.0)


def _expert_comm(xp: Namespace, case: Case, k: Coefficients, compute_s: Samples) -> Array:
    """Return exposed exchange: tokens to their experts and back, forward and backward.

    Some of it hides behind the shared expert and its neighbours; with ``overlap_ep``, the rest behind the computation
    of another micro-batch.
    """
    message = 2.0 * case.tokens / case.tp * case.top_k * case.d_model
    once = all_to_all_s(xp, message, case.ep, case.etp, case.top_k, case, k)
    once = once + ring_s(xp, message * case.etp, case.etp, 1.0, case, k)  # received tokens, over the experts' own split
    # Of two ways, the one to the experts can be in 8 bit, forward and backward (DeepSeek-V3, section 3.3.3).
    passes = (4.0 + 2.0 * case.again_experts) * (1.0 - 0.25 * case.fp8_dispatch)
    exposed_s = passes * once * (1.0 - k.ep_overlap_frac)
    window = k.ep_window_frac * case.overlap_ep * compute_s
    return xp.where(case.n_experts > 0, soft_maximum(xp, exposed_s, window) - window, 0.0)


def _parts(
    xp: Namespace, case: Case, k: Coefficients, causes: tuple[Samples, ...], launches: Samples, overlapped: Samples
) -> Parts:
    """Put the parts of :data:`CAUSES` together: the chip waits for the host where launching takes longer.

    What CUDA graphs capture is launched at once.
    """
    device = sum(causes, start=0.0)
    host = launches * overlapped * (1.0 - k.graph_saved_frac * case.graph_frac)
    total = soft_maximum(xp, device, host)
    return Parts(**dict(zip(CAUSES, causes, strict=True)), host_s=total - device, total_s=total)
