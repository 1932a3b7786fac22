"""A figure of what one scenario has over another."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from gigareport.catalog import write_whole
from gigareport.plots.style import COLOURS


def save_differences(table: pd.DataFrame, file: Path, first: str, second: str) -> None:
    """Write a figure of what every answer gains from one scenario to another, in per cent of the first's median.

    Parameters
    ----------
    table : From :func:`gigareport.scenario.differences`.
    file : Its ending says the format: svg, png or pdf.
    first, second : Names of the scenarios.
    """
    moved = table["median"].notna() & ((table["low"] != 0) | (table["high"] != 0))
    known = table[moved & (table["first"].abs() > 0)]
    frac = known[["low", "median", "high"]].div(known["first"].abs(), axis=0) * 100
    fig, ax = plt.subplots(figsize=(7, 0.8 + 0.3 * max(len(known), 1)), layout="constrained")
    rows = np.arange(len(known))[::-1]
    ax.hlines(rows, frac["low"], frac["high"], color=COLOURS[0], linewidth=2)
    ax.plot(frac["median"], rows, "o", color=COLOURS[0])
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(rows, known["label"])
    ax.set_xscale("symlog", linthresh=100)
    ax.set_xlabel(f"{second} over {first} [% of the median of {first}; bars: 5 to 95 % of paired samples]")
    picture = BytesIO()
    fig.savefig(picture, format=file.suffix[1:])
    plt.close(fig)
    write_whole(file, picture.getvalue())
