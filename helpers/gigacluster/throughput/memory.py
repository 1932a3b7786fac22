"""Peak memory of one chip: what is kept, by part, from the shape, the plan and the sharding alone. Nothing is fitted.

:func:`peak_memory` is two stages in one: :func:`layer_memory` needs the model and what splits a layer (tp, sp, cp, ep,
etp, micro-batch, recompute); :func:`memory_from_layers` puts layers together over stages, micro-batches and replicas,
so that a search computes the first once for many plans.

``allocated`` is the peak that tensors take; ``total`` the peak that the allocator reserves, with what lies outside it;
``needed`` lies between: what the step cannot do without, and decides whether it fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import as_common
from gigacluster.throughput.inputs import (
    ATTENTION_UNFUSED,
    PRECISION_BF16,
    RECOMPUTE_FULL,
    RECOMPUTE_NONE,
    Case,
)
from gigacluster.transformer import layer_params
from gigacluster.units import GIB

__all__ = ["LayerMemory", "Memory", "in_flight", "layer_memory", "memory_from_layers", "peak_memory"]

#: Bytes a parameter or an activation in 16 bit.
_HALF = 2.0
#: Bytes a parameter of Adam in mixed precision: master copy and two moments in 32 bit (Rajbhandari et al. 2020).
OPTIMIZER_BYTES = 12.0
#: Bytes an element of the logits: the 32-bit copy that the loss works on in place, and the gradient in 16 bit.
LOGIT_BYTES = 6.0
#: Device context, communication buffers and matmul workspaces: outside the allocator. Assumption.
CONTEXT_BYTES = 3.0 * GIB
#: What a caching allocator holds beyond live tensors, as a share of what changes within a step. Assumption.
CACHED_FRAC = 0.10
#: Layers whose parameters FSDP holds gathered at once: the one in use and the one fetched ahead.
GATHERED_LAYERS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerMemory:
    """What one chip holds of one average layer and of the vocabulary; arrays of one shape."""

    dense_params: Any  # attention, norms, dense and shared FFN, router [parameter]
    expert_params: Any  # routed experts [parameter]
    vocabulary_params: Any  # one table: embedding or output head [parameter]
    kept_bytes: Any  # of one micro-batch, from forward to backward
    working_bytes: Any  # while the layer is computed or computed again, beyond what is kept
    logit_bytes: Any
    embedding_bytes: Any  # output of the embedding of one micro-batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Peak memory of the fullest chip by part; arrays of one shape. [byte]"""

    parameters: Any
    gradients: Any
    optimizer: Any
    activations: Any  # with the working set of the layer being computed
    logits: Any
    gathered: Any  # parameters and gradients that FSDP holds unsharded for a moment
    context: Any  # outside the allocator: device context, communication buffers, workspaces
    cached: Any  # held by the allocator beyond live tensors; given back when memory runs short

    @property
    def allocated(self) -> Any:
        """Peak of what live tensors take."""
        static = self.parameters + self.gradients + self.optimizer
        return static + self.activations + self.logits + self.gathered

    @property
    def needed(self) -> Any:
        """Least that the step runs in: the step fits where this is at most the memory of the chip."""
        return self.allocated + self.context

    @property
    def total(self) -> Any:
        """Peak that is reserved, as a system monitor shows it where memory does not run short."""
        return self.needed + self.cached


def in_flight(pp: Any, vpp: Any, n_micro_batches: Any) -> Any:
    """Return the micro-batches whose activations the first pipeline stage holds, in units of all its layers.

    Notes
    -----
    1F1B holds one a stage; interleaving adds (pp - 1) / vpp (Korthikanti et al. 2022, section 4.2.3). No schedule
    holds more than the micro-batches of the step.
    """
    xp, pp, vpp, n_micro_batches = as_common(pp, vpp, n_micro_batches)
    held = pp + xp.where(vpp > 1, (pp - 1.0) / vpp, 0.0)
    return xp.where(held < n_micro_batches, held, n_micro_batches)


