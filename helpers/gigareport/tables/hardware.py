"""Schemas of the tables about hardware."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator

from gigareport.tables.row import Id, Missing, Positive, Row

__all__ = ["TABLES", "ChipRow"]

_Known = Annotated[Positive | None, Missing]


class ChipRow(Row):
    """One accelerator. Peaks are dense (no sparsity); bandwidths are per chip; prices are with the cost tables."""

    KEY: ClassVar = ("chip",)
    ABOUT: ClassVar = "an accelerator: peak and measured matrix rates, memory, links, power, since when it could be had"

    chip: Id
    vendor: str
    #: First availability; the announcement where no later date is known.
    available_on: datetime.date = Field(validation_alias=AliasChoices("available_on", "release_date"))
    fp32_tflops: _Known = None  # vector units; the others are matrix units
    tf32_tflops: _Known = None
    fp16_tflops: _Known = None
    bf16_tflops: _Known = None
    fp8_tflops: _Known = None
    fp4_tflops: _Known = None
    int8_tops: _Known = None
    #: Best measured matrix multiplication over a sweep of shapes ("maximum achievable matmul FLOPS").
    mamf_bf16_tflops: _Known = None
    mamf_fp8_tflops: _Known = None
    #: As the vendor names it, read as GiB, because that is what the parts hold.
    memory_gib: Positive = Field(validation_alias=AliasChoices("memory_gib", "memory_gb"))
    #: Whether that figure is what a program can use, or what is mounted.
    memory_basis: Literal["usable", "physical"] = "physical"
    #: Where the two are known to differ.
    usable_memory_gib: _Known = None
    memory_gb_per_s: Positive = Field(validation_alias=AliasChoices("memory_gb_per_s", "memory_bw_gbs"))
    #: Scale-up links (NVLink, xGMI, ICI) of one chip, one direction, sum over links.
    scaleup_gb_per_s: Positive = Field(validation_alias=AliasChoices("scaleup_gb_per_s", "scaleup_gbs_per_dir"))
    scaleup_basis: Literal["nominal", "achieved"] = "nominal"
    scaleup_domain: Annotated[int, Field(ge=1)]  # chips
    scaleup_topology: str
    #: Usual network interface of one chip, one direction.
    scaleout_gbit_per_s: Positive = Field(
        validation_alias=AliasChoices("scaleout_gbit_per_s", "scaleout_gbps_per_chip")
    )
    tdp_w: _Known = None
    #: Streaming multiprocessors or compute units; blank where matrix units are few and large (TPU, Gaudi, Trainium).
    n_processors: _Known = None
    #: Columns of this row known from memory alone, separated by semicolons.
    recalled: Annotated[str | None, Missing] = None
    source_id: Id = "not-named"
    #: Further sources of the same row, separated by semicolons.
    further_source_ids: Annotated[str | None, Missing] = None
    note: Annotated[str | None, Missing] = Field(default=None, validation_alias=AliasChoices("note", "notes"))

    @field_validator("recalled")
    @classmethod
    def _are_columns(cls, value: str | None) -> str | None:
        unknown = [name for name in (value or "").split(";") if name and name not in cls.model_fields]
        if unknown:
            raise ValueError(f"recalled names {', '.join(unknown)}, which are no columns of this table")
        return value


class ChipNameRow(Row):
    """A name of a chip that a driver, a framework, a launcher or a cloud prints; whole, in any case."""

    KEY: ClassVar = ("alias",)
    ABOUT: ClassVar = "a further name of an accelerator, and the row of chips.csv that it means"

    alias: str
    chip: Annotated[str | None, Missing] = None  # blank: known, but no row stands for it
    seen_in: str
    source_id: Id
    note: Annotated[str | None, Missing] = None


TABLES: dict[str, type[Row]] = {"chips": ChipRow, "chip_names": ChipNameRow}
