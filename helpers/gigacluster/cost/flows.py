"""Month-by-month money: the record of one way to get compute, and the schedules it is made of.

Rows are months 0 (the decision) to ``horizon_months``; what happens during a month is paid at its end, so row t is
discounted by (1 + r)^(-t/12). Amounts are nominal dollars, paid is positive, taxes are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gigacluster.arrays import as_common, namespace_of
from gigacluster.units import SECONDS_PER_HOUR

__all__ = [
    "CashFlows",
    "at_start",
    "bought",
    "check_horizon",
    "discount",
    "in_month",
    "month_rows",
    "paid_evenly",
    "paid_once",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class CashFlows:
    """What one way to get compute costs and gives, month by month.

    Arrays by month have shape (months + 1, samples), or (months + 1, 1) where no input has samples.
    """

    #: Money paid in each month. [USD]
    spend_usd: Any
    #: What a sale of everything would bring at the end of each month, less open debt; 0 for rent. [USD]
    exit_usd: Any
    #: Hours of chips that can work in each month. [chip h]
    chip_hours: Any
    #: Share of these hours that is used, and share of the used ones that moves training forward. [1]
    utilisation_frac: Any
    goodput_frac: Any
    #: Yearly nominal rate that discounts. [1/year]
    discount_rate_per_year: Any
    #: Factor from each month's money to present money. [1]
    discount_factor: Any
    #: Present value of each part, by name; they add up to ``net_present_usd``. [USD]
    parts_usd: Mapping[str, Any]

    @property
    def cash_usd(self) -> Any:
        """Money paid in each month, with the sale at the end of the last month taken off. [USD]"""
        xp = namespace_of(self.spend_usd)
        return xp.concat([self.spend_usd[:-1, :], self.spend_usd[-1:, :] - self.exit_usd[-1:, :]], axis=0)

    @property
    def so_far_usd(self) -> Any:
        """Present value of what was paid by the end of each month, nothing sold. [USD]"""
        xp = namespace_of(self.spend_usd)
        return xp.cumulative_sum(self.discount_factor * self.spend_usd, axis=0)

    @property
    def net_present_usd(self) -> Any:
        """Present value of all payments less the final sale. [USD]"""
        return sum(self.parts_usd.values())

    @property
    def useful_frac(self) -> Any:
        """Share of the chip-hours that moves training forward. [1]"""
        return self.utilisation_frac * self.goodput_frac

    @property
    def present_chip_hours(self) -> Any:
        """Chip-hours discounted like money, so that dollars per hour level early and late work. [chip h]

        ``nan`` where nothing is delivered within the horizon.
        """
        xp = namespace_of(self.spend_usd)
        hours = xp.sum(self.discount_factor * self.chip_hours, axis=0)
        return xp.where(hours > 0, hours, xp.nan)

    @property
    def usd_per_chip_hour(self) -> Any:
        """Levelised cost of an available chip-hour. [USD/chip/h]"""
        return self.net_present_usd / self.present_chip_hours

    @property
    def usd_per_useful_chip_hour(self) -> Any:
        """Levelised cost of a chip-hour that moves training forward. [USD/chip/h]"""
        return self.usd_per_chip_hour / self.useful_frac

    def with_income(self, income_usd: Any, name: str = "lease") -> CashFlows:
        """Return these flows with an income taken off, such as the lease of an owned cluster.

        Parameters
        ----------
        income_usd : array, shape (months + 1, samples) or (months + 1, 1)
            Received in each month. [USD] Chips that are let out still count in ``chip_hours``.
        name : str, default "lease"
            Its name among ``parts_usd``.
        """
        xp, (spend, income, factor) = as_common(self.spend_usd, income_usd, self.discount_factor)
        parts = {**self.parts_usd, name: -xp.sum(factor * income, axis=0)}
        return replace(self, spend_usd=spend - income, parts_usd=parts)

    def usd_per_useful_flop(self, flop_per_s_per_chip: Any) -> Any:
        """Levelised cost of a useful FLOP, for chips that reach this rate while they train. [USD/FLOP]"""
        return self.usd_per_useful_chip_hour / (SECONDS_PER_HOUR * flop_per_s_per_chip)

    def usd_per_run(self, run_flop: Any, flop_per_s_per_chip: Any) -> Any:
        """Cost of a training run of ``run_flop``, for chips that reach this rate while they train. [USD]"""
        return run_flop * self.usd_per_useful_flop(flop_per_s_per_chip)


def check_horizon(horizon_months: int) -> None:
    """Refuse a horizon that is no whole number of months."""
    if isinstance(horizon_months, bool) or int(horizon_months) != horizon_months or horizon_months < 1:
        raise ValueError(f"horizon_months must be a whole number of months, 1 or more, got {horizon_months!r}")


def month_rows(xp: Any, horizon_months: int, like: Any) -> Any:
    """Return the months 0 to ``horizon_months`` as a column, on the device of ``like``."""
    rows = xp.arange(int(horizon_months) + 1, dtype=xp.float64, **_device(xp, like))
    return xp.reshape(rows, (-1, 1))


def _device(xp: Any, like: Any) -> dict[str, Any]:
    return {} if xp.__name__ in ("numpy", "cupy") else {"device": like.device}


def discount(xp: Any, rows: Any, rate_per_year: Any) -> Any:
    """Return (1 + rate)^(-month/12)."""
    return xp.exp(-rows / 12 * xp.log1p(rate_per_year))


def paid_once(xp: Any, rows: Any, month: Any) -> Any:
    """Return the share of a payment due at ``month`` that falls into each row; a fraction is split over two rows."""
    return xp.clip(1 - xp.abs(rows - month), 0.0, None)


def bought(xp: Any, rows: Any, month: Any) -> Any:
    """Return the share already paid for at each row: the running sum of :func:`paid_once`."""
    return xp.clip(1 + rows - month, 0.0, 1.0)


def in_month(xp: Any, rows: Any, start: Any, stop: Any = None) -> Any:
    """Return the share of the month that ends at each row during which something from ``start`` to ``stop`` runs."""
    running = xp.clip(rows - start, 0.0, 1.0)
    return running if stop is None else running - xp.clip(rows - stop, 0.0, 1.0)


def paid_evenly(xp: Any, rows: Any, until: Any) -> Any:
    """Return the share of a payment spread evenly from month 0 to ``until`` that falls into each row."""
    first = at_start(xp, rows)
    during = xp.clip(until - (rows - 1), 0.0, 1.0) * (1 - first) / xp.where(until == 0, 1.0, until)
    return xp.where(until == 0, first, during)


def at_start(xp: Any, rows: Any) -> Any:
    """Return 1 in row 0 and 0 in the others."""
    return xp.astype(rows == 0, xp.float64)
