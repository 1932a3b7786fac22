"""What a job does after a failure: four schemes in one record, and the goodput that each leaves.

``restart_all``: every node stops, the job is queued again and goes back to the last stored checkpoint. ``hot_spare``: a
node that stands by takes the place of the failed one. ``in_memory``: the same, from copies in the memory of neighbours.
``drop_replica``: the other data-parallel replicas go on without the one that failed. A share ``lost_frac`` of failures
is beyond each of the last three, and ends as it would without.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy

from gigacluster.arrays import Array, Samples, is_array
from gigacluster.limits import AT_LEAST_ONE, AtLeastOne, Limit, Share, ShareBelowOne, admit, checked, limits_of, one_of
from gigacluster.reliability.goodput import Duration, Goodput, Interval, Writes, goodput, mean_time_s

SCHEMES = ("restart_all", "hot_spare", "in_memory", "drop_replica")
_RAREST = 1e-12  # of failures: a share below it loses nothing that a float64 would show
_MTTF = Limit(1e-6, 1e18, "above 0, from 1e-6 to 1e18")
_REPLICAS = Limit(
    2.0,
    float("inf"),
    "2 or more to drop one of them: take a plan with more data-parallel replicas, or another scheme",
    high_included=False,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """A recovery scheme and its times: numbers, or arrays with samples along the last axis.

    Examples
    --------
    >>> spare = Recovery(scheme="hot_spare", detection_s=30, resume_s=300, lost_frac=0.08, restart_s=900,
    ...                  checkpoint_write_s=60, checkpoint_stall_s=2)
    >>> round(float(goodput_with(spare, mttf_s=3600).goodput_frac), 2)
    0.86
    """

    scheme: str
    #: From a failure until it is noticed: all stand still. [s]
    detection_s: Duration
    #: From there until the whole job trains again from a stored checkpoint. [s]
    restart_s: Duration
    #: From the start of a checkpoint until it is safe; in memory, until the copy is. [s]
    checkpoint_write_s: Duration
    #: Training stops for so much of it: all of it where the write is blocking. [s]
    checkpoint_stall_s: Duration
    #: Writes that may go on behind training at the same time. [1]
    writes_at_once: Writes = 1.0
    #: ``hot_spare``, ``in_memory``: as ``restart_s``, for the failures that the scheme is made for. ``drop_replica``:
    #: until the other replicas go on. [s]
    resume_s: Duration = 0.0
    #: ``drop_replica``: until the replica that failed is back. [s]
    rebuild_s: Duration = 0.0
    #: Share of failures that the scheme does not help against; they take ``restart_s``. [1]
    lost_frac: Share = 0.0
    #: Share of computing that the scheme costs without any failure. [1]
    overhead_frac: ShareBelowOne = 0.0
    #: ``in_memory``: computing between the checkpoints that also go to storage. [s]
    stored_interval_s: Interval = 3600.0

    def __post_init__(self) -> None:
        one_of("scheme", self.scheme, SCHEMES)
        admit({name: value for name, value in self.numbers.items() if not is_array(value)}, limits_of(Recovery))

    @property
    def numbers(self) -> dict[str, Any]:
        """Times and shares by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "scheme"}

    @property
    def as_a_whole(self) -> dict[str, Any]:
        """What says the same to :func:`gigacluster.reliability.goodput`: of ``drop_replica``, a restart of the job."""
        same = {name: value for name, value in self.numbers.items() if name in _OF_BOTH}
        if self.scheme in ("restart_all", "drop_replica"):
            return same | {"restart_s": self.restart_s, "mode": "non-blocking"}
        return same | {
            "restart_s": self.resume_s,
            "lost_frac": self.lost_frac,
            "stored_restart_s": self.restart_s,
            "stored_interval_s": self.stored_interval_s,
            "mode": "in-memory" if self.scheme == "in_memory" else "non-blocking",
        }


#: What a scheme and :func:`gigacluster.reliability.goodput` call by one name and mean alike under every scheme.
_OF_BOTH = ("checkpoint_write_s", "checkpoint_stall_s", "writes_at_once", "detection_s", "overhead_frac")


