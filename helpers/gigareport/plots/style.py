"""The one look of all figures: draw on axes from :func:`figure` and close with :func:`finish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import blended_transform_factory

__all__ = ["COLOURS", "Caption", "band", "caption_of", "figure", "finish", "label_line", "legend_above", "use"]

#: Okabe and Ito's colours and a grey: told apart by readers with any common colour blindness.
#: The story's cluster is the first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5F5F5F", "#000000")

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

    @property
    def credit(self) -> str:
        """The line below the figure."""
        return f"Source: {self.source}. Data to {self.vintage}."


def use() -> None:
    """Set the look for every figure drawn after it."""
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


def band(ax: Axes, x: Any, low: Any, high: Any, **style: Any) -> None:
    """Draw an interval as a band."""
    ax.fill_between(x, low, high, **{"alpha": 0.2, "linewidth": 0, **style})


def label_line(ax: Axes, x: float, y: float, text: str, colour: str, **style: Any) -> None:
    """Name a line directly, beside the point (x, y)."""
    ax.annotate(
        text,
        (x, y),
        xytext=(5, 0),
        textcoords="offset points",
        color=colour,
        va="center",
        fontsize="small",
        annotation_clip=False,
        **style,
    )


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


def finish(fig: Figure, *, title: str, alt: str, source: str, vintage: str, data: pd.DataFrame | None = None) -> Figure:
    """Give a figure its finding as title, its alternative text, and its source and vintage below.

    Parameters
    ----------
    fig : Figure
    title : str
        What the figure shows, as a finding.
    alt : str
        What a reader who cannot see the figure should know.
    source : str
        Who measured, in words.
    vintage : str
        Date of the newest datum, ``YYYY-MM-DD``.
    data : DataFrame, optional
        The numbers behind the figure, offered for download under it on a page. At most 5,000 rows.

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
    caption = Caption(title, alt, source, vintage, data, (heading, credit))
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
