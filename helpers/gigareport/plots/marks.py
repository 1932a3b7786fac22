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

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from gigareport.plots import style
from gigareport.words import number

#: Alternative texts name at most this many rows or lines; the table behind the figure holds all.
_NAMED = 8
#: Lines are told apart by their dashes too.
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))


@dataclass(eq=False)
class Chart:
    """Axes with what was drawn on them: the tables, what they say, and the values under a finger."""

    fig: Figure
    ax: Axes
    tables: list[pd.DataFrame] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tips: list[tuple[Axes, float, float, str]] = field(default_factory=list)
    names: list[tuple[float, float, str, Any]] = field(default_factory=list)  # of lines, beside their ends
    beside: list[Chart] = field(default_factory=list)
    is_plane: bool = False  # coloured all over: names of lines stand on it

    @property
    def data(self) -> pd.DataFrame:
        """Every table behind the figure, once; several are set below each other."""
        tables: list[pd.DataFrame] = []
        for table in (table for chart in (self, *self.beside) for table in chart.tables):
            if not any(table is other for other in tables):
                tables.append(table)
        return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]

    @property
    def alt(self) -> str:
        """What a reader who cannot see the figure should know."""
        return " ".join(text for chart in (self, *self.beside) for text in chart.said)

    @property
    def vintage(self) -> str:
        """Date of the newest datum, or nothing where the tables have no dates."""
        tables = (table for chart in (self, *self.beside) for table in chart.tables)
        return max((date for table in tables for date in _dates(table)), default="")

    def place_names(self) -> None:
        """Write the names of lines beside their ends, apart from each other."""
        span = self.ax.transData.transform
        height = self.ax.bbox.height or 1.0
        last = -numpy.inf
        for x, y, text, colour in sorted(self.names, key=lambda name: float(span((name[0], name[1]))[1])):
            at = float(span((x, y))[1]) / height
            place = max(at, last + 0.055)
            last = place
            shift_pt = (place - at) * height * 72 / self.fig.dpi
            self.ax.annotate(
                text,
                (x, y),
                xytext=(-4, shift_pt + 7) if self.is_plane else (5, shift_pt),
                ha="right" if self.is_plane else "left",
                textcoords="offset points",
                color=colour
                if colour in (style.ACCENT, style.SECOND) and not self.is_plane
                else style.INK,  # light letters are hard to read
                va="center",
                fontsize="small",
                annotation_clip=False,
            )


def panels(count: int, width_in: float = 7.5, height_in: float = 4.2, **subplots: Any) -> tuple[Chart, ...]:
    """Return empty charts side by side; show the first, which carries what the others hold."""
    fig, axes = style.figure(width_in, height_in, ncols=count, **subplots)
    charts = tuple(Chart(fig, ax) for ax in numpy.atleast_1d(axes))
    charts[0].beside.extend(charts[1:])
    return charts


def rows(
    table: pd.DataFrame,
    value: str,
    *,
    label: str = "label",
    low: str = "low",
    middle: str = "median",
    high: str = "high",
    beside: str | None = None,
    log: bool = False,
    on: Chart | None = None,
) -> Chart:
    """Draw a row for each name: its median as a dot, its interval as a line, a published value beside it as a cross.

    Parameters
    ----------
    table : DataFrame
        One row a name, in the order from top to bottom.
    value : str
        Label of the axis, with its unit.
    label, low, middle, high : str
        Columns; without ``low`` and ``high`` in the table only dots are drawn.
    beside : str, optional
        Column of published values.
    log : bool
        Whether the axis is logarithmic.
    on : Chart, optional
        Where to draw; otherwise a new figure as high as the rows need.
    """
    chart = on or _new(height_in=1.3 + 0.34 * len(table))
    names, middles = table[label].astype(str).tolist(), table[middle].to_numpy(dtype=float)
    places = numpy.arange(len(table))
    has_interval = {low, high} <= {*table}
    if has_interval:
        chart.ax.hlines(places, table[low], table[high], color=style.ACCENT, linewidth=2.5, alpha=0.55)
    chart.ax.plot(middles, places, "o", color=style.ACCENT, markersize=6)
    if beside:
        chart.ax.plot(table[beside], places, "x", color=style.SECOND, markersize=7, markeredgewidth=2, label=beside)
        style.legend_above(chart.ax)
    chart.ax.set(yticks=places, xlabel=value, ylim=(len(table) - 0.5, -0.5), **({"xscale": "log"} if log else {}))
    chart.ax.set_yticklabels(names)
    chart.ax.grid(visible=False, axis="y")
    texts = [number(middle_) for middle_ in middles]
    if has_interval:
        texts = [
            f"{text} ({number(a)} to {number(b)})"
            for text, a, b in zip(texts, table[low].astype(float), table[high].astype(float), strict=True)
        ]
    if beside:
        texts = [f"{t}, {beside} {number(b)}" for t, b in zip(texts, table[beside].astype(float), strict=True)]
    return _noted(chart, table, value, names, texts, list(zip(middles, places, strict=True)))


