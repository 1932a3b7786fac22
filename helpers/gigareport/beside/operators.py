"""What a chip-hour costs those who own chips, and what a gigawatt costs, beside the figures of 2026.

Nothing is fitted to these figures: prices of chips are the quotes of 2024 and 2025, the rest are our defaults. A
hyperscaler differs in its cost of capital alone, so what it buys more cheaply shows as a miss.
"""

from __future__ import annotations

from typing import Any

import numpy
import pandas as pd

from gigacluster import cost, hardware
from gigacluster.arrays import Samples
from gigacluster.uncertainty import draw, interval
from gigareport import catalog, scenario
from gigareport.facts.cost_inputs import inputs, own_inputs
from gigareport.facts.prices import quoted_usd
from gigareport.scenario.chips import CHIP_OF_DEFAULTS, POWER_OF_OTHERS

#: Nominal cost of capital of a hyperscaler, an assumption; a smaller cloud pays that of ``data/cost_inputs.csv``.
_HYPERSCALER_RATE = 0.08
_YEARS, _TIERS = 5, 2


def operators_beside(samples: int = 4_000, seed: int = 7) -> pd.DataFrame:
    """Return our levelised cost of a chip-hour in a rented hall beside published costs of ownership of July 2026.

    Returns
    -------
    DataFrame
        ``chip, operator, low, median, high`` (``nan`` where our tables have no price of the chip), ``published,
        ratio``, ``rent_usd`` (published three-year rent) and ``source_id``, worst ratio first.
    """
    facts = catalog.load("cost_facts").set_index("fact_id")
    x, prices = draw(inputs(), samples, seed), quoted_usd()
    position = numpy.random.default_rng(seed).uniform(size=samples)
    rows = []
    for fact_id, fact in facts[facts.index.str.startswith("tco-")].iterrows():
        chip, operator = str(fact["subject"]), str(fact["quantity"]).removeprefix("cost of ownership, ")
        rent = facts["value"].get(f"rent-3y-{fact_id.split('-')[1]}", numpy.nan)
        found = (numpy.nan,) * 3
        if chip in prices:
            usd = _chip_hour_usd(chip, prices[chip].quantile(position), operator == "hyperscaler", x, facts)
            found = (usd.low, usd.median, usd.high)
        rows.append((chip, operator, *found, fact["value"], found[1] / fact["value"], rent, fact["source_id"]))
    columns = ["chip", "operator", "low", "median", "high", "published", "ratio", "rent_usd", "source_id"]
    table = pd.DataFrame(rows, columns=columns)
    worst_first = numpy.abs(numpy.log(table["ratio"])).fillna(numpy.inf).sort_values(ascending=False).index
    return table.loc[worst_first].reset_index(drop=True)


def _chip_hour_usd(chip: str, server_usd: Samples, is_hyperscaler: bool, x: dict[str, Any], facts: pd.DataFrame) -> Any:
    watts = hardware.chip(chip).tdp_w / hardware.chip(CHIP_OF_DEFAULTS).tdp_w * x["it_power_w_per_chip"]
    given: dict[str, Any] = {name: x[name] for name in own_inputs() if name not in ("goodput_frac", "utilisation_frac")}
    given |= {"chip_usd": server_usd, "server_usd_per_chip": 0.0}  # the quotes hold the part of the server
    given |= {"building_usd_per_it_w": 0.0, "power_plant_usd_per_it_w": 0.0}
    given["it_power_w_per_chip"] = watts * (1.0 if chip == CHIP_OF_DEFAULTS else POWER_OF_OTHERS.median)
    if is_hyperscaler:
        given |= {"debt_effective_rate_per_year": _HYPERSCALER_RATE, "equity_rate_per_year": _HYPERSCALER_RATE}
    flows = cost.own(
        n_chips=1.0,
        horizon_months=12 * _YEARS,
        deliveries=[(0.0, 1.0)],
        network_usd_per_chip=_TIERS * x["network_usd_per_tier_per_chip"],
        site_rent_usd_per_kw_month=float(facts.loc["colo-rent", "value"]),
        **given,
    )
    return interval(flows.usd_per_chip_hour)


def gigawatt_beside(samples: int = 4_000, seed: int = 7) -> pd.DataFrame:
    """Return capital and yearly costs of a gigawatt of IT load, from the scenario ``gigawatt-2026``, beside Epoch AI's.

    Returns
    -------
    DataFrame
        ``quantity, low, median, high, published, unit, ratio, source_id``.
    """
    facts = catalog.load("cost_facts").set_index("fact_id")
    story = scenario.load("gigawatt-2026")
    found = scenario.evaluate(story, samples=samples, seed=seed, device="cpu")
    owned, _ = scenario.cash_flows(story, found.inputs, 1.0)
    it_gw = story.cluster.n_chips * found.inputs["cluster.it_power_w_per_chip"] / 1e9
    months = owned.chip_hours[-1, ...] / (story.cluster.n_chips * 730.5)  # the last month runs in full
    running = sum(
        owned.flows[name].amount_usd * owned.flows[name].by_month[-1, ...]
        for name in ("energy", "staff", "maintenance")
    )
    year_usd = 12 * running / months
    hardware_usd = owned.nominal_usd("chips", "servers", "network", "storage")
    site_usd = owned.nominal_usd("building", "power plant")
    life = found.inputs["own.building_life_months"] / 12
    ours = {
        "gw-2026-capital": (hardware_usd + site_usd) / it_gw,
        "gw-2026-operation": year_usd / it_gw,
        "gw-2026-total": (hardware_usd / 5 + site_usd / life + year_usd) / it_gw,
    }
    rows = []
    for fact_id, usd in ours.items():
        fact, got = facts.loc[fact_id], interval(usd / 1e9)
        published = float(fact["value"]) / 1e9
        rows.append(
            (
                fact["quantity"],
                got.low,
                got.median,
                got.high,
                published,
                str(fact["unit"]).replace("USD", "USD billion"),
                got.median / published,
                fact["source_id"],
            )
        )
    columns = ["quantity", "low", "median", "high", "published", "unit", "ratio", "source_id"]
    return pd.DataFrame(rows, columns=columns)
