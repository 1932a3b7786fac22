"""Decisions from a fit, with their intervals: the best model of a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.allocation import FLOP_PER_PARAM_TOKEN, Optimum, optimum
from gigacluster.scaling.fitting import Fit
from gigacluster.scaling.predict import Estimate
from gigacluster.uncertainty import interval
from gigacluster.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Allocation", "best_of_law", "budget_table", "compute_optimal"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """The best use of a budget, each quantity with its interval, of the shape of ``budget_flop``."""

    budget_flop: Any
    params: Estimate
    tokens: Estimate
    tokens_per_param: Estimate
    loss: Estimate


def compute_optimal(
    fitted: Fit,
    budget_flop: Any,
    *,
    token_cap: float = numpy.inf,
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
) -> Allocation:
    """Return the model and data set of least loss at a compute budget.

    Parameters
    ----------
    fitted : Fit
        Of the form ``chinchilla``, ``chinchilla-tied``, ``overtraining`` or ``kaplan``.
    budget_flop : float or array
        Training compute. [FLOP]
    token_cap : float, default inf
        Most tokens there are.
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
    >>> from gigacluster import scaling
    >>> from gigareport import catalog
    >>> fitted = scaling.fit(catalog.load("scaling_chinchilla_runs"), bootstrap=100, device="cpu")
    >>> best = scaling.compute_optimal(fitted, 5.76e23)
    >>> round(float(best.params.value) / 1e9)
    73
    """
    budget = numpy.asarray(budget_flop, dtype=float)
    if not (budget > 0).all():
        raise ValueError(f"budget_flop must be positive, got {budget_flop!r}")

    def solve(symbols: Mapping[str, Any]) -> Optimum:
        return best_of_law(
            fitted.law.name, symbols, budget, token_cap=token_cap, flop_per_param_token=flop_per_param_token
        )

    best, samples = solve(fitted.parameters), None
    if not fitted.replicates.empty:
        good = fitted.replicates[fitted.replicates["converged"]]
        shape = (-1,) + (1,) * budget.ndim
        samples = solve({name: good[name].to_numpy().reshape(shape) for name in fitted.law.names})

    def estimate(choose: Callable[[Optimum], Any]) -> Estimate:
        return _with_interval(choose(best), None if samples is None else choose(samples), fitted.coverage)

    return Allocation(
        budget_flop=budget,
        params=estimate(lambda o: o.params),
        tokens=estimate(lambda o: o.tokens),
        tokens_per_param=estimate(lambda o: o.tokens / o.params),
        loss=estimate(lambda o: o.loss),
    )


def budget_table(
    useful_flop_per_s: Mapping[str, Any], days: Sequence[float], symbols: Mapping[str, Any], *, coverage: float = 0.9
) -> pd.DataFrame:
    """Return what clusters train in some days, with the uncertainty of their speed and of the law together.

    Parameters
    ----------
    useful_flop_per_s : mapping of str to array, shape (samples,)
        Useful training FLOP a second by cluster.
    days : sequence of float
    symbols : mapping of str to array, shape (samples,)
        A, B, E, alpha, beta, as from :meth:`Fit.sample`.
    coverage : float

    Returns
    -------
    DataFrame
        A row a cluster and duration: ``label``, ``cluster``, ``days``, and ``flop``, ``params``, ``tokens``, ``loss``
        (medians), each with ``_low`` and ``_high``.
    """
    import pandas as pd

    rows = []
    for cluster, rate in useful_flop_per_s.items():
        for count in days:
            flop = to_host(rate) * count * SECONDS_PER_DAY
            row: dict[str, Any] = {"label": f"{cluster}, {count:g} days", "cluster": cluster, "days": count}
            for name, values in {"flop": flop, **optimum(flop, **symbols)._asdict()}.items():
                found = interval(values, coverage)
                row |= {name: found.median, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row)
    return pd.DataFrame(rows)


def best_of_law(
    form: str,
    symbols: Mapping[str, Any],
    budget_flop: Any,
    *,
    token_cap: Any = numpy.inf,
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
) -> Optimum:
    """Return the compute-optimal model of a law by its form and symbols, elementwise."""
    power = None
    if form == "overtraining":  # a N^-2eta 6^-eta + b D^-2eta 6^-eta
        share = 6.0 ** -symbols["eta"]
        terms = (symbols["a"] * share, symbols["b"] * share, symbols["E"], 2 * symbols["eta"], 2 * symbols["eta"])
    elif form == "kaplan":  # L^(1/alpha_D) is a sum of two power terms
        ratio, power = symbols["alpha_N"] / symbols["alpha_D"], symbols["alpha_D"]
        terms = (symbols["N_c"] ** ratio, symbols["D_c"], 0.0, ratio, 1.0)
    elif form in ("chinchilla", "chinchilla-tied"):
        beta = symbols.get("beta", symbols["alpha"])
        terms = (symbols["A"], symbols["B"], symbols["E"], symbols["alpha"], beta)
    else:
        raise ValueError(
            f"{form!r} has no closed compute optimum; fit 'chinchilla', 'chinchilla-tied', 'overtraining' or 'kaplan'"
        )
    best = optimum(budget_flop, *terms, token_cap=token_cap, flop_per_param_token=flop_per_param_token)
    return best if power is None else best._replace(loss=best.loss**power)


def _with_interval(value: Any, samples: Any, coverage: float) -> Estimate:
    if samples is None:
        return Estimate(value, numpy.full_like(value, numpy.nan), numpy.full_like(value, numpy.nan))
    low, high = numpy.nanquantile(samples, [(1 - coverage) / 2, (1 + coverage) / 2], axis=0)
    return Estimate(value, low, high)
