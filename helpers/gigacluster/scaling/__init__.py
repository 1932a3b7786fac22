"""How loss falls with parameters, tokens and compute: laws, fits with honest uncertainty, decisions."""

from gigacluster.scaling.approaches import Approaches, approaches
from gigacluster.scaling.compare import Comparison
from gigacluster.scaling.decisions import Allocation, budget_table, compute_optimal
from gigacluster.scaling.estimate import Estimate, Flag
from gigacluster.scaling.extrapolate import Extrapolation, Rollout, rollouts
from gigacluster.scaling.fitting import ConvergenceWarning, Fit, fit
from gigacluster.scaling.isoflop import IsoFlop, isoflop
from gigacluster.scaling.law import LAWS, Law, PowerTerm, Symbol, power_law
from gigacluster.scaling.next_run import NextRun, next_run
from gigacluster.scaling.optimum import (
    Optimum,
    Serving,
    cheapest_to_serve,
    excess_compute,
    law_optimum,
    optimum,
    repeated_optimum,
)
from gigacluster.scaling.quality import QualityLink, link_score
from gigacluster.scaling.runs import RunsWarning

__all__ = [
    "LAWS",
    "Allocation",
    "Approaches",
    "Comparison",
    "ConvergenceWarning",
    "Estimate",
    "Extrapolation",
    "Fit",
    "Flag",
    "IsoFlop",
    "Law",
    "NextRun",
    "Optimum",
    "PowerTerm",
    "QualityLink",
    "Rollout",
    "RunsWarning",
    "Serving",
    "Symbol",
    "approaches",
    "budget_table",
    "cheapest_to_serve",
    "compute_optimal",
    "excess_compute",
    "fit",
    "isoflop",
    "law_optimum",
    "link_score",
    "next_run",
    "optimum",
    "power_law",
    "repeated_optimum",
    "rollouts",
]
