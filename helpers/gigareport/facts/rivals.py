"""Where a cluster stands among the listed sites of others: its rank, and for how long it leads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy

from gigacluster import race
from gigacluster.arrays import Samples
from gigacluster.concentration.measures import rank
from gigacluster.uncertainty import interval
from gigacluster.units import DAYS_PER_YEAR
from gigareport import words
from gigareport.facts.plans import CLUSTER, of_others
from gigareport.facts.timeline import Timeline, latest
from gigareport.facts.world import Day, Days, as_days, day_numbers


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster stands among rivals.

    ``rank`` of shape (days of the timeline, samples) is 1 for the largest and ``nan`` before the cluster starts.
    ``lead_months`` of shape (samples,) runs from its start to the day on which a rival is as large; it is negative
    where one was so before. ``still_ahead`` is 1 where no rival is as large by the last day of the timeline.
    """

    rank: numpy.ndarray
    lead_months: numpy.ndarray
    still_ahead: numpy.ndarray


def in_years(days: Any) -> Any:
    """Return days as years, such as 2024.67.

    Examples
    --------
    >>> float(in_years(numpy.datetime64("2000-01-01")))
    2000.0
    """
    return _year(day_numbers(days))


def _year(day_number: Samples) -> Any:
    return 2000.0 + (day_number - day_numbers("2000-01-01")) / DAYS_PER_YEAR


def reached(timeline: Timeline, owner: str, by: Literal["campus", "cluster"] = "campus") -> tuple[Any, Any]:
    """Return when the sites of others reached each size that none of them had before.

    Parameters
    ----------
    owner : Whose own sites are no rivals; empty: every site is one.
    by : By whole sites, to the day; or by the least that the largest coherent cluster on each is, to the month.

    Returns
    -------
    (year, h100e) : arrays, shape (n, samples)
        In the order of time, the last at the end of the timeline: no larger one came until then. A sample with fewer
        sizes than others repeats its last.
    """
    others = numpy.isin(timeline.sites, of_others(owner))
    if by == "campus":
        days, sizes = timeline.step_days[others], timeline.step_h100e[others]
    else:
        sizes = timeline.sizes(by)[others]
        days = numpy.broadcast_to(day_numbers(timeline.days)[None, :, None], sizes.shape)
    samples = sizes.shape[-1]
    last = float(day_numbers(timeline.days[-1]))
    days, sizes = days.reshape(-1, samples), numpy.where(days <= last, sizes, 0.0).reshape(-1, samples)
    days = numpy.minimum(days, last)
    order = numpy.argsort(days, axis=0, kind="stable")
    days, sizes = numpy.take_along_axis(days, order, 0), numpy.take_along_axis(sizes, order, 0)
    most = numpy.maximum.accumulate(sizes, axis=0)
    rises = most > numpy.concatenate([numpy.zeros((1, samples)), most[:-1]])
    place = numpy.cumsum(rises, axis=0) - 1
    rows, columns = numpy.nonzero(rises)
    shape = (int(place.max()) + 2, samples)
    day, h100e = numpy.full(shape, last), numpy.broadcast_to(most[-1], shape).copy()
    day[place[rows, columns], columns], h100e[place[rows, columns], columns] = days[rows, columns], most[rows, columns]
    return _year(day), h100e


@cache
def latest_reached(owner: str) -> tuple[Any, Any]:
    """Return :func:`reached` for the latest timeline, which every scenario of an owner shares."""
    return reached(latest(), owner)


def drop_in(
    timeline: Timeline,
    h100e_8bit: Samples,
    start: Days,
    *,
    owner: str = "",
    by: Literal["campus", "cluster"] = "campus",
    growth_per_year: Samples = 2.5,
) -> Place:
    """Drop a cluster in among the listed sites of others: its rank at each date, and its months of lead.

    Parameters
    ----------
    h100e_8bit, start : Its size by dense 8-bit peak, and when it starts: one, or one a sample.
    owner : Whose own sites, the cluster among them, are no rivals.
    by : Against whole sites, or against the largest coherent cluster that each is known to hold.
    growth_per_year : Of the largest site after the end of the timeline, a factor. [1/year] Source: ``pilz-2025``.

    Returns
    -------
    Place
        ``mean(rank == 1)`` at a date is the probability of being the largest among the listed sites.

    Examples
    --------
    >>> found = drop_in(latest(samples=100), 100_000.0, "2024-09-02", owner="xAI")
    >>> found.rank.shape[1]
    100
    """
    others = numpy.isin(timeline.sites, of_others(owner))
    started = as_days(start)
    ranks = rank(h100e_8bit, day_numbers(started), timeline.sizes(by)[others], day_numbers(timeline.days))
    year, sizes = reached(timeline, owner, by)
    matched = race.matched_year(year, sizes, numpy.asarray(h100e_8bit, dtype=float), growth_per_year)
    inside = (started >= timeline.days[0]) & (started <= timeline.days[-1])
    lead = numpy.broadcast_to(12.0 * (matched - in_years(started)), matched.shape)
    return Place(
        rank=ranks,
        lead_months=numpy.where(inside, lead, numpy.nan),
        still_ahead=numpy.where(sizes[-1] < h100e_8bit, 1.0, 0.0),
    )


def place_in_words(found: Place, timeline: Timeline, start: Day) -> str:
    """Say where a dropped-in cluster stands at its start, and for how long it leads."""
    day = as_days(start)
    at = int(numpy.searchsorted(timeline.days, day))
    if not (timeline.days[0] <= day and at < len(timeline.days)):
        return f"The timeline runs from {timeline.days[0]} to {timeline.days[-1]}; the cluster starts on {day}."
    rank_now, lead = interval(found.rank[at]), interval(found.lead_months)
    still = float(numpy.mean(found.still_ahead))
    longer = f" In {words.share(still)} of samples no listed site is as large by {timeline.days[-1]}." if still else ""
    clusters = timeline.kinds.count(CLUSTER)
    months = words.interval(lead.low, lead.median, lead.high, "month")
    led = f"another is as large {months} after it is complete{'' if lead.low > 0 else ' (negative: before)'}"
    return (
        f"Among {len(timeline.sites) - clusters} listed campuses and {clusters} clusters told of elsewhere, those of "
        f"its owner left out, the cluster is the largest at its start with a probability of "
        f"{words.share(float(numpy.mean(found.rank[at] == 1.0)))} (rank {rank_now.median:.0f}, {rank_now.low:.0f} to "
        f"{rank_now.high:.0f}); {led}.{longer}"
    )
