"""The training runs that are compared, and the plan of one on any number of chips.

Runs are those of ``data/comparison_runs.csv`` and the scenario's own. A plan is searched at a number near that of the
chips that can be split, then scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from scipy import special

from gigacluster import hardware, transformer
from gigacluster.names import unknown
from gigacluster.throughput.job import Job
from gigacluster.throughput.plan_search import best_of
from gigacluster.throughput.plans import enumerate_plans
from gigacluster.throughput.shipped import read_calibration
from gigacluster.throughput.words import PRECISION
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.calibration.fit import EFFECT_SPREADS
from gigareport.scenario import Scenario, inputs_of
from gigareport.scenario.plans import PlannedStep, log_error, replicas_of

#: What the search is restricted to, so that hundreds of them take seconds: plans that large runs use.
_LIMITS: dict[str, list[Any]] = {
    "sharding": ["zero1", "zero3"],
    "micro_batch": [1, 2, 3, 6],
    "pp": [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64],
    "vpp": [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 21, 31, 48],
    "cp": [1, 2, 4, 8, 16, 32, 64],
}
_THREE_BATCH = 3 * 256
_MFU_NO_PLAN_DOUBLES = 0.35
#: Calibration's prior for the effect of a chip that no measured run used: half-width of 80 %.
_UNMEASURED_CHIP = EFFECT_SPREADS["chip"] * float(special.ndtri(0.9))


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


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedPlan:
    """A plan near a number of chips, and how many of these chips work."""

    plan: PlannedStep
    used_frac: float  # share of the chips that work; the others could do something else


@cache
def fit_plan(run: Run, chip: str | hardware.Chip, n_chips: float) -> FittedPlan:
    """Search the plan of a run for about ``n_chips``, leaving chips idle where fewer are faster.

    The number searched for has only 2 and one 3 as factors, so that the axes of a plan divide it; it is within 23 % of
    ``n_chips``, and times scale with the ratio. With the 3, the batch moves to a multiple of 768 sequences, as an
    operator would move it, so that the replicas divide it too.

    Raises
    ------
    ValueError
        If no plan fits: the message of the search.
    """
    best: FittedPlan | None = None
    fault: ValueError | None = None
    size, frac = _splittable(n_chips), 1.0
    while size >= 1:
        try:
            found = plan_on(run, chip, size)
        except ValueError as error:
            fault = fault or error  # too many chips for the batch, unless none fits
            if best is not None:
                break
        else:
            if best is not None and found.step_time_s >= best.plan.step_time_s:
                break
            best = FittedPlan(plan=found, used_frac=frac)
            # Half of the chips are faster only at twice the MFU, which no plan has where this is above a third.
            if _mfu(found) > _MFU_NO_PLAN_DOUBLES:
                break
        size, frac = size // 2, frac / 2
    if best is None:
        raise ValueError(str(fault))
    return best


def _mfu(plan: PlannedStep) -> float:
    return plan.step_flop / plan.step_time_s / (plan.n_chips * plan.peak_bf16_flop_per_s)


def _splittable(n_chips: float) -> int:
    """Return the number nearest to ``n_chips``, as a ratio, among powers of two and three times those."""
    power = math.floor(math.log2(n_chips))
    near: list[int] = [2**power, 2 ** (power + 1), 3 * 2 ** max(power - 1, 0)]
    return min(near, key=lambda size: abs(math.log(size / n_chips)))


@cache
def plan_on(
    run: Run,
    chip: str | hardware.Chip,
    n_chips: int,
    *,
    software_year: float = 2025.0,
    attention: str = "",
    recompute: tuple[str, ...] = ("none", "full"),
) -> PlannedStep:
    """Search the fastest plan of a run on exactly ``n_chips``, with the software and the habits of a year.

    Raises
    ------
    ValueError
        If no plan fits, or the chip has no peak in the run's number format.
    """
    calibration = read_calibration(run.calibration)
    kind = hardware.chip(chip) if isinstance(chip, str) else chip
    job = Job(
        model=run.model,
        cluster=hardware.Cluster(name=f"{n_chips} x {kind.name}", chip=kind, n_chips=n_chips, fabric=kind.fabric),
        global_batch=divisible_batch(run.global_batch, n_chips),
        seq_len=run.seq_len,
        precision=run.precision,
        software_year=software_year,
        attention=attention,
        chip_effect=calibration.chip_effect(kind.name),
        family_effect=calibration.own_effect,
    )
    table, _ = enumerate_plans(job, {**_LIMITS, "recompute": list(recompute)})
    best = best_of(job, table, calibration.coefficients, top=1)
    plan = table.plan(int(best.index[0]))
    return PlannedStep(
        name=str(plan),
        n_chips=n_chips,
        n_replicas=replicas_of(plan),
        peak_bf16_flop_per_s=job.cluster.chip.peak_bf16_flop_per_s,
        step_flop=job.step_flop,
        step_time_s=float(best.step_time_s[0]),
        log_error=shared_error(run),
        chip_log_error=chip_error(run, kind.name),
    )


def divisible_batch(global_batch: int, n_chips: int) -> int:
    """Return the batch, moved to the nearest multiple of 3 x 256 where the number of chips has a factor of 3."""
    if n_chips % 3 or global_batch < _THREE_BATCH:
        return global_batch
    return _THREE_BATCH * round(global_batch / _THREE_BATCH)


def shared_error(run: Run) -> Uncertain:
    """Return the logarithm of observed over predicted step time that all chips have in common: the software's.

    What calibration adds for runs of software that it never saw; it cancels out of an order.
    """
    calibration = read_calibration(run.calibration)
    known, new = (calibration.half_width(known=known, moe=run.model.n_experts > 0) for known in (True, False))
    return log_error(math.sqrt(max(new**2 - known**2, 0.0)))


def chip_error(run: Run, chip: str) -> Uncertain:
    """Return the rest of that error, a chip's own: wider where fewer measured runs used the chip.

    With the shared part it is the error that a scenario of the best measured chip has; for another chip the larger
    uncertainty of its fitted effect comes on top.
    """
    of_run = read_calibration(run.calibration).half_width(known=True, moe=run.model.n_experts > 0, blanks_frac=1.0)
    effects = _chip_half_widths()
    of_chip = effects.get(chip, _UNMEASURED_CHIP)
    return log_error(math.sqrt(of_run**2 + of_chip**2 - min(effects.values()) ** 2))


@cache
def _chip_half_widths() -> dict[str, float]:
    """Return the half-width of 80 % of each fitted effect of a chip."""
    rows = catalog.load("throughput_coefficients").query("kind == 'chip'")
    return dict(zip(rows["name"], (rows["high"] - rows["low"]) / 2, strict=True))
