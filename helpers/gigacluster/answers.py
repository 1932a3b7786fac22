"""The answers of a scenario as a page tells them: the verdict, and numbers with their intervals in words."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from gigacluster import units

#: The numbers that a reader sees first; an outlook has more.
HEADLINES = (
    "reference_run_days",
    "own_capital_usd",
    "saving_usd",
    "advantage_usd",
    "share_of_world",
    "lead_months",
)
_PLURALS = {"day": "days", "month": "months", "h": "hours", "token": "tokens"}

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
    """Return the answers of an outlook: its ``verdict``, and its ``table()`` with the headline numbers first."""
    numbers = [_number(row) for row in outlook.table().itertuples()]
    order = {quantity: place for place, quantity in enumerate(HEADLINES)}
    return Answers(str(outlook.verdict), tuple(sorted(numbers, key=lambda n: order.get(n.quantity, len(order)))))


def _number(row: Any) -> Number:
    low, median, high = (number_text(float(value), row.unit) for value in (row.low, row.median, row.high))
    interval = f"{low} to {high}" if low != high else "fixed"
    return Number(row.quantity, row.label, median, interval, float(row.median))


def number_text(value: float, unit: str) -> str:
    """Write one number with its unit as a reader says it.

    Examples
    --------
    >>> number_text(4.71e9, "USD"), number_text(0.372, "1"), number_text(94.6, "day")
    ('$4.7 billion', '37 %', '95 days')
    >>> number_text(2.94, "USD/chip-hour"), number_text(3.12e25, "FLOP")
    ('$2.9 per chip-hour', '3.1 × 10²⁵ FLOP')
    """
    if not math.isfinite(value):
        return "not known"
    currency, _, per = unit.partition("/")
    if currency.upper() == "USD":
        return units.format_usd(value, digits=2) + (f" per {per.strip('()')}" if per else "")
    if unit == "1" and abs(value) <= 1:
        return f"{units.format_quantity(100 * value, digits=2)} %"
    unit = _PLURALS.get(unit, "" if unit == "1" else unit)
    if abs(value) >= 1e9:
        mantissa, _, power = f"{value:.1e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        return f"{mantissa} × 10{raised} {unit}".strip()
    digits = 3 if 100 <= abs(value) < 1000 else 2
    return f"{units.format_quantity(value, digits=digits)} {unit}".strip()
