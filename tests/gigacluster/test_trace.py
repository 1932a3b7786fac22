"""A record of a model computes what the model computes, bit for bit; what cannot be recorded says so."""

from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster.arrays import as_common, to_host
from gigacluster.trace import ELEMENTWISE, Record, replay, with_length
from tests.trace_models import EDGES, same_bits, worst

_ARGUMENTS = {"where": 3} | dict.fromkeys(
    (
        *("negative", "abs", "sqrt", "exp", "expm1", "log", "log1p", "log2", "floor", "ceil", "trunc", "round"),
        *("isfinite", "isnan", "logical_not", "number"),
    ),
    1,
)
_LOGICAL = ("logical_and", "logical_or", "logical_not", "number")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # edge values overflow and divide by zero


def recorded(function, *columns):
    """Return what a function of arrays gives when it is recorded and replayed."""
    record = Record()
    record.output("y", function(record.space, *(record.input(f"x{i}") for i in range(len(columns)))))
    return replay(record, {f"x{i}": column for i, column in enumerate(columns)})["y"]


def edge_columns(count):
    """Return every combination of edge values, a column an argument."""
    return [grid.ravel() for grid in numpy.meshgrid(*[EDGES] * count, indexing="ij")]


def apply(xp, op, *arrays):
    """Apply an operation; conditions are made of numbers by comparing them with 0."""
    if op in _LOGICAL:
        arrays = [array > 0 for array in arrays]
    if op == "where":
        arrays = (arrays[0] > 0, *arrays[1:])
    return xp.astype(arrays[0], xp.float64) if op == "number" else getattr(xp, op)(*arrays)


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_every_operation_keeps_the_bits_of_edge_values(op):
    columns = edge_columns(_ARGUMENTS.get(op, 2))
    assert same_bits(recorded(lambda xp, *x: apply(xp, op, *x), *columns), apply(numpy, op, *columns))


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if _ARGUMENTS.get(op, 2) == 2])
@pytest.mark.parametrize("number", [*EDGES, 2.0, -4.0, 1024.0])
def test_numbers_fold_and_simplify_without_changing_a_bit(op, number):
    for place in (0, 1):

        def function(xp, x, place=place):
            numbers = xp.full_like(x, number)
            return apply(xp, op, *((numbers, x) if place == 0 else (x, numbers)))

        got, wanted = recorded(function, EDGES), function(numpy, EDGES)
        if op == "pow":  # in NumPy itself it depends on whether the exponent is one number or a column
            assert worst(got[numpy.isfinite(EDGES)], wanted[numpy.isfinite(EDGES)]) < 3e-16
        else:
            assert same_bits(got, wanted), (op, number, place)


_LEAVES = st.sampled_from(["x", "y", 0.0, -0.0, 1.0, 2.0, 0.5, -3.0, numpy.inf, numpy.nan])
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "subtract", "multiply", "divide", "minimum", "maximum"]), inner, inner),
        st.tuples(st.sampled_from(["negative", "abs", "sqrt", "exp", "log", "floor"]), inner),
        st.tuples(st.just("where"), inner, inner, inner),
    ),
    max_leaves=25,
)


@settings(max_examples=300)
@given(_TREES)
def test_random_expressions_replay_bit_for_bit(tree):
    def compute(xp, x, y, part=None):
        part = tree if part is None else part
        if isinstance(part, tuple):
            return apply(xp, part[0], *(compute(xp, x, y, argument) for argument in part[1:]))
        return {"x": x, "y": y}[part] if isinstance(part, str) else xp.full_like(x, part)

    x, y = edge_columns(2)
    got, wanted = recorded(compute, x, y), compute(numpy, x, y)
    assert numpy.array_equal(*numpy.broadcast_arrays(got, wanted), equal_nan=True)  # the sign of max(0, -0) is open


def test_an_operation_asked_for_twice_is_recorded_once():
    record = Record()
    x, y = record.input("x"), record.input("y")
    record.output("z", (x + y) * (y + x))
    assert [node.op for node in record.needed()] == ["input", "input", "add", "multiply"]


def test_what_no_output_needs_is_left_out():
    record = Record()
    x = record.input("x")
    _ = x * 3.0
    record.output("z", x + 1.0)
    assert "multiply" not in [node.op for node in record.needed()]


def test_symbols_are_one_more_library_for_models():
    record = Record()
    xp, (x, number) = as_common(record.input("x"), 2)
    assert xp is record.space
    record.output("y", x * number)
    assert replay(record, {"x": numpy.array([1.0, 3.0])})["y"].tolist() == [2.0, 6.0]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda xp, x: x if x > 0 else -x, "may not branch"),
        (lambda xp, x: float(x[0]), "may not branch"),
        (lambda xp, x: x[x > 0], "by a mask: use where"),
        (lambda xp, x: to_host(x), "take it to the host"),
        (lambda xp, x: numpy.asarray(x), "take it to the host"),
        (lambda xp, x: xp.sum(x), "reduce over its samples"),
        (lambda xp, x: xp.sort(x), "may not call 'sort'"),
        (lambda xp, x: xp.cumulative_sum(x), "along its long axis"),
        (lambda xp, x: xp.take(x, xp.astype(x, xp.int64)), "may not call 'take'"),
        (lambda xp, x: xp.sum(x * xp.arange(5)[:-1]), "may take .-1., .-1:. or .1:. of a long axis, not .slice"),
        (lambda xp, x: xp.arange(5)[3] * x, "of a long axis, not .3."),
        (lambda xp, x: xp.concat([xp.arange(5), x]), "may not join arrays along a long axis"),
        (lambda xp, x: x + xp.arange(5) + xp.reshape(xp.arange(5), (-1, 1)), "do not match"),
        (lambda xp, x: xp.arange(5) + xp.arange(6), "do not match"),
    ],
)
def test_what_cannot_be_recorded_says_so(model, says):
    record = Record()
    with pytest.raises((TypeError, AttributeError), match=says):
        model(record.space, record.input("x"))


