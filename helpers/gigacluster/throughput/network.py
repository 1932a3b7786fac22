"""Time of collective communication: latency and size, over the scale-up domain and the scale-out network."""

from __future__ import annotations

from gigacluster.arrays import Array, Namespace, Samples
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.kernels import either


def ring_s(
    xp: Namespace, bytes_in: Samples, members: Samples, inner_width: Samples, case: Case, k: Coefficients
) -> Array:
    """Return the time of an all-gather, or of a reduce-scatter, whose whole message is ``bytes_in``.

    Parameters
    ----------
    bytes_in : Size of the gathered (or still unreduced) message on a chip. [byte]
    members : Chips in the group. [chip]
    inner_width
        Neighbouring chips that belong to other groups of the same kind, such as the tensor-parallel width: the group
        takes every ``inner_width``-th chip. [chip]
    """
    within = _within(xp, members, inner_width, case)
    scaleup = k.scaleup_frac * case.scaleup_bytes_per_s
    # Every member of a domain has a card of its own.
    across = xp.minimum(scaleup, _nic_bytes_per_s(xp, members / within, members * inner_width, case, k) * within)
    outside = members > within
    bandwidth = xp.where(outside, across, scaleup)
    hops = xp.where(outside, members / within, 0.0)
    latency = k.collective_latency_s + k.hop_latency_s * hops
    share = (members - 1.0) / members
    return xp.where(members > 1.0, bytes_in * share / bandwidth + latency, 0.0)


def _within(xp: Namespace, members: Samples, inner_width: Samples, case: Case) -> Array:
    """Return the members of a group that share a scale-up domain."""
    return xp.maximum(1.0, xp.minimum(members, case.scaleup_domain / inner_width))


def _nic_bytes_per_s(xp: Namespace, domains: Samples, spanned_chips: Samples, case: Case, k: Coefficients) -> Array:
    """Return what a card reaches in a group over several domains.

    A little less at every doubling of the domains, which meet on shared links; over the upper tiers of the network,
    which join pods of ``pod_chips``, what their oversubscription leaves.
    """
    crowding = 1.0 + k.nic_crowding_per_doubling * xp.log2(xp.maximum(domains, 1.0))
    cut = xp.where(spanned_chips > case.pod_chips, case.oversubscription, 1.0)
    return k.nic_frac * case.nic_bytes_per_s / crowding / cut


def all_to_all_s(
    xp: Namespace,
    bytes_out: Samples,
    members: Samples,
    inner_width: Samples,
    copies: Samples,
    case: Case,
    k: Coefficients,
) -> Array:
    """Return the time of an exchange in which each chip sends ``bytes_out``, ``copies`` of every token.

    A plain all-to-all sends every copy; DeepEP and HybridEP send a token to each domain once, and there once to each
    chip; a gathering brings all tokens to all members.
    """
    within = _within(xp, members, inner_width, case)
    domains = members / within
    copies = xp.maximum(copies, 1.0)
    merged = (case.dispatcher == codes.DISPATCH_DEEPEP) | (case.dispatcher == codes.DISPATCH_HYBRIDEP)

    def reached(places: Samples) -> Array:
        """Return the messages for each copy of a token: one for each place that gets any, if copies are merged."""
        return xp.where(merged, places * (1.0 - (1.0 - 1.0 / places) ** copies) / copies, 1.0)

    crossing = reached(domains) * (1.0 - 1.0 / domains)
    nic = _nic_bytes_per_s(xp, domains, members * inner_width, case, k)
    inside = reached(members) * (1.0 - 1.0 / within)
    scaleup_s = bytes_out * inside / (k.scaleup_frac * case.scaleup_bytes_per_s)
    exchange_s = scaleup_s + bytes_out * crossing / nic + k.collective_latency_s
    exchange_s = exchange_s / xp.where(
        case.dispatcher == codes.DISPATCH_DEEPEP,
        k.deepep_gain,
        either(xp, case.dispatcher == codes.DISPATCH_HYBRIDEP, k.hybridep_gain, 1.0),
    )
    gather_s = ring_s(xp, bytes_out / copies * members, members, inner_width, case, k)
    exchange_s = xp.where(case.dispatcher == codes.DISPATCH_ALLGATHER, gather_s, exchange_s)
    return xp.where(members > 1.0, exchange_s, 0.0)


def neighbour_s(xp: Namespace, bytes_sent: Samples, apart: Samples, case: Case, k: Coefficients) -> Array:
    """Return the time to send to a chip that stands ``apart`` places away in the numbering."""
    cut = xp.where(apart > case.pod_chips, case.oversubscription, 1.0)
    far = k.nic_frac * case.nic_bytes_per_s / cut
    bandwidth = xp.where(apart < case.scaleup_domain, k.scaleup_frac * case.scaleup_bytes_per_s, far)
    return bytes_sent / bandwidth + k.collective_latency_s
