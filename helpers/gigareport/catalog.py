"""The tables of ``data/``: read, checked cell by cell against the dictionary, and joined to their sources."""

from __future__ import annotations

import csv
import difflib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy

from gigacluster.tables import data_dir
from gigareport import dictionary, fields
from gigareport.dictionary import Column, Schema
from gigareport.fields import Fault
from gigareport.table import Table, given

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["CatalogError", "data_dir", "headline", "load", "names", "read", "read_on", "vintage"]

#: How like a column's name must be to another, letter by letter from 0 to 1, to be that one misspelt.
_MISSPELT = 0.85
_Rows = TypeVar("_Rows", Table, "pd.DataFrame")


class CatalogError(fields.ToldError):
    """A table is not what the dictionary says: the message lists line, column, what was received, what to do."""


def names() -> tuple[str, ...]:
    """Return the names of the tables that :func:`read` knows."""
    return tuple(dictionary.tables())


def load(name: str, path: str | Path | None = None) -> pd.DataFrame:
    """Read one table as :func:`read` does, and return it as a DataFrame of pandas.

    Examples
    --------
    >>> load("sources").columns[0]
    'source_id'
    """
    return read(name, path).to_frame()


def read(name: str, path: str | Path | None = None) -> Table:
    """Read one table and check it.

    Parameters
    ----------
    name : a table of ``data/``, such as ``"chips"``; see :func:`names`.
    path : another file of the same columns, for instance a later vintage. Its further columns are left out, headers
        and dates may be those of the published file, and its sources need not be in ``data/sources.csv``.

    Returns
    -------
    Table
        The columns of ``data/columns.csv``, and ``verification`` (how the source of a row was verified).

    Raises
    ------
    CatalogError
        If a column is missing, a cell is out of range, a key occurs twice or a source is unknown: all at once.

    Examples
    --------
    >>> "H100-SXM" in read("chips")["chip"]
    True
    """
    try:
        schema = dictionary.table(name)
    except Fault as fault:
        raise CatalogError(str(fault)) from None
    if path is not None:
        return _checked(Path(path), schema, published=True)
    folder = data_dir()
    files = [folder / f"{one}.csv" for one in (name, "sources")]
    return _bundled(name, *((file, file.stat().st_mtime_ns if file.exists() else 0) for file in files))


@cache
def _bundled(name: str, file: tuple[Path, int], sources: tuple[Path, int]) -> Table:
    """Return a table of ``data/``, read once for each time that it or the table of sources was written."""
    return _checked(file[0], dictionary.table(name), published=False)


def _checked(file: Path, schema: Schema, *, published: bool) -> Table:
    try:
        header, rows = fields.csv_rows(fields.file_text(file, "a CSV file"))
    except Fault as fault:
        raise CatalogError(str(fault)) from None
    except csv.Error as error:
        raise CatalogError(f"{file} is not a CSV file in UTF-8: {error}") from None
    if faults := _header_faults(header, schema, extra_allowed=published) or _overlong(rows, header):
        raise CatalogError(_message(file, faults))
    verified = {} if schema.table == "sources" else _verified()
    values, cell_faults = _cells(header, rows, schema, published=published, sources=[] if published else [*verified])
    lines, at_fault = [line for line, _ in rows], {line for line, _ in cell_faults}
    whole = [i for i, line in enumerate(lines) if line not in at_fault]
    cell_faults += _row_faults(values, lines, whole, schema)
    if cell_faults:
        raise CatalogError(_message(file, [f"line {line}{fault}" for line, fault in sorted(cell_faults)]))
    columns = {column.column: _typed(values[column.column], column) for column in schema.columns}
    if verified and "source_id" in columns:
        columns["verification"] = numpy.array([verified.get(source) for source in values["source_id"]], dtype=object)
    return Table(columns)


def _verified() -> dict[str, str]:
    """Return how each source was verified, by its id."""
    sources = read("sources")
    return dict(zip(sources["source_id"], sources["verification"], strict=True))


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file so that no reader ever sees half of it, and a kill or a full disk leaves the earlier one.

    A link stays one; a device or a pipe takes what is written.
    """
    file = Path(os.path.realpath(file))
    raw = content.encode() if isinstance(content, str) else content
    if file.exists() and not file.is_file():
        with writing(file):
            file.write_bytes(raw)
        return
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with writing(file):
        try:
            new.write_bytes(raw)
            if file.exists():
                new.chmod(stat.S_IMODE(file.stat().st_mode))
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Let what the disk refuses in the block name the file or folder that it is about, not one of work beside it."""
    try:
        yield
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror or str(fault), str(place)) from fault


def headline(table: _Rows) -> _Rows:
    """Return the rows that may carry a headline number: those not known from memory alone."""
    kept = table["verification"] != "recalled"
    return table.where(kept) if isinstance(table, Table) else table[kept]


def located() -> set[str]:
    """Return the ids of the sources that can be looked up: those with the address of a page.

    Examples
    --------
    >>> "epoch-data-centers" in located(), "clusters-recalled" in located()
    (True, False)
    """
    sources = headline(read("sources"))
    return set(sources["source_id"][given(sources["address"])])


def publishers() -> dict[str, str]:
    """Return of each source, by its id, what stands first in its citation: who wrote or published it.

    Examples
    --------
    >>> publishers()["korthikanti22"], publishers()["mlperf-v4.1"]
    ('Korthikanti et al. 2022', 'MLCommons')
    """
    table = read("sources")
    return {
        str(name): re.split(r", | @| \(", str(citation))[0]
        for name, citation in zip(table["source_id"], table["citation"], strict=True)
    }


