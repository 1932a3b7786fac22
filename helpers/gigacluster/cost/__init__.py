"""Own or rent: cash flows by month, dollars per useful GPU-hour, where the answer turns, and what decides it."""

from gigacluster.cost.compare import BreakEven, break_even, deal_size_chips, deal_usd_per_chip_hour
from gigacluster.cost.finance import level_payment, straight_line_usd_per_year, weighted_cost_of_capital
from gigacluster.cost.flows import CashFlows
from gigacluster.cost.network import fat_tree_chips, network_tiers, network_usd_per_chip
from gigacluster.cost.own import OWN_LIMITS, own
from gigacluster.cost.rent import RENT_LIMITS, rent

__all__ = [
    "OWN_LIMITS",
    "RENT_LIMITS",
    "BreakEven",
    "CashFlows",
    "break_even",
    "deal_size_chips",
    "deal_usd_per_chip_hour",
    "fat_tree_chips",
    "level_payment",
    "network_tiers",
    "network_usd_per_chip",
    "own",
    "rent",
    "straight_line_usd_per_year",
    "weighted_cost_of_capital",
]
