"""What happened after the story's decision: choices priced with what is known now, apart from what was known then.

The chips worked on the dates of Epoch AI, rents fell and rose, and from May 2026 the cluster was let. None of this
could be known in July 2024, so no row is a verdict on the choice.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy
import pandas as pd

from gigacluster.arrays import NUMPY, to_host
from gigacluster.cost.flows import in_month, month_rows
from gigacluster.uncertainty import interval
from gigacluster.units import HOURS_PER_MONTH
from gigareport import scenario
from gigareport.facts import rents, use

#: Months from the decision of 2024-07-09 to the last data of ``data/contracts.csv``, November 2026.
MONTHS = 28
#: When the parts of the cluster trained, by Epoch AI: 11 August and 2 September 2024.
_DELIVERED = {"own.deliveries.0.month": 1.1, "own.deliveries.1.month": 1.8}
_LEASE = "anthropic-colossus"
#: Rents that followed, in words. By the hour and on marketplaces so many chips were not to be had.
_WORDS = {
    "contracts": "rent at the contracts that followed ({} prices)",
    "listed": "rent by the hour at list prices (benchmark, {} prices)",
    "marketplace": "rent on marketplaces (benchmark, {} prices)",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Hindsight:
    """Choices with what is known in November 2026, for the useful work that the owner's chips could do."""

    #: ``choice, known_since, low, median, high`` (net present dollars) ``usd_per_useful_chip_hour`` (median)
    #: ``n_prices`` that the rent of each month is drawn through (0: none).
    table: pd.DataFrame
    #: Those prices: ``series, date, kind, usd_per_chip_hour, n_prices``.
    quotes: pd.DataFrame
    #: What the lease pays for these chips in a month at the full fee. [USD/month]
    lease_usd_per_month: float


def hindsight(*, samples: int = 2_000, seed: int = 7, device: str = "cpu") -> Hindsight:
    """Price what was chosen and what was not, with what is known in November 2026.

    Notes
    -----
    In May and June 2026 the lease paid a reduced fee that was not published: any share of the full one is taken as
    equally likely. Chips that are let do not train, so the owner of the second row has their income instead of their
    work; its cost is set against the same hours as the others'.

    Examples
    --------
    >>> list(hindsight(samples=50).table["choice"])[:2]
    ['own', 'own, let out from May 2026']
    """
    story = scenario.with_value(scenario.load(scenario.STORY), "horizon_months", MONTHS)
    told = scenario.evaluate(story, samples=samples, seed=seed, device=device)
    goodput = to_host(told.goodput_frac)
    given = dict(told.inputs) | {name: numpy.full(samples, month) for name, month in _DELIVERED.items()}
    owned, contract = scenario.cash_flows(story, given, goodput)
    quotes = {name: rents.quoted(story.cluster.chip, name).to_frame() for name in rents.FOLLOWED}
    last = pd.Timestamp(story.decided_on) + pd.Timedelta(days=MONTHS * HOURS_PER_MONTH / 24)
    quotes = {name: table[table["date"] <= last] for name, table in quotes.items()}
    month_usd = story.cluster.n_chips * use.usd_per_h100e_month(_LEASE)
    let = owned.with_income(month_usd * _let_share(story.decided_on, samples, seed))
    work = owned.present_chip_hours * owned.useful_frac  # useful hours, for as many of which a rent is priced
    rows = [
        ("own", "September 2024", owned.net_present_usd, 0),
        ("own, let out from May 2026", "May 2026", let.net_present_usd, 0),
    ]
    for name, observed in quotes.items():
        case = scenario.with_value(scenario.with_value(story, "rent.kind", "followed"), "rent.follows", name)
        _, followed = scenario.cash_flows(case, given, goodput)
        since, number = f"{observed['date'].max():%B %Y}", int(observed["n_prices"].sum())
        rows.append((_WORDS[name].format(number), since, followed.usd_per_useful_chip_hour * work, number))
    rows.append(("rent at the contract offered", "July 2024", contract.usd_per_useful_chip_hour * work, 0))
    found = [(choice, since, interval(usd), interval(usd / work).median, n) for choice, since, usd, n in rows]
    table = pd.DataFrame(
        [(choice, since, usd.low, usd.median, usd.high, hour, n) for choice, since, usd, hour, n in found],
        columns=["choice", "known_since", "low", "median", "high", "usd_per_useful_chip_hour", "n_prices"],
    )
    seen = pd.concat([observed.assign(series=name) for name, observed in quotes.items()], ignore_index=True)
    return Hindsight(table=table, quotes=seen, lease_usd_per_month=month_usd)


def _let_share(decided_on: datetime.date, samples: int, seed: int) -> numpy.ndarray:
    """Return the share of the full fee in each month: (months + 1, samples)."""
    lease = use.leases().loc[_LEASE]
    start, full = (
        (pd.Timestamp(day) - pd.Timestamp(decided_on)) / pd.Timedelta(hours=HOURS_PER_MONTH)
        for day in (lease["date"], lease["first_full_month"])
    )
    rows = month_rows(NUMPY, MONTHS, numpy.empty(1), 1)
    reduced = numpy.random.default_rng(seed).uniform(size=samples)
    return reduced * in_month(NUMPY, rows, start, full) + in_month(NUMPY, rows, full)
