"""What trains: frozen records of a chip, of the networks that join chips, and of a cluster, checked at birth."""

from __future__ import annotations

import datetime
import difflib
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

from gigacluster import tables
from gigacluster.units import BITS_PER_BYTE, GIB, GIGA, TERA

__all__ = ["PRECISIONS", "Chip", "Cluster", "Fabric", "chip", "chips", "cluster"]

#: Number formats of the linear layers that a peak rate is known for.
PRECISIONS = ("bf16", "fp8", "fp4", "int8")
_NAN = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fabric:
    """The two networks a chip is on: scale-up (NVLink, ICI) within a domain, scale-out between domains."""

    scaleup_domain: int  # chips that the scale-up network joins
    scaleup_bytes_per_s: float  # one chip, one direction, sum over its links
    nic_bytes_per_s: float  # scale-out network: one chip, one direction
    oversubscription: float = 1.0  # how far the upper tiers of the scale-out network are cut, at least 1

    def __post_init__(self) -> None:
        _require_whole("fabric", "scaleup_domain", self.scaleup_domain)
        _require_positive("fabric", self, "scaleup_bytes_per_s", "nic_bytes_per_s")
        if not 1 <= self.oversubscription < math.inf:
            raise ValueError(
                f"fabric: oversubscription must be at least 1 (1: full bisection), got {self.oversubscription!r}"
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
    source_id: str = "not-named"

    def __post_init__(self) -> None:
        _require_positive(self.name, self, "peak_bf16_flop_per_s", "memory_bytes", "memory_bytes_per_s")
        for field in ("peak_fp8_flop_per_s", "peak_fp4_flop_per_s", "peak_int8_flop_per_s", "tdp_w"):
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
    """Return every chip of ``data/chips.csv`` by name."""
    return {str(row["chip"]): _chip(row) for row in tables.rows("chips")}


def chip(name: str) -> Chip:
    """Return one chip of ``data/chips.csv``.

    Raises
    ------
    ValueError
        If the table has no such chip; the message lists those it has.

    Examples
    --------
    >>> chip("H100-SXM").peak_flop_per_s("bf16") / 1e12
    989.4
    """
    known = chips()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown chip {name!r}; {hint}data/chips.csv has: {', '.join(known)}")
    return known[name]


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


def _require_positive(name: str, record: Any, *fields: str) -> None:
    for field in fields:
        value = getattr(record, field)
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: {field} must be positive and finite, got {value!r}")


def _require_whole(name: str, field: str, value: Any) -> None:
    if not (value >= 1 and value == int(value)):
        raise ValueError(f"{name}: {field} must be a whole number of chips, at least 1, got {value!r}")
