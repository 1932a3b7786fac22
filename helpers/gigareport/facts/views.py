"""Who owns the compute, as tables: the world's stock by quarter, the trend and its tests, what is missing.

Every function takes the loaded tables (or the stock drawn from them), so that a later quarter extends its result.
In the tables ``lowest``, ``capped`` and ``highest`` are medians over samples with Other as countless owners, as
owners no larger than the smallest named one (an assumption) and as one owner; ``band_low`` and ``band_high`` are
the 5th percentile of the lowest and the 95th of the highest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import numpy
import pandas as pd

from gigacluster.concentration.bounds import Bounds, bounds, hhi_change, trend, with_countless
from gigacluster.concentration.measures import gini, hhi, top_share
from gigacluster.uncertainty import Uncertain, interval, sobol_indices
from gigareport.facts.world import OTHER, WorldStock, add_cluster, estimates_at, world_stock

__all__ = [
    "MEASURES",
    "correlation_effect",
    "deciding_inputs",
    "laboratories",
    "laboratories_at",
    "missing_makers",
    "named_and_other",
    "readable",
    "stock_by_quarter",
    "top_owners",
    "trend_tests",
]

_TOP = (1, 3, 5)
#: Measures that bounds exist for. The Gini coefficient depends on how many owners there are, which nobody knows.
MEASURES: dict[str, Callable[..., Any]] = {"HHI": hhi} | {
    f"top {k} share": lambda holdings, counts=1.0, k=k: top_share(holdings, k, counts) for k in _TOP
}


def named_and_other(world: WorldStock, holdings: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Split holdings with owners along axis 0 into those of named owners and those of Other (0 if there is none)."""
    if OTHER in world.owners:
        return holdings[:-1], holdings[-1]
    return holdings, numpy.zeros_like(holdings[0])


def stock_by_quarter(world: WorldStock) -> pd.DataFrame:
    """Concentration of the world's stock at each date of the table.

    Returns
    -------
    DataFrame
        One row a date and measure: ``date, measure, band_low, lowest, capped, highest, band_high``. The measure
        ``Gini, named owners`` leaves Other out and has no bounds: its three middle columns are alike.
    """
    named, other = named_and_other(world, world.h100e_8bit)
    frames = [_bound_rows(world, "HHI", bounds(named, other))]
    top = bounds(named, other, lambda holdings, counts: top_share(holdings, _TOP, counts))  # all from one sorting
    for place, k in enumerate(_TOP):
        one = Bounds(*(getattr(top, field.name)[place] for field in fields(Bounds)))
        frames.append(_bound_rows(world, f"top {k} share", one))
    owned = gini(named, zero_owners=False)
    frames.append(_bound_rows(world, "Gini, named owners", Bounds(owned, owned, owned)))
    return pd.concat(frames, ignore_index=True)


def top_owners(world: WorldStock, date: Any) -> pd.DataFrame:
    """Holding and share of each owner at a date, with 90 % intervals; the percentiles of owners do not add up.

    Returns
    -------
    DataFrame
        ``owner, h100e_8bit_p5, h100e_8bit_median, h100e_8bit_p95, share_p5, share_median, share_p95``.
    """
    holdings = world.at(date)
    columns: dict[str, numpy.ndarray] = {}
    for name, values in (("h100e_8bit", holdings), ("share", holdings / holdings.sum(axis=0))):
        low, median, high = numpy.quantile(values, [0.05, 0.5, 0.95], axis=1)
        columns |= {f"{name}_p5": low, f"{name}_median": median, f"{name}_p95": high}
    return pd.DataFrame({"owner": world.owners, **columns})


def trend_tests(world: WorldStock, before: Any, after: Any) -> pd.DataFrame:
    """Did the index rise between two dates? The answer under each assumption about Other.

    Returns
    -------
    DataFrame
        ``assumption, change_p5, change_median, change_p95, answer``. The answer is "rose" or "fell" only where the
        bands are disjoint (first row) or 95 % of the samples have the sign (other rows). The last row is no change
        but the HHI inside Other at which there would have been none.
    """
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


def correlation_effect(
    owners: pd.DataFrame,
    date: Any,
    *,
    samples: int = 10_000,
    seed: int = 7,
    rank_correlations: Sequence[float] = (0, 0.5, 1),
) -> pd.DataFrame:
    """What the unpublished correlation of the owners' estimates does to the intervals at a date.

    Parameters
    ----------
    owners : DataFrame
        Table ``chip_owners``.
    rank_correlations : sequence of float
        Spearman correlations between any two rows, in [0, 1].

    Returns
    -------
    DataFrame
        ``rank_correlation, quantity, p5, median, p95`` for the world's stock and the index with Other capped.
    """
    rows = []
    for correlation in rank_correlations:
        world = world_stock(owners, samples=samples, seed=seed, rank_correlation=correlation)
        holdings = world.at(date)
        index = bounds(*named_and_other(world, holdings)).capped
        for quantity, values in (("stock [H100e]", holdings.sum(axis=0)), ("HHI, Other capped", index)):
            found = interval(values)
            rows.append((float(correlation), quantity, found.low, found.median, found.high))
    return pd.DataFrame(rows, columns=["rank_correlation", "quantity", "p5", "median", "p95"])


