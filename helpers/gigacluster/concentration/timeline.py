"""Large sites on one timeline: what plans become, and where one more cluster stands among them.

Days are numbers of days since any one day; sites lie along axis 0, dates along axis 1, samples along the last axis.
"""

from __future__ import annotations

from typing import Any

from gigacluster.arrays import Array, Samples, as_common


def built(
    known: Array, planned_day: Array, planned: Array, day: Array, *, delay_days: Array, kept: Any, ratio: Array
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


def rank(size: Samples, start_day: Samples, rivals: Array, day: Samples) -> Any:
    """Return the rank of a cluster of a size among rivals, from its start on.

    Parameters
    ----------
    size : shape (samples,). Its size, in the unit of the rivals.
    start_day : shape (samples,). When it starts. [day]
    rivals : shape (sites, dates, samples). Size of each rival, as from :func:`built`.
    day : shape (dates,). Dates, rising. [day]

    Returns
    -------
    array, shape (dates, samples)
        1 for the largest; ``nan`` before the start.

    Examples
    --------
    >>> rank(7.0, 30.0, [[[5.0], [5.0], [9.0]]], [0.0, 30.0, 61.0])[:, 0].tolist()
    [nan, 1.0, 2.0]
    """
    xp, (size, start, rivals, day) = as_common(size, start_day, rivals, day)
    samples = rivals.shape[-1]
    size, start = (xp.broadcast_to(value, (samples,)) for value in (size, start))
    one = xp.ones_like(size)
    ahead = xp.sum(xp.where(rivals > size[None, None, :], one, 0.0), axis=0)
    return xp.where(day[:, None] >= start[None, :], one + ahead, xp.nan)
