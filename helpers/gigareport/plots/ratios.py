"""Our estimates over published figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gigareport.plots.style import COLOURS

_LEAST = 0.25
_NAME_LENGTH = 40  # longer names leave the axis no room. [letter]


def plot_ratios(ax: Axes, names: Sequence[str], published: Any, low: Any, ours: Any, high: Any) -> Axes:
    """Draw our estimates over the published figures, a row a figure, first on top; 1 is agreement.

    Parameters
    ----------
    ax : Axes
    names : sequence of str, length n
    published, low, ours, high : arrays, shape (n,)
        The published figure, and our median with its interval, in one unit a row.
    """
    published = np.asarray(published, dtype=float)
    low, ours, high = (np.asarray(values, dtype=float) / published for values in (low, ours, high))
    low = np.maximum(low, _LEAST)  # an interval that reaches 0 has no place on a log axis
    rows = np.arange(len(names))
    ax.axvline(1, color="black", linewidth=1)
    ax.errorbar(ours, rows, xerr=[ours - low, high - ours], fmt="o", color=COLOURS[0], capsize=3)
    for row, ratio in zip(rows, ours, strict=True):
        ax.annotate(
            f"{ratio:.2f}", (ratio, row), xytext=(4 if ratio >= 1 else -4, 6), textcoords="offset points",
            ha="left" if ratio >= 1 else "right", fontsize="x-small",
        )  # fmt: skip
    ax.set(xscale="log", ylim=(len(names) - 0.4, -0.7), xlabel="Ours over published [1]")
    ax.set_yticks(rows, [textwrap.fill(name, _NAME_LENGTH) for name in names], fontsize="small")
    ticks = [tick for tick in (0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0) if 0.9 * low.min() <= tick <= 1.1 * high.max()]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    return ax


def met_within(share: float, ratios: Any) -> str:
    """Say how many published figures are met within a share: a title.

    Examples
    --------
    >>> met_within(0.1, [0.95, 1.05, 1.6])
    '2 of 3 published figures are met within 10 %'
    """
    near = int(np.sum(np.abs(np.asarray(ratios, dtype=float) - 1) <= share))
    return f"{near} of {len(ratios)} published figures are met within {share:.0%}".replace("%", " %")


def worst_factor(ratios: Any) -> float:
    """Return the largest factor between an estimate and a published figure, whichever is larger.

    Examples
    --------
    >>> worst_factor([0.5, 1.0, 1.6])
    2.0
    """
    ratios = np.asarray(ratios, dtype=float)
    return float(np.nanmax(np.maximum(ratios, 1 / ratios)))
