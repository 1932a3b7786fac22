"""Schemas of the tables that calibration writes: coefficients of the step-time model, and its accuracy."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gigareport.tables.row import Missing, NonNegative, Row

__all__ = ["TABLES", "AccuracyRow", "CoefficientRow"]

_Number = Annotated[float | None, Missing]
_Percent = Annotated[NonNegative | None, Missing]


class CoefficientRow(Row):
    """One fitted number of the step-time model. Written by ``make calibrate``; not to be edited."""

    KEY: ClassVar = ("kind", "name")
    ABOUT: ClassVar = "a fitted coefficient of the step-time model, with what was expected of it and its uncertainty"

    #: ``coefficient``; effect of a ``chip`` (on matmul time), ``family`` or ``source`` (on step time), as a logarithm;
    #: ``interval``: half-width of the 80 % interval, as a logarithm; ``constant_mfu``: the yardstick.
    #: ``tested``: how many calibrating runs had a vendor, chip, number format, attention kernel or number of chips.
    kind: Literal["coefficient", "chip", "family", "source", "interval", "tested", "constant_mfu"]
    name: str
    value: float
    low: _Number = None  # 80 % interval of the fit
    high: _Number = None
    unit: str
    expected: _Number = None  # before any run is seen
    expected_low: _Number = None  # 80 % interval of that
    expected_high: _Number = None
    meaning: str


class AccuracyRow(Row):
    """Errors of held-out predictions of step time, in percent. Written by ``make calibrate``; not to be edited."""

    KEY: ClassVar = ("split", "arch", "family")
    ABOUT: ClassVar = "errors of cross-validated step times under one split, of all runs or of one family of sources"

    split: Literal["family", "group", "none"]  # what was held out; none: the fit itself
    arch: Literal["dense", "moe", "all"]
    family: str  # "all" or one family
    n: Annotated[int, Field(ge=0)]
    mape: _Percent = None
    median_ape: _Percent = None
    p90_ape: _Percent = None
    bias: _Number = None
    family_mape: _Percent = None  # mean of the families' means
    coverage80: _Percent = None  # runs inside their 80 % interval
    family_coverage80: _Percent = None
    interval_score: _Percent = None  # of the 80 % interval, over the measured time
    constant_mfu_mape: _Percent = None  # the yardstick under the same split
    constant_mfu_p90_ape: _Percent = None


class FamilyRow(Row):
    """Sources that repeat each other's configurations and are left out of a fit together."""

    KEY: ClassVar = ("stem",)
    ABOUT: ClassVar = "which sources of measured runs belong to one maker; any other source is a family of its own"

    stem: str  # of a source: its name, or its name without the number of the release
    family: str
    reason: str


TABLES: dict[str, type[Row]] = {
    "throughput_coefficients": CoefficientRow,
    "throughput_accuracy": AccuracyRow,
    "throughput_families": FamilyRow,
}
