"""The register of a goal: what is wanted, by when, and within which limits. Read and checked as scenarios are.

A goal names what it wants, never a cluster: chip, number, own or kind of rent and start are what a plan chooses. Site,
finance, failures and habits are those of the scenario that it names, or the sourced defaults.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Annotated, Generic, TypeAlias

from gigacluster.throughput.job import LARGEST_BATCH
from gigacluster.uncertainty import Uncertain
from gigacluster.units import HOURS_PER_DAY, HOURS_PER_MONTH
from gigareport.scenario.record import Entry
from gigareport.scenario.register import OWN, N, S, Site, U

#: Days that stand for a date left out: no deadline, and from the start.
NEVER, ALWAYS = datetime.date.max, datetime.date.min
#: Kinds of rent that a plan offers.
KINDS = ("contract", "reserved", "hourly")


@dataclass(frozen=True, kw_only=True)
class Want(Generic[U, N]):
    """What is to be trained: give one of flop, loss, and tokens with training.model."""

    flop: Annotated[U, "Training compute of the run", Entry("FLOP", 1e15, 1e32, optional="from loss or tokens")]
    loss: Annotated[
        N,
        "Loss that a compute-optimal run reaches by the scaling law",
        Entry("nat/token", 0.5, 10, optional="from flop or tokens"),
    ]
    tokens: Annotated[
        U, "Tokens that training.model is to see", Entry("token", 1e6, 1e17, optional="from flop or loss")
    ]


@dataclass(frozen=True, kw_only=True)
class Job(Generic[N, S]):
    """How it is trained."""

    model: Annotated[
        S,
        "Shape that the step time is predicted for, a name of data/models.csv",
        Entry(
            table=("models", "name"),
            default="",
            optional="that of like, or the shape nearest to the compute-optimal size",
        ),
    ]
    seq_len: Annotated[N, "Sequence length", Entry("token", 128, 1e7, whole=True, optional="that of like, or 8,192")]
    global_batch: Annotated[
        N,
        "Sequences of one step; moved to a multiple of 768 where the number of chips has a factor of 3",
        Entry(
            "sequence",
            1,
            LARGEST_BATCH,
            whole=True,
            optional="that of like, or, an assumption, the power of two nearest to "
            "the tokens of a step of Llama 3.1 405B",
        ),
    ]
    precision: Annotated[
        S,
        "Precision of the linear layers",
        Entry(choices=("bf16", "fp8"), default="", optional="that of like, or bf16"),
    ]


@dataclass(frozen=True, kw_only=True)
class Offer(Generic[U, N, S]):
    """A chip that may be used, with what the tables do not say of it."""

    chip: Annotated[
        S, "Accelerator, a name of data/chips.csv; own: that of like", Entry(table=("chips", "chip"), choices=(OWN,))
    ]
    usd: Annotated[
        U,
        "Price to buy it with its part of the server, on the day of the decision",
        Entry("USD/chip", 1, 1e6, optional="the tables' quotes until then, with their decline since"),
    ]
    available_on: Annotated[
        datetime.date,
        "Day from which it is delivered, YYYY-MM-DD",
        Entry(default=ALWAYS, optional="the day of data/chips.csv"),
    ]


@dataclass(frozen=True, kw_only=True)
class Rental(Generic[U, N, S]):
    """A kind of rent that may be used, with what the tables do not say of it."""

    kind: Annotated[
        S,
        "Kind of rent: a contract over the run's months, a year's contract made again each year, or by the hour",
        Entry(choices=KINDS),
    ]
    chip: Annotated[
        S,
        "Accelerator, a name of data/chips.csv",
        Entry(table=("chips", "chip"), default="", optional="every chip that is rented so"),
    ]
    usd_per_chip_hour: Annotated[
        U,
        "Price on the day of the decision",
        Entry("USD/(chip h)", 0.01, 200, optional="prices of that kind in the year before the decision"),
    ]
    obtainable_chips: Annotated[
        N,
        "Largest block on one fabric",
        Entry(
            "chip", 1, 1e8, whole=True, optional="the largest known by the day of the decision, of data/rent_kinds.csv"
        ),
    ]
    start_months: Annotated[
        U,
        "Months from the order until the chips train",
        Entry("month", 0, 240, optional="those of like, or the sourced row rent_start_months"),
    ]


@dataclass(frozen=True, kw_only=True)
class Aim(Generic[U, N, S]):
    """What is wanted of a cluster that nobody has chosen yet."""

    name: Annotated[
        S,
        "Short name: lower-case letters, digits and hyphens",
        Entry(pattern=r"[a-z0-9][a-z0-9-]{0,30}", example="my-goal-2026"),
    ]
    title: Annotated[S, "The goal in a few words, for the head of the page", Entry(longest=120)]
    story: Annotated[S, "What is wanted and why, in a paragraph", Entry(longest=4000, default="")]
    like: Annotated[
        S,
        "Scenario whose site, finance, failures and habits hold: a bundled name, or a YAML file",
        Entry(longest=400, default="", optional="the sourced defaults"),
    ]
    decided_on: Annotated[datetime.date, "Date of the decision, YYYY-MM-DD: only what was known then counts"]
    probability: Annotated[
        N, "Probability with which all limits together must hold", Entry("1", 0.05, 0.99, default=0.9)
    ]
    prefer: Annotated[
        S,
        "What is chosen among the options that hold the limits",
        Entry(choices=("cheapest", "soonest"), default="cheapest"),
    ]
    by: Annotated[
        datetime.date, "Day by which the run is to be done, YYYY-MM-DD", Entry(default=NEVER, optional="no deadline")
    ]
    budget_usd: Annotated[N, "Most that the run may cost, net present", Entry("USD", 0, 1e14, optional="no limit")]
    capital_usd: Annotated[
        N, "Most that may be paid for hardware and site of an own cluster", Entry("USD", 0, 1e14, optional="no limit")
    ]
    earliest_start: Annotated[
        datetime.date,
        "Day before which nothing may be ordered, YYYY-MM-DD",
        Entry(default=ALWAYS, optional="the decision"),
    ]
    wait_months: Annotated[
        N,
        "Longest wait before the order, in the hope of a better price or the next chip; tried every three months",
        Entry("month", 0, 60, whole=True, default=0.0),
    ]
    ways: Annotated[
        S,
        "What may be done: own, rent, both, or also rent now and own later",
        Entry(choices=("all", "own or rent", "own", "rent"), default="all"),
    ]
    least_chips: Annotated[N, "Smallest cluster tried", Entry("chip", 1, 1e7, whole=True, default=8.0)]
    most_chips: Annotated[N, "Largest cluster tried", Entry("chip", 1, 1e7, whole=True, default=262_144.0)]
    sizes_per_doubling: Annotated[
        N, "Sizes tried for each doubling of the cluster", Entry("1", 1, 2, whole=True, default=2.0)
    ]
    build_months: Annotated[
        U,
        "Months from the order until all of an own cluster trains",
        Entry("month", 0, 240, optional="those of like, or the sourced row delivery_months"),
    ]
    afterwards: Annotated[
        S,
        "What becomes of owned chips after the run: they work on until the horizon and the run "
        "bears its hours, or they are sold and the run bears all",
        Entry(choices=("used", "sold"), default="used"),
    ]
    want: Want[U, N]
    training: Job[N, S]
    sites: Annotated[
        tuple[Site[U, N, S], ...],
        "Sites for owned chips with their power, one for a cluster; a site that grows has a line a phase. A month of "
        "one number is a plan, which slips as those of known sites did, where their slips were known by then",
        Entry(optional="as much power as the chips need, from the start"),
    ]
    chips: Annotated[
        tuple[Offer[U, N, S], ...], "Chips that may be used", Entry(optional="every chip with a sourced price")
    ]
    rents: Annotated[
        tuple[Rental[U, N, S], ...], "Kinds of rent that may be used", Entry(optional="every kind with a sourced price")
    ]


#: What a goal file says.
Goal: TypeAlias = Aim[Uncertain, float, str]


def months_between(first: datetime.date, last: datetime.date) -> float:
    """Return the months from one day to another, of 730.5 hours each.

    Examples
    --------
    >>> round(months_between(datetime.date(2024, 7, 9), datetime.date(2024, 12, 31)), 2)
    5.75
    """
    return (last - first).days * HOURS_PER_DAY / HOURS_PER_MONTH
