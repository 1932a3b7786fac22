"""Draw the world's stock from the tables of owners and of makers' totals, and carry it ahead of them.

The makers' totals carry the whole. An owner's estimate counts as a share of its maker's total of the same vintage, so
that a later total moves its owners; what the named owners do not hold of a total is ``Other``. After the last quarter
of the owners the totals go on by the quarters that some makers have already told, then by a forecast, and shares drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
from scipy import special

from gigacluster.uncertainty import Uncertain
from gigareport import catalog, fields
from gigareport.facts.world import OTHER, WorldStock, quarter_ends, years_between
from gigareport.table import Table, filled, given, stacked

if TYPE_CHECKING:
    import pandas as pd

#: Owners of the tables that are part of another: chips smuggled to China are among their maker's sales.
_PART_OF = {"China (smuggled)": "China"}
_ESTIMATE = ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]
_Z95 = float(special.ndtri(0.95))
#: Quarters that are carried ahead of the last one with owners; later dates grow as the last of them.
_QUARTERS_AHEAD = 12
#: Half of the variance of a total's error keeps its sign through all dates, half is forgotten within a year: between
#: two vintages the last quarter of Google's chips moved by 4 %, the quarter before by 0.1 %. [assumption]
_LASTING, _FORGOTTEN_YEARS = 0.5, 1.0
#: An owner whose intervals are narrower than this part of its maker's was counted by itself, not by its share of sales.
_COUNTED = 0.75
#: Part of all holdings that a quarter must tell of to count as one with owners.
_MOST = 0.9
#: A smaller part of a maker's total without an owner is a rounding of the tables.
_ROUNDING = 1e-6
#: Growth before this quarter is that of a table that fills up: it counts what was sold since 2022.
_FILLED_QUARTERS = 3
#: A maker's growth in a quarter, against that of the makers who have told theirs, as a standard deviation of its log;
#: and of the change of growth from quarter to quarter where a table is too short to show it.
_MAKER_SPREAD, _LEAST_SPREAD = 0.05, 0.1


def load_stock(samples: int = 10_000, seed: int = 7, **options: Any) -> WorldStock:
    """Draw the world's stock from the tables of ``data/``; see :func:`world_stock`."""
    return world_stock(catalog.read("chip_owners"), catalog.read("maker_totals"), samples=samples, seed=seed, **options)


