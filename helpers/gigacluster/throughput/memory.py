"""Peak memory of one chip: what is kept, by part, from the shape, the plan and the sharding alone. Nothing is fitted.

:func:`peak_memory` is two stages in one: :func:`layer_memory` needs the model and what splits a layer (tp, sp, cp, ep,
etp, micro-batch, recompute); :func:`memory_from_layers` lays layers out over stages, micro-batches and replicas, so
that a search computes the first once for many plans.

``allocated`` is the peak that tensors take, ``reserved`` what the allocator holds for them, ``total`` what a device
shows; ``needed`` is what the step cannot do without, and decides whether it fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from gigacluster.arrays import Namespace, Samples
from gigacluster.throughput.case import ATTENTION_UNFUSED, FRAMEWORK_FSDP, FRAMEWORK_XLA, PRECISION_BF16, Case, changed
from gigacluster.throughput.step import on_arrays
from gigacluster.transformer import layer_params
from gigacluster.units import GIB

#: Bytes a parameter or an activation in 16 bit.
_HALF = 2.0
#: Device context, communication buffers and matmul workspaces: outside the allocator. Assumption.
CONTEXT_BYTES = 2.5 * GIB
#: What of that a step cannot do without, where memory runs short. Assumption.
LEAST_CONTEXT_FRAC = 0.6
#: What of it a TPU does not need, whose programs know all their buffers. Assumption.
_XLA_CONTEXT_SAVED = 0.9
#: What a caching allocator holds beyond live tensors, as a share of them: median of runs that print both.
CACHED_FRAC = 0.04
#: Layers whose parameters FSDP holds gathered at once: the one in use and the one fetched ahead.
GATHERED_LAYERS = 2.0  # and the gradients of a third, before they are reduced
#: Share of a layer that XLA gathers at a time: a program gathers each of its three large matrices where it is used.
_XLA_GATHERED_FRAC = 1.0 / 3.0
#: Longest chunk of tokens in which a loss that is computed in chunks holds its logits. Assumption.
_CHUNK_TOKENS = 2048.0
#: Bytes a score of an unfused core of attention in PyTorch: softmax in 32 bit, and its copy in 16.
_EAGER_MAP_BYTES = 6.0
#: Layers whose activations are on the chip where they are offloaded to the host.
_LAYERS_ON_CHIP = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerMemory:
    """What one chip holds of a dense layer, of an MoE layer and of the vocabulary; arrays of one shape."""

    dense_params: Samples  # attention, norms, FFN [parameter]
    moe_params: Samples  # attention, norms, shared FFN, router
    expert_params: Samples  # routed experts of an MoE layer
    vocabulary_params: Samples  # one table: embedding or output head
    dense_kept_bytes: Samples  # of one micro-batch, from forward to backward
    moe_kept_bytes: Samples
    working_bytes: Samples  # while a layer is computed or computed again, beyond what is kept
    logit_bytes: Samples
    embedding_bytes: Samples  # output of the embedding of one micro-batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Peak memory of the fullest chip by part; arrays of one shape. [byte]"""

    parameters: Samples
    gradients: Samples
    optimizer: Samples  # with what an update without a fused kernel copies, as far as activations leave no room for it
    activations: Samples  # with the working set of the layer being computed
    logits: Samples  # instead of that working set, where they take more: the loss comes between forward and backward
    gathered: Samples  # parameters and gradients that FSDP holds unsharded
    context: Samples  # outside the allocator: device context, communication buffers, workspaces
    cached: Samples  # held by the allocator beyond live tensors; given back when memory runs short

    @property
    def allocated(self) -> Samples:
        """Peak of what live tensors take."""
        static = self.parameters + self.gradients + self.optimizer
        return static + self.activations + self.logits + self.gathered

    @property
    def reserved(self) -> Samples:
        """Peak of what the allocator holds."""
        return self.allocated + self.cached

    @property
    def needed(self) -> Samples:
        """Least that the step runs in: the step fits where this is at most the memory of the chip."""
        return self.allocated + LEAST_CONTEXT_FRAC * self.context

    @property
    def total(self) -> Samples:
        """What a system monitor shows where memory does not run short."""
        return self.reserved + self.context


