"""What a scenario assumes where its file is silent."""

from __future__ import annotations

from typing import Annotated, ClassVar

from gigacluster.tables.row import Id, Missing, Row

__all__ = ["TABLES", "ScenarioDefaultRow"]


class ScenarioDefaultRow(Row):
    """The default of one field of a scenario: its 5th, 50th and 95th percentile, and where they come from."""

    KEY: ClassVar = ("field",)
    ABOUT: ClassVar = "the default of one field of a scenario file"

    field: Annotated[str, "section.name, as in a scenario file"]
    low: float
    median: float
    high: float
    unit: str
    source_id: Id
    note: Annotated[str | None, Missing] = None


TABLES: dict[str, type[Row]] = {"scenario_defaults": ScenarioDefaultRow}
