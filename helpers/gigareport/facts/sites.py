"""Every large site that is known, state by state: the publisher's campuses, and clusters told of elsewhere.

A campus is one place whose buildings need not be one machine; a cluster is one machine. Two tables say them: the
publisher's timelines of campuses (``data_center_timelines``, ``sites``), and the clusters that their owners or the
press told of (``clusters``). A cluster that stands on a listed campus is no site of its own: ``site_names`` says which.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster import hardware
from gigareport import catalog
from gigareport.facts.plans import OWNERS_OF_SITES, current_states, vintages
from gigareport.facts.world import h100e_per_chip
from gigareport.table import Table, given, stacked

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["CAMPUS", "CLUSTER", "listed_states", "of_others", "states_of_others", "told_clusters", "traits"]

CAMPUS, CLUSTER = "campus", "cluster"


@cache
def told_clusters() -> Table:
    """Return the working clusters of ``data/clusters.csv`` by date.

    Those whose size by dense 8-bit peak is known, and whose source can be looked up.

    Returns
    -------
    Table
        ``site, name, owner, users, date, h100e_8bit, on_campus``: the site is the campus that the cluster stands on,
        or the name of its first state where it stands on none that is listed.
    """
    rows, names, chips = (catalog.read(name) for name in ("clusters", "site_names", "chips"))
    works = (rows["record_type"] == "cluster") & (rows["status"] == "operational")
    rows = rows.where(works & numpy.isin(rows["source_id"], list(catalog.located())))
    rows = rows.assign(h100e_8bit=[_h100e_8bit(row, chips) for row in rows.rows()])
    rows = rows.where(given(rows["h100e_8bit"]) & given(rows["as_of"])).sorted("as_of")
    campuses: dict[str, str] = dict(zip(names["name"], names["site"], strict=True))
    first: dict[str, str] = {}
    for place, name in zip(rows["site_id"], rows["name"], strict=True):
        first.setdefault(place, campuses.get(place, name))
    return Table(
        {
            "site": [first[place] for place in rows["site_id"]],
            **{name: rows[name] for name in ("name", "owner")},
            "users": rows["user"],
            "date": rows["as_of"],
            "h100e_8bit": rows["h100e_8bit"],
            "on_campus": [place in campuses for place in rows["site_id"]],
        }
    )


def _h100e_8bit(row: dict[str, Any], chips: Table) -> float:
    """Return a cluster's size by dense 8-bit peak; phases of several kinds of chips are told in it already."""
    if row["chip"] == "mixed":
        return float(row["h100e_bf16"])
    try:
        chip = hardware.chip(row["chip"]).name
    except ValueError:  # a chip without published rates
        return float("nan")
    return float(row["n_chips"] * h100e_per_chip(chips, chip))


@cache
def listed_states() -> Table:
    """Return every state of every listed site, campuses in the publisher's latest vintage; later dates are plans.

    Returns
    -------
    Table
        ``site, date, h100e_8bit, n_buildings, vintage``, by site and date.
    """
    campuses = current_states().select("site", "date", "h100e_8bit", "n_buildings", "vintage")
    clusters = _sites_of_their_own().assign(n_buildings=1.0, vintage=vintages()[-1])
    return stacked(campuses, clusters.select(*campuses.columns)).sorted("site", "date")


@cache
def traits() -> Table:
    """Return ``site, kind, owner, users`` of each listed site, owners under the name of the table of owners."""
    sites, clusters = catalog.read("sites"), _sites_of_their_own().last("site").assign(kind=CLUSTER)
    campuses = sites.where(sites["vintage"] == vintages()[-1]).assign(kind=CAMPUS)
    campuses = campuses.assign(site=campuses["data_center"]).select("site", "kind", "owner", "users")
    both = stacked(campuses, clusters.select(*campuses.columns))
    return both.assign(owner=[OWNERS_OF_SITES.get(owner, owner) for owner in both["owner"]])


def _sites_of_their_own() -> Table:
    """Return the states of clusters that stand on no listed campus."""
    told = told_clusters()
    return told.where(~told["on_campus"])


def of_others(owner: str) -> list[str]:
    """Return the listed sites that an owner does not own: all of them for an owner without a name.

    Examples
    --------
    >>> "Colossus 1" in of_others("xAI"), "Colossus 1" in of_others("")
    (False, True)
    """
    owners = dict(zip(traits()["site"], traits()["owner"], strict=True))
    return [site for site in dict.fromkeys(listed_states()["site"]) if not owner or owners.get(site) != owner]


def states_of_others(owner: str) -> pd.DataFrame:
    """Return every state of the sites that an owner does not own, as published, by date.

    Returns
    -------
    DataFrame
        ``site, kind, date, h100e_8bit, record``: the last tells whether no site of others was as large before.
    """
    states = listed_states()
    states = states.where(numpy.isin(states["site"], of_others(owner))).sorted("date", "site")
    kinds = dict(zip(traits()["site"], traits()["kind"], strict=True))
    before = numpy.maximum.accumulate(numpy.concatenate([[0.0], states["h100e_8bit"]]))[:-1]
    kind = [kinds.get(site, CAMPUS) for site in states["site"]]
    table = states.assign(kind=kind, record=states["h100e_8bit"] > before)
    return table.select("site", "kind", "date", "h100e_8bit", "record").to_frame()
