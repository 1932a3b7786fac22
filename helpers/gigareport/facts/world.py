"""The world's stock of AI compute by owner and date, with samples, and what one cluster is of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy
from scipy import special

from gigacluster.arrays import as_common
from gigacluster.uncertainty import Uncertain

__all__ = [
    "OTHER",
    "WorldStock",
    "add_cluster",
    "estimates_at",
    "h100e_per_chip",
    "ranks",
    "share_of_world",
    "size_for_change",
    "world_stock",
]

#: The owner that stands for everyone the tables do not name.
OTHER = "Other"
_DAYS_PER_YEAR = 365.25
_ESTIMATE = ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]
#: Quarters whose growth is carried on: of one to four, two forecast the later quarters of the table best.
_RECENT_QUARTERS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldStock:
    """Compute by owner, date and sample, in H100 equivalents by dense 8-bit peak. Owner ``Other`` comes last."""

    owners: tuple[str, ...]
    dates: numpy.ndarray  # datetime64[D], rising
    h100e_8bit: numpy.ndarray  # (owners, dates, samples)
    growth_error: numpy.ndarray  # (samples,): error of the log of growth per year, where the table is extended

    @property
    def total(self) -> numpy.ndarray:
        """The stock of all owners, shape (dates, samples)."""
        return self.h100e_8bit.sum(axis=0)

    def is_extrapolated(self, date: Any) -> bool:
        """Tell whether ``date`` lies after the last date of the table."""
        return bool(_day(date) > self.dates[-1])

    def at(self, date: Any) -> numpy.ndarray:
        """Holdings of each owner at a date, shape (owners, samples).

        Between two dates of the table an owner's holding grows at a steady rate (linearly where it starts at 0).
        After the last date shares stay and the total grows at the rate of the last two quarters, corrected by the mean
        error that such forecasts made inside the table, and with their spread; :meth:`is_extrapolated` says so. Before
        the first date it is not known: ``nan``.
        """
        day = _day(date)
        if day < self.dates[0]:
            return numpy.full_like(self.h100e_8bit[:, 0], numpy.nan)
        if day >= self.dates[-1]:
            years = _years(self.dates[-1], day)
            growth = _recent_growth(self.total, self.dates, len(self.dates) - 1)
            return self.h100e_8bit[:, -1] * numpy.exp(years * (growth + self.growth_error))
        after = int(numpy.searchsorted(self.dates, day, side="right"))
        low, high = self.h100e_8bit[:, after - 1], self.h100e_8bit[:, after]
        fraction = _years(self.dates[after - 1], day) / _years(self.dates[after - 1], self.dates[after])
        both = (low > 0) & (high > 0)
        ratio = numpy.where(both, high, 1.0) / numpy.where(both, low, 1.0)
        return numpy.where(both, low * ratio**fraction, low + (high - low) * fraction)


def world_stock(
    owners: Any, *, samples: int = 10_000, seed: int = 7, rank_correlation: float = 0.0, total_of: str = "owner"
) -> WorldStock:
    """Draw the world's stock from the table of owners.

    Parameters
    ----------
    owners : DataFrame
        Table ``chip_owners``, from :func:`gigareport.catalog.load`.
    samples : int
    seed : int
    rank_correlation : float, default 0
        Spearman correlation of the errors of any two rows of the table, in [0, 1]; it is not published, so show
        results for both ends. The error of one row keeps its rank through all dates.
    total_of : {"owner", "chip_maker"}
        Whose stock: that of those who own the chips, or of those who made them.

    Returns
    -------
    WorldStock
        An owner's stock from one maker is carried forward to dates without a row, because nothing is retired.

    Examples
    --------
    >>> from gigareport import catalog
    >>> world = world_stock(catalog.load("chip_owners"), samples=10)
    >>> world.owners[-1], world.h100e_8bit.shape[2]
    ('Other', 10)
    """
    owners = owners[~owners["incomplete"]] if "incomplete" in owners else owners
    dates = numpy.unique(owners["as_of"].to_numpy().astype("datetime64[D]"))
    series = owners.groupby(["owner", "chip_maker"], sort=True)
    probabilities = ranks(["/".join(key) for key in series.groups], samples, seed, rank_correlation)
    stock: dict[str, numpy.ndarray] = {}
    for (owner, maker), rows in series:
        name = owner if total_of == "owner" else maker
        held = stock.setdefault(name, numpy.zeros((len(dates), samples)))
        rows = rows.sort_values("as_of")
        start = numpy.searchsorted(dates, rows["as_of"].to_numpy().astype("datetime64[D]"))
        stops = [*start[1:], len(dates)]
        estimates = rows[_ESTIMATE].to_numpy()
        for first, stop, estimate in zip(start, stops, estimates, strict=True):
            held[first:stop] += _uncertain(*estimate).quantile(probabilities[f"{owner}/{maker}"])
    names = sorted(stock, key=lambda name: (name == OTHER, -float(numpy.median(stock[name][-1])), name))
    holdings = numpy.stack([stock[name] for name in names])
    return WorldStock(
        owners=tuple(names), dates=dates, h100e_8bit=holdings, growth_error=_growth_errors(holdings, dates, seed)
    )


def estimates_at(owners: Any, date: Any) -> dict[tuple[str, str], Uncertain]:
    """Return the last estimate, up to a date, of each owner's stock from each maker: ``(owner, chip_maker)`` first."""
    owners = owners[~owners["incomplete"]] if "incomplete" in owners else owners
    known = owners[owners["as_of"].to_numpy().astype("datetime64[D]") <= _day(date)].sort_values("as_of")
    last = known.groupby(["owner", "chip_maker"])[_ESTIMATE].tail(1).index
    keys = known.loc[last, ["owner", "chip_maker"]].itertuples(index=False, name=None)
    return {key: _uncertain(*row) for key, row in zip(keys, known.loc[last, _ESTIMATE].to_numpy(), strict=True)}


