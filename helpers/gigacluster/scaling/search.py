"""Where fits begin, what became of the starts, and the optimum that was found: a problem, solved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from gigacluster.arrays import release, to_host
from gigacluster.parallel import halving
from gigacluster.scaling.law import Law
from gigacluster.scaling.noise import Noise
from gigacluster.scaling.problem import Fits, Problem, reaches, solve
from gigacluster.scaling.runs import Runs

#: Runs that starts are searched on where there are more; the best of them are then taken to all runs.
_SEARCHED_RUNS = 10_000
_FINALISTS = 4


@dataclass(frozen=True, kw_only=True)
class StartReport:
    """How many starts reached the optimum. ``minima``: each distinct converged minimum, lowest first.

    ``lower_unproved``: starts that went below the optimum and stopped there without proof of convergence.
    """

    count: int
    converged: int
    hits: int
    lower_unproved: int
    minima: dict[str, numpy.ndarray]
    replicate_hit_rates: numpy.ndarray | None = None

    @property
    def hit_rate(self) -> float:
        """Share of all starts that reached the lowest objective."""
        return self.hits / self.count

    def __str__(self) -> str:
        text = (
            f"{self.hits} of {self.count} starts reached the optimum ({self.hit_rate:.0%}), "
            f"{self.converged} converged, {len(self.minima['objective'])} distinct minima"
        )
        if self.replicate_hit_rates is not None:
            rates = self.replicate_hit_rates
            text += (
                f"; per replicate: mean {rates.mean():.1%}, least {rates.min():.1%} of the starts reached its optimum"
            )
        return text


def random_starts(problem: Problem, count: int, seed: int) -> numpy.ndarray:
    """Draw starts in fitted coordinates, shape (count, symbols).

    Every symbol is uniform over its range, but every fourth floor is 0. Where the law is a sum of one or two power
    terms, the amplitudes are then solved for by linear least squares on relative loss, given exponents and floor: the
    start explores what is not linear.
    """
    law, loss = problem.law, numpy.exp(problem.log_loss.mean(axis=0))
    stream = numpy.random.default_rng([seed, 1])
    low, high = (numpy.asarray([symbol.start[k] for symbol in law.symbols]) for k in (0, 1))
    theta = stream.uniform(low, high, size=(count, len(law.symbols)))
    for i, symbol in enumerate(law.symbols):
        if symbol.kind == "floor":
            theta[:, i] *= loss.min()
            theta[::4, i] = 0.0  # a law without a floor may fit best, and the way there is long
    if len(law.terms) not in (1, 2):
        return theta
    amplitudes = [law.names.index(term.amplitude) for term in law.terms]
    least = 0.02 * loss.mean()  # a term that least squares would make negative begins small instead
    solved = halving(
        lambda rows: _least_squares_amplitudes(problem, theta[rows], loss),
        count,
        problem.chunk,
        release=lambda: release(problem.xp),
    )
    for rows, found in solved:
        theta[rows, amplitudes] = numpy.log(numpy.maximum(found, least))
    return theta


def _least_squares_amplitudes(problem: Problem, theta: numpy.ndarray, loss: numpy.ndarray) -> numpy.ndarray:
    """Return the amplitudes of one or two power terms, a column a term."""
    xp, law = problem.xp, problem.law
    inverse = problem.array(1.0 / loss)[None, :]
    shapes = [
        xp.exp(
            -problem.array(theta[:, law.names.index(t.exponent)])[:, None]
            * problem.array(problem.log_columns[t.column])
        )
        * inverse
        for t in law.terms
    ]
    floor = theta[:, law.names.index("E")] if "E" in law.names else numpy.zeros(len(theta))
    target = 1.0 - problem.array(floor)[:, None] * inverse

    def total(first: Any, second: Any) -> Any:
        return xp.sum(first * second, axis=1)

    first, second = shapes[0], shapes[-1]
    a, b, c = total(first, first), total(first, second), total(second, second)
    p, q = total(first, target), total(second, target)
    if len(shapes) == 1:
        return to_host(p / a)[:, None]
    determinant = a * c - b * b + 1e-12 * a * c
    return numpy.stack([to_host((c * p - b * q) / determinant), to_host((a * q - b * p) / determinant)], axis=1)


def summarise(
    objective: numpy.ndarray, converged: numpy.ndarray, values: numpy.ndarray, law: Law, runs: int
) -> StartReport:
    """Report the fits of one problem from many starts; ``values`` are the parameters, a row a start."""
    order = numpy.flatnonzero(converged)[numpy.argsort(objective[converged], kind="stable")]
    rows: list[dict[str, float]] = []
    for i in order:
        if rows and reaches(objective[i], rows[-1]["objective"], runs):
            rows[-1]["starts"] += 1
        else:
            rows.append({"objective": objective[i], "starts": 1, **dict(zip(law.names, values[i], strict=True))})
    minima = {name: numpy.asarray([row[name] for row in rows]) for name in ("objective", "starts", *law.names)}
    lowest = rows[0]["objective"] if rows else numpy.inf
    lower = ~converged & numpy.isfinite(objective) & ~reaches(lowest, objective, runs)
    return StartReport(
        count=len(objective),
        converged=int(converged.sum()),
        hits=int(rows[0]["starts"]) if rows else 0,
        lower_unproved=int(lower.sum()),
        minima=minima,
    )


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A problem with its optimum: all that a diagnosis needs."""

    problem: Problem
    runs: Runs
    point: Fits  # one row
    starts: StartReport
    noise: Noise  # what the residuals are made of

    @property
    def theta(self) -> numpy.ndarray:
        """Fitted coordinates of the optimum."""
        return numpy.asarray(self.point.theta[0])

    @property
    def converged(self) -> bool:
        """Whether the gradient proves an optimum."""
        return bool(self.point.converged[0])

    @property
    def objective(self) -> float:
        """The objective there."""
        return float(self.point.objective[0])

    @cached_property
    def residuals(self) -> numpy.ndarray:
        """Observed less predicted log loss of each run."""
        return self.problem.residuals(self.theta)


