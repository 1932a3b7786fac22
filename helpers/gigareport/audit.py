"""The story, claim by claim: what the data says of each, by a stated rule.

Each function takes tables and an outlook of the story and returns a finding; the verdict follows from the numbers, so
changing a row of ``data/`` can change it.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy
import pandas as pd
from scipy import stats

from gigacluster import cost
from gigacluster.arrays import to_host
from gigacluster.uncertainty import interval
from gigacluster.units import SECONDS_PER_DAY
from gigareport import catalog, facts, scenario, words
from gigareport.answers import say_difference
from gigareport.facts import rents
from gigareport.facts.ownership import trend_tests
from gigareport.facts.plans import states_of_others
from gigareport.facts.use import OWNERS_OF_LABS, laboratories
from gigareport.scenario import Outlook

Verdict = Literal["true", "partly", "not", "not knowable"]
_STORY_DATE = numpy.datetime64("2024-07-09")
_END_OF_JULY = numpy.datetime64("2024-07-31")
_SITE, _RENTAL = "colossus-1", "C007"  # rows of data/clusters.csv
_RENTAL_LISTED = "Oracle OCI Supercluster H100s"  # a row of data/gpu_clusters.csv
_RENTED = "oracle-24k-2024"  # the scenario of the rental
_DEAL = "xai-oracle-talks"  # a row of data/contracts.csv


@dataclass(frozen=True, slots=True)
class Finding:
    """What the data says of one claim."""

    verdict: Verdict
    evidence: str
    interval: str  # the deciding number with its interval, as text


def audit(outlook: Outlook) -> pd.DataFrame:
    """Hold every claim of the story against the data.

    Parameters
    ----------
    outlook : Of the story's scenario.

    Returns
    -------
    pandas.DataFrame
        ``claim_id, claim, said_by, evidence, verdict, interval, later, link`` (address of the source), a row a claim.
    """
    claims = catalog.load("story_claims")
    found = [_FINDINGS[claim](outlook) for claim in claims["claim_id"]]
    address = catalog.load("sources").set_index("source_id")["address"]
    return claims[["claim_id", "claim", "said_by"]].assign(
        evidence=[item.evidence for item in found],
        verdict=[item.verdict for item in found],
        interval=[item.interval for item in found],
        later=claims["later"],
        link=[str(address.get(source, "")) for source in claims["source_id"]],
    )


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """Return an audit as a reader sees it, cells in HTML: claim, verdict, the deciding number with its evidence, later.

    The source stands behind what happened later.
    """
    texts = found.map(lambda cell: html.escape(str(cell), quote=False))
    links = [f' <a href="{link}">Source</a>' if link.startswith("http") else "" for link in found["link"]]
    return pd.DataFrame(
        {
            "claim": texts["claim"] + " (" + texts["said_by"] + ")",
            "verdict": "<b>" + texts["verdict"] + "</b>",
            "evidence": "<b>" + texts["interval"] + "</b>. " + texts["evidence"],
            "what happened later": texts["later"] + links,
        }
    )


def _phases() -> pd.DataFrame:
    clusters = catalog.headline(catalog.load("clusters"))
    rows = clusters[(clusters["site_id"] == _SITE) & (clusters["record_type"] == "cluster")]
    return rows.sort_values("as_of")[["as_of", "n_chips"]]


def _complete(n_chips: float) -> pd.Series:
    """Return the first phase with so many chips."""
    phases = _phases()
    return phases.loc[phases["n_chips"] >= n_chips].iloc[0]


def _delivered(outlook: Outlook) -> Finding:
    phases = _phases()
    online = phases.loc[phases["as_of"] <= pd.Timestamp(_END_OF_JULY), "n_chips"].max()
    online = 0.0 if numpy.isnan(online) else float(online)
    first = phases.iloc[0]
    full = _complete(outlook.scenario.cluster.n_chips)
    late_days = (full["as_of"] - pd.Timestamp(_END_OF_JULY)).days
    share = online / outlook.scenario.cluster.n_chips
    most = float(first["n_chips"]) / outlook.scenario.cluster.n_chips
    return Finding(
        "true" if share >= 1 else "partly" if share >= 0.5 else "not",
        f"First useful training on {first['n_chips']:,.0f} chips is dated {first['as_of'].date()}, all "
        f"{full['n_chips']:,.0f} online {full['as_of'].date()}: {late_days} days after the end of July. "
        "How many chips had been delivered, rather than trained, is not known.",
        f"{share:.0%} of the chips trained by 31 July (at most {most:.0%})",
    )


@cache
def _world() -> facts.WorldStock:
    return facts.load_stock(samples=2000)


def _most_powerful(outlook: Outlook) -> Finding:
    size, states = float(outlook.scenario.cluster.n_chips), states_of_others(outlook.scenario.owner)
    full = _complete(size)["as_of"]
    matched = states[(states["date"] > full) & (states["h100e_8bit"] >= size)].iloc[0]
    days = (matched["date"] - full).days
    largest = states[states["date"] <= full].groupby("site").tail(1).nlargest(1, "h100e_8bit").iloc[0]
    ratio = size / float(largest["h100e_8bit"])
    weeks = (full - pd.Timestamp(_STORY_DATE)).days / 7
    return Finding(
        "partly" if ratio > 1 else "not",
        f"Among the sites that are listed it was {ratio:.1f} times the next ({largest['site']}, a {largest['kind']}) "
        f"on {full.date()}, {weeks:.0f} weeks after the claim. In fact {matched['site']}, of the same "
        f"size, is dated {days} days later. Nobody lists all sites.",
        f"{ratio:.1f} times the next for {days} days, among those listed",
    )


def _oracle_24k(outlook: Outlook) -> Finding:
    clusters = catalog.load("clusters").set_index("cluster_id")
    said = float(clusters.loc[_RENTAL, "n_chips"])
    known = catalog.load("gpu_clusters").set_index("name")
    listed = float(known.loc[_RENTAL_LISTED, "n_chips"])
    rented = scenario.evaluate(scenario.load(_RENTED), samples=len(to_host(outlook.saving_usd)), seed=outlook.seed)
    chip_flop_per_day = to_host(rented.useful_flop_per_s) / rented.plan.n_chips * SECONDS_PER_DAY
    run_flop = outlook.inputs["training.reference_run_flop"]
    days = {n_chips: interval(run_flop / (chip_flop_per_day * n_chips)) for n_chips in (said, listed)}
    texts = [words.interval(found.low, found.median, found.high, "day") for found in days.values()]
    apart = days[said].high < days[listed].low
    return Finding(
        "partly" if apart else "not knowable",
        f"Epoch AI lists a cluster of {listed:,.0f} H100 at Oracle with xAI among its users. The estimated compute of "
        f"Grok-2 takes {texts[0]} on {said:,.0f} H100 and {texts[1]} on {listed:,.0f}: both fit the months between "
        "two models, so the compute does not tell them apart.",
        texts[0],
    )


def _ten_billion(outlook: Outlook) -> Finding:
    deal = catalog.load("contracts").set_index("contract_id").loc[_DEAL]
    usd, n_chips = float(deal["value_usd"]), outlook.scenario.cluster.n_chips
    three, four = (words.usd(float(cost.deal_usd_per_chip_hour(usd, n_chips, 12 * years)), 3) for years in (3, 4))
    # What was asked for such chips then, by others than the deal itself: the scenario's price is made from the deal.
    quotes = rents.quoted(outlook.scenario.cluster.chip).to_frame()
    quote = quotes[quotes["date"] <= pd.Timestamp(_STORY_DATE)].iloc[-1]
    listed, n_listed = rents.of_the_year(outlook.scenario.cluster.chip, str(_STORY_DATE))["hourly"]
    published = pd.notna(deal["n_chips"]) and pd.notna(deal["term_years"])
    return Finding(
        "true" if published else "partly",
        f"That nothing was signed xAI confirmed; its chips and years were not published. For {n_chips:,} H100 "
        f"{words.usd(usd, 3)} is {three} an hour over three years and {four} over four. Others asked "
        f"{words.usd(quote['usd_per_chip_hour'], 3)} ({quote['date']:%B %Y}, quoted) and {words.usd(listed, 3)} "
        f"(middle of {n_listed} list prices of the year before): a size and a term of that order are plausible, and "
        "not shown.",
        f"{four} to {three} an H100-hour, if it was {n_chips:,} for four to three years",
    )


def _own_for_speed(outlook: Outlook) -> Finding:
    cheaper, better = outlook.probability("saving_usd"), outlook.probability("advantage_usd")
    verdict: Verdict = "true" if better >= 0.9 and cheaper < 0.9 else "partly" if better >= 0.5 else "not"
    return Finding(
        verdict,
        f"For the same useful work owning {say_difference(outlook, 'saving_usd', words.SAVES)} over "
        f"{outlook.scenario.horizon_months} months; a run is done "
        f"{say_difference(outlook, 'months_gained', words.EARLIER)}. Owning is cheaper in "
        f"{words.share(cheaper)} of samples without any worth of time, and better in {words.share(better)} where "
        "each choice is counted with its own months: "
        + (
            "speed adds to a choice that cost already makes."
            if cheaper >= 0.9
            else "speed decides what cost leaves open."
        ),
        f"with time counted {say_difference(outlook, 'advantage_usd', words.BETTER)}",
    )


def _grok_2(outlook: Outlook) -> Finding:
    models = catalog.load("notable_models").set_index("model")
    days = (models.loc["Grok-2", "publication_date"] - pd.Timestamp(_STORY_DATE)).days
    return Finding(
        "true" if days <= 45 else "partly" if days <= 90 else "not",
        f"Grok-2 was published on {models.loc['Grok-2', 'publication_date'].date()}, {days} days after the statement.",
        f"{days} days (the date is exact)",
    )


def _more_concentrated(outlook: Outlook) -> Finding:
    world = _world()
    rows = trend_tests(world, _STORY_DATE, world.dates[-1])
    tests = rows[rows["answer"] != ""].set_index("assumption")
    answers = tests["answer"]
    certain = answers.iloc[0]
    verdict: Verdict = "true" if certain == "rose" else "not" if certain == "fell" else "not knowable"
    if certain == "not known" and set(answers.iloc[1:]) == {"rose"}:
        verdict = "partly"
    spread = "; ".join(
        f"{assumption}: {row.answer} ({row.change_median:+,.0f} points)"
        for assumption, row in tests.iloc[1:].iterrows()
    )
    return Finding(
        verdict,
        f"Between July 2024 and {world.dates[-1]}, with nothing assumed about the owners without a name, the direction "
        f"of the HHI of owners is {certain}. Under assumptions: {spread}.",
        f"by {tests['change_p5'].iloc[0]:+,.0f} to {tests['change_p95'].iloc[0]:+,.0f} points, whoever the unnamed are",
    )


def _control(outlook: Outlook) -> Finding:
    world = _world()
    labs = laboratories(catalog.load("lab_compute"), world, facts.running(2000))
    last = labs[labs["as_of"] == labs["as_of"].max()]
    tenants = last[~last["lab"].map(OWNERS_OF_LABS).isin(world.owners)]
    share, rented = float(last["share_of_world"].sum()), float(tenants["share_of_world"].sum())
    return Finding(
        "not" if rented == 0 else "partly" if rented < share else "true",
        f"At {last['as_of'].iloc[0].date()} the {len(last)} listed laboratories used {share:.0%} of the world's "
        f"running stock. "
        f"{' and '.join(tenants['lab'])} used {rented:.0%} and do not appear among its owners: they rent. So control "
        "of compute and owning it are not the same.",
        f"{rented:.0%} used without owning (medians; intervals of laboratories must not be added)",
    )


def _better_models(outlook: Outlook) -> Finding:
    models = catalog.load("notable_models").set_index("model")["training_flop"]
    ratio = float(models["Grok 3"] / models["Grok-2"])
    scores = catalog.load("scaling_benchmark_models").dropna(subset=["training_flop", "mmlu_frac"])
    rank = stats.spearmanr(scores["training_flop"], scores["mmlu_frac"])
    verdict: Verdict = (
        "true" if rank.statistic > 0.5 and rank.pvalue < 0.01 else "partly" if rank.pvalue < 0.01 else "not"
    )
    return Finding(
        verdict,
        f"Over {len(scores)} base models with known compute the rank correlation of compute and MMLU score is "
        f"{rank.statistic:.2f}. Grok-3 took {ratio:.0f} times the compute of Grok-2. By the fitted law a run of the "
        f"scenario's length reaches a loss of {outlook.say('run_loss')}; what a loss is worth in answers "
        "is the weak link.",
        f"rank correlation {rank.statistic:.2f} over {len(scores)} models (p = {rank.pvalue:.0e})",
    )


_FINDINGS: dict[str, Callable[[Outlook], Finding]] = {
    "delivered": _delivered,
    "most-powerful": _most_powerful,
    "oracle-24k": _oracle_24k,
    "ten-billion": _ten_billion,
    "own-for-speed": _own_for_speed,
    "grok-2": _grok_2,
    "more-concentrated": _more_concentrated,
    "control": _control,
    "better-models": _better_models,
}
