"""The uncertain inputs of a scenario: by name, as percentiles or as samples."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy

from gigacluster.uncertainty import Uncertain, draw
from gigareport.scenario.record import leaves
from gigareport.scenario.reference import entry_of
from gigareport.scenario.register import Scenario

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
    found = {
        path: value
        for path, field, value in leaves(story)
        if field.kind == "uncertain" and not math.isnan(value.median)
    }
    latest = _LATEST_START * story.horizon_months
    for name, value in found.items():
        if name.startswith("own.deliveries.") or name == "rent.start_month":
            found[name] = replace(value, upper=min(value.upper, latest))
    return found


def words_of(story: Scenario) -> dict[str, str]:
    """Return what each uncertain input means, in words without its unit, by its path in the file."""
    return MODEL_INPUTS | {path: entry_of(path).meaning for path in inputs_of(story)}


def sample(inputs: dict[str, Uncertain], samples: int, seed: int, first: int = 0) -> dict[str, numpy.ndarray]:
    """Draw samples ``first`` to ``first + samples`` of the inputs; sample i is the same however many are drawn."""
    if first < 0:
        raise ValueError(f"first must be 0 or more, got {first}")
    return {name: values[first:] for name, values in draw(inputs, first + samples, seed).items()}
