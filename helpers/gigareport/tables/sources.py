"""Where each number comes from."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar, Literal

from gigareport.tables.row import Id, Missing, Row

__all__ = ["TABLES", "SourceRow"]


class SourceRow(Row):
    """One source: a paper, a page, a data set, or an assumption of this project."""

    KEY: ClassVar = ("source_id",)
    ABOUT: ClassVar = "a source that rows of the other tables point to"

    source_id: Id
    citation: str
    address: Annotated[str | None, Missing] = None
    published: Annotated[str | None, Missing] = None  # as printed: 2024, 2024-07 or 2024-07-09
    accessed: Annotated[datetime.date | None, Missing] = None
    licence: str
    #: seen: read at its origin; secondary: read in something that cites it; recalled: from memory, never in a headline;
    #: assumption: chosen by this project, with its reason in the note.
    verification: Literal["seen", "secondary", "recalled", "assumption"]
    note: Annotated[str | None, Missing] = None


TABLES: dict[str, type[Row]] = {"sources": SourceRow}
