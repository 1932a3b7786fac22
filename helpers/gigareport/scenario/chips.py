"""What a file may leave out about a chip other than the H100: price, power, network, rent, by tables or own record.

The sourced defaults are an H100's. For another chip they are taken where a table has them; :func:`taken` says which.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import fields, replace
from functools import cache, lru_cache
from typing import Any

from gigacluster import hardware
from gigacluster.uncertainty import Uncertain
from gigacluster.units import BITS_PER_BYTE, GIGA
from gigareport.facts import h100e_per_chip, rents
from gigareport.facts.prices import PRICE_YEARS, quoted_usd, quotes
from gigareport.scenario.record import Field, leaves, rebuild, with_value
from gigareport.scenario.register import OWN, Cluster, OwnChip, Scenario, default_of

#: The chip that the sourced defaults of these fields are about, and their rows.
CHIP_OF_DEFAULTS = "H100-SXM"
BY_CHIP = {
    "cluster.it_power_w_per_chip": "it_power_w_per_chip",
    "own.chip_usd": "chip_usd",
    "own.server_usd_per_chip": "server_usd_per_chip",
    "own.network_usd_per_tier_per_chip": "network_usd_per_tier_per_chip",
    "rent.committed_usd_per_chip_hour": "market_usd_per_chip_hour",
}
#: IT power of another chip over the H100's in proportion to the rated powers: larger chips have less beside them.
POWER_OF_OTHERS = Uncertain(low=0.85, median=0.95, high=1.05)
#: Chips that their maker lets and does not sell.
_NOT_SOLD = ("TPU", "Trainium")


def chip_of(cluster: Cluster[Any, float, str]) -> hardware.Chip:
    """Return the chip of a cluster, of ``data/chips.csv`` or its own record; ``ValueError`` for one of neither."""
    return _own(cluster.own_chip) if cluster.chip == OWN else hardware.chip(cluster.chip)


@cache
def _own(record: OwnChip[float, str]) -> hardware.Chip:
    columns = {item.name: [getattr(record, item.name)] for item in fields(record) if item.name not in ("name", "usd")}
    return hardware.chips_from({"chip": [record.name], **columns})[record.name]


def h100e_of(cluster: Cluster[Any, float, str]) -> float:
    """Return the H100 equivalents of a chip by its best dense peak, as the table of owners counts."""
    if cluster.chip != OWN:
        return _listed_h100e(cluster.chip)
    usual = hardware.chip(CHIP_OF_DEFAULTS).peak_fp8_flop_per_s
    chip = chip_of(cluster)
    return max(x for x in (chip.peak_bf16_flop_per_s, chip.peak_fp8_flop_per_s) if not math.isnan(x)) / usual


@cache
def _listed_h100e(chip: str) -> float:
    return h100e_per_chip(chip)


def default_for(
    path: str, chip: str, decided_on: datetime.date | None, own: OwnChip[float, str] | None = None
) -> tuple[Uncertain | None, str]:
    """Return the default of a field for a chip and where it comes from, or ``None`` and what the tables lack.

    Examples
    --------
    >>> value, words = default_for("own.chip_usd", "H200", None)
    >>> round(value.median, -3), words
    (36000.0, '2 prices of 2024 and 2025, of a chip with its part of the server (epoch-hardware-prices)')
    >>> default_for("own.chip_usd", "TPUv5p", None)
    (None, 'a TPUv5p is not for sale')
    """
    usual = default_of(BY_CHIP[path])
    if chip == CHIP_OF_DEFAULTS:
        return usual, "the sourced default"
    name = path.partition(".")[2]
    if name == "committed_usd_per_chip_hour":
        return _rent_of(chip, decided_on)
    if chip == OWN:
        if own is None or any(math.isnan(value) for value in (own.tdp_w, own.scaleout_gbit_per_s, own.usd)):
            return usual, "a record that is at fault"  # which is told by itself
        watts, gbit_per_s = own.tdp_w, own.scaleout_gbit_per_s
    else:
        watts, gbit_per_s = hardware.chip(chip).tdp_w, _gbit_per_s(chip)
    if name == "it_power_w_per_chip":
        if math.isnan(watts):
            return None, f"the rated power of {chip} is not known"
        ratio = watts / hardware.chip(CHIP_OF_DEFAULTS).tdp_w
        return _times(
            usual, ratio, POWER_OF_OTHERS
        ), f"an H100's in its cluster, in proportion to the rated powers{_by(chip)}"
    if name == "network_usd_per_tier_per_chip":
        ratio = gbit_per_s / _gbit_per_s(CHIP_OF_DEFAULTS)
        return _times(usual, ratio), f"an H100's, in proportion to the rate of the chip's network{_by(chip)}"
    return _price_of(name, chip, own)


def _price_of(name: str, chip: str, own: OwnChip[float, str] | None) -> tuple[Uncertain | None, str]:
    """Return the price of a chip with its part of the server, or that part, which the price holds."""
    found = Uncertain.fixed(own.usd) if own is not None and chip == OWN else quoted_usd().get(chip)
    if found is None:
        sold = not chip.startswith(_NOT_SOLD)
        no_price = f"no price of {chip} in {PRICE_YEARS[0]} or {PRICE_YEARS[-1]} is known"
        return None, no_price if sold else f"a {chip} is not for sale"
    if name == "server_usd_per_chip":
        return Uncertain.fixed(0.0), "within the price of the chip"
    if chip == OWN:
        return found, "your own record, a chip with its part of the server"
    rows, (first, last) = quotes().where(quotes()["chip"] == chip), PRICE_YEARS
    said = "one price" if len(rows) == 1 else f"{len(rows)} prices"
    origin = ", ".join(sorted(set(rows["source_id"])))
    return found, f"{said} of {first} and {last}, of a chip with its part of the server ({origin})"


def _rent_of(chip: str, decided_on: datetime.date | None) -> tuple[Uncertain | None, str]:
    if chip == OWN:
        return None, "nobody but you knows a rent of your own chip"
    day = str(decided_on or datetime.date.today())
    found = rents.spread_of_the_year(chip, day)
    if found is None:
        return None, f"no rent of {chip} is listed in the year before the decision ({rents.first_known(chip)})"
    return found, f"rents of the year before the decision, {rents.origin_of_the_year(chip, day)}"


def _by(chip: str) -> str:
    return " by your own record" if chip == OWN else ""


def _gbit_per_s(chip: str) -> float:
    return hardware.chip(chip).fabric.nic_bytes_per_s * BITS_PER_BYTE / GIGA


def _times(value: Uncertain, factor: float, spread: Uncertain | None = None) -> Uncertain:
    spread = spread or Uncertain.fixed(1.0)
    return Uncertain(
        low=value.low * factor * spread.low,
        median=value.median * factor * spread.median,
        high=value.high * factor * spread.high,
    )


@lru_cache(4096)
def said_of(like: Scenario, path: str, chip: str) -> Uncertain | None:
    """Return a field of :data:`BY_CHIP` for a chip in the place of a scenario's: its own value, or the tables'."""
    if chip == like.cluster.chip:
        section, _, name = path.partition(".")
        value: Uncertain = getattr(getattr(like, section), name)
        return value
    return default_for(path, chip, like.decided_on, like.cluster.own_chip)[0]


def said_or_usual(like: Scenario, path: str, chip: str) -> Uncertain:
    """Return the same, and an H100's where no table says anything of the chip."""
    return said_of(like, path, chip) or default_of(BY_CHIP[path])


