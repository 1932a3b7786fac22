"""What the tables say of the world: its stock by owner and date, its large clusters, its prices and their growth."""

from gigareport.facts.stock import load_stock, world_stock
from gigareport.facts.world import OTHER, WorldStock, h100e_per_chip, running

__all__ = [
    "OTHER",
    "WorldStock",
    "h100e_per_chip",
    "load_stock",
    "running",
    "world_stock",
]
