"""Do the intervals hold? Forecasts made from earlier quarters and earlier vintages, against what was told later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
from scipy import stats

from gigareport.facts.stock import current, world_stock
from gigareport.facts.world import Day, WorldStock

if TYPE_CHECKING:
    import pandas as pd


#: The first quarter that is carried ahead: before it fewer than four changes of the owners' shares are known.
_FIRST_ORIGIN = "2024-03-31"
_HORIZONS = 4
_PERCENTILES = ["h100e_8bit_p5", "h100e_8bit_p95"]


def forecasts(owners: pd.DataFrame, makers: pd.DataFrame, *, samples: int = 1_000, seed: int = 7) -> pd.DataFrame:
    """Carry the tables ahead from each earlier quarter by one to four quarters, and look up what the tables then say.

    Estimates are taken as exact here, because forecast and outcome share their errors: what is scored is how totals
    grow and how shares drift.

    Returns
    -------
    DataFrame
        ``origin, date, quarters, quantity, low, median, high, outcome, inside, width``: quantity is the world's total
        or the share of an owner that held something at the origin; low and high hold 90 %, width is log(high / low).
    """
    exact = owners.assign(**dict.fromkeys(_PERCENTILES, numpy.nan))
    exact_makers = makers.assign(**dict.fromkeys(_PERCENTILES, numpy.nan))
    told = world_stock(exact, exact_makers, samples=1, seed=seed)
    truth = _shares(told, told.dates)
    rows = []
    for origin in told.dates[:-1][told.dates[:-1] >= numpy.datetime64(_FIRST_ORIGIN)]:
        then = world_stock(_until(exact, origin), _until(exact_makers, origin), samples=samples, seed=seed)
        later = told.dates[told.dates > origin][:_HORIZONS]
        drawn = _shares(then, later)
        for name, values in drawn.items():
            if name != "total" and then.h100e_8bit[then.owners.index(name), -1, 0] == 0:
                continue
            for step, day in enumerate(later):
                low, median, high = numpy.quantile(values[step], [0.05, 0.5, 0.95])
                outcome = float(truth[name][list(told.dates).index(day), 0])
                rows.append((origin, day, step + 1, name, low, median, high, outcome))
    return _scored(rows)


def revisions(
    owners: pd.DataFrame, makers: pd.DataFrame, before: str, *, samples: int = 1_000, seed: int = 7
) -> pd.DataFrame:
    """Take the tables as they stood before a vintage, and score their makers' totals against what it says.

    Parameters
    ----------
    before : The later vintage; rows of older ones are what was known.

    Returns
    -------
    DataFrame
        As from :func:`forecasts`; quantity is a maker. Quarters that the older vintages did not have are forecasts.
    """
    old_owners, old_makers = owners[owners["vintage"] < before], makers[makers["vintage"] < before]
    then = world_stock(old_owners, old_makers, samples=samples, seed=seed, total_of="chip_maker")
    new = current(makers[makers["vintage"] == before], ["chip_maker", "as_of"])
    rows = []
    for row in new.rows():
        maker, when, outcome = row["chip_maker"], row["as_of"], row["h100e_8bit_median"]
        if maker in then.owners and not numpy.isnan(outcome):
            drawn = then.at(when)[then.owners.index(maker)]
            ahead = round(max((when - then.dates[-1]).astype(int), 0) / 91.3)
            rows.append((then.dates[-1], when, ahead, maker, *numpy.quantile(drawn, [0.05, 0.5, 0.95]), outcome))
    return _scored(rows)


def coverage(scored: pd.DataFrame) -> pd.DataFrame:
    """Count how many outcomes their 90 % intervals hold, and whether that is what 90 % would do.

    Returns
    -------
    DataFrame
        ``of, cases, inside, share, p_value, median_width``: totals and owners apart; the p-value is that of the
        two-sided binomial test of 90 %. Cases overlap in time, so they tell less than as many independent ones.
    """
    import pandas as pd

    rows = []
    for name, part in (
        ("totals", scored[scored["quantity"] == "total"]),
        ("owners' shares", scored[scored["quantity"] != "total"]),
    ):
        if len(part):
            n, inside = len(part), int(part["inside"].sum())
            p_value = float(stats.binomtest(inside, n, 0.9).pvalue)
            rows.append((name, n, inside, inside / n, p_value, float(part["width"].median())))
    return pd.DataFrame(rows, columns=["of", "cases", "inside", "share", "p_value", "median_width"])


def held_table(held: pd.DataFrame, vintages: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """Return what the intervals held: of :func:`coverage`, :func:`revisions`, and of predicted sites.

    Returns
    -------
    DataFrame
        ``what``, ``inside`` (of how many), ``p`` (that a 90 % interval holds so few or so many) and ``width`` (median
        of the upper end over the lower); a dash where there is none.
    """
    import pandas as pd

    rows = [
        (
            f"{row.of}, one to four quarters ahead",
            f"{row.inside} of {row.cases}",
            f"{row.p_value:.2f}",
            f"{numpy.exp(row.median_width):.2f} times",
        )
        for row in held.itertuples()
    ]
    others = {"makers' totals, of the next vintage": vintages, "sites, without their own revisions": plans}
    rows += [(what, f"{table['inside'].sum()} of {len(table)}", "–", "–") for what, table in others.items()]
    return pd.DataFrame(rows, columns=["what", "inside", "p", "width"])


def _until(table: pd.DataFrame, day: Day) -> pd.DataFrame:
    import pandas as pd

    return table[table["as_of"] <= pd.Timestamp(str(day))]


def _shares(world: WorldStock, days: Any) -> dict[str, numpy.ndarray]:
    """Return the total and the share of each owner, each of shape (days, samples)."""
    held = numpy.stack([world.at(day) for day in days], axis=1)
    total = held.sum(axis=0)
    return {"total": total} | dict(zip(world.owners, held / total, strict=True))


def _scored(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    columns = ["origin", "date", "quarters", "quantity", "low", "median", "high", "outcome"]
    table = pd.DataFrame(rows, columns=columns)
    table["inside"] = table["outcome"].between(table["low"], table["high"])
    table["width"] = numpy.log(table["high"] / table["low"])
    return table