def in_flight(xp: Namespace, pp: Samples, vpp: Samples, n_micro_batches: Samples, rank: Samples = 0.0) -> Samples:
    """Return the micro-batches whose activations a pipeline rank holds, in units of all its layers.

    Notes
    -----
    1F1B holds one a stage that follows. Interleaved, a rank runs ``2 (pp - rank - 1) + (vpp - 1) pp`` chunks ahead of
    the one that it computes (Korthikanti et al. 2022, section 4.2.3: the first holds pp + (pp - 1) / vpp). No schedule
    holds more than the micro-batches of the step.
    """
    plain = pp - rank
    interleaved = (2.0 * (pp - rank - 1.0) + (vpp - 1.0) * pp + 1.0) / vpp
    return xp.minimum(xp.where(vpp > 1.0, interleaved, plain), n_micro_batches)


def layer_memory(xp: Namespace, case: Case) -> LayerMemory:
    """Return what one chip holds of one layer; needs the model, tp, sp, cp, ep, etp, micro_batch and recompute.

    Notes
    -----
    Activations tensor by tensor as in Korthikanti et al. 2022 (data/sources.csv, id ``korthikanti22``), section 4, with
    their dropout masks only where attention is unfused; extended to gated FFNs, grouped-query and latent attention, and
    to experts, each of which sees its even share of the routed tokens, or its capacity. With 8-bit linear layers, saved
    inputs of matmuls take one byte. What is computed again is dropped, tensor by tensor; compilers compute norms and
    activation functions again in any case.
    """
    part = layer_params(case)
    unfused = xp.astype(case.attention_kernel == ATTENTION_UNFUSED, xp.float64)
    tokens = case.tokens
    # Tokens a chip holds between the sharded matmuls; XLA shards them like the matmuls.
    outside = tokens / xp.where((case.sp > 0) | (case.framework == FRAMEWORK_XLA), case.tp, 1.0)
    saved = 1.0 + (_HALF - 1.0) * xp.astype(case.precision == PRECISION_BF16, xp.float64)  # input of a matmul
    norms = xp.maximum(case.again_norms, case.compiled)
    activations = xp.maximum(case.again_activations, case.compiled)

    layer_input = outside * case.d_model * _HALF
    second_input = layer_input  # of the norm in front of the FFN
    norm_outputs = outside * case.d_model * 2.0 * saved
    normed_heads = case.qk_norm * (case.n_heads + case.n_kv_heads) * case.d_head  # of queries and keys
    norm_outputs = norm_outputs + tokens / case.tp * normed_heads * _HALF
    masks = outside * case.d_model * 2.0 * unfused
    # Scores of an unfused core: softmax and its masks; PyTorch computes the softmax in 32 bit, and keeps a 16-bit copy.
    map_bytes = 5.0 + (_EAGER_MAP_BYTES - 5.0) * xp.astype(case.framework == FRAMEWORK_FSDP, xp.float64)
    maps = unfused * map_bytes * case.n_heads / case.tp * tokens * case.seq_len / case.cp
    projected, output = _attention_bytes(xp, case, saved)
    projected, output = tokens / case.tp * projected, tokens / case.tp * output
    around = layer_input + second_input + norm_outputs + masks + maps + projected + output
    around_again = (
        second_input * case.again_projections
        + norm_outputs * norms
        + masks * case.again_norms
        + maps * case.again_core
        + projected * case.again_projections
        + output * xp.minimum(case.again_core, case.again_projections)
    )

    opened = _HALF * (1.0 + case.ffn_gated)  # outputs of the first matmuls of an FFN, a unit of width
    dense_width = tokens / case.tp * case.d_ff
    shared_width = tokens / case.tp * case.n_shared_experts * case.d_ff_expert
    # Tokens at the experts of one chip: an even share, or the capacity to which it is filled up.
    routed = tokens * case.top_k * case.etp / case.tp * xp.where(case.expert_capacity > 0, case.expert_capacity, 1.0)
    routed_width = routed * case.d_ff_expert / case.etp
    # Sorted copies of the tokens, before and after the experts; policies by operation keep results of matmuls alone.
    # Routers weigh tokens in front of the last matmul: its output is passed on, and not kept.
    entered, left = routed * case.d_model * saved, routed * case.d_model * _HALF
    sorted_again = xp.maximum(case.again_experts, case.again_norms * case.again_activations)

    def ffn(width: Samples, again: Samples) -> tuple[Samples, Samples]:
        """Return what an FFN of a width keeps and what of it is computed again."""
        return width * (opened + saved), width * (opened * again + saved * activations)

    dense, dense_again = ffn(dense_width, case.again_ffn)
    shared, shared_again = ffn(shared_width, case.again_ffn)
    experts, experts_again = ffn(routed_width, case.again_experts)
    experts = experts + entered
    experts_again = experts_again + entered * sorted_again
    dense_kept = around - around_again + dense - dense_again
    moe_kept = around - around_again + shared - shared_again + experts - experts_again
    moe_layers = case.n_experts > 0
    # While a layer is computed again, the gradient of its output stands beside it, and those of its FFN or scores.
    has_dense = xp.astype(~moe_layers | (case.n_dense_layers > 0), xp.float64)
    routed_again = shared_again + experts_again
    gradient = (opened + saved) * xp.maximum(has_dense * dense_width, shared_width + routed_width) + left
    chunk = xp.where(case.logit_frac < 1.0, _CHUNK_TOKENS, tokens)
    logit_tokens = xp.minimum(tokens * case.logit_frac, chunk)
    attention = part.attention / case.tp + part.norms
    return LayerMemory(
        dense_params=attention + part.dense_ffn / case.tp,
        moe_params=attention + part.shared_experts / case.tp + part.router,
        expert_params=part.routed_experts / (case.ep * case.etp),
        vocabulary_params=case.vocab * case.d_model / case.tp,
        dense_kept_bytes=dense_kept,
        moe_kept_bytes=xp.where(moe_layers, moe_kept, 0.0),
        working_bytes=around_again + layer_input + xp.maximum(xp.maximum(dense_again, routed_again) + gradient, maps),
        logit_bytes=logit_tokens * case.vocab / case.tp * case.logit_bytes,
        embedding_bytes=layer_input,
    )


