"""The answers of a scenario as a page tells them: the verdict, and numbers with their intervals in words."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from gigacluster import units

__all__ = ["Answers", "Number", "answers_of", "number_text"]


@dataclass(frozen=True, slots=True)
class Number:
    """One quantity of an outlook: ``raw`` is its median, to divide by."""

    quantity: str
    label: str
    median: str
    interval: str
    raw: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The verdict and every number."""

    verdict: str
    numbers: tuple[Number, ...]

    def to_json(self) -> str:
        """Return the answers as a text that :meth:`from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Answers:
        """Return the answers that :meth:`to_json` wrote."""
        content = json.loads(text)
        return cls(content["verdict"], tuple(Number(**number) for number in content["numbers"]))


def answers_of(outlook: Any) -> Answers:
    """Return the answers of an outlook: its ``verdict`` and ``table()``."""
    return Answers(str(outlook.verdict), tuple(_number(row) for row in outlook.table().itertuples()))


def _number(row: Any) -> Number:
    low, median, high = (number_text(float(value), row.unit) for value in (row.low, row.median, row.high))
    interval = f"{low} to {high}" if low != high else "fixed"
    return Number(row.quantity, row.label, median, interval, float(row.median))


def number_text(value: float, unit: str) -> str:
    """Write one number with its unit as a reader says it.

    Examples
    --------
    >>> number_text(4.71e9, "USD"), number_text(0.372, "1"), number_text(94.6, "days")
    ('$4.7 billion', '37 %', '95 days')
    >>> number_text(2.94, "USD/chip-hour"), number_text(3.12e25, "FLOP")
    ('$2.9/chip-hour', '3.1 × 10²⁵ FLOP')
    """
    if not math.isfinite(value):
        return "not known"
    currency, _, per = unit.partition("/")
    if currency.upper() == "USD":
        return units.format_usd(value, digits=2) + (f"/{per}" if per else "")
    if unit in ("share", "%", "1"):
        share = value if unit == "%" else 100 * value
        return f"{units.format_quantity(share, digits=2)} %" if unit != "1" or abs(value) <= 1 else f"{value:.2g}"
    if abs(value) >= 1e9:
        mantissa, _, power = f"{value:.1e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        return f"{mantissa} × 10{raised} {unit}".strip()
    digits = 3 if 100 <= abs(value) < 1000 else 2
    return f"{units.format_quantity(value, digits=digits)} {unit}".strip()
