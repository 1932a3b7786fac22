"""A scenario's uncertain inputs: a number, or low, median and high, within limits that name their unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gigacluster.uncertainty import Uncertain

__all__ = ["Limits"]

_FORMS = "a number, [low, median, high], or {low: ..., median: ..., high: ...}"


@dataclass(frozen=True)
class Limits:
    """Marks a field of type ``Uncertain``: its unit, and the range that its percentiles and every draw stay within.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> price = TypeAdapter(Annotated[Uncertain, Limits("USD/kWh", 0, 2)])
    >>> price.validate_python([0.05, 0.078, 0.12]).median
    0.078
    """

    unit: str
    lower: float = 0.0
    upper: float = math.inf

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by :meth:`parse`; write back the three percentiles."""
        return core_schema.no_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: [value.low, value.median, value.high]
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler | Callable[..., Any]
    ) -> dict[str, Any]:
        """Describe the forms a file may use, so that editors complete and check them."""
        number: dict[str, Any] = {"type": "number", "minimum": self.lower}
        if math.isfinite(self.upper):
            number["maximum"] = self.upper
        percentiles = ("low", "median", "high")
        return {
            "anyOf": [
                number,
                {"type": "array", "items": number, "minItems": 3, "maxItems": 3},
                {
                    "type": "object",
                    "properties": dict.fromkeys(percentiles, number),
                    "required": list(percentiles),
                    "additionalProperties": False,
                },
            ]
        }

    def parse(self, value: Any) -> Uncertain:
        """Return the input as ``Uncertain``; say what is wrong with it otherwise."""
        if isinstance(value, Uncertain):
            low, median, high = value.low, value.median, value.high
        else:
            low, median, high = (self._number(item) for item in self._three(value))
        if not low <= median <= high:
            raise PydanticCustomError(
                "order", "low, median and high must rise; got {given}", {"given": f"{low:g}, {median:g}, {high:g}"}
            )
        if low < self.lower or high > self.upper:
            raise PydanticCustomError(
                "range",
                "must be within {lower} and {upper} {unit}; got {given}: is the unit right?",
                {
                    "lower": f"{self.lower:g}",
                    "upper": f"{self.upper:g}",
                    "unit": self.unit,
                    "given": f"{low:g}" if low == high else f"{low:g} to {high:g}",
                },
            )
        return Uncertain(low=low, median=median, high=high, lower=self.lower, upper=self.upper)

    def _three(self, value: Any) -> tuple[Any, Any, Any]:
        if isinstance(value, dict):
            if set(value) != {"low", "median", "high"}:
                raise PydanticCustomError(
                    "form",
                    "give {forms} in {unit}; got the keys {keys}",
                    {"forms": _FORMS, "unit": self.unit, "keys": ", ".join(map(str, value))},
                )
            return value["low"], value["median"], value["high"]
        if isinstance(value, list | tuple):
            if len(value) != 3:
                raise PydanticCustomError(
                    "form",
                    "give {forms} in {unit}; got a list of {n}",
                    {"forms": _FORMS, "unit": self.unit, "n": len(value)},
                )
            return value[0], value[1], value[2]
        return value, value, value

    def _number(self, value: Any) -> float:
        # YAML reads 1e9 without a dot as text: take text that is a plain number, refuse text with a unit in it.
        try:
            if isinstance(value, bool):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError):
            raise PydanticCustomError(
                "number",
                "got {given}, which is not a number; give {forms} in {unit}, without the unit's name",
                {"given": repr(value), "forms": _FORMS, "unit": self.unit},
            ) from None
        if not math.isfinite(number):
            raise PydanticCustomError("finite", "got {given}; give a finite number", {"given": repr(value)})
        return number
