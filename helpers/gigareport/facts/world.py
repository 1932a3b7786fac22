"""The world's stock of AI compute by owner and date, with samples: sold, running, and carried ahead of its tables.

The makers' totals carry the whole. An owner's estimate counts as a share of its maker's total of the same vintage, so
that a later total moves its owners; what the named owners do not hold of a total is ``Other``. After the last quarter
of the owners the totals go on by the quarters that some makers have already told, then by a forecast, and shares drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import pandas as pd
from scipy import special

from gigacluster.uncertainty import Uncertain
from gigareport.facts import ahead

__all__ = [
    "OTHER",
    "WorldStock",
    "current",
    "h100e_per_chip",
    "load_stock",
    "quarter_ends",
    "share_of_world",
    "world_stock",
]

#: The owner that stands for everyone the tables do not name.
OTHER = "Other"
#: Owners of the tables that are part of another: chips smuggled to China are among their maker's sales.
_PART_OF = {"China (smuggled)": "China"}
_DAYS_PER_YEAR = 365.25
_DAYS_PER_MONTH = _DAYS_PER_YEAR / 12
_ESTIMATE = ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]
_Z95 = float(special.ndtri(0.95))
#: Quarters that are carried ahead of the last one with owners; later dates grow as the last of them.
_QUARTERS_AHEAD = 12
#: Half of the variance of a total's error keeps its sign through all dates, half is forgotten within a year: between
#: two vintages the last quarter of Google's chips moved by 4 %, the quarter before by 0.1 %. [assumption]
_LASTING, _FORGOTTEN_YEARS = 0.5, 1.0
#: An owner whose intervals are narrower than this part of its maker's was counted by itself, not by its share of sales.
_COUNTED = 0.75
#: A smaller part of a maker's total without an owner is a rounding of the tables.
_ROUNDING = 1e-6
#: Growth before this quarter is that of a table that fills up: it counts what was sold since 2022.
_FILLED_QUARTERS = 3
#: A maker's growth in a quarter, against that of the makers who have told theirs, as a standard deviation of its log;
#: and of the change of growth from quarter to quarter where a table is too short to show it.
_MAKER_SPREAD, _LEAST_SPREAD = 0.05, 0.1


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
        return self.h100e_8bit.sum(axis=0)

    def is_extrapolated(self, date: Any) -> bool:
        """Tell whether ``date`` lies after the last date with owners."""
        return bool(_day(date) > self.dates[-1])

    def at(self, date: Any) -> numpy.ndarray:
        """Holdings of each owner at a date, shape (owners, samples).

        Between two quarters a holding grows at a steady rate (linearly where it starts at 0), after the last one at
        that of the last. Before the first date it is not known: ``nan``.
        """
        return self._on(numpy.full(self.h100e_8bit.shape[2], _number(_day(date))))

    def running_at(self, date: Any, *, lag_months: Any, life_months: Any) -> numpy.ndarray:
        """Holdings that run at a date, shape (owners, samples): sold a while ago, and not yet worn out.

        Parameters
        ----------
        date : date, datetime64 or str
        lag_months, life_months : float or array, shape (samples,)
            From the sale of a chip to its work, and how long it works. [month]
        """
        day = _number(_day(date)) - numpy.asarray(lag_months) * _DAYS_PER_MONTH
        day, life = numpy.broadcast_arrays(day * numpy.ones(self.h100e_8bit.shape[2]), life_months)
        worn = self._on(day - life * _DAYS_PER_MONTH)
        return self._on(day) - numpy.nan_to_num(worn)

    def _on(self, days: numpy.ndarray) -> numpy.ndarray:
        dates = _number(numpy.concatenate([self.dates, self.later]))
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


def load_stock(samples: int = 10_000, seed: int = 7, **options: Any) -> WorldStock:
    """Draw the world's stock from the tables of ``data/``; see :func:`world_stock`."""
    from gigareport import catalog

    return world_stock(catalog.load("chip_owners"), catalog.load("maker_totals"), samples=samples, seed=seed, **options)


