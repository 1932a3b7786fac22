"""What may stand in a scenario file, derived from the register: the JSON schema and the table of inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from gigareport import catalog
from gigareport.scenario.record import Entry, Field, fields_of
from gigareport.scenario.register import Case


def paths(record_class: type[Any] = Case, path: str = "") -> Iterator[tuple[str, Field]]:
    """Yield path and field of every input of the register; a list of sections has no number in its paths."""
    for field in fields_of(record_class):
        if field.section is not None:
            yield from paths(field.section, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}", field


@cache
def entry_of(path: str) -> Entry:
    """Return the entry of a field by its path, such as ``"own.chip_usd"`` or ``"own.deliveries.0.month"``."""
    return _entries()[".".join(name for name in path.split(".") if not name.isdigit())]


@cache
def _entries() -> dict[str, Entry]:
    return {path: field.entry for path, field in paths()}


def json_schema(record_class: type[Any] = Case) -> dict[str, Any]:
    """Return the JSON schema of scenario files, or of another register's, for editors to complete and check fields."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_section(record_class)}


def _section(record_class: type[Any]) -> dict[str, Any]:
    fields = fields_of(record_class)
    required = [field.name for field in fields if field.section is None and field.entry.must_be_given]
    return {
        "type": "object",
        "description": (record_class.__doc__ or "").strip(),
        "properties": {field.name: _property(field) for field in fields},
        "additionalProperties": False,
    } | ({"required": required} if required else {})


def _property(field: Field) -> dict[str, Any]:
    if field.section is not None:
        below = _section(field.section)
        return below if field.kind == "section" else {"type": "array", "items": below, "minItems": 1}
    return {"description": _description(field)} | _form(field)


def _description(field: Field) -> str:
    entry = field.entry
    unit = f" [{entry.unit}]" if field.kind in ("uncertain", "number") else ""
    left_out = ""
    if entry.row is not None:
        left_out = f" Left out: the sourced row {entry.row!r}."
    elif entry.optional:
        left_out = f" Left out: {entry.optional}."
    elif isinstance(entry.default, int | float):
        left_out = f" Left out: {'all' if math.isinf(entry.default) else f'{entry.default:g}'}."
    return f"{entry.meaning}{unit}.{left_out}"


def _form(field: Field) -> dict[str, Any]:
    entry = field.entry
    number: dict[str, Any] = {"type": "integer" if entry.whole else "number"}
    number |= {
        name: limit for name, limit in (("minimum", entry.least), ("maximum", entry.most)) if math.isfinite(limit)
    }
    if field.kind == "number":
        return number
    if field.kind == "uncertain":
        percentiles = ("low", "median", "high")
        properties = dict.fromkeys(percentiles, number)
        record = {
            "type": "object",
            "properties": properties,
            "required": list(percentiles),
            "additionalProperties": False,
        }
        return {"anyOf": [number, {"type": "array", "items": number, "minItems": 3, "maxItems": 3}, record]}
    if field.kind == "date":
        return {"type": "string", "format": "date"}
    allowed = entry.choices
    if entry.table is not None:
        table, column = entry.table
        allowed = tuple(map(str, catalog.read(table)[column]))
    limits = {"pattern": f"^{entry.pattern}$"} if entry.pattern else {}
    limits |= {"maxLength": entry.longest} if entry.longest else {}  # type: ignore[dict-item]
    return {"type": "string"} | ({"enum": list(allowed)} if allowed else {}) | limits
