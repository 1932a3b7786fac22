"""A record of what a model computes: one more array library, whose arrays are symbols.

A model that is run on :class:`Symbols` leaves its operations in a :class:`Record`, each made once, numbers folded.
:func:`replay` computes a record in NumPy; :mod:`gigacluster.emission` writes it as JavaScript, C or CUDA. That a model
can be recorded shows that it does not branch on its data.

The samples are one axis of length 1, along which nothing may be reduced. One further axis may be *long*: it stays one
node however many rows it has (months, runs), and what is summed along it becomes a loop. Every other axis is short and
unrolled: NumPy indexes, broadcasts and joins the object arrays of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy

_NUMBERS = (
    *("add", "subtract", "multiply", "divide", "remainder", "pow", "minimum", "maximum", "negative", "abs", "sqrt"),
    *("exp", "expm1", "log", "log1p", "log2", "floor", "ceil", "trunc", "round", "where"),
)
_TRUTHS = (
    *("less", "less_equal", "equal", "not_equal", "isfinite", "isnan"),
    *("logical_and", "logical_or", "logical_not"),
)
#: Operations on elements, which have NumPy's names and meaning; ``number`` makes 0 or 1 of a truth value.
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{name: getattr(numpy, name) for name in (*_NUMBERS, *_TRUTHS)},
    "number": lambda truth: numpy.asarray(truth, dtype=numpy.float64),
}
_COMMUTE = frozenset(("add", "multiply", "equal", "not_equal", "logical_and", "logical_or"))
#: Reductions along the long axis; ``last`` is the value of its last row. ``scan``, the running sum, keeps the axis.
REDUCTIONS = frozenset(("sum", "max", "min", "all", "any", "last"))
#: Constant arrays up to this length are unrolled, longer ones become a table of the record.
_UNROLLED = 24


class Long(NamedTuple):
    """The long axis of an array: its place from the end, its rows, and how many of the first ones are cut off."""

    axis: int
    rows: int
    cut: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """One operation of a record."""

    index: int
    op: str
    args: tuple[Node, ...]
    #: A constant's number, an input's name, a table's number; of ``row`` and reductions, the length of the long axis.
    value: Any
    truth: bool  # whether it is a truth value rather than a number
    rows: int  # length of the long axis that it lies along; 0: one value a sample
    level: int  # after how many loops over the long axis it is known
    varies: bool  # from sample to sample


@dataclass(eq=False, repr=False)
class Record:
    """Operations in an order in which every argument comes before its use."""

    nodes: list[Node] = field(default_factory=list)
    tables: list[numpy.ndarray] = field(default_factory=list)
    outputs: dict[str, Node] = field(default_factory=dict)
    #: Long axes as long as an input and a number more: length while recording -> (name of the input, number).
    lengths: dict[int, tuple[str, int]] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space = Space(self)

    def input(self, name: str, *, rows: int = 0, varies: bool = True) -> Symbols:
        """Return an input of shape (1,), or (1, rows): one for each sample, or one for all with ``varies=False``."""
        node = self.add("input", (), name, rows=rows, varies=varies)
        return Symbols(self, _array(node).reshape((1, 1) if rows else 1), Long(-1, rows) if rows else None)

    def output(self, name: str, values: Any) -> None:
        """Name what the record computes; an array of several elements gives ``name.0``, ``name.1`` and so on."""
        nodes = self.space.asarray(values).nodes.ravel()
        self.outputs |= {name if len(nodes) == 1 else f"{name}.{i}": node for i, node in enumerate(nodes)}

    def needed(self) -> list[Node]:
        """Return the operations that the outputs need, in order."""
        found = {node.index for node in self.outputs.values()}
        for node in reversed(self.nodes):
            if node.index in found:
                found.update(argument.index for argument in node.args)
        return [node for node in self.nodes if node.index in found]

    def constant(self, value: Any) -> Node:
        """Return the node of a number or a truth value."""
        truth = isinstance(value, bool | numpy.bool_)
        return self.add("constant", (), bool(value) if truth else float(value), truth=truth)

    def table(self, values: Any) -> Node:
        """Return the node of a constant column along the long axis."""
        new = numpy.array(values, dtype=numpy.float64)
        same = (number for number, known in enumerate(self.tables) if known.tobytes() == new.tobytes())
        number = next(same, len(self.tables))
        if number == len(self.tables):
            self.tables.append(new)
        return self.add("column", (), number, rows=len(new))

    def make(self, op: str, *args: Node) -> Node:
        """Return the node of an operation on elements: folded, simplified, or made once."""
        if all(argument.op == "constant" for argument in args):
            with numpy.errstate(all="ignore"):
                return self.constant(ELEMENTWISE[op](*(numpy.asarray(a.value) for a in args))[()])
        simpler = _simplified(op, args)
        if isinstance(simpler, Node):
            return simpler
        if simpler:
            op, args = simpler[0], tuple(a if isinstance(a, Node) else self.constant(a) for a in simpler[1:])
        return self.add(op, tuple(sorted(args, key=lambda a: a.index)) if op in _COMMUTE else args)

    def along(self, op: str, argument: Node, rows: int) -> Node:
        """Return a reduction, or the running sum, of a node along the long axis."""
        if op == "last" and not argument.rows:
            return argument
        if op in REDUCTIONS:
            return self.add(op, (argument,), rows, rows=0, level=argument.level + 1)
        return self.add(op, (argument,), rows, rows=rows)

    def length(self, node: Node, given: Mapping[str, Any]) -> int:
        """Return the length of a node's long axis, for given inputs."""
        name, more = self.lengths.get(node.value, ("", node.value))
        return (int(given[name]) if name else 0) + int(more)

    def add(self, op: str, args: tuple[Node, ...], value: Any = None, **own: Any) -> Node:
        """Return the node of an operation, made once; ``own`` is what its arguments do not tell."""
        key = (op, type(value), repr(value), *(argument.index for argument in args))
        if key not in self._known:
            lengths = {argument.rows for argument in args} - {0}
            if len(lengths) > 1:
                raise TypeError(f"long axes of {' and '.join(map(str, sorted(lengths)))} rows do not match in {op!r}")
            told = {
                "truth": op in (*_TRUTHS, "all", "any") or (op in ("where", "last") and args[-1].truth),
                "rows": max(lengths, default=0),
                "level": max((argument.level for argument in args), default=0),
                "varies": any(argument.varies for argument in args),
            }
            self._known[key] = Node(len(self.nodes), op, args, value, **(told | own))
            self.nodes.append(self._known[key])
        return self._known[key]


