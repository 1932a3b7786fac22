"""What all options of a goal share: the run, its shape and batch, the site, finance, failures and habits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy

from gigacluster import hardware, scaling, transformer
from gigacluster.uncertainty import Uncertain
from gigareport import catalog, scenario
from gigareport.planner.register import Goal
from gigareport.scenario import Scenario, ScenarioError
from gigareport.scenario.chips import chip_of
from gigareport.scenario.known import law_replicates
from gigareport.scenario.load import made
from gigareport.scenario.register import OWN, default_of

#: What a goal without a named scenario is built on beside the sourced defaults.
_SEQ_LEN, _HORIZON_MONTHS = 8192.0, 48
#: Run of ``data/comparison_runs.csv`` whose tokens of a step are taken where nobody says the batch: an assumption.
_USUAL_BATCH_OF = "llama3.1-405b"
#: Most FLOP that a scenario takes.
_MOST_FLOP = 1e32


@dataclass(frozen=True, kw_only=True, eq=False)
class Base:
    """A goal as a scenario whose chip, number, way and start are still open."""

    goal: Goal
    story: Scenario
    flop: Uncertain
    build_months: Uncertain  # from the order until all of an own cluster trains
    start_months: Uncertain  # from the order until rented chips train, unless a rental says it

    @property
    def chips(self) -> dict[str, hardware.Chip]:
        """Every chip of the tables, and the own record of the scenario that the goal names."""
        known = dict(hardware.chips())
        return known | ({OWN: chip_of(self.story.cluster)} if self.story.cluster.chip == OWN else {})


def base_of(goal: Goal, like: Scenario | None = None) -> Base:
    """Return what the options of a goal share; ``like`` stands for the scenario that it names, such as with changes.

    A ``ScenarioError`` says that the loss wanted is below what the scaling law can reach.
    """
    named = like or (scenario.load(goal.like) if goal.like else None)
    job = goal.training
    model = job.model or (named.training.model if named else "")
    seq_len = _first(job.seq_len, named.training.seq_len if named else _SEQ_LEN)
    flop = _flop(goal, model, seq_len)
    model = model or nearest_shape(flop)
    batch = _first(job.global_batch, named.training.global_batch if named else _usual_batch(seq_len))
    precision = job.precision or (named.training.precision if named else "bf16")
    whole: Mapping[str, Any] = {
        "name": goal.name,
        "title": goal.title,
        "decided_on": str(goal.decided_on),
        "price_year": goal.decided_on.year,
        "horizon_months": _HORIZON_MONTHS,
        "cluster": {"chip": "H100-SXM", "n_chips": 8},
        "training": {"model": model, "global_batch": batch},
    }
    story = named or made(whole, what=f"goal {goal.name!r}")
    training = replace(
        story.training,
        model=model,
        seq_len=seq_len,
        global_batch=batch,
        precision=precision,
        n_chips=math.inf,
        batch_ratio=Uncertain.fixed(1.0),  # the batch is chosen here, so it is not uncertain
        reference_run_flop=flop,
    )
    cluster = replace(story.cluster, nic_gbps_per_chip=math.nan, sites=())
    story = replace(
        story,
        name=goal.name,
        title=goal.title,
        story=goal.story,
        goal="",
        decided_on=goal.decided_on,
        price_year=float(goal.decided_on.year),
        training=training,
        cluster=replace(cluster, reported_power_mw=Uncertain.left_out()),
        rent=replace(story.rent, contract_usd=Uncertain.left_out()),
    )
    build = goal.build_months
    if math.isnan(build.median):
        parts = named.own.deliveries if named else ()
        build = max(
            (part.month for part in parts), key=lambda month: month.median, default=default_of("delivery_months")
        )
    return Base(
        goal=goal,
        story=story,
        flop=flop,
        build_months=build,
        start_months=named.rent.start_month if named else default_of("rent_start_months"),
    )


def _first(value: float, other: float) -> int:
    return int(other if math.isnan(value) else value)


def _usual_batch(seq_len: int) -> int:
    """Return the power of two of sequences nearest to the tokens of a step of a known run. [sequence]"""
    runs = catalog.load("comparison_runs").set_index("run")
    tokens = float(runs.loc[_USUAL_BATCH_OF, "global_batch"] * runs.loc[_USUAL_BATCH_OF, "seq_len"])
    return int(2 ** max(round(math.log2(tokens / seq_len)), 0))


def _flop(goal: Goal, model: str, seq_len: int) -> Uncertain:
    want = goal.want
    if not math.isnan(want.flop.median):
        return want.flop
    if not math.isnan(want.loss):
        return flop_of_loss(want.loss, goal.probability)
    per_token = float(transformer.model(model).flop_per_token(seq_len))
    low, median, high = (tokens * per_token for tokens in (want.tokens.low, want.tokens.median, want.tokens.high))
    return Uncertain(low=low, median=median, high=high)


def flop_of_loss(loss: float, probability: float) -> Uncertain:
    """Return the compute of the compute-optimal run that reaches a loss, over the replicates of the scaling law.

    Raises
    ------
    ScenarioError
        If the law says with the probability asked for that no compute reaches it.

    Examples
    --------
    >>> flop = flop_of_loss(1.95, 0.9)
    >>> 1e23 < flop.low < flop.median < flop.high < 1e28
    True
    """
    law: dict[str, Any] = law_replicates()
    logs = numpy.linspace(math.log(1e15), math.log(_MOST_FLOP), 400)
    losses = numpy.stack([scaling.optimum(math.exp(x), **law).loss for x in logs])  # falls with compute
    needed = numpy.array([numpy.interp(-loss, -column, logs, right=numpy.inf) for column in losses.T])
    reached = numpy.isfinite(needed)
    if reached.mean() < probability:
        floor = float(numpy.quantile(losses[-1], probability))
        raise ScenarioError(
            f"want.loss: got {loss:g}, which {1 - reached.mean():.0%} of the scaling laws that fit never reach; "
            f"give at least {floor:.3g}, which holds at probability {probability:g}"
        )
    low, median, high = numpy.exp(numpy.minimum(numpy.quantile(needed, [0.05, 0.5, 0.95]), math.log(_MOST_FLOP)))
    return Uncertain(low=float(low), median=float(median), high=float(high))


def nearest_shape(flop: Uncertain) -> str:
    """Return the known shape whose parameters are nearest to the compute-optimal number."""
    law: dict[str, Any] = {name: float(numpy.median(values)) for name, values in law_replicates().items()}
    best = float(scaling.optimum(flop.median, **law).params)
    known = {str(name): transformer.model(str(name)) for name in catalog.load("models")["name"]}
    dense = {name: float(shape.active_params) for name, shape in known.items() if shape.n_experts == 0}
    return min(dense, key=lambda name: abs(math.log(dense[name] / best)))
