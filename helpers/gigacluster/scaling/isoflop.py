"""Approaches 1 and 2 of Hoffmann et al. (2022): optima read from runs at equal compute.

Approach 2 fits a parabola of loss in log parameters (and one in log tokens) to the runs of each budget that lie near
its lowest, and a power law of compute through the lowest points. Approach 1 takes the best run of each budget
instead. A budget counts only if its minimum lies inside the sizes that were run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy

from gigacluster.arrays import Samples
from gigacluster.limits import SHARE_WITHIN, Limit, whole, within
from gigacluster.scaling.estimate import Estimate, Flag, spread, with_flags
from gigacluster.scaling.parabola import LEAST_BUDGETS, LEAST_RUNS, Curve, bend, budget_groups, line_through
from gigacluster.scaling.replicates import check_rows, draw_rows
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN, check_columns, positive, read_columns

#: Windows that are tried, and the replicates that tell their noise.
_WINDOWS = (2.0, 3.0, 5.0, 10.0, numpy.inf)
_TRIALS = 100
_FACTOR = Limit(1.0, numpy.inf, "a factor above 1, or infinite", low_included=False)
#: Share of replicates without an answer that is worth a flag.
_LOST_SHARE = 0.02
#: Optima bend if a straight line would look so bent less often than this.
_CHANCE = 0.01
#: Budgets with too few runs that a refusal names.
_MOST_TOLD = 8


@dataclass(frozen=True, kw_only=True)
class IsoFlop:
    """Power laws of the optima: N = ``params_factor`` C^``params_exponent``, and so for D.

    ``budgets_flop``, ``best_params`` and ``best_tokens`` are the points they go through, ``nan`` where a budget has no
    minimum inside its sizes. ``flop_ratio``: median of budget / (6 N D), which says the compute convention that the
    budgets follow. ``flags``: what a reader must know.
    """

    approach: int
    params_exponent: Estimate
    tokens_exponent: Estimate
    params_factor: float
    tokens_factor: float
    budgets_flop: numpy.ndarray
    best_params: numpy.ndarray
    best_tokens: numpy.ndarray
    window: float  # factor of size around the lowest run that parabolas were fitted in
    flop_ratio: float
    coverage: float
    flags: tuple[Flag, ...]
    lines: dict[str, numpy.ndarray] = field(repr=False)  # by column: slope and level of log optimum, a row a replicate

    @property
    def replicates(self) -> numpy.ndarray:
        """Exponents of the replicates, shape (replicates, 2); ``nan`` where one has too few minima."""
        return numpy.stack([self.lines[name][1:, 0] for name in ("params", "tokens")], axis=1)

    def predict(self, budget_flop: Samples) -> dict[str, Estimate]:
        """Return the best ``params`` and ``tokens`` at any budget, with intervals and a flag beyond the budgets run."""
        log_flop = numpy.log(positive("budget_flop", budget_flop))
        reach = float(numpy.exp(log_flop.max())) / float(self.budgets_flop.max())
        flags = self.flags
        if reach > 1.5:
            message = f"{reach:,.3g} times the largest budget that was run: the power law is carried on, not tested"
            flags = (*flags, Flag("reach", "", message))
        found = {}
        for name, lines in self.lines.items():
            slope, level = (lines[:, k].reshape((-1,) + (1,) * log_flop.ndim) for k in (0, 1))
            best = numpy.exp(level + slope * log_flop)
            found[name] = spread(best[0], best[1:], self.coverage, flags)
        return found

    def __str__(self) -> str:
        known = numpy.isfinite(self.best_params).sum()
        lines = [
            f"approach {self.approach}: {known} of {len(self.budgets_flop)} budgets have a minimum; "
            f"budget / (6 N D) is {self.flop_ratio:.3f}",
            f"  N grows as C^{self.params_exponent:.3f}, D as C^{self.tokens_exponent:.3f}",
        ]
        return with_flags(self.flags, *lines)


def isoflop(
    runs: Any,
    *,
    approach: int = 2,
    bootstrap: Any = 1000,
    seed: int = 42,
    coverage: float = 0.95,
    window: float | None = None,
) -> IsoFlop:
    """Fit approach 1 or 2.

    Parameters
    ----------
    runs
        Table or mapping with ``loss`` and two of ``params``, ``tokens``, ``budget_flop``, a row a run; usual other
        names do.
    approach
        1 (best runs) or 2 (parabolas).
    bootstrap
        Replicates, or the rows that each draws, shape (replicates, runs). Every budget keeps its runs and gets new
        errors, drawn from what the parabolas leave; optima that scatter more about their line than that explains get
        the rest as an error of their own.
    seed, coverage
        Of the draws, and of intervals.
    window
        Runs within this factor of the size of the lowest one make its parabola, and at least three: far runs steady the
        minimum and bend it, since the curve is no parabola. ``inf`` takes all runs; None the widest window whose
        exponents differ from those of every narrower one by no more than noise.

    Raises
    ------
    ValueError
        If fewer than three budgets have three sizes (one, for approach 1), or a minimum inside them; or a cell is bad.

    Examples
    --------
    >>> C = numpy.repeat([1e18, 1e19, 1e20], 5)
    >>> N = numpy.sqrt(C / 120) * numpy.tile([0.4, 0.7, 1.0, 1.5, 2.5], 3)
    >>> found = isoflop({"N": N, "C": C, "loss": 2 + numpy.log(N / numpy.sqrt(C / 120)) ** 2 / 10}, bootstrap=0)
    >>> round(float(found.params_exponent.value), 6)
    0.5
    """
    if not (numpy.isscalar(approach) and approach in (1, 2)):
        raise ValueError(f"approach is {approach!r}; it can be 1 or 2 (approach 3 is scaling.fit)")
    within(coverage=(coverage, SHARE_WITHIN), window=(numpy.inf if window is None else window, _FACTOR))
    seed = whole("seed", seed)
    columns = read_columns(runs, ("params", "tokens", "budget_flop", "loss"))
    check_columns(columns)
    budget, loss = columns["budget_flop"], columns["loss"]
    check_rows(bootstrap, len(loss))
    least = 1 if approach == 1 else LEAST_RUNS
    groups = budget_groups(budget, least)
    if len(groups) < LEAST_BUDGETS:
        raise ValueError(_too_few(budget, len(groups), least))
    log_budget = numpy.asarray([numpy.log(budget[rows]).mean() for rows in groups])
    if window is None:
        window = choose_window(columns, groups, seed) if approach == 2 else numpy.inf
    found = {
        name: _minima(columns[name], loss, groups, window, bootstrap, seed, approach) for name in ("params", "tokens")
    }
    best = {name: points for name, (_, points) in found.items()}
    told = _told(budget, groups, best["params"][0] + best["tokens"][0], found["params"][0])
    for name, points in best.items():
        known = int(numpy.isfinite(points[0]).sum())
        if known < LEAST_BUDGETS:
            raise ValueError(
                f"{known} of {len(groups)} budgets have a lowest point in {name} inside their sizes; "
                f"{LEAST_BUDGETS} are needed. {told}; add runs beyond the sizes at these budgets"
            )
    lines = {name: _lines(log_budget, points, seed) for name, points in best.items()}
    slopes = {name: spread(values[0, 0], values[1:, 0], coverage) for name, values in lines.items()}
    return IsoFlop(
        approach=approach,
        params_exponent=slopes["params"],
        tokens_exponent=slopes["tokens"],
        params_factor=float(numpy.exp(lines["params"][0, 1])),
        tokens_factor=float(numpy.exp(lines["tokens"][0, 1])),
        budgets_flop=numpy.exp(log_budget),
        best_params=numpy.exp(best["params"][0]),
        best_tokens=numpy.exp(best["tokens"][0]),
        window=float(window),
        flop_ratio=float(numpy.median(budget / (FLOP_PER_PARAM_TOKEN * columns["params"] * columns["tokens"]))),
        coverage=coverage,
        flags=tuple(_flags(told, log_budget, best["params"], lines)),
        lines=lines,
    )


def _too_few(budget: numpy.ndarray, known: int, least: int) -> str:
    """Say how many budgets can be used, and which have too few runs."""
    groups = budget_groups(budget, 1)
    short = [f"{budget[rows].mean():.3g} FLOP ({len(rows)})" for rows in groups if len(rows) < least]
    more = f" and {len(short) - _MOST_TOLD} more" if len(short) > _MOST_TOLD else ""
    which = f"; fewer at {', '.join(short[:_MOST_TOLD])}{more}" if short else ""
    enough = "1 run" if least == 1 else f"{least} runs"
    return (
        f"{known} of {len(groups)} budgets have {enough} or more{which}. {LEAST_BUDGETS} such budgets are needed: add "
        "runs, or round budget_flop to its nominal values"
    )


def _flags(
    told: str, log_budget: numpy.ndarray, points: numpy.ndarray, lines: dict[str, numpy.ndarray]
) -> Iterator[Flag]:
    if told:
        yield Flag("budgets left out", "", told)
    chance, lower, upper = bend(log_budget, points[0])
    if chance < _CHANCE:
        message = (
            f"the optima bend: params grow as C^{lower:.2f} over the lower budgets and as C^{upper:.2f} over the upper "
            f"ones (a straight line looks so bent in {chance:.1%} of cases); one exponent describes neither"
        )
        yield Flag("bend", "params", message)
    if len(points) > 1:
        lost = float(numpy.isnan(lines["params"][1:, 0]).mean())
        missing = float(numpy.isnan(points[1:][:, numpy.isfinite(points[0])]).mean())
        if max(lost, missing) > _LOST_SHARE:
            message = (
                f"{missing:.1%} of the minima of the replicates lie outside the sizes run and are left out; {lost:.1%} "
                f"of the replicates have fewer than {LEAST_BUDGETS} left and none"
            )
            yield Flag("minima lost", "", message)
    for name, (slope, _) in ((name, values[0]) for name, values in lines.items()):
        if not 0.0 <= slope <= 1.0:
            message = f"{name} go as C^{slope:.2f}, so that params or tokens would shrink with compute"
            yield Flag("impossible exponent", name, message)


def choose_window(columns: dict[str, numpy.ndarray], groups: list[numpy.ndarray], seed: int = 42) -> float:
    """Return the widest window whose exponent of params lies within one standard error of every narrower one.

    A narrow window is nearly without bias and noisy, a wide one the other way round (Lepski's rule).
    """
    log_budget = numpy.asarray([numpy.log(columns["budget_flop"][rows]).mean() for rows in groups])
    chosen, seen = _WINDOWS[0], list[tuple[float, float]]()
    for window in _WINDOWS:
        _, minima = _minima(columns["params"], columns["loss"], groups, window, _TRIALS, seed)
        slopes = _lines(log_budget, minima, seed)[:, 0]
        if numpy.isnan(slopes[0]):
            continue
        if any(abs(slopes[0] - slope) > error for slope, error in seen):
            break
        chosen = window
        known = slopes[1:][numpy.isfinite(slopes[1:])]
        if len(known) > _TRIALS // 2:
            middle = numpy.quantile(known, [0.16, 0.84])  # robust: some replicates have few minima left
            seen.append((float(slopes[0]), float(middle[1] - middle[0]) / 2))
    return float(chosen)


def _minima(
    size: numpy.ndarray,
    loss: numpy.ndarray,
    groups: list[numpy.ndarray],
    window: float,
    bootstrap: Any,
    seed: int,
    approach: int = 2,
) -> tuple[list[Curve], numpy.ndarray]:
    """Return the curve of each budget, and its lowest log size: observed, and a row a replicate.

    Replicates get errors of loss drawn from those of all budgets, of the same rows whatever is fitted, so that two fits
    can be compared pair by pair. For approach 1 there is no curve to leave residuals: they draw the runs of a budget
    anew.
    """
    curves = [Curve.at(numpy.log(size[rows]), loss[rows], window, approach) for rows in groups]
    rows = numpy.concatenate([numpy.zeros((0, len(loss)), dtype=int), *draw_rows(bootstrap, len(loss), seed)])
    pooled = numpy.concatenate([curve.residuals for curve in curves])
    pooled = pooled if len(pooled) else numpy.zeros(1)
    minima = []
    for curve, group in zip(curves, groups, strict=True):
        if approach == 1:
            chosen = numpy.zeros((len(rows), len(group)), dtype=bool)
            numpy.put_along_axis(chosen, rows[:, group] % len(group), True, axis=1)
            errors = numpy.where(chosen, 0.0, numpy.inf)[:, curve.near]
        else:
            errors = pooled[rows[:, group[: len(curve.near)]] % len(pooled)]
        minima.append(curve.minima(numpy.concatenate([curve.fitted[None, :], curve.fitted + errors])))
    return curves, numpy.stack(minima, axis=1)


def _lines(x: numpy.ndarray, y: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Return slope and level of least squares through each row of ``y``, leaving out ``nan``; the first is observed.

    Where the observed optima scatter more about their line than the replicates' do about theirs, every optimum of a
    replicate gets the rest as an error of its own, of a size drawn too (Student's t).
    """
    observed = line_through(x, y[:1])
    if len(y) == 1 or numpy.isnan(observed[0, 0]):
        return line_through(x, y)
    left = numpy.isfinite(y[0]).sum() - 2
    about = y[0] - observed[0, 1] - observed[0, 0] * x
    scatter = float(numpy.nansum(about**2)) / left
    drawn = numpy.ma.masked_invalid(y[1:, numpy.isfinite(y[0])])
    rest = max(scatter - float(drawn.var(axis=0).filled(0.0).mean()), 0.0)
    stream = numpy.random.default_rng([seed, 2])
    size = numpy.sqrt(rest * left / stream.chisquare(left, len(y) - 1))[:, None]
    return numpy.concatenate([observed, line_through(x, y[1:] + size * stream.standard_normal((len(y) - 1, len(x))))])


def _told(budget: numpy.ndarray, groups: list[numpy.ndarray], points: numpy.ndarray, curves: list[Curve]) -> str:
    """Say which budgets have no minimum, and why."""
    left_out = [
        f"{budget[rows].mean():.3g} FLOP ({curve.reason or 'no minimum inside its tokens'})"
        for rows, curve, point in zip(groups, curves, points, strict=True)
        if numpy.isnan(point)
    ]
    return f"without a minimum: {', '.join(left_out)}" if left_out else ""
