"""What is planned at the large sites, vintage by vintage, and what became of the plans of an earlier one.

Three things happen to a planned step: it is cancelled (it leaves the plan to the end of 2027), it slips, and the size
of its site is estimated anew. A site is a campus.

Sites are the publisher's campuses, places whose buildings need not be one machine (``data_center_timelines``,
``sites``), and clusters told of by their owners or the press (``clusters``). A cluster that stands on a listed campus
is no site of its own: ``site_names`` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster import hardware
from gigacluster.units import DAYS_PER_MONTH
from gigareport import catalog
from gigareport.facts.world import Day, Days, as_days, day_numbers, h100e_per_chip
from gigareport.table import Table, given, stacked

if TYPE_CHECKING:
    import pandas as pd

LAST_DAY = "2027-12-31"
#: Owners of sites under the name that the table of owners gives them.
OWNERS_OF_SITES = {"SpaceXAI": "xAI", "Coreweave": "CoreWeave"}
#: A step counts as reached where the new plan has as many buildings, and this part of its power where buildings alone
#: do not tell steps apart.
_REACHED = 0.97


@dataclass(frozen=True, kw_only=True, slots=True)
class Revisions:
    """What became of the plans of one vintage by a later one."""

    window_months: float  # between the two
    steps: Table  # site, slip_months, log_ratio (of their sizes), cancelled
    common_sites: int
    planned_before: float  # of the common sites by the end of 2027 [H100e]
    planned_now: float

    @property
    def by_site(self) -> Table:
        """Mean slip and re-estimate of each site with a step that is still planned or was built."""
        groups = self.steps.where(~self.steps["cancelled"]).groups("site")
        means = {name: [float(rows[name].mean()) for rows in groups.values()] for name in ("slip_months", "log_ratio")}
        return Table({"site": list(groups), **means})

    def say(self) -> str:
        """Return the revision in a sentence."""
        slips = self.steps["slip_months"]
        moved = slips[numpy.abs(slips) > 0]
        return (
            f"Of {len(self.steps)} steps that {self.common_sites} sites planned, {self.steps['cancelled'].sum()} left "
            f"the plan within {self.window_months:.0f} months; {len(moved)} moved, by {numpy.median(moved):.1f} months "
            f"in the median; what was planned for the end of 2027 fell from {self.planned_before / 1e6:.1f} to "
            f"{self.planned_now / 1e6:.1f} million H100e."
        )


def states_by_site(vintage: str, states: Table | None = None) -> Table:
    """Return one vintage of ``data_center_timelines`` under the latest names of its sites, known sizes alone.

    A state with power and no compute is one whose compute was not entered, and is left out; later dates than the
    vintage are plans. ``states`` stands for the table of ``data/``.
    """
    rows, names = states or catalog.read("data_center_timelines"), _sites_by_name()
    not_entered = (rows["h100e_8bit"] == 0) & (rows["power_mw"] > 0)
    rows = rows.where((rows["vintage"] == vintage) & given(rows["h100e_8bit"]) & ~not_entered)
    return rows.assign(site=[names.get(name, name) for name in rows["data_center"]]).sorted("site", "date")


def _sites_by_name() -> dict[str, str]:
    names = catalog.read("site_names")
    return dict(zip(names["name"], names["site"], strict=True))


def vintages() -> list[str]:
    """Return the vintages of ``data/`` that list all sites, oldest first: others are of one owner alone."""
    return sorted(set(catalog.read("sites")["vintage"]))


@cache
def revisions_between(before: str, now: str) -> Revisions:
    """Look up in a vintage what became of the steps that an earlier one planned to the end of 2027."""
    made, end = as_days(before), as_days(LAST_DAY)
    old_sites, new_sites = (states_by_site(vintage).groups("site") for vintage in (before, now))
    common = [site for site in old_sites if site in new_sites]
    rows = []
    for site in common:
        old, new = old_sites[site], new_sites[site]
        buildings = _most(old["n_buildings"][old["date"] <= made])
        steps = planned_steps(old, before)
        for step in steps.where(steps["date"] <= end).rows():
            there = (new["n_buildings"] >= step["n_buildings"]) & (new["date"] <= end)
            there &= (step["n_buildings"] > buildings) | (new["power_mw"] >= _REACHED * step["power_mw"])
            buildings = _most(old["n_buildings"][old["date"] <= step["date"]])
            slip, ratio, found = numpy.nan, numpy.nan, next(new.where(there).rows(), None)
            if found:
                ratio = numpy.log(found["h100e_8bit"] / step["h100e_8bit"])
                slip = (found["date"] - step["date"]).astype(float) / DAYS_PER_MONTH
            rows.append((site, slip, ratio, found is None))
    columns = zip(("site", "slip_months", "log_ratio", "cancelled"), zip(*rows, strict=True), strict=True)
    return Revisions(
        window_months=float(day_numbers(now) - day_numbers(before)) / DAYS_PER_MONTH,
        steps=Table(dict(columns)),
        common_sites=len(common),
        planned_before=float(sum(standing(old_sites[site], LAST_DAY) for site in common)),
        planned_now=float(sum(standing(new_sites[site], LAST_DAY) for site in common)),
    )


def _most(values: numpy.ndarray) -> float:
    """Return the largest of values that are known, 0 of none at all."""
    return float(numpy.fmax.reduce(values)) if len(values) else 0.0


def latest_revisions() -> Revisions:
    """Return what became of the plans of the vintage before the latest of ``data/``."""
    before, now = vintages()[-2:]
    return revisions_between(before, now)


def record_before(sizes: numpy.ndarray) -> numpy.ndarray:
    """Return the largest size before each, 0 before the first."""
    found: numpy.ndarray = numpy.maximum.accumulate(numpy.concatenate([[0.0], sizes]))[:-1]
    return found


def planned_steps(states: Table, made: Day) -> Table:
    """Return the states of a site after a vintage was made that raise it above all it had before."""
    sizes = states["h100e_8bit"]
    return states.where((states["date"] > as_days(made)) & (sizes > record_before(sizes)))


def standing(states: Table, days: Days, column: str = "h100e_8bit") -> Any:
    """Return the last known value up to each day, 0 before the first."""
    rows = states.where(given(states["date"]) & given(states[column]))
    values = numpy.concatenate([[0.0], rows[column]])
    return values[numpy.searchsorted(day_numbers(rows["date"]), day_numbers(days), side="right")]


CAMPUS, CLUSTER = "campus", "cluster"


@cache
def told_clusters() -> Table:
    """Return the working clusters of ``data/clusters.csv`` by date.

    Those whose size by dense 8-bit peak is known, and whose source can be looked up.

    The columns are ``site, name, owner, users, date, h100e_8bit, on_campus``: the site is the campus that the cluster
    stands on, or the name of its first state where it stands on none that is listed.
    """
    rows, campuses = catalog.read("clusters"), _sites_by_name()
    works = (rows["record_type"] == "cluster") & (rows["status"] == "operational")
    rows = rows.where(works & numpy.isin(rows["source_id"], list(catalog.located())))
    rows = rows.assign(h100e_8bit=[_h100e_8bit(row) for row in rows.rows()])
    rows = rows.where(given(rows["h100e_8bit"]) & given(rows["as_of"])).sorted("as_of")
    first: dict[str, str] = {}
    for place, name in zip(rows["site_id"], rows["name"], strict=True):
        first.setdefault(place, campuses.get(place, name))
    sites = [first[place] for place in rows["site_id"]]
    on_campus = [place in campuses for place in rows["site_id"]]
    told = rows.assign(site=sites, on_campus=on_campus, users=rows["user"], date=rows["as_of"])
    return told.select("site", "name", "owner", "users", "date", "h100e_8bit", "on_campus")


def _h100e_8bit(row: dict[str, Any]) -> float:
    """Return a cluster's size by dense 8-bit peak; phases of several kinds of chips are told in it already."""
    if row["chip"] == "mixed":
        return float(row["h100e_bf16"])
    try:
        return float(row["n_chips"] * h100e_per_chip(hardware.chip(row["chip"]).name))
    except ValueError:  # a chip without published rates
        return float("nan")


@cache
def listed_states() -> Table:
    """Return every state of every listed site, campuses in the publisher's latest vintage; later dates are plans.

    The columns are ``site, date, h100e_8bit, n_buildings, vintage``, by site and date.
    """
    campuses = states_by_site(vintages()[-1]).select("site", "date", "h100e_8bit", "n_buildings", "vintage")
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

    The columns are ``site, kind, date, h100e_8bit, record``: the last tells whether no site of others was as large
    before.
    """
    states = listed_states()
    states = states.where(numpy.isin(states["site"], of_others(owner))).sorted("date", "site")
    kinds = dict(zip(traits()["site"], traits()["kind"], strict=True))
    kind = [kinds.get(site, CAMPUS) for site in states["site"]]
    table = states.assign(kind=kind, record=states["h100e_8bit"] > record_before(states["h100e_8bit"]))
    return table.select("site", "kind", "date", "h100e_8bit", "record").to_frame()
