"""Own or rent: the same useful work over the same horizon, and where the answer turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import as_common
from gigacluster.cost.flows import CashFlows, month_rows
from gigacluster.limits import NON_NEGATIVE, POSITIVE, checked
from gigacluster.units import HOURS_PER_MONTH

__all__ = ["BreakEven", "break_even", "deal_size_chips", "deal_usd_per_chip_hour"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BreakEven:
    """Where owning and renting the same useful work cost the same; each of shape (samples,)."""

    #: What renting the owner's useful work costs more than owning; negative where renting is cheaper. [USD]
    saving_usd: Any
    #: Rent, with its extras, below which renting is cheaper. [USD/chip/h]
    rent_usd_per_chip_hour: Any
    #: Share of available time used above which owning beats a rent paid for used time only; above 1: it never does. [1]
    utilisation_frac: Any
    #: First month from which owning and then selling costs less than renting the work done until then, hour by hour at
    #: the rent's levelised price; ``nan`` if there is none within the horizon.
    month: Any


def break_even(owned: CashFlows, rented: CashFlows) -> BreakEven:
    """Compare owning with renting the same useful work, and find where they break even.

    Parameters
    ----------
    owned, rented : CashFlows
        From :func:`gigacluster.cost.own` and :func:`gigacluster.cost.rent`, with the same horizon and discount rate.

    Returns
    -------
    BreakEven
        Elements whose discount rates differ are ``nan``.

    Raises
    ------
    ValueError
        If the horizons differ.

    Notes
    -----
    A rent is proportional to the chips rented, so its bill is scaled to the useful chip-hours of the owned cluster,
    both discounted. Arriving earlier has no worth here: :func:`gigacluster.race.value_of_time` adds it. The break-even
    utilisation takes the rent as paid for used time only, so a take-or-pay term makes it an upper bound.
    """
    months, other = owned.spend_usd.shape[0] - 1, rented.spend_usd.shape[0] - 1
    if months != other:
        raise ValueError(f"owned runs over {months} months and rented over {other}; use one horizon_months for both")
    xp, (own_rate, rent_rate) = as_common(owned.discount_rate_per_year, rented.discount_rate_per_year)
    same = xp.abs(own_rate - rent_rate) <= 1e-12
    owned_usd = xp.where(same, owned.net_present_usd, xp.nan)
    owned_hours = owned.present_chip_hours * owned.useful_frac
    hour_usd = rented.usd_per_useful_chip_hour
    rented_usd = hour_usd * owned_hours
    work_so_far = xp.cumulative_sum(owned.discount_factor * owned.chip_hours, axis=0) * owned.useful_frac
    dearer = owned.so_far_usd - owned.discount_factor * owned.exit_usd > hour_usd * work_so_far
    rows = month_rows(xp, months, owned_usd)
    last_dearer = xp.max(xp.where(dearer, rows, -1.0), axis=0)
    return BreakEven(
        saving_usd=rented_usd - owned_usd,
        rent_usd_per_chip_hour=owned_usd / owned_hours * rented.useful_frac,
        utilisation_frac=owned.utilisation_frac * owned_usd / xp.where(rented_usd > 0, rented_usd, xp.nan),
        month=xp.where(xp.isfinite(rented_usd - owned_usd) & (last_dearer < months), last_dearer + 1, xp.nan),
    )


def deal_usd_per_chip_hour(value_usd: Any, n_chips: Any, term_months: Any) -> Any:
    """Return what a deal of a known value pays for a chip-hour, for a size and a term.

    Examples
    --------
    >>> round(float(deal_usd_per_chip_hour(10e9, 100_000, 36)), 2)
    3.8
    """
    _, value, chips, months = checked(
        value_usd=(value_usd, NON_NEGATIVE), n_chips=(n_chips, POSITIVE), term_months=(term_months, POSITIVE)
    )
    return value / (chips * months * HOURS_PER_MONTH)


def deal_size_chips(value_usd: Any, usd_per_chip_hour: Any, term_months: Any) -> Any:
    """Return how many chips a deal must hold to cost a given price an hour: with more, the deal is cheaper than that.

    Examples
    --------
    >>> round(float(deal_size_chips(10e9, 3.80, 36)), -2)
    100100.0
    """
    _, value, hour_usd, months = checked(
        value_usd=(value_usd, NON_NEGATIVE),
        usd_per_chip_hour=(usd_per_chip_hour, POSITIVE),
        term_months=(term_months, POSITIVE),
    )
    return value / (hour_usd * months * HOURS_PER_MONTH)
