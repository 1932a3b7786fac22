"""What went into a report, for its page of inputs: every table with its version, every source, the libraries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from gigareport import catalog


@dataclass(frozen=True, slots=True)
class Table:
    """One file of ``data/``."""

    name: str
    rows: str
    vintage: str
    version: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One row of ``data/sources.csv`` in words; ``url`` is empty where the address is not one of the web."""

    source_id: str
    text: str
    url: str
    how: str


@cache
def tables() -> tuple[Table, ...]:
    """Return all tables, by name."""
    files = [*catalog.data_dir().glob("*.csv"), *catalog.data_dir().glob("*.csv.gz")]
    return tuple(_table(file) for file in sorted(files) if file.stem != "sources")


def _table(file: Path) -> Table:
    table = pd.read_csv(file, dtype=str)
    ids = tuple(sorted(table["source_id"].dropna().unique())) if "source_id" in table else ()
    return Table(
        name=file.name.partition(".")[0],
        rows=f"{len(table):,}",
        vintage=_vintage(table),
        version=hashlib.sha256(file.read_bytes()).hexdigest()[:12],
        sources=ids,
    )


def _vintage(table: pd.DataFrame) -> str:
    """Return the newest date of the column of dates that comes first, or a dash."""
    named = [name for name in ("as_of", "date", "measured_on", "published_on") if name in table]
    for name in [*named, *table.columns]:
        dates = table[name].dropna()
        if len(dates) and dates.str.fullmatch(r"\d{4}-\d{2}-\d{2}").all():
            return str(dates.max())
    return "–"


@cache
def sources() -> tuple[Source, ...]:
    """Return all sources, by id."""
    table = catalog.load("sources").sort_values("source_id")
    return tuple(_source(row) for row in table.itertuples())


def _source(row: Any) -> Source:
    address = row.address if isinstance(row.address, str) else ""
    read = f", read on {row.accessed.date()}" if pd.notna(row.accessed) else ""
    note = f" {row.note[:1].upper()}{row.note[1:]}." if isinstance(row.note, str) else ""
    is_web = address.startswith(("https://", "http://"))
    text = f"{row.citation}." + ("" if is_web or not address else f" {address}") + note
    return Source(row.source_id, text, address if is_web else "", f"({row.licence}; {row.verification}{read})")
