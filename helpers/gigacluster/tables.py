"""The facts that the library ships with, read by the standard library alone: chips, models, coefficients."""

from __future__ import annotations

import csv
import math
from pathlib import Path


def data_dir() -> Path:
    """Return the folder of the tables: ``data/`` of a checkout, or the copy inside an installed package."""
    here = Path(__file__).resolve().parent
    return next(folder for folder in (here.parents[1] / "data", here / "data") if (folder / "sources.csv").exists())


def rows(name: str, path: str | Path | None = None) -> list[dict[str, str | float]]:
    """Return the rows of ``data/<name>.csv``, or of another file of its form.

    A cell that reads as a number is one, a blank is ``nan``.

    The tables are checked cell by cell where they are curated, not again at each start.

    Examples
    --------
    >>> rows("chips")[0]["chip"]
    'V100-SXM'
    """
    with (data_dir() / f"{name}.csv" if path is None else Path(path)).open(encoding="utf-8", newline="") as file:
        return [{column: _value(cell) for column, cell in row.items()} for row in csv.DictReader(file)]


def _value(cell: str) -> str | float:
    if not cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return cell
