"""Figures of the decision: own or rent, what decides it, and how the cluster grew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from gigacluster.units import format_share
from gigareport.plots.style import COLOURS, label_line


def plot_choice(ax: Axes, saving_usd: np.ndarray, advantage_usd: np.ndarray) -> Axes:
    """Draw how the two answers are spread over the samples: same useful work, and the months of each counted.

    Parameters
    ----------
    ax : Axes
    saving_usd, advantage_usd : array, shape (samples,)
        Positive where owning is better. [USD]
    """
    most = float(np.nanmax(np.abs(np.concatenate([saving_usd, advantage_usd]))))
    scale, unit = (1e9, "billion") if most >= 1e9 else (1e6, "million")
    below = 0.82  # of the height is for the curves, what is left for the words
    for height, values, colour, label in (
        (0.99, advantage_usd, COLOURS[0], "with the months of each counted"),
        (0.91, saving_usd, COLOURS[1], "for the same useful work"),
    ):
        values = values[np.isfinite(values)] / scale
        low, high = np.quantile(values, [0.005, 0.995])
        sns.kdeplot(x=values, ax=ax, color=colour, fill=True, alpha=0.25, cut=0, clip=(low, high), gridsize=120)
        ax.axvline(np.median(values), ymax=below, color=colour, linewidth=1.5)
        words = f"{label}: median {np.median(values):.2g}, owning better in {format_share(float(np.mean(values > 0)))}"
        ax.text(0.99, height, words, transform=ax.transAxes, color=colour, fontsize="small", ha="right", va="top")
    ax.axvline(0, ymax=below, color="black", linewidth=1)
    ax.set_ylim(0, ax.get_ylim()[1] / below)
    ax.set_xlabel(f"Owning better than renting by [USD {unit}, net present]")
    ax.set_ylabel("Share of samples")
    ax.set_yticks([])
    return ax


def plot_deciding(
    ax: Axes, indices: Mapping[str, tuple[float, float]], names: Mapping[str, str], most: int = 8
) -> Axes:
    """Draw which inputs decide an answer: total Sobol index, with the first-order part dark.

    Parameters
    ----------
    ax : Axes
    indices : mapping of input to (first-order, total)
    names : mapping of input to words
    most : int
        Inputs shown.
    """
    shown = list(indices.items())[:most][::-1]
    labels = [names.get(name, name) for name, _ in shown]
    total = [max(pair[1], 0.0) for _, pair in shown]
    first = [max(min(pair), 0.0) for _, pair in shown]
    ax.barh(labels, total, color=COLOURS[5], label="with interactions")
    ax.barh(labels, first, color=COLOURS[0], label="alone")
    ax.set_xlabel("Share of the answer's variance [1]")
    ax.legend(loc="lower right")
    ax.grid(axis="y", visible=False)
    return ax


def plot_phases(ax: Axes, phases: pd.DataFrame, claims: pd.DataFrame, others: pd.DataFrame) -> Axes:
    """Draw the chips of a site over time beside what was claimed and the largest other clusters.

    Parameters
    ----------
    ax : Axes
    phases : DataFrame
        ``as_of, n_chips`` of the site.
    claims : DataFrame
        ``as_of, n_chips, label``: what was said would stand then.
    others : DataFrame
        ``as_of, n_chips, label`` of other clusters.
    """
    ax.step(phases["as_of"], phases["n_chips"], where="post", color=COLOURS[0], linewidth=2, marker="o")
    last = phases.iloc[-1]
    label_line(ax, last["as_of"], last["n_chips"], "Colossus 1", COLOURS[0])
    ax.plot(claims["as_of"], claims["n_chips"], "X", color=COLOURS[1], markersize=9)
    for row in claims.itertuples():
        label_line(ax, row.as_of, row.n_chips * 1.12, row.label, COLOURS[1])
    ax.plot(others["as_of"], others["n_chips"], "s", color=COLOURS[6])
    for row in others.itertuples():
        label_line(ax, row.as_of, row.n_chips * 0.86, row.label, COLOURS[6])
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.6 * min(table["n_chips"].min() for table in (phases, claims, others) if len(table)))
    ax.set_ylabel("Chips, or H100 equivalents")
    ax.xaxis.set_major_locator(AutoDateLocator(maxticks=6))
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set_xlabel("Date")
    return ax


def save_differences(table: pd.DataFrame, file: Path, first: str, second: str) -> None:
    """Write a figure of what every answer gains from one scenario to another, in per cent of the first's median.

    Parameters
    ----------
    table : DataFrame
        From :func:`gigareport.scenario.differences`.
    file : path
        Its ending says the format: svg, png or pdf.
    first, second : str
        Names of the scenarios.
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
    fig.savefig(file)
    plt.close(fig)
