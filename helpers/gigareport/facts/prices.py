"""What chips and everything else of a cluster cost: the sourced defaults, quotes of chips, and the prices from them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import numpy

from gigacluster.cost.own import OWN_LIMITS
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts.rents import LEAST_SPREAD
from gigareport.table import Table, filled


@cache
def _cost_table() -> dict[str, Uncertain]:
    table = catalog.read("cost_inputs")
    lower, upper = filled(table["lower_limit"], -math.inf), filled(table["upper_limit"], math.inf)
    names = ("low", "median", "high", "lower", "upper")
    rows = table.select("quantity", "low", "median", "high").assign(lower=lower, upper=upper).rows()
    return {row["quantity"]: Uncertain(**{name: row[name] for name in names}) for row in rows}


def cost_inputs(names: Iterable[str] | None = None) -> dict[str, Uncertain]:
    """Return default inputs of the cost model, from ``data/cost_inputs.csv``.

    Parameters
    ----------
    names : Quantities wanted; every one of the table if left out. Those named like an argument of
        :func:`gigacluster.cost.own` or :func:`gigacluster.cost.rent` can be drawn and handed over as they are.

    Raises
    ------
    ValueError
        If a name is not in the table.

    Examples
    --------
    >>> cost_inputs(["pue"])["pue"].median
    1.25
    """
    table = _cost_table()
    wanted = list(table) if names is None else list(names)
    if unknown := [name for name in wanted if name not in table]:
        raise ValueError(f"data/cost_inputs.csv has no {', '.join(unknown)}; it has: {', '.join(table)}")
    return {name: table[name] for name in wanted}


def own_inputs() -> dict[str, Uncertain]:
    """Return the defaults of the arguments of :func:`gigacluster.cost.own` that have one."""
    return cost_inputs(name for name in _cost_table() if name in OWN_LIMITS)


#: Years whose quotes count: those in which every generation from A100 to GB200 was on sale at once.
PRICE_YEARS = (2024, 2025)


@cache
def quotes() -> Table:
    """Return the quotes that count, those of :data:`PRICE_YEARS`: as :func:`all_quotes`."""
    table = all_quotes()
    year = table["date"].astype("datetime64[Y]").astype(int) + 1970
    return table.where((PRICE_YEARS[0] <= year) & (year <= PRICE_YEARS[-1]))


@cache
def all_quotes() -> Table:
    """Return every quote of a chip with its part of the server: ``usd, low_usd, high_usd`` beside what it is.

    Quotes of servers and racks stand as they are; to those of a chip alone the usual rest of a server is added.
    """
    table: Table = catalog.headline(catalog.read("hardware_prices"))
    table = table.where(table["scope"] != "cluster")
    rest_usd = cost_inputs(["server_usd_per_chip"])["server_usd_per_chip"].median
    added = numpy.where(table["scope"] == "chip", rest_usd, 0.0)
    return table.select("chip", "date", "date_precision", "scope", "source_id").assign(
        usd=table["usd_per_chip"] + added,
        low_usd=filled(table["low_usd_per_chip"], table["usd_per_chip"]) + added,
        high_usd=filled(table["high_usd_per_chip"], table["usd_per_chip"]) + added,
    )


@cache
def quoted_usd() -> dict[str, Uncertain]:
    """Return the price of each chip with its part of the server, from the quotes that count. [USD/chip]"""
    found = {}
    for chip, rows in quotes().groups("chip").items():
        median = float(numpy.median(rows["usd"]))
        found[chip] = Uncertain(
            low=min(float(numpy.quantile(rows["low_usd"], 0.05)), median / LEAST_SPREAD),
            median=median,
            high=max(float(numpy.quantile(rows["high_usd"], 0.95)), median * LEAST_SPREAD),
        )
    return found
