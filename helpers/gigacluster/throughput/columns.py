"""From columns of runs to a :class:`Case`: words become codes, blanks are filled by stated rules, faults get reasons.

Columns are those of ``data/training_runs.csv``; any mapping of them serves, a pandas table too, and what a run does not
need may be missing. The rules for what a source did not publish:

- widths: cp, ep, etp 1; tp and pp 1 if ``plan_complete`` is 1; dp: chips over (tp x pp x cp);
- micro-batch: the batch of a replica over ``grad_accum`` where that is known; otherwise 1 in a pipeline, and as many
  sequences as 16,384 tokens hold without one;
- virtual stages: 1 without a pipeline, in DeepSpeed and GPT-NeoX and before 2021; otherwise chunks of two layers, the
  median of the published interleaved configurations;
- sequence parallel: with tensor parallel in Megatron since 2022, otherwise absent;
- sharding: the optimizer state in Megatron; everything in FSDP and XLA frameworks. Groups: all replicas, for hybrid
  sharding a scale-up domain;
- recompute: none, except in XLA frameworks, where a whole layer is the usual policy; ``selective`` is the core of
  attention in Megatron and every other matmul elsewhere, unless ``recompute_modules`` names what is computed again;
- framework: what its name tells; if that is not known, PyTorch FSDP with sharded parameters, otherwise Megatron;
- FFN: plain, four times as wide as the model, or as an expert; vocabulary: 51,200;
- attention kernel: unfused before late 2023 (a year earlier in MLPerf; before PyTorch 2.0 of spring 2023 in FSDP) and
  on chips before 2020, then the second generation, and the third on Hopper and Blackwell from mid 2024, in PyTorch FSDP
  a year later;
- gradients: 16 bit in NeMo, Megatron-Bridge and MLPerf since 2023, 32 bit elsewhere; parameters gathered in 8 bit in
  FP8 runs of Megatron since 2024; gradients added by kernels of their own in DeepSpeed and GPT-NeoX alone;
- software of an MoE: what nobody says is absent, but for the recipes of Megatron since mid 2026 (:mod:`.software`);
- scale-up domain and scale-out rate: those of the chip's usual system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy

from gigacluster import hardware
from gigacluster.hardware import Chip
from gigacluster.names import Vocabulary, is_blank
from gigacluster.throughput import case as codes
from gigacluster.throughput import words
from gigacluster.throughput.case import Case
from gigacluster.throughput.software import Software
from gigacluster.units import BITS_PER_BYTE, GIGA

#: Tokens of a micro-batch where nobody published it and no pipeline asks for small ones.
_TOKENS_AT_ONCE = 16_384
#: Vocabulary where nobody published it: that of GPT-2, as Megatron pads it.
_USUAL_VOCAB = 51_200.0
#: Chips since then have fused kernels of attention.
_FUSED_SINCE = 2020
_NEEDED = ("n_layers", "d_model", "n_heads", "seq_len", "n_chips", "global_batch")
_EIGHT_BIT = {code for code, rate in words.PRECISIONS.values() if rate in ("fp8", "int8")}


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
        values = numpy.array([_number(value) for value in self.cells(name)], dtype=numpy.float64)
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


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return numpy.nan


@dataclass(frozen=True, kw_only=True)
class RunCases:
    """The runs that can be expressed, as one case, and what is to be said of all."""

    case: Case
    expressible: numpy.ndarray  # one flag a run; the arrays of ``case`` hold these runs only
    reasons: list[str]  # why a run cannot be expressed, empty where it can: one a run, as the next two
    contradictions: list[str]  # of these, what a run says against itself
    warnings: list[str]  # what was not read of a run that is expressed
    recompute_blank: numpy.ndarray  # one flag an expressible run: nobody says what is computed again


def cases_of(columns: Mapping[str, Any] | Runs, chips: Mapping[str, Chip] | None = None) -> RunCases:
    """Turn columns of runs into one case, an element a run.

    Parameters
    ----------
    columns
        As in ``data/training_runs.csv``; optional ones may be missing.
    chips
        Further chips by name, before those of ``data/chips.csv``.

    Raises
    ------
    ValueError
        If no column is one of runs, or columns differ in length.
    """
    runs = columns if isinstance(columns, Runs) else Runs(columns)
    found, chip_faults = _chips(runs, chips or {})
    reader = _Reader(runs, found)
    contradictions = _contradictions(runs, reader)
    reasons = [
        "; ".join(part for part in parts if part)
        for parts in zip(chip_faults, reader.faults(), reader.missing, contradictions, strict=True)
    ]
    expressible = numpy.array([not reason for reason in reasons], dtype=bool)
    kept = runs.take(expressible)
    kept_chips = [chip for chip, flag in zip(found, expressible, strict=True) if flag]
    of_kept = _Reader(kept, kept_chips)
    policies = zip(of_kept.recompute, of_kept.software, strict=True)
    blank = [not word and told.recompute_modules in ("", "none") for word, told in policies]
    return RunCases(
        case=_case(kept, of_kept, [chip for chip in kept_chips if chip is not None]),
        expressible=expressible,
        reasons=reasons,
        contradictions=contradictions,
        warnings=reader.warnings,
        recompute_blank=numpy.array(blank, dtype=bool),
    )


def _chips(runs: Runs, further: Mapping[str, Chip]) -> tuple[list[Chip | None], list[str]]:
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


class _Reader:
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
        self.year = numpy.array(
            [
                words.software_year("" if name is None else str(name), float(year))
                for name, year in zip(runs.cells("framework"), runs.number("year", 2025.0), strict=True)
            ],
            dtype=float,
        )
        self.software = self._software()
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
        said = numpy.array([_number(notes.get(column)) for notes in self.notes], dtype=float)
        return self.runs.number(column, numpy.where(numpy.isnan(said), blank, said))

    def named(self, pattern: str) -> numpy.ndarray:
        """Tell where the name of the framework holds one of some words."""
        return numpy.array([bool(re.search(pattern, name)) for name in self.framework], dtype=bool)


def _contradictions(runs: Runs, reader: _Reader) -> list[str]:
    """Say of every run whose numbers are known where they contradict each other, or nothing."""
    cp, dp, micro = runs.number("cp", 1.0), reader.replicas(), runs.number("micro_batch", 1.0)
    tp, pp, ep = reader.width("tp"), reader.width("pp"), runs.number("ep", 1.0)
    n_chips, batch = runs.number("n_chips"), runs.number("global_batch")
    layers, experts = runs.number("n_layers"), runs.number("n_experts", 0.0)
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
        found.append("; ".join(faults))
    return found


def _case(runs: Runs, reader: _Reader, chips: list[Chip]) -> Case:
    return Case(**_model(runs, reader, chips), **_hardware(runs, chips), **_plan(runs, reader, chips))


def _model(runs: Runs, reader: _Reader, chips: list[Chip]) -> dict[str, Any]:
    heads, width = runs.number("n_heads"), runs.number("d_model")
    sizes = ("n_experts", "top_k", "d_ff_expert", "n_shared_experts", "n_dense_layers")
    moe = {name: runs.number(name, 0.0) for name in sizes}
    latent = {name: reader.noted(name, 0.0) for name in ("mla_q_rank", "mla_kv_rank", "mla_rope_dim", "mla_value_dim")}
    noted_head = numpy.array([_number(notes.get("d_head")) for notes in reader.notes], dtype=float)
    head = numpy.where(noted_head > 0, noted_head, runs.number("d_head", width / heads))
    window = reader.noted("attention_window", 0.0)
    ratio = reader.noted("window_ratio")
    share = numpy.where(window > 0, numpy.where(ratio > 0, ratio / (ratio + 1.0), 0.5), 0.0)
    kernel = _attention(reader, chips)
    return {
        "n_layers": runs.number("n_layers"),
        "d_model": width,
        "n_heads": heads,
        "n_kv_heads": runs.number("n_kv_heads", heads),
        "d_head": head,
        "d_ff": runs.number("d_ff", numpy.where(moe["d_ff_expert"] > 0, moe["d_ff_expert"], 4.0 * width)),
        "ffn_gated": _flag([word == "gated" for word in reader.activation]),
        "vocab": runs.number("vocab", _USUAL_VOCAB),
        "seq_len": runs.number("seq_len"),
        "tied_embeddings": reader.noted("tied_embeddings", 0.0),
        **moe,
        "attention_window": window,
        "window_frac": runs.number("window_frac", share),
        **latent,
        "attention_kernel": numpy.array([words.ATTENTION_KERNELS[word] for word in kernel], dtype=float),
        "attention_sinks": reader.noted("attention_sinks", 0.0),
        "attention_regressed": _flag([word == "cudnn_regressed" for word in kernel]),
    }


def _attention(reader: _Reader, chips: list[Chip]) -> list[str]:
    """Return the kernel: as said, as noted, otherwise the usual one of the year, chip and framework."""
    year = numpy.where(reader.named("mlperf"), reader.year + 1.0, reader.year)  # tuned kernels come first there
    kernels = []
    for i, chip in enumerate(chips):
        third_since = 2025.5 if reader.stack[i] == codes.FRAMEWORK_FSDP else 2024.5
        newer = chip.vendor == "NVIDIA" and chip.available_on.year >= 2022 and year[i] >= third_since
        fused_since = 2023.25 if reader.stack[i] == codes.FRAMEWORK_FSDP else 2023.75
        usual = "unfused" if year[i] < fused_since or chip.available_on.year < _FUSED_SINCE else "flash2"
        usual = "flash3" if usual == "flash2" and newer else usual
        noted = str(reader.notes[i].get("attention_backend", ""))
        kernels.append(reader.software[i].attention_backend or noted or usual)
    return kernels


def _hardware(runs: Runs, chips: list[Chip]) -> dict[str, Any]:
    def of_chip(read: Callable[[Chip], float]) -> numpy.ndarray:
        return numpy.array([read(chip) for chip in chips], dtype=float)

    rates = [hardware.Rates.of(chip) for chip in chips]
    nic = runs.number("nic_gbps_per_chip") * GIGA / BITS_PER_BYTE
    return {
        "peak_bf16_flop_per_s": of_chip(lambda chip: chip.peak_bf16_flop_per_s),
        "peak_fp8_flop_per_s": numpy.array([rate.peak_8bit_flop_per_s for rate in rates]),
        "peak_fp4_flop_per_s": of_chip(lambda chip: chip.peak_fp4_flop_per_s),
        "gemm_bf16_flop_per_s": numpy.array([rate.gemm_bf16_flop_per_s for rate in rates]),
        "gemm_fp8_flop_per_s": numpy.array([rate.gemm_8bit_flop_per_s for rate in rates]),
        "clock_frac": numpy.array([rate.clock_frac for rate in rates]),
        "memory_bytes": of_chip(lambda chip: chip.memory_bytes),
        "memory_bytes_per_s": of_chip(lambda chip: chip.memory_bytes_per_s),
        "scaleup_bytes_per_s": of_chip(lambda chip: chip.fabric.scaleup_bytes_per_s),
        "scaleup_domain": runs.number("scaleup_domain", of_chip(lambda chip: chip.fabric.scaleup_domain)),
        "nic_bytes_per_s": numpy.where(numpy.isnan(nic), of_chip(lambda chip: chip.fabric.nic_bytes_per_s), nic),
        "n_processors": of_chip(lambda chip: chip.n_processors),
        "n_chips": runs.number("n_chips"),
    }


def _plan(runs: Runs, reader: _Reader, chips: list[Chip]) -> dict[str, Any]:
    megatron = reader.stack == codes.FRAMEWORK_MEGATRON
    tp, pp, cp, dp = reader.width("tp"), reader.width("pp"), runs.number("cp", 1.0), reader.replicas()
    batch, year = runs.number("global_batch"), reader.year
    whole = numpy.clip(numpy.floor(_TOKENS_AT_ONCE / runs.number("seq_len")), 1.0, batch / dp)
    accumulated = batch / (dp * runs.number("grad_accum"))
    usual = numpy.where(numpy.isnan(accumulated), numpy.where(pp > 1, 1.0, whole), accumulated)
    sharding = [word or ("zero1" if flag else "zero3") for word, flag in zip(reader.sharding, megatron, strict=True)]
    domain = numpy.array([chip.fabric.scaleup_domain for chip in chips], dtype=float)
    group = numpy.where([word == "hsdp" for word in sharding], numpy.minimum(domain, dp * cp), dp * cp)
    noted_sp = numpy.array([_number(notes.get("sp")) for notes in reader.notes], dtype=float)
    usual_sp = numpy.where(numpy.isnan(noted_sp), _as_float((year >= 2022) & megatron & (tp > 1)), noted_sp)
    fp8 = numpy.array(["fp8" in word for word in reader.precision], dtype=bool)
    return {
        "tp": tp,
        "sp": runs.number("sp", usual_sp),
        "pp": pp,
        "vpp": runs.number("vpp", _usual_interleave(runs, reader, pp)),
        "dp": dp,
        "cp": cp,
        "ep": runs.number("ep", 1.0),
        "etp": runs.number("etp", 1.0),
        "shard_params": _flag([word in ("zero3", "hsdp") for word in sharding]),
        "shard_grads": _flag([word in ("zero2", "zero3", "hsdp") for word in sharding]),
        "shard_optimizer": _flag([word != "none" for word in sharding]),
        "shard_group": numpy.minimum(runs.number("shard_group", group), dp * cp),
        "micro_batch": runs.number("micro_batch", usual),
        "global_batch": batch,
        "precision": numpy.array([words.PRECISIONS[word][0] for word in reader.precision], dtype=float),
        "fp8_params": runs.number("fp8_params", _as_float(megatron & (year >= 2024) & fp8)),
        "grad_bytes": _grad_bytes(runs, reader),
        "fused_gradients": _as_float(~reader.named("deepspeed|neox")),
        "framework": reader.stack.astype(float),
        "software_year": year,
        **_again(reader),
        **_overlaps(reader),
        **_software(runs, reader),
    }


def _software(runs: Runs, reader: _Reader) -> dict[str, numpy.ndarray]:
    """Return the fields of a case that follow from the software inputs."""
    moe, pure = runs.number("n_experts", 0.0) > 0, _pure(runs)
    rows = [
        software.fields(stack=int(stack), year=float(year), moe=bool(has), pure=bool(flag))
        for software, stack, year, has, flag in zip(reader.software, reader.stack, reader.year, moe, pure, strict=True)
    ]
    names = Software().fields(stack=codes.FRAMEWORK_MEGATRON, year=2025.0, moe=False)
    found = {name: numpy.array([row[name] for row in rows], dtype=float) for name in names}
    said = numpy.array([overlap is not None and "ep" in overlap for overlap in reader.overlap], dtype=bool)
    blank = numpy.array([not software.ep_overlap for software in reader.software], dtype=bool)
    # Beside whole parameters, states that are sharded are copies; elsewhere the master copy serves as the parameter.
    beside = numpy.array([word in ("zero1", "zero2") for word in reader.sharding], dtype=bool)
    return {
        **found,
        "overlap_ep": numpy.where(blank & said, 1.0, found["overlap_ep"]),
        "param_bytes": numpy.where(beside, 2.0, found["param_bytes"]),
    }


def _pure(runs: Runs) -> numpy.ndarray:
    """Tell where a precision says that all states are kept in 16 bit."""
    return numpy.array([bool(re.search("pure|true", word)) for word in runs.text("precision")], dtype=bool)


def _grad_bytes(runs: Runs, reader: _Reader) -> numpy.ndarray:
    recipes = reader.named("nemo|bridge|mlperf") & (reader.stack == codes.FRAMEWORK_MEGATRON) & (reader.year >= 2023)
    usual = numpy.where(_pure(runs) | recipes, 2.0, 4.0)
    said = [software.grad_dtype for software in reader.software]
    return numpy.array([{"bf16": 2.0, "fp32": 4.0}.get(word, blank) for word, blank in zip(said, usual, strict=True)])


def _again(reader: _Reader) -> dict[str, numpy.ndarray]:
    """Return the shares of a layer that are computed again, by part."""
    shares = []
    for word, stack, software in zip(reader.recompute, reader.stack, reader.software, strict=True):
        named = software.again() if word in ("", "selective") else None
        if named is not None:
            shares.append(tuple(named.values()))
            continue
        policy = word or ("full" if stack == codes.FRAMEWORK_XLA else "none")
        if policy == "selective" and stack != codes.FRAMEWORK_MEGATRON:
            policy = "selective by operation"
        shares.append(words.RECOMPUTED[policy])
    parts = numpy.array(shares, dtype=float).reshape(len(shares), len(words.PARTS_AGAIN)).T
    return dict(zip(words.PARTS_AGAIN, parts, strict=True))


def _overlaps(reader: _Reader) -> dict[str, numpy.ndarray]:
    """Return what is hidden: as said; where nobody says, what every framework hides, and no exchange of experts."""
    found = []
    for overlap, stack in zip(reader.overlap, reader.stack, strict=True):
        own = frozenset() if stack == codes.FRAMEWORK_FSDP else frozenset({"cp"})  # PyTorch's context parallelism waits
        found.append((frozenset({"tp", "dp", "pp"}) if overlap is None else overlap) | own)
    return {f"overlap_{axis}": _flag([axis in overlap for overlap in found]) for axis in ("tp", "dp", "pp", "cp")}


def _usual_interleave(runs: Runs, reader: _Reader, pp: numpy.ndarray) -> numpy.ndarray:
    plain = reader.named("deepspeed|neox") | (reader.year < 2021) | (pp == 1)
    return numpy.where(plain, 1.0, numpy.maximum(1.0, numpy.floor(runs.number("n_layers") / pp / 2)))


def _flag(values: list[bool]) -> numpy.ndarray:
    return numpy.array(values, dtype=float)


def _as_float(values: numpy.ndarray) -> numpy.ndarray:
    return values.astype(float)
