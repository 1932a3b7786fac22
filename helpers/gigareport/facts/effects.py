"""What one cluster changes: its share of the world's stock through time, and how far it moves the index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import Samples
from gigacluster.concentration import add
from gigacluster.concentration.bounds import bounds, with_countless
from gigacluster.uncertainty import interval
from gigareport.facts.ownership import named_and_other
from gigareport.facts.world import OTHER, Day, WorldStock, share_of_world

if TYPE_CHECKING:
    import pandas as pd


#: The owner of a cluster that owned nothing before.
NEW_OWNER = "a new owner"


def share_over_time(world: WorldStock, h100e_8bit: Samples, dates: Iterable[Any]) -> pd.DataFrame:
    """Share of the world's stock that a cluster of fixed size is at each date, and what it would do to the index.

    Parameters
    ----------
    world : WorldStock
    h100e_8bit : float or array, shape (samples,)
        Size of the cluster by dense 8-bit peak; an H100 counts 1.
    dates : iterable of date, Timestamp or str

    Returns
    -------
    DataFrame
        ``date, stock_h100e, share_p5, share_median, share_p95, hhi_change, extrapolated``: the last says that the date
        lies after the table, the change is the median for such a cluster of a new owner, added to the stock of that
        date, with Other as countless owners. Before the table all are ``nan``.
    """
    import pandas as pd

    rows = []
    for date in dates:
        named, other = named_and_other(world, world.at(date))
        change = interval(with_countless(add(named, h100e_8bit), other) - with_countless(named, other)).median
        share = interval(share_of_world(h100e_8bit, world, date))
        stock = interval(world.at(date).sum(axis=0)).median
        day = pd.Timestamp(str(date)[:10])
        rows.append((day, stock, share.low, share.median, share.high, change, world.is_extrapolated(date)))
    columns = ["date", "stock_h100e", "share_p5", "share_median", "share_p95", "hhi_change", "extrapolated"]
    return pd.DataFrame(rows, columns=columns)


def index_change(
    world: WorldStock, h100e_8bit: Samples, date: Day, owners: Iterable[str] = (NEW_OWNER,)
) -> pd.DataFrame:
    """How far a cluster moves the index at a date, by who owns it.

    Parameters
    ----------
    world : WorldStock
    h100e_8bit : float or array, shape (samples,)
        Size of the cluster, added to the stock of that date.
    date : date, Timestamp or str
    owners : Owners of the table, or :data:`NEW_OWNER`.

    Returns
    -------
    DataFrame
        ``owner``, and the change of the HHI in points: ``change_p5, change_median, change_p95`` with Other as
        countless owners, and ``change_if_other_is_one`` (median).
    """
    import pandas as pd

    named, other = named_and_other(world, world.at(date))
    before = bounds(named, other)
    rows = []
    for owner in owners:
        after = bounds(add(named, h100e_8bit, _place(world, owner)), other)
        found = interval(after.lowest - before.lowest)
        if_one = interval(after.highest - before.highest).median
        rows.append((owner, found.low, found.median, found.high, if_one))
    return pd.DataFrame(rows, columns=["owner", "change_p5", "change_median", "change_p95", "change_if_other_is_one"])


def in_words(day: numpy.datetime64) -> str:
    """Return a day as 31 December 2025."""
    import pandas as pd

    date = pd.Timestamp(day)
    return f"{date.day} {date:%B %Y}"


def _place(world: WorldStock, owner: str) -> int | None:
    named = [name for name in world.owners if name != OTHER]
    if owner == NEW_OWNER:
        return None
    if owner not in named:
        raise ValueError(f"unknown owner {owner!r}; the table names: {', '.join(named)}, or give {NEW_OWNER!r}")
    return named.index(owner)
