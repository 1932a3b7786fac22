"""Predict step time and peak memory of runs, with the shipped calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

from gigacluster.hardware import Chip, chips_from
from gigacluster.throughput.columns import cases_of
from gigacluster.throughput.layers import layer_times
from gigacluster.throughput.memory import peak_memory
from gigacluster.throughput.rows import Runs
from gigacluster.throughput.shipped import Calibration, calibration_of
from gigacluster.throughput.step import breakdown, on_arrays, step_from_layers
from gigacluster.throughput.words import PARTS_AGAIN
from gigacluster.units import GIB

_COMPUTED_AGAIN = "; it would with activations computed again, of which nothing is said"
#: A plan that fits with a probability between is tight.
_TIGHT = 0.1, 0.9


def predict(runs: Any, *, chips: Any = None, calibration: Calibration | str | Path | None = None) -> Any:
    """Predict runs described by columns as those of ``data/training_runs.csv``.

    Parameters
    ----------
    runs
        A mapping of columns, or a pandas table: chip, precision, shape, plan and batch of each run. What is blank or
        missing is filled by the rules of :mod:`gigacluster.throughput.columns`; measured times are not looked at.
    chips
        Chips of one's own: columns as in ``data/chips.csv``, or records by name. They go before those of that table.
    calibration
        What to predict with: a record, or a file that ``gigacluster calibrate`` wrote; that of the package by default.

    Returns
    -------
    columns by name, or a pandas table with the index of ``runs`` where that is one
        A row a run, same order: ``run_id``; ``step_time_s`` with its 80 % interval ``step_time_low_s`` to
        ``step_time_high_s``; ``family_known``: whether calibration saw runs of this maker; ``untested``: what of the
        run fewer than three calibrating runs had (vendor, chip, precision, attention, scale), each of which widens the
        interval; ``fits``: whether the plan fits into the memory of its chip, as is likelier than not;
        ``fit_probability``: how likely, from how far printed peaks lie from predicted ones, further where the run
        leaves out what memory hangs on; ``spare_memory_frac``: what of that memory the step leaves free, negative
        where it lacks some; ``peak_memory_gib`` (as a device shows), ``reserved_memory_gib`` and
        ``allocated_memory_gib`` of the fullest chip; the parts of the step, which add up to it; ``warnings``: what was
        not read, what does not fit, or hardly; ``inexpressible``: why there is no prediction, empty where there is one.

    Raises
    ------
    ValueError
        If no column is one of runs.

    Examples
    --------
    >>> run = {"chip": ["H100-SXM"], "n_chips": [8], "n_layers": [32], "d_model": [4096], "n_heads": [32], "tp": [1],
    ...        "n_kv_heads": [8], "d_ff": [14336], "ffn_act": ["swiglu"], "vocab": [128256], "seq_len": [8192],
    ...        "global_batch": [16], "pp": [1], "shard_strategy": ["fsdp"], "recompute": ["full"],
    ...        "precision": ["bf16"]}
    >>> found = predict(run)
    >>> bool(2 < found["step_time_s"][0] < 4), bool(found["fits"][0])
    (True, True)
    """
    known = calibration_of(calibration)
    table = Runs(runs)
    cases = cases_of(table, _records(chips))
    kept = table.take(cases.expressible)
    sources = ["" if cell is None else str(cell) for cell in kept.cells("source_id")]
    case = replace(
        cases.case,
        chip_effect=numpy.array([known.chip_effect(chip) for chip in kept.text("chip")], dtype=float),
        family_effect=numpy.array([known.source_effect(source) for source in sources], dtype=float),
    )
    xp, case = on_arrays(case)
    layers = layer_times(xp, case, known.coefficients)
    step = step_from_layers(xp, layers, case, known.coefficients)
    memory = peak_memory(case)
    certainty = known.certainty(kept, case, sources)

    def spread(values: Any, blank: Any = numpy.nan) -> numpy.ndarray:
        """Put the values of expressible runs among the others, which get none."""
        whole = numpy.full(len(table), blank, dtype=numpy.asarray(values).dtype if blank != blank else object)
        whole[cases.expressible] = values
        return whole

    width = numpy.exp(spread(certainty.half_width))
    step_s = spread(step.total_s)
    chance = known.fit_probability(memory.needed, case.memory_bytes, cases.memory_blank)
    most_again = {part: numpy.maximum(getattr(case, part), cases.recompute_blank) for part in PARTS_AGAIN}
    least_bytes = peak_memory(replace(case, **most_again)).needed
    said_of_memory = _said_of_memory(memory.needed, case.memory_bytes, chance, least_bytes)
    warnings = ["; ".join(filter(None, said)) for said in zip(cases.warnings, spread(said_of_memory, ""), strict=True)]
    columns: dict[str, Any] = {
        "run_id": numpy.array(table.names(), dtype=object),
        "step_time_s": step_s,
        "step_time_low_s": step_s / width,
        "step_time_high_s": step_s * width,
        "family_known": spread(certainty.family_known, False).astype(bool),
        "untested": spread(certainty.untested, ""),
        "fits": spread(chance >= 0.5, False).astype(bool),
        "fit_probability": spread(chance),
        "spare_memory_frac": spread(1.0 - memory.needed / case.memory_bytes),
        "peak_memory_gib": spread(memory.total / GIB),
        "reserved_memory_gib": spread(memory.reserved / GIB),
        "allocated_memory_gib": spread(memory.allocated / GIB),
        **{name: spread(part) for name, part in breakdown(xp, layers, step, case).items()},
        "warnings": numpy.array(warnings, dtype=object),
        "inexpressible": numpy.array(cases.reasons, dtype=object),
    }
    is_table = hasattr(runs, "columns") and hasattr(runs, "index")  # of pandas, or of what follows it
    return type(runs)(columns, index=runs.index) if is_table else columns


def _records(chips: Any) -> dict[str, Chip]:
    """Return chips of one's own as records by name."""
    if chips is None:
        return {}
    if isinstance(chips, Mapping) and all(isinstance(chip, Chip) for chip in chips.values()):
        return dict(chips)
    if not (isinstance(chips, Mapping) or hasattr(chips, "columns")):
        raise ValueError(f"chips must be columns by name, records or a pandas table, got {type(chips).__name__}")
    return chips_from({str(name): list(chips[name]) for name in chips})


def _said_of_memory(needed_bytes: Any, memory_bytes: Any, chance: Any, least_bytes: Any) -> list[str]:
    """Say of each run that does not fit, or hardly, what it needs of what there is, and how likely it fits."""
    columns = numpy.broadcast_arrays(needed_bytes, memory_bytes, chance, least_bytes)
    said = []
    for need, has, likely, least in zip(*columns, strict=True):
        of_chip = f"needs {need / GIB:.1f} GiB of the {has / GIB:.0f} GiB of the chip"
        verdict = "does not fit" if likely < 0.5 else "hardly fits"
        again = _COMPUTED_AGAIN if likely < 0.5 and least <= has else ""
        sure = f" (fits with {100 * likely:.0f} %)" if _TIGHT[0] < likely else ""
        said.append(f"{verdict}: {of_chip}{sure}{again}" if likely < _TIGHT[1] else "")
    return said
