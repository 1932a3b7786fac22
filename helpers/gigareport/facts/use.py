"""Who uses compute that others own: laboratories, and leases of whole clusters as dated events, with what they pay.

A lease moves use from its start on and leaves ownership where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.concentration import hhi
from gigacluster.units import HOURS_PER_MONTH
from gigareport import catalog
from gigareport.facts.world import Day, WorldStock, h100e_per_chip

if TYPE_CHECKING:
    import pandas as pd


#: Owners, by the names of the table of owners, of the laboratories.
OWNERS_OF_LABS = {
    "OpenAI": "OpenAI",
    "Anthropic": "Anthropic",
    "Google DeepMind": "Google",
    "Meta Superintelligence Labs": "Meta",
    "SpaceXAI": "xAI",
}
#: Lessors of the table of contracts under the name that the table of owners gives them.
_LESSORS = {"SpaceX (xAI)": "xAI"}


def leases() -> pd.DataFrame:
    """Return the deals of ``data/contracts.csv`` that print a monthly payment and a number of chips.

    By ``contract_id``: the columns of the table with ``h100e`` (``nan`` where the kinds of chips are not stated) and
    ``usd_per_chip_hour``, at the full fee.
    """
    table = catalog.load("contracts").set_index("contract_id").dropna(subset=["usd_per_month", "n_chips"])
    return table.assign(
        h100e=[_h100e(row) for _, row in table.iterrows()],
        usd_per_chip_hour=table["usd_per_month"] / table["n_chips"] / HOURS_PER_MONTH,
    )


def _h100e(lease: pd.Series) -> float:
    """Return the H100 equivalents of a site that is let whole, and of the chips beyond it."""
    site = catalog.load("clusters").query("site_id == @lease.site_id and status == 'operational'").sort_values("as_of")
    if not len(site):
        return float("nan")
    built = site["h100e_bf16"].dropna().iloc[-1]
    beyond = lease["n_chips"] - site.query("record_type == 'rental'")["n_chips"].iloc[-1]
    return float(built + beyond * h100e_per_chip(lease["other_chip"]))


def usd_per_h100e_month(contract: str = "anthropic-colossus") -> float:
    """Return what a lease of several kinds of chips pays for an H100 equivalent, at the full fee. [USD/month]

    Examples
    --------
    >>> round(usd_per_h100e_month())
    2310
    """
    lease = leases().loc[contract]
    return float(lease["usd_per_month"] / lease["h100e"])


def running_leases(date: Day) -> pd.DataFrame:
    """Return the leases that run at a date.

    The columns are ``lessor, lessee, h100e``: from the first month at the full fee to the last month. Names are those
    of the table of owners; a lease of chips that are not named has no size.
    """
    import pandas as pd

    day, known = pd.Timestamp(str(date)[:10]), leases()
    running = known[(known["first_full_month"] <= day) & ~(known["last_month"] + pd.offsets.MonthEnd(0) < day)]
    names = running.rename(columns={"seller": "lessor", "buyer": "lessee"})
    return names[["lessor", "lessee", "h100e"]].replace({"lessor": _LESSORS}).reset_index(drop=True)


def used_by(owned: Mapping[str, Any], running: pd.DataFrame) -> dict[str, Any]:
    """Move the compute of each party from its owners to its users: nobody lets more than they have.

    Parameters
    ----------
    running : From :func:`running_leases`. A lease without a size moves nothing.

    Examples
    --------
    >>> import pandas as pd
    >>> lease = pd.DataFrame({"lessor": ["A"], "lessee": ["B"], "h100e": [2.0]})
    >>> {name: float(used) for name, used in used_by({"A": 5.0}, lease).items()}
    {'A': 3.0, 'B': 2.0}
    """
    used = dict(owned)
    for lessor, lessee, size in running.dropna(subset=["h100e"]).itertuples(index=False):
        let = numpy.minimum(size, used.get(lessor, 0.0))
        used[lessor] = used.get(lessor, 0.0) - let
        used[lessee] = used.get(lessee, 0.0) + let
    return used


def owned_and_used(labs: pd.Series, world: WorldStock, running: pd.DataFrame) -> pd.DataFrame:
    """What laboratories own, what they used at the last count, and what leases since then move to and from them.

    The columns are ``laboratory, owned_h100e, used_h100e, leased_in_h100e, leased_out_h100e``: medians, of ``labs`` as
    it is; ``nan`` where a lease runs and its size is not known.
    """
    import pandas as pd

    owned = dict(zip(world.owners, numpy.median(world.h100e_8bit[:, -1], axis=1), strict=True))
    rows = []
    for lab, used in labs.items():
        owner = OWNERS_OF_LABS[str(lab)]
        moved = [running.loc[running[side] == owner, "h100e"].sum(skipna=False) + 0.0 for side in ("lessee", "lessor")]
        rows.append((lab, owned.get(owner, 0.0), used, *moved))
    columns = ["laboratory", "owned_h100e", "used_h100e", "leased_in_h100e", "leased_out_h100e"]
    return pd.DataFrame(rows, columns=columns)


def laboratories(
    lab_compute: pd.DataFrame, world: WorldStock, running: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Compute used by laboratories, and the share of the running stock that this is; without ``running`` of that sold.

    The columns are ``as_of, lab, h100e_8bit, share_of_world, hhi_of_labs``: medians. The last is the index among the
    laboratories listed at that date only; all other use of the world's compute is not in the table. ``running`` holds
    samples of ``lag_months`` and ``life_months`` of :meth:`WorldStock.running_at`.
    """
    table = lab_compute.sort_values(["as_of", "h100e_8bit_median"], ascending=[True, False])
    table = table[["as_of", "lab", "h100e_8bit_median"]].rename(columns={"h100e_8bit_median": "h100e_8bit"})
    stock, index = {}, {}
    for date, rows in table.groupby("as_of"):
        held = world.at(date) if running is None else world.running_at(date, **running)
        stock[date] = float(numpy.median(held.sum(axis=0)))
        index[date] = float(hhi(rows["h100e_8bit"].to_numpy()))
    table["share_of_world"] = table["h100e_8bit"] / table["as_of"].map(stock)
    table["hhi_of_labs"] = table["as_of"].map(index)
    return table.reset_index(drop=True)
