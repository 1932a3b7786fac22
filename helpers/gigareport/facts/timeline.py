"""Every large site that is known on one timeline, 2022 to the end of 2027: campuses, and clusters told of elsewhere.

The latest vintage says what stands and what is planned; how far plans are to be trusted is drawn from what became of
those of the vintage before. Two vintages carry only so much: what they leave open is drawn too. A campus need not be
one machine: the largest coherent cluster on it is at least the one that was told of, and the average of its buildings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy
from scipy import stats

from gigacluster.concentration.measures import built
from gigacluster.units import DAYS_PER_MONTH
from gigareport.facts.plans import (
    CAMPUS,
    LAST_DAY,
    Revisions,
    latest_revisions,
    listed_states,
    planned_steps,
    standing,
    told_clusters,
    traits,
    vintages,
)
from gigareport.facts.world import OTHER, Day, as_days, day_numbers, spread
from gigareport.table import Table

if TYPE_CHECKING:
    import pandas as pd


FIRST_DAY = "2022-01-01"
#: A site with less hardly stands yet, and is not drawn. [H100-equivalents by 8-bit peak]
_LEAST_SITE = 5_000.0
#: The owner of a site that nobody names.
NOT_KNOWN = "not known"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Size of every listed site at the first day of each month and at the end, with samples."""

    sites: tuple[str, ...]
    kinds: tuple[str, ...]  # "campus" or "cluster"
    owners: tuple[str, ...]
    users: tuple[str, ...]
    days: numpy.ndarray  # datetime64[D]
    h100e: numpy.ndarray  # (sites, days, samples), by dense 8-bit peak
    buildings: numpy.ndarray  # (sites, days): as planned, at least 1
    told: numpy.ndarray  # (sites, days): the largest cluster on a site that was told of, 0 where none was [H100e]
    step_days: numpy.ndarray  # (sites, steps, samples): day number of each state of a site, inf where it never comes
    step_h100e: numpy.ndarray  # (sites, steps, samples): size of the site from then on
    vintage: str

    def at(self, date: Day, by: Literal["campus", "cluster"] = "campus") -> numpy.ndarray:
        """Size of each site at the last day of the timeline up to a date, shape (sites, samples).

        Before the first day or after the last it is not known: ``nan``.
        """
        day = as_days(date)
        if not self.days[0] <= day <= self.days[-1]:
            return numpy.full_like(self.h100e[:, 0], numpy.nan)
        at = int(numpy.searchsorted(self.days, day, side="right")) - 1
        return self.sizes(by)[:, at]

    def sizes(self, by: Literal["campus", "cluster"]) -> numpy.ndarray:
        """Return whole sites, or the least that the largest coherent cluster on each is, of the shape of ``h100e``."""
        if by == "campus":
            return self.h100e
        told = numpy.minimum(self.told[:, :, None], self.h100e)
        found: numpy.ndarray = numpy.maximum(self.h100e / self.buildings[:, :, None], told)
        return found


