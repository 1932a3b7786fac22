"""Our numbers beside the published ones."""

from gigareport.beside.claims import ledger
from gigareport.beside.goodput import beside_published as goodput_beside_published
from gigareport.beside.goodput import goodput_by_form, not_compared, orders
from gigareport.beside.laws import published_optima

__all__ = ["goodput_beside_published", "goodput_by_form", "ledger", "not_compared", "orders", "published_optima"]
