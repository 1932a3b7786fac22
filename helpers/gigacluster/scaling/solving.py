"""Solve a problem whatever its loss: absolute loss through ever smaller deltas, stuck fits with a second chance."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy

from gigacluster.scaling.problem import Fits, Problem
from gigacluster.scaling.starts import reaches

__all__ = ["best_point", "solve"]

#: delta is lowered to this by steps of ten for the least-absolute-deviation limit.
_SMALLEST_DELTA = 1e-8
#: Multiples of delta that a fit stuck in a narrow valley is continued with.
_WIDER_DELTAS = (30.0, 5.0, 1.0)


def solve(problem: Problem, theta: numpy.ndarray, replicate: numpy.ndarray | None = None) -> Fits:
    """Minimise; for absolute loss through ever smaller deltas, whose limit it is."""
    if problem.objective.loss != "absolute":
        return _with_second_chance(problem, problem.solve(theta, replicate), replicate)
    delta = problem.objective.delta
    while delta > 0.9 * _SMALLEST_DELTA:
        stage = replace(problem, objective=replace(problem.objective, loss="huber", delta=delta))
        fits = stage.solve(theta, replicate)
        theta, delta = fits.theta, delta / 10
    return replace(fits, objective=fits.objective / stage.objective.delta)


def _with_second_chance(problem: Problem, fits: Fits, replicate: numpy.ndarray | None) -> Fits:
    """Continue the fits that stopped in a narrow valley: down it with a wider delta, then back to the true one."""
    left = numpy.flatnonzero(~fits.converged & numpy.isfinite(fits.objective))
    if problem.objective.loss == "squared" or not left.size:
        return fits
    theta, numbers = fits.theta[left], None if replicate is None else replicate[left]
    for factor in _WIDER_DELTAS:
        wider = replace(problem, objective=replace(problem.objective, delta=factor * problem.objective.delta))
        again = wider.solve(theta, numbers, max_iterations=100)
        theta = again.theta
    better = again.converged & reaches(again.objective, fits.objective[left], problem.log_loss.shape[1])
    merged = {item.name: numpy.array(getattr(fits, item.name)) for item in fields(fits)}
    for name, values in merged.items():
        values[left[better]] = getattr(again, name)[better]
    return Fits(**merged)


def best_point(problem: Problem, fits: Fits) -> Fits:
    """Return the lowest fit alone, taken to the limit of rounding: the smallest gradient of all that reached it."""
    objective = numpy.where(fits.converged, fits.objective, numpy.inf) if fits.converged.any() else fits.objective
    reached = fits.rows(numpy.flatnonzero(reaches(objective, numpy.nanmin(objective), problem.log_loss.shape[1])))
    if problem.objective.loss != "absolute":
        reached = problem.solve(reached.theta, tolerance=1e-14, max_iterations=30)
    best = int(numpy.argmin(reached.gradient))
    return reached.rows(slice(best, best + 1))
