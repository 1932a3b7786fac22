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
    #: Who ran it: runs of one house are no independent witnesses.
    house: str
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
    #: Whether the row stands for jobs, for one component, or for a size that was not run.
    scope: Literal["jobs", "component", "projection"]
    #: Whether the row enters the pool of what it counts: one row a run.
    pooled: bool
    #: Every stop nobody asked for, or those by hardware alone: two rates.
    counts: Literal["stops", "hardware", "component"]
    #: Variance of counts over their mean, where a source shows bursts; blank is 1.
    dispersion: Annotated[float | None, Field(ge=1), Missing] = None
    year: Count
    source_id: Id
    note: Text = None


class ComponentRow(Row):
    """How often one component failed in one cluster."""

    KEY: ClassVar = ("list", "component")
    ABOUT: ClassVar = "a component of one cluster and how often it failed"

    list: Id
    system: str
    component: str
    category: Literal["GPU", "memory", "network", "host", "software", "maintenance"]
    count: Count
    node_days: Positive
    #: Stops of the job, faults that took a node out, or errors that need not have stopped anything.
    counts: Literal["stops", "faults of nodes", "errors"]
    printed_share: OptionalShare = None
    source_id: Id
    note: Text = None


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
    house: str
    system: str
    #: What the job does after a failure; a node's or a rack's repair belongs to none.
    scheme: Literal["restart_all", "hot_spare", "in_memory", "drop_replica", "in_place", "node", "rack", "any"]
    n_gpus: OptionalCount = None
    phase: str
    #: Which time of a recovery scheme the row informs.
    quantity: Annotated[Literal["detection_s", "restart_s", "resume_s", "rebuild_s"] | None, Missing] = None
    seconds: Optional = None
    low: Optional = None
    high: Optional = None
    mean_s: Optional = None
    #: Whether the row enters the pool of its scheme and quantity.
    pooled: bool
    year: Count
    source_id: Id
    note: Text = None


class SchemeRow(_Bracketed):
    """The range of one input of one recovery scheme."""

    KEY: ClassVar = ("scheme", "quantity")
    ABOUT: ClassVar = "one time or share of one recovery scheme: 5, 50 and 95 %"

    scheme: Literal["restart_all", "hot_spare", "in_memory", "drop_replica"]
    quantity: str
    low: NonNegative
    median: NonNegative
    high: NonNegative
    unit: Literal["s", "1"]
    #: Size at which the time holds, and the power with which it grows; blank: the same at any size.
    at_gpus: OptionalCount = None
    size_power: Annotated[NonNegative | None, Missing] = None
    #: pooled: what restart_times says of one more house; published: between values of sources; assumption: ours.
    basis: Literal["pooled", "published", "assumption"]
    source_id: Id
    note: Text = None


class BlastRow(Row):
    """How many chips one kind of failure takes out of service at once."""

    KEY: ClassVar = ("system", "failure")
    ABOUT: ClassVar = "a kind of failure of one kind of system: chips out at once, and its share of failures"

    system: Literal["HGX", "NVL72"]
    failure: Literal["node", "tray", "rack", "switch"]
    chips: Count
    share: Fraction
    source_id: Id
    note: Text = None


class EffectiveTimeRow(_Bracketed):
    """A published share of time that became training. A row with ``gpus_per_node`` is compared with the model."""

    KEY: ClassVar = ("effective_id",)
    ABOUT: ClassVar = "a published effective training time, with the inputs that its source gives"

    effective_id: Id
    house: str
    system: str
    scheme: Literal["restart_all", "hot_spare", "in_memory", "drop_replica"]
    n_gpus: OptionalCount = None
    n_replicas: OptionalCount = None
    metric: str
    value: OptionalShare = None
    low: OptionalShare = None
    high: OptionalShare = None
    #: A source that says "more than 0.90" bounds the value from below.
    is_lower_bound: bool
    #: Where a source prints no share of time: what one failure cost.
    lost_s: Optional = None
    gpus_per_node: OptionalCount = None
    failures_per_1000_node_days: Optional = None
    failures: OptionalCount = None
    planned_stops: OptionalCount = None
    days: Optional = None
    failure_interval_s: Optional = None
    #: Everything that a failure costs but the work lost, and whether the source says "at most" of it.
    stall_s: Optional = None
    stall_is_upper_bound: bool = False
    #: The restart alone, detection not in it.
    restart_s: Optional = None
    queue_s: Annotated[NonNegative | None, Missing] = None
    checkpoint_interval_s: Optional = None
    overhead_frac: OptionalShare = None
    #: Rows of one comparison of schemes.
    group: Text = None
    year: Count
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
    "component_failures": ComponentRow,
    "checkpoint_facts": CheckpointRow,
    "restart_times": RestartRow,
    "recovery_schemes": SchemeRow,
    "blast_radius": BlastRow,
    "effective_time_published": EffectiveTimeRow,
    "spares_facts": SparesRow,
}
