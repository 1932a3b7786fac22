"""The fields of a scenario file: what each means, its unit, its limits and its default.

Money is in US dollars of the scenario's date. A field that is left out takes the sourced row of
``data/scenario_defaults.csv`` with its name, so that no default hides in code.
"""

from __future__ import annotations

import datetime
import difflib
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gigacluster import catalog
from gigacluster.scenario.quantity import Limits
from gigacluster.uncertainty import Uncertain

__all__ = ["Cluster", "Own", "Race", "Reliability", "Rent", "Scenario", "Training", "default_of"]


@cache
def _defaults() -> dict[str, Uncertain]:
    table = catalog.load("scenario_defaults")
    percentiles = table[["low", "median", "high"]].itertuples(index=False, name=None)
    return {
        field: Uncertain(low=low, median=median, high=high)
        for field, (low, median, high) in zip(table["field"], percentiles, strict=True)
    }


def default_of(field: str) -> Uncertain:
    """Return the sourced default of ``section.field``."""
    return _defaults()[field]


def _names_of(table: str, column: str) -> list[str]:
    return [str(name) for name in catalog.load(table)[column]]


def _listed_in(table: str, column: str) -> BeforeValidator:
    """Accept only names that a table has, and offer the nearest."""

    def check(value: Any) -> Any:
        known = _names_of(table, column)
        if value not in known:
            near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.4)
            raise PydanticCustomError(
                "unknown_name",
                "there is no {column} {value} in data/{table}.csv; {hint}it has: {known}",
                {
                    "column": column,
                    "value": repr(value),
                    "table": table,
                    "hint": f"did you mean {near[0]!r}? " if near else "",
                    "known": ", ".join(known),
                },
            )
        return value

    return BeforeValidator(check)


def _sourced(field: str, meaning: str, unit: str) -> Any:
    """Return a field whose default is the sourced row of that name."""
    return Field(
        default_factory=lambda: default_of(field),
        description=f"{meaning} [{unit}]. Left out: the row {field!r} of data/scenario_defaults.csv.",
    )


Share = Annotated[Uncertain, Limits("(a share)", 0, 1)]
Days = Annotated[Uncertain, Limits("days", 0, 3650)]
Months = Annotated[Uncertain, Limits("months", 0, 240)]
Seconds = Annotated[Uncertain, Limits("seconds", 0, 86_400)]
Rate = Annotated[Uncertain, Limits("per year", -0.5, 1)]
Dollars = Annotated[Uncertain, Limits("USD", 0, 1e13)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, arbitrary_types_allowed=True)


class Cluster(_Section):
    """What stands in the hall."""

    chip: Annotated[str, _listed_in("chips", "chip")] = Field(description="Accelerator, a name of data/chips.csv.")
    n_chips: int = Field(gt=0, le=100_000_000, description="Accelerators installed [chip].")
    nic_gbps_per_chip: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="Network rate of a chip, one way [Gbit/s]. Left out: the chip's.",
    )
    site_power_mw: Annotated[Uncertain, Limits("MW", 0.001, 100_000)] | None = Field(
        default=None, description="Power that the site can draw [MW]. Left out: as much as the chips need."
    )
    server_power_w_per_chip: Annotated[Uncertain, Limits("W per chip", 0, 10_000)] = _sourced(
        "cluster.server_power_w_per_chip", "Power of the server beside its chips", "W/chip"
    )
    network_power_share: Share = _sourced(
        "cluster.network_power_share", "Power of network and storage, as a share of the servers'", "1"
    )
    average_load: Share = _sourced("cluster.average_load", "Average draw as a share of the critical IT power", "1")
    pue: Annotated[Uncertain, Limits("(a ratio)", 1, 3)] = _sourced(
        "cluster.pue", "Site power over IT power (power usage effectiveness)", "1"
    )


class Training(_Section):
    """What the cluster trains."""

    model: Annotated[str, _listed_in("models", "name")] = Field(
        description="Shape that the step time is predicted for, a name of data/models.csv."
    )
    n_chips: int | None = Field(
        default=None, gt=0, description="Chips of the training job; the others are spares. Left out: all [chip]."
    )
    seq_len: int = Field(default=8192, ge=128, le=10_000_000, description="Sequence length [token].")
    global_batch: int = Field(gt=0, description="Sequences of one step [sequence].")
    precision: Literal["bf16", "fp8"] = Field(default="bf16", description="Precision of the linear layers.")
    run_days: Days = _sourced("training.run_days", "Length of one training run", "day")
    reference_run_flop: Annotated[Uncertain, Limits("FLOP", 1e15, 1e32)] = _sourced(
        "training.reference_run_flop", "A run whose duration and price are asked for", "FLOP"
    )


