"""The operations of a layer under the roofline of a chip: arithmetic intensity, and the rate that the model expects."""

from __future__ import annotations

from dataclasses import dataclass

from gigacluster.throughput.case import PRECISION_BF16, PRECISION_NVFP4, Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.kernels import attention_s, gemm_s, matmul_rate_flop_per_s
from gigacluster.throughput.step import on_arrays
from gigacluster.transformer import attended_tokens

_HALF = 2.0  # bytes of a 16-bit value
#: A norm reads and writes a value and spends about this many operations on it. [FLOP]
_NORM_FLOP = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One operation of the forward pass of a layer on one chip."""

    name: str
    flop: float
    bytes_moved: float  # inputs read once and outputs written once
    seconds: float

    @property
    def intensity(self) -> float:
        """Operations a byte. [FLOP/byte]."""
        return self.flop / self.bytes_moved

    @property
    def flop_per_s(self) -> float:
        """Rate that the model expects."""
        return self.flop / self.seconds


def operations(case: Case, k: Coefficients) -> list[Operation]:
    """Return the operations of one layer and the output head, forward, for one micro-batch of one plan.

    Parameters
    ----------
    case : Of one plan: numbers, not arrays of plans. Of latent attention, the largest projections are shown.
    """
    xp, case = on_arrays(case)
    tokens = case.tokens
    rate = matmul_rate_flop_per_s(xp, case, k)
    gated = 1.0 + case.ffn_gated
    moe = bool(case.n_experts > 0)
    width = case.d_ff_expert if moe else case.d_ff / case.tp
    # At an expert as many tokens of a chip arrive as its share of all that are routed.
    rows = tokens / case.tp * case.top_k * case.ep / case.n_experts if moe else tokens
    experts = case.n_experts / case.ep if moe else 1.0
    latent = bool(case.mla_kv_rank > 0)
    keys = (
        case.n_heads * (case.d_head + case.mla_rope_dim)
        if latent
        else (case.n_heads + 2.0 * case.n_kv_heads) * case.d_head
    )
    values_width = case.n_heads * (case.mla_value_dim if latent else case.d_head)
    # Bytes of an input of a matmul; outputs stay in 16 bit.
    saved = {PRECISION_BF16: _HALF, PRECISION_NVFP4: 0.5}.get(int(case.precision), 1.0)
    shapes = [
        ("queries, keys, values", tokens, keys / case.tp, case.mla_q_rank if latent else case.d_model, 1.0, rate),
        ("attention output", tokens, case.d_model, values_width / case.tp, 1.0, rate),
        ("FFN up", rows, gated * width, case.d_model, experts, rate),
        ("FFN down", rows, case.d_model, width, experts, rate),
        ("output head", tokens, case.vocab / case.tp, case.d_model, 1.0, case.gemm_bf16_flop_per_s * k.gemm_frac),
    ]
    found = [
        Operation(
            name=name,
            flop=float(2.0 * count * m * n * inner),
            bytes_moved=float(count * ((_HALF if name == "output head" else saved) * (m + n) * inner + _HALF * m * n)),
            seconds=float(gemm_s(xp, m, n, inner, count, speed, case, k)),
        )
        for name, m, n, inner, count, speed in shapes
    ]
    attended = attended_tokens(case.seq_len, case.attention_window, case.window_frac)
    core = Operation(
        name="attention core",
        flop=float(4.0 * tokens * case.n_heads / case.tp * case.d_head * attended),
        bytes_moved=float(_HALF * tokens * (2.0 * case.n_heads + 2.0 * case.n_kv_heads) * case.d_head / case.tp),
        seconds=float(attention_s(xp, case, k)[0]),
    )
    values = float(tokens * case.d_model / (case.tp if float(case.sp) else 1.0))
    norm = Operation(
        name="norm",
        flop=_NORM_FLOP * values,
        bytes_moved=2.0 * _HALF * values,
        seconds=float(2.0 * _HALF * values / (k.memory_frac * case.memory_bytes_per_s)),
    )
    return [*found[:2], core, *found[2:], norm]


def roof_flop_per_s(intensity: float, peak_flop_per_s: float, memory_bytes_per_s: float) -> float:
    """Return the rate that peak and memory bandwidth allow at an arithmetic intensity.

    Examples
    --------
    >>> roof_flop_per_s(10.0, 989e12, 3.35e12) / 1e12
    33.5
    """
    return min(peak_flop_per_s, intensity * memory_bytes_per_s)
