"""Rows of a table of runs: cells, the words in them as canonical ones, and every fault and contradiction of a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy

from gigacluster import hardware
from gigacluster.hardware import Chip
from gigacluster.names import Vocabulary, is_blank, outside_model, outside_schedule
from gigacluster.throughput import case as codes
from gigacluster.throughput import words
from gigacluster.throughput.software import Software

_NEEDED = ("n_layers", "d_model", "n_heads", "seq_len", "n_chips", "global_batch")


class Runs:
    """Columns of runs, read as numbers or words; a column that is not there is blank throughout."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        names = [str(name) for name in columns]
        self._columns = {name: list(columns[name]) for name in names}
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of runs must have one length, got {lengths}")
        if not set(names) & set(_NEEDED):
            raise ValueError(
                f"no column of runs among {', '.join(names[:8]) or 'none at all'}; wanted: run_id, chip, precision, "
                f"{', '.join(_NEEDED)} and those of data/training_runs.csv that are known"
            )
        self._length = next(iter(lengths.values()))

    def __len__(self) -> int:
        return self._length

    def cells(self, name: str) -> list[Any]:
        """Return the cells of a column, ``None`` where one is blank."""
        values = self._columns.get(name, [None] * len(self))
        return [None if is_blank(value) else value for value in values]

    def text(self, name: str) -> list[str]:
        """Return a column as lower-case text, empty where it is blank."""
        return ["" if value is None else str(value).strip().lower() for value in self.cells(name)]

    def number(self, name: str, blank: Any = numpy.nan) -> numpy.ndarray:
        """Return a column as numbers, with something else where it is blank or no number."""
        values = numpy.array([number_of(value) for value in self.cells(name)], dtype=numpy.float64)
        return numpy.where(numpy.isnan(values), blank, values)

    def take(self, keep: numpy.ndarray) -> Runs:
        """Return the runs of a mask."""
        index = numpy.flatnonzero(keep)
        kept = Runs.__new__(Runs)
        kept._columns = {name: [values[i] for i in index] for name, values in self._columns.items()}
        kept._length = len(index)
        return kept

    def names(self) -> list[str]:
        """Return what each run is called: its ``run_id``, or its place."""
        return [f"run {i + 1}" if cell is None else str(cell) for i, cell in enumerate(self.cells("run_id"))]


