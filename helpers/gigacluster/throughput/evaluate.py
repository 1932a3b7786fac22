"""Step time and memory of many plans of one job, piece by piece, on any array library.

Time and memory of a layer depend on few axes of a plan: they are computed once for each distinct combination of those,
and gathered. The rest is computed for every plan, in pieces small enough to stay in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import numpy

from gigacluster.arrays import NUMPY, Namespace, kernel, namespace_of
from gigacluster.emission import c, input_names
from gigacluster.throughput.case import Case, changed
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.job import Job
from gigacluster.throughput.layers import LayerTimes, layer_times
from gigacluster.throughput.memory import LayerMemory, Memory, layer_memory, memory_from_layers
from gigacluster.throughput.plans import AXES, PlanSpace, PlanTable, again_fields, distinct, lookup, plan_fields
from gigacluster.throughput.step import StepTime, breakdown, on_arrays, step_from_layers
from gigacluster.trace import Record

#: Largest relative difference between a kernel and the array operations: functions of two libraries.
_SAME = 1e-12
#: The axes that a layer depends on.
_LAYER_AXES = ("tp", "sp", "cp", "ep", "micro_batch", "recompute")


class PlanEvaluator:
    """Step time and memory of the plans of a table, a slice of it at a time.

    Parameters
    ----------
    plans : On the host, or a space that was enumerated on the arrays of ``xp``.
    xp : The array library that computes: NumPy, CuPy, or another of the array API standard.
    device : Where its arrays lie, if not on its default device.
    """

    def __init__(
        self,
        job: Job,
        plans: PlanTable | PlanSpace,
        coefficients: Coefficients,
        xp: Namespace = NUMPY,
        device: Any = None,
    ) -> None:
        self.xp, self._k, self._job = xp, coefficients, job
        self._place = {} if device is None else {"device": device}
        self._space = plans if isinstance(plans, PlanSpace) else plans.space()
        layers, index = _distinct_layers(self._space.rows)
        self._layer_index = xp.asarray(index, **self._place)
        self._columns = {name: self._column(values) for name, values in self._space.rows.items()}
        self._options = [self._float(values) for values in self._space.options.T]
        _, self._job_case = on_arrays(job.case(**plan_fields(job, self._rows(self._places(slice(0, 1))))))
        layer_rows = {axis: self._float(values) for axis, values in layers.items()}
        layer_rows |= again_fields(job, layer_rows.pop("recompute"))
        layer_case = Case(**{n: self._float(v) for n, v in replace(self._job_case, **layer_rows).fields().items()})
        self._layer_times = changed(layer_times(xp, layer_case, coefficients), self._number_where_constant)
        self._layer_memory = changed(layer_memory(xp, layer_case), self._number_where_constant)
        self.kernel: Callable[..., Any] | None = None
        if xp.__name__ == "cupy" and isinstance(plans, PlanSpace):
            self._fuse(lambda source: kernel(xp, source, "plans"))

    def breakdown(self, piece: slice) -> dict[str, Any]:
        """Return every part of the step time of a slice of the plans, by name. [s]."""
        places = self._places(piece)
        case, layers = self._case(places), self._gathered(self._layer_times, places)
        return breakdown(self.xp, layers, step_from_layers(self.xp, layers, case, self._k), case)

    def __call__(self, piece: slice) -> tuple[StepTime, Memory]:
        """Return the step time and the peak memory of a slice of the plans."""
        return self._evaluated(self._places(piece))

    def piece(self, first: int, size: int) -> slice:
        """Return a slice from a number on, of about ``size`` plans, for :meth:`time_and_memory`."""
        group = self._space.group_of(first)
        return slice(first, min(first + max(1, size // len(group.options)) * len(group.options), group.stop))

    def time_and_memory(self, piece: slice) -> tuple[Any, ...]:
        """Return step time and least memory of the plans of a :meth:`piece`. [s], [byte].

        What does not depend on the sharding is computed once a row.
        """
        group = self._space.group_of(piece.start)
        width, start, stop = len(group.options), piece.start - group.first, piece.stop - group.first
        down, up = start // width, -(-stop // width)  # whole rows
        # Rows across, because a library's inner loop is along the last axis.
        rows = self.xp.asarray(group.rows[down:up], **self._place)[None, :]
        options = self.xp.asarray(group.options, **self._place)[:, None]
        shape = (width, up - down)
        if self.kernel:
            every = self._in_one((rows, options), shape)
        else:
            step, memory = self._evaluated((rows, options))
            every = [self.xp.broadcast_to(v, shape) for v in (step.total_s, memory.needed)]
        return tuple(self.xp.reshape(v.T, (-1,))[start - down * width : stop - down * width] for v in every)

    def _in_one(self, places: Any, shape: tuple[int, int]) -> list[Any]:
        """Return step time and memory by the kernel: columns are spread out, and read by one launch."""
        xp, index = self.xp, _picked(self.xp, self._layer_index, places[0])

        def spread(values: Any) -> Any:
            return xp.reshape(xp.broadcast_to(values, shape), (-1,)) + 0.0

        axes, layers = self._rows(places), {"times": self._layer_times, "memory": self._layer_memory}
        columns = [
            spread(_picked(xp, attrgetter(path)(layers[name]), index) if path else getattr(axes, name))
            for name, _, path in (input_.partition(".") for input_ in input_names(self._record))
        ]
        found = self.kernel(columns, self._record.tables, 2, shape[0] * shape[1])  # type: ignore[misc]
        return [xp.reshape(found[i], shape) for i in range(2)]

    def _fuse(self, compiled: Callable[[str], Any]) -> None:
        """Take a kernel for what :meth:`time_and_memory` does, if it gives what the arrays give for some plans."""
        self._record = stage_two(self._job, self._k, self._layer_times, self._layer_memory)
        piece = self.piece(0, 64)
        wanted = self.time_and_memory(piece)
        self.kernel = compiled(c(self._record, "plans", cuda=True))
        for one, other in zip(self.time_and_memory(piece), wanted, strict=True):
            if not bool(self.xp.all(self.xp.abs(one - other) <= _SAME * self.xp.abs(other))):
                raise RuntimeError("the kernel of the search and the array operations differ on this device")

    def _evaluated(self, places: Any) -> tuple[StepTime, Memory]:
        case = self._case(places)
        times, memory = (self._gathered(record, places) for record in (self._layer_times, self._layer_memory))
        return step_from_layers(self.xp, times, case, self._k), memory_from_layers(self.xp, memory, case)

    def _case(self, places: Any) -> Case:
        return replace(self._job_case, **plan_fields(self._job, self._rows(places)))

    def _float(self, values: Any) -> Any:
        return self.xp.asarray(values, dtype=self.xp.float64, **self._place)

    def _column(self, values: Any) -> Any:
        same = bool(namespace_of(values).all(values == values[0]))
        return self._float(float(values[0]) if same else values)

    def _places(self, piece: slice) -> Any:
        """Return rows and options of a slice of the plans."""
        return tuple(self.xp.asarray(values, **self._place) for values in self._space.places(piece))

    def _rows(self, places: Any) -> SimpleNamespace:
        columns = {name: _picked(self.xp, column, places[0]) for name, column in self._columns.items()}
        if "sharding" not in columns:
            columns["sharding"], group = (_picked(self.xp, values, places[1]) for values in self._options)
            columns["shard_group"] = self.xp.where(group > 0, group, columns["dp"] * columns["cp"])
        return SimpleNamespace(**columns)

    def _gathered(self, record: Any, places: Any) -> Any:
        return _Gathered(self.xp, record, _picked(self.xp, self._layer_index, places[0]))

    def _number_where_constant(self, _: str, values: Any) -> Any:
        """Return the number of an array that holds one value throughout, as it costs nothing a plan."""
        return values[0] if values.ndim and bool(self.xp.all(values == values[0])) else values


def stage_two(job: Job, coefficients: Coefficients, times: LayerTimes, memory: LayerMemory) -> Record:
    """Record step time and least memory of a plan of a job, for one kernel on a GPU: of its axes and of its layer.

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


