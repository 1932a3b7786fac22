"""Who owns the compute, and how concentrated is it: measures, bounds for what nobody knows, and the world's stock.

The modules ``known``, ``views``, ``compared``, ``seats``, ``effects`` and ``growth`` make tables of the answers; import
them by name (they need pandas).
"""

from gigacluster.concentration.bounds import Bounds, Change, bounds, hhi_change, trend
from gigacluster.concentration.measures import (
    TheilParts,
    effective_number,
    entropy,
    gini,
    hhi,
    lorenz,
    theil,
    theil_parts,
    top_share,
)
from gigacluster.concentration.stock import (
    OTHER,
    WorldStock,
    add_cluster,
    h100e_per_chip,
    share_of_world,
    size_for_change,
    world_stock,
)

__all__ = [
    "OTHER",
    "Bounds",
    "Change",
    "TheilParts",
    "WorldStock",
    "add_cluster",
    "bounds",
    "effective_number",
    "entropy",
    "gini",
    "h100e_per_chip",
    "hhi",
    "hhi_change",
    "lorenz",
    "share_of_world",
    "size_for_change",
    "theil",
    "theil_parts",
    "top_share",
    "trend",
    "world_stock",
]
