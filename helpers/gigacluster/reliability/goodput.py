"""How much of a cluster's time becomes progress: the exact renewal model, with every loss named.

Failures of the running job are exponential with mean M. After one, the job waits D (detection, queue) without
exposure, then restarts in R and goes back to the last safe checkpoint; R and computing are exposed to further failures.
Every interval tau a checkpoint stops training for s, and is safe a lag w after it. Then the share of useful time is

    tau E[exp(-R/M)] exp(-w/M) / ((M + D) (exp((tau + s)/M) - 1)),

which is Daly's complete model for w = 0, D = 0 and a constant R. Checkpoints held in the memory of neighbours are lost
with a share q of failures, which go back to a stored checkpoint instead; :func:`_kept_of_memory` gives their factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import is_array
from gigacluster.limits import (
    AT_LEAST_ONE,
    LOGNORMAL_SIGMA,
    NON_NEGATIVE,
    POSITIVE,
    SHARE,
    checked,
    one_of,
)
from gigacluster.reliability.checkpoints import checkpoint_interval_s as optimal_interval_s
from gigacluster.reliability.failures import mttf_s as scaled_mttf_s
from gigacluster.reliability.restarts import survival_of_restart
from gigacluster.units import SECONDS_PER_DAY

__all__ = ["MODES", "Goodput", "fault_tolerant_goodput", "goodput"]

MODES = ("blocking", "non-blocking", "in-memory")
_MOST = 700.0  # exp(700) is near the largest number; an interval of 700 MTTF never finishes anyway
_SHORTEST = 1e-9  # of the MTTF: checkpoints that cost nothing are made this often


@dataclass(frozen=True, slots=True)
class Goodput:
    """Where the time goes: shares of wall-clock time that add up to 1, and what they follow from."""

    goodput_frac: Any  # computing that was kept
    checkpoint_frac: Any  # training stopped for checkpoints that became safe
    rework_frac: Any  # computed and lost with a failure
    restart_frac: Any  # restarting
    waiting_frac: Any  # detecting the failure and waiting for nodes
    planned_frac: Any  # planned stops
    mttf_s: Any
    checkpoint_interval_s: Any

    @property
    def failures_per_day(self) -> Any:
        """Failures per day of wall-clock time."""
        exposed = 1 - self.waiting_frac - self.planned_frac
        return SECONDS_PER_DAY * exposed / self.mttf_s


def goodput(
    n_gpus: Any = None,
    *,
    failures_per_1000_node_days: Any = None,
    gpus_per_node: Any = 8,
    mttf_s: Any = None,
    checkpoint_write_s: Any,
    restart_s: Any,
    checkpoint_interval_s: Any = None,
    method: str = "exact",
    mode: str = "blocking",
    checkpoint_stall_s: Any = 0.0,
    restart_sigma: Any = 0.0,
    detection_s: Any = 0.0,
    queue_s: Any = 0.0,
    planned_stops_per_day: Any = 0.0,
    planned_stop_s: Any = 0.0,
    correlated_frac: Any = 0.0,
    stored_interval_s: Any = 3600.0,
) -> Goodput:
    """Share of wall-clock time that becomes progress, for a job that stops with any of its nodes.

    Parameters
    ----------
    n_gpus, failures_per_1000_node_days, gpus_per_node : float or array
        Size of the job and failure rate of its nodes, as in :func:`gigacluster.reliability.mttf_s`. Leave the first
        two out where ``mttf_s`` is given.
    mttf_s : float or array, optional
        Mean time from a restart to the next failure, instead. [s]
    checkpoint_write_s : float or array
        Time from the start of a checkpoint until it is safe. [s]
    restart_s : float or array
        Time from a repaired allocation to training again; the median where ``restart_sigma`` > 0. [s]
    checkpoint_interval_s : float or array, optional
        Computing time between checkpoints; by default the best (see Notes). [s]
    method : str, default "exact"
        Which optimum: see :func:`gigacluster.reliability.checkpoint_interval_s`.
    mode : {"blocking", "non-blocking", "in-memory"}, default "blocking"
        Training stops for the whole write; or for ``checkpoint_stall_s``, while the write goes on behind it; or the
        same with copies in the memory of other nodes, which ``correlated_frac`` of failures destroy.
    checkpoint_stall_s : float or array, default 0
        Training stops for so long, where not blocking. [s]
    restart_sigma : float or array, default 0
        Lognormal spread of the restart time: see :func:`gigacluster.reliability.sigma_from_mean`. [1]
    detection_s, queue_s : float or array, default 0
        Mean times to notice a failure and to get nodes again; no failures are counted meanwhile. [s]
    planned_stops_per_day, planned_stop_s : float or array, default 0
        Stops announced early enough to save first; they cost their time alone. [1/d], [s]
    correlated_frac : float or array, default 0
        In memory: share of failures that take several nodes at once (a switch, a rack) and all copies with them. [1]
    stored_interval_s : float or array, default 3600
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
    decides the best interval; where the write goes on behind training, the interval is also long enough for one write
    at a time. Sources: data/sources.csv, ids ``daly-2006`` (blocking) and ``gigacluster-derivation`` (the rest).

    Examples
    --------
    >>> found = goodput(16_384, failures_per_1000_node_days=3.79, checkpoint_write_s=60, restart_s=600)
    >>> round(float(found.goodput_frac), 3)
    0.853
    """
    one_of("mode", mode, MODES)
    mttf_s = _mttf_s(n_gpus, failures_per_1000_node_days, gpus_per_node, mttf_s)
    chosen = 1.0 if checkpoint_interval_s is None else checkpoint_interval_s
    _, stops_per_day, stop_s = checked(
        planned_stops_per_day=(planned_stops_per_day, NON_NEGATIVE), planned_stop_s=(planned_stop_s, NON_NEGATIVE)
    )
    xp, mttf, write, tau, stall, restart, sigma, detection, queue, planned, q, stored = checked(
        mttf_s=(mttf_s, POSITIVE),
        checkpoint_write_s=(checkpoint_write_s, NON_NEGATIVE),
        checkpoint_interval_s=(chosen, POSITIVE),
        checkpoint_stall_s=(checkpoint_stall_s, NON_NEGATIVE),
        restart_s=(restart_s, NON_NEGATIVE),
        restart_sigma=(restart_sigma, LOGNORMAL_SIGMA),
        detection_s=(detection_s, NON_NEGATIVE),
        queue_s=(queue_s, NON_NEGATIVE),
        **{"planned_stops_per_day x planned_stop_s / 86400": (stops_per_day * stop_s / SECONDS_PER_DAY, SHARE)},
        correlated_frac=(correlated_frac, SHARE),
        stored_interval_s=(stored_interval_s, POSITIVE),
    )
    stall, lag = (write, 0 * write) if mode == "blocking" else (stall, write)
    if checkpoint_interval_s is None:
        tau = xp.maximum(xp.maximum(optimal_interval_s(mttf, stall, method), lag - stall), _SHORTEST * mttf)

    dead = detection + queue
    survives = _survives(xp, restart, sigma, mttf, restart_sigma)
    running = mttf / (mttf + dead)  # share of time exposed to failures
    period = xp.minimum((tau + stall) / mttf, _MOST)
    safe = running * survives * xp.exp(-lag / mttf) * period / xp.expm1(period)  # time in periods that became safe
    kept, checkpoint = safe * tau / (tau + stall), safe * stall / (tau + stall)
    if mode == "in-memory":
        n_periods = xp.maximum(xp.round(stored / tau), 1.0)
        kept = kept * _kept_of_memory(xp, period, survives * xp.exp(-lag / mttf), q, n_periods)
    restarting = running * (1 - survives)
    unplanned = 1 - planned
    return Goodput(
        goodput_frac=unplanned * kept,
        checkpoint_frac=unplanned * checkpoint,
        rework_frac=unplanned * (running - checkpoint - restarting - kept),
        restart_frac=unplanned * restarting,
        waiting_frac=unplanned * (1 - running),
        planned_frac=planned + 0 * kept,
        mttf_s=mttf,
        checkpoint_interval_s=tau,
    )


def _mttf_s(n_gpus: Any, rate: Any, gpus_per_node: Any, mttf_s: Any) -> Any:
    if mttf_s is None and n_gpus is not None and rate is not None:
        return scaled_mttf_s(n_gpus, rate, gpus_per_node=gpus_per_node)
    either = "give mttf_s, or n_gpus with failures_per_1000_node_days; mttf_s is that of the whole job"
    if mttf_s is None:
        raise ValueError(f"how often the job fails is given not at all; {either}")
    if n_gpus is not None or rate is not None:
        raise ValueError(f"how often the job fails is given twice; {either}")
    return mttf_s


def _survives(xp: Any, restart: Any, sigma: Any, mttf: Any, given_sigma: Any) -> Any:
    constant = not is_array(given_sigma) and given_sigma == 0  # spares the sum over the distribution
    return xp.exp(-restart / mttf) if constant else survival_of_restart(xp, restart, sigma, mttf)


def _kept_of_memory(xp: Any, period: Any, first: Any, q: Any, n_periods: Any) -> Any:
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


def fault_tolerant_goodput(
    n_gpus: Any = None,
    *,
    failures_per_1000_node_days: Any = None,
    gpus_per_node: Any = 8,
    mttf_s: Any = None,
    n_replicas: Any,
    stall_s: Any,
    recover_s: Any,
) -> Any:
    """Share of full-size progress where only the replica that failed stops, and the others go on without it.

    Parameters
    ----------
    n_gpus, failures_per_1000_node_days, gpus_per_node, mttf_s : float or array
        Failures anywhere in the job, as in :func:`goodput`.
    n_replicas : float or array
        Data-parallel replicas that can fail one by one, at least 1.
    stall_s : float or array
        Time that every replica stands still at each failure, to notice it and regroup. [s]
    recover_s : float or array
        Time until the failed replica is back, its state copied from another one; no work is lost. [s]

    Returns
    -------
    array
        In (0, 1]. Half the replicas at work count as half the progress: that the smaller batch changes learning is
        left out.

    Notes
    -----
    With A = stall / M and B = recover / (D M), the replicas at work are u = 1 / (1 + B p) and the share of time in
    which the job runs is p = 1 / (1 + A u): solved together, for p u. Source: data/sources.csv, id
    ``gigacluster-derivation``.

    Examples
    --------
    >>> round(float(fault_tolerant_goodput(mttf_s=900, n_replicas=32, stall_s=180, recover_s=600)), 2)
    0.82
    """
    mttf_s = _mttf_s(n_gpus, failures_per_1000_node_days, gpus_per_node, mttf_s)
    xp, mttf, replicas, stall, recover = checked(
        mttf_s=(mttf_s, POSITIVE),
        n_replicas=(n_replicas, AT_LEAST_ONE),
        stall_s=(stall_s, NON_NEGATIVE),
        recover_s=(recover_s, NON_NEGATIVE),
    )
    stalled, missing = stall / mttf, recover / (replicas * mttf)
    half = (1 + missing - stalled) / 2
    up = 1 / (half + xp.sqrt(half**2 + stalled))
    return up / (1 + stalled * up)
