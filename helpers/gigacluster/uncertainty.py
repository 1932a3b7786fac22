"""Uncertain inputs: seeded samples, intervals, and which input decides.

Samples lie along the last axis. They are drawn on the host from a seeded generator, so that every device sees the
same numbers, and moved with :func:`gigacluster.arrays.to_device` where wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy
from scipy import special, stats

from gigacluster.arrays import Array, to_host

#: z-score of the 95th percentile: low and high of an :class:`Uncertain` are the 5th and 95th percentiles.
_Z95 = float(special.ndtri(0.95))


_Record = TypeVar("_Record")


def alike(record: type[_Record]) -> type[_Record]:
    """Let records of a dataclass be equal where their fields are, nan beside nan too, as they are until Python 3.12."""
    names = tuple(item.name for item in fields(record))  # type: ignore[arg-type]

    def same(self: object, other: object) -> bool:
        # Lists take an object for equal to itself.
        return other.__class__ is self.__class__ and (
            [getattr(self, name) for name in names] == [getattr(other, name) for name in names]
        )

    record.__eq__ = same  # type: ignore[method-assign]
    return record


@alike
@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertain:
    """A quantity known as low, median and high: its 5th, 50th and 95th percentiles.

    A positive quantity is drawn from a two-piece lognormal with exactly these percentiles, another from a two-piece
    normal; ``lower`` and ``upper`` are hard limits that draws are clipped to. Equal percentiles make it a constant.
    :meth:`uniform` makes a quantity that is equally likely anywhere between two limits.
    """

    low: float
    median: float
    high: float
    lower: float = -numpy.inf
    upper: float = numpy.inf
    is_uniform: bool = False

    def __post_init__(self) -> None:
        if math.isnan(self.median):  # left out
            return
        if not self.lower <= self.low <= self.median <= self.high <= self.upper:
            raise ValueError(
                f"percentiles must rise within the limits: got low={self.low}, median={self.median}, high={self.high} "
                f"within [{self.lower}, {self.upper}]"
            )

    @classmethod
    def fixed(cls, value: float) -> Uncertain:
        """Return the constant ``value``."""
        return cls(low=value, median=value, high=value)

    @classmethod
    def left_out(cls) -> Uncertain:
        """Return the mark of a quantity that nobody gave; every draw of it is ``nan``."""
        return cls(low=math.nan, median=math.nan, high=math.nan)

    @classmethod
    def uniform(cls, lower: float, upper: float) -> Uncertain:
        """Return a quantity that is equally likely anywhere between two limits."""
        low, median, high = (lower + share * (upper - lower) for share in (0.05, 0.5, 0.95))
        return cls(low=low, median=median, high=high, lower=lower, upper=upper, is_uniform=True)

    def quantile(self, probability: Array) -> Array:
        """Return the values at the given probabilities, in (0, 1), of the same shape."""
        if self.is_uniform:
            return self.lower + probability * (self.upper - self.lower)
        if not self.low < self.high:
            return numpy.full_like(probability, self.median)
        z: Array = special.ndtri(probability) / _Z95
        if self.low > 0:
            steps = numpy.where(z < 0, numpy.log(self.median / self.low), numpy.log(self.high / self.median))
            values = self.median * numpy.exp(z * steps)
        else:
            values = self.median + z * numpy.where(z < 0, self.median - self.low, self.high - self.median)
        return numpy.clip(values, self.lower, self.upper)


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with the central interval that holds ``coverage`` of the samples."""

    low: float
    median: float
    high: float
    coverage: float = 0.9
    without_frac: float = 0.0  # samples that have no answer; the interval is of the others