def site_timeline(
    states: Table,
    revisions: Revisions,
    made: Day,
    *,
    about: Table | None = None,
    told: Table | None = None,
    days: Any = None,
    samples: int = 1_000,
    seed: int = 7,
) -> Timeline:
    """Draw what every site was, is and will be.

    Parameters
    ----------
    states, about, told : From :mod:`gigareport.facts.plans`: ``listed_states`` and ``traits`` (without a row there a
        site is a campus without a known owner), and ``told_clusters`` on the campuses.
    revisions : From which cancellations, slips and re-estimates are drawn.
    made : When the vintage was made; later states are plans.
    days : The first of each month of 2022 to 2027 and the last day by default.

    Notes
    -----
    A step that waits w windows (the months between the two vintages that the revisions compare; at least one) is kept
    with probability (1 - p)^w, where p is drawn from what the counts leave open (Beta, Jeffreys' prior). Slip and
    re-estimate of a site are drawn together from a site of the revisions, each widened by the error of their mean;
    the slip grows with w, the re-estimate moves all that a site has.
    """
    today = as_days(made)
    names = list(dict.fromkeys(states["site"]))
    months = numpy.arange(FIRST_DAY[:7], "2028-01", dtype="datetime64[M]").astype("datetime64[D]")
    days = numpy.concatenate([months, as_days([LAST_DAY])]) if days is None else as_days(days)
    own = [states.where(states["site"] == name) for name in names]
    stood = [rows.where(rows["date"] <= today) for rows in own]
    past_day, past = _steps(stood)
    planned_day, planned = _steps([planned_steps(rows, made) for rows in own])
    known = numpy.array([standing(rows, days) for rows in stood])
    buildings = numpy.array([numpy.maximum(standing(rows, days, "n_buildings"), 1.0) for rows in own])
    waited = numpy.where(numpy.isfinite(planned_day), planned_day - day_numbers(today), 0.0) / DAYS_PER_MONTH
    windows = numpy.maximum(waited / revisions.window_months, 1.0)[:, :, None]
    left, counted = int(revisions.steps["cancelled"].sum()), len(revisions.steps)
    common = _positions("", 3, samples, seed)
    own_draws = numpy.array([_positions(name, 1 + planned.shape[1], samples, seed) for name in names])
    cancelled = stats.beta.ppf(common[0], left + 0.5, counted - left + 0.5)
    kept = own_draws[:, 1:] < (1 - cancelled) ** windows
    by_site = revisions.by_site
    moved = numpy.column_stack([by_site["slip_months"], by_site["log_ratio"]])
    drawn = moved[numpy.floor(own_draws[:, 0] * len(moved)).astype(int)]
    error = moved.std(axis=0, ddof=1) / numpy.sqrt(len(moved))
    drawn = drawn + error * stats.t.ppf(common[1:], len(moved) - 1).T
    slip = drawn[:, None, :, 0] * windows * DAYS_PER_MONTH
    ratio = numpy.exp(drawn[:, :, 1])
    h100e = built(known, planned_day, planned, day_numbers(days), delay_days=slip, kept=kept, ratio=ratio)
    when = numpy.where(kept, planned_day[:, :, None] + slip, numpy.inf)
    then = numpy.broadcast_to(past_day[:, :, None], (*past_day.shape, samples))
    rows_of = {row["site"]: row for row in about.rows()} if about else {}
    listed = [rows_of.get(name, {}) for name in names]
    return Timeline(
        sites=tuple(names),
        kinds=tuple(row.get("kind") or CAMPUS for row in listed),
        owners=tuple(row.get("owner") or NOT_KNOWN for row in listed),
        users=tuple(row.get("users") or NOT_KNOWN for row in listed),
        days=days,
        h100e=h100e,
        buildings=buildings,
        told=_told(told, names, days),
        step_days=numpy.concatenate([then, when], axis=1),
        step_h100e=numpy.concatenate([past, planned], axis=1)[:, :, None] * ratio[:, None, :],
        vintage=str(states["vintage"][0]),
    )


def _positions(stream: str, count: int, samples: int, seed: int) -> numpy.ndarray:
    """Return rows of numbers in (0, 1), one in each of as many equal parts, which the name of their stream tells.

    A site that is added or left out so moves the draws of no other, and few samples do for a share.
    """
    rng = numpy.random.default_rng([seed, *b"sites", *stream.encode()])
    parts = rng.permuted(numpy.tile(numpy.arange(samples), (count, 1)), axis=1)
    return (parts + rng.uniform(2**-20, 1 - 2**-20, size=parts.shape)) / samples


