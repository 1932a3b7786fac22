"""What each column of ``data/`` means: the dictionary ``data/columns.csv`` and ``data/tables.csv``, and its readers.

The two tables say what every table holds and what a cell may be; :mod:`gigareport.catalog` reads the tables by them,
and ``data/datapackage.json`` is written from them (``make datapackage``). They describe themselves too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

from gigacluster.tables import data_dir
from gigareport import fields
from gigareport.fields import Fault

_BOUND = re.compile(r"(>=|<=|>) (\S+)|(\S+) to (\S+)")
#: What a cell of each type is in a Frictionless table schema.
_FRICTIONLESS = {"number": "number", "one number": "number", "whole": "integer", "flag": "boolean", "date": "date"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One row of ``data/columns.csv``; each field means what that table says of itself."""

    table: str
    column: str
    type: str
    unit: str
    limits: str
    meaning: str
    blank: str
    default: str
    also: str

    @property
    def headers(self) -> tuple[str, ...]:
        """The header of our table, and those of the published files that the column is taken from."""
        return (self.column, *filter(None, self.also.split(" | ")))

    def reader(self, *, published: bool = False) -> Callable[[str], Any]:
        """Return the function that turns a cell into a value, None where it is blank, or raises ``Fault``.

        With ``published`` dates may be written as published files write them.
        """
        read = self._filled(published)
        if not self.blank:
            return read
        default = read(self.default) if self.default else None
        return lambda cell: read(cell) if cell.strip() else default

    def _filled(self, published: bool) -> Callable[[str], Any]:
        match self.type:
            case "number":
                return self._number
            case "whole":
                return lambda cell: int(self._number(cell, whole=True))
            case "one number":
                return lambda cell: _one_number(cell, self._number)
            case "date":
                return partial(fields.date, published=published)
            case "choice":
                return self._choice
            case "flag":
                return lambda cell: fields.flag(self.choices.get(cell.strip().casefold(), cell))
            case "columns":
                return lambda cell: _names(cell, columns_of(self.table))
            case "id":
                return fields.identifier
            case _:
                return fields.text

    def _number(self, cell: str, *, whole: bool = False) -> float:
        least, above = (self.bounds.get(name, -math.inf) for name in ("least", "above"))
        return fields.number(cell, whole=whole, least=least, above=above, most=self.bounds.get("most", math.inf))

    @cached_property
    def bounds(self) -> dict[str, float]:
        """The limits of a number by the keywords of :func:`gigareport.fields.number`: least, most, above."""
        if not self.limits:
            return {}
        found = _BOUND.fullmatch(self.limits)
        if not found:
            raise Fault(f"limits of {self.table}.{self.column}: got {self.limits!r}; write '> 0', '>= 0' or '0 to 1'")
        sign, bound, least, most = found.groups()
        if sign:
            return {{">": "above", ">=": "least", "<=": "most"}[sign]: fields.number(bound)}
        return {"least": fields.number(least), "most": fields.number(most)}

    @cached_property
    def choices(self) -> dict[str, str]:
        """What a cell of type ``choice`` may say, mapped to what it means: ``spot = community`` are one."""
        return {word: one.split(" = ")[0] for one in self.limits.split(" | ") for word in one.split(" = ")}

    def _choice(self, cell: str) -> str:
        return self.choices.get(cell.strip()) or fields.choice(cell, dict.fromkeys(self.choices.values()))


@dataclass(frozen=True, kw_only=True)
class Schema:
    """One row of ``data/tables.csv``, with the columns of the table in order."""

    table: str
    row: str
    key: tuple[str, ...]
    rules: tuple[str, ...]
    columns: tuple[Column, ...]

    def broken(self, row: dict[str, Any]) -> list[str]:
        """Return the rules that a row does not keep, each with what was received and what to do."""
        return [fault for rule in self.rules if (fault := _broken(rule, row))]


@cache
def tables() -> dict[str, Schema]:
    """Return every table of ``data/`` by name."""
    found = {}
    for row in _rows("tables"):
        name, key, rules = row["table"], _listed(row["key"]), _listed(row["rules"])
        columns = tuple(Column(**column) for column in _rows("columns") if column["table"] == name)
        found[name] = Schema(table=name, row=row["row"], key=key, rules=rules, columns=columns)
    return found


