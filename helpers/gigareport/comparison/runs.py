"""The training runs that are compared: those of ``data/comparison_runs.csv``, and the scenario's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from gigacluster import transformer
from gigacluster.names import unknown
from gigacluster.throughput.words import PRECISION
from gigacluster.uncertainty import Uncertain
from gigareport.scenario import Scenario, inputs_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One training run, wherever it trains: what model, how much of it, and in which steps."""

    name: str
    title: str
    model: transformer.Transformer
    flop: Uncertain  # model FLOP of the whole run, recomputation not counted
    global_batch: int  # sequences a step
    seq_len: int  # [token]
    precision: str = "bf16"
    stand_ins: tuple[transformer.Transformer, ...] = ()  # other shapes, where the model's own is not public
    calibration: str = ""  # file that step times come from; blank: that of the package

    def __post_init__(self) -> None:
        faults = [
            f"{field} must be a whole number, at least 1, got {getattr(self, field)!r}"
            for field in ("global_batch", "seq_len")
            if not (getattr(self, field) >= 1 and getattr(self, field) == int(getattr(self, field)))
        ]
        if not 0 < self.flop.low <= self.flop.high < math.inf:
            faults.append(f"flop must be positive and finite, got {self.flop.low:g} to {self.flop.high:g}")
        try:
            PRECISION.read(self.precision)
        except ValueError as fault:
            faults.append(str(fault))
        if faults:
            raise ValueError(f"run {self.name}: {'; '.join(faults)}")

    def in_precision(self, precision: str) -> Run:
        """Return the same run with its linear layers in another number format."""
        return replace(self, precision=precision)


@cache
def runs() -> dict[str, Run]:
    """Return the runs of ``data/comparison_runs.csv`` by name.

    Where the tokens are published they say how long the run is, counted with the model's own FLOP a token; elsewhere
    the published estimate of the FLOP does.
    """
    from gigareport import catalog

    return {row["run"]: _run(row) for row in catalog.load("comparison_runs").to_dict("records")}


def _run(row: dict[Any, Any]) -> Run:
    model = transformer.model(row["model"])
    if math.isnan(row["tokens"]):
        flop = Uncertain(low=row["low_flop"], median=row["training_flop"], high=row["high_flop"])
    else:
        flop = Uncertain.fixed(row["tokens"] * float(model.flop_per_token(row["seq_len"])))
    return Run(
        name=row["run"],
        title=row["title"],
        model=model,
        flop=flop,
        global_batch=int(row["global_batch"]),
        seq_len=int(row["seq_len"]),
        precision=row["precision"],
        stand_ins=tuple(
            map(transformer.model, row["stand_ins"].split(";") if isinstance(row["stand_ins"], str) else ())
        ),
    )


def run(name: str) -> Run:
    """Return one run of ``data/comparison_runs.csv``.

    Raises
    ------
    ValueError
        If the table has no such run; the message lists those it has.

    Examples
    --------
    >>> run("gpt3-175b").seq_len
    2048
    """
    known = runs()
    if name not in known:
        raise ValueError(unknown("run", name, known, where="data/comparison_runs.csv has"))
    return known[name]


def reference_run(story: Scenario) -> Run:
    """Return the reference run of a scenario: its model, batch and precision, for its reference FLOP."""
    training = story.training
    return Run(
        name=story.name,
        title="the reference run",
        model=transformer.model(training.model),
        flop=inputs_of(story)["training.reference_run_flop"],
        global_batch=int(training.global_batch),
        seq_len=int(training.seq_len),
        precision=training.precision,
        calibration=training.calibration,
    )
