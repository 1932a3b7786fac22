"""What trains: frozen records of a chip, of the networks that join chips, and of a cluster, checked at birth."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gigacluster import tables
from gigacluster.names import is_blank, normal, unknown
from gigacluster.units import BITS_PER_BYTE, GIB, GIGA, TERA

#: Number formats of the linear layers that a peak rate is known for.
PRECISIONS = ("bf16", "fp8", "fp4", "int8")
_NAN = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fabric:
    """The two networks a chip is on: scale-up (NVLink, ICI) within a domain, scale-out between domains."""

    scaleup_domain: int  # chips that the scale-up network joins
    scaleup_bytes_per_s: float  # one chip, one direction, sum over its links
    nic_bytes_per_s: float  # scale-out network: one chip, one direction
    rails: bool = True  # cards of one place in every domain share a leaf switch; False: the cards of a few domains do
    oversubscription: float = 1.0  # how far the upper tiers of the scale-out network are cut, at least 1
    pod_chips: int = 0  # chips that full bisection joins, beyond which the cut applies; 0: the scale-up domain

    def __post_init__(self) -> None:
        _require_whole("fabric", "scaleup_domain", self.scaleup_domain)
        _require_positive("fabric", self, "scaleup_bytes_per_s", "nic_bytes_per_s")
        if not 1 <= self.oversubscription < math.inf:
            raise ValueError(
                f"fabric: oversubscription must be at least 1 (1: full bisection), got {self.oversubscription!r}"
            )
        if not (self.pod_chips >= 0 and self.pod_chips == int(self.pod_chips)):
            raise ValueError(
                f"fabric: pod_chips must be a whole number of chips (0: the scale-up domain), got {self.pod_chips!r}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Chip:
    """One accelerator model. Peaks are dense (no sparsity), per chip; ``nan`` where the chip has none."""

    name: str
    vendor: str
    available_on: datetime.date
    peak_bf16_flop_per_s: float  # fp16 on chips without bf16: the rates are the same where both exist
    peak_fp8_flop_per_s: float = _NAN
    peak_fp4_flop_per_s: float = _NAN
    peak_int8_flop_per_s: float = _NAN
    gemm_bf16_flop_per_s: float = _NAN  # best measured matrix multiplication; nan: not measured
    gemm_fp8_flop_per_s: float = _NAN
    memory_bytes: float  # what a program can use
    memory_bytes_per_s: float
    tdp_w: float = _NAN
    n_processors: float = _NAN  # streaming multiprocessors or compute units; nan: few and large matrix units
    fabric: Fabric  # the usual one
    measured_at_w: float = _NAN  # power limit under which the matmuls were measured; nan: ``tdp_w``
    source_id: str = "not-named"

    def __post_init__(self) -> None:
        if math.isnan(self.measured_at_w):
            object.__setattr__(self, "measured_at_w", self.tdp_w)
        _require_positive(self.name, self, "peak_bf16_flop_per_s", "memory_bytes", "memory_bytes_per_s")
        for field in ("peak_fp8_flop_per_s", "peak_fp4_flop_per_s", "peak_int8_flop_per_s", "tdp_w", "n_processors"):
            if getattr(self, field) <= 0:
                raise ValueError(f"{self.name}: {field} must be positive or nan (unknown), got {getattr(self, field)}")

    def peak_flop_per_s(self, precision: str = "bf16") -> float:
        """Return the dense peak for one of :data:`PRECISIONS`.

        Raises
        ------
        ValueError
            If the precision is unknown, or the chip has no published peak for it; the message says which it has.
        """
        has = [name for name in PRECISIONS if not math.isnan(getattr(self, f"peak_{name}_flop_per_s"))]
        if precision not in has:
            raise ValueError(f"{self.name} has no peak rate for {precision!r}; it has: {', '.join(has)}")
        return float(getattr(self, f"peak_{precision}_flop_per_s"))


#: Highest measured matmul rate over peak where no power limit holds the clock: of the A100.
_UNLIMITED_FRAC = 0.87
#: Highest measured matmul rate over peak of large matrix units with a fixed clock: of the Gaudi 2.
_FIXED_CLOCK_FRAC = 0.97
#: Peak 16-bit FLOP a joule from which the power limit lowers the clock: a quarter below the H100 SXM's, and the GB200's
#: for chips that compute in 4 bit too. Their measured rates then follow: 0.78 of peak for 0.80 and 0.73 measured.
_HOPPER_FLOP_PER_J, _BLACKWELL_FLOP_PER_J = 0.8 * 989.4e12 / 700.0, 0.8 * 2500e12 / 1200.0
#: Clocks under a power limit fall with about this power of the missing watts. Assumption.
_CLOCK_EXPONENT = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What matmuls of a chip can reach, and how far its power limit lowers the clock."""

    clock_frac: float
    gemm_bf16_flop_per_s: float
    peak_8bit_flop_per_s: float  # FP8, or INT8 on chips without
    gemm_8bit_flop_per_s: float

    @classmethod
    def of(cls, chip: Chip, *, int8: bool = False) -> Rates:
        """Return the rates of a chip: measured where somebody measured, at the clock of its power limit.

        Examples
        --------
        >>> import dataclasses
        >>> h100 = chip("H100-SXM")
        >>> Rates.of(h100).gemm_bf16_flop_per_s / 1e12
        794.5
        >>> round(Rates.of(dataclasses.replace(h100, tdp_w=350.0)).gemm_bf16_flop_per_s / 1e12)
        562
        """
        clock = _clock_frac(chip, chip.tdp_w)
        usual = _UNLIMITED_FRAC if chip.n_processors > 0 else _FIXED_CLOCK_FRAC
        fp8, as_int8 = chip.peak_fp8_flop_per_s, chip.peak_int8_flop_per_s
        peak_8bit = as_int8 if math.isnan(fp8) or (int8 and as_int8 > 0) else fp8

        def reached(measured_flop_per_s: float, peak_flop_per_s: float) -> float:
            if math.isnan(measured_flop_per_s):
                return usual * clock * peak_flop_per_s
            return measured_flop_per_s * clock / _clock_frac(chip, chip.measured_at_w)

        return cls(
            clock_frac=clock,
            gemm_bf16_flop_per_s=reached(chip.gemm_bf16_flop_per_s, chip.peak_bf16_flop_per_s),
            peak_8bit_flop_per_s=peak_8bit,
            gemm_8bit_flop_per_s=reached(chip.gemm_fp8_flop_per_s, peak_8bit),
        )


