"""Score the shipped model on any file of measured runs, refitting nothing: ``gigacluster validate RUNS.csv``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas as pd

from gigacluster.throughput.prediction import predict
from gigacluster.throughput.shipped import Calibration, calibration_of
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs
from gigareport.calibration import scores as scoring
from gigareport.calibration import weighed
from gigareport.calibration.logs import joined

_SCALES = (8, 64, 512, 4096)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Errors of the shipped model on a file of runs, in percent."""

    runs: pd.DataFrame  # every scored run with its prediction
    inexpressible: list[dict[str, str]]  # scored runs that count with the constant utilisation of their chip
    not_scored: list[dict[str, str]]
    ranking: dict[str, float | int]
    memory: dict[str, Any]  # of all runs that printed it or ran out of it, with a step time or not

    def summary(self, here: Any = True) -> dict[str, float | int | None]:
        """Return the errors of some of the runs: a mask, or all."""
        some = self.runs[numpy.broadcast_to(here, len(self.runs))]
        measured = some["measured_s"].to_numpy()
        errors = scoring.errors(some["predicted_s"].to_numpy(), measured, table_of_runs.families(some))
        errors.pop("family_mape")
        inside = (some["step_time_low_s"] <= measured) & (measured <= some["step_time_high_s"])
        memory = 100.0 * (some["predicted_gib"] / some["peak_mem_gib"] - 1.0).abs().dropna()
        errors["coverage80"] = 100.0 * float(inside.mean()) if len(some) else None
        errors["memory_mape"] = float(memory.mean()) if len(memory) else None
        return errors

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, lists and words; ``None`` where there is no run."""
        return {
            "dense": self.summary(self.runs["arch"] == "dense"),
            "moe": self.summary(self.runs["arch"] == "moe"),
            "by_source": {
                str(name): self.summary(self.runs["source_id"] == name) for name in sorted(set(self.runs["source_id"]))
            },
            "ranking": self.ranking,
            "memory": self.memory,
            "inexpressible": self.inexpressible,
            "not_scored": self.not_scored,
        }

    def to_json(self) -> str:
        """Return the figures as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_text(self) -> str:
        """Return the figures as tables for a terminal."""
        scale = pd.cut(self.runs["n_chips"], [0, *_SCALES, numpy.inf]).astype(str).fillna("not named")
        groups = {
            "architecture": self.runs["arch"],
            "source": self.runs["source_id"],
            "chip": self.runs["chip"].fillna("not named"),
            "chips": scale,
            "family known to the calibration": self.runs["family_known"].map({True: "yes", False: "no"}),
        }
        lines = ["Errors of step time in percent of the measured one; coverage of the 80 % interval; memory error."]
        if not len(self.runs):
            groups, lines = {}, ["No run to score: n = 0."]
        for title, keys in groups.items():
            table = pd.DataFrame({key: self.summary(keys == key) for key in sorted(set(keys))}).T
            lines += ["", f"By {title}", table.astype(float).round(1).to_string(na_rep="-")]
        pairs, good = self.ranking["pairs"], self.ranking["concordant"]
        said = f"{100 * good / pairs:.0f} % of {pairs} pairs" if pairs else "no pairs of plans"
        lines += ["", f"Plans of the same model in the measured order: {said}.", *self._told_of_memory()]
        for title, rows in (("Cannot be expressed", self.inexpressible), ("Not scored", self.not_scored)):
            lines += ["", f"{title}: {len(rows)} runs", *(f"  {row['run_id']}: {row['reason']}" for row in rows)]
        return "\n".join(lines)

    def _told_of_memory(self) -> list[str]:
        """Say how well peaks and decisions are met, as far as there are runs that tell."""
        told = [
            ("Peak memory", "mape", "n", "that are told in full"),
            ("Said not to fit", "ran_said_not_to_fit", "n_ran", "that ran"),
            ("Said to fit", "ran_out_said_to_fit", "n_ran_out", "that ran out of memory"),
        ]
        of = self.memory
        return [f"{what}: {of[share]:.1f} % of {of[n]} runs {which}." for what, share, n, which in told if of[n]]


