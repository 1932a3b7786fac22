"""The lowest point of the runs of one budget, and the line through the lowest points of several."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy
from scipy import special

from gigacluster.scaling.noise import in_order_with_jumps

#: Three runs fix a parabola, and three budgets show whether the optima lie on a line.
LEAST_RUNS = 3
LEAST_BUDGETS = 3
#: Optima of so many budgets show whether their line bends: a parabola leaves two to tell its noise.
_LEAST_TO_BEND = 5


def budget_groups(budget: numpy.ndarray, least: int) -> list[numpy.ndarray]:
    """Return the rows of each budget that has ``least`` runs or more, lowest first."""
    return [rows for rows in numpy.split(*in_order_with_jumps(budget)) if len(rows) >= least]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The runs of one budget: those in the window, the parabola through them, and why there is none."""

    x: numpy.ndarray  # all log sizes
    near: numpy.ndarray  # rows in the window
    fitted: numpy.ndarray  # losses of the window on the parabola (or as they are, for approach 1)
    residuals: numpy.ndarray  # of the window, scaled by its degrees of freedom
    reason: str
    approach: int

    @classmethod
    def at(cls, x: numpy.ndarray, loss: numpy.ndarray, window: float, approach: int = 2) -> Curve:
        """Choose the window around the lowest run and fit its parabola."""
        order = numpy.argsort(x, kind="stable")
        lowest = int(numpy.argmin(loss[order]))
        near = numpy.abs(x[order] - x[order[lowest]]) <= numpy.log(window)
        first = min(max(lowest - 1, 0), max(len(x) - LEAST_RUNS, 0))
        near[first : first + LEAST_RUNS] = True
        rows = order if approach == 1 else order[near]
        curve = cls(x=x, near=rows, fitted=loss[rows], residuals=0.0 * x[rows], reason="", approach=approach)
        if approach == 1:
            return curve
        if len(numpy.unique(x[rows])) < LEAST_RUNS:
            return replace(curve, residuals=numpy.zeros(0), reason="fewer than three sizes")
        basis = _parabola(x[rows])
        fitted = basis @ numpy.linalg.lstsq(basis, loss[rows], rcond=None)[0]
        left = len(rows) - LEAST_RUNS
        residuals = (loss[rows] - fitted) * numpy.sqrt(len(rows) / left) if left else numpy.zeros(0)
        curve = replace(curve, fitted=fitted, residuals=residuals)
        if numpy.isfinite(curve.minima(fitted[None, :])[0]):
            return curve
        ends = {0: "its lowest run is the smallest", len(x) - 1: "its lowest run is the largest"}
        return replace(curve, reason=ends.get(lowest, "no minimum inside its sizes"))

    def minima(self, loss: numpy.ndarray) -> numpy.ndarray:
        """Return where each row of losses of the window is lowest; ``nan`` where nowhere inside the sizes."""
        x = self.x[self.near]
        if self.approach == 1:
            return numpy.asarray(x[numpy.argmin(loss, axis=1)])
        if self.reason:
            return numpy.full(len(loss), numpy.nan)
        _, tilt, bend = (loss @ numpy.linalg.pinv(_parabola(x)).T).T
        with numpy.errstate(all="ignore"):
            lowest = x.mean() - 0.5 * tilt / bend
        inside = (bend > 0) & (lowest >= self.x.min()) & (lowest <= self.x.max())
        return numpy.where(inside, lowest, numpy.nan)


def _parabola(x: numpy.ndarray) -> numpy.ndarray:
    """Return the columns that a parabola about the mean of ``x`` is fitted by."""
    centred = x - x.mean()
    return numpy.stack([numpy.ones(len(x)), centred, centred**2], axis=1)


def line_through(x: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray:
    """Return slope and level of least squares through each row of ``y``, leaving out ``nan``; ``nan`` with too few."""
    known = numpy.isfinite(y)
    count = known.sum(axis=1)
    usable = count >= LEAST_BUDGETS
    mean_x = (known * x).sum(axis=1) / numpy.maximum(count, 1)
    mean_y = numpy.where(known, y, 0.0).sum(axis=1) / numpy.maximum(count, 1)
    dx = numpy.where(known, x - mean_x[:, None], 0.0)
    around = (dx**2).sum(axis=1)
    slope = (dx * numpy.where(known, y, 0.0)).sum(axis=1) / numpy.where(usable & (around > 0), around, numpy.nan)
    return numpy.stack([slope, mean_y - slope * mean_x], axis=1)


def bend(x: numpy.ndarray, y: numpy.ndarray) -> tuple[float, float, float]:
    """Return how likely a straight line bends as much by chance, and its slopes over the lower and the upper half.

    Student's t of the quadratic term of least squares; ``nan`` thrice with fewer than five points.

    Examples
    --------
    >>> chance, lower, upper = bend(numpy.arange(9.0), numpy.arange(9.0) ** 2 + 0.1 * (-1.0) ** numpy.arange(9))
    >>> chance < 1e-9, bool(lower < upper)
    (True, True)
    """
    known = numpy.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < _LEAST_TO_BEND:
        return numpy.nan, numpy.nan, numpy.nan
    basis = _parabola(x)
    solved = numpy.linalg.lstsq(basis, y, rcond=None)[0]
    left = len(x) - basis.shape[1]
    variance = float(((y - basis @ solved) ** 2).sum()) / left
    error = numpy.sqrt(variance * numpy.linalg.inv(basis.T @ basis)[2, 2])
    chance = 2.0 * float(special.stdtr(left, -abs(solved[2]) / error)) if error > 0 else 1.0
    middle = len(x) // 2
    lower, upper = (
        float(line_through(x[half], y[None, half])[0, 0]) for half in (slice(middle + 1), slice(middle, None))
    )
    return chance, lower, upper