def bars(
    table: pd.DataFrame, value: str | Sequence[str], *, label: str = "label", on: Chart | None = None, unit: str = ""
) -> Chart:
    """Draw a bar for each name; several columns are stacked, each named in the legend.

    Parameters
    ----------
    table : DataFrame
        One row a name, in the order from top to bottom.
    value : str or several
        Column or columns; a single one is the label of the axis.
    label : str
        Column of the names.
    on : Chart, optional
        Where to draw.
    unit : str
        Label of the axis where several columns are stacked, with its unit.
    """
    chart = on or _new(height_in=1.3 + 0.34 * len(table))
    columns = [value] if isinstance(value, str) else list(value)
    names, places = table[label].astype(str).tolist(), numpy.arange(len(table))
    left = numpy.zeros(len(table))
    for column, colour in zip(columns, style.colours(len(columns)), strict=True):
        widths = table[column].to_numpy(dtype=float)
        chart.ax.barh(places, widths, left=left, height=0.62, color=colour, label=column, edgecolor="white")
        if len(columns) > 1:
            centres = left + widths / 2
            tips = [f"{name}: {column} {number(width)}" for name, width in zip(names, widths, strict=True)]
            chart.tips += [(chart.ax, float(a), float(b), tip) for a, b, tip in zip(centres, places, tips, strict=True)]
        left = left + numpy.nan_to_num(widths)
    chart.ax.set(yticks=places, xlabel=unit or columns[0], ylim=(len(table) - 0.5, -0.5))
    chart.ax.set_yticklabels(names)
    chart.ax.grid(visible=False, axis="y")
    if len(columns) > 1:
        style.legend_above(chart.ax)
    texts = [number(total) for total in left]
    ends = [] if len(columns) > 1 else list(zip(left, places, strict=True))
    return _noted(chart, table, unit or columns[0], names, texts, ends)


