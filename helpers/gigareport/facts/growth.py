"""Growth of the leading clusters and of the world's stock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy
from scipy import stats

from gigacluster.uncertainty import Interval, interval
from gigacluster.units import DAYS_PER_YEAR
from gigareport.facts.world import Day, WorldStock, as_days, years_between

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
#: All that a table holds lies between them.
_FIRST, _LAST = "1900-01-01", "2100-01-01"


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth as a factor per year with its 90 % interval, and the number of points behind it."""

    factor: Interval
    n: int


def leaders_at_release(clusters: pd.DataFrame, top: int = 10) -> pd.DataFrame:
    """Clusters that were among the ``top`` fastest by 16-bit performance on the day they opened.

    They are rows of the standard analysis, by date, with ``rank_at_release``: those that opened on the same day compete
    with each other, ties share the better rank.
    """
    rows = clusters[clusters["in_standard_analysis"] & clusters["first_operational"].notna()]
    rows = rows[(rows["peak_16bit_op_per_s"] > 0) & (rows["status"] != "Planned")].sort_values("first_operational")
    opened, speed = rows["first_operational"].to_numpy(), rows["peak_16bit_op_per_s"].to_numpy()
    faster = (opened[None, :] <= opened[:, None]) & (speed[None, :] > speed[:, None])
    rows = rows.assign(rank_at_release=faster.sum(axis=1) + 1)
    return rows[rows["rank_at_release"] <= top]


def growth_at_release(leaders: pd.DataFrame, quantity: str, start: Day = _FIRST, end: Day = _LAST) -> Growth:
    """Fit exponential growth of a quantity to the clusters that led when they opened, within two days.

    Parameters
    ----------
    leaders : From :func:`leaders_at_release`.
    quantity : A key of :data:`QUANTITIES`.

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
    opened, values = leaders["first_operational"], QUANTITIES[quantity][1](leaders)
    known = opened.between(as_days(start), as_days(end)) & (values > 0)
    if known.sum() < 3:
        raise ValueError(f"{quantity} is known of {known.sum()} clusters between the dates; a trend needs at least 3")
    years = (opened[known] - opened.min()).dt.days.to_numpy() / DAYS_PER_YEAR
    line = stats.linregress(years, numpy.log(values[known].to_numpy()))
    reach = float(stats.t.ppf(0.95, len(years) - 2)) * line.stderr
    low, middle, high = (float(numpy.exp(line.slope + side * reach)) for side in (-1, 0, 1))
    return Growth(Interval(low, middle, high), len(years))


def stock_growth(world: WorldStock, start: Day = _FIRST, end: Day = _LAST) -> Growth:
    """Fit exponential growth of the world's stock to the quarters between two dates, sample by sample.

    The table counts what was sold since it begins and is empty before, so that growth in its first year is its own
    filling up as well as the world's.
    """
    inside = (world.dates >= as_days(start)) & (world.dates <= as_days(end))
    years = years_between(world.dates[0], world.dates[inside])
    if len(years) < 2:
        raise ValueError(f"the table has {len(years)} dates between {start} and {end}; growth needs at least 2")
    centred = years - years.mean()
    slopes = centred @ numpy.log(world.total[inside]) / (centred @ centred)
    return Growth(interval(numpy.exp(slopes)), len(years))
