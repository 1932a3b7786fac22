"""Figures about cost: own or rent by month, rents through time, the undisclosed deal, what a run costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, YearLocator

from gigareport.facts.rents import KIND_WORDS
from gigareport.plots.style import COLOURS, band, label_line, legend_above


def _scale(*values: Any) -> tuple[float, str]:
    """Return the unit that amounts of dollars read well in, as factor and word."""
    most = max(float(np.nanmax(np.abs(np.asarray(array)))) for array in values)
    return (1e9, "billion") if most >= 1e9 else (1e6, "million")


def plot_so_far(ax: Axes, so_far_usd: Mapping[str, np.ndarray]) -> Axes:
    """Draw what each choice has cost by the end of each month, with its 90 % interval.

    Parameters
    ----------
    ax : Axes
    so_far_usd : mapping of str to array, shape (months + 1, samples)
        Present value of the payments so far, by the name of the choice. [USD]
    """
    scale, word = _scale(*so_far_usd.values())
    for colour, (name, values) in zip(COLOURS, so_far_usd.items(), strict=False):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1) / scale
        months = np.arange(len(middle))
        band(ax, months, low, high, color=colour)
        ax.plot(months, middle, color=colour)
        label_line(ax, float(months[-1]), float(middle[-1]), name, colour)
    ax.set_xlabel("Months after the decision")
    ax.set_ylabel(f"Spent so far [USD {word}]")
    ax.set_ylim(bottom=0)
    ax.margins(x=0)
    return ax


def plot_parts(ax: Axes, parts_usd: Mapping[str, np.ndarray]) -> Axes:
    """Draw the present value of each part of the cost as a bar with its 90 % interval.

    Parameters
    ----------
    ax : Axes
    parts_usd : mapping of str to array, shape (samples,)
        [USD] A sale is negative.
    """
    table = pd.DataFrame({name: np.nanquantile(values, [0.05, 0.5, 0.95]) for name, values in parts_usd.items()}).T
    scale, word = _scale(table)
    table = table[(table != 0).any(axis=1)] / scale
    table = table.iloc[np.argsort(table[1].to_numpy())]
    colours = [COLOURS[0] if middle >= 0 else COLOURS[2] for middle in table[1]]
    ax.barh(table.index, table[1], color=colours)
    ax.hlines(range(len(table)), table[0], table[2], color="black", linewidth=1.5)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_xlabel(f"Present value [USD {word}]; line: 5 to 95 %")
    ax.grid(axis="y", visible=False)
    return ax


def plot_rents(
    ax: Axes, typical: pd.DataFrame, quotes: pd.DataFrame, path: tuple[Any, np.ndarray] | None = None, *, label: str
) -> Axes:
    """Draw the rent of a chip through time: typical list price with its quartiles, quotes, and what may have followed.

    Parameters
    ----------
    ax : Axes
    typical : DataFrame
        From :func:`gigareport.facts.rents.typical_rents`.
    quotes : DataFrame
        ``date, usd_per_chip_hour, kind`` of quoted rents.
    path : (dates, array of shape (months + 1, samples)), optional
        Paths drawn from a date on, shown as a band of 90 %.
    label : str
        Name of the typical rent.
    """
    if path is not None:
        dates, values = path
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=1)
        band(ax, dates, low, high, color=COLOURS[6])
        ax.plot(dates, middle, color=COLOURS[6], linestyle="--", label="could be expected at the decision")
    middle_of_quarter = typical["quarter_start"] + pd.Timedelta(days=45)
    band(ax, middle_of_quarter, typical["low"], typical["high"], color=COLOURS[0])
    ax.plot(middle_of_quarter, typical["usd_per_chip_hour"], color=COLOURS[0], marker="o", markersize=3, label=label)
    for colour, marker, (kind, rows) in zip(COLOURS[1:], "sD^v", quotes.groupby("kind"), strict=False):
        rows = rows.sort_values("date")
        line = "-" if kind == "reserved_1y" else "none"  # one survey; the others come from different kinds of buyers
        values = rows["usd_per_chip_hour"]
        ax.plot(
            rows["date"], values, linestyle=line, marker=marker, color=colour, label=f"quoted, {KIND_WORDS[str(kind)]}"
        )
    ax.set_ylim(bottom=0)
    ax.set_ylabel("Rent [USD a chip-hour]")
    ax.xaxis.set_major_locator(YearLocator())
    ax.xaxis.set_major_formatter(DateFormatter("%Y"))
    ax.legend(loc="upper right", fontsize="small")
    return ax


def plot_deal(
    ax: Axes,
    term_months: np.ndarray,
    low: np.ndarray,
    middle: np.ndarray,
    high: np.ndarray,
    points: Sequence[tuple[str, float, float]] = (),
) -> Axes:
    """Draw how many chips a deal of known value must hold, by its term, to cost as much as owning them.

    Parameters
    ----------
    ax : Axes
    term_months : array, shape (n,)
    low, middle, high : array, shape (n,)
        Chips at which both cost the same, 5, 50 and 95 %.
    points : sequence of (name, term in months, chips)
        Deals to mark.
    """
    band(ax, term_months, low, high, color=COLOURS[0])
    ax.plot(term_months, middle, color=COLOURS[0])
    ax.set_ylim(0, 1.2 * max([float(high.max()), *(chips for _, _, chips in points)]))
    ax.text(0.97, 0.93, "rent wins: many chips for the money", transform=ax.transAxes, ha="right", fontsize="small")
    ax.text(0.03, 0.05, "owning wins: few chips for the money", transform=ax.transAxes, fontsize="small")
    for index, (name, term, chips) in enumerate(points):
        ax.plot(term, chips, "o", color=COLOURS[1])
        offset = (0, 8 if index % 2 == 0 else -16)  # neighbours do not cover each other
        ax.annotate(name, (term, chips), xytext=offset, textcoords="offset points", fontsize="small",
                    ha="center", color=COLOURS[1])  # fmt: skip
    ax.set_xlabel("Term of the deal [month]")
    ax.set_ylabel("Chips in the deal")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return ax


def plot_tornado(
    ax: Axes, swings: Mapping[str, tuple[float, float]], base: float, names: Mapping[str, str], most: int = 8
) -> Axes:
    """Draw how far the saving of owning moves when one input goes to its 5th or 95th percentile.

    Parameters
    ----------
    ax : Axes
    swings : mapping of input to (answer at low, answer at high)
        From :func:`gigacluster.uncertainty.tornado`. [USD]
    base : float
        The answer with all inputs at their medians. [USD]
    names : mapping of input to words
    most : int
        Inputs shown.
    """
    shown = list(swings.items())[:most][::-1]
    # of what something is a share stands in the table of inputs; here it would fill three lines on a telephone
    labels = [names.get(name, name).partition(", as a share of")[0] for name, _ in shown]
    scale, word = _scale([pair for _, pair in shown])
    for end, colour, words in ((0, COLOURS[5], "input at its 5 %"), (1, COLOURS[1], "input at its 95 %")):
        lengths = [(pair[end] - base) / scale for _, pair in shown]
        ax.barh(labels, lengths, left=base / scale, color=colour, label=words)
    ax.axvline(base / scale, color="black", linewidth=1)
    ax.set_xlabel(f"Saving of owning [USD {word}]")
    legend_above(ax)
    ax.grid(axis="y", visible=False)
    return ax


def plot_runs(ax: Axes, runs: pd.DataFrame) -> Axes:
    """Draw our cost of training runs beside the published ones.

    Parameters
    ----------
    ax : Axes
    runs : DataFrame
        From :func:`gigareport.beside.costs.costed_runs`.
    """
    runs = runs.sort_values("epoch_usd_2023")
    for column, colour, marker, words in (
        ("epoch_usd_2023", COLOURS[6], "s", "Epoch AI, run of the paper"),
        ("epoch_later_usd_2023", COLOURS[4], "^", "Epoch AI, later run"),
        ("ours_usd_2023", COLOURS[0], "o", "ours"),
    ):
        ax.plot(runs[column] / 1e6, runs["model"], marker, color=colour, label=words)
    ax.set_xscale("log")
    ax.set_xlabel("Hardware and energy of the run [USD million of 2023]")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    legend_above(ax)
    return ax
