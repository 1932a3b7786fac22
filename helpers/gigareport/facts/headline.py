"""The headline of ownership beside the publisher's, and its numbers for one folder of tables, to see what moved."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy

from gigacluster.concentration import hhi_change
from gigacluster.uncertainty import Interval, interval
from gigareport import catalog
from gigareport.facts import plans
from gigareport.facts.ownership import LARGE_CLOUDS, by_owner, fives_share, named_and_other, trend_tests
from gigareport.facts.stock import world_stock
from gigareport.facts.world import WorldStock, as_days, day_numbers

#: Enough to see a headline move by a percent.
_SAMPLES = 1_000


def headline(
    world: WorldStock, vintage: str, named: Callable[[str, str, str], str] = lambda text, _name, _place: text
) -> str:
    """Say in Markdown how concentrated ownership is and whether it rose, beside what the publisher says of it.

    Parameters
    ----------
    vintage : The latest vintage behind the stock, as ``2026-09-24``.
    named : Writes a number with its name and the place that explains it, such as :func:`gigareport.answers.named`.
    """

    def told_as(text: str, name: str) -> str:
        return named(text.replace("%", " %"), f"owners {name}", "10-concentration.html#who-owns-it")

    day, since = world.dates[-1], trend_start(world)
    five = interval(fives_share(world, day))
    anchor = next(row for row in catalog.read("published_anchors").rows() if row["anchor_id"] == "hyper5_share_2025q4")
    told = next(row for row in catalog.read("sources").rows() if row["source_id"] == anchor["source_id"])["published"]
    age = round(float(day_numbers(vintage) - day_numbers(told)) / 30.44)
    agrees = "inside" if five.low <= anchor["value"] <= five.high else "outside"
    low, high = by_owner(world, day).bounds()
    low_end, high_end = interval(low).low, interval(high).high
    nothing, crowd = (row for _, row in trend_tests(world, since, day).head(2).iterrows())
    said = told_as(f"{anchor['value']:.0%}", "publisher's share")
    months = told_as(f"{age} months", "publisher's age")
    bounds = told_as(f"{low_end:,.0f} and {high_end:,.0f}", "HHI")
    alike = told_as(f"{10_000 / high_end:.1f} to {10_000 / low_end:.1f}", "equal owners")
    moved = f"{crowd['change_median']:+,.0f} points ({crowd['change_p5']:+,.0f} to {crowd['change_p95']:+,.0f})"
    return (
        f"On {_in_words(day)} {', '.join(LARGE_CLOUDS[:-1])} and {LARGE_CLOUDS[-1]} owned "
        f"**{told_as(_percent(five), 'share of five')}** of the AI compute sold so far; Epoch AI says {said} "
        f"(published {told}, {months} before the vintage of {vintage} that is used here), {agrees} our interval. The "
        f"Herfindahl-Hirschman index of owners lay between **{bounds}** points whoever the unnamed owners are: like "
        f"{alike} equal owners. Since {_in_words(since)} its trend is **{nothing['answer']}** with nothing assumed "
        f"about the unnamed; if they stayed a crowd of small owners it moved by **{told_as(moved, 'HHI of a crowd')}**."
    )


def numbers(folder: Path) -> dict[str, str]:
    """Return the headline numbers of the tables in a folder, in words; those whose tables are not there are left out.

    The folder is one such as ``data/``.
    """
    found: dict[str, str] = {}
    names = ("chip_owners", "maker_totals", "data_center_timelines", "sites")
    files = {name: folder / f"{name}.csv" for name in names}
    have = {name: catalog.read(name, path=file) for name, file in files.items() if file.exists()}
    if {"chip_owners", "maker_totals"} <= set(have):
        world = world_stock(have["chip_owners"], have["maker_totals"], samples=_SAMPLES)
        day, since = world.dates[-1], trend_start(world)
        total, low, high = (interval(v) for v in (world.total[-1], *by_owner(world, day).bounds()))
        change = hhi_change(*named_and_other(world, world.at(since)), *named_and_other(world, world.at(day)))
        found["last quarter with owners"] = str(day)
        found["stock sold by then"] = f"{total.median / 1e6:.1f} million H100e"
        found["five largest clouds"] = _percent(interval(fives_share(world, day)))
        found["HHI of owners"] = f"{low.low:,.0f} to {high.high:,.0f}"
        found[f"its change since {since}, Other a crowd"] = f"{interval(change.if_countless).median:+,.0f}"
    if {"data_center_timelines", "sites"} <= set(have):
        vintage = max(have["sites"]["vintage"])
        states = plans.states_by_site(vintage, have["data_center_timelines"])
        planned = states.where(states["date"] <= as_days(plans.LAST_DAY)).last("site")
        sizes, largest = planned["h100e_8bit"], int(planned["h100e_8bit"].argmax())
        found["listed sites"] = f"{len(planned)}"
        found["planned at them by the end of 2027"] = f"{sizes.sum() / 1e6:.1f} million H100e"
        found["largest then as planned"] = f"{planned['site'][largest]}, {sizes[largest] / 1e6:.2f} million H100e"
    return found


def trend_start(world: WorldStock) -> numpy.datetime64:
    """Return the day from which a trend is told: five quarters before the table ends, where it is that long."""
    found: numpy.datetime64 = world.dates[max(len(world.dates) - 6, 0)]
    return found


def _in_words(day: numpy.datetime64) -> str:
    date: datetime.date = day.astype(object)
    return f"{date.day} {date:%B %Y}"


def _percent(share: Interval) -> str:
    return f"{share.median:.0%} ({100 * share.low:.0f} to {share.high:.0%})"
