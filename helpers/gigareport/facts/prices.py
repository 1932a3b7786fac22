"""What chips cost in their servers: the quotes that count, and the price of each chip that follows from them."""

from __future__ import annotations

from functools import cache

import numpy

from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts import cost_inputs
from gigareport.facts.rents import LEAST_SPREAD
from gigareport.table import Table, filled

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
    """Return every quote of a chip with its part of the server.

    Quotes of servers and racks stand as they are; to those of a chip alone the usual rest of a server is added.

    Returns
    -------
    Table
        ``chip, date, date_precision, scope, source_id, usd, low_usd, high_usd``.
    """
    table = catalog.headline(catalog.read("hardware_prices"))
    table = table.where(table["scope"] != "cluster")
    rest_usd = cost_inputs.inputs(["server_usd_per_chip"])["server_usd_per_chip"].median
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
