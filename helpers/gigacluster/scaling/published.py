"""Stored replicates and published parameter sets: laws without fitting, and the spread between papers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.scaling.decisions import best_of_law

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["law_samples", "published_optima"]


@cache
def _stored() -> dict[str, numpy.ndarray]:
    from gigacluster import catalog

    table = catalog.load("scaling_law_replicates")
    return {name: table[name].to_numpy() for name in ("A", "B", "E", "alpha", "beta")}


def law_samples(samples: int, seed: int) -> dict[str, numpy.ndarray]:
    """Return samples of the law that scenarios use: bootstrap replicates of the fit to ``scaling_chinchilla_runs``.

    Parameters
    ----------
    samples : int
    seed : int

    Returns
    -------
    dict of str to array, shape (samples,)
        A, B, E, alpha, beta, jointly drawn: pass them to :func:`gigacluster.scaling.optimum` with as many budgets.

    Examples
    --------
    >>> law_samples(3, 7)["alpha"].shape
    (3,)
    """
    stored = _stored()
    count = len(stored["A"])
    rows = numpy.random.default_rng([seed, *b"scaling law"]).integers(0, count, samples)
    return {name: values[rows] for name, values in stored.items()}


def published_optima(budget_flop: float) -> pd.DataFrame:
    """Return what each published law would train with a budget.

    Parameters
    ----------
    budget_flop : float
        Training compute. [FLOP]

    Returns
    -------
    DataFrame
        ``law``, ``label``, ``training_text``, ``params``, ``tokens``, ``tokens_per_param``, ``loss`` (compares only
        between laws of one training text) and ``verification``, a row a law.

    Examples
    --------
    >>> "kaplan-2020" in set(published_optima(1e24)["law"])
    True
    """
    import pandas as pd

    from gigacluster import catalog

    rows: list[dict[str, Any]] = []
    for law, group in catalog.load("scaling_published_laws").groupby("law", sort=False):
        first = group.iloc[0]
        best = best_of_law(first["form"], dict(zip(group["symbol"], group["value"], strict=True)), budget_flop)
        rows.append(
            {
                "law": law,
                "label": first["label"],
                "training_text": first["training_text"],
                "params": float(best.params),
                "tokens": float(best.tokens),
                "tokens_per_param": float(best.tokens / best.params),
                "loss": float(best.loss),
                "verification": first["verification"],
            }
        )
    return pd.DataFrame(rows)
