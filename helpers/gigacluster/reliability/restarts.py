"""How long a restart takes: lognormal, because a few recoveries take ten times as long as most."""

from __future__ import annotations

from typing import Any

import numpy
from scipy import special

from gigacluster.limits import LOGNORMAL_SIGMA, NON_NEGATIVE, POSITIVE, checked

__all__ = ["lognormal_mean", "sigma_from_mean", "sigma_from_p90", "survival_of_restart"]

#: The trapezoid rule over the standard normal: with this spacing and reach, 1e-12 for sigma up to 2.2, 1e-6 up to 5.
_NODES = numpy.arange(-8.7, 8.75, 0.15)
_WEIGHTS = numpy.exp(-(_NODES**2) / 2) / numpy.sum(numpy.exp(-(_NODES**2) / 2))


def sigma_from_mean(median_s: Any, mean_s: Any) -> Any:
    """Spread of a lognormal time from its median and mean: sqrt(2 ln(mean / median)); ``nan`` where mean < median.

    Examples
    --------
    >>> round(float(sigma_from_mean(222, 2_334)), 2)  # OLMo Hybrid's recoveries
    2.17
    """
    xp, median, mean = checked(median_s=(median_s, POSITIVE), mean_s=(mean_s, POSITIVE))
    log_ratio = xp.log(mean / median)
    return xp.where(log_ratio >= 0, xp.sqrt(2 * xp.abs(log_ratio)), xp.nan)


def sigma_from_p90(median_s: Any, p90_s: Any) -> Any:
    """Spread of a lognormal time from its median and 90th percentile; ``nan`` where p90 < median.

    Examples
    --------
    >>> round(float(sigma_from_p90(60, 600)), 2)
    1.8
    """
    xp, median, p90 = checked(median_s=(median_s, POSITIVE), p90_s=(p90_s, POSITIVE))
    sigma = xp.log(p90 / median) / float(special.ndtri(0.9))
    return xp.where(sigma >= 0, sigma, xp.nan)


def lognormal_mean(median_s: Any, sigma: Any) -> Any:
    """Mean of a lognormal time.

    Examples
    --------
    >>> round(float(lognormal_mean(222, 2.17)), -1)
    2340.0
    """
    xp, median, spread = checked(median_s=(median_s, NON_NEGATIVE), sigma=(sigma, LOGNORMAL_SIGMA))
    return median * xp.exp(spread**2 / 2)


def survival_of_restart(xp: Any, restart_s: Any, sigma: Any, mttf_s: Any) -> Any:
    """Probability that no failure strikes during a restart: E[exp(-T / M)] for a lognormal time T.

    Parameters
    ----------
    xp : module
        Library of the arrays.
    restart_s, sigma, mttf_s : array
        Median of T [s], its spread [1] (0: always the median), mean time to failure [s].

    Notes
    -----
    The Laplace transform of the lognormal has no closed form. It stays finite for any tail, because a new restart time
    is drawn after each failed attempt.
    """
    share = restart_s / mttf_s
    total = 0 * (share + sigma)
    for node, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        total = total + weight * xp.exp(-share * xp.exp(sigma * node))
    return xp.where(sigma > 0, total, xp.exp(-share))
