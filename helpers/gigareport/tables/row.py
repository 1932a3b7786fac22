"""What the rows of all tables share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Fraction", "Id", "Missing", "NonNegative", "Positive", "Row"]


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


#: Lets a blank cell mean "not published": ``price_usd: Annotated[float | None, Missing] = None``.
Missing = BeforeValidator(_blank_is_none)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]


class Row(BaseModel):
    """One row of a table. Subclasses name the columns that identify a row in ``KEY``."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    #: Columns that together occur once.
    KEY: ClassVar[tuple[str, ...]] = ()
    #: One line: what a row is.
    ABOUT: ClassVar[str] = ""
