"""What published failure rates say about a cluster that none of them measured, by chip, size and what counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy

from gigacluster import reliability
from gigareport import catalog
from gigareport.table import Table, filled, given, stacked

if TYPE_CHECKING:
    import pandas as pd


#: Chips with rates of their own, by the start of their name, and the generation that stands in for too few of them.
_CLASSES = {
    "A100": ("A100", "V100", "A800"),
    "H100": ("H100", "H200", "H800", "H20", "GH200"),
    "B200": ("B200", "GB200", "B300", "GB300", "B100"),
}
_GENERATIONS = {"A100": ("A100",), "H100": ("H100", "B200", "mixed"), "B200": ("H100", "B200", "mixed")}
#: Meta's mixed jobs of 2026 are H100 mostly.
_OF_CLASS = {"A100": ("A100",), "H100": ("H100", "mixed"), "B200": ("B200",)}
_LEAST_HOUSES = 3
#: Standard error of the logarithm where a source prints a rate and neither count nor range. (assumption-reliability)
_ERROR_OF_A_STATEMENT = 0.3
_Z_RANGE = 2 * 1.645  # a printed range is taken as 5 to 95 %


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedRate:
    """Failures per 1,000 days of an 8-chip node to expect, and of what."""

    pooled: reliability.PooledRate
    words: str  # which rows stand for it
    largest_gpus: float  # beyond it the rate is extrapolated


def chip_class(chip: str | None) -> str | None:
    """Return the class whose rates stand for a chip, or nothing for a chip that no rate is of.

    Examples
    --------
    >>> chip_class("H200-SXM"), chip_class("TPU-v5p")
    ('H100', None)
    """
    return next((name for name, starts in _CLASSES.items() if (chip or "").upper().startswith(starts)), None)


@cache
def _rates() -> Table:
    """Return ``failure_rates`` with ``rate``, its range and the standard error of its logarithm, for nodes of 8 chips.

    Rates are failures per 1,000 node-days; the error is from the count, or the printed range, or 0.3.
    """
    table: Table = catalog.headline(catalog.read("failure_rates"))
    nodes = 8 / table["gpus_per_node"]
    of_count = numpy.sqrt(filled(table["dispersion"], 1.0) / table["failures"])
    of_range = numpy.log(table["high"] / table["low"]) / _Z_RANGE
    return table.assign(
        rate=table["failures_per_1000_node_days"] * nodes,
        rate_low=table["low"] * nodes,
        rate_high=table["high"] * nodes,
        log_error=filled(filled(of_count, of_range), _ERROR_OF_A_STATEMENT),
    )


def jobs_beside(expected: ExpectedRate) -> pd.DataFrame:
    """Return the rates of every counted job of GPUs with the one to expect first, as rows to draw.

    They are ``label``, ``low``, ``median``, ``high`` in failures per 1,000 days of 8 chips, the lowest first; a job
    beside the pool says so.
    """
    import pandas as pd

    table = _rates().to_frame()
    table = table[(table["scope"] == "jobs") & (table["kind"] == "GPU") & table["rate"].notna()].sort_values("rate")
    what = table["counts"].map({"hardware": ", hardware"}).fillna("")
    label = table["system"] + what + table["pooled"].map({True: "", False: " (beside)"})
    jobs = pd.DataFrame({"label": label, "low": table["rate_low"], "median": table["rate"], "high": table["rate_high"]})
    rate = expected.pooled.rate
    one = {"label": "One more run", "low": rate.low, "median": rate.median, "high": rate.high}
    return pd.concat([pd.DataFrame([one]), jobs], ignore_index=True)


@cache
def _pooled() -> Table:
    """Return the rows that stand for other houses too."""
    table = _rates()
    return table.where(table["pooled"] & (table["kind"] == "GPU") & given(table["rate"]))


def failure_rate(
    chip: str | None = None, n_gpus: float = 100_000, *, counts: str = "stops", without_house: str | None = None
) -> ExpectedRate:
    """Failures per 1,000 days of an 8-chip node to expect of a cluster that has published none.

    Parameters
    ----------
    chip : Name of a chip or of a class; by default, and for chips without rates, all GPUs.
    n_gpus : Size of the job: the rate may move with it, so slowly that two digits of the size say all.
    counts : {"stops", "hardware"}, default "stops"
        Every stop that nobody asked for, or those by hardware alone.
    without_house : A house whose rows are left out: to compare it with the others.

    Returns
    -------
    ExpectedRate
        With fewer than 3 houses of a class, those of its generation stand in; with fewer than 3 of these, so do rows
        that count the other kind; then all GPUs.

    Raises
    ------
    ValueError
        If ``counts`` is neither, or the size below 1.

    Examples
    --------
    >>> found = failure_rate("H100-SXM", 100_000)
    >>> found.pooled.houses, found.words
    (4, 'H100 class, all stops')
    """
    if counts not in ("stops", "hardware"):
        raise ValueError(f"counts is {counts!r}; it can be 'stops' or 'hardware'")
    if not n_gpus >= 1:
        raise ValueError(f"n_gpus is {n_gpus!r}; it must be 1 or more")
    return _expected(chip_class(chip), float(f"{n_gpus:.2g}"), counts, without_house)


@cache
def _expected(of_class: str | None, n_gpus: float, counts: str, without_house: str | None) -> ExpectedRate:
    table = _pooled()
    rows, words = _rows_for(table.where(table["house"] != without_house), of_class, counts)
    sizes = filled(rows["n_gpus"], numpy.nanmedian(rows["n_gpus"]))
    pooled = reliability.pooled_rate(
        rows["rate"], log_errors=rows["log_error"], houses=rows["house"].astype(str), n_gpus=sizes, at_n_gpus=n_gpus
    )
    return ExpectedRate(pooled=pooled, words=words, largest_gpus=float(sizes.max()))


def _rows_for(table: Table, of_class: str | None, counts: str) -> tuple[Table, str]:
    """Return the narrowest set of rows with three houses, and its name."""
    said = "all stops" if counts == "stops" else "hardware alone"
    of_kind = table.where(table["counts"] == counts)
    others = ~numpy.isin(table["house"], of_kind["house"]) & (table["counts"] != "component")
    both = stacked(of_kind, table.where(others))
    choices = [(of_kind, f"all GPUs, {said}"), (both, "all GPUs, stops or hardware")]
    if of_class is not None:
        newer, chips = "A100 class" if of_class == "A100" else "H100 class and newer", _GENERATIONS[of_class]
        choices = [
            (_of_chips(of_kind, _OF_CLASS[of_class]), f"{of_class} class, {said}"),
            (_of_chips(of_kind, chips), f"{newer}, {said}"),
            (_of_chips(both, chips), f"{newer}, stops or hardware"),
            *choices,
        ]
    return next((pair for pair in choices if len(set(pair[0]["house"])) >= _LEAST_HOUSES), choices[-1])


def _of_chips(table: Table, classes: tuple[str, ...]) -> Table:
    return table.where(numpy.isin(table["chip_class"], classes))


def left_out() -> pd.DataFrame:
    """Return every pooled run beside what the other houses say of it.

    The columns are ``house``, ``system``, ``counts``, ``rate``, ``low``, ``median``, ``high`` (5, 50 and 95 %),
    ``inside``, and ``houses``, how many others there are.
    """
    import pandas as pd

    rows = []
    for row in _pooled().rows():
        chip = row["chip_class"] if row["chip_class"] in _CLASSES else "H100"
        size = 8192.0 if numpy.isnan(row["n_gpus"]) else float(row["n_gpus"])
        pooled = failure_rate(chip, size, counts=str(row["counts"]), without_house=str(row["house"])).pooled
        low, middle, high = pooled.rate.low, pooled.rate.median, pooled.rate.high
        told = [row[name] for name in ("house", "system", "counts", "rate")]
        rows.append((*told, low, middle, high, low <= row["rate"] <= high, pooled.houses))
    columns = ["house", "system", "counts", "rate", "low", "median", "high", "inside", "houses"]
    return pd.DataFrame(rows, columns=columns)
