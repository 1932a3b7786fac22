"""Measures of concentration: how unequally a total is held.

Every measure takes ``holdings`` with the owners along axis 0 and returns an array of the remaining axes, so that
samples along the last axis give a sample of the measure. Holdings are turned into shares inside; their unit drops
out. ``counts`` says how many alike owners a row stands for (grouped data): holdings are per owner of the row.

What is undefined is ``nan``: an infinite or missing holding anywhere among a column's owners, or a column whose owners
all hold nothing. Negative holdings, a mapping of names and no owners at all are errors. One owner is a monopoly; ties
need no rule, because no measure here depends on the order of equal holdings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gigacluster.arrays import Array, Samples, as_common

#: The Herfindahl-Hirschman index of a monopoly.
HHI_OF_MONOPOLY = 10_000.0


def hhi(holdings: Array, counts: Samples = 1.0) -> Any:
    """Herfindahl-Hirschman index, from near 0 (many small owners) to 10,000 (one owner).

    Parameters
    ----------
    holdings : shape (owners, ...). What each owner holds, at least 0, in any unit.
    counts : float or array, shape (owners,) or that of ``holdings``, default 1
        How many alike owners each row stands for, at least 0. [1]

    Returns
    -------
    array, shape (...)
        10,000 times the sum of squared shares. [1]

    Raises
    ------
    ValueError
        If there is no axis of owners, no owner on it, a negative holding, or ``counts`` does not fit.
    TypeError
        If ``holdings`` is a mapping.

    Notes
    -----
    See the module for what gives ``nan``. Source: data/sources.csv, id ``us-merger-guidelines-2023``.

    Examples
    --------
    >>> round(float(hhi([30.0, 30.0, 40.0])), 6)
    3400.0
    """
    xp, share, count, defined = _shares(holdings, counts)
    return xp.where(defined, HHI_OF_MONOPOLY * xp.sum(count * share**2, axis=0), xp.nan)


def top_share(holdings: Array, k: int | Sequence[int], counts: Samples = 1.0) -> Any:
    """Share of the total held by the ``k`` largest owners; all of it if there are no more than ``k``.

    Parameters
    ----------
    holdings, counts
        As for :func:`hhi`.
    k : int or sequence of int
        Number of owners, at least 1. Several numbers give several shares, along a new axis 0.

    Returns
    -------
    array, shape (...) or (len(k), ...)
        [1]

    Examples
    --------
    >>> float(top_share([50.0, 30.0, 15.0, 5.0], 2))
    0.8
    """
    several = k if isinstance(k, Sequence) else (k,)
    if any(number != int(number) or number < 1 for number in several):
        raise ValueError(f"k is {k!r}; it must be a whole number of owners, at least 1")
    xp, share, count, defined = _shares(holdings, counts)
    order = xp.argsort(-share, axis=0)
    share, count = (xp.take_along_axis(values, order, axis=0) for values in (share, count))
    before = xp.cumulative_sum(count, axis=0) - count
    shares = []
    for number in several:
        taken = xp.minimum(xp.clip(float(number) - before, 0.0, None), count)
        shares.append(xp.where(defined, xp.sum(share * taken, axis=0), xp.nan))
    return xp.stack(shares) if isinstance(k, Sequence) else shares[0]


def gini(holdings: Array, counts: Samples = 1.0, *, zero_owners: bool = True) -> Any:
    """Gini coefficient, from 0 (all hold alike) to 1 - 1/owners (one holds all).

    Parameters
    ----------
    holdings, counts
        As for :func:`hhi`.
    zero_owners : Count owners that hold nothing. Adding such an owner raises the coefficient, so say which was used.

    Returns
    -------
    array, shape (...)
        Twice the area between the Lorenz curve and the diagonal, of the population (no small-sample correction). [1]

    Examples
    --------
    >>> float(gini([1.0, 3.0])), float(gini([0.0, 1.0, 3.0], zero_owners=False))
    (0.25, 0.25)
    """
    xp, population, held, defined = _lorenz(holdings, counts, zero_owners)
    area = xp.sum((population[1:, ...] - population[:-1, ...]) * (held[1:, ...] + held[:-1, ...]), axis=0)
    return xp.where(defined, xp.clip(1.0 - area, 0.0, None), xp.nan)  # rounding may leave -1e-16 for equal owners


def lorenz(holdings: Array, counts: Samples = 1.0, *, zero_owners: bool = True) -> tuple[Any, Any]:
    """Lorenz curve: the share of the total held by the smallest share of the owners.

    Returns
    -------
    population, held : arrays, shape (owners + 1, ...)
        Cumulative shares of owners and of holdings, smallest owners first, both from 0 to 1. [1]

    Examples
    --------
    >>> [values.tolist() for values in lorenz([3.0, 1.0])]
    [[0.0, 0.5, 1.0], [0.0, 0.25, 1.0]]
    """
    xp, population, held, defined = _lorenz(holdings, counts, zero_owners)
    return xp.where(defined, population, xp.nan), xp.where(defined, held, xp.nan)


def _shares(holdings: Array, counts: Samples) -> tuple[Any, Any, Any, Any]:
    """Return ``(xp, share of one owner of each row, owners in each row, whether the column is defined)``."""
    if isinstance(holdings, Mapping):
        raise TypeError("holdings is a mapping; give its values, as in hhi(list(holdings.values()))")
    xp, (x, count) = as_common(holdings, counts)
    if bool(xp.any(x < 0)):
        raise ValueError(f"holdings has the negative value {float(xp.min(x)):g}; what an owner holds is 0 or more")
    if x.ndim == 0 or x.shape[0] == 0:
        raise ValueError(f"holdings has the shape {tuple(x.shape)}; it needs at least one owner along axis 0")
    if count.ndim == 1 and x.ndim > 1:
        count = xp.reshape(count, (-1,) + (1,) * (x.ndim - 1))
    if count.ndim not in (0, x.ndim) or (count.ndim and count.shape[0] != x.shape[0]):
        raise ValueError(
            f"counts has the shape {tuple(count.shape)} and holdings {tuple(x.shape)}; give one count, one an owner, "
            "or one a holding"
        )
    count = xp.broadcast_to(count, x.shape)
    good = xp.isfinite(x) & (x >= 0) & xp.isfinite(count) & (count >= 0)
    defined = xp.all(good, axis=0) & xp.any((x > 0) & (count > 0), axis=0)
    x, count = xp.where(defined, x, 1.0), xp.where(defined, count, 1.0)
    relative = x / xp.max(xp.where(count > 0, x, 0.0), axis=0)  # the largest owner is 1, so that no sum overflows
    relative = xp.where(count > 0, relative, 0.0)
    return xp, relative / xp.sum(count * relative, axis=0), count, defined


def _lorenz(holdings: Array, counts: Samples, zero_owners: bool) -> tuple[Any, Any, Any, Any]:
    xp, share, count, defined = _shares(holdings, counts)
    if not zero_owners:
        count = xp.where(share > 0, count, 0.0)
    order = xp.argsort(share, axis=0)
    share, count = (xp.take_along_axis(values, order, axis=0) for values in (share, count))
    start = xp.zeros_like(share[:1, ...])
    population = xp.concat([start, xp.cumulative_sum(count, axis=0)], axis=0)
    held = xp.concat([start, xp.cumulative_sum(count * share, axis=0)], axis=0)
    return xp, population / population[-1:, ...], held / held[-1:, ...], defined


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