def world_stock(
    owners: Table | pd.DataFrame,
    makers: Table | pd.DataFrame,
    *,
    samples: int = 10_000,
    seed: int = 7,
    total_of: str = "owner",
) -> WorldStock:
    """Draw the world's stock from the tables of owners and of makers' totals.

    Parameters
    ----------
    owners, makers : Tables ``chip_owners`` and ``maker_totals``, with all their vintages. A maker without totals
        counts as what its owners hold.
    total_of : {"owner", "chip_maker"}
        Whose stock: that of those who own the chips, or of those who made them.

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
    fields.draws(samples, seed)
    totals = current(makers, ["chip_maker", "as_of"])
    held = _held(current(owners, ["owner", "chip_maker", "as_of"]), Table.of(makers), totals)
    quarters = numpy.unique(numpy.concatenate([totals["as_of"], held["as_of"]]))
    known = quarters[quarters <= _last_quarter(held)]
    stock: dict[str, numpy.ndarray] = {}
    made: dict[str, numpy.ndarray] = {}
    names = sorted(set(totals["chip_maker"]) | set(held["chip_maker"]))
    for maker in names:
        rows, told = (table.where(table["chip_maker"] == maker) for table in (held, totals))
        made[maker] = _made(maker, told, rows, quarters, len(known), samples, seed)
        for owner, amount in _owned(maker, rows, made[maker][: len(known)], known, samples, seed).items():
            name = owner if total_of == "owner" else maker
            stock[name] = stock.get(name, 0.0) + amount
    order = sorted(stock, key=lambda name: (name == OTHER, -float(numpy.median(stock[name][-1])), name))
    holdings = numpy.stack([stock[name] for name in order])
    follow = quarters[len(known) :] == quarter_ends(known[-1], len(quarters) - len(known))
    stop = len(known) + int(numpy.cumprod(follow).sum())  # a quarter that nobody told ends what is told
    ahead_of_owners = _told(numpy.stack([made[name][:stop] for name in names]), len(known), samples, seed)
    later, beyond = _carried_ahead(holdings, known, ahead_of_owners, seed)
    return WorldStock(owners=tuple(order), dates=known, h100e_8bit=holdings, later=later, h100e_8bit_later=beyond)


def current(table: Table | pd.DataFrame, key: list[str]) -> Table:
    """Return the complete rows of a table, of each key that of the latest vintage."""
    rows = Table.of(table)
    return rows.where(numpy.not_equal(rows["incomplete"], True)).sorted(*key, "vintage").last(*key)


def _held(owners: Table, makers: Table, totals: Table) -> Table:
    """Return owners' rows in units of the latest totals: each is a share of its maker's total of its own vintage."""
    keys = ("chip_maker", "as_of")
    moved = _medians(totals, keys, owners) / _medians(makers, (*keys, "vintage"), owners)
    fixed = ~given(owners["h100e_8bit_p5"]) | (owners["h100e_8bit_p5"] == owners["h100e_8bit_p95"])
    factor = numpy.where(fixed | ~numpy.isfinite(moved), 1.0, moved)
    named = [_PART_OF.get(owner, owner) for owner in owners["owner"]]
    estimates = {name: owners[name] * factor for name in _ESTIMATE}
    return owners.assign(owner=named, row_owner=owners["owner"], **estimates)


def _medians(totals: Table, keys: tuple[str, ...], owners: Table) -> numpy.ndarray:
    """Return the total of each owner's row by some keys, nan where there is none."""
    known = dict(zip(zip(*(totals[key] for key in keys), strict=True), totals["h100e_8bit_median"], strict=True))
    return numpy.array([known.get(key, numpy.nan) for key in zip(*(owners[key] for key in keys), strict=True)], float)


def _last_quarter(held: Table) -> Any:
    """Return the last quarter that tells of nine tenths of what is held: one owner alone does not make a quarter."""
    last = held.sorted("as_of").last("row_owner", "chip_maker")
    days, size = last["as_of"], last["h100e_8bit_median"]
    return max(day for day in days if size[days >= day].sum() >= _MOST * size.sum())


def _estimates(rows: Table) -> numpy.ndarray:
    return numpy.column_stack([rows[name] for name in _ESTIMATE])


def _sums(held: Table) -> Table:
    """Return what all owners of a maker's chips hold at each date, each carried forward from its last row."""
    days = numpy.unique(held["as_of"])
    sums = numpy.zeros((len(days), len(_ESTIMATE)))
    for rows in held.sorted("as_of").groups("row_owner").values():
        amounts = filled(_estimates(rows), rows["h100e_8bit_median"][:, None])  # a count has no interval
        at = numpy.searchsorted(rows["as_of"], days, side="right") - 1
        sums += numpy.where(at[:, None] >= 0, amounts[at], 0.0)
    return Table({"as_of": days, **dict(zip(_ESTIMATE, sums.T, strict=True))})


