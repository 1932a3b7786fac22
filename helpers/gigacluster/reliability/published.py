"""Formulas of the literature, each under its own name: approximations for small losses, kept as printed.

They turn negative where the losses exceed the time. The project's own answers come from
:func:`gigacluster.reliability.goodput`.
"""

from __future__ import annotations

from gigacluster.arrays import Array
from gigacluster.limits import NonNegative, Positive, checked, one_of


def kokolis_2025(
    mttf_s: Positive, restart_s: NonNegative, checkpoint_interval_s: Positive, checkpoint_write_s: NonNegative
) -> Array:
    """Effective training time ratio of Kokolis et al. at HPCA: blocking checkpoint writes, no queue.

    Parameters
    ----------
    mttf_s, restart_s, checkpoint_interval_s, checkpoint_write_s : [s]

    Returns
    -------
    array
        (1 - (u + dt/2) / M) / (1 + w/dt); its best interval is Young's.

    Notes
    -----
    Without a write it is the paper's first version, for long runs without a queue. Source: data/sources.csv, id
    ``kokolis-2025``.

    Examples
    --------
    >>> round(float(kokolis_2025(86_400 / 6.5, 300, 1800, 60)), 3)
    0.88
    """
    _, (mttf, restart, interval, write) = checked(
        kokolis_2025, mttf_s, restart_s, checkpoint_interval_s, checkpoint_write_s
    )
    return (1 - (restart + interval / 2) / mttf) / (1 + write / interval)


def stall_goodput(interval_s: Positive, stall_s: NonNegative, stall: str = "inside") -> Array:
    """Share of time left when each failure stalls the job: two conventions that differ much at 100,000 GPUs.

    Parameters
    ----------
    interval_s : Time between failures. [s]
    stall_s : Lost at each. [s]
    stall : {"inside", "outside"}, default "inside"
        ``inside``: the interval runs from failure to failure and holds the stall, (I - s) / I; ``nan`` where s > I.
        ``outside``: it counts running time alone, M / (M + s).

    Examples
    --------
    >>> [round(float(stall_goodput(18 * 60, 10 * 60, stall)), 3) for stall in ("inside", "outside")]
    [0.444, 0.643]
    """
    one_of("stall", stall, ("inside", "outside"))
    xp, (interval, lost) = checked(stall_goodput, interval_s, stall_s)
    if stall == "outside":
        return interval / (interval + lost)
    return xp.where(lost <= interval, 1 - lost / interval, xp.nan)
