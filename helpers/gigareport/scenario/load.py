"""From a YAML file to a checked scenario: every fault at once, each with its line and a remedy.

A file is read node by node along the register, and each value as text by the kind of its field: nothing is
constructed from it, and what the register does not ask for is named, not visited.
"""

from __future__ import annotations

import datetime
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gigacluster.throughput.shipped import read_calibration
from gigacluster.uncertainty import Uncertain
from gigareport import catalog, fields
from gigareport.facts import rents
from gigareport.fields import Fault
from gigareport.scenario.chips import BY_CHIP, default_for
from gigareport.scenario.record import Entry, Field, fields_of, leaves, with_value
from gigareport.scenario.reference import entry_of, paths
from gigareport.scenario.register import OWN, WITH_OWN, Case, Delivery, OwnChip, Scenario, default_of

#: Names the scenario of all notebooks; without it they tell the story.
SCENARIO_VARIABLE = "GIGACLUSTER_SCENARIO"
STORY = "xai-colossus-2024"
#: A value so many times beyond the range of its default is told.
_SLIP = 3.0
#: Chips of the smallest node that can stand by.
_NODE_CHIPS = 8
_LARGEST_FILE_BYTES = 1_000_000
#: What YAML takes a value for; the kind of the field decides how it is read.
_PLAIN_TAG = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|timestamp|seq|map)")
_MOST_DELIVERIES = 100
_FORMS = "a number, [low, median, high], or {low: ..., median: ..., high: ...}"
#: A number with commas, as people write it in Python; a file has none.
_COMMAS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")


class ScenarioError(ValueError):
    """A scenario file is wrong. The message lists the faults: line, field, what was received and what to do."""


def names() -> tuple[str, ...]:
    """Return the names of the bundled scenarios."""
    return tuple(sorted(file.stem for file in (catalog.data_dir() / "scenarios").glob("*.yaml")))


def find(name_or_path: str | Path = "") -> Path:
    """Return the file of a scenario: a bundled name, a path, or, if empty, the one chosen for all.

    Raises
    ------
    ScenarioError
        If there is no such file.
    """
    wanted = str(name_or_path) or os.environ.get(SCENARIO_VARIABLE, "") or STORY
    bundled = catalog.data_dir() / "scenarios" / f"{wanted}.yaml"
    try:
        if bundled.is_file():
            return bundled
        if Path(wanted).is_file():
            return Path(wanted)
        folder = "it is a folder; " if Path(wanted).is_dir() else ""
    except (OSError, ValueError):  # a name longer than the system takes, or with a zero byte
        folder = ""
    near = fields.near(wanted, names())
    hint = folder or (f"did you mean {near!r}? " if near else "")
    raise ScenarioError(
        f"there is no scenario {fields.shown(wanted)}: {hint}give the path of a YAML file or one of: "
        f"{', '.join(names())}"
    )


