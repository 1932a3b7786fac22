"""Bounds of a measure for what nobody knows: how the holdings outside the named owners are spread.

The owners behind "Other" are at least as spread as one firm and at most as spread as countless tiny ones. Between
the two, a cap gives a tighter upper bound under a named assumption: nobody inside Other is larger than the cap, by
default the smallest named owner, since a larger one would have been named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import Array, Namespace, Samples, as_common
from gigacluster.concentration.measures import HHI_OF_MONOPOLY, hhi

#: Owners that stand for "countless": the contribution to the HHI of even a whole market is then 1e-8 points.
_COUNTLESS = 1e12


@dataclass(frozen=True, slots=True)
class Bounds:
    """A measure with Other as countless tiny owners, as owners no larger than a cap (assumed), and as one owner."""

    lowest: Any
    capped: Any
    highest: Any


@dataclass(frozen=True, slots=True)
class Change:
    """The change of the index over every structure of Other that stays as it was.

    ``if_countless`` and ``if_one`` are its extremes: Other as countless tiny owners, or as one owner, at both dates.
    ``flips_at`` is the HHI inside Other at which the index would not have changed; ``nan`` where none does that.
    """

    if_countless: Any
    if_one: Any
    flips_at: Any


def bounds(named: Array, other: Samples, measure: Callable[..., Any] = hhi, cap: Samples | None = None) -> Bounds:
    """Bounds of a measure when part of the total is held by owners without a name.

    Parameters
    ----------
    named : shape (owners, ...). Holdings of the named owners, any unit.
    other : shape (...). What all others hold together, in the same unit.
    measure : callable, default :func:`hhi`
        ``measure(holdings, counts)``, one that rises with concentration and ignores owners of nothing: the HHI or a
        top share. The Gini coefficient and the entropy have no such bounds: they depend on how many owners there are.
    cap : shape (...). The largest that an owner inside Other can be; the smallest positive named holding by default.

    Returns
    -------
    Bounds
        Each of shape (...). ``lowest`` and ``highest`` hold whatever Other is; ``capped`` is the highest value under
        the assumption of the cap. Elements are ``nan`` where the measure is, or where the cap is not positive.

    Notes
    -----
    A convex measure is greatest under a cap when as many owners as possible stand at it, and one holds what is left.

    Examples
    --------
    >>> shares = bounds([40.0, 20.0], 40.0)
    >>> [round(float(value)) for value in (shares.lowest, shares.capped, shares.highest)]
    [2000, 2800, 3600]
    """
    xp, (named, rest, limit) = as_common(named, other, 0.0 if cap is None else cap)
    if cap is None:
        limit = xp.min(xp.where(named > 0, named, xp.inf), axis=0)
    rest, limit = (xp.broadcast_to(values, named.shape[1:])[None, ...] for values in (rest, limit))
    size = xp.where(limit > 0, xp.minimum(limit, rest), xp.nan)  # a cap above Other leaves it one owner
    whole = xp.floor(rest / xp.where(size > 0, size, 1.0))
    left = xp.clip(rest - whole * size, 0.0, None)
    one = xp.ones_like(rest)
    return Bounds(
        lowest=with_countless(named, other, measure),
        capped=_with_others(xp, measure, named, (size, whole), (left, one)),
        highest=_with_others(xp, measure, named, (rest, one)),
    )


def with_countless(named: Array, other: Samples, measure: Callable[..., Any] = hhi) -> Any:
    """Return the lowest bound alone: the measure with Other as countless tiny owners. See :func:`bounds`."""
    xp, (named, rest) = as_common(named, other)
    rest = xp.broadcast_to(rest, named.shape[1:])[None, ...]
    return _with_others(xp, measure, named, (rest / _COUNTLESS, xp.full_like(rest, _COUNTLESS)))


def hhi_change(named_before: Array, other_before: Samples, named_after: Array, other_after: Samples) -> Change:
    """Change of the HHI under the assumption that Other's inner structure did not change, whatever it is.

    Parameters
    ----------
    named_before, named_after : arrays, shapes (owners, ...) and (owners', ...)
        Holdings of the named owners at the two dates.
    other_before, other_after : shape (...). What all others hold together at the two dates.

    Returns
    -------
    Change
        Each of shape (...). The sign of the trend is known where both extremes have it.

    Notes
    -----
    With H the HHI inside Other (0 countless, 1 one firm) the index is A + B H, where A comes from the named owners and
    B is the squared share of Other. H unchanged makes the change linear in H, so its extremes lie at H = 0 and H = 1.

    Examples
    --------
    >>> change = hhi_change([40.0, 20.0], 40.0, [50.0, 20.0], 30.0)
    >>> round(float(change.if_countless)), round(float(change.if_one))
    (900, 200)
    """
    before, after = bounds(named_before, other_before), bounds(named_after, other_after)
    xp, (countless, one) = as_common(after.lowest - before.lowest, after.highest - before.highest)
    slope = one - countless
    inside = -countless / xp.where(slope != 0, slope, xp.nan)
    flips_at = xp.where((inside >= 0) & (inside <= 1), HHI_OF_MONOPOLY * inside, xp.nan)
    return Change(if_countless=countless, if_one=one, flips_at=flips_at)


def trend(low_before: float, high_before: float, low_after: float, high_after: float) -> str:
    """Say what two bands allow: ``"rose"`` or ``"fell"`` only where they are disjoint, else ``"not known"``.

    Examples
    --------
    >>> trend(1300.0, 2100.0, 1400.0, 1700.0), trend(900.0, 1000.0, 1400.0, 1700.0)
    ('not known', 'rose')
    """
    if low_after > high_before:
        return "rose"
    return "fell" if high_after < low_before else "not known"


def _with_others(xp: Namespace, measure: Callable[..., Any], named: Array, *others: tuple[Any, Any]) -> Any:
    """Apply a measure to the named owners and to rows of others: (holding of one, how many)."""
    holdings = xp.concat([named, *(holding for holding, _ in others)], axis=0)
    return measure(holdings, xp.concat([xp.ones_like(named), *(count for _, count in others)], axis=0))


#: Levels above which the US Merger Guidelines of 2023 (guideline 1) presume harm: the index after the merger and its
#: rise, or the share of the merged firm and the same rise. Source: data/sources.csv, id ``us-merger-guidelines-2023``.
PRESUMED_HHI, PRESUMED_RISE, PRESUMED_SHARE = 1_800.0, 100.0, 0.30


@dataclass(frozen=True, slots=True)
class Merger:
    """The index before and after two owners become one, within the bounds for owners without a name.

    ``rise`` is the same whatever those are. ``presumed`` says whether the 2023 guidelines would presume harm: 1 yes,
    0 no, ``nan`` where it hangs on who the nameless are. They are about markets for a product, and context here.
    """

    before: Bounds
    after: Bounds
    rise: Any
    share: Any
    presumed: Any


def merger(named: Array, first: int, second: int, other: Samples = 0.0) -> Merger:
    """Herfindahl-Hirschman index before and after two owners merge, or one leases all that it has to the other.

    Parameters
    ----------
    named : shape (owners, ...). Holdings of the named owners, any unit.
    first, second : Rows of the two owners.
    other : shape (...). What all others hold together, in the same unit.

    Returns
    -------
    Merger
        Each of shape (...).

    Raises
    ------
    ValueError
        If the two rows are the same, or one of them is not there.

    Notes
    -----
    The rise is 2 a b for shares a and b, times 10,000.

    Examples
    --------
    >>> found = merger([28.0, 21.0, 14.0], 0, 1, other=37.0)
    >>> round(float(found.before.lowest)), round(float(found.after.lowest)), round(float(found.rise))
    (1421, 2597, 1176)
    """
    xp, (named, rest) = as_common(named, other)
    n = named.shape[0] if named.ndim else 0
    if first == second or not (0 <= first < n and 0 <= second < n):
        raise ValueError(f"the owners are rows {first} and {second}; give two different rows from 0 to {n - 1}")
    together = named[first, ...] + named[second, ...]
    kept = [named[i : i + 1, ...] for i in range(n) if i not in (first, second)]
    before, after = bounds(named, rest), bounds(xp.concat([together[None, ...], *kept], axis=0), rest)
    share = together / (xp.sum(named, axis=0) + rest)
    rise = after.lowest - before.lowest
    large = rise > PRESUMED_RISE
    always = large & ((after.lowest > PRESUMED_HHI) | (share > PRESUMED_SHARE))
    never = ~large | ((after.highest <= PRESUMED_HHI) & (share <= PRESUMED_SHARE))
    presumed = xp.where(always, xp.ones_like(share), xp.where(never, 0.0, xp.full_like(share, xp.nan)))
    return Merger(before=before, after=after, rise=rise, share=share, presumed=presumed)


def add(holdings: Array, h100e_8bit: Samples, owner: int | None = None) -> Any:
    """Return the holdings with a cluster added to one owner, or to a new one (``None``), put last.

    Examples
    --------
    >>> add([3.0, 1.0], 2.0, owner=0).tolist(), add([3.0, 1.0], 2.0).tolist()
    ([5.0, 1.0], [3.0, 1.0, 2.0])
    """
    xp, (holdings, size) = as_common(holdings, h100e_8bit)
    new = xp.broadcast_to(size, holdings.shape[1:])[None, ...]
    owners = holdings.shape[0]
    if owner is None:
        return xp.concat([holdings, new], axis=0)
    if not 0 <= owner < owners:
        raise ValueError(f"owner is {owner}; it can be 0 to {owners - 1}, or None for a new owner")
    blank = xp.zeros_like(new)
    return holdings + xp.concat([new if row == owner else blank for row in range(owners)], axis=0)
