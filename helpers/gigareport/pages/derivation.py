"""Where each number comes from: the page that explains it, and the inputs that move it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gigareport import scenario
from gigareport.answers import Answers, Number
from gigareport.scenario import leaves
from gigareport.scenario.register import default_of, source_of
from gigareport.whatif import HORIZON, WhatIf
from gigareport.words import LARGE, exact, unit_words

#: The notebook that explains each group of answers, by the beginning of their names.
_EXPLAINED = {
    "step_time": "30-throughput",
    "mfu": "30-throughput",
    "mttf": "40-reliability",
    "checkpoint": "40-reliability",
    "goodput": "40-reliability",
    "useful_flop_per_s": "40-reliability",
    "reference_run": "60-comparison",
    "run_": "20-scaling-laws",
    "share_of_world": "10-concentration",
    "hhi": "10-concentration",
    "lead": "10-concentration",
}
_OTHERWISE = "50-cost"


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input of a scenario in words, with its value, and its source where the project chose it."""

    path: str
    meaning: str
    value: str
    source: str  # an id of data/sources.csv, or nothing where the scenario's file gives the value


@dataclass(frozen=True, slots=True)
class Derivation:
    """One number with the page that explains it and the inputs that move it."""

    number: Number
    page: str
    inputs: tuple[InputRow, ...]


def derivations(
    story: Any, answers: Answers, pages: Sequence[str], strongest: Mapping[str, Sequence[str]]
) -> tuple[Derivation, ...]:
    """Return where each number comes from.

    Parameters
    ----------
    story : Scenario
    answers : Answers
    pages : Names of the pages that this report has.
    strongest : The paths of the inputs that go most with each answer, which stand before those declared to move it.
    """
    rows = {row.path: row for row in inputs_of_story(story)}
    moved = {path: scenario.entry_of(path).moves.split(" ")[0] for path in rows}
    found = []
    for told in answers.numbers:
        first = [*strongest.get(told.quantity, ())]
        declared = [path for path in rows if moved[path] == told.quantity and path not in first]
        page = next((page for page in (_page_of(told.quantity),) if page in pages), "")
        inputs = tuple(rows.get(path) or _left_out(path) for path in (*first, *declared))
        found.append(Derivation(told, page, inputs))
    return tuple(found)


def _left_out(path: str) -> InputRow:
    """Return an input that the file leaves to the tables, without a value of its own."""
    return InputRow(path, scenario.entry_of(path).meaning, "", "")


def inputs_of_story(story: Any) -> Iterator[InputRow]:
    """Yield every number that went into a scenario, in the order of its file."""
    for path, field, value in leaves(story):
        if field.kind not in ("uncertain", "number"):
            continue
        low, median, high = (value.low, value.median, value.high) if field.kind == "uncertain" else (value,) * 3
        if not (abs(median) < float("inf")):  # left out: no limit, or not asked
            continue
        yield InputRow(
            path,
            field.entry.meaning,
            _read(low, median, high, unit_words(field.entry.unit)),
            _source_of(field.entry.row, low, median, high),
        )


def _read(low: float, median: float, high: float, unit: str) -> str:
    """Write a value with its interval, as exact as the file has it.

    >>> _read(2.2, 2.85, 3.8, "$ a chip-hour"), _read(98_304, 98_304, 98_304, "chips"), _read(0.1, 0.15, 0.25, "1")
    ('$2.85 (2.2 to 3.8) a chip-hour', '98,304 chips', '0.15 (0.1 to 0.25)')
    >>> _read(8e9, 1e10, 1.25e10, "$"), _read(1e6, 1e6, 1e6, "$ a MW")
    ('$10 (8 to 12.5) billion', '$1 million a MW')
    """
    if unit == "year":
        return f"{median:.0f}"
    currency, _, per = unit.partition(" ")
    scale, word = next((one for one in LARGE if currency == "$" and median >= one[0]), (1.0, ""))
    first, middle, last = (exact(value / scale) for value in (low, median, high))
    text = middle if low == high else f"{middle} ({first} to {last})"
    if currency == "$":
        return " ".join(part for part in (f"${text}", word, per) if part)
    return text if unit == "1" else f"{text} {unit}"


#: So many of the inputs that go most with the decision stand first.
_DECIDING = 8


def fields_of_page(whatif: WhatIf) -> dict[str, list[dict[str, str]]]:
    """Return the inputs of the page that recomputes: those that decide most, with the horizon, and the others."""

    def field(path: str) -> dict[str, str]:
        entry = scenario.entry_of(path)
        unit = "1" if entry.meaning.endswith(unit_words(entry.unit)) else unit_words(entry.unit)
        return {"path": path, "meaning": entry.meaning, "unit": unit}

    first = [*whatif.deciding("advantage_usd", _DECIDING), HORIZON]
    return {
        "deciding": [field(path) for path in first],
        "others": [field(path) for path in whatif.medians if path not in first],
    }


def _source_of(row: str | None, *value: float) -> str:
    """Return the source of a default, where the value is that default."""
    if row is None:
        return ""
    default = default_of(row)
    percentiles = (default.low, default.median, default.high)
    return source_of(row) if all(abs(a - b) <= 1e-9 * abs(b) for a, b in zip(value, percentiles, strict=True)) else ""


def _page_of(quantity: str) -> str:
    return next((page for start, page in _EXPLAINED.items() if quantity.startswith(start)), _OTHERWISE)
