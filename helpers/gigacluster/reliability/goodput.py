"""How much of a cluster's time becomes progress: the exact renewal model, with every loss named.

Failures of the running job are exponential with mean M. After one, the job waits D (detection, queue) without
exposure, then restarts in R and goes back to the last safe checkpoint; R and computing are exposed to further failures.
Every interval tau a checkpoint stops training for s, and is safe a lag w after training goes on. Then the share of
useful time is

    tau E[exp(-R/M)] exp(-w/M) / ((M + D) (exp((tau + s)/M) - 1)),

which is Daly's complete model for w = 0, D = 0 and a constant R. A share q of failures is beyond the quick way back:
they take a restart of their own, and destroy checkpoints held in the memory of neighbours, so that the job goes back to
a stored one; :func:`_kept_of_memory` gives their factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from gigacluster.arrays import Array, Namespace, Samples, is_array
from gigacluster.limits import LOGNORMAL_SIGMA, Limit, NonNegative, Positive, Share, ShareBelowOne, checked, one_of
from gigacluster.reliability.checkpoints import checkpoint_interval_s as optimal_interval_s
from gigacluster.reliability.checkpoints import survival_of_restart
from gigacluster.reliability.rates import mttf_s as scaled_mttf_s
from gigacluster.units import SECONDS_PER_DAY

#: Times of a job in seconds: 30,000 years are as good as for ever, and larger numbers would overflow.
Duration: TypeAlias = Annotated[Samples, Limit(0.0, 1e12, "0 or more, at most 1e12")]
Interval: TypeAlias = Annotated[Samples, Limit(1e-9, 1e12, "above 0, from 1e-9 to 1e12")]
Writes: TypeAlias = Annotated[Samples, Limit(1.0, math.inf, "1 or more; infinite for no limit")]
_MTTF = Limit(1e-6, 1e30, "above 0, from 1e-6 to 1e30")
_STOPS = Limit(0.0, 1e6, "0 or more, at most 1e6")
MODES = ("blocking", "non-blocking", "in-memory")
_MOST = 700.0  # exp(700) is near the largest number; an interval of 700 MTTF never finishes anyway
_SHORTEST = 1e-9  # of the MTTF: checkpoints that cost nothing are made this often
#: A job that turns less than a thousandth of its time into progress never finishes.
NEVER_BELOW = 1e-3


@dataclass(frozen=True, slots=True)
class Goodput:
    """Where the time goes: shares of wall-clock time that add up to 1, and what they follow from."""

    goodput_frac: Array  # computing that was kept
    overhead_frac: Array  # computing slowed by being ready for failures, whether they come or not
    checkpoint_frac: Array  # training stopped for checkpoints that became safe
    rework_frac: Array  # computed and lost with a failure
    restart_frac: Array  # restarting, or without the replica that is away
    waiting_frac: Array  # detecting the failure and waiting for nodes
    planned_frac: Array  # planned stops
    mttf_s: Array
    checkpoint_interval_s: Array

    @property
    def never_finishes(self) -> Any:
        """Where less than a thousandth of the time becomes progress: to be counted, not averaged."""
        return self.goodput_frac < NEVER_BELOW

    @property
    def failures_per_day(self) -> Array:
        """Failures per day of wall-clock time."""
        exposed = 1 - self.waiting_frac - self.planned_frac
        return SECONDS_PER_DAY * exposed / self.mttf_s


def goodput(
    n_gpus: Samples | None = None,
    *,
    failures_per_1000_node_days: Samples | None = None,
    gpus_per_node: Samples = 8,
    mttf_s: Annotated[Samples, _MTTF] | None = None,
    checkpoint_write_s: Duration,
    restart_s: Duration,
    checkpoint_interval_s: Interval | None = None,
    method: str = "exact",
    mode: str = "blocking",
    checkpoint_stall_s: Duration = 0.0,
    writes_at_once: Writes = 1.0,
    restart_sigma: Annotated[Samples, LOGNORMAL_SIGMA] = 0.0,
    detection_s: Duration = 0.0,
    queue_s: Duration = 0.0,
    overhead_frac: ShareBelowOne = 0.0,
    planned_stops_per_day: Annotated[Samples, _STOPS] = 0.0,
    planned_stop_s: Duration = 0.0,
    lost_frac: Share = 0.0,
    stored_restart_s: Duration | None = None,
    stored_interval_s: Interval = 3600.0,
) -> Goodput:
    """Share of wall-clock time that becomes progress, for a job that stops with any of its nodes.

    Parameters
    ----------
    n_gpus, failures_per_1000_node_days, gpus_per_node
        Size of the job and failure rate of its nodes, as in :func:`gigacluster.reliability.mttf_s`. Leave the first
        two out where ``mttf_s`` is given.
    mttf_s : Mean time from a restart to the next failure, instead. [s]
    checkpoint_write_s : Time from the start of a checkpoint until it is safe. [s]
    restart_s : Time from a repaired allocation to training again; the median where ``restart_sigma`` > 0. [s]
    checkpoint_interval_s : Computing time between checkpoints; by default the best (see Notes). [s]
    method : Which optimum: see :func:`gigacluster.reliability.checkpoint_interval_s`.
    mode : {"blocking", "non-blocking", "in-memory"}, default "blocking"
        Training stops for the whole write; or for ``checkpoint_stall_s``, while the rest of the write goes on behind
        it; or the same with copies in the memory of other nodes, which ``lost_frac`` of failures destroy.
    checkpoint_stall_s : Training stops for so long, where not blocking. [s]
    writes_at_once
        Writes that may go on behind training at the same time, without slowing each other: the best interval is at
        least the write over it. [1]
    restart_sigma : Lognormal spread of the restart time: see :func:`gigacluster.reliability.sigma_from_mean`. [1]
    detection_s, queue_s : Mean times to notice a failure and to get nodes again; no failures are counted meanwhile. [s]
    overhead_frac : Share of computing that being ready for failures costs all the time, below 1. [1]
    planned_stops_per_day, planned_stop_s
        Stops announced early enough to save first, in a day of operation between them, and how long each takes; they
        cost their time alone. [1/d], [s]
    lost_frac
        Share of failures beyond the quick way back: those that take several nodes at once (a switch, a rack), and all
        copies in memory with them, or find no spare. [1]
    stored_restart_s : Restart after these; by default ``restart_s``. [s]
    stored_interval_s
        In memory: computing time between the copies that also go to storage, rounded to whole intervals. [s]

    Returns
    -------
    Goodput
        Arrays of the broadcast shape.

    Raises
    ------
    ValueError
        If a number is out of range, or neither or both of MTTF and size with rate are given. Bad elements of arrays
        give ``nan``.

    Notes
    -----
    Exact for exponential failures and any distribution of waiting and restart times, in the long run. Only the stall
    decides the best interval. Sources: data/sources.csv, ids ``daly-2006`` (blocking) and ``gigacluster-derivation``
    (the rest).

    Examples
    --------
    >>> found = goodput(16_384, failures_per_1000_node_days=3.79, checkpoint_write_s=60, restart_s=600)
    >>> round(float(found.goodput_frac), 3)
    0.853
    """
    one_of("mode", mode, MODES)
    mttf_s = mean_time_s(n_gpus, failures_per_1000_node_days, gpus_per_node, mttf_s)
    first_tau_s = 1.0 if checkpoint_interval_s is None else checkpoint_interval_s
    deep_s = restart_s if stored_restart_s is None else stored_restart_s
    xp, (mttf, write, restart, tau, stall, at_once, sigma, detection, queue, overhead, stops, stop, q, deep, stored) = (
        checked(
            goodput,
            *(mttf_s, checkpoint_write_s, restart_s, first_tau_s, checkpoint_stall_s, writes_at_once, restart_sigma),
            *(detection_s, queue_s, overhead_frac, planned_stops_per_day, planned_stop_s, lost_frac, deep_s),
            stored_interval_s,
        )
    )
    if mode == "blocking":
        stall = write
    if checkpoint_interval_s is None:
        best = optimal_interval_s(mttf, stall, method)
        tau = xp.maximum(xp.maximum(best, write / at_once - stall), _SHORTEST * mttf)
    safe_after = xp.exp(-xp.maximum(write - stall, 0.0) / mttf)  # no failure until a checkpoint is safe

    dead = detection + queue
    quick = _survives(xp, restart, sigma, mttf, restart_sigma)
    survives = quick if stored_restart_s is None else (1 - q) * quick + q * xp.exp(-deep / mttf)
    running = mttf / (mttf + dead)  # share of time exposed to failures
    period = xp.minimum((tau + stall) / mttf, _MOST)
    safe = running * survives * safe_after * period / xp.expm1(period)  # time in periods that became safe
    kept, checkpoint = safe * tau / (tau + stall), safe * stall / (tau + stall)
    if mode == "in-memory":
        n_periods = xp.maximum(xp.round(stored / tau), 1.0)
        kept = kept * _kept_of_memory(xp, period, quick * safe_after, q, n_periods)
    restarting = running * (1 - survives)
    planned = stops * stop / SECONDS_PER_DAY
    unplanned = 1 / (1 + planned) + 0 * (kept + overhead)  # so that every share has the shape of all inputs
    return Goodput(
        goodput_frac=unplanned * kept * (1 - overhead),
        overhead_frac=unplanned * kept * overhead,
        checkpoint_frac=unplanned * checkpoint,
        rework_frac=unplanned * (running - checkpoint - restarting - kept),
        restart_frac=unplanned * restarting,
        waiting_frac=unplanned * (1 - running),
        planned_frac=planned * unplanned,
        mttf_s=mttf,
        checkpoint_interval_s=tau,
    )


def mean_time_s(
    n_gpus: Samples | None, rate: Samples | None, gpus_per_node: Samples, mttf_s: Samples | None
) -> Samples:
    """Return the MTTF of a job from one of the two ways to give it."""
    if mttf_s is None and n_gpus is not None and rate is not None:
        return scaled_mttf_s(n_gpus, rate, gpus_per_node=gpus_per_node)
    either = "give mttf_s, or n_gpus with failures_per_1000_node_days; mttf_s is that of the whole job"
    if mttf_s is None:
        raise ValueError(f"how often the job fails is given not at all; {either}")
    if n_gpus is not None or rate is not None:
        raise ValueError(f"how often the job fails is given twice; {either}")
    return mttf_s


def _survives(xp: Namespace, restart: Array, sigma: Array, mttf: Array, given_sigma: Samples) -> Array:
    constant = not is_array(given_sigma) and given_sigma == 0  # spares the sum over the distribution
    return xp.exp(-restart / mttf) if constant else survival_of_restart(xp, restart, sigma, mttf)


def _kept_of_memory(xp: Namespace, period: Array, first: Array, q: Array, n_periods: Array) -> Array:
    """Share of safe progress left by the failures that destroy the copies in memory.

    ``n_periods`` periods lie between stored checkpoints. Each ends, with probability g, in a failure that goes back to
    the stored one before the next period is safe. The chain of periods then needs (1 - g) ((1 - g)^-n - 1) / g periods
    to gain n.
    """
    ends = -xp.expm1(-period)  # probability of a failure within a period
    start = first * xp.exp(-period)  # of making one period safe after a failure
    g = ends * q / (start + q * (1 - start) + 1e-300)  # nothing destroyed is 0, even where nothing succeeds
    g = xp.minimum(g, 1 - 2.0**-53)
    tried = (1 - g) * xp.expm1(xp.minimum(-n_periods * xp.log1p(-g), _MOST))
    return xp.where(g > 0, n_periods * g / xp.where(g > 0, tried, 1.0), 1.0 + 0 * g)


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
