"""How long a restart takes: lognormal, because a few take ten times as long as most, and longer in larger jobs."""

from __future__ import annotations

from typing import Annotated

import numpy

from gigacluster.arrays import Array, Namespace, Samples
from gigacluster.limits import AtLeastOne, Limit, NonNegative, Positive, checked

#: The trapezoid rule over the standard normal: with this spacing and reach, 1e-12 for sigma up to 2.2, 1e-6 up to 5.
_NODES = numpy.arange(-8.7, 8.75, 0.15)
_WEIGHTS = numpy.exp(-(_NODES**2) / 2) / numpy.sum(numpy.exp(-(_NODES**2) / 2))
SIZE_POWER = Limit(-1.0, 1.0, "a power of size from -1 to 1")


def sigma_from_mean(median_s: Positive, mean_s: Positive) -> Array:
    """Spread of a lognormal time from its median and mean: sqrt(2 ln(mean / median)); ``nan`` where mean < median.

    Examples
    --------
    >>> round(float(sigma_from_mean(222, 2_334)), 2)  # OLMo Hybrid's recoveries
    2.17
    """
    xp, (median, mean) = checked(sigma_from_mean, median_s, mean_s)
    log_ratio = xp.log(mean / median)
    return xp.where(log_ratio >= 0, xp.sqrt(2 * xp.abs(log_ratio)), xp.nan)


def at_size_s(
    seconds: NonNegative,
    n_gpus: AtLeastOne,
    *,
    measured_at_gpus: AtLeastOne,
    size_power: Annotated[Samples, SIZE_POWER],
) -> Array:
    """Time of a phase of recovery in a job of another size: t (n / n0)^power.

    Parameters
    ----------
    seconds : As measured. [s]
    n_gpus, measured_at_gpus : Size asked for and size measured at. [GPU]
    size_power : 0.25 for a job that is queued again, 0.17 for processes restarted in place (:func:`size_power`). [1]

    Examples
    --------
    >>> round(float(at_size_s(454, 16_384, measured_at_gpus=2048, size_power=0.253)))  # 768 s were measured
    768
    """
    _, (time_s, gpus, measured, power) = checked(at_size_s, seconds, n_gpus, measured_at_gpus, size_power)
    return time_s * (gpus / measured) ** power


def size_power(n_gpus: Array, seconds: Array) -> float:
    """Power of size that a series of times follows, by least squares of the logarithms.

    Parameters
    ----------
    n_gpus, seconds : shape (sizes,). At least two different sizes.

    Examples
    --------
    >>> round(size_power([2048, 4096, 8192, 16_384], [454, 545, 635, 768]), 2)  # ByteRobust queued again
    0.25
    """
    points = numpy.asarray([n_gpus, seconds], dtype=float)
    if not ((points > 0).all() and numpy.isfinite(points).all() and numpy.unique(points[0]).size > 1):
        raise ValueError(f"n_gpus is {n_gpus!r} and seconds {seconds!r}; give times above 0 at two or more sizes")
    sizes, times = numpy.log(points)
    return float(numpy.polyfit(sizes, times, 1)[0])


def survival_of_restart(xp: Namespace, restart_s: Array, sigma: Array, mttf_s: Array) -> Array:
    """Probability that no failure strikes during a restart: E[exp(-T / M)] for a lognormal time T.

    Parameters
    ----------
    xp : Library of the arrays.
    restart_s, sigma, mttf_s : Median of T [s], its spread [1] (0: always the median), mean time to failure [s].

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
