"""Words: of the table of runs (families of sources, dates of software, formats, recompute policies), and for parts."""

from __future__ import annotations

import re

from gigacluster.throughput import inputs

__all__ = ["PART_NAMES", "family_of", "is_blank", "precision_code", "recompute_code", "software_year"]

#: What the parts of a step are called to a reader.
PART_NAMES = {
    "matmul_s": "matrix multiplications",
    "attention_s": "attention core",
    "memory_s": "norms, activations",
    "tensor_comm_s": "tensor-parallel traffic",
    "context_comm_s": "context-parallel traffic",
    "expert_comm_s": "expert traffic",
    "host_s": "launching, logging",
    "bubble_s": "pipeline bubble",
    "stage_transfer_s": "between stages",
    "parameter_comm_s": "gradients, parameters",
    "optimizer_s": "optimizer",
    "straggler_s": "stragglers",
}
#: The first pattern found in the lower-case name of a precision decides.
_PRECISIONS = (
    (r"int8", inputs.PRECISION_INT8),
    (r"mxfp8|blockwise", inputs.PRECISION_MXFP8),
    (r"fp8_cs|fp8_or_fp4|(fp8|float8).*(row|tensor)wise", inputs.PRECISION_FP8_CURRENT),
    (r"fp8|float8", inputs.PRECISION_FP8_DELAYED),
    (r"fp4", inputs.PRECISION_NVFP4),
    (r"bf16|fp16", inputs.PRECISION_BF16),
)


def is_blank(cell: object) -> bool:
    """Tell whether a cell of a table holds nothing.

    Examples
    --------
    >>> is_blank(float("nan")), is_blank(None), is_blank(" "), is_blank("nan")
    (True, True, True, False)
    """
    return cell is None or (isinstance(cell, float) and cell != cell) or (isinstance(cell, str) and not cell.strip())


def family_of(source_id: str) -> str:
    """Return the family of a source: releases of one publisher repeat configurations and belong together.

    Examples
    --------
    >>> family_of("mlperf-v5.1"), family_of("nemo-25.02"), family_of("nemo-launcher-a100"), family_of("mt-nlg")
    ('mlperf', 'nemo', 'nemo-launcher-a100', 'megatron-a100')
    """
    if source_id.startswith("mlperf"):
        return "mlperf"
    if source_id.startswith(("nemo-", "megatron-bridge")) and not source_id.startswith("nemo-launcher"):
        return "nemo"
    if source_id.startswith(("sc21", "korthikanti22", "mt-nlg")):
        return "megatron-a100"
    return source_id


def software_year(framework: str, year: float) -> float:
    """Return the date of the software as a year: from its release number if that is a date, else mid-year.

    Examples
    --------
    >>> software_year("NeMo 25.04", 2025), software_year("MLPerf Training v4.1 NVIDIA", 2024)
    (2025.25, 2024.75)
    """
    if found := re.search(r"\b(2\d)\.(0\d|1[0-2])\b", framework):
        return 2000 + int(found[1]) + (int(found[2]) - 1) / 12
    if found := re.search(r"MLPerf\D*v(\d)\.(\d)", framework):
        return 2020.25 + int(found[1]) + 0.5 * int(found[2])
    return year + 0.5


def precision_code(name: str) -> int:
    """Return the code of a number format named as in the table, or -1 for one unknown.

    Examples
    --------
    >>> precision_code("bf16_amp"), precision_code("fp8_cs"), precision_code("int7")
    (0, 2, -1)
    """
    return next((code for pattern, code in _PRECISIONS if re.search(pattern, name.lower())), -1)


def recompute_code(policy: str, *, xla: bool = False) -> int:
    """Return the code of a recompute policy named as in the table.

    Examples
    --------
    >>> recompute_code("selective"), recompute_code("unknown"), recompute_code("unknown", xla=True)
    (1, 0, 2)
    """
    if re.search(r"selective|save|minimal", policy.lower()):
        return inputs.RECOMPUTE_SELECTIVE
    if policy.lower() in ("full", "custom") or (xla and policy.lower() in ("unknown", "")):
        return inputs.RECOMPUTE_FULL
    return inputs.RECOMPUTE_NONE
