"""Time of the kernels of one layer on one chip: matmuls, attention, and what only moves memory."""

from __future__ import annotations

from gigacluster.arrays import Array, Namespace, Operand, Samples
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients

#: Tiles of the output that one processor of the chip computes at a time.
_LARGE_TILE, _SMALL_TILE = (128.0, 256.0), (128.0, 128.0)
#: Matmul FLOP for each byte of memory traffic of an H100 in 16 bit.
_HOPPER_FLOP_PER_BYTE = 794.5e12 / 3350e9
#: Peak of the chips that fused attention kernels were written for: A100 (first and second generation), H100 (third).
_AMPERE_PEAK_FLOP_PER_S, _HOPPER_PEAK_FLOP_PER_S = 312e12, 989.4e12


def either(xp: Namespace, condition: Operand, yes: Samples, no: Samples) -> Array:
    """Return one of two numbers for each element: ``where`` refuses two numbers in strict array libraries."""
    return no + (yes - no) * xp.astype(condition, xp.float64)


def soft_maximum(xp: Namespace, a: Samples, b: Samples) -> Array:
    """Return a smooth upper envelope of two non-negative times: 19 % above the larger where they are equal."""
    return xp.sqrt(xp.sqrt((a * a) ** 2 + (b * b) ** 2))


def matmul_rate_flop_per_s(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return the rate of a large matmul at the training precision."""
    effect = xp.exp(case.chip_effect)
    half = half_rate_flop_per_s(xp, case, k)
    byte = case.gemm_fp8_flop_per_s * k.gemm_8bit_frac
    four = case.peak_fp4_flop_per_s * k.gemm_4bit_frac
    byte = byte * either(xp, case.precision == codes.PRECISION_FP8_ROW, k.gemm_row_frac, 1.0)
    rate = xp.where(case.precision == codes.PRECISION_BF16, half, byte)
    return xp.where(case.precision == codes.PRECISION_NVFP4, four, rate) / effect


def half_rate_flop_per_s(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return the rate of a large matmul in 16 bit, without what this kind of chip adds."""
    return case.gemm_bf16_flop_per_s * either(xp, case.n_processors > 0, k.gemm_frac, k.gemm_fixed_frac)


def gemm_s(
    xp: Namespace,
    rows: Samples,
    columns: Samples,
    inner: Samples,
    count: Samples,
    rate: Samples,
    case: Case,
    k: Coefficients,
) -> Array:
    """Return the time of ``count`` equal matmuls that run together, (rows x inner) by (inner x columns).

    The rate falls where a dimension is no multiple of a tile, where the last wave of tiles leaves processors idle, and
    where dimensions are short: the more so, the more FLOP the chip does for each byte it loads and stores. The better
    of a large tile and a small, less efficient one is taken.
    """
    balance = rate / case.memory_bytes_per_s / _HOPPER_FLOP_PER_BYTE

    def tiled_flop(tile: tuple[float, float]) -> Array:
        """Return the FLOP of whole tiles, with what filling them and an incomplete last wave cost."""
        down, across = xp.ceil(rows / tile[0]), xp.ceil(columns / tile[1])
        whole_rows, whole_columns = tile[0] * down, tile[1] * across
        waves = count * down * across / case.n_processors
        idle = xp.where(case.n_processors > 0, xp.ceil(waves) / waves - 1.0, 0.0)
        short = k.gemm_fill_rows / whole_rows + k.gemm_fill_columns / whole_columns + k.gemm_fill_inner / inner
        return 2.0 * count * whole_rows * whole_columns * inner * (1.0 + balance * short + k.wave_frac * idle)

    return xp.minimum(tiled_flop(_LARGE_TILE), tiled_flop(_SMALL_TILE) / k.small_tile_frac) / rate


def cast_bytes_per_value(xp: Namespace, case: Case, k: Coefficients) -> Array:
    """Return the memory traffic of quantising one input value of a linear layer."""
    passes = xp.zeros_like(case.precision)
    for code, count in (
        (codes.PRECISION_FP8_DELAYED, k.cast_delayed_passes),
        (codes.PRECISION_FP8_CURRENT, k.cast_current_passes),
        (codes.PRECISION_MXFP8, k.cast_block_passes),
        (codes.PRECISION_NVFP4, k.cast_fp4_passes),
        (codes.PRECISION_INT8, k.cast_current_passes),
        (codes.PRECISION_FP8_ROW, k.cast_row_passes),
    ):
        passes = xp.where(case.precision == code, count, passes)
    return 2.0 * passes


def attention_s(xp: Namespace, case: Case, k: Coefficients) -> tuple[Array, Array]:
    """Return forward and backward time of the attention core of one layer and micro-batch on one chip."""
    tokens = case.tokens
    heads = case.n_heads / case.tp
    key_width = case.d_head + case.mla_rope_dim
    value_width = xp.where(case.mla_value_dim > 0, case.mla_value_dim, case.d_head)
    windowed = xp.minimum(case.attention_window, case.seq_len / 2.0)
    keys = (1.0 - case.window_frac) * case.seq_len / 2.0 + case.window_frac * windowed
    flop = 2.0 * tokens * heads * (key_width + value_width) * keys
    third = case.attention_kernel == codes.ATTENTION_FLASH3
    unfused = case.attention_kernel == codes.ATTENTION_UNFUSED
    frac = either(xp, unfused, k.attention_unfused_frac, k.attention_flash2_frac)
    frac = xp.where(case.attention_kernel == codes.ATTENTION_FLASH1, k.attention_flash1_frac, frac)
    frac = xp.where(third, k.attention_flash3_frac, frac)
    fill = 1.0 + k.attention_fill_tokens / case.seq_len
    width_penalty = (1.0 + k.attention_half_head / case.d_head) / (1.0 + k.attention_half_head / 128.0)
    home = either(xp, third, _HOPPER_PEAK_FLOP_PER_S, _AMPERE_PEAK_FLOP_PER_S)
    # The third generation is written anew for every kind of chip; the others run on chips that they do not know.
    exponent = either(xp, third, k.attention_rewritten, k.attention_newer_chip)
    gain = xp.where(unfused, 1.0, xp.exp((exponent - 1.0) * xp.log(case.peak_bf16_flop_per_s / home)))
    gain = gain * case.clock_frac * either(xp, case.fp8_attention > 0, k.fp8_attention_gain, 1.0)
    slow = either(xp, case.d_head % 8.0 > 0, k.misaligned_head, 1.0)
    slow = slow * either(xp, case.attention_sinks > 0, k.sink_factor, 1.0)
    slow = slow * either(xp, case.attention_regressed > 0, k.regressed_factor, 1.0)
    core_s = flop / (frac * gain * case.peak_bf16_flop_per_s) * fill * width_penalty * slow
    scores_bytes = 2.0 * tokens * heads * case.seq_len * k.softmax_passes
    scores_s = scores_bytes / (k.memory_frac * case.memory_bytes_per_s)
    forward_s = xp.where(
        unfused, 2.0 * core_s + 0.4 * scores_s, core_s
    )  # without fusion the masked half is computed too
    backward_s = xp.where(unfused, 4.0 * core_s + 0.6 * scores_s, 2.5 * core_s)  # fused kernels compute scores again
    return forward_s, backward_s
