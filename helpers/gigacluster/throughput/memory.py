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

from gigacluster.throughput.inputs import (
    ATTENTION_UNFUSED,
    FRAMEWORK_MEGATRON,
    PRECISION_BF16,
    RECOMPUTE_FULL,
    RECOMPUTE_NONE,
    Case,
)
from gigacluster.throughput.step_time import on_arrays
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
GATHERED_LAYERS = 2.0  # and the gradients of a third, before they are reduced


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


def in_flight(xp: Any, pp: Any, vpp: Any, n_micro_batches: Any) -> Any:
    """Return the micro-batches whose activations the first pipeline stage holds, in units of all its layers.

    Notes
    -----
    1F1B holds one a stage; interleaving adds (pp - 1) / vpp (Korthikanti et al. 2022, section 4.2.3). No schedule
    holds more than the micro-batches of the step.
    """
    interleaved = xp.astype(vpp > 1, xp.float64)
    return xp.minimum(pp + interleaved * (pp - 1.0) / vpp, n_micro_batches)


def layer_memory(xp: Any, case: Case) -> LayerMemory:
    """Return what one chip holds of one layer; needs the model, tp, sp, cp, ep, etp, micro_batch and recompute.

    Notes
    -----
    Activations tensor by tensor as in Korthikanti et al. 2022 (data/sources.csv, id ``korthikanti22``), section 4, with
    their dropout masks only where attention is unfused; extended to gated FFNs, grouped-query and latent attention, and
    to experts, each of which sees its even share of the routed tokens. With 8-bit linear layers, saved inputs of
    matmuls take one byte.
    """
    part = layer_params(case)
    moe_frac = xp.where(case.n_experts > 0, 1.0 - case.n_dense_layers / case.n_layers, 0.0)
    unfused = xp.astype(case.attention_kernel == ATTENTION_UNFUSED, xp.float64)
    full = case.recompute == RECOMPUTE_FULL
    tokens = case.micro_batch * case.seq_len / case.cp
    outside = tokens / xp.where(case.sp > 0, case.tp, 1.0)  # tokens a chip holds between the sharded matmuls
    saved = 1.0 + (_HALF - 1.0) * xp.astype(case.precision == PRECISION_BF16, xp.float64)  # input of a matmul

    residual = (
        outside * case.d_model * (2.0 * _HALF + 2.0 * saved + 2.0 * unfused)
    )  # inputs and outputs of norms, masks
    attention = tokens / case.tp * _attention_bytes(xp, case, saved)
    maps = unfused * 5.0 * case.n_heads / case.tp * tokens * case.seq_len / case.cp
    inner = _HALF * (1.0 + case.ffn_gated) + saved  # of an FFN, a unit of width
    dense_ffn = tokens / case.tp * case.d_ff * inner
    routed = tokens * case.top_k * case.etp / case.tp  # tokens at the experts of one chip, with ep sharing them evenly
    expert_ffn = routed * (case.d_model * (saved + _HALF) + case.d_ff_expert / case.etp * inner)
    shared_ffn = tokens / case.tp * case.n_shared_experts * case.d_ff_expert * inner
    ffn = (1.0 - moe_frac) * dense_ffn + moe_frac * (expert_ffn + shared_ffn)

    layer = residual + attention + ffn
    layer_input = outside * case.d_model * _HALF
    nothing = case.recompute == RECOMPUTE_NONE
    # Selective: Megatron drops the maps of attention alone; policies of PyTorch and XLA save about every other tensor.
    policy = ~(full | nothing) & (case.framework != FRAMEWORK_MEGATRON)
    dropped = xp.where(full, layer - layer_input, xp.where(policy, 0.5 * (layer - layer_input), 0.0))
    maps_dropped = xp.where(nothing, 0.0, maps)
    kept, again = layer + maps - dropped - maps_dropped, dropped + maps_dropped
    return LayerMemory(
        dense_params=(
            (part.attention + (1.0 - moe_frac) * part.dense_ffn + moe_frac * part.shared_experts) / case.tp
            + part.norms
            + moe_frac * part.router
        ),
        expert_params=moe_frac * part.routed_experts / (case.ep * case.etp),
        vocabulary_params=case.vocab * case.d_model / case.tp,
        kept_bytes=kept,
        working_bytes=again + xp.maximum(dense_ffn, expert_ffn),  # the gradient of the largest tensor beside it
        logit_bytes=tokens * case.vocab / case.tp * LOGIT_BYTES,
        embedding_bytes=layer_input,
    )


