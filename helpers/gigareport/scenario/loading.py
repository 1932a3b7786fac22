"""From a YAML file to a checked scenario: every fault at once, each with its line and a remedy."""

from __future__ import annotations

import datetime
import difflib
import os
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gigareport import catalog
from gigareport.scenario.schema import Scenario

__all__ = ["ScenarioError", "find", "json_schema", "load", "loaded", "names"]

#: Names the scenario of all notebooks; without it they tell the story.
SCENARIO_VARIABLE = "GIGACLUSTER_SCENARIO"
STORY = "xai-colossus-2024"

#: The chip that the sourced defaults of these fields are about; a cluster of another must give its own.
_CHIP_OF_DEFAULTS = "H100-SXM"
_DEFAULTS_BY_CHIP = (
    ("cluster", "it_power_w_per_chip"),
    ("own", "chip_usd"),
    ("own", "server_usd_per_chip"),
    ("rent", "committed_usd_per_chip_hour"),
)

Path_ = tuple[str | int, ...]


class ScenarioError(ValueError):
    """A scenario file is wrong. The message lists every fault: line, field, what was received and what to do."""


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
    if bundled.is_file():
        return bundled
    if Path(wanted).is_file():
        return Path(wanted)
    near = difflib.get_close_matches(wanted, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    if Path(wanted).is_dir():
        hint = "it is a folder; "
    raise ScenarioError(
        f"there is no scenario {wanted!r}: {hint}give the path of a YAML file or one of: {', '.join(names())}"
    )


def load(name_or_path: str | Path = "") -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    name_or_path : str or path, default ""
        See :func:`find`.

    Raises
    ------
    ScenarioError
        With every fault of the file.

    Examples
    --------
    >>> load("xai-colossus-2024").cluster.n_chips
    100000
    """
    file = find(name_or_path)
    text = _text(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(f"{file} is not YAML: {where}{problem}; see data/scenarios for examples") from None
    if not isinstance(content, dict):
        raise ScenarioError(f"{file} must hold fields such as 'name: ...' and 'cluster: ...'; see data/scenarios")
    lines: dict[Path_, int] = {}
    faults = _duplicate_fields(root)
    _collect_lines(root, (), lines)
    scenario = None
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        faults += [_fault(item["loc"], _message(item, content)) for item in error.errors()]
    faults += [_fault(where, message) for where, message in _impossible(content)]
    if faults or scenario is None:
        raise ScenarioError(_report(file, faults, lines))
    return scenario


def loaded(scenario: Any) -> Scenario:
    """Return a scenario as it is, and raise ``TypeError`` for what is none, such as the name of one."""
    if not isinstance(scenario, Scenario):
        example = scenario if isinstance(scenario, str | Path) else STORY
        raise TypeError(
            f"scenario must be a Scenario, got {scenario!r}; load it first: scenario.load({str(example)!r})"
        )
    return scenario


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files, from which editors complete the fields."""
    schema = Scenario.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScenarioError(f"{file} is not a text file in UTF-8; give a YAML file") from None
    except OSError as error:
        raise ScenarioError(f"{file} cannot be read ({error.strerror}); give a YAML file") from None


def _collect_lines(node: yaml.Node | None, path: Path_, lines: dict[Path_, int]) -> None:
    """Map the path of each field to its line, counted from 1."""
    if node is None:
        return
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*path, key.value)] = key.start_mark.line + 1
            _collect_lines(value, (*path, key.value), lines)


def _duplicate_fields(node: yaml.Node | None, path: Path_ = ()) -> list[tuple[Path_, str]]:
    """Find fields that a file gives twice; YAML would silently keep the last."""
    faults: list[tuple[Path_, str]] = []
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                faults.append(((*path, key.value), f"stands on line {seen[key.value]} and on line {line}; keep one"))
            seen.setdefault(key.value, line)
            faults += _duplicate_fields(value, (*path, key.value))
    return faults


def _fault(where: Any, message: str) -> tuple[Path_, str]:
    return tuple(where), message


def _message(item: Any, content: dict[str, Any]) -> str:
    kind, field = item["type"], item["loc"][-1]
    if kind == "missing":
        return "is missing; add it"
    if kind == "model_type":
        given = "nothing" if item["input"] is None else repr(item["input"])
        return f"is a section: give fields indented below it ({', '.join(_fields_of(item['loc']))}); got {given}"
    if kind == "extra_forbidden":
        allowed = _fields_of(item["loc"][:-1])
        near = difflib.get_close_matches(str(field), allowed, n=1, cutoff=0.5)
        remedy = f"did you mean {near[0]!r}?" if near else f"the fields here are: {', '.join(allowed)}"
        elsewhere = "" if near else _elsewhere(str(field))
        return f"is not a field; {elsewhere or remedy}"
    message = item["msg"][0].lower() + item["msg"][1:]
    return message if "got " in message or "there is no" in message else f"{message}; got {item['input']!r}"


