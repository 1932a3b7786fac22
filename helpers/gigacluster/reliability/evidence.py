"""What the published failure rates say about a cluster that none of them measured."""

from __future__ import annotations

from typing import Any

import numpy
from scipy import stats

from gigacluster.uncertainty import Uncertain

__all__ = ["SCALE_LAW_FROM_GPUS", "counted_rate", "failure_rate", "pooled_rate"]

#: Smaller jobs failed three to four times as often as the scale law says. data/sources.csv, id ``kokolis-2024``.
SCALE_LAW_FROM_GPUS = 4096
_GPUS_PER_NODE = 8
_LEAST_SOURCES = 3


def counted_rate(failures: float, node_days: float) -> Uncertain:
    """Failure rate of a cluster that counted its own failures, per 1,000 node-days.

    Parameters
    ----------
    failures : float
        Counted, 0 or more.
    node_days : float
        Nodes times days of observation, above 0. [node d]

    Returns
    -------
    Uncertain
        5th, 50th and 95th percentile of Gamma(failures + 1/2): the posterior of a Poisson rate under Jeffreys' prior.

    Examples
    --------
    >>> llama3 = counted_rate(419, 2048 * 54)
    >>> round(llama3.low, 2), round(llama3.median, 2), round(llama3.high, 2)
    (3.49, 3.79, 4.1)
    """
    if not (failures >= 0 and node_days > 0):
        raise ValueError(f"failures is {failures!r} and node_days {node_days!r}; they must be 0 or more, and above 0")
    low, median, high = 1000 / node_days * stats.gamma.ppf([0.05, 0.5, 0.95], failures + 0.5)
    return Uncertain(low=float(low), median=float(median), high=float(high))


def pooled_rate(rates: Any, spread_from: Any = None) -> Uncertain:
    """Rate to expect of one more cluster, from the rates of others.

    Parameters
    ----------
    rates : array, shape (sources,)
        One rate a cluster, above 0.
    spread_from : array, optional
        Rates of a wider class, at least 3, that say how far clusters differ; by default the same.

    Returns
    -------
    Uncertain
        The 90 % prediction interval for the mean and spread of the logarithms, with Student's t for their small number:
        it covers what differs between clusters as well as the noise of each count.

    Examples
    --------
    >>> expected = pooled_rate([2.0, 4.0, 8.0])
    >>> round(expected.median, 9), round(expected.low, 2), round(expected.high, 1)
    (4.0, 0.39, 41.4)
    """
    logs = numpy.log(numpy.asarray(rates, dtype=float))
    wider = logs if spread_from is None else numpy.log(numpy.asarray(spread_from, dtype=float))
    if wider.size < _LEAST_SOURCES or not (numpy.isfinite(logs).all() and numpy.isfinite(wider).all()):
        raise ValueError(f"rates are {rates!r}; a spread needs at least {_LEAST_SOURCES} rates, all above 0")
    half = stats.t.ppf(0.95, wider.size - 1) * numpy.std(wider, ddof=1) * numpy.sqrt(1 + 1 / logs.size)
    centre = float(numpy.mean(logs))
    low, median, high = numpy.exp([centre - half, centre, centre + half])
    return Uncertain(low=float(low), median=float(median), high=float(high))


def failure_rate(chip_class: str | None = None, n_gpus: float = 100_000, *, table: Any = None) -> Uncertain:
    """Failures per 1,000 days of an 8-GPU node to expect of a cluster that has published none.

    Parameters
    ----------
    chip_class : str, optional
        A class of the table ``failure_rates``, such as ``"H100"``; with fewer than 3 clusters of its own, and by
        default, all GPU clusters stand for it. The spread always comes from all GPU clusters.
    n_gpus : float, default 100_000
        Size of the job. Below 4,096 GPUs all clusters and the measured rates of small jobs count, which
        raises the rate.
    table : pandas.DataFrame, optional
        In the form of ``failure_rates``; by default the table of ``data/``.

    Returns
    -------
    Uncertain
        Multiply by ``gpus_per_node / 8`` for nodes of another size.
    """
    if not n_gpus >= 1:
        raise ValueError(f"n_gpus is {n_gpus!r}; it must be 1 or more")
    if table is None:
        from gigareport import catalog

        table = catalog.headline(catalog.load("failure_rates"))
    small = n_gpus < SCALE_LAW_FROM_GPUS
    taken = table["pooled"] | ((table["scope"] == "small jobs") & small)
    clusters = table[taken & (table["kind"] == "GPU") & table["failures_per_1000_node_days"].notna()]
    rates = clusters["failures_per_1000_node_days"] * _GPUS_PER_NODE / clusters["gpus_per_node"]
    own = rates[clusters["chip_class"] == chip_class]
    return pooled_rate(rates if small or len(own) < _LEAST_SOURCES else own, spread_from=rates)