def draw(inputs: Mapping[str, Uncertain], samples: int, seed: int) -> dict[str, numpy.ndarray]:
    """Draw joint samples of independent inputs.

    Each input has a stream of its own, named by its key, so that adding an input does not change the draws of the
    others, and sample i is the same whatever the number of samples.

    Parameters
    ----------
    samples : Number of draws, at least 1.

    Returns
    -------
    dict of str to array, shape (samples,)
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    drawn = {}
    for name, uncertain in inputs.items():
        stream = numpy.random.default_rng([seed, *name.encode()])
        drawn[name] = uncertain.quantile(stream.uniform(2**-54, 1 - 2**-53, samples))
    return drawn


def interval(values: object, coverage: float = 0.9) -> Interval:
    """Return the median and central interval of the samples that are not ``nan``, and the share of those that are.

    Examples
    --------
    >>> interval(numpy.arange(101.0)).median
    50.0
    """
    every = to_host(values).ravel()
    host = every[~numpy.isnan(every)]
    if host.size == 0:
        return Interval(numpy.nan, numpy.nan, numpy.nan, coverage, 1.0)
    tail = (1 - coverage) / 2
    low, median, high = numpy.quantile(host, [tail, 0.5, 1 - tail])
    return Interval(float(low), float(median), float(high), coverage, 1 - host.size / every.size)


def sobol_indices(
    model: Callable[[dict[str, numpy.ndarray]], numpy.ndarray],
    inputs: Mapping[str, Uncertain],
    *,
    samples: int = 1024,
    seed: int = 7,
) -> dict[str, tuple[float, float]]:
    """Say which input decides: first-order and total Sobol index of each input that varies.

    Parameters
    ----------
    model : Takes a dict of arrays of shape (n,), one an input, and returns an array of shape (n,).
    samples : Base sample, a power of two; the model sees ``samples * (varying inputs + 2)`` points.

    Returns
    -------
    dict of str to (first, total)
        Shares of the output's variance, largest total first. Constant inputs are left out.

    Notes
    -----
    Saltelli's estimators as in :func:`scipy.stats.sobol_indices`.
    """
    varying = {name: value for name, value in inputs.items() if value.low < value.high}
    if not varying:
        return {}

    def response(points: numpy.ndarray) -> numpy.ndarray:
        flat = points.reshape(len(varying), -1)
        given = {
            name: value.quantile(numpy.clip(flat[list(varying).index(name)], 1e-12, 1 - 1e-12))
            if name in varying
            else numpy.full(flat.shape[1], value.median)
            for name, value in inputs.items()
        }
        return to_host(model(given)).reshape(points.shape[1:])

    result = stats.sobol_indices(
        func=response, n=samples, dists=[stats.uniform()] * len(varying), rng=numpy.random.default_rng(seed)
    )
    first, total = numpy.atleast_1d(result.first_order), numpy.atleast_1d(result.total_order)
    pairs = {name: (float(first[i]), float(total[i])) for i, name in enumerate(varying)}
    return dict(sorted(pairs.items(), key=lambda item: -item[1][1]))


def tornado(
    model: Callable[[dict[str, numpy.ndarray]], numpy.ndarray], inputs: Mapping[str, Uncertain]
) -> dict[str, tuple[float, float]]:
    """Move one input at a time to its 5th and 95th percentile, the others at their medians.

    Parameters
    ----------
    model : Takes a dict of arrays of shape (n,), one an input, and returns an array of shape (n,).

    Returns
    -------
    dict of str to (at low, at high)
        The model's answers, widest first. Constant inputs are left out.

    Examples
    --------
    >>> swing = tornado(lambda x: 2 * x["a"] + x["b"], {
    ...     "a": Uncertain(low=1, median=2, high=3), "b": Uncertain(low=0, median=1, high=9)})
    >>> swing
    {'b': (4.0, 13.0), 'a': (3.0, 7.0)}
    """
    varying = [name for name, value in inputs.items() if value.low < value.high]
    points = {name: numpy.full(2 * len(varying), float(value.median)) for name, value in inputs.items()}
    for index, name in enumerate(varying):
        points[name][2 * index : 2 * index + 2] = inputs[name].low, inputs[name].high
    answers = to_host(model(points)).reshape(-1, 2) if varying else numpy.empty((0, 2))
    pairs = {name: (float(low), float(high)) for name, (low, high) in zip(varying, answers, strict=True)}
    return dict(sorted(pairs.items(), key=lambda item: -abs(item[1][1] - item[1][0])))


def turning_point(
    difference: Callable[[numpy.ndarray], numpy.ndarray],
    low: float,
    high: float,
    *,
    near: float,
    points: int = 13,
    rounds: int = 2,
) -> float:
    """Return where a difference changes its sign: on points from ``low`` to ``high``, then between two of them.

    Parameters
    ----------
    difference : Takes values of shape (n,) and returns an array of that shape; ``nan`` has no sign.
    low, high : Both above 0: points in equal ratios; ``low`` 0: in equal steps.
    near : Of several turns that nearest to it is returned.
    points, rounds : Points of a round, and how often the gap of the turn is divided again.

    Returns
    -------
    float
        On the line between the last two points; ``nan`` where no two neighbours have other signs.

    Examples
    --------
    >>> round(turning_point(lambda x: x**2 - 2, 0.1, 10.0, near=1.0), 3)
    1.414
    """
    spaced = numpy.geomspace if low > 0 else numpy.linspace
    for _ in range(rounds):
        at = spaced(low, high, points)
        found = numpy.asarray(difference(at), dtype=float)
        turns = numpy.flatnonzero((numpy.sign(found[:-1]) != numpy.sign(found[1:])) & numpy.isfinite(numpy.diff(found)))
        if not len(turns):
            return math.nan
        left = min(turns, key=lambda place: abs(at[place] - near))
        (low, high), ends = at[left : left + 2], found[left : left + 2]
    return float(low + (high - low) * ends[0] / (ends[0] - ends[1]))
