"""Formulas of the literature, each under its own name, to reproduce what a paper prints with the inputs it prints.

They are approximations for small losses, and kept as printed: they turn negative where the losses exceed the time.
The project's own answers come from :func:`gigacluster.reliability.goodput`.
"""

from __future__ import annotations

import math
from typing import Any

from gigacluster.limits import NON_NEGATIVE, POSITIVE, Limit, checked, one_of

__all__ = ["kokolis_2024", "kokolis_2025", "semianalysis_waste_gpu_s", "stall_goodput"]

_PRODUCTIVE = Limit(0.0, math.inf, "above 0; infinite for a long run", low_included=False)
RECOVERIES = ("cold", "hot-spare", "fault-tolerant")


def kokolis_2024(
    mttf_s: Any, restart_s: Any, checkpoint_interval_s: Any, *, queue_s: Any = 0.0, productive_s: Any = math.inf
) -> Any:
    """Effective training time ratio of the first version: non-blocking checkpoints, a queue after each failure.

    Parameters
    ----------
    mttf_s, restart_s, checkpoint_interval_s : float or array
        Mean time to failure of the job, its initialisation, time between checkpoints. [s]
    queue_s : float or array, default 0
        Wait before the first start and after each failure. [s]
    productive_s : float or array, default infinite
        Productive time of the run; infinite leaves out the first wait and start. [s]

    Returns
    -------
    array
        R / (S + Q) with S = (R + u) / (1 - (u + dt/2) / M) and Q = q (1 + S / M).

    Notes
    -----
    Source: data/sources.csv, id ``kokolis-2024``.

    Examples
    --------
    >>> round(float(kokolis_2024(86_400 / 6.5, 300, 1800, queue_s=60)), 3)  # 8,000 GPUs
    0.906
    """
    xp, mttf, restart, interval, queue, productive = checked(
        mttf_s=(mttf_s, POSITIVE),
        restart_s=(restart_s, NON_NEGATIVE),
        checkpoint_interval_s=(checkpoint_interval_s, POSITIVE),
        queue_s=(queue_s, NON_NEGATIVE),
        productive_s=(productive_s, _PRODUCTIVE),
    )
    kept = 1 - (restart + interval / 2) / mttf
    return kept / (1 + restart / productive + (queue / mttf) * (1 + restart / productive) + queue * kept / productive)


def kokolis_2025(mttf_s: Any, restart_s: Any, checkpoint_interval_s: Any, checkpoint_write_s: Any) -> Any:
    """Effective training time ratio of the version at HPCA: blocking checkpoint writes, no queue.

    Parameters
    ----------
    mttf_s, restart_s, checkpoint_interval_s, checkpoint_write_s : float or array
        [s]

    Returns
    -------
    array
        (1 - (u + dt/2) / M) / (1 + w/dt); its best interval is Young's.

    Notes
    -----
    Source: data/sources.csv, id ``kokolis-2025``.

    Examples
    --------
    >>> round(float(kokolis_2025(86_400 / 6.5, 300, 1800, 60)), 3)
    0.88
    """
    _, mttf, restart, interval, write = checked(
        mttf_s=(mttf_s, POSITIVE),
        restart_s=(restart_s, NON_NEGATIVE),
        checkpoint_interval_s=(checkpoint_interval_s, POSITIVE),
        checkpoint_write_s=(checkpoint_write_s, NON_NEGATIVE),
    )
    return (1 - (restart + interval / 2) / mttf) / (1 + write / interval)


def stall_goodput(interval_s: Any, stall_s: Any, stall: str = "inside") -> Any:
    """Share of time left when each failure stalls the job: two conventions that differ much at 100,000 GPUs.

    Parameters
    ----------
    interval_s : float or array
        Time between failures. [s]
    stall_s : float or array
        Lost at each. [s]
    stall : {"inside", "outside"}, default "inside"
        ``inside``: the interval runs from failure to failure and holds the stall, (I - s) / I; ``nan`` where s > I.
        ``outside``: it counts running time alone, M / (M + s).

    Examples
    --------
    >>> [round(float(stall_goodput(18 * 60, 10 * 60, stall)), 3) for stall in ("inside", "outside")]
    [0.444, 0.643]
    """
    one_of("stall", stall, ("inside", "outside"))
    xp, interval, lost = checked(interval_s=(interval_s, POSITIVE), stall_s=(stall_s, NON_NEGATIVE))
    if stall == "outside":
        return interval / (interval + lost)
    return xp.where(lost <= interval, 1 - lost / interval, xp.nan)


def semianalysis_waste_gpu_s(
    recovery: str,
    *,
    job_gpus: Any,
    blast_gpus: Any,
    detection_s: Any,
    checkpoint_interval_s: Any = 0.0,
    start_s: Any = 0.0,
    repair_s: Any = 0.0,
    overhead_gpu_s: Any = 0.0,
) -> Any:
    """GPU-seconds wasted by one failure, after SemiAnalysis' unified theory of goodput.

    Parameters
    ----------
    recovery : {"cold", "hot-spare", "fault-tolerant"}
    job_gpus, blast_gpus : float or array
        GPUs of the job, and those out of work until repaired. [GPU]
    detection_s, checkpoint_interval_s, start_s : float or array
        Detection; time between checkpoints; start of the job, or failover where fault-tolerant. [s]
    repair_s : float or array
        Repair of the broken GPUs; with a hot spare the swap, for which the whole job waits. [s]
    overhead_gpu_s : float or array
        Running cost of fault tolerance, a failure. [GPU s]

    Notes
    -----
    It takes the larger of detection and half an interval, where one expects their sum: work is lost up to the failure
    and nothing is done until it is found. Kept as restated in public; not checked against the article.
    Source: data/sources.csv, id ``semianalysis-goodput-2026``.

    Examples
    --------
    >>> float(semianalysis_waste_gpu_s("hot-spare", job_gpus=1000, blast_gpus=8, detection_s=60,
    ...                                checkpoint_interval_s=600, start_s=240, repair_s=60))
    600000.0
    """
    one_of("recovery", recovery, RECOVERIES)
    xp, job, blast, detection, interval, start, repair, overhead = checked(
        job_gpus=(job_gpus, POSITIVE),
        blast_gpus=(blast_gpus, NON_NEGATIVE),
        detection_s=(detection_s, NON_NEGATIVE),
        checkpoint_interval_s=(checkpoint_interval_s, NON_NEGATIVE),
        start_s=(start_s, NON_NEGATIVE),
        repair_s=(repair_s, NON_NEGATIVE),
        overhead_gpu_s=(overhead_gpu_s, NON_NEGATIVE),
    )
    if recovery == "fault-tolerant":
        return (detection + start) * job + repair * blast + overhead
    lost = xp.maximum(detection, interval / 2) + start
    return lost * job + repair * blast if recovery == "cold" else (lost + repair) * job