def load(name_or_path: str | Path = "", *, changes: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    name_or_path : str or path, default ""
        See :func:`find`.
    changes : mapping, optional
        Values that replace those of the file, by path, written as a file would: a number, three of them, or text.

    Raises
    ------
    ScenarioError
        With every fault of the file and of the changes.

    Examples
    --------
    >>> load("xai-colossus-2024").cluster.n_chips
    100000
    >>> load("xai-colossus-2024", changes={"cluster.n_chips": "50,000", "training.n_chips": 49152}).cluster.n_chips
    50000
    """
    file = find(name_or_path)
    root = _compose(file)
    if not isinstance(root, yaml.MappingNode):
        raise ScenarioError(f"{file} must hold fields such as 'name: ...' and 'cluster: ...'; see data/scenarios")
    reader = _Reader()
    for path, value in (changes or {}).items():
        reader.change(root, path, value)
    story = reader.record(Case, root, "")
    reader.check_together()
    calibration = reader.calibration(file.parent)
    if reader.faults:
        raise ScenarioError(_report(file, reader.faults))
    return with_value(story, "training.calibration", calibration)


def loaded(scenario: object) -> Scenario:
    """Return a scenario as it is, and raise ``TypeError`` for what is none, such as the name of one."""
    if not isinstance(scenario, Case):
        example = scenario if isinstance(scenario, str | Path) else STORY
        raise TypeError(
            f"scenario must be a Scenario, got {scenario!r}; load it first: scenario.load({str(example)!r})"
        )
    return scenario


def plain(record: Any) -> dict[str, Any]:
    """Return a scenario as a file says it: numbers, percentiles and texts by field, without what was left out."""
    found: dict[str, Any] = {}
    for field in fields_of(type(record)):
        value = getattr(record, field.name)
        if field.kind == "section":
            found[field.name] = plain(value)
        elif field.kind == "sections":
            found |= {field.name: [plain(item) for item in value]} if value else {}
        elif isinstance(value, Uncertain):
            if not math.isnan(value.median):
                found[field.name] = [value.low, value.median, value.high]
        elif not (isinstance(value, float) and not math.isfinite(value)):
            found[field.name] = value
    return found


def slips(story: Scenario) -> list[str]:
    """Return a line for each value beyond three times the range of its sourced default: good, and perhaps a slip.

    Zeros are meant, and a default that is one exact number has no range.

    Examples
    --------
    >>> slips(load("xai-colossus-2024", changes={"own.chip_usd": [20, 23, 27]}))[0][:46]
    'own.chip_usd: got 20 to 27 USD; the default is'
    """
    found = []
    for path, field, value in leaves(story):
        row = field.entry.row
        if row is None or field.kind != "uncertain" or math.isnan(value.median):
            continue
        usual = default_of(row)
        below = 0 < value.high < usual.low / _SLIP or 0 < value.low < usual.low / _SLIP
        if usual.low < usual.high and (below or value.high > _SLIP * usual.high):
            given = f"{value.low:,.10g}" if value.low == value.high else f"{value.low:,.10g} to {value.high:,.10g}"
            found.append(
                f"{path}: got {given} {field.entry.unit}; the default is {usual.low:,.10g} to {usual.high:,.10g}: "
                "is the unit right?"
            )
    return found


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int  # 0: not in the file but among the changes
    path: str
    message: str


def _compose(file: Path) -> yaml.Node | None:
    try:
        if file.stat().st_size > _LARGEST_FILE_BYTES:
            raise ScenarioError(
                f"{file} has {file.stat().st_size:,} bytes; a scenario has a few thousand: another file?"
            )
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScenarioError(f"{file} is not a text file in UTF-8; give a YAML file") from None
    except OSError as error:
        raise ScenarioError(f"{file} cannot be read ({error.strerror}); give a YAML file") from None
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(f"{file} is not YAML: {where}{problem[:300]}; see data/scenarios for examples") from None
    except RecursionError:
        raise ScenarioError(
            f"{file} is nested too deeply; a scenario has sections of fields: see data/scenarios"
        ) from None


class _Reader:
    """Reads nodes along the register, and keeps the faults and the values that are good."""

    def __init__(self) -> None:
        self.faults: list[_Fault] = []
        self.good: dict[str, Any] = {}
        self.lines: dict[str, int] = {}

    def fault(self, path: str, message: str) -> None:
        """Keep one fault, on the line of the field or of the nearest section around it."""
        around = path
        while around not in self.lines and around:
            around = around.rpartition(".")[0]
        self.faults.append(_Fault(self.lines.get(around, 1), path, message))

    def change(self, root: yaml.MappingNode, path: str, value: Any) -> None:
        """Put a value in the place of the one that a file gives."""
        node = root
        *sections, last = str(path).split(".")
        for name in sections:
            below = next((item for key, item in node.value if key.value == name), None)
            if isinstance(below, yaml.SequenceNode) or not isinstance(below, yaml.MappingNode | None):
                self.fault(path, "cannot be changed inside a list; give the whole list in a file")
                return
            if below is None:
                below = yaml.MappingNode("tag:yaml.org,2002:map", [], *_marks())
                node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", name, *_marks()), below))
            node = below
        node.value[:] = [(key, item) for key, item in node.value if key.value != last]
        node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", last, *_marks()), _node(value)))

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
                self.faults.append(_Fault(line, here, f"stands on line {first[name]} and on line {line}; keep one"))
                continue
            first[name] = line
            self.lines[here] = line
            if name in known:
                found[name] = value
            else:
                self.faults.append(
                    _Fault(line, f"{path}{fields.shown(name)[1:-1]}", f"is not a field; {_remedy(name, known)}")
                )
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
        if field.kind == "sections" and path != "own.deliveries":
            return ()
        if field.kind == "sections":
            return (
                Delivery(share=1.0, month=_within(entry_of("own.deliveries.month"), default_of("delivery_months"))),
            )
        if path in BY_CHIP and (chip := self.good.get("cluster.chip")):
            value, words = default_for(path, chip, self.good.get("decided_on"), self.good.get("cluster.own_chip"))
            if value is None:
                self.fault(path, f"is missing, and {words}; give it")
                return None
            return _within(entry, value)
        if entry.row is not None:
            return _within(entry, default_of(entry.row))
        if entry.optional:
            return Uncertain.left_out() if field.kind == "uncertain" else math.nan
        if entry.default is None:
            self.fault(path, "is missing; add it")
            return None
        return _within(entry, Uncertain.fixed(float(entry.default))) if field.kind == "uncertain" else entry.default

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

    def calibration(self, folder: Path) -> str:
        """Return the file of a calibration, that beside the scenario before one of the working directory."""
        path = "training.calibration"
        given = str(self.good.get(path) or "")
        if not given:
            return ""
        file = next((str(place) for place in (folder / given, Path(given)) if place.is_file()), given)
        try:
            read_calibration(file)
        except ValueError as fault:
            self.fault(path, str(fault))
        return file

    def check_together(self) -> None:
        """Find values that are allowed one by one and impossible together; those at fault already are passed over."""
        for path, message in _impossible(self.good):
            self.fault(path, message)


def _remedy(name: str, known: Sequence[str]) -> str:
    section = next((path.rpartition(".")[0] for path, _ in paths() if path.rpartition(".")[2] == name), "")
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
        names = _names_of(table, column)
        return fields.choice(text, (*names, *entry.choices), what=f"{column} of data/{table}.csv")
    if entry.choices:
        return fields.choice(text, entry.choices)
    if entry.pattern and not re.fullmatch(entry.pattern, text):
        raise Fault(f"give {entry.meaning.partition(': ')[2]}, such as {entry.example}; got {fields.shown(text)}")
    if entry.default is None or len(text) > entry.longest:
        return fields.text(text, longest=entry.longest or 100)
    return text


@cache
def _names_of(table: str, column: str) -> tuple[str, ...]:
    return tuple(map(str, catalog.load(table)[column]))


def _date(node: yaml.Node, entry: Entry) -> datetime.date:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else _given(node)
    return fields.date(text, least=_FIRST_DATE, most=_LAST_DATE)


#: The clusters, chips and prices of the tables begin in the first of these years, and the trend is drawn to the last.
_FIRST_DATE, _LAST_DATE = datetime.date(2016, 1, 1), datetime.date(2035, 12, 31)
_READ = {"uncertain": _uncertain, "number": _number, "text": _text, "date": _date}


def _within(entry: Entry, value: Uncertain) -> Uncertain:
    return replace(value, lower=entry.least, upper=entry.most)


def _impossible(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    n_chips, job = good.get("cluster.n_chips"), good.get("training.n_chips")
    if n_chips and job and math.isfinite(job) and job > n_chips:
        yield "training.n_chips", f"got {job:,.0f} chips in the job, but the cluster has {n_chips:,.0f}; lower it"
    parts = good.get("own.deliveries")
    if parts and abs((total := sum(part.share for part in parts)) - 1) > 1e-6:
        yield "own.deliveries", f"the shares must add up to 1; got {total:g}"
    yield from _own_chip(good)
    yield from _late_starts(good)
    yield from _rates_given_twice(good)
    if (
        good.get("reliability.recovery") == "hot_spare"
        and n_chips
        and job
        and n_chips - min(job, n_chips) < _NODE_CHIPS
    ):
        yield (
            "reliability.recovery",
            f"hot_spare takes a node that stands by, and the job has all but {n_chips - min(job, n_chips):,.0f} of "
            f"{n_chips:,.0f} chips; give training.n_chips less, or another scheme",
        )
    yield from _rents(good)
    let, let_usd = good.get("own.let_from_month"), good.get("own.let_usd_per_chip_hour")
    if let is not None and let_usd is not None and math.isfinite(let) == math.isnan(let_usd.median):
        missing = "let_usd_per_chip_hour" if math.isfinite(let) else "let_from_month"
        yield f"own.{missing}", "is missing: letting out needs let_from_month and let_usd_per_chip_hour"
    decided, year = good.get("decided_on"), good.get("price_year")
    if decided and year and abs(decided.year - year) > 5:
        yield "price_year", f"got {year:.0f}, more than 5 years from decided_on ({decided}); use dollars of that time"


def _own_chip(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what the record of a chip of one's own lacks, and one that is not asked for."""
    chip = good.get("cluster.chip")
    if chip is None:
        return
    given = []
    for field in fields_of(OwnChip):
        path = f"cluster.own_chip.{field.name}"
        value = good.get(path)
        left_out = value == field.entry.default if field.kind == "text" else value is not None and math.isnan(value)
        if chip == OWN and field.entry.optional == WITH_OWN and left_out:
            yield path, f"is missing: chip: {OWN} needs it; give it in {field.entry.unit}"
        elif value is not None and not left_out:
            given.append(field.name)
    if given and chip != OWN:
        yield "cluster.own_chip", f"is of use only with chip: {OWN}; got chip: {chip} and {', '.join(given)}"


def _rates_given_twice(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find counts without their node-days, and more than one answer to how often the job fails."""
    values = {name: good.get(f"reliability.{name}") for name in ("failures", "node_days")}
    counts = {name: value for name, value in values.items() if value is not None and not math.isnan(value)}
    if len(counts) == 1:
        (name,) = counts
        other = "node_days" if name == "failures" else "failures"
        yield f"reliability.{name}", f"is of use only beside {other}; give it too"
    elif counts and (rate := 1000 * counts["failures"] / counts["node_days"]) > (
        most := entry_of("reliability.failures_per_1000_node_days").most
    ):
        yield (
            "reliability.failures",
            f"are {rate:,.0f} per 1,000 node-days, more than {most:,.0f}; node_days are nodes of 8 chips times days",
        )
    ways = ["failures with node_days"] if counts else []
    for name in ("failures_per_1000_node_days", "mttf_hours"):
        value = good.get(f"reliability.{name}")
        if value is not None and not math.isnan(value.median):
            ways.append(name)
    if len(ways) > 1:
        path = f"reliability.{ways[-1]}"
        yield path, f"says how often the job fails once more; keep one of {', '.join(ways)}"


def _rents(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find kinds of rent without prices, and terms and exits that no horizon holds."""
    horizon, kind, chip = good.get("horizon_months"), good.get("rent.kind"), good.get("cluster.chip")
    for name in ("term_months", "leave_month"):
        month = good.get(f"rent.{name}")
        if horizon and month and math.isfinite(month) and month > horizon:
            yield (
                f"rent.{name}",
                f"got {month:g} months, beyond horizon_months={horizon:g}; raise the horizon, or leave it out for a "
                "contract over the whole horizon",
            )
    after, buys = good.get("rent.after_term"), good.get("rent.buy_usd_per_chip")
    if after == "buy" and kind not in (None, "contract"):
        yield "rent.after_term", f"buy follows the term of a contract, and rent.kind is {kind}; give kind: contract"
    elif after == "buy" and (term := good.get("rent.term_months")) and not math.isfinite(term):
        yield "rent.after_term", "buy needs rent.term_months: without it the contract runs to the end of the horizon"
    if after and after != "buy" and buys is not None and not math.isnan(buys.median):
        yield "rent.buy_usd_per_chip", f"is of use only with after_term: buy; got after_term: {after}"
    start, leave = good.get("rent.start_month"), good.get("rent.leave_month")
    if after == "buy" and leave and math.isfinite(leave):
        yield "rent.leave_month", "a tenant who leaves does not buy; keep one of leave_month and after_term: buy"
    if start and leave and leave <= start.high:
        yield "rent.leave_month", f"got {leave:g}, but the rented chips may start in month {start.high:g}; leave later"
    if kind == "followed" and chip and good.get("decided_on") is not None:
        quotes = rents.quoted(chip, good.get("rent.follows") or "contracts")
        if quotes.empty or str(quotes["date"].max())[:10] <= str(good["decided_on"]):
            yield (
                "rent.kind",
                f"no rents of {chip} were quoted after {good['decided_on']}; give contract, reserved or hourly",
            )


def _late_starts(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find clusters that would start when the comparison is nearly over."""
    horizon = good.get("horizon_months")
    if not horizon:
        return
    months = [("own.deliveries", part.month) for part in good.get("own.deliveries") or ()]
    if sites := good.get("cluster.sites"):  # later phases may lie beyond the horizon, not all of the power
        months.append(("cluster.sites", min((site.month for site in sites), key=lambda month: month.high)))
    if good.get("rent.start_month"):
        months.append(("rent.start_month", good["rent.start_month"]))
    for path, month in months:
        if month.high > 0.9 * horizon:
            yield (
                path,
                f"got up to {month.high:g} months, but the comparison ends after horizon_months={horizon:g}; raise it",
            )


def _marks() -> tuple[yaml.Mark, yaml.Mark]:
    mark = yaml.Mark("changes", 0, -1, 0, None, 0)
    return mark, mark


def _node(value: Any) -> yaml.Node:
    """Return the node of a value as a file would give it."""
    if isinstance(value, Mapping):
        pairs = [(_node(key), _node(item)) for key, item in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, *_marks())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(item) for item in value], *_marks())
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    text = text.replace(",", "") if _COMMAS.fullmatch(text) else text
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, *_marks())


def _given(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return fields.shown(str(node.value)) if str(node.value).strip() not in ("", "~", "null") else "nothing"
    return f"a list of {len(node.value)}" if isinstance(node, yaml.SequenceNode) else "fields"


def _report(file: Path, faults: list[_Fault]) -> str:
    found = dict.fromkeys(sorted(faults, key=lambda fault: (fault.line, fault.path, fault.message)))
    lines = (
        f"line {item.line}, {item.path}: {item.message}" if item.line else f"changes, {item.path}: {item.message}"
        for item in found
    )
    return fields.message(str(file), lines)
