"""Schemas of the tables about who owns, makes and uses the world's AI chips.

The tables taken over from Epoch AI also accept the headers of the files they come from, so that a later vintage can
be read as it is published. ``h100e_8bit`` counts H100 equivalents by dense 8-bit peak (1,979 TFLOP/s), ``h100e_bf16``
by dense bf16 peak (989 TFLOP/s); for an H100 both are 1.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from gigareport.tables.row import Fraction, Id, Missing, NonNegative, Positive, Row

__all__ = [
    "TABLES",
    "ChipOwnerRow",
    "ChipSalesRow",
    "ClusterRow",
    "DataCenterTimelineRow",
    "GpuClusterRow",
    "LabComputeRow",
    "NotableModelRow",
    "OwnerRow",
]


def _as_iso_day(value: Any) -> Any:
    """Turn 3/31/2024 and 2024-03, as some published files write a date, into 2024-03-31 and 2024-03-01."""
    if not isinstance(value, str):
        return value
    if match := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", value.strip()):
        return f"{match[3]}-{int(match[1]):02d}-{int(match[2]):02d}"
    return f"{value.strip()}-01" if re.fullmatch(r"\d{4}-\d{2}", value.strip()) else value


def _blank_is_false(value: Any) -> Any:
    return False if isinstance(value, str) and not value.strip() else value


def _one_number(value: Any) -> Any:
    """Take a cell that lists one number several times; a cell that lists different numbers means "not known"."""
    numbers = {part.strip() for part in value.split(",")} if isinstance(value, str) else {value}
    return numbers.pop() if len(numbers) == 1 else None


def _also(name: str, *headers: str) -> Any:
    """Accept the headers of published files beside our own name of a column."""
    return Field(validation_alias=AliasChoices(name, *headers))


Day = Annotated[datetime.date, BeforeValidator(_as_iso_day)]
Flag = Annotated[bool, BeforeValidator(_blank_is_false)]
Text = Annotated[str | None, Missing]
Amount = Annotated[NonNegative | None, Missing]


class _Estimate(Row):
    """A stock or a flow of compute with its percentiles; the 5th and 95th are blank where only one value is known."""

    h100e_8bit_p5: Annotated[
        NonNegative | None,
        Missing,
        _also("h100e_8bit_p5", "h100e_p5", "H100e (5th percentile)", "Compute estimate in H100e (5th percentile)"),
    ] = None
    h100e_8bit_median: Annotated[
        NonNegative, _also("h100e_8bit_median", "h100e_med", "Compute estimate in H100e (median)")
    ]
    h100e_8bit_p95: Annotated[
        NonNegative | None,
        Missing,
        _also("h100e_8bit_p95", "h100e_p95", "H100e (95th percentile)", "Compute estimate in H100e (95th percentile)"),
    ] = None

    @model_validator(mode="after")
    def _percentiles_rise(self) -> _Estimate:
        low, high = self.h100e_8bit_p5, self.h100e_8bit_p95
        if (low is None) != (high is None):
            raise ValueError("one percentile is blank and the other is not; give both or neither")
        if low is not None and high is not None and not low <= self.h100e_8bit_median <= high:
            raise ValueError(f"percentiles must rise: got {low}, {self.h100e_8bit_median}, {high}")
        return self


class ChipOwnerRow(_Estimate):
    """What one owner has bought of one maker's chips by the end of a quarter; nothing is retired."""

    KEY: ClassVar = ("owner", "chip_maker", "as_of")
    ABOUT: ClassVar = "an owner's cumulative stock of one maker's chips at a quarter's end"

    owner: Annotated[str, _also("owner", "Owner")]
    chip_maker: Annotated[str, _also("chip_maker", "manufacturer", "Chip manufacturer")]
    as_of: Annotated[Day, _also("as_of", "end", "End date")]
    source_id: Id = "epoch-chip-owners"


