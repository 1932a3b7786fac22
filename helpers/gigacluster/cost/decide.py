"""Own, rent, or neither: every option on one clock, with the worth of compute as an input.

An option is a ramp of working chips and the cash that it takes, month by month and unscaled. Two answers stand side by
side and are never added: what renting the owner's useful work would cost more than owning it, which counts no time;
and the difference of the two options' own worths, which counts the months in which one of them works and the other
waits. They are equal where compute is worth what the tenant pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gigacluster.arrays import Array, Namespace, Samples, as_common, namespace_of
from gigacluster.cost.flows import CashFlows, by_month, first_lasting_month, month_rows
from gigacluster.limits import NON_NEGATIVE, NonNegative, Positive, admit, checked
from gigacluster.units import HOURS_PER_MONTH

#: Rates of return are sought between these, as ln(1 + rate): a loss of 95 % and a gain of 147 times a year; and the
#: steps of the search: the slowest of 32,000 random flows, costs among their gains, took twelve to reach rounding.
_LOWEST, _HIGHEST, _STEPS = -3.0, 5.0, 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Appraisal:
    """One option beside doing neither, which costs and earns nothing; each of shape (samples,).

    What is counted month by month is computed when it is asked for: it takes far longer than all sums together.
    """

    flows: CashFlows
    #: Worth of a useful chip-hour: at the decision, and in each month over that. [USD/chip/h], [1]
    hour_usd: Array
    worth_by_month: Array

    @cached_property
    def worth_usd(self) -> Array:
        """Present worth of its useful compute. [USD]"""
        flows, xp = self.flows, namespace_of(self.flows.chip_hours)
        factor = flows.discount_factor * self.worth_by_month if self.worth_by_month.ndim else flows.discount_factor
        return self.hour_usd * flows.useful_frac * xp.sum(factor * flows.chip_hours, axis=0)

    @property
    def cost_usd(self) -> Array:
        """Present value of all its payments less the final sale. [USD]"""
        return self.flows.net_present_usd

    @property
    def net_usd(self) -> Array:
        """Net present value beside doing neither. [USD]"""
        return self.worth_usd - self.cost_usd

    @property
    def useful_chip_hours(self) -> Array:
        """Compute that moves training forward within the horizon, not discounted. [chip h]"""
        xp = namespace_of(self.flows.chip_hours)
        return self.flows.useful_frac * xp.sum(self.flows.chip_hours, axis=0)

    @cached_property
    def gain_by_month_usd(self) -> Array:
        """Worth of the compute of each month less what is paid in it, nothing sold. [USD]"""
        return self.hour_usd * self.worth_by_month * self.flows.useful_chip_hours - self.flows.spend_usd

    @cached_property
    def return_per_year(self) -> Any:
        """Yearly rate at which worth and payments balance; ``nan`` where no single rate does. [1/year]"""
        xp, gain = namespace_of(self.gain_by_month_usd), self.gain_by_month_usd
        rows = month_rows(xp, gain.shape[0] - 1, gain, gain.ndim - 1)
        sale_usd = sum(self.flows.sale_usd.values())
        return _internal_rate(xp, gain + xp.where(rows == gain.shape[0] - 1, sale_usd, 0.0))

    @cached_property
    def payback_month(self) -> Any:
        """First month from which the compute was worth more than all that was paid, nothing sold; ``nan`` if never."""
        xp = namespace_of(self.gain_by_month_usd)
        return first_lasting_month(xp, ~(xp.cumulative_sum(self.gain_by_month_usd, axis=0) >= 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """Owning beside renting beside neither; each array of shape (samples,)."""

    own: Appraisal
    rent: Appraisal
    #: Time not counted: what renting the owner's useful work would cost more than owning it. [USD]
    same_work_usd: Any
    #: Price of the rent at which that is 0, over the price it has; below 1 owning is cheaper. [1]
    parity_frac: Any
    #: Share of available time used above which owning beats a rent paid for used time only; above 1: it never does. [1]
    utilisation_frac: Any
    #: Worth of a useful chip-hour from which owning is better with time counted; ``nan`` where it gives no more
    #: compute. [USD/chip/h]
    needed_usd_per_useful_chip_hour: Any

    @property
    def advantage_usd(self) -> Any:
        """Time counted: net present value of owning less that of renting, each with its own months. [USD]"""
        return self.own.net_usd - self.rent.net_usd

    @cached_property
    def month(self) -> Array:
        """First month from which owning and then selling costs less than renting the work done until then.

        Hour by hour at the rent's levelised price; ``nan`` if there is none within the horizon.
        """
        owned = self.own.flows
        xp, factor = namespace_of(owned.chip_hours), owned.discount_factor
        work_so_far = xp.cumulative_sum(factor * owned.useful_chip_hours, axis=0)
        sold_usd = owned.so_far_usd - factor * owned.exit_usd
        behind = ~(sold_usd <= self.rent.flows.usd_per_useful_chip_hour * work_so_far)
        return xp.where(xp.isfinite(self.same_work_usd), first_lasting_month(xp, behind), xp.nan)


def appraise(flows: CashFlows, usd_per_useful_chip_hour: Samples, worth_by_month: Samples = 1.0) -> Appraisal:
    """Value one option beside doing neither.

    Parameters
    ----------
    flows : CashFlows
        From :func:`gigacluster.cost.own` or :func:`gigacluster.cost.rent`.
    usd_per_useful_chip_hour
        What an hour of a chip that moves training forward is worth, 0 or more: an assumption of the reader, or a rent
        that a landlord asks. [USD/chip/h]
    worth_by_month : shape (months + 1,) or (months + 1, samples)
        Factor on that worth in each month, month 0 included: below 1 where compute is worth less later. [1]

    Returns
    -------
    Appraisal
        Elements out of range are ``nan``.

    Raises
    ------
    ValueError
        If a plain number is out of range, or ``worth_by_month`` has another number of months.

    Examples
    --------
    >>> from gigacluster import cost
    >>> rented = cost.rent(n_chips=10, horizon_months=12, market_usd_per_chip_hour=2.0, discount_rate_per_year=0.1)
    >>> bool(abs(appraise(rented, 2.0).net_usd[0]) < 1e-6)
    True
    """
    hours = flows.chip_hours
    xp, named, _ = admit(
        {"usd_per_useful_chip_hour": usd_per_useful_chip_hour, "worth_by_month": worth_by_month, "hours": hours},
        {"usd_per_useful_chip_hour": NON_NEGATIVE},
    )
    hour_usd, path, hours = named.values()
    if path.ndim:
        path = by_month(xp, "worth_by_month", path, hours.shape[0] - 1, hours.ndim)
    return Appraisal(flows=flows, hour_usd=hour_usd, worth_by_month=path)


def decide(owned: CashFlows, rented: CashFlows, *, usd_per_useful_chip_hour: Samples) -> Decision:
    """Set owning beside renting and beside neither.

    Parameters
    ----------
    owned, rented : CashFlows
        From :func:`gigacluster.cost.own` and :func:`gigacluster.cost.rent`, with the same horizon and discount rate.
    usd_per_useful_chip_hour
        What an hour of a chip that moves training forward is worth, whoever owns it, 0 or more. [USD/chip/h]

    Returns
    -------
    Decision
        Elements out of range, or whose discount rates differ, are ``nan``.

    Raises
    ------
    ValueError
        If the horizons differ, or a plain number is out of range.

    Notes
    -----
    With w the worth of a useful hour, H and C the present useful hours and cost of each option:
    advantage = w (H_own - H_rent) - (C_own - C_rent), and same work = C_rent H_own / H_rent - C_own. They meet at
    w = C_rent / H_rent; at w = 0 the first is the difference of the bills. The break-even utilisation takes the rent as
    paid for used time only, so a take-or-pay term makes it an upper bound.

    Examples
    --------
    >>> from gigacluster import cost
    >>> terms = {"horizon_months": 12, "discount_rate_per_year": 0.0, "market_usd_per_chip_hour": 2.0}
    >>> early, late = cost.rent(n_chips=10, **terms), cost.rent(n_chips=10, start_month=6.0, **terms)
    >>> found = decide(early, late, usd_per_useful_chip_hour=3.0)
    >>> float(found.same_work_usd[0]), round(float(found.advantage_usd[0]))  # six months at a gain of one dollar
    (0.0, 43830)
    """
    months, other = owned.chip_hours.shape[0] - 1, rented.chip_hours.shape[0] - 1
    if months != other:
        raise ValueError(f"owned runs over {months} months and rented over {other}; use one horizon_months for both")
    own, rent = (appraise(flows, usd_per_useful_chip_hour) for flows in (owned, rented))
    xp, (own_rate, rent_rate) = as_common(owned.discount_rate_per_year, rented.discount_rate_per_year)
    own_usd = xp.where(xp.abs(own_rate - rent_rate) <= 1e-12, owned.net_present_usd, xp.nan)
    own_hours = owned.present_chip_hours * owned.useful_frac
    rent_hours = rented.present_chip_hours * rented.useful_frac
    hour_usd = rented.usd_per_useful_chip_hour
    same_usd = hour_usd * own_hours - own_usd
    parity = own_usd / xp.where(hour_usd > 0, hour_usd * own_hours, xp.nan)
    extra_usd, extra_hours = own_usd - rented.net_present_usd, own_hours - rent_hours
    needed = xp.clip(extra_usd, 0.0, None) / xp.where(extra_hours > 0, extra_hours, xp.nan)
    return Decision(
        own=own,
        rent=rent,
        same_work_usd=same_usd,
        parity_frac=parity,
        utilisation_frac=owned.utilisation_frac * parity,
        needed_usd_per_useful_chip_hour=needed,
    )


def _internal_rate(xp: Namespace, net_usd: Array) -> Any:
    """Return the yearly rate at which flows by month are worth nothing.

    Flows whose running sum changes its sign more than once may have several such rates: they have none here. Otherwise
    Newton's method finds where the logarithms of what comes in and of what goes out meet, nearly straight lines in
    ln(1 + rate); a step that leaves the bracket is replaced by its middle.
    """
    so_far = xp.cumulative_sum(net_usd, axis=0)
    before = so_far - net_usd
    turns = [
        xp.sum(xp.astype(now != then, xp.float64), axis=0)  # nothing paid or earned yet counts as either
        for now, then in ((so_far > 0, before > 0), (so_far >= 0, before >= 0))
    ]
    rows = month_rows(xp, net_usd.shape[0] - 1, net_usd, net_usd.ndim - 1)
    gains, costs = xp.clip(net_usd, 0.0, xp.inf), xp.clip(-net_usd, 0.0, xp.inf)
    both = (xp.sum(gains, axis=0) > 0) & (xp.sum(costs, axis=0) > 0)
    gains, costs = xp.where(both, gains, 1.0), xp.where(both, costs, 1.0)
    late_gains, late_costs = rows / 12 * gains, rows / 12 * costs

    def balance(log_rate: Array) -> tuple[Any, Any]:
        """Return ln(gains / costs) at a rate, and its slope."""
        factor = xp.exp(-rows / 12 * log_rate)
        gain, cost = xp.sum(factor * gains, axis=0), xp.sum(factor * costs, axis=0)
        slope = xp.sum(factor * late_costs, axis=0) / cost - xp.sum(factor * late_gains, axis=0) / gain
        return xp.log(gain / cost), slope

    def pays(log_rate: float) -> Any:
        return xp.sum(xp.exp(-rows / 12 * log_rate) * net_usd, axis=0) > 0

    falls = pays(_LOWEST)  # pay first and earn later: worth more at a low rate
    single = both & (falls != pays(_HIGHEST)) & ((turns[0] <= 1) | (turns[1] <= 1))
    rate = 0.0 * so_far[-1, ...]
    low, high = rate + _LOWEST, rate + _HIGHEST
    for _ in range(_STEPS):
        value, slope = balance(rate)
        beyond = (value > 0) == falls
        low, high = xp.where(beyond, rate, low), xp.where(beyond, high, rate)
        step = rate - value / xp.where(slope != 0, slope, 1.0)
        rate = xp.where((step >= low) & (step <= high), step, (low + high) / 2)
    return xp.where(single & xp.isfinite(so_far[-1, ...]), xp.expm1(rate), xp.nan)


def deal_usd_per_chip_hour(value_usd: NonNegative, n_chips: Positive, term_months: Positive) -> Any:
    """Return what a deal of a known value pays for a chip-hour, for a size and a term.

    Examples
    --------
    >>> round(float(deal_usd_per_chip_hour(10e9, 100_000, 36)), 2)
    3.8
    """
    _, (value, chips, months) = checked(deal_usd_per_chip_hour, value_usd, n_chips, term_months)
    return value / (chips * months * HOURS_PER_MONTH)


def deal_size_chips(value_usd: NonNegative, usd_per_chip_hour: Positive, term_months: Positive) -> Any:
    """Return how many chips a deal must hold to cost a given price an hour: with more, the deal is cheaper than that.

    Examples
    --------
    >>> round(float(deal_size_chips(10e9, 3.80, 36)), -2)
    100100.0
    """
    _, (value, hour_usd, months) = checked(deal_size_chips, value_usd, usd_per_chip_hour, term_months)
    return value / (hour_usd * months * HOURS_PER_MONTH)