def validate(
    path: str | Path,
    *,
    chips: str | Path | None = None,
    calibration: Calibration | str | Path | None = None,
    logs: Sequence[str] = (),
) -> Validation:
    """Predict the runs of a CSV file in the form of ``data/training_runs.csv`` and score them.

    Parameters
    ----------
    path : The file. Runs that cannot be expressed count with the constant utilisation of their chip, and are listed.
    chips : A table of chips of one's own, in the form of ``data/chips.csv``.
    calibration : A record, or a file that ``gigacluster calibrate`` wrote; that of the package by default.
    logs : Logs of these runs, ``RUN_ID=FILE``: what they measured goes before what the rows say.

    Raises
    ------
    CatalogError
        If the file is not of that form.
    """
    own_chips = table_of_runs.load_chips(chips)
    runs = joined(table_of_runs.load(path), logs)
    reasons = table_of_runs.not_scored_reasons(runs, own_chips)
    kept = numpy.array([not reason for reason in reasons], dtype=bool)  # a file may have no run at all
    known = calibration_of(calibration)
    said = predict(table_of_runs.columns(runs), chips=own_chips, calibration=known)
    scored, predicted = (table.loc[kept].reset_index(drop=True) for table in (runs, said))
    yardstick = scoring.ConstantMfu(dict(known.constant_mfu)).step_time_s(scored)
    measured = scored.rename(columns={"step_time_s": "measured_s"})
    table = pd.concat([measured, predicted.drop(columns=["run_id", "step_time_s"])], axis=1)
    table["predicted_gib"] = weighed.of_kind(scored, predicted)
    own = predicted["step_time_s"]
    # Without even the FLOP for the yardstick, a run counts as an error of 100 %.
    table["predicted_s"] = own.fillna(pd.Series(yardstick, index=own.index)).fillna(0.0)
    without = predicted["inexpressible"] != ""
    return Validation(
        runs=table,
        inexpressible=_listed(predicted["run_id"][without], predicted["inexpressible"][without]),
        not_scored=[row for row in _listed(runs["run_id"], reasons) if row["reason"]],
        ranking=scoring.ranking(scored, own.to_numpy()),
        memory=weighed.scores(weighed.weigh(runs, said)),
    )


def source_table() -> pd.DataFrame:
    """Return the held-out errors by source of the project's own table of runs, as ``make calibrate`` wrote them."""
    table = catalog.load("throughput_accuracy")
    rows = table[(table["split"] == "source") & table["family"].str.startswith("source ")]
    return rows.assign(source=rows["family"].str.removeprefix("source ")).drop(columns=["split", "family"])


def by_source() -> dict[str, Any]:
    """Return the same as plain numbers, with the mean over sources and the worst, by architecture; and the vault."""
    table = catalog.load("throughput_accuracy")
    sources = source_table()
    found: dict[str, Any] = {}
    for arch in ("dense", "moe"):
        of_arch = sources[sources["arch"] == arch].sort_values("mape", ascending=False)
        rows = table[(table["arch"] == arch) & (table["family"] == "all")].set_index("split")
        columns = ["n", "mape", "median_ape", "p90_ape", "bias", "coverage80"]
        worst = of_arch.iloc[0]
        found[arch] = {
            **{f"{split}_left_out": rows.loc[split, columns].to_dict() for split in ("group", "source", "family")},
            "mean_over_sources": float(of_arch["mape"].mean()),
            "worst": {"source": worst["source"], "mape": float(worst["mape"]), "n": int(worst["n"])},
            "sources": {row["source"]: {c: float(row[c]) for c in columns} for _, row in of_arch.iterrows()},
        }
    vault = catalog.load("throughput_vault")
    # Nothing of memory is fitted, so that no source is left out.
    found["memory"] = weighed.scores(weighed.known())
    return {**found, "vault": json.loads(vault.to_json(orient="records", date_format="iso"))}


def _listed(names: Any, reasons: Any) -> list[dict[str, str]]:
    return [{"run_id": str(name), "reason": str(why)} for name, why in zip(names, reasons, strict=True)]