def table(name: str) -> Schema:
    """Return one table of ``data/``.

    Raises
    ------
    Fault
        If there is none of that name.
    """
    if name not in tables():
        near = fields.near(name, tables())
        asked = f"did you mean {near!r}? " if near else ""
        raise Fault(f"there is no table {fields.shown(name)}; {asked}the tables are: {', '.join(tables())}")
    return tables()[name]


def columns_of(name: str) -> list[str]:
    """Return the columns of a table, in order."""
    return [column.column for column in table(name).columns]


def data_package() -> dict[str, Any]:
    """Return the description of ``data/`` as a Frictionless data package."""
    return {
        "name": "gigacluster-data",
        "title": "Facts about giant training clusters: chips, runs, failures, prices, owners",
        "description": "Written from columns.csv and tables.csv by make datapackage; not to be edited.",
        "resources": [
            {
                "name": one.table.replace("_", "-"),
                "path": f"{one.table}.csv",
                "description": one.row,
                "format": "csv",
                "encoding": "utf-8",
                "schema": _table_schema(one),
            }
            for one in tables().values()
        ],
    }


def _table_schema(one: Schema) -> dict[str, Any]:
    schema: dict[str, Any] = {"fields": [_field(column) for column in one.columns], "missingValues": [""]}
    if one.key:
        schema["primaryKey"] = list(one.key)
    if sources := [column.column for column in one.columns if column.type == "source"]:
        reference = {"resource": "sources", "fields": ["source_id"]}
        schema["foreignKeys"] = [{"fields": [name], "reference": reference} for name in sources]
    return schema


def _field(column: Column) -> dict[str, Any]:
    constraints: dict[str, Any] = {} if column.blank else {"required": True}
    if column.type == "choice":
        constraints["enum"] = list(dict.fromkeys(column.choices.values()))
    elif column.type != "flag" and column.limits:
        named = {"least": "minimum", "most": "maximum", "above": "minimum"}
        constraints |= {named[name]: bound for name, bound in column.bounds.items()}
    kind = _FRICTIONLESS.get(column.type, "string")
    field: dict[str, Any] = {"name": column.column, "type": kind, "description": column.meaning}
    if column.unit:
        field["unit"] = column.unit
    if column.type == "flag":
        field |= {"trueValues": ["true", "True"], "falseValues": ["false", "False"]}
    return field | ({"constraints": constraints} if constraints else {})


@cache
def _rows(name: str) -> list[dict[str, str]]:
    header, rows = fields.csv_rows((data_dir() / f"{name}.csv").read_text(encoding="utf-8"))
    if wrong := [
        f"line {line}: has {len(cells)} cells, the header {len(header)}; quote a cell that has a comma"
        for line, cells in rows
        if len(cells) != len(header)
    ]:
        raise Fault(fields.message(f"data/{name}.csv", wrong))
    return [dict(zip(header, cells, strict=True)) for _, cells in rows]


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())


def _one_number(cell: str, read: Callable[[str], float]) -> float | None:
    """Read a cell that lists one number several times; one that lists different numbers means "not known"."""
    numbers = {part.strip() for part in cell.split(",")}
    return read(numbers.pop()) if len(numbers) == 1 else None


def _names(cell: str, known: list[str]) -> str:
    if unknown := [name for name in _listed(cell) if name not in known]:
        raise Fault(f"got {', '.join(map(fields.shown, unknown))}, no column of this table; name columns")
    return cell.strip()


def _broken(rule: str, row: dict[str, Any]) -> str:
    """Check ``a <= b <= c`` where given, ``a with b`` (both or neither), ``a or b`` (at least one)."""
    names = re.split(r" <= | with | or ", rule)
    given = {name: row[name] for name in names if row[name] is not None}
    if " with " in rule and len(given) == 1:
        missing = next(name for name in names if name not in given)
        return f"{next(iter(given))} is given and {missing} is not; give both or neither"
    if " or " in rule and not given:
        return f"give {' or '.join(names)}"
    if " <= " in rule and list(given.values()) != sorted(given.values()):
        return f"{' <= '.join(given)} must hold; got {', '.join(map(str, given.values()))}"
    return ""


if __name__ == "__main__":
    print(json.dumps(data_package(), indent=1, ensure_ascii=False))
