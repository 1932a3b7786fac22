"""The model's effective training time beside the published one, with the inputs that each source gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.reliability.evidence import counted_rate, failure_rate
from gigacluster.reliability.goodput import goodput
from gigacluster.uncertainty import Uncertain, draw, interval
from gigacluster.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["beside_published"]


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
