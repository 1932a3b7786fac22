"""Every large site known by name on one timeline, 2022 to the end of 2027, and any scenario dropped in among them.

The latest vintage says what stands and what is planned; how far plans are to be trusted is drawn from what became of
those of the vintage before. Two vintages carry only so much: what they leave open is drawn too. A site is a campus; the
average of its buildings is the least that one coherent cluster on it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy
import pandas as pd

from gigacluster.arrays import Samples
from gigacluster.concentration.timeline import Place, built, place
from gigacluster.uncertainty import interval
from gigareport import catalog
from gigareport.facts.plans import (
    DAYS_PER_MONTH,
    LAST_DAY,
    OWNERS_OF_SITES,
    Revisions,
    as_days,
    current_states,
    day_numbers,
    plan_revisions,
    revisions_between,
    standing,
    states_by_site,
    vintages,
)
from gigareport.facts.world import OTHER, Day

__all__ = [
    "LAST_DAY",
    "Timeline",
    "by_owner",
    "drop_in",
    "largest_at",
    "latest",
    "leaders",
    "place_in_words",
    "predicted",
    "same_site",
    "site_timeline",
]

FIRST_DAY = "2022-01-01"
#: The owner of a site that the publisher does not name.
NOT_KNOWN = "not known"
#: Bundled scenarios that are a listed site themselves.
_SITES_OF_SCENARIOS = {"xai-colossus-2024": ("Colossus 1",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Size of every listed site at the first day of each month and at the end, with samples."""

    sites: tuple[str, ...]
    owners: tuple[str, ...]
    users: tuple[str, ...]
    days: numpy.ndarray  # datetime64[D]
    h100e: numpy.ndarray  # (sites, days, samples), by dense 8-bit peak
    buildings: numpy.ndarray  # (sites, days): as planned, at least 1
    vintage: str

    def at(self, date: Day, by: Literal["campus", "building"] = "campus") -> numpy.ndarray:
        """Size of each site at the last day of the timeline up to a date, shape (sites, samples).

        Before the first day or after the last it is not known: ``nan``.
        """
        day = numpy.datetime64(str(date)[:10], "D")
        if not self.days[0] <= day <= self.days[-1]:
            return numpy.full_like(self.h100e[:, 0], numpy.nan)
        at = int(numpy.searchsorted(self.days, day, side="right")) - 1
        return self.sizes(by)[:, at]

    def sizes(self, by: Literal["campus", "building"]) -> numpy.ndarray:
        """Return whole campuses, or the average of their buildings, of the shape of ``h100e``."""
        return self.h100e if by == "campus" else self.h100e / self.buildings[:, :, None]


def site_timeline(
    states: pd.DataFrame,
    sites: pd.DataFrame,
    revisions: Revisions,
    made: Any,
    *,
    days: Any = None,
    samples: int = 2_000,
    seed: int = 7,
) -> Timeline:
    """Draw what every site of a vintage was, is and will be.

    Parameters
    ----------
    states : DataFrame
        From :func:`states_by_site`.
    sites : DataFrame
        Rows of table ``sites`` of the same vintage; a site without a row has no known owner.
    revisions : Revisions
        From which cancellations, slips and re-estimates are drawn.
    made : date, Timestamp or str
        When the vintage was made; later states are plans.
    days : array of datetime64, optional
        Days of the timeline; the first of each month of 2022 to 2027 and the last day by default.
    samples, seed : int

    Notes
    -----
    A step that waits w windows (the months between the two vintages that the revisions compare; at least one) is kept
    with probability (1 - p)^w, where p is drawn from what the counts leave open (Beta, Jeffreys' prior). Slip and
    re-estimate of a site are drawn together from a site of the revisions, each widened by the error of their mean;
    the slip grows with w, the re-estimate moves all that a site has.
    """
    rng = numpy.random.default_rng([seed, *b"sites"])
    today = pd.Timestamp(made)
    names = list(dict.fromkeys(states["site"]))
    months = numpy.arange(FIRST_DAY[:7], "2028-01", dtype="datetime64[M]").astype("datetime64[D]")
    days = numpy.concatenate([months, as_days([LAST_DAY])]) if days is None else as_days(days)
    steps = {name: _plan(states[states["site"] == name], today) for name in names}
    width = max(1, max(len(plan) for plan in steps.values()))
    planned_day = numpy.full((len(names), width), numpy.inf)
    planned = numpy.zeros((len(names), width))
    known, buildings = numpy.zeros((len(names), len(days))), numpy.ones((len(names), len(days)))
    for row, name in enumerate(names):
        own = states[states["site"] == name]
        past = own[own["date"] <= today]
        known[row] = standing(past, days)
        buildings[row] = numpy.maximum(standing(own, days, "n_buildings"), 1.0)
        plan = steps[name]
        planned_day[row, : len(plan)] = day_numbers(plan["date"])
        planned[row, : len(plan)] = plan["h100e_8bit"]
    waited = numpy.where(numpy.isfinite(planned_day), planned_day - day_numbers([today])[0], 0.0) / DAYS_PER_MONTH
    windows = numpy.maximum(waited / revisions.window_months, 1.0)[:, :, None]
    left, counted = int(revisions.steps["cancelled"].sum()), len(revisions.steps)
    cancelled = rng.beta(left + 0.5, counted - left + 0.5, samples)
    kept = rng.uniform(size=(len(names), width, samples)) < (1 - cancelled) ** windows
    moved = revisions.by_site.to_numpy()
    drawn = moved[rng.integers(len(moved), size=(len(names), samples))]
    error = moved.std(axis=0, ddof=1) / numpy.sqrt(len(moved))
    drawn = drawn + error * rng.standard_t(len(moved) - 1, size=(1, samples, 2))
    slip = drawn[:, None, :, 0] * windows * DAYS_PER_MONTH
    h100e = built(
        known, planned_day, planned, day_numbers(days), delay_days=slip, kept=kept, ratio=numpy.exp(drawn[:, :, 1])
    )
    traits = sites.set_index("data_center")
    owners, users = (traits[name].reindex(names).fillna(NOT_KNOWN).tolist() for name in ("owner", "users"))
    return Timeline(
        sites=tuple(names),
        owners=tuple(owners),
        users=tuple(users),
        days=days,
        h100e=h100e,
        buildings=buildings,
        vintage=str(states["vintage"].iloc[0]),
    )


