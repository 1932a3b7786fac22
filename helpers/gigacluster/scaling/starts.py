"""Where fits begin: random starts, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.scaling.laws import Law

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


def random_starts(
    law: Law, count: int, seed: int, log_columns: dict[str, numpy.ndarray], log_loss: numpy.ndarray
) -> numpy.ndarray:
    """Draw starts in fitted coordinates, shape (count, symbols).

    Every symbol is uniform over its range, but every fourth floor is 0. Where the law is a sum of power terms, the
    amplitudes are then solved for by linear least squares on relative loss, given exponents and floor: the start
    explores what is not linear.
    """
    stream = numpy.random.default_rng([seed, 1])
    low, high = (numpy.asarray([symbol.start[k] for symbol in law.symbols]) for k in (0, 1))
    theta = stream.uniform(low, high, size=(count, len(law.symbols)))
    loss = numpy.exp(log_loss)
    for i, symbol in enumerate(law.symbols):
        if symbol.kind == "floor":
            theta[:, i] *= loss.min()
            theta[::4, i] = 0.0  # a law without a floor may fit best, and the way there is long
    if not law.terms:
        return theta
    index = {name: i for i, name in enumerate(law.names)}
    floor = theta[:, index["E"]] if "E" in index else numpy.zeros(count)
    design = numpy.stack(
        [numpy.exp(-theta[:, index[t.exponent], None] * log_columns[t.column]) / loss for t in law.terms], axis=2
    )
    target = 1.0 - floor[:, None] / loss
    normal = numpy.einsum("mnk,mnl->mkl", design, design) + 1e-12 * numpy.eye(len(law.terms))
    amplitude = numpy.linalg.solve(normal, numpy.einsum("mnk,mn->mk", design, target)[:, :, None])[:, :, 0]
    least = 0.02 * loss.mean()  # a term that least squares would make negative begins small instead
    for k, term in enumerate(law.terms):
        theta[:, index[term.amplitude]] = numpy.log(numpy.maximum(amplitude[:, k], least))
    return theta


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
