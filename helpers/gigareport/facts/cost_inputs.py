"""The sourced default of each input of the cost model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

from gigacluster.cost.own import OWN_LIMITS
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.table import filled


@cache
def _table() -> dict[str, Uncertain]:
    rows = catalog.read("cost_inputs")
    lower, upper = filled(rows["lower_limit"], -math.inf), filled(rows["upper_limit"], math.inf)
    columns = zip(rows["quantity"], rows["low"], rows["median"], rows["high"], lower, upper, strict=True)
    return {
        name: Uncertain(low=low, median=median, high=high, lower=least, upper=most)
        for name, low, median, high, least, most in columns
    }


def inputs(names: Iterable[str] | None = None) -> dict[str, Uncertain]:
    """Return default inputs of the cost model, from ``data/cost_inputs.csv``.

    Parameters
    ----------
    names : iterable of str, optional
        Quantities wanted; every one of the table if left out. Those named like an argument of
        :func:`gigacluster.cost.own` or :func:`gigacluster.cost.rent` can be drawn and handed over as they are.

    Raises
    ------
    ValueError
        If a name is not in the table.

    Examples
    --------
    >>> inputs(["pue"])["pue"].median
    1.25
    """
    table = _table()
    wanted = list(table) if names is None else list(names)
    if unknown := [name for name in wanted if name not in table]:
        raise ValueError(f"data/cost_inputs.csv has no {', '.join(unknown)}; it has: {', '.join(table)}")
    return {name: table[name] for name in wanted}


def own_inputs() -> dict[str, Uncertain]:
    """Return the defaults of the arguments of :func:`gigacluster.cost.own` that have one."""
    return inputs(name for name in _table() if name in OWN_LIMITS)
