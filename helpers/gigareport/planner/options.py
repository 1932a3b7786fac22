"""The options of a goal: chip, number, own or kind of rent, order now or later, and site.

An option that the tables cannot price or date, or that is larger than any block known of its kind of rent, is not
offered; why is kept and told.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy

from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts import plans, rents
from gigareport.planner import prices
from gigareport.planner.base import Base
from gigareport.planner.register import ALWAYS, KINDS, Goal, Rental, months_between
from gigareport.scenario.chips import default_for
from gigareport.scenario.register import OWN

#: What can be done, in words.
WAYS = {
    "own": "own",
    "contract": "rent under contract",
    "reserved": "rent by the year",
    "hourly": "rent by the hour",
    "bridge": "rent now, own later",
}
_Rental: TypeAlias = Rental[Uncertain, float, str]
_ANY_RENTAL: _Rental = Rental(
    kind="",
    chip="",
    usd_per_chip_hour=Uncertain.left_out(),
    obtainable_chips=math.nan,
    start_months=Uncertain.left_out(),
)
#: Rows of ``data/rental_prices.csv`` that price each kind of rent.
_LISTED = {"hourly": ("on_demand",), "reserved": ("reserved_1y",), "contract": ("reserved_1y", "reserved_3y")}
#: Months between the waits that are tried.
_WAIT_STEP = 3
#: Kinds of rent that last as long as an own cluster takes.
_BRIDGES = ("contract", "hourly")


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """So many chips of a kind, owned or rented, ordered after a wait."""

    chip: str
    n_chips: int
    way: str  # one of WAYS
    wait_months: int
    site: str = ""  # of owned chips, where the goal names sites
    bridge: str = ""  # kind of rent before the own cluster stands
    own_start: Uncertain | None = None  # months from the decision
    rent_start: Uncertain | None = None
    chip_usd: Uncertain | None = None  # with its part of the server
    rent_usd: Uncertain | None = None  # for a chip and hour
    site_mw: Uncertain | None = None

    @property
    def name(self) -> str:
        """What the option is, in a line."""
        wait = f", ordered after {self.wait_months} months" if self.wait_months else ""
        site = f" at {self.site}" if self.site else ""
        return f"{self.n_chips:,} {self.chip}, {WAYS[self.way]}{site}{wait}"

    @property
    def cluster(self) -> tuple[str, int]:
        """Chip and number, which alone decide how fast the run is."""
        return self.chip, self.n_chips


@dataclass(frozen=True, slots=True)
class NotOffered:
    """What is not offered, and why."""

    chip: str
    what: str  # a way, or everything
    why: str
    n_options: int = 0  # how many it would have been, where the number is known


def sizes(goal: Goal) -> tuple[int, ...]:
    """Return the numbers of chips that are tried: powers of two, and with two a doubling three times those between.

    Only such numbers are split evenly by plans of any shape.
    """
    found = even_sizes(goal.least_chips, goal.most_chips, with_three=goal.sizes_per_doubling > 1)
    return found or (int(goal.least_chips),)


def even_sizes(least: float, most: float, *, with_three: bool = True) -> tuple[int, ...]:
    """Return the powers of two between two numbers, and, with three, three times those.

    Examples
    --------
    >>> even_sizes(8, 50), even_sizes(8, 50, with_three=False)
    ((8, 12, 16, 24, 32, 48), (8, 16, 32))
    """
    found = {2**k for k in range(24)} | ({3 * 2**k for k in range(23)} if with_three else set())
    return tuple(sorted(size for size in found if least <= size <= most))


def waits(goal: Goal) -> tuple[int, ...]:
    """Return the months of the orders that are tried, every three from the earliest start on."""
    first = 0
    if goal.earliest_start != ALWAYS:
        first = math.ceil(months_between(goal.decided_on, goal.earliest_start))
    return tuple(range(first, first + int(goal.wait_months) + 1, _WAIT_STEP))


def offered(base: Base) -> tuple[list[Option], list[NotOffered]]:
    """Return every option of a goal, before any plan is searched, and what is not offered."""
    goal = base.goal
    found: list[Option] = []
    refused: list[NotOffered] = []
    allowed = {offer.chip for offer in goal.chips}
    for chip in (*catalog.read("chips")["chip"], *(name for name in base.chips if name == OWN)):
        if not allowed or chip in allowed:
            try:
                found += list(_of_chip(base, chip, refused))
            except ValueError as fault:
                refused.append(NotOffered(chip, "everything", str(fault)))
    return found, refused


def _of_chip(base: Base, chip: str, refused: list[NotOffered]) -> Iterator[Option]:
    goal = base.goal
    if chip not in base.chips:
        raise ValueError("no 16-bit rate of it is published")
    if math.isnan(base.chips[chip].tdp_w):
        raise ValueError("its rated power is not known")
    lacks: list[NotOffered] = []
    own = _owned(base, chip, lacks) if goal.ways != "rent" else None
    rentals = [] if goal.ways == "own" else list(_rentals(base, chip, lacks))
    if own is None and not rentals:
        raise ValueError(_nowhere(goal, lacks))
    refused += lacks
    for n_chips in sizes(goal):
        here = [] if own is None else [one for wait in waits(goal) for one in _own_options(base, own, n_chips, wait)]
        yield from here
        for rental in rentals:
            if n_chips <= rental.obtainable_chips:
                yield from _rented(goal, rental, chip, n_chips, here)
    for rental in rentals:
        too_large = [size for size in sizes(goal) if size > rental.obtainable_chips]
        if too_large:
            why = f"no block beyond {rental.obtainable_chips:,.0f} chips was known"
            refused.append(NotOffered(chip, WAYS[rental.kind], why, len(too_large) * len(waits(goal))))


def _nowhere(goal: Goal, lacks: Sequence[NotOffered]) -> str:
    """Say why a chip can neither be bought nor rented."""
    sold = next((item.why for item in lacks if item.what == WAYS["own"]), "")
    if "not for sale" in sold:
        return f"{sold}, and no rent of it was listed in the year before {goal.decided_on}"
    if goal.ways == "own":
        return sold
    return f"no price to buy or to rent it was known by {goal.decided_on}"


def _rented(goal: Goal, rental: _Rental, chip: str, n_chips: int, owned: Sequence[Option]) -> Iterator[Option]:
    """Yield a rental at every start, and as what bridges the time until each own cluster stands."""
    options = [_rent_option(goal, rental, chip, n_chips, wait) for wait in waits(goal)]
    yield from options
    if goal.ways == "all" and rental.kind in _BRIDGES:
        now = options[0]
        yield from (
            replace(one, way="bridge", bridge=now.way, rent_start=now.rent_start, rent_usd=now.rent_usd)
            for one in owned
        )


@dataclass(frozen=True, slots=True)
class _Owned:
    chip: str
    available_month: float
    usd: Uncertain | None  # as the goal says it, on the day of the decision


def _owned(base: Base, chip: str, refused: list[NotOffered]) -> _Owned | None:
    """Return how a chip can be bought, or keep why it cannot."""
    goal = base.goal
    offer = next((item for item in goal.chips if item.chip == chip), None)
    given = None if offer is None or math.isnan(offer.usd.median) else offer.usd
    if given is None and chip == OWN:
        given = Uncertain.fixed(base.story.cluster.own_chip.usd)
    available = base.chips[chip].available_on if offer is None or offer.available_on == ALWAYS else offer.available_on
    months = max(0.0, months_between(goal.decided_on, available))
    if given is None and prices.price_usd(chip, goal.decided_on) is None:
        _, words = default_for("own.chip_usd", chip, goal.decided_on)
        why = words if "not for sale" in words else f"no price of it was known by {goal.decided_on}"
        refused.append(NotOffered(chip, WAYS["own"], why))
        return None
    return _Owned(chip, months, given)


def _own_options(base: Base, own: _Owned, n_chips: int, wait: int) -> Iterator[Option]:
    goal = base.goal
    if own.usd is None:
        usd = prices.price_usd(own.chip, goal.decided_on, float(wait))
        assert usd is not None
    else:
        yearly = prices.decline(goal.decided_on)
        drift = 1.645 * yearly.error * wait / 12
        since = math.exp(yearly.per_year * wait / 12)
        usd = prices.times(own.usd, Uncertain(low=since * math.exp(-drift), median=since, high=since * math.exp(drift)))
    built = _shifted(base.build_months, wait)
    start = later(built, Uncertain.fixed(own.available_month))
    option = Option(chip=own.chip, n_chips=n_chips, way="own", wait_months=wait, own_start=start, chip_usd=usd)
    if not goal.sites:
        yield option
    for name, mw, month in phases(goal):
        yield replace(option, site=name, own_start=later(start, month), site_mw=mw)


def _rentals(base: Base, chip: str, refused: list[NotOffered]) -> Iterator[_Rental]:
    """Yield the kinds of rent of a chip with their prices and blocks, and keep why others are not."""
    goal = base.goal
    for kind in KINDS:
        named = [rental for rental in goal.rents if rental.kind == kind and rental.chip in ("", chip)]
        if goal.rents and not named:
            continue
        # What is said of the chip goes before what is said of all.
        rental = max(named, key=lambda item: item.chip, default=replace(_ANY_RENTAL, kind=kind))
        usd, block = rental.usd_per_chip_hour, rental.obtainable_chips
        if math.isnan(usd.median):
            listed = rents.spread_of_the_year(chip, str(goal.decided_on), _LISTED[kind])
            if listed is None:
                why = f"no such price of it was listed in the year before {goal.decided_on}"
                refused.append(NotOffered(chip, WAYS[kind], why))
                continue
            usd = listed
        if math.isnan(block):
            block = float(rents.blocks(str(goal.decided_on))["obtainable_chips"].get(kind, 0.0))
        start = rental.start_months if not math.isnan(rental.start_months.median) else base.start_months
        yield replace(rental, chip=chip, usd_per_chip_hour=usd, obtainable_chips=block, start_months=start)


def _rent_option(goal: Goal, rental: _Rental, chip: str, n_chips: int, wait: int) -> Option:
    usd = rental.usd_per_chip_hour
    if rental.kind == "contract" and wait:  # signed then, at the market's price of then
        usd = prices.times(usd, prices.market_after(goal.decided_on, wait))
    return Option(
        chip=chip,
        n_chips=n_chips,
        way=rental.kind,
        wait_months=wait,
        rent_start=_shifted(rental.start_months, wait),
        rent_usd=usd,
    )


def _shifted(months: Uncertain, wait: int) -> Uncertain:
    return Uncertain(low=months.low + wait, median=months.median + wait, high=months.high + wait, lower=0.0)


def later(first: Uncertain, second: Uncertain) -> Uncertain:
    """Return the later of two days, percentile by percentile: whoever is late is taken to be late together.

    Examples
    --------
    >>> later(Uncertain(low=1, median=4, high=9), Uncertain.fixed(5.0))
    Uncertain(low=5.0, median=5.0, high=9, lower=0.0, upper=inf, is_uniform=False)
    """
    low, median, high = (max(getattr(first, name), getattr(second, name)) for name in ("low", "median", "high"))
    return Uncertain(low=low, median=median, high=high, lower=0.0)


def phases(goal: Goal) -> Iterator[tuple[str, Uncertain, Uncertain]]:
    """Yield name, power and month of every phase of every site: what was there before stays."""
    power: dict[str, tuple[Uncertain, Uncertain]] = {}
    for site in goal.sites:
        month = _slipped(site.month, goal.decided_on)
        mw, since = power.get(site.name, (Uncertain.fixed(0.0), Uncertain.fixed(0.0)))
        low, median, high = (getattr(mw, name) + getattr(site.power_mw, name) for name in ("low", "median", "high"))
        power[site.name] = Uncertain(low=low, median=median, high=high), later(since, month)
        yield site.name or "the site", *power[site.name]


def _slipped(month: Uncertain, decided_on: datetime.date) -> Uncertain:
    """Return when power is there: as given, or, of one planned month, with the slips of known sites."""
    slips = _slips(decided_on)
    if month.low < month.high or month.median == 0 or slips is None:
        return month
    low, median, high = (max(0.0, month.median * (1 + part)) for part in slips)
    return Uncertain(low=low, median=max(low, median), high=max(low, median, high))


@cache
def _slips(decided_on: datetime.date) -> tuple[float, float, float] | None:
    """Return the slips of planned sites, 5, 50 and 95 %, in months for each month waited; None before any is known."""
    vintages = plans.vintages()
    if len(vintages) < 2 or vintages[-1] > decided_on.isoformat():
        return None
    revisions = plans.latest_revisions()
    slips = revisions.by_site["slip_months"] / revisions.window_months
    low, median, high = (float(value) for value in numpy.quantile(slips, [0.05, 0.5, 0.95]))
    return low, median, high