class ChipSalesRow(_Estimate):
    """What one maker sold of one chip in a quarter."""

    KEY: ClassVar = ("chip_maker", "chip", "as_of")
    ABOUT: ClassVar = "one maker's sales of one chip in the quarter that ends on as_of"

    chip_maker: Annotated[str, _also("chip_maker", "Chip manufacturer")]
    chip: Annotated[str, _also("chip", "Chip type")] = "all"
    start: Annotated[Day, _also("start", "Start date")]
    as_of: Annotated[Day, _also("as_of", "End date")]
    n_chips_p5: Annotated[
        Amount, _also("n_chips_p5", "Number of Units (5th percentile)", "Number of units (5th percentile)")
    ] = None
    n_chips_median: Annotated[Amount, _also("n_chips_median", "Number of Units", "Number of units (median)")] = None
    n_chips_p95: Annotated[
        Amount, _also("n_chips_p95", "Number of Units (95th percentile)", "Number of units (95th percentile)")
    ] = None
    source_id: Id = "epoch-chip-sales"


class LabComputeRow(_Estimate):
    """What one laboratory uses, owned or rented, at the end of a year."""

    KEY: ClassVar = ("lab", "as_of")
    ABOUT: ClassVar = "compute in use by a laboratory at a date, owned or rented"

    lab: Annotated[str, _also("lab", "Lab")]
    as_of: Annotated[Day, _also("as_of", "Date")]
    source_id: Id = "epoch-lab-compute"


class GpuClusterRow(Row):
    """One cluster, or one phase of a site, in Epoch AI's dataset of GPU clusters; many Chinese rows share a name."""

    ABOUT: ClassVar = "a cluster, or a phase of one, known by name or anonymised"

    name: Annotated[str, _also("name", "Name")]
    status: Annotated[Literal["Existing", "Planned", "Decommissioned"], _also("status", "Status")]
    certainty: Annotated[Literal["Confirmed", "Likely", "Unlikely"], _also("certainty", "Certainty")]
    h100e: Annotated[Amount, _also("h100e", "H100 equivalents")] = None  # by the better of 8-bit and 16-bit peak
    n_chips: Annotated[Amount, _also("n_chips", "Total number of AI chips")] = None
    country: Annotated[Text, _also("country", "Country")] = None
    owner: Annotated[Text, _also("owner", "Owner")] = None  # several owners are joined by commas
    users: Annotated[Text, _also("users", "Users")] = None
    sector: Annotated[Text, _also("sector", "Sector")] = None
    first_operational: Annotated[Day | None, Missing, _also("first_operational", "First Operational Date")] = None
    decommissioned: Annotated[Day | None, Missing, _also("decommissioned", "Decommissioned Date (if applicable)")] = (
        None
    )
    power_mw: Annotated[Amount, _also("power_mw", "Power Capacity (MW)")] = None  # whole facility at peak
    hardware_cost_usd_2025: Annotated[Amount, _also("hardware_cost_usd_2025", "Hardware Cost")] = None
    peak_16bit_op_per_s: Annotated[Amount, _also("peak_16bit_op_per_s", "16-bit OP/s")] = None
    peak_op_per_s: Annotated[Amount, _also("peak_op_per_s", "Max OP/s")] = None  # best of 8, 16 and 32 bit
    chip: Annotated[Text, _also("chip", "Chip type (primary)")] = None
    in_standard_analysis: Annotated[Flag, _also("in_standard_analysis", "Include in Standard Analysis")] = False
    possible_duplicate: Annotated[Flag, _also("possible_duplicate", "Possible Duplicate")] = False
    builds_upon: Annotated[Text, _also("builds_upon", "Builds Upon")] = None
    superseded_by: Annotated[Text, _also("superseded_by", "Superseded by")] = None
    source_id: Id = "epoch-gpu-clusters"


class OwnerRow(Row):
    """Where an owner of the table of owners sits, and whether it rents its chips out."""

    KEY: ClassVar = ("owner",)
    ABOUT: ClassVar = "an owner's home country, and whether others can rent from it"

    owner: str
    home_country: Text = None  # blank for the owners nobody names
    rents_out: Annotated[bool | None, Missing] = None
    source_id: Id


class ClusterRow(Row):
    """One phase of a site, or a fleet, rental, contract or job; only rows of type cluster are places of their own."""

    KEY: ClassVar = ("cluster_id",)
    ABOUT: ClassVar = "a phase of a cluster's site; or a fleet, rental, contract or job, which overlap the sites"

    cluster_id: Id
    site_id: Id  # the same for all phases of one place, so that a site is counted once
    phase: Annotated[int, Field(ge=1)]
    name: str
    as_of: datetime.date  # the day the count was true or claimed
    date_precision: Literal["day", "month", "quarter", "year"]
    status: Literal["operational", "planned", "retired"]
    record_type: Literal["cluster", "fleet", "rental", "contract", "job"]
    certainty: Literal["confirmed", "likely", "unlikely"]
    owner: str
    user: Text = None
    country: Text = None
    location: Text = None
    sector: Literal["private", "public"]
    chip: Text = None
    n_chips: Amount = None
    h100e_bf16: Amount = None
    power_mw: Amount = None
    capex_usd_billion: Amount = None  # as reported; Colossus in 2025 dollars
    network: Text = None
    source_id: Id
    note: Text = None


