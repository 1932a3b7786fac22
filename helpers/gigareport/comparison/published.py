"""How long the runs are said to have taken, beside what the same job is estimated to take."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gigacluster import hardware
from gigacluster.uncertainty import Uncertain
from gigacluster.units import SECONDS_PER_DAY
from gigareport import catalog
from gigareport.comparison.evaluation import compare
from gigareport.comparison.options import Option
from gigareport.comparison.runs import Run, plan_on, runs
from gigareport.scenario import Scenario

#: Names of chips in data/training_costs.csv -> data/chips.csv.
_CHIPS = {"NVIDIA H100 SXM5 80GB": "H100-SXM", "NVIDIA Tesla V100 DGXS 32 GB": "V100-SXM"}


def beside_published(story: Scenario, *, samples: int = 1_000, seed: int = 7) -> pd.DataFrame:
    """Return a row a published duration: theirs, ours with today's software, ours with that of then, and the ratios.

    Parameters
    ----------
    story : Whose failures hold.
    samples, seed
        As in :func:`gigareport.comparison.compare`.

    Returns
    -------
    DataFrame
        ``title, chip, n_chips, published_days, published_mfu_frac`` (what they need of the 16-bit peak, all stops in
        it), ``days_low, days, days_high, ratio`` (ours over theirs; the ends over all shapes that could be the model's,
        ``shapes`` of them), ``days_then, ratio_then`` (with the software of
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
        shapes = [now, *_of_stand_ins(run, option, story, samples, seed)]
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
                "days_low": min(shape["days_low"] for shape in shapes),
                "days": now["days"],
                "days_high": max(shape["days_high"] for shape in shapes),
                "shapes": len(shapes),
                "ratio": now["days"] / row["days"],
                "days_then": days_then,
                "ratio_then": days_then / row["days"],
                "why": row["why"],
                "verification": row["verification"],
            }
        )
    return pd.DataFrame(rows)


def _of_stand_ins(run: Run, option: Option, story: Scenario, samples: int, seed: int) -> list[pd.Series]:
    """Return the rows of the same run in the other shapes that its model could have."""
    others = [replace(run, name=f"{run.name} as {shape.name}", model=shape, stand_ins=()) for shape in run.stand_ins]
    return [compare(it, [option], story, samples=samples, seed=seed, device="cpu").table().iloc[0] for it in others]


def costs_beside_published(story: Scenario, *, samples: int = 1_000, seed: int = 7) -> pd.DataFrame:
    """Return Epoch AI's cost of these runs beside ours, on the chips that they are reported to have used.

    Returns
    -------
    DataFrame
        ``title, chip, n_chips, published_usd, later_usd`` (amortised
        hardware and energy in dollars of 2023, two runs of their model), ``usd_low, usd, usd_high`` (ours),
        ``ratio, ratio_later``. Runs on chips without a price are left out.
    """
    costs = catalog.load("training_costs").set_index("model")
    rows = []
    for row in catalog.load("comparison_runs").dropna(subset=["priced_as", "trained_on_chips"]).to_dict("records"):
        theirs = costs.loc[row["priced_as"]]
        run, chip = _with_flop(runs()[row["run"]], theirs["training_flop"]), _CHIPS.get(theirs["chip"], "")
        if chip not in hardware.chips():
            continue
        option = Option(name=run.title, chip=chip, n_chips=float(row["trained_on_chips"]))
        ranked = compare(run, [option], story, samples=samples, seed=seed, device="cpu").ranked("usd")
        for ours in ranked.to_dict("records"):  # none where the chip has no price
            rows.append(
                {
                    "title": run.title,
                    "chip": chip,
                    "n_chips": row["trained_on_chips"],
                    "published_usd": theirs["amortised_usd_2023"],
                    "later_usd": theirs["later_run_usd_2023"],
                    "usd_low": ours["low"],
                    "usd": ours["median"],
                    "usd_high": ours["high"],
                    "ratio": ours["median"] / theirs["amortised_usd_2023"],
                    "ratio_later": ours["median"] / theirs["later_run_usd_2023"],
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
