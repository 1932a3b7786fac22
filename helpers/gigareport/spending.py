"""What owning consists of, when it is paid, what decides it, and what a month is worth: tables that figures draw."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy
import pandas as pd

from gigacluster import cost, race
from gigacluster.arrays import Array, to_host
from gigacluster.uncertainty import sobol_indices, tornado
from gigacluster.units import DAYS_PER_YEAR, HOURS_PER_MONTH, HOURS_PER_YEAR
from gigareport import catalog
from gigareport.facts import rents, use
from gigareport.facts.prices import cost_inputs
from gigareport.scenario import Outlook, Scenario, cash_flows, inputs_of, with_value, words_of
from gigareport.scenario.inputs import market_of
from gigareport.scenario.known import facts_of
from gigareport.words import usd as usd_text

#: Samples that cash flows month by month are drawn for.
_SAMPLES = 2_000
_PRICE = "rent.committed_usd_per_chip_hour"
_LEASE = "anthropic-colossus"


def given_of(outlook: Outlook, most: int = _SAMPLES) -> tuple[dict[str, Array], Array]:
    """Return the first samples of an outlook's inputs by path, and their goodput."""
    return {name: values[:most] for name, values in outlook.inputs.items()}, to_host(outlook.goodput_frac)[:most]


def _flows(outlook: Outlook) -> tuple[cost.CashFlows, cost.CashFlows]:
    return cash_flows(outlook.scenario, *given_of(outlook))


def rental(story: Scenario, kind: str, term_months: float, after_term: str) -> Scenario:
    """Return the scenario with a rent of another kind, for another term, and with what follows it."""
    for path, value in {"kind": kind, "term_months": term_months, "after_term": after_term}.items():
        story = with_value(story, f"rent.{path}", value)
    return story


def dollars_unit(usd: Array) -> tuple[float, str]:
    """Return what dollars are divided by for a reader, and the unit's name."""
    most = float(numpy.nanmax(numpy.abs(usd)))
    return (1e9, "$ billion") if most >= 1e9 else (1e6, "$ million")


def parts(outlook: Outlook) -> tuple[pd.DataFrame, str]:
    """Return the present value of each part of owning, the largest first, and the label of its axis.

    Returns
    -------
    DataFrame, str
        ``label, low, median, high`` in the unit of the label; what is sold at the end is negative.
    """
    owned, _ = _flows(outlook)
    usd = {name: numpy.ravel(to_host(part)) for name, part in owned.parts_usd.items()}
    scale, unit = dollars_unit(numpy.concatenate(list(usd.values())))
    rows = [
        (name, *(numpy.nanquantile(part, [0.05, 0.5, 0.95]) / scale)) for name, part in usd.items() if numpy.any(part)
    ]
    table = pd.DataFrame(rows, columns=["label", "low", "median", "high"]).sort_values("median", ascending=False)
    return table.reset_index(drop=True), f"Present value [{unit}]"


def so_far(outlook: Outlook) -> tuple[pd.DataFrame, str]:
    """Return what each choice has cost by each month, and the label of its axis.

    Returns
    -------
    DataFrame, str
        ``Month, low, median, high, choice``: owning and selling everything then, beside renting the work done until
        then hour by hour at the rent's levelised price.
    """
    owned, rented = _flows(outlook)
    work = numpy.cumsum(to_host(owned.discount_factor * owned.useful_chip_hours), axis=0)
    usd = {
        "own and sell then": to_host(owned.so_far_usd - owned.discount_factor * owned.exit_usd),
        "rent the same work": to_host(rented.usd_per_useful_chip_hour) * work,
    }
    scale, unit = dollars_unit(usd["rent the same work"])
    tables = []
    for choice, values in usd.items():
        low, middle, high = numpy.nanquantile(values, [0.05, 0.5, 0.95], axis=1) / scale
        months = numpy.arange(len(middle))
        tables.append(pd.DataFrame({"Month": months, "low": low, "median": middle, "high": high, "choice": choice}))
    return pd.concat(tables, ignore_index=True), f"Present cost so far [{unit}]"