def _attention_bytes(xp: Namespace, case: Case, saved: Samples) -> tuple[Samples, Samples]:
    """Return the bytes a token of queries, keys, values, and of the output of attention, before dividing by tp."""
    latent = case.mla_kv_rank > 0
    grouped = (2.0 * case.n_kv_heads + case.n_heads) * case.d_head
    expanded = case.n_heads * (2.0 * (case.d_head + case.mla_rope_dim) + case.mla_value_dim)
    output = case.n_heads * xp.where(latent, case.mla_value_dim, case.d_head)
    quantised = saved * xp.astype(saved < _HALF, xp.float64)  # the 8-bit copy that the output projection saves
    return _HALF * xp.where(latent, expanded, grouped), (_HALF + quantised) * output


def memory_from_layers(xp: Namespace, layers: LayerMemory, case: Case) -> Memory:
    """Return the peak of the fullest chip; needs what a layer holds, and pp, vpp, dp, sharding, batch and n_layers.

    Notes
    -----
    The first stage holds the most micro-batches, the embedding and the dense layers in front of an MoE; the second the
    most micro-batches of MoE layers; the last the logits. The fullest of the three counts; with one stage all are the
    same chip.
    """
    dense_layers = xp.where(case.n_experts > 0, case.n_dense_layers, case.n_layers)
    alone = case.pp == 1.0
    piped = xp.astype(~alone, xp.float64)
    middle, shorter_first, shorter_last = _layers_of_stages(xp, case)
    tied_head = case.tied_embeddings * xp.astype(alone, xp.float64)
    first = _stage(xp, layers, case, middle - shorter_first, dense_layers, 0.0)
    second_dense = xp.maximum(dense_layers - (middle - shorter_first), 0.0)
    second = _stage(xp, layers, case, middle, second_dense, piped)
    last_layers = middle - shorter_last
    last_dense = xp.maximum(dense_layers - (case.n_layers - last_layers), 0.0)
    last = _stage(xp, layers, case, last_layers, last_dense, case.pp - 1.0)
    embedding = _tables(xp, layers, case, 1.0 + (1.0 - tied_head) * xp.astype(alone, xp.float64))
    head = _tables(xp, layers, case, 1.0)
    held = in_flight(xp, case.pp, case.vpp, case.n_micro_batches)
    only_logits = layers.logit_bytes * xp.astype(alone, xp.float64)
    first = _plus(first, embedding, activations=held * layers.embedding_bytes, logits=only_logits)
    last = _plus(last, head, logits=layers.logit_bytes)
    fullest = _fuller(xp, layers, first, _fuller(xp, layers, second, last, piped), piped)

    # FSDP gathers layer by layer, forward and backward again; experts only where several chips hold the same ones.
    expert_shared = xp.astype(_expert_group(xp, case) > 1.0, xp.float64)
    of_moe = layers.moe_params + layers.expert_params * expert_shared
    has_dense = xp.astype(dense_layers > 0.0, xp.float64)
    has_moe = xp.astype(case.n_experts > 0, xp.float64)
    largest = xp.maximum(has_dense * layers.dense_params, has_moe * of_moe)
    shared = case.shard_params * xp.astype(case.shard_group > 1.0, xp.float64)  # one chip has all of it already
    at_once = 1.0 - (1.0 - _XLA_GATHERED_FRAC) * xp.astype(case.framework == FRAMEWORK_XLA, xp.float64)
    in_turn = largest * at_once * (GATHERED_LAYERS + 1.0) + layers.vocabulary_params
    # PyTorch keeps a stage gathered from one micro-batch to the next (``torchtitan-code``).
    stays = (case.framework == FRAMEWORK_FSDP) & (case.pp > 1.0)
    gathered = shared * xp.where(stays, fullest["gathered"] + largest, in_turn) * _HALF
    gradients = fullest["gradients"] + xp.minimum(case.bucket_params, fullest["gathered"]) * _HALF
    states = fullest["parameters"] + gradients + fullest["optimizer"]
    # While the loss is computed no layer is: the larger of the two counts.
    in_loss = xp.astype(fullest["logits"] > layers.working_bytes, xp.float64)
    logits = fullest["logits"] * in_loss
    activations = fullest["activations"] + layers.working_bytes * (1.0 - in_loss)
    moving = activations + logits + gathered
    copied = xp.maximum(fullest["update"] - moving, 0.0)
    live = states + copied + moving
    return Memory(
        parameters=fullest["parameters"],
        gradients=gradients,
        optimizer=fullest["optimizer"] + copied,
        activations=activations,
        logits=logits,
        gathered=gathered + 0.0 * live,
        context=CONTEXT_BYTES * (1.0 - _XLA_CONTEXT_SAVED * xp.astype(case.framework == FRAMEWORK_XLA, xp.float64))
        + 0.0 * live,
        cached=CACHED_FRAC * live,
    )


