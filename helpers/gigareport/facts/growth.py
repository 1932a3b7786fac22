"""Growth of the leading clusters and of the world's stock, and our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from scipy import stats

from gigacluster.uncertainty import Interval, interval
from gigacluster.units import DAYS_PER_YEAR
from gigareport.facts.known import active_clusters
from gigareport.facts.ownership import LARGE_CLOUDS
from gigareport.facts.world import Day, WorldStock

if TYPE_CHECKING:
    import pandas as pd


#: Quantities of a cluster whose growth was published: name, anchor in ``published_anchors``, and how it is computed.
QUANTITIES: dict[str, tuple[str, Callable[[pd.DataFrame], pd.Series]]] = {
    "16-bit performance": ("perf_growth", lambda rows: rows["peak_16bit_op_per_s"]),
    "performance per chip": ("perchip_growth", lambda rows: rows["peak_16bit_op_per_s"] / rows["n_chips"]),
    "chips": ("chips_growth", lambda rows: rows["n_chips"]),
    "power": ("power_growth", lambda rows: rows["power_mw"]),
    "hardware cost": ("cost_growth", lambda rows: rows["hardware_cost_usd_2025"]),
}
#: The years that Pilz et al. 2025 fit, and the end of their data.
PUBLISHED_WINDOW = ("2019-01-01", "2025-03-31")


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth as a factor per year with its 90 % interval, and the number of points behind it."""

    factor: Interval
    n: int


def leaders_at_release(clusters: pd.DataFrame, top: int = 10) -> pd.DataFrame:
    """Clusters that were among the ``top`` fastest by 16-bit performance on the day they opened.

    Parameters
    ----------
    clusters : Table ``gpu_clusters``.
    top : Clusters that opened on the same day compete with each other; ties share the better rank.

    Returns
    -------
    DataFrame
        Rows of the standard analysis with a date and a 16-bit performance, by date, with ``rank_at_release``.
    """
    rows = clusters[clusters["in_standard_analysis"] & clusters["first_operational"].notna()]
    rows = rows[(rows["peak_16bit_op_per_s"] > 0) & (rows["status"] != "Planned")].sort_values("first_operational")
    opened, speed = rows["first_operational"].to_numpy(), rows["peak_16bit_op_per_s"].to_numpy()
    faster = (opened[None, :] <= opened[:, None]) & (speed[None, :] > speed[:, None])
    rows = rows.assign(rank_at_release=faster.sum(axis=1) + 1)
    return rows[rows["rank_at_release"] <= top]


def growth_at_release(leaders: pd.DataFrame, quantity: str, start: Day | None = None, end: Day | None = None) -> Growth:
    """Fit exponential growth of a quantity to the clusters that led when they opened.

    Parameters
    ----------
    leaders : From :func:`leaders_at_release`.
    quantity : A key of :data:`QUANTITIES`.
    start, end : date, Timestamp or str, optional
        First and last day; the whole table by default.

    Returns
    -------
    Growth
        From a straight line through the logarithms; the interval is that of its slope, for independent errors. Phases
        of one site follow each other, so it is rather too narrow.

    Raises
    ------
    ValueError
        If the quantity is not known of at least three clusters.
    """
    import pandas as pd

    opened = leaders["first_operational"]
    inside = (opened >= (opened.min() if start is None else pd.Timestamp(str(start)[:10]))) & (
        opened <= (opened.max() if end is None else pd.Timestamp(str(end)[:10]))
    )
    values = QUANTITIES[quantity][1](leaders)
    known = inside & (values > 0)
    if known.sum() < 3:
        raise ValueError(f"{quantity} is known of {known.sum()} clusters between the dates; a trend needs at least 3")
    years = (opened[known] - opened.min()).dt.days.to_numpy() / DAYS_PER_YEAR
    line = stats.linregress(years, numpy.log(values[known].to_numpy()))
    reach = float(stats.t.ppf(0.95, len(years) - 2)) * line.stderr
    low, middle, high = (float(numpy.exp(line.slope + side * reach)) for side in (-1, 0, 1))
    return Growth(Interval(low, middle, high), len(years))


def stock_growth(world: WorldStock, start: Day | None = None, end: Day | None = None) -> Growth:
    """Fit exponential growth of the world's stock to the quarters between two dates, sample by sample.

    The table counts what was sold since it begins and is empty before, so that growth in its first year is its own
    filling up as well as the world's.
    """
    import pandas as pd

    dates = pd.to_datetime(world.dates)
    inside = (dates >= (dates[0] if start is None else pd.Timestamp(str(start)[:10]))) & (
        dates <= (dates[-1] if end is None else pd.Timestamp(str(end)[:10]))
    )
    years = (dates[inside] - dates[0]).days.to_numpy() / DAYS_PER_YEAR
    if len(years) < 2:
        raise ValueError(f"the table has {len(years)} dates between {start} and {end}; growth needs at least 2")
    centred = years - years.mean()
    slopes = centred @ numpy.log(world.total[inside]) / (centred @ centred)
    return Growth(interval(numpy.exp(slopes)), len(years))


