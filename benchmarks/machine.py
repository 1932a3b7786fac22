"""What the machine could do at most, measured in the same run: bytes, products, exponentials and logarithms a second.

Beside it the least that a fit could take on it: the time of its exponentials and logarithms alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy

from benchmarks.scaling import REPLICATES, _arguments
from gigacluster.scaling.replicates import fit_replicates

#: Elements of an array in the second-level cache, and of one far beyond every cache.
_SMALL, _LARGE = 16_384, 2**25


def measure() -> dict[str, float]:
    """Return the ceilings of one core with one thread, and what share of them a bootstrap reaches."""
    rates = ceilings(numpy, _SMALL, lambda: None)
    arguments = _arguments(numpy, 0)
    began = time.process_time()
    columns, _ = fit_replicates(*arguments)
    seconds = time.process_time() - began
    evaluated = float(columns["iterations"].sum() + REPLICATES) * arguments[0].log_loss.shape[1]
    least = evaluated * (2 / rates["exp_per_s"] + 1 / rates["log_per_s"])  # two terms of the law, and its logarithm
    return rates | {"bootstrap_4000_least_s": least, "bootstrap_4000_share_of_limit": least / seconds}


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
