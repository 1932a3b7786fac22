"""The view of clusters known by name: each site once, and what to do with shared and anonymous ones.

The dataset lists phases of a site as rows of their own, several owners in one cell, and a third of its rows without
any owner. Adding the rows up counts sites twice; dropping the anonymous makes the rest look concentrated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gigacluster.concentration.bounds import Bounds
from gigacluster.concentration.measures import hhi
from gigareport.facts.world import Day, as_days

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
