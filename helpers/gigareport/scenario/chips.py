"""What a file may leave out about a chip other than the H100: its price, power, network and rent, from the tables.

The sourced defaults are an H100's. For another chip they are taken where a table has them; :func:`taken` says which.
"""

from __future__ import annotations

import datetime
import math

from gigacluster import hardware
from gigacluster.uncertainty import Uncertain
from gigareport.facts import rents
from gigareport.facts.prices import PRICE_YEARS, quoted_usd
from gigareport.scenario.record import leaves
from gigareport.scenario.register import Scenario, default_of

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
_POWER = Uncertain(low=0.85, median=0.95, high=1.05)
#: Chips that their maker lets and does not sell.
_NOT_SOLD = ("TPU", "Trainium")


def default_for(path: str, chip: str, decided_on: datetime.date | None) -> tuple[Uncertain | None, str]:
    """Return the default of a field for a chip and where it comes from, or ``None`` and what the tables lack.

    Examples
    --------
    >>> value, words = default_for("own.chip_usd", "H200", None)
    >>> round(value.median, -3), words
    (36000.0, 'quotes of 2024 and 2025 of a chip with its part of the server')
    >>> default_for("own.chip_usd", "TPUv5p", None)
    (None, 'a TPUv5p is not for sale')
    """
    usual = default_of(BY_CHIP[path])
    if chip == CHIP_OF_DEFAULTS:
        return usual, "the sourced default"
    name = path.partition(".")[2]
    if name == "it_power_w_per_chip":
        watts = hardware.chip(chip).tdp_w / hardware.chip(CHIP_OF_DEFAULTS).tdp_w
        if math.isnan(watts):
            return None, f"the rated power of {chip} is not known"
        return _times(usual, watts, _POWER), "an H100's in its cluster, in proportion to the rated powers"
    if name == "network_usd_per_tier_per_chip":
        rates = [hardware.chip(one).fabric.nic_bytes_per_s for one in (chip, CHIP_OF_DEFAULTS)]
        return _times(usual, rates[0] / rates[1]), "an H100's, in proportion to the rate of the chip's network"
    if name == "committed_usd_per_chip_hour":
        found = rents.spread_of_the_year(chip, str(decided_on or datetime.date.today()))
        lacks = f"no rent of {chip} is listed in the year before the decision ({rents.first_known(chip)})"
        return found, "listed rents of the year before the decision" if found else lacks
    price = quoted_usd().get(chip)
    if price is None:
        sold = not chip.startswith(_NOT_SOLD)
        return None, f"no price of {chip} is known" if sold else f"a {chip} is not for sale"
    if name == "server_usd_per_chip":
        return Uncertain.fixed(0.0), "within the price of the chip"
    first, last = PRICE_YEARS
    return price, f"quotes of {first} and {last} of a chip with its part of the server"


def _times(value: Uncertain, factor: float, spread: Uncertain | None = None) -> Uncertain:
    spread = spread or Uncertain.fixed(1.0)
    return Uncertain(
        low=value.low * factor * spread.low,
        median=value.median * factor * spread.median,
        high=value.high * factor * spread.high,
    )


def taken(story: Scenario) -> dict[str, str]:
    """Return which fields of a scenario stand at the tables' values for its chip, and where these come from."""
    chip, found = story.cluster.chip, {}
    if chip == CHIP_OF_DEFAULTS:
        return {}
    values = {path: value for path, _, value in leaves(story)}
    for path in BY_CHIP:
        default, words = default_for(path, chip, story.decided_on)
        value = values[path]
        if default is not None and (value.low, value.median, value.high) == (default.low, default.median, default.high):
            found[path] = words
    return found