def laboratories(lab_compute: pd.DataFrame, world: WorldStock) -> pd.DataFrame:
    """Compute used by laboratories, and the share of the world's stock that this is.

    Returns
    -------
    DataFrame
        ``as_of, lab, h100e_8bit, share_of_world, hhi_of_labs``: medians. The last is the index among the laboratories
        listed at that date only; all other use of the world's compute is not in the table.
    """
    table = lab_compute.sort_values(["as_of", "h100e_8bit_median"], ascending=[True, False])
    table = table[["as_of", "lab", "h100e_8bit_median"]].rename(columns={"h100e_8bit_median": "h100e_8bit"})
    dates = table["as_of"].unique()
    stock = {date: float(numpy.median(world.at(date).sum(axis=0))) for date in dates}
    index = {date: float(hhi(table.loc[table["as_of"] == date, "h100e_8bit"].to_numpy())) for date in dates}
    table["share_of_world"] = table["h100e_8bit"] / table["as_of"].map(stock)
    table["hhi_of_labs"] = table["as_of"].map(index)
    return table.reset_index(drop=True)


def laboratories_at(lab_compute: pd.DataFrame, date: Any) -> tuple[pd.Timestamp, pd.Series]:
    """Return the date of the table nearest to ``date``, and the compute of each laboratory then."""
    dates = lab_compute["as_of"]
    day = dates.iloc[int((dates - pd.Timestamp(str(date)[:10])).abs().argmin())]
    return day, lab_compute[dates == day].set_index("lab")["h100e_8bit_median"]


def deciding_inputs(owners: pd.DataFrame, date: Any, *, samples: int = 1024, seed: int = 7) -> pd.DataFrame:
    """Say what the index at a date hangs on: the owners' estimates, or what is inside Other.

    Parameters
    ----------
    owners : DataFrame
        Table ``chip_owners``.
    date : date, Timestamp or str
    samples : int, default 1024
        A power of two.

    Returns
    -------
    DataFrame
        ``input, first, total``: first-order and total Sobol index of each estimate that is uncertain, and of the HHI
        inside Other, taken as equally likely anywhere from 0 (countless owners) to 10,000 (one). Largest first.
    """
    inside = "HHI inside Other"
    estimates = estimates_at(owners, date)
    keys = {f"{owner}, chips by {maker}": owner for owner, maker in estimates}
    inputs = dict(zip(keys, estimates.values(), strict=True)) | {inside: Uncertain.uniform(0.0, 1.0)}
    parties = list(dict.fromkeys(owner for owner in keys.values() if owner != OTHER))

    def index(given: dict[str, numpy.ndarray]) -> numpy.ndarray:
        held = {name: sum(given[key] for key, owner in keys.items() if owner == name) for name in (*parties, OTHER)}
        found = bounds(numpy.stack([held[name] for name in parties]), held[OTHER])
        return found.lowest + given[inside] * (found.highest - found.lowest)

    shares = sobol_indices(index, inputs, samples=samples, seed=seed)
    return pd.DataFrame([(name, *pair) for name, pair in shares.items()], columns=["input", "first", "total"])


def missing_makers(world: WorldStock, date: Any, missing_h100e: float) -> pd.DataFrame:
    """Index at a date with the chips of makers that the table leaves out, by who may own them.

    Parameters
    ----------
    world : WorldStock
    date : date, Timestamp or str
    missing_h100e : float
        Stock of the missing makers, as from :func:`gigareport.facts.growth.missing_makers_h100e`.

    Returns
    -------
    DataFrame
        ``owned_by, hhi_low, hhi_high, top5_share``: the bounds for the owners without a name, and the median share of
        the five largest with Other as countless owners.
    """
    named, other = named_and_other(world, world.at(date))
    china = world.owners.index("China") if "China" in world.owners else None
    cases = {
        "left out, as in the table": (named, other),
        "countless or unnamed owners": (named, other + missing_h100e),
        "one owner in China": (add_cluster(named, missing_h100e, china), other),
    }
    rows = []
    for owned_by, (holdings, rest) in cases.items():
        index = bounds(holdings, rest)
        five = with_countless(holdings, rest, MEASURES["top 5 share"])
        rows.append((owned_by, interval(index.lowest).low, interval(index.highest).high, interval(five).median))
    return pd.DataFrame(rows, columns=["owned_by", "hhi_low", "hhi_high", "top5_share"])


def readable(table: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """Return a table to be read: numbers rounded, what is missing as a dash, days without hours, spaces in headers.

    Examples
    --------
    >>> readable(pd.DataFrame({"hhi_low": [1234.567, float("nan")]}), 1)["hhi low"].tolist()
    ['1,234.6', '–']
    """
    shown = table.copy()
    for name in table:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            shown[name] = table[name].dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_float_dtype(table[name]):
            shown[name] = [f"{value:,.{digits}f}" if pd.notna(value) else "–" for value in table[name]]
    return shown.rename(columns=lambda name: str(name).replace("_", " "))


def _bound_rows(world: WorldStock, measure: str, found: Bounds) -> pd.DataFrame:
    median = partial(numpy.median, axis=1)
    return pd.DataFrame(
        {
            "date": pd.to_datetime(world.dates).astype("datetime64[s]"),
            "measure": measure,
            "band_low": numpy.quantile(found.lowest, 0.05, axis=1),
            "lowest": median(found.lowest),
            "capped": median(found.capped),
            "highest": median(found.highest),
            "band_high": numpy.quantile(found.highest, 0.95, axis=1),
        }
    )


def _sign(samples: numpy.ndarray) -> str:
    rising = float(numpy.mean(samples > 0))
    return "rose" if rising >= 0.95 else "fell" if rising <= 0.05 else "not known"
