"""The spine of a scenario as a program for its page: JavaScript, and the numbers that it starts from.

Every input of the file, and every fact beside it (step time, chip, law, world), is an input of the program, so that a
page may move any of them, the horizon included. ``assets/spine.js`` draws the samples and takes their quantiles.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy
from scipy import special

from gigacluster.arrays import as_common
from gigacluster.emission import input_names, javascript
from gigacluster.trace import Record, with_length
from gigacluster.uncertainty import Uncertain
from gigareport.scenario import spine
from gigareport.scenario.inputs import LATEST_START, LAW, STEP_ERROR, STOCK, alike, draw_inputs, inputs_from
from gigareport.scenario.known import Known, Step, known_of, world_stock_of
from gigareport.scenario.plans import TrainingPlan
from gigareport.scenario.record import leaves
from gigareport.scenario.register import Scenario

#: An answer that is found by bisection, month by month, and stays as the report has it.
LEFT_OUT = ("own_return_per_year",)
#: Where the spine is recorded: horizons that mean nothing else.
_HORIZONS = (101, 211, 307)
_HORIZON = "horizon_months"


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a page needs to answer again."""

    record: Record
    data: dict[str, Any]  # JSON: inputs by name with their spread or number, draws, names of the answers

    @property
    def javascript(self) -> str:
        """The function ``spine(x, t, y)`` of one sample."""
        return javascript(self.record, "spine")


def program(scenario: Scenario, plan: TrainingPlan, *, samples: int = 1000, seed: int = 7) -> Program:
    """Return the program of a scenario, with the first samples of the report itself.

    Parameters
    ----------
    scenario
        From :func:`gigareport.scenario.load`.
    plan
        Whose step time stands until another is chosen.
    samples, seed
        Draws that travel with the page, in single precision.
    """
    (story,) = alike([scenario])
    uncertain = {path: value for path, field, value in leaves(story) if field.kind == "uncertain"}
    uncertain |= {STEP_ERROR: plan.log_error, STOCK: world_stock_of(story)}
    numbers = {path: float(value) for path, field, value in leaves(story) if field.kind == "number"}
    everything = draw_inputs([uncertain | {LAW: Uncertain.uniform(0.0, 1.0)}], samples, seed)
    known = known_of([story], [plan], everything)
    facts = {f"step.{item.name}": float(getattr(known.step, item.name).flat[0]) for item in fields(Step)}
    facts["step.step_time_s"] = plan.step_time_s
    facts |= {name: float(getattr(known, name).item()) for name in _KNOWN}
    record = with_length(
        lambda months: _recorded(story, known, [*uncertain], numbers | facts, months), _HORIZON, _HORIZONS
    )
    names = input_names(record)
    draws = {name: _positions(uncertain[name], name, samples, seed) for name in names if name in uncertain}
    draws |= {f"law.{name}": values[0] for name, values in known.law.items() if f"law.{name}" in names}
    return Program(
        record=record,
        data={
            "inputs": {name: _told(uncertain.get(name, (numbers | facts).get(name))) for name in names},
            "starts": [name for name in names if name == "rent.start_month" or _DELIVERY.fullmatch(name)],
            "latest_start": LATEST_START,
            "draws": {name: _packed(values) for name, values in draws.items() if values is not None},
            "answers": list(record.outputs),
            "samples": samples,
            "tables": [table.tolist() for table in record.tables],
        },
    )


_DELIVERY = re.compile(r"own\.deliveries\.\d+\.month")
#: Facts of :class:`Known` that are one number a scenario.
_KNOWN = ("h100e_per_chip", "owner_share", "sum_of_squared_shares", "decided_year")


def _recorded(story: Scenario, known: Known, uncertain: list[str], numbers: Iterable[str], months: int) -> Record:
    """Record the spine with every input as a symbol, at one horizon."""
    record = Record()
    given = {name: record.input(name) for name in (*uncertain, *(f"law.{name}" for name in known.law))}
    given |= {name: record.input(name, varies=False) for name in numbers if name != _HORIZON}
    for name, values in answers_of(story, known, given, months).items():
        record.output(name, values)
    return record


def answers_of(story: Scenario, known: Known, given: Mapping[str, Any], months: int) -> dict[str, Any]:
    """Return the answers that a page recomputes, for every input of a program by name; rivals come from ``known``."""
    xp, (error, year, size) = as_common(given[STEP_ERROR], known.rivals_year.tolist(), known.rivals_h100e.tolist())
    step = {item.name: given[f"step.{item.name}"] for item in fields(Step)}
    facts = Known(
        step=Step(**step | {"step_time_s": given["step.step_time_s"] * xp.exp(error)}),
        law={name: given[f"law.{name}"] for name in known.law},
        world_h100e=given[STOCK],
        rivals_year=year,
        rivals_h100e=size,
        **{name: given[name] for name in _KNOWN},
    )
    groups = spine.answers(inputs_from([replace(story, horizon_months=months)], given), facts, months)
    found = {item.name: getattr(group, item.name) for group in groups for item in fields(group)}
    return {name: values for name, values in found.items() if name not in LEFT_OUT}


def _positions(value: Uncertain, name: str, samples: int, seed: int) -> numpy.ndarray | None:
    """Return where the report's own draws of an input stand: standard normal, or between 0 and 1 if it is uniform."""
    if not value.low < value.high:
        return None
    between = draw_inputs([{name: Uncertain.uniform(0.0, 1.0)}], samples, seed)[name][0]
    return between if value.is_uniform else special.ndtri(between)


def _packed(values: numpy.ndarray) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _told(value: Uncertain | float | None) -> Any:
    """Return an input as JSON has it, which knows no infinity and no nan."""
    if isinstance(value, Uncertain):
        spread = {item: float(getattr(value, item)) for item in ("low", "median", "high", "lower", "upper")}
        told = {item: number for item, number in spread.items() if math.isfinite(number)}
        return told | ({"uniform": True} if value.is_uniform else {})
    return value if value is not None and math.isfinite(value) else None
