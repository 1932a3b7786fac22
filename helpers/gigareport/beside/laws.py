"""What published parameter sets of scaling laws would train, beside our own fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gigacluster import scaling

if TYPE_CHECKING:
    import pandas as pd


def published_optima(budget_flop: float) -> pd.DataFrame:
    """Return what each published law would train with a budget.

    Parameters
    ----------
    budget_flop : Training compute. [FLOP]

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

    from gigareport import catalog

    rows: list[dict[str, Any]] = []
    for law, group in catalog.load("scaling_published_laws").groupby("law", sort=False):
        first = group.iloc[0]
        symbols = dict(zip(group["symbol"], group["value"], strict=True))
        best = scaling.law_optimum(scaling.LAWS[first["form"]], symbols, budget_flop)
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
