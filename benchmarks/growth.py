"""How time and memory grow with the work, over four decades of it, each size in a process of its own on one thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy

from benchmarks import reliability as failures
from benchmarks import scaling as fits
from benchmarks import search as plans
from benchmarks.scenario import story_with_plan
from gigacluster import reliability, scaling
from gigacluster.scaling.replicates import fit_replicates
from gigacluster.throughput.plan_search import best_of
from gigacluster.uncertainty import Uncertain
from gigareport import scenario

#: Plans, fits, runs that a law and its replicates are fitted to, and failures: four decades of each.
SIZES = {
    "plans": (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    "fits": (4, 40, 400, 4_000, 40_000),
    "runs": (100, 1_000, 10_000, 100_000, 1_000_000),
    "failures": (10**4, 10**5, 10**6, 10**7, 10**8),
}


def measure() -> dict[str, Any]:
    """Return size, CPU time and peak memory of each step; where a table ends before a size, the size is the table's."""
    found: dict[str, Any] = {}
    for what, sizes in SIZES.items():
        rows = [_in_a_process(what, size) for size in sizes]
        for key in ("done", "cpu_s", "peak_memory_mb"):
            found[f"{what}_{key}"] = [row[key] for row in rows]
    return found


def _in_a_process(what: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", what, str(size)]
    done = subprocess.run(command, env={**os.environ, **plans.ONE_THREAD}, check=True, capture_output=True, text=True)
    row: dict[str, float] = json.loads(done.stdout)
    return row


def _here(what: str, size: int) -> dict[str, float]:
    began = time.process_time()
    done = {"plans": _plans, "fits": _fits, "runs": _runs, "failures": _failures, "options": _options}[what](size)
    seconds = time.process_time() - began
    return {
        "done": done,
        "cpu_s": seconds,
        "peak_memory_mb": plans.peak_memory_bytes() / 1e6,
    }


def _plans(size: int) -> int:
    job, table, _ = plans.large_table()
    if size >= len(table):
        return best_of(job, table, plans.COEFFICIENTS).evaluated
    chosen = table.take(numpy.random.default_rng(7).choice(len(table), size, replace=False))
    return best_of(job, chosen, plans.COEFFICIENTS).evaluated


def _fits(size: int) -> int:
    *arguments, resampling, random = fits._arguments(numpy, 0)
    columns, _ = fit_replicates(*arguments, replace(resampling, bootstrap=size), random)
    return len(columns["objective"])


def _runs(size: int) -> int:
    """Fit a law to so many runs, with flags and 100 replicates."""
    return len(scaling.fit(fits.many_runs(size), bootstrap=100, device="cpu").residuals)


def _failures(size: int) -> int:
    return reliability.simulate(**failures.CLUSTER, failures=size).failures


def _options(size: int) -> int:
    """Evaluate so many options of the story on 10,000 samples each, four answers kept, the tables' part included.

    Chips, dates of delivery and prices differ: ``python -m benchmarks.growth options 1040``.
    """
    story, plan = story_with_plan()
    options = []
    for number in range(size):
        chips, months, usd = number % 13, number // 13 % 8, number // 104
        one = scenario.with_value(story, "cluster.n_chips", 100_000 + 1_000 * chips)
        one = scenario.with_value(one, "own.deliveries.0.month", _spread(3 + 0.1 * months))
        options.append(scenario.with_value(one, "own.chip_usd", _spread(25_000.0 + 500 * usd)))
    kept = ("reference_run_days", "own_usd", "saving_usd", "rent_usd")
    found = scenario.evaluate(options, samples=10_000, plans=[plan] * size, device="cpu", answers=kept)
    return len(found)


def _spread(median: float) -> Uncertain:
    return Uncertain(low=0.8 * median, median=median, high=1.3 * median, lower=0.0)


if __name__ == "__main__":
    print(json.dumps(_here(sys.argv[1], int(sys.argv[2]))))
