"""What an answer looks like: a value with its interval, and the flags that a reader of it must know."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing that a reader of a fit must know. ``symbol`` is empty where it concerns the whole fit.

    ``remedy`` is what a caller of the library can do, where there is something: it names functions and options.
    """

    kind: str
    symbol: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        told = f"{self.symbol + ' ' if self.symbol else ''}{self.kind}: {self.message}"
        return f"{told}; {self.remedy}" if self.remedy else told


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate with its interval, of one shape; ``nan`` bounds where there are no replicates."""

    value: Any
    low: Any
    high: Any
    flags: tuple[Flag, ...] = ()

    def __format__(self, spec: str) -> str:
        if numpy.ndim(self.value):
            return f"{numpy.size(self.value)} values"
        text = format(float(self.value), spec or ".4g")
        if numpy.isnan(self.low):
            return text
        return f"{text} ({format(float(self.low), spec or '.4g')} to {format(float(self.high), spec or '.4g')})"

    def __str__(self) -> str:
        return with_flags(self.flags, format(self, ".6g"))


def with_flags(flags: Iterable[Flag], *lines: str) -> str:
    """Return lines of text, and below them a line a flag."""
    return "\n".join([*lines, *(f"  ! {flag}" for flag in flags)])


def spread(
    value: float | numpy.ndarray, samples: Any | None, coverage: float, flags: tuple[Flag, ...] = ()
) -> Estimate:
    """Return an estimate with the percentile interval of samples (along axis 0).

    Samples without an answer (nan) are left out, counted, and told by a flag.
    """
    value = numpy.asarray(value, dtype=float)
    if samples is None or not len(samples):
        return Estimate(value, numpy.full_like(value, numpy.nan), numpy.full_like(value, numpy.nan), flags)
    lost = float(numpy.isnan(samples).mean())
    if lost:
        flags = (*flags, Flag("no answer", "", f"in {lost:.1%} of the replicates, which the interval leaves out"))
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]
    low, high = quantiles(samples, tails)
    return Estimate(value, low, high, flags)


def quantiles(samples: numpy.ndarray, shares: list[float]) -> numpy.ndarray:
    """Return quantiles along axis 0 of the samples that have an answer; ``nan`` where none has."""
    bounded = bool(numpy.isfinite(samples).all())
    method = "linear" if bounded else "inverted_cdf"  # between a number and infinity there is nothing to interpolate
    if not numpy.isnan(samples).any():
        return numpy.asarray(numpy.quantile(samples, shares, axis=0, method=method))  # type: ignore[call-overload]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without an answer
        return numpy.asarray(numpy.nanquantile(samples, shares, axis=0, method=method))  # type: ignore[call-overload]
