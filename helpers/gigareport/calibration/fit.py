"""Fit of the coefficients to measured runs: a robust least-squares fit with priors and partial pooling.

What is minimised, over the coefficients and the effects of chips, source families and sources::

    sum over runs of rho((log predicted - log measured) / NOISE) / REPETITION  +  squared distances from the priors

Every effect has a prior around zero, so that a family that differs from all others says so in its effect rather than in
the coefficients, and a new family is predicted with an effect of zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
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

    levels: dict[str, tuple[str, ...]]  # effect kind -> names
    position: numpy.ndarray  # distance from the prior in its spreads: coefficients, then effects
    covariance: numpy.ndarray
    gradient: numpy.ndarray  # of half the objective at the optimum, zero up to the stopping rule

    @property
    def coefficients(self) -> Coefficients:
        """Return the coefficients as numbers."""
        return Coefficients(**{name: float(value) for name, value in decoded(self.position).items()})

    def effects(self, kind: str) -> dict[str, float]:
        """Return the effects of one kind by name."""
        values = EFFECT_SPREADS[kind] * self.position[_places(self.levels)[kind]]
        return dict(zip(self.levels[kind], values.tolist(), strict=True))


def _places(levels: Mapping[str, Sequence[str]]) -> dict[str, slice]:
    """Return where the effects of each kind stand in a position."""
    ends = numpy.cumsum([len(PRIORS), *map(len, levels.values())]).tolist()
    return {kind: slice(*between) for kind, between in zip(levels, pairwise(ends), strict=True)}


#: From the value of a coefficient to the scale of its prior, and back.
_SCALES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "log": (numpy.log, numpy.exp),
    "logit": (lambda value: numpy.log(value / (1.0 - value)), lambda at: 1.0 / (1.0 + numpy.exp(-at))),
    "linear": (float, lambda at: at),
}


def decode(prior: Prior, position: Any) -> Any:
    """Turn a distance from the prior, in its spreads, into the value of a coefficient."""
    to_scale, from_scale = _SCALES[prior.scale]
    return from_scale(float(to_scale(prior.value)) + prior.spread * position)


def encode(prior: Prior, value: float) -> float:
    """Turn the value of a coefficient into its distance from the prior, in its spreads."""
    to_scale, _ = _SCALES[prior.scale]
    return (float(to_scale(value)) - float(to_scale(prior.value))) / prior.spread


def decoded(position: numpy.ndarray) -> dict[str, Any]:
    """Return the coefficients at positions, which lie along the last axis."""
    return {name: decode(prior, position[..., i]) for i, (name, prior) in enumerate(PRIORS.items())}


def select(data: Observations, keep: numpy.ndarray) -> Observations:
    """Return the runs of a mask or of indices."""
    case = Case(**{name: value[keep] if numpy.ndim(value) else value for name, value in data.case.fields().items()})
    labels = {kind: names[keep] for kind, names in data.labels.items()}
    return Observations(case=case, log_step_time=data.log_step_time[keep], labels=labels)


def fit(data: Observations, *, start: Fit | None = None, max_evaluations: int = 60) -> Fit:
    """Fit coefficients and effects to measured runs.

    Parameters
    ----------
    data : At least a few dozen runs.
    start : Where to begin; the priors by default. Changes the time it takes, not the optimum.
    """
    levels = {kind: tuple(sorted(set(data.labels[kind].tolist()))) for kind in EFFECT_SPREADS}
    model = _Model(data, levels)
    found = least_squares(
        model.residuals,
        _first(levels, start),
        model.jacobian,
        method="lm",
        xtol=1e-9,
        ftol=1e-9,
        gtol=1e-9,
        max_nfev=max_evaluations,
    )
    jacobian = model.jacobian(found.x)
    return Fit(
        levels=levels,
        position=found.x,
        covariance=numpy.linalg.inv(jacobian.T @ jacobian),
        gradient=jacobian.T @ model.residuals(found.x),
    )


def _first(levels: dict[str, tuple[str, ...]], start: Fit | None) -> numpy.ndarray:
    first = numpy.zeros(len(PRIORS) + sum(map(len, levels.values())))
    if start is not None:
        first[: len(PRIORS)] = start.position[: len(PRIORS)]
        for kind, place in _places(levels).items():
            known = start.effects(kind)
            first[place] = [known.get(name, 0.0) / EFFECT_SPREADS[kind] for name in levels[kind]]
    return first


class _Model:
    """Residuals and their derivatives; all coefficients are perturbed in one broadcast evaluation."""

    def __init__(self, data: Observations, levels: dict[str, tuple[str, ...]]) -> None:
        self.data, self.places = data, _places(levels)
        #: Where in a position the effect of each run stands.
        self.columns = {
            kind: place.start + numpy.searchsorted(levels[kind], data.labels[kind])
            for kind, place in self.places.items()
        }

    def _error(self, position: numpy.ndarray) -> numpy.ndarray:
        """Return log predicted over measured, an axis for each leading axis of ``position``."""
        coefficients = Coefficients(**{name: value[..., None] for name, value in decoded(position).items()})
        effects = {kind: EFFECT_SPREADS[kind] * position[..., at] for kind, at in self.columns.items()}
        return log_step_time(_with_effects(self.data.case, effects), coefficients) - self.data.log_step_time

    def residuals(self, position: numpy.ndarray) -> numpy.ndarray:
        return numpy.concatenate([_robust(self._error(position))[0], position])

    def jacobian(self, position: numpy.ndarray) -> numpy.ndarray:
        n_names, rows = len(PRIORS), numpy.arange(len(self.data))
        steps = numpy.zeros((n_names + 2, len(position)))
        steps[:n_names, :n_names] = numpy.diag(numpy.full(n_names, _DIFFERENCE))
        steps[n_names, self.places["chip"]] = _DIFFERENCE  # each run has one chip: all of them at once
        error = self._error(position + steps)
        change = (error[:-1] - error[-1]) / _DIFFERENCE
        derivative = numpy.zeros((len(rows), len(position)))
        derivative[:, :n_names] = change[:n_names].T
        derivative[rows, self.columns["chip"]] = change[n_names]
        for kind in ("family", "source"):
            derivative[rows, self.columns[kind]] = EFFECT_SPREADS[kind]
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
    return log_step_time(_with_effects(data.case, effects), found.coefficients)


def _with_effects(case: Case, effects: dict[str, numpy.ndarray]) -> Case:
    return replace(case, chip_effect=effects["chip"], family_effect=effects["family"] + effects["source"])
