"""A scenario's spine as JavaScript with samples of its inputs: what a page needs to recompute every answer by itself.

The record is made by running the models once on symbols (:mod:`gigacluster.trace`), so that page and report have one
source. A changed input scales its samples: the median becomes what the reader typed, and the interval moves along,
cut off at the limits of the register.

Other chips and numbers of them are swaps: one changes what a table has for each chip (price, power, network, rent), the
failure rate, and the plan, which is searched anew. The way to recover and the site stay, and the rent where none of the
chip is listed.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.emission import input_names, javascript
from gigacluster.trace import Record, with_length
from gigareport import scenario
from gigareport.facts.prices import quoted_usd
from gigareport.scenario import Scenario, spine
from gigareport.scenario.chips import h100e_of, with_chip
from gigareport.scenario.inputs import (
    CHIP_ERROR,
    LAW,
    RENT_PATH,
    RIVALS,
    STEP_ERROR,
    STOCK,
    Known,
    alike,
    all_inputs,
    draw_inputs,
    inputs_from,
    known_of,
    step_facts,
    step_with,
    uncertain_of,
)
from gigareport.scenario.known import facts_of, scheme_of
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.plans import TrainingPlan

#: Numbers of chips that are offered, over the scenario's.
FACTORS = (0.5, 1.0, 2.0)
#: What stands before the name of a fact among the inputs of a record.
FACT = "fact."
#: Width of the error of the step time over that of the scenario's own plan.
ERROR_SCALE = f"{FACT}error_scale"


@dataclass(frozen=True, kw_only=True, eq=False)
class Swap:
    """One chip in one number: the facts that its plan brings, and the medians of the inputs that it moves."""

    chip: str
    n_chips: int
    facts: dict[str, float]
    medians: dict[str, float]
    story: Any
    plan: TrainingPlan

    @property
    def key(self) -> str:
        """Its name in an address."""
        return f"{self.chip}-{self.n_chips}"


def swaps_of(story: scenario.Scenario, plan: TrainingPlan) -> list[Swap]:
    """Return the scenario itself, then every chip with a price in every number for which a plan fits.

    ``plan`` is the scenario's own.
    """
    swaps = [_swap(story, plan, story, plan)]
    chips = [story.cluster.chip, *(chip for chip in quoted_usd() if chip != story.cluster.chip)]
    for chip, factor in itertools.product(chips, FACTORS):
        n_chips = round(factor * story.cluster.n_chips)
        if n_chips < 1 or (chip == story.cluster.chip and factor == 1.0):
            continue
        other = _variant(story, chip, n_chips, factor)
        try:
            found = scenario.search_plan(other)
        except ValueError:  # no plan fits, or the number does not split
            continue
        swaps.append(_swap(other, found, story, plan))
    return swaps


def _variant(story: scenario.Scenario, chip: str, n_chips: int, factor: float) -> scenario.Scenario:
    """Return the scenario with another chip or number; its job changes along, and its way to recover stays."""
    other = with_chip(story, chip, n_chips)
    job = story.training.n_chips if story.training.n_chips == float("inf") else round(factor * story.training.n_chips)
    return replace(
        other,
        training=replace(other.training, n_chips=job),
        reliability=replace(other.reliability, recovery=scheme_of(story)),
    )


def _swap(other: scenario.Scenario, plan: TrainingPlan, story: scenario.Scenario, own: TrainingPlan) -> Swap:
    (settled,), (base,) = alike([other]), alike([story])
    before = uncertain_of(base)
    moved = {
        path: value.median
        for path, value in uncertain_of(settled).items()
        if path in before and value.median != before[path].median
    }
    widths = [made.log_error.high - made.log_error.low for made in (plan, own)]
    facts = {f"{FACT}{name}": value for name, value in step_facts(facts_of(other), plan).items()}
    facts |= {f"{FACT}h100e_per_chip": h100e_of(other.cluster), ERROR_SCALE: widths[0] / widths[1]}
    facts |= {"cluster.n_chips": float(other.cluster.n_chips)}
    return Swap(
        chip=other.cluster.chip, n_chips=int(other.cluster.n_chips), facts=facts, medians=moved, story=other, plan=plan
    )


#: Samples that a page carries.
SAMPLES = 1_000
#: Longest horizon that a page offers, beyond the scenario's own. [month]
LONGEST = 120
HORIZON = "horizon_months"
#: The answer that the page's map shows.
MAPPED = "saving_usd"
_MARKET, _LAW = "market", "law."
#: Facts with samples that have rows: when the sites of others reached each size, and the sizes.
_REACHED = ("rivals_year", "rivals_h100e")
_ROWS = (_MARKET, *_REACHED)
#: Where the model is recorded: lengths that mean nothing else in it.
_LENGTHS = (101, 211, 307)


@dataclass(frozen=True, kw_only=True, eq=False)
class WhatIf:
    """One scenario, ready to be recomputed: its record, and samples of every input by name.

    Attributes
    ----------
    record : Every answer as operations on the inputs.
    samples : mapping of str to array, shape (samples,) or (rows, samples)
        In single precision, as a page carries them.
    medians : Of the inputs that a reader may move, before any change.
    swaps : Chips in numbers that a reader may choose, the scenario's own first.
    """

    story: Any
    plan: Any
    record: Record
    samples: Mapping[str, numpy.ndarray]
    medians: Mapping[str, float]
    swaps: Sequence[Swap]

    def limits(self, path: str) -> tuple[float, float]:
        """Return the least and the most that an input may be."""
        if path == HORIZON:
            return 12.0, float(self.longest)
        entry = scenario.entry_of(path)
        return entry.least, entry.most

    @property
    def longest(self) -> int:
        """Longest horizon that the samples reach. [month]"""
        return len(self.samples[_MARKET]) - 1

    def changed(self, changes: Mapping[str, float], swap: int = 0) -> dict[str, Any]:
        """Return every input with some medians changed, for one of the swaps, which moves medians too.

        Raises
        ------
        ValueError
            If a change names no input or is out of its limits.
        """
        given: dict[str, Any] = {name: values.astype(float) for name, values in self.samples.items()}
        given[HORIZON] = float(self.story.horizon_months)
        chosen, size = self.swaps[swap], len(self.samples[STOCK])
        given |= {name: numpy.full(size, value) for name, value in chosen.facts.items()}
        for path, value in (chosen.medians | dict(changes)).items():
            if path not in self.medians:
                raise ValueError(f"{path!r} is no input that can be moved; there are: {', '.join(self.medians)}")
            least, most = self.limits(path)
            if not least <= value <= most:
                raise ValueError(f"{path} must lie in {least:g} to {most:g}, got {value:g}")
            if path == HORIZON:
                given[path] = float(value)
                continue
            old, drawn = self.medians[path], self.samples[path].astype(float)
            moved = drawn * (value / old) if old else drawn + value
            given[path] = numpy.minimum(numpy.maximum(moved, least), most)
        return given

    def answers(self, changes: Mapping[str, float], swap: int = 0) -> dict[str, numpy.ndarray]:
        """Return every answer by the models themselves, for what a page computes from the record."""
        given = self.changed(changes, swap)
        horizon = int(given.pop(HORIZON))
        found = _answers(self.story, self.plan, given, horizon, None)
        size = (len(self.samples[STOCK]),)
        return {name: numpy.broadcast_to(numpy.squeeze(to_host(values)), size) for name, values in found.items()}

    def deciding(self, answer: str, count: int) -> list[str]:
        """Return the inputs that go most with one answer among the samples, by their ranks, strongest first."""
        return self.strongest(0.0, count)[answer]

    def strongest(self, least: float = 0.15, most: int = 9) -> dict[str, list[str]]:
        """Return by answer the inputs that go most with it among the samples, by their ranks, strongest first.

        ``least`` is the rank correlation from which on an input counts: that of 1,000 samples that have nothing to do
        with each other is 0.03. An input that only is drawn together with one that moves the answer does not count.
        Answers that are the same in all samples, or missing in most, have none.
        """
        paths = [path for path in self.medians if path != HORIZON and numpy.ptp(self.samples[path]) > 0]
        given = numpy.array([_ranks(self.samples[path]) for path in paths])
        found: dict[str, list[str]] = {}
        before = self.answers({})
        after = {path: self.answers({path: 0.99 * self.medians[path]}) for path in paths}
        for answer, values in before.items():
            found[answer] = []
            known = numpy.isfinite(values)
            if known.mean() > 0.5 and numpy.ptp(values[known]) > 0:
                strength = numpy.abs(numpy.corrcoef(given[:, known], _ranks(values[known]))[-1, :-1])
                order = [paths[place] for place in numpy.argsort(-strength, kind="stable") if strength[place] >= least]
                moves = (path for path in order if not numpy.array_equal(after[path][answer][known], values[known]))
                found[answer] = list(itertools.islice(moves, most))
        return found

    def script(self) -> str:
        """Return the functions ``model``, of every answer, and ``mapped``, of what a map shows alone, in JavaScript."""
        alone = replace(self.record, outputs={MAPPED: self.record.outputs[MAPPED]})
        return javascript(self.record) + javascript(alone, "mapped")

    def data(self) -> dict[str, Any]:
        """Return everything beside the function that a page needs, as plain values."""
        labels = Outlook.answers()
        return {
            "inputs": input_names(self.record),
            "outputs": [[name, *labels[name]] for name in self.record.outputs],
            "samples": {name: _packed(values) for name, values in self.samples.items()},
            "tables": [_packed(table, "float64") for table in self.record.tables],
            "horizon": int(self.story.horizon_months),
            "medians": dict(self.medians),
            "swaps": [
                {
                    "key": swap.key,
                    "chip": swap.chip,
                    "count": swap.n_chips,
                    "facts": swap.facts,
                    "medians": swap.medians,
                }
                for swap in self.swaps
            ],
            "limits": {path: [_finite(limit) for limit in self.limits(path)] for path in self.medians},
        }


def whatif_of(story: Scenario, plan: TrainingPlan | None = None, *, samples: int = SAMPLES, seed: int = 7) -> WhatIf:
    """Return a scenario ready to be recomputed; its parallel plan is searched where none is given.

    Examples
    --------
    >>> from gigareport import scenario
    >>> made = whatif_of(scenario.load("startup-512-2025"), samples=20)
    >>> same, dear = (made.answers(changes)["own_usd"] for changes in ({}, {"own.chip_usd": 60_000.0}))
    >>> bool((dear > same).all())
    True
    """
    plan = plan or scenario.search_plan(story)
    swaps = swaps_of(story, plan)
    longest = max(LONGEST, int(story.horizon_months))
    facts = facts_of(replace(story, horizon_months=longest))
    (story,) = alike([story])
    drawn = draw_inputs([all_inputs(story, facts, plan)], samples, seed)
    known = known_of([facts], [plan], drawn)
    columns = {name: values[0] for name, values in drawn.items() if name not in (LAW, RENT_PATH, RIVALS)}
    columns |= {f"{_LAW}{name}": values[0] for name, values in known.law.items()}
    columns |= {name: numpy.squeeze(getattr(known, name), axis=1) for name in _ROWS}
    shapes = {name: (len(values), samples) if name in _ROWS else (samples,) for name, values in columns.items()}
    kept = {name: numpy.broadcast_to(values, shapes[name]).astype(numpy.float32) for name, values in columns.items()}
    movable = {name: value.median for name, value in uncertain_of(story).items() if not _is_numbered(name)}
    return WhatIf(
        story=story,
        plan=plan,
        record=with_length(
            lambda horizon: _record(story, plan, kept, list(swaps[0].facts), horizon), HORIZON, _LENGTHS
        ),
        samples=kept,
        swaps=[swap for swap in swaps if set(swap.medians) <= set(movable)],
        medians={HORIZON: float(story.horizon_months)} | movable,
    )


def _is_numbered(name: str) -> bool:
    """Tell whether an input is of one of several parts, such as a delivery."""
    return any(part.isdigit() for part in name.split("."))


def _record(
    story: Scenario, plan: TrainingPlan, kept: Mapping[str, numpy.ndarray], facts: list[str], horizon: int
) -> Record:
    record = Record()
    rows = {name: len(values) for name, values in kept.items() if values.ndim == 2} | {_MARKET: horizon + 1}
    given = {name: record.input(name, rows=rows.get(name, 0)) for name in (*kept, *facts)}
    for name, values in _answers(story, plan, given, horizon, record).items():
        record.output(name, values)
    return record


def _answers(
    story: Scenario, plan: TrainingPlan, given: Mapping[str, Any], horizon: int, record: Record | None
) -> dict[str, Any]:
    """Return every answer by name for columns by name: numbers, or symbols of a record."""
    groups = spine.answers(*_inputs(story, plan, given, horizon, record), horizon)
    return {item.name: getattr(group, item.name) for group in groups for item in fields(group)}


def _inputs(
    story: Scenario, plan: TrainingPlan, given: Mapping[str, Any], horizon: int, record: Record | None
) -> tuple[Any, Known]:
    """Return inputs and facts of the spine for columns by name: numbers, or symbols of a record."""
    xp: Any = record.space if record else numpy

    def column(values: object) -> Any:
        """Return numbers as one axis, which is that of the samples; texts as they are."""
        return xp.asarray(numpy.reshape(values, -1)) if isinstance(values, numpy.ndarray) else values

    host = {STEP_ERROR: numpy.zeros((1, 1)), STOCK: numpy.ones((1, 1))}
    host |= dict.fromkeys((LAW, RIVALS), numpy.full((1, 1), 0.5))
    host |= dict.fromkeys(("rent.committed_usd_per_chip_hour", "training.batch_ratio"), numpy.ones((1, 1)))
    facts = facts_of(story)
    known = known_of([facts], [plan], host)
    alone = {
        item.name: column(getattr(known, item.name))
        for item in fields(Known)
        if item.name not in ("step", "law", "market", "world_h100e", "h100e_per_chip", *_REACHED)
    }
    rows: dict[str, Any] = {
        name: record.space.reshape(given[name], (-1, 1)) if record else given[name] for name in _ROWS
    }
    rows[_MARKET] = rows[_MARKET] if record else rows[_MARKET][: horizon + 1]
    others = (_LAW, FACT)
    drawn = {name: values for name, values in given.items() if name not in _ROWS and not name.startswith(others)}
    own_plan = {name: given[f"{FACT}{name}"] for name in step_facts(facts, plan)}
    errors = {STEP_ERROR: given[STEP_ERROR] * given[ERROR_SCALE], CHIP_ERROR: given[CHIP_ERROR]}
    errors |= {"training.batch_ratio": given["training.batch_ratio"]}
    return inputs_from([story], drawn), Known(
        step=step_with(own_plan, (facts.scheme,), errors),
        h100e_per_chip=given[f"{FACT}h100e_per_chip"],
        law={name: given[f"{_LAW}{name}"] for name in known.law},
        world_h100e=given[STOCK],
        **rows,
        **alone,
    )


def _packed(values: numpy.ndarray, dtype: str = "float32") -> str:
    """Return numbers as text: sample by sample, the rows of each beside each other."""
    return base64.b64encode(
        numpy.ascontiguousarray(values.T).astype(numpy.dtype(dtype).newbyteorder("<")).tobytes()
    ).decode()


def _ranks(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.argsort(numpy.argsort(numpy.nan_to_num(values)))


def _finite(value: float) -> float | None:
    return value if numpy.isfinite(value) else None
