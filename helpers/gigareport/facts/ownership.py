"""Who owns, makes and lets the world's compute, and how concentrated each of these is.

Every cut has bounds that hold
whoever the nameless are: countless owners or one; one of the named, where a cut allows it; outside the market, where it
is not known whether they are in it. ``lowest`` and ``highest`` are medians over samples, ``band_low`` and
``band_high`` the 5th percentile of the lowest and the 95th of the highest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.concentration import hhi, hhi_change, merger, top_share, trend
from gigacluster.concentration.bounds import bounds, with_countless
from gigacluster.uncertainty import interval
from gigareport.facts.use import used_by
from gigareport.facts.world import OTHER, Day, WorldStock

if TYPE_CHECKING:
    import pandas as pd


#: The five whose share of the world's compute is published.
LARGE_CLOUDS = ("Google", "Microsoft", "Meta", "Amazon", "Oracle")
#: Owners of the table that stand for many.
_GROUPS = ("China",)
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


def by_owner(world: WorldStock, date: Day) -> Cut:
    """Return the whole stock at a date by owner."""
    named, other = named_and_other(world, world.at(date))
    names = tuple(name for name in world.owners if name != OTHER)
    groups = tuple(name for name in _GROUPS if name in names)
    return Cut(name="all compute, by owner", parties=names, held=named, nameless=other, groups=groups)


def owners_at(world: WorldStock, date: Day) -> pd.DataFrame:
    """Holding and share of each owner at a date, with 90 % intervals; the percentiles of owners do not add up.

    Returns
    -------
    DataFrame
        ``owner, h100e_8bit_p5, h100e_8bit_median, h100e_8bit_p95, share_p5, share_median, share_p95``.
    """
    import pandas as pd

    holdings = world.at(date)
    columns: dict[str, numpy.ndarray] = {}
    for name, values in (("h100e_8bit", holdings), ("share", holdings / holdings.sum(axis=0))):
        low, median, high = numpy.quantile(values, [0.05, 0.5, 0.95], axis=1)
        columns |= {f"{name}_p5": low, f"{name}_median": median, f"{name}_p95": high}
    return pd.DataFrame({"owner": world.owners, **columns})


def fives_share(world: WorldStock, date: Day) -> numpy.ndarray:
    """Share of the world's stock that Google, Microsoft, Meta, Amazon and Oracle hold, shape (samples,)."""
    holdings = world.at(date)
    rows = [world.owners.index(name) for name in LARGE_CLOUDS if name in world.owners]
    found: numpy.ndarray = holdings[rows].sum(axis=0) / holdings.sum(axis=0)
    return found


def index_by_quarter(world: WorldStock) -> pd.DataFrame:
    """Index of the owners at each quarter.

    Returns
    -------
    DataFrame
        ``date, band_low, lowest, capped, highest, band_high``: capped holds if nobody in Other is larger than the
        smallest named owner (an assumption).
    """
    import pandas as pd

    rows = []
    for day in world.dates:
        cut = by_owner(world, day)
        low, high = cut.bounds()
        capped = bounds(cut.held, cut.nameless).capped
        middle = (numpy.median(values) for values in (low, capped, high))
        rows.append((pd.Timestamp(day), interval(low).low, *middle, interval(high).high))
    return pd.DataFrame(rows, columns=["date", "band_low", "lowest", "capped", "highest", "band_high"])


def trend_tests(world: WorldStock, before: Day, after: Day) -> pd.DataFrame:
    """Did the index rise between two dates? The answer under each assumption about Other.

    Returns
    -------
    DataFrame
        ``assumption, change_p5, change_median, change_p95, answer``. The answer is "rose" or "fell" only where the
        bands are disjoint (first row) or 95 % of the samples have the sign (other rows). The last row is no change
        but the HHI inside Other at which there would have been none.
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
    world, made : WorldStock
        The stock by owner, and by maker of the chips.
    traits : Table ``owners``: home country, and who rents out.
    sites : mapping of str to samples
        Compute at the large sites that are listed, by owner; ``Other`` for sites without one.
    running : Leases, from :func:`running_leases`.
    date : date, Timestamp or str

    Returns
    -------
    dict of str to Cut
    """
    named, other = named_and_other(world, world.at(date))
    names = [name for name in world.owners if name != OTHER]
    known = traits.set_index("owner")
    country = known["home_country"].reindex(names)
    lets = known["rents_out"].reindex(names).eq(True).to_numpy()
    homes = list(dict.fromkeys(country.dropna()))
    by_home = numpy.stack([named[(country == home).to_numpy()].sum(axis=0) for home in homes])
    stateless = other + named[country.isna().to_numpy()].sum(axis=0)
    makers, unknown = named_and_other(made, made.at(date))
    chips = [name for name in made.owners if name != OTHER]
    sells = numpy.isin(chips, MERCHANT_MAKERS)
    renting = tuple(numpy.array(names)[lets])
    found = [
        by_owner(world, date),
        Cut(name="home country of the owner", parties=tuple(homes), held=by_home, nameless=stateless, may_join=True),
        Cut(name="clouds that let", parties=renting, held=named[lets], nameless=other, may_be_out=True),
        Cut(name="makers of chips", parties=tuple(chips), held=makers, nameless=unknown),
        Cut(
            name="makers who sell to anybody",
            parties=tuple(numpy.array(chips)[sells]),
            held=makers[sells],
            nameless=unknown,
        ),
        _at_sites("large sites listed, by owner", sites, other.shape),
        _at_sites("large sites listed, leases moved", used_by(sites, running), other.shape),
    ]
    return {cut.name: cut for cut in found}


