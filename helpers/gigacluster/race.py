"""The race: how fast the largest clusters grow, how long a lead lasts, and when to start a run.

Growth is a factor a year (2.5 means 2.5 times as much after a year). Dates are in years, such as 2024.67.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from scipy import stats

from gigacluster.arrays import Array, Samples, as_common
from gigacluster.limits import POSITIVE, Limit, NonNegative, Positive, admit, checked

#: What a rate of growth may be: a factor a year.
GROWING = Limit(1.0, math.inf, "above 1 (a factor a year, such as 2.5)", low_included=False, high_included=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Growth:
    """An exponential trend: value(t) = value_at_centre * per_year ** (t - centre_year)."""

    #: Factor a year, with the ends of its confidence interval. [1/year]
    per_year: Array
    low_per_year: Array
    high_per_year: Array
    #: Where the points have their mean date, and the trend there.
    centre_year: Array
    value_at_centre: Array
    #: Standard deviation of the points around the trend, in natural logarithm; standard error of ln(per_year).
    scatter: Array
    standard_error: Array
    n_points: int
    coverage: float

    @property
    def doubling_months(self) -> Array:
        """Months in which the trend doubles."""
        return doubling_months(self.per_year)

    def at(self, year: Samples) -> Array:
        """Return the trend at a date."""
        return self.value_at_centre * self.per_year ** (year - self.centre_year)


def growth(dates_year: Array, values: Array, *, coverage: float = 0.9) -> Growth:
    """Fit an exponential trend by least squares on the logarithm.

    Parameters
    ----------
    dates_year : shape (n,). Dates, such as 2024.67. [year]
    values : shape (n,) or (n, samples). Positive values of any unit; ``nan`` is not allowed, leave such points out.
    coverage : Coverage of the interval of the growth rate.

    Returns
    -------
    Growth
        Its fields have shape () or (samples,).

    Raises
    ------
    ValueError
        If there are fewer than 3 points.

    Notes
    -----
    The interval takes the points as independent around one trend. Clusters that set records, or that were chosen by
    their rank at entry, are not: say which subset was taken, and show another beside it.

    Examples
    --------
    >>> import numpy
    >>> trend = growth(numpy.asarray([2020.0, 2021.0, 2022.0]), numpy.asarray([1.0, 2.5, 6.25]))
    >>> round(float(trend.per_year), 6)
    2.5
    """
    xp, (years, sizes) = as_common(dates_year, values)
    n = years.shape[0] if years.ndim == 1 else 0
    if n < 3 or sizes.shape[0] != n:
        raise ValueError(
            f"a trend needs 3 or more dates of shape (n,) and as many values; got dates {years.shape} and values "
            f"{sizes.shape}"
        )
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage}")
    logs = xp.log(xp.where(sizes > 0, sizes, xp.nan))
    centre = xp.mean(years)
    from_centre = years - centre
    if sizes.ndim == 2:
        from_centre = xp.reshape(from_centre, (n, 1))
    spread = xp.sum(from_centre**2)
    slope = xp.sum(from_centre * logs, axis=0) / spread
    level = xp.mean(logs, axis=0)
    residual = logs - level - from_centre * slope
    scatter = xp.sqrt(xp.sum(residual**2, axis=0) / (n - 2))
    standard_error = scatter / xp.sqrt(spread)
    half = float(stats.t.ppf((1 + coverage) / 2, n - 2)) * standard_error
    return Growth(
        per_year=xp.exp(slope),
        low_per_year=xp.exp(slope - half),
        high_per_year=xp.exp(slope + half),
        centre_year=centre,
        value_at_centre=xp.exp(level),
        scatter=scatter,
        standard_error=standard_error,
        n_points=n,
        coverage=coverage,
    )


def doubling_months(growth_per_year: Samples) -> Array:
    """Return the months in which something growing by this factor a year doubles: 12 ln 2 / ln g.

    Examples
    --------
    >>> round(float(doubling_months(2.5)), 2)
    9.08
    """
    return lead_months(2.0, growth_per_year)


def lead_months(size_ratio: Positive, growth_per_year: Annotated[Samples, GROWING]) -> Array:
    """Return the months until a lead is matched: 12 ln(ratio) / ln(growth).

    Parameters
    ----------
    size_ratio : Size of the leader over the rival's, above 0; below 1 gives the months that it lags, negative. [1]
    growth_per_year : Growth of the rival, above 1. [1/year]

    Returns
    -------
    Array
        [month] Elements out of range are ``nan``: a rival that does not grow never matches a lead.

    Notes
    -----
    The leader is taken as standing still. Source: data/sources.csv, id ``pilz-2025``, for the growth of the largest.

    Examples
    --------
    >>> float(lead_months(2.0, 4.0))
    6.0
    """
    xp, (ratio, rate) = checked(lead_months, size_ratio, growth_per_year)
    return 12 * xp.log(ratio) / xp.log(rate)


def matched_year(dates_year: Array, values: Array, level: Samples, growth_per_year: Samples) -> Array:
    """Return when the rivals first reach a level: by their dates, and beyond the table at a rate of growth.

    Parameters
    ----------
    dates_year, values : shape (n,) or (n, ...) that broadcasts with ``level`` from its second axis on
        When the rivals reached each size, such as 2024.67 [year], and the sizes.
    level : Size to match, in the unit of ``values``, above 0.
    growth_per_year : Growth of the largest from the day that it stood, above 1, beyond the table. [1/year]

    Returns
    -------
    Array, shape = broadcast of level and growth_per_year
        [year] A level beyond the table is not reached before its last date. Elements out of range are ``nan``.

    Examples
    --------
    >>> import numpy
    >>> dates, sizes = numpy.asarray([2023.0, 2024.0]), numpy.asarray([20_000.0, 50_000.0])
    >>> matched_year(dates, sizes, numpy.asarray([10_000.0, 30_000.0, 200_000.0]), 2.0).tolist()
    [2023.0, 2024.0, 2026.0]
    """
    xp, a, valid = admit(
        {"dates_year": dates_year, "values": values, "level": level, "growth_per_year": growth_per_year},
        {"level": POSITIVE, "growth_per_year": GROWING},
    )
    years, sizes, floor, rate = a.values()
    if not years.ndim or years.shape != sizes.shape or not years.shape[0]:
        raise ValueError(f"rivals need dates and sizes of one shape (n, ...); got {years.shape} and {sizes.shape}")
    if years.ndim == 1:
        years, sizes = (xp.reshape(values, (-1, *(1,) * floor.ndim)) for values in (years, sizes))
    dated = xp.min(xp.where(sizes >= floor, years, xp.inf), axis=0)
    largest, last = xp.max(sizes, axis=0), xp.max(years, axis=0)
    record = xp.min(xp.where(sizes == largest, years, xp.inf), axis=0)
    later = xp.maximum(record + xp.log(floor / largest) / xp.log(rate), last)
    return xp.where(valid, xp.where(xp.isfinite(dated), dated, later), xp.nan)


def longest_run_months(*growth_per_year: Samples) -> Array:
    """Return the longest training run that makes sense, given what gets better while it runs.

    Parameters
    ----------
    *growth_per_year : Growth factors of hardware price-performance, of algorithms, and of money spent, each above 1.

    Returns
    -------
    Array
        [month] A longer run, for the same date of completion, would do better to start later.

    Notes
    -----
    A run that ends at T and lasts L does work in proportion to L g^(T - L): the best L is 1 / ln g, where ln g is
    the sum of the logarithms. Source: data/sources.csv, id ``epoch-longest-run``.

    Examples
    --------
    >>> round(float(longest_run_months(1.3, 1.7)), 1)
    15.1
    """
    if not growth_per_year:
        raise ValueError("longest_run_months needs at least one growth factor, such as 1.3 for hardware")
    given = {f"growth {index}": rate for index, rate in enumerate(growth_per_year)}
    xp, rates, _ = admit(given, dict.fromkeys(given, GROWING))
    return 12 / xp.sum(xp.log(xp.stack(xp.broadcast_arrays(*rates.values()))), axis=0)


def train_months(
    months_if_started_now: Positive, start_months: NonNegative, growth_per_year: Annotated[Samples, GROWING]
) -> Array:
    """Return how long a fixed training result takes when started later, on what the same money then buys.

    Parameters
    ----------
    months_if_started_now : Time to train now. [month] Proportional to the model's FLOP over the cluster's speed.
    start_months : How much later the run starts. [month]
    growth_per_year : Joint growth of hardware and algorithms, above 1: the product of their factors. [1/year]

    Examples
    --------
    >>> float(train_months(12.0, 12.0, 2.0))
    6.0
    """
    xp, (now, start, rate) = checked(train_months, months_if_started_now, start_months, growth_per_year)
    return now * xp.exp(-start / 12 * xp.log(rate))


def best_start_months(months_if_started_now: Positive, growth_per_year: Annotated[Samples, GROWING]) -> Array:
    """Return the start that finishes soonest: 0 unless the run is longer than the longest sensible one.

    Examples
    --------
    >>> float(best_start_months(6.0, 2.0))
    0.0
    """
    xp, (now, rate) = checked(best_start_months, months_if_started_now, growth_per_year)
    longest = longest_run_months(rate)
    return xp.clip(longest * xp.log(now / longest), 0.0, None)
