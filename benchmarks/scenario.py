"""Every answer about the story with 10,000 samples, the plan and the tables given."""

from __future__ import annotations

import importlib.util
import time
from typing import Any


def measure() -> dict[str, float]:
    """Return the time of one evaluation (the best of five: the others show the machine's other work)."""
    from gigareport import scenario  # reads tables: not on a machine with NumPy and SciPy alone

    story = scenario.load(scenario.STORY)
    plan = scenario.search_plan(story)
    scenario.evaluate(story, samples=10, plans=plan, device="cpu")  # reads the tables
    wall_s, cpu_s = [], []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        scenario.evaluate(story, samples=10_000, plans=plan, device="cpu")
        wall_s.append(time.perf_counter() - wall)
        cpu_s.append(time.process_time() - cpu)
    return {"evaluate_10000_samples_s": min(wall_s), "evaluate_10000_samples_cpu_s": min(cpu_s)}


def _story() -> Any:
    from gigareport import scenario  # reads tables: not on a machine with NumPy and SciPy alone

    story = scenario.load(scenario.STORY)
    return scenario, story, scenario.search_plan(story)


def measure_gpu(cupy: Any, samples: int = 10_000_000) -> dict[str, Any]:
    """Time ten million samples of every answer with arrays on the device; without pandas there is no story."""
    if importlib.util.find_spec("pandas") is None:
        return {"evaluate": "left out: the tables of a scenario need pandas"}
    scenario, story, plan = _story()
    scenario.evaluate(story, samples=1_000, plans=plan, device="cuda")
    began = time.perf_counter()
    scenario.evaluate(story, samples=samples, plans=plan, device="cuda", answers=("own_usd", "advantage_usd"))
    cupy.cuda.runtime.deviceSynchronize()
    return {"evaluate_samples": samples, "evaluate_s": time.perf_counter() - began}
