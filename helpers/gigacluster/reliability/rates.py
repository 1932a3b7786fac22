"""How often a job stops: the scale law, counted rates, and what other clusters say about one more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from gigacluster.arrays import Array
from gigacluster.limits import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, AtLeastOne, Positive, checked
from gigacluster.uncertainty import Uncertain
from gigacluster.units import SECONDS_PER_DAY

#: Prior of the spreads between houses and between runs: half-normal, in units of the logarithm.
SPREAD_PRIOR = 0.5
#: Prior of the power of size: the scale law says 0, and that a rate per node moves with size is allowed for.
SIZE_POWER_PRIOR = 0.2
_SIZE_UNIT = 16_384.0
_SPREADS = numpy.arange(0.04, 2.0, 0.08)  # to four times the prior's scale, by the midpoint rule
_NEGLIGIBLE = 1e-9  # weight of a place of the grid, of the largest
_LEAST_BLOCKS = 4


def mttf_s(n_gpus: AtLeastOne, failures_per_1000_node_days: Positive, *, gpus_per_node: AtLeastOne = 8) -> Array:
    """Mean time to failure of a job that stops whenever one of its nodes fails: the scale law 1 / (N r).

    Parameters
    ----------
    n_gpus : GPUs of the job, at least 1. [GPU]
    failures_per_1000_node_days : Failures that stop the job, per 1,000 days of one node. [1/(1000 node d)]
    gpus_per_node : [GPU/node]

    Returns
    -------
    array
        Mean time between one restart and the next failure. [s]

    Notes
    -----
    A series system. Small jobs of one house failed three to four times as often as this (data/README.md, table
    ``failure_rates``). Source: data/sources.csv, id ``kokolis-2024``.

    Examples
    --------
    >>> round(float(mttf_s(16_384, 6.5)) / 3600, 2)
    1.8
    """
    _, (gpus, rate, per_node) = checked(mttf_s, n_gpus, failures_per_1000_node_days, gpus_per_node)
    return 1000 * SECONDS_PER_DAY * per_node / (gpus * rate)


def counted_rate(
    failures: Annotated[float, NON_NEGATIVE],
    node_days: Annotated[float, POSITIVE],
    *,
    dispersion: Annotated[float, AT_LEAST_ONE] = 1.0,
) -> Uncertain:
    """Failure rate of a cluster that counted its own failures, per 1,000 node-days.

    Parameters
    ----------
    failures : Counted, 0 or more.
    node_days : Nodes times days of observation, above 0. [node d]
    dispersion
        Variance of counts over their mean, 1 or more: failures that come in bursts say less than as many apart.

    Returns
    -------
    Uncertain
        5th, 50th and 95th percentile of Gamma(failures / dispersion + 1/2): the posterior of a Poisson rate under
        Jeffreys' prior, with as many failures as were independent.

    Examples
    --------
    >>> llama3 = counted_rate(419, 2048 * 54)
    >>> round(llama3.low, 2), round(llama3.median, 2), round(llama3.high, 2)
    (3.49, 3.79, 4.1)
    """
    checked(counted_rate, failures, node_days, dispersion)
    scale = 1000 * dispersion / node_days
    low, median, high = scale * stats.gamma.ppf([0.05, 0.5, 0.95], failures / dispersion + 0.5)
    return Uncertain(low=float(low), median=float(median), high=float(high))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRate:
    """The failure rate that a log of events shows."""

    rate: Uncertain  # per 1,000 node-days: 5, 50 and 95 %
    failures: int
    #: Variance over mean of the counts in equal blocks of time, at least 1: how much failures come in bursts.
    dispersion: float


def rates_from_log(times: Array, node_days: float, *, between: tuple[float, float] | None = None) -> LoggedRate:
    """Failure rate from a list of events, such as the lines of one's own log.

    Parameters
    ----------
    times : shape (failures,). When each failure happened, in any unit and order.
    node_days : Nodes times days of the whole time that the log covers, quiet days too. [node d]
    between : pair of float, optional
        When the log begins and ends, in the unit of ``times``; by default the first and the last failure.

    Returns
    -------
    LoggedRate
        With an interval as wide as the bursts ask for; with fewer than 8 failures none can be seen.

    Raises
    ------
    ValueError
        If a time is no number or outside of the log, or the node-days are not above 0.

    Examples
    --------
    >>> found = rates_from_log([0.5, 3.1, 3.2, 9.9], node_days=64 * 14)
    >>> found.failures, round(found.rate.median, 1)
    (4, 4.7)
    """
    when = numpy.sort(numpy.asarray(times, dtype=float).ravel())
    if bad := int(when.size - numpy.isfinite(when).sum()):
        raise ValueError(f"{bad} of {when.size} times are no finite numbers; give one number a failure")
    begin, end = between or ((when[0], when[-1]) if when.size else (0.0, 0.0))
    if when.size and not begin <= when[0] <= when[-1] <= end:
        raise ValueError(
            f"the failures lie between {when[0]:g} and {when[-1]:g}; the log, between={between!r}, does not"
        )
    dispersion = _dispersion(when, float(begin), float(end))
    rate = counted_rate(float(when.size), node_days, dispersion=dispersion)
    return LoggedRate(rate=rate, failures=int(when.size), dispersion=dispersion)


def _dispersion(when: numpy.ndarray, begin: float, end: float) -> float:
    """Return variance over mean of the counts in equal blocks of time, at least 1."""
    n_blocks = int(math.sqrt(2 * when.size))
    if n_blocks < _LEAST_BLOCKS:
        return 1.0
    if begin == end:  # all at once, as far as the log can tell: one event
        return float(when.size)
    counts = numpy.histogram(when, bins=n_blocks, range=(begin, end))[0]
    return max(1.0, float(numpy.var(counts, ddof=1) / numpy.mean(counts)))


@dataclass(frozen=True, kw_only=True, slots=True)
class PooledRate:
    """What other clusters say about one more."""

    rate: Uncertain  # of one more run, of a house not among them: 5, 50 and 95 %
    houses: int
    runs: int
    #: Standard deviations of the logarithm, posterior means: between houses, and between runs of a house.
    between_houses: float
    between_runs: float
    #: By how much the logarithm moves when the size grows e-fold; 0 where sizes were not given.
    size_power: float


def pooled_rate(
    rates: Array,
    *,
    log_errors: Array,
    houses: ArrayLike,
    n_gpus: Array | None = None,
    at_n_gpus: Annotated[float, AT_LEAST_ONE] | None = None,
) -> PooledRate:
    """Rate to expect of one more run, from those of other runs, of which several may be of one house.

    Parameters
    ----------
    rates : shape (runs,). One rate a run, above 0, in any unit.
    log_errors : shape (runs,). Standard error of the logarithm of each: ``sqrt(dispersion / failures)`` of a count. [1]
    houses : array of labels, shape (runs,)
        Who ran it: runs of one house are no independent witnesses.
    n_gpus : shape (runs,). Sizes of the jobs; with it the rate may move with size, by a power whose prior is 0 +- 0.2.
    at_n_gpus : Size of the job asked for, where ``n_gpus`` is given.

    Returns
    -------
    PooledRate
        The predictive distribution: it covers what differs between houses and between runs, as well as the noise.

    Notes
    -----
    log r = mu + house + run + power log(n / 16,384) + noise, normal throughout; mu flat, both spreads half-normal(0.5),
    integrated over a grid: with three or four houses a classical interval would say nearly nothing.

    Examples
    --------
    >>> found = pooled_rate([2.0, 4.0, 8.0, 4.0], log_errors=[0.1] * 4, houses=["a", "b", "c", "c"])
    >>> found.houses, round(found.rate.median, 1), round(found.rate.high / found.rate.median, 1)
    (3, 3.8, 3.8)
    """
    rate, error = numpy.asarray(rates, dtype=float), numpy.asarray(log_errors, dtype=float)
    names, house = numpy.unique(numpy.asarray(houses), return_inverse=True)
    if not (rate.size and rate.shape == error.shape == house.shape):
        raise ValueError(
            f"rates, log_errors and houses have shapes {rate.shape}, {error.shape} and {house.shape}; give one of each "
            "for every run, and at least one run"
        )
    if not (numpy.all((rate > 0) & numpy.isfinite(rate)) and numpy.all((error >= 0) & numpy.isfinite(error))):
        raise ValueError(f"rates are {rates!r} with log_errors {log_errors!r}; rates must be above 0, errors 0 or more")
    if (n_gpus is None) != (at_n_gpus is None):
        raise ValueError(
            "give both n_gpus and at_n_gpus, or neither: a size is of use only beside the sizes of the runs"
        )
    columns, asked = numpy.ones((rate.size, 1)), numpy.ones(1)
    if at_n_gpus is not None:
        sizes = numpy.asarray(n_gpus, dtype=float)
        checked(pooled_rate, at_n_gpus)
        if sizes.shape != rate.shape or not numpy.all(sizes >= 1):
            raise ValueError(f"n_gpus is {n_gpus!r}; give one size of 1 or more for every run")
        columns = numpy.column_stack([columns, numpy.log(sizes / _SIZE_UNIT)])
        asked = numpy.asarray([1.0, math.log(at_n_gpus / _SIZE_UNIT)])
    found = _posterior(numpy.log(rate), error, house, columns, asked)
    return PooledRate(
        rate=found.predicted(),
        houses=len(names),
        runs=int(rate.size),
        between_houses=float(found.weight @ found.between_houses),
        between_runs=float(found.weight @ found.between_runs),
        size_power=float(found.weight @ found.coefficients[:, 1]) if at_n_gpus is not None else 0.0,
    )


@dataclass(frozen=True, slots=True)
class _Posterior:
    """The model on a grid of both spreads: arrays of shape (grid,)."""

    weight: numpy.ndarray
    between_houses: numpy.ndarray
    between_runs: numpy.ndarray
    mean: numpy.ndarray  # of the logarithm asked for
    variance: numpy.ndarray  # of that mean
    coefficients: numpy.ndarray  # shape (grid, columns)

    def predicted(self) -> Uncertain:
        """Return the percentiles of one more run of one more house: a mixture of normals."""
        spread = numpy.sqrt(self.variance + self.between_houses**2 + self.between_runs**2)
        ends = float(numpy.min(self.mean - 12 * spread)), float(numpy.max(self.mean + 12 * spread))

        def below(value: float, probability: float) -> float:
            return float(self.weight @ special.ndtr((value - self.mean) / spread)) - probability

        logs = [optimize.brentq(below, *ends, args=(probability,)) for probability in (0.05, 0.5, 0.95)]
        low, median, high = (math.exp(value) for value in logs)
        return Uncertain(low=low, median=median, high=high)


def _posterior(
    logs: numpy.ndarray, error: numpy.ndarray, house: numpy.ndarray, columns: numpy.ndarray, asked: numpy.ndarray
) -> _Posterior:
    slabs = [_slab(float(spread), logs, error, house, columns, asked) for spread in _SPREADS]  # memory: runs squared
    density, *parts = (numpy.concatenate(values) for values in zip(*slabs, strict=True))
    weight = numpy.exp(density - density.max())
    seen = weight > _NEGLIGIBLE
    return _Posterior(weight[seen] / weight[seen].sum(), *(part[seen] for part in parts))


def _slab(
    between_houses: float,
    logs: numpy.ndarray,
    error: numpy.ndarray,
    house: numpy.ndarray,
    columns: numpy.ndarray,
    asked: numpy.ndarray,
) -> tuple[numpy.ndarray, ...]:
    """Return log density, both spreads, mean and variance asked for, and coefficients, over the spread of runs."""
    same = (house[:, None] == house[None, :]).astype(float)
    own = (_SPREADS[:, None] ** 2 + error**2)[:, :, None] * numpy.eye(len(logs))
    root = numpy.linalg.cholesky(between_houses**2 * same + own)
    known = numpy.column_stack([columns, logs])
    white = numpy.linalg.solve(root, numpy.broadcast_to(known, (len(root), *known.shape)))
    design, response = white[..., :-1], white[..., -1]
    prior = numpy.diag([0.0, *([SIZE_POWER_PRIOR**-2] * (columns.shape[1] - 1))])
    precision = numpy.swapaxes(design, 1, 2) @ design + prior
    moment = numpy.einsum("gnk,gn->gk", design, response)
    inverse = numpy.linalg.inv(precision)
    coefficients = numpy.einsum("gjk,gk->gj", inverse, moment)
    log_density = (
        -numpy.sum(numpy.log(numpy.diagonal(root, axis1=1, axis2=2)), axis=1)
        - numpy.linalg.slogdet(precision)[1] / 2
        - (numpy.sum(response**2, axis=1) - numpy.sum(moment * coefficients, axis=1)) / 2
        - (between_houses**2 + _SPREADS**2) / (2 * SPREAD_PRIOR**2)
    )
    variance = numpy.einsum("j,gjk,k->g", asked, inverse, asked)
    of_houses = numpy.full(len(_SPREADS), between_houses)
    return log_density, of_houses, _SPREADS, coefficients @ asked, variance, coefficients
