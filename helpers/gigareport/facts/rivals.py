"""The rivals of a cluster: sizes and first dates of every cluster known by name that another owner has."""

from __future__ import annotations

from functools import cache

import pandas as pd

from gigareport import catalog
from gigareport.facts import plans


@cache
def rivals(owner: str = "") -> pd.DataFrame:
    """Return the known clusters that ``owner`` does not own, by first date.

    Parameters
    ----------
    owner : str, default ""
        A name as in the tables; clusters whose owner or site holds it are left out.

    Returns
    -------
    DataFrame
        ``name, owner, date, year, h100e``. Clusters of Epoch AI's table and of ours that stand or stood; after the last
        date of the former, sites of Epoch AI's timelines, whose later dates are forecasts and whose sites are often
        more than one cluster. What is not known by name is missing, Google's nearly all.

    Examples
    --------
    >>> found = rivals("xAI")
    >>> bool(found["name"].str.contains("Colossus").any())
    False
    """
    listed = catalog.load("gpu_clusters")
    listed = listed[listed["status"].isin(["Existing", "Decommissioned"]) & (listed["certainty"] != "Unlikely")]
    listed = listed[["name", "owner", "first_operational", "h100e"]]
    curated = catalog.load("clusters").query("record_type == 'cluster' and status == 'operational'")
    curated = curated[["name", "owner", "as_of", "h100e_bf16"]]
    sites = plans.current_states()  # of the latest vintage alone: plans of earlier ones have moved
    sites = sites.loc[sites["date"] > listed["first_operational"].max(), ["site", "date", "h100e_8bit"]]
    owners = catalog.load("sites").sort_values("vintage").drop_duplicates("data_center", keep="last")
    sites.insert(1, "owner", sites["site"].map(owners.set_index("data_center")["owner"]).replace(plans.OWNERS_OF_SITES))
    columns = ["name", "owner", "date", "h100e"]
    known = pd.concat([table.set_axis(columns, axis=1) for table in (listed, curated, sites)])
    known = known.dropna(subset=["date", "h100e"]).query("h100e > 0").sort_values("date", kind="stable")
    if owner:
        known = known[~known["owner"].fillna("").str.contains(owner, regex=False)]
    year = 2000 + (known["date"] - pd.Timestamp("2000-01-01")).dt.days / 365.25
    return known.assign(year=year).reset_index(drop=True)


@cache
def record_setters(owner: str = "") -> pd.DataFrame:
    """Return those of :func:`rivals` that were larger than every one before: the dates at which a size was reached."""
    known = rivals(owner)
    return known[known["h100e"] > known["h100e"].cummax().shift(fill_value=0.0)]
