"""An option as a scenario, and a scenario with other chips."""

from __future__ import annotations

import datetime
import math
from dataclasses import replace
from functools import cache
from typing import Any

from gigacluster.uncertainty import Uncertain
from gigareport.comparison.plans import divisible_batch
from gigareport.planner.base import Base
from gigareport.planner.options import Option
from gigareport.scenario import Delivery, Scenario
from gigareport.scenario.chips import BY_CHIP, default_for
from gigareport.scenario.record import Field, rebuild
from gigareport.scenario.register import OWN, Cluster, OwnChip, default_of

__all__ = ["LATEST_START", "cluster_of", "story_of"]

#: A scenario refuses a start beyond this share of its horizon.
LATEST_START = 0.9


def cluster_of(like: Scenario, chip: str, n_chips: int) -> Cluster[Uncertain, float, str]:
    """Return the cluster of a scenario with other chips; what one draws is said by the scenario or by the tables."""
    return replace(
        like.cluster,
        chip=chip,
        n_chips=float(n_chips),
        own_chip=like.cluster.own_chip if chip == OWN else rebuild(like.cluster.own_chip, _left_out),
        nic_gbps_per_chip=like.cluster.nic_gbps_per_chip if chip == like.cluster.chip else math.nan,
        it_power_w_per_chip=_by_chip("cluster.it_power_w_per_chip", like, chip),
        sites=(),
    )


def _by_chip(path: str, like: Scenario, chip: str) -> Uncertain:
    """Return what a scenario says of its chip, or the tables of another one, or of an H100 where they say nothing."""
    section, _, name = path.partition(".")
    if like.cluster.chip == chip:
        value: Uncertain = getattr(getattr(like, section), name)
        return value
    return _default(path, chip, like.decided_on, like.cluster.own_chip)


def story_of(base: Base, option: Option, horizon_months: int) -> Scenario:
    """Return an option as a scenario: what :func:`gigareport.scenario.evaluate` says of it is what a plan says.

    What the option does not use and no table says, such as the price of a chip that is only rented, stands at an
    H100's, because a scenario holds both sides; its story says so.
    """
    like = base.story
    never = Uncertain.fixed(min(1.0, LATEST_START * horizon_months))
    own = replace(
        like.own,
        deliveries=(Delivery(share=1.0, month=option.own_start or never),),
        chip_usd=option.chip_usd or _by_chip("own.chip_usd", like, option.chip),
        server_usd_per_chip=Uncertain.fixed(0.0),
        network_usd_per_tier_per_chip=_by_chip("own.network_usd_per_tier_per_chip", like, option.chip),
        let_from_month=math.inf,
    )
    rent = replace(
        like.rent,
        kind="contract" if option.way in ("own", "bridge") else option.way,
        committed_usd_per_chip_hour=option.rent_usd or _by_chip("rent.committed_usd_per_chip_hour", like, option.chip),
        term_months=math.inf,
        after_term="renew",
        renewal_usd_per_chip_hour=Uncertain.left_out(),
        leave_month=math.inf,
        start_month=option.rent_start or never,
    )
    batch = divisible_batch(int(like.training.global_batch), option.n_chips)
    return replace(
        like,
        name=_name(base.goal.name, option),
        title=option.name[:120],
        story=f"{like.story} {_unused(option)}".strip()[:4000],
        horizon_months=float(horizon_months),
        cluster=cluster_of(like, option.chip, option.n_chips),
        training=replace(like.training, global_batch=batch),
        own=own,
        rent=rent,
    )


@cache
def _default(path: str, chip: str, decided_on: datetime.date, own: OwnChip[float, str]) -> Uncertain:
    return default_for(path, chip, decided_on, own)[0] or default_of(BY_CHIP[path])


def _left_out(_: str, field: Field, __: Any) -> Any:
    """Return what stands for a field of the record of a chip that is not there."""
    return field.entry.default if field.kind == "text" else math.nan


def _unused(option: Option) -> str:
    if option.chip_usd is None:
        return "Planned as a rental: the owned side stands at usual prices and was not looked at."
    return (
        "" if option.rent_usd else "Planned to be owned: the rented side stands at usual prices and was not looked at."
    )


def _name(goal: str, option: Option) -> str:
    text = f"{goal}-{option.n_chips}-{option.chip}-{option.way}".lower()
    return "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in text)[:63].rstrip("-")