def _steps(rows: Sequence[Table]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return day numbers and sizes of states, a row a site, filled up by days that never come."""
    width = max(1, max(len(own) for own in rows))
    day, size = numpy.full((len(rows), width), numpy.inf), numpy.zeros((len(rows), width))
    for row, own in enumerate(rows):
        day[row, : len(own)] = day_numbers(own["date"])
        size[row, : len(own)] = own["h100e_8bit"]
    return day, size


def _told(told: Table | None, names: list[str], days: numpy.ndarray) -> numpy.ndarray:
    """Return the largest cluster told of on each site up to each day."""
    sizes = numpy.zeros((len(names), len(days)))
    for site, rows in told.groups("site").items() if told is not None else ():
        if site in names:
            sizes[names.index(site)] = standing(rows, days)
    return sizes


@cache
def latest(samples: int = 1_000, seed: int = 7) -> Timeline:
    """Return the timeline of the latest vintage of ``data/``, its plans as uncertain as the one before turned out."""
    known = {"about": traits(), "told": told_clusters()}
    return site_timeline(listed_states(), latest_revisions(), vintages()[-1], **known, samples=samples, seed=seed)


def by_owner(timeline: Timeline, date: Day, samples: int) -> dict[str, numpy.ndarray]:
    """Size of all listed campuses at a date by owner, those without one under ``Other``, with as many samples as asked.

    Clusters told of elsewhere are left out: nobody lists all of them.
    """
    sizes = timeline.at(date)
    sizes = numpy.take(sizes, numpy.arange(samples) % sizes.shape[1], axis=1)
    pairs = zip(timeline.owners, timeline.kinds, strict=True)
    names = [(OTHER if owner == NOT_KNOWN else owner) if kind == CAMPUS else "" for owner, kind in pairs]
    groups = {name: sizes[[own == name for own in names]].sum(axis=0) for name in dict.fromkeys(names) if name}
    return dict(sorted(groups.items(), key=lambda item: -float(numpy.median(item[1]))))


def largest_at(timeline: Timeline, date: Day, top: int = 5) -> pd.DataFrame:
    """The largest sites at a date: ``site, owner, users, h100e_…, cluster_h100e, largest_share``.

    The last but one is the median of the least that the largest coherent cluster on it is, the last the share of
    samples in which the site is the largest of all that are listed.
    """
    import pandas as pd

    sizes = timeline.at(date)
    table = pd.DataFrame(
        {
            "site": timeline.sites,
            "owner": timeline.owners,
            "users": timeline.users,
            **spread("h100e", sizes),
            "cluster_h100e": numpy.median(timeline.at(date, "cluster"), axis=1),
            "largest_share": (sizes.argmax(axis=0)[None] == numpy.arange(len(sizes))[:, None]).mean(axis=1),
        }
    )
    return table.sort_values("h100e_median", ascending=False, kind="stable").head(top).reset_index(drop=True)


def leading(timeline: Timeline, dates: Sequence[str], top: int, among: Collection[str] = ()) -> list[int]:
    """Return the rows of the sites that are among the largest at any of several dates, by their medians.

    ``among`` keeps to some sites, by name; all if it is empty.
    """
    rows = numpy.array([row for row, site in enumerate(timeline.sites) if not among or site in among], dtype=int)
    sizes = [numpy.median(timeline.at(date)[rows], axis=1) for date in dates]
    return list(dict.fromkeys(int(row) for size in sizes for row in rows[numpy.argsort(-size, kind="stable")[:top]]))


def lines_of(timeline: Timeline, rows: Iterable[int], size: str) -> pd.DataFrame:
    """Return the median size of some sites month by month, to be drawn: ``Date``, ``size``, ``site``.

    A site that hardly stands yet is ``nan``. [H100-equivalents by 8-bit peak]
    """
    import pandas as pd

    middle = numpy.median(timeline.h100e, axis=2)
    height = numpy.where(middle > _LEAST_SITE, middle, numpy.nan)
    dates = pd.to_datetime(timeline.days)
    parts = [pd.DataFrame({"Date": dates, size: height[row], "site": timeline.sites[row]}) for row in rows]
    return pd.concat(parts, ignore_index=True)
