"""One published file, read as it was downloaded: columns under our names, days, and the mark of what is incomplete."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from gigareport import fields
from gigareport.catalog import CatalogError

__all__ = ["DAYS", "TEXTS", "Columns", "UpdateError", "generated_on", "read"]

#: Headers under which one of our columns is published; the first of them is the newest.
Columns = Mapping[str, Sequence[str]]
#: Our columns that hold a day, or words. Every other column holds an amount, which is not negative.
DAYS = frozenset({"as_of", "start", "date"})
TEXTS = frozenset(
    {"owner", "chip_maker", "chip", "lab", "data_center", "users", "project", "country", "title", "notes", "name"}
)
_CHECKED = frozenset({"checked", "true", "1", "yes"})
_UNCHECKED = frozenset({"", "false", "0", "no"})
_GENERATED = re.compile(r"generated on:\s*(\d{1,2})-(\d{1,2})-(\d{4})")


class UpdateError(CatalogError):
    """A published folder cannot be taken over. The message lists every fault; nothing was changed."""


def read(file: Path, columns: Columns, optional: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Read the columns in use of one published CSV file.

    Parameters
    ----------
    file : Path
    columns : mapping of str to sequence of str
        Our name of each column, and the headers under which it is published.
    optional : sequence of str, default ()
        Our columns that a file may lack; they are ``nan`` or ``None`` then.

    Returns
    -------
    table : DataFrame
        Our columns, days as ``YYYY-MM-DD``, amounts as float, and ``incomplete``: whether the publisher marks the
        row as covering only part of its period (a column Incomplete, or a note that begins with the word).
    faults : list of str
        What is wrong, each with its file and line. The table is empty where there are any.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        return pd.DataFrame(), [f"{file.name}: cannot be read as CSV in UTF-8 ({fault}); download it again"]
    at = {name: _place(header, headers) for name, headers in columns.items()}
    if faults := [
        f"{file.name}, line 1: no column for {name}; a header known for it is: {', '.join(columns[name])}"
        for name, place in at.items()
        if place is None and name not in optional
    ]:
        return pd.DataFrame(), faults
    mark, notes = _place(header, ["incomplete", "Incomplete"]), _place(header, ["Notes", "notes"])
    rows, faults = [], []
    for line, row in lines:
        where = f"{file.name}, line {line}"
        if len(row) != len(header):
            faults.append(f"{where}: has {len(row)} cells and the header {len(header)}; download the file again")
            continue
        values: dict[str, object] = {}
        for name, place in at.items():
            try:
                values[name] = _value(name, "" if place is None else row[place].strip())
            except fields.Fault as fault:
                faults.append(f"{where}, column {header[place or 0]!r}: {fault}")
        checked = "" if mark is None else row[mark].strip().lower()
        if checked not in _CHECKED | _UNCHECKED:
            faults.append(f"{where}, column {header[mark or 0]!r}: got {row[mark or 0]!r}; expected 'checked' or blank")
        said = "" if notes is None else row[notes].strip().lower()
        rows.append(values | {"incomplete": checked in _CHECKED or said.startswith("incomplete")})
    if not lines:
        faults.append(f"{file.name}: has no rows below its header; download it again")
    return (pd.DataFrame(), faults) if faults else (pd.DataFrame(rows), [])


def generated_on(files: Sequence[Path]) -> str | None:
    """Return the latest day on which the files say that their estimates were generated; ``None`` if none says it."""
    found = [
        date(int(match[3]), int(match[1]), int(match[2]))
        for file in files
        for match in _GENERATED.finditer(file.read_text(encoding="utf-8-sig"))
    ]
    return max(found).isoformat() if found else None


def _place(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _value(name: str, cell: str) -> object:
    if name in TEXTS:
        return cell or None
    if name in DAYS:
        return fields.date(cell, published=True).isoformat()
    return fields.number(cell, least=0.0) if cell else float("nan")
