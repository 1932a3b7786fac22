"""The plans of a search to be read: what a step consists of, how the chips are split, what another split would lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from gigacluster.throughput import PART_NAMES, Job, Plan
from gigacluster.throughput.plan_search import Search
from gigacluster.throughput.plans import case_of_plan
from gigacluster.throughput.roofline import operations, roof_flop_per_s
from gigacluster.throughput.shipped import Calibration

if TYPE_CHECKING:
    import pandas as pd

#: Parts of a step in which chips compute; in the others they wait.
_COMPUTING = ("matmul_s", "attention_s", "memory_s", "optimizer_s")
#: Parts smaller than this share of the step are not drawn.
_LEAST_SHARE = 5e-4
#: Differences below half a millisecond are not told.
_LEAST_MS = 0.5
_AXES = {"tp": "tensor", "pp": "pipeline", "cp": "context", "ep": "expert", "dp": "data"}
_COLUMNS = {
    "micro_batch": "micro-batch",
    "vpp": "chunks a stage",
    "step_time_s": "step [s]",
    "mfu": "MFU",
    "memory_gib": "memory [GiB]",
}


def split_words(plan: Plan) -> str:
    """Say how a plan splits the chips.

    >>> split_words(Plan(tp=8, pp=4, dp=16))
    '8-way tensor, 4-way pipeline, 16-way data'
    """
    return ", ".join(f"{n}-way {word}" for axis, word in _AXES.items() if (n := getattr(plan, axis)) > 1) or "one chip"


def roofline(job: Job, plan: Plan, calibration: Calibration) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the operations of a layer under a plan, and the roof of the chip above them.

    Returns
    -------
    tuple of pandas.DataFrame
        Both ``operation``, ``intensity`` [FLOP/byte] and ``tflop_per_s``; the first, by intensity, also ``flop_share``
        (of the layer's operations) and ``share of peak`` (in the job's number format).
    """
    import pandas as pd

    peak, memory = job.peak_flop_per_s, job.cluster.chip.memory_bytes_per_s
    layer = operations(case_of_plan(job, plan), calibration.coefficients)
    table = pd.DataFrame(
        [(one.name, one.intensity, one.flop_per_s / 1e12, one.flop, one.flop_per_s / peak) for one in layer],
        columns=["operation", "intensity", "tflop_per_s", "flop_share", "share of peak"],
    ).sort_values("intensity")
    table["flop_share"] /= table["flop_share"].sum()
    at = numpy.geomspace(0.5, 3 * table["intensity"].max(), 60)
    roof = [roof_flop_per_s(intensity, peak, memory) / 1e12 for intensity in at.tolist()]
    return table, pd.DataFrame({"intensity": at, "tflop_per_s": roof, "operation": "roof"})


def step_parts(found: Search) -> pd.DataFrame:
    """Return what a step under the best plan consists of, the largest part first.

    Returns
    -------
    pandas.DataFrame
        ``label``, ``computing`` and ``waiting`` [s] (one of them 0), ``share`` of the step, and ``computing in all``,
        the share of the step in which chips compute.
    """
    import pandas as pd

    seconds = pd.Series({name: float(values[0]) for name, values in found.parts.items()})
    computes = seconds.index.isin(_COMPUTING)
    table = pd.DataFrame({"label": [PART_NAMES[name] for name in seconds.index], "share": seconds / seconds.sum()})
    table = table.assign(computing=seconds * computes, waiting=seconds * ~computes)
    table["computing in all"] = table.loc[computes, "share"].sum()
    return table[table["share"] > _LEAST_SHARE].sort_values("share", ascending=False, ignore_index=True)


def splits(found: Search, most: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the best plan of each split of the chips, and what each loses against the first.

    Parameters
    ----------
    found : Search
    most : Splits told of, the best first.

    Returns
    -------
    tuple of pandas.DataFrame
        Both by ``split`` in words: step, MFU and memory; and milliseconds lost by part of the step, with their sum.
    """
    import pandas as pd

    ranks = found.best_by_split()[:most]
    names = pd.Index([split_words(found.plans.plan(rank)) for rank in ranks], name="split")
    table = pd.DataFrame(found.columns()).iloc[ranks][list(_COLUMNS)].rename(columns=_COLUMNS).set_axis(names)
    lost_ms = 1e3 * pd.DataFrame([found.lost_s(rank) for rank in ranks[1:]], index=names[1:])
    lost_ms["in all"] = lost_ms.sum(axis=1)
    lost_ms = lost_ms.loc[:, (lost_ms.abs() > _LEAST_MS).any()].rename(columns=PART_NAMES)
    return table.loc[:, (table != 1).any()], lost_ms  # what no plan uses says nothing
