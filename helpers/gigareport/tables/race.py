"""Schema of the table about growth, lead and the worth of time."""

from __future__ import annotations

from typing import Annotated, ClassVar

from gigareport.tables.row import Id, Missing, Row

__all__ = ["TABLES", "RaceFactRow"]


class RaceFactRow(Row):
    """One published rate of growth, lead, time to build, or worth of time."""

    KEY: ClassVar = ("fact_id",)
    ABOUT: ClassVar = "a published rate of growth, lead, time to build, or worth of time"

    fact_id: Id
    quantity: str
    value: float
    low: Annotated[float | None, Missing] = None
    high: Annotated[float | None, Missing] = None
    unit: str
    period: Annotated[str | None, Missing] = None
    source_id: Id
    note: Annotated[str | None, Missing] = None


TABLES: dict[str, type[Row]] = {"race_facts": RaceFactRow}
