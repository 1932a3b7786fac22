"""Figures about who owns the compute: axes and host arrays in, axes out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from gigareport.plots.style import COLOURS, band, label_line

#: Hatches of neighbouring areas.
_HATCHES = ("", "///", "...", "\\\\\\", "xx", "---", "oo", "||", "")


def plot_index_bounds(
    ax: Axes, dates: Any, *, band_low: Any, lowest: Any, capped: Any, highest: Any, band_high: Any, label: str
) -> Axes:
    """Draw an index through time as the band it can lie in, with a line for each structure of Other.

    Parameters
    ----------
    ax : Axes
    dates : array of datetime64, shape (n,)
    band_low, lowest, capped, highest, band_high : arrays, shape (n,)
        Columns of :func:`gigareport.facts.ownership.index_by_quarter`, in points.
    label : str
        Name of the index, for the axis.
    """
    band(ax, dates, band_low, band_high, color=COLOURS[6])
    lines = (
        ("one owner", highest, COLOURS[1]),
        ("none above the smallest named", capped, COLOURS[2]),
        ("countless", lowest, COLOURS[0]),
    )
    for name, values, colour in lines:
        ax.plot(dates, values, color=colour, label=f"Other as {name}" if "none" not in name else f"Other: {name}")
    ax.set(ylabel=f"{label} [points of 10,000]", ylim=(0, None))
    ax.legend(loc="lower left", fontsize="small")
    _date_axis(ax)
    return ax


def mark_date(ax: Axes, date: Any, text: str) -> Axes:
    """Mark a date with a vertical line and its name at the top."""
    ax.axvline(date, color=COLOURS[7], linestyle=":", linewidth=1)
    ax.annotate(
        text,
        (date, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize="small",
        rotation=90,
    )
    return ax


def plot_owner_shares(ax: Axes, dates: Any, shares: Any, *, labels: Sequence[str]) -> Axes:
    """Draw shares of owners through time, stacked, first owner lowest; hatching tells them apart without colour.

    Parameters
    ----------
    ax : Axes
    dates : array of datetime64, shape (n,)
    shares : array, shape (owners, n)
    labels : sequence of str
    """
    colours = [*COLOURS[:6], "#F0E442", *["#999999"] * max(len(labels) - 8, 0), "#999999", "#DDDDDD"]
    areas = ax.stackplot(dates, shares, colors=[*colours[: len(labels) - 1], colours[-1]], edgecolor="white")
    for area, hatch in zip(areas, itertools.cycle(_HATCHES), strict=False):
        area.set(hatch=hatch, linewidth=0.5)
    middle = numpy.cumsum(shares[:, -1]) - numpy.asarray(shares)[:, -1] / 2
    for name, height in zip(labels, _apart(middle, 0.055), strict=True):
        label_line(ax, dates[-1], height, name, "#262626")
    ax.set(ylabel="Share of the world's stock", ylim=(0, 1), xlim=(dates[0], dates[-1]))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    _date_axis(ax)
    return ax


def plot_share_over_time(ax: Axes, dates: Any, low: Any, median: Any, high: Any, *, n_known: int, label: str) -> Axes:
    """Draw a cluster's share of the world's stock through time; what lies after the table is dashed.

    Parameters
    ----------
    ax : Axes
    dates : array of datetime64, shape (n,)
    low, median, high : arrays, shape (n,)
        Shares, in [0, 1].
    n_known : int
        Dates, from the first, that the table covers.
    label : str
    """
    band(ax, dates, low, high, color=COLOURS[0])
    ax.plot(dates[:n_known], median[:n_known], color=COLOURS[0], marker="o", markersize=4)
    ax.plot(dates[max(n_known - 1, 0) :], median[max(n_known - 1, 0) :], color=COLOURS[0], linestyle="--")
    ax.set(yscale="log", ylabel="Share of the world's stock")
    _date_axis(ax)
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.annotate(
        label, (dates[0], median[0]), xytext=(8, 4), textcoords="offset points", color=COLOURS[0], fontsize="small"
    )
    return ax


def _date_axis(ax: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _apart(heights: Any, least: float) -> numpy.ndarray:
    """Move rising label heights apart, upwards, so that neighbours do not touch."""
    placed = numpy.array(heights, dtype=float)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + least)
    return placed
