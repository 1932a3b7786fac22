"""Logs of training: what the lines of Megatron and of torchtitan say, joined to the row of the plan that was run."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gigareport import catalog, fields

#: A number as these programs print it: thousands may have commas; "4.3.2", "1e5" and "4,5" are none.
_NUMBER = r"[ \t]*((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
_END = r"(?!\w|[.,]\d)"


def _line(first: str, *others: str) -> re.Pattern[str]:
    """Return a pattern of what a line says in this order, whose groups are empty where it does not say it all.

    It takes a line from ``first`` to its end, whole or not, and what was found of it is never tried again (``(?>``), so
    that the time is in proportion to the length of a text, however long its lines are.
    """
    rest = r"[^\r\n]*"
    said = [f"(?:{rest}?{first})??{_NUMBER}{_END}", *(f"{rest}?{other}" for other in others)]
    return re.compile(f"{first}(?:{''.join(f'(?>{one})' for one in said)})?{rest}", re.ASCII)


_MEGATRON = _line(r"elapsed time per iteration \(ms\):", f"global batch size:{_NUMBER}{_END}")
_TITAN = _line("step:", rf"memory:{_NUMBER}[ \t]*GiB", f"tps:{_NUMBER}{_END}")
_LARGEST_LOG = 300_000_000  # bytes
_MOST_NAMES = 8
#: Steps at the start of a log that warm up, as a share.
_WARM_UP = 0.1


def read_log(text: str) -> dict[str, float] | None:
    """Return what the lines of a log of Megatron or torchtitan say in the median, or nothing where there are none.

    Lines whose numbers are cut, zero or not finite are left out.

    Examples
    --------
    >>> read_log("elapsed time per iteration (ms): 4320.1 | learning rate: 1 | global batch size: 256 |")
    {'step_time_s': 4.3201, 'global_batch': 256.0}
    """
    if steady := _steady(text, _MEGATRON):
        return {
            "step_time_s": statistics.median(ms for ms, _ in steady) / 1000.0,
            "global_batch": steady[-1][1],
        }
    if steady := _steady(text, _TITAN):
        return {
            "tokens_per_s_per_chip": statistics.median(tps for _, _, tps in steady),
            "peak_mem_gib": max(gib for _, gib, _ in steady),
        }
    return None


def _steady(text: str, line: re.Pattern[str]) -> list[list[float]]:
    """Return the numbers of every line that has them all, without those that warm up."""
    found = []
    for match in line.finditer(text):
        if match[1] is not None:
            numbers = [float(number.replace(",", "")) for number in match.groups()]
            # The number of a step, which torchtitan alone names first, may be 0.
            if all(0.0 < number < math.inf for number in numbers[-2:]):
                found.append(numbers)
    return found[int(_WARM_UP * len(found)) :]


def joined(runs: pd.DataFrame, logs: Sequence[str]) -> pd.DataFrame:
    """Return runs with what their logs measured: step time, rate and memory, in the place of what the rows say.

    Parameters
    ----------
    runs : Rows in the form of ``data/training_runs.csv``, with model, chip and plan.
    logs : ``RUN_ID=FILE``, or a file alone where there is one run.

    Raises
    ------
    CatalogError
        With every log that is none, belongs to no run, or contradicts the batch of its run.
    """
    table, faults = runs.copy(), []
    for said in logs:
        try:
            row, measured = _matched(table, said)
        except fields.Fault as fault:
            faults.append(f"--log {said}: {fault}")
            continue
        for name, value in measured.items():
            table.loc[row, name] = value
    if faults:
        raise catalog.CatalogError(fields.message("--log", faults))
    return table


def _matched(runs: pd.DataFrame, said: str) -> tuple[object, dict[str, float]]:
    """Return the index of the run of a log, and the cells that the log fills."""
    name, given, file = said.partition("=")
    if not given or Path(said).is_file():
        name, file = "", said
    if not name and len(runs) != 1:
        raise fields.Fault(f"of which of the {len(runs)} runs? Write RUN_ID={file}")
    rows = runs.index if not name else runs.index[runs["run_id"] == name]
    if len(rows) != 1:
        known = ", ".join(map(str, runs["run_id"][:_MOST_NAMES])) + ", ..." * (len(runs) > _MOST_NAMES)
        raise fields.Fault(f"no run is called {name!r}; the table has {known}")
    measured = read_log(fields.file_text(Path(file), "a log", largest=_LARGEST_LOG, errors="replace"))
    if measured is None:
        raise fields.Fault(
            f"{file} has no line of Megatron ('elapsed time per iteration (ms): ... global batch size: ...') nor of "
            "torchtitan ('step: ... memory: ...GiB ... tps: ...')"
        )
    run = runs.loc[rows[0]]
    batch = measured.get("global_batch", run["global_batch"])
    if pd.notna(run["global_batch"]) and run["global_batch"] != batch:
        raise fields.Fault(f"the log says global batch size {batch:g}, its row {run['global_batch']:g}; correct one")
    blank = [name for name in ("global_batch", "seq_len", "n_chips") if name not in measured and pd.isna(run[name])]
    if blank and "step_time_s" not in measured:
        raise fields.Fault(f"the log gives a rate a chip, which is a step time where its row gives {', '.join(blank)}")
    tokens = batch * run["seq_len"]
    rate = measured.get("tokens_per_s_per_chip")
    step_s = measured["step_time_s"] if rate is None else tokens / (rate * run["n_chips"])
    rate = tokens / (step_s * run["n_chips"])
    return rows[0], {**measured, "step_time_s": step_s, "tokens_per_s_per_chip": rate}
