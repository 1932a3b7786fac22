"""From a YAML file to a checked scenario: every fault at once, each with its line and a remedy.

A file is read node by node along the register, and each value as text by the kind of its field: nothing is
constructed from it, and what the register does not ask for is named, not visited.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gigacluster.throughput.shipped import read_calibration
from gigacluster.uncertainty import Uncertain
from gigareport import catalog, fields
from gigareport.scenario.chips import BY_CHIP, default_for
from gigareport.scenario.reading import Reader, node_of, report
from gigareport.scenario.record import fields_of, leaves, with_value
from gigareport.scenario.register import Case, Scenario, default_of
from gigareport.scenario.together import Impossible, impossible

#: Names the scenario of all notebooks; without it they tell the story.
SCENARIO_VARIABLE = "GIGACLUSTER_SCENARIO"
STORY = "xai-colossus-2024"
#: A value so many times beyond the range of its default is told.
_SLIP = 3.0
#: A scenario has a few thousand. [bytes]
_LARGEST_FILE = 1_000_000


class ScenarioError(fields.ToldError):
    """A scenario file is wrong. The message lists the faults: line, field, what was received and what to do."""


def names() -> tuple[str, ...]:
    """Return the names of the bundled scenarios."""
    return bundled("scenario")


def bundled(what: str) -> tuple[str, ...]:
    """Return the names of the bundled files of a kind: those of ``data/<what>s``."""
    return tuple(sorted(file.stem for file in (catalog.data_dir() / f"{what}s").glob("*.yaml")))


def find(name_or_path: str | Path = "") -> Path:
    """Return the file of a scenario: a bundled name, a path, or, if empty, the one chosen for all.

    Raises
    ------
    ScenarioError
        If there is no such file.
    """
    return find_file(str(name_or_path) or os.environ.get(SCENARIO_VARIABLE, "") or STORY, "scenario")


def find_file(wanted: str, what: str) -> Path:
    """Return the file of a bundled name or a path; ``what`` it is, such as ``"scenario"``, says where to look."""
    inside = catalog.data_dir() / f"{what}s" / f"{wanted}.yaml"
    try:
        if inside.is_file():
            return inside
        if Path(wanted).is_file():
            return Path(wanted)
        is_folder = Path(wanted).is_dir()
        missing = "" if Path(wanted).is_absolute() else f"{Path.cwd()} has no such file; "
        looked = "it is a folder; " if is_folder else missing
    except (OSError, ValueError):  # a name longer than the system takes, or with a zero byte
        is_folder, looked = False, ""
    known = bundled(what)
    near = fields.near(wanted, known)
    hint = f"did you mean {near!r}? " if near and not is_folder else looked
    raise ScenarioError(
        f"there is no {what} {fields.shown(wanted)}: {hint}give the path of a YAML file or one of: {', '.join(known)}"
    )


def load(name_or_path: str | Path = "", *, changes: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    name_or_path : str or path, default ""
        See :func:`find`.
    changes : mapping, optional
        Values that replace those of the file, by path, written as a file would: a number, three of them, or text.
        A mapping for a section replaces the fields that it names; ``None`` is as if the file did not say it.

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
    if not isinstance(changes, Mapping | None):
        given = fields.shown(changes)
        raise ScenarioError(
            f"changes: got {given}; give values by path, such as {{'own.chip_usd': [23000, 26000, 30000]}}"
        )
    file = find(name_or_path)
    return _with_calibration(read(file, Case, impossible, changes=changes), file)


def _with_calibration(story: Scenario, file: Path) -> Scenario:
    """Return a scenario with the file of its calibration found: that beside it before one of the working directory."""
    given = story.training.calibration
    if not given:
        return story
    place = next((str(found) for found in (file.parent / given, Path(given)) if found.is_file()), given)
    try:
        read_calibration(place)
    except ValueError as fault:
        raise ScenarioError(f"{file} has 1 fault:\n  training.calibration: {fault}") from None
    return with_value(story, "training.calibration", place)


def made(
    values: Mapping[str, Any],
    record_class: type[Any] = Case,
    impossible: Impossible = impossible,
    *,
    what: str = "the scenario",
) -> Any:
    """Return the record that a mapping says as a file would; fields left out take their defaults."""
    root = node_of(values)
    assert isinstance(root, yaml.MappingNode)
    return _read(root, what, record_class, impossible, {})


def read(
    file: Path,
    record_class: type[Any],
    impossible: Impossible,
    *,
    changes: Mapping[str, Any] | None = None,
    what: str = "scenario",
) -> Any:
    """Read a YAML file along the register's record of the whole file, or raise ``ScenarioError`` with every fault.

    ``impossible`` takes the good values by path and yields path and message of those that are impossible together;
    ``changes`` replace values of the file; ``what`` the file is called says where examples lie: ``data/<what>s``.
    """
    root = _compose(file, what)
    if not isinstance(root, yaml.MappingNode):
        first = next(field.name for field in fields_of(record_class) if field.kind == "section")
        raise ScenarioError(f"{file} must hold fields such as 'name: ...' and '{first}: ...'; see data/{what}s")
    return _read(root, str(file), record_class, impossible, changes or {})


def _read(
    root: yaml.MappingNode, where: str, record_class: type[Any], impossible: Impossible, changes: Mapping[str, Any]
) -> Any:
    reader = Reader(record_class)
    for path, value in changes.items():
        reader.change(root, path, value)
    record = reader.record(record_class, root, "")
    for path, message in impossible(reader.good):  # what is at fault already is passed over
        reader.fault(path, message)
    if reader.faults:
        raise ScenarioError(report(where, reader.faults))
    return record


def plain(record: object) -> dict[str, Any]:
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

    The default is that of the scenario's chip where the tables have one. Zeros are meant, and a default that is one
    exact number has no range. A decision dated after our newest fact is told too: what the tables say of the world is
    carried ahead to it.

    Examples
    --------
    >>> slips(load("xai-colossus-2024", changes={"own.chip_usd": [20, 23, 27]}))[0][:46]
    'own.chip_usd: got 20 to 27 USD; the default is'
    """
    found = _ahead(story)
    for path, field, value in leaves(story):
        row = field.entry.row
        if row is None or field.kind != "uncertain" or math.isnan(value.median):
            continue
        usual = default_of(row)
        if path in BY_CHIP:
            usual = default_for(path, story.cluster.chip, story.decided_on, story.cluster.own_chip)[0] or usual
        below = 0 < value.high < usual.low / _SLIP or 0 < value.low < usual.low / _SLIP
        if usual.low < usual.high and (below or value.high > _SLIP * usual.high):
            given = f"{value.low:,.10g}" if value.low == value.high else f"{value.low:,.10g} to {value.high:,.10g}"
            found.append(
                f"{path}: got {given} {field.entry.unit}; the default is {usual.low:,.10g} to {usual.high:,.10g}: "
                "is the unit right?"
            )
    return found


