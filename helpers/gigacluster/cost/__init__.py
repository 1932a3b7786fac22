"""Own or rent: cash flows by month, dollars per useful GPU-hour, where the answer turns, and what decides it."""

from gigacluster.cost import rents
from gigacluster.cost.accounts import (
    amortised_run_usd,
    capital_usd_per_chip,
    cost_shares,
    energy_kwh,
    gross_margin_frac,
    it_power_w_per_chip,
)
from gigacluster.cost.compare import BreakEven, break_even, deal_size_chips, deal_usd_per_chip_hour
from gigacluster.cost.defaults import (
    fat_tree_chips,
    inputs,
    network_tiers,
    network_usd_per_chip,
    own_inputs,
    rent_inputs,
)
from gigacluster.cost.finance import level_payment, straight_line_usd_per_year, weighted_cost_of_capital
from gigacluster.cost.flows import CashFlows
from gigacluster.cost.own import OWN_LIMITS, own
from gigacluster.cost.rent import RENT_LIMITS, rent

__all__ = [
    "OWN_LIMITS",
    "RENT_LIMITS",
    "BreakEven",
    "CashFlows",
    "amortised_run_usd",
    "break_even",
    "capital_usd_per_chip",
    "cost_shares",
    "deal_size_chips",
    "deal_usd_per_chip_hour",
    "energy_kwh",
    "fat_tree_chips",
    "gross_margin_frac",
    "inputs",
    "it_power_w_per_chip",
    "level_payment",
    "network_tiers",
    "network_usd_per_chip",
    "own",
    "own_inputs",
    "rent",
    "rent_inputs",
    "rents",
    "straight_line_usd_per_year",
    "weighted_cost_of_capital",
]
