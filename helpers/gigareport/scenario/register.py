"""The register: one entry for each input of a scenario, with its meaning, unit, limits and default.

The classes are generic in what a value is: ``U`` an uncertain quantity, ``N`` an exact number, ``S`` a text. A file
becomes a ``Scenario``. To add an input: an entry here, its default as a row of ``data/scenario_defaults.csv`` or
``data/cost_inputs.csv``, and its use. Money is in US dollars of the scenario's date. Infinity is the neutral value of
a limit that is left out.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Generic, TypeAlias, TypeVar

from gigacluster.reliability.recovery import SCHEMES
from gigacluster.throughput.job import LARGEST_BATCH
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.facts.rents import FOLLOWED
from gigareport.scenario.record import Entry

U = TypeVar("U")
N = TypeVar("N")
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Site(Generic[U, N, S]):
    """Power at one place from one date: a site that grows in phases has a line for each."""

    name: Annotated[S, Entry("What it is called", longest=80, default="")]
    power_mw: Annotated[
        U,
        Entry(
            "Most that it may draw from then on, cooling and losses included",
            "MW",
            0.001,
            100_000,
            moves="own_useful_flop up",
        ),
    ]
    month: Annotated[
        U,
        Entry(
            "Time to power: months from the decision until it is there", "month", 0, 240, moves="own_useful_flop down"
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Cluster(Generic[U, N, S]):
    """What stands in the hall."""

    chip: Annotated[S, Entry("Accelerator, a name of data/chips.csv", table=("chips", "chip"))]
    n_chips: Annotated[N, Entry("Accelerators installed", "chip", 1, 1e8, whole=True, moves="own_usd up")]
    nic_gbps_per_chip: Annotated[
        N, Entry("Network rate of a chip, one way", "Gbit/s", 0.1, 100_000, optional="the chip's own network")
    ]
    sites: Annotated[
        tuple[Site[U, N, S], ...],
        Entry(
            "Sites with their power; chips that they cannot power stand idle and are paid for, and a chip may stand "
            "at any of them",
            optional="as much power as the chips need, from the start",
        ),
    ]
    reported_power_mw: Annotated[
        U,
        Entry(
            "Power of the site as reported or estimated, told beside what the chips need and used in nothing",
            "MW",
            0.001,
            100_000,
            optional="not known",
            compared=True,
        ),
    ]
    it_power_w_per_chip: Annotated[
        U,
        Entry(
            "Rated power of a chip with its part of server, network and storage",
            "W/chip",
            10,
            20_000,
            "it_power_w_per_chip",
            moves="site_power_mw up",
        ),
    ]
    load_frac: Annotated[
        U, Entry("Average draw over the rated IT power", "1", 0.01, 1, "load_frac", moves="site_power_mw up")
    ]
    pue: Annotated[
        U, Entry("Site energy over IT energy (power usage effectiveness)", "1", 1, 3, "pue", moves="site_power_mw up")
    ]


@dataclass(frozen=True, kw_only=True)
class Training(Generic[U, N, S]):
    """What the cluster trains."""

    model: Annotated[
        S, Entry("Shape that the step time is predicted for, a name of data/models.csv", table=("models", "name"))
    ]
    n_chips: Annotated[
        N, Entry("Chips of the training job; the others are spares", "chip", 1, 1e8, whole=True, default=math.inf)
    ]
    seq_len: Annotated[N, Entry("Sequence length", "token", 128, 1e7, whole=True, default=8192)]
    global_batch: Annotated[N, Entry("Sequences of one step", "sequence", 1, LARGEST_BATCH, whole=True)]
    batch_ratio: Annotated[
        U,
        Entry(
            "Batch of the run over global_batch, which the plan is shown for",
            "1",
            0.25,
            4,
            "training.batch_ratio",
            moves="mfu_frac up",
        ),
    ]
    precision: Annotated[S, Entry("Precision of the linear layers", choices=("bf16", "fp8"), default="bf16")]
    start: Annotated[
        S,
        Entry(
            "Whether a run grows with the chips that stand, or waits for the last of them",
            choices=("grows", "waits"),
            default="grows",
        ),
    ]
    used_frac: Annotated[
        U,
        Entry(
            "Share of the available hours that are used; an owner pays for all, a tenant by the hour for these",
            "1",
            0.01,
            1,
            default=1.0,
            moves="own_useful_flop up",
        ),
    ]
    run_days: Annotated[
        U, Entry("Length of one training run", "day", 0.01, 3650, "training.run_days", moves="run_flop up")
    ]
    reference_run_flop: Annotated[
        U,
        Entry(
            "A run whose duration and price are asked for",
            "FLOP",
            1e15,
            1e32,
            "training.reference_run_flop",
            moves="reference_run_days up",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Reliability(Generic[U, N, S]):
    """What stops it."""

    recovery: Annotated[
        S,
        Entry(
            "What the job does after a failure: start again as a whole, take a node that stands by, go back to copies "
            "in memory, or go on without the data-parallel replica that failed",
            choices=("by_size_and_year", *SCHEMES),
            default="by_size_and_year",
        ),
    ]
    blast: Annotated[
        S,
        Entry(
            "What fails as one: nodes of 8, or racks of 72 and their trays",
            choices=("by_chip", "HGX", "NVL72"),
            default="by_chip",
        ),
    ]
    failures_per_1000_node_days: Annotated[
        U,
        Entry(
            "Failures that stop the job, by 8-chip node",
            "1/(1,000 node-days)",
            0.0001,
            1000,
            optional="the failures counted, or else what published runs of the chip's class and this size show",
            moves="goodput_frac down",
        ),
    ]
    failures: Annotated[
        N,
        Entry(
            "Failures that the cluster has counted in node_days",
            "1",
            0,
            1e9,
            whole=True,
            optional="none counted",
            moves="goodput_frac down",
        ),
    ]
    node_days: Annotated[
        N,
        Entry(
            "Nodes of 8 chips, times days, in which failures were counted",
            "d",
            0.01,
            1e12,
            optional="none counted",
            moves="goodput_frac up",
        ),
    ]
    mttf_hours: Annotated[
        U,
        Entry(
            "Mean time to failure of the whole job, in the place of a rate",
            "h",
            0.001,
            1e6,
            optional="from the rate",
            moves="goodput_frac up",
        ),
    ]
    detection_s: Annotated[
        U,
        Entry(
            "From a failure until it is noticed",
            "s",
            0,
            86_400,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    restart_s: Annotated[
        U,
        Entry(
            "Restart of the whole job from a stored checkpoint, once a failure is noticed",
            "s",
            0,
            86_400,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    resume_s: Annotated[
        U,
        Entry(
            "Until the job goes on where the scheme helps: with a spare, from copies, or without the replica",
            "s",
            0,
            86_400,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    size_power: Annotated[
        U,
        Entry(
            "Power of size with which restart and resumption grow beyond 8,192 GPUs, where they are not given",
            "1",
            0,
            1,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac either",
            either="below that size the times shrink",
        ),
    ]
    rebuild_s: Annotated[
        U,
        Entry(
            "Until a replica that failed is back",
            "s",
            0,
            864_000,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    lost_frac: Annotated[
        U,
        Entry(
            "Share of failures that the scheme does not help against",
            "1",
            0,
            1,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac either",
            either="where the scheme is the slower way back, failures beyond it help",
        ),
    ]
    overhead_frac: Annotated[
        U,
        Entry(
            "Share of computing that the scheme costs without any failure",
            "1",
            0,
            0.99,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    checkpoint_write_s: Annotated[
        U,
        Entry(
            "From the start of a checkpoint until it is safe",
            "s",
            0,
            86_400,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    checkpoint_stall_s: Annotated[
        U,
        Entry(
            "Training stops for so much of it",
            "s",
            0,
            86_400,
            optional="the range of the scheme in data/recovery_schemes.csv",
            moves="goodput_frac down",
        ),
    ]
    planned_stops_per_day: Annotated[
        U,
        Entry(
            "Planned stops in a day of operation",
            "1/day",
            0,
            100,
            "reliability.planned_stops_per_day",
            moves="goodput_frac down",
        ),
    ]
    planned_stop_s: Annotated[
        U,
        Entry(
            "How long a planned stop takes",
            "s",
            0,
            86_400,
            "reliability.planned_stop_s",
            moves="goodput_frac down",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Delivery(Generic[U, N]):
    """A part of an own cluster that starts to work together."""

    share: Annotated[N, Entry("Share of the chips; the shares of all deliveries add up to 1", "1", 1e-6, 1)]
    month: Annotated[
        U, Entry("Months from the decision until this part trains", "month", 0, 240, moves="months_gained down")
    ]


@dataclass(frozen=True, kw_only=True)
class Own(Generic[U, N, S]):
    """What building costs, and when it stands. The names are those of ``gigacluster.cost.own``."""

    deliveries: Annotated[
        tuple[Delivery[U, N], ...],
        Entry("Parts of the cluster by their delivery", optional="all at once, after the sourced time"),
    ]
    chip_usd: Annotated[U, Entry("Price of one accelerator", "USD", 1, 1e6, "chip_usd", moves="own_usd up")]
    server_usd_per_chip: Annotated[
        U, Entry("A chip's part of its server", "USD/chip", 0, 1e6, "server_usd_per_chip", moves="own_usd up")
    ]
    network_usd_per_tier_per_chip: Annotated[
        U,
        Entry(
            "Its part of one tier of the network",
            "USD/(chip tier)",
            0,
            1e6,
            "network_usd_per_tier_per_chip",
            moves="own_usd up",
        ),
    ]
    switch_ports: Annotated[
        N,
        Entry(
            "Ports of a switch, from which the network's tiers follow: 128 or 64",
            "port",
            4,
            4096,
            whole=True,
            default=128,
            moves="own_usd down",
        ),
    ]
    storage_usd_per_chip: Annotated[
        U, Entry("Its part of the storage", "USD/chip", 0, 1e6, "storage_usd_per_chip", moves="own_usd up")
    ]
    building_usd_per_it_w: Annotated[
        U, Entry("Building and its equipment", "USD/W", 0, 100, "building_usd_per_it_w", moves="own_usd up")
    ]
    power_plant_usd_per_it_w: Annotated[
        U, Entry("Own generation", "USD/W", 0, 100, "power_plant_usd_per_it_w", moves="own_usd up")
    ]
    site_rent_usd_per_kw_month: Annotated[
        U,
        Entry(
            "Rent of a hall for owned chips, beside or instead of a building",
            "USD/(kW month)",
            0,
            2000,
            default=0.0,
            moves="own_usd up",
        ),
    ]
    overrun_frac: Annotated[
        U,
        Entry(
            "What hardware and site cost more than planned, as a share",
            "1",
            0,
            3,
            default=0.0,
            moves="own_usd up",
        ),
    ]
    let_from_month: Annotated[
        N,
        Entry(
            "Month from the decision from which the owner lets all chips to others instead of training",
            "month",
            0,
            240,
            default=math.inf,
            moves="own_useful_flop up",
        ),
    ]
    let_usd_per_chip_hour: Annotated[
        U,
        Entry(
            "Rent that the owner then gets", "USD/(chip h)", 0.01, 200, optional="needed to let", moves="own_usd down"
        ),
    ]
    let_frac: Annotated[
        U,
        Entry("Share of the hours let that finds a tenant", "1", 0.01, 1, default=1.0, moves="own_usd down"),
    ]
    energy_usd_per_kwh: Annotated[
        U, Entry("Price of electricity", "USD/kWh", 0, 2, "energy_usd_per_kwh", moves="own_usd up")
    ]
    staff_usd_per_chip_year: Annotated[
        U, Entry("People who run the cluster", "USD/(chip year)", 0, 1e6, "staff_usd_per_chip_year", moves="own_usd up")
    ]
    maintenance_frac_per_year: Annotated[
        U,
        Entry(
            "Repairs, as a share of the hardware's price",
            "1/year",
            0,
            1,
            "maintenance_frac_per_year",
            moves="own_usd up",
        ),
    ]
    spares_frac: Annotated[
        U, Entry("Chips bought as spares, as a share of the working ones", "1", 0, 1, "spares_frac", moves="own_usd up")
    ]
    hardware_life_months: Annotated[
        U,
        Entry(
            "Life of the hardware",
            "month",
            1,
            240,
            "hardware_life_months",
            moves="own_usd either",
            either="a longer life leaves more value at the end, or saves a second purchase within the horizon",
        ),
    ]
    hardware_value_decline_per_year: Annotated[
        U,
        Entry(
            "Share of its value that used hardware loses a year",
            "1/year",
            0,
            0.99,
            "hardware_value_decline_per_year",
            moves="own_usd up",
        ),
    ]
    selling_cost_frac: Annotated[
        U,
        Entry(
            "Share of its value that everything loses on the day of the sale",
            "1",
            0,
            1,
            "selling_cost_frac",
            moves="own_usd up",
        ),
    ]
    building_life_months: Annotated[
        U, Entry("Life of the building", "month", 12, 1200, "building_life_months", moves="own_usd down")
    ]
    debt_frac: Annotated[
        U,
        Entry(
            "Share of the capital that is lent",
            "1",
            0,
            1,
            "debt_frac",
            moves="own_usd either",
            either="it lowers the rate at which later payments and the sale are discounted",
        ),
    ]
    debt_effective_rate_per_year: Annotated[
        U,
        Entry(
            "Interest, nominal and effective: an APR paid by the month is (1 + APR / 12)^12 - 1",
            "1/year",
            0,
            1,
            "debt_effective_rate_per_year",
            moves="own_usd either",
            either="a higher rate discounts running costs and the sale alike",
        ),
    ]
    equity_rate_per_year: Annotated[
        U,
        Entry(
            "Return that owners ask for, nominal",
            "1/year",
            0,
            1,
            "equity_rate_per_year",
            moves="own_usd either",
            either="a higher rate discounts running costs and the sale alike",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Rent(Generic[U, N, S]):
    """The rental that stands against it. The names are those of ``gigacluster.cost.rent``."""

    kind: Annotated[
        S,
        Entry(
            "Kind of rent: a contract over a term, a year's contract made again each year, by the hour at the market's "
            "price, or at the rents that were quoted later",
            choices=("contract", "reserved", "hourly", "followed"),
            default="contract",
        ),
    ]
    follows: Annotated[
        S,
        Entry(
            "Which rents kind: followed takes: quotes of large buyers, then of one-year contracts; the typical list "
            "price by the hour; or that of marketplaces",
            choices=FOLLOWED,
            default="contracts",
        ),
    ]
    committed_usd_per_chip_hour: Annotated[
        U,
        Entry(
            "Price of the rent: the contract's, or that of the day of the decision",
            "USD/(chip h)",
            0.01,
            200,
            "market_usd_per_chip_hour",
            moves="saving_usd up",
        ),
    ]
    term_months: Annotated[
        N,
        Entry(
            "Length of the contract from its start",
            "month",
            1,
            240,
            default=math.inf,
            moves="rent_bill_usd either",
            either="what follows the term may be dearer or cheaper than the contract",
        ),
    ]
    after_term: Annotated[
        S,
        Entry(
            "What follows the term: renew at the market's price, stop, or buy the rented chips and run them",
            choices=("renew", "stop", "buy"),
            default="renew",
        ),
    ]
    buy_usd_per_chip: Annotated[
        U,
        Entry(
            "Price at which the tenant then buys a chip, with its part of server, network, storage and hall",
            "USD/chip",
            0,
            1e6,
            optional="what they are worth at that age by the prices, lives and yearly loss of section own",
            moves="rent_bill_usd up",
        ),
    ]
    renewal_usd_per_chip_hour: Annotated[
        U,
        Entry(
            "Price at which the market stands for a renewal, on the day of the decision",
            "USD/(chip h)",
            0.01,
            200,
            optional="the price of the contract",
            moves="rent_bill_usd up",
        ),
    ]
    ramp_months: Annotated[
        U,
        Entry(
            "Months from the start until all rented chips stand",
            "month",
            0,
            60,
            default=0.0,
            moves="rent_useful_flop down",
        ),
    ]
    minimum_take_frac: Annotated[
        U,
        Entry(
            "Share of the contract's hours that is paid whether used or not",
            "1",
            0,
            1,
            default=1.0,
            moves="rent_bill_usd up",
        ),
    ]
    step_down_frac_per_year: Annotated[
        U,
        Entry(
            "Share that the contract's price falls each year",
            "1/year",
            0,
            0.99,
            default=0.0,
            moves="rent_bill_usd down",
        ),
    ]
    leave_month: Annotated[
        N,
        Entry(
            "Month from the decision in which the tenant leaves",
            "month",
            1,
            240,
            default=math.inf,
            moves="rent_useful_flop up",
        ),
    ]
    notice_months: Annotated[
        N,
        Entry(
            "Notice after which a contract that is left owes no more than its fee",
            "month",
            0,
            240,
            default=math.inf,
            moves="rent_bill_usd up",
        ),
    ]
    exit_fee_frac: Annotated[
        U,
        Entry(
            "Fee for leaving, as a share of what the contract still holds",
            "1",
            0,
            1,
            default=0.0,
            moves="rent_bill_usd up",
        ),
    ]
    start_month: Annotated[
        U,
        Entry(
            "Months from the decision until the rented chips train",
            "month",
            0,
            240,
            "rent_start_months",
            moves="months_gained up",
        ),
    ]
    prepaid_frac: Annotated[
        U, Entry("Share of the contract paid at the start", "1", 0, 1, "prepaid_frac", moves="rent_usd up")
    ]
    extras_frac: Annotated[
        U, Entry("Storage, traffic and support, as a share of the bill", "1", 0, 1, "extras_frac", moves="rent_usd up")
    ]
    contract_usd: Annotated[
        U,
        Entry(
            "Size of the contract as reported, told beside the cost and not used in it",
            "USD",
            0,
            1e13,
            optional="not known",
            compared=True,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Race(Generic[U, N, S]):
    """What time is worth."""

    value_of_month_usd: Annotated[
        U,
        Entry(
            "Worth of training one month earlier",
            "USD/month",
            0,
            1e13,
            optional="the revenue of a cloud of that power",
            moves="month_worth_usd up",
        ),
    ]
    revenue_usd_per_site_w_year: Annotated[
        U,
        Entry(
            "Revenue of a cloud, by the power of its site",
            "USD/(W year)",
            0,
            1000,
            "race.revenue_usd_per_site_w_year",
            moves="month_worth_usd up",
        ),
    ]
    rival_growth_per_year: Annotated[
        U,
        Entry(
            "Growth of the largest training clusters after the last date of the tables",
            "1/year",
            1.01,
            100,
            "race.rival_growth_per_year",
            moves="lead_months either",
            either="faster growth shortens a lead and makes up a lag sooner",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Case(Generic[U, N, S]):
    """One cluster and the choice between building and renting it."""

    name: Annotated[
        S,
        Entry(
            "Short name: lower-case letters, digits and hyphens",
            pattern=r"[a-z0-9][a-z0-9-]{0,62}",
            example="my-cluster-2026",
        ),
    ]
    title: Annotated[S, Entry("The question in a few words, for the head of the page", longest=120)]
    owner: Annotated[S, Entry("Who owns it, as in data/chip_owners.csv, if listed there", longest=80, default="")]
    story: Annotated[S, Entry("What is decided, in a paragraph", longest=4000, default="")]
    decided_on: Annotated[datetime.date, Entry("Date of the decision, YYYY-MM-DD")]
    price_year: Annotated[N, Entry("Year of the dollars", "year", 2015, 2040, whole=True)]
    horizon_months: Annotated[
        N, Entry("Months over which owning and renting are compared", "month", 2, 240, whole=True, default=48)
    ]
    cluster: Cluster[U, N, S]
    training: Training[U, N, S]
    reliability: Reliability[U, N, S]
    own: Own[U, N, S]
    rent: Rent[U, N, S]
    race: Race[U, N, S]


#: What a file says: percentiles, exact numbers, texts.
Scenario: TypeAlias = Case[Uncertain, float, str]


@cache
def _defaults() -> dict[str, Uncertain]:
    """Return the sourced defaults by row: ``section.field`` of scenarios, bare names of the cost model."""
    cost = catalog.load("cost_inputs").rename(columns={"quantity": "field"})
    found = {}
    for table in (cost, catalog.load("scenario_defaults")):
        percentiles = table[["low", "median", "high"]].itertuples(index=False, name=None)
        for field, (low, median, high) in zip(table["field"], percentiles, strict=True):
            found[str(field)] = Uncertain(low=low, median=median, high=high)
    return found


def default_of(row: str) -> Uncertain:
    """Return the sourced default of a row of ``data/scenario_defaults.csv`` or ``data/cost_inputs.csv``."""
    return _defaults()[row]