def _fields_of(path: Path_) -> list[str]:
    model: type[BaseModel] = Scenario
    for name in path:
        if isinstance(name, int):  # an item of a list of sections, whose fields were found with the list
            continue
        annotation: Any = model.model_fields[name].annotation
        model = get_args(annotation)[0] if get_args(annotation) else annotation
    return list(model.model_fields)


def _elsewhere(field: str) -> str:
    for section, info in Scenario.model_fields.items():
        fields = getattr(info.annotation, "model_fields", {})
        if field in fields:
            return f"it belongs under {section!r}"
    return ""


def _impossible(content: dict[str, Any]) -> list[tuple[Path_, str]]:
    """Find values that are allowed one by one and impossible together."""
    faults: list[tuple[Path_, str]] = []
    cluster, training = (_section(content, name) for name in ("cluster", "training"))
    n_chips, job = _number(cluster.get("n_chips")), _number(training.get("n_chips"))
    if n_chips and job and job > n_chips:
        faults.append(
            (("training", "n_chips"), f"got {job:,.0f} chips in the job, but the cluster has {n_chips:,.0f}; lower it")
        )
    power_w, chip_w = _highest(cluster.get("site_power_mw")) * 1e6, _chip_power_w(cluster.get("chip"))
    if n_chips and power_w and chip_w and n_chips * chip_w > power_w:
        faults.append(
            (
                ("cluster", "site_power_mw"),
                f"{n_chips:,.0f} chips of {chip_w:,.0f} W need {n_chips * chip_w / 1e6:,.1f} MW without servers "
                f"and cooling; the site has {power_w / 1e6:,.1f} MW, enough for {power_w / chip_w:,.0f}; "
                "lower n_chips, or raise it",
            )
        )
    faults += _late_starts(content)
    chip = cluster.get("chip")
    if isinstance(chip, str) and _chip_power_w(chip) and chip != _CHIP_OF_DEFAULTS:
        for section, field in _DEFAULTS_BY_CHIP:
            if field not in _section(content, section):
                why = f"is missing; its default is an {_CHIP_OF_DEFAULTS}'s, so a cluster of {chip} must give its own"
                faults.append(((section, field), why))
    decided, year = content.get("decided_on"), _number(content.get("price_year"))
    if isinstance(decided, datetime.date) and year and abs(decided.year - year) > 5:
        faults.append(
            (
                ("price_year",),
                f"got {year:.0f}, more than 5 years from decided_on ({decided}); use dollars of that time",
            )
        )
    return faults


def _late_starts(content: dict[str, Any]) -> list[tuple[Path_, str]]:
    """Find clusters that would start when the comparison is nearly over."""
    horizon = _number(content.get("horizon_months")) or Scenario.model_fields["horizon_months"].default
    deliveries = _section(content, "own").get("deliveries")
    parts = [part for part in deliveries if isinstance(part, dict)] if isinstance(deliveries, list) else []
    months = {("own", "deliveries"): [part.get("month") for part in parts]}
    months |= {("rent", "start_month"): [_section(content, "rent").get("start_month")]}
    return [
        (
            path,
            f"got up to {_highest(month):g} months, but the comparison ends after horizon_months={horizon:g}; raise it",
        )
        for path, values in months.items()
        for month in values
        if _highest(month) > 0.9 * horizon
    ]


def _section(content: dict[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _highest(value: Any) -> float:
    values = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    return max((_number(item) or 0.0 for item in values), default=0.0)


def _chip_power_w(chip: Any) -> float:
    chips = catalog.load("chips").set_index("chip")["tdp_w"]
    return float(chips.get(chip, 0.0)) if isinstance(chip, str) else 0.0


def _report(file: Path, faults: list[tuple[Path_, str]], lines: dict[Path_, int]) -> str:
    def line_of(path: Path_) -> int:
        return next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), 1)

    # One wrong quantity can be reported once by each form that it could have had.
    said = dict.fromkeys((line_of(path), ".".join(map(str, path)), message) for path, message in faults)
    rows = [f"  line {line}, {field}: {message}" for line, field, message in sorted(said)]
    return f"{file} has {len(rows)} fault{'s' if len(rows) > 1 else ''}:\n" + "\n".join(rows)