def vintage(table: Table | pd.DataFrame, column: str = "as_of") -> str:
    """Return the latest date of a table, for the note under a figure, as ``YYYY-MM-DD``."""
    days = numpy.asarray(table[column], dtype="datetime64[D]")
    return str(days[given(days)].max())


def read_on(*tables: str) -> str:
    """Return the latest day on which a source of tables was read, as ``YYYY-MM-DD``.

    Examples
    --------
    >>> read_on("failure_rates", "recovery_schemes") <= vintage(load("sources"), "accessed")
    True
    """
    sources = load("sources").set_index("source_id")["accessed"]
    cited = {name for table in tables for name in load(table)["source_id"].dropna()}
    return str(sources[sources.index.isin(cited)].max().date())


def _header_faults(header: list[str], schema: Schema, *, extra_allowed: bool) -> list[str]:
    known = [name for column in schema.columns for name in column.headers]
    unknown = [name for name in header if name not in known]
    if len(header) == 1 and unknown and any(mark in header[0] for mark in ";\t|"):
        return [f"line 1: got {fields.shown(header[0])} as one column; separate the columns with commas"]
    faults = [
        f"line 1: column {name!r} stands twice; keep one" for name in sorted(set(header)) if header.count(name) > 1
    ]
    for column in schema.columns:
        if column.blank != "column" and not set(column.headers) & set(header):
            near = fields.near(column.column, unknown)
            hint = f"rename {near!r}, which is near" if near else "add it"
            faults.append(f"line 1: column {column.column!r} is missing; {hint}")
    if extra_allowed:
        # A column that may be left out, misspelt, would be left out without a word.
        absent = [name for column in schema.columns if not set(column.headers) & set(header) for name in column.headers]
        faults += [
            f"line 1: column {fields.shown(name)} is not known; did you mean {meant[0]!r}? Rename it, or remove it"
            for name in unknown
            if (meant := difflib.get_close_matches(name, absent, n=1, cutoff=_MISSPELT))
            and not any(repr(name) in fault for fault in faults)
        ]
    else:
        faults += [
            f"line 1: column {fields.shown(name)} is not in data/columns.csv; add a row there, or remove it"
            for name in unknown
        ]
    return faults


def _overlong(rows: list[tuple[int, list[str]]], header: list[str]) -> list[str]:
    """Find lines with cells beyond the header, where an unquoted comma has moved every later cell."""
    return [
        f"line {line}: has {len(record)} cells, the header {len(header)}; quote a cell that has a comma"
        for line, record in rows
        if any(record[len(header) :])
    ]


def _cells(
    header: list[str], rows: list[tuple[int, list[str]]], schema: Schema, *, published: bool, sources: list[str]
) -> tuple[dict[str, list[Any]], list[tuple[int, str]]]:
    """Return the values of each column, None where blank or at fault, and the faults with their lines."""
    values: dict[str, list[Any]] = {}
    faults: list[tuple[int, str]] = []
    for column in schema.columns:
        place = next((header.index(name) for name in column.headers if name in header), None)
        known = sources if column.type in ("source", "sources") else []
        read = cache(partial(_read, column.reader(published=published), known))  # a table says the same thing often
        cells = ["" if place is None else record[place] if place < len(record) else None for _, record in rows]
        values[column.column] = [read(cell)[0] for cell in cells]
        told = ((line, read(cell)[1]) for (line, _), cell in zip(rows, cells, strict=True))
        faults += [(line, f", column {column.column!r}: {fault}") for line, fault in told if fault]
    return values, faults


def _read(read: Callable[[str], Any], sources: list[str], cell: str | None) -> tuple[Any, str]:
    """Return the value of a cell, and its fault, also where it names none of the sources, if these are known."""
    if cell is None:
        return None, "the cell is missing; every line needs as many cells as the header"
    try:
        value = read(cell)
    except Fault as fault:
        return None, str(fault)
    faults = []
    for source_id in (value or "").split(";") if sources else ():
        if source_id and source_id not in sources:
            near = fields.near(source_id, sources)
            hint = f"did you mean {near!r}?" if near else "add a row for it to sources.csv"
            faults.append(f"got {fields.shown(source_id)}, which is not in sources.csv; {hint}")
    return value, "; ".join(faults)


def _row_faults(
    values: dict[str, list[Any]], lines: list[int], whole: list[int], schema: Schema
) -> list[tuple[int, str]]:
    """Find rows that break a rule between columns, or repeat the key of another."""
    faults: list[tuple[int, str]] = []
    first_line: dict[tuple[Any, ...], int] = {}
    for i in whole:
        if schema.rules:
            row = {name: column[i] for name, column in values.items()}
            faults += [(lines[i], f": {fault}") for fault in schema.broken(row)]
        key = tuple(values[name][i] for name in schema.key)
        if key and key in first_line:
            said = ", ".join(f"{name}={value!s}" for name, value in zip(schema.key, key, strict=True))
            faults.append((lines[i], f": {said} stands on line {first_line[key]} too; keep one of them"))
        first_line.setdefault(key, lines[i])
    return faults


def _typed(values: list[Any], column: Column) -> numpy.ndarray:
    """Return a column as a table holds it: blanks are nan, whole numbers with blanks become floats."""
    match column.type:
        case "date":
            return numpy.array(values, dtype="datetime64[D]")
        case "number" | "one number":
            return numpy.array(values, dtype=numpy.float64)
        case "whole":
            return numpy.array(values, dtype=numpy.float64 if None in values else numpy.int64)
        case "flag":
            return numpy.array(values, dtype=object if None in values else bool)
        case _:
            return numpy.array(values, dtype=object)


def _message(file: Path, faults: list[str]) -> str:
    return fields.message(f"{file} (the header is line 1)", [f"{file.name}, {fault}" for fault in faults])
