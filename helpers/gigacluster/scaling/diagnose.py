"""What a fit says about itself, unasked: boundaries, weak parameters, several minima, shared errors, lack of fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy
from scipy import special

from gigacluster.scaling.estimate import Flag
from gigacluster.scaling.noise import SIGNIFICANT, curvature_test, spread_test
from gigacluster.scaling.problem import Fits, Problem
from gigacluster.scaling.runs import numbers
from gigacluster.scaling.search import Solved, random_starts

#: A parameter is identified when a term ten times larger or smaller, and an exponent a fifth or thrice its size, are
#: ruled out by the runs.
_TERM_FACTOR = 10.0
_EXPONENT_FACTORS = (0.2, 3.0)
#: Shares of replicates, or of starts, that are worth a flag.
_BOUNDARY_SHARE = 0.05
_LEAST_HIT_RATE = 0.1
#: Logarithm of an amplitude, in units of the runs, beyond which it only stands for infinity or 0.
_RUNAWAY = 20.0
#: As near to a bound as makes no difference.
_AT_BOUND = 1e-9
#: Steps in which a held parameter moves from the optimum to its value, each refit starting from the last.
_STEPS = 4
#: Gradient over delta that a held fit is taken to: its objective is then known to better than a millionth.
_TOLERANCE = 1e-3
#: Residuals this small are rounding, not misfit.
_ROUNDING = 1e-9
#: Random starts of each held fit.
_RANDOM = 8
#: Runs that profiles are judged on where there are more: what a sample rules out, all runs do.
_JUDGED_RUNS = 4_000
#: Standard deviation of log tokens about a line in log params below which the two cannot be told apart.
_COLLINEAR = 0.02
#: Explained share of the residual variance below which curved residuals are too small to matter.
_LEAST_EXPLAINED = 0.1
#: Factor by which the size of residuals changes over a decade of compute that is worth telling.
_SPREAD_FACTOR = 1.3
#: A parameter, where it is held in fitted coordinates, and what that is in words.
_Trial: TypeAlias = tuple[int, float, str]


def likelihood_scale(solved: Solved) -> float:
    """Return the fall of log likelihood for a rise of the objective by 1, whatever the errors are distributed like.

    Twice that fall is chi-squared where c = mean slope' / mean slope^2 of the objective over the runs: 1 / variance for
    squared loss, twice the density of residuals at 0 over delta for a robust one, which is estimated by a window (a fit
    goes exactly through about as many runs as it has parameters, which are left out). Errors shared by m runs with
    correlation rho count m / (1 + (m - 1) rho) times.
    """
    objective, weights = solved.problem.objective, solved.problem.weights[0]
    free = len(solved.problem.free)
    order = numpy.argsort(numpy.abs(solved.residuals))
    kept = order[free:] if objective.loss != "squared" and len(order) > 3 * free else order
    r, w = solved.residuals[kept], weights[kept]
    r = numpy.where(numpy.abs(r) < _ROUNDING, _ROUNDING, r)
    window = max(1.4826 * float(numpy.median(numpy.abs(r))) * len(r) ** -0.2, 1e-3 * objective.delta)
    limit = numpy.inf if objective.loss == "squared" else 1.0 if objective.loss == "absolute" else objective.delta
    if objective.loss == "absolute":
        slope, rise = numpy.sign(r), (numpy.abs(r) < window) / window
    else:
        slope = numpy.clip(r, -limit, limit)
        rise = (numpy.clip(r + window, -limit, limit) - numpy.clip(r - window, -limit, limit)) / (2 * window)
    left = max(len(solved.residuals) - free, 1) / len(solved.residuals)
    scale = left * float((w * rise).sum() / (w * w * slope**2).sum())
    return scale if solved.noise.shared is None else scale / solved.noise.shared.inflation


def ruled_out(solved: Solved) -> float:
    """Return the fall of log likelihood that rules a value out at 95 %: half a squared quantile of Student's t."""
    left = max(len(solved.residuals) - len(solved.problem.free), 1)
    return 0.5 * float(special.stdtrit(left, 0.975)) ** 2


def profile(solved: Solved, symbol: str, values: Sequence[float]) -> dict[str, numpy.ndarray]:
    """Refit with one symbol held at each of some values; see :func:`gigacluster.scaling.profile`."""
    law = solved.problem.law
    if not isinstance(symbol, str) or symbol not in law.names:
        raise ValueError(f"symbol is {symbol!r}; {law.name!r} has {', '.join(law.names)}")
    targets = numpy.atleast_1d(numbers(symbol, values)).ravel()
    index, problem = law.names.index(symbol), solved.problem
    for target in targets:
        law.values_of({symbol: target}, "profile")
    # An amplitude is held in SI units where its columns are in them too.
    columns = {column for column, other, _ in law.symbols[index].shifts if isinstance(other, str)}
    units = {name: 0.0 if name in columns else unit for name, unit in problem.units.items()}
    log_columns = {name: column + problem.units[name] - units[name] for name, column in problem.log_columns.items()}
    held = replace(problem, log_columns=log_columns, units=units)
    goal = numpy.repeat(problem.symbols(solved.theta[None, :]), 1 + len(targets), axis=0)
    goal[1:, index] = targets
    goal = law.to_coordinates(goal, units)
    fits = held_fits(held, goal[0], numpy.full(len(targets), index), goal[1:, index])
    fall = likelihood_scale(solved) * (fits.objective - solved.objective)
    return {"value": targets, "objective": fits.objective, "evidence": fall, "ruled_out": fall > ruled_out(solved)}


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


