"""The model beside published effective training times, and beside the formulas of the literature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import pandas as pd

from gigacluster import reliability
from gigacluster.arrays import Samples
from gigacluster.uncertainty import Uncertain, draw
from gigacluster.units import SECONDS_PER_DAY
from gigareport import catalog, words
from gigareport.beside import rows
from gigareport.facts import failures, recovery

#: Replicas of a plan that a source does not print: 100,000 GPUs of FT-HSDP in sixteen. (assumption-reliability)
_REPLICAS = 16.0
_PLANNED_STOP_S = Uncertain(low=120.0, median=600.0, high=1200.0)  # row reliability.planned_stop_s of the defaults
_TOLD = (
    "effective_id",
    "house",
    "system",
    "scheme",
    "n_gpus",
    "metric",
    "is_lower_bound",
    "solved",
    "group",
    "note",
    "source_id",
)
_LEAST_SHARE_OF_INTERVAL = 0.01  # of the time between failures in which a job runs, where stalls fill nearly all


def goodput_by_form(mttf_s: Samples, *, checkpoint_write_s: Samples, restart_s: Samples) -> dict[str, Any]:
    """Goodput with blocking checkpoints by the exact model and by simpler forms, all but the first at Young's interval.

    The stall forms lose the restart and half an interval at each failure, and count no writes.

    Examples
    --------
    >>> found = goodput_by_form(3600.0, checkpoint_write_s=20.0, restart_s=600.0)
    >>> {name: round(float(share), 2) for name, share in found.items()}
    {'exact': 0.76, 'exact, Young': 0.76, 'Kokolis 2025': 0.74, 'stall inside': 0.78, 'stall outside': 0.82}
    """
    young_s = reliability.checkpoint_interval_s(mttf_s, checkpoint_write_s, "young")
    inputs: dict[str, Any] = {"mttf_s": mttf_s, "checkpoint_write_s": checkpoint_write_s, "restart_s": restart_s}
    stall_s = restart_s + young_s / 2
    return {
        "exact": reliability.goodput(**inputs).goodput_frac,
        "exact, Young": reliability.goodput(**inputs, checkpoint_interval_s=young_s).goodput_frac,
        "Kokolis 2025": reliability.kokolis_2025(mttf_s, restart_s, young_s, checkpoint_write_s),
        "stall inside": reliability.stall_goodput(mttf_s, stall_s, "inside"),
        "stall outside": reliability.stall_goodput(mttf_s, stall_s, "outside"),
    }


def beside_published(*, samples: int = 2000, seed: int = 7) -> pd.DataFrame:
    """Estimate every published effective training time that gives enough to be estimated, misses first.

    A house's own failures and times are used where it prints them; else those of all *other* houses, for the scheme
    and the size, and what is not printed is drawn. Beside what is compared, ``unit`` ("1" or "s") and the columns of
    :mod:`gigareport.beside.rows` stand ``error`` (median less published), ``missed`` (outside the 90 %; of a bound,
    below it), ``solved`` (an input comes from the figure itself, so that it tests nothing), ``data`` ("inside" or
    "beyond" the sizes at which the scheme was timed and failures were counted), ``rate_from`` and ``times_from``.
    """
    table = catalog.load("effective_time_published")
    told = [row[row.notna()].to_dict() for _, row in table[table["gpus_per_node"].notna()].iterrows()]
    found = pd.DataFrame([_compared(row, samples, seed) for row in told])
    size = found["error"].abs() / found["published"]
    order = found.assign(size=size).sort_values(["missed", "size"], ascending=False).index
    return found.loc[order].reset_index(drop=True)


def not_compared() -> pd.DataFrame:
    """Return the published figures without a size of nodes, which no model of failures can be asked for."""
    table = catalog.load("effective_time_published")
    told = table.assign(scheme=table["scheme"].map(recovery.WORDS))
    return told.loc[table["gpus_per_node"].isna(), ["house", "system", "scheme", "metric", "value", "note"]]


def orders(found: pd.DataFrame) -> pd.DataFrame:
    """Set the order of the schemes within each published comparison beside ours.

    By comparison of :func:`beside_published`: the schemes from the best by the source, their published shares, our
    medians, and whether they have the same order, all in words.
    """
    compared = []
    for _, sides in found.dropna(subset="group").groupby("group"):
        ordered = sides.sort_values("published", ascending=False)
        theirs, ours = ([f"{value:.2f}" for value in ordered[name]] for name in ("published", "median"))
        same = "yes" if (ordered["median"].diff().dropna() < 0).all() else "no"
        schemes = " before ".join(recovery.WORDS[scheme] for scheme in ordered["scheme"])
        where = f"{sides['house'].iloc[0]}, {words.exact(sides['n_gpus'].iloc[0])} GPUs"
        compared.append((where, schemes, ", ".join(theirs), ", ".join(ours), same))
    return pd.DataFrame(compared, columns=["comparison", "schemes", "published", "ours", "same order"])


def read_goodput(found: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison of :func:`beside_published` to be read: rounded, with marks and names in words."""
    figures = ["published", "low", "median", "high", "error"]
    table = found[["system", "scheme", "n_gpus", *figures, "missed", "data", "rate_from", "times_from"]].round(3)
    table = table.astype({"n_gpus": int})
    table["missed"] = table["missed"].map({True: "yes", False: ""})
    table["scheme"] = table["scheme"].map(recovery.WORDS)
    return table.rename(columns=lambda name: name.removeprefix("n_").replace("_", " "))


