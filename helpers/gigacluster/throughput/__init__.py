"""How fast a cluster trains a model: step time and memory of a parallel plan, and the best plan.

``predict(runs)`` predicts a table of runs; ``search(model, cluster, global_batch, ...)`` evaluates every feasible plan
and returns the best.
"""

from gigacluster.throughput.job import Job
from gigacluster.throughput.plan_search import search
from gigacluster.throughput.plans import Plan
from gigacluster.throughput.prediction import predict
from gigacluster.throughput.words import PART_NAMES

__all__ = ["PART_NAMES", "Job", "Plan", "predict", "search"]