def published_growth(clusters: pd.DataFrame, world: WorldStock, anchors: pd.DataFrame, top: int = 10) -> pd.DataFrame:
    """Our growth rates beside the published ones.

    Parameters
    ----------
    clusters, anchors : Tables ``gpu_clusters`` and ``published_anchors``.
    world : WorldStock
    top : int, default 10

    Returns
    -------
    DataFrame
        ``quantity, published, ours_p5, ours, ours_p95, ratio, n, ours_to_date``: ours over the years that were
        published, their ratio to the published value, and ours over the whole of the table since the same start.
        ``attrs["anchor_ids"]`` names the row of ``anchors`` behind each.
    """
    import pandas as pd

    values = anchors.set_index("anchor_id")["value"]
    leaders = leaders_at_release(clusters, top)
    rows = []
    for quantity, (anchor, _) in QUANTITIES.items():
        then = growth_at_release(leaders, quantity, *PUBLISHED_WINDOW)
        now = growth_at_release(leaders, quantity, PUBLISHED_WINDOW[0])
        rows.append(_beside(quantity, values[anchor], then, now))
    for since in ("2022", "2023", "2024"):  # the published years, then without those in which the table fills up
        then, now = (stock_growth(world, f"{int(since) - 1}-12-31", end) for end in ("2025-12-31", None))
        rows.append(_beside(f"stock, from {since}", values["chipstock_growth"], then, now))
    columns = ["quantity", "published", "ours_p5", "ours", "ours_p95", "ratio", "n", "ours_to_date"]
    table = pd.DataFrame(rows, columns=columns)
    leading = [anchor for anchor, _ in QUANTITIES.values()]
    table.attrs["anchor_ids"] = leading + ["chipstock_growth"] * (len(rows) - len(leading))
    return table


def published_shares(
    clusters: pd.DataFrame, world: WorldStock, sales: pd.DataFrame, anchors: pd.DataFrame
) -> pd.DataFrame:
    """Our shares beside the published ones, each at the date of the published one.

    Parameters
    ----------
    clusters, sales, anchors : Tables ``gpu_clusters``, ``chip_sales`` and ``published_anchors``.
    world : WorldStock

    Returns
    -------
    DataFrame
        ``share, as_of, published, ours, ratio``. Shares of known clusters are by 16-bit performance, as published; the
        one of 2024-11-18 stands beside that of the TOP500 list, which is of FP64 and has no commercial clusters.
        ``attrs["anchor_ids"]`` names the row of ``anchors`` behind each.
    """
    import pandas as pd

    values = anchors.set_index("anchor_id")["value"]
    spring = PUBLISHED_WINDOW[1]
    stock = pd.Series(numpy.median(world.at("2025-12-31"), axis=1), index=world.owners)
    early = pd.Series(numpy.median(world.at("2024-03-31"), axis=1), index=world.owners)
    five = list(LARGE_CLOUDS)
    sold = (
        sales[(sales["as_of"].dt.year == 2025) & ~sales["incomplete"]].groupby("chip_maker")["h100e_8bit_median"].sum()
    )
    us = "United States of America"
    found = [
        ("United States, known clusters", spring, "us_share", _part(clusters, spring, "country", us)),
        ("China, known clusters", spring, "cn_share", _part(clusters, spring, "country", "China")),
        (
            "United States, known clusters and TOP500",
            "2024-11-18",
            "top500_us_share_2024",
            _part(clusters, "2024-11-18", "country", us),
        ),
        (
            "private owners, known clusters",
            "2019-01-01",
            "private_share_2019",
            _part(clusters, "2019-01-01", "sector", "Private"),
        ),
        ("private owners, known clusters", spring, "private_share_2025", _part(clusters, spring, "sector", "Private")),
        ("five hyperscalers, stock", "2025-12-31", "hyper5_share_2025q4", stock[five].sum() / stock.sum()),
        ("five hyperscalers, stock", "2024-03-31", "hyper5_share_2024q1", early[five].sum() / early.sum()),
        ("Google, stock", "2025-12-31", "google_share", stock["Google"] / stock.sum()),
        ("Nvidia, sales of 2025", "2025-12-31", "nvidia_share", sold["Nvidia"] / sold.sum()),
    ]
    rows = [
        (share, pd.Timestamp(day), values[anchor], ours, ours / values[anchor]) for share, day, anchor, ours in found
    ]
    table = pd.DataFrame(rows, columns=["share", "as_of", "published", "ours", "ratio"])
    table.attrs["anchor_ids"] = [anchor for *_, anchor, _ in found]
    return table


def _part(clusters: pd.DataFrame, date: str, column: str, value: str) -> float:
    active = active_clusters(clusters, date)
    speed = active["peak_16bit_op_per_s"]
    return float(speed[active[column] == value].sum() / speed.sum())


def _beside(quantity: str, published: float, then: Growth, now: Growth) -> tuple[Any, ...]:
    factor = then.factor
    ratio = factor.median / published
    return quantity, published, factor.low, factor.median, factor.high, ratio, then.n, now.factor.median
