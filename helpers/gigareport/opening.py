"""The first screen of a report, chosen by the numbers: the answer, the map, what flips it, how far to trust it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy
import pandas as pd

from gigacluster import __version__
from gigacluster.arrays import to_host
from gigacluster.uncertainty import Interval, Uncertain
from gigareport import beside, catalog, decision, scenario, spending, words
from gigareport.answers import named, tell_difference, tell_input
from gigareport.facts import timeline
from gigareport.facts.plans import LAST_DAY, of_others
from gigareport.hindsight import MONTHS, hindsight
from gigareport.plots import Front, finished
from gigareport.scenario.outlook import digits_of
from gigareport.spending import dollars_unit
from gigareport.turning import LATE_POWER, PRICE, USED, turn_of
from gigareport.words import exact, number, quantity, share, usd

#: Columns of :func:`sites_with`.
SIZE = "Size [H100-equivalents, 8-bit peak]"
LEAD = "Lead of this cluster [months]"
TIMES = "Size over this cluster's [1]"
_DAYS_PER_MONTH = 30.44
#: What a choice says of the prices behind it, which its page tells.
_COUNT = re.compile(r" \(\d+ prices\)|, \d+ prices")
# Where numbers of the first screen are explained.
_MAP, _KINDS, _PAST = "index.html#00-the-decision-figure-1", "50-cost.html", "index.html#what-happened"
_PRICE_AND_TERM = "50-cost.html#at-what-price-and-for-how-long"
_GOODPUT, _STEP_TIME = "90-validation.html#goodput", "90-validation.html#step-time"


def front(outlook: scenario.Outlook, *, samples: int = 2_000, seed: int = 7) -> Front:
    """Return the first screen of a scenario.

    What happened later is told of the story alone, apart from what could be known on the day of the decision.
    """
    story = outlook.scenario
    mapped = decision.price_map(outlook, samples=min(samples, 1_000))
    kinds = decision.by_kind(outlook)
    rows = []
    for row in kinds.itertuples():
        kind = f"{row.against}{' *' if row.is_benchmark else ''}"
        saving = words.difference(row.saving_low, row.saving_usd, row.saving_high, words.CHEAPER)
        told = (
            named(text, f"{what} {row.against}", _KINDS, of=outlook)
            for what, text in (("saving against", saving), ("chance against", share(row.cheaper_frac)))
        )
        rows.append((kind, *told))
    against = pd.DataFrame(rows, columns=["against", "owning is", "cheaper in"])
    happened = {}
    if story.name == scenario.STORY:
        past = hindsight(samples=samples, seed=seed).table
        happened = {
            _COUNT.sub("", row.choice): named(usd(row.median), f"happened {row.choice}", _PAST)
            for row in past.itertuples()
        }
    vintage = catalog.vintage(catalog.load("sources"), "accessed")
    return Front(
        answer=answer(outlook, mapped),
        as_of=f"{story.decided_on:%B %Y}",
        story=story.story,
        made=f"computed by gigacluster {__version__} from data to {vintage}",
        figure=finished(
            decision.draw_map(outlook, mapped),
            title="Own or rent, by the price of a contract and its term",
            source="gigacluster models, inputs of the scenario",
        ),
        against=against,
        note="Cost of the same useful work, median and 5 to 95 %; cheaper in: share of samples of that kind of rent."
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
    sure_low, parity, sure_high = mapped.parity_usd
    is_own = numpy.flip(numpy.cumprod(numpy.flip(sure_high <= price))) > 0  # at this term and at every longer one
    own, rent = mapped.term_months[is_own], mapped.term_months[sure_low >= price]

    def told(text: str, name: str) -> str:
        return named(text, name, _MAP, of=outlook)

    longest = told(f"{mapped.term_months[-1]:.0f} months", "longest term")
    at = f"At {tell_input(outlook, PRICE, usd(price, 3))} a chip-hour"
    if len(own) == len(mapped.term_months):
        first = f"{at} owning is cheaper at any term up to {longest}."
    elif len(own):
        first = f"{at} owning is cheaper from a term of about {told(f'{own.min():.0f} months', 'own from term')} on."
    elif len(rent) == len(mapped.term_months):
        first = f"{at} renting is cheaper at any term up to {longest}."
    else:
        first = f"{at} there is no clear answer at any term up to {longest}."
    least = float(sure_low.min())
    second = (
        f"Below {told(usd(least, 3), 'rent below')} renting wins at any term."
        if least > 0
        else f"Over the whole {longest} both cost the same at {told(usd(float(parity[-1]), 3), 'parity')}; in nine "
        f"samples of ten renting wins below {told(usd(float(sure_low[-1]), 3), 'rent below')}."
    )
    gained = "gains" if outlook.interval("months_gained").median >= 0 else "loses"
    better = tell_difference(outlook, "advantage_usd", words.BETTER)
    third = f"With the months that it {gained} counted, owning is {better}."
    if outlook.scenario.rent.kind == "contract":
        return f"**{first}** {second} {third}"
    return f"**{_by_its_kind(outlook)}** {third} Under a contract instead: {first[0].lower()}{first[1:]}"


def same_cost(outlook: scenario.Outlook, mapped: decision.PriceMap) -> str:
    """Say from which price of a contract over the whole horizon owning wins, and from how many chips on a deal does.

    Examples
    --------
    >>> found = scenario.evaluate(scenario.load("startup-512-2025"), samples=50, device="cpu")
    >>> "and own above" in same_cost(found, decision.price_map(found))
    True
    """

    def told(text: str, name: str) -> str:
        return named(text, name, _PRICE_AND_TERM, of=outlook)

    rent_below, _, own_above = mapped.parity_usd[:, -1]
    deals = spending.deal_sizes(outlook)
    size = deals.set_index("Term [months]")["median"]
    three, four = (told(exact(round(size[term]), 3), f"chips of the deal, {term} months") for term in (36, 48))
    return (
        f"Under a contract over the whole horizon nine in ten samples say rent below "
        f"{told(usd(rent_below, 3), 'all rent below')} a chip-hour and own above "
        f"{told(usd(own_above, 3), 'all own above')}. {told(deals.attrs['words'], 'the deal')} buys as much as "
        f"owning if it holds {three} chips over three years, or {four} over four; with more chips for the money "
        "renting wins."
    )


#: Kinds of rent that move with the market, at the head of a sentence.
_MOVING = {
    "hourly": "By the hour, as the market goes from {} a chip-hour,",
    "reserved": "Under a year's contract made again each year, now at {} a chip-hour,",
    "followed": "At the rents that followed ({}: what they were on the day by the file),",
}


_WINS = {"own": "owning is cheaper", "rent": "renting is cheaper", "too close": "neither is surely cheaper"}


def _by_its_kind(outlook: scenario.Outlook) -> str:
    """Say who wins under a rent that is no contract, the one that the scenario asks about."""
    rent, used = outlook.scenario.rent, outlook.scenario.training.used_frac.median
    chance = outlook.probability("saving_usd")
    wins = _WINS[decision.choice_of(chance)]
    hours = f" with {share(used)} of the hours used" if used < 1 else ""
    price = tell_input(outlook, PRICE, usd(rent.committed_usd_per_chip_hour.median, 3))
    saves = tell_difference(outlook, "saving_usd", words.SAVES)
    return (
        f"{_MOVING[rent.kind].format(price)}{hours} {wins}: owning {saves}, and is "
        f"cheaper in {share(chance)} of the samples."
    )


def trust(samples: int = 2_000, seed: int = 7) -> str:
    """Say how far published figures are missed, the worst first."""
    accuracy = catalog.load("throughput_accuracy")
    unseen = accuracy[accuracy["split"] == "family"]
    speeds = []
    for arch, name in (("dense", "dense models"), ("moe", "mixtures of experts")):
        of_arch = unseen[unseen["arch"] == arch]
        is_whole = of_arch["family"] == "all"
        whole, worst = of_arch[is_whole]["mape"].item() / 100, of_arch[~is_whole]["mape"].max() / 100
        off = named(share(whole), f"step time {arch}", _STEP_TIME)
        most = named(share(worst), f"step time worst {arch}", _STEP_TIME)
        speeds.append(f"{off} for {name} ({most} at the worst source)")
    tables = {
        "useful time": beside.goodput_beside_published(samples=samples, seed=seed).query("not solved"),
        "costs of 2024": beside.costs_beside_published(samples, seed),
        "costs of 2026": pd.concat([beside.operators_beside(samples, seed), beside.gigawatt_beside(samples, seed)]),
    }
    missed = []
    for name, table in tables.items():
        worst_of = named(f"{beside.worst_factor(table['ratio']):.2f} times", f"worst {name}", _GOODPUT)
        near = named(beside.count_within(0.2, table["ratio"]), f"near {name}", _GOODPUT)
        missed.append(f"{name} by up to {worst_of} ({near} within 20 %)")
    return (
        f"Published figures are missed: {', '.join(missed)}. On makers never seen step time is off by "
        f"{' and '.join(speeds)}. [Every miss](90-validation.html)"
    )


def sites_with(outlook: scenario.Outlook, *, samples: int = 500) -> pd.DataFrame:
    """Return the largest listed sites of others month by month, and the scenario's cluster among them.

    Returns
    -------
    DataFrame
        ``Date``, :data:`SIZE` (median), ``site``, :data:`LEAD` (median) and :data:`TIMES`; the scenario's cluster,
        the first, from its last delivery on. The others are the largest when it is complete, when it is
        matched and at the end: more names have no room on a phone.
    """
    sites = timeline.latest(samples=samples)
    story = outlook.scenario
    size = story.cluster.n_chips * scenario.h100e_of(story.cluster)
    ready = max(part.month.median for part in story.own.deliveries)
    start = pd.Timestamp(story.decided_on) + pd.Timedelta(days=round(_DAYS_PER_MONTH * ready))
    dates = pd.to_datetime(sites.days)
    ours = pd.DataFrame({"Date": dates, SIZE: numpy.where(dates >= start, size, numpy.nan), "site": "this cluster"})
    lead = outlook.interval("lead_months").median
    matched = start + pd.Timedelta(days=round(_DAYS_PER_MONTH * (lead + 1 if numpy.isfinite(lead) else 0)))
    when = [str(day.date()) for day in numpy.clip(pd.DatetimeIndex([start, matched]), dates[0], dates[-1])]
    rows = timeline.leading(sites, (*when, LAST_DAY), top=1, among=set(of_others(story.owner)))
    parts = [ours, timeline.lines_of(sites, rows, SIZE)]
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(**{LEAD: lead, TIMES: table[SIZE] / size})
    table.attrs["vintage"] = sites.vintage
    return table


def place_title(outlook: scenario.Outlook, table: pd.DataFrame) -> str:
    """Say how a cluster stands among the sites of :func:`sites_with` from the day it is complete: a title.

    The lead is the outlook's own, as every page tells it, and is not counted on the months of the figure.
    """
    sizes = table.pivot_table(index="Date", columns="site", values=SIZE)
    if "this cluster" not in sizes:
        return f"Complete after {table['Date'].max():%Y}, this cluster is not on the timeline"
    lead = outlook.interval("lead_months")
    if lead.median > 0:
        led = quantity(lead.median, "month", digits_of(lead))
        return f"This cluster was the largest listed site for {led} from when it was complete"
    here = sizes.pop("this cluster").dropna()
    first = sizes.loc[here.index[0]].dropna()
    if first.empty or first.max() <= here.iloc[0]:
        return "Another listed site was as large before this cluster was complete"
    return f"{first.idxmax()} was {exact(first.max() / here.iloc[0], 3)} times this cluster on the day it was complete"


#: Label of the axis of :func:`spread` that stands.
SHARE = "Share of samples [%]"


def spread(outlook: scenario.Outlook) -> tuple[pd.DataFrame, str]:
    """Return in which share of the samples owning is better by at least so much, and the label of the axis of that.

    Returns
    -------
    DataFrame, str
        101 points of each answer: ``counted`` (what of the answers it is), the label, :data:`SHARE`, and the share
        ``above 0`` [%].
    """
    at = numpy.array([99.5, *range(99, 0, -1), 0.5])
    names = {"saving_usd": "same useful work", "advantage_usd": "months of each counted"}
    ends = {name: numpy.nanquantile(to_host(getattr(outlook, name)), 1 - at / 100) for name in names}
    scale, unit = dollars_unit(numpy.concatenate(list(ends.values())))
    label = f"Owning better by at least [{unit}]"
    parts = [
        {"counted": counted, label: ends[name] / scale, SHARE: at, "above 0": 100 * outlook.probability(name)}
        for name, counted in names.items()
    ]
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True), label


def power(outlook: scenario.Outlook) -> tuple[pd.DataFrame, str]:
    """Return what all chips need at their rating and draw on average, what each site may draw, and what that leaves.

    Returns
    -------
    DataFrame, str
        ``power`` in words, ``MW`` and ``from month`` with intervals; and how many chips stand without power how often.

    Examples
    --------
    >>> from gigareport import scenario
    >>> table, said = power(scenario.evaluate(scenario.load("startup-512-2025"), samples=50, device="cpu"))
    >>> len(table), said
    (2, 'Nothing here limits the power: in no sample does a chip stand without.')
    """
    cluster = outlook.scenario.cluster
    needed = (("all chips at their rating", "rated_power_mw"), ("all chips on average", "site_power_mw"))
    rows = [(what, _range(outlook.interval(name)), "") for what, name in needed]
    for place, site in enumerate(cluster.sites, 1):
        rows.append((f"{site.name or f'site {place}'} may draw", _range(site.power_mw), _range(site.month)))
    if numpy.isfinite(cluster.reported_power_mw.median):
        rows.append(("reported or estimated, which limits nothing here", _range(cluster.reported_power_mw), ""))
    idle, without = outlook.interval("idle_chips").median, outlook.probability("idle_chips")
    said = "Nothing here limits the power: in no sample does a chip stand without."
    if without > 0:
        said = f"Chips stand without power in {share(without)} of the samples, {number(idle, 3)} at most in the median."
    elif cluster.sites:
        said = "In no sample does a chip stand without power."
    taken = scenario.taken(outlook.scenario).items()
    known = "; ".join(f"{scenario.entry_of(path).meaning.lower()}: {text}" for path, text in taken)
    said += f" What the file leaves out of the {cluster.chip} is its own, not an H100's: {known}." if known else ""
    return pd.DataFrame(rows, columns=["power", "MW", "from month"]), said


def _range(value: Uncertain | Interval) -> str:
    """Return a median, with its interval where it has one."""
    spread = f" ({exact(value.low, 3)} to {exact(value.high, 3)})" if value.low < value.high else ""
    return f"{exact(value.median, 3)}{spread}"


#: What may turn the choice: its name, its path in the file, how it is said, and how its value is written.
_FLIPS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("price of the contract", PRICE, "below {} a chip-hour", lambda x: usd(x, 3)),
    ("hours used", USED, "below {}, against a rent paid by the hour", share),
    ("chips last", "own.hardware_life_months", "less than {} months", number),
    ("power comes", LATE_POWER, "more than {} months late", number),
    ("price of a chip", "own.chip_usd", "above {}", usd),
    ("failures", "reliability.failures_per_1000_node_days", "above {} per 1,000 node-days", number),
)


def flips(outlook: scenario.Outlook, *, samples: int = 300) -> dict[str, str]:
    """Return what turns the choice, in words by the name of the input; what never turns it is left out.

    Each number leads to the page that recomputes, with that value set.
    """
    found = {}
    for name, path, form, text in _FLIPS:
        value = turn_of(outlook, path, samples=samples).at
        if numpy.isfinite(value):
            at = f"what-if.html#{path}={value:.4g}" if path else "what-if.html"
            found[name] = form.format(named(text(value), f"turns at {path or 'power'}", at, of=outlook))
    return found
