"""The runs that a law is fitted to: checked once, with every fault named by its row and its remedy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.laws import Law

__all__ = ["Runs", "RunsWarning", "read_runs"]

#: What a column of runs can hold, in SI units; outside it the unit is almost surely another (billions, trillions).
_RANGES = {
    "params": (1e3, 1e15, "parameters"),
    "tokens": (1e4, 1e17, "tokens"),
    "unique_tokens": (1e4, 1e17, "tokens"),
    "experts": (1.0, 1e7, "experts"),
    "budget_flop": (1e9, 1e32, "FLOP"),
}
#: Above ln(vocabulary) of any tokenizer a loss is worse than guessing: it is a perplexity, or not per token.
_LARGEST_LOSS = 16.0
_MAX_ROWS_SHOWN = 8


class RunsWarning(UserWarning):
    """Runs that can be fitted but deserve a second look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """Checked runs on the host: columns as a law reads them, and notes about them."""

    columns: dict[str, numpy.ndarray]
    loss: numpy.ndarray
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.loss)


def read_runs(runs: Any, law: Law, free: int) -> Runs:
    """Check a table of runs against what a law needs.

    Parameters
    ----------
    runs : DataFrame or mapping of str to array
        Columns ``loss`` (nats a token) and those of ``law.columns``: ``params``, ``tokens``, ``unique_tokens``,
        ``experts``, ``budget_flop`` (6 params tokens where it is missing).
    law : Law
    free : int
        Parameters to be fitted.

    Raises
    ------
    ValueError
        With every fault: column, rows (counted from 0) and what to do.
    """
    columns = {name: _column(runs, name) for name in law.columns}
    loss = _column(runs, "loss")
    lengths = {len(values) for values in (*columns.values(), loss)}
    if len(lengths) > 1:
        raise ValueError(f"the columns of the runs have different lengths: {sorted(lengths)}")
    faults = _cell_faults({**columns, "loss": loss})
    if not faults:
        faults = _unit_faults(columns, loss) or _design_faults(columns, loss, law, free)
    if faults:
        raise ValueError(f"the runs cannot be fitted by {law.name!r}:\n" + "\n".join(f"  {fault}" for fault in faults))
    if "unique_tokens" in columns:
        columns["unique_tokens"] = numpy.minimum(columns["unique_tokens"], columns["tokens"])
    notes = _duplicates(columns, loss)
    for note in notes:
        warnings.warn(note, RunsWarning, stacklevel=3)
    return Runs(columns=columns, loss=loss, notes=tuple(notes))


def _column(runs: Any, name: str) -> numpy.ndarray:
    if name in runs:
        values = runs[name]
        try:
            host = to_host(values if not hasattr(values, "to_numpy") else values.to_numpy())
            return numpy.asarray(host, dtype=float).ravel()
        except (TypeError, ValueError) as error:
            raise ValueError(f"column {name!r} of the runs is not numeric: {error}") from None
    if name == "budget_flop" and "params" in runs and "tokens" in runs:
        return 6.0 * _column(runs, "params") * _column(runs, "tokens")
    given = list(runs.keys()) if isinstance(runs, Mapping) else list(getattr(runs, "columns", []))
    raise ValueError(f"the runs have no column {name!r}; they have {given}. Rename the column, or choose another form")


def _rows(mask: numpy.ndarray) -> str:
    rows = numpy.flatnonzero(mask)
    more = f" and {len(rows) - _MAX_ROWS_SHOWN} more" if len(rows) > _MAX_ROWS_SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:_MAX_ROWS_SHOWN]))}{more}"


def _cell_faults(columns: Mapping[str, numpy.ndarray]) -> list[str]:
    faults = []
    for name, values in columns.items():
        missing = ~numpy.isfinite(values)
        if missing.any():
            faults.append(f"{name} is missing or infinite in {_rows(missing)}; drop these runs or fill in the value")
        small = ~missing & (values <= 0)
        if small.any():
            first = values[numpy.flatnonzero(small)[0]]
            faults.append(f"{name} is zero or negative in {_rows(small)} (the first is {first:g}); drop these runs")
    return faults


def _unit_faults(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray) -> list[str]:
    faults = []
    for name, values in columns.items():
        low, high, unit = _RANGES.get(name, (0.0, numpy.inf, ""))
        for wrong, remedy in ((values < low, "multiply"), (values > high, "divide")):
            if wrong.any():
                first = values[numpy.flatnonzero(wrong)[0]]
                faults.append(
                    f"{name} is {first:g} in {_rows(wrong)}, outside [{low:g}, {high:g}] {unit}: the unit looks wrong; "
                    f"{remedy} by 1e9 if it is billions or billionths, or drop these runs"
                )
    wrong = loss > _LARGEST_LOSS
    if wrong.any():
        faults.append(
            f"loss is {loss[numpy.flatnonzero(wrong)[0]]:g} in {_rows(wrong)}, above {_LARGEST_LOSS:g} nats a token: "
            "take the logarithm if it is a perplexity, or drop these runs"
        )
    return faults


def _design_faults(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray, law: Law, free: int) -> list[str]:
    count, faults = len(loss), []
    if count < free + 2:
        faults.append(
            f"there are {count} runs for {free} free parameters; at least {free + 2} are needed: add runs, or hold "
            "parameters fixed with fixed={...}"
        )
    for name, values in columns.items():
        if count and name != "unique_tokens" and numpy.ptp(numpy.log(values)) < 1e-3:
            faults.append(
                f"all runs have one value of {name}, {values[0]:g} (rows 0 to {count - 1}), so nothing shows how loss "
                f"depends on it: add runs with other {name}, or choose a form without it"
            )
    return faults


def _duplicates(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray) -> list[str]:
    table = numpy.stack([*columns.values(), loss], axis=1)
    _, first, inverse = numpy.unique(table, axis=0, return_index=True, return_inverse=True)
    repeated = numpy.arange(len(loss)) != first[inverse.ravel()]
    if not repeated.any():
        return []
    row = int(numpy.flatnonzero(repeated)[0])
    return [
        f"duplicate runs: {_rows(repeated)} repeat an earlier run exactly (row {row} repeats "
        f"row {first[inverse.ravel()][row]}) and count twice; drop them with "
        "drop_duplicates() unless they are separate measurements"
    ]
