"""The world's stock of AI compute by owner and date, with samples; what of it runs, and what a cluster is of it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import ArrayLike

from gigacluster.arrays import AnyArray
from gigacluster.uncertainty import Uncertain, draw
from gigacluster.units import DAYS_PER_MONTH, DAYS_PER_YEAR
from gigareport import catalog

#: A day as callers give it: a date, a timestamp of pandas, a datetime64, or text such as 2026-03-31.
Day: TypeAlias = datetime.date | numpy.datetime64 | str
#: One of them, or several.
Days: TypeAlias = ArrayLike | datetime.date
#: The owner that stands for everyone the tables do not name.
OTHER = "Other"
#: Months from a chip's sale to its work, and of its working life; see :func:`running`.
_LAG_MONTHS = Uncertain(low=1.5, median=2.8, high=4.5, lower=0.0)
_LIFE_MONTHS = Uncertain(low=60.0, median=72.0, high=84.0, lower=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldStock:
    """Compute by owner, date and sample, in H100 equivalents by dense 8-bit peak. Owner ``Other`` comes last."""

    owners: tuple[str, ...]
    dates: numpy.ndarray  # datetime64[D], rising: quarters with owners
    h100e_8bit: numpy.ndarray  # (owners, dates, samples)
    later: numpy.ndarray  # datetime64[D]: quarters after the last one with owners
    h100e_8bit_later: numpy.ndarray  # (owners, later, samples)

    @property
    def total(self) -> numpy.ndarray:
        """The stock of all owners, shape (dates, samples)."""
        found: numpy.ndarray = self.h100e_8bit.sum(axis=0)
        return found

    def at(self, date: Day | Sequence[Day]) -> numpy.ndarray:
        """Holdings of each owner at a date, shape (owners, samples); at several, shape (owners, dates, samples).

        Between two quarters a holding grows at a steady rate (linearly where it starts at 0), after the last one at
        that of the last. Before the first date it is not known: ``nan``.
        """
        if isinstance(date, Sequence) and not isinstance(date, str):
            return numpy.stack([self.at(day) for day in date], axis=1)
        return self._on(numpy.full(self.h100e_8bit.shape[2], day_numbers(date)))

    def running_at(
        self, date: Day, *, lag_months: float | numpy.ndarray, life_months: float | numpy.ndarray
    ) -> numpy.ndarray:
        """Holdings that run at a date, shape (owners, samples): sold a while ago, and not yet worn out.

        Parameters
        ----------
        lag_months, life_months : From the sale of a chip to its work, and how long it works. [month]
        """
        day = day_numbers(date) - numpy.asarray(lag_months) * DAYS_PER_MONTH
        day, life = numpy.broadcast_arrays(day * numpy.ones(self.h100e_8bit.shape[2]), life_months)
        worn = self._on(day - life * DAYS_PER_MONTH)
        found: numpy.ndarray = self._on(day) - numpy.nan_to_num(worn)
        return found

    def _on(self, days: numpy.ndarray) -> numpy.ndarray:
        dates = day_numbers(numpy.concatenate([self.dates, self.later]))
        stock = numpy.concatenate([self.h100e_8bit, self.h100e_8bit_later], axis=1)
        if len(dates) == 1:
            return numpy.where(days < dates[0], numpy.nan, stock[:, 0])
        after = numpy.clip(numpy.searchsorted(dates, days, side="right"), 1, len(dates) - 1)
        low, high = (numpy.take_along_axis(stock, at[None, None, :], axis=1)[:, 0] for at in (after - 1, after))
        fraction = (days - dates[after - 1]) / (dates[after] - dates[after - 1])
        both = (low > 0) & (high > 0)
        ratio = numpy.where(both, high, 1.0) / numpy.where(both, low, 1.0)
        found = numpy.where(both, low * ratio**fraction, low + (high - low) * numpy.clip(fraction, 0.0, 1.0))
        return numpy.where(days < dates[0], numpy.nan, found)


def h100e_per_chip(chip: str) -> float:
    """Return the H100 equivalents of a chip of ``data/``, as the table of owners counts: by its best peak.

    That is the dense 8-bit or 16-bit peak. Where the first is twice the second, as on all chips since the A100 but for
    a few, this equals the count by bf16 peak.

    Examples
    --------
    >>> h100e_per_chip("H100-SXM")
    1.0
    """
    chips = catalog.read("chips")
    peaks = numpy.fmax(numpy.fmax(chips["bf16_tflops"], chips["fp8_tflops"]), chips["int8_tops"])
    by_chip = dict(zip(chips["chip"], peaks, strict=True))
    if chip not in by_chip:
        raise ValueError(f"unknown chip {chip!r}; the table has: {', '.join(by_chip)}")
    return float(by_chip[chip] / by_chip["H100-SXM"])


def spread(name: str, samples: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Return the columns ``name_p5``, ``name_median`` and ``name_p95`` of samples along the last axis."""
    ends = numpy.quantile(samples, [0.05, 0.5, 0.95], axis=-1)
    return dict(zip((f"{name}_p5", f"{name}_median", f"{name}_p95"), ends, strict=True))


def running(samples: int = 10_000, seed: int = 7) -> dict[str, numpy.ndarray]:
    """Draw what :meth:`WorldStock.running_at` asks for: months from a sale to work, and months of working life.

    The first makes 20 million H100 equivalents sold by the end of 2025 into the 16 million that ran (data/sources.csv,
    id ``epoch-stock-running``); the second is that of the cost model (id ``server-life-review``).
    """
    return draw({"lag_months": _LAG_MONTHS, "life_months": _LIFE_MONTHS}, samples, seed)


def quarter_ends(day: Day, n: int) -> numpy.ndarray:
    """Return the last days of the ``n`` quarters after a day.

    Examples
    --------
    >>> quarter_ends("2025-12-31", 2).astype(str).tolist()
    ['2026-03-31', '2026-06-30']
    """
    month = numpy.datetime64(str(day)[:7], "M").astype(int)
    first = month - month % 3 + 3
    ends = (first + 3 * numpy.arange(1, n + 1)).astype("datetime64[M]").astype("datetime64[D]")
    found: numpy.ndarray = ends - numpy.timedelta64(1, "D")
    return found


def as_days(days: Days) -> numpy.ndarray:
    """Return days as datetime64[D]."""
    return numpy.asarray(days, dtype="datetime64[D]")


def day_numbers(days: Days) -> numpy.ndarray:
    """Return days as numbers, which the library counts in."""
    return as_days(days).astype(numpy.float64)


def years_between(first: AnyArray, last: AnyArray) -> Any:
    """Return the years from one day to another, both datetime64."""
    return (last - first) / numpy.timedelta64(1, "D") / DAYS_PER_YEAR
