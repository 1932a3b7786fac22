"""Figures of the comparison: rankings, runs by cluster, worth of a dollar and of a joule, published beside ours."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from gigacluster.units import GIGA, PETA
from gigareport.plots.style import COLOURS, legend_above

#: Ticks in a decade of an axis that spans less than so many times from end to end.
_TICKS = ((60, (1.0, 2.0, 5.0)), (1000, (1.0, 3.0)))
#: An axis of a ranking ends at so many times its extreme medians; intervals beyond are cut there and say so.
_REACH = 5.0
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def plot_ranking(ax: Axes, ranked: pd.DataFrame, *, label: str, highlight: str = "") -> Axes:
    """Draw a ranking: median and interval of each row, and how sure it is that the row beats the next.

    Parameters
    ----------
    ax : Axes
    ranked : DataFrame
        ``name, low, median, high, beats_next``, the best first, as of
        :meth:`gigareport.comparison.Comparison.ranked`.
    label : str
        Quantity with its unit.
    highlight : str, optional
        Name of the row in the story's colour.

    Notes
    -----
    An interval that reaches far beyond all medians would leave no room for the others: it ends in an arrow with its end
    in figures.
    """
    y = np.arange(len(ranked))
    colours = [COLOURS[0] if name == highlight else COLOURS[6] for name in ranked["name"]]
    start = max(ranked["low"].min(), ranked["median"].min() / _REACH)
    end = min(ranked["high"].max(), ranked["median"].max() * _REACH)
    ax.hlines(y, ranked["low"].clip(start), ranked["high"].clip(upper=end), colors=colours, linewidth=3, alpha=0.6)
    ax.scatter(ranked["median"], y, c=colours, s=28, zorder=3)
    for row, (low, high) in enumerate(ranked[["low", "high"]].to_numpy()):
        if low < start:
            _cut(ax, start, row, f"from {float(f'{low:.2g}'):,.10g}", colours[row], marker="<", align="left")
        if high > end:
            _cut(ax, end, row, f"to {float(f'{high:.2g}'):,.10g}", colours[row], marker=">", align="right")
    for row, share in enumerate(ranked["beats_next"].iloc[:-1]):
        if np.isfinite(share):
            ax.annotate(
                f"{share:.0%}",
                (1.0, row + 0.5),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="x-small",
                color="black" if share >= 0.9 else "#555555",
                fontweight="bold" if share >= 0.9 else "normal",
                annotation_clip=False,
            )
    _rows(ax, ranked["name"])
    _log(ax.xaxis, label)
    return ax


def _cut(ax: Axes, x: float, row: int, text: str, colour: str, *, marker: str, align: str) -> None:
    """Mark an interval that goes on beyond the axis, and write where it ends."""
    ax.plot(x, row, marker, color=colour, markersize=6, clip_on=False)
    ax.annotate(text, (x, row), xytext=(0, 4), textcoords="offset points", ha=align, va="bottom", fontsize="x-small")


def plot_runs_by_cluster(ax: Axes, days: pd.DataFrame, titles: Mapping[str, str]) -> Axes:
    """Draw how long each run takes on each cluster.

    Parameters
    ----------
    ax : Axes
    days : DataFrame
        A row a cluster (``name``), a column of medians a run; rows are drawn from the top.
    titles : mapping of column to words
    """
    y = np.arange(len(days))
    runs = list(titles)
    ax.hlines(y, days[runs].min(axis=1), days[runs].max(axis=1), colors="#CCCCCC", linewidth=1)
    for number, run in enumerate(runs):
        ax.scatter(
            days[run], y, s=26, color=COLOURS[number], marker=_MARKERS[number], label=titles[run], zorder=3, alpha=0.9
        )
    ax.axvline(100, color="black", linewidth=0.8, linestyle=":")
    _rows(ax, days["name"])
    _log(ax.xaxis, "Time to train [days]")
    legend_above(ax)
    return ax


def plot_worth(ax: Axes, table: pd.DataFrame, *, highlight: str = "") -> Axes:
    """Draw useful compute for a dollar against that for a joule, each chip with its intervals.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        ``name`` and ``flop_per_joule, flop_per_usd``, each also ``_low`` and ``_high``.
    highlight : str, optional
        Name of the point in the story's colour.
    """
    shown = table[np.isfinite(table["flop_per_usd"])].sort_values("flop_per_usd")
    heights = np.linspace(0.3, 0.95, len(shown))  # names stand in a column beside the axes, in the order of the points
    for height, row in zip(heights, shown.to_dict("records"), strict=True):
        colour = COLOURS[0] if row["name"] == highlight else COLOURS[6]
        (x, x_error), (y, y_error) = (
            _with_error(row, name, unit) for name, unit in (("flop_per_joule", GIGA), ("flop_per_usd", PETA))
        )
        ax.errorbar(x, y, xerr=x_error, yerr=y_error, fmt="o", color=colour, elinewidth=1, alpha=0.8)
        ax.annotate(
            row["name"],
            (x, y),
            xytext=(1.02, height),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.7},
            fontsize="small",
            color="black" if colour == COLOURS[6] else colour,
        )
    _log(ax.xaxis, "Compute for a joule [GFLOP/J]")
    _log(ax.yaxis, "Compute for a dollar [PFLOP/USD]")
    return ax


def _with_error(row: dict[Any, Any], name: str, unit: float) -> tuple[float, Any]:
    value = row[name] / unit
    return value, [[value - row[f"{name}_low"] / unit], [row[f"{name}_high"] / unit - value]]


def plot_beside_published(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw published durations beside ours, with today's software and with that of the time.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        ``label, published_days, days_low, days, days_high, days_then``, as of
        :func:`gigareport.comparison.beside_published`.
    """
    y = np.arange(len(table))
    ax.hlines(y, table["days_low"], table["days_high"], colors=COLOURS[0], linewidth=3, alpha=0.4)
    ax.scatter(table["days"], y, color=COLOURS[0], s=30, zorder=3, label="ours, software of today")
    ax.scatter(table["days_then"], y, color=COLOURS[4], marker="D", s=26, zorder=3, label="ours, software of then")
    ax.scatter(table["published_days"], y, color=COLOURS[1], marker="X", s=46, zorder=4, label="published")
    _rows(ax, table["label"])
    _log(ax.xaxis, "Time to train [days]")
    legend_above(ax)
    return ax


def _rows(ax: Axes, names: pd.Series) -> None:
    """Name the rows, long names cut, and put the first on top."""
    lines = [name if "\n" in name else textwrap.shorten(name, 24, placeholder=" …") for name in names]
    ax.set_yticks(np.arange(len(names)), lines, fontsize="x-small")
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


def _log(axis: Axis, label: str) -> None:
    """Scale an axis by powers, with plain numbers at its ticks."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
    low, high = axis.get_view_interval()
    subs = next((subs for span, subs in _TICKS if high / low < span), (1.0,))
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(label)
