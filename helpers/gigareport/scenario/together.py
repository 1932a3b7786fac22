"""Values of a scenario that are allowed one by one and impossible together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from gigareport.facts import rents
from gigareport.scenario.record import fields_of
from gigareport.scenario.reference import entry_of
from gigareport.scenario.register import OWN, WITH_OWN, OwnChip

#: Finds values that are allowed one by one and impossible together, among the good ones by path.
Impossible: TypeAlias = Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
#: Chips of the smallest node that can stand by.
_NODE_CHIPS = 8


def impossible(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find them among the good values by path; a value that is at fault already is passed over."""
    n_chips, job = good.get("cluster.n_chips"), good.get("training.n_chips")
    if n_chips and job and math.isfinite(job) and job > n_chips:
        yield "training.n_chips", f"got {job:,.0f} chips in the job, but the cluster has {n_chips:,.0f}; lower it"
    parts = good.get("own.deliveries")
    if parts and abs((total := sum(part.share for part in parts)) - 1) > 1e-6:
        yield "own.deliveries", f"the shares must add up to 1; got {total:g}"
    yield from _own_chip(good)
    yield from _late_starts(good)
    yield from _rates_given_twice(good)
    if (
        good.get("reliability.recovery") == "hot_spare"
        and n_chips
        and job
        and n_chips - min(job, n_chips) < _NODE_CHIPS
    ):
        yield (
            "reliability.recovery",
            f"hot_spare takes a node that stands by, and the job has all but {n_chips - min(job, n_chips):,.0f} of "
            f"{n_chips:,.0f} chips; give training.n_chips less, or another scheme",
        )
    yield from _rents(good)
    let, let_usd = good.get("own.let_from_month"), good.get("own.let_usd_per_chip_hour")
    if let is not None and let_usd is not None and math.isfinite(let) == math.isnan(let_usd.median):
        missing = "let_usd_per_chip_hour" if math.isfinite(let) else "let_from_month"
        yield f"own.{missing}", "is missing: letting out needs let_from_month and let_usd_per_chip_hour"
    decided, year = good.get("decided_on"), good.get("price_year")
    if decided and year and abs(decided.year - year) > 5:
        yield "price_year", f"got {year:.0f}, more than 5 years from decided_on ({decided}); use dollars of that time"


def _own_chip(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what the record of a chip of one's own lacks, and one that is not asked for."""
    chip = good.get("cluster.chip")
    if chip is None:
        return
    given = []
    for field in fields_of(OwnChip):
        path = f"cluster.own_chip.{field.name}"
        value = good.get(path)
        left_out = value == field.entry.default if field.kind == "text" else value is not None and math.isnan(value)
        if chip == OWN and field.entry.optional == WITH_OWN and left_out:
            yield path, f"is missing: chip: {OWN} needs it; give it in {field.entry.unit}"
        elif value is not None and not left_out:
            given.append(field.name)
    if given and chip != OWN:
        yield "cluster.own_chip", f"is of use only with chip: {OWN}; got chip: {chip} and {', '.join(given)}"


def _rates_given_twice(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find counts without their node-days, and more than one answer to how often the job fails."""
    values = {name: good.get(f"reliability.{name}") for name in ("failures", "node_days")}
    counts = {name: value for name, value in values.items() if value is not None and not math.isnan(value)}
    if len(counts) == 1:
        (name,) = counts
        other = "node_days" if name == "failures" else "failures"
        yield f"reliability.{name}", f"is of use only beside {other}; give it too"
    elif counts and (rate := 1000 * counts["failures"] / counts["node_days"]) > (
        most := entry_of("reliability.failures_per_1000_node_days").most
    ):
        yield (
            "reliability.failures",
            f"are {rate:,.0f} per 1,000 node-days, more than {most:,.0f}; node_days are nodes of 8 chips times days",
        )
    ways = ["failures with node_days"] if counts else []
    for name in ("failures_per_1000_node_days", "mttf_hours"):
        value = good.get(f"reliability.{name}")
        if value is not None and not math.isnan(value.median):
            ways.append(name)
    if len(ways) > 1:
        path = f"reliability.{ways[-1]}"
        yield path, f"says how often the job fails once more; keep one of {', '.join(ways)}"


def _rents(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find kinds of rent without prices, and terms and exits that no horizon holds."""
    horizon, kind, chip = good.get("horizon_months"), good.get("rent.kind"), good.get("cluster.chip")
    for name in ("term_months", "leave_month"):
        month = good.get(f"rent.{name}")
        if horizon and month and math.isfinite(month) and month > horizon:
            yield (
                f"rent.{name}",
                f"got {month:g} months, beyond horizon_months={horizon:g}; raise the horizon, or leave it out for a "
                "contract over the whole horizon",
            )
    after, buys = good.get("rent.after_term"), good.get("rent.buy_usd_per_chip")
    if after == "buy" and kind not in (None, "contract"):
        yield "rent.after_term", f"buy follows the term of a contract, and rent.kind is {kind}; give kind: contract"
    elif after == "buy" and (term := good.get("rent.term_months")) and not math.isfinite(term):
        yield "rent.after_term", "buy needs rent.term_months: without it the contract runs to the end of the horizon"
    if after and after != "buy" and buys is not None and not math.isnan(buys.median):
        yield "rent.buy_usd_per_chip", f"is of use only with after_term: buy; got after_term: {after}"
    start, leave = good.get("rent.start_month"), good.get("rent.leave_month")
    if after == "buy" and leave and math.isfinite(leave):
        yield "rent.leave_month", "a tenant who leaves does not buy; keep one of leave_month and after_term: buy"
    if start and leave and leave <= start.high:
        yield "rent.leave_month", f"got {leave:g}, but the rented chips may start in month {start.high:g}; leave later"
    if kind == "followed" and chip and good.get("decided_on") is not None:
        series = good.get("rent.follows") or "contracts"
        known = [name for name in rents.FOLLOWED if rents.last_quoted(chip, name) > str(good["decided_on"])]
        if series not in known:
            other = f"rent.follows: {' or '.join(known)}, or " if known else ""
            yield (
                "rent.kind",
                f"no rents of {chip} were quoted after {good['decided_on']} as {series}; give {other}kind: contract, "
                "reserved or hourly",
            )


def _late_starts(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find clusters that would start when the comparison is nearly over."""
    horizon = good.get("horizon_months")
    if not horizon:
        return
    months = [("own.deliveries", part.month) for part in good.get("own.deliveries") or ()]
    if sites := good.get("cluster.sites"):  # later phases may lie beyond the horizon, not all of the power
        months.append(("cluster.sites", min((site.month for site in sites), key=lambda month: month.high)))
    if good.get("rent.start_month"):
        months.append(("rent.start_month", good["rent.start_month"]))
    for path, month in months:
        if month.high > 0.9 * horizon:
            yield (
                path,
                f"got up to {month.high:g} months, but the comparison ends after horizon_months={horizon:g}; raise it",
            )
