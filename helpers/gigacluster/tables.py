"""The facts that the library ships with, read by the standard library alone: chips, models, coefficients."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

_LARGEST = 10_000_000  # characters of a table


def data_dir() -> Path:
    """Return the folder of the tables: ``data/`` of a checkout, or the copy inside an installed package."""
    here = Path(__file__).resolve().parent
    return next(folder for folder in (here.parents[1] / "data", here / "data") if (folder / "sources.csv").exists())


def rows(name: str, path: str | Path | None = None) -> list[dict[str, str | float]]:
    """Return the rows of ``data/<name>.csv``, or of another file of its form.

    A cell that reads as a number is one, a blank is ``nan``.

    The tables are checked cell by cell where they are curated, not again at each start.

    Raises
    ------
    ValueError
        If the file is no CSV in UTF-8, or is far larger than such a table.

    Examples
    --------
    >>> rows("chips")[0]["chip"]
    'V100-SXM'
    """
    place = data_dir() / f"{name}.csv" if path is None else Path(path)
    if place.is_fifo():  # opening it may wait for ever
        raise ValueError("it is a pipe")
    with place.open(encoding="utf-8-sig", newline="") as file:
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST:,} characters")
    try:
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as fault:
        raise ValueError(str(fault)) from None
    return [{column: _value(cell) for column, cell in row.items()} for row in lines]


def _value(cell: str) -> str | float:
    if not cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return cell
