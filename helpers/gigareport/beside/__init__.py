"""Our numbers beside the published ones."""

from gigareport.beside.claims import ledger, published_optima, read_ledger
from gigareport.beside.costs import beside_published as costs_beside_published
from gigareport.beside.costs import gigawatt_beside, operators_beside
from gigareport.beside.goodput import beside_published as goodput_beside_published
from gigareport.beside.goodput import goodput_by_form, not_compared, orders, read_goodput
from gigareport.beside.growth import published_growth, published_shares
from gigareport.beside.rows import count_within, met_within, ratio_rows, worst_factor

__all__ = [
    "costs_beside_published",
    "count_within",
    "gigawatt_beside",
    "goodput_beside_published",
    "goodput_by_form",
    "ledger",
    "met_within",
    "not_compared",
    "operators_beside",
    "orders",
    "published_growth",
    "published_optima",
    "published_shares",
    "ratio_rows",
    "read_goodput",
    "read_ledger",
    "worst_factor",
]
