"""Where a run could train: every usable cluster of the tables, or equal money, power or number of each kind of chip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from gigacluster import cost, hardware
from gigareport import catalog
from gigareport.comparison.market import ChipMarket, markets
from gigareport.scenario import Scenario, inputs_of
from gigareport.scenario.register import OWN

#: What can be equal, with the unit of its amount.
BASES = {"money": "USD", "power": "W", "chips": "chip"}
#: Names in data/clusters.csv that leave the variant open -> the usual one of data/chips.csv. Some A100 sites have 40 or
#: 64 GB instead of 80.
_VARIANTS = {"H100": "H100-SXM", "A100": "A100-80", "V100": "V100-SXM", "Trn2": "Trainium2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """So many chips of one kind, whoever has them."""

    name: str
    chip: str  # of data/chips.csv, or that of the scenario's own record
    n_chips: float
    basis: str = "cluster"  # or one of BASES: n_chips then is the median of what the amount gives
    amount: float = math.nan
    site: str = ""  # whose rate of failures it has; blank: the scenario's

    def __post_init__(self) -> None:
        if self.chip != OWN:
            hardware.chip(self.chip)  # raises where unknown, with the nearest name
        if not 1 <= self.n_chips < math.inf:
            raise ValueError(f"{self.name}: n_chips must be at least 1, got {self.n_chips!r}")


@cache
def _known_clusters() -> pd.DataFrame:
    """Return a row a site, at its latest phase of one kind of chip, and why it cannot be used where that is so."""
    table = catalog.headline(catalog.load("clusters"))
    table = table[(table["record_type"] == "cluster") & (table["status"] != "planned")].copy()
    table["chip"] = table["chip"].replace(_VARIANTS)
    known = hardware.chips()
    table["why"] = [
        "chips of several kinds" if chip == "mixed" else "" if chip in known else f"{chip} is not in data/chips.csv"
        for chip in table["chip"]
    ]
    table.loc[table["n_chips"].isna(), "why"] = "number of chips not published"
    table["name"] = table["name"].str.partition(" (")[0]
    # A phase that cannot be used gives way to an earlier one of its site that can.
    table = table.assign(usable=table["why"] == "").sort_values(["usable", "as_of"])
    return table.drop_duplicates("site_id", keep="last").sort_values("h100e_bf16", ascending=False)


def clusters() -> tuple[Option, ...]:
    """Return the clusters of ``data/clusters.csv`` that stand or stood, each site once, largest peak first.

    Examples
    --------
    >>> sum("Colossus 1" in option.name for option in clusters())
    1
    """
    rows = _known_clusters()
    return tuple(
        Option(name=str(row.name), chip=str(row.chip), n_chips=float(row.n_chips), site=str(row.site_id))
        for row in rows[rows["usable"]].itertuples(index=False)
    )


def own_cluster(story: Scenario) -> Option:
    """Return the cluster of a scenario."""
    return Option(name="this scenario", chip=story.cluster.chip, n_chips=float(story.cluster.n_chips))


def unusable_clusters() -> pd.DataFrame:
    """Return the other sites: ``name`` and ``why``."""
    rows = _known_clusters()
    return rows.loc[~rows["usable"], ["name", "why"]].reset_index(drop=True)


def equal(story: Scenario, basis: str, amount: float | None = None) -> tuple[Option, ...]:
    """Return one option a kind of chip, all with equal money, power or number of chips.

    Parameters
    ----------
    story : Its cluster sets the amount unless one is given; its site and network costs hold for every chip.
    basis : {"money", "power", "chips"}
        Capital with the site [USD], rated power of the site [W], or number [chip].
    amount : float, optional

    Returns
    -------
    tuple of Option
        Of equal money, only chips with a known price.

    Raises
    ------
    ValueError
        If the basis is unknown, or the amount gives less than one chip.

    Examples
    --------
    >>> from gigareport import scenario
    >>> {option.n_chips for option in equal(scenario.load("xai-colossus-2024"), "chips", 1024)}
    {1024.0}
    """
    if basis not in BASES:
        raise ValueError(f"basis is {basis!r}; it can be {', '.join(map(repr, BASES))}")
    given = {name: value.median for name, value in inputs_of(story).items()}
    known = markets(story)
    each = {chip: _takes(found, story, given, basis) for chip, found in known.items()}
    if amount is None:
        amount = story.cluster.n_chips * each[story.cluster.chip]
    if not 0 < amount < math.inf:
        raise ValueError(f"amount must be positive and finite, in {BASES[basis]}; got {amount!r}")
    if too_dear := [chip for chip, takes in each.items() if takes > amount]:
        least = max(each[chip] for chip in too_dear)
        raise ValueError(
            f"{amount:g} {BASES[basis]} is less than one {' or '.join(too_dear)} takes; give at least {least:g}"
        )
    return tuple(
        Option(name=chip, chip=chip, n_chips=amount / takes, basis=basis, amount=amount)
        for chip, takes in each.items()
        if not math.isnan(takes)
    )


def _takes(found: ChipMarket, story: Scenario, given: dict[str, Any], basis: str) -> float:
    """Return how much of the equal quantity one chip takes at the medians; ``nan`` where its price is not known."""
    it_w = found.it_power_w(story).median
    if basis == "money":
        usd = math.nan if found.server_usd is None else found.server_usd.median
        chip = {
            **given,
            "own.chip_usd": usd,
            "own.server_usd_per_chip": 0.0,
            "cluster.it_power_w_per_chip": it_w,
        }
        return math.nan if math.isnan(usd) else float(capital_usd_per_chip(story, story.cluster.n_chips, chip))
    return it_w * given["cluster.pue"] if basis == "power" else 1.0


def capital_usd_per_chip(story: Scenario, n_chips: float, given: Mapping[str, Any]) -> Any:
    """Return what a chip costs with its part of server, network, storage and site. [USD/chip]

    Parameters
    ----------
    story : Scenario
    n_chips : Sets the tiers of the network. [chip]
    given : mapping
        Inputs of the scenario by name, numbers or samples.
    """
    network = cost.network_usd_per_chip(n_chips, given["own.network_usd_per_tier_per_chip"], story.own.switch_ports)
    site_usd_per_w = given["own.building_usd_per_it_w"] + given["own.power_plant_usd_per_it_w"]
    hardware_usd = (
        given["own.chip_usd"] + given["own.server_usd_per_chip"] + network + given["own.storage_usd_per_chip"]
    )
    return hardware_usd * (1 + given["own.spares_frac"]) + given["cluster.it_power_w_per_chip"] * site_usd_per_w
