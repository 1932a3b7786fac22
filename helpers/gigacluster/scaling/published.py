"""A law of published coefficients: what may be given, and draws where their covariance is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from gigacluster.limits import SHARE_WITHIN, checked
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.runs import whole


def published(
    form: str | Law,
    coefficients: Mapping[str, float],
    covariance: Any,
    samples: int,
    seed: int,
    coverage: float,
) -> dict[str, Any]:
    """Return the fields of a fit with these coefficients; see :meth:`gigacluster.scaling.Fit.from_coefficients`."""
    law = get_law(form)
    checked(coverage=(coverage, SHARE_WITHIN))
    values = {**dict(law.defaults), **symbol_values(law, coefficients, "coefficients")}
    missing = [name for name in law.names if name not in values]
    if missing:
        raise ValueError(f"coefficients of {law.name!r} ({', '.join(law.names)}): {', '.join(missing)} missing")
    replicates: dict[str, numpy.ndarray] = {}
    if covariance is not None:
        matrix, names = numpy.asarray(covariance, dtype=float), list(coefficients)
        if matrix.shape != (len(names), len(names)):
            raise ValueError(f"covariance has shape {matrix.shape}; it must be {(len(names),) * 2}, for {names}")
        stream, samples = numpy.random.default_rng(whole("seed", seed)), whole("samples", samples, 1)
        drawn = stream.multivariate_normal([values[name] for name in names], matrix, samples, method="eigh")
        table = {name: numpy.full(samples, value) for name, value in values.items()}
        table |= dict(zip(names, drawn.T, strict=True))
        good = numpy.all([table[s.name] > 0 for s in law.symbols if s.kind in ("amplitude", "exponent")], axis=0)
        replicates = {**{name: numpy.where(good, table[name], numpy.nan) for name in law.names}, "converged": good}
    return {
        "law": law,
        "parameters": {name: values[name] for name in law.names},
        "fixed": {name: value for name, value in values.items() if name not in coefficients},
        "coverage": coverage,
        "replicates": replicates,
        "flags": (),
        "kind": "covariance" if replicates else "",
    }


def symbol_values(law: Law, given: Any, what: str) -> dict[str, float]:
    """Return values of symbols by name, each in its range.

    Raises
    ------
    ValueError
        With every name that is unknown and every value that is none.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} is {given!r}; it must be a dict of values by symbol: {', '.join(law.names)}")
    values, faults = {}, [f"{name!r} is unknown" for name in given if name not in law.names]
    for symbol in law.symbols:
        if symbol.name in given:
            try:
                value = values[symbol.name] = float(given[symbol.name])
            except (TypeError, ValueError, OverflowError):
                value = numpy.nan
            least = {"amplitude": "above 0", "free": "of any sign"}.get(symbol.kind, "at least 0")
            low = symbol.kind != "free" and (value < 0 or (symbol.kind == "amplitude" and value == 0))
            if low or not numpy.isfinite(value):
                faults.append(f"{symbol.name} is {given[symbol.name]!r} and must be a finite number {least}")
    if faults:
        raise ValueError(f"{what} of {law.name!r} ({', '.join(law.names)}): {'; '.join(faults)}")
    return values
