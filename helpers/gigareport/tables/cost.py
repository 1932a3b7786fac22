"""Schemas of the tables about cost: what chips and hours cost, what a cluster takes, what runs and deals cost.

Rents and costs of runs also accept the headers of the files that they come from, so that a later vintage can be read.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from gigareport.tables.row import Id, Missing, NonNegative, Positive, Row

__all__ = [
    "TABLES",
    "ContractRow",
    "CostFactRow",
    "CostInputRow",
    "HardwarePriceRow",
    "RentalPriceRow",
    "TrainingCostRow",
]

PriceYear = Annotated[Annotated[int, Field(ge=2000, le=2100)] | None, Missing]
Text = Annotated[str | None, Missing]
Amount = Annotated[NonNegative | None, Missing]


#: A marketplace's names for what others call on demand (its own data centres) and spot (those of its members).
_KIND_NAMES = {"secure": "on_demand", "community": "spot", "on-demand": "on_demand"}


def _also(*names: str) -> Any:
    """Accept a column under any of these headers; the first is ours."""
    return Field(validation_alias=AliasChoices(*names))


class RentalPriceRow(Row):
    """One price of one chip for one hour. Nominal dollars of the date; the chip's share of its server included."""

    ABOUT: ClassVar = "a provider's price of a chip-hour on a date"

    date: datetime.date  # the first of the month where the source gives a month
    chip: Annotated[str, _also("chip", "gpu_norm")]
    provider: str
    #: on_demand; spot: marketplace and interruptible; reserved_1y, reserved_3y: paid for a term of years; serverless:
    #: paid by the second of use, another product that our table leaves out.
    kind: Annotated[
        Literal["on_demand", "spot", "reserved_1y", "reserved_3y", "serverless"],
        BeforeValidator(lambda kind: _KIND_NAMES.get(kind, kind)),
    ]
    #: list: printed by the provider; quoted: an index or a survey of what is paid.
    basis: Literal["list", "quoted"] = "list"
    usd_per_chip_hour: Annotated[Positive, _also("usd_per_chip_hour", "price_usd_gpu_hr")]
    source_id: Id = "gpu-rental-panel"


class HardwarePriceRow(Row):
    """One purchase price, per chip. A server's price is shared out over its chips."""

    ABOUT: ClassVar = "a purchase price per chip on a date"

    date: datetime.date  # the first of the year where precision is year
    date_precision: Literal["day", "month", "year"]
    chip: str
    #: chip or card alone; chip with its share of a server; of a rack; of a cluster with its network.
    scope: Literal["chip", "server", "rack", "cluster"]
    usd_per_chip: Positive
    low_usd_per_chip: Annotated[Positive | None, Missing] = None
    high_usd_per_chip: Annotated[Positive | None, Missing] = None
    source_id: Id
    note: Text = None


class CostInputRow(Row):
    """The default of one input of the cost model: its 5th, 50th and 95th percentile."""

    KEY: ClassVar = ("quantity",)
    ABOUT: ClassVar = "a default input of the cost model, with its range"

    quantity: str
    low: float
    median: float
    high: float
    lower_limit: Annotated[float | None, Missing] = None
    upper_limit: Annotated[float | None, Missing] = None
    unit: str
    price_year: PriceYear = None  # blank where no money is in it
    source_id: Id
    note: str

    @model_validator(mode="after")
    def _percentiles_rise(self) -> CostInputRow:
        if not self.low <= self.median <= self.high:
            raise ValueError(f"percentiles must rise: got {self.low}, {self.median}, {self.high}")
        return self


class CostFactRow(Row):
    """One published figure about what clusters cost, draw and earn, to compare with."""

    KEY: ClassVar = ("fact_id",)
    ABOUT: ClassVar = "a published figure on cost, power, finance or rent"

    fact_id: Id
    subject: str
    quantity: str
    value: Annotated[float | None, Missing] = None  # blank where only a range was published
    low: Annotated[float | None, Missing] = None
    high: Annotated[float | None, Missing] = None
    unit: str
    price_year: PriceYear = None
    source_id: Id
    note: Text = None


class ContractRow(Row):
    """One deal about compute. What was not published is blank."""

    KEY: ClassVar = ("contract_id",)
    ABOUT: ClassVar = "a deal about compute, as reported"

    contract_id: Id
    date: datetime.date
    date_precision: Literal["day", "month", "year"]
    buyer: str
    seller: str
    value_usd: Amount = None  # over the whole term
    term_years: Amount = None
    n_chips: Amount = None
    power_w: Amount = None
    source_id: Id
    note: Text = None


class TrainingCostRow(Row):
    """Epoch AI's estimate of what one training run cost, with the inputs published for it. Dollars of 2023."""

    KEY: ClassVar = ("model",)
    ABOUT: ClassVar = "a training run's estimated cost in 2023 dollars, in two vintages that do not mix"

    model: Annotated[str, _also("model", "Model")]
    published: Annotated[datetime.date | None, Missing] = None
    chip: Text = None
    n_chips: Amount = None
    chip_hours: Amount = None
    training_flop: Amount = None
    #: Hardware and energy for the time of the run: as in Cottier et al. 2024.
    amortised_usd_2023: Annotated[Amount, _also("amortised_usd_2023", "Hardware_Capex_Energy_Cost")] = None
    #: At rents of the time.
    cloud_usd_2023: Annotated[Amount, _also("cloud_usd_2023", "Cloud_Cost")] = None
    #: The whole cluster, bought.
    acquisition_usd_2023: Annotated[Amount, _also("acquisition_usd_2023", "Hardware_Acquisition_Cost")] = None
    #: A later run whose definition is not written down: GPT-4 costs 1.7 times as much there.
    later_run_usd_2023: Annotated[Amount, _also("later_run_usd_2023", "Cost")] = None
    source_id: Id = "epoch-training-costs"


TABLES: dict[str, type[Row]] = {
    "rental_prices": RentalPriceRow,
    "hardware_prices": HardwarePriceRow,
    "cost_inputs": CostInputRow,
    "cost_facts": CostFactRow,
    "contracts": ContractRow,
    "training_costs": TrainingCostRow,
}
