"""Clusters known by name: each site once, what usual mistakes make of them, and how fast the leading ones grow.

The dataset lists phases of a site as rows of their own, several owners in one cell, and a third of its rows without
any owner. Adding the rows up counts sites twice; dropping the anonymous makes the rest look concentrated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy
from scipy import stats

from gigacluster.concentration.bounds import Bounds
from gigacluster.concentration.measures import hhi
from gigacluster.uncertainty import Interval, interval
from gigacluster.units import DAYS_PER_YEAR
from gigareport.facts.world import Day, WorldStock, as_days, years_between

if TYPE_CHECKING:
    import pandas as pd


Joint = Literal["split", "separate", "largest"]
Anonymous = Literal["each", "country", "largest", "dropped"]


def superseded_on(clusters: pd.DataFrame) -> pd.Series:
    """Date from which a row's compute is part of a later phase's row; missing where it never is."""
    import pandas as pd

    name = clusters["name"].str.strip('"')
    opened = clusters["first_operational"].where(clusters["status"] != "Planned")
    opened = pd.Series(opened.to_numpy(), index=name).groupby(level=0).min()
    links = pd.concat(
        [
            pd.DataFrame({"earlier": name, "later": clusters["superseded_by"].str.strip('"')}),
            pd.DataFrame({"earlier": clusters["builds_upon"].str.strip('"'), "later": name}),
        ]
    ).dropna()
    replaced = links.assign(on=links["later"].map(opened)).groupby("earlier")["on"].min()
    return name.map(replaced)


def active_clusters(clusters: pd.DataFrame, date: Day, *, phases_once: bool = True) -> pd.DataFrame:
    """Rows of the standard analysis of a known size that stand at a date, each site once.

    Parameters
    ----------
    phases_once : Leave out phases that a later phase contains; without it a site counts once for every phase.
    """
    day = as_days(date)
    stands = clusters["in_standard_analysis"] & (clusters["status"] != "Planned") & (clusters["h100e"] > 0)
    stands &= (clusters["first_operational"] <= day) & ~(clusters["decommissioned"] <= day)
    if phases_once:
        stands &= ~(superseded_on(clusters) <= day)
    return clusters[stands]


def by_owner(rows: pd.DataFrame, *, joint: Joint = "split", anonymous: Anonymous = "each") -> pd.Series:
    """H100 equivalents by owner, largest first.

    Parameters
    ----------
    joint : {"split", "separate", "largest"}
        A cluster of several owners: shared equally; an owner of its own (the least concentrated); or given to that
        one of them that owns the most otherwise (the most concentrated).
    anonymous : {"each", "country", "largest", "dropped"}
        A cluster without an owner: an owner of its own (least concentrated); one owner for each country; given to the
        largest named owner (most concentrated); or left out, which is wrong and is here to show it.

    Raises
    ------
    ValueError
        If there is no row, or no owner to give the anonymous ones to.
    """
    import pandas as pd

    named = rows[rows["owner"].notna()]
    if rows.empty or (named.empty and anonymous == "largest"):
        raise ValueError(f"none of the {len(rows)} clusters has an owner; take a date on which some have")
    parties = named["owner"].str.split(",").map(lambda names: sorted({name.strip() for name in names}))
    alone = parties.str.len() == 1
    if joint == "separate":
        label = parties.str.join(" + ")
        held = named["h100e"].groupby(label.where(alone, label + " #" + named.index.astype(str))).sum()
    else:
        each = pd.DataFrame({"owner": parties, "share": named["h100e"] / parties.str.len(), "alone": alone})
        each = each.explode("owner")
        held = each.groupby("owner")["share"].sum()
        if joint == "largest":
            sole = each["share"].where(each["alone"], 0.0).groupby(each["owner"]).sum()
            largest = parties.map(lambda names: max(names, key=lambda name: (sole[name], held[name], name)))
            held = named["h100e"].groupby(largest).sum()
    unknown = rows[rows["owner"].isna()]
    if anonymous in ("each", "country"):
        one = " #" + unknown.index.astype(str) if anonymous == "each" else " as one"
        held = pd.concat([held, unknown["h100e"].groupby(unknown["country"].fillna("not known") + one).sum()])
    elif anonymous == "largest":
        held = held.add(pd.Series({held.idxmax(): unknown["h100e"].sum()}), fill_value=0.0)
    return held.sort_values(ascending=False, kind="stable")


def known_bounds(rows: pd.DataFrame) -> Bounds:
    """HHI of the clusters known by name, with shared and anonymous ones at their least and most concentrated.

    ``capped`` takes the assumptions between: shared clusters split, the anonymous of a country as one owner.
    """
    return Bounds(
        lowest=_hhi(by_owner(rows, joint="separate", anonymous="each")),
        capped=_hhi(by_owner(rows, joint="split", anonymous="country")),
        highest=_hhi(by_owner(rows, joint="largest", anonymous="largest")),
    )


def naive_indices(clusters: pd.DataFrame, date: Day, coverage: float = 0.1) -> pd.DataFrame:
    """The index of the clusters known by name under each common mistake, beside the one without them.

    The columns are ``way``, ``hhi_low`` and ``hhi_high``: one number or the bounds that it leaves open. The dataset
    covers at least ``coverage`` of the world's compute; published as 10 to 20 %.
    """
    import pandas as pd

    once, twice = active_clusters(clusters, date), active_clusters(clusters, date, phases_once=False)
    whole = known_bounds(once)
    users = once["users"].where(once["users"].notna(), once["owner"])
    held = by_owner(once, joint="largest", anonymous="largest").to_numpy()
    world = coverage * held / held.sum()
    world[0] += 1 - coverage  # at worst, the largest owner also holds all that the dataset does not cover
    mistakes = {
        "phases added up": by_owner(twice),
        "anonymous left out": by_owner(once, anonymous="dropped"),
        "anonymous by country": by_owner(once, anonymous="country"),
        "users for owners": by_owner(once.assign(owner=users)),
    }
    rows = [("sites once, owners bounded", whole.lowest, whole.highest)]
    rows += [(way, _hhi(mistake), _hhi(mistake)) for way, mistake in mistakes.items()]
    rows.append(("extended to the world", coverage**2 * whole.lowest, float(hhi(world))))
    return pd.DataFrame(rows, columns=["way", "hhi_low", "hhi_high"])


def _hhi(held: pd.Series) -> float:
    return float(hhi(held.to_numpy()))


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
