"""Figures of reliability: how often jobs stop, what survives, and where simple formulas break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, PercentFormatter

from gigareport.plots.style import COLOURS, band, label_line

__all__ = [
    "plot_components",
    "plot_forms",
    "plot_goodput_by_size",
    "plot_intervals",
    "plot_losses",
    "plot_published",
    "plot_rates",
    "plot_replicas",
    "plot_spares",
]

_LOSS_COLOURS = (COLOURS[0], COLOURS[5], COLOURS[4], COLOURS[1], COLOURS[3], COLOURS[6])


def _sizes(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlabel("GPUs of the job")


def _shares(ax: Axes, label: str) -> None:
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylabel(label)


def _rows(ax: Axes, names: list[str]) -> None:
    """Name the rows from below; set as fixed names, which a narrow drawing breaks into lines."""
    ax.yaxis.set_major_locator(FixedLocator(range(len(names))))
    ax.yaxis.set_major_formatter(FixedFormatter(names))
    ax.tick_params(axis="y", labelsize="small")


def plot_rates(ax: Axes, table: pd.DataFrame, low: float, median: float, high: float) -> Axes:
    """Draw published failure rates, one a line, over the range expected of one more cluster.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        Columns ``system``, ``rate``, ``low``, ``high`` (blank where a source gives no range) and ``pooled``, of 8-GPU
        nodes. [1/(1,000 node-days)]
    low, median, high : float
        5, 50 and 95 % of the rate to expect.
    """
    shown = table.sort_values("rate")
    y = np.arange(len(shown))
    for inside, marker, name in ((True, "o", "enters the estimate"), (False, "D", "beside it")):
        some = (shown["pooled"] == inside).to_numpy()
        ax.plot(shown["rate"][some], y[some], marker, color=COLOURS[0] if inside else COLOURS[6], label=name)
    ax.hlines(
        y, shown["low"].fillna(shown["rate"]), shown["high"].fillna(shown["rate"]), color=COLOURS[0], linewidth=1.5
    )
    ax.axvspan(low, high, color=COLOURS[1], alpha=0.12, linewidth=0, label="90 % for one more cluster")
    ax.axvline(median, color=COLOURS[1], linewidth=1.5)
    _rows(ax, shown["system"].tolist())
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("Failures per 1,000 node-days (8 GPUs)")
    ax.legend(loc="upper left", fontsize="small")  # the largest rates, on the right, are on top
    return ax


def plot_components(ax: Axes, names: list[str], rate: Any, low: Any, high: Any) -> Axes:
    """Draw failure rates of components with their intervals, the largest on top. [1/(1,000 node-days)]"""
    order = np.argsort(rate)
    y = np.arange(len(order))
    ax.barh(y, np.asarray(rate)[order], color=COLOURS[0], alpha=0.85)
    ax.hlines(y, np.asarray(low)[order], np.asarray(high)[order], color="black", linewidth=1)
    _rows(ax, [names[i] for i in order])
    ax.set_xlabel("Interruptions per 1,000 node-days")
    return ax


def plot_losses(ax: Axes, n_gpus: np.ndarray, shares: Mapping[str, np.ndarray], *, mark: float | None = None) -> Axes:
    """Draw where the time goes against the size of the job, as areas that fill 100 %.

    Parameters
    ----------
    ax : Axes
    n_gpus : array, shape (sizes,)
    shares : mapping of name to array, shape (sizes,)
        From the bottom up; they add up to 1.
    mark : float, optional
        A size to point out.
    """
    areas = ax.stackplot(n_gpus, list(shares.values()), colors=_LOSS_COLOURS[: len(shares)], alpha=0.85, linewidth=0)
    seen = [(area, name) for area, name in zip(areas, shares, strict=True) if np.max(shares[name]) > 0.005]
    handles, names = zip(*seen[::-1], strict=True)  # in the order of the areas, the upper ones first
    ax.legend(handles, names, loc="lower left", fontsize="small", frameon=True, framealpha=0.95)
    if mark is not None:
        ax.axvline(mark, color="black", linewidth=1, linestyle="--")
    _sizes(ax)
    _shares(ax, "Share of time")
    ax.set_ylim(0, 1)
    ax.set_xlim(n_gpus[0], n_gpus[-1])
    return ax


def plot_goodput_by_size(
    ax: Axes, n_gpus: np.ndarray, low: np.ndarray, median: np.ndarray, high: np.ndarray, *, label: str, number: int = 0
) -> Axes:
    """Draw goodput against the size of the job, its median and 90 % band; ``number`` picks the colour."""
    colour = COLOURS[number]
    ax.plot(n_gpus, median, color=colour, linewidth=2)
    band(ax, n_gpus, low, high, color=colour)
    label_line(ax, float(n_gpus[-1]), float(median[-1]), label, colour)
    _sizes(ax)
    _shares(ax, "Goodput")
    ax.set_ylim(0, 1.02)
    return ax


def plot_published(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw published effective training times beside the estimates of the same runs.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        As :func:`gigacluster.reliability.beside_published` returns it.
    """
    y = np.arange(len(table))[::-1]
    ax.hlines(y, table["low"], table["high"], color=COLOURS[0], linewidth=6, alpha=0.3)
    ax.plot(table["median"], y, "|", color=COLOURS[0], markersize=14, markeredgewidth=2.5, label="estimate, 90 %")
    bound = table["is_lower_bound"].to_numpy()
    ax.plot(table["published"][~bound], y[~bound], "o", color=COLOURS[1], label="published")
    ax.plot(table["published"][bound], y[bound], ">", color=COLOURS[1], markersize=8, label="published: more than")
    _rows(ax, table["system"].tolist()[::-1])
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("Effective training time")
    ax.set_xlim(0, 1.02)
    ax.legend(loc="lower left", fontsize="small")
    return ax


