"""The vault: runs of sources that nobody looked at, scored once by a committed model, and written down as they come.

A row of ``data/throughput_vault.csv`` is never computed again: the model that made it stands at its commit.
"""

from __future__ import annotations

import datetime
import hashlib
import subprocess
from pathlib import Path

import pandas as pd

from gigareport import catalog
from gigareport.calibration.validation import Validation
from gigareport.dictionary import columns_of

_TABLE = "throughput_vault.csv"
_ERRORS = ("n", "mape", "median_ape", "p90_ape", "bias", "coverage80")


def read(into: Path | None = None) -> pd.DataFrame:
    """Return what the vault holds: a row for each source and architecture, none before its first release."""
    return catalog.load("throughput_vault", path=None if into is None else into / _TABLE)


def told() -> str:
    """Say in a sentence or two what the vault holds."""
    found = read()
    if not len(found):
        return "The vault is empty: no release has scored new sources since it was set up."
    parts = []
    for arch, rows in found.groupby("arch"):
        count, mean = int(rows["n"].sum()), (rows["mape"] * rows["n"]).sum() / rows["n"].sum()
        said = f"{count} {arch} runs of {len(rows)} sources: {mean:.0f} % mean error"
        parts.append(f"{said}, at worst {rows['mape'].max():.0f} %")
    return f"In the vault, scored once up to {found['entered_on'].max():%Y-%m-%d}: {'; '.join(parts)}."


def enter(found: Validation, file: Path, *, into: Path | None = None, on: datetime.date | None = None) -> pd.DataFrame:
    """Write the scores of a file of new runs into the vault, and return its rows.

    Parameters
    ----------
    found, file : Scores by the calibration of the package, and what was scored.
    into, on : Folder of the table, and the day; ``data/`` and today by default.

    Raises
    ------
    CatalogError
        If a source of the file was seen before, by the calibration or by the vault; if no run was scored; or if the
        checkout holds changes that no commit names.
    """
    folder = into or catalog.data_dir()
    runs, before = found.runs, read(into)
    sources = set(runs["source_id"].astype(str))
    seen = sources & (set(catalog.load("training_runs")["source_id"].astype(str)) | set(before["source"].astype(str)))
    if seen:
        raise catalog.CatalogError(
            f"{file}: {', '.join(sorted(seen))} was seen before, by the calibration or by the vault; a source is "
            "scored there once, and before anybody looks"
        )
    if not sources:
        raise catalog.CatalogError(f"{file}: no run to score; see gigacluster validate {file}")
    day, commit = (on or datetime.datetime.now(datetime.UTC).date()).isoformat(), _commit(folder)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    rows = []
    for (source, arch), here in runs.groupby(["source_id", "arch"]).groups.items():
        errors = found.summary(runs.index.isin(here))
        rows.append((day, commit, digest, source, arch, *(errors[name] for name in _ERRORS)))
    table = pd.concat([before, pd.DataFrame(rows, columns=columns_of("throughput_vault"))], ignore_index=True)
    table["entered_on"] = pd.to_datetime(table["entered_on"]).dt.date
    catalog.write_whole(folder / _TABLE, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return read(into)


def _commit(folder: Path) -> str:
    """Return the commit of a checkout in which models and tables are as committed."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
        except (FileNotFoundError, subprocess.CalledProcessError) as fault:
            why = "the vault names the commit that scored; run it in a checkout with git"
            raise catalog.CatalogError(why) from fault

    top = git("rev-parse", "--show-toplevel")
    if changed := git("-C", top, "status", "--porcelain", "--", "helpers", "data", f":!data/{_TABLE}"):
        raise catalog.CatalogError(f"commit these first, so that the vault can name what scored:\n{changed}")
    return git("rev-parse", "HEAD")
