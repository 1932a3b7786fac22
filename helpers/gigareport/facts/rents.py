"""What a chip-hour cost through time, and paths that it may take from a date on.

Rents do not only fall: the H100's halved from 2023 to 2025 and rose again in 2026. A path is therefore resampled from
the changes seen until its date, in blocks that keep runs of falls and rises together, rather than drawn as a decline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy
from numpy.typing import ArrayLike

from gigacluster.uncertainty import Uncertain
from gigacluster.units import HOURS_PER_MONTH
from gigareport import catalog
from gigareport.facts.world import day_numbers
from gigareport.table import Table

if TYPE_CHECKING:
    import pandas as pd


MONTHS_PER_STEP = 3
#: At least so far do the prices paid lie around the quotes. An assumption, for quotes that are few and lists.
LEAST_SPREAD = 1.15
#: Kinds of rent in the table of prices, in words.
KIND_WORDS = {
    "on_demand": "on demand",
    "reserved_1y": "one-year contract",
    "reserved_3y": "three-year contract",
    "spot": "marketplace",
}
#: Kinds that a landlord lists.
_LISTED = ("on_demand", "reserved_1y", "reserved_3y")


def typical_rents(prices: Table | pd.DataFrame, chip: str, kind: str = "on_demand", until: str | None = None) -> Table:
    """Return the typical rent of a chip by quarter, from the table ``rental_prices`` until a day, ``YYYY-MM-DD``.

    The columns are ``quarter_start``, median over providers (each with its own median) in ``usd_per_chip_hour``,
    quartiles in ``low`` and ``high``, and ``n_providers``.

    Raises
    ------
    ValueError
        If the table has no such price.
    """
    of_kind = Table.of(prices)
    of_kind = of_kind.where(of_kind["kind"] == kind)
    rows = of_kind.where(of_kind["chip"] == chip)
    if until is not None:
        rows = rows.where(rows["date"] <= numpy.datetime64(until))
    if not len(rows):
        known = sorted(set(of_kind["chip"]))
        raise ValueError(
            f"no {kind} rent of {chip!r}{f' until {until}' if until else ''}; chips with such rents: {', '.join(known)}"
        )
    typical = {
        quarter: [numpy.median(own["usd_per_chip_hour"]) for own in of_quarter.groups("provider").values()]
        for quarter, of_quarter in rows.assign(quarter=_quarter(rows["date"])).groups("quarter").items()
    }
    low, median, high = numpy.array([numpy.quantile(usd, [0.25, 0.5, 0.75]) for usd in typical.values()]).T
    starts = (3 * numpy.array(list(typical))).astype("datetime64[M]")
    counts = [len(usd) for usd in typical.values()]
    return Table(
        {"quarter_start": starts, "usd_per_chip_hour": median, "low": low, "high": high, "n_providers": counts}
    )


def _quarter(days: numpy.ndarray) -> numpy.ndarray:
    """Return the quarters of days, counted from 1970 on."""
    return days.astype("datetime64[M]").astype(int) // 3


#: Quarters with fewer providers are left out of changes: their median jumps when a price list joins.
_LEAST_PROVIDERS = 8


def log_changes(*series: Table) -> numpy.ndarray:
    """Return the changes of the logarithm of typical rents from quarter to quarter, shape (changes,).

    One chip has few quarters, so that the changes of several (of :func:`typical_rents`) are pooled. A change over a gap
    of several quarters is shared out evenly over them.
    """
    pooled = []
    for one in series:
        kept = one.where(one["n_providers"] >= _LEAST_PROVIDERS)
        gaps = numpy.diff(_quarter(kept["quarter_start"]))
        pooled.append(numpy.repeat(numpy.diff(numpy.log(kept["usd_per_chip_hour"])) / gaps, gaps))
    return numpy.concatenate(pooled)


#: Chips with enough price lists for the changes of their rents to be pooled.
_LISTED_CHIPS = ("H100-SXM", "A100-80", "V100-SXM")
#: The first day on which enough price lists are known.
_FIRST_KNOWN = "2023-06-30"


@cache
def known_changes(decided: str) -> numpy.ndarray:
    """Return the quarterly changes of rents, in logarithm, that were known on a day (or on the first day with any)."""
    prices = catalog.read("rental_prices")
    until = max(decided, _FIRST_KNOWN)
    return log_changes(*(typical_rents(prices, chip, until=until) for chip in _LISTED_CHIPS))


#: What a decision of the past can be followed through, each a series of its own: kinds differ two to five times.
FOLLOWED = ("contracts", "listed", "marketplace")
#: Quarters with fewer price lists are left out of a listed rent that is followed: one list is no market.
_LEAST_LISTS = 3


def quoted(chip: str, series: str = "contracts") -> Table:
    """Return the observed rents of a chip that one series draws a line through.

    Parameters
    ----------
    series : {"contracts", "listed", "marketplace"}
        Quotes nearest to a large buyer's (by the hour until 2024, a year's contract later), each as it stands; the
        typical list price by the hour, by quarter; or the typical price of a marketplace, by quarter.

    Returns
    -------
    Table
        ``date, kind, usd_per_chip_hour, n_prices``, by date; a quarter stands at its middle, with as many prices as
        providers. Empty for a chip without them.

    Examples
    --------
    >>> [len(quoted("H100-SXM", series)) for series in FOLLOWED]
    [5, 8, 4]
    """
    prices = catalog.read("rental_prices")
    prices = prices.where((prices["chip"] == chip) & (prices["date"] >= numpy.datetime64("2024-02-01")))
    kind, least = ("on_demand", _LEAST_LISTS) if series == "listed" else ("spot", 1)
    if series == "contracts" or not (prices["kind"] == kind).any():
        early = (prices["kind"] == "on_demand") & (prices["date"] < numpy.datetime64("2025-01-01"))
        kept = ((prices["kind"] == "reserved_1y") | early) & (prices["basis"] == "quoted") & (series == "contracts")
        return prices.where(kept).sorted("date").select("date", "kind", "usd_per_chip_hour").assign(n_prices=1)
    table = typical_rents(prices, chip, kind)
    table = table.where(table["n_providers"] >= least)
    middle = table["quarter_start"] + numpy.timedelta64(45, "D")
    table = table.assign(date=middle, kind=kind, n_prices=table["n_providers"])
    return table.select("date", "kind", "usd_per_chip_hour", "n_prices")


def last_quoted(chip: str, series: str) -> str:
    """Return the day of the last observation of a series, ``YYYY-MM-DD``; empty for a chip without any.

    Examples
    --------
    >>> last_quoted("H100-SXM", "contracts"), last_quoted("H200", "contracts")
    ('2026-06-01', '')
    """
    dates = quoted(chip, series)["date"]
    return str(dates.max()) if len(dates) else ""


def of_the_year(chip: str, decided: str) -> dict[str, tuple[float, int]]:
    """Return the middle of a chip's prices in the year before a day, and how many they are, by kind of rent.

    ``hourly`` are prices on demand, ``reserved`` those of a year's contract; a kind without prices is missing.
    """
    found = {}
    for kind, listed in (("hourly", "on_demand"), ("reserved", "reserved_1y")):
        usd = _in_the_year(chip, decided, (listed,))["usd_per_chip_hour"]
        if len(usd):
            found[kind] = (float(numpy.median(usd)), len(usd))
    return found


def _in_the_year(chip: str, decided: str, kinds: Sequence[str] = _LISTED) -> Table:
    """Return a chip's prices of some kinds in the year before a day."""
    prices = catalog.read("rental_prices")
    age = numpy.datetime64(decided, "D") - prices["date"]
    recent = (numpy.timedelta64(0, "D") <= age) & (age <= numpy.timedelta64(365, "D"))
    return prices.where((prices["chip"] == chip) & numpy.isin(prices["kind"], kinds) & recent)


