"""Our figures beside published ones: a cluster of 100,000 H100, and runs that Epoch AI costed. Needs pandas."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from gigacluster.cost.network import network_usd_per_chip
from gigacluster.cost.own import capital_usd_per_chip, own
from gigacluster.uncertainty import draw, interval
from gigacluster.units import HOURS_PER_MONTH, HOURS_PER_YEAR
from gigareport import catalog
from gigareport.beside.accounts import (
    amortised_run_usd,
    cost_shares,
    energy_kwh,
    gross_margin_frac,
)
from gigareport.facts.cost_inputs import inputs, own_inputs

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
    "kWh/year": (1e6, "GWh/year"),
    "USD": (1e9, "USD billion"),
    "USD/year": (1e6, "USD million/year"),
}


def beside_published(samples: int = 10_000, seed: int = 7) -> pd.DataFrame:
    """Return figures of a cluster of 100,000 H100 from our default inputs beside published ones.

    Parameters
    ----------
    samples, seed : Draws of the default inputs.

    Returns
    -------
    pandas.DataFrame
        ``quantity, low, median, high, published, published_low, published_high, unit, ratio, source_id``; ``ratio`` is
        ours over the published middle, or over the nearer end of a published range that has no middle.
    """
    facts = _facts()
    x = draw(inputs(), samples, seed)
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
    return pd.DataFrame([_row(facts[fact_id], values) for fact_id, values in ours.items()])


def _facts() -> dict[str, dict[str, Any]]:
    table = catalog.load("cost_facts")
    return {str(row["fact_id"]): {str(name): cell for name, cell in row.items()} for row in table.to_dict("records")}


def _row(fact: dict[str, Any], values: object) -> dict[str, object]:
    found = interval(values)
    ends = [fact[end] for end in ("low", "high") if not math.isnan(fact[end])]
    middle = fact["value"] if not math.isnan(fact["value"]) else min(ends, key=lambda end: abs(end - found.median))
    scale, unit = _READABLE.get(fact["unit"], (1.0, fact["unit"]))
    return {
        "quantity": f"{fact['subject']}: {fact['quantity']}",
        "low": found.low / scale,
        "median": found.median / scale,
        "high": found.high / scale,
        "published": fact["value"] / scale,
        "published_low": fact["low"] / scale,
        "published_high": fact["high"] / scale,
        "unit": unit,
        "ratio": found.median / middle,
        "source_id": fact["source_id"],
    }


def costed_runs() -> pd.DataFrame:
    """Return our amortised cost of the runs that Epoch AI costed, from what its table prints of them.

    Returns
    -------
    pandas.DataFrame
        ``model, published, chip, ours_usd_2023, epoch_usd_2023, epoch_later_usd_2023, ratio``, for runs on A100 and
        V100 whose chips, hours and acquisition cost are known; ``ratio`` is ours over the first of Epoch's runs.
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
    return pd.DataFrame(
        {
            "model": runs["model"],
            "published": runs["published"],
            "chip": runs["chip"],
            "ours_usd_2023": ours,
            "epoch_usd_2023": runs["amortised_usd_2023"],
            "epoch_later_usd_2023": runs["later_run_usd_2023"],
            "ratio": ours / runs["amortised_usd_2023"],
        }
    ).reset_index(drop=True)
