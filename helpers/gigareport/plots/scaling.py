"""Figures of scaling laws: loss against compute, tokens against supply, laws beside each other, serving, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from gigareport.plots.style import COLOURS, band

_GREY = COLOURS[6]


def plot_loss(
    ax: Axes,
    run_flop: Any,
    run_loss: Any,
    flop: Any,
    estimate: Any,
    marks: Sequence[tuple[str, float, float]],
    *,
    label: str = "best at each compute",
) -> Axes:
    """Draw runs, the compute-optimal loss with its band, and clusters on it.

    Parameters
    ----------
    ax : Axes
    run_flop, run_loss : array, shape (runs,)
        Measured runs.
    flop : array, shape (points,)
    estimate : Estimate
        Compute-optimal loss and interval at ``flop``.
    marks : sequence of (text, FLOP, loss)
        Points named on the curve.
    label : str
        Of the curve.
    """
    ax.scatter(run_flop, run_loss, s=10, color=_GREY, alpha=0.5, linewidth=0, label="measured runs")
    fitted = flop <= np.max(run_flop)
    ax.plot(flop[fitted], estimate.value[fitted], color=COLOURS[0], label=label)
    ax.plot(flop[~fitted], estimate.value[~fitted], color=COLOURS[0], linestyle="--", label="the same, extrapolated")
    band(ax, flop, estimate.low, estimate.high, color=COLOURS[0])
    for i, (text, x, y) in enumerate(marks):
        ax.plot(x, y, "o", color=COLOURS[1], markersize=5)
        ax.annotate(
            text,
            (x, y),
            xytext=(0, 34 if i % 2 == 0 else 56),
            textcoords="offset points",
            ha="center",
            fontsize="small",
            color=COLOURS[1],
            zorder=5 - 0.1 * i,  # a name hides the line of the next one, not the other way round
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            arrowprops={"arrowstyle": "-", "color": COLOURS[1], "linewidth": 0.6},
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks([1.8, 2, 2.5, 3, 4, 5])
    ax.set_xlabel("Training compute [FLOP]")
    ax.set_ylabel("Loss [nat/token]")
    ax.legend(fontsize="small", loc="upper right")
    return ax


def plot_tokens(ax: Axes, budgets: pd.DataFrame, supplies: pd.DataFrame) -> Axes:
    """Draw the tokens that each run asks for beside what there is.

    Parameters
    ----------
    ax : Axes
    budgets : DataFrame
        ``label``, ``tokens_low``, ``tokens``, ``tokens_high``, a row a run.
    supplies : DataFrame
        ``name``, ``tokens_low``, ``tokens``, ``tokens_high``, a row a supply.
    """
    rows = list(range(len(budgets)))[::-1]
    for y, run in zip(rows, budgets.itertuples(), strict=True):
        ax.plot([run.tokens_low, run.tokens_high], [y, y], color=COLOURS[0], linewidth=3, alpha=0.35)
        ax.plot(run.tokens, y, "o", color=COLOURS[0])
    top = len(rows) - 0.4
    for i, supply in enumerate(supplies.sort_values("tokens").itertuples()):
        if supply.tokens_high > supply.tokens_low:
            ax.axvspan(supply.tokens_low, supply.tokens_high, color=COLOURS[2], alpha=0.12, linewidth=0)
        ax.axvline(supply.tokens, color=COLOURS[2], linewidth=1)
        ax.annotate(
            supply.name,
            (supply.tokens, top + 0.55 * i),
            xytext=(3 if i == 0 else -3, 0),
            textcoords="offset points",
            ha="left" if i == 0 else "right",
            fontsize="small",
            color=COLOURS[2],
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.set_yticks(rows, budgets["label"])
    ax.set_ylim(-0.6, top + 0.55 * len(supplies))
    _trillions(ax)
    ax.set_xlabel("Tokens [trillion]")
    ax.grid(axis="y", visible=False)
    return ax


def plot_laws(ax: Axes, laws: pd.DataFrame, own: Any, column: str, *, label: str) -> Axes:
    """Draw what each published law would train beside our fit and its interval.

    Parameters
    ----------
    ax : Axes
    laws : DataFrame
        As from :func:`gigacluster.scaling.published_optima`.
    own : Estimate
        The same quantity from our fit.
    column : str
        Column of ``laws`` to draw.
    label : str
        Of the axis, with its unit.
    """
    names = ["this fit, bootstrap", *laws["label"]]
    rows = np.arange(len(names))[::-1]
    ax.axvspan(float(own.low), float(own.high), color=COLOURS[0], alpha=0.15, linewidth=0)
    ax.plot([float(own.low), float(own.high)], [rows[0]] * 2, color=COLOURS[0], linewidth=3, alpha=0.5)
    ax.plot(float(own.value), rows[0], "o", color=COLOURS[0])
    recalled = (laws["verification"] == "recalled").to_numpy()
    ax.scatter(laws[column][~recalled], rows[1:][~recalled], color=COLOURS[1], zorder=3)
    ax.scatter(laws[column][recalled], rows[1:][recalled], facecolor="white", edgecolor=COLOURS[1], zorder=3)
    ax.set_yticks(rows, names)
    _trillions(ax)
    ax.set_xlabel(label)
    ax.grid(axis="y", visible=False)
    return ax


def plot_approaches(ax: Axes, flop: Any, answers: Mapping[str, Any], points: pd.DataFrame, largest_flop: float) -> Axes:
    """Draw the best size at each compute by several approaches, with their bands, and where the runs end.

    Parameters
    ----------
    ax
        Axes to draw on.
    flop
        Compute, shape (points,).
    answers
        Best params by the name of the approach, each an estimate of shape (points,).
    points
        ``flop`` and ``params`` of the lowest point of each budget.
    largest_flop
        The largest budget that was run: a line marks it.
    """
    for i, (name, estimate) in enumerate(answers.items()):
        ax.plot(flop, estimate.value, color=COLOURS[i], label=name)
        band(ax, flop, estimate.low, estimate.high, color=COLOURS[i])
    ax.scatter(points["flop"], points["params"], s=14, color=_GREY, zorder=3, label="minima of the budgets")
    ax.axvline(largest_flop, color=_GREY, linewidth=1, linestyle=":")
    ax.annotate(
        " no run beyond", (largest_flop, 0.03), xycoords=ax.get_xaxis_transform(), color=_GREY, fontsize="small"
    )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("Training compute [FLOP]")
    ax.set_ylabel("Best size [parameters]")
    ax.legend(fontsize="small", loc="upper left")
    return ax


def _trillions(ax: Axes) -> None:
    """Scale the x axis logarithmically and count it in trillions."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e12:,g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def plot_serving(ax: Axes, served_tokens: Any, params_ratio: Any, saving_frac: Any) -> Axes:
    """Draw how serving shrinks the best model, and what the smaller one saves.

    Parameters
    ----------
    ax : Axes
    served_tokens : array, shape (points,)
        Tokens served over the model's life.
    params_ratio : array, shape (points,)
        Parameters of the cheapest model over those of the training optimum, at the same loss.
    saving_frac : array, shape (points,)
        Share of the total compute saved.
    """
    ax.plot(served_tokens, params_ratio, color=COLOURS[0], label="size, as a share of the training optimum")
    ax.plot(served_tokens, saving_frac, color=COLOURS[1], label="compute saved, training and serving together")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize="small", labelcolor="linecolor", handlelength=1.0)
    ax.set_xscale("log")
    ax.set_ylim(0, 1.08)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("Tokens served over the model's life")
    return ax


