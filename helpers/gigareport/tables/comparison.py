"""Schemas of the tables of training runs that are compared, and of what was published about them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gigareport.tables.row import Id, Missing, Positive, Row

__all__ = ["TABLES", "ComparisonPublishedRow", "ComparisonRunRow"]

_Whole = Annotated[int, Field(ge=1)]
_Known = Annotated[Positive | None, Missing]


class ComparisonRunRow(Row):
    """One training run to be compared on many clusters."""

    KEY: ClassVar = ("run",)
    ABOUT: ClassVar = "a training run that is compared on clusters and chips: its compute, shape, batch and precision"

    run: Id
    title: str
    model: Id  # shape: a name of models.csv
    training_flop: Positive  # as published or estimated
    low_flop: _Known = None  # 5th and 95th percentile of an estimate
    high_flop: _Known = None
    tokens: _Known = None  # where published; they then decide instead of the FLOP
    global_batch: _Whole  # sequences
    seq_len: _Whole  # tokens
    precision: str  # of the linear layers
    priced_as: Annotated[str | None, Missing] = None  # the model of training_costs.csv
    trained_on_chips: Annotated[Annotated[int, Field(ge=1)] | None, Missing] = None  # as reported
    source_id: Id
    note: Annotated[str | None, Missing] = None

    @model_validator(mode="after")
    def _length_is_given_once(self) -> ComparisonRunRow:
        if self.tokens is None and not (self.low_flop and self.high_flop):
            raise ValueError("give tokens, or low_flop and high_flop around training_flop")
        if self.tokens is None and not (self.low_flop or 0) <= self.training_flop <= (self.high_flop or 0):
            raise ValueError(f"got {self.low_flop}, {self.training_flop}, {self.high_flop}; percentiles must rise")
        return self


class ComparisonPublishedRow(Row):
    """How long one of these runs took, or was said to take, on one number of chips."""

    KEY: ClassVar = ("run", "chip", "n_chips", "source_id")
    ABOUT: ClassVar = "a published duration of one of the compared runs on a number of chips"

    run: Id
    chip: Id
    n_chips: _Whole
    days: Positive
    training_flop: _Known = None  # what the source counts, where that differs from the run
    year: Annotated[int, Field(ge=2015, le=2040)]  # of the software
    attention: Literal["unfused", "flash1", "flash2", "flash3"]  # kernel of that software
    #: What that run is known to have computed again; blank: not known, so the fastest choice that fits.
    recompute: Annotated[Literal["none", "selective", "full"] | None, Missing] = None
    source_id: Id
    why: str  # what ours and theirs count differently


TABLES: dict[str, type[Row]] = {
    "comparison_runs": ComparisonRunRow,
    "comparison_published": ComparisonPublishedRow,
}
