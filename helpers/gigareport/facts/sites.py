"""Every large site that is known, state by state: the publisher's campuses, and clusters told of elsewhere.

A campus is one place whose buildings need not be one machine; a cluster is one machine. Two tables say them: the
publisher's timelines of campuses (``data_center_timelines``, ``sites``), and the clusters that their owners or the
press told of (``clusters``). A cluster that stands on a listed campus is no site of its own: ``site_names`` says which.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gigacluster import hardware
from gigareport import catalog
from gigareport.facts.plans import OWNERS_OF_SITES, current_states, vintages
from gigareport.facts.world import h100e_per_chip

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["CAMPUS", "CLUSTER", "listed_states", "of_others", "states_of_others", "told_clusters", "traits"]

CAMPUS, CLUSTER = "campus", "cluster"


@cache
def told_clusters() -> pd.DataFrame:
    """Return the working clusters of ``data/clusters.csv`` by date.

    Those whose size by dense 8-bit peak is known, and whose source can be looked up.

    Returns
    -------
    DataFrame
        ``site, name, owner, users, date, h100e_8bit, on_campus``: the site is the campus that the cluster stands on,
        or the name of its first state where it stands on none that is listed.
    """
    rows = catalog.load("clusters").query("record_type == 'cluster' and status == 'operational'")
    rows = rows[rows["source_id"].isin(catalog.located())]
    chips = catalog.load("chips")
    rows = rows.assign(h100e_8bit=[_h100e_8bit(row, chips) for _, row in rows.iterrows()])
    rows = rows.dropna(subset=["h100e_8bit", "as_of"]).sort_values("as_of", kind="stable")
    campus = rows["site_id"].map(catalog.load("site_names").set_index("name")["site"])
    first = rows.groupby("site_id")["name"].transform("first")
    table = rows.assign(site=campus.fillna(first), on_campus=campus.notna())
    table = table.rename(columns={"user": "users", "as_of": "date"})
    columns = ["site", "name", "owner", "users", "date", "h100e_8bit", "on_campus"]
    return table[columns].reset_index(drop=True)


def _h100e_8bit(row: pd.Series, chips: pd.DataFrame) -> float:
    """Return a cluster's size by dense 8-bit peak; phases of several kinds of chips are told in it already."""
    if row["chip"] == "mixed":
        return float(row["h100e_bf16"])
    try:
        chip = hardware.chip(row["chip"]).name
    except ValueError:  # a chip without published rates
        return float("nan")
    return float(row["n_chips"] * h100e_per_chip(chips, chip))


@cache
def listed_states() -> pd.DataFrame:
    """Return every state of every listed site, campuses in the publisher's latest vintage; later dates are plans.

    Returns
    -------
    DataFrame
        ``site, date, h100e_8bit, n_buildings, vintage``, by site and date.
    """
    import pandas as pd

    campuses = current_states()[["site", "date", "h100e_8bit", "n_buildings", "vintage"]]
    clusters = told_clusters().query("not on_campus")[["site", "date", "h100e_8bit"]]
    clusters = clusters.assign(n_buildings=1.0, vintage=campuses["vintage"].iloc[0])
    return pd.concat([campuses, clusters]).sort_values(["site", "date"], ignore_index=True)


@cache
def traits() -> pd.DataFrame:
    """Return ``kind, owner, users`` of each listed site by its name, owners under the name of the table of owners."""
    import pandas as pd

    campuses = catalog.load("sites").query("vintage == @latest", local_dict={"latest": vintages()[-1]})
    campuses = campuses.set_index("data_center")[["owner", "users"]].assign(kind=CAMPUS)
    clusters = told_clusters().query("not on_campus").groupby("site")[["owner", "users"]].last().assign(kind=CLUSTER)
    both = pd.concat([campuses, clusters])
    return both.assign(owner=both["owner"].replace(OWNERS_OF_SITES))[["kind", "owner", "users"]]


def of_others(owner: str) -> list[str]:
    """Return the listed sites that an owner does not own: all of them for an owner without a name.

    Examples
    --------
    >>> "Colossus 1" in of_others("xAI"), "Colossus 1" in of_others("")
    (False, True)
    """
    owners = traits()["owner"]
    return [site for site in dict.fromkeys(listed_states()["site"]) if not owner or owners.get(site) != owner]


def states_of_others(owner: str) -> pd.DataFrame:
    """Return every state of the sites that an owner does not own, as published, by date.

    Returns
    -------
    DataFrame
        ``site, kind, date, h100e_8bit, record``: the last tells whether no site of others was as large before.
    """
    states = listed_states()
    states = states[states["site"].isin(of_others(owner))].sort_values(["date", "site"], ignore_index=True)
    kind = states["site"].map(traits()["kind"]).fillna(CAMPUS)
    record = states["h100e_8bit"] > states["h100e_8bit"].cummax().shift(fill_value=0.0)
    return states.assign(kind=kind, record=record)[["site", "kind", "date", "h100e_8bit", "record"]]