def _simplified(op: str, args: tuple[Node, ...]) -> Any:
    """Return the node that an operation comes to, a cheaper operation as a tuple, or None; every bit stays the same."""
    first, other = args[0], args[-1]
    values = [argument.value if argument.op == "constant" else None for argument in args]
    match op, values:
        case "multiply" | "divide" | "pow", [None, 1.0]:
            return first
        case "multiply", [1.0, None]:
            return other
        case "pow", [None, 2.0]:
            return ("multiply", first, first)
        case "divide", [None, float(x)] if 1e-300 < abs(x) < 1e300 and abs(numpy.frexp(x)[0]) == 0.5:
            return ("multiply", first, 1.0 / x)  # a power of two, whose inverse is exact
        case "logical_and" | "logical_or", [bool(known), None] | [None, bool(known)]:
            constant, rest = args if first.op == "constant" else (other, first)
            return rest if known == (op == "logical_and") else constant
        case "where", [bool(known), _, _]:
            return args[1] if known else other
        case "where", _ if args[1] is other:
            return other
        case "logical_and" | "logical_or" | "minimum" | "maximum", _ if first is other:
            return first
        case "negative" | "logical_not", _ if first.op == op:
            return first.args[0]
    return None


def _array(values: Any) -> numpy.ndarray:
    """Return an object array; a single node becomes one of shape ()."""
    if isinstance(values, numpy.ndarray):
        return values
    array = numpy.empty((), dtype=object)
    array[()] = values
    return array


