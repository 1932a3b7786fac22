"""Approach 2 against approach 3 on the same runs: their difference, with the noise that they share taken out.

If the law is right, approach 2 fitted to runs made from it errs by a little (a loss curve is no parabola) and by noise.
Both are found by fitting both approaches to the same made runs, pair by pair; what the difference on the real runs has
beyond that is the law's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from gigacluster.scaling.estimate import Estimate, Flag
from gigacluster.scaling.isoflop import choose_window
from gigacluster.scaling.optimum import law_optimum
from gigacluster.scaling.parabola import LEAST_BUDGETS, LEAST_RUNS, Curve, budget_groups, line_through
from gigacluster.scaling.replicates import Resampling, fit_replicates
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN
from gigacluster.scaling.search import Solved

#: How far beyond the largest budget the two are compared.
FAR = 100.0
#: Differences that matter: of the exponent, and of the size at FAR times the largest budget.
_EXPONENT, _FACTOR = 0.02, 1.25


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Approach 2 less approach 3: exponent of N, and factor between their sizes at the largest budget and far beyond.

    Each with the interval that the noise of the runs allows, and without what approach 2 errs by if the law is right.
    """

    exponent: Estimate
    params_ratio: Estimate  # at the largest budget
    params_ratio_far: Estimate  # at FAR times that

    def __str__(self) -> str:
        return (
            f"approach 2 less approach 3: exponent of N {self.exponent:+.3f}, size at the largest budget "
            f"{self.params_ratio:.3g} times, at {FAR:g} times that {self.params_ratio_far:.3g} times"
        )

    @property
    def flags(self) -> tuple[Flag, ...]:
        """A flag where the two differ by more than noise and by enough to matter."""
        exponent, ratio = self.exponent, self.params_ratio_far
        apart = not float(exponent.low) <= 0.0 <= float(exponent.high) and abs(float(exponent.value)) > _EXPONENT
        factor = max(float(ratio.value), 1 / float(ratio.value))
        apart = apart or (not float(ratio.low) <= 1.0 <= float(ratio.high) and factor > _FACTOR)
        return (Flag("approaches conflict", "", str(self)),) if apart else ()


def compare(solved: Solved, *, coverage: float, count: int = 200) -> Comparison | None:
    """Compare approaches 2 and 3; None where the runs have no budgets with minima, or the law no optimum."""
    law, runs, problem = solved.problem.law, solved.runs, solved.problem
    if runs.budget_flop is None or set(law.columns) != {"params", "tokens"} or not solved.converged:
        return None
    groups = budget_groups(runs.budget_flop, LEAST_RUNS)
    if len(groups) < LEAST_BUDGETS:
        return None
    columns = {**runs.columns, "budget_flop": runs.budget_flop, "loss": runs.loss}
    window = choose_window(columns, groups)
    log_params = numpy.log(runs.columns["params"])
    curves = [Curve.at(log_params[rows], runs.loss[rows], window) for rows in groups]
    kept = [k for k, curve in enumerate(curves) if not curve.reason]
    if len(kept) < LEAST_BUDGETS:
        return None
    log_budget = numpy.asarray([numpy.log(runs.budget_flop[groups[k]]).mean() for k in kept])
    product = runs.columns["params"] * runs.columns["tokens"]
    flop_per = float(numpy.median(runs.budget_flop / product)) or FLOP_PER_PARAM_TOKEN
    kind = "shared" if solved.noise.shared is not None else "model"
    resampling = Resampling(kind=kind, bootstrap=count, seed=7, noise=solved.noise)
    errors = numpy.concatenate([p.log_loss for p in resampling.problems(problem, solved.theta, count)])
    losses = numpy.concatenate([runs.loss[None, :], numpy.exp(errors)])
    minima = numpy.stack([curves[k].minima(losses[:, groups[k][curves[k].near]]) for k in kept], axis=1)
    two = line_through(log_budget, minima)
    table, _ = fit_replicates(problem, solved.theta, resampling)
    point = problem.symbols(solved.theta)
    symbols = {name: numpy.concatenate([[point[i]], table[name]])[:, None] for i, name in enumerate(law.names)}
    at = numpy.asarray([log_budget.min(), log_budget.max(), log_budget.max() + numpy.log(FAR)])
    three = numpy.log(law_optimum(law, symbols, numpy.exp(at), flop_per_param_token=flop_per).params)
    gaps = (
        two[:, 0] - (three[:, 1] - three[:, 0]) / (at[1] - at[0]),
        *((two[:, 1] + two[:, 0] * at[k] - three[:, k]) for k in (1, 2)),
    )
    if not all(numpy.isfinite(gap[0]) and numpy.isfinite(gap[1:]).any() for gap in gaps):
        return None
    exponent, *log_ratios = (_beyond_noise(gap, coverage) for gap in gaps)
    ratio, far = (Estimate(*(numpy.exp(part) for part in (e.value, e.low, e.high))) for e in log_ratios)
    return Comparison(exponent=exponent, params_ratio=ratio, params_ratio_far=far)


def _beyond_noise(gap: numpy.ndarray, coverage: float) -> Estimate:
    """Return the observed gap less its mean if the law is right, with the interval that the noise allows it."""
    made = gap[1:][numpy.isfinite(gap[1:])]
    low, high = numpy.quantile(made, [(1 - coverage) / 2, (1 + coverage) / 2])
    return Estimate(gap[0] - made.mean(), gap[0] - high, gap[0] - low)
