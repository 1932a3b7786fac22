"""To rent a cluster: on demand, under a term, prepaid or take-or-pay, at a price that moves."""

from __future__ import annotations

from typing import Any

from gigacluster.arrays import is_array
from gigacluster.cost.flows import CashFlows, at_start, check_horizon, discount, in_month, month_rows
from gigacluster.limits import NON_NEGATIVE, POSITIVE, POSITIVE_SHARE, SHARE, Limit, admit
from gigacluster.units import HOURS_PER_MONTH

__all__ = ["RENT_LIMITS", "rent"]

#: What each input of :func:`rent` may be.
RENT_LIMITS = {
    "n_chips": POSITIVE,
    "start_month": NON_NEGATIVE,
    "market_usd_per_chip_hour": NON_NEGATIVE,
    "discount_rate_per_year": NON_NEGATIVE,
    "committed_frac": SHARE,
    "committed_usd_per_chip_hour": NON_NEGATIVE,
    "term_months": NON_NEGATIVE,
    "minimum_take_frac": SHARE,
    "prepaid_frac": SHARE,
    "extras_frac": NON_NEGATIVE,
    "setup_usd": NON_NEGATIVE,
    "goodput_frac": POSITIVE_SHARE,
    "utilisation_frac": POSITIVE_SHARE,
}


def rent(
    *,
    n_chips: Any,
    horizon_months: int,
    market_usd_per_chip_hour: Any,
    discount_rate_per_year: Any,
    start_month: Any = 0.0,
    committed_frac: Any = 0.0,
    committed_usd_per_chip_hour: Any = 0.0,
    term_months: Any = 0.0,
    minimum_take_frac: Any = 1.0,
    prepaid_frac: Any = 0.0,
    extras_frac: Any = 0.0,
    setup_usd: Any = 0.0,
    goodput_frac: Any = 1.0,
    utilisation_frac: Any = 1.0,
) -> CashFlows:
    """Cash flows of renting a cluster from the decision (month 0) to ``horizon_months``.

    Parameters
    ----------
    n_chips : float or array
        Chips rented. [chip]
    horizon_months : int
        Months from the decision to the end of the comparison. [month]
    market_usd_per_chip_hour : float or array
        Price of what is not under a term: a number, one a sample, or a path of shape (horizon_months + 1, samples)
        whose row t is the price during the month that ends at t. [USD/chip/h]
    discount_rate_per_year : float or array
        Nominal yearly rate: that of the owned cluster it is compared with. [1/year]
    start_month : float or array, default 0
        When the rented chips start to work, below ``horizon_months``. [month]
    committed_frac, committed_usd_per_chip_hour, term_months : float or array, default 0
        Share of the chips under a term, its fixed price, its length from the start. Later they pay the market.
    minimum_take_frac : float or array, default 1
        Share of the committed hours that is paid whether used or not (take or pay). [1]
    prepaid_frac : float or array, default 0
        Share of the committed minimum that is paid at the decision and taken off each month's bill. [1]
    extras_frac : float or array, default 0
        Storage, network traffic and support, as a share of the chips' bill. [1]
    setup_usd : float or array, default 0
        Paid once, at the decision. [USD]
    goodput_frac, utilisation_frac : float or array
        Share of used time that moves training forward; share of available time that is used. [1]

    Returns
    -------
    CashFlows
        Elements with an input out of range are ``nan``. The sale at the end is 0.

    Raises
    ------
    ValueError
        If a plain number is out of range, or a price path has another number of months.

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
    in_time = Limit(0.0, horizon_months, f"from 0 to below horizon_months={horizon_months}", high_included=False)
    xp, a, valid = admit(given, RENT_LIMITS | {"start_month": in_time})
    path = a["market_usd_per_chip_hour"]
    rows = month_rows(xp, horizon_months, path)
    if is_array(market_usd_per_chip_hour) and path.ndim == 2 and path.shape[0] != rows.shape[0]:
        raise ValueError(
            f"market_usd_per_chip_hour has {path.shape[0]} months; a path over horizon_months={horizon_months} has "
            f"{rows.shape[0]}, month 0 included"
        )
    factor = discount(xp, rows, a["discount_rate_per_year"])
    used, start, share = a["utilisation_frac"], a["start_month"], a["committed_frac"]
    work = in_month(xp, rows, start)
    term = in_month(xp, rows, start, start + a["term_months"])
    month_hours = a["n_chips"] * HOURS_PER_MONTH

    full_usd = month_hours * share * a["committed_usd_per_chip_hour"]  # of a month that is taken in full
    taken = xp.where(used > a["minimum_take_frac"], used, a["minimum_take_frac"])
    prepaid = a["prepaid_frac"] * a["minimum_take_frac"]
    now = at_start(xp, rows)
    term_months = xp.sum(term, axis=0)  # the part of the term within the horizon
    commitment = (taken - prepaid) * term + prepaid * term_months * now
    market = path * (work - share * term)
    extras = 1 + a["extras_frac"]
    spend_usd = extras * (full_usd * commitment + month_hours * used * market) + a["setup_usd"] * now
    spend_usd = xp.where(valid, spend_usd, xp.nan)

    parts_usd = {
        "commitment": extras * full_usd * xp.sum(factor * commitment, axis=0),
        "market": extras * month_hours * used * xp.sum(factor * market, axis=0),
        "set-up": a["setup_usd"] + 0.0 * month_hours,
    }
    sample_valid = xp.all(xp.isfinite(spend_usd), axis=0)
    return CashFlows(
        spend_usd=spend_usd,
        exit_usd=0.0 * spend_usd,
        chip_hours=month_hours * work,
        utilisation_frac=used,
        goodput_frac=a["goodput_frac"],
        discount_rate_per_year=a["discount_rate_per_year"],
        discount_factor=factor,
        parts_usd={name: xp.where(sample_valid, usd, xp.nan) for name, usd in parts_usd.items()},
    )