def diagnose(solved: Solved, replicates: Mapping[str, numpy.ndarray]) -> tuple[Flag, ...]:
    """Return the flags of a fit; an empty tuple is a clean bill."""
    flags = [Flag("data", "", note) for note in solved.runs.notes]
    if not solved.converged:
        message = f"gradient / delta is {float(solved.point.gradient[0]):.1e}; the parameters are nan"
        return (*flags, Flag("not converged", "", message), *_split(solved))
    for judge in (_few_runs, _boundaries, _weak_parameters, _split, _minima, _residuals):
        flags += judge(solved)
    return (*flags, *(_replicates(solved, replicates) if replicates else ()))


def split_is_open(solved: Solved) -> bool:
    """Tell whether params and tokens rise together in all runs, so that nothing shows what each does alone."""
    columns = solved.problem.log_columns
    if not {"params", "tokens"} <= set(columns) or not {"params", "tokens"} <= set(solved.problem.law.columns):
        return False
    x, y = (columns[name] - columns[name].mean() for name in ("params", "tokens"))
    slope = float(x @ y / max(float(x @ x), 1e-300))
    return float(numpy.std(y - slope * x)) < _COLLINEAR


def uneven_spread(solved: Solved) -> float | None:
    """Return the factor by which the size of residuals changes over a decade of compute, if that is clear."""
    problem, flop = solved.problem, solved.runs.flop
    compute = numpy.log(flop) if flop is not None else sum(problem.log_columns.values())
    order = numpy.argsort(numpy.abs(solved.residuals))[len(problem.free) :]  # those that a robust fit goes through
    residuals = solved.residuals * numpy.sqrt(problem.weights[0])
    chance, factor = spread_test(residuals[order], numpy.asarray(compute)[order])
    return factor if chance < SIGNIFICANT and max(factor, 1 / factor) > _SPREAD_FACTOR else None


def _few_runs(solved: Solved) -> Iterator[Flag]:
    runs, free = len(solved.residuals), len(solved.problem.free)
    if runs - free < 2:
        yield Flag("few runs", "", f"{runs} runs for {free} free parameters: nothing shows the error")


def _split(solved: Solved) -> Iterator[Flag]:
    if not split_is_open(solved):
        return
    log_gap, units = (
        values["tokens"] - values["params"] for values in (solved.problem.log_columns, solved.problem.units)
    )
    gap = numpy.exp(log_gap + units)
    message = (
        f"tokens follow params in all runs ({gap.min():.3g} to {gap.max():.3g} tokens a parameter), so that they do "
        "not show how to split a budget: add runs with other ratios"
    )
    yield Flag("split not identified", "", message)


def _at_bound(solved: Solved) -> list[int]:
    lower = solved.problem.law.lower
    return [i for i in solved.problem.free if solved.theta[i] <= lower[i] + _AT_BOUND]


def _boundaries(solved: Solved) -> Iterator[Flag]:
    symbols = solved.problem.law.symbols
    for i in _at_bound(solved):
        what = "the runs show no irreducible loss" if symbols[i].kind == "floor" else "the runs show no such dependence"
        message = f"the best fit is at {symbols[i].name} = 0: {what}; do not extrapolate from it"
        yield Flag("at boundary", symbols[i].name, message)
    for i in solved.problem.free:
        if symbols[i].kind == "amplitude" and abs(solved.theta[i]) > _RUNAWAY:
            end = "infinity" if solved.theta[i] > 0 else "0"
            message = f"the best fit runs away towards {end}; the number means nothing"
            yield Flag("at boundary", symbols[i].name, message)


def _weak_parameters(solved: Solved) -> Iterator[Flag]:
    """Hold each free parameter far from its optimum, both ways; flag those that the runs do not mind."""
    problem, optimum = solved.problem, solved.objective
    trials = _far_values(solved)
    scale, limit = likelihood_scale(solved), ruled_out(solved)
    count = problem.log_loss.shape[1]
    if trials and count > _JUDGED_RUNS:
        rows = numpy.random.default_rng(0).choice(count, _JUDGED_RUNS, replace=False)
        sample = problem.only(rows)
        lowest = float(sample.solve(solved.theta[None, :], tolerance=_TOLERANCE).objective[0])
        falls = scale * (_held(sample, solved.theta, trials) - lowest)
        trials = [trial for trial, fall in zip(trials, falls, strict=True) if fall < limit]
    if not trials:
        return
    allowed = [
        (i, f"{words} ({_rise(objective, optimum)})")
        for (i, _, words), objective in zip(trials, _held(problem, solved.theta, trials), strict=True)
        if scale * (objective - optimum) < limit
    ]
    for i in dict.fromkeys(i for i, _ in allowed):
        others = " and ".join(words for other, words in allowed if other == i)
        message = f"the profile is flat; the runs do not rule out a value {others}"
        yield Flag("not identified", problem.law.names[i], message)