def curves(
    table: pd.DataFrame, x: str, y: str, *, by: str | None = None, log: str = "", on: Chart | None = None
) -> Chart:
    """Draw a line through the rows for each group, named at its end.

    Parameters
    ----------
    table : DataFrame
        One row a point.
    x, y : str
        Columns, which are the labels of the axes.
    by : str, optional
        Column of the groups.
    log : {"", "x", "y", "xy"}
        Axes that are logarithmic.
    on : Chart, optional
        Where to draw.
    """
    chart = on or _new()
    groups = _groups(table, by)
    named, texts = [], []
    first = len(chart.names)
    for place, ((name, part), colour) in enumerate(zip(groups, style.colours(len(groups), first), strict=True)):
        xs, ys = _axis(part[x]), part[y].to_numpy(dtype=float)
        chart.ax.plot(xs, ys, color=colour, linestyle=_DASHES[(place + first) % len(_DASHES)], linewidth=2)
        chart.tips += [(chart.ax, _number(a), b, f"{name}{_text(a)}: {number(b)}") for a, b in zip(xs, ys, strict=True)]
        known = numpy.flatnonzero(numpy.isfinite(ys))
        if by and len(known):
            chart.names.append((_number(xs[known[-1]]), float(ys[known[-1]]), str(name).removesuffix(", "), colour))
        if len(known):
            a, b = known[0], known[-1]
            named.append(str(name).removesuffix(", ") or y)
            texts.append(f"{number(ys[a])} at {_text(xs[a])} to {number(ys[b])} at {_text(xs[b])}")
    _label_axes(chart, x, y, log)
    return _noted(chart, table, f"{y} over {x}", named, texts, [])


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
    table : DataFrame
        One row a point of the line.
    x : str
        Column, which is the label of the axis.
    y : str
        Label of the other axis, with its unit.
    low, middle, high : str
        Columns of the interval.
    by, log, on
        As for :func:`curves`.
    """
    chart = on or _new()
    groups = _groups(table, by)
    named, texts = [], []
    first = len(chart.names)
    for place, ((name, part), colour) in enumerate(zip(groups, style.colours(len(groups), first), strict=True)):
        xs = _axis(part[x])
        a, b, c = (part[column].to_numpy(dtype=float) for column in (low, middle, high))
        style.band(chart.ax, xs, a, c, color=colour)
        chart.ax.plot(xs, b, color=colour, linestyle=_DASHES[(place + first) % len(_DASHES)], linewidth=2)
        said = [f"{number(m)} ({number(lo)} to {number(hi)})" for lo, m, hi in zip(a, b, c, strict=True)]
        chart.tips += [
            (chart.ax, _number(at), m, f"{name}{_text(at)}: {text}") for at, m, text in zip(xs, b, said, strict=True)
        ]
        if by:
            chart.names.append((_number(xs[-1]), float(b[-1]), str(name).removesuffix(", "), colour))
        named.append(str(name).removesuffix(", ") or y)
        texts.append(f"{said[0]} at {_text(xs[0])}, {said[-1]} at {_text(xs[-1])}")
    _label_axes(chart, x, y, log)
    return _noted(chart, table, f"{y} over {x}", named, texts, [])


def areas(table: pd.DataFrame, x: str, parts: Sequence[str], y: str, *, on: Chart | None = None) -> Chart:
    """Stack columns over ``x``, each named in the area itself where it is wide enough and in the legend.

    Parameters
    ----------
    table : DataFrame
        One row a point of ``x``.
    x : str
        Column, which is the label of the axis.
    parts : sequence of str
        Columns, from below to the top.
    y : str
        Label of the other axis, with its unit.
    on : Chart, optional
        Where to draw.
    """
    chart = on or _new()
    xs, values = _axis(table[x]), table[list(parts)].to_numpy(dtype=float).T
    tops = numpy.cumsum(values, axis=0)
    chart.ax.stackplot(
        xs, values, colors=style.colours(len(parts)), labels=list(parts), edgecolor="white", linewidth=0.6
    )
    for part, value, top in zip(parts, values, tops, strict=True):
        chart.tips += [
            (chart.ax, _number(at), float(height - size / 2), f"{part}, {_text(at)}: {number(size)}")
            for at, height, size in zip(xs, top, value, strict=True)
        ]
    _label_axes(chart, x, y, "")
    chart.ax.set(xlim=(_number(xs[0]), _number(xs[-1])))
    style.legend_above(chart.ax)
    texts = [f"{number(value[0])} at {_text(xs[0])}, {number(value[-1])} at {_text(xs[-1])}" for value in values]
    return _noted(chart, table, f"{y} over {x}", list(parts), texts, [])


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
    table : DataFrame
        One row a point.
    x, y : str
        Columns, which are the labels of the axes.
    label : str, optional
        Column of names, shown under a finger.
    by : str, optional
        Column of groups, each with a colour and a form.
    diagonal : bool
        Whether to draw the line on which both are equal, as for predicted against measured.
    log, on
        As for :func:`curves`.
    """
    chart = on or _new()
    groups = _groups(table, by)
    for (name, part), colour, form in zip(groups, style.colours(len(groups)), "osD^vP*X" * 9, strict=False):
        chart.ax.plot(
            _axis(part[x]), part[y], form, color=colour, markersize=4.5, alpha=0.75, label=str(name).removesuffix(", ")
        )
        who = part[label].astype(str).tolist() if label else [str(name).removesuffix(", ")] * len(part)
        chart.tips += [
            (chart.ax, _number(a), float(b), f"{f'{n}: ' if n else ''}{number(b)} at {_text(a)}")
            for n, a, b in zip(who, _axis(part[x]), part[y], strict=True)
        ]
    if by:
        style.legend_above(chart.ax)
    _label_axes(chart, x, y, log)
    if diagonal:
        ends = [numpy.nanmin(table[[x, y]].to_numpy(float)), numpy.nanmax(table[[x, y]].to_numpy(float))]
        chart.ax.plot(ends, ends, color=style.INK, linewidth=1, zorder=1)
    spans = [f"from {number(table[c].min())} to {number(table[c].max())}" for c in (x, y) if _is_numeric(table[c])]
    chart.tables.append(table)
    chart.said.append(f"{len(table)} points: {y} over {x}; {' and '.join(spans)}.")
    return chart


def regions(
    table: pd.DataFrame, x: str, y: str, choice: str, *, tip: str | None = None, log: str = "", on: Chart | None = None
) -> Chart:
    """Colour a plane by the choice at each place of a full grid, each region named in the middle of its area.

    Parameters
    ----------
    table : DataFrame
        One row a place of the grid, every ``x`` with every ``y``.
    x, y : str
        Columns, which are the labels of the axes.
    choice : str
        Column of what holds there.
    tip : str, optional
        Column of the text under a finger; otherwise the choice.
    log, on
        As for :func:`curves`.
    """
    chart = on or _new(6.2, 3.5)
    grid = table.pivot_table(index=y, columns=x, values=choice, aggfunc="first")
    choices = list(dict.fromkeys(table[choice]))
    codes = grid.apply(lambda column: column.map(choices.index)).to_numpy(dtype=float)
    xs, ys = grid.columns.to_numpy(dtype=float), grid.index.to_numpy(dtype=float)
    _label_axes(chart, x, y, log)
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
    texts = table[tip or choice].astype(str)
    chart.tips += [(chart.ax, a, b, text) for a, b, text in zip(table[x], table[y], texts, strict=True)]
    shares = [f"{name} in {100 * numpy.mean(codes == code):.0f} % of the plane" for code, name in enumerate(choices)]
    chart.tables.append(table.drop(columns=[tip] if tip else []))
    chart.said.append(f"{x} against {y}: {', '.join(shares)}.")
    return chart


