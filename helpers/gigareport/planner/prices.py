"""What chips and rents cost on a day, from quotes known by the day of the decision and nothing later.

The logarithm of a price is taken as a level of each chip and one decline shared by all chips: the pooled fit of quotes
of one chip and scope at several dates. Until quotes repeat, no decline is known and none is taken.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from functools import cache

import numpy
import pandas as pd
from scipy import stats

from gigacluster.uncertainty import Uncertain
from gigacluster.units import DAYS_PER_YEAR
from gigareport.facts import rents
from gigareport.facts.prices import all_quotes
from gigareport.facts.rents import LEAST_SPREAD

#: How long a date lasts, by its precision. [day]
_DAYS_OF = {"day": 0.0, "month": 30.0, "year": 365.0}
#: Paths of the market's rent from which its level on a later day is taken.
_N_PATHS, _SEED = 2_000, 7


@dataclass(frozen=True, slots=True)
class Decline:
    """How fast the price of one chip changes, as the logarithm over a year, and how sure that is."""

    per_year: float
    error: float  # standard error of it


@cache
def _quotes(until: datetime.date) -> pd.DataFrame:
    """Return quotes known on a day, with the ``year`` that each stands for: as :func:`facts.prices.all_quotes`.

    A figure for a whole month or year was known when that was over, and stands for its middle.
    """
    table = all_quotes().to_frame()
    lasts = pd.to_timedelta(table["date_precision"].map(_DAYS_OF), unit="D")
    known = table["date"] + lasts <= pd.Timestamp(until)
    return table.assign(year=_year(table["date"] + lasts / 2))[known]


def _year(dates: pd.Series) -> pd.Series:
    return (dates - pd.Timestamp("2020-01-01")).dt.days / DAYS_PER_YEAR


@cache
def decline(until: datetime.date) -> Decline:
    """Return the decline of chip prices that was known on a day.

    Examples
    --------
    >>> known = decline(datetime.date(2025, 6, 1))
    >>> 0.02 < 1 - math.exp(known.per_year) < 0.15
    True
    """
    quotes = _quotes(until)
    groups = quotes.groupby(["chip", "scope"])
    again = groups["year"].transform("nunique") > 1
    repeated, groups = quotes[again], quotes[again].groupby(["chip", "scope"])
    n_groups = groups.ngroups
    spare = len(repeated) - n_groups - 1
    if spare < 1:
        return Decline(0.0, 0.0)
    log_usd = numpy.log(repeated["usd"])
    log_usd = log_usd - log_usd.groupby([repeated["chip"], repeated["scope"]]).transform("mean")
    years = repeated["year"] - groups["year"].transform("mean")
    squares = float((years**2).sum())
    slope = float((years * log_usd).sum()) / squares
    noise = float(((log_usd - slope * years) ** 2).sum()) / spare
    # A normal error as wide at 90 % as Student's with so few quotes.
    wider = float(stats.t.ppf(0.95, spare) / stats.norm.ppf(0.95))
    return Decline(slope, wider * math.sqrt(noise / squares))


@cache
def price_usd(chip: str, until: datetime.date, months: float = 0.0) -> Uncertain | None:
    """Return what a chip with its part of the server costs some months after a day, as could be expected on that day.

    Quotes until then are known; ``None`` where there was none. [USD/chip]

    Examples
    --------
    >>> now, later = (price_usd("H100-SXM", datetime.date(2025, 6, 1), months) for months in (0, 24))
    >>> later.median < now.median
    True
    """
    rows = _quotes(until).query("chip == @chip")
    if rows.empty:
        return None
    known = decline(until)
    day = (until - datetime.date(2020, 1, 1)).days / DAYS_PER_YEAR + months / 12
    ages = day - rows["year"]
    moved = numpy.log(rows["usd"]) + known.per_year * ages
    log_usd = float(moved.median())
    moved_low, moved_high = (numpy.log(rows[name]) + known.per_year * ages for name in ("low_usd", "high_usd"))
    down = max(log_usd - float(moved_low.quantile(0.05)), math.log(LEAST_SPREAD))
    up = max(float(moved_high.quantile(0.95)) - log_usd, math.log(LEAST_SPREAD))
    drift = 1.645 * known.error * float(ages.mean())
    return Uncertain(
        low=math.exp(log_usd - math.hypot(down, drift)),
        median=math.exp(log_usd),
        high=math.exp(log_usd + math.hypot(up, drift)),
    )


@cache
def market_after(until: datetime.date, months: int) -> Uncertain:
    """Return the market's rent some months after a day over that of the day, as its past changes let expect."""
    if months < 1:
        return Uncertain.fixed(1.0)
    paths = rents.paths(rents.known_changes(str(until)), months=months, samples=_N_PATHS, seed=_SEED)
    low, median, high = (float(value) for value in numpy.quantile(paths[-1], [0.05, 0.5, 0.95]))
    return Uncertain(low=low, median=median, high=high)


def times(first: Uncertain, second: Uncertain) -> Uncertain:
    """Return the product of two independent positive quantities, each side added in squares of logarithms.

    Examples
    --------
    >>> times(Uncertain.fixed(2.0), Uncertain.fixed(3.0)).median
    6.0
    """
    middle = first.median * second.median
    down = math.hypot(math.log(first.median / first.low), math.log(second.median / second.low))
    up = math.hypot(math.log(first.high / first.median), math.log(second.high / second.median))
    return Uncertain(low=middle * math.exp(-down), median=middle, high=middle * math.exp(up))
