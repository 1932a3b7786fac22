"""How concentrated is it: measures, and their bounds for what nobody knows."""

from gigacluster.concentration.bounds import Bounds, Change, Merger, add, bounds, hhi_change, merger, trend
from gigacluster.concentration.measures import (
    HHI_OF_MONOPOLY,
    gini,
    hhi,
    lorenz,
    top_share,
)

__all__ = [
    "HHI_OF_MONOPOLY",
    "Bounds",
    "Change",
    "Merger",
    "add",
    "bounds",
    "gini",
    "hhi",
    "hhi_change",
    "lorenz",
    "merger",
    "top_share",
    "trend",
]
