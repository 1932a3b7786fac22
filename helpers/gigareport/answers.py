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
_PLURALS = {
    "day": "days",
    "month": "months",
    "h": "hours",
    "token": "tokens",
    "parameter": "parameters",
    "point": "points",
}

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
    numbers = [_number(row, outlook.interval(row.quantity).without_frac) for row in outlook.to_frame().itertuples()]
    order = {quantity: place for place, quantity in enumerate(HEADLINES)}
    return Answers(str(outlook.verdict), tuple(sorted(numbers, key=lambda n: order.get(n.quantity, len(order)))))


def _number(row: Any, without_frac: float) -> Number:
    wide = abs(row.high - row.low) > 0.2 * abs(row.median)
    low, median, high = (
        number_text(float(value), row.unit, digits=2 if wide else 3) for value in (row.low, row.median, row.high)
    )
    text = _interval_text(low, high)
    if without_frac:
        text += f"; none in {units.format_share(without_frac)} of the samples"
    return Number(row.quantity, row.label, median, text, float(row.median))


def _interval_text(low: str, high: str) -> str:
    """Say a unit once: '81 to 122 days'."""
    if low == high:
        return "the same from 5 to 95 %"
    number, _, unit = low.partition(" ")
    same = unit and not unit.startswith("×") and high.endswith(f" {unit}")
    return f"{number if same else low} to {high}"


def number_text(value: float, unit: str, digits: int = 2) -> str:
    """Write one number with its unit as a reader says it.

    Examples
    --------
    >>> number_text(4.71e9, "USD"), number_text(0.372, "1"), number_text(94.6, "day")
    ('$4.7 billion', '37 %', '95 days')
    >>> number_text(2.94, "USD/chip-hour"), number_text(3.12e25, "FLOP")
    ('$2.9 per chip-hour', '3.1 × 10²⁵ FLOP')
    >>> number_text(2.11e-18, "USD/FLOP")
    '$2.1 × 10⁻¹⁸ per FLOP'
    """
    if not math.isfinite(value):
        return "not known"
    currency, _, per = unit.partition("/")
    if currency.upper() == "USD":
        said = f"${_power(value)}" if 0 < abs(value) < 1e-4 else units.format_usd(value, digits=digits)
        return said + (f" per {per.strip('()').replace('chip h', 'chip-hour')}" if per else "")
    if unit == "1" and abs(value) <= 1:
        return f"{units.format_quantity(100 * value, digits=digits)} %"
    unit = _PLURALS.get(unit, "" if unit == "1" else unit)
    if abs(value) >= 1e9:
        return f"{_power(value)} {unit}".strip()
    digits = 3 if 100 <= abs(value) < 1000 else digits
    return f"{units.format_quantity(value, digits=digits)} {unit}".strip()


def _power(value: float) -> str:
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa} × 10{str(int(power)).translate(str.maketrans('0123456789-', '⁰¹²³⁴⁵⁶⁷⁸⁹⁻'))}"
