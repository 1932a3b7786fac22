"""What is planned at the large sites, vintage by vintage, and what became of the plans of an earlier one.

Three things happen to a planned step: it is cancelled (it leaves the plan to the end of 2027), it slips, and the size
of its site is estimated anew. A site is a campus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.units import DAYS_PER_MONTH
from gigareport import catalog
from gigareport.facts.world import Day

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
    steps: pd.DataFrame  # site, planned, power_mw, n_buildings, h100e, now, slip_months, log_ratio, cancelled
    common_sites: int
    planned_before: float  # of the common sites by the end of 2027 [H100e]
    planned_now: float

    @property
    def by_site(self) -> pd.DataFrame:
        """Mean slip and re-estimate of each site with a step that is still planned or was built."""
        return self.steps[~self.steps["cancelled"]].groupby("site")[["slip_months", "log_ratio"]].mean().fillna(0.0)

    def say(self) -> str:
        """Return the revision in a sentence."""
        moved = self.steps.loc[self.steps["slip_months"].abs() > 0, "slip_months"]
        return (
            f"Of {len(self.steps)} steps that {self.common_sites} sites planned, {self.steps['cancelled'].sum()} left "
            f"the plan within {self.window_months:.0f} months; {len(moved)} moved, by {moved.median():.1f} months in "
            f"the median; what was planned for the end of 2027 fell from {self.planned_before / 1e6:.1f} to "
            f"{self.planned_now / 1e6:.1f} million H100e."
        )


def states_by_site(states: pd.DataFrame, names: pd.DataFrame, vintage: str) -> pd.DataFrame:
    """Return one vintage of ``data_center_timelines`` under the latest names of its sites, known sizes alone.

    A state with power and no compute is one whose compute was not entered, and is left out.
    """
    rows = states[states["vintage"] == vintage]
    site = rows["data_center"].map(names.set_index("name")["site"]).fillna(rows["data_center"])
    known = rows["h100e_8bit"].notna() & ~((rows["h100e_8bit"] == 0) & (rows["power_mw"] > 0))
    return rows.assign(site=site)[known].sort_values(["site", "date"], ignore_index=True)


def vintages() -> list[str]:
    """Return the vintages of ``data/`` that list all sites, oldest first: others are of one owner alone."""
    return sorted(catalog.load("sites")["vintage"].unique())


def current_states() -> pd.DataFrame:
    """Return the states of all sites in the latest vintage of ``data/``; later dates than it are plans."""
    return states_by_site(catalog.load("data_center_timelines"), catalog.load("site_names"), vintages()[-1])


def plan_revisions(before: pd.DataFrame, now: pd.DataFrame, day_before: Day, day_now: Day) -> Revisions:
    """Look up in a later vintage what became of the steps that an earlier one planned to the end of 2027.

    Parameters
    ----------
    before, now : From :func:`states_by_site`.
    day_before, day_now : date, Timestamp or str
        When the two were made.
    """
    import pandas as pd

    made, end = pd.Timestamp(day_before), pd.Timestamp(LAST_DAY)
    common = sorted(set(before["site"]) & set(now["site"]))
    rows = []
    for site in common:
        old, new = before[before["site"] == site], now[now["site"] == site]
        past = old[old["date"] <= made]
        reached = float(past["h100e_8bit"].max()) if len(past) else 0.0
        for step in old[(old["date"] > made) & (old["date"] <= end)].itertuples():
            if not step.h100e_8bit > reached:
                continue
            more_buildings = step.n_buildings > (past["n_buildings"].max() if len(past) else 0)
            there = (new["n_buildings"] >= step.n_buildings) & (new["date"] <= end)
            there &= more_buildings | (new["power_mw"] >= _REACHED * step.power_mw)
            found = new[there].head(1)
            reached, past = step.h100e_8bit, old[old["date"] <= step.date]
            now_on = found["date"].iloc[0] if len(found) else pd.NaT
            slip = (now_on - step.date).days / DAYS_PER_MONTH if len(found) else numpy.nan
            ratio = numpy.log(found["h100e_8bit"].iloc[0] / step.h100e_8bit) if len(found) else numpy.nan
            rows.append((site, step.date, step.power_mw, step.n_buildings, reached, now_on, slip, ratio, found.empty))
    columns = ["site", "planned", "power_mw", "n_buildings", "h100e", "now", "slip_months", "log_ratio", "cancelled"]
    return Revisions(
        window_months=(pd.Timestamp(day_now) - made).days / DAYS_PER_MONTH,
        steps=pd.DataFrame(rows, columns=columns),
        common_sites=len(common),
        planned_before=float(sum(standing(before[before["site"] == site], LAST_DAY) for site in common)),
        planned_now=float(sum(standing(now[now["site"] == site], LAST_DAY) for site in common)),
    )


def revisions_between(states: pd.DataFrame, names: pd.DataFrame, before: str, now: str) -> Revisions:
    """Return what became of the plans of one vintage of the tables by another."""
    old, new = (states_by_site(states, names, vintage) for vintage in (before, now))
    return plan_revisions(old, new, before, now)


def standing(states: pd.DataFrame, days: Any, column: str = "h100e_8bit") -> Any:
    """Return the last known value up to each day, 0 before the first."""
    rows = states[["date", column]].dropna()
    values = numpy.concatenate([[0.0], rows[column]])
    return values[numpy.searchsorted(day_numbers(rows["date"]), day_numbers(days), side="right")]


def as_days(days: Any) -> numpy.ndarray:
    """Return days as datetime64[D]."""
    return numpy.asarray(days, dtype="datetime64[D]")


def day_numbers(days: Any) -> numpy.ndarray:
    """Return days as numbers, which the library counts in."""
    return as_days(days).astype(numpy.float64)
