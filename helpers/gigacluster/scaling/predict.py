"""Losses of runs that were not made, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import as_common, to_host
from gigacluster.scaling.jets import JetOperations

if TYPE_CHECKING:
    from gigacluster.scaling.fitting import Fit

__all__ = ["Estimate", "predict_loss", "with_noise"]

#: Least number of noisy samples that an interval is read from.
_NOISY_SAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate with its interval, of one shape; ``nan`` bounds where the fit has no bootstrap."""

    value: Any
    low: Any
    high: Any


def predict_loss(fitted: Fit, columns: Mapping[str, Any], *, noise: bool, seed: int) -> Estimate:
    """Return the loss that a fit predicts.

    Parameters
    ----------
    fitted : Fit
    columns : mapping of str to float or array
        What the law needs: ``params``, ``tokens``, ...; they broadcast.
    noise : bool
        The interval is that of the law's curve; with ``noise`` it is that of a single run, whose residual is drawn
        from those of the fit.
    seed : int
        Of those draws.

    Returns
    -------
    Estimate
        Loss and percentile interval, at the coverage of the fit. [nat/token]
    """
    law = fitted.law
    missing = [name for name in law.columns if name not in columns]
    if missing == ["budget_flop"] and {"params", "tokens"} <= set(columns):
        columns = {"budget_flop": 6.0 * columns["params"] * columns["tokens"]}
    elif missing:
        raise ValueError(
            f"{law.name!r} needs {', '.join(law.columns)} to predict a loss; missing: {', '.join(missing)}"
        )
    host = numpy.broadcast_arrays(*(to_host(as_common(columns[name])[1][0]) for name in law.columns))
    if any((values <= 0).any() for values in host):
        raise ValueError(f"{', '.join(law.columns)} must be positive to predict a loss")
    log_columns = law.log_columns(dict(zip(law.columns, host, strict=True)), numpy.log)
    value = numpy.exp(_log_loss(fitted, fitted.parameters, log_columns))
    if fitted.replicates.empty:
        return Estimate(value, numpy.full_like(value, numpy.nan), numpy.full_like(value, numpy.nan))
    good = fitted.replicates[fitted.replicates["converged"]]
    table = {name: good[name].to_numpy().reshape((-1,) + (1,) * value.ndim) for name in law.names}
    samples = _log_loss(fitted, table, log_columns)
    if noise:
        free = len(law.names) - len(fitted.fixed)
        runs = len(fitted.residuals)
        # A fit comes closer to its own runs than to new ones: the usual degrees of freedom make up for it.
        own = fitted.residuals * numpy.sqrt(runs / (runs - free))
        samples = with_noise(samples, own, seed)
    tails = [(1 - fitted.coverage) / 2, (1 + fitted.coverage) / 2]
    low, high = numpy.quantile(numpy.exp(samples), tails, axis=0)
    return Estimate(value, low, high)


def with_noise(samples: numpy.ndarray, residuals: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Return samples (along axis 0) with residuals added, each sample often enough that the tails are well drawn.

    The same residuals serve all points, so that an interval drawn along a curve is smooth.
    """
    times = -(-_NOISY_SAMPLES // len(samples))
    drawn = numpy.random.default_rng(seed).choice(residuals, size=len(samples) * times)
    return numpy.repeat(samples, times, axis=0) + drawn.reshape((-1,) + (1,) * (samples.ndim - 1))


def _log_loss(fitted: Fit, symbols: Mapping[str, Any], log_columns: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
    parameters = {
        symbol.name: numpy.log(symbols[symbol.name]) if symbol.kind == "amplitude" else symbols[symbol.name]
        for symbol in fitted.law.symbols
    }
    return fitted.law.predict(JetOperations(numpy), parameters, log_columns)