def _layers_of_stages(xp: Namespace, case: Case) -> tuple[Samples, Samples, Samples]:
    """Return the layers of a middle stage, and how many fewer the first and the last have.

    Layers that do not divide leave one fewer to the stages of the embedding and of the loss, where that makes them
    divide; otherwise the last stage has what is left.
    """
    middle = xp.ceil(case.n_layers / case.pp)
    missing = middle * case.pp - case.n_layers
    both = xp.astype(missing == 2.0, xp.float64) * xp.astype(case.pp > 1.0, xp.float64)
    return middle, both, xp.minimum(missing - both, middle - 1.0)


def _expert_group(xp: Namespace, case: Case) -> Samples:
    """Return the chips over which the states of an expert spread: the replicas of that expert."""
    return xp.maximum(case.shard_group * case.tp / (case.ep * case.etp), 1.0)


def _stage(
    xp: Namespace, layers: LayerMemory, case: Case, n_layers: Samples, dense_layers: Samples, rank: Samples
) -> dict[str, Samples]:
    """Return what a pipeline stage holds, by part, without the vocabulary."""
    dense = xp.minimum(dense_layers, n_layers)
    moe = n_layers - dense
    held = in_flight(xp, case.pp, case.vpp, case.n_micro_batches, rank)
    kept = dense * layers.dense_kept_bytes + moe * layers.moe_kept_bytes
    on_chip = xp.maximum(n_layers - case.activation_offload, xp.minimum(_LAYERS_ON_CHIP, n_layers))
    kept = kept * on_chip / n_layers
    shared = dense * layers.dense_params + moe * layers.moe_params
    states = _states(xp, case, shared, case.shard_group, moe * layers.expert_params, _expert_group(xp, case))
    return {**states, "activations": held * kept, "logits": xp.zeros_like(kept)}


