"""What the tables say of the world: its stock by owner and date, its large clusters, its prices and their growth."""

from gigareport.facts.rivals import record_setters, rivals
from gigareport.facts.world import (
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
    "WorldStock",
    "add_cluster",
    "h100e_per_chip",
    "record_setters",
    "rivals",
    "share_of_world",
    "size_for_change",
    "world_stock",
]