def spread_of_the_year(chip: str, decided: str, kinds: Sequence[str] = _LISTED) -> Uncertain | None:
    """Return the 10, 50 and 90 % of a chip's prices of some kinds in the year before a day.

    Around few prices the spread is at least :data:`LEAST_SPREAD`, as one quote is no exact price.
    """
    usd = _in_the_year(chip, decided, kinds)["usd_per_chip_hour"]
    if not len(usd):
        return None
    low, median, high = (float(value) for value in numpy.quantile(usd, [0.1, 0.5, 0.9]))
    return Uncertain(low=min(low, median / LEAST_SPREAD), median=median, high=max(high, median * LEAST_SPREAD))


def origin_of_the_year(chip: str, decided: str) -> str:
    """Say how many prices :func:`spread_of_the_year` rests on, and the sources of most of them.

    Examples
    --------
    >>> origin_of_the_year("GB300", "2026-08-01")
    'one price (semianalysis-tco-2026)'
    """
    rows = _in_the_year(chip, decided)
    most = [source for source, _ in Counter(rows["source_id"]).most_common()]
    others = " and others" if len(most) > 2 else ""
    number = "one price" if len(rows) == 1 else f"{len(rows)} prices"
    return f"{number} ({', '.join(most[:2])}{others})"


def first_known(chip: str) -> str:
    """Say in words which price of a chip is the first in the table, or that there is none.

    Examples
    --------
    >>> first_known("GB300")
    'the first in the tables is $5.00 of July 2026, three-year contract'
    """
    prices = catalog.read("rental_prices")
    row = next(prices.where(prices["chip"] == chip).sorted("date").rows(), None)
    if row is None:
        return "the tables have none at all"
    day, words = row["date"].item(), KIND_WORDS[row["kind"]]
    return f"the first in the tables is ${row['usd_per_chip_hour']:.2f} of {day:%B %Y}, {words}"