def goodput_with(
    recovery: Recovery,
    n_gpus: Samples | None = None,
    *,
    failures_per_1000_node_days: Samples | None = None,
    gpus_per_node: Samples = 8,
    mttf_s: Samples | None = None,
    n_replicas: Samples = 1.0,
    replicas_lost: Samples = 1.0,
    checkpoint_interval_s: Samples | None = None,
    queue_s: Samples = 0.0,
    planned_stops_per_day: Samples = 0.0,
    planned_stop_s: Samples = 0.0,
) -> Goodput:
    """Share of wall-clock time that becomes progress under a recovery scheme.

    Parameters
    ----------
    recovery : Recovery
    n_gpus, failures_per_1000_node_days, gpus_per_node, mttf_s
        Failures anywhere in the job, as in :func:`gigacluster.reliability.goodput`.
    n_replicas : Data-parallel replicas of the plan; ``drop_replica`` needs 2 or more. [1]
    replicas_lost : Replicas that one failure takes out on average: see :meth:`Blast.replicas_lost`. [1]
    checkpoint_interval_s : By default the best. [s]
    queue_s : Mean wait for nodes beside the scheme's own times: none where spares suffice. [s]
    planned_stops_per_day, planned_stop_s : [1/d], [s]

    Returns
    -------
    Goodput

    Raises
    ------
    ValueError
        If a number is out of range, or the scheme is ``drop_replica`` and there is one replica. Bad elements of arrays
        give ``nan``.

    Notes
    -----
    ``drop_replica``: failures come at rate 1/M while any replica runs. Each stalls all for detection + resume and
    takes its replica away for ``rebuild_s`` of the others' time, so that a replica is there with probability
    exp(-k r (1 - q) / (D M)), k replicas lost of D; the batch shrinks with the replicas at work, and half of them count
    as half the progress. The share q goes back to a stored checkpoint. Exact. Source: data/sources.csv, id
    ``gigacluster-derivation``.
    """
    failures: dict[str, Any] = {
        "mttf_s": mean_time_s(n_gpus, failures_per_1000_node_days, gpus_per_node, mttf_s),
        "queue_s": queue_s,
        "checkpoint_interval_s": checkpoint_interval_s,
        "planned_stops_per_day": planned_stops_per_day,
        "planned_stop_s": planned_stop_s,
    }
    if recovery.scheme == "drop_replica":
        return _without_a_replica(recovery, failures, n_replicas, replicas_lost)
    return goodput(**failures, **recovery.as_a_whole)


def _without_a_replica(
    recovery: Recovery, failures: dict[str, Any], n_replicas: Samples, replicas_lost: Samples
) -> Goodput:
    given = {name: recovery.numbers[name] for name in ("lost_frac", "resume_s", "rebuild_s", "detection_s")}
    given |= {"n_replicas": n_replicas, "replicas_lost": replicas_lost, "mttf_s": failures["mttf_s"]}
    limits = limits_of(Recovery) | {"n_replicas": _REPLICAS, "replicas_lost": AT_LEAST_ONE, "mttf_s": _MTTF}
    xp, a, _ = admit(given, limits)
    share, stall, rebuild, detection, replicas, out, mttf = a.values()
    share = xp.maximum(share, _RAREST)
    deep_mttf = mttf / share
    whole = goodput(**failures | {"mttf_s": deep_mttf}, **recovery.as_a_whole)
    stalled = (1 - share) * (detection + stall) / mttf  # over the time that the job runs
    waited = (detection + failures["queue_s"]) / deep_mttf
    moving = (1 + waited) / (1 + waited + stalled)
    there = xp.exp(-xp.minimum(out / replicas, 1.0) * rebuild * (1 - share) / mttf)
    kept, slowed = moving * whole.goodput_frac, moving * whole.overhead_frac
    return replace(
        whole,
        goodput_frac=kept * there,
        overhead_frac=slowed * there,
        checkpoint_frac=moving * whole.checkpoint_frac,
        rework_frac=moving * whole.rework_frac,
        restart_frac=moving * whole.restart_frac + (kept + slowed) * (1 - there),
        waiting_frac=1 - whole.planned_frac - moving * (1 - whole.planned_frac - whole.waiting_frac),
        mttf_s=mttf,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Blast:
    """Kinds of failure by how many GPUs go out of service at once: a node, a tray, a rack of 72, all behind a switch.

    Examples
    --------
    >>> hgx = Blast(chips=[8, 256], shares=[0.9, 0.1])
    >>> float(hgx.replicas_lost(64))
    1.3
    """

    chips: Any  # of each kind, shape (kinds,) [GPU]
    shares: Any  # of all failures, adding up to 1

    def __post_init__(self) -> None:
        chips, shares = (numpy.asarray(values, dtype=float) for values in (self.chips, self.shares))
        faults = []
        if chips.ndim != 1 or chips.shape != shares.shape or not chips.size:
            faults.append(f"chips and shares have shapes {chips.shape} and {shares.shape}; give one of each a kind")
        if not numpy.all(chips >= 1):
            faults.append(f"chips are {self.chips!r}; each must be 1 or more")
        if not (numpy.all(shares >= 0) and abs(float(numpy.sum(shares)) - 1) <= 1e-9):
            faults.append(f"shares are {self.shares!r}, in all {float(numpy.sum(shares)):g}; they must add up to 1")
        if faults:
            raise ValueError("; ".join(faults))

    def replicas_lost(self, chips_per_replica: AtLeastOne) -> Array:
        """Return the replicas that one failure takes out on average; a part of one is a whole one."""
        xp, (per_replica,) = checked(Blast.replicas_lost, chips_per_replica)
        kinds = zip(numpy.asarray(self.chips).tolist(), numpy.asarray(self.shares).tolist(), strict=True)
        return sum((share * xp.ceil(chips / per_replica) for chips, share in kinds), 0.0 * per_replica)
