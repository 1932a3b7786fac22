"""The case: every number that the models of time and memory need, one array a quantity.

A :class:`Case` is a structure of arrays: each field is a number or an array, all broadcastable with one another, of one
array library. Names follow the columns of ``data/training_runs.csv`` where they exist; hardware is in SI base units.
Words (``precision="fp8"``) become the codes below at the edge, in :mod:`gigacluster.throughput.columns`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from gigacluster.arrays import Samples
from gigacluster.hardware import Chip, Fabric, Rates

#: Number formats of the linear layers: 16 bit (bf16, fp16); FP8 with delayed, current (a scale a tensor) or block
#: scaling; FP4; INT8; FP8 with a scale a row.
(
    PRECISION_BF16,
    PRECISION_FP8_DELAYED,
    PRECISION_FP8_CURRENT,
    PRECISION_MXFP8,
    PRECISION_NVFP4,
    PRECISION_INT8,
    PRECISION_FP8_ROW,
) = range(7)
#: How tokens reach their experts: an exchange of every copy, kernels that send a token to a domain once (DeepEP,
#: HybridEP), or a gathering of all tokens by all chips of the group.
DISPATCH_ALLTOALL, DISPATCH_DEEPEP, DISPATCH_HYBRIDEP, DISPATCH_ALLGATHER = range(4)
#: Attention kernels: separate matmul, softmax, matmul; and the three generations of fused ones.
ATTENTION_UNFUSED, ATTENTION_FLASH1, ATTENTION_FLASH2, ATTENTION_FLASH3 = range(4)
#: Kinds of training framework.
FRAMEWORK_MEGATRON, FRAMEWORK_FSDP, FRAMEWORK_XLA = range(3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Model, chip, network, plan and batch of one training step, or of many at once."""

    # The model.
    n_layers: Samples  # all layers, dense and MoE [1]
    d_model: Samples
    n_heads: Samples
    n_kv_heads: Samples
    d_head: Samples
    d_ff: Samples  # width of a dense FFN
    ffn_gated: Samples = 1.0  # 1: three FFN matrices, 0: two
    vocab: Samples
    seq_len: Samples  # [token]
    tied_embeddings: Samples = 0.0
    n_experts: Samples = 0.0  # 0: a dense model
    top_k: Samples = 0.0
    d_ff_expert: Samples = 0.0
    n_shared_experts: Samples = 0.0
    n_dense_layers: Samples = 0.0  # dense layers of an MoE
    token_drop: Samples = 0.0  # 1: experts drop tokens over their capacity
    attention_window: Samples = 0.0  # length of sliding windows, 0 if there are none [token]
    window_frac: Samples = 0.0  # share of layers with a sliding window
    mla_q_rank: Samples = 0.0  # multi-head latent attention; 0: absent
    mla_kv_rank: Samples = 0.0
    mla_rope_dim: Samples = 0.0  # positional part of a key or query, beside d_head
    mla_value_dim: Samples = 0.0
    attention_kernel: Samples = float(ATTENTION_FLASH2)
    qk_norm: Samples = 0.0  # 1: queries and keys are normed by head, and kept in front of that too
    attention_sinks: Samples = 0.0  # 1: learned sinks beside the keys
    attention_regressed: Samples = 0.0  # 1: under a library that lost its fused kernel for them
    fp8_attention: Samples = 0.0  # 1: the core of attention computes in 8 bit too

    # One chip, dense peaks.
    peak_bf16_flop_per_s: Samples
    peak_fp8_flop_per_s: Samples  # nan where the chip has none, as for the others
    peak_fp4_flop_per_s: Samples
    gemm_bf16_flop_per_s: Samples  # highest measured matmul rate
    gemm_fp8_flop_per_s: Samples
    clock_frac: Samples = 1.0  # of the clock that the power limit leaves
    memory_bytes: Samples
    memory_bytes_per_s: Samples
    scaleup_bytes_per_s: Samples  # NVLink, ICI: one chip, one direction
    scaleup_domain: Samples  # chips that the scale-up network joins
    nic_bytes_per_s: Samples  # scale-out network: one chip, one direction
    rails: Samples = 1.0  # 1: the cards of one place in every domain share a leaf switch
    pod_chips: Samples = 0.0  # chips that full bisection joins; beyond, the next applies
    oversubscription: Samples = 1.0  # how far the upper tiers of the scale-out network are cut
    n_processors: Samples = 132.0  # streaming multiprocessors: a matmul runs in waves of as many tiles; nan: no waves
    n_chips: Samples

    # The plan.
    tp: Samples = 1.0
    sp: Samples = 1.0  # 1: sequence parallel beside tensor parallel
    pp: Samples = 1.0
    vpp: Samples = 1.0  # model chunks a pipeline rank holds
    dp: Samples = 1.0  # n_chips / (tp pp cp)
    cp: Samples = 1.0
    ep: Samples = 1.0
    etp: Samples = 1.0  # tensor parallel width of the experts
    shard_params: Samples = 0.0  # 1: parameters are gathered for every use (FSDP, ZeRO-3)
    shard_grads: Samples = 0.0  # 1: gradients are kept sharded (ZeRO-2, FSDP)
    shard_optimizer: Samples = 1.0  # 1: optimizer state is sharded (ZeRO-1)
    shard_group: Samples = 1.0  # chips over which the sharded states spread
    micro_batch: Samples = 1.0  # sequences a replica processes at once
    global_batch: Samples = 1.0  # sequences a step
    precision: Samples = float(PRECISION_BF16)
    fp8_params: Samples = 0.0  # 1: parameters are gathered in 8 bit
    fused_gradients: Samples = 1.0  # 1: matmuls add a micro-batch's gradient to the sum themselves
    framework: Samples = float(FRAMEWORK_MEGATRON)
    software_year: Samples = 2025.0  # date of the software [year]
    # What the backward pass computes again, as a share of the forward pass, by part of a layer.
    again_core: Samples = 0.0  # the core of attention
    again_projections: Samples = 0.0  # the matmuls around it
    again_ffn: Samples = 0.0  # matmuls of a dense or shared FFN
    again_experts: Samples = 0.0
    again_norms: Samples = 0.0
    again_activations: Samples = 0.0
    # What is hidden behind computation where the framework can: 1, or 0.
    overlap_tp: Samples = 1.0
    overlap_dp: Samples = 1.0
    overlap_pp: Samples = 1.0
    overlap_cp: Samples = 1.0
    overlap_ep: Samples = 0.0  # the exchange of one micro-batch under the computation of another
    # Software of mixtures of experts.
    dispatcher: Samples = float(DISPATCH_ALLTOALL)
    graph_frac: Samples = 0.0  # share of a layer's launches that CUDA graphs capture
    sequential_experts: Samples = 0.0  # 1: a launch an expert, not one grouped matmul
    fused_experts: Samples = 0.0  # 1: matmuls of the experts fused with their activation and quantising
    routing_excess: Samples = 1.0  # excess load of the busiest experts, over that of natural routing
    expert_capacity: Samples = 0.0  # of an even share: what experts compute, filled up; 0: what is routed
    fp8_dispatch: Samples = 0.0  # 1: tokens travel to their experts in 8 bit
    # Memory.
    grad_bytes: Samples = 4.0  # bytes a gradient element in the reduction and in its buffer
    state_bytes: Samples = 12.0  # bytes a parameter of the master copy and the optimizer's moments
    update_bytes: Samples = 0.0  # bytes a parameter of a further copy during an update without a fused kernel
    bucket_params: Samples = 0.0  # gradients that a buffer holds beside the states until they are reduced [parameter]
    param_bytes: Samples = 2.0  # bytes a parameter of the working copy; 0 where the master copy serves
    logit_bytes: Samples = 6.0  # bytes an element of the logits held at once
    logit_frac: Samples = 1.0  # share of the logits held at once
    compiled: Samples = 0.0  # 1: element-wise operations are fused and compute their own inputs again
    activation_offload: Samples = 0.0  # layers of a chip whose activations go to the host [1]
    optimizer_offload: Samples = 0.0  # 1: the optimizer's states lie on the host

    # What calibration learnt beyond the coefficients: logarithms of a time over the model's.
    chip_effect: Samples = 0.0  # matmul time on this kind of chip
    family_effect: Samples = 0.0  # step time in runs of this source family

    @property
    def tokens(self) -> Samples:
        """Tokens of a micro-batch on one chip. [token]"""
        return self.micro_batch * self.seq_len / self.cp

    @property
    def n_micro_batches(self) -> Samples:
        """Micro-batches a replica processes in a step."""
        return self.global_batch / (self.dp * self.micro_batch)

    def fields(self) -> dict[str, Any]:
        """Return every field by name, without copying."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def chip_fields(chip: Chip, fabric: Fabric, *, int8: bool = False) -> dict[str, float]:
    """Return the fields of a case that say what a chip and its networks can do."""
    rates = Rates.of(chip, int8=int8)
    return {
        "peak_bf16_flop_per_s": chip.peak_bf16_flop_per_s,
        "peak_fp8_flop_per_s": rates.peak_8bit_flop_per_s,
        "peak_fp4_flop_per_s": chip.peak_fp4_flop_per_s,
        "gemm_bf16_flop_per_s": rates.gemm_bf16_flop_per_s,
        "gemm_fp8_flop_per_s": rates.gemm_8bit_flop_per_s,
        "clock_frac": rates.clock_frac,
        "memory_bytes": chip.memory_bytes,
        "memory_bytes_per_s": chip.memory_bytes_per_s,
        "scaleup_bytes_per_s": fabric.scaleup_bytes_per_s,
        "scaleup_domain": float(fabric.scaleup_domain),
        "nic_bytes_per_s": fabric.nic_bytes_per_s,
        "rails": float(fabric.rails),
        "oversubscription": fabric.oversubscription,
        "pod_chips": float(fabric.pod_chips),
        "n_processors": chip.n_processors,
    }


def changed(record: Any, change: Callable[[str, Any], Any], path: str = "") -> Any:
    """Return a record of arrays, and of records of them, with each array changed by ``change(path, array)``."""
    new = {}
    for name, here in ((field.name, f"{path}.{field.name}".lstrip(".")) for field in fields(record)):
        value = getattr(record, name)
        new[name] = changed(value, change, here) if is_dataclass(value) else change(here, value)
    return replace(record, **new)