def plot_intervals(
    ax: Axes, interval_s: np.ndarray, goodput: Mapping[str, np.ndarray], best_s: Mapping[str, float]
) -> Axes:
    """Draw goodput against the checkpoint interval, a curve for each named write time, its best interval marked."""
    for number, (name, share) in enumerate(goodput.items()):
        ax.plot(interval_s / 60, share, color=COLOURS[number])
        at = best_s[name]
        height = float(np.interp(at, interval_s, share))
        ax.plot(at / 60, height, "o", color=COLOURS[number])
        ax.annotate(
            name, (at / 60, height), xytext=(0, 7), textcoords="offset points", color=COLOURS[number], ha="center"
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("Computing between checkpoints [min]")
    _shares(ax, "Goodput")
    ax.set_ylim(0, max(float(np.max(share)) for share in goodput.values()) * 1.15)
    return ax


def plot_forms(
    ax: Axes,
    n_gpus: np.ndarray,
    forms: Mapping[str, np.ndarray],
    simulated: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Axes:
    """Draw goodput by closed forms as lines and by simulation as points, against the size of the job.

    Parameters
    ----------
    ax : Axes
    n_gpus : array, shape (sizes,)
    forms : mapping of name to array, shape (sizes,)
        Values below 0 are left out.
    simulated : mapping of name to (sizes, goodput)
    """
    for number, (name, share) in enumerate(forms.items()):
        shown = np.where(share >= 0, share, np.nan)
        ax.plot(n_gpus, shown, color=COLOURS[number], linewidth=2.5 if number == 0 else 1.5)
        at = int(np.flatnonzero(shown > (0.25, 0.05, 0.4)[number % 3])[-1])  # where the curves lie apart
        label_line(ax, float(n_gpus[at]), float(shown[at]), name, COLOURS[number], ha="left")
    for number, (name, (sizes, share)) in enumerate(simulated.items()):  # smaller and smaller: all stay visible
        colour = COLOURS[len(forms) + number]
        ax.plot(sizes, share, "osD^v"[number], label=name, color=colour, markersize=11 - 3 * number)
    _sizes(ax)
    _shares(ax, "Goodput")
    ax.set_ylim(0, 1.02)
    ax.legend(loc="lower left", fontsize="small")
    return ax


def plot_replicas(
    ax: Axes, n_replicas: np.ndarray, goodput: Mapping[str, np.ndarray], synchronous: float, label: str
) -> Axes:
    """Draw goodput against the number of replicas that can fail one by one, beside a job that stops as a whole."""
    for number, (name, share) in enumerate(goodput.items()):
        ax.plot(n_replicas, share, color=COLOURS[number])
        label_line(ax, float(n_replicas[-1]), float(share[-1]), name, COLOURS[number])
    ax.axhline(synchronous, color=COLOURS[6], linestyle="--")
    ax.annotate(
        label, (float(n_replicas[0]), synchronous), xytext=(0, -12), textcoords="offset points", fontsize="small"
    )
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("Replicas that can fail one by one")
    _shares(ax, "Goodput")
    ax.set_ylim(0, 1.02)
    return ax


def plot_spares(ax: Axes, spare_share: np.ndarray, shortage: Mapping[str, np.ndarray]) -> Axes:
    """Draw the probability that the job is short of nodes against the share of spares, a curve a repair time."""
    for number, (name, probability) in enumerate(shortage.items()):
        shown = probability > 1e-4
        ax.plot(spare_share[shown], probability[shown], color=COLOURS[number])
        at = int(np.argmin(np.abs(probability - 0.03)))
        label_line(ax, float(spare_share[at]), float(probability[at]), name, COLOURS[number])
    ax.axhline(0.01, color=COLOURS[6], linestyle="--", linewidth=1)
    ax.set_yscale("log")
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    ax.set_xlabel("Spare nodes, as a share of the job's nodes")
    ax.set_ylabel("Probability of a shortage")
    return ax
