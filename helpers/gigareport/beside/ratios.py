"""How far our figures are from published ones: as rows of a chart, and in words."""

from __future__ import annotations

import numpy
import pandas as pd
from numpy.typing import ArrayLike

from gigareport.words import share


def ratio_rows(
    table: pd.DataFrame, label: str, published: str | pd.Series, low: str, ours: str, high: str, *, within: float = 0.1
) -> pd.DataFrame:
    """Return our figures over the published ones, the worst first, with the other columns beside them.

    Parameters
    ----------
    table : DataFrame
    label, low, ours, high : Columns of the names, and of our median and its interval.
    published : str or Series
        Column of the published figures, or they themselves.
    within : From which share on a figure counts as met.

    Returns
    -------
    DataFrame
        ``label, low, median, high`` [1], whether the figure is met, and every other column of the table.

    Examples
    --------
    >>> table = pd.DataFrame({"what": ["a", "b"], "theirs": [2.0, 4.0], "l": [1.0, 1.0], "m": 2.0, "h": 8.0})
    >>> ratio_rows(table, "what", "theirs", "l", "m", "h")[["label", "low", "median"]].to_numpy().tolist()
    [['b', 0.25, 0.5], ['a', 0.5, 1.0]]
    """
    theirs = table[published] if isinstance(published, str) else published
    found = table.drop(columns=[low, ours, high]).rename(columns={label: "label"})
    for name, column in (("low", low), ("median", ours), ("high", high)):
        found[name] = table[column] / theirs
    found[f"within {share(within)}"] = (found["median"] - 1).abs() <= within
    worst_first = numpy.abs(numpy.log(found["median"])).sort_values(ascending=False, kind="stable").index
    return found.loc[worst_first].reset_index(drop=True)


def count_within(part: float, ratios: ArrayLike) -> str:
    """Say how many published figures are met within a share.

    >>> count_within(0.1, [0.95, 1.05, 1.6])
    '2 of 3'
    """
    known = numpy.asarray(ratios, dtype=float)
    known = known[numpy.isfinite(known)]
    return f"{int(numpy.sum(numpy.abs(known - 1) <= part))} of {len(known)}"


def met_within(part: float, ratios: ArrayLike) -> str:
    """Say the same as a title.

    >>> met_within(0.1, [0.95, 1.05, 1.6])
    '2 of 3 published figures are met within 10 %'
    """
    return f"{count_within(part, ratios)} published figures are met within {share(part)}"


def worst_factor(ratios: ArrayLike) -> float:
    """Return the largest factor between an estimate and a published figure, whichever is larger.

    >>> worst_factor([0.5, 1.0, 1.6])
    2.0
    """
    ratios = numpy.asarray(ratios, dtype=float)
    return float(numpy.nanmax(numpy.maximum(ratios, 1 / ratios)))
