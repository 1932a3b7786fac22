"""What chips cost in their servers: the quotes that count, and the price of each chip that follows from them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy

from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts import cost_inputs
from gigareport.facts.rents import LEAST_SPREAD

if TYPE_CHECKING:
    import pandas as pd


#: Years whose quotes count: those in which every generation from A100 to GB200 was on sale at once.
PRICE_YEARS = (2024, 2025)


@cache
def quotes() -> pd.DataFrame:
    """Return the quotes that count, those of :data:`PRICE_YEARS`: as :func:`all_quotes`."""
    table = all_quotes()
    return table[table["date"].dt.year.between(*PRICE_YEARS)]


@cache
def all_quotes() -> pd.DataFrame:
    """Return every quote of a chip with its part of the server.

    Quotes of servers and racks stand as they are; to those of a chip alone the usual rest of a server is added.

    Returns
    -------
    DataFrame
        ``chip, date, date_precision, scope, source_id, usd, low_usd, high_usd``.
    """
    table = catalog.headline(catalog.load("hardware_prices"))
    table = table[table["scope"] != "cluster"]
    rest_usd = cost_inputs.inputs(["server_usd_per_chip"])["server_usd_per_chip"].median
    added = numpy.where(table["scope"] == "chip", rest_usd, 0.0)
    return table[["chip", "date", "date_precision", "scope", "source_id"]].assign(
        usd=table["usd_per_chip"] + added,
        low_usd=table["low_usd_per_chip"].fillna(table["usd_per_chip"]) + added,
        high_usd=table["high_usd_per_chip"].fillna(table["usd_per_chip"]) + added,
    )


@cache
def quoted_usd() -> dict[str, Uncertain]:
    """Return the price of each chip with its part of the server, from the quotes that count. [USD/chip]"""
    found = {}
    for chip, rows in quotes().groupby("chip"):
        median = float(rows["usd"].median())
        found[str(chip)] = Uncertain(
            low=min(float(rows["low_usd"].quantile(0.05)), median / LEAST_SPREAD),
            median=median,
            high=max(float(rows["high_usd"].quantile(0.95)), median * LEAST_SPREAD),
        )
    return found
