"""Rows of a table of runs: cells, the words in them as canonical ones, and every fault and contradiction of a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy

from gigacluster import hardware
from gigacluster.hardware import Chip
from gigacluster.names import Vocabulary, is_blank, normal, outside_model, outside_schedule
from gigacluster.throughput import case as codes
from gigacluster.throughput import words
from gigacluster.throughput.software import Software

_NEEDED = ("n_layers", "d_model", "n_heads", "seq_len", "n_chips", "global_batch")
#: What a cell of a number may be: least, most, and whether it is whole.
_LIMITS = {
    **dict.fromkeys(
        (
            "n_layers", "d_model", "n_heads", "n_kv_heads", "d_head", "vocab", "seq_len", "n_chips", "scaleup_domain",
            "tp", "pp", "cp", "ep", "etp", "vpp", "dp", "shard_group", "micro_batch", "global_batch", "grad_accum",
        ),
        (1.0, 1e15, True),
    ),
    **dict.fromkeys(
        (
            "d_ff", "n_experts", "top_k", "d_ff_expert", "n_shared_experts", "n_dense_layers", "pod_chips",
            "attention_window", "mla_q_rank", "mla_kv_rank", "mla_rope_dim", "mla_value_dim",
        ),
        (0.0, 1e15, True),
    ),
    **dict.fromkeys(("sp", "rails", "fp8_params", "tied_embeddings", "attention_sinks"), (0.0, 1.0, True)),
    "window_frac": (0.0, 1.0, False),
    "nic_gbps_per_chip": (1e-3, 1e6, False),
    "oversubscription": (1.0, 1e6, False),
    "year": (1990.0, 2100.0, False),
}  # fmt: skip


class Runs:
    """Columns of runs, read as numbers or words; a column that is not there is blank throughout."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        if not (isinstance(columns, Mapping) or hasattr(columns, "columns")):
            raise ValueError(
                f"runs must be columns by name or a pandas table, got {type(columns).__name__}; "
                "pandas.DataFrame(rows) and pandas.read_csv(file) make one"
            )
        names = [str(name).strip().lower() for name in columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"columns must have names of their own, got more than one {', '.join(twice)}")
        self._columns = {name: _listed(name, columns[key]) for name, key in zip(names, columns, strict=True)}
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
        return self._columns.get(name, [None] * len(self))

    def text(self, name: str) -> list[str]:
        """Return a column as lower-case text, empty where it is blank."""
        return ["" if value is None else str(value).strip().lower() for value in self.cells(name)]

    def number(self, name: str, blank: Any = numpy.nan) -> numpy.ndarray:
        """Return a column as numbers, with something else where it is blank or none that the column may hold."""
        values = [numpy.nan if _wrong(name, cell) else number_of(cell) for cell in self.cells(name)]
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


def _listed(name: str, values: Any) -> list[Any]:
    """Return the cells of a column, ``None`` where one is blank."""
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise ValueError(f"column {name} must hold a value a run, got {values!r}; of one run, give [{values!r}]")
    return [None if is_blank(value) else value for value in values]


def _wrong(name: str, cell: Any) -> str:
    """Say what is wrong with the cell of a number, or nothing."""
    if cell is None or name not in _LIMITS:
        return ""
    (least, most, whole), value = _LIMITS[name], number_of(cell)
    if least <= value <= most and (value == int(value) or not whole):
        return ""
    kind = "a whole number" if whole else "a number"
    return f"{name} must be {kind} of at least {least:g}{f' and at most {most:g}' if most < 1e6 else ''}, got {cell!r}"


def chips_of(runs: Runs, further: Mapping[str, Chip]) -> tuple[list[Chip | None], list[str], list[str]]:
    """Return the chip of every run, why it has none, and what is to be said of a name that means more than one."""
    own = {normal(name): chip for name, chip in further.items()}

    @lru_cache(None)
    def read(name: Any) -> tuple[Chip | None, str, str]:
        if name is None:
            return None, "chip is blank; give a name of data/chips.csv", ""
        if normal(name) in own:
            return own[normal(name)], "", ""
        try:
            chip, note = hardware.named(str(name))
            return chip, "", f"chip {name!r} is read as {chip.name}: {note}" if note else ""
        except ValueError as fault:
            return None, str(fault), ""

    found = [read(name) for name in runs.cells("chip")]
    return [chip for chip, _, _ in found], [fault for _, fault, _ in found], [note for _, _, note in found]


