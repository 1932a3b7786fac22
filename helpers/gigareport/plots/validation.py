"""Figures of validation: predictions beside published measurements."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from gigareport.plots.style import COLOURS

_TICKS = (0.5, 0.7, 0.85, 1.0, 1.15, 1.4, 2.0)


def plot_predicted(ax: Axes, runs: pd.DataFrame, predicted: pd.DataFrame, *, n_named: int = 4) -> Axes:
    """Draw predicted over measured step time, a row a source, and name the worst misses.

    Parameters
    ----------
    ax : Axes
    runs : DataFrame
        Measured runs, as in ``data/training_runs.csv``.
    predicted : DataFrame
        What ``throughput.predict`` says of them, row by row.
    n_named : int, default 4
        Misses to name, at most one a source.
    """
    table = _ratios(runs, predicted)
    sources = list(dict.fromkeys(table.sort_values(["first_year", "source_id"])["source_id"]))
    rows = table["source_id"].map({name: row for row, name in enumerate(sources)}).to_numpy()
    spread = np.random.default_rng(0).uniform(-0.28, 0.28, len(table))
    ax.axvspan(1 / 1.15, 1.15, color=COLOURS[6], alpha=0.12, linewidth=0)
    ax.axvline(1, color="black", linewidth=1)
    for arch, colour in (("dense", COLOURS[0]), ("moe", COLOURS[1])):
        here = (table["arch"] == arch).to_numpy()
        ax.scatter(
            table["ratio"][here], (rows + spread)[here], s=9, alpha=0.6, color=colour, linewidth=0,
            label={"dense": "dense", "moe": "mixture of experts"}[arch],
        )  # fmt: skip
    # The row of a source has room for one name.
    named = worst_misses(runs, predicted, len(runs)).drop_duplicates("source_id").head(n_named)
    for index, miss in named.iterrows():
        (at,) = np.flatnonzero(table.index == index)
        ax.annotate(
            f"{miss['model']}, {miss['chip']}", (table["ratio"].iloc[at], (rows + spread)[at]), xytext=(0, 4),
            textcoords="offset points", fontsize="x-small", ha="left" if miss["ratio"] < 1 else "right",
        )  # fmt: skip
    ax.set(xscale="log", xlabel="Predicted over measured step time [1]", ylim=(len(sources) - 0.4, -0.8))
    ax.yaxis.set_major_locator(FixedLocator(range(len(sources))))
    ax.yaxis.set_major_formatter(FixedFormatter(sources))
    ax.tick_params(axis="y", labelsize="x-small")
    shown = [tick for tick in _TICKS if 0.9 * table["ratio"].min() <= tick <= 1.1 * table["ratio"].max()]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()
    ax.legend(loc="upper left", fontsize="x-small", markerscale=2)
    return ax


def worst_misses(runs: pd.DataFrame, predicted: pd.DataFrame, n: int = 4) -> pd.DataFrame:
    """Return the ``n`` runs whose prediction is furthest off, one a model and source, with their ratio."""
    table = _ratios(runs, predicted)
    worst = table.loc[np.log(table["ratio"]).abs().sort_values(ascending=False).index]
    worst = worst.drop_duplicates(["source_id", "model"])
    return worst[["run_id", "source_id", "model", "chip", "n_chips", "step_time_s", "predicted_s", "ratio"]].head(n)


def within_share(runs: pd.DataFrame, predicted: pd.DataFrame, factor: float) -> float:
    """Return the share of the scored runs whose step time is predicted within a share of the measured one."""
    return float(np.mean(np.abs(_ratios(runs, predicted)["ratio"] - 1) <= factor))


def plot_accuracy(ax: Axes, accuracy: pd.DataFrame) -> Axes:
    """Draw the held-out error of every family beside that of a constant utilisation.

    Parameters
    ----------
    ax : Axes
    accuracy : DataFrame
        Rows of ``data/throughput_accuracy.csv`` of one split and architecture.
    """
    table = accuracy.sort_values("mape")
    rows = np.arange(len(table))
    ax.hlines(rows, table["mape"], table["constant_mfu_mape"], color=COLOURS[6], linewidth=1)
    ax.scatter(table["constant_mfu_mape"], rows, color=COLOURS[1], label="constant utilisation", zorder=3)
    ax.scatter(table["mape"], rows, color=COLOURS[0], label="this model", zorder=3)
    ax.yaxis.set_major_locator(FixedLocator(rows.tolist()))
    ax.yaxis.set_major_formatter(
        FixedFormatter([f"{f} ({n})" for f, n in zip(table["family"], table["n"], strict=True)])
    )
    ax.set(xlabel="Mean error of runs of a family held out [%]", xlim=(0, None))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize="small")
    return ax


def _ratios(runs: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """Return the scored runs with their ratio of predicted to measured step time."""
    from gigareport.calibration.runs import not_scored_reasons

    scored = np.array([not reason for reason in not_scored_reasons(runs)])
    table = runs.assign(predicted_s=predicted["step_time_s"].to_numpy())[scored]
    table = table.assign(ratio=table["predicted_s"] / table["step_time_s"])
    table["first_year"] = table.groupby("source_id")["year"].transform("min")
    return table[table["ratio"].notna()]
