"""Who owns, makes and lets the world's compute, how concentrated each of these is, and what one cluster changes.

Every cut has bounds that hold whoever the nameless are: countless owners or one; one of the named, where a cut allows
it; outside the market, where it is not known whether they are in it. ``lowest`` and ``highest`` are medians over
samples, ``band_low`` and ``band_high`` the 5th percentile of the lowest and the 95th of the highest. Columns that end
in ``_p5, _median, _p95`` hold 90 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import Samples
from gigacluster.concentration import add, hhi, hhi_change, merger, top_share, trend
from gigacluster.concentration.bounds import bounds, with_countless
from gigacluster.uncertainty import interval
from gigareport.facts.use import used_by
from gigareport.facts.world import OTHER, Day, WorldStock, as_days, spread
from gigareport.table import Table

if TYPE_CHECKING:
    import pandas as pd


#: The five whose share of the world's compute is published.
LARGE_CLOUDS = ("Google", "Microsoft", "Meta", "Amazon", "Oracle")
#: Owners of the table that stand for many.
_GROUPS = ("China",)
#: The owner of a cluster that owned nothing before.
NEW_OWNER = "a new owner"
#: Markets of which two parties are merged to see how far that would move the index.
MERGED = ("all compute, by owner", "clouds that let", "makers who sell to anybody", "large sites listed, by owner")
#: Designers who sell to anybody; the others build for themselves first.
MERCHANT_MAKERS = ("Nvidia", "AMD", "Huawei", "Cambricon")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """Holdings by party in one definition of a market, and what is known of the nameless in it."""

    name: str
    parties: tuple[str, ...]
    held: numpy.ndarray  # (parties, samples)
    nameless: numpy.ndarray  # (samples,)
    groups: tuple[str, ...] = ()  # parties that stand for many: as one the most, as countless the least concentrated
    may_join: bool = False  # a nameless holding may belong to a named party
    may_be_out: bool = False  # a nameless holding may not be in this market at all

    def bounds(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Return the lowest and highest index that the nameless leave possible, each of shape (samples,)."""
        many = [self.parties.index(name) for name in self.groups]
        single = numpy.delete(self.held, many, axis=0)
        low = with_countless(single, self.nameless + self.held[many].sum(axis=0))
        high = bounds(self.held, self.nameless).highest
        if self.may_join:
            largest = numpy.argmax(self.held, axis=0)[None] == numpy.arange(len(self.held))[:, None]
            joined = hhi(self.held + numpy.where(largest, self.nameless, 0.0))
            high = numpy.maximum(high, joined)
        if self.may_be_out:
            without = hhi(self.held)
            low, high = numpy.minimum(low, without), numpy.maximum(high, without)
        return low, high