class Reliability(_Section):
    """What stops it."""

    failures_per_1000_node_days: Annotated[Uncertain, Limits("per 1,000 node-days", 0, 1000)] = _sourced(
        "reliability.failures_per_1000_node_days",
        "Failures that stop the job, by 8-chip node",
        "1/(1,000 node-days)",
    )
    restart_s: Seconds = _sourced("reliability.restart_s", "From a failure to training again, detection included", "s")
    checkpoint_write_s: Seconds = _sourced(
        "reliability.checkpoint_write_s", "Time that training waits for one checkpoint", "s"
    )
    planned_stops_per_day: Annotated[Uncertain, Limits("per day", 0, 100)] = _sourced(
        "reliability.planned_stops_per_day", "Planned stops of the job", "1/day"
    )


class Own(_Section):
    """What building costs, and when it stands."""

    chip_price_usd: Annotated[Uncertain, Limits("USD per chip", 100, 1_000_000)] | None = Field(
        default=None, description="Price of one accelerator [USD]. Left out: the chip's row of data/chips.csv."
    )
    server_overhead: Annotated[Uncertain, Limits("(a ratio)", 1, 5)] = _sourced(
        "own.server_overhead", "Price of a server over the price of its chips", "1"
    )
    network_share: Share = _sourced("own.network_share", "Share of the network in the hardware's cost", "1")
    building_usd_per_it_w: Annotated[Uncertain, Limits("USD per W of IT", 0, 100)] = _sourced(
        "own.building_usd_per_it_w", "Building and power plant", "USD/W of IT"
    )
    electricity_usd_per_kwh: Annotated[Uncertain, Limits("USD/kWh", 0, 2)] = _sourced(
        "own.electricity_usd_per_kwh", "Price of electricity", "USD/kWh"
    )
    operation_share_per_year: Share = _sourced(
        "own.operation_share_per_year", "Staff, spares and repair, a year, as a share of the hardware's cost", "1/year"
    )
    resale_share: Share = _sourced(
        "own.resale_share", "Value of the hardware at the end of the horizon, as a share of its price", "1"
    )
    first_payment_months: Annotated[Uncertain, Limits("months", 0, 60)] = _sourced(
        "own.first_payment_months", "Months from the decision to the first payment", "month"
    )
    ready_months: Annotated[Uncertain, Limits("months", 0, 120)] = _sourced(
        "own.ready_months", "Months from the decision to training on the full cluster", "month"
    )


class Rent(_Section):
    """The rental that stands against it."""

    price_usd_per_chip_hour: Annotated[Uncertain, Limits("USD per chip-hour", 0.01, 200)] = _sourced(
        "rent.price_usd_per_chip_hour", "Contract rent", "USD/chip-hour"
    )
    ready_months: Annotated[Uncertain, Limits("months", 0, 120)] = _sourced(
        "rent.ready_months", "Months from the decision to training on the full rented cluster", "month"
    )
    contract_usd: Dollars | None = Field(
        default=None, description="Size of the contract talked about, where reported [USD]. Only compared, never used."
    )


class Race(_Section):
    """What time is worth."""

    value_of_month_usd: Dollars | None = Field(
        default=None,
        description="Worth of training one month earlier [USD/month]. Left out: the revenue of a cloud of that power.",
    )
    revenue_usd_per_site_w_year: Annotated[Uncertain, Limits("USD per W and year", 0, 1000)] = _sourced(
        "race.revenue_usd_per_site_w_year", "Revenue of a cloud, by the power of its site", "USD/(W year)"
    )
    rival_growth_per_year: Annotated[Uncertain, Limits("times per year", 1.01, 100)] = _sourced(
        "race.rival_growth_per_year", "Growth of the largest training clusters", "1/year"
    )
    lead_ratio: Annotated[Uncertain, Limits("(a ratio)", 0.001, 1000)] = _sourced(
        "race.lead_ratio", "This cluster over the largest other one when it starts", "1"
    )


class Scenario(_Section):
    """One cluster and the choice between building and renting it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Short name: small letters, digits, hyphens.")
    title: str = Field(
        min_length=1, max_length=120, description="The question in a few words, for the head of the page."
    )
    story: str = Field(default="", max_length=4000, description="What is decided, in a paragraph.")
    decided_on: datetime.date = Field(description="Date of the decision, YYYY-MM-DD.")
    price_year: int = Field(ge=2015, le=2040, description="Year of the dollars.")
    horizon_months: int = Field(
        default=48, ge=1, le=240, description="Months over which owning and renting are compared."
    )
    discount_rate_per_year: Rate = _sourced("discount_rate_per_year", "Nominal cost of capital", "1/year")
    cluster: Cluster
    training: Training
    reliability: Reliability = Field(default_factory=Reliability)
    own: Own = Field(default_factory=Own)
    rent: Rent = Field(default_factory=Rent)
    race: Race = Field(default_factory=Race)
