"""How often a job stops: units of failure rates, the scale law, components, and nodes worse than the rest."""

from __future__ import annotations

from typing import Any

from gigacluster.limits import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, SHARE_BELOW_ONE, checked
from gigacluster.units import HOURS_PER_YEAR, SECONDS_PER_DAY, SECONDS_PER_HOUR

__all__ = [
    "annual_failure_probability",
    "failures_in_time",
    "failures_per_1000_node_days",
    "failures_per_year",
    "mttf_s",
    "rate_of_parts",
    "rate_without_lemons",
]


def mttf_s(n_gpus: Any, failures_per_1000_node_days: Any, *, gpus_per_node: Any = 8) -> Any:
    """Mean time to failure of a job that stops whenever one of its nodes fails: the scale law 1 / (N r).

    Parameters
    ----------
    n_gpus : float or array
        GPUs of the job, at least 1. [GPU]
    failures_per_1000_node_days : float or array
        Failures that stop the job, per 1,000 days of one node. [1/(1000 node d)]
    gpus_per_node : float or array, default 8
        [GPU/node]

    Returns
    -------
    array
        Mean time between one restart and the next failure. [s]

    Notes
    -----
    A series system. Good for jobs of more than about 4,000 GPUs; small jobs fail more often than this (data/README.md,
    table ``failure_rates``). Source: data/sources.csv, id ``kokolis-2024``.

    Examples
    --------
    >>> round(float(mttf_s(16_384, 6.5)) / 3600, 2)
    1.8
    """
    _, gpus, rate, per_node = checked(
        n_gpus=(n_gpus, AT_LEAST_ONE),
        failures_per_1000_node_days=(failures_per_1000_node_days, POSITIVE),
        gpus_per_node=(gpus_per_node, AT_LEAST_ONE),
    )
    return 1000 * SECONDS_PER_DAY * per_node / (gpus * rate)


def failures_per_1000_node_days(failures: Any, n_gpus: Any, days: Any, *, gpus_per_node: Any = 8) -> Any:
    """Failure rate of a run that counted its failures.

    Parameters
    ----------
    failures : float or array
    n_gpus : float or array
        GPUs in use. [GPU]
    days : float or array
        Length of the run. [d]
    gpus_per_node : float or array, default 8

    Examples
    --------
    >>> round(float(failures_per_1000_node_days(419, 16_384, 54)), 3)
    3.789
    """
    _, count, gpus, length_d, per_node = checked(
        failures=(failures, NON_NEGATIVE),
        n_gpus=(n_gpus, AT_LEAST_ONE),
        days=(days, POSITIVE),
        gpus_per_node=(gpus_per_node, AT_LEAST_ONE),
    )
    return 1000 * count * per_node / (gpus * length_d)


def failures_in_time(mttf_s: Any) -> Any:
    """FIT: failures in 1e9 hours.

    Examples
    --------
    >>> round(float(failures_in_time(1e6 * 3600)))
    1000
    """
    _, mttf = checked(mttf_s=(mttf_s, POSITIVE))
    return 1e9 * SECONDS_PER_HOUR / mttf


def failures_per_year(mttf_s: Any) -> Any:
    """Annualised failure rate, as a rate: it may exceed 1.

    Examples
    --------
    >>> float(failures_per_year(876.6 * 3600))
    10.0
    """
    _, mttf = checked(mttf_s=(mttf_s, POSITIVE))
    return HOURS_PER_YEAR * SECONDS_PER_HOUR / mttf


def annual_failure_probability(mttf_s: Any) -> Any:
    """Annualised failure rate, as the probability of at least one failure within a year.

    Examples
    --------
    >>> round(float(annual_failure_probability(8766 * 3600)), 3)  # a mean of one year
    0.632
    """
    xp, mttf = checked(mttf_s=(mttf_s, POSITIVE))
    return -xp.expm1(-HOURS_PER_YEAR * SECONDS_PER_HOUR / mttf)


def rate_of_parts(counts: Any, total_rate: Any) -> Any:
    """Split a failure rate over components in proportion to their counted failures.

    Parameters
    ----------
    counts : array, shape (components, ...)
        Failures counted of each component.
    total_rate : float or array
        Rate of all of them together, in any unit.

    Returns
    -------
    array, shape (components, ...)
        Rates that add up to ``total_rate``.
    """
    xp, count, rate = checked(counts=(counts, NON_NEGATIVE), total_rate=(total_rate, NON_NEGATIVE))
    return rate * count / xp.sum(count, axis=0)


def rate_without_lemons(rate: Any, lemon_share_of_failures: Any) -> Any:
    """Failure rate after the few nodes that fail again and again have been found and taken out.

    Parameters
    ----------
    rate : float or array
        With these nodes, in any unit.
    lemon_share_of_failures : float or array
        Share of all failures that they cause. [1]

    Notes
    -----
    Their number is small enough not to change the size of the cluster (1.2 % of the nodes of RSC-1; data/sources.csv,
    id ``kokolis-2024``).

    Examples
    --------
    >>> float(rate_without_lemons(6.0, 0.25))
    4.5
    """
    _, all_failures, share = checked(
        rate=(rate, NON_NEGATIVE), lemon_share_of_failures=(lemon_share_of_failures, SHARE_BELOW_ONE)
    )
    return all_failures * (1 - share)
