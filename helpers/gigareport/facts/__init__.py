"""What the tables say of the world: its stock by owner and date, its large clusters, its prices and their growth."""

from gigareport.facts.rivals import record_setters, rivals
from gigareport.facts.stock import load_stock, world_stock
from gigareport.facts.world import OTHER, WorldStock, h100e_per_chip, running, share_of_world

__all__ = [
    "OTHER",
    "WorldStock",
    "h100e_per_chip",
    "load_stock",
    "record_setters",
    "rivals",
    "running",
    "share_of_world",
    "world_stock",
]
