"""How fast the largest clusters grow, and how long a lead lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scipy import stats

from gigacluster.arrays import as_common
from gigacluster.limits import POSITIVE, Limit, checked

__all__ = ["GROWING", "Growth", "doubling_months", "growth", "lead_months", "matched_after_months"]

#: What a rate of growth may be: a factor a year.
GROWING = Limit(1.0, float("inf"), "above 1 (a factor a year, such as 2.5)", low_included=False, high_included=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Growth:
    """An exponential trend: value(t) = value_at_centre * per_year ** (t - centre_year)."""

    #: Factor a year, with the ends of its confidence interval. [1/year]
    per_year: Any
    low_per_year: Any
    high_per_year: Any
    #: Where the points have their mean date, and the trend there.
    centre_year: Any
    value_at_centre: Any
    #: Standard deviation of the points around the trend, in natural logarithm; standard error of ln(per_year).
    scatter: Any
    standard_error: Any
    n_points: int
    coverage: float

    @property
    def doubling_months(self) -> Any:
        """Months in which the trend doubles."""
        return doubling_months(self.per_year)

    def at(self, year: Any) -> Any:
        """Return the trend at a date."""
        return self.value_at_centre * self.per_year ** (year - self.centre_year)


def growth(dates_year: Any, values: Any, *, coverage: float = 0.9) -> Growth:
    """Fit an exponential trend by least squares on the logarithm.

    Parameters
    ----------
    dates_year : array, shape (n,)
        Dates, such as 2024.67. [year]
    values : array, shape (n,) or (n, samples)
        Positive values of any unit; ``nan`` is not allowed, leave such points out.
    coverage : float, default 0.9
        Coverage of the interval of the growth rate.

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


def doubling_months(growth_per_year: Any) -> Any:
    """Return the months in which something growing by this factor a year doubles: 12 ln 2 / ln g.

    Examples
    --------
    >>> round(float(doubling_months(2.5)), 2)
    9.08
    """
    return lead_months(2.0, growth_per_year)


def lead_months(size_ratio: Any, growth_per_year: Any) -> Any:
    """Return the months until a lead is matched: 12 ln(ratio) / ln(growth).

    Parameters
    ----------
    size_ratio : float or array
        Size of the leader over that of the rival, above 0; below 1 gives the months that it lags, negative. [1]
    growth_per_year : float or array
        Growth of the rival, above 1. [1/year]

    Returns
    -------
    array
        [month] Elements out of range are ``nan``: a rival that does not grow never matches a lead.

    Notes
    -----
    The leader is taken as standing still. Source: data/sources.csv, id ``pilz-2025``, for the growth of the largest.
    """
    xp, ratio, rate = checked(size_ratio=(size_ratio, POSITIVE), growth_per_year=(growth_per_year, GROWING))
    return 12 * xp.log(ratio) / xp.log(rate)


def matched_after_months(dates_year: Any, values: Any, *, since_year: float, level: float) -> float:
    """Return how many months after a date a level was first reached: what happened, rather than a trend.

    Parameters
    ----------
    dates_year, values : array, shape (n,)
        Clusters of the rivals, with their first dates of operation.
    since_year : float
        Date from which the lead is counted; rivals already at the level then give 0.
    level : float
        Size to match, in the unit of ``values``.

    Returns
    -------
    float
        Months, 0 or more; infinite if the data hold no match.
    """
    xp, (years, sizes) = as_common(dates_year, values)
    reached = xp.where(sizes >= level, years, xp.inf)
    months = 12 * (float(xp.min(reached)) - since_year)
    return max(months, 0.0)
