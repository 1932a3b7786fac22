"""An option as a scenario."""

from __future__ import annotations

import math
from dataclasses import replace

from gigacluster.uncertainty import Uncertain
from gigareport.comparison.runs import divisible_batch
from gigareport.planner.base import Base
from gigareport.planner.options import Option
from gigareport.scenario import Delivery, Scenario
from gigareport.scenario.chips import BY_CHIP, said_of, with_chip
from gigareport.scenario.register import default_of

__all__ = ["LATEST_START", "story_of"]

#: A scenario refuses a start beyond this share of its horizon.
LATEST_START = 0.9


def story_of(base: Base, option: Option, horizon_months: int) -> Scenario:
    """Return an option as a scenario: what :func:`gigareport.scenario.evaluate` says of it is what a plan says.

    What the option does not use and no table says, such as the price of a chip that is only rented, stands at an
    H100's, because a scenario holds both sides; its story says so.
    """
    like = base.story
    other = with_chip(like, option.chip, float(option.n_chips))

    def said(path: str) -> Uncertain:
        return said_of(like, path, option.chip) or default_of(BY_CHIP[path])

    never = Uncertain.fixed(min(1.0, LATEST_START * horizon_months))
    own = replace(
        like.own,
        deliveries=(Delivery(share=1.0, month=option.own_start or never),),
        chip_usd=option.chip_usd or said("own.chip_usd"),
        server_usd_per_chip=Uncertain.fixed(0.0),
        network_usd_per_tier_per_chip=said("own.network_usd_per_tier_per_chip"),
        let_from_month=math.inf,
    )
    rent = replace(
        like.rent,
        kind="contract" if option.way in ("own", "bridge") else option.way,
        committed_usd_per_chip_hour=option.rent_usd or said("rent.committed_usd_per_chip_hour"),
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
        cluster=replace(other.cluster, it_power_w_per_chip=said("cluster.it_power_w_per_chip"), sites=()),
        training=replace(like.training, global_batch=batch),
        own=own,
        rent=rent,
    )


def _unused(option: Option) -> str:
    if option.chip_usd is None:
        return "Planned as a rental: the owned side stands at usual prices and was not looked at."
    return (
        "" if option.rent_usd else "Planned to be owned: the rented side stands at usual prices and was not looked at."
    )


def _name(goal: str, option: Option) -> str:
    text = f"{goal}-{option.n_chips}-{option.chip}-{option.way}".lower()
    return "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in text)[:63].rstrip("-")
