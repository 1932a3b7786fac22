"""Approaches 1 and 2 of Hoffmann et al. (2022) beside approach 3: optima read from runs at equal compute.

Approach 2 fits a parabola of loss in log parameters (and one in log tokens) to the runs of each budget, and a power law
of compute through their lowest points. Approach 1 takes the best run of each budget instead of the parabola.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.bootstrap import draw_rows, multiplicities
from gigacluster.scaling.diagnostics import Flag
from gigacluster.scaling.predict import Estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["IsoFlop", "can_compare", "find_conflict", "isoflop"]

#: Runs whose compute differs by less than this share of a decade are one budget.
_SAME_BUDGET_DECADES = 0.02
_LEAST_RUNS = 5
_LEAST_BUDGETS = 3


@dataclass(frozen=True, kw_only=True)
class IsoFlop:
    """Power laws of the optima: N = ``params_factor`` C^``params_exponent``, and so for D.

    ``budgets_flop``, ``best_params`` and ``best_tokens`` are the points they go through, ``nan`` where a budget has no
    lowest point. ``flop_ratio``: median of budget / (6 N D), and ``exponent_sum``: 1 where C = k N D holds; both say
    which compute convention the budgets follow.
    """

    approach: int
    params_exponent: Estimate
    tokens_exponent: Estimate
    params_factor: float
    tokens_factor: float
    budgets_flop: numpy.ndarray
    best_params: numpy.ndarray
    best_tokens: numpy.ndarray
    flop_ratio: float
    replicates: numpy.ndarray  # (replicates, 2): the two exponents

    @property
    def exponent_sum(self) -> float:
        """Exponent of N plus exponent of D."""
        return float(self.params_exponent.value + self.tokens_exponent.value)


def isoflop(runs: Any, *, approach: int = 2, bootstrap: Any = 1000, seed: int = 42, coverage: float = 0.95) -> IsoFlop:
    """Fit approach 1 or 2.

    Parameters
    ----------
    runs : DataFrame or mapping
        Columns ``params``, ``tokens``, ``loss`` and ``budget_flop``, a row a run.
    approach : {1, 2}
    bootstrap : int or array of int, shape (replicates, runs)
        Case bootstrap, as in :func:`gigacluster.scaling.fit`.
    seed : int
    coverage : float

    Raises
    ------
    ValueError
        If fewer than three budgets have five runs (three with approach 1).
    """
    if approach not in (1, 2):
        raise ValueError(f"approach is {approach!r}; it can be 1 or 2 (approach 3 is scaling.fit)")
    params, tokens, loss, budget = (_column(runs, name) for name in ("params", "tokens", "loss", "budget_flop"))
    groups = _groups(budget, 1 if approach == 1 else _LEAST_RUNS)
    if len(groups) < _LEAST_BUDGETS:
        raise ValueError(
            f"{len(groups)} budgets have enough runs ({1 if approach == 1 else _LEAST_RUNS}); {_LEAST_BUDGETS} are "
            "needed: add runs, or round budget_flop to its nominal values"
        )
    rows = draw_rows(bootstrap, len(loss), seed)
    weights = numpy.concatenate([numpy.ones((1, len(loss))), multiplicities(rows, len(loss))])
    find = _best_run if approach == 1 else _lowest_point
    best = {
        name: numpy.stack([find(numpy.log(values[rows]), loss[rows], weights[:, rows]) for rows in groups], axis=1)
        for name, values in (("params", params), ("tokens", tokens))
    }
    log_budget = numpy.asarray([numpy.log(budget[rows]).mean() for rows in groups])
    fits = {name: _line(log_budget, values) for name, values in best.items()}
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]

    def estimate(name: str) -> Estimate:
        slopes = fits[name][0]
        low, high = numpy.nanquantile(slopes[1:], tails) if len(slopes) > 1 else (numpy.nan, numpy.nan)
        return Estimate(float(slopes[0]), float(low), float(high))

    return IsoFlop(
        approach=approach,
        params_exponent=estimate("params"),
        tokens_exponent=estimate("tokens"),
        params_factor=float(numpy.exp(fits["params"][1][0])),
        tokens_factor=float(numpy.exp(fits["tokens"][1][0])),
        budgets_flop=numpy.exp(log_budget),
        best_params=numpy.exp(best["params"][0]),
        best_tokens=numpy.exp(best["tokens"][0]),
        flop_ratio=float(numpy.median(budget / (6.0 * params * tokens))),
        replicates=numpy.stack([fits["params"][0][1:], fits["tokens"][0][1:]], axis=1),
    )


def can_compare(form: str, runs: Any) -> bool:
    """Tell whether approach 2 can stand beside a fit: a law in parameters and tokens, runs grouped by budget."""
    if form not in ("chinchilla", "chinchilla-tied") or "budget_flop" not in runs:
        return False
    return len(_groups(_column(runs, "budget_flop"), _LEAST_RUNS)) >= _LEAST_BUDGETS


def find_conflict(
    replicates: pd.DataFrame, values: numpy.ndarray, runs: Any, coverage: float, seed: int
) -> tuple[Flag, ...]:
    """Compare the exponents of approach 2 with those of a fit of approach 3 on the same runs.

    Parameters
    ----------
    replicates : DataFrame
        Of approach 3.
    values : array
        Its parameters A, B, E, alpha, beta (or A, B, E, alpha).
    runs : DataFrame or mapping
    coverage : float
    seed : int

    Returns
    -------
    tuple of Flag
        One if an exponent of approach 2 lies outside the interval of approach 3.
    """
    two = isoflop(runs, approach=2, bootstrap=len(replicates), seed=seed, coverage=coverage)
    alpha, beta = values[3], values[-1]
    drawn = replicates["alpha"], replicates["beta" if "beta" in replicates else "alpha"]
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]
    said, conflict = [], False
    for name, found, value, samples in (
        ("N", two.params_exponent, beta / (alpha + beta), drawn[1] / (drawn[0] + drawn[1])),
        ("D", two.tokens_exponent, alpha / (alpha + beta), drawn[0] / (drawn[0] + drawn[1])),
    ):
        low, high = samples.quantile(tails)
        conflict |= not low <= found.value <= high
        said.append(
            f"{name} grows as C^{found.value:.3f} ({found.low:.3f} to {found.high:.3f}) by approach 2 and "
            f"C^{value:.3f} ({low:.3f} to {high:.3f}) by approach 3"
        )
    if not conflict:
        return ()
    convention = (
        f"compute convention: budget / (6 N D) has median {two.flop_ratio:.3f} and the exponents of approach 2 add to "
        f"{two.exponent_sum:.3f} (1 where C = k N D)"
    )
    return (Flag("approaches conflict", "", f"{'; '.join(said)}; {convention}"),)


def _column(runs: Any, name: str) -> numpy.ndarray:
    values = runs[name]
    return numpy.asarray(to_host(values.to_numpy() if hasattr(values, "to_numpy") else values), dtype=float)


def _groups(budget: numpy.ndarray, least: int) -> list[numpy.ndarray]:
    """Return the rows of each budget, lowest first: sorted budgets are cut where they jump."""
    order = numpy.argsort(budget, kind="stable")
    jumps = numpy.flatnonzero(numpy.diff(numpy.log10(budget[order])) > _SAME_BUDGET_DECADES) + 1
    return [rows for rows in numpy.split(order, jumps) if len(rows) >= least]


def _lowest_point(x: numpy.ndarray, loss: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
    """Return where the weighted parabola of loss is lowest, a value a replicate; ``nan`` if it has no lowest point."""
    centre = x.mean()
    powers = numpy.stack([(x - centre) ** k for k in range(5)])
    moments = weights @ powers.T
    right = weights @ (powers[:3] * loss).T
    normal = moments[:, numpy.arange(3)[:, None] + numpy.arange(3)]
    usable = (weights > 0).sum(axis=1) >= 4
    normal = numpy.where(usable[:, None, None], normal, numpy.eye(3))
    solution = numpy.linalg.solve(normal, right[:, :, None])[:, :, 0]
    usable &= solution[:, 2] > 0
    bend = numpy.where(usable, solution[:, 2], 1.0)
    return numpy.where(usable, centre - 0.5 * solution[:, 1] / bend, numpy.nan)


def _best_run(x: numpy.ndarray, loss: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
    drawn = numpy.where(weights > 0, loss, numpy.inf)
    best = numpy.argmin(drawn, axis=1)
    return numpy.where(numpy.isfinite(drawn.min(axis=1)), x[best], numpy.nan)


def _line(x: numpy.ndarray, y: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return slope and intercept of least squares through each row of ``y``, leaving out its ``nan``."""
    known = numpy.isfinite(y)
    count = numpy.maximum(known.sum(axis=1), 1)
    mean_x = (known * x).sum(axis=1) / count
    mean_y = numpy.nansum(y, axis=1) / count
    dx = numpy.where(known, x - mean_x[:, None], 0.0)
    spread = (dx**2).sum(axis=1)
    usable = known.sum(axis=1) >= 2
    slope = (dx * numpy.where(known, y, 0.0)).sum(axis=1) / numpy.where(usable & (spread > 0), spread, numpy.nan)
    return slope, mean_y - slope * mean_x
