"""Our figures beside published ones: a cluster of 100,000 H100, runs that Epoch AI costed, chip-hours and gigawatts.

Nothing is fitted to the costs of operators of 2026: prices of chips are the quotes of 2024 and 2025, the rest are our
defaults. A hyperscaler differs in its cost of capital alone, so what it buys more cheaply shows as a miss.
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import pandas as pd

from gigacluster import cost, hardware
from gigacluster.arrays import Samples
from gigacluster.cost.own import capital_usd_per_chip, network_usd_per_chip, own
from gigacluster.uncertainty import draw
from gigacluster.units import HOURS_PER_MONTH, HOURS_PER_YEAR
from gigareport import catalog, scenario
from gigareport.beside.accounts import amortised_run_usd, cost_shares, energy_kwh, gross_margin_frac
from gigareport.beside.rows import row, worst_first
from gigareport.facts.prices import cost_inputs, own_inputs, quoted_usd
from gigareport.scenario.chips import CHIP_OF_DEFAULTS, POWER_OF_OTHERS
from gigareport.words import unit_words

_CHIPS = 100_000.0
#: Releases of the chips in Epoch's table, for their age when a run starts, and their rated power with the server's.
_RELEASED = {
    "NVIDIA A100 SXM4 40 GB": "2020-05-14",
    "NVIDIA A100 SXM4 80 GB": "2020-11-16",
    "NVIDIA A100": "2020-05-14",
    "NVIDIA Tesla V100 DGXS 32 GB": "2018-03-27",
}
#: Months between the end of a run and its publication, as Cottier et al. 2024 assume; kWh of a chip-hour with its
#: server and building: 400 W twice; and the price of a kWh.
_PUBLISHED_AFTER_DAYS, _KWH_PER_CHIP_HOUR, _USD_PER_KWH = 60, 0.8, 0.08
#: Units that a table reads well in: factor and name.
_READABLE = {
    "W": (1e6, "MW"),
    "kWh/year": (1e6, "GWh a year"),
    "USD": (1e9, "$ billion"),
    "USD/year": (1e6, "$ million a year"),
    "USD/chip/h": (1.0, "$ a chip-hour"),
    "USD/GW": (1e9, "$ billion a GW"),
    "USD/GW/year": (1e9, "$ billion a GW and year"),
}


def beside_published(samples: int = 10_000, seed: int = 7) -> pd.DataFrame:
    """Return figures of a cluster of 100,000 H100 from draws of our default inputs beside published ones.

    The columns are ``quantity``, those of :mod:`gigareport.beside.rows` and ``unit``. Where no middle is published its
    end stands for it.
    """
    facts = _facts()
    x = draw(cost_inputs(), samples, seed)
    network = network_usd_per_chip(_CHIPS, x["network_usd_per_tier_per_chip"])
    server = x["chip_usd"] + x["server_usd_per_chip"]
    site = x["building_usd_per_it_w"] * x["it_power_w_per_chip"]
    capital = capital_usd_per_chip(server, network, x["storage_usd_per_chip"], site)
    it_power_w = _CHIPS * x["it_power_w_per_chip"]
    year_kwh = energy_kwh(it_power_w, HOURS_PER_YEAR, pue=x["pue"])  # at full load, as the published figure
    colo_usd = facts["colo-rent"]["value"] * x["it_power_w_per_chip"] / 1e3 / HOURS_PER_MONTH
    margin = gross_margin_frac(
        1.70,  # the one-year contract of 2025-10 in data/rental_prices.csv, when the margin was reported
        capital_usd_per_chip=server + network,
        life_years=x["hardware_life_months"] / 12,
        running_usd_per_chip_hour=colo_usd + x["it_power_w_per_chip"] / 1e3 * x["pue"] * x["energy_usd_per_kwh"],
        utilisation_frac=x["utilisation_frac"],
    )
    given: dict[str, Any] = {name: x[name] for name in own_inputs() if name != "goodput_frac"}
    # the published rent is without a return and without a sale after five years
    given |= {"debt_effective_rate_per_year": 0.0, "equity_rate_per_year": 0.0, "selling_cost_frac": 1.0}
    five_years = own(n_chips=1.0, horizon_months=60, deliveries=[(0.0, 1.0)], network_usd_per_chip=network, **given)
    constants = ("epoch-server-overhead", "epoch-interconnect-share", "share-hardware")
    _, servers, interconnect = cost_shares(*(facts[name]["value"] for name in constants))
    ours = {
        "h100-100k-it-power": it_power_w,
        "h100-100k-energy": year_kwh,
        "h100-100k-energy-bill": year_kwh * x["energy_usd_per_kwh"],
        "h100-100k-servers": _CHIPS * server,
        "colossus-100k-compute": _CHIPS * (server + network),
        "colossus-100k-construction": _CHIPS * site,
        "colossus-100k-capital": _CHIPS * capital,
        "h100-104858-capital": capital,
        "h100-rent-loses": five_years.usd_per_useful_chip_hour,
        "oracle-margin": margin,
        "share-servers": servers,
        "share-interconnect": interconnect,
    }
    return pd.DataFrame(
        [
            {"quantity": f"{facts[one]['subject']}: {facts[one]['quantity']}", **_beside(facts[one], values)}
            for one, values in ours.items()
        ]
    )


def _facts() -> dict[str, dict[str, Any]]:
    table = catalog.load("cost_facts")
    return {str(row["fact_id"]): {str(name): cell for name, cell in row.items()} for row in table.to_dict("records")}


def _beside(fact: dict[str, Any], ours: Samples) -> dict[str, Any]:
    """Return the row of a published fact, in a unit that reads well."""
    published = next(fact[end] for end in ("value", "low", "high") if not math.isnan(fact[end]))
    scale, unit = _READABLE.get(fact["unit"], (1.0, unit_words(fact["unit"])))
    return {**row(published / scale, ours / scale), "unit": unit, "source_id": fact["source_id"]}


def costed_runs() -> pd.DataFrame:
    """Return our amortised cost of the runs that Epoch AI costed, from what its table prints of them.

    The columns are ``model, published, chip, ours_usd_2023, epoch_usd_2023, epoch_later_usd_2023, ratio``, for runs on
    A100 and V100 whose chips, hours and acquisition cost are known; ``ratio`` is ours over the first of Epoch's runs.
    """
    table = catalog.load("training_costs")
    needed = ["n_chips", "chip_hours", "acquisition_usd_2023", "amortised_usd_2023"]
    runs = table[table["chip"].isin(_RELEASED)].dropna(subset=needed).sort_values("published")
    hours = runs["chip_hours"] / runs["n_chips"]
    start = runs["published"] - pd.Timedelta(days=_PUBLISHED_AFTER_DAYS) - pd.to_timedelta(hours, unit="h")
    age_years = (start - pd.to_datetime(runs["chip"].map(_RELEASED))).dt.days.clip(lower=0) / 365.25
    ours = amortised_run_usd(
        n_chips=runs["n_chips"].to_numpy(),
        run_hours=hours.to_numpy(),
        cluster_usd_per_chip=(runs["acquisition_usd_2023"] / runs["n_chips"]).to_numpy(),
        price_performance_per_year=10.0 ** _facts()["epoch-price-performance-oom"]["value"],
        age_years=age_years.to_numpy(),
        kwh_per_chip_hour=_KWH_PER_CHIP_HOUR,
        energy_usd_per_kwh=_USD_PER_KWH,
    )
    names = {"amortised_usd_2023": "epoch_usd_2023", "later_run_usd_2023": "epoch_later_usd_2023"}
    found = runs.rename(columns=names).assign(ours_usd_2023=ours, ratio=ours / runs["amortised_usd_2023"])
    return found[["model", "published", "chip", "ours_usd_2023", *names.values(), "ratio"]].reset_index(drop=True)


#: Nominal cost of capital of a hyperscaler, an assumption; a smaller cloud pays that of ``data/cost_inputs.csv``.
_HYPERSCALER_RATE = 0.08
_YEARS, _TIERS = 5, 2


def operators_beside(samples: int = 4_000, seed: int = 7) -> pd.DataFrame:
    """Return our levelised cost of a chip-hour in a rented hall beside published costs of ownership of July 2026.

    The columns are ``chip``, ``operator``, the columns of :mod:`gigareport.beside.rows` (``nan`` where our tables have
    no price of the chip) and ``rent_usd`` (published three-year rent), worst ratio first. [USD/chip/h]
    """
    facts, prices = _facts(), quoted_usd()
    x, position = draw(cost_inputs(), samples, seed), numpy.random.default_rng(seed).uniform(size=samples)
    hall_usd = float(facts["colo-rent"]["value"])
    rows = []
    for fact_id, fact in facts.items():
        if not fact_id.startswith("tco-"):
            continue
        chip, operator = str(fact["subject"]), str(fact["quantity"]).removeprefix("cost of ownership, ")
        ours: Samples = numpy.nan
        if chip in prices:
            ours = _chip_hour_usd(chip, prices[chip].quantile(position), operator == "hyperscaler", x, hall_usd)
        rent = facts.get(f"rent-3y-{fact_id.split('-')[1]}", {"value": numpy.nan})
        names = {"chip": chip, "operator": operator, **row(fact["value"], ours)}
        rows.append(names | {"rent_usd": rent["value"], "source_id": fact["source_id"]})
    return worst_first(pd.DataFrame(rows))


def _chip_hour_usd(chip: str, server_usd: Samples, is_hyperscaler: bool, x: dict[str, Any], hall_usd: float) -> Samples:
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
        site_rent_usd_per_kw_month=hall_usd,
        **given,
    )
    return flows.usd_per_chip_hour


def gigawatt_beside(samples: int = 4_000, seed: int = 7) -> pd.DataFrame:
    """Return capital and yearly costs of a gigawatt of IT load, from the scenario ``gigawatt-2026``, beside Epoch AI's.

    The columns are ``quantity``, the columns of :mod:`gigareport.beside.rows` and ``unit``.
    """
    story = scenario.load("gigawatt-2026")
    found = scenario.evaluate(story, samples=samples, seed=seed, device="cpu")
    owned, _ = scenario.cash_flows(story, found.inputs, 1.0)
    it_gw = story.cluster.n_chips * found.inputs["cluster.it_power_w_per_chip"] / 1e9
    months = owned.chip_hours[-1, ...] / (story.cluster.n_chips * HOURS_PER_MONTH)  # the last month runs in full
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
    facts = _facts()
    return pd.DataFrame([{"quantity": facts[one]["quantity"], **_beside(facts[one], usd)} for one, usd in ours.items()])
