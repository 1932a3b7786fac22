"""Take a publisher's folder over into the tables of ``data/``: whole or not at all, every vintage kept."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gigareport import catalog, dictionary
from gigareport.curation.feeds import FEEDS, Feed, Table
from gigareport.curation.published import UpdateError, generated_on, read

#: Significant digits kept; the publisher's whole numbers of H100 equivalents have up to eight.
_NUMBER_FORMAT = "%.8g"
_VINTAGE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_MOST_MOVES_SHOWN = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """What an update did to one table: rows of this vintage, and the values that readers now see instead of others."""

    table: str
    vintage: str
    n_rows: int
    n_incomplete: int
    n_new: int  # keys that no vintage had before
    changes: tuple[str, ...]  # one line a value that moved, largest first

    def __str__(self) -> str:
        left = f", {self.n_incomplete} of them incomplete and counted nowhere" if self.n_incomplete else ""
        of = f" of vintage {self.vintage}" if self.vintage else ""
        said = f"{self.table}: {self.n_rows} rows{of}{left}; {self.n_new} new, {len(self.changes) or 'none'} moved"
        more = len(self.changes) - _MOST_MOVES_SHOWN
        return "\n  ".join([said, *self.changes[:_MOST_MOVES_SHOWN], *[f"and {more} more"] * (more > 0)])


def update(folder: str | Path, vintage: str | None = None, into: Path | None = None) -> list[Moved]:
    """Read a folder as its publisher offers it, and write the tables that it feeds.

    Parameters
    ----------
    folder : A checkout of epoch-research/ai-chip-counts, or the unpacked download of Epoch AI's frontier data centres.
    vintage : When the estimates were made, as ``2026-05-23`` or ``2026-05``; by default what the files themselves say.
        Rows of that vintage are replaced, those of all others stay.
    into : Folder of the tables; ``data/`` by default. A table that is not there yet is begun.

    Raises
    ------
    UpdateError
        If no feed knows the folder, a file is missing, a header or a row is not as it should be, or no vintage is
        known: all faults in one message, and no table is changed.
    """
    folder, into = Path(folder), catalog.data_dir() if into is None else into
    feed = _feed(folder)
    files = {table.name: _files(folder, table) for table in feed.tables}
    made_on = vintage or generated_on([file for found in files.values() for file in found])
    faults = []
    dated = any(table.has_vintages for table in feed.tables)
    if made_on is None and dated:
        faults.append("the files do not say when they were made; add --vintage with the month or day of the download")
    elif made_on is not None and not _VINTAGE.fullmatch(made_on):
        faults.append(f"vintage is {made_on!r}; write it as 2026-05-23 or 2026-05")
    tables = {}
    for table in feed.tables:
        tables[table.name], found = _make(table, files[table.name], made_on or "")
        faults += found
    if faults:
        raise _refused(folder, faults)
    with catalog.writing(into):
        return _write(folder, feed, tables, into, made_on or "")


def _feed(folder: Path) -> Feed:
    if not folder.is_dir():
        raise UpdateError(f"{folder} is not a folder; give the publisher's folder as it was downloaded")
    for feed in FEEDS:
        wanted = [pattern for table in feed.tables for pattern in table.files]
        missing = [pattern for pattern in wanted if not any(folder.glob(pattern))]
        if len(missing) < len(wanted):
            if missing:
                raise _refused(folder, [f"{file} is missing; download the folder again" for file in missing], feed)
            return feed
    known = "; ".join(f"{feed.name} ({feed.tables[0].files[0]})" for feed in FEEDS)
    raise UpdateError(f"{folder} holds no feed that is known; the feeds, each with a file of it: {known}")


def _files(folder: Path, table: Table) -> list[Path]:
    return [file for pattern in table.files for file in sorted(folder.glob(pattern))]


def _make(table: Table, files: Sequence[Path], vintage: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of one vintage in our schema, or the faults of their files."""
    read_files = [read(file, table.name, table.needs) for file in files]
    if faults := [fault for _, found in read_files for fault in found]:
        return pd.DataFrame(), faults
    rows = pd.DataFrame([row for rows, _ in read_files for row in rows])
    if table.key and (twice := rows.duplicated(list(table.key))).any():
        said = ["/".join(map(str, key)) for key in rows.loc[twice, list(table.key)].itertuples(index=False)]
        return pd.DataFrame(), [f"{table.name}: {', '.join(said[:5])} stands twice; keep one row of it"]
    made = table.make(rows).assign(vintage=vintage, source_id=table.source_id)
    return made.reindex(columns=dictionary.columns_of(table.name)), []


