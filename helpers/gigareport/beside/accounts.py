"""What publications print: capital, power, energy, the cost of one run, an operator's margin."""

from __future__ import annotations

from gigacluster.arrays import Array
from gigacluster.limits import AtLeastOne, NonNegative, Positive, PositiveShare, ShareBelowOne, checked
from gigacluster.units import HOURS_PER_YEAR


def it_power_w_per_chip(chip_w: Positive, server_w_per_chip: NonNegative, network_power_share: NonNegative) -> Array:
    """Return the rated IT power of a chip with its part of server, storage and network.

    Parameters
    ----------
    chip_w, server_w_per_chip : Rated power of the chip, and of its part of the rest of the server. [W]
    network_power_share : Storage, switches and optics, as a share on top of the servers. [1]

    Examples
    --------
    >>> round(float(it_power_w_per_chip(700, 575, 0.10)), 1)
    1402.5
    """
    _, (chip, server, share) = checked(it_power_w_per_chip, chip_w, server_w_per_chip, network_power_share)
    return (chip + server) * (1 + share)


def energy_kwh(
    it_power_w: NonNegative, hours: NonNegative, *, load_frac: PositiveShare = 1.0, pue: AtLeastOne = 1.0
) -> Array:
    """Return the energy that a facility draws.

    Parameters
    ----------
    it_power_w : Rated IT power. [W]
    hours : Time. [h]
    load_frac, pue : Average draw over rated IT power; facility over IT energy. [1]

    Examples
    --------
    >>> round(float(energy_kwh(150e6, 8766, pue=1.21)) / 1e9, 2)
    1.59
    """
    _, (power_w, time_h, load, overhead) = checked(energy_kwh, it_power_w, hours, load_frac, pue)
    return power_w / 1e3 * time_h * load * overhead


def amortised_run_usd(
    *,
    n_chips: Positive,
    run_hours: NonNegative,
    cluster_usd_per_chip: NonNegative,
    price_performance_per_year: AtLeastOne,
    age_years: NonNegative = 0.0,
    kwh_per_chip_hour: NonNegative = 0.0,
    energy_usd_per_kwh: NonNegative = 0.0,
) -> Array:
    """Return what a run costs in lost value of the hardware and in energy, as Cottier et al. 2024 count it.

    Parameters
    ----------
    n_chips, run_hours : Chips, and hours that they are taken. [chip], [h]
    cluster_usd_per_chip : float or array
        Price of the cluster over its chips when the chip came out: chip, server and network. [USD/chip]
    price_performance_per_year : float or array
        Factor a year by which new hardware gives more for the money, above 1; hardware loses value as fast. [1/year]
    age_years : Age of the chip model when the run starts. [year]
    kwh_per_chip_hour, energy_usd_per_kwh : Facility energy, and its price. [kWh/chip/h], [USD/kWh]

    Notes
    -----
    cost = n V g^(-age) (1 - g^(-L)) + energy, with L the run's length in years. Idle time and staff are left out.
    Source: data/sources.csv, id ``cottier-2024``.

    Examples
    --------
    >>> round(float(amortised_run_usd(n_chips=1, run_hours=8766, cluster_usd_per_chip=1000,
    ...                               price_performance_per_year=2)), 6)
    500.0
    """
    xp, (n, run_h, price_usd, gain, age, kwh, kwh_usd) = checked(
        amortised_run_usd,
        n_chips,
        run_hours,
        cluster_usd_per_chip,
        price_performance_per_year,
        age_years,
        kwh_per_chip_hour,
        energy_usd_per_kwh,
    )
    rate = xp.log(gain)
    lost = xp.exp(-rate * age) * -xp.expm1(-rate * run_h / HOURS_PER_YEAR)
    return n * (price_usd * lost + run_h * kwh * kwh_usd)


def cost_shares(
    server_overhead: AtLeastOne, interconnect_share: ShareBelowOne, hardware_share: PositiveShare = 1.0
) -> tuple[Array, Array, Array]:
    """Return the shares of chips, of the rest of the servers, and of the interconnect in a total.

    Parameters
    ----------
    server_overhead : Price of a server over that of its chips, 1 or more. [1]
    interconnect_share : Interconnect over the whole cluster, below 1. [1]
    hardware_share : Hardware over the total, for instance with staff and energy. [1]

    Examples
    --------
    >>> [round(float(share), 3) for share in cost_shares(1.64, 0.19, 0.57)]
    [0.282, 0.18, 0.108]
    """
    _, (overhead, between, hardware) = checked(cost_shares, server_overhead, interconnect_share, hardware_share)
    servers = hardware * (1 - between)
    chips = servers / overhead
    return chips, servers - chips, hardware * between


def gross_margin_frac(
    rent_usd_per_chip_hour: Positive,
    *,
    capital_usd_per_chip: NonNegative,
    life_years: Positive,
    running_usd_per_chip_hour: NonNegative,
    utilisation_frac: PositiveShare = 1.0,
) -> Array:
    """Return an operator's gross margin in its accounts: revenue less depreciation and running costs, over revenue.

    Parameters
    ----------
    rent_usd_per_chip_hour : Price of a rented hour. [USD/chip/h]
    capital_usd_per_chip : What is written off. [USD/chip]
    life_years : Depreciation life, straight line to 0. [year]
    running_usd_per_chip_hour : Energy, site and people, per hour whether rented or not. [USD/chip/h]
    utilisation_frac : Share of hours that is rented. [1]

    Examples
    --------
    >>> margin = gross_margin_frac(2.0, capital_usd_per_chip=43_830, life_years=5, running_usd_per_chip_hour=0.5)
    >>> round(float(margin), 3)
    0.25
    """
    _, (rent_usd, capital_usd, years, running_usd, used) = checked(
        gross_margin_frac,
        rent_usd_per_chip_hour,
        capital_usd_per_chip,
        life_years,
        running_usd_per_chip_hour,
        utilisation_frac,
    )
    return 1 - (capital_usd / (years * HOURS_PER_YEAR) + running_usd) / (rent_usd * used)
