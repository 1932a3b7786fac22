"""How many spare nodes a job needs."""

from __future__ import annotations

from typing import Annotated

import numpy
from scipy import stats

from gigacluster.arrays import Array, Samples, to_host
from gigacluster.limits import AtLeastOne, Limit, NonNegative, ShareBelowOne, checked
from gigacluster.units import SECONDS_PER_DAY

_INSIDE = Limit(0.0, 1.0, "a share above 0 and below 1", low_included=False, high_included=False)


def broken_frac(failures_per_1000_node_days: NonNegative, repair_s: NonNegative) -> Array:
    """Share of nodes under repair at a time.

    Parameters
    ----------
    failures_per_1000_node_days
        Failures after which the node has to be repaired rather than restarted. [1/(1000 node d)]
    repair_s : Mean time from a failure until the node can serve again, whatever its distribution. [s]

    Notes
    -----
    x / (1 + x) with x = rate x repair: each node is up and down in turn.

    Examples
    --------
    >>> round(float(broken_frac(6.5, 2 * 86_400)), 4)
    0.0128
    """
    _, (rate, repair) = checked(broken_frac, failures_per_1000_node_days, repair_s)
    load = rate * repair / (1000 * SECONDS_PER_DAY)
    return load / (1 + load)


def spares_needed(
    n_nodes: AtLeastOne, broken_frac: ShareBelowOne, confidence: Annotated[Samples, _INSIDE] = 0.99
) -> Array:
    """Spare nodes with which the job is complete with the given probability.

    Parameters
    ----------
    n_nodes : Nodes of the job. [node]
    broken_frac : Share of nodes broken at a time, below 1. [1]
    confidence : In (0, 1). [1]

    Returns
    -------
    numpy.ndarray
        The smallest number. [node]

    Notes
    -----
    Spares break too. Binomial: data/sources.csv, ids ``byterobust-2025`` and ``zu-2024-tpu``.

    Examples
    --------
    >>> float(spares_needed(12_500, 0.0128))
    193.0
    """
    # SciPy's distributions stay on the host.
    nodes, broken, level = map(to_host, checked(spares_needed, n_nodes, broken_frac, confidence)[1])
    nodes = numpy.ceil(nodes)
    needed = stats.binom.ppf(level, nodes, broken)
    for _ in range(50):  # the spares added can break too: a few rounds, each adding fewer
        again = stats.binom.ppf(level, nodes + needed, broken)
        if numpy.array_equal(again, needed, equal_nan=True):
            break
        needed = again
    return numpy.asarray(needed)
