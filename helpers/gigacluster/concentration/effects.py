"""What one cluster changes: its share of the world's stock through time, and how far it moves each index."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy
import pandas as pd

from gigacluster.concentration.bounds import bounds, with_countless
from gigacluster.concentration.measures import gini
from gigacluster.concentration.stock import OTHER, WorldStock, add_cluster, share_of_world, size_for_change
from gigacluster.concentration.views import MEASURES, named_and_other
from gigacluster.uncertainty import interval

__all__ = ["NEW_OWNER", "index_change", "share_over_time", "sizes_for_100_points"]

#: The owner of a cluster that owned nothing before.
NEW_OWNER = "a new owner"
#: One point of an index that runs from 0 to 10,000: of the HHI itself, or 0.0001 of a share or a Gini coefficient.
_POINT = {"HHI": 1.0}
_POINT_OF_A_SHARE = 1e-4
#: More rows than this give the same percentiles to two digits, and the search of a size is repeated for each.
_MOST_SAMPLES = 1_000


def share_over_time(world: WorldStock, h100e_8bit: Any, dates: Iterable[Any]) -> pd.DataFrame:
    """Share of the world's stock that a cluster of fixed size is at each date.

    Parameters
    ----------
    world : WorldStock
    h100e_8bit : float or array, shape (samples,)
        Size of the cluster by dense 8-bit peak; an H100 counts 1.
    dates : iterable of date, Timestamp or str

    Returns
    -------
    DataFrame
        ``date, stock_h100e, share_p5, share_median, share_p95, extrapolated``, where the last says that the date lies
        after the table. Before the table the shares are ``nan``.
    """
    rows = []
    for date in dates:
        share = interval(share_of_world(h100e_8bit, world, date))
        stock = interval(world.at(date).sum(axis=0)).median
        day = pd.Timestamp(str(date)[:10])
        rows.append((day, stock, share.low, share.median, share.high, world.is_extrapolated(date)))
    columns = ["date", "stock_h100e", "share_p5", "share_median", "share_p95", "extrapolated"]
    return pd.DataFrame(rows, columns=columns)


def index_change(world: WorldStock, h100e_8bit: Any, date: Any, owners: Iterable[str] = (NEW_OWNER,)) -> pd.DataFrame:
    """How far a cluster moves the index at a date, by who owns it.

    Parameters
    ----------
    world : WorldStock
    h100e_8bit : float or array, shape (samples,)
        Size of the cluster, added to the stock of that date.
    date : date, Timestamp or str
    owners : iterable of str
        Owners of the table, or :data:`NEW_OWNER`.

    Returns
    -------
    DataFrame
        ``owner``, and the change of the HHI in points: ``change_p5, change_median, change_p95`` with Other as
        countless owners, and ``change_if_other_is_one`` (median).
    """
    named, other = named_and_other(world, world.at(date))
    before = bounds(named, other)
    rows = []
    for owner in owners:
        place = _place(world, owner)
        after = bounds(add_cluster(named, h100e_8bit, place), other)
        found = interval(after.lowest - before.lowest)
        if_one = interval(after.highest - before.highest).median
        rows.append((owner, found.low, found.median, found.high, if_one))
    return pd.DataFrame(rows, columns=["owner", "change_p5", "change_median", "change_p95", "change_if_other_is_one"])


def sizes_for_100_points(world: WorldStock, date: Any, owners: Iterable[str] = (NEW_OWNER,)) -> pd.DataFrame:
    """How large a cluster must be to move each index by 100 of its 10,000 points (a share by one percentage point).

    Parameters
    ----------
    world : WorldStock
    date : date, Timestamp or str
    owners : iterable of str
        Who owns the cluster.

    Returns
    -------
    DataFrame
        ``measure, owner, change_points, h100e_p5, h100e_median, h100e_p95, reachable``: the smallest size of a cluster
        that does it, with Other as countless owners; ``reachable`` is the share of samples in which any size does.
        The Gini coefficient is that of the named owners, and a new owner raises it at any size, however small.
    """
    named, other = named_and_other(world, world.at(date)[:, :_MOST_SAMPLES])
    measures: dict[str, Callable[[Any], Any]] = {
        name: partial(with_countless, other=other, measure=measure) for name, measure in MEASURES.items()
    }
    measures["Gini, named owners"] = partial(gini, zero_owners=False)
    rows = []
    for name, measure in measures.items():
        for owner in owners:
            place = _place(world, owner)
            for points in (100.0, -100.0):
                size = size_for_change(measure, named, points * _POINT.get(name, _POINT_OF_A_SHARE), place)
                found = interval(size)
                reachable = float(numpy.mean(~numpy.isnan(size)))
                rows.append((name, owner, points, found.low, found.median, found.high, reachable))
    columns = ["measure", "owner", "change_points", "h100e_p5", "h100e_median", "h100e_p95", "reachable"]
    return pd.DataFrame(rows, columns=columns)


def _place(world: WorldStock, owner: str) -> int | None:
    named = [name for name in world.owners if name != OTHER]
    if owner == NEW_OWNER:
        return None
    if owner not in named:
        raise ValueError(f"unknown owner {owner!r}; the table names: {', '.join(named)}, or give {NEW_OWNER!r}")
    return named.index(owner)
