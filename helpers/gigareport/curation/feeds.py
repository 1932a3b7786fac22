"""What each publisher's folder holds: which of its files make which of our tables, under which headers.

A feed is one layout of a folder as it is downloaded. Further files and columns of a folder are left alone. To follow
a changed header, add the new one before the old; to follow a changed layout, add a feed: the newest is tried first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from gigareport.curation.published import Columns

__all__ = ["FEEDS", "Feed", "Table"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table of ``data/``, made of one or more files of a folder."""

    name: str
    files: tuple[str, ...]  # paths below the folder, or patterns that match at least one file
    columns: Columns
    key: tuple[str, ...]  # columns that identify a row of one vintage
    source_id: str
    optional: tuple[str, ...] = ()
    make: Callable[[pd.DataFrame], pd.DataFrame] = field(default=lambda table: table)


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """One layout of a published folder, and the tables that come out of it."""

    name: str
    tables: tuple[Table, ...]


_ESTIMATE: dict[str, tuple[str, ...]] = {
    "h100e_8bit_p5": ("h100e_p5", "H100e (5th percentile)", "Compute estimate in H100e (5th percentile)"),
    "h100e_8bit_median": ("h100e_med", "Compute estimate in H100e (median)"),
    "h100e_8bit_p95": ("h100e_p95", "H100e (95th percentile)", "Compute estimate in H100e (95th percentile)"),
}
_MAKER = ("designer", "Chip manufacturer")
_AS_OF = ("end_date", "end", "End date")
_OWNERS: Columns = {
    "owner": ("owner", "Owner"),
    "chip_maker": _MAKER,
    "as_of": _AS_OF,
    **_ESTIMATE,
}
_TOTALS: Columns = {
    "chip_maker": _MAKER,
    "as_of": _AS_OF,
    **_ESTIMATE,
    "n_chips_median": ("units_med", "Number of Units", "Number of units (median)"),
}
_SALES: Columns = {
    "chip_maker": _MAKER,
    "chip": ("Chip type",),
    "start": ("Start date",),
    "as_of": _AS_OF,
    **_ESTIMATE,
    "n_chips_p5": ("Number of Units (5th percentile)",),
    "n_chips_median": ("Number of Units",),
    "n_chips_p95": ("Number of Units (95th percentile)",),
}
_STATES: Columns = {
    "data_center": ("Data center",),
    "date": ("Date",),
    "power_mw": ("Power (MW)",),
    "it_power_mw": ("IT power (MW)",),
    "h100e_8bit": ("H100 equivalents",),
    "capex_usd_2025_billion": ("Total capital cost (2025 USD billions)",),
    "compute_capex_usd_2025_billion": ("Compute cost (2025 USD billions)",),
    "construction_capex_usd_2025_billion": ("Construction cost (2025 USD billions)",),
    "operation_usd_2025_billion_per_year": ("Annual operating cost (2025 USD billions)",),
    "n_buildings": ("Buildings operational",),
}
_STATES_OPTIONAL = ("it_power_mw", "operation_usd_2025_billion_per_year", "n_buildings")
_SITES: Columns = {
    "data_center": ("Name", "Handle"),
    "owner": ("Owner",),
    "users": ("Users",),
    "project": ("Project",),
    "country": ("Country",),
}


def _complete_states(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="incomplete")  # the publisher marks no state of a site


def _without_marks(table: pd.DataFrame) -> pd.DataFrame:
    """Split ``Amazon #confident`` into a name and a certainty; of several users the weakest certainty counts."""
    order = ["speculative", "likely", "confident"]

    def certainty(cell: object) -> str | None:
        found = [name for name in order if f"#{name}" in str(cell)]
        return found[0] if found else None

    for name in ("owner", "users"):
        table[f"{name}_certainty"] = [certainty(cell) for cell in table[name]]
    for name in ("owner", "users", "project"):
        table[name] = table[name].str.replace(r"\s*#\w+", "", regex=True)
    columns = ["data_center", "owner", "owner_certainty", "users", "users_certainty", "project", "country"]
    return table[columns]


def _timelines(file: str) -> Table:
    return Table(
        name="data_center_timelines",
        files=(file,),
        columns=_STATES,
        optional=_STATES_OPTIONAL,
        key=("data_center", "date"),
        source_id="epoch-data-centers",
        make=_complete_states,
    )


_CHIP_TIMELINES = ("nvidia_calendar_quarter_chip", "tpu_calendar_quarter_chip", "trainium_chip", "amd_chip")
_MAKERS = ("nvidia", "tpu", "trainium", "amd")

#: Newest layout first: a folder is read by the first feed of which it has a file.
FEEDS: tuple[Feed, ...] = (
    Feed(
        name="owners and makers of chips, layout of September 2026",
        tables=(
            Table(
                name="maker_totals",
                files=("**/sales_cumulative_by_designer.csv",),
                columns=_TOTALS,
                key=("chip_maker", "as_of"),
                source_id="epoch-chip-sales",
            ),
            Table(
                name="chip_owners",
                files=("**/owners_c*.csv",),  # owners_cumulative_by_designer.csv, or what was curated by hand alone
                columns=_OWNERS,
                key=("owner", "chip_maker", "as_of"),
                source_id="epoch-chip-owners",
            ),
        ),
    ),
    Feed(
        name="owners and makers of chips, layout of April 2026",
        tables=(
            Table(
                name="chip_owners",
                files=(
                    *(f"owners_csv_export/{maker}_owners_cumulative_totals.csv" for maker in _MAKERS),
                    "owners_csv_export/nvidia_owners_OTHER_cumulative_totals.csv",
                    "owners_csv_export/coreweave/coreweave_owners_cumulative_totals.csv",
                    "data_inputs/named_other_owners_cumulative_totals.csv",
                ),
                columns=_OWNERS,
                key=("owner", "chip_maker", "as_of"),
                source_id="epoch-chip-owners",
            ),
            Table(
                name="maker_totals",
                files=tuple(f"csv_export/{maker}_cumulative_totals.csv" for maker in _MAKERS),
                columns=_TOTALS,
                key=("chip_maker", "as_of"),
                source_id="epoch-chip-sales",
            ),
            Table(
                name="chip_sales",
                files=tuple(f"csv_export/{name}_timelines.csv" for name in _CHIP_TIMELINES),
                columns=_SALES,
                key=("chip_maker", "chip", "start", "as_of"),
                source_id="epoch-chip-sales",
            ),
            _timelines("data_inputs/xai_datacenter_timelines.csv"),
        ),
    ),
    Feed(
        name="frontier data centres",
        tables=(
            _timelines("data_center_timelines.csv"),
            Table(
                name="sites",
                files=("data_centers.csv",),
                columns=_SITES,
                optional=("country",),
                key=("data_center",),
                source_id="epoch-data-centers",
                make=_without_marks,
            ),
        ),
    ),
)
