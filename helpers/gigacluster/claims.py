"""The story, claim by claim: what the data says of each, by a stated rule.

Each function takes tables and an outlook of the story and returns a finding; the verdict follows from the numbers, so
changing a row of ``data/`` can change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy
import pandas as pd

from gigacluster import catalog, concentration
from gigacluster.scenario import Outlook
from gigacluster.uncertainty import interval
from gigacluster.units import HOURS_PER_YEAR, SECONDS_PER_DAY, format_usd

__all__ = ["Finding", "audit"]

Verdict = Literal["true", "partly", "not", "not knowable"]
_STORY_DATE = numpy.datetime64("2024-07-09")
_END_OF_JULY = numpy.datetime64("2024-07-31")
_SITE = "colossus-1"


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
    outlook : Outlook
        Of the story's scenario.

    Returns
    -------
    pandas.DataFrame
        ``claim_id, claim, said_by, evidence, verdict, interval, later``, a row a claim.
    """
    claims = catalog.load("story_claims")
    found = [_FINDINGS[claim](outlook) for claim in claims["claim_id"]]
    return claims[["claim_id", "claim", "said_by"]].assign(
        evidence=[item.evidence for item in found],
        verdict=[item.verdict for item in found],
        interval=[item.interval for item in found],
        later=claims["later"],
    )


def _phases() -> pd.DataFrame:
    clusters = catalog.headline(catalog.load("clusters"))
    rows = clusters[(clusters["site_id"] == _SITE) & (clusters["record_type"] == "cluster")]
    return rows.sort_values("as_of")[["as_of", "n_chips"]]


def _delivered(outlook: Outlook) -> Finding:
    phases = _phases()
    online = phases.loc[phases["as_of"] <= pd.Timestamp(_END_OF_JULY), "n_chips"].max()
    online = 0.0 if numpy.isnan(online) else float(online)
    first = phases.iloc[0]
    full = phases.loc[phases["n_chips"] >= outlook.scenario.cluster.n_chips].iloc[0]
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


def _others(date: numpy.datetime64) -> pd.Series:
    """Return the H100-equivalents of the known clusters of others that stood at a date."""
    clusters = catalog.load("gpu_clusters")
    standing = concentration.active_clusters(clusters, date)
    return standing.loc[
        ~standing["owner"].fillna("").str.contains("xAI"), ["name", "first_operational", "h100e"]
    ].dropna()


def _most_powerful(outlook: Outlook) -> Finding:
    size = float(outlook.scenario.cluster.n_chips)
    full = _phases().loc[lambda rows: rows["n_chips"] >= size, "as_of"].iloc[0]
    largest = _others(full.to_datetime64()).nlargest(1, "h100e").iloc[0]
    ratio = size / largest["h100e"]
    clusters = catalog.load("gpu_clusters")
    later = (
        clusters[
            (clusters["first_operational"] > full)
            & (clusters["h100e"] >= size)
            & (clusters["status"] == "Existing")
            & ~clusters["owner"].fillna("").str.contains("xAI")
        ]
        .nsmallest(1, "first_operational")
        .iloc[0]
    )
    led_days = (later["first_operational"] - full).days
    verdict: Verdict = "partly" if ratio > 1 else "not"
    return Finding(
        verdict,
        f"Among clusters known by name it was {ratio:.1f} times the next ({largest['name']}) on {full.date()}, seven "
        f"weeks after the claim; {later['name']} of the same size is dated {led_days} days later. The known clusters "
        "are 10 to 20 % of the world's compute, and Google's are nearly absent.",
        f"{ratio:.1f} times the next for {led_days} days, among those known",
    )


def _oracle_24k(outlook: Outlook) -> Finding:
    clusters = catalog.load("clusters")
    said = float(
        clusters.loc[clusters["name"].str.contains("Oracle") & (clusters["record_type"] == "rental"), "n_chips"].max()
    )
    known = catalog.load("gpu_clusters")
    listed = known.loc[
        known["name"].str.contains("Oracle OCI Supercluster H100") & known["users"].str.contains("xAI", na=False)
    ]
    per_chip = outlook.useful_flop_per_s / outlook.plan.n_chips
    days = {
        n: interval(outlook.inputs["training.reference_run_flop"] / (per_chip * n * SECONDS_PER_DAY))
        for n in (said, 16_384.0)
    }
    texts = [f"{found.median:.0f} days ({found.low:.0f} to {found.high:.0f})" for found in days.values()]
    return Finding(
        "not knowable",
        f"Epoch AI's list has {listed['n_chips'].max():,.0f} H100 at Oracle with xAI among the users. Grok-2's estimated "
        f"compute takes {texts[0]} on {said:,.0f} H100 and {texts[1]} on 16,384: both fit the months between Grok-1.5 "
        "and Grok-2, so the compute cannot tell them apart.",
        texts[0],
    )


