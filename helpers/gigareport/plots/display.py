"""Show a finished figure or a sentence, in JupyterLab or on a page of the report.

A page is built by executing a notebook with the environment variable ``GIGACLUSTER_PAGE`` set. A figure then leaves as
a record (drawings for a wide and a narrow screen, texts, data) of which the page's template makes a picture with
downloads; otherwise it leaves as the ordinary picture that JupyterLab shows.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.core.pylabtools import print_figure
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure

from gigareport import catalog
from gigareport.plots import picture
from gigareport.plots.chart import Chart, chart_of, finish
from gigareport.plots.titles import unsupported

#: Set to anything while notebooks are executed for a page.
PAGE_VARIABLE = "GIGACLUSTER_PAGE"
#: The type of a figure's record in an executed notebook.
FIGURE_MIME = "application/vnd.gigacluster.figure+json"


def on_page() -> bool:
    """Tell whether this notebook is executed for a page, where nothing is live."""
    return bool(os.environ.get(PAGE_VARIABLE))


def say(markdown: str) -> None:
    """Show a sentence or a paragraph in Markdown: an answer with its computed numbers. A ``$`` in it means dollars."""
    text = dollars(markdown)
    # JupyterLab takes what stands between two dollars of one paragraph for a formula, however they are written.
    display(Markdown(text if on_page() else text.replace("\\$", "<span>\\$</span>")))


def dollars(markdown: str) -> str:
    """Return a text in Markdown whose ``$`` mean dollars and begin no formula."""
    return re.sub(r"(?<!\\)\$", r"\\$", markdown)


def fold(title: str, table: pd.DataFrame, note: str = "") -> None:
    """Show a table behind its title, closed until a reader opens it, and what is to be said of it above it."""
    shown = (f"<p>{html.escape(note)}</p>" if note else "") + table.to_html(index=False, border=0)
    display(HTML(f"<details><summary>{html.escape(title)}</summary>{shown}</details>"))


def show(drawn: Figure | Chart, *, title: str = "", source: str | Sequence[str] = "", vintage: str = "") -> None:
    """Show a chart, or a finished figure, with its alternative text, and close it.

    Parameters
    ----------
    drawn : A chart of :mod:`gigareport.plots.marks`, or what :func:`finished` returned, which has its texts.
    title : What the chart shows, as a finding.
    source : ``source_id`` of the data serves where nothing is given.
    vintage : Date of the newest datum, where the data do not hold it. ``YYYY-MM-DD``

    Raises
    ------
    ValueError
        If a title, a source or a vintage is missing.

    Examples
    --------
    ``show(marks.rows(table, "Cost [$ billion]"), title="Owning costs less", source="epoch-data-centers")``
    """
    fig = finished(drawn, title=title, source=source, vintage=vintage) if isinstance(drawn, Chart) else drawn
    alt = chart_of(fig).alt
    if on_page():
        display({FIGURE_MIME: figure_record(fig), "text/plain": alt}, raw=True)
    else:
        png = print_figure(fig, "png")
        # JupyterLab gives a bare picture no alternative text; others print it to paper.
        display({"text/html": image(png, alt), "image/png": png, "text/plain": alt}, raw=True)
    plt.close(fig)


def image(png: bytes, alt: str) -> str:
    """Return a picture as HTML with its alternative text."""
    code = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{code}" style="max-width:100%">'


def finished(chart: Chart, *, title: str, source: str | Sequence[str] = "", vintage: str = "") -> Figure:
    """Return the figure of a chart with everything a reader gets, for a figure that moves (see :func:`show`)."""
    ids = [source] if isinstance(source, str) else list(source)
    if ids in ([""], []) and "source_id" in chart.data:
        ids = list(dict.fromkeys(chart.data["source_id"].dropna()))
    known = catalog.load("sources").set_index("source_id")
    found = [known.loc[name] for name in ids if name in known.index]
    chart.title, chart.dated = title, vintage or chart.vintage
    chart.source = "; ".join(str(row["citation"]) for row in found) or "; ".join(ids)
    chart.licence = "; ".join(dict.fromkeys(str(row["licence"]) for row in found))
    return finish(chart)


def figure_record(fig: Figure) -> dict[str, Any]:
    """Return everything a page needs of a figure, as plain texts."""
    chart = chart_of(fig)
    wide, narrow = picture.wide(fig), picture.narrow(fig)
    return {
        "title": chart.title,
        "alt": chart.alt,
        "credit": chart.credit,
        "csv": chart.csv,
        "unsupported": unsupported(chart.title, chart.data) if chart.all_tips else [],
        "tips": wide.tips,
        "wide": wide.svg,
        "wide_places": wide.places,
        "narrow": narrow.svg,
        "narrow_places": narrow.places,
    }
