"""What publications print: rates of failure, power, energy, the cost of one run, shares of a total, a margin.

Arrays or numbers; their limits are those of the tables that they come from.
"""

from __future__ import annotations

from typing import Any

import numpy

from gigacluster.arrays import Samples
from gigacluster.units import HOURS_PER_YEAR


def failures_per_1000_node_days(failures: Samples, n_gpus: Samples, days: Samples, gpus_per_node: Samples = 8) -> Any:
    """Return the failure rate of a run that counted its failures.

    Examples
    --------
    >>> round(failures_per_1000_node_days(419, 16_384, 54), 3)
    3.789
    """
    return 1000 * failures * gpus_per_node / (n_gpus * days)


def it_power_w_per_chip(chip_w: Samples, server_w_per_chip: Samples, network_power_share: Samples) -> Any:
    """Return the rated IT power of a chip with its part of the server, and of storage and network as a share on top.

    Examples
    --------
    >>> it_power_w_per_chip(700, 575, 0.10)
    1402.5
    """
    return (chip_w + server_w_per_chip) * (1 + network_power_share)


def energy_kwh(it_power_w: Samples, hours: Samples, *, pue: Samples = 1.0) -> Any:
    """Return the energy that a facility draws at its rated IT power.

    Examples
    --------
    >>> round(energy_kwh(150e6, 8766, pue=1.21) / 1e9, 2)
    1.59
    """
    return it_power_w / 1e3 * hours * pue


def amortised_run_usd(
    *,
    n_chips: Samples,
    run_hours: Samples,
    cluster_usd_per_chip: Samples,
    price_performance_per_year: Samples,
    age_years: Samples = 0.0,
    kwh_per_chip_hour: Samples = 0.0,
    energy_usd_per_kwh: Samples = 0.0,
) -> Any:
    """Return what a run costs in lost value of the hardware and in energy, as Cottier et al. 2024 count it.

    Parameters
    ----------
    cluster_usd_per_chip : Price of the cluster over its chips when the chip came out: chip, server and network.
    price_performance_per_year : Factor by which new hardware gives more for the money; hardware loses value as fast.
    age_years : Of the chip model when the run starts.
    kwh_per_chip_hour : Of the facility.

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
    rate = numpy.log(price_performance_per_year)
    lost = numpy.exp(-rate * age_years) * -numpy.expm1(-rate * run_hours / HOURS_PER_YEAR)
    return n_chips * (cluster_usd_per_chip * lost + run_hours * kwh_per_chip_hour * energy_usd_per_kwh)


def cost_shares(server_overhead: float, interconnect_share: float, hardware_share: float) -> tuple[float, float, float]:
    """Return the shares of chips, of the rest of the servers, and of the interconnect in a total.

    Parameters
    ----------
    server_overhead : Price of a server over that of its chips. [1]
    interconnect_share, hardware_share : Interconnect over the whole cluster; hardware over the total. [1]

    Examples
    --------
    >>> [round(share, 3) for share in cost_shares(1.64, 0.19, 0.57)]
    [0.282, 0.18, 0.108]
    """
    servers = hardware_share * (1 - interconnect_share)
    chips = servers / server_overhead
    return chips, servers - chips, hardware_share * interconnect_share


def gross_margin_frac(
    rent_usd_per_chip_hour: Samples,
    *,
    capital_usd_per_chip: Samples,
    life_years: Samples,
    running_usd_per_chip_hour: Samples,
    utilisation_frac: Samples,
) -> Any:
    """Return an operator's gross margin in its accounts: revenue less depreciation and running costs, over revenue.

    Parameters
    ----------
    life_years : Of depreciation, straight line to 0.
    running_usd_per_chip_hour : Energy, site and people, per hour whether rented or not.
    utilisation_frac : Share of hours that is rented.

    Examples
    --------
    >>> round(gross_margin_frac(2.0, capital_usd_per_chip=43_830, life_years=5, running_usd_per_chip_hour=0.5,
    ...                         utilisation_frac=1.0), 3)
    0.25
    """
    written_off_usd = capital_usd_per_chip / (life_years * HOURS_PER_YEAR)
    return 1 - (written_off_usd + running_usd_per_chip_hour) / (rent_usd_per_chip_hour * utilisation_frac)