def _attention_bytes(xp: Any, case: Case, saved: Any) -> Any:
    """Return the bytes a token of queries, keys, values and the output of attention, before dividing by tp."""
    latent = case.mla_kv_rank > 0
    grouped = (2.0 * case.n_kv_heads + case.n_heads) * case.d_head
    expanded = case.n_heads * (2.0 * (case.d_head + case.mla_rope_dim) + case.mla_value_dim)
    output = case.n_heads * xp.where(latent, case.mla_value_dim, case.d_head)
    quantised = saved * xp.astype(saved < _HALF, xp.float64)  # the 8-bit copy that the output projection saves
    return _HALF * xp.where(latent, expanded, grouped) + (_HALF + quantised) * output


def memory_from_layers(xp: Any, layers: LayerMemory, case: Case) -> Memory:
    """Return the peak of the fullest chip; needs what one layer holds, and pp, vpp, dp, sharding, batch and n_layers.

    Notes
    -----
    The first stage holds the most micro-batches and the embedding, the last one micro-batch of logits; the fuller of
    both counts. With one stage, both are the same chip.
    """
    alone = case.pp == 1.0
    stage_layers = xp.ceil(case.n_layers / case.pp)
    tables = 1.0 + xp.astype(alone & (case.tied_embeddings == 0.0), xp.float64)
    dense = stage_layers * layers.dense_params + tables * layers.vocabulary_params
    expert = stage_layers * layers.expert_params
    # The states of an expert spread over the replicas of that expert.
    expert_group = xp.maximum(case.shard_group * case.tp / (case.ep * case.etp), 1.0)
    spread = dense / case.shard_group + expert / expert_group
    whole = dense + expert

    held = in_flight(xp, case.pp, case.vpp, case.n_micro_batches)
    one = stage_layers * layers.kept_bytes
    first = held * (one + layers.embedding_bytes) + layers.working_bytes
    last = one + layers.working_bytes
    logits = xp.where(alone | (last + layers.logit_bytes > first), layers.logit_bytes, 0.0)
    activations = xp.where(alone | (logits == 0.0), first, last)
    # With a pipeline, FSDP leaves parameters gathered and gradients whole until the step ends; else layer by layer.
    per_layer = layers.dense_params + layers.expert_params
    held_whole = case.shard_params * xp.astype(case.pp > 1.0, xp.float64)
    gathered = case.shard_params * xp.where(alone, per_layer * (GATHERED_LAYERS + 1.0), whole) * _HALF
    sharded_grads = case.shard_grads * (1.0 - held_whole)
    return Memory(
        # A sharded parameter is stored as the optimizer's master copy.
        parameters=(1.0 - case.shard_params) * _HALF * whole,
        gradients=case.grad_bytes * (sharded_grads * spread + (1.0 - sharded_grads) * whole),
        optimizer=OPTIMIZER_BYTES * (case.shard_optimizer * spread + (1.0 - case.shard_optimizer) * whole),
        activations=activations,
        logits=logits,
        gathered=gathered,
        context=xp.full_like(activations, CONTEXT_BYTES),
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
        The step fits where its ``needed`` is at most ``case.memory_bytes``. [byte]
    """
    xp, case = on_arrays(case)
    return memory_from_layers(xp, layer_memory(xp, case), case)
