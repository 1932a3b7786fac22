"""Fit a scaling law to runs, with its bootstrap: every start and every replicate at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import device_namespace, is_array, namespace_of
from gigacluster.scaling import bootstrap as resampling
from gigacluster.scaling.diagnostics import Flag, find_flags
from gigacluster.scaling.isoflop import can_compare, find_conflict
from gigacluster.scaling.jets import JetOperations
from gigacluster.scaling.laws import Law, get_law
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.predict import Estimate, predict_loss
from gigacluster.scaling.problem import CONVERGED, Fits, Problem
from gigacluster.scaling.runs import Runs, read_runs
from gigacluster.scaling.starts import StartReport, random_starts, reaches, summarise

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConvergenceWarning", "Fit", "fit", "fit_replicates"]

#: Fits solved at once, which bounds the memory of a bootstrap with many starts.
_BLOCK = 100_000
_BLOCK_GPU = 2_000_000
#: delta is lowered to this by steps of ten for the least-absolute-deviation limit.
_SMALLEST_DELTA = 1e-8
#: Replicates that approach 3 is compared with approach 2 by, where the caller asks for fewer.
_COMPARED = 400
#: Multiples of delta that a fit stuck in a narrow valley is continued with.
_WIDER_DELTAS = (30.0, 5.0, 1.0)


class ConvergenceWarning(UserWarning):
    """A fit, or some of its replicates, did not converge."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted law.

    ``parameters``, ``standard_errors`` and ``intervals`` are dicts by symbol, in SI units and nats; the last two are
    ``nan`` without a bootstrap, and all are ``nan`` if the fit did not converge. ``objective``: its minimum.
    ``gradient``: largest component of its gradient there, divided by delta, in fitted coordinates (exponents and E as
    they are, amplitudes by their logarithm in units of the runs' geometric mean). ``replicates``: a row a replicate,
    with its flags. ``starts``: how many starts reached the optimum. ``flags``: what a reader must know.
    """

    law: Law
    parameters: dict[str, float]
    standard_errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    coverage: float
    objective: float
    gradient: float
    converged: bool
    replicates: pd.DataFrame
    starts: StartReport
    flags: tuple[Flag, ...]
    fixed: dict[str, float]
    runs: Runs
    residuals: numpy.ndarray
    problem: Problem = field(repr=False, compare=False)
    theta: numpy.ndarray  # fitted coordinates
    units: dict[str, float]  # log of the unit of each column

    def __str__(self) -> str:
        lines = [f"{self.law.name}: {self.law.about}; {len(self.runs)} runs, objective {self.objective:.10g}"]
        for name, value in self.parameters.items():
            low, high = self.intervals[name]
            held = " (held fixed)" if name in self.fixed else f" ({low:.6g} to {high:.6g})" if low == low else ""
            lines.append(f"  {name} = {value:.8g}{held}")
        return "\n".join([*lines, f"  {self.starts}", *(f"  ! {flag}" for flag in self.flags)])

    @property
    def centred_parameters(self) -> dict[str, float]:
        """Parameters, amplitudes in units of the runs' geometric mean: the size of each term for a typical run."""
        values = numpy.where(self.law.is_amplitude, numpy.exp(self.theta), self.theta)
        return dict(zip(self.law.names, map(float, values), strict=True))

    def sample(self, samples: int, seed: int) -> dict[str, numpy.ndarray]:
        """Draw parameters jointly from the converged replicates, by symbol, each of shape (samples,)."""
        if self.replicates.empty:
            raise ValueError("this fit has no replicates to draw from; give fit(..., bootstrap=1000)")
        good = self.replicates[self.replicates["converged"]]
        rows = numpy.random.default_rng([seed, *b"scaling law"]).integers(0, len(good), samples)
        return {name: good[name].to_numpy()[rows] for name in self.law.names}

    def predict(
        self, params: Any = None, tokens: Any = None, *, noise: bool = False, seed: int = 7, **columns: Any
    ) -> Estimate:
        """Predict the loss of new runs; see :func:`gigacluster.scaling.predict.predict_loss`."""
        given = {"params": params, "tokens": tokens, **columns}
        return predict_loss(self, {k: v for k, v in given.items() if v is not None}, noise=noise, seed=seed)


def fit(
    runs: Any,
    form: str | Law = "chinchilla",
    *,
    bootstrap: Any = 0,
    kind: str = "case",
    clusters: Any = None,
    starts: Any = 64,
    replicate_starts: int = 0,
    seed: int = 42,
    device: str = "auto",
    loss: str = "huber",
    delta: float = 1e-3,
    quantile: float = 0.5,
    weights: Any = None,
    fixed: Mapping[str, float] | None = None,
    coverage: float = 0.95,
) -> Fit:
    """Fit a scaling law to runs.

    Parameters
    ----------
    runs : DataFrame or mapping of str to array
        A row a run: ``loss`` (nats a token), ``params``, ``tokens``, and ``unique_tokens``, ``experts`` or
        ``budget_flop`` where the form needs them. Arrays of another library choose the device.
    form : str or Law
        A name of :data:`gigacluster.scaling.LAWS`, or a law of yours.
    bootstrap : int or array of int, shape (replicates, runs)
        How many replicates, or the rows that each draws.
    kind : {"case", "residual", "cluster"}
        What is drawn: runs; residuals of log loss; or whole clusters of runs, named by ``clusters`` (a column of
        ``runs``, or a label a run).
    starts : int or DataFrame
        Random starts of the fit to all runs, or the starts themselves (a column a symbol).
    replicate_starts : int
        Random starts of each replicate, beside the optimum of all runs.
    seed : int
        Of the bootstrap (``RandomState(seed)``) and of random starts.
    device : {"auto", "cpu", "cuda"}
    loss : {"huber", "squared", "absolute", "asymmetric"}
        See :class:`gigacluster.scaling.objective.Objective`, also for ``delta`` and ``quantile``.
    weights : array, shape (runs,), optional
    fixed : mapping of str to float, optional
        Symbols held at a value. The default is what the law's publication held fixed; ``{}`` frees all.
    coverage : float
        Of the percentile intervals.

    Raises
    ------
    ValueError
        If runs or options cannot be used: every fault with its rows and its remedy.

    Warns
    -----
    ConvergenceWarning
        If the fit or a replicate did not converge; its parameters are then ``nan``.

    Examples
    --------
    >>> N, D = numpy.meshgrid([1e8, 3e8, 1e9, 3e9], [2e9, 1e10, 5e10])
    >>> runs = {"params": N.ravel(), "tokens": D.ravel(), "loss": (1.7 + 400 / N**0.34 + 410 / D**0.28).ravel()}
    >>> fitted = fit(runs, device="cpu")
    >>> round(fitted.parameters["alpha"], 6), round(fitted.parameters["E"], 6)
    (0.34, 1.7)
    """
    import pandas as pd

    law = get_law(form)
    held = dict(law.defaults) if fixed is None else {k: float(v) for k, v in fixed.items()}
    _check_options(law, held, kind, coverage)
    checked = read_runs(runs, law, len(law.names) - len(held))
    options = Objective(loss=loss, delta=delta, quantile=quantile)
    xp, like = _library(runs, device)
    raw_columns = law.log_columns(checked.columns, numpy.log)
    units = law.units(raw_columns, held)
    run_weights = _weights(weights, len(checked))
    problem = Problem(
        xp=xp,
        like=like,
        law=law,
        objective=options,
        log_columns={name: column - units[name] for name, column in raw_columns.items()},
        log_loss=numpy.log(checked.loss)[None, :],
        weights=run_weights[None, :],
        fixed=_fixed_coordinates(law, held, units),
    )
    theta = _starting_points(problem, starts, seed, units)
    fits = _solve(problem, theta)
    report = summarise(fits.objective, fits.converged, law.to_symbols(fits.theta, units), law, len(checked))
    point = _best_point(problem, fits)
    converged = bool(point.converged[0])
    values = law.to_symbols(point.theta, units)[0]
    residuals = problem.log_loss[0] - _log_prediction(problem, point.theta[0])
    replicates, hit_rates = pd.DataFrame(), None
    if numpy.ndim(bootstrap) > 0 or bootstrap:
        resampled = _resample(problem, residuals, runs, bootstrap, kind, clusters, seed)
        columns, hit_rates = fit_replicates(resampled, point.theta[0], replicate_starts, seed, units)
        replicates = pd.DataFrame(columns)
    result = Fit(
        law=law,
        parameters=dict(zip(law.names, (float(v) if converged else numpy.nan for v in values), strict=True)),
        standard_errors=_standard_errors(law, replicates),
        intervals=_intervals(law, replicates, coverage),
        coverage=coverage,
        objective=float(point.objective[0]),
        gradient=float(point.gradient[0]),
        converged=converged,
        replicates=replicates,
        starts=replace(report, replicate_hit_rates=hit_rates),
        flags=(),
        fixed=held,
        runs=checked,
        residuals=residuals,
        problem=problem,
        theta=point.theta[0],
        units=units,
    )
    result = replace(result, flags=find_flags(result))
    if converged and can_compare(law.name, runs):
        compared = replicates
        if len(compared) < _COMPARED:
            resampled = _resample(problem, residuals, runs, _COMPARED, "case", None, seed)
            compared = pd.DataFrame(fit_replicates(resampled, point.theta[0], 0, seed, units)[0])
        result = replace(result, flags=(*result.flags, *find_conflict(compared, values, runs, coverage, seed)))
    _warn(result)
    return result


def _check_options(law: Law, fixed: Mapping[str, float], kind: str, coverage: float) -> None:
    unknown = [name for name in fixed if name not in law.names]
    if unknown:
        raise ValueError(f"fixed names {unknown}; the symbols of {law.name!r} are {', '.join(law.names)}")
    if kind not in resampling.KINDS:
        raise ValueError(f"kind is {kind!r}; it can be {', '.join(map(repr, resampling.KINDS))}")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is {coverage!r}; it must lie between 0 and 1 (0.95 is usual)")


def _library(runs: Any, device: str) -> tuple[ModuleType, Any]:
    """Return the array library to compute with, and an array of it on the right device."""
    column = runs["loss"]
    if is_array(column) and not isinstance(column, numpy.ndarray):
        return namespace_of(column), column
    xp = device_namespace(device)
    return xp, xp.zeros(1)


def _weights(weights: Any, count: int) -> numpy.ndarray:
    if weights is None:
        return numpy.ones(count)
    values = numpy.asarray(weights, dtype=float)
    if values.shape != (count,) or not (numpy.isfinite(values).all() and (values >= 0).all() and values.any()):
        raise ValueError(f"weights must be {count} finite numbers of at least 0, not all 0; got shape {values.shape}")
    return values


def _fixed_coordinates(law: Law, fixed: Mapping[str, float], units: Mapping[str, float]) -> dict[int, float]:
    values = numpy.asarray([fixed.get(name, 1.0) for name in law.names])
    theta = law.to_coordinates(values, units)
    return {law.names.index(name): float(theta[law.names.index(name)]) for name in fixed}


def _starting_points(problem: Problem, starts: Any, seed: int, units: Mapping[str, float]) -> numpy.ndarray:
    law = problem.law
    if numpy.ndim(starts) == 0:
        if starts < 1:
            raise ValueError(f"starts is {starts}; at least 1 is needed")
        return random_starts(law, int(starts), seed, problem.log_columns, problem.log_loss[0])
    table = starts
    missing = [name for name in law.names if name not in table]
    if missing:
        raise ValueError(f"starts has no column {missing}; it needs one for each of {', '.join(law.names)}")
    return law.to_coordinates(numpy.stack([numpy.asarray(table[name]) for name in law.names], axis=-1), units)


def _solve(problem: Problem, theta: numpy.ndarray, replicate: numpy.ndarray | None = None) -> Fits:
    """Minimise; for absolute loss through ever smaller deltas, whose limit it is."""
    if problem.objective.loss != "absolute":
        return _with_second_chance(problem, problem.solve(theta, replicate), replicate)
    delta = problem.objective.delta
    while delta > 0.9 * _SMALLEST_DELTA:
        stage = replace(problem, objective=replace(problem.objective, loss="huber", delta=delta))
        fits = stage.solve(theta, replicate)
        theta, delta = fits.theta, delta / 10
    return replace(fits, objective=fits.objective / stage.objective.delta)


def _with_second_chance(problem: Problem, fits: Fits, replicate: numpy.ndarray | None) -> Fits:
    """Continue the fits that stopped in a narrow valley: down it with a wider delta, then back to the true one."""
    left = numpy.flatnonzero(~fits.converged & numpy.isfinite(fits.objective))
    if problem.objective.loss == "squared" or not left.size:
        return fits
    theta, numbers = fits.theta[left], None if replicate is None else replicate[left]
    for factor in _WIDER_DELTAS:
        wider = replace(problem, objective=replace(problem.objective, delta=factor * problem.objective.delta))
        again = wider.solve(theta, numbers, max_iterations=100)
        theta = again.theta
    better = again.converged & reaches(again.objective, fits.objective[left], problem.log_loss.shape[1])
    merged = {item.name: numpy.array(getattr(fits, item.name)) for item in fields(fits)}
    for name, values in merged.items():
        values[left[better]] = getattr(again, name)[better]
    return Fits(**merged)


def _best_point(problem: Problem, fits: Fits) -> Fits:
    """Return the lowest fit alone, taken to the limit of rounding: the smallest gradient of all that reached it."""
    objective = numpy.where(fits.converged, fits.objective, numpy.inf) if fits.converged.any() else fits.objective
    reached = fits.rows(numpy.flatnonzero(reaches(objective, numpy.nanmin(objective), problem.log_loss.shape[1])))
    if problem.objective.loss != "absolute":
        reached = problem.solve(reached.theta, tolerance=1e-14, max_iterations=30)
    best = int(numpy.argmin(reached.gradient))
    return reached.rows(slice(best, best + 1))


def _log_prediction(problem: Problem, theta: numpy.ndarray) -> numpy.ndarray:
    return problem.law.predict(
        JetOperations(numpy), dict(zip(problem.law.names, theta, strict=True)), problem.log_columns
    )


def _resample(
    problem: Problem, residuals: numpy.ndarray, runs: Any, bootstrap: Any, kind: str, clusters: Any, seed: int
) -> Problem:
    """Return the problem with a row of weights, or of losses, for each replicate."""
    count = problem.weights.shape[1]
    if kind == "cluster":
        if clusters is None:
            raise ValueError("kind='cluster' needs clusters: the name of a column of the runs, or a label for each run")
        labels = numpy.asarray(runs[clusters] if isinstance(clusters, str) else clusters)
        _, number = numpy.unique(labels, return_inverse=True)
        drawn = resampling.draw_rows(bootstrap, int(number.max()) + 1, seed)
        times = resampling.multiplicities(drawn, int(number.max()) + 1)[:, number.ravel()]
        return replace(problem, weights=problem.weights * times)
    rows = resampling.draw_rows(bootstrap, count, seed)
    if kind == "residual":
        fitted = problem.log_loss[0] - residuals
        return replace(
            problem, log_loss=fitted + residuals[rows], weights=numpy.repeat(problem.weights, len(rows), axis=0)
        )
    return replace(problem, weights=problem.weights * resampling.multiplicities(rows, count))


def fit_replicates(
    problem: Problem, point: numpy.ndarray, random: int, seed: int, units: Mapping[str, float]
) -> tuple[dict[str, numpy.ndarray], numpy.ndarray | None]:
    """Fit every replicate from the optimum of all runs, and from random starts of its own where asked for.

    Parameters
    ----------
    problem : Problem
        With a row of weights, or of losses, for each replicate.
    point : array, shape (symbols,)
        Fitted coordinates of the optimum of all runs.
    random : int
        Random starts of each replicate.
    seed : int
    units : mapping
        Log of the unit of each column.

    Returns
    -------
    columns : dict of str to array, shape (replicates,)
        The symbols, ``objective``, ``gradient`` (over delta), ``iterations``, ``converged``, ``at_boundary``,
        ``several_minima``.
    hit_rates : array, shape (replicates,), or None
        Share of the random starts of each replicate that reached its lowest objective.
    """
    count, tries = len(problem.weights), 1 + random
    block = max(1, (_BLOCK_GPU if problem.xp.__name__ == "cupy" else _BLOCK) // tries)
    parts = []
    for first in range(0, count, block):
        numbers = numpy.arange(first, min(first + block, count))
        theta = numpy.repeat(point[None, :], len(numbers) * tries, axis=0).reshape(len(numbers), tries, -1)
        if random:
            drawn = random_starts(
                problem.law, len(numbers) * random, seed + first, problem.log_columns, problem.log_loss.mean(axis=0)
            )
            theta[:, 1:, :] = drawn.reshape(len(numbers), random, -1)
        fits = _solve(problem, theta.reshape(len(numbers) * tries, -1), numpy.repeat(numbers, tries))
        parts.append(_best_of(problem, fits, len(numbers), units))
    columns = {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}
    hit_rates = columns.pop("hit_rate")
    return columns, hit_rates if random else None


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
        "several_minima": (numpy.isfinite(objective) & ~reached).any(axis=1),
        "hit_rate": reached[:, 1:].mean(axis=1) if tries > 1 else numpy.ones(count),
    }


def _standard_errors(law: Law, replicates: pd.DataFrame) -> dict[str, float]:
    if replicates.empty:
        return dict.fromkeys(law.names, numpy.nan)
    return {name: float(replicates[name].std()) for name in law.names}


def _intervals(law: Law, replicates: pd.DataFrame, coverage: float) -> dict[str, tuple[float, float]]:
    if replicates.empty:
        return dict.fromkeys(law.names, (numpy.nan, numpy.nan))
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]
    return {name: tuple(map(float, replicates[name].quantile(tails))) for name in law.names}  # type: ignore[misc]


def _warn(result: Fit) -> None:
    if not result.converged:
        warnings.warn(
            f"the fit of {result.law.name!r} did not converge: gradient / delta is {result.gradient:.1e}, not below "
            f"{CONVERGED:.0e}; its parameters are nan. Raise starts, or hold parameters fixed",
            ConvergenceWarning,
            stacklevel=3,
        )
    elif not result.replicates.empty and not result.replicates["converged"].all():
        failed = int((~result.replicates["converged"]).sum())
        warnings.warn(
            f"{failed} of {len(result.replicates)} bootstrap replicates did not converge; they are nan and left out. "
            "Raise replicate_starts",
            ConvergenceWarning,
            stacklevel=3,
        )