def world_stock(
    owners: pd.DataFrame, makers: pd.DataFrame, *, samples: int = 10_000, seed: int = 7, total_of: str = "owner"
) -> WorldStock:
    """Draw the world's stock from the tables of owners and of makers' totals.

    Parameters
    ----------
    owners, makers : DataFrame
        Tables ``chip_owners`` and ``maker_totals``, with all their vintages. A maker without totals counts as what
        its owners hold.
    samples : int
    seed : int
    total_of : {"owner", "chip_maker"}
        Whose stock: that of those who own the chips, or of those who made them.

    Returns
    -------
    WorldStock

    Notes
    -----
    An owner's estimate is its maker's total times a share: what its interval has beyond that of the total is the
    share's own. Shares are drawn, together with that of Other, and brought to a sum of one; an owner whose number is
    given without an interval keeps it. Each maker and each owner has a stream of its own, so that a further one does
    not change the draws of the others.

    Examples
    --------
    >>> world = load_stock(samples=10)
    >>> world.owners[-1], world.h100e_8bit.shape[2]
    ('Other', 10)
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    totals = current(makers, ["chip_maker", "as_of"])
    held = _held(current(owners, ["owner", "chip_maker", "as_of"]), makers, totals)
    quarters = numpy.unique([*_days(totals), *_days(held)])
    last = max(_days(held))
    known = quarters[quarters <= last]
    stock: dict[str, numpy.ndarray] = {}
    made: dict[str, numpy.ndarray] = {}
    names = sorted(set(totals["chip_maker"]) | set(held["chip_maker"]))
    for maker in names:
        rows = held[held["chip_maker"] == maker]
        made[maker] = _made(maker, totals[totals["chip_maker"] == maker], rows, quarters, samples, seed)
        for owner, amount in _owned(maker, rows, made[maker][: len(known)], known, samples, seed).items():
            name = owner if total_of == "owner" else maker
            stock[name] = stock.get(name, 0.0) + amount
    order = sorted(stock, key=lambda name: (name == OTHER, -float(numpy.median(stock[name][-1])), name))
    holdings = numpy.stack([stock[name] for name in order])
    told = _told(numpy.stack([made[name] for name in names]), len(known), samples, seed)
    later, beyond = _carried_ahead(holdings, known, quarters[len(known) :], told, seed)
    return WorldStock(owners=tuple(order), dates=known, h100e_8bit=holdings, later=later, h100e_8bit_later=beyond)


def current(table: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the complete rows of a table, of each key that of the latest vintage."""
    whole = table[~table["incomplete"]].sort_values([*key, "vintage"])
    return whole.groupby(key, as_index=False).tail(1).reset_index(drop=True)


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


def _held(owners: pd.DataFrame, makers: pd.DataFrame, totals: pd.DataFrame) -> pd.DataFrame:
    """Return owners' rows in the units of the latest totals: each is a share of its maker's total of its own vintage."""
    keys = ["chip_maker", "as_of"]
    then = makers.set_index([*keys, "vintage"])["h100e_8bit_median"]
    now = totals.set_index(keys)["h100e_8bit_median"]
    rows = owners.copy()
    index = pd.MultiIndex.from_frame(rows[keys])
    same = pd.MultiIndex.from_frame(rows[[*keys, "vintage"]])
    moved = (now.reindex(index).to_numpy() / then.reindex(same).to_numpy()) if len(rows) else numpy.ones(0)
    fixed = (rows["h100e_8bit_p5"].isna() | (rows["h100e_8bit_p5"] == rows["h100e_8bit_p95"])).to_numpy()
    rows[_ESTIMATE] = rows[_ESTIMATE].mul(numpy.where(fixed | ~numpy.isfinite(moved), 1.0, moved), axis=0)
    return rows.assign(owner=rows["owner"].replace(_PART_OF), row_owner=rows["owner"])


