"""The decision by kind of rent, and as a map of the rent's price and term: what could be known on its day.

A share of samples is the spread inside one kind of rent at one price; which kind and which price is the larger
question, so both stand beside each other here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy
import pandas as pd

from gigacluster import cost
from gigacluster.arrays import Array, to_host
from gigacluster.uncertainty import interval
from gigareport import catalog
from gigareport.facts import rents
from gigareport.facts.prices import cost_inputs
from gigareport.plots import marks, style
from gigareport.scenario import Scenario, cash_flows, spine, with_value
from gigareport.scenario.inputs import alike, inputs_from, market_of
from gigareport.scenario.known import facts_of
from gigareport.scenario.outlook import Outlook
from gigareport.spending import given_of, rental
from gigareport.words import SAVES, difference_alone
from gigareport.words import share as share_text
from gigareport.words import usd as usd_text

#: A choice is called better where at least this share of the samples agrees; less than that is too close. A convention
#: of this project, and an argument of :func:`price_map`.
SURE = 0.9
#: What follows the term of a contract, in words.
AFTER_WORDS = {"renew": "then the market", "stop": "then nothing", "buy": "then the chips are bought"}
_PRICE = "rent.committed_usd_per_chip_hour"
#: Axes of the map.
TERM, PRICE = "Term of the contract [months]", "Price of the contract [$ a chip-hour]"
USED, HOUR = "Share of the hours used [%]", "Rent by the hour [$ a chip-hour]"


@dataclass(frozen=True, kw_only=True, eq=False)
class PriceMap:
    """Own beside a contract of any price and term, and what follows it. Arrays on the host."""

    term_months: numpy.ndarray  # (terms,)
    usd_per_chip_hour: numpy.ndarray  # (prices,)
    #: Price at which the same work costs the same, at 1 - ``sure_frac`` of the samples, 50 % and ``sure_frac``, by
    #: term: (3, terms).
    parity_usd: numpy.ndarray
    #: Share of the samples in which owning is cheaper for the same work, and the median saving: (terms, prices).
    better_frac: numpy.ndarray
    saving_usd: numpy.ndarray
    #: What follows the term, and the share of samples that must agree.
    after_term: str = "renew"
    sure_frac: float = SURE

    def to_frame(self) -> pd.DataFrame:
        """Return every place of the map: term, price, what is better there, and that in words with money and chance."""
        rows = []
        for row, term in enumerate(self.term_months):
            for column, usd in enumerate(self.usd_per_chip_hour):
                share, saving = float(self.better_frac[row, column]), float(self.saving_usd[row, column])
                choice = choice_of(share, self.sure_frac)
                tip = (
                    f"{term:.0f} months at ${usd:.2f}: owning {difference_alone(saving, SAVES)} in the middle, "
                    f"cheaper in {share_text(share)}"
                )
                rows.append((term, usd, choice, share, saving, tip))
        table = pd.DataFrame(rows, columns=[TERM, PRICE, "choice", "cheaper_frac", "saving_usd", "tip"])
        return table.sort_values("cheaper_frac", kind="stable")  # rent, too close, own: neighbours on the map


def choice_of(better_frac: float, sure_frac: float = SURE) -> str:
    """Return what is better where owning is in a share of the samples: own, rent or too close."""
    return "own" if better_frac >= sure_frac else "rent" if better_frac <= 1 - sure_frac else "too close"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Samples:
    """What every kind of rent is compared with: a slice of an outlook's samples, and its owner's flows."""

    given: dict[str, Any]
    goodput_frac: Any
    hour_usd: Any
    owned: cost.CashFlows

    @classmethod
    def of(cls, outlook: Outlook, most: int) -> _Samples:
        given, goodput = given_of(outlook, most)
        owned, _ = cash_flows(outlook.scenario, given, goodput)
        return cls(given=given, goodput_frac=goodput, hour_usd=to_host(outlook.hour_worth_usd)[:most], owned=owned)

    def at(self, usd: float) -> dict[str, Any]:
        """Return the inputs with another median price of the rent, and the same spread around it."""
        middle = float(numpy.median(self.given[_PRICE]))
        return self.given | {_PRICE: self.given[_PRICE] * usd / middle}

    def beside(self, case: Scenario, given: dict[str, Any]) -> tuple[cost.CashFlows, cost.Decision]:
        """Return the rental of a case, and what owning is beside it."""
        _, rented = cash_flows(case, given, self.goodput_frac)
        return rented, cost.decide(self.owned, rented, usd_per_useful_chip_hour=self.hour_usd)


def by_kind(outlook: Outlook, *, samples: int = 10_000) -> pd.DataFrame:
    """Set owning beside each kind of rent that could be known on the day of the decision.

    Parameters
    ----------
    samples : The first so many samples are used: all, for the saving to be the outlook's own.

    Returns
    -------
    DataFrame
        ``against`` in words, ``usd_per_chip_hour`` on the day, ``n_prices`` behind it (0: the scenario's own),
        ``obtainable_chips`` and ``n_blocks`` known behind it, ``is_benchmark`` (more chips than the largest block known
        to have been had that way), ``saving_low, saving_usd, saving_high`` and ``cheaper_frac`` for the same work,
        ``advantage_usd`` and ``better_frac`` with the months
        of each counted. Each share of samples is inside its kind of rent.
    """
    story, basis = outlook.scenario, _Samples.of(outlook, samples)
    kinds = rents.blocks(str(story.decided_on), or_first=True)
    own_price = story.rent.committed_usd_per_chip_hour.median
    quotes = rents.of_the_year(story.cluster.chip, str(story.decided_on))
    whole, short, own = float("inf"), _term(outlook), (own_price, 0)
    contract, then = f"contract over {short:.0f} months", AFTER_WORDS
    cases = [
        ("contract", whole, "renew", own, f"contract over {story.horizon_months} months"),
        ("contract", short, "renew", own, f"{contract}, {then['renew']}"),
        ("contract", short, "buy", own, f"{contract}, {then['buy']}"),
        ("reserved", whole, "renew", quotes.get("reserved", own), kinds.loc["reserved", "words"]),
        ("hourly", whole, "renew", own, "by the hour from the scenario's price, as the market goes"),
    ]
    if quotes.get("hourly", own)[0] != own_price:  # otherwise the last row says the same
        cases.insert(-1, ("hourly", whole, "renew", quotes["hourly"], "by the hour at list prices, as the market goes"))
    rows = []
    for kind, term, after, (usd, n_prices), words in cases:
        _, found = basis.beside(rental(story, kind, term, after), basis.at(usd))
        most = float(kinds.loc[kind, "obtainable_chips"])
        rows.append(
            {
                "against": words,
                "usd_per_chip_hour": usd,
                "n_prices": n_prices,
                "obtainable_chips": most,
                "n_blocks": int(kinds.loc[kind, "n_blocks"]),
                "is_benchmark": story.cluster.n_chips > most,
                **_saving(found),
                "advantage_usd": interval(found.advantage_usd).median,
                "better_frac": _share(found.advantage_usd),
            }
        )
    return pd.DataFrame(rows)


def _term(outlook: Outlook) -> float:
    """Return the term of the scenario's contract, or half its horizon where the contract runs over all of it."""
    rent, horizon = outlook.scenario.rent, int(outlook.scenario.horizon_months)
    return float(rent.term_months) if rent.term_months < horizon else float(max(horizon // 2, 1))


def after_the_term(outlook: Outlook, *, samples: int = 10_000) -> pd.DataFrame:
    """Set owning beside one contract and each way to go on when its term ends.

    The term is that of the outlook's contract, or half the horizon where that runs over all of it.

    Returns
    -------
    DataFrame
        ``after`` in words, ``term_months``, ``saving_low, saving_usd, saving_high`` of owning for the same useful work,
        ``cheaper_frac``, and ``parity_usd``: the contract's price at which both cost the same.
    """
    basis, term = _Samples.of(outlook, samples), _term(outlook)
    rows = []
    for after, words in AFTER_WORDS.items():
        rented, found = basis.beside(rental(outlook.scenario, "contract", term, after), basis.given)
        bill, price = rented.net_present_usd, basis.given[_PRICE]
        beside = bill - rented.parts_usd["commitment"]
        parity = float(numpy.nanmedian(price * (found.parity_frac * bill - beside) / (bill - beside)))
        rows.append({"after": words, "term_months": term, **_saving(found), "parity_usd": parity})
    return pd.DataFrame(rows)


def _saving(found: cost.Decision) -> dict[str, float]:
    """Return what owning saves for the same work, and in which share of the samples it does."""
    saving = interval(found.same_work_usd)
    ends = {"saving_low": saving.low, "saving_usd": saving.median, "saving_high": saving.high}
    return ends | {"cheaper_frac": _share(found.same_work_usd)}


def _share(usd: Array) -> float:
    known = usd[numpy.isfinite(usd)]
    return float(numpy.mean(known > 0))


def price_map(
    outlook: Outlook, *, prices: int = 61, terms: int = 22, samples: int = 1_000, sure_frac: float = SURE
) -> PriceMap:
    """Set owning beside contracts of every price and term in one call.

    Parameters
    ----------
    outlook : Of the scenario, whose ``rent.after_term`` follows a term; the market goes on from the scenario's price.
    prices, terms : Points of the map: prices from a quarter to twice and a half of the parity, terms from a sixth of
        the horizon to all of it.
    sure_frac : Share of the samples that must agree for a choice to be called better, above a half.

    Notes
    -----
    A rent is linear in its contract's price, so each term is computed once, at a price of one dollar, with the terms as
    options between months and samples. What a term still owes after the horizon is left out.
    """
    if not 0.5 < sure_frac < 1:
        raise ValueError(f"sure_frac is the share of samples that must agree, above 0.5 and below 1; got {sure_frac}")
    basis = _Samples.of(outlook, samples)
    owned, horizon = basis.owned, int(outlook.scenario.horizon_months)
    lengths = numpy.linspace(horizon / 6, horizon, terms).round()
    rented = _one_dollar_rents(outlook.scenario, basis, lengths, horizon)
    per_dollar = rented.parts_usd["commitment"]
    after = rented.net_present_usd - per_dollar
    own_hours = owned.present_chip_hours * owned.useful_frac
    rent_hours = rented.present_chip_hours * rented.useful_frac
    same_work = (owned.net_present_usd * rent_hours / own_hours - after) / per_dollar  # (terms, samples)
    asked = numpy.linspace(0.25, 2.5, prices) * float(numpy.nanmedian(same_work[-1]))
    saving = (asked[:, None] * per_dollar[:, None, :] + after[:, None, :]) * (own_hours / rent_hours)[
        :, None, :
    ] - owned.net_present_usd
    return PriceMap(
        term_months=lengths,
        usd_per_chip_hour=asked,
        parity_usd=numpy.nanquantile(same_work, [1 - sure_frac, 0.5, sure_frac], axis=1),
        better_frac=numpy.mean(saving > 0, axis=-1),
        saving_usd=numpy.nanmedian(saving, axis=-1),
        after_term=outlook.scenario.rent.after_term,
        sure_frac=sure_frac,
    )


def _one_dollar_rents(story: Scenario, basis: _Samples, term_months: numpy.ndarray, horizon: int) -> cost.CashFlows:
    """Return rentals of the scenario under contracts of one dollar, an option a term: (months, terms, samples)."""
    case = with_value(story, "rent.kind", "contract")
    (form,) = alike([case])
    given = {name: numpy.asarray(values)[None, :] for name, values in basis.given.items()}
    inputs = inputs_from([form], given)
    price, renewal = inputs.rent.committed_usd_per_chip_hour, inputs.rent.renewal_usd_per_chip_hour
    rent = replace(
        inputs.rent,
        term_months=term_months[:, None],
        committed_usd_per_chip_hour=numpy.ones((1, 1)),
        renewal_usd_per_chip_hour=numpy.where(numpy.isnan(renewal), price, renewal),
    )
    return spine.rent_flows(
        replace(inputs, rent=rent),
        market_of(facts_of(case), given),
        basis.goodput_frac[None, :],
        horizon,
        basis.owned.discount_rate_per_year,
    )


def lines_of(outlook: Outlook, found: PriceMap) -> pd.DataFrame:
    """Return lines to draw on a map: what a landlord with the same costs needs, and a deal as reported.

    Returns
    -------
    DataFrame
        The columns of the map's axes and ``mark``, the name of the line; places outside the map are left out.
    """
    story = outlook.scenario
    hour = float(landlord(outlook, [1.0], samples=500)["cost_usd_per_chip_hour"].iloc[0])
    lines = [(term, hour, "a landlord's cost") for term in found.term_months]
    deal_usd = story.rent.contract_usd.median
    if numpy.isfinite(deal_usd):
        prices = cost.deal_usd_per_chip_hour(deal_usd, float(story.cluster.n_chips), found.term_months)
        name = f"{usd_text(deal_usd)} for these chips"
        lines += [(term, float(usd), name) for term, usd in zip(found.term_months, prices, strict=True)]
    table = pd.DataFrame(lines, columns=[TERM, PRICE, "mark"])
    return table[table[PRICE].between(found.usd_per_chip_hour[0], found.usd_per_chip_hour[-1])]


def draw_map(outlook: Outlook, found: PriceMap) -> Any:
    """Draw where owning, renting or neither is better, with a landlord's cost, a reported deal and list prices.

    Parameters
    ----------
    found : Of the same outlook.
    """
    table = found.to_frame()
    table.attrs["vintage"] = catalog.vintage(catalog.load("sources"), "accessed")
    chart = marks.regions(table, TERM, PRICE, "choice", tip="tip")
    lines = lines_of(outlook, found)
    if len(lines):
        marks.curves(lines, TERM, PRICE, by="mark", on=chart)
    story = outlook.scenario
    listed = rents.of_the_year(story.cluster.chip, str(story.decided_on))
    for kind, month, words in (
        ("hourly", float(found.term_months[0]), "listed by the hour"),
        ("reserved", 12.0, "a year"),
    ):
        usd, n_prices = listed.get(kind, (float("nan"), 0))
        if not found.usd_per_chip_hour[0] <= usd <= found.usd_per_chip_hour[-1]:
            continue
        chart.ax.plot([month], [usd], "D", color=style.INK, clip_on=False, zorder=5)
        chart.ax.annotate(
            words, (month, usd), xytext=(8, -4), textcoords="offset points", color=style.INK, fontsize="small"
        )
        chart.tips.append((chart.ax, month, usd, f"{words}: ${usd:.2f}, middle of {n_prices} prices"))
        chart.tables.append(pd.DataFrame({TERM: [month], PRICE: [usd], "mark": [words]}))
    return chart


def draw_use(outlook: Outlook, *, prices: int = 61, samples: int = 2_000, sure_frac: float = SURE) -> Any:
    """Draw where owning beats a rent that is paid for used hours alone, by that rent and the share of hours used.

    Parameters
    ----------
    prices : Points of the rent, from a quarter to three times the one at which both cost the same if all are used.
    sure_frac : Share of the samples that must agree.
    """
    basis = _Samples.of(outlook, samples)
    available = basis.owned.usd_per_chip_hour / (1 + basis.given["rent.extras_frac"])
    used, middle = numpy.linspace(0.3, 1.0, 29), float(numpy.nanmedian(available))
    rows = []
    for usd in numpy.linspace(0.25, 3.0, prices) * middle:
        for share in used:
            better = float(numpy.mean(usd * share > available))
            tip = f"{share:.0%} used at ${usd:.2f}: owning is cheaper in {share_text(better)}"
            rows.append((100 * share, usd, choice_of(better, sure_frac), better, tip))
    table = pd.DataFrame(rows, columns=[USED, HOUR, "choice", "cheaper_frac", "tip"])
    table.attrs["vintage"] = catalog.vintage(catalog.load("sources"), "accessed")
    return marks.regions(table.sort_values("cheaper_frac", kind="stable"), USED, HOUR, "choice", tip="tip")


def landlord(outlook: Outlook, usd_per_chip_hour: list[float], *, samples: int = 2_000) -> pd.DataFrame:
    """Return what a landlord with the scenario's own costs earns at some rents, as context.

    Returns
    -------
    DataFrame
        ``usd_per_chip_hour, cost_usd_per_chip_hour`` (of an hour that is let), and at 5, 50 and 95 % the yearly rate of
        return ``return_low, return_median, return_high``. The share of hours that is let is that of
        ``data/cost_inputs.csv``.
    """
    basis = _Samples.of(outlook, samples)
    let = cost_inputs(["utilisation_frac"])["utilisation_frac"].median
    owned = replace(basis.owned, utilisation_frac=let, goodput_frac=1.0)
    hour = interval(owned.usd_per_useful_chip_hour).median
    rows = []
    for usd in usd_per_chip_hour:
        found = interval(cost.appraise(owned, usd).return_per_year)
        rows.append((usd, hour, found.low, found.median, found.high))
    columns = ["usd_per_chip_hour", "cost_usd_per_chip_hour", "return_low", "return_median", "return_high"]
    return pd.DataFrame(rows, columns=columns)