@cache
def blocks(day: str, *, or_first: bool = False) -> pd.DataFrame:
    """Return the largest block of each kind of rent that was known by a day: at most so many chips were to be had.

    With ``or_first`` the first block known stands for a kind of which none was known by then.

    By ``kind``: the columns of ``data/rent_kinds.csv``, and ``n_blocks`` known; a kind without any is missing.
    """
    table = catalog.load("rent_kinds").sort_values("as_of")
    known = table[(table["as_of"] <= day) | (or_first & ~table.duplicated("kind"))]
    largest = known.sort_values("obtainable_chips", kind="stable").drop_duplicates("kind", keep="last")
    return largest.set_index("kind").assign(n_blocks=known.groupby("kind").size())


#: Quarters that are resampled together.
_BLOCK = 3


def paths(changes: numpy.ndarray, *, months: int, samples: int, seed: int) -> numpy.ndarray:
    """Draw paths of a rent, as factors of the rent now, by resampling blocks of its past changes.

    Parameters
    ----------
    changes : From :func:`log_changes`, at least three. The past is taken as a circle, so that every quarter is drawn
        as often.

    Returns
    -------
    array, shape (months + 1, samples)
        On the host; row t is the rent during the month that ends at t, row 0 the rent now. Months between quarters
        are interpolated in logarithm.
    """
    rng = numpy.random.default_rng(seed)
    steps = -(-months // MONTHS_PER_STEP)
    first = rng.integers(changes.size, size=(-(-steps // _BLOCK), 1, samples))
    drawn = changes[(first + numpy.arange(_BLOCK)[None, :, None]) % changes.size].reshape(-1, samples)[:steps]
    logs = numpy.concatenate([numpy.zeros((1, samples)), numpy.cumsum(drawn, axis=0)])
    month = numpy.arange(months + 1)
    left = numpy.minimum(month // MONTHS_PER_STEP, steps - 1)
    weight = (month / MONTHS_PER_STEP - left)[:, None]
    found: numpy.ndarray = numpy.exp(logs[left] * (1 - weight) + logs[left + 1] * weight)
    return found


def followed(dates: ArrayLike, rents_usd: ArrayLike, start: numpy.datetime64 | str, months: int) -> numpy.ndarray:
    """Return the rent that followed a decision, month by month, from what was observed now and then. [USD/chip/h]

    The path of shape (months + 1, 1), on the host, is interpolated in logarithm between observations, which are in the
    order of their dates, and flat before the first and after the last.

    Examples
    --------
    >>> dates = numpy.asarray(["2024-01-01", "2024-12-31"], dtype="datetime64[D]")
    >>> followed(dates, [4.0, 1.0], "2024-01-01", 12)[[0, 6, 12], 0].round(2).tolist()
    [4.0, 2.0, 1.0]
    """
    asked = day_numbers(start) + HOURS_PER_MONTH / 24 * numpy.arange(months + 1)
    logs = numpy.log(numpy.asarray(rents_usd, dtype=float))
    found: numpy.ndarray = numpy.exp(numpy.interp(asked, day_numbers(dates), logs))[:, None]
    return found
