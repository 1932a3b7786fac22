"""How loss falls with parameters, tokens and compute: laws, fits with honest uncertainty, decisions.

Examples
--------
A table of runs, under the names that people use, to a size, a loss and the run that would teach most:

>>> import numpy
>>> from gigacluster import scaling
>>> N, D = (a.ravel() for a in numpy.meshgrid([1e8, 3e8, 1e9, 3e9], [3e9, 1e10, 3e10, 1e11]))
>>> noise = numpy.exp(0.003 * numpy.random.default_rng(0).standard_normal(16))
>>> runs = {"N": N, "tokens_billion": D / 1e9, "loss": (1.7 + 400 / N**0.34 + 410 / D**0.28) * noise}
>>> law = scaling.fit(runs, bootstrap=200, device="cpu")  # print(law): parameters, intervals, flags
>>> best = scaling.compute_optimal(law, 1e22)
>>> bool(best.params.low < best.params.value < best.params.high)
True
>>> [flag.kind for flag in best.flags]  # 1e22 FLOP are six times the largest run
['reach']
>>> dear = law.compute_for(2.2)  # the least compute that reaches a loss
>>> forms = scaling.rollouts(runs, bootstrap=0, cuts=3)  # how far each form errs beyond the runs it saw
>>> next_one = scaling.next_run(law, at_flop=1e23, budget_flop=1e21)
>>> next_one.flop <= 1.01e21 and next_one.width_then < next_one.width_now
True
>>> symbols = dict(A=482.01, B=2085.43, E=1.8172, alpha=0.3478, beta=0.3658)
>>> published = scaling.Fit.from_coefficients("chinchilla", symbols)
>>> f"{float(scaling.compute_optimal(published, 5.76e23).params.value):.2g}"
'7.2e+10'
"""

from gigacluster.scaling.approaches import Approaches, approaches
from gigacluster.scaling.compare import Comparison
from gigacluster.scaling.decisions import Allocation, budget_table, compute_optimal
from gigacluster.scaling.estimate import Estimate, Flag
from gigacluster.scaling.extrapolate import Extrapolation, Rollout, rollouts
from gigacluster.scaling.fitted import Fit, profile
from gigacluster.scaling.fitting import ConvergenceWarning, fit
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
    "profile",
    "repeated_optimum",
    "rollouts",
]
