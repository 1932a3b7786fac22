"""One published file, read as it was downloaded: its columns by the dictionary, and the mark of what is incomplete."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from gigareport import dictionary, fields
from gigareport.catalog import CatalogError

_GENERATED = re.compile(r"generated on:\s*(\d{1,2})-(\d{1,2})-(\d{4})")
#: Columns that the update itself fills.
_OURS = frozenset({"vintage", "source_id"})


class UpdateError(CatalogError):
    """A published folder cannot be taken over. The message lists every fault; nothing was changed."""


def read(file: Path, table: str, needs: Sequence[str]) -> tuple[list[dict[str, object]], list[str]]:
    """Read what one published CSV file has of a table.

    The dictionary says under which headers the columns of a table are published; the file must have those in
    ``needs``.

    Returns
    -------
    rows : list of dict
        Cells of columns that the file has, days as ``date``, and ``incomplete``: whether the publisher marks the row as
        covering only part of its period (a column Incomplete, or a note that begins with the word).
    faults : What is wrong, each with its file and line. There are no rows where there are any.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            text = stream.read()
        header, lines = fields.csv_rows(text, strict=True)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        return [], [f"{file.name}: cannot be read as CSV in UTF-8 ({fault}); download it again"]
    columns = [column for column in dictionary.table(table).columns if column.column not in _OURS]
    at = {column.column: _place(header, column.headers) for column in columns}
    if faults := [
        f"{file.name}, line 1: no column for {column.column}; it is published as {' or '.join(column.headers)}"
        for column in columns
        if column.column in needs and at[column.column] is None
    ]:
        return [], faults
    readers = {column.column: column.reader(published=True) for column in columns}
    places = {name: place for name, place in at.items() if place is not None}
    notes = _place(header, ["Notes", "notes"])
    rows: list[dict[str, object]] = []
    faults = []
    if lines and not text.endswith("\n"):  # a cut inside a last cell of text would go unseen, and with it a mark
        faults.append(f"{file.name}, line {lines[-1][0]}: the last line has no end, as if cut; download the file again")
    for line, row in lines:
        where = f"{file.name}, line {line}"
        if len(row) != len(header):
            faults.append(f"{where}: has {len(row)} cells and the header {len(header)}; download the file again")
            continue
        values: dict[str, object] = {}
        for name, place in places.items():
            try:
                values[name] = readers[name](row[place])
            except fields.Fault as fault:
                faults.append(f"{where}, column {header[place]!r}: {fault}")
        said = notes is not None and row[notes].strip().casefold().startswith("incomplete")
        rows.append(values | {"incomplete": bool(values.get("incomplete")) or said})
    if not lines:
        faults.append(f"{file.name}: has no rows below its header; download it again")
    return ([], faults) if faults else (rows, [])


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
