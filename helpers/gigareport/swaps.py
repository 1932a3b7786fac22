"""Other chips and other numbers of them under one scenario: what changes, for a page to recompute.

A swap changes what a table has for each chip (price, power, network, rent), the failure rate, and the plan, which is
searched anew. The way to recover and the site stay, and the rent where none of the chip is listed. An interval keeps
its shape: it moves along with its median.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gigareport import scenario
from gigareport.facts.prices import quoted_usd
from gigareport.scenario.chips import h100e_of, with_chip
from gigareport.scenario.inputs import alike, step_facts, uncertain_of
from gigareport.scenario.known import facts_of, scheme_of
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

    Parameters
    ----------
    story : Scenario
    plan : TrainingPlan
        Its own.
    """
    own = _swap(story, plan, story, plan)
    return [own, *(_swap(other, found, story, plan) for other, found in _others(story))]


def _others(story: scenario.Scenario) -> Iterator[tuple[scenario.Scenario, TrainingPlan]]:
    chips = [story.cluster.chip, *(chip for chip in quoted_usd() if chip != story.cluster.chip)]
    for chip in chips:
        for factor in FACTORS:
            n_chips = round(factor * story.cluster.n_chips)
            if n_chips < 1 or (chip == story.cluster.chip and factor == 1.0):
                continue
            other = _variant(story, chip, n_chips, factor)
            try:
                yield other, scenario.search_plan(other)
            except ValueError:  # no plan fits, or the number does not split
                continue


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
