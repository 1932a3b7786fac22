"""The one look of all figures: call :func:`use` once, then draw on axes and close with :func:`finish`."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLOURS", "band", "figure", "finish", "label_line", "use"]

#: Okabe and Ito's colours: told apart by readers with any common colour blindness. The story's cluster is the first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")


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
            "svg.fonttype": "none",
            "svg.hashsalt": "gigacluster",
        }
    )


def figure(width_in: float = 7.5, height_in: float = 4.2, **subplots: Any) -> tuple[Figure, Any]:
    """Return a new figure and its axes (an array of axes where ``nrows`` or ``ncols`` is given)."""
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


def finish(fig: Figure, *, title: str, alt: str, source: str, vintage: str) -> Figure:
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
    """
    fig.suptitle(title, x=0.01, ha="left", fontsize="medium", fontweight="bold", wrap=True)
    fig.supxlabel(f"Source: {source}. Data to {vintage}.", x=0.01, ha="left", fontsize="x-small", color="#555555")
    fig.set_label(alt)
    return fig
