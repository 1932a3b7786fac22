"""Fit of the coefficients to measured runs: a robust least-squares fit with priors and partial pooling.

What is minimised, over the coefficients and the effects of chips, source families and sources::

    sum over runs of rho((log predicted - log measured) / NOISE) / REPETITION  +  squared distances from the priors

Every effect has a prior around zero, so that a family that differs from all others says so in its effect rather than in
the coefficients, and a new family is predicted with an effect of zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy
from scipy.optimize import least_squares

from gigacluster.arrays import NUMPY
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import PRIORS, Coefficients, Prior
from gigacluster.throughput.layers import layer_times
from gigacluster.throughput.step import step_from_layers

#: Error of one run, as a logarithm; larger residuals count with their size rather than their square.
NOISE = 0.1
#: Runs of one source repeat each other: this many count as one independent run.
REPETITION = 8.0
#: Prior standard deviation of the effects, as logarithms of a time.
EFFECT_SPREADS = {"chip": 0.10, "family": 0.12, "source": 0.12}
_DIFFERENCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Measured runs: a case with one element a run, and what effects each belongs to."""

    case: Case
    log_step_time: numpy.ndarray
    labels: dict[str, numpy.ndarray]  # effect kind -> one name a run

    def __len__(self) -> int:
        return len(self.log_step_time)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Coefficients and effects, with their covariance on the scale of the priors."""

    names: tuple[str, ...]  # coefficients
    levels: dict[str, tuple[str, ...]]  # effect kind -> names
    position: numpy.ndarray  # distance from the prior in its spreads: coefficients, then effects
    covariance: numpy.ndarray
    gradient: numpy.ndarray  # of half the objective at the optimum, zero up to the stopping rule

    @property
    def coefficients(self) -> Coefficients:
        """Return the coefficients as numbers."""
        return Coefficients(**{name: float(value) for name, value in self._decoded(self.position).items()})

    def _decoded(self, position: Any) -> dict[str, Any]:
        return {name: decode(PRIORS[name], position[..., i]) for i, name in enumerate(self.names)}

    def effects(self, kind: str) -> dict[str, float]:
        """Return the effects of one kind by name."""
        start = len(self.names)
        for other, names in self.levels.items():
            if other == kind:
                values = EFFECT_SPREADS[kind] * self.position[start : start + len(names)]
                return dict(zip(names, values.tolist(), strict=True))
            start += len(names)
        raise KeyError(kind)


def decode(prior: Prior, position: Any) -> Any:
    """Turn a distance from the prior, in its spreads, into the value of a coefficient."""
    return _from_scale(prior, _to_scale(prior) + prior.spread * position)


def encode(prior: Prior, value: float) -> float:
    """Turn the value of a coefficient into its distance from the prior, in its spreads."""
    return (_scaled(prior, value) - _to_scale(prior)) / prior.spread


def _to_scale(prior: Prior) -> float:
    return _scaled(prior, prior.value)


def _scaled(prior: Prior, value: float) -> float:
    if prior.scale == "log":
        return float(numpy.log(value))
    return float(numpy.log(value / (1.0 - value))) if prior.scale == "logit" else value


def _from_scale(prior: Prior, value: Any) -> Any:
    if prior.scale == "log":
        return numpy.exp(value)
    return 1.0 / (1.0 + numpy.exp(-value)) if prior.scale == "logit" else value


def select(data: Observations, keep: numpy.ndarray) -> Observations:
    """Return the runs of a mask or of indices."""
    case = Case(**{name: value[keep] if numpy.ndim(value) else value for name, value in data.case.fields().items()})
    labels = {kind: names[keep] for kind, names in data.labels.items()}
    return Observations(case=case, log_step_time=data.log_step_time[keep], labels=labels)


def fit(data: Observations, *, start: Fit | None = None, max_evaluations: int = 60) -> Fit:
    """Fit coefficients and effects to measured runs.

    Parameters
    ----------
    data : Observations
        At least a few dozen runs.
    start : Fit, optional
        Where to begin; the priors by default. Changes the time it takes, not the optimum.
    """
    names = tuple(PRIORS)
    levels = {kind: tuple(sorted(set(data.labels[kind].tolist()))) for kind in EFFECT_SPREADS}
    codes = {kind: numpy.searchsorted(levels[kind], data.labels[kind]) for kind in EFFECT_SPREADS}
    model = _Model(data, names, levels, codes)
    found = least_squares(
        model.residuals,
        _first(names, levels, start),
        model.jacobian,
        method="lm",
        xtol=1e-9,
        ftol=1e-9,
        gtol=1e-9,
        max_nfev=max_evaluations,
    )
    jacobian = model.jacobian(found.x)
    return Fit(
        names=names,
        levels=levels,
        position=found.x,
        covariance=numpy.linalg.inv(jacobian.T @ jacobian),
        gradient=jacobian.T @ model.residuals(found.x),
    )


def _first(names: tuple[str, ...], levels: dict[str, tuple[str, ...]], start: Fit | None) -> numpy.ndarray:
    if start is None:
        return numpy.zeros(len(names) + sum(map(len, levels.values())))
    values = [start.position[: len(names)]]
    for kind, level in levels.items():
        known = start.effects(kind)
        values.append(numpy.array([known.get(name, 0.0) / EFFECT_SPREADS[kind] for name in level]))
    return numpy.concatenate(values)


class _Model:
    """Residuals and their derivatives; all coefficients are perturbed in one broadcast evaluation."""

    def __init__(
        self, data: Observations, names: tuple[str, ...], levels: Mapping[str, Sequence[str]], codes: dict[str, Any]
    ) -> None:
        self.data, self.names, self.levels, self.codes = data, names, levels, codes
        self.rows = numpy.arange(len(data))

    def _error(self, position: numpy.ndarray) -> numpy.ndarray:
        """Return log predicted over measured, an axis for each leading axis of ``position``."""
        columns = {name: decode(PRIORS[name], position[..., i])[..., None] for i, name in enumerate(self.names)}
        effects = {kind: self._effect(kind, position) for kind in self.levels}
        case = replace(self.data.case, chip_effect=effects["chip"], family_effect=effects["family"] + effects["source"])
        return log_step_time(case, Coefficients(**columns)) - self.data.log_step_time

    def _start(self, kind: str) -> int:
        before = list(self.levels)[: list(self.levels).index(kind)]
        return len(self.names) + sum(len(self.levels[other]) for other in before)

    def _effect(self, kind: str, position: numpy.ndarray) -> numpy.ndarray:
        return EFFECT_SPREADS[kind] * position[..., self._start(kind) + self.codes[kind]]

    def residuals(self, position: numpy.ndarray) -> numpy.ndarray:
        return numpy.concatenate([_robust(self._error(position))[0], position])

    def jacobian(self, position: numpy.ndarray) -> numpy.ndarray:
        n_names, n_rows = len(self.names), len(self.rows)
        steps = numpy.zeros((n_names + 2, len(position)))
        steps[:n_names, :n_names] = numpy.diag(numpy.full(n_names, _DIFFERENCE))
        chips = slice(self._start("chip"), self._start("chip") + len(self.levels["chip"]))
        steps[n_names, chips] = _DIFFERENCE  # each run has one chip: all of them at once
        error = self._error(position + steps)
        change = (error[:-1] - error[-1]) / _DIFFERENCE
        derivative = numpy.zeros((n_rows, len(position)))
        derivative[:, :n_names] = change[:n_names].T
        derivative[self.rows, self._start("chip") + self.codes["chip"]] = change[n_names]
        for kind in ("family", "source"):
            derivative[self.rows, self._start(kind) + self.codes[kind]] = EFFECT_SPREADS[kind]
        slope = _robust(error[-1])[1]
        return numpy.concatenate([derivative * slope[:, None], numpy.eye(len(position))])


def _robust(error: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return residuals whose square is the pseudo-Huber loss, and their derivative."""
    scaled = error / NOISE
    root = numpy.sqrt(1.0 + scaled**2)
    # sqrt(2 (root - 1)) without cancellation near zero
    factor = numpy.sqrt(2.0 / (root + 1.0))
    derivative = 1.0 / (root * factor)
    return scaled * factor / REPETITION**0.5, derivative / NOISE / REPETITION**0.5


def log_step_time(case: Case, coefficients: Coefficients) -> numpy.ndarray:
    """Return the logarithm of the step time; coefficients may carry further leading axes."""
    layers = layer_times(NUMPY, case, coefficients)
    return numpy.log(step_from_layers(NUMPY, layers, case, coefficients).total_s)


def predict_log_s(found: Fit, data: Observations) -> numpy.ndarray:
    """Return the logarithm of predicted step times; a chip, family or source not fitted has no effect."""
    effects = {
        kind: numpy.array([found.effects(kind).get(name, 0.0) for name in data.labels[kind].tolist()])
        for kind in EFFECT_SPREADS
    }
    case = replace(data.case, chip_effect=effects["chip"], family_effect=effects["family"] + effects["source"])
    return log_step_time(case, found.coefficients)