def layer_memory(case: Case) -> LayerMemory:
    """Return what one chip holds of one layer; needs the model, tp, sp, cp, ep, etp, micro_batch and recompute.

    Notes
    -----
    Activations tensor by tensor as in Korthikanti et al. 2022 (data/sources.csv, id ``korthikanti22``), section 4, with
    their dropout masks only where attention is unfused; extended to gated FFNs, grouped-query and latent attention, and
    to experts, each of which sees its even share of the routed tokens. With 8-bit linear layers, saved inputs of
    matmuls take one byte.
    """
    xp, layers, width, ff, gated, vocab, seq, experts, top_k, ff_expert, shared, dense_layers, kernel = as_common(
        case.n_layers,
        case.d_model,
        case.d_ff,
        case.ffn_gated,
        case.vocab,
        case.seq_len,
        case.n_experts,
        case.top_k,
        case.d_ff_expert,
        case.n_shared_experts,
        case.n_dense_layers,
        case.attention_kernel,
    )
    _, tp, sp, cp, ep, etp, micro, recompute, precision, heads = as_common(
        case.tp, case.sp, case.cp, case.ep, case.etp, case.micro_batch, case.recompute, case.precision, case.n_heads
    )
    part = layer_params(case)
    moe_frac = xp.where(experts > 0, 1.0 - dense_layers / layers, 0.0)
    unfused = kernel == ATTENTION_UNFUSED
    tokens = micro * seq / cp
    outside = tokens / xp.where(sp > 0, tp, 1.0)  # tokens a chip holds between the sharded matmuls
    linear = 1.0 + (_HALF - 1.0) * xp.astype(precision == PRECISION_BF16, xp.float64)  # saved input of a matmul

    residual = outside * width * (2.0 * _HALF + 2.0 * linear + 2.0 * xp.astype(unfused, xp.float64))  # two norms, masks
    attention = tokens / tp * _attention_bytes(case, linear)
    maps = xp.where(unfused, 5.0 * heads / tp * tokens * seq / cp, 0.0)
    dense_ffn = tokens / tp * ff * (_HALF * (1.0 + gated) + linear)
    routed = tokens * top_k * etp / tp  # tokens at the experts of one chip, with ep sharing them evenly
    expert_inner = ff_expert / etp * (_HALF * (1.0 + gated) + linear)
    expert_ffn = routed * (width * (linear + _HALF) + expert_inner)
    shared_ffn = tokens / tp * shared * ff_expert * (_HALF * (1.0 + gated) + linear)
    ffn = (1.0 - moe_frac) * dense_ffn + moe_frac * (expert_ffn + shared_ffn)

    everything = residual + attention + ffn
    kept_input = outside * width * _HALF
    kept = xp.where(
        recompute == RECOMPUTE_FULL, kept_input, everything + xp.where(recompute == RECOMPUTE_NONE, maps, 0.0)
    )
    again = xp.where(recompute == RECOMPUTE_FULL, everything + maps, xp.where(recompute == RECOMPUTE_NONE, 0.0, maps))
    largest = xp.where(dense_ffn > expert_ffn, dense_ffn, expert_ffn)  # its gradient is made beside it
    return LayerMemory(
        dense_params=(
            (part.attention + (1.0 - moe_frac) * part.dense_ffn + moe_frac * part.shared_experts) / tp
            + part.norms
            + moe_frac * part.router
        ),
        expert_params=moe_frac * part.routed_experts / (ep * etp),
        vocabulary_params=vocab * width / tp,
        kept_bytes=kept,
        working_bytes=again + largest,
        logit_bytes=tokens * vocab / tp * LOGIT_BYTES,
        embedding_bytes=kept_input,
    )


def _attention_bytes(case: Case, linear: Any) -> Any:
    """Return the bytes a token of queries, keys, values and the output of attention, before dividing by tp."""
    xp, heads, kv_heads, head, kv_rank, rope, value = as_common(
        case.n_heads, case.n_kv_heads, case.d_head, case.mla_kv_rank, case.mla_rope_dim, case.mla_value_dim
    )
    grouped = (2.0 * kv_heads + heads) * head
    latent = heads * (2.0 * (head + rope) + value)
    output = heads * xp.where(kv_rank > 0, value, head)
    return _HALF * xp.where(kv_rank > 0, latent, grouped) + xp.where(linear < _HALF, linear + _HALF, _HALF) * output


def memory_from_layers(layers: LayerMemory, case: Case) -> Memory:
    """Return the peak of the fullest chip; needs what one layer holds, and pp, vpp, dp, sharding, batch and n_layers.

    Notes
    -----
    The first stage holds the most micro-batches and the embedding, the last one micro-batch of logits; the fuller of
    both counts. With one stage, both are the same chip.
    """
    xp, n_layers, pp, vpp, dp, micro, batch, tied, tp, ep, etp = as_common(
        case.n_layers,
        case.pp,
        case.vpp,
        case.dp,
        case.micro_batch,
        case.global_batch,
        case.tied_embeddings,
        case.tp,
        case.ep,
        case.etp,
    )
    _, shard_params, shard_grads, shard_optimizer, group, grad_bytes = as_common(
        case.shard_params, case.shard_grads, case.shard_optimizer, case.shard_group, case.grad_bytes
    )
    alone = pp == 1.0
    stage_layers = xp.ceil(n_layers / pp)
    tables = 1.0 + xp.astype(alone & (tied == 0.0), xp.float64)
    dense = stage_layers * layers.dense_params + tables * layers.vocabulary_params
    expert = stage_layers * layers.expert_params
    expert_group = group * tp / (ep * etp)  # an expert's states spread over the replicas of that expert
    expert_group = xp.where(expert_group > 1.0, expert_group, 1.0)
    spread = dense / group + expert / expert_group
    whole = dense + expert

    held = in_flight(pp, vpp, batch / (dp * micro))
    first = held * (stage_layers * layers.kept_bytes + layers.embedding_bytes) + layers.working_bytes
    last = stage_layers * layers.kept_bytes + layers.logit_bytes + layers.working_bytes
    logits = xp.where(alone | (last > first), layers.logit_bytes, 0.0)
    activations = xp.where(alone | (first > last - logits), first, last - logits)
    per_layer = layers.dense_params + layers.expert_params
    gathered = shard_params * per_layer * (GATHERED_LAYERS * _HALF + _HALF)
    return Memory(
        parameters=(1.0 - shard_params) * _HALF * whole,  # a sharded parameter is stored as the optimizer's master copy
        gradients=grad_bytes * (shard_grads * spread + (1.0 - shard_grads) * whole),
        optimizer=OPTIMIZER_BYTES * (shard_optimizer * spread + (1.0 - shard_optimizer) * whole),
        activations=activations,
        logits=logits,
        gathered=gathered,
        context=CONTEXT_BYTES + 0.0 * activations,
        cached=CACHED_FRAC * (activations + logits + gathered),
    )


def peak_memory(case: Case) -> Memory:
    """Return the peak memory of the fullest chip by part.

    Parameters
    ----------
    case : Case
        Model, chip, plan and batch; numbers or broadcastable arrays of one library.

    Returns
    -------
    Memory
        Its ``total`` is compared with ``case.memory_bytes``. [byte]
    """
    return memory_from_layers(layer_memory(case), case)
