"""Damped Newton on many small problems at once, with the proof of convergence kept for each.

A problem is a vector of parameters; all problems share one function. The function is only piecewise twice
differentiable (Huber), so its Hessian is a generalised one and the method a semismooth Newton method: the last
steps, once the set of points within delta stays the same, converge quadratically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any, cast

from gigacluster.arrays import Array, Mask, Namespace, release
from gigacluster.parallel import halving

#: Least pivot of the Hessian, relative to the scale: a smaller one counts as this.
_LEAST_PIVOT = 1e-12
_LARGEST_DAMPING = 1e14


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the problems stand; arrays with a row a problem."""

    problem: Any  # number of the problem
    theta: Any  # (problems, parameters)
    model: Any  # value, gradient, packed lower triangle of the Hessian
    damping: Any
    gradient: Any  # largest component of the gradient that no bound holds
    iterations: Any

    def part(self, rows: Any) -> Solution:
        """Return some of the problems, by a mask or ``(slice, ...)``."""
        return Solution(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def objective(self) -> Any:
        """Value at the solution, shape (problems,)."""
        return self.model[:, 0]


def minimise(
    xp: ModuleType,
    function: Callable[[Any, Any], Any],
    theta: Array,
    lower: Array,
    *,
    move: Callable[[Any, Any], Any],
    fixed: Any | None = None,
    scale: float,
    tolerance: float,
    max_iterations: int = 200,
    chunk: int,
    finish: Callable[[Solution, Any], Solution] | None = None,
) -> Solution:
    """Minimise one function from many starts ``theta``, shape (problems, p), with lower bounds of shape (p,).

    ``function(theta, problem)`` takes parameters (m, p) and the numbers of their problems (m,), and returns value,
    gradient and packed lower triangle of the Hessian as an array (m, 1 + p + p (p + 1) / 2). ``move(theta, step)``
    says where a step leads: to first order their sum; a curve that follows a curved valley takes fewer steps. ``fixed``
    marks parameters held at their start. ``scale``: size of a Hessian entry where the function is well curved, in which
    damping is counted. A problem is done when no component of its gradient that could still lower the value exceeds
    ``tolerance``, and given up after ``max_iterations``; whether it converged is for the reader of ``gradient`` to say.
    ``chunk`` problems are evaluated at once, which bounds the memory and keeps the work in cache. ``finish(solution,
    held)`` does all iterations of some problems otherwise, such as by a kernel.
    """
    count, size = theta.shape
    problem = xp.cumulative_sum(xp.ones_like(theta[:, 0])) - 1.0
    problem = xp.astype(problem, xp.int64)
    held = xp.zeros_like(theta) if fixed is None else xp.astype(fixed, theta.dtype)
    theta = xp.where((theta < lower) & (held == 0), lower, theta)

    in_pieces = _Pieces(xp, chunk)

    def evaluate(rows: slice) -> Solution:
        at, number = theta[rows, ...], problem[rows]
        model = function(at, number)
        free = _free(xp, at, model, lower, held[rows, ...])
        zero = xp.zeros_like(at[:, 0])
        return Solution(number, at, model, zero, _gradient(xp, model, free), zero)

    def held_of(part: Solution) -> Any:
        rows = held if fixed is None else xp.take(held, part.problem, axis=0)
        return rows[: part.problem.shape[0], ...]

    def advance(rows: slice) -> Solution:
        part = working.part((rows, ...))
        if finish is not None:
            return finish(part, held_of(part))
        return _advance(xp, function, move, part, lower, held_of(part), scale)

    working = in_pieces(evaluate, count)
    finished: list[Solution] = []
    for _ in range(max_iterations if finish is None else 1):
        done = is_done(working, tolerance)
        if bool(xp.any(done)):
            finished.append(working.part(done))
            working = working.part(~done)
        if working.problem.shape[0] == 0:
            break
        working = in_pieces(advance, working.problem.shape[0])
    if working.problem.shape[0]:
        finished.append(working)
    joined = _join(xp, finished)
    order = xp.argsort(joined.problem)
    return Solution(*(xp.take(getattr(joined, field.name), order, axis=0) for field in fields(joined)))


class _Pieces:
    """Joins what is computed of some problems at a time: at first ``chunk``, fewer once memory ran out."""

    def __init__(self, xp: ModuleType, chunk: int) -> None:
        self.xp, self.chunk = xp, chunk

    def __call__(self, work: Callable[[slice], Solution], total: int) -> Solution:
        parts = []
        for piece, part in halving(work, total, self.chunk, release=lambda: release(cast(Namespace, self.xp))):
            parts.append(part)
            if piece.stop < total:
                self.chunk = piece.stop - piece.start
        return _join(self.xp, parts)


def is_done(now: Solution, tolerance: float) -> Any:
    """Mark the problems whose gradient proves a minimum, and those that no step leads down from."""
    return (now.gradient <= tolerance) | (now.damping > _LARGEST_DAMPING)


def _join(xp: ModuleType, parts: list[Solution]) -> Solution:
    if len(parts) == 1:
        return parts[0]
    return Solution(*(xp.concat([getattr(part, field.name) for part in parts], axis=0) for field in fields(Solution)))


def _free(xp: ModuleType, theta: Array, model: Any, lower: Array, held: Mask) -> Any:
    """Mark the parameters that may move: not held, and not pressed against a bound."""
    slopes = model[:, 1 : 1 + theta.shape[1]]
    pressed = (theta <= lower) & (slopes > 0)
    return xp.where(pressed, xp.zeros_like(theta), 1.0 - held)


def _gradient(xp: ModuleType, model: Any, free: Mask) -> Any:
    size = free.shape[1]
    largest = xp.max(xp.abs(model[:, 1 : 1 + size] * free), axis=1)
    return xp.where(xp.isfinite(model[:, 0]) & xp.isfinite(largest), largest, xp.inf)


def _advance(
    xp: ModuleType,
    function: Callable[[Any, Any], Any],
    move: Callable[[Any, Any], Any],
    now: Solution,
    lower: Array,
    held: Mask,
    scale: float,
) -> Solution:
    """Try one step of each problem; keep it where the value falls as the model says, else raise the damping."""
    free = _free(xp, now.theta, now.model, lower, held)
    step, promised, softest = _step(xp, now.model, free, now.damping, scale)
    trial = move(now.theta, step)
    trial = xp.where((trial < lower) & (held == 0), lower, trial)
    trial = xp.where(free == 0, now.theta, trial)
    model = function(trial, now.problem)
    gradient = _gradient(xp, model, _free(xp, trial, model, lower, held))
    value = now.model[:, 0]
    fall = value - model[:, 0]
    # Within rounding of the value the gradient decides: it is what convergence is judged by.
    level = xp.abs(fall) <= 1e-13 * xp.abs(value)
    kept = xp.isfinite(gradient) & ((fall > 1e-4 * promised) & ~level | level & (gradient < now.gradient))
    eased = xp.where(now.damping < 0.2 * softest, xp.zeros_like(value), 0.2 * now.damping)
    eased = xp.where(fall > 0.5 * promised, eased, now.damping)
    raised = xp.maximum(softest, 6.0 * now.damping)
    return Solution(
        now.problem,
        xp.where(kept[:, None], trial, now.theta),
        xp.where(kept[:, None], model, now.model),
        xp.where(kept, xp.where(level, now.damping, eased), raised),
        xp.where(kept, gradient, now.gradient),
        now.iterations + 1.0,
    )


def _step(xp: ModuleType, model: Any, free: Mask, damping: Array, scale: float) -> tuple[Any, Any, Any]:
    """Solve (H + damping D) step = -g by a Cholesky factor whose bad pivots are replaced.

    Where a pivot is negative the quadratic model has no minimum in that direction; its size takes its place, which
    keeps the step downhill. With the step come the fall it promises and its softest pivot over the scale: the damping
    that would begin to shorten it.
    """
    size = free.shape[1]
    place = [[1 + size + i * (i + 1) // 2 + j for j in range(i + 1)] for i in range(size)]
    factor: list[list[Any]] = [[] for _ in range(size)]
    softest = xp.ones_like(damping)
    pivots: list[Any] = []
    solved: list[Any] = []
    for i in range(size):
        own = free[:, i]
        for j in range(i):
            entry = model[:, place[i][j]] * own * free[:, j]
            for k in range(j):
                entry = entry - factor[i][k] * factor[j][k] * pivots[k]
            factor[i].append(entry / pivots[j])
        pivot = model[:, place[i][i]] + damping * scale
        for k in range(i):
            pivot = pivot - factor[i][k] * factor[i][k] * pivots[k]
        pivot = xp.maximum(xp.abs(pivot), _LEAST_PIVOT * scale)
        softest = xp.minimum(softest, xp.where(own > 0, pivot / scale, softest))
        pivots.append(xp.where(own > 0, pivot, xp.ones_like(pivot)))
        right = -model[:, 1 + i] * own
        for k in range(i):
            right = right - factor[i][k] * solved[k]
        solved.append(right)
    promised = 0.5 * sum(solved[i] * solved[i] / pivots[i] for i in range(size))
    step: list[Any] = [None] * size
    for i in reversed(range(size)):
        step[i] = solved[i] / pivots[i]
        for k in range(i + 1, size):
            step[i] = step[i] - factor[k][i] * step[k]
    return xp.stack(step, axis=1), promised, softest
