"""One law, one set of runs, one objective: every fit of them, from any start and with any weights, as one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy

from gigacluster.arrays import Array, Samples, free_bytes, kernel, moved, namespace_of, to_host
from gigacluster.scaling.derivatives import JetOperations, PowerSum, constant, contraction, variables
from gigacluster.scaling.fused import fused
from gigacluster.scaling.law import Law
from gigacluster.scaling.newton import minimise
from gigacluster.scaling.objective import Objective

#: Elements (problems x runs) evaluated at once: within the second-level cache of a core; a GPU takes more.
_CHUNK_ELEMENTS = 30_000
_CHUNK_ELEMENTS_GPU = 2**27
#: Memory that arrays of one element take while a chunk of fits is evaluated: the terms, their product with the weights.
_BYTES_AN_ELEMENT = 160
#: A fit counts as converged when its gradient, relative to the objective's unit, is below this.
CONVERGED = 1e-9
#: Runs up to which that holds; a sum over more has rounding in proportion.
_FEW_RUNS = 1000
#: Two fits found the same minimum when their objectives differ by less than this share, or by residuals of rounding.
_SAME_SHARE = 1e-7
_SAME_RESIDUAL = 1e-12
#: delta is lowered to this by steps of ten for the least-absolute-deviation limit.
_SMALLEST_DELTA = 1e-8
#: Iterations of a fit before it is given its second chance.
_FIRST_TRY = 150
#: Multiples of delta that a fit stuck in a narrow valley is continued with.
_WIDER_DELTAS = (30.0, 5.0, 1.0)
#: Fall of log likelihood that rules a value out at 95 %: half the chi-squared quantile with one degree of freedom.
_RULED_OUT = 1.92
#: Fall of log likelihood for a rise of the objective by its size over the runs, for normal errors: robust, squared
#: loss.
_NORMAL_SHARE = (0.64, 0.5)


@dataclass(frozen=True, slots=True)
class Fits:
    """Solutions on the host, a row a fit. ``gradient`` is relative to delta, and ``converged`` its proof."""

    theta: numpy.ndarray
    objective: numpy.ndarray
    gradient: numpy.ndarray
    iterations: numpy.ndarray
    hessian: numpy.ndarray  # packed lower triangle
    converged: numpy.ndarray

    def rows(self, which: Any) -> Fits:
        """Return some of the fits."""
        return Fits(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What all fits share. ``like`` is any array of the library and device to compute on."""

    like: Any
    law: Law
    objective: Objective
    log_columns: dict[str, numpy.ndarray]  # centred
    log_loss: numpy.ndarray  # (1, runs), or a row a replicate
    weights: numpy.ndarray  # (replicates, runs); one row where all fits have the same
    units: Mapping[str, float]  # log of the unit of each column
    fixed: dict[int, float] = field(default_factory=dict)  # symbol -> fitted coordinate

    @property
    def xp(self) -> Any:
        """The array library."""
        return namespace_of(self.like)

    @property
    def chunk(self) -> int:
        """Fits evaluated at once."""
        elements = min(free_bytes(self.xp) / 2 / _BYTES_AN_ELEMENT, _CHUNK_ELEMENTS_GPU)
        elements = elements if self.xp.__name__ == "cupy" else _CHUNK_ELEMENTS
        return max(1, int(elements // self.log_loss.shape[1]))

    def solve(
        self,
        theta: numpy.ndarray,
        replicate: numpy.ndarray | None = None,
        *,
        held: numpy.ndarray | None = None,
        tolerance: float | None = None,
        max_iterations: int = 400,
    ) -> Fits:
        """Fit from each row of ``theta``, with the weights and losses of its ``replicate``.

        ``held`` marks, a row a fit, parameters that stay at their start (beside the fixed ones).
        """
        xp = self.xp
        start = numpy.array(theta, dtype=float)
        hold = numpy.zeros(start.shape) if held is None else numpy.asarray(held, dtype=float)
        for symbol, value in self.fixed.items():
            start[:, symbol], hold[:, symbol] = value, 1.0
        numbers = numpy.zeros(len(start), dtype=int) if replicate is None else replicate
        prediction, move = self._prediction()
        function = self._function(prediction, numbers)
        unit = self.objective.unit
        # A residual is known to some 1e-16, and delta is all that a slope can change by.
        threshold = max(CONVERGED, 2e-14 / unit) * max(1.0, self.log_loss.shape[1] / _FEW_RUNS)
        tolerance = 0.1 * threshold if tolerance is None else tolerance
        scale = float(self.weights.sum() / len(self.weights))
        finish = None
        if xp.__name__ == "cupy":
            finish = fused(
                *(self, scale, numbers, lambda source: kernel(xp, source, "newton")),
                tolerance=tolerance * unit,
                max_iterations=max_iterations,
            )
        with numpy.errstate(over="ignore", invalid="ignore", divide="ignore"):  # wild steps are refused, not feared
            solution = minimise(
                xp,
                function,
                self.array(start),
                self.array(self.law.lower),
                move=move,
                fixed=self.array(hold) if hold.any() else None,
                scale=scale,
                tolerance=tolerance * unit,
                max_iterations=max_iterations,
                chunk=self.chunk,
                finish=finish,
            )
        gradient = to_host(solution.gradient) / unit
        return Fits(
            to_host(solution.theta),
            to_host(solution.objective),
            gradient,
            to_host(solution.iterations),
            to_host(solution.model)[:, 1 + start.shape[1] :],
            gradient < threshold,
        )

    @property
    def free(self) -> list[int]:
        """Numbers of the symbols that are fitted."""
        return [i for i in range(len(self.law.names)) if i not in self.fixed]

    def symbols(self, theta: numpy.ndarray) -> numpy.ndarray:
        """Return parameters in SI units from fitted coordinates; both of shape (..., symbols)."""
        return self.law.to_symbols(theta, self.units)

    def residuals(self, theta: numpy.ndarray) -> numpy.ndarray:
        """Return observed less predicted log loss of the runs for one vector of fitted coordinates, on the host."""
        named = dict(zip(self.law.names, theta, strict=True))
        with numpy.errstate(all="ignore"):  # a fit that went astray
            return numpy.asarray(self.log_loss[0] - self.law.predict(JetOperations(numpy), named, self.log_columns))

    def jacobian(self, theta: numpy.ndarray, log_columns: Mapping[str, numpy.ndarray] | None = None) -> numpy.ndarray:
        """Return the derivatives of log loss by the free coordinates at one point, shape (runs, free symbols).

        ``log_columns`` may be those of other runs, centred as the problem's are. A floor at 0 counts as fixed.
        """
        columns = self.log_columns if log_columns is None else log_columns
        with numpy.errstate(all="ignore"):
            jet = self._jet(numpy, theta[None, :], columns)
        runs = len(next(iter(columns.values())))
        every = (jet.gradient.get(i, 0.0) for i in range(len(theta)))
        slopes = numpy.stack([numpy.broadcast_to(slope, (1, runs))[0] for slope in every], axis=1)
        return slopes[:, [i for i in self.free if theta[i] > self.law.lower[i]]]

    def only(self, rows: numpy.ndarray) -> Problem:
        """Return the problem of some of the runs, with one row of weights of mean 1."""
        weights = self.weights[:1, rows]
        return replace(
            self,
            log_columns={name: column[rows] for name, column in self.log_columns.items()},
            log_loss=self.log_loss[:, rows],
            weights=weights / (weights.mean() or 1.0),
        )

    def array(self, values: Any) -> Any:
        """Copy host values to the library and device of the problem, as float64."""
        return moved(values, self.like)

    def _prediction(self) -> tuple[Any, Any]:
        """Return the prediction with its derivatives, and how a step moves."""
        if self.law.terms and self.law.log_loss is None:
            terms = PowerSum(self.xp, self.law, self.log_columns, self.like)
            return terms, terms.move
        columns = {name: self.array(values) for name, values in self.log_columns.items()}

        def prediction(theta: Array) -> Any:
            jet = self._jet(self.xp, theta, columns)
            return jet.value, contraction(self.xp, jet, theta.shape[1])

        return prediction, lambda theta, step: theta + step

    def _jet(self, xp: Any, theta: Any, columns: Mapping[str, Any]) -> Any:
        """Return the log loss with its derivatives, for coordinates (problems, symbols)."""
        names = self.law.names
        jets = variables([theta[:, i : i + 1] for i in range(len(names))])
        held = {name: constant(values[None, :]) for name, values in columns.items()}
        return self.law.predict(JetOperations(xp), dict(zip(names, jets, strict=True)), held)

    def _function(self, prediction: Any, numbers: numpy.ndarray) -> Any:
        xp = self.xp
        weights, observed = self.array(self.weights), self.array(self.log_loss)
        of_problem = moved(numbers, self.like, whole=True)

        def rows(table: Any, problem: Any) -> Any:
            return table if table.shape[0] == 1 else xp.take(table, xp.take(of_problem, problem), axis=0)

        def function(theta: Any, problem: Any) -> Any:
            predicted, contract = prediction(theta)
            weight = rows(weights, problem)
            value, slope, curvature = self.objective(xp, rows(observed, problem) - predicted)
            total = xp.sum(weight * value, axis=1)
            return xp.concat([total[:, None], contract(weight * slope, weight * curvature)], axis=1)

        return function


def make_problem(
    law: Law,
    columns: Mapping[str, numpy.ndarray],
    loss: numpy.ndarray,
    objective: Objective,
    *,
    weights: numpy.ndarray | None = None,
    fixed: Mapping[str, float] | None = None,
    like: Any = None,
) -> Problem:
    """Return the problem of a law and runs, with columns centred."""
    raw, held = law.log_columns(columns, numpy.log), dict(fixed or {})
    units = law.units(raw, held)
    theta = law.to_coordinates(numpy.asarray([held.get(name, 1.0) for name in law.names]), units)
    return Problem(
        like=numpy.zeros(1) if like is None else like,
        law=law,
        objective=objective,
        log_columns={name: column - units[name] for name, column in raw.items()},
        log_loss=numpy.log(loss)[None, :],
        weights=numpy.ones((1, len(loss))) if weights is None else weights[None, :],
        units=units,
        fixed={law.names.index(name): float(theta[law.names.index(name)]) for name in held},
    )


def reaches(objective: Samples, lowest: Samples, runs: int) -> Any:
    """Tell which objectives are as low as the lowest."""
    return objective <= lowest * (1 + _SAME_SHARE) + runs * _SAME_RESIDUAL**2


def looks_flat(problem: Problem, fits: Fits) -> numpy.ndarray:
    """Tell, a row a fit, whether some parameter looks unidentified by the curvature at the optimum.

    The quick test that replicates get, by the same limits as the profile: a term ten times its size, an exponent down
    to a fifth, or a floor of 0, within what the curvature allows for normal errors. A fit on few runs within delta can
    look flat here and have a profile that is not.
    """
    law, size = problem.law, fits.theta.shape[1]
    hessian = numpy.zeros((len(fits.theta), size, size))
    rows, columns = numpy.tril_indices(size)
    hessian[:, rows, columns] = hessian[:, columns, rows] = fits.hessian
    still = fits.theta <= law.lower
    still[:, list(problem.fixed)] = True
    hessian = numpy.where(still[:, :, None] | still[:, None, :], numpy.eye(size), hessian)
    reach = numpy.where(law.is_amplitude, numpy.log(10.0), 0.8 * fits.theta)
    reach = numpy.where([symbol.kind == "floor" for symbol in law.symbols], fits.theta, reach)
    judged = numpy.asarray([symbol.kind != "free" for symbol in law.symbols]) & ~still
    curvature = numpy.linalg.pinv(hessian, hermitian=True).diagonal(axis1=1, axis2=2)
    share = _NORMAL_SHARE[problem.objective.loss == "squared"]
    runs = problem.log_loss.shape[1]
    variance = 2.0 * _RULED_OUT * fits.objective[:, None] / (share * runs) * curvature
    return numpy.asarray((judged & ~((variance > 0) & (variance < reach**2))).any(axis=1))


def solve(problem: Problem, theta: numpy.ndarray, replicate: numpy.ndarray | None = None) -> Fits:
    """Minimise; for absolute loss through ever smaller deltas, whose limit it is."""
    if problem.objective.loss != "absolute":
        return _with_second_chance(problem, problem.solve(theta, replicate, max_iterations=_FIRST_TRY), replicate)
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
        again = wider.solve(theta, numbers, max_iterations=400 if factor == 1.0 else 100)
        theta = again.theta
    better = again.converged & reaches(again.objective, fits.objective[left], problem.log_loss.shape[1])
    merged = {item.name: numpy.array(getattr(fits, item.name)) for item in fields(fits)}
    for name, values in merged.items():
        values[left[better]] = getattr(again, name)[better]
    return Fits(**merged)
