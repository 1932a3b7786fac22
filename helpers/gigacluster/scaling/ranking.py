"""Which form extrapolates best: fit without the largest runs, predict them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.scaling.fitting import fit
from gigacluster.scaling.laws import get_law
from gigacluster.scaling.predict import predict_loss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank_forms"]


def rank_forms(
    runs: pd.DataFrame,
    forms: Sequence[Any] = ("chinchilla", "chinchilla-tied", "kaplan", "frontier"),
    *,
    held_out_frac: float = 0.2,
    **options: Any,
) -> pd.DataFrame:
    """Rank forms by their error on the runs of largest compute, which they were not fitted to.

    Parameters
    ----------
    runs : DataFrame
        As for :func:`gigacluster.scaling.fit`; compute is ``budget_flop``, or 6 params tokens.
    forms : sequence of str or Law
    held_out_frac : float
        Share of runs left out, those of largest compute.
    **options
        Passed to :func:`gigacluster.scaling.fit`.

    Returns
    -------
    DataFrame
        A row a form, best first: ``form``, ``free_parameters``, ``held_out_error`` (root-mean-square error of log
        loss), ``held_out_bias`` (mean of observed - predicted log loss), ``fitted_error``, ``reach`` (largest compute
        over the largest fitted), ``flags``.

    Raises
    ------
    ValueError
        If too few runs are left on either side.
    """
    import pandas as pd

    if not 0 < held_out_frac < 1:
        raise ValueError(f"held_out_frac is {held_out_frac!r}; it must lie between 0 and 1")
    flop = runs["budget_flop"] if "budget_flop" in runs else 6.0 * runs["params"] * runs["tokens"]
    order = numpy.argsort(flop.to_numpy(), kind="stable")
    held_out = order[len(order) - max(1, round(held_out_frac * len(order))) :]
    kept = numpy.setdiff1d(order, held_out)
    rows = []
    for form in forms:
        law = get_law(form)
        fitted = fit(runs.iloc[kept], law, **options)
        test = runs.iloc[held_out].assign(budget_flop=flop.iloc[held_out])
        columns = {name: test[name].to_numpy() for name in law.columns}
        predicted = predict_loss(fitted, columns, noise=False, seed=0)
        miss = numpy.log(test["loss"].to_numpy()) - numpy.log(predicted.value)
        rows.append(
            {
                "form": law.name,
                "free_parameters": len(law.names) - len(fitted.fixed),
                "held_out_error": float(numpy.sqrt(numpy.mean(miss**2))),
                "held_out_bias": float(miss.mean()),
                "fitted_error": float(numpy.sqrt(numpy.mean(fitted.residuals**2))),
                "reach": float(flop.iloc[held_out].max() / flop.iloc[kept].max()),
                "flags": "; ".join(f"{flag.symbol} {flag.kind}".strip() for flag in fitted.flags),
            }
        )
    return pd.DataFrame(rows).sort_values("held_out_error", ignore_index=True)
