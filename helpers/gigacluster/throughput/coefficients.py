"""The fitted coefficients: what each means, its range, and the value expected before any run is seen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Prior:
    """What is expected of a coefficient. ``scale``: log for positive ones, logit for shares, linear for effects."""

    value: float
    spread: float  # standard deviation on that scale
    scale: str
    unit: str
    meaning: str


def _expected(value: float, spread: float, meaning: str, unit: str = "1", scale: str = "log") -> Any:
    return field(default=value, metadata={"prior": Prior(value, spread, scale, unit, meaning)})


def _share(value: float, spread: float, meaning: str) -> Any:
    return _expected(value, spread, meaning, scale="logit")


def _effect(spread: float, meaning: str) -> Any:
    return _expected(0.0, spread, meaning, scale="linear")


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """One number a coefficient. The defaults are what engineering knowledge expects before any run is seen."""

    gemm_frac: float = _expected(0.9, 0.15, "matmul rate of large layers over the highest measured one, 16 bit")
    gemm_fixed_frac: float = _expected(
        1.0, 0.07, "the same of large matrix units, whose clock does not fall with their load"
    )
    gemm_8bit_frac: float = _expected(0.85, 0.15, "the same with 8-bit inputs")
    gemm_4bit_frac: float = _expected(0.6, 0.2, "the same with 4-bit inputs, over their peak")
    gemm_fill_rows: float = _expected(
        100.0, 0.7, "tokens at which a 16-bit matmul of an H100 reaches half its rate", "row"
    )
    gemm_fill_columns: float = _expected(200.0, 0.7, "output columns at which it does", "column")
    gemm_fill_inner: float = _expected(200.0, 0.7, "length of the inner sum at which it does")
    wave_frac: float = _share(0.5, 0.7, "share of the idle last wave of tiles that costs time")
    small_tile_frac: float = _expected(0.85, 0.1, "rate of matmuls in small tiles over large ones")
    attention_newer_chip: float = _expected(
        0.45, 0.25, "exponent of peak in the rate of fused kernels on chips newer than those they were written for"
    )
    attention_rewritten: float = _expected(
        0.8, 0.2, "the same of kernels that are written anew for newer chips: the third generation"
    )
    attention_unfused_frac: float = _expected(0.25, 0.4, "rate of separate attention matmuls over peak")
    attention_flash1_frac: float = _expected(0.3, 0.4, "rate of the first fused kernels over peak")
    attention_flash2_frac: float = _expected(0.6, 0.2, "rate of the second generation over peak")
    attention_flash3_frac: float = _expected(0.55, 0.3, "rate of the third generation over peak")
    attention_fill_tokens: float = _expected(
        400.0, 0.7, "sequence length at which attention reaches half its rate", "token"
    )
    attention_half_head: float = _expected(32.0, 0.7, "head size at which attention reaches half of its rate")
    fp8_attention_gain: float = _expected(1.3, 0.15, "rate of attention in 8 bit over 16")
    sink_factor: float = _expected(1.2, 0.3, "slow-down of attention by learned sinks")
    regressed_factor: float = _expected(4.0, 0.5, "the same where their fused kernel is lost, on top")
    softmax_passes: float = _expected(8.0, 0.5, "times that unfused attention moves its score matrix")
    norm_passes: float = _expected(16.0, 0.4, "times that norms and residuals move a layer's activations")
    activation_passes: float = _expected(
        6.0, 0.4, "times that activation functions and biases move the FFN's inner values"
    )
    logit_bytes: float = _expected(20.0, 0.4, "memory moved for the loss and gradient of one logit", "byte")
    cast_delayed_passes: float = _expected(2.0, 0.6, "times that inputs are moved to be quantised, delayed scaling")
    cast_current_passes: float = _expected(3.0, 0.6, "the same, current scaling")
    cast_block_passes: float = _expected(4.0, 0.6, "the same, scales by block (MXFP8)")
    cast_row_passes: float = _expected(5.0, 0.6, "the same, FP8 with a scale a row")
    gemm_row_frac: float = _share(0.7, 0.5, "rate of FP8 matmuls with a scale a row over one with a scale a tensor")
    cast_fp4_passes: float = _expected(8.0, 0.6, "the same, NVFP4")
    memory_frac: float = _expected(0.8, 0.15, "reached share of the memory bandwidth")
    host_layer_s: float = _expected(1.0e-3, 0.7, "launching the kernels of a dense layer, forward and backward", "s")
    host_moe_s: float = _expected(4.0e-3, 0.7, "launching the kernels of an MoE layer", "s")
    host_expert_s: float = _expected(2.0e-4, 0.7, "the same, for every expert computed by launches of its own", "s")
    graph_saved_frac: float = _share(0.8, 0.8, "share of the launching that CUDA graphs of a whole layer save")
    overlap_launch_factor: float = _expected(1.5, 0.3, "launching of an MoE layer that overlaps two micro-batches")
    fused_experts_frac: float = _share(0.5, 0.7, "memory traffic of experts whose matmuls are fused, over that without")
    host_step_s: float = _expected(0.02, 0.8, "what a step costs once: data, logging, clipping of gradients", "s")
    scaleup_frac: float = _expected(0.75, 0.25, "reached share of the scale-up bandwidth")
    nic_frac: float = _expected(0.7, 0.3, "reached share of the scale-out bandwidth")
    nic_crowding_per_doubling: float = _expected(
        0.02, 0.7, "bandwidth lost to shared links at every doubling of the domains in a group"
    )
    collective_latency_s: float = _expected(2.0e-5, 0.7, "starting a collective", "s")
    hop_latency_s: float = _expected(3.0e-6, 0.7, "a hop in a ring across the scale-out network", "s")
    tp_overlap_frac: float = _share(0.4, 0.8, "share of tensor-parallel communication hidden behind matmuls")
    cp_overlap_frac: float = _share(0.7, 0.8, "share of context-parallel communication hidden behind attention")
    ep_overlap_frac: float = _share(0.2, 0.8, "share of the exchange of experts hidden within a micro-batch")
    ep_window_frac: float = _share(0.6, 0.8, "share of computation that hides the exchange of another micro-batch")
    deepep_gain: float = _expected(1.4, 0.3, "speed of DeepEP's exchange over that of its bytes")
    hybridep_gain: float = _expected(1.4, 0.3, "speed of HybridEP's exchange over that of its bytes")
    pp_overlap_frac: float = _share(0.6, 0.8, "share of pipeline transfers hidden")
    dp_overlap_frac: float = _share(0.6, 0.8, "share of a micro-batch's computation that can hide gradient reduction")
    fsdp_overlap_frac: float = _share(0.8, 0.8, "share of computation that can hide parameter gathering")
    fsdp_contention: float = _expected(0.1, 0.7, "time computation loses to each second of hidden parameter gathering")
    expert_imbalance: float = _expected(0.15, 0.6, "excess load of the busiest chip's experts under natural routing")
    # In front of the exchange and behind it, there and back, forward and backward: each reads and writes.
    permute_passes: float = _expected(16.0, 0.5, "times that routed tokens are moved to sort and merge them")
    stage_imbalance_frac: float = _share(0.7, 0.8, "share of the excess of the slowest pipeline stage that costs time")
    gradient_bytes: float = _expected(
        10.0, 0.4, "memory moved to add one parameter's gradient of a micro-batch to the sum", "byte"
    )
    unfused_gradient_factor: float = _expected(
        2.5, 0.5, "the same where the gradient is converted and added by kernels of its own, over it"
    )
    misaligned_head: float = _expected(2.0, 0.5, "slow-down of attention matmuls whose head size is no multiple of 8")
    early_zero3_frac: float = _expected(0.5, 0.7, "bandwidth reached by ZeRO-3 before 2022 over that of FSDP")
    optimizer_bytes: float = _expected(30.0, 0.4, "memory moved to update one parameter", "byte")
    host_bytes_per_s: float = _expected(
        2.0e10, 0.5, "rate at which a host updates a chip's share of parameters", "byte/s"
    )
    jitter_per_doubling: float = _expected(0.006, 0.5, "time lost to stragglers at every doubling of the chips")
    eager_factor: float = _expected(1.0, 0.15, "memory-bound time in FSDP frameworks over Megatron's")
    xla_factor: float = _expected(1.0, 0.15, "step time under XLA over Megatron's")
    software_per_year: float = _effect(0.05, "log step time a year of newer software saves")
    token_drop_factor: float = _expected(1.0, 0.3, "routing and launch time with dropped tokens over without")


#: Every coefficient with what was expected of it.
PRIORS: dict[str, Prior] = {item.name: item.metadata["prior"] for item in fields(Coefficients)}
