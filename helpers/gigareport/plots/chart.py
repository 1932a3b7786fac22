"""A chart: axes with the tables drawn on them, what they say in words, the values under a finger, title and source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.text import Text

from gigareport.plots import style
from gigareport.words import number

#: Alternative texts name at most this many rows or lines; the table behind the figure holds all.
NAMED = 8
#: Names of lines longer than this stand above their ends instead of beside them. [letter]
_LONG_NAME = 22
#: Room of a name along an upright line: its length a letter and its width, as shares of the axes, in a narrow drawing.
_ALONG_LENGTH, _ALONG_WIDTH = 0.03, 0.08
_POINTS_OF_A_LINE = 1000
#: Height that title, source and what stands below the axes take; length of a letter of an axis's name. [in]
_AROUND_IN, _LETTER_IN = 1.3, 0.079
#: The data behind a figure travel with its page.
_MAX_ROWS = 5_000


@dataclass(eq=False)
class Chart:
    """Axes with what was drawn on them: the tables, what they say, and the values under a finger.

    :func:`gigareport.plots.finished` adds title, source and licence, and the drawn texts of the first and the second.
    """

    fig: Figure
    ax: Axes
    tables: list[pd.DataFrame] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tips: list[tuple[Axes, float, float, str]] = field(default_factory=list)
    names: list[tuple[float, float, str, Any]] = field(default_factory=list)  # of lines, beside their ends
    uprights: list[tuple[float, str]] = field(default_factory=list)  # lines across, named along themselves
    beside: list[Chart] = field(default_factory=list)
    groups: int = 0  # drawn so far, each with a colour of its own
    is_plane: bool = False  # coloured all over: names of lines stand on it
    title: str = ""
    source: str = ""
    licence: str = ""
    dated: str = ""  # newest datum
    texts: tuple[Text, ...] = ()

    @property
    def panels(self) -> tuple[Chart, ...]:
        """Itself, and those beside it on the figure."""
        return (self, *self.beside)

    @property
    def data(self) -> pd.DataFrame:
        """Every table behind the figure, once; several are set below each other."""
        tables: list[pd.DataFrame] = []
        for table in (table for chart in self.panels for table in chart.tables):
            if not any(table is other for other in tables):
                tables.append(table)
        return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]

    @property
    def alt(self) -> str:
        """What a reader who cannot see the figure should know."""
        return " ".join(text for chart in self.panels for text in chart.said)

    @property
    def vintage(self) -> str:
        """Date of the newest datum, or nothing where the tables have no dates."""
        tables = (table for chart in self.panels for table in chart.tables)
        return self.dated or max((date for table in tables for date in dates_of(table)), default="")

    @property
    def all_tips(self) -> list[tuple[Axes, float, float, str]]:
        """Values under a finger of every panel: axes, place, text."""
        return [tip for chart in self.panels for tip in chart.tips]

    @property
    def credit(self) -> str:
        """The line below the figure."""
        return f"Source: {self.source}. Data to {self.vintage}."

    @property
    def csv(self) -> str:
        """The data as a reader downloads them: what they show, whose they are, a column a quantity with its unit."""
        licence = f"\n# licence: {self.licence}" if self.licence else ""
        head = f"# {self.title}\n# source: {self.source}{licence}\n# data to: {self.vintage}\n"
        return head + self.data.to_csv(index=False, float_format="%.6g")

    def add_tips(self, xs: Iterable[Any], ys: Iterable[Any], texts: Iterable[str]) -> None:
        """Note the values that a finger finds at some places of the axes."""
        self.tips += [(self.ax, on_axis(x), float(y), text) for x, y, text in zip(xs, ys, texts, strict=True)]

    def place_names(self) -> None:
        """Write the names of lines beside their ends, apart from each other, and those of upright lines along them."""
        for x, text in self.uprights:
            self._name_upright(x, text)
        span = self.ax.transData.transform
        height = self.ax.bbox.height or 1.0
        last = -numpy.inf
        # Long names beside the axes would leave a telephone no room for the lines.
        is_inside = self.is_plane or any(len(text) > _LONG_NAME for _, _, text, _ in self.names)
        for x, y, text, colour in sorted(self.names, key=lambda name: float(span((name[0], name[1]))[1])):
            at = float(span((x, y))[1]) / height
            place = max(at, last + 0.055)
            last = place
            shift_pt = (place - at) * height * 72 / self.fig.dpi
            start = self._start_of_fall(x, y) if self.is_plane else None
            is_before = is_inside and start is None
            name = self.ax.annotate(
                text,
                start or (x, y),
                xytext=(-4, shift_pt + 7) if is_before else (5, 6 if start else shift_pt),
                ha="right" if is_before else "left",
                textcoords="offset points",
                color=colour
                if colour in (style.ACCENT, style.SECOND) and not self.is_plane
                else style.INK,  # light letters are hard to read
                va="center",
                fontsize="small",
                annotation_clip=False,
            )
            name.set_in_layout(start is None)  # it has the plane to stand on

    def _start_of_fall(self, x: float, y: float) -> tuple[float, float] | None:
        """Return where a line that falls to its end begins: a name before that end would stand on the line."""
        for line in (numpy.asarray(line.get_xydata(), dtype=float) for line in self.ax.lines):
            if len(line) > 1 and numpy.allclose(line[-1], (x, y)) and line[-1, 1] < line[0, 1]:
                return float(line[0, 0]), float(line[0, 1])
        return None

    def _name_upright(self, x: float, text: str) -> None:
        """Name an upright line along itself, where the least of what is drawn lies under the letters."""
        at = self._fractions(numpy.asarray([[x, self.ax.get_ylim()[0]]]))[0, 0]
        drawn = numpy.concatenate([numpy.empty((0, 2)), *map(self._fractions, _traces(self.ax))])
        length = _ALONG_LENGTH * len(text)

        def covered(corner: tuple[str, str]) -> int:
            side = (at - drawn[:, 0]) * (1 if corner[0] == "right" else -1)
            depth = 1 - drawn[:, 1] if corner[1] == "top" else drawn[:, 1]
            return int(numpy.sum((side > 0) & (side < _ALONG_WIDTH) & (depth < length)))

        aligned, end = min((("right", "top"), ("left", "top"), ("right", "bottom"), ("left", "bottom")), key=covered)
        self.ax.annotate(
            text,
            (x, 1.0 if end == "top" else 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if aligned == "right" else 4, -4 if end == "top" else 4),
            textcoords="offset points",
            ha=aligned,
            va=end,
            fontsize="small",
            rotation=90,
        )

    def _fractions(self, places: numpy.ndarray) -> numpy.ndarray:
        """Return places of the data as shares of the axes."""
        return numpy.asarray(self.ax.transAxes.inverted().transform(self.ax.transData.transform(places)))


def finish(chart: Chart) -> Figure:
    """Write title and source on a figure, and let it know its chart.

    Raises
    ------
    ValueError
        If a text is empty, or the table is too long to travel with a page.
    """
    data = chart.data
    texts = {"title": chart.title, "alt": chart.alt, "source": chart.source, "vintage": chart.vintage}
    if missing := [name for name, text in texts.items() if not text.strip()]:
        raise ValueError(f"a figure needs {', '.join(texts)}; {' and '.join(missing)} came empty")
    if len(data) > _MAX_ROWS:
        raise ValueError(f"the data behind a figure has {len(data):,} rows; give at most {_MAX_ROWS:,}, those drawn")
    letters = int((chart.fig.get_size_inches()[1] - _AROUND_IN) / _LETTER_IN)
    for panel in chart.panels:
        panel.place_names()
        panel.ax.set_ylabel(style.folded(panel.ax.get_ylabel(), letters))
    chart.texts = (
        chart.fig.suptitle(chart.title, x=0.01, ha="left", fontsize="medium", fontweight="bold", wrap=True),
        chart.fig.supxlabel(chart.credit, x=0.01, ha="left", fontsize="x-small", color="#555555"),
    )
    for text in chart.texts:
        text.set_parse_math(False)  # a $ is a dollar
    chart.fig.chart = chart  # type: ignore[attr-defined]
    return chart.fig


def chart_of(fig: Figure) -> Chart:
    """Return the chart that a finished figure shows.

    Raises
    ------
    ValueError
        If the figure was not finished.
    """
    found: Chart | None = getattr(fig, "chart", None)
    if found is None:
        raise ValueError("the figure has no title, alternative text and source yet; pass its chart through finished()")
    return found


def _traces(ax: Axes) -> list[numpy.ndarray]:
    """Return what lies on axes as places close to each other: along lines, and at points. (n, 2)"""
    lines = [line.get_xydata() for line in ax.lines if line.get_transform() == ax.transData]
    finite = [numpy.asarray(line, dtype=float)[numpy.isfinite(line).all(axis=1)] for line in lines]
    along = numpy.linspace(0, 1, _POINTS_OF_A_LINE)
    traces = [
        numpy.column_stack([numpy.interp(along, numpy.linspace(0, 1, len(line)), part) for part in line.T])
        for line in finite
        if len(line)
    ]
    return [*traces, *(numpy.ma.filled(numpy.ma.asarray(c.get_offsets()), numpy.nan) for c in ax.collections)]


def panels(count: int, width_in: float = 7.5, height_in: float = 4.2, **subplots: Any) -> tuple[Chart, ...]:
    """Return empty charts side by side; show the first, which carries what the others hold."""
    fig, axes = style.figure(width_in, height_in, ncols=count, **subplots)
    charts = tuple(Chart(fig, ax) for ax in numpy.atleast_1d(axes))
    charts[0].beside.extend(charts[1:])
    return charts


def new_chart(width_in: float = 7.5, height_in: float = 4.2) -> Chart:
    """Return an empty chart on a figure of its own."""
    return Chart(*style.figure(width_in, height_in))


def noted(chart: Chart, table: pd.DataFrame, what: str, names: Sequence[str], texts: Sequence[str]) -> Chart:
    """Note what was drawn, in words and as a table."""
    lines = [f"{name} {text}" for name, text in zip(names, texts, strict=True)]
    more = f"; and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    chart.said.append(f"{what}: {'; '.join(lines[:NAMED])}{more}.")
    chart.tables.append(table)
    return chart


def groups_of(chart: Chart, table: pd.DataFrame, by: str | None) -> list[tuple[str, pd.DataFrame, str, int]]:
    """Return the parts in the order of their first rows: name, rows, colour, and place among the chart's groups."""
    parts = [("", table)] if by is None else [(str(name), part) for name, part in table.groupby(by, sort=False)]
    first = chart.groups
    chart.groups += len(parts)
    colours = style.colours(len(parts), first)
    return [(*part, colour, first + place) for place, (part, colour) in enumerate(zip(parts, colours, strict=True))]


def is_numeric(column: pd.Series) -> bool:
    """Tell whether a column holds numbers."""
    return bool(pd.api.types.is_numeric_dtype(column))


def axis_of(column: pd.Series) -> Any:
    """Return a column as numbers or as dates."""
    return column.to_numpy(dtype=float) if is_numeric(column) else column.to_numpy(dtype="datetime64[ns]")


def on_axis(value: Any) -> float:
    """Return where a number or a date lies on its axis."""
    if isinstance(value, numpy.datetime64):
        return float(date2num(value))
    return float(value)


def told(value: Any) -> str:
    """Write a number or a date as a reader says it."""
    return str(pd.Timestamp(value).date()) if isinstance(value, numpy.datetime64) else number(float(value), 3)


def dates_of(table: pd.DataFrame) -> list[str]:
    """Return the newest date of each column of dates, and the vintage noted with the table."""
    found = [str(table.attrs["vintage"])] if "vintage" in table.attrs else []
    for column in table.columns:
        values = table[column].dropna()
        if pd.api.types.is_datetime64_any_dtype(values) and len(values):
            found.append(str(values.max().date()))
        elif len(values) and values.map(lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)))).all():
            found.append(str(values.max()))
    return found
