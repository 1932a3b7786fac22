"""Drawings of a finished figure as small SVG texts: one for a wide screen, one for a telephone.

The title and the source are texts of the page, so the drawings leave them out (they stay inside the file as its title
and description). Letters become outlines: the drawing looks the same on a machine without our font.
"""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import ScaledTranslation

from gigareport.plots.chart import chart_of
from gigareport.plots.style import COLOURS, REGION, REGIONS, folded, short_dates

#: Width of the drawing for a telephone: letters of 10 points stay legible on a screen of 390 pixels. [in]
NARROW_IN = 4.4
#: Lowest height of one panel on a telephone. [in]
PANEL_IN = 3.0
#: Longest line of a category's name on a telephone. [letter]
NAME_LENGTH = 18
#: Height of a line of a category's name. [in]
LINE_IN = 0.16
#: Height that such a panel keeps for the labels of its axis and a legend above. [in]
AROUND_IN = 1.2
#: Least distance of two numbers below an axis on a telephone. [pt]
GAP_PT = 4
#: Drawings larger than this get their points and areas as one embedded picture instead of one shape each. [bytes]
HEAVY_BYTES = 250_000
#: A finger finds at most this many values of one figure.
MOST_TIPS = 400


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing; ``tips`` are the texts under a finger, ``places`` where they are, from the left and the top. [pt]"""

    svg: str
    places: str
    tips: tuple[str, ...]


def wide(fig: Figure) -> Drawing:
    """Draw a figure for a screen."""
    _hide_texts(fig)
    return _drawn(fig)


def narrow(fig: Figure) -> Drawing:
    """Draw a figure for a telephone: panels side by side stand below each other."""
    _hide_texts(fig)
    columns, _ = _grid(fig)
    width_in, height_in = fig.get_size_inches()
    if columns > 1:
        _stack(fig)
    panels = max(_grid(fig)[1], 1)
    for ax in fig.axes:
        short_dates(ax.xaxis, least=2, most=4)  # ticks of a wide drawing would run into each other
    wrapped_in = max((_wrap_labels(ax) for ax in fig.axes), default=0.0)
    heights_in = (PANEL_IN * panels, height_in * min(1.0, NARROW_IN / width_in), wrapped_in * panels)
    fig.set_size_inches(NARROW_IN, max(heights_in))
    _keep_texts_inside(fig)
    return _drawn(fig)


def _drawn(fig: Figure) -> Drawing:
    """Return a figure as it is laid out, with the values that a finger finds: thinned out evenly where many."""
    tips = [tip for tip in chart_of(fig).all_tips if numpy.isfinite(tip[1]) and numpy.isfinite(tip[2])]
    tips = tips[:: max(1, -(-len(tips) // MOST_TIPS))]
    text, height_px, places = svg(fig), fig.bbox.height, []
    for ax, x, y, _ in tips:
        right_px, up_px = ax.transData.transform((x, y))
        places.append(f"{right_px * 72 / fig.dpi:.0f},{(height_px - up_px) * 72 / fig.dpi:.0f}")
    return Drawing(text, " ".join(places), tuple(tip[-1] for tip in tips))


def svg(fig: Figure) -> str:
    """Return a figure as SVG without date or generator, with short numbers."""
    text = _raw_svg(fig)
    if len(text) > HEAVY_BYTES:
        for ax in fig.axes:
            for artist in (*ax.collections, *(line for line in ax.lines if numpy.size(line.get_xdata()) > 1_000)):
                artist.set_rasterized(True)
        text = _raw_svg(fig)
    chart = chart_of(fig)
    described = f"<title>{escape(chart.title)}</title><desc>{escape(f'{chart.alt} {chart.credit}')}</desc>"
    return _themed(_short(re.sub(r"<metadata>.*?</metadata>", described, text, count=1, flags=re.DOTALL)))


def _themed(text: str) -> str:
    """Let a page's theme colour a drawing: no style of its own, ink and paper of the page, our colours by name.

    Standing alone the drawing keeps its light colours. Without ``style`` attributes it also shows under a policy that
    allows no inline style.
    """
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    text = re.sub(r' style="([^"]*)"', lambda match: _attributes(match[1]), text)
    text = re.sub(r'="(#[0-9a-fA-F]{6})"', lambda match: f'="{_NAMED.get(match[1].lower(), match[1])}"', text)
    return text.replace("xlink:href", "href")


def _attributes(declarations: str) -> str:
    pairs = dict(part.split(":", 1) for part in declarations.split(";") if ":" in part)
    return "".join(f' {name.strip()}="{value.strip()}"' for name, value in pairs.items())


#: Colours that a theme changes.
_NAMED = {colour.lower(): f"var(--c{place},{colour})" for place, colour in enumerate((*COLOURS[:7], "#000000"))}
_NAMED |= dict.fromkeys(("#000000", "#262626", "#1b1f24"), "currentColor")
_NAMED |= {"#ffffff": "var(--paper,#ffffff)", "#cccccc": "var(--line,#cccccc)", "#b0b0b0": "var(--line,#b0b0b0)"}
_NAMED |= {REGION.lower(): f"var(--r0,{REGION})"}
_NAMED |= {colour.lower(): f"var(--r-{name},{colour})" for name, colour in REGIONS.items()}


def _hide_texts(fig: Figure) -> None:
    for text in chart_of(fig).texts:
        text.set_visible(False)
        text.set_in_layout(False)


def _raw_svg(fig: Figure) -> str:
    stream, dpi = io.StringIO(), fig.dpi
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "gigacluster"}):
        # Figure.savefig would draw everything twice, the first time only to find the extent.
        FigureCanvasSVG(fig).print_svg(stream, metadata={"Date": None, "Creator": None})
    fig.set_dpi(dpi)
    return stream.getvalue()


def _short(text: str) -> str:
    """Drop what no reader sees, and round coordinates to a hundredth of a point."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"(?<=[\s\"(,MLQCz-])\d+\.\d{3,}(?=[\s\"),z])", _rounded, text)
    text = re.sub(r' d="([^"]*)"', _short_path, text)
    return re.sub(r">\s+<", "><", text).strip()


def _short_path(match: re.Match[str]) -> str:
    return ' d="' + re.sub(r"\s*([MLHVQCZz])\s*", r"\1", " ".join(match[1].split())) + '"'


def _rounded(match: re.Match[str]) -> str:
    value = float(match[0])
    return f"{value:.5g}" if value < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def _grid(fig: Figure) -> tuple[int, int]:
    """Return columns and rows of the panels."""
    specs = [spec for ax in fig.axes if (spec := ax.get_subplotspec()) is not None]
    grids = [spec.get_gridspec() for spec in specs]
    return max((grid.ncols for grid in grids), default=1), max((grid.nrows for grid in grids), default=1)


def _stack(fig: Figure) -> None:
    """Put panels that stand side by side below each other, each with its own axis labels."""
    panels: list[Any] = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    grid = fig.add_gridspec(len(panels), 1)
    for row, ax in enumerate(panels):
        ax.set_subplotspec(grid[row])
        ax.tick_params(labelleft=True, labelbottom=True)
        for axis, other in (("x", ax.get_shared_x_axes()), ("y", ax.get_shared_y_axes())):
            if not _label(ax, axis):
                siblings = [_label(sibling, axis) for sibling in panels if other.joined(ax, sibling)]
                getattr(ax, f"set_{axis}label")(next(filter(None, siblings), ""))


def _wrap_labels(ax: Axes) -> float:
    """Break the names of axes and of categories that leave no room, and return the height that the panel needs. [in]"""
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    has_long_names = any(len(name) > NAME_LENGTH and "$" not in name for name in names)  # with $: a power of ten
    ax.set_xlabel(folded(ax.get_xlabel(), 26 if has_long_names else 40))
    ax.set_ylabel(folded(ax.get_ylabel(), 28))
    ax.set_title(textwrap.fill(ax.get_title(loc="left"), 42), loc="left")
    if not has_long_names:
        return 0.0
    wrapped = [textwrap.fill(name, NAME_LENGTH) for name in names]
    ax.set_yticks(ax.get_yticks(), wrapped, fontsize="small")
    return AROUND_IN + LINE_IN * len(wrapped) * max(1 + name.count("\n") for name in wrapped)


def _keep_texts_inside(fig: Figure) -> None:
    """Shift texts that were placed for a wide figure and now stick out of it."""
    engine = fig.get_layout_engine()
    if engine is None:
        return
    engine.execute(fig)
    fig.set_layout_engine("none")  # what follows fits this layout
    width_px, margin_px = fig.bbox.width, 0.02 * fig.bbox.width  # outlines run a little wider than screen letters
    for text in (text for ax in fig.axes for text in ax.texts if text.get_text()):
        extent = text.get_window_extent()
        shift_px = min(0.0, width_px - margin_px - extent.x1) or max(0.0, margin_px - extent.x0)
        if shift_px and extent.width < width_px - 2 * margin_px:
            _shift(text, shift_px, fig.dpi)
    for ax in fig.axes:
        _part_names(ax)
        _thin_ticks(ax)


def _part_names(ax: Axes) -> None:
    """Move names of lines, placed apart for a wide figure, up until none lies on the one below it."""
    names = [text for text in ax.texts if isinstance(text, Annotation) and _is_name(text)]
    last_px = -numpy.inf
    for name in sorted(names, key=lambda text: text.get_window_extent().y0):
        extent = name.get_window_extent()
        up_px = max(0.0, last_px - extent.y0)
        x, y = name.xyann
        name.xyann = (x, y + up_px * 72 / name.figure.dpi)
        last_px = extent.y1 + up_px


def _is_name(text: Annotation) -> bool:
    """Tell whether a text stands beside the end of a line."""
    at_data = text.xycoords == "data" and text.anncoords == "offset points"
    return bool(at_data and text.get_verticalalignment() == "center" and text.get_text())


def _thin_ticks(ax: Axes) -> None:
    """Leave out numbers below the horizontal axis that would touch the one before them."""
    if isinstance(ax.xaxis.get_major_locator(), AutoDateLocator):
        return
    low, high = sorted(ax.get_xlim())
    places = [float(place) for place in ax.get_xticks() if low <= place <= high]
    texts = ax.xaxis.get_major_formatter().format_ticks(places)
    ax.set_xticks(places, texts)
    last_px, gap_px = -numpy.inf, GAP_PT * ax.figure.dpi / 72
    for tick in ax.xaxis.get_major_ticks():
        extent = tick.label1.get_window_extent()
        if extent.x0 < last_px + gap_px:
            tick.label1.set_visible(False)
        else:
            last_px = extent.x1


def _shift(text: Text, shift_px: float, dpi: float) -> None:
    if isinstance(text, Annotation) and text.anncoords == "offset points":
        x, y = text.xyann
        text.xyann = (x + shift_px * 72 / dpi, y)
    elif not isinstance(text, Annotation):
        text.set_transform(text.get_transform() + ScaledTranslation(shift_px / dpi, 0, text.figure.dpi_scale_trans))


def _label(ax: Axes, axis: str) -> str:
    return getattr(ax, f"get_{axis}label")()
