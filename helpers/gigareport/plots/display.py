"""Show a finished figure or a sentence, in JupyterLab or on a page of the report.

A page is built by executing a notebook with the environment variable ``GIGACLUSTER_PAGE`` set. A figure then leaves as
a record (drawings for a wide and a narrow screen, texts, data) of which the page's template makes a picture with
downloads; otherwise it leaves as the ordinary picture that JupyterLab shows.
"""

from __future__ import annotations

import html
import os
import re
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure

from gigareport.plots import picture
from gigareport.plots.style import caption_of

__all__ = ["FIGURE_MIME", "PAGE_VARIABLE", "fold", "on_page", "say", "show"]

#: Set to anything while notebooks are executed for a page.
PAGE_VARIABLE = "GIGACLUSTER_PAGE"
#: The type of a figure's record in an executed notebook.
FIGURE_MIME = "application/vnd.gigacluster.figure+json"


def on_page() -> bool:
    """Tell whether this notebook is executed for a page, where nothing is live."""
    return bool(os.environ.get(PAGE_VARIABLE))


def say(markdown: str) -> None:
    """Show a sentence or a paragraph in Markdown: an answer with its computed numbers. A ``$`` in it means dollars."""
    display(Markdown(re.sub(r"(?<!\\)\$", r"\\$", markdown)))


def fold(title: str, table: pd.DataFrame) -> None:
    """Show a table behind its title, closed until a reader opens it."""
    shown = table.to_html(index=False, border=0)
    display(HTML(f"<details><summary>{html.escape(title)}</summary>{shown}</details>"))


def show(fig: Figure) -> None:
    """Show a finished figure with its alternative text, and close it.

    Parameters
    ----------
    fig : Figure
        As returned by :func:`gigareport.plots.finish`.

    Raises
    ------
    ValueError
        If the figure was not finished.
    """
    caption = caption_of(fig)
    if on_page():
        display({FIGURE_MIME: figure_record(fig), "text/plain": caption.alt}, raw=True)
    else:
        display(fig, metadata={"image/png": {"alt": caption.alt}})
    plt.close(fig)


def figure_record(fig: Figure) -> dict[str, Any]:
    """Return everything a page needs of a figure, as plain texts."""
    caption = caption_of(fig)
    wide, narrow = picture.drawings(fig)
    return {
        "title": caption.title,
        "alt": caption.alt,
        "credit": caption.credit,
        "csv": None if caption.data is None else caption.data.to_csv(index=False, float_format="%.6g"),
        "wide": wide,
        "narrow": narrow,
    }
