"""What a change of hands does to a measure: a cluster added, a merger or a lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import Array, Samples, as_common
from gigacluster.concentration.bounds import Bounds, bounds

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
    if owner is None:
        return xp.concat([holdings, new], axis=0)
    if not 0 <= owner < holdings.shape[0]:
        raise ValueError(f"owner is {owner}; it can be 0 to {holdings.shape[0] - 1}, or None for a new owner")
    return xp.concat(
        [holdings[:owner, ...], holdings[owner : owner + 1, ...] + new, holdings[owner + 1 :, ...]], axis=0
    )
