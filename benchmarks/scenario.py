"""Every answer about the story with 10,000 samples, the plan and the tables given."""

from __future__ import annotations

import importlib
import time
from typing import Any
from unittest import mock

import numpy

from gigacluster.arrays import to_host
from gigareport import scenario


def measure() -> dict[str, float]:
    """Return the time of one evaluation (the best of five: the others show the machine's other work)."""
    story, plan = story_with_plan()
    scenario.evaluate(story, samples=10, plans=plan, device="cpu")  # reads the tables
    wall_s, cpu_s = [], []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        scenario.evaluate(story, samples=10_000, plans=plan, device="cpu")
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.process_time() - cpu)
    return {"evaluate_10000_samples_s": min(wall_s), "evaluate_10000_samples_cpu_s": min(cpu_s)}


def story_with_plan() -> tuple[scenario.Scenario, scenario.TrainingPlan]:
    """Return the story and its parallel plan."""
    story = scenario.load(scenario.STORY)
    return story, scenario.search_plan(story)


def parity(xp: Any) -> dict[str, float]:
    """Return the largest relative difference of every answer between NumPy and a library, over 1,000 samples."""
    story, plan = story_with_plan()
    here = scenario.evaluate(story, samples=1_000, plans=plan, device="cpu")
    module = importlib.import_module("gigareport.scenario.evaluate")
    with mock.patch.object(module, "device_namespace", return_value=xp):
        there = scenario.evaluate(story, samples=1_000, plans=plan)
    return {name: _difference(getattr(here, name), to_host(getattr(there, name))) for name in here.answers()}


def _difference(wanted: numpy.ndarray, found: numpy.ndarray) -> float:
    """Return the largest difference over the largest value; infinity where only one of the two has an answer."""
    if not numpy.array_equal(numpy.isfinite(wanted), numpy.isfinite(found)):
        return numpy.inf
    known = numpy.isfinite(wanted)
    return float(
        numpy.max(numpy.abs(found - wanted)[known], initial=0.0) / (numpy.max(numpy.abs(wanted[known])) or 1.0)
    )


def measure_gpu(cupy: Any, samples: int = 10_000_000) -> dict[str, Any]:
    """Time ten million samples of every answer with arrays on the device."""
    story, plan = story_with_plan()
    scenario.evaluate(story, samples=1_000, plans=plan, device="cuda")
    began = time.perf_counter()
    scenario.evaluate(story, samples=samples, plans=plan, device="cuda", answers=("own_usd", "advantage_usd"))
    cupy.cuda.runtime.deviceSynchronize()
    return {"evaluate_samples": samples, "evaluate_s": time.perf_counter() - began}
