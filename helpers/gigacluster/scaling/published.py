"""A law of published coefficients: what may be given, and draws where their covariance is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from gigacluster.limits import SHARE_WITHIN, checked, whole
from gigacluster.scaling.law import Law, get_law


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
    values = {**dict(law.defaults), **law.values_of(coefficients, "coefficients")}
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
