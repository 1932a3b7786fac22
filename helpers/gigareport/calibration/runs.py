"""Measured runs as the step-time model takes them: free text of old rows as columns, families, what is scored."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy
import pandas as pd

from gigacluster import hardware
from gigacluster.names import is_blank
from gigacluster.throughput.columns import RunCases, cases_of
from gigacluster.throughput.shipped import stem_of
from gigareport import catalog, fields
from gigareport.calibration.logs import read_log


def load(path: str | Path) -> pd.DataFrame:
    """Return the runs of a CSV file in the form of ``data/training_runs.csv``.

    Raises
    ------
    CatalogError
        If the file is not of that form. Where it holds no column of runs, with the form that is wanted; a log of
        training is told what it says, and which row is wanted.
    """
    try:
        return catalog.load("training_runs", path=path)
    except catalog.CatalogError as fault:
        try:
            text = fields.file_text(Path(path), "a CSV file", errors="replace")
        except fields.Fault:
            raise fault from None  # it says so
        header, said = text.partition("\n")[0], read_log(text)
        if said is not None and "," not in header:
            cells = ", ".join(f"{name} = {value:g}" for name, value in said.items())
            raise catalog.CatalogError(
                f"{path} is a log of training; in the median it says {cells}. Wanted is a CSV with a row a run and the "
                "columns of data/training_runs.csv, with model, chip and plan; the log goes beside it: "
                f"gigacluster validate PLAN.csv --log {path}"
            ) from None
        if any(name in header for name in _TELLING):
            raise
        raise catalog.CatalogError(
            f"{fault}\n{path} holds no runs. Wanted is a CSV with commas, a row a run, and the columns of "
            "data/training_runs.csv that are known: run_id, source_id, arch, chip, precision, "
            f"{', '.join(_TELLING)}, step_time_s, and the plan"
        ) from None


def load_chips(path: str | Path | None) -> pd.DataFrame | None:
    """Return chips of a reader's own, in the form of ``data/chips.csv`` and fit for predictions, if a file is given."""
    if path is None:
        return None
    table = catalog.load("chips", path=path)
    try:
        hardware.chips_from({str(name): list(table[name]) for name in table})
    except ValueError as fault:
        raise catalog.CatalogError(fields.message(str(path), [str(fault)])) from None
    return table


def columns(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs with what their notes alone say in columns of its own: dropped tokens, and XLA."""
    notes = runs["notes"].fillna("").str.lower() if "notes" in runs else pd.Series("", index=runs.index)
    router = runs["router"] if "router" in runs else pd.Series(None, index=runs.index, dtype=object)
    drop = router.map(is_blank) & notes.str.contains("tokendrop|token-drop|token drop")
    return runs.assign(router=router.astype(object).mask(drop, "tokendrop"))


def cases(runs: pd.DataFrame, chips: pd.DataFrame | None = None) -> RunCases:
    """Return the cases of runs in the form of ``data/training_runs.csv``, with chips of one's own."""
    own = {} if chips is None else hardware.chips_from({str(name): list(chips[name]) for name in chips})
    return cases_of(columns(runs), own)


#: Columns of which a table of runs has at least one.
_TELLING = ("n_layers", "d_model", "n_heads", "seq_len", "n_chips", "global_batch")


@cache
def _families() -> dict[str, str]:
    table = catalog.load("throughput_families")
    return dict(zip(table["stem"], table["family"], strict=True))


def by_chip() -> pd.DataFrame:
    """Return what was measured of each chip, the most first: ``runs``, ``sources`` and ``largest_run_chips``.

    Runs known from memory alone do not count.
    """
    runs = catalog.headline(catalog.load("training_runs")).groupby("chip")
    found = runs.agg(runs=("run_id", "size"), sources=("source_id", "nunique"), largest_run_chips=("n_chips", "max"))
    return found.sort_values("runs", ascending=False, kind="stable").astype(int)


def family_names() -> dict[str, str]:
    """Return who published each family of sources: of several the one with most runs, with how many there are."""
    runs = catalog.load("training_runs")
    publishers, names = catalog.publishers(), {}
    for family, sources in runs["source_id"].groupby(families(runs)):
        counts = sources.value_counts()
        more = f" and {len(counts) - 1} more sources" if len(counts) > 2 else " and one more source"
        names[str(family)] = publishers[str(counts.index[0])] + (more if len(counts) > 1 else "")
    return names


def families(runs: pd.DataFrame) -> numpy.ndarray:
    """Return the family of each run's source: that of the table, otherwise the source without its release."""
    known = _families()
    return numpy.array(
        [known.get(source) or known.get(stem_of(source), stem_of(source)) for source in runs["source_id"].astype(str)],
        dtype=str,
    )


def not_scored_reasons(runs: pd.DataFrame, chips: pd.DataFrame | None = None) -> list[str]:
    """Say of every run why it is not scored, or nothing: only complete, measured, first-hand runs are.

    A run that contradicts itself is left out as well: nobody can tell which of its numbers is wrong.
    """
    contradictions = cases(runs, chips).contradictions if len(runs) else []
    reasons = []
    for row, contradiction in zip(runs.to_dict("records"), contradictions, strict=True):
        time_s = row.get("step_time_s")
        if row.get("arch") not in ("dense", "moe"):
            said = "is blank" if is_blank(row.get("arch")) else f"{row.get('arch')!r} has no layer shapes"
            reasons.append(f"arch {said}; give dense or moe")
        elif row.get("plan_complete") != 1:
            reasons.append("the parallel plan is not published in full")
        elif time_s is None or not time_s > 0:
            reasons.append("no step time")
        elif row.get("end_to_end") == 1:
            reasons.append("end to end: contains restarts and evaluation")
        elif "recalled" in str(row.get("provenance") or ""):
            reasons.append("known from memory only")
        else:
            reasons.append(f"contradicts itself: {contradiction}" if contradiction else "")
    return reasons
