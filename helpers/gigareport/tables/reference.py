"""Schemas of the tables of published numbers and of the story's events."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar, Literal

from gigareport.tables.row import Id, Missing, Row

__all__ = ["TABLES", "PublishedAnchorRow", "StoryEventRow"]


class PublishedAnchorRow(Row):
    """A published headline number, to stand beside our estimate of the same quantity."""

    KEY: ClassVar = ("anchor_id",)
    ABOUT: ClassVar = "a published number to compare with, and its interval where one was given"

    anchor_id: Id
    quantity: str
    unit: str
    value: float
    low: Annotated[float | None, Missing] = None
    high: Annotated[float | None, Missing] = None
    period: str  # as printed: 2019-2025, 2025Q4, 2024-07
    source_id: Id


class StoryEventRow(Row):
    """One dated event of the story of Colossus and Oracle."""

    KEY: ClassVar = ("date", "event")
    ABOUT: ClassVar = "an event of the story, with its date and who reported it"

    date: datetime.date  # the first of the month where date_precision is month
    date_precision: Literal["day", "month"]
    event: str
    source_id: Id


TABLES: dict[str, type[Row]] = {"published_anchors": PublishedAnchorRow, "story_events": StoryEventRow}
