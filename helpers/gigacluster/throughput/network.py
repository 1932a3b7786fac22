"""Time of collective communication: latency and size, over the scale-up domain and the scale-out network.

The network is a tree: leaf switches join the cards of some domains, upper tiers join pods of ``pod_chips`` and carry
one part in ``oversubscription`` of what the cards of a pod could send. With rails, the cards of one place in every
domain share a leaf, so that a chip reaches another place over the links of its own domain first (PXN of NCCL, DeepEP).
Groups lie in the order of the numbering: chips of one domain, then of one pod, before the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import Array, Namespace, Samples
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.kernels import either


@dataclass(frozen=True, slots=True)
class Ring:
    """What an all-gather or a reduce-scatter in a group of chips takes, whatever the size of the message."""

    share: Samples  # of a message that a chip sends
    bytes_per_s: Samples
    latency_s: Samples
    exists: Any  # where there are others to talk to

    def time_s(self, xp: Namespace, bytes_in: Samples) -> Array:
        """Return the time of a message of so many bytes, as gathered or before it is reduced. [s]"""
        return xp.where(self.exists, bytes_in * self.share / self.bytes_per_s + self.latency_s, 0.0)


def ring_of(xp: Namespace, members: Samples, inner_width: Samples, case: Case, k: Coefficients) -> Ring:
    """Return the ring of a group.

    Parameters
    ----------
    members : Chips in the group. [chip]
    inner_width
        Neighbouring chips that belong to other groups of the same kind, such as the tensor-parallel width: the group
        takes every ``inner_width``-th chip. [chip]
    """
    span = members * inner_width
    together = _together(xp, span, inner_width, case)
    within = together / inner_width
    domains = members / within
    scaleup = k.scaleup_frac * case.scaleup_bytes_per_s
    # In a pod a ring passes every domain before it leaves, once: of so many messages, one crosses the upper tiers.
    cut = xp.where(span > case.pod_chips, _cut(xp, together, case), 1.0)
    # Every member of a domain has a card of its own.
    across = xp.minimum(scaleup, _nic_bytes_per_s(xp, domains, case, k) / cut * within)
    outside = members > within
    return Ring(
        share=(members - 1.0) / members,
        bytes_per_s=xp.where(outside, across, scaleup),
        latency_s=k.collective_latency_s + k.hop_latency_s * xp.where(outside, domains, 0.0),
        exists=members > 1.0,
    )


def ring_s(
    xp: Namespace, bytes_in: Samples, members: Samples, inner_width: Samples, case: Case, k: Coefficients
) -> Array:
    """Return the time of an all-gather, or of a reduce-scatter, whose whole message is ``bytes_in``. [s]"""
    return ring_of(xp, members, inner_width, case, k).time_s(xp, bytes_in)


def _together(xp: Namespace, span: Samples, inner_width: Samples, case: Case) -> Array:
    """Return the chips of a domain that a group over ``span`` of them and its neighbours of the same kind share."""
    return xp.maximum(inner_width, xp.minimum(span, case.scaleup_domain))


def _cut(xp: Namespace, apart: Samples, case: Case) -> Array:
    """Return how far the upper tiers slow down messages to the chip ``apart`` places away in the numbering.

    Those of the last chips of a pod leave it, and have what the upper tiers carry to themselves.
    """
    a_place = case.oversubscription / xp.maximum(case.pod_chips, 1.0)
    return xp.maximum(1.0, xp.minimum(case.oversubscription, a_place * apart))


def _nic_bytes_per_s(xp: Namespace, peers: Samples, case: Case, k: Coefficients) -> Array:
    """Return what a card reaches: less at every doubling of its peers, whose messages meet on shared links."""
    crowding = 1.0 + k.nic_crowding_per_doubling * xp.log2(xp.maximum(peers, 1.0))
    return k.nic_frac * case.nic_bytes_per_s / crowding


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
    chip; a gathering brings all tokens to all members. Where no rails are, a plain exchange goes from card to card,
    each with a peer a chip instead of one a domain, and what leaves the domain does not load its links.
    """
    span = members * inner_width
    together = _together(xp, span, inner_width, case)
    within = together / inner_width
    domains = members / within
    copies = xp.maximum(copies, 1.0)
    merged = (case.dispatcher == codes.DISPATCH_DEEPEP) | (case.dispatcher == codes.DISPATCH_HYBRIDEP)

    def reached(places: Samples) -> Array:
        """Return the messages for each copy of a token: one for each place that gets any, if copies are merged."""
        return xp.where(merged, places * (1.0 - (1.0 - 1.0 / places) ** copies) / copies, 1.0)

    of_pod = xp.maximum(1.0, xp.minimum(domains, case.pod_chips / together))
    leaving = (domains - of_pod) / xp.maximum(domains - 1.0, 1.0)
    crossing = reached(domains) * (1.0 - 1.0 / domains)
    direct = (case.rails == 0.0) & ~merged
    nic = _nic_bytes_per_s(xp, xp.where(direct, members, domains), case, k)
    nic = nic / xp.maximum(1.0, leaving * case.oversubscription)
    inside = reached(members) * (1.0 - 1.0 / within) / xp.where(direct, domains, 1.0)
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
    cut = xp.where(case.n_chips > case.pod_chips, _cut(xp, apart, case), 1.0)
    far = k.nic_frac * case.nic_bytes_per_s / cut
    bandwidth = xp.where(apart < case.scaleup_domain, k.scaleup_frac * case.scaleup_bytes_per_s, far)
    return bytes_sent / bandwidth + k.collective_latency_s