def ranks(names: list[str], samples: int, seed: int, rank_correlation: float) -> Mapping[str, numpy.ndarray]:
    """Draw probabilities in (0, 1) for each name, of shape (samples,), with one rank correlation between any two.

    Each name has a stream of its own, so that a further owner does not change the draws of the others. A Gaussian
    copula with correlation 2 sin(pi r / 6) has Spearman correlation r.
    """
    if not 0 <= rank_correlation <= 1:
        raise ValueError(f"rank_correlation is {rank_correlation!r}; it must lie in [0, 1]")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    linear = 2 * numpy.sin(numpy.pi * rank_correlation / 6)
    shared = _normal("shared", samples, seed)
    z = {name: numpy.sqrt(linear) * shared + numpy.sqrt(1 - linear) * _normal(name, samples, seed) for name in names}
    return {name: numpy.clip(special.ndtr(values), 2**-54, 1 - 2**-53) for name, values in z.items()}


def share_of_world(h100e_8bit: Any, world: WorldStock, date: Any) -> numpy.ndarray:
    """Share of the world's stock that a cluster is at a date, shape (samples,).

    The cluster's chips are counted among the world's: they came out of the same sales. Ask
    ``world.is_extrapolated(date)`` whether the stock was known then.

    Parameters
    ----------
    h100e_8bit : float or array, shape (samples,)
        Size of the cluster by dense 8-bit peak; an H100 counts 1. Where a chip's 8-bit peak is twice its 16-bit peak,
        as on all chips since the A100 but for a few, this equals the count by bf16 peak.
    world : WorldStock
    date : date, datetime64 or str
    """
    return numpy.asarray(h100e_8bit, dtype=numpy.float64) / world.at(date).sum(axis=0)


def h100e_per_chip(chips: Any, chip: str) -> float:
    """Return a chip's H100 equivalents by its best dense 8-bit or 16-bit peak, as the table of owners counts.

    Parameters
    ----------
    chips : DataFrame
        Table ``chips``.
    chip : str

    Examples
    --------
    >>> from gigareport import catalog
    >>> h100e_per_chip(catalog.load("chips"), "H100-SXM")
    1.0
    """
    peaks = chips.set_index("chip")[["bf16_tflops", "fp8_tflops", "int8_tops"]].max(axis=1)
    if chip not in peaks:
        raise ValueError(f"unknown chip {chip!r}; the table has: {', '.join(peaks.index)}")
    return float(peaks[chip] / peaks["H100-SXM"])


