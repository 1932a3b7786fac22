"""Time the bootstrap of the scaling law against scipy loops on the same replicates, in the same run.

``python -m benchmarks.scaling`` prints the results. Loops are timed on a sample of the replicates and scaled to all of
them, which the result states; times are CPU seconds of one thread where the environment pins BLAS to one.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
from scipy import optimize, special

from gigacluster import scaling
from gigacluster.scaling.noise import Noise
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.problem import Problem, make_problem
from gigacluster.scaling.replicates import Resampling, draw_rows, fit_replicates

__all__ = ["measure"]

REPLICATES = 4000
DELTA = 1e-3


def measure(sample: int = 40, starts_replicates: int = 400) -> dict[str, Any]:
    """Return the times, the speed-ups and the proofs of convergence.

    Parameters
    ----------
    sample : int
        Replicates that each scipy loop is timed on.
    starts_replicates : int
        Replicates that the 16 random starts are timed on; 4,000 for the full run.
    """
    from gigareport import catalog

    runs = catalog.load("scaling_chinchilla_runs")
    seconds, fitted = min((_timed(partial(_bootstrap, runs)) for _ in range(3)), key=lambda pair: pair[0])
    table = fitted.replicates
    result: dict[str, Any] = {
        "bootstrap_4000_s": seconds,
        "evaluations_per_replicate": float(table["iterations"].mean()),
        "largest_gradient_over_delta": float(table["gradient"].max()),
        "all_converged": bool(table["converged"].all()),
        "loops_timed_on_replicates": sample,
    }
    rows = next(draw_rows(REPLICATES, len(runs), 42))[:: REPLICATES // sample][:sample]
    ours = table["objective"][:: REPLICATES // sample][:sample]
    for name, loop in _loops(fitted).items():
        loop_seconds, values = _timed(partial(_each, loop, rows, fitted.solved.theta))
        result[f"{name}_4000_s"] = loop_seconds * REPLICATES / sample
        result[f"{name}_times_slower"] = loop_seconds * REPLICATES / sample / seconds
        result[f"{name}_objective_over_ours_least"] = float(numpy.min(values / ours))
        result[f"{name}_objective_over_ours_most"] = float(numpy.max(values / ours))
    result |= _chinchilla_package(runs, seconds)
    starts_seconds, many = _timed(partial(_bootstrap, runs, starts_replicates, 16))
    rates = many.starts.replicate_hit_rates
    result["flags_and_auto_4000_s"] = min(_timed(partial(_with_flags, runs))[0] for _ in range(3))
    result["fit_240000_rows_s"] = _timed(partial(scaling.fit, many_runs(240_000), device="cpu"))[0]
    return result | {
        "starts_16_timed_on_replicates": starts_replicates,
        "starts_16_4000_s": starts_seconds * REPLICATES / starts_replicates,
        "starts_16_mean_hit_rate": float(rates.mean()),
        "starts_16_least_hit_rate": float(rates.min()),
    }


def _bootstrap(runs: Any, count: int = REPLICATES, starts: int = 0) -> scaling.Fit:
    return scaling.fit(runs, bootstrap=count, kind="case", replicate_starts=starts, flags=False, device="cpu")


def _with_flags(runs: Any) -> scaling.Fit:
    return scaling.fit(runs, bootstrap=REPLICATES, device="cpu")


def many_runs(count: int) -> dict[str, numpy.ndarray]:
    """Return made runs of a known law, with errors of 1 %."""
    stream = numpy.random.default_rng(0)
    params, tokens = 10 ** stream.uniform(7.7, 10.0, count), 10 ** stream.uniform(9.0, 11.5, count)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    return {"params": params, "tokens": tokens, "loss": loss * numpy.exp(0.01 * stream.standard_normal(count))}


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    outcome = call()
    return time.process_time() - began, outcome


def _each(loop: Callable[..., float], rows: numpy.ndarray, start: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray([loop(drawn, start) for drawn in rows])


def _loops(fitted: scaling.Fit) -> dict[str, Callable[..., float]]:
    """Return three ways to fit one replicate with scipy; each returns the Huber objective it reached."""
    problem, units = fitted.solved.problem, fitted.solved.problem.units
    log_n, log_d = (problem.log_columns[name] for name in ("params", "tokens"))
    raw_n, raw_d = log_n + units["params"], log_d + units["tokens"]
    observed = problem.log_loss[0]

    def huber_bfgs(drawn: numpy.ndarray, start: numpy.ndarray) -> float:
        """BFGS as in the replication: natural units, difference gradient, a free scale, scipy's own tolerance."""
        n, d, y = raw_n[drawn], raw_d[drawn], observed[drawn]

        def negative_log_likelihood(p: numpy.ndarray) -> float:
            residual = y - numpy.log(numpy.exp(p[0] - p[3] * n) + numpy.exp(p[1] - p[4] * d) + numpy.exp(p[2]))
            return float(numpy.sum(special.huber(DELTA, residual / numpy.exp(p[5]))) + len(y) * p[5])

        values = [fitted.parameters[name] for name in ("A", "B", "E", "alpha", "beta")]
        first = numpy.asarray([*numpy.log(values[:3]), *values[3:], -12.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            p = optimize.minimize(negative_log_likelihood, first, method="BFGS").x
        return value_at(
            numpy.asarray(
                [
                    p[0] - p[3] * units["params"],
                    p[1] - p[4] * units["tokens"],
                    numpy.exp(p[2]),
                    p[3],
                    p[4],
                ]
            ),
            drawn,
        )

    def parts(p: numpy.ndarray, drawn: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
        first, second = numpy.exp(p[0] - p[3] * log_n[drawn]), numpy.exp(p[1] - p[4] * log_d[drawn])
        loss = first + second + p[2]
        return first / loss, second / loss, 1 / loss, observed[drawn] - numpy.log(loss)

    def value_at(p: numpy.ndarray, drawn: numpy.ndarray) -> float:
        return float(numpy.sum(special.huber(DELTA, parts(p, drawn)[3])))

    def with_gradient(p: numpy.ndarray, drawn: numpy.ndarray) -> tuple[float, numpy.ndarray]:
        first, second, floor, residual = parts(p, drawn)
        slope = numpy.clip(residual, -DELTA, DELTA)
        columns = (first, second, floor, -log_n[drawn] * first, -log_d[drawn] * second)
        value = float(numpy.sum(slope * (residual - 0.5 * slope)))
        return value / DELTA, -numpy.asarray([slope @ column for column in columns]) / DELTA

    def hessian(p: numpy.ndarray, drawn: numpy.ndarray) -> numpy.ndarray:
        first, second, floor, residual = parts(p, drawn)
        n, d = log_n[drawn], log_d[drawn]
        slope = numpy.clip(residual, -DELTA, DELTA)
        jacobian = numpy.stack([first, second, floor, -n * first, -d * second])
        total = (jacobian * ((numpy.abs(residual) <= DELTA) + slope)) @ jacobian.T
        for i, j, term, column in ((0, 3, first, n), (1, 4, second, d)):
            weighted = slope * term
            total[i, i] -= weighted.sum()
            total[j, j] -= weighted @ column**2
            total[i, j] += weighted @ column
            total[j, i] = total[i, j]
        return total / DELTA

    def tight(method: str, options: dict[str, float], drawn: numpy.ndarray, start: numpy.ndarray) -> float:
        second_order = {"hess": hessian} if method.startswith("trust") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optimize.minimize(
                with_gradient, start, args=(drawn,), jac=True, method=method, options=options, **second_order
            )
        return found.fun * DELTA

    return {
        "scipy_bfgs_as_published": huber_bfgs,
        "scipy_bfgs_tight": partial(tight, "BFGS", {"gtol": 1e-9, "maxiter": 2000}),
        "scipy_lbfgsb_tight": partial(
            tight, "L-BFGS-B", {"gtol": 1e-9, "ftol": 1e-16, "maxiter": 5000, "maxfun": 20000}
        ),
        "scipy_trust_exact_tight": partial(tight, "trust-exact", {"gtol": 1e-9, "maxiter": 500}),
    }


def _chinchilla_package(runs: Any, seconds: float) -> dict[str, Any]:
    """Time one fit, one start, of the ``chinchilla`` package, where it is installed."""
    if importlib.util.find_spec("chinchilla") is None:
        return {"chinchilla_package": "not installed"}
    from chinchilla import Chinchilla
    from chinchilla._metrics import log_huber

    grid = {"e": [0.6], "a": [6.0], "b": [7.5], "alpha": [0.35], "beta": [0.37]}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tool = Chinchilla(folder, param_grid=grid, loss_fn=partial(log_huber, delta=DELTA), log_level=50)
        for run in runs.itertuples():
            tool.append(C=6 * run.params * run.tokens, N=run.params, D=run.tokens, loss=run.loss)
        tool.visualizer.optim = lambda *args, **kwargs: None  # its picture is not timed
        one, _ = _timed(partial(tool.fit, parallel=False))
    return {
        "chinchilla_package": f"{importlib.metadata.version('chinchilla')}, one start",
        "chinchilla_package_one_fit_s": one,
        "chinchilla_package_times_slower": one * REPLICATES / seconds,
        "chinchilla_package_A": float(tool.A),
    }


def _problem(xp: ModuleType) -> tuple[Problem, numpy.ndarray]:
    """Return the 4,000 replicates as a problem and their common start, with NumPy and SciPy alone."""
    law = scaling.LAWS["chinchilla"]
    with (Path(__file__).parents[1] / "data" / "scaling_chinchilla_runs.csv").open(newline="") as stream:
        records = list(csv.DictReader(stream))
    columns = {name: numpy.asarray([float(row[name]) for row in records]) for name in ("params", "tokens", "loss")}
    loss = columns.pop("loss")
    problem = make_problem(law, columns, loss, Objective(), like=xp.zeros(1))
    point = numpy.asarray([477.825868, 2143.41736, 1.8172181, 0.3473105, 0.36717243])
    return problem, law.to_coordinates(point, problem.units)


def parity(xp: ModuleType) -> dict[str, float]:
    """Return the largest relative difference of medians and of single replicates between NumPy and a library."""
    host, device = (fit_replicates(*_arguments(library, 0))[0] for library in (numpy, xp))
    names = ("A", "B", "E", "alpha", "beta")
    return {
        "medians": max(abs(float(numpy.median(device[n]) / numpy.median(host[n])) - 1) for n in names),
        "objectives": float(numpy.max(numpy.abs(device["objective"] / host["objective"] - 1))),
    }


def measure_gpu(cupy: ModuleType, starts: int = 4500) -> dict[str, Any]:
    """Time the 4,000 replicates, from one start and from 4,500 starts each, on a GPU."""
    fit_replicates(*_arguments(cupy, 0))  # compiles the kernels
    figures: dict[str, Any] = {}
    for count in (1, starts):
        began = time.perf_counter()
        columns, rates = fit_replicates(*_arguments(cupy, count - 1))
        figures[f"starts_{count}_4000_s"] = time.perf_counter() - began
        figures[f"starts_{count}_all_converged"] = bool(columns["converged"].all())
        figures[f"starts_{count}_mean_hit_rate"] = None if rates is None else float(rates.mean())
    return figures | _achieved(cupy)


def _achieved(xp: ModuleType | Any, fits: int = 400_000) -> dict[str, float]:
    """Return operations and bytes a second of all iterations of so many fits, beside what the device can do."""
    from benchmarks import machine  # which imports this module

    problem, start = _problem(xp)
    rows = next(draw_rows(100, problem.log_loss.shape[1], 42))
    weights = numpy.stack([numpy.bincount(row, minlength=rows.shape[1]) for row in rows]).astype(float)
    problem, numbers = replace(problem, weights=weights), numpy.arange(fits) % len(weights)
    starts = start + 0.1 * numpy.random.default_rng(7).standard_normal((fits, len(start)))
    began = time.perf_counter()
    iterations = float(problem.solve(starts, numbers).iterations.sum())
    seconds = time.perf_counter() - began
    record = machine.newton_iteration(problem)
    reached = machine.achieved(record, iterations / seconds, machine.measure_gpu(xp), again=True)
    return {"fits": fits, "fits_s": seconds, "iterations": iterations, **reached}


def _arguments(xp: ModuleType, random: int) -> tuple[Any, ...]:
    problem, start = _problem(xp)
    residuals = problem.residuals(start)
    count = len(residuals)
    noise = Noise(own=residuals, sigma=1.0, free=count, scale=numpy.ones(count), shared=None)
    return problem, start, Resampling(kind="case", bootstrap=REPLICATES, seed=42, noise=noise), random


if __name__ == "__main__":
    import json

    print(json.dumps(measure(), indent=1))
