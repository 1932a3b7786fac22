"""Where fits begin: random starts, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.laws import Law
from gigacluster.scaling.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StartReport", "random_starts", "reaches", "summarise"]

#: Two fits found the same minimum when their objectives differ by less than this share, or by residuals of rounding.
_SAME_SHARE = 1e-7
_SAME_RESIDUAL = 1e-12


@dataclass(frozen=True, kw_only=True)
class StartReport:
    """How many starts reached the optimum. ``minima``: each distinct converged minimum, lowest first.

    ``lower_unproved``: starts that went below the optimum and stopped there without proof of convergence.
    """

    count: int
    converged: int
    hits: int
    lower_unproved: int
    minima: pd.DataFrame
    replicate_hit_rates: numpy.ndarray | None = None

    @property
    def hit_rate(self) -> float:
        """Share of all starts that reached the lowest objective."""
        return self.hits / self.count

    def __str__(self) -> str:
        text = (
            f"{self.hits} of {self.count} starts reached the optimum ({self.hit_rate:.0%}), "
            f"{self.converged} converged, {len(self.minima)} distinct minima"
        )
        if self.replicate_hit_rates is not None:
            rates = self.replicate_hit_rates
            text += (
                f"; per replicate: mean {rates.mean():.1%}, least {rates.min():.1%} of the starts reached its optimum"
            )
        return text


def reaches(objective: Any, lowest: Any, runs: int) -> Any:
    """Tell which objectives are as low as the lowest."""
    return objective <= lowest * (1 + _SAME_SHARE) + runs * _SAME_RESIDUAL**2


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
    for first in range(0, count, problem.chunk):
        rows = slice(first, first + problem.chunk)
        found = _least_squares_amplitudes(problem, theta[rows], loss)
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

    if len(shapes) == 1:
        return to_host(total(shapes[0], target) / total(shapes[0], shapes[0]))[:, None]
    (p, q), (a, b, c) = (
        (total(shapes[0], target), total(shapes[1], target)),
        (total(shapes[0], shapes[0]), total(shapes[0], shapes[1]), total(shapes[1], shapes[1])),
    )
    determinant = a * c - b * b + 1e-12 * a * c
    return numpy.stack([to_host((c * p - b * q) / determinant), to_host((a * q - b * p) / determinant)], axis=1)


def summarise(
    objective: numpy.ndarray, converged: numpy.ndarray, values: numpy.ndarray, law: Law, runs: int
) -> StartReport:
    """Report the fits of one problem from many starts; ``values`` are the parameters, a row a start."""
    import pandas as pd

    order = numpy.flatnonzero(converged)[numpy.argsort(objective[converged], kind="stable")]
    rows: list[dict[str, float]] = []
    for i in order:
        if rows and reaches(objective[i], rows[-1]["objective"], runs):
            rows[-1]["starts"] += 1
        else:
            rows.append({"objective": objective[i], "starts": 1, **dict(zip(law.names, values[i], strict=True))})
    minima = pd.DataFrame(rows, columns=["objective", "starts", *law.names])
    lowest = rows[0]["objective"] if rows else numpy.inf
    lower = ~converged & numpy.isfinite(objective) & ~reaches(lowest, objective, runs)
    return StartReport(
        count=len(objective),
        converged=int(converged.sum()),
        hits=int(minima["starts"].iloc[0]) if rows else 0,
        lower_unproved=int(lower.sum()),
        minima=minima,
    )