def plot_scores(ax: Axes, flop: Any, score_frac: Any, at: Any, estimate: Any, mark_flop: float, *, label: str) -> Axes:
    """Draw scores of models against training compute, the pooled curve, and the interval for one new model.

    Parameters
    ----------
    ax : Axes
    flop, score_frac : array, shape (models,)
    at : array, shape (points,)
        Compute at which the curve is drawn. [FLOP]
    estimate : Estimate
        Score of a new model at ``at``.
    mark_flop : float
        Compute of the run in question, marked by a line.
    label : str
        Of the score axis.
    """
    ax.scatter(flop, score_frac, s=12, color=_GREY, alpha=0.7, linewidth=0)
    seen = at <= np.max(flop)
    ax.plot(at[seen], estimate.value[seen], color=COLOURS[0])
    ax.plot(at[~seen], estimate.value[~seen], color=COLOURS[0], linestyle="--")
    band(ax, at, estimate.low, estimate.high, color=COLOURS[0])
    ax.axvline(mark_flop, color=COLOURS[1], linewidth=1)
    ax.annotate(
        "this run ",
        (mark_flop, 0.03),
        xycoords=ax.get_xaxis_transform(),
        color=COLOURS[1],
        fontsize="small",
        ha="right",
        annotation_clip=False,
    )
    ax.set_xscale("log")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("Training compute [FLOP]")
    ax.set_ylabel(label)
    return ax
