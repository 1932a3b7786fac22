"""What each publisher's folder holds: which of its files make which of our tables.

A feed is one layout of a folder as it is downloaded. Further files and columns of a folder are left alone. The headers
under which a column is published stand in the dictionary (``data/columns.csv``, ``also``): to follow a changed header,
add it there; to follow a changed layout, add a feed: the newest is tried first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy
import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table of ``data/``, made of one or more files of a folder."""

    name: str
    files: tuple[str, ...]  # paths below the folder, or patterns that match at least one file
    needs: tuple[str, ...]  # our columns that every file must have
    key: tuple[str, ...]  # columns that identify a row of one vintage, and order the table; none keeps the file's order
    source_id: str
    has_vintages: bool = True  # without them a new download replaces the table
    make: Callable[[pd.DataFrame], pd.DataFrame] = field(default=lambda table: table)


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """One layout of a published folder, and the tables that come out of it."""

    name: str
    tables: tuple[Table, ...]


#: Dense 8-bit peak of an H100. [OP/s]
_PEAK_H100_OP_PER_S = 1.979e15


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
    return table


def _gb300_by_fp8(table: pd.DataFrame) -> pd.DataFrame:
    """Count GB200 and GB300 by their FP8 peak, twice the 16-bit one: in six rows GB300 had its INT8 peak."""
    peak = 2 * table["peak_16bit_op_per_s"]
    wrong = table["chip"].str.contains("GB200|GB300", na=False) & (table["peak_op_per_s"] < 0.999 * peak)
    table["peak_op_per_s"] = numpy.where(wrong, peak, table["peak_op_per_s"])
    table["h100e"] = numpy.where(wrong, peak / _PEAK_H100_OP_PER_S, table["h100e"])
    return table


_KNOWN_COMPUTE = ("training_flop", "n_chips", "training_cost_usd_2023")


def _with_known_compute(table: pd.DataFrame) -> pd.DataFrame:
    return table[table[[*_KNOWN_COMPUTE]].notna().any(axis=1)]


_ESTIMATE = ("h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95")
_MAKERS = ("nvidia", "tpu", "trainium", "amd")


def _owners(*files: str) -> Table:
    key = ("owner", "chip_maker", "as_of")
    return Table(name="chip_owners", files=files, needs=(*key, *_ESTIMATE), key=key, source_id="epoch-chip-owners")


def _totals(*files: str) -> Table:
    key = ("chip_maker", "as_of")
    needs = (*key, *_ESTIMATE, "n_chips_median")
    return Table(name="maker_totals", files=files, needs=needs, key=key, source_id="epoch-chip-sales")


def _timelines(file: str) -> Table:
    key, costs = ("data_center", "date"), ("capex", "compute_capex", "construction_capex")
    needs = (*key, "power_mw", "h100e_8bit", *(f"{cost}_usd_2025_billion" for cost in costs))
    return Table(name="data_center_timelines", files=(file,), needs=needs, key=key, source_id="epoch-data-centers")


_SALES = Table(
    name="chip_sales",
    files=(
        *(f"csv_export/{maker}_calendar_quarter_chip_timelines.csv" for maker in ("nvidia", "tpu")),
        *(f"csv_export/{maker}_chip_timelines.csv" for maker in ("trainium", "amd")),
    ),
    needs=("chip_maker", "chip", "start", "as_of", *_ESTIMATE, "n_chips_p5", "n_chips_median", "n_chips_p95"),
    key=("chip_maker", "chip", "start", "as_of"),
    source_id="epoch-chip-sales",
)
_SITES = Table(
    name="sites",
    files=("data_centers.csv",),
    needs=("data_center", "owner", "users", "project"),
    key=("data_center",),
    source_id="epoch-data-centers",
    make=_without_marks,
)
_CLUSTERS = Table(
    name="gpu_clusters",
    files=("gpu_clusters.csv",),
    needs=("name", "status", "certainty", "h100e", "country", "owner", "first_operational", "peak_16bit_op_per_s"),
    key=(),
    source_id="epoch-gpu-clusters",
    has_vintages=False,
    make=_gb300_by_fp8,
)
_HARDWARE = Table(
    name="accelerators",
    files=("ml_hardware.csv",),
    needs=("name", "maker", "released", "tdp_w", "foundry"),
    key=("name",),
    source_id="epoch-ml-hardware",
)
_LABORATORIES = Table(
    name="lab_compute",
    files=("**/lab_compute_year_end_by_lab.csv",),
    needs=("lab", "as_of", *_ESTIMATE),
    key=("lab", "as_of"),
    source_id="epoch-lab-compute",
    has_vintages=False,
)
_MODELS = Table(
    name="notable_models",
    files=("notable_ai_models.csv",),
    needs=("model", "publication_date", *_KNOWN_COMPUTE),
    key=("publication_date", "model"),
    source_id="epoch-notable-models",
    has_vintages=False,
    make=_with_known_compute,
)
#: Newest layout first: a folder is read by the first feed of which it has a file.
FEEDS: tuple[Feed, ...] = (
    Feed(
        name="owners and makers of chips, layout of September 2026",
        tables=(
            _totals("**/sales_cumulative_by_designer.csv"),
            _owners("**/owners_c*.csv"),  # owners_cumulative_by_designer.csv, or what was curated by hand alone
        ),
    ),
    Feed(
        name="owners and makers of chips, layout of April 2026",
        tables=(
            _owners(
                *(f"owners_csv_export/{maker}_owners_cumulative_totals.csv" for maker in _MAKERS),
                "owners_csv_export/nvidia_owners_OTHER_cumulative_totals.csv",
                "owners_csv_export/coreweave/coreweave_owners_cumulative_totals.csv",
                "data_inputs/named_other_owners_cumulative_totals.csv",
            ),
            _totals(*(f"csv_export/{maker}_cumulative_totals.csv" for maker in _MAKERS)),
            _SALES,
            _timelines("data_inputs/xai_datacenter_timelines.csv"),
        ),
    ),
    Feed(name="frontier data centres", tables=(_timelines("data_center_timelines.csv"), _SITES)),
    Feed(name="clusters known by name", tables=(_CLUSTERS,)),
    Feed(name="machine-learning hardware", tables=(_HARDWARE,)),
    Feed(name="compute of laboratories", tables=(_LABORATORIES,)),
    Feed(name="notable models", tables=(_MODELS,)),
)
