"""Schemas of the tables about reliability."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gigareport.tables.row import Fraction, Id, Missing, NonNegative, Positive, Row

__all__ = ["TABLES"]

Optional = Annotated[Positive | None, Missing]
Count = Annotated[int, Field(gt=0)]
OptionalCount = Annotated[Count | None, Missing]
OptionalShare = Annotated[Fraction | None, Missing]
Text = Annotated[str | None, Missing]


class _Bracketed(Row):
    """A row whose value may carry a low and a high beside it."""

    @model_validator(mode="after")
    def _low_below_high(self) -> _Bracketed:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and low > high:
            raise ValueError(f"low is {low} and high {high}; exchange them")
        return self


class FailureRateRow(_Bracketed):
    """How often the nodes of one cluster stopped jobs, as one source gives it."""

    KEY: ClassVar = ("failure_id",)
    ABOUT: ClassVar = "a failure rate: one cluster, one definition of failure, one source"

    failure_id: Id
    system: str
    chip_class: str
    #: GPU and TPU rates are not pooled with each other.
    kind: Literal["GPU", "TPU"]
    n_gpus: OptionalCount = None
    gpus_per_node: Count
    window_days: Optional = None
    failures: OptionalCount = None
    failures_per_1000_node_days: Optional = None
    low: Optional = None
    high: Optional = None
    mttf_h: Optional = None
    definition: str
    #: counted: failures over time; published: the source's own rate; derived: from an interval; bound: at least.
    basis: Literal["counted", "published", "derived", "bound", "assumed"]
    #: Whether the row stands for jobs above the size from which rates scale with nodes, below it, or for one component.
    scope: Literal["large jobs", "small jobs", "component", "projection"]
    #: Whether the row enters the pooled rate: one row a cluster, job failures only.
    pooled: bool
    source_id: Id
    note: Text = None


class InterruptionRow(Row):
    """Unexpected interruptions of Llama 3's 54-day snapshot by component."""

    KEY: ClassVar = ("component",)
    ABOUT: ClassVar = "a component and how often it interrupted Llama 3's training"

    component: str
    category: str
    interruptions: Count
    printed_share: Fraction
    source_id: Id


class CheckpointRow(_Bracketed):
    """One checkpoint as published: size, time, interval."""

    KEY: ClassVar = ("checkpoint_id",)
    ABOUT: ClassVar = "a published checkpoint: its size, the time it stops training, its interval"

    checkpoint_id: Id
    system: str
    params_billion: Optional = None
    n_gpus: OptionalCount = None
    bytes_per_param: Optional = None
    size_tb: Optional = None
    mode: Literal["blocking", "non-blocking", "in-memory", "load", "size only"]
    #: Training stops for so long.
    stall_s: Annotated[NonNegative | None, Missing] = None
    low: Annotated[NonNegative | None, Missing] = None
    high: Annotated[NonNegative | None, Missing] = None
    #: The write goes on for so long behind training; of a load, how long it takes.
    write_s: Optional = None
    interval_s: Optional = None
    source_id: Id
    note: Text = None


class RestartRow(_Bracketed):
    """One published time of a phase of recovery."""

    KEY: ClassVar = ("restart_id",)
    ABOUT: ClassVar = "a published duration of one phase of recovery"

    restart_id: Id
    system: str
    n_gpus: OptionalCount = None
    phase: Literal["detection", "initialisation", "catch-up", "swap", "total stall", "total recovery"]
    fault_tolerant: bool
    seconds: Optional = None
    low: Optional = None
    high: Optional = None
    mean_s: Optional = None
    source_id: Id
    note: Text = None


class EffectiveTimeRow(_Bracketed):
    """A published share of time that became training. A row with ``gpus_per_node`` is compared with the model."""

    KEY: ClassVar = ("effective_id",)
    ABOUT: ClassVar = "a published effective training time, with the inputs that its source gives"

    effective_id: Id
    system: str
    n_gpus: OptionalCount = None
    metric: str
    value: Fraction
    low: OptionalShare = None
    high: OptionalShare = None
    #: A source that says "more than 0.90" bounds the value from below.
    is_lower_bound: bool
    checkpoint_mode: Annotated[Literal["blocking", "non-blocking", "in-memory"] | None, Missing] = None
    gpus_per_node: OptionalCount = None
    failures_per_1000_node_days: Optional = None
    failures: OptionalCount = None
    planned_stops: OptionalCount = None
    days: Optional = None
    failure_interval_s: Optional = None
    stall_s: Optional = None
    #: Whether the source says "at most" of the stall.
    stall_is_upper_bound: bool = False
    restart_s: Optional = None
    queue_s: Annotated[NonNegative | None, Missing] = None
    checkpoint_interval_s: Optional = None
    source_id: Id
    note: Text = None


class SparesRow(_Bracketed):
    """A published fact about spare, broken or bad nodes."""

    KEY: ClassVar = ("spares_id",)
    ABOUT: ClassVar = "a published share of spare, broken or bad nodes"

    spares_id: Id
    system: str
    quantity: Literal["spare share", "defective share", "lemon share", "lemon share of failures", "lost to preemption"]
    n_nodes: OptionalCount = None
    value: Fraction
    low: OptionalShare = None
    high: OptionalShare = None
    source_id: Id
    note: Text = None


TABLES: dict[str, type[Row]] = {
    "failure_rates": FailureRateRow,
    "llama3_interruptions": InterruptionRow,
    "checkpoint_facts": CheckpointRow,
    "restart_times": RestartRow,
    "effective_time_published": EffectiveTimeRow,
    "spares_facts": SparesRow,
}