def _held(problem: Problem, theta: numpy.ndarray, trials: list[_Trial]) -> numpy.ndarray:
    numbers, targets = (numpy.asarray([trial[k] for trial in trials]) for k in (0, 1))
    return held_fits(problem, theta, numbers, targets).objective


def _far_values(solved: Solved) -> list[_Trial]:
    tried: list[_Trial] = []
    for i in solved.problem.free:
        symbol, value = solved.problem.law.symbols[i], float(solved.theta[i])
        if i in _at_bound(solved):
            continue
        if symbol.kind == "amplitude":
            tried.append((i, value - numpy.log(_TERM_FACTOR), f"{_TERM_FACTOR:g} times smaller"))
            tried.append((i, value + numpy.log(_TERM_FACTOR), f"{_TERM_FACTOR:g} times larger"))
        elif symbol.kind == "exponent":
            tried += [(i, factor * value, f"{factor * value:.3g}") for factor in _EXPONENT_FACTORS]
        elif symbol.kind == "floor":
            tried.append((i, 0.0, "0"))
    return tried


def _rise(objective: float, optimum: float) -> str:
    """Say how much higher an objective is than the optimum."""
    if optimum < 1e-20:
        return "the runs fit exactly either way"
    return f"objective +{max(objective / optimum - 1, 0.0):.3%}"


def _minima(solved: Solved) -> Iterator[Flag]:
    starts, law = solved.starts, solved.problem.law
    minima, lowest = starts.minima, starts.minima["objective"][0]
    falls = likelihood_scale(solved) * (minima["objective"] - lowest)
    rivals = numpy.flatnonzero(falls < ruled_out(solved))[1:]
    if len(rivals):
        where = ", ".join(f"{law.names[i]} {minima[law.names[i]][rivals[0]]:.4g}" for i in solved.problem.free)
        rise = _rise(float(minima["objective"][rivals[0]]), float(lowest))
        yield Flag("several minima", "", f"{len(rivals)} more within the noise; the next at {where} ({rise})")
    if starts.lower_unproved:
        message = f"{starts.lower_unproved} starts went below the optimum and did not converge; a lower one may exist"
        yield Flag("hard to find", "", message)
    if starts.hit_rate < _LEAST_HIT_RATE:
        yield Flag("hard to find", "", str(starts), "raise starts to be sure")


def _residuals(solved: Solved) -> Iterator[Flag]:
    """Tell what the residuals show: shared errors, curvature that the law lacks, a spread that changes."""
    problem, shared = solved.problem, solved.noise.shared
    if solved.noise.sigma < _ROUNDING:
        return
    root = numpy.sqrt(problem.weights[0])
    residuals, jacobian = solved.residuals * root, problem.jacobian(solved.theta) * root[:, None]
    if shared is not None:
        message = (
            f"runs of equal {shared.by} share an error (correlation {shared.correlation:.2f} over "
            f"{int(shared.group.max()) + 1} groups): {len(residuals)} runs tell less than so many would"
        )
        yield Flag("shared errors", "", message, "kind='auto' allows for it")
    chance, explained = curvature_test(residuals, jacobian, problem.log_columns, shared)
    if chance < SIGNIFICANT and explained > _LEAST_EXPLAINED:
        message = (
            f"curves in {', '.join(problem.log_columns)} explain {explained:.0%} of the residual variance (chance "
            f"{chance:.1g}): the form is not that of the runs"
        )
        yield Flag("lack of fit", "", message, "compare forms with scaling.rollouts")
    factor = uneven_spread(solved)
    if factor is not None:
        message = f"residuals change {factor:.2g} times a decade of compute"
        yield Flag("uneven spread", "", message, "give sigma=..., or kind='case'")


def _replicates(solved: Solved, table: Mapping[str, numpy.ndarray]) -> Iterator[Flag]:
    count = len(table["converged"])
    failed = int((~table["converged"]).sum())
    if failed:
        message = f"{failed} of {count} replicates; they are nan and left out of errors and intervals"
        yield Flag("not converged", "", message)
    for i in solved.problem.free:
        symbol = solved.problem.law.symbols[i]
        if symbol.kind in ("floor", "exponent"):
            share = float((table[symbol.name] <= 0).mean())
            if share > _BOUNDARY_SHARE:
                yield Flag("at boundary", symbol.name, f"in {share:.0%} of the replicates")
    several = float(table["several_minima"].mean())
    if several > _BOUNDARY_SHARE:
        yield Flag("several minima", "", f"in {several:.0%} of the replicates")
