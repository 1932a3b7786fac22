"""Stage two of the step time and the memory as one kernel for a GPU, written from the models themselves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from gigacluster.emission import input_names
from gigacluster.throughput.case import changed
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.job import Job
from gigacluster.throughput.layers import LayerTimes
from gigacluster.throughput.memory import LayerMemory, memory_from_layers
from gigacluster.throughput.plans import AXES, plan_fields
from gigacluster.throughput.step import on_arrays, step_from_layers
from gigacluster.trace import Record


def stage_two(job: Job, coefficients: Coefficients, times: LayerTimes, memory: LayerMemory) -> Record:
    """Record step time and least memory of a plan of a job, of its columns and of those of its layer.

    Fields of ``times`` and ``memory`` that are arrays become inputs, such as ``times.dense.total_s``; numbers stay.
    """
    record = Record()
    rows = SimpleNamespace(**{axis: record.input(axis) for axis in AXES})
    xp, case = on_arrays(job.case(**plan_fields(job, rows)))

    def symbols(path: str, value: Any) -> Any:
        return record.input(path) if getattr(value, "ndim", 0) else xp.asarray(float(value))

    layers = changed(times, symbols, "times")
    record.output("step_s", step_from_layers(xp, layers, case, coefficients).total_s)
    record.output("needed_bytes", memory_from_layers(xp, changed(memory, symbols, "memory"), case).needed)
    return record


def columns_of(record: Record, rows: SimpleNamespace, pick: Callable[[Any], Any], **layers: Any) -> list[Any]:
    """Return the columns that a record of :func:`stage_two` takes: axes of plans, and picked fields of layers."""
    found = []
    for name in input_names(record):
        first, *rest = name.split(".")
        value = getattr(rows, name) if first not in layers else layers[first]
        for part in rest:
            value = getattr(value, part)
        found.append(pick(value) if rest else value)
    return found
