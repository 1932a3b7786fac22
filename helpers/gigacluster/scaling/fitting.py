"""Fit a scaling law to runs, with its bootstrap: every start and every replicate at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import device_namespace, is_array, namespace_of
from gigacluster.scaling.bootstrap import KINDS
from gigacluster.scaling.diagnostics import Flag, find_flags
from gigacluster.scaling.isoflop import can_compare, find_conflict
from gigacluster.scaling.jets import JetOperations
from gigacluster.scaling.laws import Law, get_law
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.predict import Estimate, predict_loss
from gigacluster.scaling.problem import CONVERGED, Problem
from gigacluster.scaling.replicates import fit_replicates, resample
from gigacluster.scaling.runs import Runs, read_runs
from gigacluster.scaling.solving import best_point, solve
from gigacluster.scaling.starts import StartReport, random_starts, summarise

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConvergenceWarning", "Fit", "fit"]

#: Replicates that approach 3 is compared with approach 2 by, where the caller asks for fewer.
_COMPARED = 400


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
    fits = solve(problem, theta)
    report = summarise(fits.objective, fits.converged, law.to_symbols(fits.theta, units), law, len(checked))
    point = best_point(problem, fits)
    converged = bool(point.converged[0])
    values = law.to_symbols(point.theta, units)[0]
    residuals = problem.log_loss[0] - _log_prediction(problem, point.theta[0])
    replicates, hit_rates = pd.DataFrame(), None
    if numpy.ndim(bootstrap) > 0 or bootstrap:
        resampled = resample(problem, residuals, runs, bootstrap, kind, clusters, seed)
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
            resampled = resample(problem, residuals, runs, _COMPARED, "case", None, seed)
            compared = pd.DataFrame(fit_replicates(resampled, point.theta[0], 0, seed, units)[0])
        result = replace(result, flags=(*result.flags, *find_conflict(compared, values, runs, coverage, seed)))
    _warn(result)
    return result


def _check_options(law: Law, fixed: Mapping[str, float], kind: str, coverage: float) -> None:
    unknown = [name for name in fixed if name not in law.names]
    if unknown:
        raise ValueError(f"fixed names {unknown}; the symbols of {law.name!r} are {', '.join(law.names)}")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it can be {', '.join(map(repr, KINDS))}")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is {coverage!r}; it must lie between 0 and 1 (0.95 is usual)")


def _library(runs: Any, device: str) -> tuple[Any, Any]:
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
        return random_starts(problem, int(starts), seed)
    table = starts
    missing = [name for name in law.names if name not in table]
    if missing:
        raise ValueError(f"starts has no column {missing}; it needs one for each of {', '.join(law.names)}")
    return law.to_coordinates(numpy.stack([numpy.asarray(table[name]) for name in law.names], axis=-1), units)


def _log_prediction(problem: Problem, theta: numpy.ndarray) -> numpy.ndarray:
    return problem.law.predict(
        JetOperations(numpy), dict(zip(problem.law.names, theta, strict=True)), problem.log_columns
    )


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
