"""A search and a bootstrap on two processes against one.

Wall-clock time says it on a machine that does nothing else. Beside it stands what does not depend on other work: CPU
time along the longest path, that of the process that asks and of the busiest of those that compute.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy

from benchmarks import scaling, search
from gigacluster.parallel import Workers
from gigacluster.scaling.replicates import fit_replicates
from gigacluster.throughput import plan_search
from gigacluster.throughput.shipped import shipped

REPLICATES = 40_000


def measure() -> dict[str, Any]:
    """Return the speed-ups, and how busy the machine was with other work (the load average before)."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    figures: dict[str, Any] = {"load_average_before": load}
    for name, work in {"search": _search, "bootstrap": _bootstrap}.items():
        (one, one_cpu), (two, two_cpu) = (_seconds(work, count) for count in (1, 2))
        figures |= {f"{name}_1_s": one, f"{name}_2_s": two, f"{name}_speed_up_of_2": one / two}
        figures |= {f"{name}_1_path_cpu_s": one_cpu, f"{name}_2_path_cpu_s": two_cpu}
        figures[f"{name}_speed_up_of_2_by_cpu"] = one_cpu / two_cpu
    return figures


def _seconds(work: Callable[[Workers], Any], count: int) -> tuple[float, float]:
    """Return wall-clock time, and CPU time along the longest path."""
    with ProcessPoolExecutor(count) as pool:
        before = _cpu_s(pool, count)  # the processes are there
        began, own = time.perf_counter(), time.process_time()
        work(pool)
        wall, own = time.perf_counter() - began, time.process_time() - own
        after = _cpu_s(pool, count)
    return wall, own + max(after[process] - before[process] for process in before)


def _cpu_s(pool: ProcessPoolExecutor, count: int) -> dict[int, float]:
    """Return the CPU time of each process of a pool, by its number."""
    found: dict[int, float] = {}
    while len(found) < count:
        found |= dict(pool.map(_own_cpu_s, range(2 * count)))
    return found


def _own_cpu_s(_: int) -> tuple[int, float]:
    used = time.process_time()
    time.sleep(0.02)  # so that the others of the pool have their turn
    return os.getpid(), used


def _search(executor: Workers) -> Any:
    untouched = replace(shipped(), coefficients=search.COEFFICIENTS)
    options = {"limits": search.LIMITS, "calibration": untouched, "device": "cpu"}
    return plan_search.search_job(search.large_job(), executor=executor, **options)


def _bootstrap(executor: Workers) -> Any:
    *arguments, resampling, random = scaling._arguments(numpy, 0)
    return fit_replicates(*arguments, replace(resampling, bootstrap=REPLICATES), random, executor)