def _write(folder: Path, feed: Feed, made: dict[str, pd.DataFrame], into: Path, vintage: str) -> list[Moved]:
    """Check all tables in a folder beside their own, then move them there one after the other."""
    moved = []
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".update-") as beside:
        for table in feed.tables:
            rows, file = made[table.name], into / f"{table.name}.csv"
            old = pd.read_csv(file, dtype=object, keep_default_na=False) if file.exists() else pd.DataFrame()
            new = _as_text(rows)
            kept = old[old["vintage"] != vintage] if table.has_vintages and len(old) else old.iloc[:0]
            whole = pd.concat([kept, new])[list(new)] if len(kept) else new
            order = [*table.key, *(["vintage"] if table.has_vintages else [])]
            whole = whole.sort_values(order) if table.key else whole
            whole.to_csv(Path(beside) / file.name, index=False, lineterminator="\n")
            moved.append(_moved(table, old, whole, rows, vintage))
        faults = []
        for table in feed.tables:
            try:
                catalog.load(table.name, path=Path(beside) / f"{table.name}.csv")
            except catalog.CatalogError as fault:
                faults.append(str(fault))
        if faults:
            raise _refused(folder, faults)
        for table in feed.tables:
            (Path(beside) / f"{table.name}.csv").replace(into / f"{table.name}.csv")
    return moved


def _as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cells as they stand in a file, so that rows of other vintages pass through untouched."""

    def said(value: object) -> str:
        if value is None or value != value:
            return ""
        if isinstance(value, float):
            return _NUMBER_FORMAT % value
        return str(value).lower() if isinstance(value, bool) else str(value)

    return pd.DataFrame({name: [said(value) for value in rows[name].tolist()] for name in rows}, dtype=object)


def _moved(table: Table, old: pd.DataFrame, new: pd.DataFrame, rows: pd.DataFrame, vintage: str) -> Moved:
    """Compare what a reader saw with what is seen now: of each key the latest vintage."""
    value = next(name for name in ("h100e_8bit_median", "h100e_8bit", "owner", "training_flop", "tdp_w") if name in new)
    before, after = _latest(table, old, value) if len(old) else {}, _latest(table, new, value)
    moved = [(key, before.get(key, now), now) for key, now in after.items() if before.get(key, now) != now]
    said = [
        (_size(*pair), f"{' / '.join(key)}: {' -> '.join(cell or 'blank' for cell in pair)}") for key, *pair in moved
    ]
    return Moved(
        table=table.name,
        vintage=vintage,
        n_rows=len(rows),
        n_incomplete=int(rows["incomplete"].sum()) if "incomplete" in rows else 0,
        n_new=len(set(after) - set(before)),
        changes=tuple(line for _, line in sorted(said, key=lambda pair: (-pair[0], pair[1]))),
    )


def _latest(table: Table, rows: pd.DataFrame, value: str) -> dict[tuple[str, ...], str]:
    """Return of each key the value of its latest vintage."""
    rows = rows.sort_values("vintage", kind="stable") if table.has_vintages else rows
    keys = rows[list(table.key) or ["name", "status", "first_operational", "h100e"]].itertuples(index=False, name=None)
    return dict(zip(keys, rows[value], strict=True))


def _size(then: str, now: str) -> float:
    try:
        return abs(float(now or 0) - float(then or 0))
    except ValueError:
        return float("inf")


def _refused(folder: Path, faults: Sequence[str], feed: Feed | None = None) -> UpdateError:
    read_as = f" (read as {feed.name})" if feed else ""
    listed = "\n".join(f"  {fault}" for fault in faults[:40])
    more = f"\n  and {len(faults) - 40} more" if len(faults) > 40 else ""
    return UpdateError(f"{folder}{read_as} was not taken over; nothing was changed:\n{listed}{more}")
