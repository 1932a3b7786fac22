"""What a scenario leaves out about failures: the rate of its chip and size, and the times of its recovery scheme."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from gigacluster import reliability
from gigacluster.uncertainty import Uncertain
from gigacluster.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from gigareport.facts.failures import failure_rate
from gigareport.facts.recovery import blast, default_scheme, inputs
from gigareport.scenario.chips import chip_of
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
_RACK_CHIPS = 72
_NODE_CHIPS = 8.0


def scheme_of(story: Scenario) -> str:
    """Return the recovery scheme of a scenario: its own, or the usual one of the job's size and the year."""
    named = story.reliability.recovery
    return default_scheme(_job_chips(story), story.decided_on.year) if named == "by_size_and_year" else named


def replicas_lost(story: Scenario, n_replicas: float) -> float:
    """Return how many replicas one failure takes out on average, with so many in the job."""
    system = story.reliability.blast
    if system == "by_chip":
        system = "NVL72" if chip_of(story.cluster).fabric.scaleup_domain >= _RACK_CHIPS else "HGX"
    return float(blast(system).replicas_lost(max(1.0, _job_chips(story) / n_replicas)))


def settled(story: Scenario) -> Scenario:
    """Return a scenario with a failure rate and times of recovery in the place of those left out."""
    given, scheme = story.reliability, scheme_of(story)
    power = None if math.isnan(given.size_power.median) else given.size_power
    ranges = inputs(scheme, _job_chips(story), power=power)
    if scheme == "restart_all":  # training waits for the whole write, whichever of the two is given
        both = [value for value in (given.checkpoint_write_s, given.checkpoint_stall_s) if not math.isnan(value.median)]
        ranges |= dict.fromkeys(("checkpoint_write_s", "checkpoint_stall_s"), both[0]) if both else {}
    filled: dict[str, Any] = {
        name: ranges.get(name, Uncertain.fixed(0.0)) for name in _TIMES if math.isnan(getattr(given, name).median)
    }
    if math.isnan(given.failures_per_1000_node_days.median):
        filled["failures_per_1000_node_days"] = _rate(story)
    return replace(story, reliability=replace(given, **filled))


def _rate(story: Scenario) -> Uncertain:
    """Return failures per 1,000 node-days: as counted, from the MTTF of the job, or of published runs."""
    given, n_chips = story.reliability, _job_chips(story)
    if not (math.isnan(given.failures) or math.isnan(given.node_days)):
        return reliability.counted_rate(given.failures, given.node_days)
    if not math.isnan(given.mttf_hours.median):
        node_days = n_chips / _NODE_CHIPS * SECONDS_PER_HOUR / SECONDS_PER_DAY  # in an hour of the job
        hours = given.mttf_hours
        low, median, high = (1000 / (node_days * value) for value in (hours.high, hours.median, hours.low))
        return Uncertain(low=low, median=median, high=high)
    return failure_rate(story.cluster.chip, float(n_chips)).pooled.rate


def _job_chips(story: Scenario) -> int:
    return int(min(story.training.n_chips, story.cluster.n_chips))
