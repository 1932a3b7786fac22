"""What a network costs by its topology."""

from __future__ import annotations

from typing import Annotated, Any

from gigacluster.arrays import Samples
from gigacluster.limits import Limit, NonNegative, Positive, admit, checked, limits_of

_RADIX = Limit(4.0, float("inf"), "4 or more ports", high_included=False)


def network_tiers(n_chips: Positive, switch_ports: Annotated[Samples, _RADIX] = 128) -> Any:
    """Return the tiers of switches that a full fat tree needs for so many chips.

    Parameters
    ----------
    n_chips : [chip]
    switch_ports : Ports of a switch, 4 or more: 128 for 400 Gbit/s Ethernet, 64 for InfiniBand.

    Examples
    --------
    >>> float(network_tiers(100_000, 128)), float(network_tiers(100_000, 64))
    (3.0, 4.0)
    """
    xp, (chips, ports) = checked(network_tiers, n_chips, switch_ports)
    needed = xp.log(chips / 2) / xp.log(ports / 2)
    return xp.clip(xp.ceil(needed - 1e-9), 1.0, None)  # 65,536 chips on 64 ports are three tiers, not a rounding more


def network_usd_per_chip(n_chips: Samples, usd_per_tier_per_chip: NonNegative, switch_ports: Samples = 128) -> Any:
    """Return the price of the network between servers, per chip.

    Parameters
    ----------
    n_chips : [chip]
    usd_per_tier_per_chip : Price of one tier: a chip's links, optics and share of switches. [USD/chip/tier]
    switch_ports : Ports of a switch.

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
    given = {"usd_per_tier_per_chip": usd_per_tier_per_chip, "tiers": tiers}
    _, a, _ = admit(given, limits_of(network_usd_per_chip))
    return a["usd_per_tier_per_chip"] * a["tiers"]
