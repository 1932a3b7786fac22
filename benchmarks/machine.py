"""What the machine could do at most, measured in the same run: bytes, products, exponentials and logarithms a second.

Beside it the least that a fit and a search could take on it: the time of the same operations, each at its own rate.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy

from benchmarks import search
from benchmarks.scaling import REPLICATES, _arguments
from gigacluster.scaling.fused import iteration
from gigacluster.scaling.problem import Problem
from gigacluster.scaling.replicates import fit_replicates
from gigacluster.throughput.evaluate import PlanEvaluator, stage_two
from gigacluster.throughput.plan_search import best_of
from gigacluster.trace import Record

#: Elements of an array in the second-level cache, and of one far beyond every cache.
_SMALL, _LARGE = 16_384, 2**25


def measure() -> dict[str, float]:
    """Return the ceilings of one core with one thread, and what share of them a bootstrap reaches."""
    rates = ceilings(numpy, _SMALL, lambda: None)
    arguments = _arguments(numpy, 0)
    began = time.process_time()
    columns, _ = fit_replicates(*arguments)
    seconds = time.process_time() - began
    iterations = float(columns["iterations"].sum() + REPLICATES)
    evaluated = iterations * arguments[0].log_loss.shape[1]
    least = evaluated * (2 / rates["exp_per_s"] + 1 / rates["log_per_s"])  # two terms of the law, and its logarithm
    found = {"bootstrap_4000_least_s": least, "bootstrap_4000_share_of_limit": least / seconds}
    reached = achieved(newton_iteration(arguments[0]), iterations / seconds, rates, again=True)
    found |= {f"bootstrap_4000_{name}": reached[name] for name in ("achieved_flop_per_s", "achieved_bytes_per_s")}
    job, table, _ = search.large_table()
    evaluator = PlanEvaluator(job, table, search.COEFFICIENTS)
    record = stage_two(job, search.COEFFICIENTS, evaluator._layer_times, evaluator._layer_memory)
    began = time.process_time()
    best_of(job, table, search.COEFFICIENTS)
    seconds = time.process_time() - began
    least = len(table) * least_s(record, rates)
    return rates | found | {"search_least_s": least, "search_share_of_limit": least / seconds}


#: Operations that take the time of a division, an exponential or a logarithm; each other one takes that of a product.
_KINDS = {
    **dict.fromkeys(("divide", "sqrt", "remainder"), "divisions_per_s"),
    **dict.fromkeys(("exp", "expm1"), "exp_per_s"),
    **dict.fromkeys(("log", "log1p", "log2", "pow"), "log_per_s"),
}


def operations(record: Record) -> Counter[str]:
    """Return how many operations a sample of a record takes, by the rate that bounds them: along a long axis, a row."""
    counted: Counter[str] = Counter()
    for node in record.needed():
        if node.args and node.varies:
            counted[_KINDS.get(node.op, "products_per_s")] += max(1, *(argument.rows for argument in node.args))
    return counted


def moved_bytes(record: Record, *, again: bool = False) -> float:
    """Return the bytes of the columns that a sample reads and writes.

    With ``again`` a record is one of many rounds, between which what its outputs replace need not leave the chip.
    """
    inputs = [node for node in record.needed() if node.op == "input" and node.varies]
    read = sum(max(1, node.rows) for node in inputs if not (again and node.value in record.outputs))
    return 8.0 * (read if again else read + len(record.outputs))


def least_s(record: Record, rates: dict[str, float], *, again: bool = False) -> float:
    """Return the least time that a sample of a record takes: each operation at its rate, or its columns to be read."""
    computed = sum(count / rates[kind] for kind, count in operations(record).items())
    return max(computed, moved_bytes(record, again=again) / rates["copied_bytes_per_s"])


def achieved(record: Record, samples_per_s: float, rates: dict[str, float], *, again: bool = False) -> dict[str, float]:
    """Return operations and bytes a second of so many samples, beside what the machine can do."""
    flop, moved = samples_per_s * operations(record).total(), samples_per_s * moved_bytes(record, again=again)
    return {
        "achieved_flop_per_s": flop,
        "share_of_products_per_s": flop / rates["products_per_s"],
        "achieved_bytes_per_s": moved,
        "share_of_copied_bytes_per_s": moved / rates["copied_bytes_per_s"],
        "share_of_limit": samples_per_s * least_s(record, rates, again=again),
    }


def newton_iteration(problem: Problem) -> Record:
    """Return the record of one iteration of a fit with weights of its own."""
    runs = problem.log_loss.shape[1]
    return iteration(replace(problem, weights=numpy.ones((2, runs))), float(runs), 1e-9)


def measure_gpu(cupy: Any) -> dict[str, float]:
    """Return the ceilings of the device."""
    return ceilings(cupy, _LARGE, cupy.cuda.runtime.deviceSynchronize)


def ceilings(xp: ModuleType | Any, size: int, wait: Callable[[], None]) -> dict[str, float]:
    """Return rates of array operations: a copy of a large array, the others on ``size`` elements. [1/s]"""
    large, other = xp.ones(_LARGE), xp.empty(_LARGE)
    values = 0.5 + xp.arange(size, dtype=xp.float64) / size
    out = xp.empty_like(values)

    def copy() -> None:
        other[...] = large

    return {
        "copied_bytes_per_s": 16.0 * _LARGE / _seconds(copy, wait),
        "products_per_s": size / _seconds(lambda: xp.multiply(values, values, out=out), wait),
        "divisions_per_s": size / _seconds(lambda: xp.divide(values, values, out=out), wait),
        "exp_per_s": size / _seconds(lambda: xp.exp(values, out=out), wait),
        "log_per_s": size / _seconds(lambda: xp.log(values, out=out), wait),
    }


def _seconds(call: Callable[[], Any], wait: Callable[[], None], rounds: int = 20) -> float:
    """Return the shortest time of a call, each timed often enough for the clock."""
    call()
    wait()
    best = float("inf")
    for _ in range(rounds):
        began, times = time.perf_counter(), 0
        while time.perf_counter() - began < 2e-3:
            call()
            times += 1
        wait()
        best = min(best, (time.perf_counter() - began) / times)
    return best
