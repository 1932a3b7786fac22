"""Profiles of the objective: how much worse the best fit becomes when one parameter is held elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy

from gigacluster.scaling.problem import Fits, Problem
from gigacluster.scaling.starts import random_starts

if TYPE_CHECKING:
    import pandas as pd

    from gigacluster.scaling.fitting import Fit

__all__ = ["RULED_OUT", "evidence", "held_fits", "looks_flat", "profile"]

#: Fall of log likelihood that rules a value out at 95 %: half the chi-squared quantile with one degree of freedom.
RULED_OUT = 1.92
#: Steps in which a held parameter moves from the optimum to its value, each refit starting from the last.
_STEPS = 4
#: Gradient over delta that a held fit is taken to: its objective is then known to better than a millionth.
_TOLERANCE = 1e-3
#: Residuals this small are rounding, not misfit.
_ROUNDING = 1e-9
#: Random starts of each held fit.
_RANDOM = 8


def profile(fitted: Fit, symbol: str, values: Sequence[float]) -> pd.DataFrame:
    """Refit with one fitted coordinate held at each of some values.

    Parameters
    ----------
    fitted : Fit
    symbol : str
        A parameter of the law.
    values : sequence of float
        Where to hold it. An amplitude is held in units of the runs' geometric mean, where it is the size of its term
        for the typical run; multiply ``fitted.centred_parameters[symbol]``.

    Returns
    -------
    DataFrame
        ``value``; ``objective``; ``evidence``, the fall of log likelihood against the optimum: above 1.92 the value is
        ruled out at 95 %.
    """
    import pandas as pd

    law = fitted.law
    if symbol not in law.names:
        raise ValueError(f"symbol is {symbol!r}; {law.name!r} has {', '.join(law.names)}")
    index = law.names.index(symbol)
    targets = numpy.asarray(values, dtype=float)
    fits = held_fits(
        fitted.problem,
        fitted.theta,
        numpy.full(len(targets), index),
        numpy.log(targets) if law.is_amplitude[index] else targets,
    )
    return pd.DataFrame(
        {
            "value": values,
            "objective": fits.objective,
            "evidence": evidence(fitted.problem, fits.objective, fitted.objective),
        }
    )


def held_fits(problem: Problem, theta: numpy.ndarray, symbols: numpy.ndarray, targets: numpy.ndarray) -> Fits:
    """Refit with the given symbol of each row held at its target: the best of two ways to get there.

    One moves the symbol from the optimum ``theta`` in steps, refitting the others at each; the other begins at random.
    """
    start = numpy.repeat(theta[None, :], len(targets), axis=0)
    held = numpy.zeros(start.shape, dtype=bool)
    rows = numpy.arange(len(targets))
    held[rows, symbols] = True
    for step in range(1, _STEPS + 1):
        start[rows, symbols] = theta[symbols] + (targets - theta[symbols]) * step / _STEPS
        fits = problem.solve(start, held=held, tolerance=_TOLERANCE, max_iterations=60)
        start = numpy.array(fits.theta)
    drawn = random_starts(problem, len(targets) * _RANDOM, 1)
    every = numpy.concatenate([start, drawn])
    row = numpy.concatenate([rows, numpy.repeat(rows, _RANDOM)])
    every[numpy.arange(len(every)), symbols[row]] = targets[row]
    fits = problem.solve(every, held=held[row], tolerance=_TOLERANCE, max_iterations=100)
    ways = numpy.concatenate([rows[:, None], len(rows) + rows[:, None] * _RANDOM + numpy.arange(_RANDOM)], axis=1)
    objective = numpy.where(numpy.isfinite(fits.objective), fits.objective, numpy.inf)[ways]
    return fits.rows(ways[rows, numpy.argmin(objective, axis=1)])


def looks_flat(problem: Problem, fits: Fits) -> numpy.ndarray:
    """Tell, a row a fit, whether some parameter looks unidentified by the curvature at the optimum.

    The quick test that replicates get, by the same limits as the profile: a term ten times its size, an exponent down
    to a fifth, or a floor of 0, within what the curvature allows. A fit on few runs within delta can look flat here and
    have a profile that is not.
    """
    law, size = problem.law, fits.theta.shape[1]
    hessian = numpy.zeros((len(fits.theta), size, size))
    rows, columns = numpy.tril_indices(size)
    hessian[:, rows, columns] = hessian[:, columns, rows] = fits.hessian
    still = fits.theta <= law.lower
    still[:, list(problem.fixed)] = True
    hessian = numpy.where(still[:, :, None] | still[:, None, :], numpy.eye(size), hessian)
    reach = numpy.where(law.is_amplitude, numpy.log(10.0), 0.8 * fits.theta)
    reach = numpy.where([symbol.kind == "floor" for symbol in law.symbols], fits.theta, reach)
    judged = numpy.asarray([symbol.kind != "free" for symbol in law.symbols]) & ~still
    curvature = numpy.linalg.pinv(hessian, hermitian=True).diagonal(axis1=1, axis2=2)
    share = 0.5 if problem.objective.loss == "squared" else 1.0
    runs = problem.log_loss.shape[1]
    variance = 2.0 * RULED_OUT * fits.objective[:, None] / (share * runs) * curvature
    return (judged & ~((variance > 0) & (variance < reach**2))).any(axis=1)


def evidence(problem: Problem, objective: numpy.ndarray, optimum: float) -> numpy.ndarray:
    """Return the fall of log likelihood from the optimum, with the noise level profiled out.

    Residuals of a Huber fit with a small delta are taken as Laplacian, those of squared loss as normal.
    """
    runs = problem.log_loss.shape[1]
    share = 0.5 if problem.objective.loss == "squared" else 1.0
    rounding = runs * _ROUNDING**2
    return share * runs * numpy.log(numpy.maximum(objective, rounding) / max(optimum, rounding))