def _made(
    maker: str, totals: pd.DataFrame, held: pd.DataFrame, quarters: numpy.ndarray, samples: int, seed: int
) -> numpy.ndarray:
    """Draw a maker's total at each quarter, shape (quarters, samples): 0 before its first, ``nan`` after its last."""
    if totals.empty:
        rows = held.groupby("as_of")[_ESTIMATE].sum(min_count=1).reset_index()
    else:
        rows = totals.sort_values("as_of")
    days = _days(rows)
    table = rows[_ESTIMATE].to_numpy()[numpy.clip(numpy.searchsorted(days, quarters, side="right") - 1, 0, None)]
    lasting, passing = _normal(maker, samples, seed), numpy.zeros(samples)
    found = numpy.zeros((len(quarters), samples))
    for at, (day, estimate) in enumerate(zip(quarters, table, strict=True)):
        forgotten = numpy.exp(-_years(quarters[at - 1], day) / _FORGOTTEN_YEARS) if at else 0.0
        fresh = _normal(f"{maker} {day}", samples, seed)
        passing = forgotten * passing + numpy.sqrt(1 - forgotten**2) * fresh
        z = numpy.sqrt(_LASTING) * lasting + numpy.sqrt(1 - _LASTING) * passing
        if days[0] <= day <= days[-1]:
            found[at] = _uncertain(*estimate).quantile(special.ndtr(z))
        elif day > days[-1]:
            found[at] = numpy.nan
    return found


def _owned(
    maker: str, held: pd.DataFrame, total: numpy.ndarray, quarters: numpy.ndarray, samples: int, seed: int
) -> dict[str, numpy.ndarray]:
    """Share a maker's total out among its owners, each of shape (quarters, samples)."""
    total = numpy.where(numpy.isnan(total), 0.0, total)  # a maker whose totals end early is carried ahead, not here
    middle = numpy.maximum(numpy.median(total, axis=1), 1.0)
    spread = _log_ratio(*numpy.quantile(total, [0.05, 0.95], axis=1))
    owner_of, counted = {}, {}
    drawn = {OTHER: numpy.ones(total.shape)}  # a factor until its median is known: what the named leave
    for name, rows in held.sort_values("as_of").groupby("row_owner", sort=True):
        owner_of[name] = str(rows["owner"].iloc[0])
        at = numpy.searchsorted(_days(rows), quarters, side="right") - 1
        low, median, high = numpy.where(at >= 0, rows[_ESTIMATE].to_numpy()[numpy.maximum(at, 0)].T, 0.0)
        wide, own = _log_ratio(low, high), _normal(f"{name}/{maker}", samples, seed)
        if wide.sum() < _COUNTED * spread[at >= 0].sum():
            counted[name] = median[:, None] * numpy.exp(wide[:, None] / (2 * _Z95) * own)
            continue
        beyond = numpy.sqrt(numpy.maximum(wide**2 - spread**2, 0.0)) / (2 * _Z95)
        factor = numpy.exp(beyond[:, None] * own)
        drawn[name] = factor if name == OTHER else (median / middle)[:, None] * factor
    rest = numpy.maximum(total - sum(counted.values(), numpy.zeros_like(total)), 0.0)
    named = sum((numpy.median(d, axis=1) for name, d in drawn.items() if name != OTHER), numpy.zeros(len(quarters)))
    left = numpy.median(rest, axis=1) / middle - named
    drawn[OTHER] = numpy.where(left > _ROUNDING, left, 0.0)[:, None] * drawn[OTHER]
    whole = sum(drawn.values())
    scale = rest / numpy.where(whole > 0, whole, 1.0)
    found: dict[str, numpy.ndarray] = {}
    for name, amount in [*counted.items(), *((name, share * scale) for name, share in drawn.items())]:
        owner = owner_of.get(name, OTHER)
        found[owner] = found.get(owner, 0.0) + numpy.where(total > 0, amount, 0.0)
    return found


def _told(made: numpy.ndarray, n_known: int, samples: int, seed: int) -> numpy.ndarray:
    """Return the world's total at the quarters after those with owners, as far as makers have told theirs.

    A maker that has not told grows as those who have, with a spread of its own. Shape (later quarters, samples).
    """
    totals, before = [], numpy.where(numpy.isnan(made[:, n_known - 1]), 0.0, made[:, n_known - 1])
    for at in range(n_known, made.shape[1]):
        known = ~numpy.isnan(made[:, at])
        factor = made[:, at][known].reshape(-1, samples).sum(axis=0) / before[known].reshape(-1, samples).sum(axis=0)
        spread = numpy.stack([_normal(f"untold {i} {at}", samples, seed) for i in range(len(made))])
        before = numpy.where(known, numpy.nan_to_num(made[:, at]), before * factor * numpy.exp(_MAKER_SPREAD * spread))
        totals.append(before.sum(axis=0))
    return numpy.stack(totals) if totals else numpy.zeros((0, samples))