class DataCenterTimelineRow(Row):
    """The state of one site at one date, seen from above; dates after the vintage are forecasts."""

    KEY: ClassVar = ("data_center", "date", "vintage")
    ABOUT: ClassVar = "a data centre's power, compute and cost at a date, by vintage of the estimate"

    data_center: Annotated[str, _also("data_center", "Data center")]
    date: Annotated[Day, _also("date", "Date")]
    vintage: str = "not stated"  # month of the estimate: two vintages disagree on the same dates and are kept apart
    power_mw: Annotated[Amount, _also("power_mw", "Power (MW)")] = None
    h100e_8bit: Annotated[Amount, _also("h100e_8bit", "H100 equivalents")] = None
    capex_usd_2025_billion: Annotated[
        Amount, _also("capex_usd_2025_billion", "Total capital cost (2025 USD billions)")
    ] = None
    compute_capex_usd_2025_billion: Annotated[
        Amount, _also("compute_capex_usd_2025_billion", "Compute cost (2025 USD billions)")
    ] = None
    construction_capex_usd_2025_billion: Annotated[
        Amount, _also("construction_capex_usd_2025_billion", "Construction cost (2025 USD billions)")
    ] = None
    source_id: Id = "epoch-data-centers"


class NotableModelRow(Row):
    """One model of Epoch AI's list of notable models, with what is known of its training."""

    KEY: ClassVar = ("model",)
    ABOUT: ClassVar = "a notable model: compute, hardware, time and cost of its training"

    model: Annotated[str, _also("model", "Model")]
    organization: Annotated[Text, _also("organization", "Organization")] = None
    publication_date: Annotated[Day, _also("publication_date", "Publication date")]
    domain: Annotated[Text, _also("domain", "Domain")] = None
    country: Annotated[Text, _also("country", "Country (of organization)")] = None
    n_parameters: Annotated[Amount, _also("n_parameters", "Parameters")] = None
    training_flop: Annotated[Positive | None, Missing, _also("training_flop", "Training compute (FLOP)")] = None
    n_training_tokens: Annotated[
        NonNegative | None,
        Missing,
        BeforeValidator(_one_number),
        _also("n_training_tokens", "Training dataset size (gradients)"),
    ] = None
    confidence: Annotated[Text, _also("confidence", "Confidence")] = None
    training_hardware: Annotated[Text, _also("training_hardware", "Training hardware")] = None
    n_chips: Annotated[Amount, _also("n_chips", "Hardware quantity")] = None
    training_hours: Annotated[Amount, _also("training_hours", "Training time (hours)")] = None
    mfu_frac: Annotated[Fraction | None, Missing, _also("mfu_frac", "Hardware utilization (MFU)")] = None
    training_cost_usd_2023: Annotated[Amount, _also("training_cost_usd_2023", "Training compute cost (2023 USD)")] = (
        None
    )
    upfront_cost_usd_2023: Annotated[Amount, _also("upfront_cost_usd_2023", "Training compute cost (upfront)")] = None
    hardware_acquisition_cost_usd: Annotated[
        Amount, _also("hardware_acquisition_cost_usd", "Hardware acquisition cost")
    ] = None
    training_power_w: Annotated[Amount, _also("training_power_w", "Training power draw (W)")] = None
    frontier: Annotated[Flag, _also("frontier", "Frontier model")] = False
    source_id: Id = "epoch-notable-models"


TABLES: dict[str, type[Row]] = {
    "chip_owners": ChipOwnerRow,
    "chip_sales": ChipSalesRow,
    "lab_compute": LabComputeRow,
    "gpu_clusters": GpuClusterRow,
    "owners": OwnerRow,
    "clusters": ClusterRow,
    "data_center_timelines": DataCenterTimelineRow,
    "notable_models": NotableModelRow,
}
