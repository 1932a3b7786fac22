"""Bootstrap replicates: which runs each draws, or which errors, and the fits of all of them, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy

from gigacluster.limits import whole
from gigacluster.parallel import Workers, in_order
from gigacluster.scaling.noise import Noise
from gigacluster.scaling.problem import Problem, looks_flat, reaches, solve
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
#: Ways to draw replicates; what each means, and what "auto" chooses, is said at :func:`gigacluster.scaling.fit`.
KINDS = ("auto", "case", "cluster", "model", "shared")


def check_rows(bootstrap: Any, count: int) -> int:
    """Return the number of replicates that ``bootstrap`` asks for: a count, or rows of shape (replicates, count)."""
    if numpy.ndim(bootstrap) == 0:
        return whole("bootstrap", bootstrap)
    rows = numpy.asarray(bootstrap)
    if rows.ndim != 2 or not numpy.issubdtype(rows.dtype, numpy.integer):
        raise ValueError(
            f"bootstrap has shape {rows.shape} and type {rows.dtype}; it must be integers of shape (replicates, rows)"
        )
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise ValueError(f"bootstrap names rows from {rows.min()} to {rows.max()}; there are rows 0 to {count - 1}")
    return len(rows)


def draw_rows(bootstrap: Any, count: int, seed: int, block: int | None = None) -> Iterator[numpy.ndarray]:
    """Yield the rows of the replicates in blocks of shape (up to ``block`` replicates, count).

    ``bootstrap``: how many replicates, or their rows of shape (replicates, count); ``count``: units to draw from, runs
    or clusters of runs. The stream of ``numpy.random.RandomState(seed)`` is frozen for good: replicate i is the i-th
    call of ``choice(count, count)``, whatever the number of replicates and the block.

    Examples
    --------
    >>> next(draw_rows(2, 4, 42))
    array([[2, 3, 0, 2],
           [2, 3, 0, 0]])
    """
    total = check_rows(bootstrap, count)
    given = None if numpy.ndim(bootstrap) == 0 else numpy.asarray(bootstrap)
    stream = numpy.random.RandomState(seed)
    step = block or max(total, 1)
    for first in range(0, total, step):
        size = min(step, total - first)
        yield stream.randint(0, count, size=(size, count)) if given is None else given[first : first + size]


def multiplicities(rows: numpy.ndarray, count: int) -> numpy.ndarray:
    """Return how often each replicate draws each unit, shape (replicates, count): a replicate is a weight vector."""
    offset = count * numpy.arange(len(rows))[:, None]
    return numpy.bincount((rows + offset).ravel(), minlength=count * len(rows)).reshape(len(rows), count).astype(float)


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

    def units(self, runs: int) -> int:
        """Return what draws are made from: whole groups, or runs."""
        return int(self.group.max()) + 1 if self.kind == "cluster" and self.group is not None else runs

    def problems(self, problem: Problem, theta: numpy.ndarray, block: int) -> Iterator[Problem]:
        """Yield the problem with a row of weights, or of losses about its fit ``theta``, a replicate of a block."""
        count = problem.weights.shape[1]
        if self.kind in ("model", "shared"):
            fitted = problem.log_loss[0] - problem.residuals(theta)
            noise = self.noise if self.kind == "shared" else replace(self.noise, shared=None)
            for errors in noise.draw(check_rows(self.bootstrap, count), self.seed, block):
                yield replace(problem, log_loss=fitted + errors)
            return
        units = self.units(count)
        for rows in draw_rows(self.bootstrap, units, self.seed, block):
            times = multiplicities(rows, units)
            yield replace(problem, weights=problem.weights * (times if self.kind == "case" else times[:, self.group]))


def fit_replicates(
    problem: Problem, point: numpy.ndarray, resampling: Resampling, random: int = 0, executor: Workers = None
) -> tuple[dict[str, numpy.ndarray], numpy.ndarray | None]:
    """Fit every replicate from ``point``, the optimum of all runs, and from ``random`` starts of its own.

    ``executor`` fits the blocks; see :func:`gigacluster.parallel.in_order`. Returned are arrays of shape (replicates,)
    by name: the symbols, ``objective``, ``gradient`` (over delta), ``iterations``, ``converged``, ``at_boundary``,
    ``not_identified`` (by the curvature at the optimum), ``several_minima``; and the share of the random starts of each
    replicate that reached its lowest objective, or None.
    """
    most = _BLOCK_GPU if problem.xp.__name__ == "cupy" else _BLOCK
    block = max(1, min(most // (1 + random), _BLOCK_ELEMENTS // problem.log_loss.shape[1]))
    tasks = (
        (drawn, point, random, resampling.seed + number * block)
        for number, drawn in enumerate(resampling.problems(problem, point, block))
    )
    parts = list(in_order(_fit_block, tasks, executor=executor, what="replicates"))
    columns = {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}
    hit_rates = columns.pop("hit_rate")
    return columns, hit_rates if random else None


def _fit_block(block: tuple[Problem, numpy.ndarray, int, int]) -> dict[str, numpy.ndarray]:
    """Fit the replicates of a block, those that fail once more from further starts."""
    problem, point, random, seed = block
    numbers = numpy.arange(max(len(problem.weights), len(problem.log_loss)))
    part = _fit_some(problem, numbers, point, random, seed)
    failed = numpy.flatnonzero(~part["converged"])
    if failed.size and random < _RESCUE:
        tries = _RESCUE if failed.size <= _FEW * len(numbers) else _RESCUE // 4
        again = _fit_some(problem, numbers[failed], point, tries, seed)
        for name, values in part.items():
            values[failed] = again[name]
    return part


def _fit_some(
    problem: Problem, numbers: numpy.ndarray, point: numpy.ndarray, random: int, seed: int
) -> dict[str, numpy.ndarray]:
    """Fit some replicates from the optimum of all runs and from random starts; return the lowest fit of each."""
    law, count, tries = problem.law, len(numbers), 1 + random
    theta = numpy.repeat(point[None, :], count * tries, axis=0).reshape(count, tries, -1)
    if random:
        theta[:, 1:, :] = random_starts(problem, count * random, seed).reshape(count, random, -1)
    fits = solve(problem, theta.reshape(count * tries, -1), numpy.repeat(numbers, tries))
    objective = numpy.where(fits.converged, fits.objective, numpy.inf).reshape(count, tries)
    chosen = numpy.argmin(objective, axis=1)
    lowest = objective[numpy.arange(count), chosen]
    reached = reaches(objective, lowest[:, None], problem.log_loss.shape[1])
    best = fits.rows(chosen + tries * numpy.arange(count))
    values = problem.symbols(best.theta)
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
        "hit_rate": reached[:, 1:].mean(axis=1) if random else numpy.ones(count),
    }
