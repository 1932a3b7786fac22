"""Leases of whole clusters: what a month, a chip-hour and an H100 equivalent pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gigacluster.units import HOURS_PER_MONTH
from gigareport import catalog
from gigareport.facts.world import h100e_per_chip

if TYPE_CHECKING:
    import pandas as pd


def leases() -> pd.DataFrame:
    """Return the deals of ``data/contracts.csv`` that print a monthly payment and a number of chips.

    Returns
    -------
    DataFrame
        By ``contract_id``: the columns of the table with ``h100e`` (``nan`` where the kinds of chips are not stated)
        and ``usd_per_chip_hour``, at the full fee.
    """
    table = catalog.load("contracts").set_index("contract_id").dropna(subset=["usd_per_month", "n_chips"])
    return table.assign(
        h100e=[_h100e(row) for _, row in table.iterrows()],
        usd_per_chip_hour=table["usd_per_month"] / table["n_chips"] / HOURS_PER_MONTH,
    )


def _h100e(lease: pd.Series) -> float:
    """Return the H100 equivalents of a site that is let whole, and of the chips beyond it."""
    import pandas as pd

    if pd.isna(lease["site_id"]):
        return float("nan")
    site = catalog.load("clusters").query("site_id == @lease.site_id and status == 'operational'").sort_values("as_of")
    built = site.dropna(subset=["h100e_bf16"])["h100e_bf16"].iloc[-1]
    beyond = lease["n_chips"] - site.query("record_type == 'rental'")["n_chips"].iloc[-1]
    return float(built + beyond * h100e_per_chip(catalog.load("chips"), lease["other_chip"]))


def usd_per_h100e_month(contract: str = "anthropic-colossus") -> float:
    """Return what a lease of several kinds of chips pays for an H100 equivalent, at the full fee. [USD/month]

    Examples
    --------
    >>> round(usd_per_h100e_month())
    2310
    """
    lease = leases().loc[contract]
    return float(lease["usd_per_month"] / lease["h100e"])
