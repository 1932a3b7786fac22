"""The tables of ``data/``: read, checked row by row against their schema, and joined to their sources."""

from __future__ import annotations

import csv
import difflib
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from gigacluster.tables import data_dir
from gigareport.tables import TABLES, Row

__all__ = ["CatalogError", "data_dir", "headline", "load", "names", "vintage"]

#: Faults listed in one message; the rest are counted.
_MAX_FAULTS_SHOWN = 40


class CatalogError(ValueError):
    """A table does not follow its schema. The message lists every fault: file, line, column and what to do."""


def names() -> tuple[str, ...]:
    """Return the names of the tables that :func:`load` knows."""
    return tuple(TABLES)


def load(name: str, path: str | Path | None = None) -> pd.DataFrame:
    """Read one table and check it.

    Parameters
    ----------
    name : str
        A table of ``data/``, such as ``"chips"``; see :func:`names`.
    path : path, optional
        Another file of the same schema, for instance a later vintage. Its further columns are left out, and its
        sources need not be in ``data/sources.csv``.

    Returns
    -------
    pandas.DataFrame
        The columns of the schema, units in their names, dates as ``datetime64``, blanks as missing values; and
        ``verification`` (how the source was verified) where a row has a ``source_id``.

    Raises
    ------
    CatalogError
        If a column is missing, a cell is out of range, a key occurs twice or a source is unknown: all at once.

    Examples
    --------
    >>> load("sources").columns[0]
    'source_id'
    """
    schema = _schema(name)
    file = Path(path) if path is not None else data_dir() / f"{name}.csv"
    rows, lines, faults = _read(file, schema, extra_allowed=path is not None)
    if not faults:
        faults = _duplicate_keys(rows, lines, schema)
    table = pd.DataFrame([row.model_dump() for row in rows], columns=list(schema.model_fields))
    if name != "sources" and "source_id" in table:
        sources = load("sources").set_index("source_id")["verification"]
        table["verification"] = table["source_id"].map(sources)
        if path is None:
            faults += _unknown_sources(table, lines, list(sources.index))
    if faults:
        raise CatalogError(_message(file, faults))
    return _with_dates(table, schema)


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that may carry a headline number: those not known from memory alone."""
    return table[table["verification"] != "recalled"]


def vintage(table: pd.DataFrame, column: str = "as_of") -> str:
    """Return the latest date of a table, for the note under a figure, as ``YYYY-MM-DD``."""
    return table[column].max().date().isoformat()


def _schema(name: str) -> type[Row]:
    if name not in TABLES:
        near = difflib.get_close_matches(name, TABLES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise CatalogError(f"there is no table {name!r}; {hint}the tables are: {', '.join(TABLES)}")
    return TABLES[name]


def _read(file: Path, schema: type[Row], *, extra_allowed: bool) -> tuple[list[Row], list[int], list[str]]:
    """Return the rows of a file, the line on which each ends, and the faults of its cells."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            lines, records = [], []
            for record in reader:
                lines.append(reader.line_num)
                records.append(record)
    except FileNotFoundError:
        raise CatalogError(f"{file} does not exist; give the path of a CSV file") from None
    except OSError as error:
        raise CatalogError(f"{file} cannot be read ({error.strerror}); give the path of a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{file} is not a CSV file in UTF-8: {error}") from None
    if faults := _column_faults(columns, schema, extra_allowed):
        raise CatalogError(_message(file, faults))
    if faults := _overlong(records, lines, len(columns)):
        raise CatalogError(_message(file, faults))
    known = _column_names(schema)
    cells = [{k: v for k, v in record.items() if k in known and v is not None} for record in records]
    try:
        return TypeAdapter(list[schema]).validate_python(cells), lines, []  # type: ignore[valid-type]
    except ValidationError as error:
        return [], [], [_cell_fault(item, lines) for item in error.errors()]


def _column_names(schema: type[Row]) -> dict[str, str]:
    """Return every header a file may use, with the field it stands for (a field may have aliases)."""
    headers = {}
    for field, info in schema.model_fields.items():
        alias = info.validation_alias
        for name in [field, *([] if alias is None else getattr(alias, "choices", [alias]))]:
            headers[str(name)] = field
    return headers


def _column_faults(columns: Any, schema: type[Row], extra_allowed: bool) -> list[str]:
    headers = _column_names(schema)
    present = {headers[column] for column in columns if column in headers}
    required = [name for name, info in schema.model_fields.items() if info.is_required()]
    unknown = [column for column in columns if column not in headers]
    if len(columns) == 1 and not present and any(mark in columns[0] for mark in ";\t|"):
        return [f"line 1: got {columns[0][:60]!r} as one column; separate the columns with commas"]
    faults = []
    for name in required:
        if name not in present:
            near = difflib.get_close_matches(name, unknown, n=1)
            hint = f"rename {near[0]!r}, which is near" if near else "add it"
            faults.append(f"line 1: column {name!r} is missing; {hint}")
    if not extra_allowed:
        faults += [f"line 1: column {column!r} is not in the schema; remove or rename it" for column in unknown]
    return faults


def _overlong(records: list[Any], lines: list[int], n_columns: int) -> list[str]:
    """Find lines with cells beyond the header, where an unquoted comma has moved every later cell."""
    return [
        f"line {line}: has {n_columns + len(record[None])} cells, the header {n_columns}; quote a cell that has a comma"
        for line, record in zip(lines, records, strict=True)
        if any(record.get(None) or ())
    ]


def _cell_fault(item: Any, lines: list[int]) -> str:
    index, *column = item["loc"]
    where = f"line {lines[index]}" + (f", column {'.'.join(map(str, column))!r}" if column else "")
    if item["type"] == "missing":
        return f"{where}: the cell is missing; every line needs as many cells as the header"
    return f"{where}: got {item['input']!r}; {item['msg'][0].lower()}{item['msg'][1:]}"


def _duplicate_keys(rows: list[Row], lines: list[int], schema: type[Row]) -> list[str]:
    first_line: dict[tuple[Any, ...], int] = {}
    faults = []
    for line, row in zip(lines, rows, strict=True):
        key = tuple(getattr(row, column) for column in schema.KEY)
        if key and key in first_line:
            said = ", ".join(f"{column}={value!s}" for column, value in zip(schema.KEY, key, strict=True))
            faults.append(f"line {line}: {said} stands on line {first_line[key]} too; keep one of them")
        first_line.setdefault(key, line)
    return faults


def _unknown_sources(table: pd.DataFrame, lines: list[int], known: list[str]) -> list[str]:
    faults = []
    for index, source_id in table.loc[table["verification"].isna(), "source_id"].items():
        near = difflib.get_close_matches(str(source_id), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "add a row for it to sources.csv"
        faults.append(
            f"line {lines[int(str(index))]}, column 'source_id': got {source_id!r}, which is not in sources.csv; {hint}"
        )
    return faults


def _message(file: Path, faults: list[str]) -> str:
    shown = [f"  {file.name}, {fault}" for fault in faults[:_MAX_FAULTS_SHOWN]]
    if len(faults) > _MAX_FAULTS_SHOWN:
        shown.append(f"  and {len(faults) - _MAX_FAULTS_SHOWN} more")
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    return f"{file} has {count} (the header is line 1):\n" + "\n".join(shown)


def _with_dates(table: pd.DataFrame, schema: type[Row]) -> pd.DataFrame:
    for name, info in schema.model_fields.items():
        if "datetime.date" in str(info.annotation):
            table[name] = pd.to_datetime(table[name]).astype("datetime64[s]")
        elif "float" in str(info.annotation):
            table[name] = table[name].astype("float64")
    return table
