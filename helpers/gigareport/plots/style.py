"""The one look of all figures: draw on axes from :func:`figure` and close with :func:`finish`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import blended_transform_factory

#: Told apart by readers without red or green as well as by others (a test measures it). The first is the story's
#: cluster, the second what it is compared with; the seventh is the grey of everybody else.
COLOURS = ("#0072B2", "#D55E00", "#7FC8F8", "#F0C808", "#8C2D04", "#4B0082", "#6E6E6E", "#000000")
ACCENT, SECOND, GREY, INK = COLOURS[0], COLOURS[1], COLOURS[6], "#262626"
#: Regions of a plane by what they say: the accent for owning, the second colour for renting, grey for neither.
REGION = "#D9D9D9"
REGIONS = {"own": "#9CC9E8", "rent": "#F3B98F"}

_CAPTIONS: WeakKeyDictionary[Figure, Caption] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Caption:
    """What belongs to a finished figure besides its drawing; ``texts`` are the drawn title and source."""

    title: str
    alt: str
    source: str
    vintage: str
    data: pd.DataFrame | None
    texts: tuple[Text, Text]
    licence: str = ""
    tips: Sequence[tuple[Axes, float, float, str]] = ()  # values under a finger: axes, place, text

    @property
    def credit(self) -> str:
        """The line below the figure."""
        return f"Source: {self.source}. Data to {self.vintage}."

    @property
    def csv(self) -> str | None:
        """The data as a reader downloads them: what they show, whose they are, a column a quantity with its unit."""
        if self.data is None:
            return None
        licence = f"\n# licence: {self.licence}" if self.licence else ""
        head = f"# {self.title}\n# source: {self.source}{licence}\n# data to: {self.vintage}\n"
        return head + self.data.to_csv(index=False, float_format="%.6g")


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


def finish(
    fig: Figure,
    *,
    title: str,
    alt: str,
    source: str,
    vintage: str,
    data: pd.DataFrame | None = None,
    licence: str = "",
    tips: Sequence[tuple[Axes, float, float, str]] = (),
) -> Figure:
    """Give a figure its finding as title, its alternative text, and its source and vintage below.

    Parameters
    ----------
    title : What the figure shows, as a finding.
    alt : What a reader who cannot see the figure should know.
    source : Who measured, in words.
    vintage : Date of the newest datum, ``YYYY-MM-DD``.
    data : The numbers behind the figure, offered for download under it on a page. At most 5,000 rows.
    licence : Terms of the data, for those who download them.
    tips : Axes, place in their data and text of each value that a finger finds.

    Raises
    ------
    ValueError
        If a text is empty, or the table is too long to travel with a page.
    """
    texts = {"title": title, "alt": alt, "source": source, "vintage": vintage}
    if missing := [name for name, text in texts.items() if not text.strip()]:
        raise ValueError(f"a figure needs {', '.join(texts)}; {' and '.join(missing)} came empty")
    if data is not None and len(data) > _MAX_ROWS:
        raise ValueError(f"the data behind a figure has {len(data):,} rows; give at most {_MAX_ROWS:,}, those drawn")
    heading = fig.suptitle(title, x=0.01, ha="left", fontsize="medium", fontweight="bold", wrap=True)
    credit = fig.supxlabel("", x=0.01, ha="left", fontsize="x-small", color="#555555")
    for text in (heading, credit):
        text.set_parse_math(False)  # a $ is a dollar
    caption = Caption(title, alt, source, vintage, data, (heading, credit), licence, tuple(tips))
    credit.set_text(caption.credit)
    _CAPTIONS[fig] = caption
    return fig


_MAX_ROWS = 5_000


def caption_of(fig: Figure) -> Caption:
    """Return what :func:`finish` noted about a figure.

    Raises
    ------
    ValueError
        If the figure was not finished.
    """
    if fig not in _CAPTIONS:
        raise ValueError("the figure has no title, alternative text and source yet; pass it through finish() first")
    return _CAPTIONS[fig]


def short_dates(axis: Axis, *, least: int, most: int) -> None:
    """Write the dates of an axis short, on so many ticks; an axis of anything else stays."""
    if isinstance(axis.get_major_locator(), AutoDateLocator):
        locator = AutoDateLocator(minticks=least, maxticks=most)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator))
