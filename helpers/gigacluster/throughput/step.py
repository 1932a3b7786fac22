"""Stage two of the step time: micro-batches through the pipeline, data parallelism, the optimizer, and stragglers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import Array, Namespace, Samples, as_common
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.kernels import either, soft_maximum
from gigacluster.throughput.layers import CAUSES, LayerTimes, layer_times
from gigacluster.throughput.network import neighbour_s, ring_of


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """One optimizer step and where its time goes; the parts add up to ``total_s``. [s]"""

    total_s: Samples
    layers_s: Samples  # the slowest stage's layers and head, all micro-batches
    bubble_s: Samples  # waiting for the pipeline to fill and drain
    stage_transfer_s: Samples  # activations between stages that nothing hides
    parameter_comm_s: Samples  # gathering parameters and reducing gradients, as far as it shows
    optimizer_s: Samples
    host_s: Samples  # once a step
    straggler_s: Samples  # jitter, growing with the number of chips


def on_arrays(case: Case) -> tuple[Any, Case]:
    """Return the array library of a case, and the case with every field an array of it."""
    fields = case.fields()
    xp, values = as_common(*fields.values())
    return xp, Case(**dict(zip(fields, values, strict=True)))


def step_time(case: Case, k: Coefficients) -> StepTime:
    """Return the time of one optimizer step, both stages."""
    xp, case = on_arrays(case)
    return step_from_layers(xp, layer_times(xp, case, k), case, k)


def step_from_layers(xp: Namespace, layers: LayerTimes, case: Case, k: Coefficients) -> StepTime:
    """Combine layer times into the step; ``layers`` and ``case`` are broadcastable."""
    moe = case.n_experts > 0
    moe_layers = xp.where(moe, case.n_layers - case.n_dense_layers, 0.0)
    dense_layers = case.n_layers - moe_layers
    all_layers_s = dense_layers * layers.dense.total_s + moe_layers * layers.moe.total_s
    layer_s = all_layers_s / case.n_layers
    stage_s = _slowest_stage_s(xp, layers.head.total_s, layer_s, case, k)
    n_micro = case.n_micro_batches
    transfer_s = _transfer_s(xp, layers, case, k)
    compute_s = n_micro * stage_s
    bubble_s = (case.pp - 1.0) / case.vpp * stage_s

    per_stage = 1.0 / case.pp
    replicated = (dense_layers * layers.dense_params + moe_layers * layers.moe_shared_params) * per_stage
    replicated = replicated + layers.embedding_params * xp.where(case.pp > 1.0, 1.0, 2.0 - case.tied_embeddings)
    expert = moe_layers * layers.expert_params * per_stage
    comm_s = _parameter_comm_s(xp, replicated, expert, stage_s, n_micro, case, k)
    optimizer_s = _optimizer_s(xp, replicated, expert, case, k)
    transfers_s = transfer_s * (n_micro + case.pp - 1.0)
    steady_s = compute_s + bubble_s + transfers_s + comm_s + optimizer_s + k.host_step_s
    straggler = k.jitter_per_doubling * xp.log2(xp.maximum(case.n_chips / 8.0, 1.0))
    all_of_it = xp.exp(case.family_effect - k.software_per_year * (case.software_year - 2025.0))
    all_of_it = all_of_it * either(xp, case.framework == codes.FRAMEWORK_XLA, k.xla_factor, 1.0)
    return StepTime(
        total_s=all_of_it * steady_s * (1.0 + straggler),
        layers_s=all_of_it * compute_s,
        bubble_s=all_of_it * bubble_s,
        stage_transfer_s=all_of_it * transfers_s,
        parameter_comm_s=all_of_it * comm_s,
        optimizer_s=all_of_it * optimizer_s,
        host_s=all_of_it * k.host_step_s,
        straggler_s=all_of_it * steady_s * straggler,
    )


def breakdown(xp: Namespace, layers: LayerTimes, step: StepTime, case: Case) -> dict[str, Any]:
    """Return every part of the step by name, the layers' time divided by cause; the parts add up to the total. [s]"""
    moe_layers = xp.where(case.n_experts > 0, case.n_layers - case.n_dense_layers, 0.0)
    dense_layers = case.n_layers - moe_layers

    def over_layers(part: str) -> Samples:
        dense, moe, head = (getattr(kind, part) for kind in (layers.dense, layers.moe, layers.head))
        total: Samples = dense_layers * dense + moe_layers * moe + head
        return total

    scale = step.layers_s / over_layers("total_s")
    parts = {cause: scale * over_layers(cause) for cause in (*CAUSES, "host_s")}
    parts["host_s"] = parts["host_s"] + step.host_s
    for name in ("bubble_s", "stage_transfer_s", "parameter_comm_s", "optimizer_s", "straggler_s"):
        parts[name] = getattr(step, name)
    return parts


def _slowest_stage_s(xp: Namespace, head_s: Samples, layer_s: Samples, case: Case, k: Coefficients) -> Array:
    """Return the time of a micro-batch in the stage that sets the pace.

    Layers that do not divide leave fewer to the first and last stage, which hold the embedding and the logits.
    """
    mean_s = (case.n_layers * layer_s + head_s) / case.pp
    most, fewest = xp.ceil(case.n_layers / case.pp), xp.floor(case.n_layers / case.pp)
    slowest_s = xp.maximum(most * layer_s, fewest * layer_s + head_s)
    return mean_s + k.stage_imbalance_frac * (slowest_s - mean_s)


