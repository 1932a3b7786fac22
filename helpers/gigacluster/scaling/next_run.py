"""Which run next: the one that shrinks the interval of an answer most for its compute, before it is made.

By the information matrix of the fit: the errors of a law linearised at its optimum. A run whose log loss has the
derivatives j lowers the variance v = g' M^-1 g of a target with the derivatives g by (g' M^-1 j)^2 / (s^2 + j' M^-1 j),
where s^2 is the error of a run (Fedorov 1972). What it does not know is whether the law holds where the run would lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy
from scipy import special

from gigacluster.limits import POSITIVE, within
from gigacluster.scaling.estimate import Flag, with_flags
from gigacluster.scaling.fitted import Fit, as_fit
from gigacluster.scaling.law import Law
from gigacluster.scaling.optimum import law_optimum
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN, check_columns, read_columns
from gigacluster.scaling.search import Solved

TARGETS = ("loss", "optimum")
#: Sizes and budgets of the grid of candidates, and the tokens a parameter that they may have.
_GRID = (60, 16)
_TOKENS_PER_PARAM = (1.0, 2000.0)
_STEP = 1e-5


@dataclass(frozen=True, kw_only=True)
class NextRun:
    """The run to make. ``width_now`` and ``width_then``: the interval of the target, high over low.

    ``candidates``: all of them, best first: ``row`` (in the table given), ``params``, ``tokens``, ``flop``,
    ``width_then``, ``gain_per_flop`` (fall of the logarithm of the interval's width, over the run's FLOP).
    """

    params: float
    tokens: float
    flop: float
    row: int
    target: str
    at_flop: float
    width_now: float
    width_then: float
    coverage: float
    flags: tuple[Flag, ...]
    candidates: dict[str, numpy.ndarray] = field(repr=False)

    def __str__(self) -> str:
        what = "loss of the best model" if self.target == "loss" else "best size"
        lines = [
            f"train {self.params:.3g} params on {self.tokens:.3g} tokens ({self.flop:.3g} FLOP)",
            f"  {what} at {self.at_flop:.3g} FLOP: {self.coverage:.0%} interval, high over low, from "
            f"{self.width_now:.4g} to {self.width_then:.4g}",
        ]
        return with_flags(self.flags, *lines)


def next_run(
    fitted: Fit,
    *,
    at_flop: float,
    budget_flop: float | None = None,
    target: str = "loss",
    candidates: Any = None,
) -> NextRun:
    """Return the run that shrinks the interval of a target most per FLOP.

    Parameters
    ----------
    fitted
        A fit of a law of params and tokens to runs; no replicates are needed.
    at_flop
        Compute at which the target is wanted. [FLOP]
    budget_flop
        Most that the run may cost; all candidates by default, or the largest run made where there are none.
    target
        ``loss`` of the compute-optimal model, or its size (``optimum``).
    candidates
        Table of runs that could be made, with two of ``params``, ``tokens``, ``budget_flop``; by default a grid of
        sizes and budgets up to ``budget_flop`` at 1 to 2,000 tokens a parameter.

    Raises
    ------
    ValueError
        If the law has no optimum, the target is unknown, or no candidate fits the budget.

    Examples
    --------
    >>> from gigacluster import scaling
    >>> N, D = (axis.ravel() for axis in numpy.meshgrid([1e8, 3e8, 1e9], [2e9, 8e9, 3e10]))
    >>> noise = numpy.exp(0.01 * numpy.random.default_rng(0).standard_normal(9))
    >>> runs = {"params": N, "tokens": D, "loss": (1.7 + 400 / N**0.34 + 410 / D**0.28) * noise}
    >>> found = scaling.next_run(scaling.fit(runs, device="cpu"), at_flop=1e23, budget_flop=1e21)
    >>> found.width_then < found.width_now
    True
    """
    if not isinstance(target, str) or target not in TARGETS:
        raise ValueError(f"target is {target!r}; it can be {', '.join(map(repr, TARGETS))}")
    fitted = as_fit(fitted)
    within(at_flop=(at_flop, POSITIVE), budget_flop=(1.0 if budget_flop is None else budget_flop, POSITIVE))
    solved, law = fitted.solved_or_raise("errors"), fitted.law
    made = solved.runs.flop
    most = budget_flop if budget_flop is not None else float(made.max()) if made is not None else numpy.inf
    columns = _candidates(solved, candidates, most)
    flop = columns.get("budget_flop", FLOP_PER_PARAM_TOKEN * columns["params"] * columns["tokens"])
    allowed = numpy.flatnonzero(flop <= most * (1 + 1e-9))
    if not len(allowed):
        raise ValueError(f"no candidate costs {most:.3g} FLOP or less; the cheapest costs {flop.min():.3g}")
    columns = {name: values[allowed] for name, values in columns.items()}
    variance = solved.noise.sigma**2
    between = variance * (solved.noise.shared.ratio if solved.noise.shared is not None else 0.0)
    inverse = numpy.linalg.pinv(_information(solved, solved.noise.shared, variance, between), hermitian=True)
    aim = _aim(law, solved, at_flop, target)
    raw = law.log_columns({name: columns[name] for name in law.columns}, numpy.log)
    slopes = solved.problem.jacobian(solved.theta, {name: raw[name] - solved.problem.units[name] for name in raw})
    now = float(aim @ inverse @ aim)
    toward, own = slopes @ inverse @ aim, (slopes @ inverse * slopes).sum(axis=1)
    then = numpy.maximum(now - toward**2 / (variance + between + own), 0.0)
    gain = 0.5 * numpy.log(now / numpy.maximum(then, 1e-30)) / flop[allowed]
    order = numpy.argsort(-gain, kind="stable")
    reach = special.ndtri(0.5 + fitted.coverage / 2)
    found = {
        "row": allowed,
        **{name: columns[name] for name in ("params", "tokens")},
        "flop": flop[allowed],
        "width_then": numpy.exp(2 * reach * numpy.sqrt(then)),
        "gain_per_flop": gain,
    }
    table = {name: values[order] for name, values in found.items()}
    return NextRun(
        **{name: float(table[name][0]) for name in ("params", "tokens", "flop", "width_then")},
        row=int(table["row"][0]),
        target=target,
        at_flop=float(at_flop),
        width_now=float(numpy.exp(2 * reach * numpy.sqrt(now))),
        coverage=fitted.coverage,
        flags=tuple(flag for flag in fitted.flags if flag.kind in ("lack of fit", "not identified", "at boundary")),
        candidates=table,
    )


def _candidates(solved: Solved, given: Any, most: float) -> dict[str, numpy.ndarray]:
    if given is not None:
        columns = read_columns(given, ("params", "tokens", "budget_flop"))
        check_columns(columns)
        return columns
    if not numpy.isfinite(most):
        raise ValueError("budget_flop is needed: the most that the run may cost")
    least = min(float(solved.runs.flop.min()) if solved.runs.flop is not None else most, most)
    sizes = solved.runs.columns["params"]
    params, budget = (
        axis.ravel()
        for axis in numpy.meshgrid(
            numpy.geomspace(sizes.min() / 2, max(2 * sizes.max(), numpy.sqrt(most / FLOP_PER_PARAM_TOKEN)), _GRID[0]),
            numpy.geomspace(least, most, _GRID[1]),
        )
    )
    tokens = budget / (FLOP_PER_PARAM_TOKEN * params)
    usual = (tokens >= _TOKENS_PER_PARAM[0] * params) & (tokens <= _TOKENS_PER_PARAM[1] * params)
    return {"params": params[usual], "tokens": tokens[usual], "budget_flop": budget[usual]}


def _information(solved: Solved, shared: Any, variance: float, between: float) -> numpy.ndarray:
    """Return the information of the runs made: J' V^-1 J, V with the error that groups share."""
    root = numpy.sqrt(solved.problem.weights[0])
    slopes = solved.problem.jacobian(solved.theta) * root[:, None]
    total = slopes.T @ slopes
    if shared is not None:
        number = numpy.bincount(shared.group)
        sums = numpy.stack([numpy.bincount(shared.group, column) for column in slopes.T], axis=1)
        total = total - (sums * (between / (variance + between * number))[:, None]).T @ sums
    return numpy.asarray(total / variance)


def _aim(law: Law, solved: Solved, at_flop: float, target: str) -> numpy.ndarray:
    """Return the derivatives of the optimum's log loss, or log size, by the free coordinates (central differences)."""
    theta = solved.theta
    moving = [i for i in solved.problem.free if theta[i] > law.lower[i]]
    points = numpy.repeat(theta[None, :], 2 * len(moving), axis=0)
    steps = numpy.asarray([_STEP * max(abs(theta[i]), 1e-2) for i in moving])
    for k, i in enumerate(moving):
        points[2 * k, i] += steps[k]
        points[2 * k + 1, i] -= steps[k]
    values = solved.problem.symbols(points)
    best = law_optimum(law, dict(zip(law.names, values.T, strict=True)), at_flop)
    found = numpy.log(best.loss if target == "loss" else best.params)
    return numpy.asarray((found[::2] - found[1::2]) / (2 * steps))
