"""The sourced default of each input of the cost model, and what a network costs by its topology."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

from gigacluster.cost.own import OWN_LIMITS
from gigacluster.cost.rent import RENT_LIMITS
from gigacluster.limits import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, Limit, checked
from gigacluster.uncertainty import Uncertain

__all__ = ["fat_tree_chips", "inputs", "network_tiers", "network_usd_per_chip", "own_inputs", "rent_inputs"]

_RADIX = Limit(4.0, float("inf"), "4 or more ports", high_included=False)


@cache
def _table() -> dict[str, Uncertain]:
    from gigacluster import catalog

    rows = catalog.load("cost_inputs").set_index("quantity")
    lower, upper = rows["lower_limit"].fillna(-math.inf), rows["upper_limit"].fillna(math.inf)
    columns = zip(rows.index, rows["low"], rows["median"], rows["high"], lower, upper, strict=True)
    return {
        str(name): Uncertain(low=low, median=median, high=high, lower=least, upper=most)
        for name, low, median, high, least, most in columns
    }


def inputs(names: Iterable[str] | None = None) -> dict[str, Uncertain]:
    """Return default inputs of the cost model, from ``data/cost_inputs.csv``.

    Parameters
    ----------
    names : iterable of str, optional
        Quantities wanted; every one of the table if left out. Those named like an argument of
        :func:`gigacluster.cost.own` or :func:`gigacluster.cost.rent` can be drawn and handed over as they are.

    Raises
    ------
    ValueError
        If a name is not in the table.

    Examples
    --------
    >>> inputs(["pue"])["pue"].median
    1.25
    """
    table = _table()
    wanted = list(table) if names is None else list(names)
    if unknown := [name for name in wanted if name not in table]:
        raise ValueError(f"data/cost_inputs.csv has no {', '.join(unknown)}; it has: {', '.join(table)}")
    return {name: table[name] for name in wanted}


def own_inputs() -> dict[str, Uncertain]:
    """Return the defaults of the arguments of :func:`gigacluster.cost.own` that have one."""
    return inputs(name for name in _table() if name in OWN_LIMITS)


def rent_inputs() -> dict[str, Uncertain]:
    """Return the defaults of the arguments of :func:`gigacluster.cost.rent` that have one."""
    return inputs(name for name in _table() if name in RENT_LIMITS)


def fat_tree_chips(tiers: Any, switch_ports: Any) -> Any:
    """Return how many chips a full fat tree reaches: 2 (ports / 2)^tiers.

    Examples
    --------
    >>> float(fat_tree_chips(3, 64))
    65536.0
    """
    _, levels, ports = checked(tiers=(tiers, AT_LEAST_ONE), switch_ports=(switch_ports, _RADIX))
    return 2 * (ports / 2) ** levels


def network_tiers(n_chips: Any, switch_ports: Any = 128) -> Any:
    """Return the tiers of switches that a full fat tree needs for so many chips.

    Parameters
    ----------
    n_chips : float or array
        [chip]
    switch_ports : float or array, default 128
        Ports of a switch, 4 or more: 128 for 400 Gbit/s Ethernet, 64 for InfiniBand.

    Examples
    --------
    >>> float(network_tiers(100_000, 128)), float(network_tiers(100_000, 64))
    (3.0, 4.0)
    """
    xp, chips, ports = checked(n_chips=(n_chips, POSITIVE), switch_ports=(switch_ports, _RADIX))
    needed = xp.log(chips / 2) / xp.log(ports / 2)
    return xp.clip(xp.ceil(needed - 1e-9), 1.0, None)  # 65,536 chips on 64 ports are three tiers, not a rounding more


def network_usd_per_chip(n_chips: Any, usd_per_tier_per_chip: Any, switch_ports: Any = 128) -> Any:
    """Return the price of the network between servers, per chip.

    Parameters
    ----------
    n_chips : float or array
        [chip]
    usd_per_tier_per_chip : float or array
        Price of one tier: a chip's links, optics and share of switches. [USD/chip/tier]
    switch_ports : float or array, default 128
        Ports of a switch.

    Notes
    -----
    Each tier needs as many links as there are chips, each with optics at both ends, so optics grow like the tiers:
    four tiers need 4/3 of the transceivers of three, as SemiAnalysis states (data/sources.csv, id
    ``semianalysis-100k-2024``). An oversubscribed network costs less.

    Examples
    --------
    >>> float(network_usd_per_chip(104_858, 2200))
    6600.0
    """
    tiers = network_tiers(n_chips, switch_ports)
    _, per_tier, tiers = checked(
        usd_per_tier_per_chip=(usd_per_tier_per_chip, NON_NEGATIVE), tiers=(tiers, AT_LEAST_ONE)
    )
    return per_tier * tiers
