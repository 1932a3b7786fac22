"""How long the runs are said to have taken, beside what the same job is estimated to take."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gigacluster import catalog, hardware
from gigacluster.comparison.evaluation import compare
from gigacluster.comparison.options import Option
from gigacluster.comparison.plans import plan_on
from gigacluster.comparison.runs import Run, runs
from gigacluster.scenario import Scenario
from gigacluster.uncertainty import Uncertain
from gigacluster.units import SECONDS_PER_DAY

__all__ = ["beside_published"]


def beside_published(story: Scenario, *, samples: int = 1_000, seed: int = 7) -> pd.DataFrame:
    """Return a row a published duration: theirs, ours with today's software, ours with that of then, and the ratios.

    Parameters
    ----------
    story : Scenario
        Whose failures hold.
    samples, seed
        As in :func:`gigacluster.comparison.compare`.

    Returns
    -------
    DataFrame
        ``title, chip, n_chips, published_days, published_mfu_frac`` (what they need of the 16-bit peak, all stops in
        it), ``days_low, days, days_high, ratio`` (ours over theirs), ``days_then, ratio_then`` (with the software of
        the year, its attention kernel and what was computed again), ``why`` they differ, ``verification`` of theirs.
    """
    rows = []
    for row in catalog.load("comparison_published").to_dict("records"):
        run = _with_flop(runs()[row["run"]], row["training_flop"])
        option = Option(name=run.title, chip=row["chip"], n_chips=float(row["n_chips"]))
        found = compare(run, [option], story, samples=samples, seed=seed, device="cpu")
        if not found.options:
            raise ValueError(f"{run.name} on {row['n_chips']} {row['chip']}: {found.left_out['why'].iloc[0]}")
        now = found.table().iloc[0]
        plan = found.plans[0].plan
        again = ("none", "full") if pd.isna(row["recompute"]) else (row["recompute"],)
        then = plan_on(
            run,
            row["chip"],
            plan.n_chips,
            software_year=row["year"] + 0.5,
            attention=row["attention"],
            recompute=again,
        )
        days_then = float(now["days"]) * then.step_time_s / plan.step_time_s
        rows.append(
            {
                "title": run.title,
                "chip": row["chip"],
                "n_chips": row["n_chips"],
                "published_days": row["days"],
                "published_mfu_frac": _mfu(run, option, row["days"]),
                "days_low": now["days_low"],
                "days": now["days"],
                "days_high": now["days_high"],
                "ratio": now["days"] / row["days"],
                "days_then": days_then,
                "ratio_then": days_then / row["days"],
                "why": row["why"],
                "verification": row["verification"],
            }
        )
    return pd.DataFrame(rows)


def _mfu(run: Run, option: Option, days: float) -> float:
    peak_flop_per_s = option.n_chips * hardware.chip(option.chip).peak_bf16_flop_per_s
    return run.flop.median / (peak_flop_per_s * days * SECONDS_PER_DAY)


def _with_flop(run: Run, training_flop: float) -> Run:
    """Return the run with the FLOP that a source counts, where only an estimate says how long it is."""
    if run.flop.low == run.flop.high or pd.isna(training_flop):
        return run
    return replace(run, flop=Uncertain.fixed(training_flop))
