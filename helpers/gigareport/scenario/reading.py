"""Reads the nodes of a YAML file along the register: each scalar's text by the kind of its field, every fault kept."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import yaml

from gigacluster import hardware
from gigacluster.uncertainty import Uncertain
from gigareport import catalog, fields
from gigareport.fields import Fault
from gigareport.scenario.chips import BY_CHIP, default_for
from gigareport.scenario.record import Entry, Field, fields_of
from gigareport.scenario.reference import entry_of, paths
from gigareport.scenario.register import Delivery, default_of

#: What YAML takes a value for; the kind of the field decides how it is read.
_PLAIN_TAG = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|timestamp|seq|map)")
_MOST_DELIVERIES = 100
_FORMS = "a number, [low, median, high], or {low: ..., median: ..., high: ...}"
#: A number with commas, as people write it in Python; a file has none.
_COMMAS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int  # 0: not in the file but among the changes
    path: str
    message: str


class Reader:
    """Reads nodes along the register, and keeps the faults and the values that are good."""

    def __init__(self, record_class: type[Any]) -> None:
        self.root_class = record_class
        self.faults: list[_Fault] = []
        self.good: dict[str, Any] = {}
        self.lines: dict[str, int] = {}

    def fault(self, path: str, message: str, line: int = 0) -> None:
        """Keep one fault, on its line or on that of the field or of the nearest section around it."""
        around = path
        while around not in self.lines and around:
            around = around.rpartition(".")[0]
        self.faults.append(_Fault(line or self.lines.get(around, 1), path, message))

    def change(self, root: yaml.MappingNode, path: str, value: object) -> None:
        """Put a value in the place of the one that a file gives; ``None`` takes that out.

        Fields of a section leave its others as they are.
        """
        node = root
        *sections, last = str(path).split(".")
        for place, name in enumerate(sections):
            below = _below(node, name)
            if below is None:
                below = yaml.MappingNode("tag:yaml.org,2002:map", [], *_marks())
                node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", name, *_marks()), below))
            if not isinstance(below, yaml.MappingNode):
                whole = ".".join(sections[: place + 1])
                self.faults.append(_Fault(0, str(path), f"{whole} is no section; give the whole value of {whole}"))
                return
            node = below
        if isinstance(value, Mapping) and isinstance(_below(node, last), yaml.MappingNode):
            for name, item in value.items():
                self.change(root, f"{path}.{name}", item)
            return
        node.value[:] = [(key, item) for key, item in node.value if key.value != last]
        if value is not None:
            node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", last, *_marks()), node_of(value)))

    def record(self, record_class: type[Any], node: yaml.MappingNode, path: str) -> Any:
        """Return a record from a mapping; ``None`` where a field of it is at fault."""
        given = self._fields(record_class, node, path)
        found = {}
        for field in fields_of(record_class):
            here = f"{path}{field.name}"
            found[field.name] = self._value(field, given.get(field.name), here)
            self.good[here] = found[field.name]
        return record_class(**found) if all(value is not None for value in found.values()) else None

    def _fields(self, record_class: type[Any], node: yaml.MappingNode, path: str) -> dict[str, yaml.Node]:
        """Return the nodes by field, and tell those that are no field or stand twice."""
        known = [field.name for field in fields_of(record_class)]
        found: dict[str, yaml.Node] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value) if isinstance(key, yaml.ScalarNode) else _given(key), key.start_mark.line + 1
            here = f"{path}{name}"
            if name in first:
                self.fault(here, f"stands on line {first[name]} and on line {line}; keep one", line)
                continue
            first[name] = line
            self.lines[here] = line
            if name in known:
                found[name] = value
            else:
                shown = f"{path}{fields.shown(name)[1:-1]}"
                self.fault(shown, f"is not a field; {_remedy(name, known, self.root_class)}", line)
        return found

    def _value(self, field: Field, node: yaml.Node | None, path: str) -> Any:
        if field.kind == "section":
            return self._section(field, node, path)
        if node is None:
            return self._left_out(field, path)
        if not _PLAIN_TAG.fullmatch(node.tag):
            self.fault(path, f"has the tag {fields.shown(node.tag)}, which is not read; write the value alone")
            return None
        if field.kind == "sections":
            return self._sections(field, node, path)
        try:
            return _READ[field.kind](node, field.entry)
        except Fault as fault:
            self.fault(path, str(fault))
            return None

    def _section(self, field: Field, node: yaml.Node | None, path: str) -> Any:
        assert field.section is not None
        if node is not None and not isinstance(node, yaml.MappingNode):
            below = ", ".join(item.name for item in fields_of(field.section))
            self.fault(path, f"is a section: give fields indented below it ({below}); got {_given(node)}")
            return None
        empty = yaml.MappingNode("tag:yaml.org,2002:map", [], *_marks())
        return self.record(field.section, node or empty, f"{path}.")

    def _left_out(self, field: Field, path: str) -> Any:
        entry = field.entry
        if field.kind == "sections":
            month = _within(entry_of("own.deliveries.month"), default_of("delivery_months"))
            return (Delivery(share=1.0, month=month),) if path == "own.deliveries" else ()
        if path in BY_CHIP and (chip := self.good.get("cluster.chip")):
            value, words = default_for(path, chip, self.good.get("decided_on"), self.good.get("cluster.own_chip"))
            if value is None:
                self.fault(path, f"is missing, and {words}; give it")
                return None
            return _within(entry, value)
        if entry.row is not None:
            return _within(entry, default_of(entry.row))
        if entry.default is not None:
            return (
                entry.default
                if field.kind != "uncertain"
                else _within(entry, Uncertain.fixed(float(str(entry.default))))
            )
        if entry.optional:
            return Uncertain.left_out() if field.kind == "uncertain" else math.nan
        self.fault(path, "is missing; add it")
        return None

    def _sections(self, field: Field, node: yaml.Node, path: str) -> Any:
        assert field.section is not None
        if not isinstance(node, yaml.SequenceNode) or not 1 <= len(node.value) <= _MOST_DELIVERIES:
            self.fault(
                path, f"is a list of 1 to {_MOST_DELIVERIES} sections, each a line '- {{...}}'; got {_given(node)}"
            )
            return None
        items = []
        for number, item in enumerate(node.value):
            here = f"{path}.{number}"
            self.lines.setdefault(here, item.start_mark.line + 1)
            if isinstance(item, yaml.MappingNode):
                items.append(self.record(field.section, item, f"{here}."))
            else:
                below = ", ".join(part.name for part in fields_of(field.section))
                self.fault(here, f"is a section: give fields ({below}); got {_given(item)}")
                items.append(None)
        return None if None in items else tuple(items)


def _remedy(name: str, known: Sequence[str], record_class: type[Any]) -> str:
    everywhere = (path.rpartition(".") for path, _ in paths(record_class))
    section = next((section for section, _, last in everywhere if last == name), "")
    if section and not fields.near(name, known):
        return f"it belongs under {section!r}"
    return fields.hint(name, known, what="the fields here")


def _uncertain(node: yaml.Node, entry: Entry) -> Uncertain:
    if isinstance(node, yaml.SequenceNode):
        if len(node.value) != 3:
            raise Fault(f"give {_FORMS} in {entry.unit}; got a list of {len(node.value)}")
        parts = list(node.value)
    elif isinstance(node, yaml.MappingNode):
        by_name = {key.value: item for key, item in node.value if isinstance(key, yaml.ScalarNode)}
        if set(by_name) != {"low", "median", "high"} or len(node.value) != 3:
            raise Fault(f"give {_FORMS} in {entry.unit}; got the keys {', '.join(map(str, by_name))}")
        parts = [by_name[name] for name in ("low", "median", "high")]
    else:
        parts = [node]
    values = [_number(part, entry) for part in parts]
    low, median, high = values * 3 if len(values) == 1 else values
    if not low <= median <= high:
        raise Fault(f"low, median and high must rise; got {low:g}, {median:g}, {high:g}")
    return Uncertain(low=low, median=median, high=high, lower=entry.least, upper=entry.most)


def _number(node: yaml.Node, entry: Entry) -> float:
    if not isinstance(node, yaml.ScalarNode):
        raise Fault(f"a number in {entry.unit} is wanted; got {_given(node)}")
    value = fields.number(str(node.value), unit=entry.unit, least=entry.least, most=entry.most, whole=entry.whole)
    return int(value) if entry.whole else value


def _text(node: yaml.Node, entry: Entry) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise Fault(f"a text is wanted; got {_given(node)}")
    text = str(node.value)
    if entry.table is not None:
        table, column = entry.table
        text = _chip_named(text) if column == "chip" else text
        names = _names_of(table, column)
        return fields.choice(text, (*names, *entry.choices), what=f"{column} of data/{table}.csv")
    if entry.choices:
        return fields.choice(text, entry.choices)
    if entry.pattern and not re.fullmatch(entry.pattern, text):
        raise Fault(f"give {entry.meaning.partition(': ')[2]}, such as {entry.example}; got {fields.shown(text)}")
    if entry.default is None or len(text) > entry.longest:
        return fields.text(text, longest=entry.longest or 100)
    return text


def _chip_named(text: str) -> str:
    """Return the name of the table for a chip as people write it, or the text itself where nobody writes it so."""
    try:
        return hardware.chip(text).name
    except ValueError:
        return text


@cache
def _names_of(table: str, column: str) -> tuple[str, ...]:
    return tuple(map(str, catalog.read(table)[column]))


def _date(node: yaml.Node, entry: Entry) -> datetime.date:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else _given(node)
    return fields.date(text, least=_FIRST_DATE, most=_LAST_DATE)


#: The clusters, chips and prices of the tables begin in the first of these years, and the trend is drawn to the last.
_FIRST_DATE, _LAST_DATE = datetime.date(2016, 1, 1), datetime.date(2035, 12, 31)
_READ = {"uncertain": _uncertain, "number": _number, "text": _text, "date": _date}


def _within(entry: Entry, value: Uncertain) -> Uncertain:
    return replace(value, lower=entry.least, upper=entry.most)


def _marks() -> tuple[yaml.Mark, yaml.Mark]:
    mark = yaml.Mark("changes", 0, -1, 0, None, 0)
    return mark, mark


def _below(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((item for key, item in node.value if key.value == name), None)


def node_of(value: object) -> yaml.Node:
    """Return the node of a value as a file would give it."""
    if isinstance(value, Mapping):
        pairs = [(node_of(key), node_of(item)) for key, item in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, *_marks())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [node_of(item) for item in value], *_marks())
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    text = text.replace(",", "") if _COMMAS.fullmatch(text) else text
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, *_marks())


def _given(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return fields.shown(str(node.value)) if str(node.value).strip() not in ("", "~", "null") else "nothing"
    return f"a list of {len(node.value)}" if isinstance(node, yaml.SequenceNode) else "fields"


def report(where: str, faults: list[_Fault]) -> str:
    """Return one message about the faults, in the order of their lines."""
    found = dict.fromkeys(sorted(faults, key=lambda fault: (fault.line, fault.path, fault.message)))
    lines = (
        f"line {item.line}, {item.path}: {item.message}" if item.line else f"changes, {item.path}: {item.message}"
        for item in found
    )
    return fields.message(where, lines)