def named_and_other(world: WorldStock, holdings: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Split holdings with owners along axis 0 into those of named owners and those of Other (0 if there is none)."""
    if OTHER in world.owners:
        return holdings[:-1], holdings[-1]
    return holdings, numpy.zeros_like(holdings[0])


def by_owner(world: WorldStock, date: Day | Sequence[Day]) -> Cut:
    """Return the whole stock at a date, or at several, by owner."""
    named, other = named_and_other(world, world.at(date))
    names = _named(world)
    groups = tuple(name for name in _GROUPS if name in names)
    return Cut(name="all compute, by owner", parties=names, held=named, nameless=other, groups=groups)


def _named(world: WorldStock) -> tuple[str, ...]:
    return tuple(name for name in world.owners if name != OTHER)


def owners_at(world: WorldStock, date: Day) -> pd.DataFrame:
    """Holding and share of each owner at a date: ``owner, h100e_8bit_…, share_…``; percentiles do not add up."""
    import pandas as pd

    held = world.at(date)
    shares = held / held.sum(axis=0)
    return pd.DataFrame({"owner": world.owners, **spread("h100e_8bit", held), **spread("share", shares)})


def fives_share(world: WorldStock, date: Day) -> numpy.ndarray:
    """Share of the world's stock that Google, Microsoft, Meta, Amazon and Oracle hold, shape (samples,)."""
    holdings = world.at(date)
    rows = [world.owners.index(name) for name in LARGE_CLOUDS if name in world.owners]
    found: numpy.ndarray = holdings[rows].sum(axis=0) / holdings.sum(axis=0)
    return found


def index_by_quarter(world: WorldStock) -> pd.DataFrame:
    """Index of the owners at each quarter.

    The columns are ``date, band_low, lowest, capped, highest, band_high``: capped holds if nobody in Other is larger
    than the smallest named owner (an assumption).
    """
    import pandas as pd

    cut = by_owner(world, list(world.dates))
    low, high = cut.bounds()
    middle = {"lowest": low, "capped": bounds(cut.held, cut.nameless).capped, "highest": high}
    columns = {
        "date": world.dates.astype("datetime64[s]"),
        "band_low": numpy.quantile(low, 0.05, axis=-1),
        **{name: numpy.median(samples, axis=-1) for name, samples in middle.items()},
        "band_high": numpy.quantile(high, 0.95, axis=-1),
    }
    return pd.DataFrame(columns)


def share_over_time(world: WorldStock, h100e_8bit: Samples, dates: Iterable[Any]) -> pd.DataFrame:
    """Share of the world's stock that a cluster of fixed size is at each date, and what it would do to the index.

    Its size, one or one a sample, is by dense 8-bit peak, where an H100 counts 1; its chips are counted among the
    world's, as they came out of the same sales. The columns are ``date, stock_h100e, share_…, hhi_change,
    extrapolated``: the last says that the date lies after the table, the change is the median for such a cluster of a
    new owner, added to the stock of that date, with Other as countless owners. Before the table all are ``nan``.
    """
    import pandas as pd

    days = as_days(list(dates))
    held = world.at(list(days))
    named, other = named_and_other(world, held)
    change = with_countless(add(named, h100e_8bit), other) - with_countless(named, other)
    return pd.DataFrame(
        {
            "date": days.astype("datetime64[s]"),
            "stock_h100e": numpy.median(held.sum(axis=0), axis=-1),
            **spread("share", h100e_8bit / held.sum(axis=0)),
            "hhi_change": numpy.median(change, axis=-1),
            "extrapolated": days > world.dates[-1],
        }
    )


def index_change(
    world: WorldStock, h100e_8bit: Samples, date: Day, owners: Iterable[str] = (NEW_OWNER,)
) -> pd.DataFrame:
    """How far a cluster, added to the stock of a date, moves the index by who owns it: owners or :data:`NEW_OWNER`.

    The columns are ``owner``, and the change of the HHI in points: ``change_…`` with Other as countless owners, and
    ``change_if_other_is_one`` (median).
    """
    import pandas as pd

    named, other = named_and_other(world, world.at(date))
    before, names, rows = bounds(named, other), _named(world), []
    for owner in owners:
        if owner not in (*names, NEW_OWNER):
            raise ValueError(f"unknown owner {owner!r}; the table names: {', '.join(names)}, or give {NEW_OWNER!r}")
        place = None if owner == NEW_OWNER else names.index(owner)
        after = bounds(add(named, h100e_8bit, place), other)
        if_one = numpy.median(after.highest - before.highest)
        change = spread("change", after.lowest - before.lowest)
        rows.append({"owner": owner, **change, "change_if_other_is_one": if_one})
    return pd.DataFrame(rows)


def trend_tests(world: WorldStock, before: Day, after: Day) -> pd.DataFrame:
    """Did the index rise between two dates? The answer under each assumption about Other.

    The columns are ``assumption, change_p5, change_median, change_p95, answer``. The answer is "rose" or "fell" only
    where the bands are disjoint (first row) or 95 % of the samples have the sign (other rows). The last row is no
    change but the HHI inside Other at which there would have been none.
    """
    import pandas as pd

    old, new = (named_and_other(world, world.at(date)) for date in (before, after))
    band_old, band_new = bounds(*old), bounds(*new)
    ends = [interval(value) for value in (band_old.lowest, band_old.highest, band_new.lowest, band_new.highest)]
    answer = trend(ends[0].low, ends[1].high, ends[2].low, ends[3].high)
    whole = (ends[2].low - ends[1].high, numpy.nan, ends[3].high - ends[0].low)
    rows = [("nothing assumed about Other", *whole, answer)]
    change = hhi_change(*old, *new)
    for name, samples in (
        ("Other stayed countless owners", change.if_countless),
        ("Other stayed below the smallest named", band_new.capped - band_old.capped),
        ("Other stayed one owner", change.if_one),
    ):
        found = interval(samples)
        rows.append((name, found.low, found.median, found.high, _sign(samples)))
    flips = interval(change.flips_at)
    rows.append(("HHI inside Other at which nothing changed", flips.low, flips.median, flips.high, ""))
    return pd.DataFrame(rows, columns=["assumption", "change_p5", "change_median", "change_p95", "answer"])


def markets(
    world: WorldStock,
    made: WorldStock,
    traits: pd.DataFrame,
    sites: Mapping[str, Any],
    running: pd.DataFrame,
    date: Day,
) -> dict[str, Cut]:
    """Return each definition of the market at a date, with its parties.

    Parameters
    ----------
    world, made : The stock by owner, and by maker of the chips.
    traits : Table ``owners``: home country, and who rents out.
    sites : Samples of the compute at the large sites that are listed, by owner; ``Other`` for sites without one.
    running : From :func:`gigareport.facts.use.running_leases`.
    """
    (named, other), names = named_and_other(world, world.at(date)), _named(world)
    (makers, unknown), chips = named_and_other(made, made.at(date)), _named(made)
    known = {row["owner"]: row for row in Table.of(traits).rows()}
    homes = [known.get(name, {}).get("home_country") for name in names]
    lets = numpy.array([known.get(name, {}).get("rents_out") is True for name in names])
    sells = numpy.isin(chips, MERCHANT_MAKERS)
    renting, sellers = (tuple(numpy.array(whose)[some]) for whose, some in ((names, lets), (chips, sells)))
    found = [
        by_owner(world, date),
        _by_label("home country of the owner", named, homes, other),
        Cut(name="clouds that let", parties=renting, held=named[lets], nameless=other, may_be_out=True),
        Cut(name="makers of chips", parties=chips, held=makers, nameless=unknown),
        Cut(name="makers who sell to anybody", parties=sellers, held=makers[sells], nameless=unknown),
    ]
    of_sites = {"large sites listed, by owner": sites, "large sites listed, leases moved": used_by(sites, running)}
    for name, by_party in of_sites.items():
        held = numpy.stack(numpy.broadcast_arrays(*by_party.values(), other)[:-1])
        labels = [None if party == OTHER else party for party in by_party]
        found.append(_by_label(name, held, labels, numpy.zeros_like(other)))
    return {cut.name: cut for cut in found}


def _by_label(name: str, held: numpy.ndarray, labels: Sequence[str | None], nameless: numpy.ndarray) -> Cut:
    """Return holdings added up by label; what has none is nameless, and may be of any party."""
    parties = tuple(dict.fromkeys(label for label in labels if label is not None))
    by_party = [held[[label == party for label in labels]].sum(axis=0) for party in parties]
    rest = nameless + held[[label is None for label in labels]].sum(axis=0)
    return Cut(name=name, parties=parties, held=numpy.stack(by_party), nameless=rest, may_join=True)


def foundries(made: WorldStock, accelerators: pd.DataFrame, date: Day) -> Cut:
    """Return the stock at a date, by maker, by the foundry that made the dies.

    That is the foundry which most of a maker's accelerators name in the latest vintage. The chips of a maker without
    one may come from any foundry.
    """
    latest = accelerators[(accelerators["vintage"] == accelerators["vintage"].max()) & accelerators["foundry"].notna()]
    maker = latest["maker"].str.casefold().str.split().str[0]  # Amazon AWS, NVIDIA
    most = latest["foundry"].groupby(maker).agg(lambda names: names.mode().iloc[0])
    named, other = named_and_other(made, made.at(date))
    return _by_label("foundries of the dies", named, [most.get(name.casefold()) for name in _named(made)], other)


def cuts(found: Mapping[str, Cut]) -> pd.DataFrame:
    """How concentrated each market is.

    The columns are ``market, largest, largest_share, top3_share, nameless_share, hhi_low, hhi_high``: shares are
    medians, of the whole with the nameless.
    """
    import pandas as pd

    rows = []
    for name, cut in found.items():
        total = cut.held.sum(axis=0) + cut.nameless
        low, high = cut.bounds()
        top3 = top_share(cut.held, 3) * cut.held.sum(axis=0)
        shares = (float(numpy.median(part / total)) for part in (cut.held.max(axis=0), top3, cut.nameless))
        largest = cut.parties[int(numpy.median(cut.held, axis=1).argmax())]
        rows.append((name, largest, *shares, interval(low).low, interval(high).high))
    columns = ["market", "largest", "largest_share", "top3_share", "nameless_share", "hhi_low", "hhi_high"]
    return pd.DataFrame(rows, columns=columns)


def mergers(found: Mapping[str, Cut], pairs: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Index of markets before and after two of their parties, which ``pairs`` names, become one.

    The columns are ``market, parties, hhi_before, hhi_after, rise, share, presumed``: medians with the nameless as
    countless; the last is the share of samples in which the US guidelines of 2023 would presume harm, whoever the
    nameless are.
    """
    import pandas as pd

    rows = []
    for market, pair in pairs.items():
        cut = found[market]
        first, second = (cut.parties.index(name) for name in pair)
        result = merger(cut.held, first, second, other=cut.nameless)
        middle = (result.before.lowest, result.after.lowest, result.rise, result.share)
        presumed = float(numpy.mean(result.presumed == 1.0))
        rows.append((market, " and ".join(pair), *(float(numpy.median(values)) for values in middle), presumed))
    return pd.DataFrame(rows, columns=["market", "parties", "hhi_before", "hhi_after", "rise", "share", "presumed"])


#: Parts of the names of columns that are no words.
_WORDS = {"p5": "5 %", "p95": "95 %", "top3": "top three", "hhi": "HHI", "h100e": "H100e"}


def readable(table: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """Return a table to be read: numbers rounded, what is missing as a dash, days without hours, words in headers.

    Examples
    --------
    >>> import pandas as pd
    >>> readable(pd.DataFrame({"hhi_low": [1234.567, float("nan")]}), 1)["HHI low"].tolist()
    ['1,234.6', '–']
    """
    import pandas as pd

    shown = table.copy()
    for name in table:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            shown[name] = table[name].dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_float_dtype(table[name]):
            shown[name] = [f"{value:,.{digits}f}" if pd.notna(value) else "–" for value in table[name]]
    return shown.rename(columns=lambda name: " ".join(_WORDS.get(part, part) for part in str(name).split("_")))


def _sign(samples: numpy.ndarray) -> str:
    rising = float(numpy.mean(samples > 0))
    return "rose" if rising >= 0.95 else "fell" if rising <= 0.05 else "not known"
