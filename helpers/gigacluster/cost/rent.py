"""To rent a cluster: on demand, under a term, prepaid or take-or-pay, at a price that moves.

A contract has a price, a term, a ramp, a minimum, steps down, a prepayment, a notice and a fee for leaving; what
follows it is the market, or nothing. A tenant may also buy what was rented.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from gigacluster.arrays import Array, Namespace, Samples, is_array
from gigacluster.cost.flows import (
    OR_INFINITE,
    CashFlows,
    Flow,
    Worth,
    at_start,
    bought,
    by_month,
    check_horizon,
    discount,
    in_month,
    month_rows,
    paid_once,
)
from gigacluster.limits import (
    NON_NEGATIVE,
    Limit,
    NonNegative,
    Positive,
    PositiveShare,
    Share,
    ShareBelowOne,
    admit,
    limits_of,
)
from gigacluster.units import HOURS_PER_MONTH


def rent(
    *,
    n_chips: Positive,
    horizon_months: int,
    market_usd_per_chip_hour: NonNegative | None = None,
    discount_rate_per_year: NonNegative,
    market_path_usd_per_chip_hour: Array | None = None,
    start_month: NonNegative = 0.0,
    committed_frac: Share = 0.0,
    committed_usd_per_chip_hour: NonNegative = 0.0,
    term_months: NonNegative = 0.0,
    ramp_months: NonNegative = 0.0,
    step_down_frac_per_year: ShareBelowOne = 0.0,
    leave_month: Annotated[Samples, OR_INFINITE] = math.inf,
    notice_months: Annotated[Samples, OR_INFINITE] = math.inf,
    exit_fee_frac: Share = 0.0,
    renews: bool = True,
    minimum_take_frac: Share = 1.0,
    prepaid_frac: Share = 0.0,
    extras_frac: NonNegative = 0.0,
    setup_usd: NonNegative = 0.0,
    goodput_frac: PositiveShare = 1.0,
    utilisation_frac: PositiveShare = 1.0,
) -> CashFlows:
    """Cash flows of renting a cluster from the decision (month 0) to ``horizon_months``.

    Parameters
    ----------
    n_chips : Chips rented. [chip]
    horizon_months : Months from the decision to the end of the comparison. [month]
    market_usd_per_chip_hour
        Price of what is not under a term, the same in every month: a number, or one a sample. [USD/chip/h]
    market_path_usd_per_chip_hour : shape (horizon_months + 1,) or (horizon_months + 1, samples)
        Instead of it a price that moves: entry t is the price during the month that ends at t, entry 0 that of the
        day of the decision, when nothing is paid. [USD/chip/h]
    discount_rate_per_year : Nominal yearly rate: that of the owned cluster it is compared with. [1/year]
    start_month : When the rented chips start to work, below ``horizon_months``. [month]
    committed_frac, committed_usd_per_chip_hour, term_months
        Share of the chips under a term, its price, its length from the start.
    ramp_months : Months from the start until all chips stand, evenly; those that stand are paid. [month]
    step_down_frac_per_year : Share that the price of the term falls at each anniversary. [1/year]
    leave_month
        When the tenant stops. [month] What the term still holds is paid at its minimum for ``notice_months``, by
        default to its end, and of the rest ``exit_fee_frac`` at once.
    notice_months, exit_fee_frac
        Notice after which only the fee is owed, and the fee as a share of the minimum that is left. [month], [1]
    renews : Whether the chips go on at the market's price after the term; otherwise they are given back then.
    minimum_take_frac : Share of the committed hours that is paid whether used or not (take or pay). [1]
    prepaid_frac : Share of the committed minimum that is paid at the decision and taken off each month's bill. [1]
    extras_frac : Storage, network traffic and support, as a share of the chips' bill. [1]
    setup_usd : Paid once, at the decision. [USD]
    goodput_frac, utilisation_frac
        Share of used time that moves training forward; share of available time that is used. [1]

    Returns
    -------
    CashFlows
        Elements with an input out of range are ``nan``. The sale at the end is 0.

    Raises
    ------
    ValueError
        If a plain number is out of range, a price path has another number of months, not exactly one of the two
        prices is given, or ``market_usd_per_chip_hour`` could be samples as well as a path.

    Notes
    -----
    What a term still owes after the horizon is left out; a horizon as long as the term counts all of it.

    Examples
    --------
    >>> deal = rent(n_chips=100_000, horizon_months=36, market_usd_per_chip_hour=0, discount_rate_per_year=0.0,
    ...             committed_frac=1, committed_usd_per_chip_hour=3.80, term_months=36)
    >>> round(float(deal.net_present_usd[0]) / 1e9, 2)
    9.99
    """
    given = {name: value for name, value in locals().items() if name in RENT_LIMITS}  # first line: arguments only
    check_horizon(horizon_months)
    path = market_path_usd_per_chip_hour
    _refuse_unclear_price(market_usd_per_chip_hour, path, int(horizon_months))
    in_time = Limit(0.0, horizon_months, f"from 0 to below horizon_months={horizon_months}", high_included=False)
    if market_usd_per_chip_hour is None:
        given["market_usd_per_chip_hour"] = 0.0
    xp, a, valid = admit(given | {"path": 0.0 if path is None else path}, RENT_LIMITS | {"start_month": in_time})
    market_usd, path = a["market_usd_per_chip_hour"], a.pop("path")
    rows = month_rows(xp, horizon_months, valid, max(*(array.ndim for array in a.values()), path.ndim - 1))
    if path.ndim:
        path = by_month(xp, "market_path_usd_per_chip_hour", path, horizon_months, rows.ndim)
        market_usd = xp.where(NON_NEGATIVE.holds(path), path, xp.nan)
    n_chips = xp.where(valid, a["n_chips"], xp.nan)  # every amount holds it, so faults spread to all of them
    factor = discount(xp, rows, a["discount_rate_per_year"])
    used, start, share = a["utilisation_frac"], a["start_month"], a["committed_frac"]
    leave, end = a["leave_month"], start + a["term_months"]
    if not renews:
        leave = xp.minimum(leave, end)
    owed_until = xp.minimum(leave + a["notice_months"], end)
    work = _ramped(xp, rows, a["ramp_months"], start, leave)
    in_term = _ramped(xp, rows, a["ramp_months"], start, xp.minimum(leave, end))
    owed = _ramped(xp, rows, a["ramp_months"], start, owed_until)  # worked in or not
    month_hours = n_chips * HOURS_PER_MONTH
    hours = month_hours * work

    years = xp.floor(xp.clip(rows - 1 - start, 0.0, xp.inf) / 12)
    price = xp.exp(years * xp.log1p(-a["step_down_frac_per_year"]))  # over that of the first year
    least = a["minimum_take_frac"]
    taken = xp.maximum(used, least)
    minimum = least * owed * price
    now = at_start(xp, rows)
    left = xp.sum((_ramped(xp, rows, a["ramp_months"], start, end) - owed) * price, axis=0)
    fee = a["exit_fee_frac"] * left * paid_once(xp, rows, owed_until)
    bill = taken * in_term * price + least * ((owed - in_term) * price + fee)
    prepaid = a["prepaid_frac"] * (xp.sum(minimum, axis=0) * now - minimum)  # within the horizon
    extras = 1 + a["extras_frac"]
    return CashFlows(
        flows={
            "commitment": Flow(extras * month_hours * share * a["committed_usd_per_chip_hour"], bill + prepaid),
            "market": Flow(extras * month_hours * used, market_usd * (work - share * in_term)),
            "set-up": Flow(a["setup_usd"], now),
        },
        resale={},
        chip_hours=hours,
        idle_chips=0.0 * hours,
        utilisation_frac=used,
        goodput_frac=a["goodput_frac"],
        discount_rate_per_year=a["discount_rate_per_year"],
        discount_factor=factor,
    )


#: What each input of :func:`rent` may be.
RENT_LIMITS = limits_of(rent)


def _ramped(xp: Namespace, rows: Array, ramp_months: Array, start: Array, stop: Array) -> Any:
    """Return the chips that stand in each month, as a share: from ``start`` on more and more, all after the ramp."""

    def so_far(month: Array) -> Array:  # chip-months since the start, per chip
        since = xp.clip(xp.minimum(month, stop) - start, 0.0, xp.inf)
        rising = xp.minimum(since, ramp_months)
        return since - rising + rising**2 / (2 * xp.where(ramp_months > 0, ramp_months, 1.0))

    return so_far(rows) - so_far(rows - 1)


def _refuse_unclear_price(market: Samples | None, path: object, horizon_months: int) -> None:
    """Refuse no price, two prices, and one whose months could be its samples."""
    if (market is None) == (path is None):
        raise ValueError(
            "give the price as market_usd_per_chip_hour (the same every month) or as market_path_usd_per_chip_hour "
            f"(an entry a month); got {'neither' if market is None else 'both'}"
        )
    if is_array(market) and market.ndim == 1 and market.shape[0] == horizon_months + 1:
        raise ValueError(
            f"market_usd_per_chip_hour has {horizon_months + 1} elements, as many as there are months in "
            f"horizon_months={horizon_months} and its day of decision: for a price that moves from month to month give "
            "market_path_usd_per_chip_hour; for as many samples of a constant price reshape it to (1, samples)"
        )


#: Parts of an owner's cost that are paid while chips stand, and so by a tenant who has bought them.
RUNNING = ("energy", "site rent", "staff", "maintenance")


def buy_out(rented: CashFlows, owned: CashFlows, *, month: Samples, usd: Samples) -> CashFlows:
    """Return a rental whose chips, with their place in the hall, the tenant buys in a month.

    Parameters
    ----------
    rented : CashFlows
        From :func:`gigacluster.cost.rent`, ending in that month.
    owned : CashFlows
        From :func:`gigacluster.cost.own`, of chips delivered when the rental began: what the hardware is worth and how
        long it lasts go by that date.
    month : When the tenant buys, 0 or more; beyond the horizon nothing is bought. [month]
    usd : What he pays, once, 0 or more. [USD]

    Returns
    -------
    CashFlows
        Elements out of range are ``nan``. Since that month running costs, hours and the final sale are the owner's.

    Examples
    --------
    >>> from gigacluster import cost
    >>> terms = {"horizon_months": 24, "discount_rate_per_year": 0.0, "market_usd_per_chip_hour": 2.0}
    >>> rented = cost.rent(n_chips=10, leave_month=12.0, **terms)
    >>> kept = buy_out(rented, cost.rent(n_chips=10, **terms), month=12.0, usd=1e5)
    >>> float(kept.chip_hours.sum() / rented.chip_hours.sum()), float(kept.parts_usd["purchase"][0])
    (2.0, 100000.0)
    """
    xp, a, _ = admit(
        {"month": month, "usd": usd, "hours": rented.chip_hours + owned.chip_hours},
        {"month": NON_NEGATIVE, "usd": NON_NEGATIVE},
    )
    rows = month_rows(xp, a["hours"].shape[0] - 1, a["hours"], a["hours"].ndim - 1)
    since = in_month(xp, rows, a["month"])
    running = {name: owned.flows[name] for name in RUNNING if name in owned.flows}

    def sale(part: Worth) -> Worth:
        return Worth(part.amount_usd, lambda at: part.left(at) * bought(xp, at, a["month"]))

    return CashFlows(
        flows={
            **rented.flows,
            "purchase": Flow(a["usd"], paid_once(xp, rows, a["month"])),
            **{name: Flow(flow.amount_usd, flow.by_month * since) for name, flow in running.items()},
        },
        resale={name: sale(part) for name, part in owned.resale.items()},
        chip_hours=rented.chip_hours + owned.chip_hours * since,
        idle_chips=rented.idle_chips + owned.idle_chips * since,
        utilisation_frac=rented.utilisation_frac,
        goodput_frac=rented.goodput_frac,
        discount_rate_per_year=rented.discount_rate_per_year,
        discount_factor=rented.discount_factor,
    )
