"""The race: how fast the largest clusters grow, how long a lead lasts, and what a month of it is worth.

Growth is a factor a year (2.5 means 2.5 times as much after a year). Dates are in years, such as 2024.67.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy import stats

from gigacluster.arrays import as_common
from gigacluster.limits import NON_NEGATIVE, POSITIVE, Limit, admit, checked

__all__ = [
    "Growth",
    "TimeValue",
    "best_start_months",
    "constant_value",
    "doubling_months",
    "fading_value",
    "growth",
    "lead_months",
    "longest_run_months",
    "matched_after_months",
    "train_months",
    "value_of_time",
]

_GROWING = Limit(1.0, float("inf"), "above 1 (a factor a year, such as 2.5)", low_included=False, high_included=False)


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
    xp, years, sizes = as_common(dates_year, values)
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
    xp, ratio, rate = checked(size_ratio=(size_ratio, POSITIVE), growth_per_year=(growth_per_year, _GROWING))
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
    xp, years, sizes = as_common(dates_year, values)
    reached = xp.where(sizes >= level, years, xp.inf)
    months = 12 * (float(xp.min(reached)) - since_year)
    return max(months, 0.0)


def longest_run_months(*growth_per_year: Any) -> Any:
    """Return the longest training run that makes sense, given what gets better while it runs.

    Parameters
    ----------
    *growth_per_year : float or array
        Growth factors a year of hardware price-performance, of algorithms, and of money spent, each above 1.

    Returns
    -------
    array
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
    xp, *rates = checked(**{f"growth {index}": (rate, _GROWING) for index, rate in enumerate(growth_per_year)})
    return 12 / sum(xp.log(rate) for rate in rates)


def train_months(months_if_started_now: Any, start_months: Any, growth_per_year: Any) -> Any:
    """Return how long a fixed training result takes when started later, on what the same money then buys.

    Parameters
    ----------
    months_if_started_now : float or array
        Time to train now. [month] Proportional to the model's FLOP over the cluster's speed.
    start_months : float or array
        How much later the run starts. [month]
    growth_per_year : float or array
        Joint growth of hardware and algorithms, above 1: the product of their factors. [1/year]

    Examples
    --------
    >>> float(train_months(12.0, 12.0, 2.0))
    6.0
    """
    xp, now, start, rate = checked(
        months_if_started_now=(months_if_started_now, POSITIVE),
        start_months=(start_months, NON_NEGATIVE),
        growth_per_year=(growth_per_year, _GROWING),
    )
    return now * xp.exp(-start / 12 * xp.log(rate))


def best_start_months(months_if_started_now: Any, growth_per_year: Any) -> Any:
    """Return the start that finishes soonest: 0 unless the run is longer than the longest sensible one.

    Examples
    --------
    >>> float(best_start_months(6.0, 2.0))
    0.0
    """
    longest = longest_run_months(growth_per_year)
    xp, now, longest = checked(months_if_started_now=(months_if_started_now, POSITIVE), longest=(longest, POSITIVE))
    return xp.clip(longest * xp.log(now / longest), 0.0, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeValue:
    """What arriving earlier is worth, beside what it costs; each of shape (samples,)."""

    #: Worth of the months gained. [USD]
    worth_usd: Any
    #: Worth less the extra cost; positive where speed justifies the cost. [USD]
    net_usd: Any
    #: Worth of the first month of lead at which both are equal; 0 where speed costs nothing extra. [USD/month]
    needed_usd_per_month: Any


def constant_value(lead_months: Any) -> Any:
    """Return the worth of a lead in units of its first month, if every month of it earns the same."""
    return lead_months


def fading_value(half_life_months: Any) -> Callable[[Any], Any]:
    """Return a model of the worth of a lead whose months earn less and less.

    Parameters
    ----------
    half_life_months : float or array
        Months after which a month of lead earns half: rivals catch up, and models age. [month]

    Returns
    -------
    callable
        Takes months of lead and returns its worth in units of the first month: the integral of
        0.5^(t / half-life) from 0 to the lead.
    """

    def worth(lead_months: Any) -> Any:
        xp, half_life, lead = checked(half_life_months=(half_life_months, POSITIVE), lead=(lead_months, NON_NEGATIVE))
        per_month = math.log(2) / half_life
        return -xp.expm1(-per_month * lead) / per_month

    return worth


def value_of_time(
    *,
    lead_months: Any,
    months_gained: Any,
    usd_per_month: Any,
    extra_cost_usd: Any = 0.0,
    model: Callable[[Any], Any] = constant_value,
) -> TimeValue:
    """Say what arriving earlier is worth, and what a month must be worth for that to pay its cost.

    Parameters
    ----------
    lead_months : float or array
        Lead of the faster choice when it arrives: months until it is matched, see :func:`lead_months`. [month]
    months_gained : float or array
        How much earlier the faster choice arrives; negative where it arrives later. [month]
    usd_per_month : float or array
        What the first month of lead earns, or a month of delay costs: an assumption of the reader. [USD/month]
    extra_cost_usd : float or array, default 0
        What the faster choice costs more for the same work; negative where it is cheaper. [USD] From the comparison
        of costs, such as minus the saving of :func:`gigacluster.cost.break_even`.
    model : callable, default :func:`constant_value`
        Months of lead to worth in units of the first month; :func:`fading_value` is another. Any function that
        rises from 0 will do.

    Returns
    -------
    TimeValue
        Elements out of range are ``nan``.

    Notes
    -----
    The slower choice keeps a lead that is shorter by the months gained, and none if it arrives after the match:
    worth = usd_per_month * (model(lead) - model(max(lead - gained, 0))). No published model prices the lead of a
    cluster; this one is a statement to be replaced.

    Examples
    --------
    >>> early = value_of_time(lead_months=9.0, months_gained=6.0, usd_per_month=100e6, extra_cost_usd=300e6)
    >>> float(early.worth_usd) / 1e6, float(early.needed_usd_per_month) / 1e6
    (600.0, 50.0)
    """
    xp, a, _ = admit(
        {
            "lead_months": lead_months,
            "months_gained": months_gained,
            "usd_per_month": usd_per_month,
            "extra_cost_usd": extra_cost_usd,
        },
        {"lead_months": NON_NEGATIVE, "usd_per_month": NON_NEGATIVE},
    )
    lead, gained, month_usd, extra_usd = a.values()
    first_months = model(lead) - model(xp.clip(lead - gained, 0.0, None))  # the worth, in units of the first month
    worth_usd = month_usd * first_months
    needed = extra_usd / xp.where(first_months > 0, first_months, xp.nan)
    return TimeValue(
        worth_usd=worth_usd,
        net_usd=worth_usd - extra_usd,
        needed_usd_per_month=xp.where(extra_usd <= 0, 0.0 * first_months, needed),
    )
