"""The uncertain inputs of a scenario: by name, as percentiles or as samples."""

from __future__ import annotations

from typing import Any

import numpy
from pydantic import BaseModel

from gigacluster.scenario.schema import Scenario
from gigacluster.uncertainty import Uncertain, draw

__all__ = ["inputs_of", "medians", "sample"]


def inputs_of(story: Scenario) -> dict[str, Uncertain]:
    """Return every uncertain input of a scenario, by its path in the file, such as ``"own.energy_usd_per_kwh"``."""
    found: dict[str, Uncertain] = {}
    _collect(story, "", found)
    return found


def _collect(value: Any, path: str, found: dict[str, Uncertain]) -> None:
    if isinstance(value, Uncertain):
        found[path] = value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _collect(getattr(value, name), f"{path}.{name}" if path else name, found)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            _collect(item, f"{path}.{number}", found)


def medians(inputs: dict[str, Uncertain]) -> dict[str, numpy.ndarray]:
    """Return one sample in which every input stands at its median; shape (1,) each."""
    return {name: numpy.asarray([value.median]) for name, value in inputs.items()}


def sample(inputs: dict[str, Uncertain], samples: int, seed: int, first: int = 0) -> dict[str, numpy.ndarray]:
    """Draw samples ``first`` to ``first + samples`` of the inputs; sample i is the same however many are drawn."""
    if first < 0:
        raise ValueError(f"first must be 0 or more, got {first}")
    return {name: values[first:] for name, values in draw(inputs, first + samples, seed).items()}
