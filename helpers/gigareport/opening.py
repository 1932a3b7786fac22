"""The first screen of a report, chosen by the numbers: the answer, the map, what flips it, how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pandas as pd

from gigacluster.arrays import to_host
from gigacluster.uncertainty import Uncertain
from gigareport import catalog, decision, scenario
from gigareport.answers import tell
from gigareport.beside.costs import beside_published as costs_beside
from gigareport.beside.goodput import beside_published as goodput_beside
from gigareport.beside.operators import operators_beside
from gigareport.hindsight import MONTHS, hindsight
from gigareport.plots import Front, finished
from gigareport.words import share, usd

_SOURCE = "gigacluster models, inputs of the scenario"
#: Inputs that may turn the decision, in words.
_TURNED_BY = {
    "rent.committed_usd_per_chip_hour": ("price of the contract", "below {}", "${:.2f} a chip-hour"),
    "own.hardware_life_months": ("chips last", "less than {}", "{:.0f} months"),
    "own.chip_usd": ("price of a chip", "above {}", "${:,.0f}"),
    "reliability.failures_per_1000_node_days": ("failures", "above {}", "{:.0f} per 1,000 node-days"),
}
#: How far an input is moved to find where the decision turns.
_FACTORS = numpy.geomspace(1 / 8, 8, 13)


def front(outlook: scenario.Outlook, *, samples: int = 2_000, seed: int = 7) -> Front:
    """Return the first screen of a scenario.

    What happened later is told of the story alone, apart from what could be known on the day of the decision.
    """
    story = outlook.scenario
    mapped = decision.price_map(outlook, samples=min(samples, 1_000))
    kinds = decision.by_kind(outlook, samples=samples)
    against = pd.DataFrame(
        {
            "own against": kinds["against"] + kinds["is_benchmark"].map({True: " *", False: ""}),
            "own better by": [
                f"{usd(row.saving_usd)} ({usd(row.saving_low)} to {usd(row.saving_high)})" for row in kinds.itertuples()
            ],
            "chance": kinds["cheaper_frac"].map(share),
        }
    )
    happened = {}
    if story.name == scenario.STORY:
        past = hindsight(samples=samples, seed=seed).table
        happened = {row.choice: usd(row.median) for row in past.itertuples()}
    return Front(
        answer=answer(outlook, mapped),
        as_of=f"{story.decided_on:%B %Y}",
        figure=map_of_price(outlook, mapped),
        against=against,
        note="Cost of the same useful work, median and 5 to 95 %; chance: share of samples inside that kind of rent."
        + (_benchmark(kinds) if kinds["is_benchmark"].any() else ""),
        happened=happened,
        happened_note=f"Net present cost of the work of {MONTHS} months, with what is known since; no verdict on the "
        "choice, which could not know it.",
        flips=flips(outlook),
        trust=trust(samples, seed),
    )


def _benchmark(kinds: pd.DataFrame) -> str:
    """Say what a star means, and how few known blocks that rests on."""
    blocks = int(kinds.drop_duplicates("obtainable_chips")["n_blocks"].sum())
    return f" * a benchmark: more chips than were known to be had that way, by the {blocks} largest blocks known."


def answer(outlook: scenario.Outlook, mapped: decision.PriceMap) -> str:
    """Say from which term on owning is cheaper at the scenario's price, where renting wins, and what months add."""
    price = outlook.scenario.rent.committed_usd_per_chip_hour.median
    sure_low, _, sure_high = mapped.parity_usd
    is_own = numpy.flip(numpy.cumprod(numpy.flip(sure_high <= price))) > 0  # at this term and at every longer one
    own, rent = mapped.term_months[is_own], mapped.term_months[sure_low >= price]
    longest = f"{mapped.term_months[-1]:.0f} months"
    if len(own) == len(mapped.term_months):
        first = f"At {usd(price, 3)} a chip-hour owning is cheaper at any term up to {longest}."
    elif len(own):
        first = f"At {usd(price, 3)} a chip-hour owning is cheaper from a term of about {own.min():.0f} months on."
    elif len(rent) == len(mapped.term_months):
        first = f"At {usd(price, 3)} a chip-hour renting is cheaper at any term up to {longest}."
    else:
        first = f"At {usd(price, 3)} a chip-hour there is no clear answer at any term up to {longest}."
    least = float(sure_low.min())
    second = (
        f"Below {usd(least, 3)} renting wins at any term."
        if least > 0
        else f"Over the whole {longest} renting wins below {usd(float(sure_low[-1]), 3)}."
    )
    gained = "gains" if outlook.interval("months_gained").median >= 0 else "loses"
    third = f"With the months that owning {gained} counted, it is better by {tell(outlook, 'advantage_usd')}."
    return f"**{first}** {second} {third}"


def map_of_price(outlook: scenario.Outlook, mapped: decision.PriceMap) -> Any:
    """Return the map of price and term as a finished figure."""
    chart = decision.draw_map(outlook, mapped)
    title = "Own or rent, by the price of a contract and its term"
    return finished(chart, title=title, source=_SOURCE)


