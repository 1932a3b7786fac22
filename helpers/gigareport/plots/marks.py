"""The handful of marks that every figure is made of: a table in, a chart out, ready to :func:`gigareport.plots.show`.

A column's name is what a reader reads, with its unit in brackets: it becomes the label of the axis and the heading of
the CSV. The alternative text, the values under a finger and the vintage come from the table.

>>> import pandas as pd
>>> table = pd.DataFrame(
...     {"label": ["Own", "Rent"], "low": [4.2, 6.4], "median": [5.2, 8.3], "high": [6.3, 11.0], "as_of": "2024-07-22"}
... )
>>> chart = rows(table, "Net present cost [$ billion]")
>>> chart.alt
'Net present cost [$ billion]: Own 5.2 (4.2 to 6.3); Rent 8.3 (6.4 to 11).'
>>> chart.vintage
'2024-07-22'

In a notebook: ``show(rows(table, "Net present cost [$ billion]"), title="Owning costs $5.2 billion", source="…")``.
A second mark joins the first with ``on=chart``; ``panels(2)`` gives two empty charts side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
import pandas as pd

from gigareport.plots import style
from gigareport.plots.chart import Chart, axis_of, groups_of, is_numeric, new_chart, noted, on_axis, told
from gigareport.plots.chart import panels as panels
from gigareport.words import number, share

#: Points of groups are told apart by their forms too.
_SIGNS = "osD^vP*X"
#: From this share of samples on an order counts as sure.
_SURE = 0.9
#: Hatches of neighbouring areas above the first, which has none. Of lines alone: dots take so many bytes that the
#: drawing would become a picture, whose colours no theme changes.
_HATCHES = ("///", "|||", "\\\\\\", "xx", "---", "++")
#: Lines are told apart by their dashes too.
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))


def rows(
    table: pd.DataFrame,
    value: str,
    *,
    label: str = "label",
    low: str = "low",
    middle: str = "median",
    high: str = "high",
    beside: str | Sequence[str] = (),
    chance: str = "",
    highlight: str = "",
    line: float | None = None,
    reach: float = math.inf,
    log: bool = False,
    on: Chart | None = None,
) -> Chart:
    """Draw a row for each name: its median as a dot, its interval as a line, other values beside it as signs.

    Parameters
    ----------
    table : One row a name, in the order from top to bottom.
    value : Label of the axis, with its unit.
    label, low, middle, high : Columns; without ``low`` and ``high`` in the table only dots are drawn.
    beside : Columns of further values, such as published ones, each with a sign of its own.
    chance : Column of the share of samples in which a row beats the next one, written between the two; bold from 90 %.
    highlight : Name of the row in the story's colour; the others are grey then.
    line : Where an upright line stands, such as 1 for agreement.
    reach : The axis ends at so many times the extreme dots and signs; an interval beyond ends in an arrow and figures.
    log : Whether the axis is logarithmic.
    on : Where to draw; otherwise a new figure as high as the rows need.
    """
    others = [beside] if isinstance(beside, str) else list(beside)
    names, middles = table[label].astype(str).tolist(), table[middle].to_numpy(dtype=float)
    chart = on or new_chart(height_in=style.height_of_rows(names, 0.34 + 0.02 * len(others)))
    places, ax = numpy.arange(len(table)), chart.ax
    colours = [style.ACCENT if highlight in ("", name) else style.GREY for name in names]
    if line is not None:
        ax.axvline(line, color=style.INK, linewidth=1, zorder=1)
    texts = [number(x) for x in middles]
    if {low, high} <= {*table}:
        ends = table[[low, high]].to_numpy(dtype=float)
        inner = table[[middle, *others]].to_numpy(dtype=float)
        limits = (-math.inf, math.inf)  # a reach is a ratio: it has no meaning for values of both signs
        if math.isfinite(reach):
            limits = float(numpy.nanmin(inner)) / reach, float(numpy.nanmax(inner)) * reach
        _intervals(chart, ends, limits, colours)
        bare = numpy.isnan(ends).all(axis=1)
        texts = [
            text if alone else _with_ends(text, *both) for text, alone, both in zip(texts, bare, ends, strict=True)
        ]
    ax.scatter(middles, places, c=colours, s=36, zorder=3, label=middle if others else None)
    for sign, colour, other in zip("xD^sv", style.colours(5, 1), others, strict=False):
        ax.plot(table[other], places, sign, color=colour, markersize=6, markeredgewidth=2, label=other, linestyle="")
        texts = [f"{t}, {other} {number(b)}" for t, b in zip(texts, table[other].astype(float), strict=True)]
    if others:
        style.legend_above(ax)
    if chance:
        _between(chart, table[chance].to_numpy(dtype=float)[:-1])
    ax.set(xlabel=value, **({"xscale": "log"} if log else {}))
    style.name_rows(chart.ax, names)
    style.plain_ticks(ax.xaxis)
    chart.add_tips(middles, places, (f"{name}: {text}" for name, text in zip(names, texts, strict=True)))
    return noted(chart, table, value, names, texts)


def _intervals(chart: Chart, ends: numpy.ndarray, limits: tuple[float, float], colours: Sequence[str]) -> None:
    """Draw intervals as lines; one that goes on beyond the limits ends there in an arrow, and says how far it goes."""
    least, most = limits
    cut = numpy.clip(ends, least, most)
    chart.ax.hlines(numpy.arange(len(ends)), cut[:, 0], cut[:, 1], colors=colours, linewidth=2.5, alpha=0.55)
    for place, colour in enumerate(colours):
        for side, sign, word, align in ((0, "<", "from", "left"), (1, ">", "to", "right")):
            if ends[place, side] == cut[place, side] or not numpy.isfinite(ends[place, side]):
                continue
            end = float(cut[place, side])
            chart.ax.plot(end, place, sign, color=colour, markersize=6, clip_on=False)
            chart.ax.annotate(
                f"{word} {number(float(ends[place, side]))}",
                (end, place),
                xytext=(0, 4),
                textcoords="offset points",
                ha=align,
                va="bottom",
                fontsize="x-small",
            )


def _between(chart: Chart, shares: numpy.ndarray) -> None:
    """Write between two rows how surely the upper one is better."""
    for place, chance in enumerate(shares):
        if numpy.isfinite(chance):
            chart.ax.annotate(
                share(float(chance)),
                (1.0, place + 0.5),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="x-small",
                fontweight="bold" if chance >= _SURE else "normal",
                annotation_clip=False,
            )


def bars(
    table: pd.DataFrame, value: str | Sequence[str], *, label: str = "label", on: Chart | None = None, unit: str = ""
) -> Chart:
    """Draw a bar for each name; several columns are stacked, each named in the legend.

    Parameters
    ----------
    table : One row a name, in the order from top to bottom.
    value : Column or columns; a single one is the label of the axis.
    label : Column of the names.
    on : Where to draw.
    unit : Label of the axis where several columns are stacked, with its unit.
    """
    columns = [value] if isinstance(value, str) else list(value)
    names, places = table[label].astype(str).tolist(), numpy.arange(len(table))
    chart = on or new_chart(height_in=style.height_of_rows(names))
    left = numpy.zeros(len(table))
    for column, colour in zip(columns, style.colours(len(columns)), strict=True):
        widths = table[column].to_numpy(dtype=float)
        chart.ax.barh(places, widths, left=left, height=0.62, color=colour, label=column, edgecolor="white")
        if len(columns) > 1:
            tips = (f"{name}: {column} {number(width)}" for name, width in zip(names, widths, strict=True))
            chart.add_tips(left + widths / 2, places, tips)
        left = left + numpy.nan_to_num(widths)
    chart.ax.set(xlabel=unit or columns[0])
    style.name_rows(chart.ax, names)
    style.plain_ticks(chart.ax.xaxis)
    texts = [number(total) for total in left]
    if len(columns) > 1:
        style.legend_above(chart.ax)
    else:
        chart.add_tips(left, places, (f"{name}: {text}" for name, text in zip(names, texts, strict=True)))
    return noted(chart, table, unit or columns[0], names, texts)


def curves(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    by: str | None = None,
    highlight: str = "",
    log: str = "",
    on: Chart | None = None,
) -> Chart:
    """Draw a line through the rows for each group, named at its end.

    Parameters
    ----------
    table : One row a point.
    x, y : Columns, which are the labels of the axes.
    by : Column of the groups.
    highlight : Name of the group in the story's colour; the others are grey then.
    log : {"", "x", "y", "xy"}
        Axes that are logarithmic.
    on : Where to draw.
    """
    return _lines(on or new_chart(), table, x, y, (y,), by=by, log=log, highlight=highlight)


def band(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    low: str = "low",
    middle: str = "median",
    high: str = "high",
    by: str | None = None,
    log: str = "",
    on: Chart | None = None,
) -> Chart:
    """Draw a median as a line and its interval as a band, for each group.

    Parameters
    ----------
    table : One row a point of the line.
    x : Column, which is the label of the axis.
    y : Label of the other axis, with its unit.
    low, middle, high : Columns of the interval.
    by, log, on
        As for :func:`curves`.
    """
    return _lines(on or new_chart(), table, x, y, (low, middle, high), by=by, log=log)


def _lines(
    chart: Chart,
    table: pd.DataFrame,
    x: str,
    y: str,
    columns: Sequence[str],
    *,
    by: str | None,
    log: str,
    highlight: str = "",
) -> Chart:
    """Draw a line for each group through one column, or through the middle of three with a band between the others."""
    named, texts = [], []
    for name, part, colour, place in groups_of(chart, table, by):
        is_here = name == highlight
        if highlight:
            colour = style.ACCENT if is_here else style.GREY
        xs, values = axis_of(part[x]), part[[*columns]].to_numpy(dtype=float).T
        middle = values[len(columns) // 2]
        said = [number(value) for value in middle]
        if len(columns) == 3:
            style.band(chart.ax, xs, values[0], values[2], color=colour)
            said = [_with_ends(*point) for point in zip(said, values[0], values[2], strict=True)]
        dashes, width = _DASHES[place % len(_DASHES)], (3 if is_here else 1.5) if highlight else 2
        chart.ax.plot(xs, middle, color=colour, linestyle=dashes, linewidth=width)
        around = numpy.pad(numpy.isfinite(middle), 1)
        alone = around[1:-1] & ~around[:-2] & ~around[2:]
        if alone.any():  # a line through one point is none
            chart.ax.plot(xs[alone], middle[alone], "o", color=colour, markersize=4)
        before = f"{name}, " if by else ""
        chart.add_tips(xs, middle, (f"{before}{told(at)}: {text}" for at, text in zip(xs, said, strict=True)))
        known = numpy.flatnonzero(numpy.isfinite(middle))
        if not len(known):
            continue
        first, last = known[0], known[-1]
        if by:
            chart.names.append((on_axis(xs[last]), float(middle[last]), name, colour))
        named.append(name or y)
        then = "," if len(columns) == 3 else " to"
        texts.append(f"{said[first]} at {told(xs[first])}{then} {said[last]} at {told(xs[last])}")
    style.label_axes(chart.ax, x, y, log)
    return noted(chart, table, f"{y} over {x}", named, texts)


def _with_ends(middle: str, low: float, high: float) -> str:
    return f"{middle} ({number(low)} to {number(high)})"


def areas(
    table: pd.DataFrame, x: str, parts: Sequence[str], y: str, *, rest: str = "", on: Chart | None = None
) -> Chart:
    """Stack columns over ``x``, each named beside its end; hatching tells neighbours apart without colour.

    Parameters
    ----------
    table : One row a point of ``x``.
    x : Column, which is the label of the axis.
    parts : Columns, from below to the top.
    y : Label of the other axis, with its unit.
    rest : The part that is everything without a name: pale, and without hatching.
    on : Where to draw.
    """
    chart = on or new_chart()
    xs, values = axis_of(table[x]), table[list(parts)].to_numpy(dtype=float).T
    tops = numpy.cumsum(values, axis=0)
    shades = zip(parts, style.colours(len(parts)), strict=True)
    colours = [style.REGION if part == rest else colour for part, colour in shades]
    drawn = chart.ax.stackplot(xs, values, colors=colours, edgecolor="white", linewidth=0.5)
    for place, (part, area, value, top) in enumerate(zip(parts, drawn, values, tops, strict=True)):
        area.set_hatch("" if place == 0 or part == rest else _HATCHES[(place - 1) % len(_HATCHES)])
        chart.names.append((on_axis(xs[-1]), float(top[-1] - value[-1] / 2), part, style.INK))
        tips = (f"{part}, {told(at)}: {number(size)}" for at, size in zip(xs, value, strict=True))
        chart.add_tips(xs, top - value / 2, tips)
    style.label_axes(chart.ax, x, y)
    chart.ax.set(xlim=(on_axis(xs[0]), on_axis(xs[-1])), ylim=(0, float(tops[-1].max())))
    texts = [f"{number(value[0])} at {told(xs[0])}, {number(value[-1])} at {told(xs[-1])}" for value in values]
    return noted(chart, table, f"{y} over {x}", parts, texts)


def upright(chart: Chart, at: Any, text: str) -> Chart:
    """Draw an upright line at a number or a date of the horizontal axis, named along it, and return the chart.

    Parameters
    ----------
    at : float, datetime64, date or "YYYY-MM-DD"
    text : What begins or ends there.
    """
    known = float(at) if isinstance(at, (int, float)) else numpy.datetime64(at)
    place = on_axis(known)
    chart.ax.axvline(place, color=style.INK, linestyle=":", linewidth=1)
    chart.uprights.append((place, text))
    chart.said.append(f"{text}: {told(known)}.")
    return chart


def points(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    label: str | None = None,
    by: str | None = None,
    diagonal: bool = False,
    log: str = "",
    on: Chart | None = None,
) -> Chart:
    """Draw a point for each row.

    Parameters
    ----------
    table : One row a point.
    x, y : Columns, which are the labels of the axes.
    label : Column of names, shown under a finger.
    by : Column of groups, each with a colour and a form.
    diagonal : Whether to draw the line on which both are equal, as for predicted against measured.
    log, on
        As for :func:`curves`.
    """
    chart = on or new_chart()
    for name, part, colour, place in groups_of(chart, table, by):
        xs, sign = axis_of(part[x]), _SIGNS[place % len(_SIGNS)]
        chart.ax.plot(xs, part[y], sign, color=colour, markersize=4.5, alpha=0.75, label=name)
        who = part[label].astype(str) if label else [name] * len(part)
        said = (f"{f'{n}: ' if n else ''}{number(b)} at {told(a)}" for n, a, b in zip(who, xs, part[y], strict=True))
        chart.add_tips(xs, part[y], said)
    if by:
        style.legend_above(chart.ax)
    style.label_axes(chart.ax, x, y, log)
    if diagonal:
        ends = [numpy.nanmin(table[[x, y]].to_numpy(float)), numpy.nanmax(table[[x, y]].to_numpy(float))]
        chart.ax.plot(ends, ends, color=style.INK, linewidth=1, zorder=1)
    spans = [f"from {number(table[c].min())} to {number(table[c].max())}" for c in (x, y) if is_numeric(table[c])]
    chart.tables.append(table)
    chart.said.append(f"{len(table)} points: {y} over {x}; {' and '.join(spans)}.")
    return chart


def regions(table: pd.DataFrame, x: str, y: str, choice: str, *, tip: str | None = None) -> Chart:
    """Colour a plane by the choice at each place of a full grid, each region named in the middle of its area.

    Parameters
    ----------
    table : One row a place of the grid, every ``x`` with every ``y``.
    x, y : Columns, which are the labels of the axes.
    choice : Column of what holds there.
    tip : Column of the text under a finger; otherwise the choice.
    """
    chart = new_chart(6.2, 3.5)
    grid = table.pivot_table(index=y, columns=x, values=choice, aggfunc="first")
    choices = list(dict.fromkeys(table[choice]))
    codes = grid.apply(lambda column: column.map(choices.index)).to_numpy(dtype=float)
    xs, ys = grid.columns.to_numpy(dtype=float), grid.index.to_numpy(dtype=float)
    style.label_axes(chart.ax, x, y)
    chart.ax.set_facecolor(style.REGION)  # shows where three regions meet
    for code, name in enumerate(choices):  # each by itself: between the first and the third lies no second
        colour = style.REGIONS.get(name, style.REGION)
        chart.ax.contourf(xs, ys, (codes == code).astype(float), levels=[0.5, 1.5], colors=[colour])
    chart.ax.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
    chart.is_plane = True
    chart.ax.grid(visible=False)
    for code, name in enumerate(choices):
        rows_, columns = numpy.nonzero(codes == code)
        middle = numpy.argmin((rows_ - rows_.mean()) ** 2 + (columns - columns.mean()) ** 2)
        chart.ax.text(
            xs[columns[middle]], ys[rows_[middle]], name, ha="center", va="center", fontweight="bold", color=style.INK
        )
    chart.add_tips(table[x], table[y], table[tip or choice].astype(str))
    shares = [f"{name} in {100 * numpy.mean(codes == code):.0f} % of the plane" for code, name in enumerate(choices)]
    chart.tables.append(table.drop(columns=[tip] if tip else []))
    chart.said.append(f"{x} against {y}: {', '.join(shares)}.")
    return chart
