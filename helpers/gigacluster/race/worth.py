"""What a month of lead is worth: a stated, replaceable model, beside what the speed costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gigacluster.limits import NON_NEGATIVE, POSITIVE, admit, checked

__all__ = ["TimeValue", "constant_value", "fading_value", "value_of_time"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeValue:
    """What arriving earlier is worth, beside what it costs; each of shape (samples,)."""

    #: Worth of the months gained. [USD]
    worth_usd: Any
    #: Worth less the extra cost; positive where speed justifies the cost. [USD]
    net_usd: Any
    #: Worth of the first month of lead at which both are equal; 0 where speed costs nothing extra. [USD/month]
    needed_usd_per_month: Any


def constant_value(lead_months: Any) -> Any:
    """Return the worth of a lead in units of its first month, if every month of it earns the same."""
    return lead_months


def fading_value(half_life_months: Any) -> Callable[[Any], Any]:
    """Return a model of the worth of a lead whose months earn less and less.

    Parameters
    ----------
    half_life_months : float or array
        Months after which a month of lead earns half: rivals catch up, and models age. [month]

    Returns
    -------
    callable
        Takes months of lead and returns its worth in units of the first month: the integral of
        0.5^(t / half-life) from 0 to the lead.
    """

    def worth(lead_months: Any) -> Any:
        xp, half_life, lead = checked(half_life_months=(half_life_months, POSITIVE), lead=(lead_months, NON_NEGATIVE))
        per_month = math.log(2) / half_life
        return -xp.expm1(-per_month * lead) / per_month

    return worth


def value_of_time(
    *,
    lead_months: Any,
    months_gained: Any,
    usd_per_month: Any,
    extra_cost_usd: Any = 0.0,
    model: Callable[[Any], Any] = constant_value,
) -> TimeValue:
    """Say what arriving earlier is worth, and what a month must be worth for that to pay its cost.

    Parameters
    ----------
    lead_months : float or array
        Lead of the faster choice when it arrives: months until it is matched, see :func:`lead_months`. [month]
    months_gained : float or array
        How much earlier the faster choice arrives; negative where it arrives later. [month]
    usd_per_month : float or array
        What the first month of lead earns, or a month of delay costs: an assumption of the reader. [USD/month]
    extra_cost_usd : float or array, default 0
        What the faster choice costs more for the same work; negative where it is cheaper. [USD] From the comparison
        of costs, such as minus the saving of :func:`gigacluster.cost.break_even`.
    model : callable, default :func:`constant_value`
        Months of lead to worth in units of the first month; :func:`fading_value` is another. Any function that
        rises from 0 will do.

    Returns
    -------
    TimeValue
        Elements out of range are ``nan``.

    Notes
    -----
    The slower choice keeps a lead that is shorter by the months gained, and none if it arrives after the match:
    worth = usd_per_month * (model(lead) - model(max(lead - gained, 0))). No published model prices the lead of a
    cluster; this one is a statement to be replaced.

    Examples
    --------
    >>> early = value_of_time(lead_months=9.0, months_gained=6.0, usd_per_month=100e6, extra_cost_usd=300e6)
    >>> float(early.worth_usd) / 1e6, float(early.needed_usd_per_month) / 1e6
    (600.0, 50.0)
    """
    xp, a, _ = admit(
        {
            "lead_months": lead_months,
            "months_gained": months_gained,
            "usd_per_month": usd_per_month,
            "extra_cost_usd": extra_cost_usd,
        },
        {"lead_months": NON_NEGATIVE, "usd_per_month": NON_NEGATIVE},
    )
    lead, gained, month_usd, extra_usd = a.values()
    first_months = model(lead) - model(xp.clip(lead - gained, 0.0, None))  # the worth, in units of the first month
    worth_usd = month_usd * first_months
    needed = extra_usd / xp.where(first_months > 0, first_months, xp.nan)
    return TimeValue(
        worth_usd=worth_usd,
        net_usd=worth_usd - extra_usd,
        needed_usd_per_month=xp.where(extra_usd <= 0, 0.0 * first_months, needed),
    )
