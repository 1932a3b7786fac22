"""How loss falls with parameters, tokens and compute: laws, fits with honest uncertainty, decisions."""

from gigacluster.scaling.allocation import (
    Optimum,
    Serving,
    cheapest_to_serve,
    excess_compute,
    optimum,
    repeated_optimum,
)
from gigacluster.scaling.decisions import Allocation, budget_table, compute_optimal
from gigacluster.scaling.diagnostics import Flag
from gigacluster.scaling.fitting import ConvergenceWarning, Fit, fit
from gigacluster.scaling.isoflop import IsoFlop, isoflop
from gigacluster.scaling.laws import LAWS, Law, PowerTerm, Symbol
from gigacluster.scaling.predict import Estimate
from gigacluster.scaling.profiles import profile
from gigacluster.scaling.quality import QualityLink, link_score
from gigacluster.scaling.ranking import rank_forms
from gigacluster.scaling.runs import RunsWarning

__all__ = [
    "LAWS",
    "Allocation",
    "ConvergenceWarning",
    "Estimate",
    "Fit",
    "Flag",
    "IsoFlop",
    "Law",
    "Optimum",
    "PowerTerm",
    "QualityLink",
    "RunsWarning",
    "Serving",
    "Symbol",
    "budget_table",
    "cheapest_to_serve",
    "compute_optimal",
    "excess_compute",
    "fit",
    "isoflop",
    "link_score",
    "optimum",
    "profile",
    "rank_forms",
    "repeated_optimum",
]