def _transfer_s(xp: Namespace, layers: LayerTimes, case: Case, k: Coefficients) -> Array:
    """Return exposed sending of activations and their gradients, a micro-batch and stage."""
    apart = case.n_chips / case.pp
    once = neighbour_s(xp, layers.boundary_bytes, apart, case, k)
    exposed = 1.0 - k.pp_overlap_frac * case.overlap_pp
    return xp.where(case.pp > 1.0, 2.0 * case.vpp * once * exposed, 0.0)


def _parameter_comm_s(
    xp: Namespace, replicated: Samples, expert: Samples, stage_s: Samples, n_micro: Samples, case: Case, k: Coefficients
) -> Array:
    """Return exposed gathering of parameters and reduction of gradients."""
    replicas = case.dp * case.cp
    expert_replicas = _expert_replicas(xp, case)
    group = xp.minimum(case.shard_group, replicas)
    expert_group = xp.minimum(group, expert_replicas)
    spread = case.ep * case.etp
    param_bytes = 2.0 - case.fp8_params

    # Within the groups that states are sharded over, and between those that hold them alike.
    inside = ring_of(xp, group, case.tp, case, k)
    inside_expert = ring_of(xp, expert_group, spread, case, k)
    between = ring_of(xp, replicas / group, case.tp * group, case, k)
    between_expert = ring_of(xp, expert_replicas / expert_group, spread * expert_group, case, k)

    def rings_s(bytes_a_param: Samples) -> Array:
        """Gather, or reduce and scatter, within the groups."""
        dense_s = inside.time_s(xp, bytes_a_param * replicated)
        return dense_s + inside_expert.time_s(xp, bytes_a_param * expert)

    # Reduce what groups hold alike: an all-reduce of each shard.
    dense_s = between.time_s(xp, case.grad_bytes * replicated / group)
    between_s = 2.0 * (dense_s + between_expert.time_s(xp, case.grad_bytes * expert / expert_group))
    scatter_s = rings_s(case.grad_bytes)

    # Parameters gathered in every micro-batch, twice, and gradients scattered: FSDP. Groups meet once a step.
    slow = either(xp, case.software_year < 2022.0, k.early_zero3_frac, 1.0)
    each_s = (2.0 * rings_s(param_bytes) + scatter_s) / slow
    window = k.fsdp_overlap_frac * case.overlap_dp * stage_s
    last_s = each_s + between_s
    fsdp_s = (n_micro - 1.0) * _exposed_s(xp, each_s, window, k) + _exposed_s(xp, last_s, window, k)

    # Reduced and gathered once a step: plain and ZeRO-1.
    gather_bytes = xp.where(case.shard_optimizer > 0, param_bytes, case.grad_bytes)
    reduce_s = scatter_s + between_s
    once_s = reduce_s + rings_s(gather_bytes)
    # Chunks of an interleaved pipeline finish one after another while the others still compute.
    passes = 1.0 + (xp.minimum(n_micro, case.pp) - 1.0) * (1.0 - 1.0 / case.vpp)
    one_pass = case.overlap_dp * k.dp_overlap_frac * stage_s
    plain_s = soft_maximum(xp, once_s, one_pass * passes) - one_pass * passes
    # Gradients that are kept sharded are reduced in every micro-batch: ZeRO-2. A pipeline adds them up first.
    every_s = (n_micro - 1.0) * (soft_maximum(xp, reduce_s, one_pass) - one_pass)
    every_s = every_s + soft_maximum(xp, once_s, one_pass) - one_pass  # the last with the gathering, as in ZeRO-1
    plain_s = xp.where((case.shard_grads > 0) & (case.pp == 1.0), every_s, plain_s)
    return xp.where(case.shard_params > 0, fsdp_s, plain_s)


def _exposed_s(xp: Namespace, communication_s: Samples, window_s: Samples, k: Coefficients) -> Array:
    """Return what of a communication shows behind a window of computation, which it slows down where it is hidden."""
    hidden = k.fsdp_contention * xp.minimum(communication_s, window_s)
    return soft_maximum(xp, communication_s, window_s) - window_s + hidden


def _expert_replicas(xp: Namespace, case: Case) -> Array:
    """Return how many chips hold the same experts."""
    return xp.maximum(case.dp * case.cp * case.tp / (case.ep * case.etp), 1.0)


def _optimizer_s(xp: Namespace, replicated: Samples, expert: Samples, case: Case, k: Coefficients) -> Array:
    group = xp.minimum(case.shard_group, case.dp * case.cp)
    shards = xp.where(case.shard_optimizer > 0, group, 1.0)
    expert_shards = xp.where(case.shard_optimizer > 0, xp.minimum(group, _expert_replicas(xp, case)), 1.0)
    updated = replicated / shards + expert / expert_shards
    on_chip_s = k.optimizer_bytes * updated / (k.memory_frac * case.memory_bytes_per_s)
    on_host_s = k.optimizer_bytes * updated / k.host_bytes_per_s
    return xp.where(case.optimizer_offload > 0, on_host_s, on_chip_s)
