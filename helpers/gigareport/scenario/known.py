"""What the tables say about a scenario: what its file leaves out, and what stands beside it in every answer.

A scenario keeps what its file says, so that a page never shows a default as if the reader had typed it. What stands in
the place of what was left out is gathered here, once a scenario, before anything is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy

from gigacluster import reliability
from gigacluster.uncertainty import Uncertain
from gigacluster.units import HOURS_PER_MONTH, SECONDS_PER_DAY, SECONDS_PER_HOUR
from gigareport import catalog, facts
from gigareport.facts import rents
from gigareport.facts.failures import failure_rate
from gigareport.facts.recovery import blast, default_scheme, inputs
from gigareport.facts.rivals import in_years, latest_reached
from gigareport.scenario.chips import chip_of, h100e_of
from gigareport.scenario.register import Scenario

_TIMES = (
    "detection_s",
    "restart_s",
    "resume_s",
    "rebuild_s",
    "lost_frac",
    "overhead_frac",
    "checkpoint_write_s",
    "checkpoint_stall_s",
)
#: Inputs that one stream of random numbers draws together: who is slow at one is slow at all.
RECOVERY_TIMES = frozenset(f"reliability.{name}" for name in _TIMES)
TOGETHER = "reliability.recovery"
#: A cluster that starts later than this share of the horizon is taken to start then: it has no cost of an hour.
LATEST_START = 0.98
_RACK_CHIPS = 72
_NODE_CHIPS = 8.0
#: Paths of rents that are kept for each date, up to the longest horizon of a scenario. [month]
_N_PATHS, _SEED, _LONGEST_MONTHS = 4096, 7, 240
#: Scenarios whose facts are kept: those of a large plan.
_KEPT = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What is known beside the file of one scenario; arrays are of the tables, and shared by scenarios."""

    scheme: str  # of recovery
    job_chips: int
    blast: reliability.Blast
    h100e_per_chip: float
    world_stock: Uncertain  # when the last part of the cluster is due [H100 equivalents]
    owner_share: float  # of the world, 0 for an owner that the table does not list
    sum_of_squared_shares: float  # of the owners listed
    decided_year: float
    law: Mapping[str, numpy.ndarray]  # replicates of the scaling law: (replicates,)
    rivals_year: numpy.ndarray  # (n, samples): when the listed sites of others first reached each size
    rivals_h100e: numpy.ndarray
    #: Rent month by month, (months + 1, paths): over that of the day of the decision, or as quoted since, in dollars.
    market: numpy.ndarray
    is_quoted: bool


@lru_cache(_KEPT)
def facts_of(story: Scenario) -> Facts:
    """Gather what the tables say beside the file of a scenario."""
    world_stock, shares = _world(_completed_on(filled(story)))
    rivals_year, rivals_h100e = latest_reached(story.owner)
    decided, horizon, is_quoted = str(story.decided_on), int(story.horizon_months), story.rent.kind == "followed"
    return Facts(
        scheme=scheme_of(story),
        job_chips=job_chips(story),
        blast=blast_of(story),
        h100e_per_chip=h100e_of(story.cluster),
        world_stock=world_stock,
        owner_share=shares.get(story.owner, 0.0),
        sum_of_squared_shares=float(numpy.sum(numpy.array(list(shares.values())) ** 2)),
        decided_year=float(in_years(numpy.datetime64(story.decided_on))),
        law=law_replicates(),
        rivals_year=rivals_year,
        rivals_h100e=rivals_h100e,
        market=_quoted(story) if is_quoted else _paths(decided, horizon, by_year=story.rent.kind == "reserved"),
        is_quoted=is_quoted,
    )


@lru_cache(_KEPT)
def filled(story: Scenario) -> Scenario:
    """Return a scenario with what was left out about failures filled in, and whose starts lie within its horizon."""
    latest = LATEST_START * story.horizon_months

    def clipped(month: Uncertain) -> Uncertain:
        low, median, high = (min(value, latest) for value in (month.low, month.median, month.high))
        return replace(month, low=low, median=median, high=high, upper=min(month.upper, latest))

    story = _with_recovery(story)
    deliveries = tuple(replace(part, month=clipped(part.month)) for part in story.own.deliveries)
    rent = replace(story.rent, start_month=clipped(story.rent.start_month))
    return replace(story, own=replace(story.own, deliveries=deliveries), rent=rent)


def job_chips(story: Scenario) -> int:
    """Return how many chips train; those of the cluster beyond them are spares."""
    return int(min(story.training.n_chips, story.cluster.n_chips))


