"""The fields of a scenario file: what each means, its unit, its limits and its default.

Money is in US dollars of the scenario's date. A field that is left out takes the sourced row with its name in
``data/scenario_defaults.csv`` or, for the inputs of the cost model, ``data/cost_inputs.csv``: no default hides in code.
"""

from __future__ import annotations

import datetime
import difflib
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from gigacluster.throughput.job import LARGEST_BATCH
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.scenario.quantity import Limits

__all__ = ["Cluster", "Own", "Race", "Reliability", "Rent", "Scenario", "Training", "default_of"]


@cache
def _defaults() -> dict[str, Uncertain]:
    """Return the sourced defaults by row: ``section.field`` of scenarios, bare names of the cost model."""
    own = catalog.load("scenario_defaults")
    cost = catalog.load("cost_inputs").rename(columns={"quantity": "field"})
    found = {}
    for table in (cost, own):
        percentiles = table[["low", "median", "high"]].itertuples(index=False, name=None)
        for field, (low, median, high) in zip(table["field"], percentiles, strict=True):
            found[str(field)] = Uncertain(low=low, median=median, high=high)
    return found


def default_of(field: str) -> Uncertain:
    """Return the sourced default of a row of ``data/scenario_defaults.csv`` or ``data/cost_inputs.csv``."""
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


def _sourced(row: str, meaning: str, unit: str) -> Any:
    """Return a field whose default is the sourced row of that name."""
    return Field(
        default_factory=lambda: default_of(row), description=f"{meaning} [{unit}]. Left out: the sourced row {row!r}."
    )


