"""Large sites on one timeline: what plans become, and where one more cluster stands among them.

Days are numbers of days since any one day; sites lie along axis 0, dates along axis 1, samples along the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import AnyArray, Array, Samples, as_common

#: Days of an average month.
_DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster stands among rivals.

    ``rank`` of shape (dates, samples) is 1 for the largest and ``nan`` before the cluster starts. ``lead_months`` of
    shape (samples,) runs from its start to the first date at which a rival is as large: 0 where one is so at the
    start, ``nan`` where the dates do not hold the start. ``still_ahead`` is 1 where no rival is as large by the last
    date, so that the lead is at least that long.
    """

    rank: Any
    lead_months: Any
    still_ahead: Any


def built(
    known: Array, planned_day: Array, planned: Array, day: Array, *, delay_days: Array, kept: AnyArray, ratio: Array
) -> Any:
    """Size of each site at dates, from what stands and what is planned: three things may happen to a plan.

    Parameters
    ----------
    known : shape (sites, dates). What stands at each date without any plan, any unit.
    planned_day : shape (sites, steps). Day of each planned step; ``inf`` where a site has fewer steps. [day]
    planned : shape (sites, steps). Size of the site after each step, in the same unit.
    day : shape (dates,). [day]
    delay_days : shape (sites, steps, samples). Slip: how much later the step comes. [day]
    kept : shape (sites, steps, samples). Cancellation: 1 where the step is built, 0 where it left the plan.
    ratio : shape (sites, samples). Re-estimate: true size over the estimate, of all that a site has.

    Returns
    -------
    array, shape (sites, dates, samples)

    Examples
    --------
    >>> from numpy import ones
    >>> one = dict(delay_days=[[[30.0]]], kept=ones((1, 1, 1)), ratio=[[2.0]])
    >>> built([[5.0, 5.0]], [[100.0]], [[8.0]], [120.0, 140.0], **one)[0, :, 0].tolist()
    [10.0, 16.0]
    """
    xp, (known, planned_day, planned, day, delay, kept, ratio) = as_common(
        known, planned_day, planned, day, delay_days, kept, ratio
    )
    size = xp.broadcast_to(known[:, :, None], (*known.shape, ratio.shape[-1]))
    for step in range(planned.shape[1]):  # a handful of steps; all sites, dates and samples at once
        done = planned_day[:, step, None] + delay[:, step, :]
        there = (done[:, None, :] <= day[None, :, None]) & (kept[:, step, :][:, None, :] > 0)
        size = xp.where(there, xp.maximum(size, planned[:, step][:, None, None]), size)
    return size * ratio[:, None, :]


def place(size: Samples, start_day: Samples, rivals: Array, day: Samples) -> Place:
    """Say where a cluster of a size stands among rivals from its start on.

    Parameters
    ----------
    size : shape (samples,). Its size, in the unit of the rivals.
    start_day : shape (samples,). When it starts. [day]
    rivals : shape (sites, dates, samples). Size of each rival, as from :func:`built`.
    day : shape (dates,). Dates, rising. [day]

    Returns
    -------
    Place
        Rank at each date, and the months of lead, read to the step of the dates.

    Examples
    --------
    >>> found = place(7.0, 0.0, [[[5.0], [5.0], [9.0]]], [0.0, 30.4375, 60.875])
    >>> found.rank[:, 0].tolist(), found.lead_months.tolist(), found.still_ahead.tolist()
    ([1.0, 1.0, 2.0], [2.0], [0.0])
    """
    xp, (size, start, rivals, day) = as_common(size, start_day, rivals, day)
    dates, samples = rivals.shape[1:]
    size, start = (xp.broadcast_to(value, (samples,)) for value in (size, start))
    one, nan = xp.ones_like(size), xp.full_like(size, xp.nan)
    running = day[:, None] >= start[None, :]
    ahead = xp.sum(xp.where(rivals > size[None, None, :], one, 0.0), axis=0)
    rank = xp.where(running, 1.0 + ahead, xp.nan)
    matched = running & xp.any(rivals >= size[None, None, :], axis=0)
    first = xp.min(xp.where(matched, day[:, None], xp.inf), axis=0)
    still = ~xp.any(matched, axis=0)
    inside = (start >= day[0]) & (start <= day[-1])
    at_start = xp.min(xp.where(running, day[:, None], xp.inf), axis=0)
    end = xp.where(still, day[-1], first)
    lead = xp.where(first == at_start, 0.0, xp.clip(end - start, 0.0, None) / _DAYS_PER_MONTH)
    return Place(
        rank=rank,
        lead_months=xp.where(inside, lead, nan),
        still_ahead=xp.where(inside, xp.where(still, one, 0.0), nan),
    )
