"""Own, rent or neither: cash flows by month on one clock, dollars per useful GPU-hour, and where the answer turns."""

from gigacluster.cost.decide import Appraisal, Decision, appraise, deal_size_chips, deal_usd_per_chip_hour, decide
from gigacluster.cost.flows import CashFlows, Flow
from gigacluster.cost.own import (
    OWN_LIMITS,
    capital_usd_per_chip,
    network_tiers,
    network_usd_per_chip,
    own,
    weighted_cost_of_capital,
)
from gigacluster.cost.rent import RENT_LIMITS, buy_out, rent

__all__ = [
    "OWN_LIMITS",
    "RENT_LIMITS",
    "Appraisal",
    "CashFlows",
    "Decision",
    "Flow",
    "appraise",
    "buy_out",
    "capital_usd_per_chip",
    "deal_size_chips",
    "deal_usd_per_chip_hour",
    "decide",
    "network_tiers",
    "network_usd_per_chip",
    "own",
    "rent",
    "weighted_cost_of_capital",
]
