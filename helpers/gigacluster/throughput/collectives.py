"""Time of collective communication: latency and size, over the scale-up domain and the scale-out network."""

from __future__ import annotations

from typing import Any

from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.inputs import Case

__all__ = ["all_to_all_s", "neighbour_s", "ring_s"]


def ring_s(xp: Any, bytes_in: Any, members: Any, inner_width: Any, case: Case, k: Coefficients) -> Any:
    """Return the time of an all-gather, or of a reduce-scatter, whose whole message is ``bytes_in``.

    Parameters
    ----------
    bytes_in : array
        Size of the gathered (or still unreduced) message on a chip. [byte]
    members : array
        Chips in the group. [chip]
    inner_width : array
        Neighbouring chips that belong to other groups of the same kind, such as the tensor-parallel width: the group
        takes every ``inner_width``-th chip. [chip]
    """
    within = xp.maximum(1.0, xp.minimum(members, case.scaleup_domain / inner_width))  # members in one domain
    scaleup = k.scaleup_frac * case.scaleup_bytes_per_s
    across = xp.minimum(scaleup, k.nic_frac * case.nic_bytes_per_s * within)  # every member of a domain has a card
    outside = members > within
    bandwidth = xp.where(outside, across, scaleup)
    hops = xp.where(outside, members / within, 0.0)
    latency = k.collective_latency_s + k.hop_latency_s * hops
    share = (members - 1.0) / members
    return xp.where(members > 1.0, bytes_in * share / bandwidth + latency, 0.0)


def all_to_all_s(
    xp: Any, bytes_out: Any, members: Any, inner_width: Any, copies: Any, case: Case, k: Coefficients
) -> Any:
    """Return the time of an all-to-all in which each chip sends ``bytes_out``, ``copies`` of every token.

    A token that goes to several members of one domain crosses the scale-out network once.
    """
    within = xp.maximum(1.0, xp.minimum(members, case.scaleup_domain / inner_width))
    domains = members / within
    copies = xp.maximum(copies, 1.0)
    crossing = domains * (1.0 - (1.0 - 1.0 / domains) ** copies) / copies * (1.0 - 1.0 / domains)
    scaleup_s = bytes_out * (1.0 - 1.0 / within) / (k.scaleup_frac * case.scaleup_bytes_per_s)
    scaleout_s = bytes_out * crossing / (k.nic_frac * case.nic_bytes_per_s)
    return xp.where(members > 1.0, scaleup_s + scaleout_s + k.collective_latency_s, 0.0)


def neighbour_s(xp: Any, bytes_sent: Any, apart: Any, case: Case, k: Coefficients) -> Any:
    """Return the time to send to a chip that stands ``apart`` places away in the numbering."""
    inside = apart < case.scaleup_domain
    bandwidth = xp.where(inside, k.scaleup_frac * case.scaleup_bytes_per_s, k.nic_frac * case.nic_bytes_per_s)
    return bytes_sent / bandwidth + k.collective_latency_s