@cache
def latest(samples: int = 2_000, seed: int = 7) -> Timeline:
    """Return the timeline of the latest vintage of ``data/``, its plans as uncertain as the one before turned out."""
    states, names, sites = (catalog.load(name) for name in ("data_center_timelines", "site_names", "sites"))
    before, now = vintages()[-2:]
    revisions = revisions_between(states, names, before, now)
    return site_timeline(current_states(), sites[sites["vintage"] == now], revisions, now, samples=samples, seed=seed)


def drop_in(
    timeline: Timeline,
    h100e_8bit: Samples,
    start: Day,
    *,
    without: Sequence[str] = (),
    by: Literal["campus", "building"] = "campus",
) -> Place:
    """Drop a cluster in among the listed sites: its rank at each date, and its months of lead.

    Parameters
    ----------
    timeline : Timeline
    h100e_8bit : float or array, shape (samples,)
        Its size by dense 8-bit peak.
    start : date, Timestamp or str, or array of datetime64, shape (samples,)
        When it starts.
    without : sequence of str, default ()
        Sites that are no rivals, such as the cluster itself.
    by : {"campus", "building"}, default "campus"
        Against whole campuses, or against the average of their buildings.

    Returns
    -------
    Place
        ``rank`` of shape (days of the timeline, samples); ``mean(rank == 1)`` at a date is the probability of being
        the largest among the listed sites.

    Raises
    ------
    ValueError
        If a site to leave out is not listed.

    Examples
    --------
    >>> found = drop_in(latest(samples=100), 100_000.0, "2024-09-02", without=["Colossus 1"])
    >>> found.rank.shape[1]
    100
    """
    if unknown := [name for name in without if name not in timeline.sites]:
        raise ValueError(f"no listed site is called {', '.join(unknown)}; the sites are: {', '.join(timeline.sites)}")
    rivals = [i for i, name in enumerate(timeline.sites) if name not in without]
    started = as_days(start if isinstance(start, numpy.ndarray) else str(start)[:10])
    return place(h100e_8bit, day_numbers(started), timeline.sizes(by)[rivals], day_numbers(timeline.days))


def same_site(scenario_name: str) -> tuple[str, ...]:
    """Return the listed site that a scenario's cluster is, so that it is no rival of its own; none where it is new.

    Examples
    --------
    >>> same_site("xai-colossus-2024"), same_site("startup-512-2025")
    (('Colossus 1',), ())
    """
    return _SITES_OF_SCENARIOS.get(scenario_name, ())


