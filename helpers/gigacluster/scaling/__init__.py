"""How loss falls with parameters, tokens and compute: laws, fits with honest uncertainty, decisions."""

from gigacluster.scaling.allocation import Optimum, optimum
from gigacluster.scaling.decisions import Allocation, compute_optimal
from gigacluster.scaling.fitting import ConvergenceWarning, Fit, fit
from gigacluster.scaling.laws import LAWS, Law, PowerTerm, Symbol
from gigacluster.scaling.predict import Estimate

__all__ = [
    "LAWS",
    "Allocation",
    "ConvergenceWarning",
    "Estimate",
    "Fit",
    "Law",
    "Optimum",
    "PowerTerm",
    "Symbol",
    "compute_optimal",
    "fit",
    "optimum",
]