def _compared(told: Mapping[str, Any], samples: int, seed: int) -> dict[str, Any]:
    """Return a figure beside ours; what a source does not print is missing in ``told``."""
    size, house, scheme = float(told["n_gpus"]), str(told["house"]), str(told["scheme"])
    times, times_from = _times(told, recovery.inputs(scheme, size, without_house=house))
    rate, rate_from, rate_to = _rate(told, house)
    drawn = draw({"rate": rate, "position": Uncertain.uniform(0.0, 1.0), "stop": _PLANNED_STOP_S}, samples, seed)
    scheme_of = recovery.recovery(scheme, times, drawn["position"])
    nodes = size / float(told["gpus_per_node"])
    mttf_s = 1000 * SECONDS_PER_DAY / (nodes * drawn["rate"])
    if (between_s := told.get("failure_interval_s")) is not None:
        dead_s = scheme_of.detection_s + (scheme_of.resume_s if scheme == "drop_replica" else 0.0)
        mttf_s = numpy.maximum(between_s - dead_s, _LEAST_SHARE_OF_INTERVAL * between_s)
    ours = reliability.goodput_with(
        scheme_of,
        mttf_s=mttf_s,
        n_replicas=told.get("n_replicas", _REPLICAS),
        checkpoint_interval_s=told.get("checkpoint_interval_s"),
        queue_s=told.get("queue_s", 0.0),
        planned_stops_per_day=told.get("planned_stops", 0.0) / told.get("days", 1.0),
        planned_stop_s=drawn["stop"],
    )
    if "value" in told:
        published, unit, values = float(told["value"]), "1", ours.goodput_frac
    else:  # what one failure costs, instead of a share of time
        lost = ours.rework_frac + ours.restart_frac + ours.waiting_frac
        published, unit, values = float(told["lost_s"]), "s", SECONDS_PER_DAY * lost / ours.failures_per_day
    found, bound, timed = rows.row(published, values), bool(told["is_lower_bound"]), recovery.sizes(scheme)
    return {
        **{name: told.get(name) for name in _TOLD},
        "unit": unit,
        **found,
        "error": found["median"] - published,
        "missed": found["high"] < published or (not bound and published < found["low"]),
        "data": "inside" if timed[0] <= size <= min(timed[1], rate_to) else "beyond",
        "rate_from": rate_from,
        "times_from": times_from,
    }


def _rate(told: Mapping[str, Any], house: str) -> tuple[Uncertain, str, float]:
    """Return failures per 1,000 node-days of the row's own nodes, where they come from, and to what size they hold."""
    size, per_node = float(told["n_gpus"]), float(told["gpus_per_node"])
    if (rate := told.get("failures_per_1000_node_days")) is not None:
        return Uncertain.fixed(rate), "printed", size
    if "failures" in told and "days" in told:
        return reliability.counted_rate(told["failures"], size / per_node * told["days"]), "counted", size
    if (between_s := told.get("failure_interval_s")) is not None:
        return Uncertain.fixed(1000 * SECONDS_PER_DAY * per_node / (size * between_s)), "the interval", size
    others = failures.failure_rate(told.get("chip"), size, without_house=house)
    one, here = others.pooled.rate, per_node / 8
    scaled = Uncertain(low=here * one.low, median=here * one.median, high=here * one.high)
    return scaled, f"{others.pooled.houses} other houses", others.largest_gpus


def _times(told: Mapping[str, Any], times: dict[str, Uncertain]) -> tuple[dict[str, Uncertain], str]:
    """Put a row's own times in the place of those of other houses."""
    found, own = dict(times), []
    quick = "resume_s" if "resume_s" in found else "restart_s"
    if (seconds := told.get("restart_s") or told.get("stall_s")) is not None:
        if told.get("stall_is_upper_bound"):  # of every failure, those that the scheme does not help against too
            found |= {quick: Uncertain.uniform(0.0, seconds), "restart_s": Uncertain.uniform(0.0, seconds)}
            own.append("below the printed bound")
        else:
            found[quick] = Uncertain.fixed(seconds)
            own.append("printed")
        found["detection_s"] = Uncertain.fixed(0.0)
    if (stall_s := told.get("checkpoint_stall_s")) is not None:
        found["checkpoint_stall_s"] = Uncertain.fixed(stall_s)
        if quick == "restart_s":  # training waits for all of it
            found["checkpoint_write_s"] = Uncertain.fixed(stall_s)
        own.append("checkpoint printed")
    if (overhead := told.get("overhead_frac")) is not None:
        found["overhead_frac"] = Uncertain.fixed(overhead)
        own.append("overhead printed")
    return found, ", ".join(own) or "other houses"
