"""Fit a scaling law to runs, with its bootstrap: every start and every replicate at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy

from gigacluster.arrays import device_namespace, is_array, namespace_of, to_host
from gigacluster.limits import SHARE_WITHIN, one_of, whole, within
from gigacluster.parallel import Workers, check_executor
from gigacluster.scaling import diagnose as judge
from gigacluster.scaling.compare import compare
from gigacluster.scaling.fitted import Fit
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.noise import Noise, find_noise, groupings
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.problem import CONVERGED, Problem, make_problem
from gigacluster.scaling.replicates import KINDS, Resampling, check_rows, fit_replicates
from gigacluster.scaling.runs import Runs, read_runs
from gigacluster.scaling.search import Solved, random_starts, search

#: Groups from which on drawing whole groups anew is trusted, whatever their errors are distributed like.
_MANY_GROUPS = 30


class ConvergenceWarning(UserWarning):
    """A fit, or some of its replicates, did not converge."""


def fit(
    runs: Any,
    form: str | Law = "chinchilla",
    *,
    bootstrap: Any = 0,
    kind: str = "auto",
    clusters: Any = None,
    starts: int = 64,
    replicate_starts: int = 0,
    seed: int = 42,
    device: str = "auto",
    loss: str = "huber",
    delta: float = 1e-3,
    quantile: float = 0.5,
    weights: Any = None,
    sigma: Any = None,
    fixed: Mapping[str, float] | None = None,
    coverage: float = 0.95,
    loss_unit: str | None = None,
    flags: bool = True,
    executor: Workers = None,
) -> Fit:
    """Fit a scaling law to runs.

    Parameters
    ----------
    runs
        Table or mapping, a row a run: ``loss`` (nats a token) and what the form reads: ``params`` and ``tokens``,
        ``unique_tokens``, ``experts``, ``budget_flop``. Usual other names (N, D, C, flops, params_billion,
        bits_per_token, perplexity) do, and any two of params, tokens and compute give the third. Arrays of another
        library choose the device.
    form
        A name of :data:`gigacluster.scaling.LAWS`, or a law of yours.
    bootstrap
        How many replicates, or the rows that each draws, shape (replicates, runs).
    kind
        How replicates are drawn. ``model``: new errors for all runs, from the residuals and as uncertain as they are
        (Student's t). ``shared``: the same with the part that runs of one size, budget or cluster share. ``case``: runs
        drawn anew, as published bootstraps do. ``cluster``: whole clusters of runs. ``auto``, where residuals are
        shared, is ``cluster`` by 30 groups or more and ``shared`` by fewer; ``case`` where the size of residuals
        changes with compute; and ``model`` otherwise.
    clusters
        A column of ``runs``, or a label a run: runs that may share an error.
    starts
        Random starts of the fit to all runs.
    replicate_starts
        Random starts of each replicate, beside the optimum of all runs.
    seed
        Of the bootstrap and of random starts.
    device
        ``auto``, ``cpu`` or ``cuda``.
    loss, delta, quantile
        ``huber``, ``squared``, ``absolute`` or ``asymmetric``; see :class:`gigacluster.scaling.objective.Objective`.
    weights, sigma
        Weight of each run, of any scale; or the standard error of its log loss, whose inverse square it is.
    fixed
        Symbols held at a value. The default is what the law's publication held fixed; ``{}`` frees all.
    coverage
        Of the percentile intervals.
    loss_unit
        ``nat``, ``bit`` or ``perplexity``; None takes nats, and refuses or flags what cannot be.
    flags
        Whether to look for what is weak about the fit.
    executor
        Who fits the replicates: None for this process, a number of processes, or an executor such as
        ``dask.distributed.Client.get_executor()``. The result is the same, byte for byte. A law of yours must then be
        importable by the workers.

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
    check_executor(executor)
    law = get_law(form)
    held = dict(law.defaults) if fixed is None else law.values_of(fixed, "fixed")
    one_of("kind", kind, KINDS)
    if kind == "cluster" and clusters is None:
        raise ValueError("kind='cluster' needs clusters: the name of a column of the runs, or a label for each run")
    within(coverage=(coverage, SHARE_WITHIN))
    seed, replicate_starts = whole("seed", seed), whole("replicate_starts", replicate_starts)
    objective = Objective(loss=loss, delta=delta, quantile=quantile)
    runs_read = read_runs(runs, law, len(law.names) - len(held), loss_unit)
    if held.get("E", 0.0) >= runs_read.loss.max():
        raise ValueError(f"E is held at {held['E']:g}, above every loss (the largest is {runs_read.loss.max():g})")
    run_weights, unit_weight = _weights(weights, sigma, len(runs_read))
    problem = make_problem(
        law,
        runs_read.columns,
        runs_read.loss,
        objective,
        weights=run_weights,
        fixed=held,
        like=_like(runs, device),
    )
    point, report = search(problem, random_starts(problem, whole("starts", starts, 1), seed))
    labels = None if clusters is None else _labels(runs, clusters, len(runs_read))
    always = "clusters" if kind == "shared" and labels is not None else "params" if kind == "shared" else None
    noise = _noise_of(problem, point.theta[0], runs_read, labels, always)
    solved = Solved(problem=problem, runs=runs_read, point=point, starts=report, noise=noise)
    replicates: dict[str, numpy.ndarray] = {}
    chosen = _kind(kind, solved, bootstrap)
    group = labels if labels is not None or noise.shared is None else noise.shared.group
    resampling = Resampling(kind=chosen, bootstrap=bootstrap, seed=seed, noise=noise, group=group)
    if check_rows(bootstrap, resampling.units(len(runs_read))) and solved.converged:
        replicates, rates = fit_replicates(problem, solved.theta, resampling, replicate_starts, executor)
        solved = replace(solved, starts=replace(report, replicate_hit_rates=rates))
    said = judge.diagnose(solved, replicates) if flags else ()
    if flags and (comparison := compare(solved, coverage=coverage)) is not None:
        said = (*said, *comparison.flags)
    values = problem.symbols(solved.theta) if solved.converged else numpy.full(len(law.names), numpy.nan)
    result = Fit(
        law=law,
        parameters=dict(zip(law.names, map(float, values), strict=True)),
        fixed=held,
        coverage=coverage,
        replicates=replicates,
        flags=said,
        kind=chosen if replicates else "",
        objective=solved.objective * unit_weight,
        solved=solved,
    )
    _warn(result)
    return result


def _noise_of(
    problem: Problem, theta: numpy.ndarray, runs: Runs, labels: numpy.ndarray | None, always: str | None
) -> Noise:
    """Return what the residuals are made of; runs may share an error by a column, their budget or the labels."""
    columns = {name: numpy.exp(values) for name, values in problem.log_columns.items()}
    if runs.budget_flop is not None:
        columns["budget_flop"] = runs.budget_flop
    groups = groupings(columns, labels)
    if always is not None and always not in groups:
        raise ValueError(
            f"no runs share a value of {always!r}, so that nothing can be drawn by it; the groupings of these runs are "
            f"{', '.join(groups) or 'none'}: name one with clusters=..., or choose kind='model'"
        )
    return find_noise(problem.residuals(theta), problem.jacobian(theta), problem.weights[0], groups, always=always)


def _kind(kind: str, solved: Solved, bootstrap: Any) -> str:
    """Choose how replicates are drawn where the caller leaves it open."""
    if kind != "auto":
        return kind
    if numpy.ndim(bootstrap):
        return "case"  # rows are drawn by the caller
    if solved.noise.shared is not None:
        return "cluster" if int(solved.noise.shared.group.max()) + 1 >= _MANY_GROUPS else "shared"
    return "model" if judge.uneven_spread(solved) is None else "case"


def _labels(runs: Any, clusters: Any, count: int) -> numpy.ndarray:
    """Return the number of the group of each run."""
    if isinstance(clusters, str) and clusters not in runs:
        raise ValueError(f"clusters is {clusters!r}, and the runs have no such column")
    labels = numpy.asarray(runs[clusters] if isinstance(clusters, str) else clusters)
    if labels.shape != (count,):
        raise ValueError(f"clusters must be a column of the runs or {count} labels; got shape {labels.shape}")
    return numpy.unique(labels, return_inverse=True)[1].ravel()


def _like(runs: Any, device: str) -> Any:
    """Return an array of the library and device to compute with."""
    columns = [runs[name] for name in (runs.keys() if hasattr(runs, "keys") else ())]
    elsewhere = [c for c in columns if is_array(c) and not isinstance(c, numpy.ndarray) and not hasattr(c, "to_numpy")]
    if elsewhere:
        namespace_of(elsewhere[0])  # refuses what is not an array library
        return elsewhere[0]
    return device_namespace(device).zeros(1)


def _weights(weights: Any, sigma: Any, count: int) -> tuple[numpy.ndarray, float]:
    """Return weights of mean 1, and the mean that they had."""
    if weights is None and sigma is None:
        return numpy.ones(count), 1.0
    if weights is not None and sigma is not None:
        raise ValueError("give weights or sigma, not both: weights are 1 / sigma^2")
    name, given = ("weights", weights) if sigma is None else ("sigma", sigma)
    values = numpy.asarray(to_host(given), dtype=float)
    good = values.shape == (count,) and numpy.isfinite(values).all() and values.any()
    if not good or (values < 0).any() or (sigma is not None and (values == 0).any()):
        least = "at least 0, not all 0" if sigma is None else "above 0"
        raise ValueError(f"{name} must be {count} finite numbers {least}; got shape {values.shape}")
    scaled = values / values.mean()
    scaled = scaled if sigma is None else scaled**-2
    mean = float(values.mean()) if sigma is None else float(numpy.mean(values**-2.0))
    return scaled / scaled.mean(), mean


def _warn(result: Fit) -> None:
    if not result.converged:
        warnings.warn(
            f"the fit of {result.law.name!r} did not converge: gradient / delta is {result.gradient:.1e}, not below "
            f"{CONVERGED:.0e}; its parameters are nan. Raise starts, or hold parameters fixed",
            ConvergenceWarning,
            stacklevel=3,
        )
    elif result.replicates and not result.replicates["converged"].all():
        failed = int((~result.replicates["converged"]).sum())
        warnings.warn(
            f"{failed} of {len(result.replicates['converged'])} bootstrap replicates did not converge; they are nan "
            "and left out. Raise replicate_starts",
            ConvergenceWarning,
            stacklevel=3,
        )
