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
from gigareport.scenario.register import N, S, U

#: Days that stand for a date left out: no deadline, and from the start.
NEVER, ALWAYS = datetime.date.max, datetime.date.min
#: Kinds of rent that a plan offers.
KINDS = ("contract", "reserved", "hourly")


@dataclass(frozen=True, kw_only=True)
class Want(Generic[U, N]):
    """What is to be trained: give one of flop, loss, and tokens with training.model."""

    flop: Annotated[U, Entry("Training compute of the run", "FLOP", 1e15, 1e32, optional="from loss or tokens")]
    loss: Annotated[
        N,
        Entry(
            "Loss that a compute-optimal run reaches by the scaling law",
            "nat/token",
            0.5,
            10,
            optional="from flop or tokens",
        ),
    ]
    tokens: Annotated[
        U, Entry("Tokens that training.model is to see", "token", 1e6, 1e17, optional="from flop or loss")
    ]


@dataclass(frozen=True, kw_only=True)
class Job(Generic[N, S]):
    """How it is trained."""

    model: Annotated[
        S,
        Entry(
            "Shape that the step time is predicted for, a name of data/models.csv",
            table=("models", "name"),
            default="",
            optional="that of like, or the shape nearest to the compute-optimal size",
        ),
    ]
    seq_len: Annotated[N, Entry("Sequence length", "token", 128, 1e7, whole=True, optional="that of like, or 8,192")]
    global_batch: Annotated[
        N,
        Entry(
            "Sequences of one step; moved to a multiple of 768 where the number of chips has a factor of 3",
            "sequence",
            1,
            LARGEST_BATCH,
            whole=True,
            optional="that of like, or the power of two nearest to 16 million tokens",
        ),
    ]
    precision: Annotated[
        S,
        Entry(
            "Precision of the linear layers",
            choices=("bf16", "fp8"),
            default="",
            optional="that of like, or bf16",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Power(Generic[U, N, S]):
    """A site with its power; owned chips stand at one of them."""

    name: Annotated[S, Entry("Name of the site", longest=80)]
    mw: Annotated[U, Entry("Power that the site may draw", "MW", 0, 100_000)]
    month: Annotated[
        U,
        Entry(
            "Months from the decision until it is there; a plain number is a plan, which slips as the plans of known "
            "sites did where their revisions were known by then",
            "month",
            0,
            240,
            default=0.0,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Offer(Generic[U, N, S]):
    """A chip that may be used, with what the tables do not say of it."""

    chip: Annotated[S, Entry("Accelerator, a name of data/chips.csv", table=("chips", "chip"))]
    usd: Annotated[
        U,
        Entry(
            "Price to buy it with its part of the server, on the day of the decision",
            "USD/chip",
            1,
            1e6,
            optional="the tables' quotes until then, with their decline since",
        ),
    ]
    available_on: Annotated[
        datetime.date,
        Entry("Day from which it is delivered, YYYY-MM-DD", default=ALWAYS, optional="the day of data/chips.csv"),
    ]


@dataclass(frozen=True, kw_only=True)
class Rental(Generic[U, N, S]):
    """A kind of rent that may be used, with what the tables do not say of it."""

    kind: Annotated[
        S,
        Entry(
            "Kind of rent: a contract over the run's months, a year's contract made again each year, or by the hour",
            choices=KINDS,
        ),
    ]
    chip: Annotated[
        S,
        Entry(
            "Accelerator, a name of data/chips.csv",
            table=("chips", "chip"),
            default="",
            optional="every chip that is rented so",
        ),
    ]
    usd_per_chip_hour: Annotated[
        U,
        Entry(
            "Price on the day of the decision",
            "USD/(chip h)",
            0.01,
            200,
            optional="prices of that kind in the year before the decision",
        ),
    ]
    obtainable_chips: Annotated[
        N,
        Entry(
            "Largest block on one fabric",
            "chip",
            1,
            1e8,
            whole=True,
            optional="the largest known by the day of the decision, of data/rent_kinds.csv",
        ),
    ]
    start_months: Annotated[
        U,
        Entry(
            "Months from the order until the chips train",
            "month",
            0,
            240,
            optional="those of like, or the sourced row rent_start_months",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Aim(Generic[U, N, S]):
    """What is wanted of a cluster that nobody has chosen yet."""

    name: Annotated[
        S,
        Entry(
            "Short name: lower-case letters, digits and hyphens",
            pattern=r"[a-z0-9][a-z0-9-]{0,30}",
            example="my-goal-2026",
        ),
    ]
    title: Annotated[S, Entry("The goal in a few words, for the head of the page", longest=120)]
    story: Annotated[S, Entry("What is wanted and why, in a paragraph", longest=4000, default="")]
    like: Annotated[
        S,
        Entry(
            "Scenario whose site, finance, failures and habits hold: a bundled name, or a YAML file",
            longest=400,
            default="",
            optional="the sourced defaults",
        ),
    ]
    decided_on: Annotated[datetime.date, Entry("Date of the decision, YYYY-MM-DD: only what was known then counts")]
    probability: Annotated[
        N, Entry("Probability with which all limits together must hold", "1", 0.05, 0.99, default=0.9)
    ]
    prefer: Annotated[
        S,
        Entry(
            "What is chosen among the options that hold the limits",
            choices=("cheapest", "soonest"),
            default="cheapest",
        ),
    ]
    by: Annotated[
        datetime.date, Entry("Day by which the run is to be done, YYYY-MM-DD", default=NEVER, optional="no deadline")
    ]
    budget_usd: Annotated[N, Entry("Most that the run may cost, net present", "USD", 0, 1e14, optional="no limit")]
    capital_usd: Annotated[
        N, Entry("Most that may be paid for hardware and site of an own cluster", "USD", 0, 1e14, optional="no limit")
    ]
    earliest_start: Annotated[
        datetime.date,
        Entry("Day before which nothing may be ordered, YYYY-MM-DD", default=ALWAYS, optional="the decision"),
    ]
    wait_months: Annotated[
        N,
        Entry(
            "Longest wait before the order, in the hope of a better price or the next chip; tried every three months",
            "month",
            0,
            60,
            whole=True,
            default=0.0,
        ),
    ]
    ways: Annotated[
        S,
        Entry(
            "What may be done: own, rent, both, or also rent now and own later",
            choices=("all", "own or rent", "own", "rent"),
            default="all",
        ),
    ]
    least_chips: Annotated[N, Entry("Smallest cluster tried", "chip", 1, 1e7, whole=True, default=8.0)]
    most_chips: Annotated[N, Entry("Largest cluster tried", "chip", 1, 1e7, whole=True, default=262_144.0)]
    sizes_per_doubling: Annotated[
        N, Entry("Sizes tried for each doubling of the cluster", "1", 1, 2, whole=True, default=2.0)
    ]
    build_months: Annotated[
        U,
        Entry(
            "Months from the order until all of an own cluster trains",
            "month",
            0,
            240,
            optional="those of like, or the sourced row delivery_months",
        ),
    ]
    afterwards: Annotated[
        S,
        Entry(
            "What becomes of owned chips after the run: they work on until the horizon and the run bears its hours, or "
            "they are sold and the run bears all",
            choices=("used", "sold"),
            default="used",
        ),
    ]
    want: Want[U, N]
    training: Job[N, S]
    sites: Annotated[
        tuple[Power[U, N, S], ...], Entry("Sites for owned chips with their power", optional="power without limit")
    ]
    chips: Annotated[
        tuple[Offer[U, N, S], ...], Entry("Chips that may be used", optional="every chip with a sourced price")
    ]
    rents: Annotated[
        tuple[Rental[U, N, S], ...],
        Entry("Kinds of rent that may be used", optional="every kind with a sourced price"),
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
