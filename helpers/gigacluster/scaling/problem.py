"""One law, one set of runs, one objective: every fit of them, from any start and with any weights, as one batch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.jets import JetOperations, constant, contraction, variables
from gigacluster.scaling.laws import Law
from gigacluster.scaling.newton import minimise
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.power_sum import PowerSum

__all__ = ["Fits", "Problem"]

#: Elements (problems x runs) evaluated at once: within the second-level cache of a core; a GPU takes more.
_CHUNK_ELEMENTS = 30_000
_CHUNK_ELEMENTS_GPU = 2**25
#: A fit counts as converged when its gradient, relative to the objective's unit, is below this.
CONVERGED = 1e-9


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

    xp: ModuleType
    like: Any
    law: Law
    objective: Objective
    log_columns: dict[str, numpy.ndarray]  # centred
    log_loss: numpy.ndarray  # (1, runs), or a row a replicate
    weights: numpy.ndarray  # (replicates, runs); one row where all fits have the same
    fixed: dict[int, float] = field(default_factory=dict)  # symbol -> fitted coordinate

    @property
    def chunk(self) -> int:
        """Fits evaluated at once."""
        elements = _CHUNK_ELEMENTS_GPU if self.xp.__name__ == "cupy" else _CHUNK_ELEMENTS
        return max(1, elements // self.log_loss.shape[1])

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
        threshold = max(CONVERGED, 2e-14 / unit)
        tolerance = 0.1 * threshold if tolerance is None else tolerance
        with numpy.errstate(over="ignore", invalid="ignore", divide="ignore"):  # wild steps are refused, not feared
            solution = minimise(
                xp,
                function,
                self.array(start),
                self.array(self.law.lower),
                move=move,
                fixed=self.array(hold) if hold.any() else None,
                scale=float(self.weights.sum() / len(self.weights)),
                tolerance=tolerance * unit,
                max_iterations=max_iterations,
                chunk=self.chunk,
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

    def array(self, values: Any, dtype: Any = None) -> Any:
        """Copy host values to the library and device of the problem."""
        dtype = self.xp.float64 if dtype is None else dtype
        if self.xp.__name__ in ("numpy", "cupy"):
            return self.xp.asarray(values, dtype=dtype)
        return self.xp.asarray(values, dtype=dtype, device=self.like.device)

    def _prediction(self) -> tuple[Any, Any]:
        """Return the prediction with its derivatives, and how a step moves."""
        if self.law.terms and self.law.log_loss is None:
            terms = PowerSum(self.xp, self.law, self.log_columns, self.like)
            return terms, terms.move
        return self._by_jets(), lambda theta, step: theta + step

    def _function(self, prediction: Any, numbers: numpy.ndarray) -> Any:
        xp = self.xp
        weights, observed = self.array(self.weights), self.array(self.log_loss)
        of_problem = self.array(numbers, xp.int64)

        def rows(table: Any, problem: Any) -> Any:
            return table if table.shape[0] == 1 else xp.take(table, xp.take(of_problem, problem), axis=0)

        def function(theta: Any, problem: Any) -> Any:
            predicted, contract = prediction(theta)
            weight = rows(weights, problem)
            value, slope, curvature = self.objective(xp, rows(observed, problem) - predicted)
            total = xp.sum(weight * value, axis=1)
            return xp.concat([total[:, None], contract(weight * slope, weight * curvature)], axis=1)

        return function

    def _by_jets(self) -> Any:
        xp, operations = self.xp, JetOperations(self.xp)
        names = self.law.names
        columns = {name: constant(self.array(values)[None, :], len(names)) for name, values in self.log_columns.items()}

        def prediction(theta: Any) -> Any:
            jets = variables([theta[:, i : i + 1] for i in range(len(names))])
            jet = self.law.predict(operations, dict(zip(names, jets, strict=True)), columns)
            contract = contraction(xp, jet)
            return jet.value, lambda slope, curvature: xp.stack(contract(slope, curvature), axis=1)

        return prediction
