"""What each option of a scenario pays and gives month by month: to own, and to rent by the kind of rent it names."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy

from gigacluster import cost
from gigacluster.arrays import as_common
from gigacluster.units import MEGA
from gigareport.facts import rents
from gigareport.scenario.inputs import RENT_PATH
from gigareport.scenario.register import Scenario

__all__ = ["SITE_POWER", "cash_flows", "market_path", "owned_flows", "rented_flows"]

SITE_POWER = "cluster.site_power_mw"
#: Paths of the market's rent that are kept for each date and horizon; a sample takes one of them.
_N_PATHS, _PATH_SEED = 4096, 7


def cash_flows(scenario: Scenario, given: dict[str, Any], goodput_frac: Any) -> tuple[cost.CashFlows, cost.CashFlows]:
    """Return what owning costs month by month, and what the scenario's rental over the same horizon costs."""
    site: dict[str, Any] = {}
    if SITE_POWER in given:
        site["site_power_w"] = given[SITE_POWER] * MEGA
    if scenario.cluster.power_arrivals:
        site["power_arrivals"] = [
            (given[f"cluster.power_arrivals.{number}.month"], arrival.share)
            for number, arrival in enumerate(scenario.cluster.power_arrivals)
        ]
    owned = owned_flows(scenario, float(scenario.cluster.n_chips), given, goodput_frac, **site)
    return owned, rented_flows(scenario, given, goodput_frac, owned.discount_rate_per_year)


def owned_flows(
    scenario: Scenario, n_chips: float, given: dict[str, Any], goodput_frac: Any, **site: Any
) -> cost.CashFlows:
    """Return what owning ``n_chips`` costs month by month, for sampled inputs by name.

    ``site`` holds ``site_power_w`` and ``power_arrivals`` of :func:`gigacluster.cost.own`; left out, all have power.
    """
    own = {name.removeprefix("own."): values for name, values in given.items() if name.startswith("own.")}
    deliveries = [
        (own.pop(f"deliveries.{number}.month"), delivery.share)
        for number, delivery in enumerate(scenario.own.deliveries)
    ]
    per_tier = own.pop("network_usd_per_tier_per_chip")
    return cost.own(
        n_chips=n_chips,
        horizon_months=int(scenario.horizon_months),
        deliveries=deliveries,
        network_usd_per_chip=cost.network_usd_per_chip(n_chips, per_tier, float(scenario.own.switch_ports)),
        it_power_w_per_chip=given["cluster.it_power_w_per_chip"],
        load_frac=given["cluster.load_frac"],
        pue=given["cluster.pue"],
        goodput_frac=goodput_frac,
        utilisation_frac=given["training.used_frac"],
        **own,
        **site,
    )


def rented_flows(
    scenario: Scenario,
    given: dict[str, Any],
    goodput_frac: Any,
    discount_rate_per_year: Any,
    **changes: Any,
) -> cost.CashFlows:
    """Return what the scenario's rental costs month by month; ``changes`` replace fields of its section ``rent``.

    A contract has its price over its term and the market's after it; ``reserved`` is a contract of a year, made again
    at each anniversary at the market's price; ``hourly`` takes the market's price each month and pays for used hours
    alone; ``followed`` pays the rents that were quoted later. The market starts at the price of the file.
    """
    terms = replace(scenario.rent, **changes)
    horizon = int(scenario.horizon_months)
    price = given["rent.committed_usd_per_chip_hour"]
    rental: dict[str, Any] = {
        "n_chips": float(scenario.cluster.n_chips),
        "horizon_months": horizon,
        "start_month": given["rent.start_month"],
        "ramp_months": given["rent.ramp_months"],
        "extras_frac": given["rent.extras_frac"],
        "leave_month": float(terms.leave_month),
        "discount_rate_per_year": discount_rate_per_year,
        "goodput_frac": goodput_frac,
        "utilisation_frac": given["training.used_frac"],
    }
    if terms.kind == "contract":
        rental |= {
            "committed_frac": 1.0,
            "committed_usd_per_chip_hour": price,
            "term_months": float(min(terms.term_months, horizon)),
            "prepaid_frac": given["rent.prepaid_frac"],
            "minimum_take_frac": given["rent.minimum_take_frac"],
            "step_down_frac_per_year": given["rent.step_down_frac_per_year"],
            "notice_months": float(terms.notice_months),
            "exit_fee_frac": given["rent.exit_fee_frac"],
            "renews": terms.after_term == "renew",
        }
        if terms.term_months >= horizon:
            return cost.rent(**rental, market_usd_per_chip_hour=0.0)  # nothing is outside the contract
        if "rent.renewal_usd_per_chip_hour" in given:
            price = given["rent.renewal_usd_per_chip_hour"]
    path = market_path(scenario, price, given[RENT_PATH], terms.kind)
    if terms.kind == "reserved":  # of a year's contract all hours are paid, used or not
        path = path / given["training.used_frac"]
    return cost.rent(**rental, market_path_usd_per_chip_hour=path)


def market_path(scenario: Scenario, start_usd: Any, position: Any, kind: str = "hourly") -> Any:
    """Return the market's rent month by month from the decision on, (months + 1, samples). [USD/chip/h]

    Parameters
    ----------
    scenario : Scenario
    start_usd : array, shape (samples,)
        Rent on the day of the decision. [USD/chip/h]
    position : array, shape (samples,)
        Which of the stored paths each sample takes, in (0, 1).
    kind : {"hourly", "contract", "reserved", "followed"}
        ``reserved`` holds the price of each anniversary for a year; ``followed`` are the rents that were quoted.
    """
    horizon = int(scenario.horizon_months)
    decided = str(scenario.decided_on)
    if kind == "followed":
        quotes = rents.quoted(scenario.cluster.chip)
        path = rents.followed(quotes["date"].to_numpy(), quotes["usd_per_chip_hour"], decided, horizon)
        xp, (start_usd, path) = as_common(start_usd, path)
        return path + 0.0 * start_usd
    xp, (position, start_usd) = as_common(position, start_usd)
    table = xp.asarray(_relative_paths(decided, horizon))
    index = xp.astype(xp.clip(xp.floor(position * _N_PATHS), 0.0, _N_PATHS - 1.0), xp.int64)
    path = start_usd * xp.take(table, index, axis=1)
    if kind == "reserved":
        path = xp.concat([path[12 * (month // 12), ...][None, ...] for month in range(horizon + 1)], axis=0)
    return path


@cache
def _relative_paths(decided: str, horizon_months: int) -> numpy.ndarray:
    """Return paths of the rent over that of the day of the decision, from the changes that were known then."""
    return rents.paths(1.0, rents.known_changes(decided), months=horizon_months, samples=_N_PATHS, seed=_PATH_SEED)
