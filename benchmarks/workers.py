"""A search and a bootstrap on two processes against one: wall-clock time, on a machine that does nothing else."""

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
        one, two = (_wall_s(work, count) for count in (1, 2))
        figures |= {f"{name}_1_s": one, f"{name}_2_s": two, f"{name}_speed_up_of_2": one / two}
    return figures


def _wall_s(work: Callable[[Workers], Any], count: int) -> float:
    with ProcessPoolExecutor(count) as pool:
        list(pool.map(abs, range(count)))  # the processes are there
        began = time.perf_counter()
        work(pool)
        return time.perf_counter() - began


def _search(executor: Workers) -> Any:
    job, _, _ = search.large_table()
    limits = {"shard_group": [2**power for power in range(1, 12)]}
    untouched = replace(shipped(), coefficients=search.COEFFICIENTS)
    return plan_search.search_job(job, limits=limits, calibration=untouched, device="cpu", executor=executor)


def _bootstrap(executor: Workers) -> Any:
    *arguments, resampling, random, units = scaling._arguments(numpy, 0)
    return fit_replicates(*arguments, replace(resampling, bootstrap=REPLICATES), random, units, executor)
