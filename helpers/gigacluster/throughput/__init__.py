"""How fast a cluster trains a model: step time and memory of a parallel plan, and the best plan.

``predict(runs)`` predicts a table of runs; ``search(model, cluster, global_batch, ...)`` evaluates every feasible plan
and returns the best. The modules below need NumPy alone; what reads tables is imported when it is first asked for.
"""

from importlib import import_module
from typing import Any

__all__ = ["Job", "Plan", "predict", "search"]

_HOME = {"Job": "job", "Plan": "plans", "predict": "prediction", "search": "plan_search"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"gigacluster.throughput has no {name!r}; it has: {', '.join(_HOME)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
