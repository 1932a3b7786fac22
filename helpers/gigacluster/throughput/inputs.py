"""The case: every number that the models of time and memory need, one array a quantity.

A :class:`Case` is a structure of arrays: each field is a number or an array, all broadcastable with one another, of one
array library. Names follow the columns of ``data/training_runs.csv`` where they exist; hardware is in SI base units.
Words (``recompute="full"``) become the codes below at the edge, in :mod:`gigacluster.throughput.runs`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

__all__ = [
    "ATTENTION_FLASH1",
    "ATTENTION_FLASH2",
    "ATTENTION_FLASH3",
    "ATTENTION_UNFUSED",
    "FRAMEWORK_FSDP",
    "FRAMEWORK_MEGATRON",
    "FRAMEWORK_XLA",
    "PRECISION_BF16",
    "PRECISION_FP8_CURRENT",
    "PRECISION_FP8_DELAYED",
    "PRECISION_INT8",
    "PRECISION_MXFP8",
    "PRECISION_NVFP4",
    "RECOMPUTE_FULL",
    "RECOMPUTE_NONE",
    "RECOMPUTE_SELECTIVE",
    "Case",
]

#: Number formats of the linear layers: 16 bit (bf16, fp16); FP8 with delayed, current or block scaling; FP4; INT8.
PRECISION_BF16, PRECISION_FP8_DELAYED, PRECISION_FP8_CURRENT, PRECISION_MXFP8, PRECISION_NVFP4, PRECISION_INT8 = range(
    6
)
#: What the backward pass computes again: nothing, the core of attention, or the whole layer.
RECOMPUTE_NONE, RECOMPUTE_SELECTIVE, RECOMPUTE_FULL = range(3)
#: Attention kernels: separate matmul, softmax, matmul; and the three generations of fused ones.
ATTENTION_UNFUSED, ATTENTION_FLASH1, ATTENTION_FLASH2, ATTENTION_FLASH3 = range(4)
#: Kinds of training framework.
FRAMEWORK_MEGATRON, FRAMEWORK_FSDP, FRAMEWORK_XLA = range(3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Model, chip, network, plan and batch of one training step, or of many at once."""

    # The model.
    n_layers: Any  # all layers, dense and MoE [1]
    d_model: Any
    n_heads: Any
    n_kv_heads: Any
    d_head: Any
    d_ff: Any  # width of a dense FFN
    ffn_gated: Any = 1.0  # 1: three FFN matrices, 0: two
    vocab: Any
    seq_len: Any  # [token]
    tied_embeddings: Any = 0.0
    n_experts: Any = 0.0  # 0: a dense model
    top_k: Any = 0.0
    d_ff_expert: Any = 0.0
    n_shared_experts: Any = 0.0
    n_dense_layers: Any = 0.0  # dense layers of an MoE
    token_drop: Any = 0.0  # 1: experts drop tokens over their capacity
    attention_window: Any = 0.0  # length of sliding windows, 0 if there are none [token]
    window_frac: Any = 0.0  # share of layers with a sliding window
    mla_q_rank: Any = 0.0  # multi-head latent attention; 0: absent
    mla_kv_rank: Any = 0.0
    mla_rope_dim: Any = 0.0  # positional part of a key or query, beside d_head
    mla_value_dim: Any = 0.0
    attention_kernel: Any = float(ATTENTION_FLASH2)

    # One chip, dense peaks.
    peak_bf16_flop_per_s: Any
    peak_fp8_flop_per_s: Any  # nan where the chip has none, as for the others
    peak_fp4_flop_per_s: Any
    gemm_bf16_flop_per_s: Any  # highest measured matmul rate
    gemm_fp8_flop_per_s: Any
    memory_bytes: Any
    memory_bytes_per_s: Any
    scaleup_bytes_per_s: Any  # NVLink, ICI: one chip, one direction
    scaleup_domain: Any  # chips that the scale-up network joins
    nic_bytes_per_s: Any  # scale-out network: one chip, one direction
    n_processors: Any = 132.0  # streaming multiprocessors: a matmul runs in waves of as many tiles; nan: no waves
    n_chips: Any

    # The plan.
    tp: Any = 1.0
    sp: Any = 1.0  # 1: sequence parallel beside tensor parallel
    pp: Any = 1.0
    vpp: Any = 1.0  # model chunks a pipeline rank holds
    dp: Any = 1.0  # n_chips / (tp pp cp)
    cp: Any = 1.0
    ep: Any = 1.0
    etp: Any = 1.0  # tensor parallel width of the experts
    shard_params: Any = 0.0  # 1: parameters are gathered for every use (FSDP, ZeRO-3)
    shard_grads: Any = 0.0  # 1: gradients are kept sharded (ZeRO-2, FSDP)
    shard_optimizer: Any = 1.0  # 1: optimizer state is sharded (ZeRO-1)
    shard_group: Any = 1.0  # chips over which the sharded states spread
    micro_batch: Any = 1.0  # sequences a replica processes at once
    global_batch: Any = 1.0  # sequences a step
    precision: Any = float(PRECISION_BF16)
    fp8_params: Any = 0.0  # 1: parameters are stored and gathered in 8 bit
    grad_bytes: Any = 4.0  # bytes a gradient element in the reduction and in its buffer
    fused_gradients: Any = 1.0  # 1: matmuls add a micro-batch's gradient to the sum themselves
    recompute: Any = float(RECOMPUTE_NONE)
    overlap_tp: Any = 1.0  # 1: the framework hides this communication behind computation where it can
    overlap_dp: Any = 1.0
    overlap_pp: Any = 1.0
    framework: Any = float(FRAMEWORK_MEGATRON)
    software_year: Any = 2025.0  # date of the software [year]

    # What calibration learnt beyond the coefficients: logarithms of a time over the model's.
    chip_effect: Any = 0.0  # matmul time on this kind of chip
    family_effect: Any = 0.0  # step time in runs of this source family

    @property
    def n_micro_batches(self) -> Any:
        """Micro-batches a replica processes in a step."""
        return self.global_batch / (self.dp * self.micro_batch)

    def fields(self) -> dict[str, Any]:
        """Return every field by name, without copying."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
