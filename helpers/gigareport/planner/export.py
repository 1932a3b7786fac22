"""An option as a scenario file: what ``gigacluster evaluate`` says of it is what the plan says."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import yaml

from gigareport.planner.plan import Found
from gigareport.scenario import plain

__all__ = ["scenario_text", "write_scenario"]


def scenario_text(found: Found) -> str:
    """Return an option as the text of a scenario file."""
    head = f"# {found.option.name}: chosen by a plan. Its plan: {found.task.step.name}\n"
    text: str = yaml.safe_dump(_simple(plain(found.scenario)), sort_keys=False, allow_unicode=True, width=110)
    return head + text


def write_scenario(found: Found, file: Path) -> None:
    """Write an option as a scenario file."""
    file.write_text(scenario_text(found), encoding="utf-8")


def _simple(value: Any) -> Any:
    """Return values that a scenario file takes: whole numbers without a point, exact ones once."""
    if isinstance(value, dict):
        return {name: _simple(item) for name, item in value.items() if item != ""}
    if isinstance(value, list):
        simple = [_simple(item) for item in value]
        numbers = [item for item in simple if isinstance(item, int | float)]
        return simple[0] if len(numbers) == 3 and len(set(simple)) == 1 else simple
    if isinstance(value, float):
        return int(value) if value == int(value) and abs(value) < 1e15 else float(value)
    return str(value) if isinstance(value, datetime.date) else value