def deal_sizes(outlook: Outlook, terms: tuple[int, ...] = (24, 36, 48, 60, 72)) -> pd.DataFrame:
    """Return with how many chips the reported deal costs an hour as much as owning, by its term.

    Returns
    -------
    DataFrame
        ``Term [months], low, median, high`` in chips; with more of them for the money the deal wins. A scenario without
        a reported value takes its rent for three years. ``attrs["words"]`` says which, with its value.
    """
    story, (given, goodput) = outlook.scenario, given_of(outlook)
    usd, words = story.rent.contract_usd.median, "The reported deal of {}"
    if not numpy.isfinite(usd):
        words = "This rent over three years, {},"
        usd = 36 * HOURS_PER_MONTH * story.rent.committed_usd_per_chip_hour.median * story.cluster.n_chips
    rows = []
    for months in terms:
        case = with_value(rental(story, "contract", float("inf"), "renew"), "horizon_months", months)
        flows = cash_flows(case, given, goodput)
        parity = cost.decide(*flows, usd_per_useful_chip_hour=0.0).parity_frac
        sizes = cost.deal_size_chips(usd, parity * given[_PRICE], float(months))
        rows.append((months, *numpy.nanquantile(sizes, [0.05, 0.5, 0.95])))
    table = pd.DataFrame(rows, columns=["Term [months]", "low", "median", "high"])
    table.attrs["words"] = words.format(usd_text(usd))
    return table


def deciding(outlook: Outlook, *, samples: int = 256, most: int = 8) -> tuple[pd.DataFrame, str]:
    """Return how far the saving moves when one input goes to its 5th or 95th percentile, and the label of its axis.

    Parameters
    ----------
    samples : Base sample of the Sobol indices, a power of two.
    most : Inputs kept, widest swing first.

    Returns
    -------
    DataFrame, str
        ``label, low, median, high`` and ``total``, the share of the variance that would go away if the input were
        known.
    """
    story, goodput = outlook.scenario, float(numpy.median(to_host(outlook.goodput_frac)))
    sections = ("cluster", "own", "rent")
    money = {path: value for path, value in inputs_of(story).items() if path.split(".")[0] in sections}

    def saving(values: Mapping[str, Array]) -> Array:
        found = cost.decide(*cash_flows(story, values, goodput), usd_per_useful_chip_hour=0.0)
        return numpy.asarray(to_host(found.same_work_usd))

    base = float(numpy.ravel(saving({name: numpy.full(1, value.median) for name, value in money.items()}))[0])
    indices, swings = sobol_indices(saving, money, samples=samples, seed=outlook.seed), tornado(saving, money)
    scale, unit = dollars_unit(numpy.array([base, *(end for pair in swings.values() for end in pair)]))
    meaning = words_of(story)
    rows = [
        (re.split("[:,]", meaning[name])[0], *(end / scale for end in (low, base, high)), indices[name][1])
        for name, (low, high) in list(swings.items())[:most]
    ]
    table = pd.DataFrame(rows, columns=["label", "at its 5 %", "median", "at its 95 %", "total"])
    return table, f"Saving of owning [{unit}]"