def _ten_billion(outlook: Outlook) -> Finding:
    contracts = catalog.load("contracts")
    deal = contracts[contracts["parties"].str.contains("Oracle") & contracts["parties"].str.contains("xAI")].iloc[0]
    usd = 1e9 * float(deal["value_usd_billion"])
    n_chips = outlook.scenario.cluster.n_chips
    prices = [usd / (n_chips * HOURS_PER_YEAR * years) for years in (3, 4)]
    rent = outlook.scenario.rent.committed_usd_per_chip_hour
    return Finding(
        "not knowable",
        f"That talks about {format_usd(usd)} ended is confirmed by xAI; size and term were never published. For "
        f"{n_chips:,} H100 the sum is {format_usd(prices[0])} an hour over three years and {format_usd(prices[1])} over "
        f"four, beside rents of {format_usd(rent.low)} to {format_usd(rent.high)} at the time: a deal of that size is plausible.",
        f"{format_usd(prices[1])} to {format_usd(prices[0])} an H100-hour, if it was {n_chips:,} for 3 to 4 years",
    )


def _own_for_speed(outlook: Outlook) -> Finding:
    cheaper, better = outlook.probability("saving_usd"), outlook.probability("advantage_usd")
    verdict: Verdict = "true" if better >= 0.9 and cheaper < 0.9 else "partly" if better >= 0.5 else "not"
    return Finding(
        verdict,
        f"Owning saves {outlook.say('saving_usd')} over {outlook.scenario.horizon_months} months and trains "
        f"{outlook.say('months_gained', unit='months')} earlier. It is cheaper in {cheaper:.0%} of the samples without "
        f"any worth of time, and better in {better:.0%} with it.",
        f"advantage {outlook.say('advantage_usd')}",
    )


def _grok_2(outlook: Outlook) -> Finding:
    models = catalog.load("notable_models").set_index("model")
    days = (models.loc["Grok-2", "published"] - pd.Timestamp(_STORY_DATE)).days
    return Finding(
        "true" if days <= 45 else "partly" if days <= 90 else "not",
        f"Grok-2 was published on {models.loc['Grok-2', 'published'].date()}, {days} days after the statement.",
        f"{days} days (the date is exact)",
    )


def _more_concentrated(outlook: Outlook) -> Finding:
    world = concentration.world_stock(catalog.load("chip_owners"), samples=2000)
    last = world.dates[-1]
    tests = concentration.trend_tests(world, numpy.datetime64("2024-06-30"), last)
    row = tests.set_index("measure").loc["HHI"]
    return Finding(row["verdict"], row["evidence"], row["interval"])


def _control(outlook: Outlook) -> Finding:
    owners = catalog.load("chip_owners")
    world = concentration.world_stock(owners, samples=2000)
    labs = concentration.laboratories(catalog.load("lab_compute"), world)
    last = labs[labs["as_of"] == labs["as_of"].max()]
    owned = set(world.owners)
    tenants = last[~last["lab"].isin(owned)]
    share = float(last["share_of_world"].sum())
    return Finding(
        "partly",
        f"At {last['as_of'].iloc[0].date()} the {len(last)} listed laboratories used {share:.0%} of the world's stock. "
        f"{', '.join(tenants['lab'])} do not appear among its owners: they rent what they use.",
        f"{share:.0%} of the stock used by {len(last)} laboratories (medians; their intervals must not be added)",
    )


def _better_models(outlook: Outlook) -> Finding:
    models = catalog.load("notable_models").set_index("model")["training_flop"]
    ratio = float(models["Grok 3"] / models["Grok-2"])
    found = outlook.interval("run_loss")
    return Finding(
        "true",
        f"Grok-3 took {ratio:.0f} times the compute of Grok-2. By the law fitted to Chinchilla's runs a run of the "
        f"scenario's length reaches a loss of {found.median:.3f} ({found.low:.3f} to {found.high:.3f}), less than any "
        "smaller budget; how much better a model answers at that loss is the weak link.",
        f"loss {found.median:.3f} ({found.low:.3f} to {found.high:.3f})",
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
