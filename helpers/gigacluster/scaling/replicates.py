"""Bootstrap replicates: what each draws, and the fits of all of them as one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy

from gigacluster.scaling.bootstrap import draw_rows, multiplicities
from gigacluster.scaling.problem import Fits, Problem
from gigacluster.scaling.profiles import looks_flat
from gigacluster.scaling.solving import solve
from gigacluster.scaling.starts import random_starts, reaches

__all__ = ["fit_replicates", "resample"]

#: Fits solved at once, which bounds the memory of a bootstrap with many starts.
_BLOCK = 100_000
_BLOCK_GPU = 2_000_000
#: Random starts of a replicate that does not converge from the optimum of all runs.
_RESCUE = 16


def resample(
    problem: Problem, residuals: numpy.ndarray, runs: Any, bootstrap: Any, kind: str, clusters: Any, seed: int
) -> Problem:
    """Return the problem with a row of weights, or of losses, for each replicate."""
    count = problem.weights.shape[1]
    if kind == "cluster":
        if clusters is None:
            raise ValueError("kind='cluster' needs clusters: the name of a column of the runs, or a label for each run")
        labels = numpy.asarray(runs[clusters] if isinstance(clusters, str) else clusters)
        _, number = numpy.unique(labels, return_inverse=True)
        drawn = draw_rows(bootstrap, int(number.max()) + 1, seed)
        times = multiplicities(drawn, int(number.max()) + 1)[:, number.ravel()]
        return replace(problem, weights=problem.weights * times)
    rows = draw_rows(bootstrap, count, seed)
    if kind == "residual":
        fitted = problem.log_loss[0] - residuals
        return replace(
            problem, log_loss=fitted + residuals[rows], weights=numpy.repeat(problem.weights, len(rows), axis=0)
        )
    return replace(problem, weights=problem.weights * multiplicities(rows, count))


def fit_replicates(
    problem: Problem, point: numpy.ndarray, random: int, seed: int, units: Mapping[str, float]
) -> tuple[dict[str, numpy.ndarray], numpy.ndarray | None]:
    """Fit every replicate from the optimum of all runs, and from random starts of its own where asked for.

    Parameters
    ----------
    problem : Problem
        With a row of weights, or of losses, for each replicate.
    point : array, shape (symbols,)
        Fitted coordinates of the optimum of all runs.
    random : int
        Random starts of each replicate.
    seed : int
    units : mapping
        Log of the unit of each column.

    Returns
    -------
    columns : dict of str to array, shape (replicates,)
        The symbols, ``objective``, ``gradient`` (over delta), ``iterations``, ``converged``, ``at_boundary``,
        ``not_identified`` (by the curvature at the optimum), ``several_minima``.
    hit_rates : array, shape (replicates,), or None
        Share of the random starts of each replicate that reached its lowest objective.
    """
    count = len(problem.weights)
    block = max(1, (_BLOCK_GPU if problem.xp.__name__ == "cupy" else _BLOCK) // (1 + random))
    parts = []
    for first in range(0, count, block):
        numbers = numpy.arange(first, min(first + block, count))
        part = _fit_some(problem, numbers, point, random, seed + first, units)
        failed = numpy.flatnonzero(~part["converged"])
        if failed.size and random < _RESCUE:
            again = _fit_some(problem, numbers[failed], point, _RESCUE, seed + first, units)
            for name, values in part.items():
                values[failed] = again[name]
        parts.append(part)
    columns = {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}
    hit_rates = columns.pop("hit_rate")
    return columns, hit_rates if random else None


def _fit_some(
    problem: Problem, numbers: numpy.ndarray, point: numpy.ndarray, random: int, seed: int, units: Mapping[str, float]
) -> dict[str, numpy.ndarray]:
    """Fit some replicates from the optimum of all runs and from random starts."""
    tries = 1 + random
    theta = numpy.repeat(point[None, :], len(numbers) * tries, axis=0).reshape(len(numbers), tries, -1)
    if random:
        theta[:, 1:, :] = random_starts(problem, len(numbers) * random, seed).reshape(len(numbers), random, -1)
    fits = solve(problem, theta.reshape(len(numbers) * tries, -1), numpy.repeat(numbers, tries))
    return _best_of(problem, fits, len(numbers), units)


def _best_of(problem: Problem, fits: Fits, count: int, units: Mapping[str, float]) -> dict[str, numpy.ndarray]:
    """Return the lowest fit of each replicate, and the share of its random starts that reached it."""
    law, runs, tries = problem.law, problem.log_loss.shape[1], len(fits.theta) // count
    objective = numpy.where(fits.converged, fits.objective, numpy.inf).reshape(count, tries)
    chosen = numpy.argmin(objective, axis=1)
    lowest = objective[numpy.arange(count), chosen]
    reached = reaches(objective, lowest[:, None], runs)
    best = fits.rows(chosen + tries * numpy.arange(count))
    values = law.to_symbols(best.theta, units)
    bounded = numpy.isfinite(law.lower) & (best.theta <= law.lower)
    values[~best.converged] = numpy.nan
    return {
        **dict(zip(law.names, values.T, strict=True)),
        "objective": numpy.where(best.converged, lowest, numpy.nan),
        "gradient": best.gradient,
        "iterations": best.iterations.astype(int),
        "converged": best.converged,
        "at_boundary": bounded.any(axis=1) & best.converged,
        "not_identified": looks_flat(problem, best) & best.converged,
        "several_minima": (numpy.isfinite(objective) & ~reached).any(axis=1),
        "hit_rate": reached[:, 1:].mean(axis=1) if tries > 1 else numpy.ones(count),
    }
