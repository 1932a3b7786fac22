"""Figures of throughput: where a step's time goes, the roofline, utilisation against scale, and the best plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, PercentFormatter

from gigacluster.throughput.plans import Plan
from gigacluster.throughput.roofline import Operation, roof_flop_per_s
from gigacluster.throughput.words import PART_NAMES
from gigacluster.units import TERA
from gigareport.plots.style import COLOURS, band

__all__ = ["PART_NAMES", "plot_losses", "plot_mfu_by_scale", "plot_parts", "plot_roofline"]

#: Parts that a chip computes in; in the others it waits.
_COMPUTING = ("matmul_s", "attention_s", "memory_s", "optimizer_s")


def plot_parts(ax: Axes, parts: Mapping[str, float]) -> Axes:
    """Draw where the time of a step goes, a bar a part, the largest on top.

    Parameters
    ----------
    ax : Axes
    parts : mapping of str to float
        Seconds by part; names as in :data:`gigacluster.throughput.words.PART_NAMES`.
    """
    total_s = sum(parts.values())
    shown = sorted(((name, seconds) for name, seconds in parts.items() if seconds > 5e-4 * total_s), key=lambda p: p[1])
    names, seconds = [PART_NAMES.get(name, name) for name, _ in shown], [seconds for _, seconds in shown]
    colours = [COLOURS[0] if name in _COMPUTING else COLOURS[1] for name, _ in shown]
    bars = ax.barh(names, seconds, color=colours)
    for bar, value in zip(bars, seconds, strict=True):
        text = f"{1e3 * value:,.0f} ms ({value / total_s:.1%})"
        ax.annotate(
            text, (value, bar.get_y() + bar.get_height() / 2), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize="small",
        )  # fmt: skip
    ax.set_xlim(0, 1.45 * max(seconds))
    ax.set_xlabel("Time in a step [s]; blue: computing")
    ax.grid(axis="y", visible=False)
    return ax


def plot_roofline(
    ax: Axes, found: Sequence[Operation], *, peak_flop_per_s: float, matmul_flop_per_s: float, memory_bytes_per_s: float
) -> Axes:
    """Draw the operations of a layer under the roof of memory bandwidth, peak, and the best measured matmul.

    Parameters
    ----------
    ax : Axes
    found : sequence of Operation
    peak_flop_per_s : float
        Dense peak of the chip. [FLOP/s]
    matmul_flop_per_s : float
        Best measured matrix multiplication; nan: not measured. [FLOP/s]
    memory_bytes_per_s : float
        Memory bandwidth. [byte/s]
    """
    low, high = 0.5, 3.0 * max(operation.intensity for operation in found)
    x = np.geomspace(low, high, 200)
    ax.plot(x, [roof_flop_per_s(i, peak_flop_per_s, memory_bytes_per_s) / TERA for i in x], color=COLOURS[7])
    if np.isfinite(matmul_flop_per_s):
        ax.axhline(matmul_flop_per_s / TERA, color=COLOURS[6], linestyle="--", linewidth=1)
        place: dict[str, Any] = {
            "xytext": (0, 4),
            "textcoords": "offset points",
            "fontsize": "small",
            "color": COLOURS[6],
        }
        ax.annotate("best measured matmul", (low, matmul_flop_per_s / TERA), **place)
    _label_operations(ax, found)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlabel("Arithmetic intensity [FLOP/byte]")
    ax.set_ylabel("Rate of one chip [TFLOP/s]")
    return ax


def _label_operations(ax: Axes, found: Sequence[Operation]) -> None:
    """Mark the operations, each by colour and shape, with their names in a legend."""
    for number, operation in enumerate(sorted(found, key=lambda o: o.intensity)):
        style: dict[str, Any] = {
            "color": COLOURS[number % 7],
            "marker": "osD^vPX"[number % 7],
            "markersize": 8,
            "linestyle": "",
        }
        ax.plot(operation.intensity, operation.flop_per_s / TERA, label=operation.name, **style)
    ax.legend(loc="lower right", fontsize="small")


def plot_mfu_by_scale(
    ax: Axes,
    n_chips: Any,
    curves: Mapping[str, Any],
    *,
    log_half_width: float,
    measured: tuple[Any, Any] | None = None,
    own: tuple[float, float] | None = None,
) -> Axes:
    """Draw model FLOP utilisation of the best plan against the number of chips.

    Parameters
    ----------
    ax : Axes
    n_chips : array, shape (n,)
    curves : mapping of str to array, shape (n,)
        Utilisation by name of the curve; the first one carries the interval. [1]
    log_half_width : float
        Half-width of the 80 % interval of the step time, as a logarithm.
    measured : pair of arrays, optional
        Chips and utilisation of published runs.
    own : pair of float, optional
        Chips and utilisation of the scenario.
    """
    n_chips = np.asarray(n_chips, dtype=float)
    for number, (name, mfu) in enumerate(curves.items()):
        mfu = np.asarray(mfu)
        ax.plot(n_chips, mfu, "o-", color=COLOURS[number], markersize=4)
        at = int(np.flatnonzero(np.isfinite(mfu))[0]) if np.isfinite(mfu).any() else 0
        above = 9 if number % 2 == 0 else -13  # curves may cross: one name above, one below
        ax.annotate(name, (n_chips[at], mfu[at]), xytext=(0, above), textcoords="offset points", color=COLOURS[number])
        if number == 0:
            band(ax, n_chips, mfu * np.exp(-log_half_width), mfu * np.exp(log_half_width), color=COLOURS[0])
    if measured is not None and len(measured[0]):
        ax.plot(*measured, "D", color=COLOURS[6], markersize=4, alpha=0.8, label="measured, published")
        ax.legend(loc="lower left", fontsize="small")
    if own is not None:
        ax.plot(*own, "*", color=COLOURS[7], markersize=13)
        ax.annotate("scenario", own, xytext=(0, 9), textcoords="offset points", ha="center", fontsize="small")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylim(0, None)
    ax.xaxis.set_major_locator(LogLocator(base=8))
    ax.minorticks_off()
    ax.set_xlabel("Chips")
    ax.set_ylabel("Model FLOP utilisation")
    return ax


def plot_losses(ax: Axes, plans: Sequence[Plan], losses: Sequence[Mapping[str, float]], *, most: int = 5) -> Axes:
    """Draw what other plans lose to the best one, by part: right of zero lost, left of it gained.

    Parameters
    ----------
    ax : Axes
    plans : sequence of Plan
    losses : sequence of mapping of str to float
        Seconds a step more than the best plan, by part.
    most : int
        Parts drawn by name: those that differ most; the others are summed up.
    """
    names = sorted(losses[0], key=lambda name: -max(abs(loss[name]) for loss in losses))
    rows = [{**{n: loss[n] for n in names[:most]}, "other": sum(loss[n] for n in names[most:])} for loss in losses]
    y = np.arange(len(plans))[::-1]
    right, left = np.zeros(len(plans)), np.zeros(len(plans))
    for number, name in enumerate(rows[0]):
        values = 1e3 * np.asarray([row[name] for row in rows])
        start = np.where(values >= 0, right, left)
        ax.barh(y, values, left=start, height=0.6, color=COLOURS[number], label=PART_NAMES.get(name, name))
        right, left = right + np.maximum(values, 0), left + np.minimum(values, 0)
    ax.plot(right + left, y, "D", color=COLOURS[7], markersize=5, label="all together")
    ax.axvline(0, color=COLOURS[7], linewidth=1)
    ax.set_yticks(y, [_two_lines(plan) for plan in plans], fontsize="small")
    ax.set_xlabel("More than the best plan [ms a step]")
    ax.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=2, fontsize="x-small")
    ax.grid(axis="y", visible=False)
    return ax


def _two_lines(plan: Plan) -> str:
    """Name a plan in two lines that are short enough for a telephone."""
    split = " ".join(f"{n}{getattr(plan, n)}" for n in ("tp", "pp", "cp", "ep") if getattr(plan, n) > 1)
    again = "" if plan.recompute == "none" else f" {plan.recompute}"
    return f"{split or 'dp alone'}\ndp{plan.dp} mb{plan.micro_batch} {plan.sharding}{again}"