def months(xp, x, horizon):
    """Compute with a long axis all that a record may: sums, running sums, last rows, a second loop over the first."""
    rows = xp.reshape(xp.arange(horizon + 1, dtype=xp.float64), (-1, 1))
    paid = xp.exp(-rows / 12 * x) * xp.clip(rows - x, 0.0, 1.0)
    so_far = xp.cumulative_sum(paid, axis=0)
    total = xp.sum(paid, axis=0)
    above = so_far > 0.3 * total
    first = xp.min(xp.where(above, rows, xp.inf), axis=0)
    return xp.stack(
        [
            total, first, xp.max(so_far * rows, axis=0), so_far[-1, :] + paid[-1, ...] * (horizon / 2),
            xp.where(xp.all(paid >= 0, axis=0), 1.0, 0.0 * x), xp.where(xp.any(paid > 9, axis=0), 1.0, 0.0 * x),
            xp.sum(so_far[-1:, :] * paid, axis=0, keepdims=True)[0, :], xp.sum((so_far * 2.0)[1:, ...] + x, axis=0),
            xp.max(1.0 / rows[1:, :] * x, axis=0),
        ]
    )  # fmt: skip


def test_a_long_axis_stays_one_node_and_keeps_the_bits():
    record = Record()
    record.output("y", months(record.space, record.input("x"), 300))
    assert len(record.nodes) < 70
    x = numpy.array([0.5, 3.0, 7.25, numpy.nan, numpy.inf])
    got = replay(record, {"x": x})
    wanted = months(numpy, x, 300)
    assert len(wanted) == 9
    assert all(same_bits(got[f"y.{i}"], row) for i, row in enumerate(wanted))


def test_a_length_becomes_an_input():
    def at(horizon):
        record = Record()
        record.output("y", months(record.space, record.input("x"), horizon))
        return record

    record = with_length(at, "horizon", (101, 211, 307))
    x = numpy.array([0.5, 3.0, 7.25])
    for horizon in (1, 12, 60):
        got = replay(record, {"x": x, "horizon": horizon})
        assert all(same_bits(got[f"y.{i}"], row) for i, row in enumerate(months(numpy, x, horizon)))


@pytest.mark.parametrize(
    "model",
    [lambda x, n: x * n**2, lambda x, n: x + 1.0 if n < 200 else x - 1.0, lambda x, n: x * 1.0 if n > 1 else x / n + 2],
)
def test_a_length_that_is_not_linear_is_refused(model):
    def at(length):
        record = Record()
        record.output("y", model(record.input("x"), length))
        return record

    lengths = (1, 211, 307) if model(1.0, 1) == 3.0 else (101, 211, 307)
    with pytest.raises(ValueError, match="not linear in n|another way at another n"):
        with_length(at, "n", lengths)


def test_short_axes_are_unrolled_and_long_constants_are_not():
    record = Record()
    x = record.input("x")
    named = record.space.asarray(numpy.array([0.5, 0.3, 0.2]))[:, None] * x[None, :]
    record.output("share", record.space.sum(named**2, axis=0) / record.space.sum(named, axis=0) ** 2)
    record.output("weighted", record.space.sum(record.space.asarray(numpy.ones((1, 500))) * x[:, None], axis=1))
    assert len(record.nodes) < 40
    got = replay(record, {"x": numpy.array([2.0, 4.0])})
    assert got["share"] == pytest.approx([0.38, 0.38])
    assert got["weighted"].tolist() == [1000.0, 2000.0]


def test_matrix_products_leave_out_constant_zeros():
    record = Record()
    xp = record.space
    left = xp.stack([record.input("a"), record.input("b")], axis=1)
    place = numpy.array([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
    record.output("y", left @ xp.asarray(place))
    got = replay(record, {"a": numpy.array([5.0]), "b": numpy.array([7.0])})
    assert [float(got[f"y.{i}"][0]) for i in range(3)] == [5.0, 7.0, 31.0]
    assert sum(node.op == "multiply" for node in record.needed()) == 2


def test_an_input_may_have_rows_of_its_own():
    record = Record()
    weights, x = record.input("weights", rows=30), record.input("x")
    record.output("y", record.space.sum(weights * x[:, None], axis=1))
    rng = numpy.random.default_rng(3)
    given_weights, given_x = rng.uniform(size=(30, 4)), rng.uniform(size=4)
    assert same_bits(
        replay(record, {"weights": given_weights, "x": given_x})["y"], (given_weights * given_x).sum(axis=0)
    )


def test_a_record_may_hold_numbers_alone():
    record = Record()
    record.output("y", SimpleNamespace(z=3.0).z)
    assert replay(record, {})["y"].tolist() == [3.0]