def foundries(made: WorldStock, accelerators: pd.DataFrame, date: Day) -> Cut:
    """Return the stock at a date by the foundry that made the dies.

    Parameters
    ----------
    made : WorldStock
        The stock by maker of the chips.
    accelerators : DataFrame
        Table ``accelerators``; of its latest vintage, the foundry that most of a maker's accelerators name. The chips
        of a maker without one may come from any foundry.
    date : date, Timestamp or str
    """
    latest = accelerators[(accelerators["vintage"] == accelerators["vintage"].max()) & accelerators["foundry"].notna()]
    maker = latest["maker"].str.casefold().str.split().str[0]  # Amazon AWS, NVIDIA
    most = latest["foundry"].groupby(maker).agg(lambda names: names.mode().iloc[0])
    named, other = named_and_other(made, made.at(date))
    names = [most.get(name.casefold()) for name in made.owners if name != OTHER]
    parties = tuple(dict.fromkeys(name for name in names if name is not None))
    held = numpy.stack([named[[name == party for name in names]].sum(axis=0) for party in parties])
    nameless = other + named[[name is None for name in names]].sum(axis=0)
    return Cut(name="foundries of the dies", parties=parties, held=held, nameless=nameless, may_join=True)


def _at_sites(name: str, sites: Mapping[str, Any], shape: tuple[int, ...]) -> Cut:
    listed = {party: numpy.broadcast_to(held, shape) for party, held in sites.items() if party != OTHER}
    nameless = numpy.broadcast_to(sites.get(OTHER, 0.0), shape)
    return Cut(
        name=name, parties=tuple(listed), held=numpy.stack(list(listed.values())), nameless=nameless, may_join=True
    )


def cuts(found: Mapping[str, Cut]) -> pd.DataFrame:
    """How concentrated each market is.

    Returns
    -------
    DataFrame
        ``market, largest, largest_share, top3_share, nameless_share, hhi_low, hhi_high``: shares are medians, of the
        whole with the nameless.
    """
    import pandas as pd

    rows = []
    for name, cut in found.items():
        total = cut.held.sum(axis=0) + cut.nameless
        low, high = cut.bounds()
        rows.append(
            (
                name,
                cut.parties[int(numpy.median(cut.held, axis=1).argmax())],
                float(numpy.median(cut.held.max(axis=0) / total)),
                float(numpy.median(top_share(cut.held, 3) * cut.held.sum(axis=0) / total)),
                float(numpy.median(cut.nameless / total)),
                interval(low).low,
                interval(high).high,
            )
        )
    columns = ["market", "largest", "largest_share", "top3_share", "nameless_share", "hhi_low", "hhi_high"]
    return pd.DataFrame(rows, columns=columns)


def mergers(found: Mapping[str, Cut], pairs: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Index of markets before and after two of their parties become one.

    Parameters
    ----------
    found : mapping of str to Cut
    pairs : mapping of str to (str, str)
        The two parties, by market.

    Returns
    -------
    DataFrame
        ``market, parties, hhi_before, hhi_after, rise, share, presumed``: medians with the nameless as countless; the
        last is the share of samples in which the US guidelines of 2023 would presume harm, whoever the nameless are.
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


def readable(table: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """Return a table to be read: numbers rounded, what is missing as a dash, days without hours, spaces in headers.

    Examples
    --------
    >>> import pandas as pd
    >>> readable(pd.DataFrame({"hhi_low": [1234.567, float("nan")]}), 1)["hhi low"].tolist()
    ['1,234.6', '–']
    """
    import pandas as pd

    shown = table.copy()
    for name in table:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            shown[name] = table[name].dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_float_dtype(table[name]):
            shown[name] = [f"{value:,.{digits}f}" if pd.notna(value) else "–" for value in table[name]]
    return shown.rename(columns=lambda name: str(name).replace("_", " "))


def _sign(samples: numpy.ndarray) -> str:
    rising = float(numpy.mean(samples > 0))
    return "rose" if rising >= 0.95 else "fell" if rising <= 0.05 else "not known"
