"""To own a cluster: what is bought, built, powered, staffed, financed and sold again, month by month."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from gigacluster.arrays import Array, Namespace, Samples, is_array
from gigacluster.cost.flows import (
    OR_INFINITE,
    CashFlows,
    Flow,
    Worth,
    bought,
    check_horizon,
    discount,
    in_month,
    month_rows,
    paid_evenly,
    paid_once,
)
from gigacluster.limits import (
    NON_NEGATIVE,
    SHARE,
    AtLeastOne,
    Limit,
    NonNegative,
    Positive,
    PositiveShare,
    Share,
    ShareBelowOne,
    admit,
    checked,
    limits_of,
)
from gigacluster.units import HOURS_PER_MONTH


def weighted_cost_of_capital(
    debt_frac: Share, debt_effective_rate_per_year: NonNegative, equity_rate_per_year: NonNegative
) -> Any:
    """Return the nominal rate that discounts cash flows without interest.

    Parameters
    ----------
    debt_frac : Share of the capital that is lent, 0 to 1. [1]
    debt_effective_rate_per_year, equity_rate_per_year
        Nominal yearly cost of debt and of equity, effective, 0 or more. [1/year] An APR that is paid by the month is
        (1 + APR / 12)^12 - 1 effective. Taxes are left out, so interest saves none.

    Examples
    --------
    >>> round(float(weighted_cost_of_capital(0.6, 0.11, 0.15)), 3)
    0.126
    """
    _, (lent, debt_rate, equity_rate) = checked(
        weighted_cost_of_capital, debt_frac, debt_effective_rate_per_year, equity_rate_per_year
    )
    return lent * debt_rate + (1 - lent) * equity_rate


def annuity_factor(xp: Namespace, rate_per_year: Array, months: Array) -> Any:
    """Return the value of one dollar a month for ``months``, one month before the first; months may be 0."""
    per_month = xp.expm1(xp.log1p(rate_per_year) / 12)
    earned = -xp.expm1(-months / 12 * xp.log1p(rate_per_year))
    return xp.where(per_month == 0, months, earned / xp.where(per_month == 0, 1.0, per_month))


def loan_service(xp: Namespace, rows: Array, month: Array, rate_per_year: Array, months: Array) -> Any:
    """Return, by month and per dollar lent at ``month``, the payments less the sum received."""
    payments = sum(
        share * in_month(xp, rows, start, start + months) / annuity_factor(xp, rate_per_year, months)
        for start, share in _drawn_at(xp, month)
    )
    return payments - paid_once(xp, rows, month)


def loan_owed(xp: Namespace, rows: Array, month: Array, rate_per_year: Array, months: Array) -> Any:
    """Return, by month and per dollar lent at ``month``, what is still owed."""
    return sum(
        share
        * xp.where(rows >= start, annuity_factor(xp, rate_per_year, xp.clip(start + months - rows, 0.0, months)), 0.0)
        / annuity_factor(xp, rate_per_year, months)
        for start, share in _drawn_at(xp, month)
    )


def _drawn_at(xp: Namespace, month: Array) -> tuple[tuple[Array, Array], ...]:
    """Return a loan drawn within a month as two, at its two ends: its value at its own rate is then exactly 0."""
    first = xp.floor(month)
    return (first, 1 - (month - first)), (first + 1, month - first)


_RADIX = Limit(4.0, float("inf"), "4 or more ports", high_included=False)


def network_tiers(n_chips: Positive, switch_ports: Annotated[Samples, _RADIX] = 128) -> Any:
    """Return the tiers of switches that a full fat tree needs for so many chips.

    Parameters
    ----------
    n_chips : [chip]
    switch_ports : Ports of a switch, 4 or more: 128 for 400 Gbit/s Ethernet, 64 for InfiniBand.

    Examples
    --------
    >>> float(network_tiers(100_000, 128)), float(network_tiers(100_000, 64))
    (3.0, 4.0)
    """
    xp, (chips, ports) = checked(network_tiers, n_chips, switch_ports)
    needed = xp.log(chips / 2) / xp.log(ports / 2)
    return xp.clip(xp.ceil(needed - 1e-9), 1.0, None)  # 65,536 chips on 64 ports are three tiers, not a rounding more


def network_usd_per_chip(
    n_chips: Positive, usd_per_tier_per_chip: NonNegative, switch_ports: Annotated[Samples, _RADIX] = 128
) -> Any:
    """Return the price of the network between servers, per chip.

    Parameters
    ----------
    n_chips : [chip]
    usd_per_tier_per_chip : Price of one tier: a chip's links, optics and share of switches. [USD/chip/tier]
    switch_ports : Ports of a switch.

    Notes
    -----
    Each tier needs as many links as there are chips, each with optics at both ends, so optics grow like the tiers:
    four tiers need 4/3 of the transceivers of three, as SemiAnalysis states (data/sources.csv, id
    ``semianalysis-100k-2024``). An oversubscribed network costs less.

    Examples
    --------
    >>> float(network_usd_per_chip(104_858, 2200))
    6600.0
    """
    _, (chips, tier_usd, ports) = checked(network_usd_per_chip, n_chips, usd_per_tier_per_chip, switch_ports)
    return tier_usd * network_tiers(chips, ports)


def own(
    *,
    n_chips: Positive,
    horizon_months: int,
    deliveries: Sequence[tuple[Any, Any]],
    chip_usd: Positive,
    server_usd_per_chip: NonNegative,
    network_usd_per_chip: NonNegative,
    storage_usd_per_chip: NonNegative,
    building_usd_per_it_w: NonNegative,
    power_plant_usd_per_it_w: NonNegative,
    it_power_w_per_chip: Positive,
    load_frac: PositiveShare,
    pue: AtLeastOne,
    energy_usd_per_kwh: NonNegative,
    staff_usd_per_chip_year: NonNegative,
    maintenance_frac_per_year: NonNegative,
    spares_frac: NonNegative,
    hardware_life_months: Positive,
    hardware_value_decline_per_year: ShareBelowOne,
    building_life_months: Positive,
    debt_frac: Share,
    debt_effective_rate_per_year: NonNegative,
    equity_rate_per_year: NonNegative,
    loan_months: Positive = 60.0,
    goodput_frac: PositiveShare = 1.0,
    utilisation_frac: PositiveShare = 1.0,
    delay_months: NonNegative = 0.0,
    overrun_frac: NonNegative = 0.0,
    sites: Sequence[tuple[Any, Any]] = ((0.0, math.inf),),
    selling_cost_frac: Share = 0.0,
    site_rent_usd_per_kw_month: NonNegative = 0.0,
    running_cost_growth_per_year: ShareBelowOne = 0.0,
    method: Literal["wacc", "equity"] = "wacc",
) -> CashFlows:
    """Cash flows of owning a cluster from the decision (month 0) to a sale after ``horizon_months``.

    Parameters
    ----------
    n_chips : Chips that work; spares are bought on top. [chip]
    horizon_months : Months from the decision to the end of the comparison. [month]
    deliveries : sequence of (month, share)
        When each part of the chips starts to work, below ``horizon_months``, and its share; shares add up to 1.
        Hardware is paid then, the building evenly from month 0 until then.
    chip_usd, server_usd_per_chip, network_usd_per_chip, storage_usd_per_chip
        Price of a chip, and of its part of the server, network and storage. [USD/chip]
    building_usd_per_it_w, power_plant_usd_per_it_w
        Building with cooling and power distribution; own generation. Per watt of rated IT power. [USD/W]
    it_power_w_per_chip : Rated power of a chip with its part of server, network and storage. [W/chip]
    load_frac, pue : Average draw over rated IT power; facility over IT energy. [1]
    energy_usd_per_kwh : [USD/kWh]
    staff_usd_per_chip_year : People who run the cluster, not those who train models. [USD/chip/year]
    maintenance_frac_per_year, spares_frac
        Repairs a year, and chips bought as spares, as a share of the hardware price. [1/year], [1]
    hardware_life_months, building_life_months
        After its life hardware does no work and is worth nothing; a building loses value evenly. [month]
    hardware_value_decline_per_year : Share of its value that used hardware loses a year. [1/year]
    debt_frac, debt_effective_rate_per_year, equity_rate_per_year, loan_months
        Share of the hardware that is lent, the yearly costs of debt and equity, and the loan's term from delivery.
        Rates are effective: an APR of 11 % that is paid by the month is (1 + 0.11 / 12)^12 - 1 = 11.57 % effective.
    goodput_frac, utilisation_frac
        Share of used time that moves training forward; share of available time that is used. [1]
    delay_months : Added to every delivery. [month]
    overrun_frac : What hardware and site cost more than planned, as a share; a sale brings nothing for it. [1]
    sites : sequence of (month, power), default as much as the chips need from the start
        When each site has its power, and the most that it may draw. [month], [W] Chips whose rated IT power times
        ``pue`` goes beyond what is there stand idle: bought, housed, staffed and maintained, without energy and
        without work. A chip may stand at any site.
    selling_cost_frac : Share of its value that hardware and site lose on the day of the sale. [1]
    site_rent_usd_per_kw_month
        Rent of a site for owned chips, per kilowatt of rated IT power, instead of a building. [USD/kW/month]
    running_cost_growth_per_year : Nominal growth of energy, staff, maintenance and site rent. [1/year]
    method : {"wacc", "equity"}
        ``wacc`` discounts flows without interest at the weighted cost of capital; ``equity`` takes the loan in and
        its service out and discounts at the cost of equity. One or the other, so interest never counts twice.

    Returns
    -------
    CashFlows
        Elements with an input out of range are ``nan``.

    Raises
    ------
    ValueError
        If a plain number is out of range, or the deliveries do not add up.

    Notes
    -----
    Taxes are left out. Depreciation is no payment and does not appear; what the hardware still brings does, as the
    sale at the end. A payment due within a month is split between its two ends.

    Examples
    --------
    >>> chips = {"chip_usd": 25e3, "server_usd_per_chip": 8e3, "network_usd_per_chip": 3e3}
    >>> chips |= {"storage_usd_per_chip": 1e3, "it_power_w_per_chip": 1300.0, "spares_frac": 0.02, "load_frac": 0.8}
    >>> site = {"building_usd_per_it_w": 10.0, "power_plant_usd_per_it_w": 0.0, "pue": 1.2}
    >>> upkeep = {"energy_usd_per_kwh": 0.07, "staff_usd_per_chip_year": 300.0, "maintenance_frac_per_year": 0.03}
    >>> lives = {"hardware_life_months": 72, "building_life_months": 240, "hardware_value_decline_per_year": 0.35}
    >>> money = {"debt_frac": 0.5, "debt_effective_rate_per_year": 0.11, "equity_rate_per_year": 0.15}
    >>> term = {"horizon_months": 48, "deliveries": [(3.0, 1.0)]}
    >>> flows = own(n_chips=1024, **term, **chips, **site, **upkeep, **lives, **money)
    >>> (flows.net_present_usd / 1e6).round()
    array([46.])
    """
    given = {name: value for name, value in locals().items() if name in OWN_LIMITS}  # first line: arguments only
    if method not in ("wacc", "equity"):
        raise ValueError(f"method is {method!r}; it can be 'wacc' (no interest) or 'equity' (with debt service)")
    phases = _named_pairs("deliveries", deliveries, "share", "(month, share) pairs such as [(4.0, 1.0)]")
    powers = _named_pairs("sites", sites, "power_w", "(month, watts) pairs such as [(6.0, 56e6)]")
    shares = [part for name, part in phases.items() if "share" in name]
    if not any(is_array(share) for share in shares) and abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"the shares of deliveries must add up to 1, got {shares} = {sum(shares)}")
    check_horizon(horizon_months)
    in_time = Limit(0.0, horizon_months, f"from 0 to below horizon_months={horizon_months}", high_included=False)
    limits = OWN_LIMITS | {name: in_time if "month" in name else SHARE for name in phases}
    limits |= {name: NON_NEGATIVE if "month" in name else OR_INFINITE for name in powers}
    xp, a, valid = admit(given | phases | powers, limits)
    valid = valid & (xp.abs(sum(a[name] for name in phases if "share" in name) - 1) <= 1e-9)
    a["n_chips"] = xp.where(valid, a["n_chips"], xp.nan)  # every amount holds it, so faults spread to all of them

    rate = a["equity_rate_per_year"]
    if method == "wacc":
        rate = weighted_cost_of_capital(a["debt_frac"], a["debt_effective_rate_per_year"], rate)
    rows = month_rows(xp, horizon_months, valid, max(array.ndim for array in a.values()))
    parts = [
        (a[f"deliveries[{index}] month"] + a["delay_months"], a[f"deliveries[{index}] share"])
        for index in range(len(phases) // 2)
    ]

    def each(what: Callable[[Array], Any]) -> Any:
        """Add up what follows the month of a delivery, per dollar or chip of the whole cluster."""
        return sum(share * what(month) for month, share in parts)

    def hardware_left(at: Array, month: Array) -> Array:
        lives = bought(xp, at, month) - bought(xp, at, month + a["hardware_life_months"])
        age_months = xp.clip(at - month, 0.0, xp.inf)
        return lives * (1 - a["hardware_value_decline_per_year"]) ** (age_months / 12)

    def site_left(at: Array, month: Array) -> Array:
        age_months = xp.clip(at - month, 0.0, xp.inf)
        return bought(xp, at, month) * xp.clip(1 - age_months / a["building_life_months"], 0.0, xp.inf)

    standing = each(lambda month: in_month(xp, rows, month, month + a["hardware_life_months"]))
    working = xp.minimum(_powered(xp, rows, a, len(powers) // 2), standing)
    hardware, site, energy, upkeep = _amounts_usd(a)
    growth = xp.exp(rows / 12 * xp.log1p(a["running_cost_growth_per_year"]))
    paid = 1 + a["overrun_frac"]
    groups = (
        (hardware, paid, each(lambda month: paid_once(xp, rows, month))),
        (site, paid, each(lambda month: paid_evenly(xp, rows, month))),
        (energy, 1.0, working * growth),
        (upkeep, 1.0, standing * growth),
    )
    flows = {name: Flow(more * usd, by_month) for group, more, by_month in groups for name, usd in group.items()}
    hardware_usd = sum(hardware.values())
    kept = 1 - a["selling_cost_frac"]
    resale = {
        "hardware": Worth(kept * hardware_usd, lambda at: each(lambda month: hardware_left(at, month))),
        "site": Worth(kept * sum(site.values()), lambda at: each(lambda month: site_left(at, month))),
    }
    if method == "equity":
        lent_usd, loan = a["debt_frac"] * hardware_usd, (a["debt_effective_rate_per_year"], a["loan_months"])
        flows["loan"] = Flow(lent_usd, each(lambda month: loan_service(xp, rows, month, *loan)))
        resale["loan"] = Worth(-lent_usd, lambda at: each(lambda month: loan_owed(xp, at, month, *loan)))
    return CashFlows(
        flows=flows,
        resale=resale,
        chip_hours=a["n_chips"] * HOURS_PER_MONTH * working,
        idle_chips=a["n_chips"] * (standing - working),
        utilisation_frac=a["utilisation_frac"],
        goodput_frac=a["goodput_frac"],
        discount_rate_per_year=rate,
        discount_factor=discount(xp, rows, rate),
    )


#: What each input of :func:`own` may be.
OWN_LIMITS = limits_of(own)


def capital_usd_per_chip(
    server_usd_per_chip: NonNegative,
    network_usd_per_chip: NonNegative = 0.0,
    storage_usd_per_chip: NonNegative = 0.0,
    site_usd_per_chip: NonNegative = 0.0,
    spares_frac: NonNegative = 0.0,
    overrun_frac: NonNegative = 0.0,
) -> Array:
    """Return the capital of a cluster per working chip, as :func:`own` pays it.

    Parameters
    ----------
    server_usd_per_chip : Price of a server over its chips, the chips included. [USD/chip]
    network_usd_per_chip, storage_usd_per_chip : [USD/chip]
    site_usd_per_chip : Building, cooling and power; no spares are bought of it. [USD/chip]
    spares_frac, overrun_frac : Hardware bought on top, and what all of it costs more than planned. [1]

    Examples
    --------
    >>> float(capital_usd_per_chip(38_750, 6_613, site_usd_per_chip=6_250))
    51613.0
    """
    _, (server, network, storage, site, spares, overrun) = checked(
        capital_usd_per_chip,
        server_usd_per_chip,
        network_usd_per_chip,
        storage_usd_per_chip,
        site_usd_per_chip,
        spares_frac,
        overrun_frac,
    )
    return ((server + network + storage) * (1 + spares) + site) * (1 + overrun)


def _named_pairs(name: str, parts: Sequence[tuple[Any, Any]], second: str, form: str) -> dict[str, Any]:
    """Give month and amount of each delivery, or site, a name, for the check of their ranges."""
    pairs = [tuple(pair) for pair in parts]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{name} must be {form}, got {parts!r}")
    named: dict[str, Any] = {}
    for index, (month, amount) in enumerate(pairs):
        named |= {f"{name}[{index}] month": month, f"{name}[{index}] {second}": amount}
    return named


def _powered(xp: Namespace, rows: Array, a: dict[str, Any], n_sites: int) -> Any:
    """Return which share of the chips the sites can power in each month, by their rated power; above 1 if all."""
    need_w = a["n_chips"] * a["it_power_w_per_chip"] * a["pue"]

    def power_w(site: str) -> Any:
        there = in_month(xp, rows, a[f"{site} month"])
        return there * xp.where(there > 0, a[f"{site} power_w"], 1.0)  # infinity times nothing is nothing

    return sum(power_w(f"sites[{index}]") for index in range(n_sites)) / need_w


def _amounts_usd(a: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return hardware and site in dollars, and what energy and upkeep of the whole cluster cost a month."""
    bought_chips = a["n_chips"] * (1 + a["spares_frac"])
    it_w = a["n_chips"] * a["it_power_w_per_chip"]
    hardware = {
        "chips": bought_chips * a["chip_usd"],
        "servers": bought_chips * a["server_usd_per_chip"],
        "network": bought_chips * a["network_usd_per_chip"],
        "storage": bought_chips * a["storage_usd_per_chip"],
    }
    site = {"building": it_w * a["building_usd_per_it_w"], "power plant": it_w * a["power_plant_usd_per_it_w"]}
    kwh = it_w / 1e3 * a["load_frac"] * a["pue"] * HOURS_PER_MONTH
    energy = {"energy": kwh * a["energy_usd_per_kwh"]}
    upkeep = {
        "site rent": it_w / 1e3 * a["site_rent_usd_per_kw_month"],
        "staff": a["n_chips"] * a["staff_usd_per_chip_year"] / 12,
        "maintenance": sum(hardware.values()) * a["maintenance_frac_per_year"] / 12,
    }
    return hardware, site, energy, upkeep
