"""Month-by-month money: the record of one way to get compute, and the schedules it is made of.

Rows are months 0 (the decision) to ``horizon_months``; what happens during a month is paid at its end, so row t is
discounted by (1 + r)^(-t/12). Amounts are nominal dollars, paid is positive, taxes are left out. Months are the first
axis of every schedule, samples the last; inputs of shape (options, samples) put their options between the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gigacluster.arrays import AnyArray, Array, Mask, Namespace, Samples, as_common, namespace_of, place_of
from gigacluster.limits import Limit
from gigacluster.units import SECONDS_PER_HOUR

#: Of a month that may never come, and a power without a limit.
OR_INFINITE = Limit(0.0, math.inf, "0 or more")


@dataclass(frozen=True, eq=False, slots=True)
class Flow:
    """Money that follows a schedule: an amount, times the part of it that falls into each month."""

    #: Of shape (samples,) or of none. [USD]
    amount_usd: Samples
    #: Of shape (months + 1, samples) or (months + 1, 1). [1]
    by_month: Array


@dataclass(frozen=True, eq=False, slots=True)
class Worth:
    """What a sale at the end of a month would bring, worked out for the months that are asked for."""

    #: Of shape (samples,) or of none. [USD]
    amount_usd: Samples
    #: From months to the share that is left then. [1]
    left: Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class CashFlows:
    """What one way to get compute costs and gives, month by month.

    Arrays by month have shape (months + 1, samples), or (months + 1, 1) where no input has samples.
    """

    #: What is paid, by name; an income is negative.
    flows: Mapping[str, Flow]
    #: What a sale of everything at the end of a month would bring, by name, less open debt; none for rent.
    resale: Mapping[str, Worth]
    #: Hours of chips that can work in each month: those that stand, have power and have not worn out. [chip h]
    chip_hours: Array
    #: Chips that stand and are paid for without power, on average over each month. [chip]
    idle_chips: Array
    #: Share of these hours that is used, and share of the used ones that moves training forward. [1]
    utilisation_frac: Samples
    goodput_frac: Samples
    #: Yearly nominal rate that discounts. [1/year]
    discount_rate_per_year: Array
    #: Factor from each month's money to present money. [1]
    discount_factor: Array

    @cached_property
    def spend_usd(self) -> Array:
        """Money paid in each month. [USD]"""
        return _by_month_usd(self.flows)

    @cached_property
    def exit_usd(self) -> Array:
        """What a sale of everything would bring at the end of each month, less open debt; 0 for rent. [USD]"""
        rows = self._rows
        return sum((part.amount_usd * part.left(rows) for part in self.resale.values()), start=0.0 * self.chip_hours)

    @cached_property
    def sale_usd(self) -> dict[str, Array]:
        """What the final sale brings, by name. [USD]"""
        last = self._rows[-1, ...]
        return {name: part.amount_usd * part.left(last) for name, part in self.resale.items()}

    @property
    def _rows(self) -> Array:
        hours = self.chip_hours
        return month_rows(namespace_of(hours), hours.shape[0] - 1, hours, hours.ndim - 1)

    @cached_property
    def parts_usd(self) -> dict[str, Array]:
        """Present value of each part, by name; they add up to ``net_present_usd``. [USD]"""
        xp, factor = namespace_of(self.discount_factor), self.discount_factor
        shares = {id(flow.by_month): xp.sum(factor * flow.by_month, axis=0) for flow in self.flows.values()}
        parts = {name: flow.amount_usd * shares[id(flow.by_month)] for name, flow in self.flows.items()}
        for name, usd in self.sale_usd.items():  # a loan is paid back at the sale; everything else is sold
            part = name if name in parts else "sale"
            parts[part] = parts.get(part, 0.0) - factor[-1, ...] * usd
        return parts

    @property
    def so_far_usd(self) -> Array:
        """Present value of what was paid by the end of each month, nothing sold. [USD]"""
        xp = namespace_of(self.spend_usd)
        return xp.cumulative_sum(self.discount_factor * self.spend_usd, axis=0)

    @cached_property
    def net_present_usd(self) -> Array:
        """Present value of all payments less the final sale. [USD]"""
        first, *others = self.parts_usd.values()
        return sum(others, start=first)

    def nominal_usd(self, *names: str) -> Array:
        """Return the dollars that leave for these parts, or for all, whenever they do: not discounted. [USD]"""
        xp = namespace_of(self.discount_factor)
        first, *others = (self.flows[name] for name in names or self.flows)
        paid_usd = first.amount_usd * xp.sum(first.by_month, axis=0)
        return sum((flow.amount_usd * xp.sum(flow.by_month, axis=0) for flow in others), start=paid_usd)

    @property
    def useful_frac(self) -> Samples:
        """Share of the chip-hours that moves training forward. [1]"""
        return self.utilisation_frac * self.goodput_frac

    @property
    def useful_chip_hours(self) -> Array:
        """Chip-hours that move training forward, in each month. [chip h]"""
        return self.chip_hours * self.useful_frac

    @cached_property
    def present_chip_hours(self) -> Array:
        """Chip-hours discounted like money, so that dollars per hour level early and late work. [chip h]

        ``nan`` where nothing works within the horizon.
        """
        xp = namespace_of(self.chip_hours)
        hours = xp.sum(self.discount_factor * self.chip_hours, axis=0)
        return xp.where(hours > 0, hours, xp.nan)

    @property
    def usd_per_chip_hour(self) -> Array:
        """Levelised cost of an available chip-hour. [USD/chip/h]"""
        return self.net_present_usd / self.present_chip_hours

    @property
    def usd_per_useful_chip_hour(self) -> Array:
        """Levelised cost of a chip-hour that moves training forward. [USD/chip/h]"""
        return self.usd_per_chip_hour / self.useful_frac

    def with_income(self, income_usd: Array, name: str = "lease") -> CashFlows:
        """Return these flows with an income taken off, such as the lease of an owned cluster.

        Parameters
        ----------
        income_usd : shape (months + 1,) or (months + 1, samples)
            Received in each month, month 0 included. [USD] Chips that are let out still count in ``chip_hours``.
        name : Its name among ``flows`` and ``parts_usd``.

        Raises
        ------
        ValueError
            If the income has another number of months.
        """
        xp, (income, hours) = as_common(income_usd, self.chip_hours)
        path = by_month(xp, "income_usd", income, hours.shape[0] - 1, hours.ndim)
        return replace(self, flows={**self.flows, name: Flow(-1.0, path)})

    def let_out(self, from_month: Samples, usd_per_chip_hour: Samples, let_frac: Samples = 1.0) -> CashFlows:
        """Return these flows with all chips let to others from a month on: their hours are gone, their rent comes in.

        Parameters
        ----------
        from_month : Infinity for never. [month]
        usd_per_chip_hour, let_frac : Rent, and the share of the hours that finds a tenant. [USD/chip/h], [1]
        """
        xp, (start, usd, share, hours) = as_common(from_month, usd_per_chip_hour, let_frac, self.chip_hours)
        rows = month_rows(xp, hours.shape[0] - 1, hours, hours.ndim - 1)
        let_hours = in_month(xp, rows, start) * hours
        income = Flow(-usd * share, let_hours)
        return replace(self, flows={**self.flows, "letting": income}, chip_hours=hours - let_hours)

    def usd_per_useful_flop(self, flop_per_s_per_chip: Samples) -> Array:
        """Levelised cost of a useful FLOP, for chips that reach this rate while they train. [USD/FLOP]"""
        return self.usd_per_useful_chip_hour / (SECONDS_PER_HOUR * flop_per_s_per_chip)

    def usd_per_run(self, run_flop: Samples, flop_per_s_per_chip: Samples) -> Array:
        """Cost of a training run of ``run_flop``, for chips that reach this rate while they train. [USD]"""
        return run_flop * self.usd_per_useful_flop(flop_per_s_per_chip)

    def finish_month(self, run_chip_hours: Samples, *, waits: bool = False) -> Array:
        """Return when a run is done that starts with the first chips and takes more as they come.

        Parameters
        ----------
        run_chip_hours : Useful chip-hours that the run needs, more than 0. [chip h]
        waits : Whether the run starts with the first whole month in which all chips work instead.

        Returns
        -------
        array, shape (samples,)
            Months after the decision; ``nan`` where the horizon ends before the run. The chips of a month are taken
            as spread evenly over it.

        Examples
        --------
        >>> from gigacluster import cost
        >>> rented = cost.rent(n_chips=10, horizon_months=12, start_month=3.0, market_usd_per_chip_hour=2.0,
        ...                    discount_rate_per_year=0.1)
        >>> float(rented.finish_month(10 * 2 * 730.5)[0])  # ten chips for two months
        5.0
        """
        xp, (need, hours) = as_common(run_chip_hours, self.useful_chip_hours)
        if waits:
            is_whole = hours >= (1 - 1e-9) * xp.max(hours, axis=0)
            hours = xp.where(xp.cumulative_sum(xp.astype(is_whole, xp.float64), axis=0) > 0, hours, 0.0)
        done = xp.cumulative_sum(hours, axis=0)
        left = need - (done - hours)  # at the start of each month
        taken = xp.where(hours > 0, left / xp.where(hours > 0, hours, 1.0), xp.astype(left > 0, xp.float64))
        months = xp.sum(xp.clip(taken, 0.0, 1.0)[1:, ...], axis=0)
        return xp.where((done[-1, ...] >= need) & (need > 0), months, xp.nan)


def _by_month_usd(flows: Mapping[str, Flow]) -> Array:
    """Add up flows month by month; what shares a schedule is added before it is spread."""
    schedules = {id(flow.by_month): flow.by_month for flow in flows.values()}
    amounts: dict[int, Samples] = {}
    for flow in flows.values():
        amounts[id(flow.by_month)] = amounts.get(id(flow.by_month), 0.0) + flow.amount_usd
    first, *others = (amounts[key] * schedule for key, schedule in schedules.items())
    return sum(others, start=first)


def check_horizon(horizon_months: int) -> None:
    """Refuse a horizon that is no whole number of months."""
    if isinstance(horizon_months, bool) or int(horizon_months) != horizon_months or horizon_months < 1:
        raise ValueError(f"horizon_months must be a whole number of months, 1 or more, got {horizon_months!r}")


def month_rows(xp: Namespace, horizon_months: int, like: AnyArray, ndim: int) -> Array:
    """Return the months 0 to ``horizon_months`` on a first axis before ``ndim`` others, on the device of ``like``."""
    rows = xp.arange(int(horizon_months) + 1, dtype=xp.float64, **place_of(xp, like))
    return xp.reshape(rows, (-1, *(1,) * max(ndim, 1)))


def by_month(xp: Namespace, name: str, values: Array, horizon_months: int, ndim: int) -> Array:
    """Return what a caller gives month by month with its months first and as many axes as the rows have."""
    months = int(horizon_months) + 1
    if values.ndim == 0 or values.shape[0] != months:
        raise ValueError(
            f"{name} has the shape {values.shape}; over horizon_months={horizon_months} its first axis is the {months} "
            "months, month 0 (the decision) included"
        )
    return xp.reshape(values, (months, *(1,) * (ndim - values.ndim), *values.shape[1:]))


def first_lasting_month(xp: Namespace, behind: Mask) -> Array:
    """Return the first month from which ``behind`` holds no more, or ``nan`` if it holds at the end of the horizon."""
    rows = month_rows(xp, behind.shape[0] - 1, behind, behind.ndim - 1)
    last = xp.max(xp.where(behind, rows, -1.0), axis=0)
    return xp.where(last < behind.shape[0] - 1, last + 1, xp.nan)


def discount(xp: Namespace, rows: Array, rate_per_year: Array) -> Array:
    """Return (1 + rate)^(-month/12)."""
    return xp.exp(-rows / 12 * xp.log1p(rate_per_year))


def paid_once(xp: Namespace, rows: Array, month: Array) -> Array:
    """Return the share of a payment due at ``month`` that falls into each row; a fraction is split over two rows."""
    return xp.clip(1 - xp.abs(rows - month), 0.0, xp.inf)


def bought(xp: Namespace, rows: Array, month: Array) -> Array:
    """Return the share already paid for at each row: the running sum of :func:`paid_once`."""
    return xp.clip(1 + rows - month, 0.0, 1.0)


def in_month(xp: Namespace, rows: Array, start: Array, stop: Array | None = None) -> Array:
    """Return the share of the month that ends at each row during which something from ``start`` to ``stop`` runs."""
    running = xp.clip(rows - start, 0.0, 1.0)
    return running if stop is None else running - xp.clip(rows - stop, 0.0, 1.0)


def paid_evenly(xp: Namespace, rows: Array, until: Array) -> Array:
    """Return the share of a payment spread evenly from month 0 to ``until`` that falls into each row.

    Every instant of it is split between the two ends of its month, as :func:`paid_once` does, so that a payment over a
    shorter and shorter time becomes one at once.
    """

    def before(month: Array) -> Array:  # integral of max(1 - |t|, 0) up to a month
        rising, falling = xp.clip(month + 1, 0.0, 1.0), xp.clip(month, 0.0, 1.0)
        return rising**2 / 2 + falling - falling**2 / 2

    at_once = until < 1e-6  # of a month: the difference below would be rounding alone
    spread = (before(until - rows) - before(-rows)) / xp.where(at_once, 1.0, until)
    return xp.where(at_once, at_start(xp, rows), spread)


def at_start(xp: Namespace, rows: Array) -> Array:
    """Return 1 in row 0 and 0 in the others."""
    return xp.astype(rows == 0, xp.float64)
