"""How many spare nodes a job needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy
from scipy import stats

from gigacluster.arrays import Array, Samples, to_host
from gigacluster.limits import AtLeastOne, Limit, NonNegative, Share, ShareBelowOne, checked
from gigacluster.units import SECONDS_PER_DAY

_INSIDE = Limit(0.0, 1.0, "a share above 0 and below 1", low_included=False, high_included=False)


def broken_frac(failures_per_1000_node_days: NonNegative, repair_s: NonNegative, hardware_frac: Share = 1.0) -> Array:
    """Share of nodes under repair at a time.

    Parameters
    ----------
    failures_per_1000_node_days : float or array
    repair_s : Mean time from a failure until the node can serve again, whatever its distribution. [s]
    hardware_frac : Share of failures after which the node has to be repaired rather than restarted. [1]

    Notes
    -----
    x / (1 + x) with x = rate x repair: each node is up and down in turn.

    Examples
    --------
    >>> round(float(broken_frac(6.5, 2 * 86_400)), 4)
    0.0128
    """
    _, (rate, repair, share) = checked(broken_frac, failures_per_1000_node_days, repair_s, hardware_frac)
    load = rate * share * repair / (1000 * SECONDS_PER_DAY)
    return load / (1 + load)


def spares_needed(
    n_nodes: AtLeastOne,
    broken_frac: ShareBelowOne,
    confidence: Annotated[Samples, _INSIDE] = 0.99,
    *,
    nodes_per_failure: AtLeastOne = 1.0,
) -> Array:
    """Spare nodes with which the job is complete with the given probability.

    Parameters
    ----------
    n_nodes : Nodes of the job. [node]
    broken_frac : Share of nodes broken at a time, below 1. [1]
    confidence : In (0, 1). [1]
    nodes_per_failure : Nodes that go together (a rack, a switch): groups of this size fail as one. [node]

    Returns
    -------
    numpy.ndarray
        The smallest number, a multiple of ``nodes_per_failure``. [node]

    Notes
    -----
    Spares break too. Binomial: data/sources.csv, ids ``byterobust-2025`` and ``zu-2024-tpu``.

    Examples
    --------
    >>> float(spares_needed(12_500, 0.0128))
    193.0
    """
    nodes, broken, level, group = _host(spares_needed, n_nodes, broken_frac, confidence, nodes_per_failure)
    groups = numpy.ceil(nodes / group)
    needed = stats.binom.ppf(level, groups, broken)
    for _ in range(50):  # the spares added can break too: a few rounds, each adding fewer
        again = stats.binom.ppf(level, groups + needed, broken)
        if numpy.array_equal(again, needed, equal_nan=True):
            break
        needed = again
    return numpy.asarray(needed * group)


def _host(function: Callable[..., object], *values: Samples) -> list[numpy.ndarray]:
    """Return checked inputs as NumPy arrays: SciPy's distributions stay on the host."""
    return [to_host(value) for value in checked(function, *values)[1]]
