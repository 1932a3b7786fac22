"""Predict step time and peak memory of runs in the form of ``data/training_runs.csv``, with the shipped calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import pandas as pd

from gigacluster.throughput.layers import layer_times
from gigacluster.throughput.memory import peak_memory
from gigacluster.throughput.runs import cases_from_runs
from gigacluster.throughput.shipped import shipped
from gigacluster.throughput.step_time import breakdown, on_arrays, step_from_layers
from gigacluster.throughput.words import family_of
from gigacluster.units import GIB
from gigareport import catalog
from gigareport.calibration.scores import ConstantMfu

__all__ = ["predict"]


def predict(runs: pd.DataFrame) -> pd.DataFrame:
    """Predict the runs of a table in the form of ``data/training_runs.csv``.

    Parameters
    ----------
    runs : DataFrame
        As ``catalog.load("training_runs", path=...)`` returns it. What is blank is filled by the rules of
        :mod:`gigacluster.throughput.runs`; measured times are not looked at.

    Returns
    -------
    DataFrame
        A row a run, same order: ``run_id``; ``step_time_s`` with its 80 % interval ``step_time_low_s`` to
        ``step_time_high_s``; ``family_known`` (whether calibration saw this family of sources: if not, the interval is
        wider); ``peak_memory_gib`` (reserved) and ``allocated_memory_gib`` on the fullest chip; the parts of the step,
        which add up to it; ``constant_mfu_step_time_s``, the yardstick; ``inexpressible``, why there is no prediction
        (empty where there is one; otherwise the numbers are missing).

    Examples
    --------
    >>> runs = catalog.load("training_runs")
    >>> bool(predict(runs[runs.run_id == "D0300"])["step_time_s"].between(7.5, 10.0).all())  # measured: 8.49 s
    True
    """
    calibration, k = shipped(), shipped().coefficients
    cases = cases_from_runs(runs, catalog.load("chips"))
    kept = runs[cases.expressible]
    families = [family_of(str(source)) for source in runs["source_id"]]
    known = numpy.array([family in calibration.family_effects for family in families])
    moe = (runs["arch"] == "moe").to_numpy()
    effect = [
        calibration.family_effects.get(family_of(source), 0.0) + calibration.source_effects.get(source, 0.0)
        for source in kept["source_id"].astype(str)
    ]
    chip_effect = [calibration.chip_effect(chip) for chip in kept["chip"]]
    case = replace(cases.case, chip_effect=numpy.array(chip_effect), family_effect=numpy.array(effect))
    xp, case = on_arrays(case)
    layers = layer_times(xp, case, k)
    step = step_from_layers(xp, layers, case, k)
    memory = peak_memory(case)

    def spread(values: Any) -> numpy.ndarray:
        """Put the numbers of expressible runs among the others, which get none."""
        whole = numpy.full(len(runs), numpy.nan)
        whole[cases.expressible] = values
        return whole

    width = numpy.exp([calibration.half_width(known=bool(a), moe=bool(b)) for a, b in zip(known, moe, strict=True)])
    step_s = spread(step.total_s)
    columns: dict[str, Any] = {
        "run_id": runs["run_id"].to_numpy(),
        "step_time_s": step_s,
        "step_time_low_s": step_s / width,
        "step_time_high_s": step_s * width,
        "family_known": known,
        "peak_memory_gib": spread(memory.total / GIB),
        "allocated_memory_gib": spread(memory.allocated / GIB),
        **{name: spread(part) for name, part in breakdown(xp, layers, step, case).items()},
        "constant_mfu_step_time_s": ConstantMfu(dict(calibration.constant_mfu)).step_time_s(runs),
        "inexpressible": cases.reasons,
    }
    return pd.DataFrame(columns, index=runs.index)