class Reader:
    """The words of runs as canonical ones, with every fault of a row."""

    def __init__(self, runs: Runs, chips: list[Chip | None]) -> None:
        self.runs = runs
        #: Sentences about each run: why it cannot be read, and what of it was not.
        self.faults, self.warnings = ([list[str]() for _ in range(len(runs))] for _ in range(2))
        for name in _LIMITS:
            _tell(self.faults, (_wrong(name, cell) for cell in runs.cells(name)))
        self.framework = runs.text("framework")
        notes = [words.attention_notes(cell) for cell in runs.cells("attn_notes")]
        self.notes = [said for said, _ in notes]
        _tell(self.warnings, (f"attn_notes {rest!r} was not read" if rest else "" for _, rest in notes))
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
        _tell(self.faults, map(outside_model, *(runs.text(name) for name in ("arch", "model", "attn_notes"))))
        of_schedules = ("pipeline_schedule", "framework", "notes")  # read as interleaved ones
        _tell(self.warnings, map(outside_schedule, *(runs.text(name) for name in of_schedules)))
        self.complete = runs.number("plan_complete") == 1
        _tell(self.faults, map(_precision_fault, self.precision, runs.cells("precision"), chips))
        self.missing = self._missing()

    def read(self, column: str, vocabulary: Vocabulary) -> numpy.ndarray:
        """Return the canonical words of a column, empty where it is blank."""
        return numpy.array([word or "" for word in self._each(column, vocabulary.read)], dtype=str)

    def _each(self, column: str, read: Callable[[Any], Any]) -> list[Any]:
        """Read every cell of a column; a cell that cannot be read is a fault of its run."""
        found = []
        for cell, faults in zip(self.runs.cells(column), self.faults, strict=True):
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
        for i, faults in enumerate(self.faults):
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
        for name, sharding, warnings in zip(self.framework, self.sharding, self.warnings, strict=True):
            stack = words.stack_of(name) if name else None
            if stack is None:
                sharded = sharding in ("zero3", "hsdp")
                stack = codes.FRAMEWORK_FSDP if sharded else codes.FRAMEWORK_MEGATRON
                if name:
                    taken_as = "PyTorch FSDP" if sharded else "Megatron"
                    warnings.append(f"framework {name!r} is not known; taken as {taken_as}")
            found.append(stack)
        return numpy.array(found, dtype=int)

    def _missing(self) -> list[str]:
        needed = {name: self.runs.number(name) for name in _NEEDED}
        needed |= {"tp": self.width("tp"), "pp": self.width("pp")}
        blank = {
            name: numpy.isnan(values) & numpy.array([cell is None for cell in self.runs.cells(name)], dtype=bool)
            for name, values in needed.items()
        }
        moe = self.runs.number("n_experts", 0.0) > 0
        blank |= {name: moe & ~(self.runs.number(name) > 0) for name in ("top_k", "d_ff_expert")}
        said = []
        for i in range(len(self.runs)):
            names = [name for name, flags in blank.items() if flags[i]]
            said.append(f"{', '.join(names)} must be positive and known" if names else "")
        return said

    def width(self, axis: str) -> numpy.ndarray:
        """Return the tensor or pipeline width: 1 where it is blank in a plan said to be complete."""
        return self.runs.number(axis, numpy.where(self.complete, 1.0, numpy.nan))

    def replicas(self) -> numpy.ndarray:
        """Return the replicas: as given, or the chips over all other widths."""
        others = self.width("tp") * self.width("pp") * self.runs.number("cp", 1.0)
        return self.runs.number("dp", self.runs.number("n_chips") / others)

    def note(self, column: str) -> numpy.ndarray:
        """Return what the notes on attention say of a number."""
        return numpy.array([number_of(notes.get(column)) for notes in self.notes], dtype=float)

    def noted(self, column: str, blank: Any = numpy.nan) -> numpy.ndarray:
        """Return a number that has a column of its own, or stands in the notes on attention."""
        said = self.note(column)
        return self.runs.number(column, numpy.where(numpy.isnan(said), blank, said))

    def said(self, name: str) -> numpy.ndarray:
        """Return the words of a software input."""
        return numpy.array([getattr(software, name) for software in self.software], dtype=str)

    def named(self, pattern: str) -> numpy.ndarray:
        """Tell where the name of the framework holds one of some words."""
        return numpy.array([bool(re.search(pattern, name)) for name in self.framework], dtype=bool)


