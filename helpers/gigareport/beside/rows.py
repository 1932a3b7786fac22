"""The one row of every comparison, a published figure and ours; and how far figures lie apart, in charts and in words.

Every table of this package has ``published``, ``low``, ``median``, ``high`` (5, 50 and 95 % of ours; ``nan`` where
nothing is uncertain, or nothing known), ``ratio`` (our median over the published) and ``source_id``.
"""

from __future__ import annotations

import numpy
import pandas as pd
from numpy.typing import ArrayLike

from gigacluster.uncertainty import Interval, interval
from gigareport.words import share


def row(published: float, ours: object) -> dict[str, float]:
    """Return a published figure beside ours: a number, samples, or their interval.

    Examples
    --------
    >>> row(2.0, numpy.asarray([1.0, 1.0, 1.0]))
    {'published': 2.0, 'low': 1.0, 'median': 1.0, 'high': 1.0, 'ratio': 0.5}
    """
    found = ours if isinstance(ours, Interval) else interval(ours)
    ends = {"low": found.low, "median": found.median, "high": found.high}
    return {"published": published, **ends, "ratio": found.median / published}


def worst_first(table: pd.DataFrame, ratio: str = "ratio") -> pd.DataFrame:
    """Return a table in the order of a column of ratios, the furthest from 1 first; one that is not known leads."""
    off = numpy.abs(numpy.log(table[ratio])).fillna(numpy.inf)
    return table.loc[off.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def ratio_rows(table: pd.DataFrame, label: str, *, within: float = 0.1) -> pd.DataFrame:
    """Return our figures over the published ones, the worst first, as rows of a chart.

    Parameters
    ----------
    table, label : A table of :func:`row`, and its column of the names.
    within : From which share on a figure counts as met. [1]

    Returns
    -------
    DataFrame
        ``low, median, high`` [1], ``label``, ``published`` with its ``unit`` and source, and whether the figure is met.

    Examples
    --------
    >>> table = pd.DataFrame({"what": ["a", "b"], "published": [2.0, 4.0], "low": 1.0, "median": 2.0, "high": 8.0})
    >>> ratio_rows(table, "what")[["label", "low", "median"]].to_numpy().tolist()
    [['b', 0.25, 0.5], ['a', 0.5, 1.0]]
    """
    found = table[["low", "median", "high"]].div(table["published"], axis=0)
    told = table.rename(columns={label: "label"})
    found = found.join(told[[name for name in ("label", "published", "unit", "source_id") if name in told]])
    found[f"within {share(within)}"] = (found["median"] - 1).abs() <= within
    return worst_first(found, "median")


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