def place_in_words(found: Place, timeline: Timeline, start: Day) -> str:
    """Say in Markdown where a dropped-in cluster stands at its start, and for how long it leads."""
    day = numpy.datetime64(str(start)[:10], "D")
    at = int(numpy.searchsorted(timeline.days, day))
    if not (timeline.days[0] <= day and at < len(timeline.days)):
        return f"The timeline runs from {timeline.days[0]} to {timeline.days[-1]}; the cluster starts on {day}."
    rank, lead = interval(found.rank[at]), interval(found.lead_months)
    still = float(numpy.mean(found.still_ahead == 1.0))
    longer = f"; in {still:.0%} of samples it still leads on {timeline.days[-1]}" if still else ""
    return (
        f"Among the {len(timeline.sites)} listed sites the cluster is the largest at its start with a probability of "
        f"**{float(numpy.mean(found.rank[at] == 1.0)):.0%}** (rank {rank.median:.0f}, {rank.low:.0f} to "
        f"{rank.high:.0f}), and leads for **{lead.median:.0f} months** ({lead.low:.0f} to {lead.high:.0f}){longer}."
    )


def by_owner(timeline: Timeline, date: Day, samples: int) -> dict[str, numpy.ndarray]:
    """Size of all listed sites at a date by owner, sites without one under ``Other``, with as many samples as asked."""
    sizes = timeline.at(date)
    sizes = numpy.take(sizes, numpy.arange(samples) % sizes.shape[1], axis=1)
    names = [OTHER if owner == NOT_KNOWN else OWNERS_OF_SITES.get(owner, owner) for owner in timeline.owners]
    groups = {name: sizes[[own == name for own in names]].sum(axis=0) for name in dict.fromkeys(names)}
    return dict(sorted(groups.items(), key=lambda item: -float(numpy.median(item[1]))))


def largest_at(timeline: Timeline, date: Day, top: int = 5) -> pd.DataFrame:
    """The largest sites at a date.

    Returns
    -------
    DataFrame
        ``site, owner, users, h100e_p5, h100e_median, h100e_p95, largest_share``: the last is the share of samples in
        which it is the largest of all that are listed.
    """
    sizes = timeline.at(date)
    low, median, high = numpy.quantile(sizes, [0.05, 0.5, 0.95], axis=1)
    first = (sizes.argmax(axis=0)[None] == numpy.arange(len(sizes))[:, None]).mean(axis=1)
    table = pd.DataFrame({"site": timeline.sites, "owner": timeline.owners, "users": timeline.users})
    table = table.assign(h100e_p5=low, h100e_median=median, h100e_p95=high, largest_share=first)
    return table.sort_values("h100e_median", ascending=False, kind="stable").head(top).reset_index(drop=True)


def leaders(timeline: Timeline, top: int = 4) -> list[int]:
    """Return the rows of the sites that are ever the largest, and of the largest at the end, by their medians."""
    middle = numpy.median(timeline.h100e, axis=2)
    first = middle.argmax(axis=0)[middle.max(axis=0) > 0]
    last = numpy.argsort(-middle[:, -1], kind="stable")[:top]
    return list(dict.fromkeys([*first.tolist(), *last.tolist()]))


def predicted(states: pd.DataFrame, names: pd.DataFrame, before: str, now: str, dates: Sequence[str]) -> pd.DataFrame:
    """Score plans with all but one site's revisions: predict each site's size from the earlier vintage, then look.

    Returns
    -------
    DataFrame
        ``site, date, low, median, high, outcome, inside``: the outcome is what the later vintage says of the date.
    """
    old, new = (states_by_site(states, names, vintage) for vintage in (before, now))
    whole = plan_revisions(old, new, before, now)
    rows = []
    nobody = pd.DataFrame({"data_center": [], "owner": [], "users": []}, dtype=object)
    for site in sorted(set(old["site"]) & set(new["site"])):
        others = replace(whole, steps=whole.steps[whole.steps["site"] != site])
        drawn = site_timeline(old[old["site"] == site], nobody, others, before, days=dates)
        for date, size in zip(dates, drawn.h100e[0], strict=True):
            low, median, high = numpy.quantile(size, [0.05, 0.5, 0.95])
            outcome = float(standing(new[new["site"] == site], date))
            if outcome > 0 or high > 0:
                rows.append((site, pd.Timestamp(date), low, median, high, outcome, low <= outcome <= high))
    return pd.DataFrame(rows, columns=["site", "date", "low", "median", "high", "outcome", "inside"])


def _plan(states: pd.DataFrame, today: pd.Timestamp) -> pd.DataFrame:
    """Return the planned steps that raise a site above all it had before."""
    record = states["h100e_8bit"].cummax().shift(fill_value=0.0)
    return states[(states["date"] > today) & (states["h100e_8bit"] > record)]
