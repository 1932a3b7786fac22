"""What money costs: a weighted cost of capital, or the service of a loan; never both in one account."""

from __future__ import annotations

from typing import Any

from gigacluster.arrays import Array, Namespace
from gigacluster.cost.flows import in_month, paid_once
from gigacluster.limits import NonNegative, Share, checked


def weighted_cost_of_capital(
    debt_frac: Share, debt_effective_rate_per_year: NonNegative, equity_rate_per_year: NonNegative
) -> Any:
    """Return the nominal rate that discounts cash flows without interest.

    Parameters
    ----------
    debt_frac : Share of the capital that is lent, 0 to 1. [1]
    debt_effective_rate_per_year, equity_rate_per_year
        Nominal yearly cost of debt and of equity, effective, 0 or more. [1/year] An APR that is paid by the month is
        (1 + APR / 12)^12 - 1 effective. Taxes are left out, so interest saves none.

    Examples
    --------
    >>> round(float(weighted_cost_of_capital(0.6, 0.11, 0.15)), 3)
    0.126
    """
    _, (lent, debt_rate, equity_rate) = checked(
        weighted_cost_of_capital, debt_frac, debt_effective_rate_per_year, equity_rate_per_year
    )
    return lent * debt_rate + (1 - lent) * equity_rate


def annuity_factor(xp: Namespace, rate_per_year: Array, months: Array) -> Any:
    """Return the value of one dollar a month for ``months``, one month before the first; months may be 0."""
    per_month = xp.expm1(xp.log1p(rate_per_year) / 12)
    earned = -xp.expm1(-months / 12 * xp.log1p(rate_per_year))
    return xp.where(per_month == 0, months, earned / xp.where(per_month == 0, 1.0, per_month))


def loan(xp: Namespace, rows: Array, month: Array, rate_per_year: Array, months: Array) -> tuple[Any, Any]:
    """Return, by month and per dollar lent at ``month``: payments less the sum received, and what is still owed.

    A loan drawn within a month is two loans, drawn at its two ends, so its value at its own rate is exactly 0.
    """
    payment = 1 / annuity_factor(xp, rate_per_year, months)
    service: Any = -paid_once(xp, rows, month)
    owed: Any = 0.0
    first = xp.floor(month)
    for start, share in ((first, 1 - (month - first)), (first + 1, month - first)):
        left = xp.clip(start + months - rows, 0.0, months)
        service = service + share * payment * in_month(xp, rows, start, start + months)
        owed = owed + xp.where(rows >= start, share * payment * annuity_factor(xp, rate_per_year, left), 0.0)
    return service, owed