def search(problem: Problem, theta: numpy.ndarray) -> tuple[Fits, StartReport]:
    """Return the optimum from many starts, and what became of them.

    Where there are very many runs the starts are taken down on a sample of them, and the best few minima of the sample
    then on all runs.
    """
    count, searched = problem.log_loss.shape[1], problem
    if count > _SEARCHED_RUNS:
        searched = problem.only(numpy.random.default_rng(0).choice(count, _SEARCHED_RUNS, replace=False))
    fits = solve(searched, theta)
    runs = searched.log_loss.shape[1]
    report = summarise(fits.objective, fits.converged, problem.symbols(fits.theta), problem.law, runs)
    if searched is not problem:
        order = numpy.argsort(numpy.where(fits.converged, fits.objective, numpy.inf), kind="stable")
        apart = [order[0]]
        for i in order[1:]:
            if len(apart) < _FINALISTS and not reaches(fits.objective[i], fits.objective[apart[-1]], runs):
                apart.append(i)
        fits = solve(problem, fits.theta[apart])
    return best_point(problem, fits), report


def best_point(problem: Problem, fits: Fits) -> Fits:
    """Return the lowest fit alone, taken to the limit of rounding: the smallest gradient of all that reached it."""
    objective = numpy.where(fits.converged, fits.objective, numpy.inf) if fits.converged.any() else fits.objective
    reached = fits.rows(numpy.flatnonzero(reaches(objective, numpy.nanmin(objective), problem.log_loss.shape[1])))
    if problem.objective.loss != "absolute":
        reached = problem.solve(reached.theta, tolerance=1e-14, max_iterations=30)
    best = int(numpy.argmin(reached.gradient))
    return reached.rows(slice(best, best + 1))
