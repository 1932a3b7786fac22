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
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Generic, TypeAlias, TypeVar

from gigacluster.reliability.recovery import SCHEMES
from gigacluster.throughput.job import LARGEST_BATCH
from gigacluster.uncertainty import Uncertain, alike
from gigareport import catalog
from gigareport.facts.rents import FOLLOWED
from gigareport.scenario.record import SOURCED, Entry

U = TypeVar("U")
N = TypeVar("N")
S = TypeVar("S")

#: The name in a file of a chip of one's own, and what its record needs then.
OWN = "own"
WITH_OWN = "not known; needed with chip: own"

# Families of entries, which say once what many inputs have in common.
_of_own_chip = partial(Entry, optional=WITH_OWN)
_of_scheme = partial(Entry, optional="the range of the scheme in data/recovery_schemes.csv", moves="goodput_frac down")
_PHASE = _of_scheme("s", 0, 86_400)
_sourced_cost = partial(Entry, row=SOURCED, moves="own_usd up")
_RATE_OF_CAPITAL = Entry("1/year", 0, 1, SOURCED, moves="own_usd either")


@alike
@dataclass(frozen=True, kw_only=True)
class Site(Generic[U, N, S]):
    """Power at one place from one date: a site that grows in phases has a line for each."""

    name: Annotated[S, "What it is called", Entry(longest=80, default="")]
    power_mw: Annotated[
        U,
        "Most that it may draw from then on, cooling and losses included",
        Entry("MW", 0.001, 100_000, moves="own_useful_flop up"),
    ]
    month: Annotated[
        U,
        "Time to power: months from the decision until it is there",
        Entry("month", 0, 240, moves="own_useful_flop down"),
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class OwnChip(Generic[N, S]):
    """A chip that no table has: with ``chip: own`` this record takes its place."""

    name: Annotated[S, "What the report calls it", Entry(longest=40, default="own chip")]
    bf16_tflops: Annotated[N, "Dense 16-bit peak", _of_own_chip("TFLOP/s", 1, 1e6)]
    fp8_tflops: Annotated[N, "Dense 8-bit peak", Entry("TFLOP/s", 1, 1e6, optional="it computes in 16 bit alone")]
    memory_gib: Annotated[N, "Memory that a program can use", _of_own_chip("GiB", 1, 10_000)]
    memory_gb_per_s: Annotated[N, "Bandwidth of the memory", _of_own_chip("GB/s", 10, 1e6)]
    scaleup_gb_per_s: Annotated[N, "Links to the chips of its domain, one way", _of_own_chip("GB/s", 1, 1e5)]
    scaleup_domain: Annotated[N, "Chips that these links join", _of_own_chip("chip", 1, 100_000, whole=True)]
    scaleout_gbit_per_s: Annotated[N, "Network between domains, one way", _of_own_chip("Gbit/s", 0.1, 1e5)]
    n_processors: Annotated[
        N,
        "Streaming multiprocessors or compute units",
        Entry("1", 1, 100_000, whole=True, optional="few and large matrix units with a fixed clock, as a TPU's"),
    ]
    tdp_w: Annotated[N, "Rated power of the chip alone", _of_own_chip("W", 1, 1e5)]
    usd: Annotated[N, "Price of a chip with its part of the server", _of_own_chip("USD", 1, 1e6)]


@alike
@dataclass(frozen=True, kw_only=True)
class Cluster(Generic[U, N, S]):
    """What stands in the hall."""

    chip: Annotated[
        S,
        "Accelerator, a name of data/chips.csv; own: the record below it",
        Entry(table=("chips", "chip"), choices=(OWN,)),
    ]
    own_chip: OwnChip[N, S]
    n_chips: Annotated[N, "Accelerators installed", Entry("chip", 1, 1e8, whole=True, moves="own_usd up")]
    nic_gbps_per_chip: Annotated[
        N, "Network rate of a chip, one way", Entry("Gbit/s", 0.1, 100_000, optional="the chip's own network")
    ]
    rails: Annotated[
        N,
        "Whether the cards of one place in every server share a leaf switch: 1 yes, 0 no",
        Entry("1", 0, 1, whole=True, default=1),
    ]
    pod_chips: Annotated[
        N,
        "Chips that the network joins at full bisection; beyond, the oversubscription counts",
        Entry("chip", 0, 1e8, whole=True, default=0, optional="one server"),
    ]
    oversubscription: Annotated[
        N,
        "What the cards of a pod could send, over what the upper tiers carry: 7 beyond 3,072 chips at Meta in 2024",
        Entry("1", 1, 1000, default=1, optional="full bisection"),
    ]
    sites: Annotated[
        tuple[Site[U, N, S], ...],
        "Sites with their power; chips beyond it stand idle and are paid for, and a chip may stand at any site",
        Entry(optional="as much power as the chips need, from the start"),
    ]
    reported_power_mw: Annotated[
        U,
        "Power of the site as reported or estimated, told beside what the chips need and used in nothing",
        Entry("MW", 0.001, 100_000, optional="not known", compared=True),
    ]
    it_power_w_per_chip: Annotated[
        U,
        "Rated power of a chip with its part of server, network and storage",
        Entry("W/chip", 10, 20_000, SOURCED, moves="site_power_mw up"),
    ]
    load_frac: Annotated[
        U, "Average draw over the rated IT power", Entry("1", 0.01, 1, SOURCED, moves="site_power_mw up")
    ]
    pue: Annotated[
        U, "Site energy over IT energy (power usage effectiveness)", Entry("1", 1, 3, SOURCED, moves="site_power_mw up")
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class Training(Generic[U, N, S]):
    """What the cluster trains."""

    model: Annotated[
        S, "Shape that the step time is predicted for, a name of data/models.csv", Entry(table=("models", "name"))
    ]
    n_chips: Annotated[
        N, "Chips of the training job; the others are spares", Entry("chip", 1, 1e8, whole=True, default=math.inf)
    ]
    seq_len: Annotated[N, "Sequence length", Entry("token", 128, 1e7, whole=True, default=8192)]
    global_batch: Annotated[N, "Sequences of one step", Entry("sequence", 1, LARGEST_BATCH, whole=True)]
    batch_ratio: Annotated[
        U,
        "Batch of the run over the one that the plan is shown for",
        Entry("1", 0.25, 4, SOURCED, moves="mfu_frac up"),
    ]
    precision: Annotated[S, "Precision of the linear layers", Entry(choices=("bf16", "fp8"), default="bf16")]
    calibration: Annotated[
        S,
        "File of 'gigacluster calibrate RUNS.csv --out FILE', beside the scenario: step times as your runs taught them",
        Entry(longest=300, default=""),
    ]
    start: Annotated[
        S,
        "Whether a run grows with the chips that stand, or waits for the last of them",
        Entry(choices=("grows", "waits"), default="grows"),
    ]
    used_frac: Annotated[
        U,
        "Share of the available hours that are used; an owner pays for all, a tenant by the hour for these",
        Entry("1", 0.01, 1, default=1.0, moves="own_useful_flop up"),
    ]
    run_days: Annotated[U, "Length of one training run", Entry("day", 0.01, 3650, SOURCED, moves="run_flop up")]
    reference_run_flop: Annotated[
        U,
        "A run whose duration and price are asked for",
        Entry("FLOP", 1e15, 1e32, SOURCED, moves="reference_run_days up"),
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class Reliability(Generic[U, N, S]):
    """What stops it."""

    recovery: Annotated[
        S,
        "What the job does after a failure: start again as a whole, take a node that stands by, go back to copies "
        "in memory, or go on without the data-parallel replica that failed",
        Entry(choices=("by_size_and_year", *SCHEMES), default="by_size_and_year"),
    ]
    blast: Annotated[
        S,
        "What fails as one: nodes of 8, or racks of 72 and their trays",
        Entry(choices=("by_chip", "HGX", "NVL72"), default="by_chip"),
    ]
    failures_per_1000_node_days: Annotated[
        U,
        "Failures that stop the job, by 8-chip node",
        Entry(
            "1/(1,000 node-days)",
            0.0001,
            1000,
            optional="the failures counted, or else what published runs of the chip's class and this size show",
            moves="goodput_frac down",
        ),
    ]
    failures: Annotated[
        N,
        "Failures that the cluster has counted in node_days",
        Entry("1", 0, 1e9, whole=True, optional="none counted", moves="goodput_frac down"),
    ]
    node_days: Annotated[
        N,
        "Nodes of 8 chips, times days, in which failures were counted",
        Entry("d", 0.01, 1e12, optional="none counted", moves="goodput_frac up"),
    ]
    mttf_hours: Annotated[
        U,
        "Mean time to failure of the whole job, in the place of a rate",
        Entry("h", 0.001, 1e6, optional="from the rate", moves="goodput_frac up"),
    ]
    detection_s: Annotated[U, "From a failure until it is noticed", _PHASE]
    restart_s: Annotated[U, "Restart of the whole job from a stored checkpoint, once a failure is noticed", _PHASE]
    resume_s: Annotated[
        U,
        "Time until the job goes on where the scheme helps: with a spare, from copies, or without the replica",
        _PHASE,
    ]
    # Below that size the times shrink.
    size_power: Annotated[
        U,
        "Power of size with which restart and resumption grow beyond 8,192 GPUs, where they are not given",
        _of_scheme("1", 0, 1, moves="goodput_frac either"),
    ]
    rebuild_s: Annotated[U, "Until a replica that failed is back", _of_scheme("s", 0, 864_000)]
    # Where the scheme is the slower way back, failures beyond it help.
    lost_frac: Annotated[
        U, "Share of failures that the scheme does not help against", _of_scheme("1", 0, 1, moves="goodput_frac either")
    ]
    overhead_frac: Annotated[
        U, "Share of computing that the scheme costs without any failure", _of_scheme("1", 0, 0.99)
    ]
    checkpoint_write_s: Annotated[U, "From the start of a checkpoint until it is safe", _PHASE]
    checkpoint_stall_s: Annotated[U, "How long training stops for a checkpoint", _PHASE]
    planned_stops_per_day: Annotated[
        U, "Planned stops in a day of operation", Entry("1/day", 0, 100, SOURCED, moves="goodput_frac down")
    ]
    planned_stop_s: Annotated[
        U, "How long a planned stop takes", Entry("s", 0, 86_400, SOURCED, moves="goodput_frac down")
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class Delivery(Generic[U, N]):
    """A part of an own cluster that starts to work together."""

    share: Annotated[N, "Share of the chips; the shares of all deliveries add up to 1", Entry("1", 1e-6, 1)]
    month: Annotated[
        U, "Months from the decision until this part trains", Entry("month", 0, 240, moves="months_gained down")
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class Own(Generic[U, N, S]):
    """What building costs, and when it stands. The names are those of ``gigacluster.cost.own``."""

    deliveries: Annotated[
        tuple[Delivery[U, N], ...],
        "Parts of the cluster by their delivery",
        Entry(optional="all at once, after the sourced time"),
    ]
    chip_usd: Annotated[U, "Price of one accelerator", _sourced_cost("USD", 1, 1e6)]
    server_usd_per_chip: Annotated[U, "A chip's part of its server", _sourced_cost("USD/chip", 0, 1e6)]
    network_usd_per_tier_per_chip: Annotated[
        U, "A chip's part of one tier of the network", _sourced_cost("USD/(chip tier)", 0, 1e6)
    ]
    switch_ports: Annotated[
        N,
        "Ports of a switch, from which the network's tiers follow: 128 or 64",
        Entry("port", 4, 4096, whole=True, default=128, moves="own_usd down"),
    ]
    storage_usd_per_chip: Annotated[U, "A chip's part of the storage", _sourced_cost("USD/chip", 0, 1e6)]
    building_usd_per_it_w: Annotated[U, "Building and its equipment", _sourced_cost("USD/W", 0, 100)]
    power_plant_usd_per_it_w: Annotated[U, "Own generation", _sourced_cost("USD/W", 0, 100)]
    site_rent_usd_per_kw_month: Annotated[
        U,
        "Rent of a hall for owned chips, beside or instead of a building",
        Entry("USD/(kW month)", 0, 2000, default=0.0, moves="own_usd up"),
    ]
    overrun_frac: Annotated[
        U,
        "What hardware and site cost more than planned, as a share",
        Entry("1", 0, 3, default=0.0, moves="own_usd up"),
    ]
    let_from_month: Annotated[
        N,
        "Month from the decision from which the owner lets all chips to others instead of training",
        Entry("month", 0, 240, default=math.inf, moves="own_useful_flop up"),
    ]
    let_usd_per_chip_hour: Annotated[
        U,
        "Rent that the owner then gets",
        Entry("USD/(chip h)", 0.01, 200, optional="needed to let", moves="own_usd down"),
    ]
    let_frac: Annotated[
        U, "Share of the hours let that finds a tenant", Entry("1", 0.01, 1, default=1.0, moves="own_usd down")
    ]
    energy_usd_per_kwh: Annotated[U, "Price of electricity", _sourced_cost("USD/kWh", 0, 2)]
    staff_usd_per_chip_year: Annotated[U, "People who run the cluster", _sourced_cost("USD/(chip year)", 0, 1e6)]
    maintenance_frac_per_year: Annotated[
        U, "Repairs, as a share of the hardware's price", _sourced_cost("1/year", 0, 1)
    ]
    spares_frac: Annotated[U, "Chips bought as spares, as a share of the working ones", _sourced_cost("1", 0, 1)]
    # A longer life leaves more value at the end, or saves a second purchase within the horizon.
    hardware_life_months: Annotated[U, "Life of the hardware", Entry("month", 1, 240, SOURCED, moves="own_usd either")]
    hardware_value_decline_per_year: Annotated[
        U, "Share of its value that used hardware loses a year", _sourced_cost("1/year", 0, 0.99)
    ]
    selling_cost_frac: Annotated[
        U, "Share of its value that everything loses on the day of the sale", _sourced_cost("1", 0, 1)
    ]
    building_life_months: Annotated[U, "Life of the building", Entry("month", 12, 1200, SOURCED, moves="own_usd down")]
    # It lowers the rate at which later payments and the sale are discounted.
    debt_frac: Annotated[U, "Share of the capital that is lent", Entry("1", 0, 1, SOURCED, moves="own_usd either")]
    # A higher rate discounts running costs and the sale alike: so with both rates.
    debt_effective_rate_per_year: Annotated[
        U, "Interest, nominal and effective: an APR paid by the month is (1 + APR / 12)^12 - 1", _RATE_OF_CAPITAL
    ]
    equity_rate_per_year: Annotated[U, "Return that owners ask for, nominal", _RATE_OF_CAPITAL]


@alike
@dataclass(frozen=True, kw_only=True)
class Rent(Generic[U, N, S]):
    """The rental that stands against it. The names are those of ``gigacluster.cost.rent``."""

    kind: Annotated[
        S,
        "Kind of rent: a contract over a term, a year's contract made again each year, by the hour at the market's "
        "price, or at the rents that were quoted later",
        Entry(choices=("contract", "reserved", "hourly", "followed"), default="contract"),
    ]
    follows: Annotated[
        S,
        "Which rents kind: followed takes: quotes of large buyers, then of one-year contracts; the typical list price "
        "by the hour; or that of marketplaces",
        Entry(choices=FOLLOWED, default="contracts"),
    ]
    committed_usd_per_chip_hour: Annotated[
        U,
        "Price of the rent: the contract's, or that of the day of the decision",
        Entry("USD/(chip h)", 0.01, 200, "market_usd_per_chip_hour", moves="saving_usd up"),
    ]
    # What follows the term may be dearer or cheaper than the contract.
    term_months: Annotated[
        N,
        "Length of the contract from its start",
        Entry("month", 1, 240, default=math.inf, moves="rent_bill_usd either"),
    ]
    after_term: Annotated[
        S,
        "What follows the term: renew at the market's price, stop, or buy the rented chips and run them",
        Entry(choices=("renew", "stop", "buy"), default="renew"),
    ]
    buy_usd_per_chip: Annotated[
        U,
        "Price at which the tenant then buys a chip, with its part of server, network, storage and hall",
        Entry(
            "USD/chip",
            0,
            1e6,
            optional="what they are worth at that age by the prices, lives and yearly loss of section own",
            moves="rent_bill_usd up",
        ),
    ]
    renewal_usd_per_chip_hour: Annotated[
        U,
        "Price at which the market stands for a renewal, on the day of the decision",
        Entry("USD/(chip h)", 0.01, 200, optional="the price of the contract", moves="rent_bill_usd up"),
    ]
    ramp_months: Annotated[
        U,
        "Months from the start until all rented chips stand",
        Entry("month", 0, 60, default=0.0, moves="rent_useful_flop down"),
    ]
    minimum_take_frac: Annotated[
        U,
        "Share of the contract's hours that is paid whether used or not",
        Entry("1", 0, 1, default=1.0, moves="rent_bill_usd up"),
    ]
    step_down_frac_per_year: Annotated[
        U,
        "Share that the contract's price falls each year",
        Entry("1/year", 0, 0.99, default=0.0, moves="rent_bill_usd down"),
    ]
    leave_month: Annotated[
        N,
        "Month from the decision in which the tenant leaves",
        Entry("month", 1, 240, default=math.inf, moves="rent_useful_flop up"),
    ]
    notice_months: Annotated[
        N,
        "Notice after which a contract that is left owes no more than its fee",
        Entry("month", 0, 240, default=math.inf, moves="rent_bill_usd up"),
    ]
    exit_fee_frac: Annotated[
        U,
        "Fee for leaving, as a share of what the contract still holds",
        Entry("1", 0, 1, default=0.0, moves="rent_bill_usd up"),
    ]
    start_month: Annotated[
        U,
        "Months from the decision until the rented chips train",
        Entry("month", 0, 240, "rent_start_months", moves="months_gained up"),
    ]
    prepaid_frac: Annotated[
        U, "Share of the contract paid at the start", Entry("1", 0, 1, SOURCED, moves="rent_usd up")
    ]
    extras_frac: Annotated[
        U, "Storage, traffic and support, as a share of the bill", Entry("1", 0, 1, SOURCED, moves="rent_usd up")
    ]
    contract_usd: Annotated[
        U,
        "Size of the contract as reported, told beside the cost and not used in it",
        Entry("USD", 0, 1e13, optional="not known", compared=True),
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class Race(Generic[U, N, S]):
    """What time is worth."""

    value_of_month_usd: Annotated[
        U,
        "Worth of training one month earlier",
        Entry("USD/month", 0, 1e13, optional="the revenue of a cloud of that power", moves="month_worth_usd up"),
    ]
    revenue_usd_per_site_w_year: Annotated[
        U,
        "Revenue of a cloud, by the power of its site",
        Entry("USD/(W year)", 0, 1000, SOURCED, moves="month_worth_usd up"),
    ]
    # Faster growth shortens a lead and makes up a lag sooner.
    rival_growth_per_year: Annotated[
        U,
        "Growth of the largest training clusters after the last date of the tables",
        Entry("1/year", 1.01, 100, SOURCED, moves="lead_months either"),
    ]


@alike
@dataclass(frozen=True, kw_only=True)
class Case(Generic[U, N, S]):
    """One cluster and the choice between building and renting it."""

    name: Annotated[
        S,
        "Short name: lower-case letters, digits and hyphens",
        Entry(pattern=r"[a-z0-9][a-z0-9-]{0,62}", example="my-cluster-2026"),
    ]
    title: Annotated[S, "The question in a few words, for the head of the page", Entry(longest=120)]
    owner: Annotated[S, "Who owns it, as in data/chip_owners.csv, if listed there", Entry(longest=80, default="")]
    story: Annotated[S, "What is decided, in a paragraph", Entry(longest=4000, default="")]
    goal: Annotated[
        S,
        "Goal that the page of planning answers: a name of data/goals, or a YAML file beside this one",
        Entry(longest=200, default="", optional="the reference run at the least cost"),
    ]
    decided_on: Annotated[datetime.date, "Date of the decision, YYYY-MM-DD"]
    price_year: Annotated[N, "Year of the dollars", Entry("year", 2015, 2040, whole=True)]
    horizon_months: Annotated[
        N, "Months over which owning and renting are compared", Entry("month", 2, 240, whole=True, default=48)
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
def _defaults() -> dict[str, tuple[Uncertain, str]]:
    """Return the sourced defaults, and their sources, by the names of their fields."""
    found = {}
    for name, field in (("cost_inputs", "quantity"), ("scenario_defaults", "field")):
        for row in catalog.read(name).rows():
            found[row[field]] = Uncertain(low=row["low"], median=row["median"], high=row["high"]), row["source_id"]
    return found


def default_of(row: str) -> Uncertain:
    """Return the sourced default of a row of ``data/scenario_defaults.csv`` or ``data/cost_inputs.csv``."""
    return _defaults()[row][0]


def source_of(row: str) -> str:
    """Return the source of a default, an id of ``data/sources.csv``."""
    return _defaults()[row][1]


def loaded(scenario: object) -> Scenario:
    """Return a scenario as it is, and raise ``TypeError`` for what is none, such as the name of one."""
    if not isinstance(scenario, Case):
        example = scenario if isinstance(scenario, str | Path) else "xai-colossus-2024"
        raise TypeError(
            f"scenario must be a Scenario, got {scenario!r}; load it first: scenario.load({str(example)!r})"
        )
    return scenario