def _tell(about: list[list[str]], said: Iterable[str]) -> None:
    """Add what is said of each run to the sentences about it."""
    for sentences, sentence in zip(about, said, strict=True):
        if sentence:
            sentences.append(sentence)


def _precision_fault(word: str, cell: Any, chip: Chip | None) -> str:
    """Say that a run has no number format, or one that its chip has no rate for, or nothing."""
    if cell is None:
        return f"precision is blank; use {', '.join(words.PRECISION.words)}"
    if not word or chip is None:
        return ""
    has_8bit, has_4bit = chip.peak_fp8_flop_per_s > 0 or chip.peak_int8_flop_per_s > 0, chip.peak_fp4_flop_per_s > 0
    has = {"fp8": has_8bit, "int8": has_8bit, "fp4": has_4bit}.get(words.PRECISIONS[word][1], True)
    return "" if has else f"chip {chip.name!r} has no published rate for precision {cell!r}; use bf16"


def contradictions_of(runs: Runs, reader: Reader) -> list[str]:
    """Say of every run whose numbers are known where they contradict each other, or nothing."""
    number, tp, pp, dp = runs.number, reader.width("tp"), reader.width("pp"), reader.replicas()
    cp, ep, micro, group = (number(name, 1.0) for name in ("cp", "ep", "micro_batch", "shard_group"))
    n_chips, batch, layers, heads = (number(name) for name in ("n_chips", "global_batch", "n_layers", "n_heads"))
    experts, top_k, in_front = (number(name, 0.0) for name in ("n_experts", "top_k", "n_dense_layers"))
    key_heads, width = number("n_kv_heads", 1.0), number("d_ff")
    split, whole = tp * pp * cp, abs(tp * pp * cp * dp / n_chips - 1) < 1e-6
    least, summed = dp * micro, dp * number("micro_batch") * number("grad_accum")
    unsummed = (batch >= least * (1 - 1e-9)) & (abs(summed / batch - 1) > 1e-6)
    faults: list[tuple[Any, str, tuple[Any, ...]]] = [
        (~whole, "tp*pp*cp*dp = {} is not n_chips = {}", (split * dp, n_chips)),
        (whole & (dp != numpy.round(dp)), "{} chips are no multiple of tp*pp*cp = {}", (n_chips, split)),
        (batch < least * (1 - 1e-9), "global_batch {} is less than dp*micro_batch = {}", (batch, least)),
        (unsummed, "dp*micro_batch*grad_accum = {} is not global_batch = {}", (summed, batch)),
        (layers < pp, "{} layers do not fill {} pipeline stages", (layers, pp)),
        (ep > numpy.maximum(experts, 1.0), "ep = {} is more than the {} experts", (ep, experts)),
        ((experts > ep) & (experts % ep > 0), "ep = {} does not divide the {} experts", (ep, experts)),
        ((experts > 0) & (top_k > experts), "top_k = {} is more than the {} experts", (top_k, experts)),
        ((experts == 0) & (width == 0), "a dense model needs d_ff, got {}", (width,)),
        (in_front > layers, "n_dense_layers = {} is more than the {} layers", (in_front, layers)),
        (heads % key_heads > 0, "{} heads are no multiple of n_kv_heads = {}", (heads, key_heads)),
        (group > n_chips, "shard_group = {} is more than the {} chips", (group, n_chips)),
    ]
    return [
        ""
        if any(told)
        else "; ".join(said.format(*(f"{v[i]:g}" for v in of)) for flags, said, of in faults if flags[i])
        for i, told in enumerate(zip(reader.missing, reader.faults, strict=True))
    ]