def scheme_of(story: Scenario) -> str:
    """Return the recovery scheme of a scenario: its own, or the usual one of the job's size and the year."""
    named = story.reliability.recovery
    return default_scheme(job_chips(story), story.decided_on.year) if named == "by_size_and_year" else named


def blast_of(story: Scenario) -> reliability.Blast:
    """Return what one failure takes out: of the system that the scenario names, or of its chip's."""
    system = story.reliability.blast
    if system == "by_chip":
        system = "NVL72" if chip_of(story.cluster).fabric.scaleup_domain >= _RACK_CHIPS else "HGX"
    return blast(system)


def _with_recovery(story: Scenario) -> Scenario:
    """Return a scenario with a failure rate and times of recovery in the place of those left out."""
    given, scheme = story.reliability, scheme_of(story)
    power = None if math.isnan(given.size_power.median) else given.size_power
    ranges = inputs(scheme, job_chips(story), power=power)
    if scheme == "restart_all":  # training waits for the whole write, whichever of the two is given
        both = [value for value in (given.checkpoint_write_s, given.checkpoint_stall_s) if not math.isnan(value.median)]
        ranges |= dict.fromkeys(("checkpoint_write_s", "checkpoint_stall_s"), both[0]) if both else {}
    found: dict[str, Any] = {
        name: ranges.get(name, Uncertain.fixed(0.0)) for name in _TIMES if math.isnan(getattr(given, name).median)
    }
    if math.isnan(given.failures_per_1000_node_days.median):
        found["failures_per_1000_node_days"] = _rate(story)
    return replace(story, reliability=replace(given, **found))


def _rate(story: Scenario) -> Uncertain:
    """Return failures per 1,000 node-days: as counted, from the MTTF of the job, or of published runs."""
    given, n_chips = story.reliability, job_chips(story)
    if not (math.isnan(given.failures) or math.isnan(given.node_days)):
        return reliability.counted_rate(given.failures, given.node_days)
    if not math.isnan(given.mttf_hours.median):
        node_days = n_chips / _NODE_CHIPS * SECONDS_PER_HOUR / SECONDS_PER_DAY  # in an hour of the job
        hours = given.mttf_hours
        low, median, high = (1000 / (node_days * value) for value in (hours.high, hours.median, hours.low))
        return Uncertain(low=low, median=median, high=high)
    return failure_rate(story.cluster.chip, float(n_chips)).pooled.rate


@cache
def _world(date: numpy.datetime64) -> tuple[Uncertain, dict[str, float]]:
    """Return the world's stock on a day, in H100 equivalents, and the share of each owner by name."""
    stock = facts.load_stock(samples=2000)
    holdings = stock.at(date)
    low, median, high = numpy.quantile(holdings.sum(axis=0), [0.05, 0.5, 0.95])
    shares = numpy.median(holdings / holdings.sum(axis=0), axis=1)
    named = zip(stock.owners[:-1], (shares / shares.sum()).tolist(), strict=False)  # the last is "Other"
    return Uncertain(low=low, median=median, high=high), dict(named)


def _completed_on(story: Scenario) -> numpy.datetime64:
    month = max(float(delivery.month.median) for delivery in story.own.deliveries)
    return numpy.datetime64(story.decided_on) + numpy.timedelta64(round(month * HOURS_PER_MONTH / 24), "D")


@cache
def law_replicates() -> dict[str, numpy.ndarray]:
    """Return the replicates of the scaling law by symbol, each of shape (replicates,)."""
    table = catalog.read("scaling_law_replicates")
    return {name: table[name] for name in ("A", "B", "E", "alpha", "beta")}


@cache
def _paths(decided: str, horizon_months: int, *, by_year: bool) -> numpy.ndarray:
    """Return paths that the market's rent may take: the beginning of the longest, which all horizons share.

    A year's contract keeps the rent of its anniversary.
    """
    found = _longest_paths(decided)[: horizon_months + 1]
    return found[numpy.arange(horizon_months + 1) // 12 * 12] if by_year else found


@cache
def _longest_paths(decided: str) -> numpy.ndarray:
    changes = rents.known_changes(decided)
    return rents.paths(changes, months=_LONGEST_MONTHS, samples=_N_PATHS, seed=_SEED)


def _quoted(story: Scenario) -> numpy.ndarray:
    quotes = rents.quoted(story.cluster.chip, story.rent.follows)
    dates, usd = quotes["date"], quotes["usd_per_chip_hour"]
    return rents.followed(dates, usd, str(story.decided_on), int(story.horizon_months))
