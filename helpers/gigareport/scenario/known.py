"""What the spine knows beside the file: the plan, the law, the world's stock, the rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy

from gigacluster.arrays import Array, as_common, moved
from gigacluster.uncertainty import Uncertain
from gigacluster.units import HOURS_PER_MONTH
from gigareport import catalog, facts
from gigareport.facts.rivals import in_years, latest_reached
from gigareport.scenario.chips import h100e_of
from gigareport.scenario.inputs import CHIP_ERROR, LAW, RIVALS, STEP_ERROR, STOCK, column_of
from gigareport.scenario.market import market_of
from gigareport.scenario.plans import PlannedStep, batch_gain
from gigareport.scenario.recovery import replicas_lost, scheme_of
from gigareport.scenario.register import Scenario


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


def known_of(stories: Sequence[Scenario], plans: Sequence[PlannedStep], drawn: Mapping[str, Any]) -> Known:
    """Gather the facts of options of one group of :func:`gigareport.scenario.evaluate`, for inputs drawn by name."""
    column = partial(column_of, drawn)
    worlds = [_world(_completed_on(story)) for story in stories]
    shares = [[world.share_of(story.owner), world.sum_of_squares] for story, world in zip(stories, worlds, strict=True)]
    rivals_year, rivals_h100e = _rivals(stories[0].owner, drawn[RIVALS])
    return Known(
        step=step_of(stories, plans, drawn),
        law=_law_samples(drawn[LAW]),
        h100e_per_chip=column([h100e_of(story.cluster) for story in stories]),
        world_h100e=drawn[STOCK],
        owner_share=column([share for share, _ in shares]),
        sum_of_squared_shares=column([squares for _, squares in shares]),
        decided_year=column([_year(story) for story in stories]),
        rivals_year=rivals_year,
        rivals_h100e=rivals_h100e,
        market=market_of(stories[0], drawn),
    )


def step_of(stories: Sequence[Scenario], plans: Sequence[PlannedStep], drawn: Mapping[str, Any]) -> Step:
    """Return the step of each option under its plan, at the drawn batch and with the drawn error of the prediction."""
    column = partial(column_of, drawn)
    facts_of = [step_facts(*pair) for pair in zip(stories, plans, strict=True)]
    columns = {name: column([facts[name] for facts in facts_of]) for name in facts_of[0]}
    return step_with(columns, tuple(scheme_of(story) for story in stories), drawn)


def step_facts(story: Scenario, plan: PlannedStep) -> dict[str, float]:
    """Return the numbers of a plan that the step is computed from, ``gain_0`` and on at each of the batch ratios."""
    return {
        "job_chips": float(plan.n_chips),
        "peak_bf16_flop_per_s": plan.peak_bf16_flop_per_s,
        "step_flop": plan.step_flop,
        "step_time_s": plan.step_time_s,
        "n_replicas": float(plan.n_replicas),
        "replicas_lost": replicas_lost(story, float(plan.n_replicas)),
        **{f"gain_{place}": gain for place, gain in enumerate(plan.batch_gains)},
    }


def step_with(plan: Mapping[str, Array], schemes: tuple[str, ...], drawn: Mapping[str, Any]) -> Step:
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


def world_stock_of(story: Scenario) -> Uncertain:
    """Return the world's stock of chips when the last part of a scenario's cluster is due. [H100 equivalents]"""
    return _world(_completed_on(story)).total


@dataclass(frozen=True, eq=False)
class _World:
    total: Uncertain
    owners: tuple[str, ...]  # "Other" last
    shares: numpy.ndarray  # medians, which add up to 1

    def share_of(self, owner: str) -> float:
        """Return the share of an owner by name, 0 if the table has none."""
        named = self.owners[:-1]
        return float(self.shares[named.index(owner)]) if owner in named else 0.0

    @property
    def sum_of_squares(self) -> float:
        """The sum of the squared shares of all owners by name."""
        return float(numpy.sum(self.shares[:-1] ** 2))


@cache
def _world(date: numpy.datetime64) -> _World:
    stock = facts.load_stock(samples=2000)
    holdings = stock.at(date)
    low, median, high = numpy.quantile(holdings.sum(axis=0), [0.05, 0.5, 0.95])
    shares = numpy.median(holdings / holdings.sum(axis=0), axis=1)
    return _World(Uncertain(low=low, median=median, high=high), stock.owners, shares / shares.sum())


def _completed_on(story: Scenario) -> numpy.datetime64:
    month = max(float(delivery.month.median) for delivery in story.own.deliveries)
    return numpy.datetime64(story.decided_on) + numpy.timedelta64(round(month * HOURS_PER_MONTH / 24), "D")


def _year(story: Scenario) -> float:
    return float(in_years(numpy.datetime64(story.decided_on)))


@cache
def _law_table() -> dict[str, numpy.ndarray]:
    table = catalog.read("scaling_law_replicates")
    return {name: table[name] for name in ("A", "B", "E", "alpha", "beta")}


def _law_samples(position: Array) -> dict[str, Any]:
    """Return the parameters of the stored replicate that each position in (0, 1) points to."""
    return {name: _taken(column, position) for name, column in _law_table().items()}


def _rivals(owner: str, position: Array) -> tuple[Array, Array]:
    """Return when the sites of others reach each size, in the sample of the timeline that a position points to."""
    year, h100e = (_taken(values, position) for values in latest_reached(owner))
    return year, h100e


def _taken(stored: numpy.ndarray, position: Array) -> Array:
    """Return the stored samples, along the last axis, that positions in (0, 1) point to, in their shape."""
    xp, (position,) = as_common(position)
    count = stored.shape[-1]
    index = xp.astype(xp.clip(xp.floor(position * count), 0.0, count - 1.0), xp.int64)
    taken = xp.take(moved(stored, position), xp.reshape(index, (-1,)), axis=stored.ndim - 1)
    return xp.reshape(taken, (*stored.shape[:-1], *index.shape))
