"""Figures about the race: growth of the largest clusters, when to start, and what a month is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from gigacluster.arrays import to_host
from gigacluster.race import Growth
from gigareport.plots.style import COLOURS, band


def plot_growth(ax: Axes, year: np.ndarray, flop_per_s: np.ndarray, trends: Mapping[str, Growth]) -> Axes:
    """Draw clusters by date and speed with the trends through some of them.

    Parameters
    ----------
    ax : Axes
    year, flop_per_s : array, shape (n,)
        First operation and 16-bit peak of each cluster. [year], [FLOP/s]
    trends : mapping of subset to Growth
        Lines to draw; their names carry the rates.
    """
    ax.plot(year, flop_per_s / 1e18, "o", color=COLOURS[6], markersize=3, alpha=0.4)
    ends = np.asarray([year.min(), year.max()])
    for colour, (name, trend) in zip((COLOURS[0], COLOURS[1], COLOURS[2]), trends.items(), strict=False):
        rates = [float(rate) for rate in (trend.low_per_year, trend.per_year, trend.high_per_year)]
        words = f"{name}:\n{rates[1]:.2f} times a year ({rates[0]:.2f} to {rates[2]:.2f})"
        ax.plot(ends, to_host(trend.at(ends)) / 1e18, color=colour, label=words)
    ax.set_yscale("log")
    ax.set_xlabel("First operation [year]")
    ax.set_ylabel("16-bit peak [EFLOP/s]")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_ylim(top=3_000 * flop_per_s.max() / 1e18)  # room for the legend
    ax.legend(loc="upper left", fontsize="small")
    return ax


def plot_month_worth(
    ax: Axes, usd_per_chip_hour: np.ndarray, needed_usd_per_month: np.ndarray, marks: Mapping[str, float]
) -> Axes:
    """Draw what a month must be worth for building to pay, by the rent that it saves.

    Parameters
    ----------
    ax : Axes
    usd_per_chip_hour : array, shape (n,)
        Rent.
    needed_usd_per_month : array, shape (n, samples)
        0 where owning is cheaper anyway. [USD/month]
    marks : mapping of str to float
        Worths of a month to compare with. [USD/month]
    """
    most = 1.25 * max(marks.values())
    scale, word = (1e9, "billion") if most >= 1e9 else (1e6, "million") if most >= 1e6 else (1e3, "thousand")
    low, middle, high = np.nanquantile(needed_usd_per_month, [0.05, 0.5, 0.95], axis=1) / scale
    band(ax, usd_per_chip_hour, low, high, color=COLOURS[0])
    ax.plot(usd_per_chip_hour, middle, color=COLOURS[0])
    for name, value in marks.items():
        ax.axhline(value / scale, color=COLOURS[1], linestyle=":")
        ax.annotate(name, (0.99, value / scale), xycoords=("axes fraction", "data"), xytext=(0, 3), ha="right",
                    textcoords="offset points", color=COLOURS[1], fontsize="small")  # fmt: skip
    ax.set_ylim(0, most / scale)
    ax.set_xlabel("Rent [USD a chip-hour]")
    ax.set_ylabel(f"Worth [USD {word}/month]")
    ax.margins(x=0)
    return ax


def plot_start(ax: Axes, start_months: np.ndarray, finish_months: Mapping[str, np.ndarray]) -> Axes:
    """Draw when a run is done, by when it starts, for several sizes of run.

    Parameters
    ----------
    ax : Axes
    start_months : array, shape (n,)
    finish_months : mapping of str to array, shape (n,)
        Months from now until the run of that name is done.
    """
    for colour, (name, finish) in zip(COLOURS, finish_months.items(), strict=False):
        ax.plot(start_months, finish, color=colour, label=name)
        best = int(np.argmin(finish))
        ax.plot(start_months[best], finish[best], "o", color=colour)
    ax.legend(title="dot: best start", fontsize="small", title_fontsize="small")
    ax.plot(start_months, start_months, color="black", linewidth=1, linestyle=":")
    ax.set_xlabel("Start of the run [months from now]")
    ax.set_ylabel("Run done [months from now]")
    ax.set_ylim(bottom=0)
    ax.margins(x=0)
    return ax
