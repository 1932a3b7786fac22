"""The package's models as records: step time and memory, the spine, a Newton iteration; and as JavaScript, C, CUDA."""

import importlib
import shutil
from dataclasses import fields, replace

import numpy
import pytest

from benchmarks import search
from gigacluster.emission import c, javascript
from gigacluster.scaling import fit, newton
from gigacluster.scaling.fused import fused
from gigacluster.scaling.fused import iteration as iteration_record
from gigacluster.trace import ELEMENTWISE, Record, replay, with_length
from gigareport import scenario
from gigareport.whatif import HORIZON, whatif_of
from tests import cuda_on_host, scaling_runs
from tests.gigacluster.test_trace import _ARGUMENTS, apply, edge_columns, months
from tests.nvrtc import compiled, library, resources
from tests.trace_models import plan_record, run_c, run_javascript, same_bits, worst

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run JavaScript")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
#: A function of libm and of V8 is good to about one part in 2^52; edge values allow no more to go wrong.
LIBRARY_TOLERANCE = 5e-16


@needs_node
def test_every_operation_is_the_same_in_javascript(tmp_path):
    _check_operations(run_javascript, tmp_path)


@needs_compiler
def test_every_operation_is_the_same_in_c(tmp_path):
    _check_operations(run_c, tmp_path)


def _check_operations(run, folder):
    record, wanted = Record(), {}
    x0, x1 = record.input("x0"), record.input("x1")
    pairs = edge_columns(2)
    for op in ELEMENTWISE:
        count = _ARGUMENTS.get(op, 2)
        arguments = {1: lambda a, b: (a,), 2: lambda a, b: (a, b), 3: lambda a, b: (a, b, a)}[count]
        record.output(op, apply(record.space, op, *arguments(x0, x1)))
        wanted[op] = apply(numpy, op, *arguments(*pairs))
    got = run(record, {"x0": pairs[0], "x1": pairs[1]}, len(pairs[0]), folder)
    assert {op: worst(got[op], wanted[op]) for op in wanted if not worst(got[op], wanted[op]) < LIBRARY_TOLERANCE} == {}


@needs_node
def test_a_long_axis_is_a_loop_in_javascript_whose_bound_is_an_input(tmp_path):
    _check_months(run_javascript, tmp_path)


@needs_compiler
def test_a_long_axis_is_a_loop_in_c_whose_bound_is_an_input(tmp_path):
    _check_months(run_c, tmp_path)


def _check_months(run, folder):
    def at(horizon):
        record = Record()
        record.output("y", months(record.space, record.input("x"), horizon))
        return record

    record = with_length(at, "horizon", (101, 211, 307))
    x = numpy.array([0.5, 3.0, 7.25, numpy.nan])
    for horizon in (1, 48):
        got = run(record, {"x": x, "horizon": horizon}, 4, folder)
        for i, row in enumerate(months(numpy, x, horizon)):
            assert worst(got[f"y.{i}"], row) < 1e-14  # sums of 49 rounded terms


# The step time and memory of plans.


@pytest.fixture(scope="module")
def plans():
    job, table, _ = search.large_table()
    chosen = table.take(numpy.random.default_rng(7).integers(0, len(table), 2000))
    return job, chosen, {name: values.astype(float) for name, values in chosen.columns().items()}


def test_step_time_and_memory_replay_bit_for_bit(plans):
    job, table, columns = plans
    record = plan_record(job, search.COEFFICIENTS, columns)
    step, memory = search.PlanEvaluator(job, table, search.COEFFICIENTS)(slice(0, len(table)))
    got = replay(record, columns)
    assert len(record.needed()) < 2000
    # The evaluator gathers layers, the record computes them: the same operations on the same numbers.
    assert same_bits(got["step_s"], step.total_s)
    assert same_bits(got["needed_bytes"], memory.needed)


@needs_node
def test_step_time_and_memory_in_javascript(plans, tmp_path):
    job, table, columns = plans
    record = plan_record(job, search.COEFFICIENTS, columns)
    _same_in(run_javascript, record, columns, len(table), tmp_path, 1e-14)


@needs_compiler
def test_step_time_and_memory_in_c(plans, tmp_path):
    job, table, columns = plans
    record = plan_record(job, search.COEFFICIENTS, columns)
    _same_in(run_c, record, columns, len(table), tmp_path, 2e-15)


def _same_in(run, record, given, samples, folder, tolerance):
    got, wanted = run(record, given, samples, folder), replay(record, given)
    worst_of = {name: worst(got[name], wanted[name]) for name in wanted}
    assert {name: value for name, value in worst_of.items() if not value <= tolerance} == {}


# The spine.


@pytest.fixture(scope="module", params=["xai-colossus-2024", "startup-512-2025"])
def spine(request):
    """Return what a page needs to recompute a scenario, and its inputs with each once out of its range."""
    made = whatif_of(scenario.load(request.param), samples=100)
    broken = {name: values.astype(float) for name, values in made.samples.items()}
    for number, (name, values) in enumerate(broken.items()):
        if name != "market":
            values[..., number] = -1.0
    wild = replace(made, samples=broken)
    return wild, wild.changed({HORIZON: 50.0})


def test_the_spine_replays_bit_for_bit_at_any_horizon(spine):
    made, given = spine
    got, wanted = replay(made.record, _cut(given)), made.answers({HORIZON: 50.0})
    assert {name for name in got if not same_bits(got[name], wanted[name])} == set()
    assert any(numpy.isnan(values).any() for values in wanted.values())


def _cut(given):
    """Return inputs with as many months as the horizon has."""
    return given | {"market": given["market"][: int(given[HORIZON]) + 1]}