def with_chip(like: Scenario, chip: str, n_chips: float) -> Scenario:
    """Return a scenario with other chips, or another number of them, and what the tables say of such chips.

    What no table says of the chip stays as the scenario has it; :func:`said_of` tells which that is.

    Examples
    --------
    >>> from gigareport import scenario
    >>> other = with_chip(scenario.load("xai-colossus-2024"), "H200", 1024)
    >>> other.cluster.chip, round(other.own.chip_usd.median, -3)
    ('H200', 36000.0)
    """
    cluster = like.cluster
    own_chip = cluster.own_chip if chip == OWN else rebuild(cluster.own_chip, _left_out)
    nic = cluster.nic_gbps_per_chip if chip == cluster.chip else math.nan
    other = replace(
        like, cluster=replace(cluster, chip=chip, n_chips=n_chips, own_chip=own_chip, nic_gbps_per_chip=nic)
    )
    for path in () if chip == cluster.chip else BY_CHIP:
        value = said_of(like, path, chip)
        if value is not None:
            other = with_value(other, path, value)
    return other


def _left_out(_: str, field: Field, __: Any) -> Any:
    """Return what stands for a field of the record of a chip that is not there."""
    return field.entry.default if field.kind == "text" else math.nan


def taken(story: Scenario) -> dict[str, str]:
    """Return which fields of a scenario stand at the tables' values for its chip, and where these come from."""
    chip, found = story.cluster.chip, {}
    if chip == OWN:
        found["cluster.chip"] = f"{story.cluster.own_chip.name}, your own record"
    if chip == CHIP_OF_DEFAULTS:
        return {}
    values = {path: value for path, _, value in leaves(story)}
    for path in BY_CHIP:
        default, words = default_for(path, chip, story.decided_on, story.cluster.own_chip)
        value = values[path]
        if default is not None and (value.low, value.median, value.high) == (default.low, default.median, default.high):
            found[path] = words
    return found
