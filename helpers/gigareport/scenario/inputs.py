"""The inputs of scenarios as arrays: options on the first axis, samples on the last, of length 1 where one will do.

``Inputs`` is the record class of a scenario with an array in the place of each number, ``Known`` what the tables say
beside it. Every uncertain input has a
stream of random numbers that its path in the file names, so that adding an input changes no draw of another, and
options share the draws of what they have in common. The times of a recovery scheme share one stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy

from gigacluster.arrays import Array, Samples, as_common, moved
from gigacluster.uncertainty import Uncertain
from gigareport.fields import draws
from gigareport.scenario.known import RECOVERY_TIMES, TOGETHER, Facts, filled
from gigareport.scenario.plans import DOUBLINGS, PlannedStep
from gigareport.scenario.record import Field, leaves, rebuild
from gigareport.scenario.reference import entry_of
from gigareport.scenario.register import Case, Delivery, Scenario, Site

_Part = TypeVar("_Part")
Inputs: TypeAlias = Case[Array, Array, Any]
#: What was drawn, by path: arrays, or symbols of a record that stand for them.
Drawn: TypeAlias = Mapping[str, Any]

#: Inputs of the models rather than of a file: where law, prediction, the world's stock, rents and rivals stand.
LAW, STEP_ERROR, STOCK = "scaling.replicate", "throughput.log_error", "concentration.world_stock"
CHIP_ERROR = "throughput.chip_log_error"
RENT_PATH, RIVALS = "rent.path", "concentration.rivals"
_MODEL_INPUTS = {
    LAW: "Which replicate of the scaling law",
    STEP_ERROR: "Error of the predicted step time",
    CHIP_ERROR: "Error of the predicted step time that only this chip has",
    STOCK: "The world's stock of chips",
    RENT_PATH: "Which path the market's rent takes",
    RIVALS: "What the sites of others are and become",
}


def inputs_of(story: Scenario) -> dict[str, Uncertain]:
    """Return every uncertain input of a scenario, by its path in the file, such as ``"own.energy_usd_per_kwh"``."""
    return uncertain_of(filled(story))


def uncertain_of(story: Scenario) -> dict[str, Uncertain]:
    """Return the same as they stand, from a scenario of :func:`alike`."""
    return {
        path: value
        for path, field, value in leaves(story)
        if field.kind == "uncertain" and not math.isnan(value.median)
    }


def words_of(story: Scenario) -> dict[str, str]:
    """Return what each uncertain input means, in words without its unit, by its path in the file."""
    return _MODEL_INPUTS | {path: entry_of(path).meaning for path in inputs_of(story)}


def draw_inputs(
    options: Sequence[Mapping[str, Uncertain]],
    samples: int,
    seed: int,
    first: int = 0,
    streams: Sequence[Mapping[str, str]] = (),
) -> dict[str, numpy.ndarray]:
    """Draw the inputs of options by path, each of shape (options or 1, samples or 1), ``nan`` for what one lacks.

    They are samples ``first`` to ``first + samples`` of the seed; sample i is the same however many are drawn.
    ``streams`` names random streams by path and option, for what options do not share though they all have it.

    Examples
    --------
    >>> same, dear = ({"price": Uncertain.fixed(value)} for value in (1.0, 2.0))
    >>> draw_inputs([same, dear], 100, 7)["price"].shape
    (2, 1)
    """
    draws(samples, seed)
    if first < 0:
        raise ValueError(f"first must be 0 or more; got {first}")
    names = dict.fromkeys(name for option in options for name in option)
    apart = streams or [{}] * len(options)

    def column(name: str) -> numpy.ndarray:
        shared = TOGETHER if name in RECOVERY_TIMES else name
        values = [option.get(name, Uncertain.left_out()) for option in options]
        return _column(values, [own.get(name, shared) for own in apart], samples, seed, first)

    return {name: column(name) for name in names}


class DrawnInputs(Mapping[str, numpy.ndarray]):
    """The inputs of one scenario by path, each drawn when it is asked for: arrays of shape (samples,) on the host.

    Examples
    --------
    >>> found = DrawnInputs({"price": Uncertain.fixed(2.0)}, 3, 7)
    >>> list(found), found["price"].tolist()
    (['price'], [2.0, 2.0, 2.0])
    """

    def __init__(
        self,
        inputs: Mapping[str, Uncertain],
        samples: int,
        seed: int,
        first: int = 0,
        streams: Mapping[str, str] | None = None,
    ) -> None:
        self._inputs, self._how = inputs, (samples, seed, first, [streams or {}])
        self._drawn: dict[str, numpy.ndarray] = {}

    def __getitem__(self, path: str) -> numpy.ndarray:
        if path not in self._drawn:
            values = draw_inputs([{path: self._inputs[path]}], *self._how)[path][0]
            self._drawn[path] = numpy.broadcast_to(values, (self._how[0],))
        return self._drawn[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)


def _column(values: list[Uncertain], streams: list[str], samples: int, seed: int, first: int) -> numpy.ndarray:
    if all(value == values[0] for value in values) and len(set(streams)) == 1:
        values = values[:1]
    if not any(value.low < value.high for value in values):
        return numpy.array([[value.median] for value in values])
    positions = {
        name: numpy.random.default_rng([seed, *name.encode()]).uniform(2**-54, 1 - 2**-53, first + samples)[first:]
        for name in set(streams)
    }
    return numpy.stack([value.quantile(positions[name]) for value, name in zip(values, streams, strict=False)])


def inputs_from(stories: Sequence[Scenario], drawn: Mapping[str, Any]) -> Inputs:
    """Return the record of inputs: what was drawn, by path, and the exact numbers of stories of :func:`alike`."""
    drawn = exact_columns(stories, drawn) | dict(drawn)

    def array(path: str, field: Field, value: object) -> object:
        return drawn[path] if field.kind in ("uncertain", "number") else value

    return rebuild(stories[0], array)  # type: ignore[no-any-return]


def exact_columns(stories: Sequence[Scenario], drawn: Drawn) -> dict[str, Array]:
    """Return the numbers of the options that were not drawn, by path: empty where all are among ``drawn``."""
    first = [path for path, field, _ in leaves(stories[0]) if field.kind in ("uncertain", "number")]
    if not (left := [path for path in first if path not in drawn]):
        return {}
    sides = [{path: value for path, _, value in leaves(story)} for story in stories]
    return {path: column_of(drawn, [_middle(side[path]) for side in sides]) for path in left}


def _middle(value: Uncertain | float) -> float:
    return value.median if isinstance(value, Uncertain) else float(value)


def column_of(drawn: Mapping[str, Any], values: Sequence[float]) -> Array:
    """Return a number of each option on the first axis, in the library and on the device of what was drawn."""
    like = next(iter(drawn.values()))
    same = len({repr(value) for value in values}) == 1
    xp, (_, column) = as_common(like, list(values[:1] if same else values))
    return xp.reshape(column, (-1, *(1,) * (like.ndim - 1)))


def alike(stories: Sequence[Scenario]) -> list[Scenario]:
    """Return scenarios of one form: as many deliveries and sites, those added with a share or power of 0."""
    never = Uncertain.fixed(0.0)
    unlimited: Site[Uncertain, float, str] = Site(name="", power_mw=Uncertain.left_out(), month=never)
    sites = [story.cluster.sites or (unlimited,) for story in stories]
    n_deliveries, n_sites = max(len(story.own.deliveries) for story in stories), max(map(len, sites))
    delivery = Delivery(share=0.0, month=never)
    site: Site[Uncertain, float, str] = Site(name="", power_mw=never, month=never)
    return [
        replace(
            story,
            own=replace(story.own, deliveries=_filled(story.own.deliveries, delivery, n_deliveries)),
            cluster=replace(story.cluster, sites=_filled(there, site, n_sites)),
        )
        for story, there in zip(map(filled, stories), sites, strict=True)
    ]


def _filled(parts: tuple[_Part, ...], part: _Part, number: int) -> tuple[_Part, ...]:
    return (*parts, *[part] * (number - len(parts)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the job under its plan."""

    job_chips: Array
    peak_bf16_flop_per_s: Array  # of a chip
    step_flop: Array
    step_time_s: Array  # as predicted, its error among the samples
    n_replicas: Array  # data-parallel
    replicas_lost: Array  # by one failure, on average
    schemes: tuple[str, ...]  # of recovery, one an option


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Facts of options as arrays of shape (options or 1, samples or 1)."""

    step: Step
    law: Mapping[str, Array]
    h100e_per_chip: Array
    world_h100e: Array  # when the last part of the cluster is due
    owner_share: Array  # of the world, 0 for an owner that the table does not list
    sum_of_squared_shares: Array  # of the owners listed
    decided_year: Array
    rivals_year: Array  # shape (n, ...): when the listed sites of others first reached each size
    rivals_h100e: Array
    market: Array  # rent month by month over that of the day of the decision, months first


def all_inputs(form: Scenario, facts: Facts, plan: PlannedStep) -> dict[str, Uncertain]:
    """Return the inputs of a scenario of :func:`alike`, and those of the models themselves."""
    between = Uncertain.uniform(0.0, 1.0)
    return uncertain_of(form) | {
        STEP_ERROR: plan.log_error,
        CHIP_ERROR: plan.chip_log_error,
        LAW: between,
        STOCK: facts.world_stock,
        RENT_PATH: between,
        RIVALS: between,
    }


def known_of(facts: Sequence[Facts], plans: Sequence[PlannedStep], drawn: Drawn) -> Known:
    """Gather the facts of options of one group of :func:`gigareport.scenario.evaluate`, for inputs drawn by name."""
    numbers = [step_facts(*pair) for pair in zip(facts, plans, strict=True)]
    columns = {name: column_of(drawn, [one[name] for one in numbers]) for name in numbers[0]}
    return Known(
        step=step_with(columns, tuple(one.scheme for one in facts), drawn),
        law={name: _taken(replicates, drawn[LAW]) for name, replicates in facts[0].law.items()},
        h100e_per_chip=column_of(drawn, [one.h100e_per_chip for one in facts]),
        world_h100e=drawn[STOCK],
        owner_share=column_of(drawn, [one.owner_share for one in facts]),
        sum_of_squared_shares=column_of(drawn, [one.sum_of_squared_shares for one in facts]),
        decided_year=column_of(drawn, [one.decided_year for one in facts]),
        rivals_year=_taken(facts[0].rivals_year, drawn[RIVALS]),
        rivals_h100e=_taken(facts[0].rivals_h100e, drawn[RIVALS]),
        market=market_of(facts[0], drawn),
    )


def step_facts(facts: Facts, plan: PlannedStep) -> dict[str, float]:
    """Return the numbers of a plan that the step is computed from, ``gain_0`` and on at each of the batch ratios."""
    return {
        "job_chips": float(plan.n_chips),
        "peak_bf16_flop_per_s": plan.peak_bf16_flop_per_s,
        "step_flop": plan.step_flop,
        "step_time_s": plan.step_time_s,
        "n_replicas": float(plan.n_replicas),
        "replicas_lost": float(facts.blast.replicas_lost(max(1.0, facts.job_chips / plan.n_replicas))),
        **{f"gain_{place}": gain for place, gain in enumerate(plan.batch_gains)},
    }


def step_with(plan: Drawn, schemes: tuple[str, ...], drawn: Drawn) -> Step:
    """Return the step for the numbers of :func:`step_facts`, each as an array or a symbol."""
    xp, (error, ratio) = as_common(drawn[STEP_ERROR] + drawn.get(CHIP_ERROR, 0.0), drawn["training.batch_ratio"])
    gain = batch_gain(ratio, [values for name, values in plan.items() if name.startswith("gain_")])
    return Step(
        job_chips=plan["job_chips"],
        peak_bf16_flop_per_s=plan["peak_bf16_flop_per_s"],
        step_flop=plan["step_flop"] * ratio,
        step_time_s=plan["step_time_s"] * ratio * xp.exp(error - gain),
        n_replicas=plan["n_replicas"],
        replicas_lost=plan["replicas_lost"],
        schemes=schemes,
    )


def batch_gain(ratio: Samples, gains: Sequence[Array | float]) -> Array:
    """Return the logarithm of the rate at a batch that is ``ratio`` times the planned one, over that at the latter.

    A larger batch leaves a pipeline fewer bubbles and gradients more to hide behind. Between the batches that plans
    were searched for, a line over the doublings.
    """
    xp, (ratio, *gains) = as_common(ratio, *gains)
    doublings = xp.log2(ratio)
    gain = gains[0] + 0.0 * doublings
    for start, low, high in zip(DOUBLINGS, gains, gains[1:], strict=False):
        gain = gain + (high - low) * xp.minimum(xp.maximum(doublings - start, 0.0 * doublings), 1.0 + 0.0 * doublings)
    return gain


def market_of(facts: Facts, drawn: Drawn) -> Array:
    """Return the market's rent by month over that of the day of the decision: (months + 1, ...) with the draws' shape.

    Rents that were quoted later are over the price of the file, so that they come out as quoted. Without a drawn
    :data:`RENT_PATH` the first path is taken.
    """
    price = drawn["rent.committed_usd_per_chip_hour"]
    xp, (position, price) = as_common(drawn.get(RENT_PATH, 0.0 * price), price)
    if facts.is_quoted:
        return xp.reshape(moved(facts.market[:, 0], price), (-1, *(1,) * price.ndim)) / price
    return _taken(facts.market, position)


def _taken(stored: numpy.ndarray, position: Array) -> Array:
    """Return the stored samples, along the last axis, that positions in (0, 1) point to, in their shape."""
    xp, (position,) = as_common(position)
    count = stored.shape[-1]
    index = xp.astype(xp.clip(xp.floor(position * count), 0.0, count - 1.0), xp.int64)
    taken = xp.take(moved(stored, position), xp.reshape(index, (-1,)), axis=stored.ndim - 1)
    return xp.reshape(taken, (*stored.shape[:-1], *index.shape))
