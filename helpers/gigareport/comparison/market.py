"""What a chip of each kind costs in its server, and what it draws, beside the chip of a scenario."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from gigacluster import hardware
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts.prices import PRICE_YEARS, quoted_usd, quotes
from gigareport.scenario import Scenario, inputs_of
from gigareport.scenario.chips import chip_of

__all__ = ["PRICE_YEARS", "ChipMarket", "chip_facts", "markets", "quoted_usd", "quotes"]

#: IT power of another chip, with its part of server and network, over the scenario's in proportion to the rated powers.
#: An assumption: servers of larger chips carry relatively less beside them, a rack of 72 by up to a fifth.
_POWER_OF_OTHERS = Uncertain(low=0.8, median=0.95, high=1.1)
_SERVER = "own.server_usd_per_chip"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChipMarket:
    """Price and power of one kind of chip beside those of a scenario's chip."""

    chip: str
    record: hardware.Chip
    is_own: bool  # the scenario's chip: then its file says what it costs and draws
    server_usd: Uncertain | None  # chip with its part of the server [USD/chip]; None: no price known
    power_ratio: float  # rated power over that of the scenario's chip
    power_error: Uncertain  # power in a cluster over that proportion

    def it_power_w(self, story: Scenario) -> Uncertain:
        """Return the IT power of a chip: that of the scenario's chip in proportion, both errors together. [W]"""
        if self.is_own:
            return story.cluster.it_power_w_per_chip
        own, error = story.cluster.it_power_w_per_chip, self.power_error
        middle = own.median * error.median
        down, up = (
            math.exp(math.hypot(math.log(a / own.median), math.log(b / error.median)))
            for a, b in ((own.low, error.low), (own.high, error.high))
        )
        return Uncertain(
            low=self.power_ratio * middle / down, median=self.power_ratio * middle, high=self.power_ratio * middle * up
        )


def markets(story: Scenario) -> dict[str, ChipMarket]:
    """Return price and power of every chip of ``data/chips.csv`` whose rated power is known, by name.

    Raises
    ------
    ValueError
        If the power of the scenario's own chip is not known.

    Examples
    --------
    >>> from gigareport import scenario
    >>> found = markets(scenario.load("xai-colossus-2024"))["B200"]
    >>> 40_000 < found.server_usd.median < 55_000
    True
    """
    own_w = chip_of(story.cluster).tdp_w
    if math.isnan(own_w):
        raise ValueError(
            f"{story.cluster.chip} has no tdp_w in data/chips.csv, so the power of other chips cannot follow from the "
            "scenario's; add it to the table"
        )
    prices = quoted_usd()
    given = inputs_of(story)
    own_usd = _sum(given["own.chip_usd"], given[_SERVER])
    return {
        name: ChipMarket(
            chip=name,
            record=chip,
            is_own=name == story.cluster.chip,
            server_usd=own_usd if name == story.cluster.chip else prices.get(name),
            power_ratio=chip.tdp_w / own_w,
            power_error=Uncertain.fixed(1.0) if name == story.cluster.chip else _POWER_OF_OTHERS,
        )
        for name, chip in (hardware.chips() | {story.cluster.chip: chip_of(story.cluster)}).items()
        if not math.isnan(chip.tdp_w)
    }


def _sum(a: Uncertain, b: Uncertain) -> Uncertain:
    """Return a sum for display: medians added, ends as if both moved together."""
    return Uncertain(low=a.low + b.low, median=a.median + b.median, high=a.high + b.high)


def chip_facts(story: Scenario) -> pd.DataFrame:
    """Return what the comparison knows of each chip, the best-measured first.

    Returns
    -------
    DataFrame
        ``chip, peak_bf16_flop_per_s, it_power_w`` (median), ``usd, usd_low, usd_high`` (with its part of the server;
        ``nan``: no price known), ``n_quotes``, ``n_runs, largest_run_chips`` (measured training runs that the step-time
        model was fitted to or tested on; few or none of them make a chip's days less sure).
    """
    runs = catalog.load("training_runs").groupby("chip")["n_chips"].agg(["count", "max"])
    n_quotes = Counter(quotes()["chip"])
    rows = []
    for name, found in markets(story).items():
        usd = found.server_usd
        rows.append(
            {
                "chip": name,
                "peak_bf16_flop_per_s": found.record.peak_bf16_flop_per_s,
                "it_power_w": found.it_power_w(story).median,
                "usd": math.nan if usd is None else usd.median,
                "usd_low": math.nan if usd is None else usd.low,
                "usd_high": math.nan if usd is None else usd.high,
                "n_quotes": n_quotes[name],
                "n_runs": int(runs["count"].get(name, 0)),
                "largest_run_chips": float(runs["max"].get(name, math.nan)),
            }
        )
    return pd.DataFrame(rows).sort_values("n_runs", ascending=False, kind="stable").reset_index(drop=True)
