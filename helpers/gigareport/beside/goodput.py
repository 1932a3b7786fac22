"""The model beside published effective training times, and beside the formulas of the literature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.reliability.checkpoints import checkpoint_interval_s
from gigacluster.reliability.evidence import counted_rate, failure_rate
from gigacluster.reliability.goodput import goodput
from gigacluster.reliability.published import kokolis_2025, stall_goodput
from gigacluster.uncertainty import Uncertain, draw, interval
from gigacluster.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["beside_published", "goodput_by_form"]


def goodput_by_form(mttf_s: Any, *, checkpoint_write_s: Any, restart_s: Any) -> dict[str, Any]:
    """Goodput with blocking checkpoints by the exact model and by simpler forms, all but the first at Young's interval.

    Parameters
    ----------
    mttf_s, checkpoint_write_s, restart_s : float or array
        [s]

    Returns
    -------
    dict of str to array
        The stall forms lose the restart and half an interval at each failure, and count no writes.

    Examples
    --------
    >>> found = goodput_by_form(3600.0, checkpoint_write_s=20.0, restart_s=600.0)
    >>> {name: round(float(share), 2) for name, share in found.items()}
    {'exact': 0.76, 'exact, Young': 0.76, 'Kokolis 2025': 0.74, 'stall inside': 0.78, 'stall outside': 0.82}
    """
    young_s = checkpoint_interval_s(mttf_s, checkpoint_write_s, "young")
    inputs = {"mttf_s": mttf_s, "checkpoint_write_s": checkpoint_write_s, "restart_s": restart_s}
    stall_s = restart_s + young_s / 2
    return {
        "exact": goodput(**inputs).goodput_frac,
        "exact, Young": goodput(**inputs, checkpoint_interval_s=young_s).goodput_frac,
        "Kokolis 2025": kokolis_2025(mttf_s, restart_s, young_s, checkpoint_write_s),
        "stall inside": stall_goodput(mttf_s, stall_s, "inside"),
        "stall outside": stall_goodput(mttf_s, stall_s, "outside"),
    }


def beside_published(
    published: pd.DataFrame,
    rates: pd.DataFrame,
    *,
    restart_s: Uncertain,
    checkpoint_write_s: Uncertain,
    samples: int = 2000,
    seed: int = 7,
) -> pd.DataFrame:
    """Estimate every published effective training time that can be estimated.

    Parameters
    ----------
    published, rates : pandas.DataFrame
        In the form of ``effective_time_published`` and ``failure_rates``. Rows with ``gpus_per_node`` are estimated; a
        source's own failures are used where it gives them, else the rate of all clusters.
    restart_s, checkpoint_write_s : Uncertain
        What to assume where a source says nothing. Training waits for the write, unless the source says otherwise. [s]
    samples, seed : int

    Returns
    -------
    pandas.DataFrame
        ``system``, ``n_gpus``, ``metric``, ``published``, ``is_lower_bound``, ``low``, ``median``, ``high`` (5, 50 and
        95 %), ``ratio`` (median over published), ``rate_from`` and ``restart_from`` (source or assumption).
    """
    import pandas as pd

    rows = []
    for row in published[published["gpus_per_node"].notna()].to_dict("records"):
        rate, rate_from = _rate(row, rates)
        restart, restart_from = _restart(row, restart_s)
        inputs = draw({"rate": rate, "restart": restart, "write": checkpoint_write_s}, samples, seed)
        mode = row["checkpoint_mode"] if isinstance(row["checkpoint_mode"], str) else "blocking"
        found = goodput(
            row["n_gpus"],
            gpus_per_node=row["gpus_per_node"],
            failures_per_1000_node_days=inputs["rate"],
            # behind training a write costs time only if a failure meets it: these sources leave it out
            checkpoint_write_s=inputs["write"] if mode == "blocking" else 0.0,
            checkpoint_interval_s=_known(row["checkpoint_interval_s"]),
            restart_s=inputs["restart"],
            queue_s=_known(row["queue_s"]) or 0.0,
            mode=mode,
            planned_stops_per_day=(_known(row["planned_stops"]) or 0.0) / (_known(row["days"]) or 1.0),
            planned_stop_s=inputs["restart"],
        )
        ours = interval(found.goodput_frac)
        rows.append(
            {
                "system": row["system"],
                "n_gpus": row["n_gpus"],
                "metric": row["metric"],
                "published": row["value"],
                "is_lower_bound": row["is_lower_bound"],
                "low": ours.low,
                "median": ours.median,
                "high": ours.high,
                "ratio": ours.median / row["value"],
                "rate_from": rate_from,
                "restart_from": restart_from,
            }
        )
    return pd.DataFrame(rows)


def _known(value: Any) -> float | None:
    return None if value is None or numpy.isnan(value) else float(value)


def _rate(row: Mapping[Any, Any], rates: pd.DataFrame) -> tuple[Uncertain, str]:
    """Return failures per 1,000 node-days: printed, counted, from the interval, or that of all other clusters."""
    nodes = row["n_gpus"] / row["gpus_per_node"]
    if (rate := _known(row["failures_per_1000_node_days"])) is not None:
        return Uncertain.fixed(rate), "printed"
    if (count := _known(row["failures"])) is not None and (days := _known(row["days"])) is not None:
        return counted_rate(count, nodes * days), "counted"
    if (between_s := _known(row["failure_interval_s"])) is not None:
        return Uncertain.fixed(1000 * SECONDS_PER_DAY / (nodes * between_s)), "from the interval"
    others = rates[rates["source_id"] != row["source_id"]]
    return failure_rate(n_gpus=row["n_gpus"], table=others), "other clusters"


def _restart(row: Mapping[Any, Any], otherwise: Uncertain) -> tuple[Uncertain, str]:
    """Return the time lost after a failure: printed, anywhere below a printed bound, or assumed."""
    if (restart := _known(row["restart_s"])) is not None:
        return Uncertain.fixed(restart), "printed"
    if (stall := _known(row["stall_s"])) is None:
        return otherwise, "assumed"
    if row["stall_is_upper_bound"]:
        return Uncertain.uniform(0.0, stall), "below the printed bound"
    return Uncertain.fixed(stall), "printed"