def test_the_spine_fits_a_page(spine):
    record = spine[0].record
    assert len(record.needed()) <= 2000
    assert len(javascript(record)) < 30_000
    assert "for(let r=0;r<x[" in javascript(record)


@needs_node
def test_the_spine_in_javascript_equals_python(spine, tmp_path):
    made, given = spine
    _same_in(run_javascript, made.record, _cut(given), 100, tmp_path, 1e-9)


@needs_compiler
def test_the_spine_in_c_equals_python(spine, tmp_path):
    made, given = spine
    _same_in(run_c, made.record, _cut(given), 100, tmp_path, 1e-9)


# A Newton iteration of a fit.


@pytest.fixture(scope="module", params=["chinchilla", "data-constrained"])
def iteration(request):
    """Return a problem with replicates, where its fits stand after two iterations, and after the third."""
    runs = scaling_runs.load({"chinchilla": "chinchilla", "data-constrained": "datablations"}[request.param], None)
    fitted = fit(runs, request.param, device="cpu", starts=8)
    given, rng = fitted.solved.problem, numpy.random.default_rng(5)
    count = given.weights.shape[1]
    weights = rng.multinomial(count, numpy.full(count, 1 / count), 20).astype(float)
    problem = replace(given, weights=weights)
    theta = fitted.solved.theta + 0.01 * rng.normal(size=(20, len(fitted.solved.theta)))
    prediction, move = problem._prediction()
    function = problem._function(prediction, numpy.arange(20))
    held, lower = numpy.zeros_like(theta), problem.law.lower
    model = function(theta, numpy.arange(20))
    zero = numpy.zeros(20)
    gradient = newton._gradient(numpy, model, newton._free(numpy, theta, model, lower, held))
    now = newton.Solution(numpy.arange(20), theta, model, zero, gradient, zero)
    for _ in range(3):
        before = now
        now = newton._advance(numpy, function, move, before, lower, held, float(weights.sum() / 20))
    return problem, before, now


def _columns_of(solution):
    columns = {}
    for field in fields(solution):
        values = getattr(solution, field.name)
        if values.ndim == 1:
            columns[field.name] = values
        else:
            columns |= {f"{field.name}.{i}": column for i, column in enumerate(values.T)}
    return columns


def test_a_newton_iteration_replays(iteration):
    _check_newton(iteration, replay)


@needs_compiler
def test_a_newton_iteration_in_c(iteration, tmp_path):
    _check_newton(iteration, lambda record, given: run_c(record, given, 20, tmp_path))


def _check_newton(iteration, compute):
    problem, before, after = iteration
    held = {f"held.{i}": numpy.zeros(20) for i in range(len(problem.law.names))}
    tolerance = float(numpy.median(after.gradient))
    record = iteration_record(problem, float(problem.weights.sum() / len(problem.weights)), tolerance)
    assert len(record.tables) < 20
    assert len(record.needed()) < 4000
    got, wanted = compute(record, _columns_of(before) | held | {"weights": problem.weights.T}), _columns_of(after)
    # Sums over the runs stand in another order, and the step is their solution.
    assert got["done"].astype(bool).tolist() == newton.is_done(after, tolerance).tolist()
    for name in wanted:
        scale = numpy.abs(wanted[name]).max()
        assert numpy.abs(got[name] - wanted[name]).max() <= 1e-9 * scale, name


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("resampled", ["weights", "log_loss"])
def test_fits_by_the_kernel_are_those_of_the_arrays(iteration, resampled, monkeypatch, tmp_path):
    problem, before, _ = iteration
    if resampled == "log_loss":
        errors = numpy.random.default_rng(2).normal(0.0, 1e-3, (20, problem.weights.shape[1]))
        problem = replace(problem, weights=problem.weights[:1] * 0 + 1, log_loss=problem.log_loss + errors)
    wanted = problem.solve(before.theta, numpy.arange(20))
    scale = float(problem.weights.sum() / len(problem.weights))
    launches = []

    def compiled(source):
        run = cuda_on_host.kernel(source, "newton", tmp_path)
        return lambda *given: launches.append(1) or run(*given)

    module = importlib.import_module("gigacluster.scaling.problem")
    minimise = module.minimise

    def by_kernel(*given, tolerance, max_iterations, **named):
        options = {"tolerance": tolerance, "max_iterations": max_iterations}
        finish = fused(problem, scale, numpy.arange(20), compiled, **options)
        return minimise(*given, **options, **named | {"finish": finish})

    monkeypatch.setattr(module, "minimise", by_kernel)
    found = problem.solve(before.theta, numpy.arange(20))
    assert found.converged.all()
    assert (found.iterations > 1).all()
    assert len(launches) == 1  # all iterations inside
    assert found.theta == pytest.approx(wanted.theta, rel=1e-7)
    assert found.objective == pytest.approx(wanted.objective, rel=1e-10)


# CUDA.


@pytest.mark.parametrize("model", ["plans", "newton"])
def test_kernels_compile_for_an_h100(model, plans, iteration):
    nvrtc = library()
    if nvrtc is None:
        pytest.skip("needs NVRTC (the wheel nvidia-cuda-nvrtc) to compile CUDA")
    record = (
        iteration_record(iteration[0], 1.0, 1e-12)
        if model == "newton"
        else plan_record(plans[0], search.COEFFICIENTS, plans[2])
    )
    steps = 400 if model == "newton" else 0
    registers, stack_bytes = resources(compiled(nvrtc, c(record, cuda=True, most_steps=steps)))
    assert registers <= 255
    # The 36 sums of a law with seven symbols are more than registers hold; all others are not spilled.
    assert stack_bytes <= (512 if model == "newton" and len(iteration[0].law.names) > 5 else 0)
