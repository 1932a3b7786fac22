"""What recovery takes, by scheme and size: sourced ranges drawn together, and which scheme a job of a year has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy

from gigacluster import reliability
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.table import Table, filled

#: The schemes as a reader says them: "under ...".
WORDS = {
    "restart_all": "a restart of the whole job",
    "hot_spare": "hot spares",
    "in_memory": "copies in memory",
    "drop_replica": "replicas that drop out",
}
#: Standard error of the logarithm of a printed time. (assumption-reliability)
_ERROR_OF_A_TIME = 0.2
#: Size to which times of other sizes are brought before they are pooled. [GPU]
MEASURED_AT_GPUS = 8192.0
_POWER = "size_power"
#: What is a share stays below the whole in every draw. Clipping is enough: the ranges end far below 1, so that it
#: reaches fewer than one draw in a thousand (a test counts them) and moves none of the percentiles told; a law bounded
#: by 1 would move the draws inside the ranges as well, which are what the sources print.
_LARGEST_SHARE = 1 - 1e-9
#: First year and size from which jobs recover so, newest first: FT-HSDP in 2026 at 100,000 GPUs; hot spares and writes
#: behind training since Llama 3 and MegaScale in 2024.
_DEFAULTS = (("drop_replica", 2026, 65_536), ("hot_spare", 2024, 4096))


def default_scheme(n_gpus: float, year: int) -> str:
    """Return the recovery scheme to expect of a job that names none, by its size [GPU] and the year in which it runs.

    Examples
    --------
    >>> [default_scheme(*job) for job in ((384, 2022), (100_000, 2024), (1024, 2026), (100_000, 2026))]
    ['restart_all', 'hot_spare', 'restart_all', 'drop_replica']
    """
    fitting = (scheme for scheme, since, least in _DEFAULTS if year >= since and n_gpus >= least)
    return next(fitting, "restart_all")


def inputs(
    scheme: str, n_gpus: float, *, without_house: str | None = None, power: Uncertain | None = None
) -> dict[str, Uncertain]:
    """Return the range of each time and share of a recovery scheme, in a job of a size.

    Parameters
    ----------
    scheme, n_gpus : one of ``gigacluster.reliability.SCHEMES``; GPUs of the job, with which some times grow.
    without_house : a house whose own times are left out, to compare it with the others.
    power : with which restart and resumption grow from 8,192 GPUs; by default each scheme's own. [1]

    Returns
    -------
    dict of str to Uncertain
        By the names of the fields of :class:`gigacluster.reliability.Recovery`. Fields that the scheme does not have
        are left out. [s], [1]
    """
    return dict(_inputs(scheme, n_gpus, without_house, power))


@cache
def _inputs(scheme: str, n_gpus: float, without_house: str | None, power: Uncertain | None) -> dict[str, Uncertain]:
    if scheme not in reliability.SCHEMES:
        raise ValueError(f"scheme is {scheme!r}; it can be {', '.join(map(repr, reliability.SCHEMES))}")
    found = {}
    for row in _rows(scheme):
        quantity = str(row["quantity"])
        if quantity == _POWER:
            continue
        if row["basis"] == "pooled":
            one = pooled_time(scheme, quantity, without_house=without_house).rate
            grows = power or size_power(scheme if quantity == "resume_s" else "restart_all")
            found[quantity] = _at_size(one, n_gpus, grows)
        else:
            most = _LARGEST_SHARE if quantity.endswith("_frac") else numpy.inf
            found[quantity] = Uncertain(low=row["low"], median=row["median"], high=row["high"], upper=most)
    return found


@cache
def size_power(scheme: str) -> Uncertain:
    """Return the power of size with which the time until a job goes on grows under a scheme. [1]"""
    (row,) = (row for row in _rows(scheme) if row["quantity"] == _POWER)
    return Uncertain(low=row["low"], median=row["median"], high=row["high"])


def _rows(scheme: str) -> Iterator[dict[str, Any]]:
    table = catalog.read("recovery_schemes")
    return table.where(table["scheme"] == scheme).rows()


def _at_size(seconds: Uncertain, n_gpus: float, power: Uncertain) -> Uncertain:
    """Take a time to another size; who is slow also grows faster, so that the order of the percentiles stays."""
    ends = numpy.array([seconds.low, seconds.median, seconds.high])
    powers = numpy.array([power.low, power.median, power.high])[:: 1 if n_gpus >= MEASURED_AT_GPUS else -1]
    found = reliability.at_size_s(ends, n_gpus, measured_at_gpus=MEASURED_AT_GPUS, size_power=powers)
    low, median, high = found.tolist()
    return Uncertain(low=low, median=median, high=high)


def recovery(scheme: str, given: dict[str, Uncertain], position: Any) -> reliability.Recovery:
    """Return a scheme whose times and shares are drawn together: who is slow at one is slow at all.

    Parameters
    ----------
    given : as :func:`inputs` returns it.
    position : array of probabilities in (0, 1), one a sample: 0.5 is the middle of every range.
    """
    at = numpy.asarray(position, dtype=float)
    return reliability.Recovery(scheme=scheme, **{name: value.quantile(at) for name, value in given.items()})


@cache
def pooled_time(scheme: str, quantity: str, *, without_house: str | None = None) -> reliability.PooledRate:
    """Return what ``restart_times`` says of one time of a scheme, for one more house, at 8,192 GPUs. [s]

    Restarts from a stored checkpoint are those of ``restart_all``, whatever the scheme. A mean counts where there is
    one, and the middle of a printed range.
    """
    of_scheme = "restart_all" if quantity == "restart_s" else scheme
    rows = _times_of(of_scheme)
    rows = rows.where(rows["pooled"] & (rows["quantity"] == quantity) & (rows["house"] != without_house))
    middle = numpy.sqrt(rows["low"] * rows["high"])
    seconds = filled(filled(filled(rows["mean_s"], rows["seconds"]), middle), rows["low"])
    measured_at = filled(rows["n_gpus"], MEASURED_AT_GPUS)
    power = size_power(of_scheme).median
    here = reliability.at_size_s(seconds, MEASURED_AT_GPUS, measured_at_gpus=measured_at, size_power=power)
    return reliability.pooled_rate(
        here, log_errors=numpy.full(len(rows), _ERROR_OF_A_TIME), houses=rows["house"].astype(str)
    )


def _times_of(scheme: str) -> Table:
    table = catalog.read("restart_times")
    return table.where(table["scheme"] == scheme)


@cache
def sizes(scheme: str) -> tuple[float, float]:
    """Return the smallest and the largest job in which a scheme's own times were measured. [GPU]"""
    measured_at = _times_of(scheme)["n_gpus"]
    return float(numpy.nanmin(measured_at)), float(numpy.nanmax(measured_at))


@cache
def blast(system: str) -> reliability.Blast:
    """Return the kinds of failure of nodes of 8 (``"HGX"``) or racks of 72 (``"NVL72"``).

    Examples
    --------
    >>> round(float(blast("NVL72").replicas_lost(64)), 2)  # a rack holds parts of two replicas of 64
    1.84
    """
    table = catalog.read("blast_radius")
    rows = table.where(table["system"] == system)
    if not len(rows):
        raise ValueError(f"system is {system!r}; it can be {', '.join(map(repr, sorted(set(table['system']))))}")
    return reliability.Blast(chips=rows["chips"].astype(float), shares=rows["share"])