Share = Annotated[Uncertain, Limits("(a share)", 0, 1)]
Months = Annotated[Uncertain, Limits("months", 0, 240)]
Seconds = Annotated[Uncertain, Limits("seconds", 0, 86_400)]
PricePerChip = Annotated[Uncertain, Limits("USD per chip", 0, 1_000_000)]
PricePerWatt = Annotated[Uncertain, Limits("USD per W of IT", 0, 100)]
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
    it_power_w_per_chip: Annotated[Uncertain, Limits("W per chip", 10, 20_000)] = _sourced(
        "it_power_w_per_chip", "Rated power of a chip with its part of server, network and storage", "W/chip"
    )
    load_frac: Annotated[Uncertain, Limits("(a share)", 0.01, 1)] = _sourced(
        "load_frac", "Average draw over the rated IT power", "1"
    )
    pue: Annotated[Uncertain, Limits("(a ratio)", 1, 3)] = _sourced(
        "pue", "Site energy over IT energy (power usage effectiveness)", "1"
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
    global_batch: int = Field(gt=0, le=LARGEST_BATCH, description="Sequences of one step [sequence].")
    precision: Literal["bf16", "fp8"] = Field(default="bf16", description="Precision of the linear layers.")
    run_days: Annotated[Uncertain, Limits("days", 0.01, 3650)] = _sourced(
        "training.run_days", "Length of one training run", "day"
    )
    reference_run_flop: Annotated[Uncertain, Limits("FLOP", 1e15, 1e32)] = _sourced(
        "training.reference_run_flop", "A run whose duration and price are asked for", "FLOP"
    )


class Reliability(_Section):
    """What stops it."""

    failures_per_1000_node_days: Annotated[Uncertain, Limits("per 1,000 node-days", 0.0001, 1000)] = _sourced(
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


class Delivery(_Section):
    """A part of an own cluster that starts to work together."""

    share: float = Field(gt=0, le=1, description="Share of the chips [1]. The shares of all deliveries add up to 1.")
    month: Months = Field(description="Months from the decision until this part trains [month].")


class Own(_Section):
    """What building costs, and when it stands. The names are those of ``gigacluster.cost.own``."""

    deliveries: tuple[Delivery, ...] = Field(
        default_factory=lambda: (Delivery(share=1.0, month=default_of("delivery_months")),),
        min_length=1,
        description="Parts of the cluster by their delivery. Left out: all at once, after the sourced time.",
    )

    @field_validator("deliveries")
    @classmethod
    def _shares_add_up(cls, deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
        total = sum(delivery.share for delivery in deliveries)
        if abs(total - 1) > 1e-6:
            raise PydanticCustomError("shares", "the shares must add up to 1; got {total}", {"total": f"{total:g}"})
        return deliveries

    chip_usd: Annotated[Uncertain, Limits("USD per chip", 1, 1_000_000)] = _sourced(
        "chip_usd", "Price of one accelerator", "USD"
    )
    server_usd_per_chip: PricePerChip = _sourced("server_usd_per_chip", "A chip's part of its server", "USD/chip")
    network_usd_per_tier_per_chip: PricePerChip = _sourced(
        "network_usd_per_tier_per_chip", "Its part of one tier of the network", "USD/(chip tier)"
    )
    switch_ports: int = Field(
        default=128, ge=4, le=4096, description="Ports of a switch, from which the network's tiers follow: 128 or 64."
    )
    storage_usd_per_chip: PricePerChip = _sourced("storage_usd_per_chip", "Its part of the storage", "USD/chip")
    building_usd_per_it_w: PricePerWatt = _sourced("building_usd_per_it_w", "Building and its equipment", "USD/W")
    power_plant_usd_per_it_w: PricePerWatt = _sourced("power_plant_usd_per_it_w", "Own generation", "USD/W")
    site_rent_usd_per_kw_month: Annotated[Uncertain, Limits("USD per kW and month", 0, 2000)] = Field(
        default_factory=lambda: Uncertain.fixed(0.0),
        description="Rent of a hall for owned chips, beside or instead of a building [USD/(kW month)]. Left out: 0.",
    )
    energy_usd_per_kwh: Annotated[Uncertain, Limits("USD/kWh", 0, 2)] = _sourced(
        "energy_usd_per_kwh", "Price of electricity", "USD/kWh"
    )
    staff_usd_per_chip_year: PricePerChip = _sourced(
        "staff_usd_per_chip_year", "People who run the cluster", "USD/(chip year)"
    )
    maintenance_frac_per_year: Share = _sourced(
        "maintenance_frac_per_year", "Repairs, as a share of the hardware's price", "1/year"
    )
    spares_frac: Share = _sourced("spares_frac", "Chips bought as spares, as a share of the working ones", "1")
    hardware_life_months: Annotated[Uncertain, Limits("months", 1, 240)] = _sourced(
        "hardware_life_months", "Life of the hardware", "month"
    )
    hardware_value_decline_per_year: Annotated[Uncertain, Limits("(a share)", 0, 0.99)] = _sourced(
        "hardware_value_decline_per_year", "Share of its value that used hardware loses a year", "1/year"
    )
    selling_cost_frac: Share = _sourced(
        "selling_cost_frac", "Share of its value that everything loses on the day of the sale", "1"
    )
    building_life_months: Annotated[Uncertain, Limits("months", 12, 1200)] = _sourced(
        "building_life_months", "Life of the building", "month"
    )
    debt_frac: Share = _sourced("debt_frac", "Share of the capital that is lent", "1")
    debt_rate_per_year: Share = _sourced("debt_rate_per_year", "Interest, nominal", "1/year")
    equity_rate_per_year: Share = _sourced("equity_rate_per_year", "Return that owners ask for, nominal", "1/year")


class Rent(_Section):
    """The rental that stands against it: a contract over the horizon, named as in ``gigacluster.cost.rent``."""

    committed_usd_per_chip_hour: Annotated[Uncertain, Limits("USD per chip-hour", 0.01, 200)] = _sourced(
        "market_usd_per_chip_hour", "Price under the contract", "USD/(chip h)"
    )
    start_month: Months = _sourced(
        "rent_start_months", "Months from the decision until the rented chips train", "month"
    )
    prepaid_frac: Share = _sourced("prepaid_frac", "Share of the contract paid at the start", "1")
    extras_frac: Share = _sourced("extras_frac", "Storage, traffic and support, as a share of the bill", "1")
    contract_usd: Dollars | None = Field(
        default=None, description="Size of the contract as reported [USD]. Compared with, not used in the cost."
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
    owner: str = Field(
        default="", max_length=80, description="Who owns it, as in data/chip_owners.csv, if listed there."
    )
    story: str = Field(default="", max_length=4000, description="What is decided, in a paragraph.")
    decided_on: datetime.date = Field(description="Date of the decision, YYYY-MM-DD.")
    price_year: int = Field(ge=2015, le=2040, description="Year of the dollars.")
    horizon_months: int = Field(
        default=48, ge=1, le=240, description="Months over which owning and renting are compared."
    )
    cluster: Cluster
    training: Training
    reliability: Reliability = Field(default_factory=Reliability)
    own: Own = Field(default_factory=Own)
    rent: Rent = Field(default_factory=Rent)
    race: Race = Field(default_factory=Race)
