"""Calibration: fit the coefficients to the measured runs, cross-validate, and write both tables of ``data/``.

Run as ``gigacluster calibrate``, or ``make calibrate``. Two splits: groups of near-identical runs (new runs of makers
that the table knows) and families of sources (makers that it does not). Everything is refitted without each fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy
import pandas as pd

from gigacluster import hardware
from gigacluster.parallel import progress
from gigacluster.throughput.coefficients import PRIORS
from gigacluster.throughput.shipped import NORMAL_80
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs
from gigareport.calibration import scores as scoring
from gigareport.calibration import weighed
from gigareport.calibration.fit import EFFECT_SPREADS, Fit, Observations, decode, fit, predict_log_s, select
from gigareport.dictionary import columns_of

#: Share of runs that an interval is to hold.
COVERAGE = 0.8
N_GROUP_FOLDS = 5
#: Half-width that what no calibrating run had adds, as a logarithm of the step time: chips, formats and kernels as the
#: spread of their effects expects; vendors as the first runs on AMD and Google chips differed from a model without
#: them; scale at every doubling beyond the largest run, as weak scaling loses in published pairs. Assumptions.
UNTESTED = {
    "untested chip": 0.10,
    "untested vendor": 0.35,
    "untested precision": 0.15,
    "untested attention": 0.15,
    "untested scale": 0.06,
    "blank moe inputs": 0.15,
}
_SEED = 7


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """Held-out predictions of every scored run under one split."""

    split: str  # "group" or "family"
    log_predicted: numpy.ndarray
    log_half_width: numpy.ndarray  # of the interval around it
    log_constant_mfu: numpy.ndarray


@cache
def scored_runs() -> tuple[pd.DataFrame, Observations]:
    """Return the scored rows of ``data/training_runs.csv`` and what the fit sees of them."""
    runs = catalog.load("training_runs")
    scored = numpy.array([not reason for reason in table_of_runs.not_scored_reasons(runs)], dtype=bool)
    runs = runs.loc[scored].reset_index(drop=True)
    return runs, observe(runs)


def observe(runs: pd.DataFrame) -> Observations:
    """Return what the fit sees of runs, all of which can be expressed."""
    cases = table_of_runs.cases(runs)
    if not cases.expressible.all():
        said = [f"{run}: {why}" for run, why in zip(runs["run_id"], cases.reasons, strict=True) if why]
        raise ValueError("these runs cannot be expressed: " + "; ".join(said))
    return Observations(
        case=cases.case,
        log_step_time=numpy.log(runs["step_time_s"].to_numpy(dtype=float)),
        labels={"chip": numpy.array([hardware.chip(name).name for name in runs["chip"]], dtype=str), **_labels(runs)},
    )


def _labels(runs: pd.DataFrame) -> dict[str, numpy.ndarray]:
    return {"family": table_of_runs.families(runs), "source": runs["source_id"].to_numpy(dtype=str)}


def folds_of(runs: pd.DataFrame, split: str) -> numpy.ndarray:
    """Return the fold of each run: its family, its source, or one of five with all runs that are nearly the same."""
    if split in ("family", "source"):
        return _labels(runs)[split]
    names, group = numpy.unique(runs["split_group"].to_numpy(dtype=str), return_inverse=True)
    dealt = numpy.random.default_rng(_SEED).permutation(len(names)) % N_GROUP_FOLDS
    return numpy.array([f"fold {number}" for number in dealt])[group]


def cross_validate(runs: pd.DataFrame, data: Observations, split: str, *, start: Fit | None = None) -> CrossValidation:
    """Predict every run from runs of other folds, with intervals from the held-out errors of other folds.

    Parameters
    ----------
    runs, data : As from :func:`scored_runs`.
    split : {"group", "source", "family"}
    start : Where fits begin; saves time only.
    """
    folds, moe = folds_of(runs, split), _is_moe(runs)
    names = numpy.unique(folds)
    log_predicted, log_half_width, log_constant = (numpy.full(len(runs), numpy.nan) for _ in range(3))
    for name in progress(names, what=f"by {split}", unit="fold"):
        here = folds == name
        log_predicted[here] = predict_without(data, here, start)
        log_constant[here] = numpy.log(scoring.ConstantMfu.fit(runs[~here]).step_time_s(runs[here]))
    error, sources = log_predicted - data.log_step_time, data.labels["source"]
    for name in names:
        here = folds == name
        widths = half_widths(error[~here], moe[~here], sources[~here], new=split == "family")
        log_half_width[here] = widths[moe[here].astype(int)]
    return CrossValidation(
        split=split, log_predicted=log_predicted, log_half_width=log_half_width, log_constant_mfu=log_constant
    )


def predict_without(data: Observations, here: numpy.ndarray, start: Fit | None = None) -> numpy.ndarray:
    """Return the log step times of some runs, a mask, as predicted by a fit of the others."""
    return predict_log_s(fit(select(data, ~here), start=start), select(data, here))


def _is_moe(runs: pd.DataFrame) -> numpy.ndarray:
    return (runs["arch"] == "moe").to_numpy()


def half_widths(
    log_error: numpy.ndarray, moe: numpy.ndarray, sources: numpy.ndarray, *, new: bool = False
) -> numpy.ndarray:
    """Return the half-widths of the intervals of two kinds of runs, such as dense and MoE, from held-out errors.

    Runs of one source err together, so that a source with n runs counts as the square root of n. For a new family the
    share to be held is taken a little higher: it is one more draw among few, n + 1 for n sources.
    """
    _, index, count = numpy.unique(sources, return_inverse=True, return_counts=True)
    weight = count[index] ** -0.5
    widths = []
    for of_arch in (~moe, moe):
        size, share = numpy.abs(log_error[of_arch]), weight[of_arch]
        if not len(size):
            widths.append(numpy.nan)
            continue
        order = numpy.argsort(size)
        held = numpy.cumsum(share[order]) / share.sum()
        level = COVERAGE * (1.0 + new / len(set(sources[of_arch].tolist())))
        widths.append(float(numpy.interp(level, held, size[order])))
    return numpy.array(widths)


def coefficient_table(
    found: Fit, runs: pd.DataFrame, splits: list[CrossValidation], data: Observations
) -> pd.DataFrame:
    """Return the rows of ``data/throughput_coefficients.csv``."""
    error, rows = numpy.sqrt(numpy.diag(found.covariance)) * NORMAL_80, []
    for i, (name, prior) in enumerate(PRIORS.items()):
        at = found.position[i]
        low, value, high = (float(decode(prior, at + shift)) for shift in (-error[i], 0.0, error[i]))
        expected = (float(decode(prior, shift)) for shift in (0.0, -NORMAL_80, NORMAL_80))
        rows.append(("coefficient", name, value, low, high, prior.unit, *expected, prior.meaning))
    meanings = {
        "chip": "logarithm of matmul time on this chip over the model's",
        "family": "logarithm of step time in this family of sources over the model's",
        "source": "the same, of one source within its family",
    }
    family_of = dict(zip(data.labels["source"], data.labels["family"], strict=True))
    of_effects = iter(error[len(PRIORS) :])
    for kind, spread in EFFECT_SPREADS.items():
        prior_half = spread * NORMAL_80
        for name, value in found.effects(kind).items():
            shown, half = f"{family_of[name]}|{name}" if kind == "source" else name, spread * next(of_effects)
            ends = (value, value - half, value + half)
            rows.append((kind, shown, *ends, "1", 0.0, -prior_half, prior_half, meanings[kind]))

    def add(kind: str, values: Mapping[str, float], meaning: str) -> None:
        rows.extend((kind, name, value, None, None, "1", None, None, None, meaning) for name, value in values.items())

    moe, sources = _is_moe(runs), data.labels["source"]
    for known, split in zip(("known", "new"), splits[:2], strict=True):
        widths = half_widths(split.log_predicted - data.log_step_time, moe, sources, new=known == "new")
        for arch, width in zip(("dense", "moe"), widths.tolist(), strict=True):
            meaning = f"half-width of the 80 % interval of {arch} runs of a {known} family, as a logarithm"
            add("interval", {f"{known} {arch}": width}, meaning)
    add("interval", UNTESTED, "what that adds to the half-width, in quadrature; scale at every doubling. Assumption")
    add("interval", memory_widths(), "half-width of the 80 % interval of a peak of memory, as a logarithm")
    add("tested", _tested(runs), "calibrating runs that had it")
    mfu = {"|".join(key) or "all": value for key, value in scoring.ConstantMfu.fit(runs).mfu.items()}
    add("constant_mfu", mfu, "median model FLOP utilisation of chip, precision and recompute: the yardstick")
    return pd.DataFrame(rows, columns=columns_of("throughput_coefficients"))


def memory_widths() -> dict[str, float]:
    """Return the half-widths of the 80 % interval of a peak: of runs that are told in full, and of others.

    Runs of one source err together, and are weighed as those of step times are.
    """
    errors = weighed.peaks(weighed.known())
    widths = half_widths(
        errors["log_error"].to_numpy(), errors["blank"].to_numpy(), errors["source_id"].to_numpy(dtype=str)
    )
    return dict(zip(("memory", "blank memory"), widths.tolist(), strict=True))


def _tested(runs: pd.DataFrame) -> dict[str, int]:
    """Return how many runs had each vendor, chip, number format and kernel of attention; and the largest of them."""
    chips = [hardware.chip(name) for name in runs["chip"]]
    case = table_of_runs.cases(runs).case
    had = {
        "vendor": [chip.vendor for chip in chips],
        "chip": [chip.name for chip in chips],
        "precision": [f"{code:g}" for code in numpy.asarray(case.precision)],
        "attention": [f"{code:g}" for code in numpy.asarray(case.attention_kernel)],
        "n_chips": [f"{numpy.max(case.n_chips):g}"],
    }
    counts = {kind: pd.Series(names).value_counts().sort_index() for kind, names in had.items()}
    return {f"{kind}|{name}": int(n) for kind, found in counts.items() for name, n in found.items()}


def accuracy_table(runs: pd.DataFrame, data: Observations, splits: list[CrossValidation]) -> pd.DataFrame:
    """Return the rows of ``data/throughput_accuracy.csv``."""
    family, sources, moe = data.labels["family"], data.labels["source"], _is_moe(runs)
    rows = []
    for split in splits:
        for arch, of_arch in (("dense", ~moe), ("moe", moe)):
            groups = {"all": of_arch}
            groups |= {name: of_arch & (family == name) for name in numpy.unique(family[of_arch])}
            groups |= {f"source {name}": of_arch & (sources == name) for name in numpy.unique(sources[of_arch])}
            rows += [
                {"split": split.split, "arch": arch, "family": name, **_accuracy(split, data, here)}
                for name, here in groups.items()
            ]
    return pd.DataFrame(rows, columns=columns_of("throughput_accuracy"))


def _accuracy(split: CrossValidation, data: Observations, here: numpy.ndarray) -> dict[str, float | int | None]:
    measured, predicted = numpy.exp(data.log_step_time[here]), numpy.exp(split.log_predicted[here])
    family, width = data.labels["family"][here], numpy.exp(split.log_half_width[here])
    coverage, score = scoring.interval_scores(measured, predicted / width, predicted * width)
    constant = scoring.errors(numpy.exp(split.log_constant_mfu[here]), measured, family)
    return {
        **scoring.errors(predicted, measured, family),
        "coverage80": 100.0 * float(coverage.mean()),
        "family_coverage80": 100.0 * float(pd.Series(coverage).groupby(family).mean().mean()),
        "interval_score": 100.0 * float(score.mean()),
        "constant_mfu_mape": constant["mape"],
        "constant_mfu_p90_ape": constant["p90_ape"],
    }


def main() -> None:
    """Fit, cross-validate, write both tables, and print what changed in accuracy."""
    runs, data = scored_runs()
    found = fit(data)
    splits = [cross_validate(runs, data, split, start=found) for split in ("group", "family", "source")]
    tables = {
        "throughput_coefficients": coefficient_table(found, runs, splits, data),
        "throughput_accuracy": accuracy_table(runs, data, splits),
    }
    for name, table in tables.items():
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        catalog.write_whole(catalog.data_dir() / f"{name}.csv", text)
        catalog.load(name)  # checks what was written
    shown = tables["throughput_accuracy"]
    print(shown[shown["family"] == "all"].drop(columns="family").round(1).to_string(index=False))


if __name__ == "__main__":
    main()
