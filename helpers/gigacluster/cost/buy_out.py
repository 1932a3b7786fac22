"""To buy what was rented: a tenant who takes the chips over in a month, and pays, works and sells as an owner since."""

from __future__ import annotations

from gigacluster.arrays import Array, Namespace, Samples
from gigacluster.cost.flows import CashFlows, Flow, Worth, bought, in_month, month_rows, paid_once
from gigacluster.limits import NON_NEGATIVE, admit

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
    running = {name: _times(owned.flows[name], since) for name in RUNNING if name in owned.flows}
    return CashFlows(
        flows={**rented.flows, "purchase": Flow(a["usd"], paid_once(xp, rows, a["month"])), **running},
        resale={name: _from(part, xp, a["month"]) for name, part in owned.resale.items()},
        chip_hours=rented.chip_hours + owned.chip_hours * since,
        idle_chips=rented.idle_chips + owned.idle_chips * since,
        utilisation_frac=rented.utilisation_frac,
        goodput_frac=rented.goodput_frac,
        discount_rate_per_year=rented.discount_rate_per_year,
        discount_factor=rented.discount_factor,
    )


def _from(part: Worth, xp: Namespace, month: Array) -> Worth:
    """Return what a sale brings to whoever has the chips from a month on."""
    return Worth(part.amount_usd, lambda rows: part.left(rows) * bought(xp, rows, month))


def _times(flow: Flow, share: Array) -> Flow:
    return Flow(flow.amount_usd, flow.by_month * share)
