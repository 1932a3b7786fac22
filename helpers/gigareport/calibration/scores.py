"""How predictions of runs are scored: which runs count, the yardstick beside them, errors, and the ranking of plans."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy
import pandas as pd

from gigacluster.names import Vocabulary, is_blank
from gigacluster.throughput.words import PRECISION, RECOMPUTE
from gigacluster.units import GIGA, TERA
from gigareport import catalog

#: Two plans whose measured step times differ by less are not ranked.
RANKED_APART_FRAC = 0.02
#: What a pair of plans has in common: all but the plan itself; the day, because clusters are repaired between days.
RANKED_TOGETHER = (
    "source_id", "framework", "model", "n_layers", "d_model", "n_heads", "seq_len", "global_batch", "chip", "n_chips",
    "precision", "day",
)  # fmt: skip


@dataclass(frozen=True)
class ConstantMfu:
    """The yardstick: one model FLOP utilisation for each chip, precision and recompute."""

    mfu: dict[tuple[str, ...], float]  # keys of three, two, one and no words

    @classmethod
    def fit(cls, runs: pd.DataFrame) -> ConstantMfu:
        """Take the median utilisation of every combination, and of what combinations share."""
        keys = _mfu_keys(runs)
        measured = _model_flop(runs) / (runs["step_time_s"].to_numpy() * _peak_flop_per_s(runs))
        pools: dict[tuple[str, ...], list[float]] = {}
        for key, value in zip(keys, measured, strict=True):
            for length in range(4):
                if value > 0:
                    pools.setdefault(key[:length], []).append(float(value))
        return cls({key: float(numpy.median(values)) for key, values in pools.items()})

    def step_time_s(self, runs: pd.DataFrame) -> numpy.ndarray:
        """Return step times at constant utilisation; the nearest combination stands in for one never seen.

        Missing where a run names neither chips nor FLOP.
        """
        chosen = [
            next(self.mfu[key[:length]] for length in (3, 2, 1, 0) if key[:length] in self.mfu)
            for key in _mfu_keys(runs)
        ]
        rate = _peak_flop_per_s(runs) * numpy.array(chosen, dtype=float)
        return _model_flop(runs) / numpy.where(rate > 0, rate, numpy.nan)


def _mfu_keys(runs: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (str(chip), _word(PRECISION, precision), _word(RECOMPUTE, recompute))
        for chip, precision, recompute in zip(runs["chip"], runs["precision"], runs["recompute"], strict=True)
    ]


def _word(vocabulary: Vocabulary, said: object) -> str:
    """Return the canonical word, or that it is none: the yardstick serves what cannot be expressed, too."""
    try:
        return "blank" if is_blank(said) else vocabulary.read(said)
    except ValueError:
        return "unknown"


def _model_flop(runs: pd.DataFrame) -> numpy.ndarray:
    per_token = runs["model_gflop_per_token_causal"] * GIGA
    active = runs["params_active"].fillna(runs["params_total"])
    per_token = per_token.fillna(6.0 * active)
    return (per_token * runs["global_batch"] * runs["seq_len"]).to_numpy(dtype=float)


def _peak_flop_per_s(runs: pd.DataFrame) -> numpy.ndarray:
    table = catalog.load("chips").set_index("chip")
    peak = table["bf16_tflops"].fillna(table["fp16_tflops"])
    return (runs["chip"].map(peak).fillna(peak.median()) * TERA * runs["n_chips"]).to_numpy(dtype=float)


def errors(
    predicted_s: numpy.ndarray, measured_s: numpy.ndarray, family: numpy.ndarray
) -> dict[str, float | int | None]:
    """Return count, mean and quantiles of the error of step time, in percent; ``None`` where there is no run."""
    names = ("mape", "median_ape", "p90_ape", "bias", "family_mape")
    if not len(predicted_s):
        return {"n": 0, **dict.fromkeys(names)}
    error = 100.0 * (predicted_s / measured_s - 1.0)
    size = numpy.abs(error)
    by_family = pd.Series(size).groupby(family).mean()
    values = (size.mean(), numpy.median(size), numpy.percentile(size, 90), error.mean(), by_family.mean())
    return {"n": len(size), **{name: float(value) for name, value in zip(names, values, strict=True)}}


def ranking(runs: pd.DataFrame, predicted_s: numpy.ndarray) -> dict[str, float | int]:
    """Count pairs of runs that differ only in plan, and those that the prediction puts in the measured order.

    Two runs with the same prediction count half.
    """
    table = runs.reset_index(drop=True)
    table["day"] = [_day(note) for note in table["notes"].fillna("")] if "notes" in table else ""
    table["predicted_s"] = predicted_s
    table = table[table["predicted_s"].notna()]
    pairs, concordant = 0, 0.0
    for _, group in table.groupby([name for name in RANKED_TOGETHER if name in table], dropna=False):
        measured = numpy.log(group["step_time_s"].to_numpy())
        predicted = group["predicted_s"].to_numpy()
        first, second = numpy.triu_indices(len(group), k=1)
        apart = numpy.abs(measured[first] - measured[second]) > numpy.log1p(RANKED_APART_FRAC)
        order = numpy.sign(measured[first] - measured[second]) * numpy.sign(predicted[first] - predicted[second])
        pairs += int(apart.sum())
        concordant += float(((order[apart] + 1.0) / 2.0).sum())
    return {"pairs": pairs, "concordant": concordant}


def _day(note: str) -> str:
    found = re.search(r"date (\d\d-\d\d)", note)
    return found[1] if found else ""


def interval_scores(
    measured: numpy.ndarray, low: numpy.ndarray, high: numpy.ndarray, coverage: float = 0.8
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return whether each interval holds the measured value, and the interval score over that value.

    The score is the width plus a penalty of 2 / (1 - coverage) for each unit that the value lies outside (Gneiting and
    Raftery 2007): narrow intervals that hold what they claim score lowest.
    """
    outside = numpy.maximum(low - measured, 0.0) + numpy.maximum(measured - high, 0.0)
    return outside == 0.0, (high - low + 2.0 / (1.0 - coverage) * outside) / measured
