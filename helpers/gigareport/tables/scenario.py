"""What a scenario assumes where its file is silent, and the claims of the story."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar

from gigareport.tables.row import Id, Missing, Row

__all__ = ["TABLES", "ScenarioDefaultRow", "StoryClaimRow"]


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


class StoryClaimRow(Row):
    """One claim of the story, and what happened later."""

    KEY: ClassVar = ("claim_id",)
    ABOUT: ClassVar = "a claim of the story, by whom and when, and what happened later"

    claim_id: Id
    said_on: datetime.date
    said_by: str
    claim: str
    later: str
    source_id: Id


TABLES: dict[str, type[Row]] = {"scenario_defaults": ScenarioDefaultRow, "story_claims": StoryClaimRow}