def _clock_frac(chip: Chip, power_w: float) -> float:
    """Return the clock that a power limit leaves; 1 for an unknown limit and for matrix units with a fixed clock."""
    reference = _BLACKWELL_FLOP_PER_J if chip.peak_fp4_flop_per_s > 0 else _HOPPER_FLOP_PER_J
    short = power_w * reference / chip.peak_bf16_flop_per_s
    return short**_CLOCK_EXPONENT if short < 1.0 and chip.n_processors > 0 else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A number of chips of one model, joined by one fabric."""

    name: str
    chip: Chip
    n_chips: int
    fabric: Fabric

    def __post_init__(self) -> None:
        _require_whole(self.name, "n_chips", self.n_chips)

    @property
    def peak_bf16_flop_per_s(self) -> float:
        """Dense peak of all chips together."""
        return self.n_chips * self.chip.peak_bf16_flop_per_s


@cache
def chips() -> dict[str, Chip]:
    """Return every chip of ``data/chips.csv`` by name, but for those without a published 16-bit rate."""
    rows = (row for row in tables.rows("chips") if not (is_blank(row["bf16_tflops"]) and is_blank(row["fp16_tflops"])))
    return {str(row["chip"]): _chip(row) for row in rows}


@cache
def _named() -> dict[str, tuple[str, str]]:
    """Return every further name of a chip -> the chip of the table (blank: none) and what is known of it."""
    rows = {}
    for row in tables.rows("chip_names"):
        known, note = ("" if is_blank(row[name]) else str(row[name]) for name in ("chip", "note"))
        rows[str(row["alias"])] = known, note
    bare = {normal(_MAKER.sub("", alias)): said for alias, said in rows.items()}
    without = {normal(row["chip"]): ("", "no published 16-bit rate") for row in tables.rows("chips")}
    own = {}
    for name in chips():
        parts = [other for other in chips() if other.startswith(f"{name}-")]
        own[normal(name)] = name, f"the whole; launchers and logs count {parts[0]}, a part of it" if parts else ""
    return bare | {normal(alias): said for alias, said in rows.items()} | without | own


#: What drivers print in front of the name of a chip.
_MAKER = re.compile(r"(?i)^(nvidia|amd|intel|google|aws)( instinct| radeon)*[ -]")


def chip(name: str) -> Chip:
    """Return one chip of ``data/chips.csv``, by its name there or as a driver, a framework or a cloud prints it.

    Case, spaces, hyphens and the maker in front do not matter.

    Raises
    ------
    ValueError
        If the table has no such chip; the message names the nearest and lists all.

    Examples
    --------
    >>> chip("NVIDIA H100 80GB HBM3").name, chip("h100-sxm").peak_flop_per_s("bf16") / 1e12
    ('H100-SXM', 989.4)
    """
    return named(name)[0]


def named(name: str) -> tuple[Chip, str]:
    """Return the same, with what is to be said where a name stands for more than one kind.

    Examples
    --------
    >>> named("MI250X")[1]
    'the whole; launchers and logs count MI250X-GCD, a part of it'
    """
    known, note = _named().get(normal(name), ("", ""))
    if known in chips():
        return chips()[known], note
    if normal(name) in _named():
        raise ValueError(
            f"chip {name!r} has no row in data/chips.csv{f' ({note})' if note else ''}; give one of your own with "
            "predict(runs, chips=...) or --chips FILE"
        )
    raise ValueError(unknown("chip", name, chips(), where="data/chips.csv has"))


def chips_from(columns: Mapping[str, Any]) -> dict[str, Chip]:
    """Return the chips of a table of one's own, in the columns of ``data/chips.csv``, by name.

    Raises
    ------
    ValueError
        If a column that every chip needs is missing, or a cell is no number.
    """
    needed = ("chip", "bf16_tflops", "memory_gib", "memory_gb_per_s", "scaleup_gb_per_s", "scaleup_domain")
    if missing := [name for name in (*needed, "scaleout_gbit_per_s") if name not in columns]:
        raise ValueError(f"the table of chips lacks {', '.join(missing)}; its columns are those of data/chips.csv")
    n_chips = len(list(columns["chip"]))
    cells = {name: list(columns[name]) if name in columns else [math.nan] * n_chips for name in (*_NUMBERS, *_WORDS)}
    rows = [{name: cells[name][i] for name in cells} for i in range(n_chips)]
    names = [str(row["chip"]) for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the table of chips has more than one row of {', '.join(twice)}")
    return {name: _chip(_read(row)) for name, row in zip(names, rows, strict=True)}


#: Columns of ``data/chips.csv`` that a record is made of: numbers, and words with what stands for blank ones.
_NUMBERS = (
    "fp16_tflops", "bf16_tflops", "fp8_tflops", "fp4_tflops", "int8_tops", "mamf_bf16_tflops", "mamf_fp8_tflops",
    "memory_gib", "usable_memory_gib", "memory_gb_per_s", "scaleup_gb_per_s", "scaleup_domain", "scaleout_gbit_per_s",
    "tdp_w", "n_processors",
)  # fmt: skip
_WORDS = {"chip": "", "vendor": "unknown", "available_on": "2024-01-01", "source_id": "not-named"}


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a table of one's own as one of ``data/chips.csv``."""
    said = {name: usual if is_blank(row[name]) else str(row[name]) for name, usual in _WORDS.items()}
    if not said["chip"]:
        raise ValueError("the table of chips has a row without a name; give each a name in the column chip")
    numbers = {}
    for name in _NUMBERS:
        try:
            numbers[name] = math.nan if is_blank(row[name]) else float(row[name])
        except (TypeError, ValueError):
            raise ValueError(f"chip {said['chip']}: {name} must be a number, got {row[name]!r}") from None
    _require_whole(said["chip"], "scaleup_domain", numbers["scaleup_domain"])
    day = said["available_on"][:10]  # without the hours that tables add
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"chip {said['chip']}: available_on must be a day such as 2024-01-31, got {day!r}") from None
    return {**numbers, **said, "available_on": day}