def number_of(cell: Any) -> float:
    """Return a cell as a number; ``nan`` where it is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return numpy.nan


def chips_of(runs: Runs, further: Mapping[str, Chip]) -> tuple[list[Chip | None], list[str]]:
    """Return the chip of every run, and why it has none."""

    @lru_cache(None)
    def read(name: Any) -> tuple[Chip | None, str]:
        if name is None:
            return None, "chip is blank; give a name of data/chips.csv"
        if str(name) in further:
            return further[str(name)], ""
        try:
            return hardware.chip(str(name)), ""
        except ValueError as fault:
            return None, str(fault)

    found = [read(name) for name in runs.cells("chip")]
    return [chip for chip, _ in found], [fault for _, fault in found]


class Reader:
    """The words of runs as canonical ones, with every fault of a row."""

    def __init__(self, runs: Runs, chips: list[Chip | None]) -> None:
        self.runs = runs
        self._faults: list[list[str]] = [[] for _ in range(len(runs))]
        self.framework = runs.text("framework")
        notes = [words.attention_notes(cell) for cell in runs.cells("attn_notes")]
        self.notes = [said for said, _ in notes]
        self.warnings = [f"attn_notes {rest!r} was not read" if rest else "" for _, rest in notes]
        self.sharding = self.read("shard_strategy", words.SHARDING)
        self.recompute = self.read("recompute", words.RECOMPUTE)
        self.precision = self.read("precision", words.PRECISION)
        self.activation = self.read("ffn_act", words.ACTIVATION)
        self.overlap = self._each("comm_overlap", words.overlaps)
        self.stack = self._stacks()
        self.software = self._software()
        self.year = numpy.array(
            [
                words.software_year("" if name is None else str(name), float(year), software.release)
                for name, year, software in zip(
                    runs.cells("framework"), runs.number("year", 2025.0), self.software, strict=True
                )
            ],
            dtype=float,
        )
        self._tell_what_is_outside()
        self.complete = runs.number("plan_complete") == 1
        self._check_precision(chips)
        self.missing = self._missing()

    def read(self, column: str, vocabulary: Vocabulary) -> list[str]:
        """Return the canonical words of a column, empty where it is blank."""
        return [word or "" for word in self._each(column, vocabulary.read)]

    def _each(self, column: str, read: Callable[[Any], Any]) -> list[Any]:
        """Read every cell of a column; a cell that cannot be read is a fault of its run."""
        found = []
        for cell, faults in zip(self.runs.cells(column), self._faults, strict=True):
            try:
                found.append(None if cell is None else read(cell))
            except ValueError as fault:
                found.append(None)
                faults.append(str(fault))
        return found

    def _software(self) -> list[Software]:
        """Return the software inputs of every run."""
        columns = {field.name: self.runs.cells(field.name) for field in fields(Software)}
        found = []
        for i, faults in enumerate(self._faults):
            said = {name: "" if cells[i] is None else cells[i] for name, cells in columns.items()}
            try:
                found.append(Software(**said))
            except ValueError as fault:
                found.append(Software())
                faults.append(str(fault))
        return found

    def _stacks(self) -> numpy.ndarray:
        """Return the kind of framework of every run, with a warning where only the sharding tells."""
        found = []
        for i, (name, sharding) in enumerate(zip(self.framework, self.sharding, strict=True)):
            stack = words.stack_of(name) if name else None
            if stack is None:
                sharded = sharding in ("zero3", "hsdp")
                stack = codes.FRAMEWORK_FSDP if sharded else codes.FRAMEWORK_MEGATRON
                if name:
                    said = f"framework {name!r} is not known; taken as {'PyTorch FSDP' if sharded else 'Megatron'}"
                    self.warnings[i] = "; ".join(filter(None, [self.warnings[i], said]))
            found.append(stack)
        return numpy.array(found, dtype=int)

    def _tell_what_is_outside(self) -> None:
        """Refuse hybrid models, and warn of pipeline schedules that are read as interleaved ones."""
        models = zip(*(self.runs.text(name) for name in ("arch", "model", "attn_notes")), strict=True)
        schedules = zip(*(self.runs.text(name) for name in ("pipeline_schedule", "framework", "notes")), strict=True)
        for i, (model, schedule) in enumerate(zip(models, schedules, strict=True)):
            self._faults[i] += filter(None, [outside_model(*model)])
            self.warnings[i] = "; ".join(filter(None, [self.warnings[i], outside_schedule(*schedule)]))

    def _check_precision(self, chips: list[Chip | None]) -> None:
        for word, cell, chip, faults in zip(
            self.precision, self.runs.cells("precision"), chips, self._faults, strict=True
        ):
            if cell is None:
                faults.append(f"precision is blank; use {', '.join(words.PRECISION.words)}")
            elif word and chip is not None:
                rate = words.PRECISIONS[word][1]
                has = chip.peak_fp8_flop_per_s > 0 or chip.peak_int8_flop_per_s > 0
                has = has if rate in ("fp8", "int8") else chip.peak_fp4_flop_per_s > 0 if rate == "fp4" else True
                if not has:
                    faults.append(f"chip {chip.name!r} has no published rate for precision {cell!r}; use bf16")

    def _missing(self) -> list[str]:
        needed = {name: self.runs.number(name) for name in _NEEDED}
        needed |= {"tp": self.width("tp"), "pp": self.width("pp")}
        moe = self.runs.number("n_experts", 0.0) > 0
        said = []
        for i in range(len(self.runs)):
            names = [name for name, values in needed.items() if not values[i] > 0]
            names += [name for name in ("top_k", "d_ff_expert") if moe[i] and not self.runs.number(name)[i] > 0]
            said.append(f"{', '.join(names)} must be positive and known" if names else "")
        return said

    def faults(self) -> list[str]:
        """Return what is wrong with the words of each run."""
        return ["; ".join(faults) for faults in self._faults]

    def width(self, axis: str) -> numpy.ndarray:
        """Return the tensor or pipeline width: 1 where it is blank in a plan said to be complete."""
        return self.runs.number(axis, numpy.where(self.complete, 1.0, numpy.nan))

    def replicas(self) -> numpy.ndarray:
        """Return the replicas: as given, or the chips over all other widths."""
        others = self.width("tp") * self.width("pp") * self.runs.number("cp", 1.0)
        return self.runs.number("dp", self.runs.number("n_chips") / others)

    def noted(self, column: str, blank: Any = numpy.nan) -> numpy.ndarray:
        """Return a number that has a column of its own, or stands in the notes on attention."""
        said = numpy.array([number_of(notes.get(column)) for notes in self.notes], dtype=float)
        return self.runs.number(column, numpy.where(numpy.isnan(said), blank, said))

    def named(self, pattern: str) -> numpy.ndarray:
        """Tell where the name of the framework holds one of some words."""
        return numpy.array([bool(re.search(pattern, name)) for name in self.framework], dtype=bool)


def contradictions_of(runs: Runs, reader: Reader) -> list[str]:
    """Say of every run whose numbers are known where they contradict each other, or nothing."""
    cp, dp, micro = runs.number("cp", 1.0), reader.replicas(), runs.number("micro_batch", 1.0)
    tp, pp, ep = reader.width("tp"), reader.width("pp"), runs.number("ep", 1.0)
    n_chips, batch = runs.number("n_chips"), runs.number("global_batch")
    layers, experts = runs.number("n_layers"), runs.number("n_experts", 0.0)
    group, cut = runs.number("shard_group", 1.0), runs.number("oversubscription", 1.0)
    found = []
    for i, missing in enumerate(reader.missing):
        if missing:
            found.append("")
            continue
        product = tp[i] * pp[i] * cp[i] * dp[i]
        faults = []
        if not abs(product / n_chips[i] - 1) < 1e-6:
            faults.append(f"tp*pp*cp*dp = {product:g} is not n_chips = {n_chips[i]:g}")
        if batch[i] < dp[i] * micro[i] * (1 - 1e-9):
            faults.append(f"global_batch {batch[i]:g} is less than dp*micro_batch = {dp[i] * micro[i]:g}")
        if layers[i] < pp[i]:
            faults.append(f"{layers[i]:g} layers do not fill {pp[i]:g} pipeline stages")
        if ep[i] > max(experts[i], 1):
            faults.append(f"ep = {ep[i]:g} is more than the {experts[i]:g} experts")
        if not 1 <= group[i] <= n_chips[i]:
            faults.append(f"shard_group = {group[i]:g} is no group of the {n_chips[i]:g} chips")
        if not cut[i] >= 1:
            faults.append(f"oversubscription = {cut[i]:g} is below 1, which is full bisection")
        found.append("; ".join(faults))
    return found
