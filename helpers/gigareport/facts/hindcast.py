"""Do the intervals hold? Forecasts made from earlier quarters and earlier vintages, against what was told later.

Each gives a table of cases: what was asked, ``low, median, high`` (5, 50 and 95 % of what was drawn), ``outcome``,
``inside`` and ``width``, log(high / low).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy
from scipy import stats

from gigareport.facts.plans import revisions_between, standing, states_by_site
from gigareport.facts.stock import current, world_stock
from gigareport.facts.timeline import site_timeline
from gigareport.facts.world import WorldStock
from gigareport.table import Table

if TYPE_CHECKING:
    import pandas as pd


#: The first quarter that is carried ahead: before it fewer than four changes of the owners' shares are known.
_FIRST_ORIGIN = "2024-03-31"
_HORIZONS = 4
_PERCENTILES = ["h100e_8bit_p5", "h100e_8bit_p95"]
_OF_STOCK = ("origin", "date", "quarters", "quantity")


def forecasts(
    owners: Table | pd.DataFrame, makers: Table | pd.DataFrame, *, samples: int = 1_000, seed: int = 7
) -> pd.DataFrame:
    """Carry the tables ahead from each earlier quarter by one to four quarters, and look up what the tables then say.

    Estimates are taken as exact here, because forecast and outcome share their errors: what is scored is how totals
    grow and how shares drift.

    By ``origin, date, quarters, quantity``: the world's total, or the share of an owner that held something at the
    origin.
    """
    exact = [Table.of(table).assign(**dict.fromkeys(_PERCENTILES, numpy.nan)) for table in (owners, makers)]
    told = world_stock(*exact, samples=1, seed=seed)
    truth, cases = _shares(told, told.dates), []
    for origin in told.dates[:-1][told.dates[:-1] >= numpy.datetime64(_FIRST_ORIGIN)]:
        known = (table.where(table["as_of"] <= origin) for table in exact)
        then = world_stock(*known, samples=samples, seed=seed)
        later = told.dates[told.dates > origin][:_HORIZONS]
        for name, values in _shares(then, later).items():
            if name != "total" and then.h100e_8bit[then.owners.index(name), -1, 0] == 0:
                continue
            for step, (day, drawn) in enumerate(zip(later, values, strict=True)):
                cases.append(((origin, day, step + 1, name), drawn, truth[name][told.dates == day].item()))
    return _scored(_OF_STOCK, cases)


def revisions(
    owners: Table | pd.DataFrame, makers: Table | pd.DataFrame, before: str, *, samples: int = 1_000, seed: int = 7
) -> pd.DataFrame:
    """Take the tables as they stood before a vintage, and score their makers' totals against what it says.

    As from :func:`forecasts`; quantity is a maker. Quarters that the older vintages did not have are forecasts.
    """
    tables = [Table.of(table) for table in (owners, makers)]
    older = (table.where(table["vintage"] < before) for table in tables)
    then = world_stock(*older, samples=samples, seed=seed, total_of="chip_maker")
    new, cases = tables[1].where(tables[1]["vintage"] == before), []
    for row in current(new, ["chip_maker", "as_of"]).rows():
        maker, when, outcome = row["chip_maker"], row["as_of"], row["h100e_8bit_median"]
        if maker in then.owners and not numpy.isnan(outcome):
            ahead = round(max((when - then.dates[-1]).astype(int), 0) / 91.3)
            drawn = then.at(when)[then.owners.index(maker)]
            cases.append(((then.dates[-1], when, ahead, maker), drawn, outcome))
    return _scored(_OF_STOCK, cases)


def sites(before: str, now: str, dates: Sequence[str]) -> pd.DataFrame:
    """Predict each site from an earlier vintage and the revisions of all other sites, then look at a later vintage.

    By ``site, date``, where it has or may have any size, without ``width``. [H100 equivalents by 8-bit peak]
    """
    earlier, later = (states_by_site(vintage).groups("site") for vintage in (before, now))
    whole, cases = revisions_between(before, now), []
    for site, own in earlier.items():
        if site in later:
            others = replace(whole, steps=whole.steps.where(whole.steps["site"] != site))
            drawn = site_timeline(own, others, before, days=dates).h100e[0]
            known = standing(later[site], dates).tolist()
            cases += [((site, *case[:1]), *case[1:]) for case in zip(dates, drawn, known, strict=True)]
    scored = _scored(("site", "date"), cases).astype({"date": "datetime64[s]"}).drop(columns="width")
    return scored[(scored["outcome"] > 0) | (scored["high"] > 0)].reset_index(drop=True)


def coverage(scored: pd.DataFrame) -> pd.DataFrame:
    """Count how many outcomes their 90 % intervals hold, and whether that is what 90 % would do.

    The columns are ``of, cases, inside, share, p_value, median_width``: totals and owners apart; the p-value is that of
    the two-sided binomial test of 90 %. Cases overlap in time, so they tell less than as many independent ones.
    """
    import pandas as pd

    of_total, rows = scored["quantity"] == "total", []
    for name, part in (("totals", scored[of_total]), ("owners' shares", scored[~of_total])):
        if len(part):
            n, inside = len(part), int(part["inside"].sum())
            p_value = float(stats.binomtest(inside, n, 0.9).pvalue)
            rows.append((name, n, inside, inside / n, p_value, float(part["width"].median())))
    return pd.DataFrame(rows, columns=["of", "cases", "inside", "share", "p_value", "median_width"])


def held_table(scored: pd.DataFrame, vintages: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """Return what the intervals held: of :func:`forecasts`, :func:`revisions` and :func:`sites`.

    The columns are ``what``, ``inside`` (of how many), ``p`` (that a 90 % interval holds so few or so many) and
    ``width`` (median of the upper end over the lower); a dash where there is none.
    """
    import pandas as pd

    rows = [
        (
            f"{row.of}, one to four quarters ahead",
            f"{row.inside} of {row.cases}",
            f"{row.p_value:.2f}",
            f"{numpy.exp(row.median_width):.2f} times",
        )
        for row in coverage(scored).itertuples()
    ]
    others = {"makers' totals, of the next vintage": vintages, "sites, without their own revisions": plans}
    rows += [(what, f"{table['inside'].sum()} of {len(table)}", "–", "–") for what, table in others.items()]
    return pd.DataFrame(rows, columns=["what", "inside", "p", "width"])


def _shares(world: WorldStock, days: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Return the total and the share of each owner, each of shape (days, samples)."""
    held = world.at(list(days))
    total = held.sum(axis=0)
    return {"total": total} | dict(zip(world.owners, held / total, strict=True))


def _scored(names: Sequence[str], cases: Sequence[tuple[tuple[Any, ...], numpy.ndarray, float]]) -> pd.DataFrame:
    """Return a table of cases: what each is, what was drawn for it, and what came."""
    import pandas as pd

    rows = [(*case, *numpy.quantile(drawn, [0.05, 0.5, 0.95]), outcome) for case, drawn, outcome in cases]
    table = pd.DataFrame(rows, columns=[*names, "low", "median", "high", "outcome"])
    table["inside"] = table["outcome"].between(table["low"], table["high"])
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return table.assign(width=numpy.log(table["high"] / table["low"]))
