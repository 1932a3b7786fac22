"""Decisions from a fit, with their intervals: the best model of a budget, and what departing from it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from gigacluster.scaling.allocation import FLOP_PER_PARAM_TOKEN, Optimum, optimum
from gigacluster.scaling.fitting import Fit
from gigacluster.scaling.predict import Estimate

__all__ = ["Allocation", "compute_optimal"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """The best use of a budget, each quantity with its interval, of the shape of ``budget_flop``."""

    budget_flop: Any
    params: Estimate
    tokens: Estimate
    tokens_per_param: Estimate
    loss: Estimate


def compute_optimal(fitted: Fit, budget_flop: Any, *, flop_per_param_token: float = FLOP_PER_PARAM_TOKEN) -> Allocation:
    """Return the model and data set of least loss at a compute budget.

    Parameters
    ----------
    fitted : Fit
        Of a form in parameters and tokens.
    budget_flop : float or array
        Training compute. [FLOP]
    flop_per_param_token : float, default 6

    Returns
    -------
    Allocation
        Point estimates from the fit, intervals from its replicates (``nan`` without a bootstrap).

    Raises
    ------
    ValueError
        If a budget is not positive, or the form has no parameters and tokens to choose.

    Examples
    --------
    >>> from gigacluster import catalog, scaling
    >>> fitted = scaling.fit(catalog.load("scaling_chinchilla_runs"), bootstrap=100, device="cpu")
    >>> best = scaling.compute_optimal(fitted, 5.76e23)
    >>> round(float(best.params.value) / 1e9)
    73
    """
    budget = numpy.asarray(budget_flop, dtype=float)
    if not (budget > 0).all():
        raise ValueError(f"budget_flop must be positive, got {budget_flop!r}")
    return _with_intervals(fitted, budget, lambda symbols: _best(fitted, budget, symbols, flop_per_param_token))


def _best(fitted: Fit, budget: numpy.ndarray, symbols: dict[str, Any], flop_per_param_token: float) -> Optimum:
    if fitted.law.name not in ("chinchilla", "chinchilla-tied"):
        raise ValueError(
            f"compute_optimal needs a fit of 'chinchilla' or 'chinchilla-tied'; this one is of {fitted.law.name!r}"
        )
    beta = symbols.get("beta", symbols["alpha"])
    return optimum(
        budget,
        symbols["A"],
        symbols["B"],
        symbols["E"],
        symbols["alpha"],
        beta,
        flop_per_param_token=flop_per_param_token,
    )


def _with_intervals(fitted: Fit, budget: numpy.ndarray, solve: Callable[[dict[str, Any]], Optimum]) -> Allocation:
    best = solve(dict(fitted.parameters))
    samples = None
    if not fitted.replicates.empty:
        good = fitted.replicates[fitted.replicates["converged"]]
        shape = (-1,) + (1,) * budget.ndim
        samples = solve({name: good[name].to_numpy().reshape(shape) for name in fitted.law.names})
    tails = [(1 - fitted.coverage) / 2, (1 + fitted.coverage) / 2]

    def estimate(choose: Callable[[Optimum], Any]) -> Estimate:
        value = choose(best)
        if samples is None:
            return Estimate(value, numpy.full_like(value, numpy.nan), numpy.full_like(value, numpy.nan))
        low, high = numpy.nanquantile(choose(samples), tails, axis=0)
        return Estimate(value, low, high)

    return Allocation(
        budget_flop=budget,
        params=estimate(lambda o: o.params),
        tokens=estimate(lambda o: o.tokens),
        tokens_per_param=estimate(lambda o: o.tokens / o.params),
        loss=estimate(lambda o: o.loss),
    )
