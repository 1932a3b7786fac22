"""The one look of all figures: draw on axes from :func:`figure`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import DAILY, HOURLY, MONTHLY, AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import blended_transform_factory

#: Told apart by readers without red or green as well as by others (a test measures it). The first is the story's
#: cluster, the second what it is compared with; the seventh is the grey of everybody else.
COLOURS = ("#0072B2", "#D55E00", "#7FC8F8", "#F0C808", "#8C2D04", "#4B0082", "#6E6E6E", "#000000")
ACCENT, SECOND, GREY, INK = COLOURS[0], COLOURS[1], COLOURS[6], "#262626"
#: Regions of a plane by what they say: the accent for owning, the second colour for renting, grey for neither.
REGION = "#D9D9D9"
REGIONS = {"own": "#9CC9E8", "rent": "#F3B98F"}


#: Longest line of the name of a row. [letter]
_NAME_LENGTH = 38
#: Between these a tick is a plain number.
_PLAIN = (1e-4, 2e6)
#: A logarithmic axis that spans less has ticks at even distances.
_NARROW = 4
#: Ticks in a decade of a logarithmic axis that spans less than so many times from end to end.
_STEPS = ((20, (1.0, 2.0, 3.0, 5.0)), (60, (1.0, 2.0, 5.0)), (1000, (1.0, 3.0)))
#: How many make the next larger unit of time: without that step too few years for a tick each have too many months.
_WHOLE = ((MONTHLY, 12), (DAILY, 31), (HOURLY, 24))


def use() -> None:
    """Set the look for every figure drawn after it."""
    pd.set_option("display.max_colwidth", None)  # a table says its texts in full
    pd.set_option("display.html.use_mathjax", False)  # two dollars in a cell are no formula
    pd.set_option("styler.html.mathjax", False)
    sns.set_theme(context="notebook", style="ticks", palette=COLOURS, font="DejaVu Sans")
    mpl.rcParams.update(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.grid": True,
            "grid.alpha": 0.25,
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "legend.frameon": False,
        }
    )


def figure(width_in: float = 7.5, height_in: float = 4.2, **subplots: Any) -> tuple[Figure, Any]:
    """Return a new figure in the one look, and its axes (an array where ``nrows`` or ``ncols`` is given)."""
    use()
    return plt.subplots(figsize=(width_in, height_in), **subplots)


def colours(count: int, first: int = 0) -> tuple[str, ...]:
    """Return the colours of ``count`` groups, beginning at the ``first``; beyond eight they come again."""
    return tuple(COLOURS[(first + place) % len(COLOURS)] for place in range(count))


def band(ax: Axes, x: Any, low: Any, high: Any, **style: Any) -> None:
    """Draw an interval as a band."""
    ax.fill_between(x, low, high, **{"alpha": 0.2, "linewidth": 0, **style})


def legend_above(ax: Axes) -> None:
    """Put the legend above the axes, from the left edge of the figure, in two columns that a narrow drawing holds."""
    across = blended_transform_factory(ax.figure.transFigure, ax.transAxes)
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        bbox_transform=across,
        ncols=2,
        fontsize="x-small",
        handletextpad=0.2,
    )


def short_dates(axis: Axis, *, least: int, most: int) -> None:
    """Write the dates of an axis short, on so many ticks; an axis of anything else stays."""
    if isinstance(axis.get_major_locator(), AutoDateLocator):
        locator = AutoDateLocator(minticks=least, maxticks=most)
        for unit, whole in _WHOLE:
            locator.intervald[unit] = [*locator.intervald[unit], whole]
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator))


def label_axes(ax: Axes, x: str, y: str, log: str = "") -> None:
    """Name and scale axes; dates are written short."""
    ax.set(xlabel=x, ylabel=y, **{f"{axis}scale": "log" for axis in log})
    for axis in (ax.xaxis, ax.yaxis):
        plain_ticks(axis)
    short_dates(ax.xaxis, least=5, most=6)


def folded(name: str, letters: int) -> str:
    """Return the name of an axis in lines of so many letters; its unit stays in one.

    >>> folded("Price of the contract [$ a chip-hour]", 27).splitlines()
    ['Price of the contract', '[$ a chip-hour]']
    """
    start = name.rfind("[")
    if start <= 0 or len(name[start:]) > letters:
        return textwrap.fill(name, letters)
    whole = name[:start] + name[start:].replace(" ", "\N{NO-BREAK SPACE}")
    return textwrap.fill(whole, letters, break_on_hyphens=False).replace("\N{NO-BREAK SPACE}", " ")


def plain_ticks(axis: Axis) -> None:
    """Write numbers at the ticks as a reader says them: thousands apart, no power of ten where none is needed."""
    low, high = sorted(axis.get_view_interval())
    if axis.get_scale() != "log":
        if max(abs(low), abs(high)) >= 1000 and not isinstance(axis.get_major_locator(), AutoDateLocator):
            axis.set_major_formatter(FuncFormatter(_tick))
        return
    if low < _PLAIN[0] or high > _PLAIN[1]:
        return
    steps = next((steps for span, steps in _STEPS if high / low < span), (1.0,))
    even = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])  # a ratio of 1 is a multiple of each
    axis.set_major_locator(even if high / low < _NARROW else LogLocator(subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(_tick))
    axis.set_minor_formatter(NullFormatter())


def _tick(value: float, _: int) -> str:
    return f"{value:,.10g}".replace("-", "−")


def height_of_rows(names: Sequence[str], row_in: float = 0.34) -> float:
    """Return the height of a chart with a row a name. [in]"""
    lines = sum(len(textwrap.wrap(name, _NAME_LENGTH)) or 1 for name in names)
    return 1.3 + row_in * len(names) + 0.15 * (lines - len(names))


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Write a name at each row, the first on top, long ones in several lines."""
    ax.set(yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    lines = [textwrap.fill(name, _NAME_LENGTH) for name in names]
    has_long = any("\n" in line for line in lines)
    ax.set_yticklabels(lines, fontsize="small" if has_long else "medium", linespacing=0.95)
    ax.grid(visible=False, axis="y")
