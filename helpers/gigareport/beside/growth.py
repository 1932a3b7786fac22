"""Growth of clusters and of the world's stock, and shares of both, beside the published ones."""

from __future__ import annotations

import numpy
import pandas as pd

from gigacluster.uncertainty import Interval
from gigareport.beside.rows import row
from gigareport.facts.known import (
    PUBLISHED_WINDOW,
    QUANTITIES,
    active_clusters,
    growth_at_release,
    leaders_at_release,
    stock_growth,
)
from gigareport.facts.ownership import LARGE_CLOUDS
from gigareport.facts.world import WorldStock

_UNITED_STATES = "United States of America"
#: Shares of the clusters known by name that were published: name, day, anchor, and whose.
_OF_CLUSTERS = (
    ("United States, known clusters", PUBLISHED_WINDOW[1], "us_share", "country", _UNITED_STATES),
    ("China, known clusters", PUBLISHED_WINDOW[1], "cn_share", "country", "China"),
    ("United States, known clusters and TOP500", "2024-11-18", "top500_us_share_2024", "country", _UNITED_STATES),
    ("private owners, known clusters", "2019-01-01", "private_share_2019", "sector", "Private"),
    ("private owners, known clusters", PUBLISHED_WINDOW[1], "private_share_2025", "sector", "Private"),
)
#: Shares of the stock sold: name, day, anchor, and of which owners.
_OF_STOCK = (
    ("five hyperscalers, stock", "2025-12-31", "hyper5_share_2025q4", LARGE_CLOUDS),
    ("five hyperscalers, stock", "2024-03-31", "hyper5_share_2024q1", LARGE_CLOUDS),
    ("Google, stock", "2025-12-31", "google_share", ("Google",)),
)


def published_growth(clusters: pd.DataFrame, world: WorldStock, anchors: pd.DataFrame) -> pd.DataFrame:
    """Our growth rates beside the published ones.

    The columns are ``quantity``, those of :mod:`gigareport.beside.rows` [1/year], ``n`` and ``to_date``: ours over the
    years that were published, from so many clusters or quarters, and our median over the whole of the table since.
    ``clusters`` and ``anchors`` are the tables ``gpu_clusters`` and ``published_anchors``.
    """
    known, leaders = anchors.set_index("anchor_id"), leaders_at_release(clusters)
    found = []
    for name, (anchor, _) in QUANTITIES.items():
        then = growth_at_release(leaders, name, *PUBLISHED_WINDOW)
        found.append((name, anchor, then, growth_at_release(leaders, name, PUBLISHED_WINDOW[0])))
    for since in (2022, 2023, 2024):  # the published years, then without those in which the table fills up
        first = f"{since - 1}-12-31"
        then = stock_growth(world, first, "2025-12-31")
        found.append((f"stock, from {since}", "chipstock_growth", then, stock_growth(world, first)))
    rows = [
        {
            "quantity": name,
            **row(known["value"][anchor], then.factor),
            "n": then.n,
            "to_date": now.factor.median,
            "source_id": known["source_id"][anchor],
        }
        for name, anchor, then, now in found
    ]
    return pd.DataFrame(rows)


def published_shares(
    clusters: pd.DataFrame, world: WorldStock, sales: pd.DataFrame, anchors: pd.DataFrame
) -> pd.DataFrame:
    """Our shares beside the published ones, each at the date of the published one.

    The columns are ``quantity``, ``as_of`` and those of :mod:`gigareport.beside.rows` [1]. Shares of known clusters are
    by 16-bit performance, as published; the one of 2024-11-18 stands beside that of the TOP500 list, which is of FP64
    and has no commercial clusters. The tables are ``gpu_clusters``, ``chip_sales`` and ``published_anchors``.
    """
    found = []
    for name, day, anchor, column, value in _OF_CLUSTERS:
        active = active_clusters(clusters, day)
        speed = active["peak_16bit_op_per_s"]
        found.append((name, day, anchor, speed[active[column] == value].sum() / speed.sum()))
    for name, day, anchor, owners in _OF_STOCK:
        stock = pd.Series(numpy.median(world.at(day), axis=1), index=world.owners)
        found.append((name, day, anchor, stock[[*owners]].sum() / stock.sum()))
    of_2025 = sales[(sales["as_of"].dt.year == 2025) & ~sales["incomplete"]]
    sold = of_2025.groupby("chip_maker")["h100e_8bit_median"].sum()
    found.append(("Nvidia, sales of 2025", "2025-12-31", "nvidia_share", sold["Nvidia"] / sold.sum()))
    known = anchors.set_index("anchor_id")
    rows = [
        {
            "quantity": name,
            "as_of": pd.Timestamp(day),
            **row(known["value"][anchor], Interval(numpy.nan, float(ours), numpy.nan)),
            "source_id": known["source_id"][anchor],
        }
        for name, day, anchor, ours in found
    ]
    return pd.DataFrame(rows)
