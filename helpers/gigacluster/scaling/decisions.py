"""Decisions from a fit, with their intervals: the best model of a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from gigacluster.arrays import Samples, to_host
from gigacluster.limits import ABOVE_ZERO, POSITIVE, SHARE_WITHIN, within
from gigacluster.scaling.estimate import Estimate, Flag, quantiles, spread, with_flags
from gigacluster.scaling.fitted import Fit, as_fit
from gigacluster.scaling.optimum import Optimum, law_optimum, optimum
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN, positive
from gigacluster.units import SECONDS_PER_DAY

#: Flags of a fit that bear on what it chooses.
_BEARING = ("not converged", "at boundary", "not identified", "split not identified", "lack of fit", "shared errors")
#: What an allocation tells, from an optimum.
_CHOSEN: dict[str, Callable[[Optimum], Any]] = {
    "params": lambda best: best.params,
    "tokens": lambda best: best.tokens,
    "tokens_per_param": lambda best: best.tokens / best.params,
    "loss": lambda best: best.loss,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """The best use of a budget, each quantity with its interval, of the shape of ``budget_flop``; and what to know."""

    budget_flop: Any
    params: Estimate
    tokens: Estimate
    tokens_per_param: Estimate
    loss: Estimate
    flags: tuple[Flag, ...] = ()

    def __str__(self) -> str:
        names = ("params", "tokens", "tokens_per_param", "loss")
        lines = [f"  {name}: {getattr(self, name):.4g}" for name in names]
        return with_flags(self.flags, "best split of the budget", *lines)


def compute_optimal(
    fitted: Fit,
    budget_flop: Samples,
    *,
    token_cap: float = numpy.inf,
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
    **columns: Any,
) -> Allocation:
    """Return the model and data set of least loss at a compute budget.

    Parameters
    ----------
    fitted
        Any law of params and tokens, fitted or from coefficients.
    budget_flop
        Training compute, a number or an array. [FLOP]
    token_cap
        Most tokens there are.
    flop_per_param_token
        Compute convention: C = 6 N D. [FLOP]
    **columns
        The law's other columns, such as ``unique_tokens``.

    Returns
    -------
    Allocation
        Point estimates from the fit, intervals from its replicates (``nan`` without), and flags: those of the fit that
        bear on the choice, and the reach beyond its runs. Where tokens follow params in all runs, nothing shows the
        split, and its interval is everything.

    Raises
    ------
    ValueError
        If a budget is not positive, or the form has no parameters and tokens to choose.

    Examples
    --------
    >>> from gigacluster import scaling
    >>> symbols = dict(A=482.01, B=2085.43, E=1.8172, alpha=0.3478, beta=0.3658)
    >>> law = scaling.Fit.from_coefficients("chinchilla", symbols)
    >>> round(float(scaling.compute_optimal(law, 5.76e23).params.value) / 1e9)
    72
    """
    law, budget = as_fit(fitted).law, positive("budget_flop", budget_flop)
    within(token_cap=(token_cap, ABOVE_ZERO), flop_per_param_token=(flop_per_param_token, POSITIVE))
    options: dict[str, Any] = {"token_cap": token_cap, "flop_per_param_token": flop_per_param_token, "given": columns}
    best, samples = fitted.answers(lambda symbols: law_optimum(law, symbols, budget, **options), budget.ndim)
    flags = tuple(flag for flag in fitted.flags if flag.kind in _BEARING) + fitted.reach_flags(budget)
    unknown = any(flag.kind == "split not identified" for flag in flags)
    parts: dict[str, Estimate] = {}
    for name, choose in _CHOSEN.items():
        found = spread(choose(best), None if samples is None else choose(samples), fitted.coverage)
        if unknown and (name != "loss" or samples is not None):
            # The loss is at most what the runs' own ratio reaches.
            most = _loss_at_ratio(fitted, budget, flop_per_param_token) if name == "loss" else numpy.inf
            found = replace(found, low=numpy.zeros_like(found.value), high=numpy.full_like(found.value, most))
        parts[name] = found
    lost = tuple(dict.fromkeys(flag for part in parts.values() for flag in part.flags))
    return Allocation(budget_flop=budget, **parts, flags=flags + lost)


def _loss_at_ratio(fitted: Fit, budget: numpy.ndarray, flop_per_param_token: float) -> Any:
    columns = fitted.runs.columns
    slope, level = numpy.polyfit(numpy.log(columns["params"]), numpy.log(columns["tokens"]), 1)
    params = numpy.exp((numpy.log(budget / flop_per_param_token) - level) / (1.0 + slope))
    return fitted.predict(params, budget / (flop_per_param_token * params)).high


def budget_table(
    useful_flop_per_s: Mapping[str, Any], days: Sequence[float], symbols: Mapping[str, Any], *, coverage: float = 0.9
) -> dict[str, list[Any]]:
    """Return what clusters train in some days, with the uncertainty of their speed and of the law together.

    Parameters
    ----------
    useful_flop_per_s
        Useful training FLOP a second by cluster, arrays of shape (samples,).
    days
        Durations.
    symbols
        A, B, E, alpha, beta, of shape (samples,), as from :meth:`Fit.sample`.
    coverage
        Of the intervals.

    Returns
    -------
    dict of lists
        A row a cluster and duration: ``label``, ``cluster``, ``days``, and ``flop``, ``params``, ``tokens``, ``loss``
        (medians), each with ``_low`` and ``_high``.
    """
    within(coverage=(coverage, SHARE_WITHIN))
    table: dict[str, list[Any]] = {}
    for cluster, rate in useful_flop_per_s.items():
        for count in days:
            flop = to_host(rate) * count * SECONDS_PER_DAY
            row: dict[str, Any] = {"label": f"{cluster}, {count:g} days", "cluster": cluster, "days": count}
            for name, values in {"flop": flop, **optimum(flop, **symbols)._asdict()}.items():
                low, middle, high = quantiles(to_host(values), [(1 - coverage) / 2, 0.5, (1 + coverage) / 2])
                row |= {name: float(middle), f"{name}_low": float(low), f"{name}_high": float(high)}
            for name, value in row.items():
                table.setdefault(name, []).append(value)
    return table
