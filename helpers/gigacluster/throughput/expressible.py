"""Which runs of a table can be expressed as a case, and why the others cannot; cells as numbers."""

from __future__ import annotations

from typing import Any

import numpy
import pandas as pd

from gigacluster.throughput import inputs
from gigacluster.throughput.words import is_blank, precision_code

__all__ = ["column", "data_parallel", "filled", "plan_width", "reasons_of"]

_NEEDED = ("n_layers", "d_model", "n_heads", "seq_len", "n_chips", "global_batch", "tp", "pp")
_EIGHT_BIT = (
    inputs.PRECISION_FP8_DELAYED,
    inputs.PRECISION_FP8_CURRENT,
    inputs.PRECISION_MXFP8,
    inputs.PRECISION_INT8,
)
_NEEDED_OF_EXPERTS = ("top_k", "d_ff_expert")
_PRECISIONS = "bf16, fp16, fp8_ds, fp8_cs, mxfp8, nvfp4 or int8"


def column(table: pd.DataFrame, name: str) -> numpy.ndarray:
    """Return a column as numbers; what is blank, no number or not there at all is missing."""
    if name not in table:
        return numpy.full(len(table), numpy.nan)
    return pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=numpy.float64)


def filled(values: numpy.ndarray, instead: Any) -> numpy.ndarray:
    """Return numbers with something else where they are missing."""
    return numpy.where(numpy.isnan(values), instead, values)


def reasons_of(table: pd.DataFrame, chips: pd.DataFrame) -> list[str]:
    """Say of every run why it cannot be expressed, or nothing."""
    numbers = {name: column(table, name) for name in (*_NEEDED, *_NEEDED_OF_EXPERTS, "cp", "ep", "micro_batch")}
    numbers |= {
        "tp": plan_width(table, "tp"),
        "pp": plan_width(table, "pp"),
        "n_experts": filled(column(table, "n_experts"), 0),
    }
    replicas = data_parallel(table)
    shape = numbers["tp"] * numbers["pp"] * filled(numbers["cp"], 1.0) * replicas
    known_chips = set(chips["chip"])
    no_byte = set(chips["chip"][chips["fp8_tflops"].isna() & chips["int8_tops"].isna()])
    lacking = dict.fromkeys(_EIGHT_BIT, no_byte)
    lacking[inputs.PRECISION_NVFP4] = set(chips["chip"][chips["fp4_tflops"].isna()])
    reasons = []
    for index, row in enumerate(table.itertuples()):
        needed = _NEEDED + (_NEEDED_OF_EXPERTS if numbers["n_experts"][index] > 0 else ())
        missing = [name for name in needed if not numbers[name][index] > 0]
        n_chips, dp = numbers["n_chips"][index], replicas[index]
        batch, micro = numbers["global_batch"][index], numbers["micro_batch"][index]
        precision = str(getattr(row, "precision", ""))
        if unnamed := _unnamed(row.chip, getattr(row, "precision", None), known_chips):
            reason = unnamed
        elif missing:
            reason = f"{', '.join(missing)} must be positive and known"
        elif str(row.chip) in lacking.get(precision_code(precision), ()):
            reason = f"chip {row.chip!r} has no published rate for precision {precision!r}; use bf16"
        elif not abs(shape[index] / n_chips - 1) < 1e-6:
            reason = f"tp*pp*cp*dp = {shape[index]:g} is not n_chips = {n_chips:g}"
        elif batch < dp * filled(micro, 1.0) * (1 - 1e-9):
            reason = f"global_batch {batch:g} is less than dp*micro_batch = {dp * filled(micro, 1.0):g}"
        elif numbers["n_layers"][index] < numbers["pp"][index]:
            reason = f"{numbers['n_layers'][index]:g} layers do not fill {numbers['pp'][index]:g} pipeline stages"
        elif numbers["ep"][index] > max(numbers["n_experts"][index], 1):
            reason = f"ep = {numbers['ep'][index]:g} is more than the {numbers['n_experts'][index]:g} experts"
        else:
            reason = ""
        reasons.append(reason)
    return reasons


def _unnamed(chip: Any, precision: Any, known_chips: set[str]) -> str:
    """Say which of the two words is blank or unknown, or nothing."""
    if is_blank(chip):
        return "chip is blank; give a name of data/chips.csv"
    if chip not in known_chips:
        return f"chip {chip!r} is not in data/chips.csv; add it there"
    if is_blank(precision):
        return f"precision is blank; use {_PRECISIONS}"
    if precision_code(str(precision)) < 0:
        return f"precision {precision!r} is unknown; use {_PRECISIONS}"
    return ""


def plan_width(table: pd.DataFrame, axis: str) -> numpy.ndarray:
    """Return the tensor or pipeline width: 1 where it is blank in a plan said to be complete."""
    return filled(column(table, axis), numpy.where(column(table, "plan_complete") == 1, 1.0, numpy.nan))


def data_parallel(table: pd.DataFrame) -> numpy.ndarray:
    """Return the replicas: as given, or the chips over all other widths."""
    width = plan_width(table, "tp") * plan_width(table, "pp") * filled(column(table, "cp"), 1.0)
    return filled(column(table, "dp"), column(table, "n_chips") / width)