def _made(
    maker: str, totals: Table, held: Table, quarters: numpy.ndarray, n_known: int, samples: int, seed: int
) -> numpy.ndarray:
    """Draw a maker's total at each quarter, shape (quarters, samples): 0 before its first row.

    Where owners are known and no total, it is what they hold; after that it is carried forward while the owners of
    others are known (the first ``n_known`` quarters), and ``nan`` then.
    """
    sums = _sums(held)
    if len(totals):
        sums = sums.where(sums["as_of"] > totals["as_of"].max())
    rows = stacked(totals.select(*sums.columns), sums).sorted("as_of")
    days = rows["as_of"]
    table = _estimates(rows)[numpy.clip(numpy.searchsorted(days, quarters, side="right") - 1, 0, None)]
    lasting, passing = _normal(maker, samples, seed), numpy.zeros(samples)
    found = numpy.zeros((len(quarters), samples))
    for at, (day, estimate) in enumerate(zip(quarters, table, strict=True)):
        forgotten = numpy.exp(-years_between(quarters[at - 1], day) / _FORGOTTEN_YEARS) if at else 0.0
        fresh = _normal(f"{maker} {day}", samples, seed)
        passing = forgotten * passing + numpy.sqrt(1 - forgotten**2) * fresh
        z = numpy.sqrt(_LASTING) * lasting + numpy.sqrt(1 - _LASTING) * passing
        if day > days[-1] and at >= n_known:
            found[at] = numpy.nan
        elif day >= days[0]:
            low, median, high = estimate
            known = Uncertain(low=low, median=median, high=high, lower=0.0) if low == low else Uncertain.fixed(median)
            found[at] = known.quantile(special.ndtr(z))
    return found


