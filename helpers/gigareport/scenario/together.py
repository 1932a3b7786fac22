"""Values of a scenario that are allowed one by one and impossible together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from gigacluster.uncertainty import Uncertain
from gigareport.facts import rents
from gigareport.scenario.record import fields_of
from gigareport.scenario.reference import entry_of
from gigareport.scenario.register import OWN, WITH_OWN, OwnChip

#: Finds values that are allowed one by one and impossible together, among the good ones by path.
Impossible: TypeAlias = Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
#: Chips of the smallest node that can stand by.
_NODE_CHIPS = 8


def said(good: Mapping[str, Any], path: str) -> Any:
    """Return the value that a file gives by path; ``None`` for one that is at fault, left out or without a limit."""
    value = good.get(path)
    middle = value.median if isinstance(value, Uncertain) else value
    return None if isinstance(middle, float) and not math.isfinite(middle) else value


def impossible(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find them among the good values by path; a value that is at fault already is passed over."""
    n_chips, job = good.get("cluster.n_chips"), said(good, "training.n_chips")
    if n_chips and job and job > n_chips:
        yield "training.n_chips", f"got {job:,.0f} chips in the job, but the cluster has {n_chips:,.0f}; lower it"
    parts = good.get("own.deliveries")
    if parts and abs((total := sum(part.share for part in parts)) - 1) > 1e-6:
        yield "own.deliveries", f"the shares must add up to 1; got {total:g}"
    yield from _own_chip(good)
    yield from _late_starts(good)
    yield from _rates_given_twice(good)
    if good.get("reliability.recovery") == "hot_spare" and n_chips and good.get("training.n_chips"):
        spare = n_chips - min(job or n_chips, n_chips)
        if spare < _NODE_CHIPS:
            yield (
                "reliability.recovery",
                f"hot_spare takes a node that stands by, and the job has all but {spare:,.0f} of {n_chips:,.0f} chips; "
                "give training.n_chips less, or another scheme",
            )
    yield from _rents(good)
    letting = [f"own.{name}" for name in ("let_from_month", "let_usd_per_chip_hour")]
    missing = [path for path in letting if said(good, path) is None]
    if len(missing) == 1 and all(good.get(path) is not None for path in letting):
        yield missing[0], "is missing: letting out needs let_from_month and let_usd_per_chip_hour"
    decided, year = good.get("decided_on"), good.get("price_year")
    if decided and year and abs(decided.year - year) > 5:
        yield "price_year", f"got {year:.0f}, more than 5 years from decided_on ({decided}); use dollars of that time"


def _own_chip(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what the record of a chip of one's own lacks, and one that is not asked for."""
    chip, given = good.get("cluster.chip"), []
    for field in fields_of(OwnChip) if chip else ():
        path = f"cluster.own_chip.{field.name}"
        value = said(good, path)
        if value is not None and value != field.entry.default:
            given.append(field.name)
        elif chip == OWN and field.entry.optional == WITH_OWN and good.get(path) is not None:
            yield path, f"is missing: chip: {OWN} needs it; give it in {field.entry.unit}"
    if given and chip != OWN:
        yield "cluster.own_chip", f"is of use only with chip: {OWN}; got chip: {chip} and {', '.join(given)}"


def _rates_given_twice(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find counts without their node-days, and more than one answer to how often the job fails."""
    names = ("failures", "node_days", "failures_per_1000_node_days", "mttf_hours")
    given = {name: value for name in names if (value := said(good, f"reliability.{name}")) is not None}
    counts = [name for name in ("failures", "node_days") if name in given]
    most = entry_of("reliability.failures_per_1000_node_days").most
    if len(counts) == 1:
        other = "node_days" if counts == ["failures"] else "failures"
        yield f"reliability.{counts[0]}", f"is of use only beside {other}; give it too"
    elif counts and (rate := 1000 * given["failures"] / given["node_days"]) > most:
        yield (
            "reliability.failures",
            f"are {rate:,.0f} per 1,000 node-days, more than {most:,.0f}; node_days are nodes of 8 chips times days",
        )
    ways = ["failures with node_days"] * bool(counts) + [name for name in names[2:] if name in given]
    if len(ways) > 1:
        path = f"reliability.{ways[-1]}"
        yield path, f"says how often the job fails once more; keep one of {', '.join(ways)}"


def _rents(good: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find kinds of rent without prices, and terms and exits that no horizon holds."""
    horizon, kind, chip = good.get("horizon_months"), good.get("rent.kind"), good.get("cluster.chip")
    for name in ("term_months", "leave_month"):
        month = said(good, f"rent.{name}")
        if horizon and month and month > horizon:
            yield (
                f"rent.{name}",
                f"got {month:g} months, beyond horizon_months={horizon:g}; raise the horizon, or leave it out for a "
                "contract over the whole horizon",
            )
    after, start, leave = good.get("rent.after_term"), good.get("rent.start_month"), said(good, "rent.leave_month")
    if after == "buy" and kind not in (None, "contract"):
        yield "rent.after_term", f"buy follows the term of a contract, and rent.kind is {kind}; give kind: contract"
    elif after == "buy" and (term := good.get("rent.term_months")) and not math.isfinite(term):
        yield "rent.after_term", "buy needs rent.term_months: without it the contract runs to the end of the horizon"
    if after and after != "buy" and said(good, "rent.buy_usd_per_chip") is not None:
        yield "rent.buy_usd_per_chip", f"is of use only with after_term: buy; got after_term: {after}"
    if after == "buy" and leave:
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
