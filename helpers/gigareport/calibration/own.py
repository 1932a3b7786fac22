"""A reader's own runs: what a few of them teach about their stack.

The shipped fit is the prior: each coefficient with its width, and an effect of the stack with the spread of families.
The reader's runs count in full, not as repetitions of one source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import pandas as pd
from scipy.optimize import least_squares

from gigacluster.throughput.coefficients import PRIORS, Coefficients
from gigacluster.throughput.shipped import NORMAL_80, Calibration, shipped
from gigareport import catalog, fields
from gigareport.calibration import runs as table_of_runs
from gigareport.calibration.crossvalidate import observe
from gigareport.calibration.fit import NOISE, Observations, decode, decoded, encode, log_step_time
from gigareport.calibration.logs import joined
from gigareport.dictionary import columns_of

#: Spread of the effect of a stack, as a logarithm: of families left out of the fit.
STACK_SPREAD = 0.15
CHIP_SPREAD = 0.10


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What runs taught: the calibration with them, and errors before and after."""

    calibration: Calibration
    n_runs: int
    stack_effect: float  # logarithm of step time over the model's
    mape_before: float
    mape_after: float  # of the same runs: a fit, not a test
    moved: list[tuple[str, float, float]]  # before and after, of the coefficients that moved most, in their widths

    def to_text(self) -> str:
        """Return what was learnt, in sentences."""
        moved = "; ".join(f"{name} {before:.3g} to {after:.3g}" for name, before, after in self.moved)
        slower = "slower" if self.stack_effect > 0 else "faster"
        return (
            f"{self.n_runs} runs. Your stack is {abs(numpy.expm1(self.stack_effect)):.1%} {slower} than the model "
            "expected. "
            f"Mean error of these runs: {self.mape_before:.1f} % before, {self.mape_after:.1f} % after. "
            f"Moved most: {moved or 'nothing'}."
        )

    def to_csv(self, path: Path) -> None:
        """Write the calibration in the form of ``data/throughput_coefficients.csv``."""
        table = catalog.load("throughput_coefficients")
        for i, row in table[table["kind"] == "coefficient"].iterrows():
            prior, value = PRIORS[row["name"]], getattr(self.calibration.coefficients, row["name"])
            moved = encode(prior, value) - encode(prior, row["value"])
            ends = [decode(prior, encode(prior, row[end]) + moved) for end in ("low", "high")]
            table.loc[i, ["value", "low", "high"]] = value, *ends
        chip = table["kind"] == "chip"
        table.loc[chip, "value"] = table.loc[chip, "name"].map(self.calibration.chip_effects)
        stack = {"kind": "own", "name": "stack", "value": self.stack_effect, "unit": "1"}
        stack["meaning"] = "logarithm of step time of the reader's stack over the model's"
        runs = {"kind": "own", "name": "runs", "value": self.n_runs, "unit": "run", "meaning": "runs of that stack"}
        own = pd.concat([table, pd.DataFrame([stack, runs])], ignore_index=True)
        own = own[columns_of("throughput_coefficients")]
        catalog.write_whole(path, own.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def calibrate(path: str | Path, *, logs: Sequence[str] = ()) -> Taught:
    """Learn from the runs of a CSV file in the form of ``data/training_runs.csv``, and from logs of these runs.

    Raises
    ------
    CatalogError
        If the file is not of that form, or no run of it can be scored.
    """
    runs = joined(table_of_runs.load(path), logs)
    reasons = table_of_runs.not_scored_reasons(runs)
    expressible = table_of_runs.cases(runs).expressible if len(runs) else numpy.zeros(0, dtype=bool)
    kept = numpy.array([not reason for reason in reasons], dtype=bool) & expressible
    if not kept.any():
        said = [f"{run}: {why}" for run, why in zip(runs["run_id"], reasons, strict=True) if why]
        raise catalog.CatalogError(fields.message(f"{path}: no run to learn from; it", said or ["there are no rows"]))
    return learn(observe(runs[kept].reset_index(drop=True)), shipped(), _widths())


def _widths() -> dict[str, float]:
    """Return the standard deviation of each shipped coefficient on the scale of its prior, in spreads of it."""
    table = catalog.load("throughput_coefficients").query("kind == 'coefficient'").set_index("name")
    ends = {name: [encode(prior, table.loc[name, end]) for end in ("low", "high")] for name, prior in PRIORS.items()}
    return {name: (high - low) / (2.0 * NORMAL_80) for name, (low, high) in ends.items()}


def learn(data: Observations, known: Calibration, widths: dict[str, float]) -> Taught:
    """Return the posterior of a stack: the known calibration, moved by its runs.

    Parameters
    ----------
    data : Runs of one stack.
    known : Calibration that has not seen them.
    widths : Standard deviation of each coefficient, in spreads of its prior.
    """
    names = tuple(PRIORS)
    start = numpy.array([encode(prior, getattr(known.coefficients, name)) for name, prior in PRIORS.items()])
    width = numpy.array([widths[name] for name in names])
    chips = sorted(set(data.labels["chip"].tolist()))
    code = numpy.searchsorted(chips, data.labels["chip"])
    chip_start = numpy.array([known.chip_effects.get(chip, 0.0) for chip in chips])

    def moved(position: numpy.ndarray) -> tuple[Coefficients, numpy.ndarray, float]:
        values = decoded(start + width * position[: len(names)])
        chip_effects = chip_start + CHIP_SPREAD * position[len(names) : -1]
        return Coefficients(**{n: float(v) for n, v in values.items()}), chip_effects, STACK_SPREAD * position[-1]

    def error(position: numpy.ndarray) -> numpy.ndarray:
        coefficients, chip_effects, stack = moved(position)
        case = replace(data.case, chip_effect=chip_effects[code], family_effect=stack + 0.0 * data.log_step_time)
        return log_step_time(case, coefficients) - data.log_step_time

    origin = numpy.zeros(len(names) + len(chips) + 1)
    found = least_squares(
        lambda x: numpy.concatenate([error(x) / NOISE, x]), origin, method="trf", loss="linear", max_nfev=20
    ).x
    coefficients, chip_effects, stack = moved(found)
    before, after = (100.0 * numpy.abs(numpy.expm1(error(x))).mean() for x in (origin, found))
    order = numpy.argsort(-numpy.abs(found[: len(names)]))[:3]
    shown = [(names[i], getattr(known.coefficients, names[i]), getattr(coefficients, names[i])) for i in order]
    return Taught(
        calibration=replace(
            known,
            coefficients=coefficients,
            chip_effects={**known.chip_effects, **dict(zip(chips, chip_effects.tolist(), strict=True))},
            own_effect=stack,
        ),
        n_runs=len(data),
        stack_effect=stack,
        mape_before=float(before),
        mape_after=float(after),
        moved=shown,
    )
