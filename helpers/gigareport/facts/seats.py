"""The seats of power beside ownership: who makes the chips, where they are, and who rents them out."""

from __future__ import annotations

from typing import Any

import numpy
import pandas as pd

from gigacluster.concentration.bounds import bounds
from gigacluster.concentration.measures import theil_parts, top_share
from gigacluster.uncertainty import interval
from gigareport.facts.known import active_clusters, by_owner
from gigareport.facts.world import OTHER, world_stock

__all__ = ["maker_shares", "seats_of_power", "spread_by_country"]


def maker_shares(
    owners: pd.DataFrame, date: Any, *, samples: int = 10_000, seed: int = 7, missing_h100e: float = 0.0
) -> pd.DataFrame:
    """Share of each maker of chips in the world's stock at a date.

    Parameters
    ----------
    owners : DataFrame
        Table ``chip_owners``.
    date : date, Timestamp or str
    missing_h100e : float, default 0
        Stock of makers that the table leaves out, such as Huawei, shown as one maker.

    Returns
    -------
    DataFrame
        ``maker, share_p5, share_median, share_p95``, largest first.
    """
    world = world_stock(owners, samples=samples, seed=seed, total_of="chip_maker")
    names, holdings = list(world.owners), world.at(date)
    if missing_h100e > 0:
        names, holdings = [*names, "not in the table"], numpy.vstack([holdings, numpy.full(samples, missing_h100e)])
    low, median, high = numpy.quantile(holdings / holdings.sum(axis=0), [0.05, 0.5, 0.95], axis=1)
    return pd.DataFrame({"maker": names, "share_p5": low, "share_median": median, "share_p95": high})


def seats_of_power(
    owners: pd.DataFrame,
    traits: pd.DataFrame,
    clusters: pd.DataFrame,
    date: Any,
    *,
    samples: int = 10_000,
    seed: int = 7,
) -> pd.DataFrame:
    """How concentrated ownership, making, place and renting are at a date.

    Parameters
    ----------
    owners : DataFrame
        Table ``chip_owners``.
    traits : DataFrame
        Table ``owners``: home country, and who rents out. Owners that it lacks count as unknown.
    clusters : DataFrame
        Table ``gpu_clusters``, for the country in which clusters stand.
    date : date, Timestamp or str

    Returns
    -------
    DataFrame
        ``seat, largest, largest_share, top3_share, hhi_low, hhi_high``. The bounds treat what has no name as countless
        parties or as one; shares are of the whole, medians.
    """
    world = world_stock(owners, samples=samples, seed=seed)
    holdings = world.at(date)
    makers = world_stock(owners, samples=samples, seed=seed, total_of="chip_maker")
    known = traits.set_index("owner")
    country = known["home_country"].reindex(world.owners).to_list()
    rents = known["rents_out"].reindex(world.owners).eq(True).to_numpy()
    active = active_clusters(clusters, date)
    sites = active.groupby(active["country"].fillna(OTHER))["h100e"].sum()
    seats = [
        ("owners", *_grouped(list(world.owners), holdings)),
        ("home countries", *_grouped(country, holdings)),
        ("chip makers", *_grouped(list(makers.owners), makers.at(date))),
        (
            "clouds that rent",
            *_grouped([n for n, r in zip(world.owners, rents, strict=True) if r], holdings[rents]),
        ),
        ("cluster countries", *_grouped(sites.index.to_list(), sites.to_numpy()[:, None])),
    ]
    rows = []
    for seat, names, held in seats:
        named = held[:-1]
        total = held.sum(axis=0)
        index = bounds(named, held[-1])
        top3 = top_share(named, 3) * named.sum(axis=0) / total
        rows.append(
            (
                seat,
                names[int(numpy.median(named, axis=1).argmax())],
                interval(named.max(axis=0) / total).median,
                interval(top3).median,
                interval(index.lowest).low,
                interval(index.highest).high,
            )
        )
    return pd.DataFrame(rows, columns=["seat", "largest", "largest_share", "top3_share", "hhi_low", "hhi_high"])


def spread_by_country(clusters: pd.DataFrame, date: Any) -> pd.DataFrame:
    """Countries where known clusters stand at a date, and how unequal owners are between and within them.

    Returns
    -------
    DataFrame
        ``country, h100e, share, owners, theil_between, theil_total`` (the last two the same in every row): Theil's
        index of the owners' holdings and the part of it that lies between countries. Shared clusters are split, an
        anonymous cluster is an owner of its own. Clusters without a country are one group, ``Other``.
    """
    active = active_clusters(clusters, date)
    country = active["country"].fillna(OTHER)
    held = pd.concat({name: by_owner(rows) for name, rows in active.groupby(country)})
    parts = theil_parts(held.to_numpy(), held.index.get_level_values(0))
    table = held.groupby(level=0).agg(["sum", "size"]).sort_values("sum", ascending=False)
    return pd.DataFrame(
        {
            "country": table.index,
            "h100e": table["sum"].to_numpy(),
            "share": (table["sum"] / table["sum"].sum()).to_numpy(),
            "owners": table["size"].to_numpy(),
            "theil_between": float(parts.between),
            "theil_total": float(parts.total),
        }
    )


def _grouped(labels: list[Any], holdings: numpy.ndarray) -> tuple[list[str], numpy.ndarray]:
    """Add rows up by label; what has no label, or is called Other, comes last (0 if there is none)."""
    known = [label if isinstance(label, str) and label != OTHER else None for label in labels]
    names = list(dict.fromkeys(label for label in known if label is not None))
    rows = [holdings[[label == name for label in known]].sum(axis=0) for name in names]
    rest = holdings[[label is None for label in known]].sum(axis=0)
    return [*names, OTHER], numpy.stack([*rows, rest])
