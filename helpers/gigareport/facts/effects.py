"""What one cluster changes: its share of the world's stock through time, and how far it moves each index."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy
import pandas as pd

from gigacluster.concentration.bounds import bounds, with_countless
from gigacluster.concentration.measures import gini
from gigacluster.uncertainty import interval
from gigareport.facts.views import MEASURES, named_and_other, trend_tests
from gigareport.facts.world import OTHER, WorldStock, add_cluster, share_of_world, size_for_change

__all__ = ["NEW_OWNER", "answer", "index_change", "share_over_time", "sizes_for_100_points", "trend_start"]

#: The owner of a cluster that owned nothing before.
NEW_OWNER = "a new owner"
#: One point of an index that runs from 0 to 10,000: of the HHI itself, or 0.0001 of a share or a Gini coefficient.
_POINT = {"HHI": 1.0}
_POINT_OF_A_SHARE = 1e-4
#: More rows than this give the same percentiles to two digits, and the search of a size is repeated for each.
_MOST_SAMPLES = 1_000


def share_over_time(world: WorldStock, h100e_8bit: Any, dates: Iterable[Any]) -> pd.DataFrame:
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
    rows = []
    for date in dates:
        named, other = named_and_other(world, world.at(date))
        added = with_countless(add_cluster(named, h100e_8bit), other) - with_countless(named, other)
        share = interval(share_of_world(h100e_8bit, world, date))
        stock = interval(world.at(date).sum(axis=0)).median
        day = pd.Timestamp(str(date)[:10])
        change = interval(added).median
        rows.append((day, stock, share.low, share.median, share.high, change, world.is_extrapolated(date)))
    columns = ["date", "stock_h100e", "share_p5", "share_median", "share_p95", "hhi_change", "extrapolated"]
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


def answer(world: WorldStock, h100e_8bit: float, date: Any) -> str:
    """Say in Markdown how concentrated ownership is, whether it rose since a date, and what a cluster is of it.

    Parameters
    ----------
    world : WorldStock
    h100e_8bit : float
        Size of the cluster by dense 8-bit peak.
    date : date, Timestamp or str
        When the cluster starts. The trend is told from :func:`trend_start` on.
    """
    day, latest = numpy.datetime64(str(date)[:10], "D"), world.dates[-1]
    since = trend_start(world, day)
    named, other = named_and_other(world, world.at(latest))
    index, five = bounds(named, other), interval(with_countless(named, other, MEASURES["top 5 share"]))
    low, high = interval(index.lowest).low, interval(index.highest).high
    nothing, crowd = (row for _, row in trend_tests(world, since, latest).head(2).iterrows())
    moved = crowd["answer"]
    if moved != "not known":
        moved += f" by {abs(crowd['change_median']):,.0f} points"
    shares = [_share_in_words(world, h100e_8bit, when) for when in dict.fromkeys([day, max(day, latest)])]
    return (
        f"On {_in_words(latest)} the five largest named owners held **{five.median:.0%}** ({five.low:.0%} to "
        f"{five.high:.0%}) of the world's AI compute, and the Herfindahl-Hirschman index lay between **{low:,.0f} and "
        f"{high:,.0f}** points whoever the unnamed owners are: like {10_000 / high:.1f} to {10_000 / low:.1f} equal "
        f"owners. Its trend since {_in_words(since)}: **{nothing['answer']}** with nothing assumed about the unnamed; "
        f"**{moved}** if they stayed a crowd of small owners. A cluster of {h100e_8bit:,.0f} H100 equivalents is "
        f"{', and '.join(shares)}."
    )


def trend_start(world: WorldStock, date: Any) -> numpy.datetime64:
    """Return the day from which to tell a trend: ``date``, or a year before the table ends where that is earlier."""
    day, year = numpy.datetime64(str(date)[:10], "D"), numpy.timedelta64(365, "D")
    return max(min(day, world.dates[-1] - year), world.dates[0])


def _share_in_words(world: WorldStock, h100e_8bit: float, day: numpy.datetime64) -> str:
    if day < world.dates[0]:
        return f"an unknown part of the world's stock on {_in_words(day)}, before the table begins"
    share = interval(share_of_world(h100e_8bit, world, day))
    extended = ", as extended beyond the table" if world.is_extrapolated(day) else ""
    low, median, high = (f"{100 * value:.2g}%" for value in (share.low, share.median, share.high))
    return f"**{median}** ({low} to {high}) of the stock of {_in_words(day)}{extended}"


def _in_words(day: numpy.datetime64) -> str:
    date = pd.Timestamp(day)
    return f"{date.day} {date:%B %Y}"


def _place(world: WorldStock, owner: str) -> int | None:
    named = [name for name in world.owners if name != OTHER]
    if owner == NEW_OWNER:
        return None
    if owner not in named:
        raise ValueError(f"unknown owner {owner!r}; the table names: {', '.join(named)}, or give {NEW_OWNER!r}")
    return named.index(owner)