class _Gathered:
    """The fields of a record of arrays at an index, gathered when first used."""

    def __init__(self, xp: Namespace, record: Any, index: Any) -> None:
        self.xp, self._record, self._index = xp, record, index

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._record, name)
        pick = _Gathered if is_dataclass(value) else _picked
        value = pick(self.xp, value, self._index)
        setattr(self, name, value)
        return value


def _picked(xp: Namespace, column: Any, index: Any) -> Any:
    """Return the elements of a column at an index of any shape; a number stays one."""
    return column if not column.ndim else xp.reshape(xp.take(column, xp.reshape(index, (-1,))), index.shape)


def _distinct_layers(columns: Mapping[str, Any]) -> tuple[dict[str, numpy.ndarray], Any]:
    """Return the distinct combinations of the layer's axes, and for each row of the columns the number of its own.

    Counts and lookups instead of sorting on the host: linear in the number of plans.
    """
    code: Any = 0
    values = []
    for axis in _LAYER_AXES:
        most = int(namespace_of(columns[axis]).max(columns[axis]))
        present = distinct(columns[axis], most + 1)
        code = code * len(present) + lookup(numpy.arange(len(present)), present, columns[axis])
        values.append(present)
    used = distinct(code, math.prod(map(len, values)))
    ranks = numpy.unravel_index(used, [len(present) for present in values])
    layers = {axis: present[r].astype(float) for axis, present, r in zip(_LAYER_AXES, values, ranks, strict=True)}
    return layers, lookup(numpy.arange(len(used)), used, code)
