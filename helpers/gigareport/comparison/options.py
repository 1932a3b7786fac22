"""Where a run could train: every usable cluster of the tables, or equal money, power or number of each kind of chip.

A scenario with other chips has their price and power from the tables; its site, finance and failures stay.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import pandas as pd

from gigacluster import cost, hardware
from gigacluster.arrays import Array, Samples
from gigacluster.uncertainty import Uncertain, alike
from gigareport import catalog
from gigareport.calibration.runs import by_chip
from gigareport.facts.prices import quotes
from gigareport.scenario import Scenario, inputs_of
from gigareport.scenario.chips import chip_of, said_of, with_chip
from gigareport.scenario.register import OWN

#: What can be equal, with the unit of its amount.
BASES = {"money": "USD", "power": "W", "chips": "chip"}
BASIS_WORDS = {"money": "the same money", "power": "the same power", "chips": "the same number of chips"}
#: Names in data/clusters.csv that leave the variant open -> the usual one of data/chips.csv. Some A100 sites have 40 or
#: 64 GB instead of 80.
_VARIANTS = {"H100": "H100-SXM", "A100": "A100-80", "V100": "V100-SXM", "Trn2": "Trainium2"}


@alike
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
    each = {chip: _takes(chip, story, basis) for chip in known_chips(story)}
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


def known_chips(story: Scenario) -> tuple[str, ...]:
    """Return every chip of ``data/chips.csv`` whose power is known, and that of the scenario's own record."""
    names = dict.fromkeys([*hardware.chips(), story.cluster.chip])
    return tuple(chip for chip in names if said_of(story, "cluster.it_power_w_per_chip", chip) is not None)


def on_chips(story: Scenario, chip: str, n_chips: float) -> Scenario:
    """Return the scenario with other chips, on a site with all the power that they need.

    A chip without a price has none, so that what it costs is ``nan``.
    """
    other = with_chip(story, chip, n_chips)
    if said_of(story, "own.chip_usd", chip) is None:
        other = replace(other, own=replace(other.own, chip_usd=Uncertain.left_out()))
    return replace(other, cluster=replace(other.cluster, sites=()))


def server_usd(story: Scenario, chip: str) -> Uncertain | None:
    """Return the price of a chip with its part of the server, or nothing where none is known. [USD/chip]

    Medians are added, and ends as if both moved together.
    """
    usd, rest = (said_of(story, f"own.{name}", chip) for name in ("chip_usd", "server_usd_per_chip"))
    if usd is None or rest is None:
        return None
    return Uncertain(low=usd.low + rest.low, median=usd.median + rest.median, high=usd.high + rest.high)


def _takes(chip: str, story: Scenario, basis: str) -> float:
    """Return how much of the equal quantity one chip takes at the medians; ``nan`` where its price is not known."""
    if basis == "chips":
        return 1.0
    given = {name: value.median for name, value in inputs_of(on_chips(story, chip, story.cluster.n_chips)).items()}
    if basis == "power":
        return given["cluster.it_power_w_per_chip"] * given["cluster.pue"]
    return float(capital_usd_per_chip(story, given)) if "own.chip_usd" in given else math.nan


def capital_usd_per_chip(story: Scenario, given: Mapping[str, Samples]) -> Array:
    """Return what a chip costs with its part of server, network, storage and site, overrun included. [USD/chip]

    Parameters
    ----------
    story : Scenario
        Its number of chips sets the tiers of the network.
    given : mapping
        Inputs of the scenario, or of one with other chips, by path: numbers or samples.
    """
    network = cost.network_usd_per_chip(
        story.cluster.n_chips, given["own.network_usd_per_tier_per_chip"], story.own.switch_ports
    )
    site_usd_per_w = given["own.building_usd_per_it_w"] + given["own.power_plant_usd_per_it_w"]
    return cost.capital_usd_per_chip(
        given["own.chip_usd"] + given["own.server_usd_per_chip"],
        network,
        given["own.storage_usd_per_chip"],
        given["cluster.it_power_w_per_chip"] * site_usd_per_w,
        spares_frac=given["own.spares_frac"],
        overrun_frac=given["own.overrun_frac"],
    )


def chip_facts(story: Scenario) -> pd.DataFrame:
    """Return what the comparison knows of each chip, the best-measured first.

    Returns
    -------
    DataFrame
        ``chip, peak_bf16_flop_per_s, it_power_w`` (median), ``usd, usd_low, usd_high`` (with its part of the server;
        ``nan``: no price known), ``n_quotes``, ``n_runs, largest_run_chips`` (of
        :func:`gigareport.calibration.runs.by_chip`; few or none of them make a chip's days less sure).
    """
    runs = by_chip()
    n_quotes = Counter(quotes()["chip"])
    rows = []
    for name in known_chips(story):
        usd = server_usd(story, name)
        here = on_chips(story, name, story.cluster.n_chips)
        rows.append(
            {
                "chip": name,
                "peak_bf16_flop_per_s": chip_of(here.cluster).peak_bf16_flop_per_s,
                "it_power_w": here.cluster.it_power_w_per_chip.median,
                "usd": math.nan if usd is None else usd.median,
                "usd_low": math.nan if usd is None else usd.low,
                "usd_high": math.nan if usd is None else usd.high,
                "n_quotes": n_quotes[name],
                "n_runs": int(runs["runs"].get(name, 0)),
                "largest_run_chips": float(runs["largest_run_chips"].get(name, math.nan)),
            }
        )
    return pd.DataFrame(rows).sort_values("n_runs", ascending=False, kind="stable").reset_index(drop=True)


def price_text(usd: float, low: float, high: float) -> str:
    """Return a price with its interval, or that it is not known.

    >>> price_text(26_000.0, 23_000.0, 30_000.0), price_text(math.nan, math.nan, math.nan)
    ('26,000 (23,000 to 30,000)', 'not known')
    """
    return "not known" if math.isnan(usd) else f"{usd:,.0f} ({low:,.0f} to {high:,.0f})"
