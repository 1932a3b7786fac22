"""Writes the pages of the reference that are made from what the code itself reads: inputs, goals, columns."""

from __future__ import annotations

import math
from pathlib import Path

from gigareport import dictionary
from gigareport.planner import Aim
from gigareport.scenario.record import Field
from gigareport.scenario.reference import paths

__all__ = ["write"]


def write(folder: Path) -> None:
    """Write ``inputs.md``, ``goals.md``, ``tables.md`` and a page for each note of ``docs/`` into a folder."""
    (folder / "notes").mkdir(parents=True, exist_ok=True)
    for note in sorted(folder.parents[1].glob("*.md")):
        text = f"```{{include}} ../../../{note.name}\n```\n"
        (folder / "notes" / note.name).write_text(text, encoding="utf-8")
    (folder / "inputs.md").write_text(_inputs(), encoding="utf-8")
    (folder / "goals.md").write_text(_goals(), encoding="utf-8")
    (folder / "tables.md").write_text(_tables(), encoding="utf-8")


def _inputs() -> str:
    lines = [
        "# Inputs of a scenario",
        "",
        "Every field of a scenario file, from the register (`gigareport/scenario/register.py`).",
        "",
        "| field | unit | limits | meaning | moves |",
        "|---|---|---|---|---|",
    ]
    for path, field in paths():
        moves = field.entry.moves or "none, compared alone" * field.entry.compared
        lines.append(_row(f"`{path}`", _unit(field), _limits(field), field.entry.meaning, moves))
    return "\n".join([*lines, ""])


def _goals() -> str:
    lines = [
        "# Fields of a goal",
        "",
        "Every field of the file that `gigacluster plan goal.yaml` answers, from the register",
        "(`gigareport/planner/register.py`). With a star at its unit a field may be one number, or three.",
        "",
        "| field | unit | limits | meaning | left out |",
        "|---|---|---|---|---|",
    ]
    for path, field in paths(Aim):
        unit = _unit(field) + " \\*" * (field.kind == "uncertain")
        lines.append(_row(f"`{path}`", unit, _limits(field), field.entry.meaning, _left_out(field)))
    return "\n".join([*lines, ""])


def _unit(field: Field) -> str:
    return field.entry.unit if field.kind in ("uncertain", "number") else ""


def _limits(field: Field) -> str:
    bounds = [("at least", field.entry.least), ("at most", field.entry.most)]
    limits = ", ".join(f"{word} {bound:g}" for word, bound in bounds if math.isfinite(bound))
    return limits or ", ".join(field.entry.choices)


def _left_out(field: Field) -> str:
    entry = field.entry
    if entry.must_be_given:
        return "must be given"
    return entry.optional or (str(entry.default) if isinstance(entry.default, str) else f"{entry.default:g}")


def _tables() -> str:
    lines = ["# Tables and their columns", "", "From `data/tables.csv` and `data/columns.csv`.", ""]
    for table in dictionary.tables().values():
        key = f" Named by {', '.join(table.key)}." if table.key else ""
        rules = f" Rules: `{'`, `'.join(table.rules)}`." if table.rules else ""
        lines += [f"## {table.table}", "", f"A row is {table.row}.{key}{rules}", ""]
        lines += ["| column | type | unit | limits | meaning |", "|---|---|---|---|---|"]
        for column in table.columns:
            blank = f"; blank: {column.default}" if column.default else "; may be blank" if column.blank else ""
            lines.append(_row(f"`{column.column}`", column.type + blank, column.unit, column.limits, column.meaning))
        lines.append("")
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