def known_rents(outlook: Outlook) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return rents of the scenario's chip as they were seen, and what could be expected of them on the day.

    Returns
    -------
    tuple of DataFrame
        List prices by quarter and quotes by kind (``Date, $ a chip-hour, kind``), and the paths from the scenario's
        price (``Date, low, median, high``). A chip without prices has empty tables.
    """
    story, prices = outlook.scenario, catalog.load("rental_prices").rename(columns={"date": "Date"})
    usd = "$ a chip-hour"
    listed = pd.DataFrame(columns=["Date", usd, "kind"])
    quotes = prices[(prices["chip"] == story.cluster.chip) & (prices["basis"] == "quoted")]
    quotes = quotes.rename(columns={"usd_per_chip_hour": usd})[["Date", usd, "kind"]]
    words = quotes["kind"].map(lambda kind: f"quoted, {rents.KIND_WORDS[kind]}")
    quotes = quotes.assign(kind=words).sort_values("Date")
    if ((prices["chip"] == story.cluster.chip) & (prices["kind"] == "on_demand")).any():
        typical = rents.typical_rents(catalog.read("rental_prices"), story.cluster.chip).to_frame()
        typical = typical[typical["n_providers"] >= 3]
        middle = typical["quarter_start"] + pd.Timedelta(days=45)
        listed = pd.DataFrame({"Date": middle, usd: typical["usd_per_chip_hour"], "kind": "typical list price"})
    case = with_value(story, "rent.kind", "hourly")
    drawn = to_host(market_of(facts_of(case), outlook.inputs)) * to_host(outlook.inputs[_PRICE])
    low, middle, high = numpy.quantile(drawn, [0.05, 0.5, 0.95], axis=-1)
    dates = pd.date_range(str(story.decided_on), periods=len(middle), freq="30D")
    return listed, quotes, pd.DataFrame({"Date": dates, "low": low, "median": middle, "high": high})


def worths(outlook: Outlook) -> pd.DataFrame:
    """Return what a month of compute has been taken or paid as worth, by the watt of a site and year.

    Returns
    -------
    DataFrame
        ``label, low, median, high`` in dollars a W and year, ``month_usd`` for the scenario's chips. The scenario's
        prior (and own figure), the last quote of a one-year contract of an H100, the lease of 2026 for each H100
        equivalent, and the same lease as if it were of its first site alone.
    """
    story = outlook.scenario
    usual = cost_inputs(["it_power_w_per_chip", "pue"])
    h100_w = usual["it_power_w_per_chip"].median * usual["pue"].median
    prior, own = story.race.revenue_usd_per_site_w_year, story.race.value_of_month_usd
    cluster = story.cluster
    site_w = cluster.n_chips * cluster.it_power_w_per_chip.median * cluster.pue.median
    rows = [("a cloud's revenue (the prior)", prior.low, prior.median, prior.high)]
    if numpy.isfinite(own.median):
        low, middle, high = (12 * end / site_w for end in (own.low, own.median, own.high))
        rows.append(("the scenario's own figure", low, middle, high))
    quote = rents.quoted("H100-SXM").to_frame().iloc[-1]
    asked = float(quote["usd_per_chip_hour"]) * HOURS_PER_YEAR / h100_w
    rows.append((f"H100, one-year contract of {quote['date']:%B %Y}, every hour let", asked, asked, asked))
    lease = 12 * use.usd_per_h100e_month(_LEASE) / h100_w
    rows.append(("lease of 2026, per H100 equivalent", lease, lease, lease))
    whole = 12 * float(use.leases().loc[_LEASE, "usd_per_month"])
    site = catalog.load("clusters").query("site_id == 'colossus-1' and status == 'operational'").sort_values("as_of")
    least, most = sorted(1e6 * site.groupby("record_type")["power_mw"].last())
    rows.append(("the same, as if of Colossus 1 alone", whole / most, whole / (least * most) ** 0.5, whole / least))
    table = pd.DataFrame(rows, columns=["label", "low", "median", "high"])
    return table.assign(month_usd=table["median"] * site_w / 12)


def waiting(outlook: Outlook) -> pd.DataFrame:
    """Return when large runs are done if they start later, while hardware and algorithms get better.

    Returns
    -------
    DataFrame
        ``Start after [months], Done after [months], run`` for 10, 30 and 100 times the reference run on the scenario's
        cluster; ``longest sensible run [months]``: waiting makes longer ones sooner.
    """
    known = catalog.load("race_facts").set_index("fact_id")["value"]
    per_year = float(known["price-performance-growth"] * known["algorithm-growth"])
    months_now = float(numpy.median(to_host(outlook.reference_run_days))) * 12 / DAYS_PER_YEAR
    starts, tables = numpy.linspace(0.0, 24.0, 49), []
    for factor in (10, 30, 100):
        done = starts + to_host(race.train_months(factor * months_now, starts, per_year))
        best = float(race.best_start_months(factor * months_now, per_year))
        name = f"{factor} runs: best at {best:.0f}"
        tables.append(pd.DataFrame({"Start after [months]": starts, "Done after [months]": done, "run": name}))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(**{"longest sensible run [months]": float(race.longest_run_months(per_year))})
