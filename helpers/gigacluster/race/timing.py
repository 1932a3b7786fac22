"""When to start a training run, and how long it may sensibly last, while hardware and algorithms get better."""

from __future__ import annotations

from typing import Any

from gigacluster.limits import NON_NEGATIVE, POSITIVE, checked
from gigacluster.race.trend import GROWING

__all__ = ["best_start_months", "longest_run_months", "train_months"]


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
    xp, *rates = checked(**{f"growth {index}": (rate, GROWING) for index, rate in enumerate(growth_per_year)})
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
        growth_per_year=(growth_per_year, GROWING),
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
