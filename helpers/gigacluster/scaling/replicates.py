"""Bootstrap replicates: what each draws, and the fits of all of them, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy

from gigacluster.parallel import Workers, in_order
from gigacluster.scaling.bootstrap import check_rows, draw_rows, multiplicities
from gigacluster.scaling.noise import Noise
from gigacluster.scaling.problem import Fits, Problem, looks_flat, reaches, solve
from gigacluster.scaling.search import random_starts

#: Fits solved at once, which is what an executor shares out, and weights or losses held at once. Blocks do not depend
#: on who computes them, so that neither do the bytes of the result.
_BLOCK = 1_000
_BLOCK_GPU = 2_000_000
_BLOCK_ELEMENTS = 2**24
#: Random starts of a replicate that does not converge from the optimum of all runs.
_RESCUE = 16
#: Share of replicates up to which each gets so many; where more fail, the law is at fault and not the start.
_FEW = 0.1


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How replicates are made: ``kind``, ``bootstrap`` (a count or rows), ``seed``, and what the kind needs.

    ``case`` draws runs, ``cluster`` whole groups of runs; ``model`` and ``shared`` draw new errors of all runs from
    ``noise``, without or with the part that groups share.
    """

    kind: str
    bootstrap: Any
    seed: int
    noise: Noise
    group: numpy.ndarray | None = None

    def problems(self, problem: Problem, residuals: numpy.ndarray, block: int) -> Iterator[Problem]:
        """Yield the problem with a row of weights, or of losses, for each replicate of a block."""
        count = problem.weights.shape[1]
        if self.kind in ("model", "shared"):
            fitted = problem.log_loss[0] - residuals
            noise = self.noise if self.kind == "shared" else replace(self.noise, shared=None)
            for errors in noise.draw(check_rows(self.bootstrap, count), self.seed, block):
                yield replace(problem, log_loss=fitted + errors)
            return
        units = count if self.kind == "case" else int(self.group.max()) + 1  # type: ignore[union-attr]
        for rows in draw_rows(self.bootstrap, units, self.seed, block):
            times = multiplicities(rows, units)
            yield replace(problem, weights=problem.weights * (times if self.kind == "case" else times[:, self.group]))


def fit_replicates(
    problem: Problem,
    point: numpy.ndarray,
    residuals: numpy.ndarray,
    resampling: Resampling,
    random: int,
    units: Mapping[str, float],
    executor: Workers = None,
) -> tuple[dict[str, numpy.ndarray], numpy.ndarray | None]:
    """Fit every replicate from the optimum of all runs, and from ``random`` starts of its own.

    ``point``: fitted coordinates of that optimum, shape (symbols,); ``residuals``: of log loss there, shape (runs,);
    ``units``: log of the unit of each column. ``executor`` fits the blocks; see :func:`gigacluster.parallel.in_order`.

    Returns
    -------
    columns
        Arrays of shape (replicates,): the symbols, ``objective``, ``gradient`` (over delta), ``iterations``,
        ``converged``, ``at_boundary``, ``not_identified`` (by the curvature at the optimum), ``several_minima``.
    hit_rates
        Share of the random starts of each replicate that reached its lowest objective, or None.
    """
    most = _BLOCK_GPU if problem.xp.__name__ == "cupy" else _BLOCK
    block = max(1, min(most // (1 + random), _BLOCK_ELEMENTS // problem.log_loss.shape[1]))
    tasks = (
        _Block(drawn, point, random, resampling.seed + number * block, dict(units))
        for number, drawn in enumerate(resampling.problems(problem, residuals, block))
    )
    parts = list(in_order(_fit_block, tasks, executor=executor, what="replicates"))
    columns = {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}
    hit_rates = columns.pop("hit_rate")
    return columns, hit_rates if random else None


@dataclass(frozen=True, slots=True)
class _Block:
    """Replicates that are fitted together."""

    problem: Problem
    point: numpy.ndarray
    random: int
    seed: int
    units: dict[str, float]


def _fit_block(block: _Block) -> dict[str, numpy.ndarray]:
    """Fit the replicates of a block, those that fail once more from further starts."""
    problem, point, seed, units = block.problem, block.point, block.seed, block.units
    numbers = numpy.arange(max(len(problem.weights), len(problem.log_loss)))
    part = _fit_some(problem, numbers, point, block.random, seed, units)
    failed = numpy.flatnonzero(~part["converged"])
    if failed.size and block.random < _RESCUE:
        tries = _RESCUE if failed.size <= _FEW * len(numbers) else _RESCUE // 4
        again = _fit_some(problem, numbers[failed], point, tries, seed, units)
        for name, values in part.items():
            values[failed] = again[name]
    return part


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
