"""Records whose fields say what they hold: an entry a field, and walks over all of them.

A section of a scenario is a frozen dataclass that is generic in what a value is: the same class holds percentiles in a
``Scenario``, arrays in ``Inputs``. Reading, drawing, the schema, labels and the reference page are walks over its
fields.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

Record = TypeVar("Record")

#: ``uncertain``: a number or low, median, high. ``number``: an exact one. ``section``: a record of its own.
Kind = Literal["uncertain", "number", "text", "date", "section", "sections"]


#: The sourced row that has the name of the field.
SOURCED = "of its name"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a field holds. One stands in the register for each input, behind the words that say its meaning."""

    unit: str = "1"
    least: float = -math.inf
    most: float = math.inf
    row: str | None = None  # the sourced row that stands for a field left out
    whole: bool = False
    default: float | str | datetime.date | None = None  # what stands for it otherwise; None: the field must be given
    optional: str = ""  # what a field left out means; its value is then the default, or nan
    table: tuple[str, str] | None = None  # the table and column whose names are allowed
    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str = ""  # of text that follows the pattern
    longest: int = 0  # characters of a text
    moves: str = ""  # an answer that the input moves, and the direction: "own_usd up", or "either"
    compared: bool = False  # told beside an answer, used in none
    meaning: str = ""  # the words before the entry

    @property
    def must_be_given(self) -> bool:
        """Whether a file without the field is at fault."""
        return self.row is None and self.default is None and not self.optional


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record class: its name, its kind, and its entry or the record class below it."""

    name: str
    kind: Kind
    entry: Entry
    section: type[Any] | None = None


def fields_of(record_class: type[Any]) -> tuple[Field, ...]:
    """Return the fields of a record class, in order."""
    return _fields_of(cast(Hashable, record_class))


@cache
def _fields_of(record_class: Any) -> tuple[Field, ...]:
    hints = get_type_hints(record_class, include_extras=True)
    return tuple(_field(name, hint) for name, hint in hints.items())


def _field(name: str, hint: object) -> Field:
    below = get_origin(hint) if get_origin(hint) is not Annotated else None
    entry = next((item for item in get_args(hint) if isinstance(item, Entry)), Entry())
    meaning = next((item for item in get_args(hint)[1:] if isinstance(item, str)), "")
    entry = replace(entry, meaning=meaning, row=name if entry.row == SOURCED else entry.row)
    if below is tuple:
        return Field(name, "sections", entry, get_origin(get_args(hint)[0]))
    if below is not None:
        return Field(name, "section", entry, below)
    value = get_args(hint)[0]
    if get_origin(value) is tuple:
        return Field(name, "sections", entry, get_origin(get_args(value)[0]))
    kinds: dict[str, Kind] = {"U": "uncertain", "N": "number", "S": "text", "date": "date"}
    return Field(name, kinds[value.__name__], entry)


def leaves(record: object, path: str = "") -> Iterator[tuple[str, Field, Any]]:
    """Yield path, field and value of everything that is no section, such as ``"own.chip_usd"``."""
    for field in fields_of(type(record)):
        value, here = getattr(record, field.name), f"{path}{field.name}"
        if field.kind == "section":
            yield from leaves(value, f"{here}.")
        elif field.kind == "sections":
            for number, item in enumerate(value):
                yield from leaves(item, f"{here}.{number}.")
        else:
            yield here, field, value


def rebuild(record: Any, change: Callable[[str, Field, Any], Any], path: str = "") -> Any:
    """Return the same record with ``change(path, field, value)`` in the place of each value that is no section."""
    found: dict[str, Any] = {}
    for field in fields_of(type(record)):
        value, here = getattr(record, field.name), f"{path}{field.name}"
        if field.kind == "section":
            found[field.name] = rebuild(value, change, f"{here}.")
        elif field.kind == "sections":
            found[field.name] = tuple(rebuild(item, change, f"{here}.{number}.") for number, item in enumerate(value))
        else:
            found[field.name] = change(here, field, value)
    return type(record)(**found)


def with_value(record: Record, path: str, value: object) -> Record:
    """Return the record with one field changed, by its path: ``with_value(story, "rent.start_month", ...)``."""
    name, _, rest = path.partition(".")
    part = getattr(record, name)
    if not rest:
        return replace(record, **{name: value})  # type: ignore[type-var]
    if isinstance(part, tuple):
        number, _, rest = rest.partition(".")
        items = list(part)
        items[int(number)] = with_value(items[int(number)], rest, value)
        return replace(record, **{name: tuple(items)})  # type: ignore[type-var]
    return replace(record, **{name: with_value(part, rest, value)})  # type: ignore[type-var]
