"""Our numbers beside the published ones."""

from gigareport.beside.claims import (
    count_within,
    ledger,
    met_within,
    published_optima,
    ratio_rows,
    read_ledger,
    worst_factor,
)
from gigareport.beside.costs import beside_published as costs_beside_published
from gigareport.beside.costs import gigawatt_beside, operators_beside
from gigareport.beside.goodput import beside_published as goodput_beside_published
from gigareport.beside.goodput import goodput_by_form, not_compared, orders

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
    "published_optima",
    "ratio_rows",
    "read_ledger",
    "worst_factor",
]