def _owned(
    maker: str, held: Table, total: numpy.ndarray, quarters: numpy.ndarray, samples: int, seed: int
) -> dict[str, numpy.ndarray]:
    """Share a maker's total out among its owners, each of shape (quarters, samples)."""
    middle = numpy.maximum(numpy.median(total, axis=1), 1.0)
    spread = _log_ratio(*numpy.quantile(total, [0.05, 0.95], axis=1))
    owner_of, counted = {}, {}
    drawn = {OTHER: numpy.ones(total.shape)}  # a factor until its median is known: what the named leave
    for name, rows in held.sorted("as_of").groups("row_owner").items():
        owner_of[name] = str(rows["owner"][0])
        days = rows["as_of"]
        at = numpy.searchsorted(days, quarters, side="right") - 1
        then = numpy.minimum(numpy.searchsorted(quarters, days), len(quarters) - 1)[numpy.maximum(at, 0)]
        low, median, high = numpy.where(at >= 0, _estimates(rows)[numpy.maximum(at, 0)].T, 0.0)
        wide, own = _log_ratio(low, high), _normal(f"{name}/{maker}", samples, seed)
        if wide.sum() < _COUNTED * spread[at >= 0].sum():
            counted[name] = median[:, None] * numpy.exp(wide[:, None] / (2 * _Z95) * own)
            continue
        beyond = numpy.sqrt(numpy.maximum(wide**2 - spread[then] ** 2, 0.0)) / (2 * _Z95)
        factor = numpy.exp(beyond[:, None] * own)
        drawn[name] = factor if name == OTHER else (median / middle[then])[:, None] * factor
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
    holdings: numpy.ndarray, known: numpy.ndarray, told: numpy.ndarray, seed: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Carry totals and shares ahead of the last quarter with owners: ``(quarters, holdings)``."""
    samples = holdings.shape[2]
    days = quarter_ends(known[-1], _QUARTERS_AHEAD)
    total = holdings.sum(axis=0)
    middle = numpy.median(numpy.concatenate([total, told]), axis=1)
    when = numpy.concatenate([known, days[: len(told)]])
    steps = numpy.maximum(numpy.round(years_between(when[:-1], when[1:]) * 4), 1)
    growth = (numpy.diff(numpy.log(middle)) / steps)[_FILLED_QUARTERS:]
    to_go = _QUARTERS_AHEAD - len(told)
    start = numpy.concatenate([total[-1:], told])[-1]
    if len(growth):
        # the quantity that persists is growth itself: the sum of its steps is the logarithm of the stock
        grown = paths_ahead(growth[None, :], to_go, samples, seed, least_spread=_LEAST_SPREAD)[0]
    else:
        grown = numpy.zeros((to_go, samples))  # a date or two alone say nothing of growth
    whole = numpy.concatenate([told, start * numpy.exp(grown)])
    share = holdings[:, -1] / total[-1]
    past = numpy.median(holdings, axis=2) / numpy.median(total, axis=1)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        moves = numpy.diff(numpy.log(past), axis=1)[:, _FILLED_QUARTERS + 2 :]
    moves = numpy.where(numpy.isfinite(moves), moves, numpy.nan)
    if moves.shape[1]:
        drift = numpy.exp(paths_ahead(moves, _QUARTERS_AHEAD, samples, seed + 1))
    else:
        drift = numpy.ones((len(holdings), _QUARTERS_AHEAD, samples))
    shares = share[:, None, :] * drift
    return days, whole[None] * shares / shares.sum(axis=0)


def _log_ratio(low: numpy.ndarray, high: numpy.ndarray) -> numpy.ndarray:
    """Return log(high / low), 0 where nothing is held."""
    known = (low > 0) & (high > 0)  # false for nan, which stands for a count without an interval
    return numpy.log(numpy.where(known, high, 1.0) / numpy.where(known, low, 1.0))


def _normal(name: str, samples: int, seed: int) -> numpy.ndarray:
    return numpy.random.default_rng([seed, *name.encode()]).standard_normal(samples)


#: Spread of the changes of one series counts as this many observations of the spread of all: few changes are known of
#: each, and one quiet year does not make an owner steady.
_OBSERVATIONS_SHARED = 4.0
#: Persistence stays within these, so that changes neither flip their sign for ever nor explode.
_PERSISTENCE = (-0.5, 1.0)


def paths_ahead(
    changes: numpy.ndarray, steps: int, samples: int, seed: int, *, least_spread: float = 0.0
) -> numpy.ndarray:
    """Draw how series go on after their last change, added up over the steps.

    Parameters
    ----------
    changes : array, shape (series, n)
        Changes of the logarithm of each series from step to step, oldest first; ``nan`` where it is not known.
    least_spread : Standard deviation of a change that is assumed where fewer than two changes follow each other.

    Returns
    -------
    array, shape (series, steps, samples)
        Change of the logarithm since the last step that is known.

    Notes
    -----
    d(t+1) = p d(t) + s e: one persistence p of all series and a spread s of each, both drawn from what the changes
    leave open (flat priors; the spread of each series is shrunk towards that of all by four observations), so that
    few changes give wide paths.

    Examples
    --------
    >>> still = paths_ahead(numpy.zeros((1, 8)), 2, 100, 7)
    >>> float(abs(still).max())
    0.0
    """
    rng = numpy.random.default_rng([seed, *b"ahead"])
    before, after = changes[:, :-1], changes[:, 1:]
    both = numpy.isfinite(before) & numpy.isfinite(after)
    x, y = numpy.where(both, before, 0.0), numpy.where(both, after, 0.0)
    power, n = float((x * x).sum()), both.sum(axis=1)
    p = float((x * y).sum()) / power if power > 0 else 1.0
    missed = ((y - p * x) ** 2).sum(axis=1)
    shared = max(float(missed.sum()) / max(int(n.sum()) - 1, 1), least_spread**2 if n.sum() < 2 else 0.0)
    freedom = n + _OBSERVATIONS_SHARED if len(changes) > 1 else numpy.maximum(n - 1, 2)
    known = missed + (_OBSERVATIONS_SHARED * shared if len(changes) > 1 else numpy.where(n < 2, 2 * shared, 0.0))
    variance = known[:, None] / rng.chisquare(freedom[:, None], (len(changes), samples))
    spread_of_p = numpy.sqrt(shared / power) if power > 0 else 0.0
    persistence = numpy.clip(p + spread_of_p * rng.standard_normal(samples), *_PERSISTENCE)
    change = numpy.repeat(numpy.nan_to_num(changes[:, -1:]), samples, axis=1)
    total, found = numpy.zeros_like(change), []
    for _ in range(steps):
        change = persistence * change + numpy.sqrt(variance) * rng.standard_normal(change.shape)
        total = total + change
        found.append(total)
    return numpy.stack(found, axis=1)