def unsupported(title: str, data: pd.DataFrame) -> list[str]:
    """Return the numbers of a title that the figure's own data do not hold, as rounded as the title writes them.

    Letters beside digits make a name (H100). A number may be a value of the data in any power of a thousand or as a
    percentage, the count of rows, a year of a date, part of a text in the data, or the 5, 50, 80, 90 and 95 of
    intervals.

    Examples
    --------
    >>> table = pd.DataFrame({"label": ["Own", "Rent"], "Cost [$]": [5.24e9, 8.31e9], "chance": [0.43, 0.57]})
    >>> unsupported("Owning 100,000 H100 costs $5.2 billion and wins in 43 %", table)
    ['100,000']
    """
    numeric = data.select_dtypes("number").to_numpy(dtype=float).ravel()
    values = numpy.abs(numeric[numpy.isfinite(numeric)])
    scaled = (values[:, None] * 10.0 ** numpy.asarray([-12, -9, -6, -3, 0, 2, 3])).ravel()
    texts = " ".join(str(text) for column in data.select_dtypes(exclude="number") for text in data[column].unique())
    words = {*re.findall(r"\d[\d,]*(?:\.\d+)?", texts)} | {"5", "50", "80", "90", "95", f"{len(data):,}"}
    found = []
    for written in re.findall(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w])", title):
        digits = written.rstrip(",")
        decimals = len(digits.partition(".")[2])
        if digits in words or digits.replace(",", "") in words:
            continue
        trailing = len(digits) - len(digits.rstrip("0,")) if not decimals else 0
        half = 0.5 * 10.0 ** (digits[len(digits) - trailing :].count("0") - decimals)
        if not numpy.any(numpy.abs(scaled - float(digits.replace(",", ""))) <= half * (1 + 1e-9)):
            found.append(digits)
    return found


def _new(width_in: float = 7.5, height_in: float = 4.2) -> Chart:
    return Chart(*style.figure(width_in, height_in))


def _noted(
    chart: Chart, table: pd.DataFrame, what: str, names: list[str], texts: list[str], places: list[Any]
) -> Chart:
    told = [f"{name} {text}" for name, text in zip(names, texts, strict=True)]
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    chart.said.append(f"{what}: {'; '.join(told[:_NAMED])}{more}.")
    chart.tables.append(table)
    tips = (f"{name}: {text}" for name, text in zip(names, texts, strict=True))
    chart.tips += [(chart.ax, float(x), float(y), tip) for (x, y), tip in zip(places, tips, strict=False)]
    return chart


def _groups(table: pd.DataFrame, by: str | None) -> list[tuple[str, pd.DataFrame]]:
    """Return the parts in the order of their first rows, named for the text under a finger."""
    return [("", table)] if by is None else [(f"{name}, ", part) for name, part in table.groupby(by, sort=False)]


def _label_axes(chart: Chart, x: str, y: str, log: str) -> None:
    chart.ax.set(xlabel=x, ylabel=y, **{f"{axis}scale": "log" for axis in log})
    if isinstance(chart.ax.xaxis.get_major_locator(), AutoDateLocator):
        locator = AutoDateLocator(maxticks=6)
        chart.ax.xaxis.set_major_locator(locator)
        chart.ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _axis(column: pd.Series) -> Any:
    return column.to_numpy(dtype=float) if _is_numeric(column) else column.to_numpy(dtype="datetime64[ns]")


def _number(value: Any) -> float:
    if isinstance(value, numpy.datetime64):
        return float(date2num(value))
    return float(value)


def _text(value: Any) -> str:
    return str(pd.Timestamp(value).date()) if isinstance(value, numpy.datetime64) else number(float(value), 3)


def _dates(table: pd.DataFrame) -> list[str]:
    """Return the newest date of each column of dates, and the vintage noted with the table."""
    found = [str(table.attrs["vintage"])] if "vintage" in table.attrs else []
    for column in table.columns:
        values = table[column].dropna()
        if pd.api.types.is_datetime64_any_dtype(values) and len(values):
            found.append(str(values.max().date()))
        elif len(values) and values.map(lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)))).all():
            found.append(str(values.max()))
    return found