def _carried_ahead(
    holdings: numpy.ndarray, known: numpy.ndarray, told_on: numpy.ndarray, told: numpy.ndarray, seed: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Carry totals and shares ahead of the last quarter with owners: ``(quarters, holdings)``."""
    samples = holdings.shape[2]
    days = quarter_ends(known[-1], _QUARTERS_AHEAD)
    total = holdings.sum(axis=0)
    middle = numpy.median(numpy.concatenate([total, told]), axis=1)
    when = numpy.concatenate([known, told_on])
    steps = numpy.maximum(numpy.round(_years(when[:-1], when[1:]) * 4), 1)
    growth = (numpy.diff(numpy.log(middle)) / steps)[_FILLED_QUARTERS:]
    to_go = _QUARTERS_AHEAD - len(told)
    start = numpy.concatenate([total[-1:], told])[-1]
    if len(growth):
        # the quantity that persists is growth itself: the sum of its steps is the logarithm of the stock
        grown = ahead.paths(growth[None, :], to_go, samples, seed, least_spread=_LEAST_SPREAD)[0]
    else:
        grown = numpy.zeros((to_go, samples))  # a date or two alone say nothing of growth
    whole = numpy.concatenate([told, start * numpy.exp(grown)])
    share = holdings[:, -1] / total[-1]
    past = numpy.median(holdings, axis=2) / numpy.median(total, axis=1)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        moves = numpy.diff(numpy.log(past), axis=1)[:, _FILLED_QUARTERS + 2 :]
    moves = numpy.where(numpy.isfinite(moves), moves, numpy.nan)
    if moves.shape[1]:
        drift = numpy.exp(ahead.paths(moves, _QUARTERS_AHEAD, samples, seed + 1))
    else:
        drift = numpy.ones((len(holdings), _QUARTERS_AHEAD, samples))
    shares = share[:, None, :] * drift
    return days, whole[None] * shares / shares.sum(axis=0)


def quarter_ends(day: Any, n: int) -> numpy.ndarray:
    """Return the last days of the ``n`` quarters after a day.

    Examples
    --------
    >>> quarter_ends("2025-12-31", 2).astype(str).tolist()
    ['2026-03-31', '2026-06-30']
    """
    month = numpy.datetime64(str(day)[:7], "M").astype(int)
    first = month - month % 3 + 3
    ends = (first + 3 * numpy.arange(1, n + 1)).astype("datetime64[M]").astype("datetime64[D]")
    return ends - numpy.timedelta64(1, "D")


def _log_ratio(low: numpy.ndarray, high: numpy.ndarray) -> numpy.ndarray:
    """Return log(high / low), 0 where nothing is held."""
    known = (low > 0) & (high > 0)  # false for nan, which stands for a count without an interval
    return numpy.log(numpy.where(known, high, 1.0) / numpy.where(known, low, 1.0))


def _uncertain(low: float, median: float, high: float) -> Uncertain:
    return Uncertain.fixed(median) if numpy.isnan(low) else Uncertain(low=low, median=median, high=high, lower=0.0)


def _normal(name: str, samples: int, seed: int) -> numpy.ndarray:
    return numpy.random.default_rng([seed, *name.encode()]).standard_normal(samples)


def _day(date: Any) -> numpy.datetime64:
    return numpy.datetime64(str(date)[:10], "D")


def _days(rows: pd.DataFrame) -> numpy.ndarray:
    return rows["as_of"].to_numpy().astype("datetime64[D]")


def _number(days: Any) -> Any:
    return numpy.asarray(days).astype("datetime64[D]").astype(numpy.float64)


def _years(first: Any, last: Any) -> Any:
    return (last - first) / numpy.timedelta64(1, "D") / _DAYS_PER_YEAR