def _each(function: Callable[..., Node], *arrays: numpy.ndarray) -> numpy.ndarray:
    return _array(numpy.frompyfunc(function, len(arrays), 1)(*arrays))


def _operator(op: str, *, swapped: bool = False) -> Callable[[Symbols, Any], Symbols]:
    def apply(self: Symbols, other: Any) -> Symbols:
        return self.record.space.elementwise(op, *((other, self) if swapped else (self, other)))

    return apply


def _refuse(*_: Any, **__: Any) -> Any:
    raise TypeError("a recorded model may not branch on an array or take it to the host: use where")


class Symbols:
    """An array of nodes: what a model computes with while it is recorded."""

    __array_ufunc__ = None  # so that a NumPy number times symbols comes here
    device = "trace"

    def __init__(self, record: Record, nodes: numpy.ndarray, long: Long | None = None) -> None:
        self.record, self.nodes, self.long = record, nodes, long

    def like(self, nodes: numpy.ndarray) -> Symbols:
        """Return other nodes in the shape of these."""
        return Symbols(self.record, nodes, self.long)

    def __array_namespace__(self, api_version: str | None = None) -> Space:
        return self.record.space

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.nodes.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, with the length of the long axis."""
        axis, rows, cut = self.long or Long(0, 0)
        return tuple(rows - cut if n - self.ndim == axis else k for n, k in enumerate(self.nodes.shape))

    @property
    def dtype(self) -> str:
        """``float64`` or ``bool``."""
        return "bool" if all(node.truth for node in self.nodes.flat) else "float64"

    def __getitem__(self, key: Any) -> Symbols:
        given = list(key) if isinstance(key, tuple) else [key]
        if any(isinstance(item, Symbols) for item in given):
            raise TypeError("a recorded model may not pick elements by a mask: use where")
        whole = [slice(None)] * (self.ndim - sum(item is not None and item is not Ellipsis for item in given))
        at = given.index(Ellipsis) if Ellipsis in given else len(given)
        given[at : at + 1] = whole
        nodes, long, made = self.nodes, None, 0  # axes made so far
        places = iter(range(-self.ndim, 0))
        for n, item in enumerate(given):
            if item is not None and self.long and next(places) == self.long.axis:
                rows = self.long.rows
                if item in (-1, slice(-1, None)):
                    nodes = _each(lambda node, rows=rows: self.record.along("last", node, rows), nodes)
                elif item not in (slice(None), slice(1, None)):
                    raise TypeError(f"a recorded model may take [-1], [-1:] or [1:] of a long axis, not [{item}]")
                if isinstance(item, slice) and item != slice(-1, None):
                    long = Long(made, rows, self.long.cut + (item != slice(None)))
                given[n] = 0 if isinstance(item, int) else slice(None)
            made += not isinstance(item, int)
        return Symbols(self.record, _array(nodes[tuple(given)]), long and long._replace(axis=long.axis - made))

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", swapped=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", swapped=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", swapped=True)
    __mod__, __rmod__ = _operator("remainder"), _operator("remainder", swapped=True)
    __and__, __rand__ = _operator("logical_and"), _operator("logical_and", swapped=True)
    __or__, __ror__ = _operator("logical_or"), _operator("logical_or", swapped=True)
    __lt__, __gt__ = _operator("less"), _operator("less", swapped=True)
    __le__, __ge__ = _operator("less_equal"), _operator("less_equal", swapped=True)
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")  # type: ignore[assignment]
    __rpow__ = _operator("pow", swapped=True)
    __hash__ = None  # type: ignore[assignment]
    __bool__ = __float__ = __int__ = __index__ = __array__ = __dlpack__ = __dlpack_device__ = _refuse

    def __pow__(self, other: Any) -> Symbols:
        if isinstance(other, float) and other == 0.5:  # as NumPy has it
            return self.record.space.sqrt(self)
        return self.record.space.pow(self, other)

    def __neg__(self) -> Symbols:
        return self.record.space.negative(self)

    def __invert__(self) -> Symbols:
        return self.record.space.logical_not(self)

    def __matmul__(self, other: Any) -> Symbols:
        return self.record.space.matmul(self, other)


def _reduction(long: str, short: str, neutral: Any) -> Callable[..., Symbols]:
    """Return the function that reduces: a loop over the long axis, one operation after the other over a short one."""

    def reduce(self: Space, array: Symbols, *, axis: int | None = None, keepdims: bool = False) -> Symbols:
        if axis is None:
            for place in reversed(range(array.ndim)):
                array = reduce(self, array, axis=place, keepdims=keepdims)
            return array
        place, nodes, left = axis % array.ndim, array.nodes, array.long
        if left and place - array.ndim == left.axis:
            rows = left.rows
            nodes, left = _each(lambda node: self.record.along(long, node, rows), self._uncut(array, neutral)), None
        elif nodes.shape[place] == 1 and any(node.varies for node in nodes.flat):
            raise TypeError("a recorded model may not reduce over its samples, nor over another axis of length 1")
        first, *others = numpy.split(nodes, nodes.shape[place], axis=place)
        for other in others:
            first = _each(lambda a, b: self.record.make(short, a, b), first, other)
        if not keepdims:
            first = _array(first.squeeze(place))
            left = left and left._replace(axis=left.axis + (place > array.ndim + left.axis))
        return Symbols(self.record, first, left)

    return reduce


class Space:
    """The namespace of :class:`Symbols`: the functions of the array API standard that models use."""

    __name__ = "trace"
    float64, int64, bool, nan, inf = "float64", "int64", "bool", numpy.nan, numpy.inf
    sum = _reduction("sum", "add", 0.0)
    max, min = _reduction("max", "maximum", -numpy.inf), _reduction("min", "minimum", numpy.inf)
    all, any = _reduction("all", "logical_and", True), _reduction("any", "logical_or", False)

    def __init__(self, record: Record) -> None:
        self.record = record

    def __getattr__(self, name: str) -> Callable[..., Symbols]:
        if name not in ELEMENTWISE:
            raise AttributeError(f"a recorded model may not call {name!r}: gigacluster.trace does not have it")
        return lambda *arrays: self.elementwise(name, *arrays)

    def elementwise(self, op: str, *arrays: Any) -> Symbols:
        """Return an operation of :data:`ELEMENTWISE` on broadcast arrays."""
        given = [self.asarray(array) for array in arrays]
        if op != "where" and not op.startswith("logical"):
            given = [self.astype(array, "float64") for array in given]
        make = lambda *nodes: self.record.make(op, *nodes)  # noqa: E731
        return Symbols(self.record, _each(make, *(array.nodes for array in given)), self._long(given))

    def _long(self, arrays: Sequence[Symbols]) -> Long | None:
        """Return the long axis that arrays share."""
        found = {array.long for array in arrays if array.long}
        if len(found) > 1:
            raise TypeError(f"{' and '.join(map(str, found))} do not match; a record has one long axis in an operation")
        return found.pop() if found else None

    def _uncut(self, array: Symbols, neutral: Any) -> numpy.ndarray:
        """Return the nodes of an array with a neutral value in the rows that are cut off."""
        if not array.long or not array.long.cut:
            return array.nodes
        first = self.reshape(self.arange(array.long.rows), (-1, *(1,) * (-array.long.axis - 1))) < array.long.cut
        return self.where(first, neutral, Symbols(self.record, array.nodes, array.long._replace(cut=0))).nodes

    def asarray(self, values: Any, dtype: Any = None, **_: Any) -> Symbols:
        """Return symbols as they are, numbers and NumPy arrays as constants; long ones as tables of the record."""
        if isinstance(values, Symbols):
            return values if dtype is None else self.astype(values, dtype)
        host = numpy.asarray(values)
        if max(host.shape, default=0) <= _UNROLLED:
            return Symbols(self.record, _each(self.record.constant, host))
        axis = int(numpy.argmax(host.shape))
        nodes = numpy.apply_along_axis(lambda column: _array(self.record.table(column)), axis, host)
        return Symbols(self.record, numpy.expand_dims(nodes, axis), Long(axis - host.ndim, host.shape[axis]))

    def astype(self, array: Symbols, dtype: Any, **_: Any) -> Symbols:
        """Return truth values as numbers, and numbers without their fraction if ``dtype`` is whole."""
        nodes = array.nodes
        if dtype != "bool":
            nodes = _each(lambda node: self.record.make("number", node) if node.truth else node, nodes)
        if "int" in str(dtype):
            nodes = _each(lambda node: self.record.make("trunc", node), nodes)
        return array.like(nodes)

    def full_like(self, array: Symbols, value: Any, **_: Any) -> Symbols:
        """Return a constant in the shape of an array."""
        return array.like(_each(lambda _: self.record.constant(value), array.nodes))

    def zeros_like(self, array: Symbols, **_: Any) -> Symbols:
        """Return zeros."""
        return self.full_like(array, 0.0)

    def ones_like(self, array: Symbols, dtype: Any = None, **_: Any) -> Symbols:
        """Return ones, or truth."""
        return self.full_like(array, True if dtype == "bool" else 1.0)

    def arange(self, rows: int, **_: Any) -> Symbols:
        """Return the numbers of the rows of a long axis."""
        return Symbols(self.record, _array(self.record.add("row", (), rows, rows=rows)).reshape(1), Long(-1, rows))

    def clip(self, array: Any, low: Any = None, high: Any = None) -> Symbols:
        """Return an array between two limits."""
        array = array if low is None else self.maximum(array, low)
        unbounded = high is None or (isinstance(high, float) and high == numpy.inf)
        return array if unbounded else self.minimum(array, high)

    def reshape(self, array: Symbols, shape: Sequence[int]) -> Symbols:
        """Return an array in another shape; of one with a long axis, -1 or its length says which that shall be."""
        shape = list(shape)
        if array.long and -1 not in shape:
            shape[shape.index(array.shape[array.long.axis])] = -1
        nodes = array.nodes.reshape(tuple(shape))
        return Symbols(self.record, nodes, array.long and array.long._replace(axis=shape.index(-1) - nodes.ndim))

    def concat(self, arrays: Sequence[Symbols], axis: int = 0) -> Symbols:
        """Join arrays along a short axis."""
        long = self._long(arrays)
        if long and axis % arrays[0].ndim == arrays[0].ndim + long.axis:
            raise TypeError("a recorded model may not join arrays along a long axis")
        return Symbols(self.record, numpy.concatenate([array.nodes for array in arrays], axis=axis), long)

    def stack(self, arrays: Sequence[Symbols], axis: int = 0) -> Symbols:
        """Join arrays along a new axis."""
        place = (*[slice(None)] * (axis % (arrays[0].ndim + 1)), None)
        return self.concat([array[place] for array in arrays], axis=axis)

    def matmul(self, left: Symbols, right: Any) -> Symbols:
        """Return a product of matrices; what a constant zero multiplies is left out."""
        right = self.asarray(right)
        columns = []
        for column in (right[:, place] for place in range(right.nodes.shape[1])):
            if right.long:
                columns.append(self.sum(left * column[None, :], axis=1))
                continue
            kept = [k for k, node in enumerate(column.nodes) if node.op != "constant" or node.value != 0.0]
            first, *others = (left[:, k] * column[k] for k in kept)
            columns.append(sum(others, first))
        return self.stack(columns, axis=1)

    def cumulative_sum(self, array: Symbols, *, axis: int = 0, **_: Any) -> Symbols:
        """Return the running sum along the long axis."""
        if not array.long or axis % array.ndim - array.ndim != array.long.axis:
            raise TypeError("a recorded model may take a running sum along its long axis alone")
        rows = array.long.rows
        return array.like(_each(lambda node: self.record.along("scan", node, rows), self._uncut(array, 0.0)))


def with_length(record_at: Callable[[int], Record], name: str, lengths: tuple[int, int, int]) -> Record:
    """Return a record in which a length that the model takes as a plain number is an input.

    Parameters
    ----------
    record_at : Records the model at a length, such as a horizon in months.
    name : What the input shall be called.
    lengths : three int
        Where to record: numbers that differ between the first two are linear in the length, which the third confirms.
        Take lengths that mean nothing else in the model.

    Raises
    ------
    ValueError
        If the records differ in more than numbers linear in the length.
    """
    low, high, check = lengths
    records = [record_at(length) for length in lengths]
    parts = [record.needed() for record in records]
    places = [{node.index: n for n, node in enumerate(part)} for part in parts]
    forms = [[(node.op, *(at[a.index] for a in node.args)) for node in p] for p, at in zip(parts, places, strict=True)]
    if not forms[0] == forms[1] == forms[2]:
        raise ValueError(f"the model takes another way at another {name}: {lengths} give different operations")
    made = Record(tables=records[0].tables)
    length = made.input(name, varies=False)
    new: list[Node] = []
    for node, *others in zip(*parts, strict=True):
        first, second, third = (same.value for same in (node, *others))
        args = tuple(new[places[0][argument.index]] for argument in node.args)
        told = {key: getattr(node, key) for key in ("truth", "rows", "level", "varies")}
        if repr(first) == repr(second) == repr(third):
            new.append(made.make(node.op, *args) if node.op in ELEMENTWISE else made.add(node.op, args, first, **told))
            continue
        slope = (second - first) / (high - low)
        offset = first - slope * low
        if slope * check + offset != third:
            raise ValueError(f"the model is not linear in {name}: {first}, {second} and {third} at {lengths}")
        if node.op == "constant":
            new.append((length * slope + offset).nodes.item())
        else:
            made.lengths[first] = (name, int(offset))
            new.append(made.add(node.op, args, first, **told))
    made.outputs = {output: new[places[0][node.index]] for output, node in records[0].outputs.items()}
    return made


def replay(record: Record, given: Mapping[str, Any]) -> dict[str, numpy.ndarray]:
    """Compute a record in NumPy.

    Parameters
    ----------
    given : Every input: a number, an array of shape (samples,), or of (rows, samples) or (rows, 1) where it has rows.

    Returns
    -------
    dict of str to array
        Every output, of shape (samples,), or (1,) where it is the same for all.
    """
    nodes = record.needed()
    last = {argument.index: node.index for node in nodes for argument in node.args}
    last |= {node.index: -1 for node in record.outputs.values()}
    known: dict[int, Any] = {}
    for node in nodes:
        known[node.index] = _computed(record, node, [known[argument.index] for argument in node.args], given)
        for index in {argument.index for argument in node.args if last[argument.index] == node.index}:
            del known[index]  # so that few arrays are alive
    return {name: numpy.atleast_1d(known[node.index]) for name, node in record.outputs.items()}


def _computed(record: Record, node: Node, args: list[Any], given: Mapping[str, Any]) -> Any:
    match node.op:
        case "constant":
            return node.value
        case "input":
            return numpy.asarray(given[node.value], dtype=numpy.float64)
        case "column":
            return record.tables[node.value][:, None]
        case "row":
            return numpy.arange(record.length(node, given), dtype=numpy.float64)[:, None]
        case "scan":
            return numpy.cumulative_sum(args[0], axis=0)
        case "last":
            return args[0][-1]
        case op if op in REDUCTIONS:
            rows = args[0] if node.args[0].rows else numpy.broadcast_to(args[0], (record.length(node, given), 1))
            return getattr(numpy, op)(rows, axis=0)
        case op:
            return ELEMENTWISE[op](*args)