def _ahead(story: Scenario) -> list[str]:
    newest = catalog.vintage(catalog.read("sources"), "accessed")
    if str(story.decided_on) <= newest:
        return []
    return [
        f"decided_on: {story.decided_on} lies after our newest fact ({newest}): the world's stock, growth and prices "
        "are carried ahead to it, and what nobody knows yet is in no interval"
    ]


def _compose(file: Path, what: str) -> yaml.Node | None:
    try:
        text = fields.file_text(file, f"a YAML file of a {what}", largest=_LARGEST_FILE)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except fields.Fault as fault:
        raise ScenarioError(str(fault)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(f"{file} is not YAML: {where}{problem[:300]}; see data/{what}s for examples") from None
    except RecursionError:
        raise ScenarioError(f"{file} is nested too deeply; a {what} has sections of fields: see data/{what}s") from None


def menu() -> None:
    """Show a menu in JupyterLab: the scenario chosen is what ``""`` means in the cells below.

    On a page it shows nothing, since a page tells of one scenario.
    """
    from gigareport.plots.display import on_page  # not at the top: the commands start without pictures

    if on_page():
        return
    import ipywidgets as widgets
    from IPython.display import display

    chosen = os.environ.get(SCENARIO_VARIABLE, "") or STORY
    known = names()
    box = widgets.Dropdown(options=known, value=chosen if chosen in known else None, description="Scenario")
    told = widgets.HTML("Choose one, then run all cells: menu Run, Run All Cells.")

    def choose(change: Mapping[str, str]) -> None:
        os.environ[SCENARIO_VARIABLE] = change["new"]
        told.value = f"Now run all cells for {html.escape(change['new'])}: menu Run, Run All Cells."

    box.observe(choose, names="value")
    display(widgets.HBox([box, told]))
