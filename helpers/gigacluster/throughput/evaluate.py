"""Step time and memory of many plans of one job, piece by piece, on any array library.

Time and memory of a layer depend on few axes of a plan: they are computed once for each distinct combination of those,
and gathered. The rest is computed for every plan, in pieces small enough to stay in the cache.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy

from gigacluster.arrays import NUMPY, Namespace
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.job import Job
from gigacluster.throughput.layers import LayerTimes, layer_times
from gigacluster.throughput.memory import Memory, layer_memory, memory_from_layers
from gigacluster.throughput.plans import PlanTable, again_fields, plan_fields
from gigacluster.throughput.step import StepTime, breakdown, on_arrays, step_from_layers

__all__ = ["PlanEvaluator"]

#: The axes that a layer depends on.
_LAYER_AXES = ("tp", "sp", "cp", "ep", "micro_batch", "recompute")


class PlanEvaluator:
    """Step time and memory of the plans of a table, a slice of it at a time.

    Parameters
    ----------
    job : Job
    table : PlanTable
        On the host.
    coefficients : Coefficients
    xp : module
        The array library that computes: NumPy, CuPy, or another of the array API standard.
    device : object, optional
        Where its arrays lie, if not on its default device.
    """

    def __init__(
        self, job: Job, table: PlanTable, coefficients: Coefficients, xp: Namespace = NUMPY, device: Any = None
    ) -> None:
        self._xp, self._k = xp, coefficients
        self._place = {} if device is None else {"device": device}
        layers, index = _distinct_layers(table)
        self._layer_index = xp.asarray(index, **self._place)
        # A column with one value throughout becomes a number, which costs nothing a plan.
        self._columns = {name: self._column(values) for name, values in table.columns().items()}
        self._job = job
        _, self._job_case = on_arrays(job.case(**plan_fields(job, self._rows(slice(0, 1)))))
        layer_rows = {axis: self._float(values) for axis, values in layers.items()}
        layer_rows |= again_fields(job, layer_rows.pop("recompute"))
        layer_case = Case(**{n: self._float(v) for n, v in replace(self._job_case, **layer_rows).fields().items()})
        self._layer_times = self._numbers_where_constant(layer_times(xp, layer_case, coefficients))
        self._layer_memory = self._numbers_where_constant(layer_memory(xp, layer_case))

    def case(self, piece: slice) -> Case:
        """Return the case of a slice of the plans."""
        return replace(self._job_case, **plan_fields(self._job, self._rows(piece)))

    def layers(self, piece: slice) -> LayerTimes:
        """Return the times of the layers of a slice of the plans, gathered as they are used."""
        return _Gathered(self._xp, self._layer_times, self._layer_index[piece])  # type: ignore[return-value]

    def breakdown(self, piece: slice) -> dict[str, Any]:
        """Return every part of the step time of a slice of the plans, by name. [s]."""
        case, layers = self.case(piece), self.layers(piece)
        return breakdown(self._xp, layers, step_from_layers(self._xp, layers, case, self._k), case)

    def __call__(self, piece: slice) -> tuple[StepTime, Memory]:
        """Return the step time and the peak memory of a slice of the plans."""
        case = self.case(piece)
        memory_of_layers = _Gathered(self._xp, self._layer_memory, self._layer_index[piece])
        step = step_from_layers(self._xp, self.layers(piece), case, self._k)
        return step, memory_from_layers(self._xp, memory_of_layers, case)  # type: ignore[arg-type]

    def _float(self, values: Any) -> Any:
        return self._xp.asarray(values, dtype=self._xp.float64, **self._place)

    def _column(self, values: numpy.ndarray) -> Any:
        same = (values == values[0]).all()
        return self._float(values[0].item()) if same else self._xp.asarray(values, **self._place)

    def _rows(self, piece: slice) -> SimpleNamespace:
        return SimpleNamespace(
            **{
                name: self._xp.astype(column[piece], self._xp.float64) if column.ndim else column
                for name, column in self._columns.items()
            }
        )

    def _numbers_where_constant(self, record: Any) -> Any:
        """Return a record whose arrays that hold one value throughout are replaced by that number."""
        changed = {}
        for field in fields(record):
            value = getattr(record, field.name)
            if is_dataclass(value):
                changed[field.name] = self._numbers_where_constant(value)
            elif value.ndim and bool(self._xp.all(value == value[0])):
                changed[field.name] = value[0]
        return replace(record, **changed)


class _Gathered:
    """The fields of a record of arrays at an index, gathered when first used."""

    def __init__(self, xp: Namespace, record: Any, index: Any) -> None:
        self._xp, self._record, self._index = xp, record, index

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._record, name)
        if is_dataclass(value):
            value = _Gathered(self._xp, value, self._index)
        elif value.ndim:
            value = self._xp.take(value, self._index)
        setattr(self, name, value)
        return value


def _distinct_layers(table: PlanTable) -> tuple[dict[str, numpy.ndarray], numpy.ndarray]:
    """Return the distinct combinations of the layer's axes, and for each plan the number of its combination.

    Counts and lookups instead of sorting: linear in the number of plans.
    """
    columns = table.columns()
    code = numpy.zeros(len(table), dtype=numpy.int64)
    values = []
    for axis in _LAYER_AXES:
        present = numpy.flatnonzero(numpy.bincount(columns[axis]))
        rank = numpy.zeros(int(present[-1]) + 1, dtype=numpy.int64)
        rank[present] = numpy.arange(len(present))
        code = code * len(present) + rank[columns[axis]]
        values.append(present)
    used = numpy.flatnonzero(numpy.bincount(code))
    number = numpy.zeros(int(used[-1]) + 1, dtype=numpy.int64)
    number[used] = numpy.arange(len(used))
    ranks = numpy.unravel_index(used, [len(present) for present in values])
    layers = {axis: present[r].astype(float) for axis, present, r in zip(_LAYER_AXES, values, ranks, strict=True)}
    return layers, number[code]