def cluster(chip_name: str, n_chips: int, *, name: str = "", fabric: Fabric | None = None) -> Cluster:
    """Return a cluster of chips of the table, on the chip's usual fabric unless another is given.

    Examples
    --------
    >>> cluster("H100-SXM", 100_000).fabric.scaleup_domain
    8
    """
    kind = chip(chip_name)
    return Cluster(name=name or f"{n_chips} x {chip_name}", chip=kind, n_chips=n_chips, fabric=fabric or kind.fabric)


def _chip(row: dict[Any, Any]) -> Chip:
    """Build a record in SI base units from one row of the table."""

    def rate(column: str) -> float:
        return float(row[column]) * TERA

    usable_gib = row["memory_gib"] if math.isnan(row["usable_memory_gib"]) else row["usable_memory_gib"]
    return Chip(
        name=row["chip"],
        vendor=row["vendor"],
        available_on=datetime.date.fromisoformat(row["available_on"]),
        peak_bf16_flop_per_s=rate("fp16_tflops" if math.isnan(row["bf16_tflops"]) else "bf16_tflops"),
        peak_fp8_flop_per_s=rate("fp8_tflops"),
        peak_fp4_flop_per_s=rate("fp4_tflops"),
        peak_int8_flop_per_s=rate("int8_tops"),
        gemm_bf16_flop_per_s=rate("mamf_bf16_tflops"),
        gemm_fp8_flop_per_s=rate("mamf_fp8_tflops"),
        memory_bytes=usable_gib * GIB,
        memory_bytes_per_s=row["memory_gb_per_s"] * GIGA,
        tdp_w=row["tdp_w"],
        n_processors=row["n_processors"],
        fabric=Fabric(
            scaleup_domain=int(row["scaleup_domain"]),
            scaleup_bytes_per_s=row["scaleup_gb_per_s"] * GIGA,
            nic_bytes_per_s=row["scaleout_gbit_per_s"] * GIGA / BITS_PER_BYTE,
        ),
        source_id=row["source_id"],
    )


def _require_positive(name: str, record: object, *fields: str) -> None:
    for field in fields:
        value = getattr(record, field)
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: {field} must be positive and finite, got {value!r}")


def _require_whole(name: str, field: str, value: float) -> None:
    if not (value >= 1 and value == int(value)):
        raise ValueError(f"{name}: {field} must be a whole number of chips, at least 1, got {value!r}")