def _tables(xp: Namespace, layers: LayerMemory, case: Case, count: Samples) -> dict[str, Samples]:
    """Return what tables of the vocabulary add to a stage."""
    whole = count * layers.vocabulary_params
    return _states(xp, case, whole, case.shard_group, xp.zeros_like(whole), xp.ones_like(whole))


def _states(
    xp: Namespace, case: Case, shared: Samples, group: Samples, experts: Samples, expert_group: Samples
) -> dict[str, Samples]:
    """Return parameters, gradients and optimizer states of parameters spread over two groups. [byte]"""
    whole, spread = shared + experts, shared / group + experts / expert_group
    # With a pipeline, ZeRO-2 adds whole gradients up until the step ends.
    sharded_grads = case.shard_grads * xp.astype((case.shard_params > 0) | (case.pp == 1.0), xp.float64)
    kept = case.shard_optimizer * spread + (1.0 - case.shard_optimizer) * whole
    return {
        "gathered": shared + experts * xp.astype(expert_group > 1.0, xp.float64),  # [parameter]
        "parameters": case.param_bytes * (case.shard_params * spread + (1.0 - case.shard_params) * whole),
        "gradients": case.grad_bytes * (sharded_grads * spread + (1.0 - sharded_grads) * whole),
        "optimizer": case.state_bytes * (1.0 - case.optimizer_offload) * kept,
        "update": case.update_bytes * kept,
    }


def _plus(stage: dict[str, Samples], more: dict[str, Samples], **parts: Samples) -> dict[str, Samples]:
    """Return a stage with further parts added."""
    added = more | parts
    return {name: value + added[name] if name in added else value for name, value in stage.items()}


def _fuller(
    xp: Namespace, layers: LayerMemory, one: dict[str, Samples], other: dict[str, Samples], exists: Samples
) -> dict[str, Samples]:
    """Return the stage that holds more; the other only where it exists."""

    def held(stage: dict[str, Samples]) -> Samples:
        kept = stage["parameters"] + stage["gradients"] + stage["optimizer"] + stage["activations"]
        return kept + xp.maximum(stage["logits"], layers.working_bytes)

    more = (held(other) > held(one)) & (exists > 0)
    return {name: xp.where(more, other[name], one[name]) for name in one}


def peak_memory(case: Case) -> Memory:
    """Return the peak memory of the fullest chip by part.

    Parameters
    ----------
    case : Model, chip, plan and batch; numbers or broadcastable arrays of one library.

    Returns
    -------
    Memory
        The step fits where its ``needed`` is at most ``case.memory_bytes``. [byte]
    """
    xp, case = on_arrays(case)
    found = memory_from_layers(xp, layer_memory(xp, case), case)
    whole: Memory = changed(found, lambda _, part: part + 0.0 * found.total)
    return whole