def add_cluster(holdings: Any, h100e_8bit: Any, owner: int | None = None) -> Any:
    """Return the holdings with a cluster added to one owner, or to a new one (``None``), put last.

    Examples
    --------
    >>> add_cluster([3.0, 1.0], 2.0, owner=0).tolist(), add_cluster([3.0, 1.0], 2.0).tolist()
    ([5.0, 1.0], [3.0, 1.0, 2.0])
    """
    xp, (holdings, size) = as_common(holdings, h100e_8bit)
    new = xp.broadcast_to(size, holdings.shape[1:])[None, ...]
    if owner is None:
        return xp.concat([holdings, new], axis=0)
    if not 0 <= owner < holdings.shape[0]:
        raise ValueError(f"owner is {owner}; it can be 0 to {holdings.shape[0] - 1}, or None for a new owner")
    return xp.concat(
        [holdings[:owner, ...], holdings[owner : owner + 1, ...] + new, holdings[owner + 1 :, ...]], axis=0
    )


def size_for_change(
    measure: Callable[[Any], Any], holdings: Any, change: float, owner: int | None = None, steps: int = 30
) -> Any:
    """Size of the cluster that moves a measure by ``change``, in the unit of the holdings.

    Parameters
    ----------
    measure : callable
        ``measure(holdings)``, such as :func:`gigacluster.concentration.hhi`.
    holdings : array, shape (owners, ...)
    change : float
        The change wanted, with its sign, in the unit of the measure.
    owner : int, optional
        Row of the owner of the cluster; a new owner by default.
    steps : int, default 30
        Halvings of the interval that holds the size.

    Returns
    -------
    array, shape (...)
        The smallest size that does it, found on a grid from a ten-thousandth to a hundred times the total (five sizes
        a decade) and then by halving; ``nan`` where no size on the grid does it.

    Examples
    --------
    >>> from gigacluster.concentration import hhi
    >>> round(float(size_for_change(hhi, [50.0, 50.0], 100.0, owner=0)), 3)
    16.472
    """
    xp, (holdings,) = as_common(holdings)
    total, before = xp.sum(holdings, axis=0), measure(holdings)

    def reached(size: Any) -> Any:
        return (measure(add_cluster(holdings, size, owner)) - before) / change >= 1

    low, high = xp.zeros_like(total), xp.full_like(total, xp.nan)
    for ratio in numpy.logspace(-4, 2, 31).tolist():  # one size at a time, so that memory stays small
        waiting = xp.isnan(high)
        hit = waiting & reached(ratio * total)
        low = xp.where(waiting & ~hit, ratio * total, low)
        high = xp.where(hit, ratio * total, high)
    for _ in range(steps):
        middle = (low + high) / 2
        enough = reached(middle)
        low, high = xp.where(enough, low, middle), xp.where(enough, middle, high)
    return high


def _uncertain(low: float, median: float, high: float) -> Uncertain:
    return Uncertain.fixed(median) if numpy.isnan(low) else Uncertain(low=low, median=median, high=high, lower=0.0)


def _normal(name: str, samples: int, seed: int) -> numpy.ndarray:
    return numpy.random.default_rng([seed, *name.encode()]).standard_normal(samples)


def _day(date: Any) -> numpy.datetime64:
    return numpy.datetime64(str(date)[:10], "D")


def _years(first: Any, last: Any) -> Any:
    return (last - first) / numpy.timedelta64(1, "D") / _DAYS_PER_YEAR


def _log_growth(total: numpy.ndarray, dates: numpy.ndarray, first: int, last: int) -> numpy.ndarray:
    """Growth per year of the log of the total between two dates of the table, shape (samples,)."""
    return numpy.log(total[last] / total[first]) / _years(dates[first], dates[last])


def _recent_growth(total: numpy.ndarray, dates: numpy.ndarray, last: int) -> numpy.ndarray:
    if last == 0:
        return numpy.zeros(total.shape[1])  # one date alone says nothing of growth
    return _log_growth(total, dates, max(last - _RECENT_QUARTERS, 0), last)


def _growth_errors(holdings: numpy.ndarray, dates: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Draw the error of the forecast growth per year, from how the same forecast did from each earlier quarter.

    Growth has been slowing, so the forecasts were too high on average; the mean of the draws takes that out.
    """
    total = numpy.median(holdings.sum(axis=0), axis=1, keepdims=True)
    missed = [
        float(_log_growth(total, dates, start, later)[0] - _recent_growth(total, dates, start)[0])
        for start in range(_RECENT_QUARTERS, len(dates))
        for later in range(start + 1, min(start + 5, len(dates)))
    ]
    if not missed:
        return numpy.zeros(holdings.shape[2])
    return numpy.mean(missed) + numpy.std(missed) * _normal("growth", holdings.shape[2], seed)