def flips(outlook: scenario.Outlook, *, samples: int = 300) -> dict[str, str]:
    """Return from which value of an input on the choice turns, the others as they are; what never turns it is left out.

    The choice is the sign of the median saving for the same useful work.
    """
    found = {}
    for path, (name, form, unit) in _TURNED_BY.items():
        value = _turning_value(outlook, path, samples)
        if value is not None:
            found[name] = form.format(unit.format(value))
    return found


def _turning_value(outlook: scenario.Outlook, path: str, samples: int) -> float | None:
    """Return the value of one input at which the median saving is 0, or nothing where it does not change its sign."""
    story, entry = outlook.scenario, scenario.entry_of(path)
    given: Uncertain = {p: value for p, _, value in scenario.leaves(story)}[path]
    values = [float(x) for x in given.median * _FACTORS if entry.least <= x <= entry.most]
    variants = [scenario.with_value(story, path, Uncertain.fixed(x)) for x in values]
    plans = [outlook.plan] * len(variants)
    outlooks = scenario.evaluate(variants, samples=samples, seed=outlook.seed, device="cpu", plans=plans)
    saving = numpy.array([float(numpy.nanmedian(to_host(one.saving_usd))) for one in outlooks])
    turns = numpy.flatnonzero(numpy.diff(numpy.sign(saving)))
    if not len(turns):
        return None
    nearest = min(turns, key=lambda place: abs(numpy.log(values[place] / given.median)))
    return float(numpy.interp(0.0, *_rising(saving[nearest : nearest + 2], values[nearest : nearest + 2])))


def _rising(x: Sequence[float] | numpy.ndarray, y: Sequence[float] | numpy.ndarray) -> tuple[Any, Any]:
    order = numpy.argsort(x)
    return numpy.asarray(x)[order], numpy.asarray(y)[order]


def trust(samples: int = 2_000, seed: int = 7) -> str:
    """Say how far published figures are missed, the worst first."""
    accuracy = catalog.load("throughput_accuracy")
    unseen = accuracy[(accuracy["split"] == "family") & (accuracy["arch"] == "dense")]
    whole = unseen[unseen["family"] == "all"].iloc[0]
    worst = unseen[(unseen["family"] != "all") & (unseen["n"] >= 5)]["mape"].max()
    money = costs_beside(samples, seed)["ratio"]
    hours = operators_beside(samples, seed)["ratio"]
    time = goodput_beside(samples=samples, seed=seed).query("not solved")["ratio"]
    return (
        f"Useful time misses a published figure by up to {_worst(time):.2f} times ({_near(time)} within 20 %), "
        f"costs of 2024 by {_worst(money):.2f} ({_near(money)}), of 2026 by {_worst(hours):.2f} ({_near(hours)}); "
        f"step time is off by {whole['mape']:.0f} % on sources never seen, by {worst:.0f} % at the worst of them. "
        "[Every miss](90-validation.html)"
    )


def _worst(ratios: pd.Series) -> float:
    known = numpy.asarray(ratios, dtype=float)
    return float(numpy.nanmax(numpy.maximum(known, 1 / known)))


def _near(ratios: pd.Series) -> str:
    known = numpy.asarray(ratios, dtype=float)
    known = known[numpy.isfinite(known)]
    return f"{int(numpy.sum(numpy.abs(known - 1) <= 0.2))} of {len(known)}"


def say_power(outlook: scenario.Outlook) -> str:
    """Return what all chips need at their rating and draw on average, what each site may draw and from when.

    Examples
    --------
    >>> from gigareport import scenario
    >>> said = say_power(scenario.evaluate(scenario.load("startup-512-2025"), samples=50, device="cpu"))
    >>> "as much as they need" in said
    True
    """
    cluster, parts = outlook.scenario.cluster, []
    for number, site in enumerate(cluster.sites, 1):
        name = site.name or f"site {number}"
        parts.append(f"{name} {_range(site.power_mw)} MW from month {_range(site.month)}")
    draw = f"; the sites may draw: {'; '.join(parts)}" if parts else ""
    said = (
        f"All chips need {tell(outlook, 'rated_power_mw')} at their rating and draw {tell(outlook, 'site_power_mw')} "
        f"on average{draw or ', and nothing here limits that: they get as much as they need'}. Chips that stand "
        f"without power: {tell(outlook, 'idle_chips')} at most, in {share(outlook.probability('idle_chips'))} of the "
        "samples."
    )
    reported = cluster.reported_power_mw
    if not numpy.isfinite(reported.median):
        return said
    return f"{said} Reported or estimated: {reported.low:,.0f} to {reported.high:,.0f} MW, which limits nothing here."


def _range(value: Uncertain) -> str:
    """Return a median, with its interval where it has one."""
    spread = f" ({value.low:,.3g} to {value.high:,.3g})" if value.low < value.high else ""
    return f"{value.median:,.3g}{spread}"
