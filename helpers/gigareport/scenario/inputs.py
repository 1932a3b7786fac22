"""The uncertain inputs of a scenario: by name, as percentiles or as samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
from pydantic import BaseModel

from gigacluster.uncertainty import Uncertain, draw
from gigareport.scenario.schema import Scenario

__all__ = ["inputs_of", "sample", "words_of"]

#: Inputs that belong to the models rather than to a file: where the law, the prediction and the world's stock stand.
LAW, STEP_ERROR, STOCK = "scaling.replicate", "throughput.log_error", "concentration.world_stock"
MODEL_INPUTS = {
    LAW: "Which replicate of the scaling law",
    STEP_ERROR: "Error of the predicted step time",
    STOCK: "The world's stock of chips",
}


#: A cluster that starts later than this share of the horizon is taken to start then: it has no cost of an hour.
_LATEST_START = 0.98


def inputs_of(story: Scenario) -> dict[str, Uncertain]:
    """Return every uncertain input of a scenario, by its path in the file, such as ``"own.energy_usd_per_kwh"``."""
    found: dict[str, Uncertain] = {}
    _collect(story, "", found)
    latest = _LATEST_START * story.horizon_months
    for name, value in found.items():
        if name.startswith("own.deliveries.") or name == "rent.start_month":
            found[name] = replace(value, upper=min(value.upper, latest))
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


def words_of(story: Scenario) -> dict[str, str]:
    """Return what each uncertain input means, in words without its unit, by its path in the file."""
    found = dict(MODEL_INPUTS)
    _describe(story, "", "", found)
    return found


def _describe(value: Any, path: str, words: str, found: dict[str, str]) -> None:
    if isinstance(value, Uncertain):
        found[path] = words
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            meaning = (info.description or name).partition(" [")[0].rstrip(".")
            _describe(getattr(value, name), f"{path}.{name}" if path else name, meaning, found)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            _describe(item, f"{path}.{number}", words, found)


def sample(inputs: dict[str, Uncertain], samples: int, seed: int, first: int = 0) -> dict[str, numpy.ndarray]:
    """Draw samples ``first`` to ``first + samples`` of the inputs; sample i is the same however many are drawn."""
    if first < 0:
        raise ValueError(f"first must be 0 or more, got {first}")
    return {name: values[first:] for name, values in draw(inputs, first + samples, seed).items()}
