"""How often to write a checkpoint, and how large it is.

Every interval here is Daly's: the computing time between the end of one checkpoint and the start of the next, so the
period is the interval plus the time that a checkpoint stops training for.

How long a restart takes is lognormal, because a few take ten times as long as most, and longer in larger jobs.
"""

from __future__ import annotations

from typing import Annotated

import numpy

from gigacluster.arrays import Array, Namespace, Samples
from gigacluster.limits import AtLeastOne, Limit, NonNegative, Positive, checked, one_of

_METHODS = ("exact", "young", "daly-first", "daly")
#: Up to this share of the MTTF the stall model below is summed as a series, beyond it taken from the logarithm.
_SERIES_TO = 0.3
_SERIES_TERMS = 12  # s <= 0.3 / 1.7, so the first term left out is below 1e-19 of the sum
_SATURATED = 34.0  # exp(-35) is the spacing of numbers at 1: beyond, the interval is the MTTF


def checkpoint_interval_s(mttf_s: Positive, write_s: NonNegative, method: str = "exact") -> Array:
    """Return the computing time between checkpoints that wastes least.

    Parameters
    ----------
    mttf_s : Mean time to failure of the whole job, above 0. [s]
    write_s : Time a checkpoint stops training for, 0 or more. [s]
    method : {"exact", "young", "daly-first", "daly"}, default "exact"
        ``exact``: the optimum of the exponential model, for any write time. ``young``: sqrt(2 w M). ``daly-first``:
        sqrt(2 w M) - w, ``nan`` where that is negative (for its form with a restart time, add that to the MTTF).
        ``daly``: Daly's higher order, and M where w >= 2 M.

    Returns
    -------
    array
        Interval, without the write itself. [s]

    Notes
    -----
    The exact optimum is M (1 + W(-exp(-1 - w/M))) with Lambert's W. That textbook form loses half of all digits for
    small w/M, next to the branch point. Here x = interval / M solves -log(1 - x) - x = w/M, whose left side is summed
    without cancellation: 1e-12 relative for w/M from 1e-9 to 1. It does not depend on the restart time.
    Sources: data/sources.csv, ids ``young-1974`` and ``daly-2006``.

    Examples
    --------
    >>> round(float(checkpoint_interval_s(6 * 3600, 300, "daly")) / 60, 3)
    56.713
    >>> round(float(checkpoint_interval_s(6 * 3600, 300)) / 60, 3)
    56.714
    """
    one_of("method", method, _METHODS)
    xp, (mttf, write) = checked(checkpoint_interval_s, mttf_s, write_s)
    if method == "exact":
        return mttf * _optimal_share(xp, write / mttf)
    young = xp.sqrt(2 * write * mttf)
    if method == "young":
        return young
    if method == "daly-first":
        return xp.where(young >= write, young - write, xp.nan)
    half = write / (2 * mttf)
    higher = young * (1 + xp.sqrt(half) / 3 + half / 9) - write
    return xp.where(write < 2 * mttf, higher, mttf + 0 * write)


def _optimal_share(xp: Namespace, write_share: Samples) -> Array:
    """Solve -log(1 - x) - x = d for x, the interval as a share of the MTTF; d is the write time as such a share."""
    d = xp.minimum(write_share, _SATURATED)
    p = xp.sqrt(2 * xp.minimum(d, 1.0))
    near_zero = p * (1 - p * (1 / 3 - p * (1 / 36 + p / 270)))  # Stirling's series, within 2 % for d <= 1
    x = xp.where(d < 1, near_zero, -xp.expm1(-1 - d))
    for _ in range(3):  # Halley's method triples the digits: 2 % becomes 1e-16 in three steps
        excess = _waste(xp, x) - d
        slope, bend = x / (1 - x), 1 / (1 - x) ** 2
        x = x - xp.where(x > 0, 2 * excess * slope / _above_zero(xp, 2 * slope**2 - excess * bend), 0.0)
        x = xp.minimum(x, 1 - 2.0**-53)
    return x


def _waste(xp: Namespace, x: Samples) -> Array:
    """Return -log(1 - x) - x, without cancellation for small x."""
    small = xp.minimum(x, _SERIES_TO)
    s = small / (2 - small)  # -log(1 - x) = 2 atanh(s) and x = 2 s / (1 + s)
    square = s * s
    odd = 0 * s
    for k in range(_SERIES_TERMS, 0, -1):
        odd = square * (1 / (2 * k + 1) + odd)
    return xp.where(x <= _SERIES_TO, 2 * s * (s / (1 + s) + odd), -xp.log1p(-x) - x)


def _above_zero(xp: Namespace, value: Samples) -> Array:
    return xp.where(value > 0, value, 1.0)


def checkpoint_bytes(n_params: Positive, bytes_per_param: Positive = 14.0) -> Array:
    """Size of the full training state.

    Parameters
    ----------
    n_params : Parameters of the model.
    bytes_per_param
        12 for float32 weights with two Adam moments; 14 with bf16 weights beside them, as Megatron writes; 16 with
        float32 gradients too. Data: table ``checkpoint_facts``.

    Returns
    -------
    array
        [byte]

    Examples
    --------
    >>> float(checkpoint_bytes(405e9)) / 1e12
    5.67
    """
    _, (params, size) = checked(checkpoint_bytes, n_params, bytes_per_param)
    return params * size


def checkpoint_write_s(n_params: Samples, write_bytes_per_s: Positive, bytes_per_param: Samples = 14.0) -> Array:
    """Time to write a full checkpoint at a bandwidth that all nodes share.

    Examples
    --------
    >>> round(float(checkpoint_write_s(405e9, 2e12)), 2)  # Llama 3 at its sustained 2 TB/s
    2.83
    """
    _, (bandwidth,) = checked(checkpoint_write_s, write_bytes_per_s)
    return checkpoint_bytes(n_params, bytes_per_param) / bandwidth


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
    """Probability that no failure strikes during a restart: E[exp(-T / M)], T lognormal with that median and sigma.

    The Laplace transform of the lognormal has no closed form. It stays finite for any tail, because a new restart time
    is drawn after each failed attempt.
    """
    share = restart_s / mttf_s
    total = 0 * (share + sigma)
    for node, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        total = total + weight * xp.exp(-share * xp.exp(sigma * node))
    return xp.where(sigma > 0, total, xp.exp(-share))
