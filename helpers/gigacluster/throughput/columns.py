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
  sharding a scale-up domain, or as many as it takes for states to leave half of the memory;
- recompute: none, except in XLA frameworks, where a whole layer is the usual policy; ``selective`` is the core of
  attention in Megatron and every other matmul elsewhere, unless ``recompute_modules`` names what is computed again;
- framework: what its name tells; if that is not known, PyTorch FSDP with sharded parameters, otherwise Megatron;
- FFN: plain, four times as wide as the model, or as an expert; vocabulary: 51,200;
- attention kernel: unfused before late 2023 (a year earlier in MLPerf; before PyTorch 2.0 of spring 2023 in FSDP) and
  on chips before 2020, then the second generation, and the third on Hopper and Blackwell from mid 2024, in PyTorch FSDP
  a year later;
- gradients: 16 bit in NeMo, Megatron-Bridge and MLPerf since 2023, 32 bit elsewhere; parameters gathered in 8 bit in
  FP8 runs of Megatron since 2024; gradients added by kernels of their own in DeepSpeed and GPT-NeoX alone;
- DeepSpeed: 16-bit parameters and gradients beside the 32-bit master copy, 32-bit gradients for the update;
- optimizer: AdamW; without a fused kernel under trainers of Hugging Face before PyTorch 2.8;
- memory: what the chip has, or ``capacity_gib``, what a device said that it has;
- software of an MoE: what nobody says is absent, but for the recipes of Megatron since mid 2026 (:mod:`.software`);
- scale-up domain and scale-out rate: those of the chip's usual system; network: rails, and full bisection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy

from gigacluster import hardware
from gigacluster.hardware import Chip
from gigacluster.throughput import case as codes
from gigacluster.throughput import words
from gigacluster.throughput.case import Case, chip_fields
from gigacluster.throughput.rows import Reader, Runs, chips_of, contradictions_of
from gigacluster.throughput.software import Software
from gigacluster.transformer import layer_params
from gigacluster.units import BITS_PER_BYTE, GIB, GIGA

#: Tokens of a micro-batch where nobody published it and no pipeline asks for small ones.
_TOKENS_AT_ONCE = 16_384
#: Vocabulary where nobody published it: that of GPT-2, as Megatron pads it.
_USUAL_VOCAB = 51_200.0
#: Chips since then have fused kernels of attention.
_FUSED_SINCE = 2020
#: What trainers that are built on that of Hugging Face are called.
_TRAINERS = "transformers|hf trainer|llama-?factory|axolotl|trl"
#: Gradients that DeepSpeed's buffer holds, with whole parameters: its ``reduce_bucket_size`` (``deepspeed-code``).
_BUCKET_PARAMS = 5e8
#: PyTorch 2.8, from which on that trainer's AdamW is a fused kernel (``transformers-code``).
_FUSED_UPDATE_SINCE = 2025.6
#: Share of a chip's memory that leaves room for activations where states take it.
_ROOM_FOR_STATES = 0.5


@dataclass(frozen=True, kw_only=True)
class RunCases:
    """The runs that can be expressed, as one case, and what is to be said of all."""

    case: Case
    expressible: numpy.ndarray  # one flag a run; the arrays of ``case`` hold these runs only
    reasons: list[str]  # why a run cannot be expressed, empty where it can: one a run, as the next two
    contradictions: list[str]  # of these, what a run says against itself
    warnings: list[str]  # what was not read of a run that is expressed
    recompute_blank: numpy.ndarray  # one flag an expressible run: nobody says what is computed again
    memory_blank: numpy.ndarray  # the same: that, the micro-batch or a part of the plan is not told


def cases_of(columns: Mapping[str, Any] | Runs, chips: Mapping[str, Chip] | None = None) -> RunCases:
    """Turn columns of runs into one case, an element a run.

    Parameters
    ----------
    columns : As in ``data/training_runs.csv``; optional ones may be missing.
    chips : Further chips by name, before those of ``data/chips.csv``.

    Raises
    ------
    ValueError
        If no column is one of runs, or columns differ in length.
    """
    runs = columns if isinstance(columns, Runs) else Runs(columns)
    found, chip_faults, chip_notes = chips_of(runs, chips or {})
    reader = Reader(runs, found)
    contradictions = contradictions_of(runs, reader)
    reasons = [
        "; ".join(filter(None, [of_chip, *faults, missing, contradiction]))
        for of_chip, faults, missing, contradiction in zip(
            chip_faults, reader.faults, reader.missing, contradictions, strict=True
        )
    ]
    expressible = numpy.array([not reason for reason in reasons], dtype=bool)
    kept = runs.take(expressible)
    kept_chips = [chip for chip, flag in zip(found, expressible, strict=True) if flag]
    of_kept = Reader(kept, kept_chips)
    recompute_blank = (of_kept.recompute == "") & numpy.isin(of_kept.said("recompute_modules"), ["", "none"])
    batch_blank = numpy.isnan(kept.number("micro_batch", kept.number("grad_accum")))
    return RunCases(
        case=_case(kept, of_kept, [chip for chip in kept_chips if chip is not None]),
        expressible=expressible,
        reasons=reasons,
        contradictions=contradictions,
        warnings=["; ".join(filter(None, [of, *said])) for of, said in zip(chip_notes, reader.warnings, strict=True)],
        recompute_blank=recompute_blank,
        memory_blank=recompute_blank | batch_blank | (kept.number("plan_complete") == 0),
    )


def _case(runs: Runs, reader: Reader, chips: list[Chip]) -> Case:
    fields = {**_model(runs, reader, chips), **_hardware(runs, chips), **_plan(runs, reader, chips)}
    case = Case(**{name: numpy.asarray(values, dtype=float) for name, values in fields.items()})
    unsaid = (reader.sharding == "hsdp") & numpy.isnan(runs.number("shard_group"))
    return replace(case, shard_group=numpy.where(unsaid, _least_group(case), case.shard_group))


def _least_group(case: Case) -> Any:
    """Return the chips of the smallest group, a power of two of scale-up domains, in which sharded states have room."""
    part = layer_params(case)
    moe_layers = numpy.where(case.n_experts > 0, case.n_layers - case.n_dense_layers, 0.0)
    layers = case.n_layers * (part.attention + part.norms) + (case.n_layers - moe_layers) * part.dense_ffn
    experts = moe_layers * (part.shared_experts + part.router + part.routed_experts / case.ep)
    params = (layers + experts) / (case.tp * case.pp) + 2.0 * case.vocab * case.d_model / case.tp
    states = params * (case.param_bytes + case.grad_bytes + case.state_bytes)
    domain, replicas = case.scaleup_domain, case.dp * case.cp
    doublings = numpy.ceil(numpy.log2(states / (_ROOM_FOR_STATES * case.memory_bytes * domain)))
    return numpy.minimum(domain * 2.0 ** numpy.maximum(doublings, 0.0), replicas)


def _model(runs: Runs, reader: Reader, chips: list[Chip]) -> dict[str, Any]:
    heads, width = runs.number("n_heads"), runs.number("d_model")
    sizes = ("n_experts", "top_k", "d_ff_expert", "n_shared_experts", "n_dense_layers")
    moe = {name: runs.number(name, 0.0) for name in sizes}
    latent = {name: reader.noted(name, 0.0) for name in ("mla_q_rank", "mla_kv_rank", "mla_rope_dim", "mla_value_dim")}
    noted_head = reader.note("d_head")
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
        "ffn_gated": reader.activation == "gated",
        "vocab": runs.number("vocab", _USUAL_VOCAB),
        "seq_len": runs.number("seq_len"),
        "tied_embeddings": reader.noted("tied_embeddings", 0.0),
        **moe,
        "attention_window": window,
        "window_frac": runs.number("window_frac", share),
        **latent,
        "attention_kernel": [words.ATTENTION_KERNELS[word] for word in kernel],
        "qk_norm": reader.noted("qk_norm", 0.0),
        "attention_sinks": reader.noted("attention_sinks", 0.0),
        "attention_regressed": kernel == "cudnn_regressed",
    }


def _attention(reader: Reader, chips: list[Chip]) -> numpy.ndarray:
    """Return the kernel: as said, as noted, otherwise the usual one of the year, chip and framework."""
    year = numpy.where(reader.named("mlperf"), reader.year + 1.0, reader.year)  # tuned kernels come first there
    fsdp = reader.stack == codes.FRAMEWORK_FSDP
    chip_year = numpy.array([chip.available_on.year for chip in chips], dtype=int)
    nvidia = numpy.array([chip.vendor == "NVIDIA" for chip in chips], dtype=bool)
    fused = (year >= numpy.where(fsdp, 2023.25, 2023.75)) & (chip_year >= _FUSED_SINCE)
    third = fused & nvidia & (chip_year >= 2022) & (year >= numpy.where(fsdp, 2025.5, 2024.5))
    usual = numpy.where(third, "flash3", numpy.where(fused, "flash2", "unfused"))
    noted = numpy.array([notes.get("attention_backend", "") for notes in reader.notes], dtype=str)
    said = reader.said("attention_backend")
    return numpy.where(said != "", said, numpy.where(noted != "", noted, usual))


def _hardware(runs: Runs, chips: list[Chip]) -> dict[str, Any]:
    known = next(iter(hardware.chips().values()))
    usual = _stacked([chip_fields(chip, chip.fabric) for chip in chips], like=chip_fields(known, known.fabric))
    nic_bytes_per_s = runs.number("nic_gbps_per_chip") * GIGA / BITS_PER_BYTE
    return {
        **usual,
        "memory_bytes": runs.number("capacity_gib", usual["memory_bytes"] / GIB) * GIB,
        **{
            name: runs.number(name, usual[name])
            for name in ("scaleup_domain", "rails", "pod_chips", "oversubscription")
        },
        "nic_bytes_per_s": numpy.where(numpy.isnan(nic_bytes_per_s), usual["nic_bytes_per_s"], nic_bytes_per_s),
        "n_chips": runs.number("n_chips"),
    }


def _plan(runs: Runs, reader: Reader, chips: list[Chip]) -> dict[str, Any]:
    megatron = reader.stack == codes.FRAMEWORK_MEGATRON
    tp, pp, cp, dp = reader.width("tp"), reader.width("pp"), runs.number("cp", 1.0), reader.replicas()
    batch, year = runs.number("global_batch"), reader.year
    whole = numpy.clip(numpy.floor(_TOKENS_AT_ONCE / runs.number("seq_len")), 1.0, batch / dp)
    accumulated = batch / (dp * runs.number("grad_accum"))
    usual = numpy.where(numpy.isnan(accumulated), numpy.where(pp > 1, 1.0, whole), accumulated)
    sharding = numpy.where(reader.sharding == "", numpy.where(megatron, "zero1", "zero3"), reader.sharding)
    domain = numpy.array([chip.fabric.scaleup_domain for chip in chips], dtype=float)
    group = numpy.where(sharding == "hsdp", numpy.minimum(domain, dp * cp), dp * cp)
    fp8 = numpy.array(["fp8" in word for word in reader.precision], dtype=bool)
    return {
        "tp": tp,
        "sp": reader.noted("sp", (year >= 2022) & megatron & (tp > 1)),
        "pp": pp,
        "vpp": runs.number("vpp", _usual_interleave(runs, reader, pp)),
        "dp": dp,
        "cp": cp,
        "ep": runs.number("ep", 1.0),
        "etp": runs.number("etp", 1.0),
        "shard_params": numpy.isin(sharding, ["zero3", "hsdp"]),
        "shard_grads": numpy.isin(sharding, ["zero2", "zero3", "hsdp"]),
        "shard_optimizer": sharding != "none",
        "shard_group": numpy.minimum(runs.number("shard_group", group), dp * cp),
        "micro_batch": runs.number("micro_batch", usual),
        "global_batch": batch,
        "precision": [words.PRECISIONS[word][0] for word in reader.precision],
        "fp8_params": runs.number("fp8_params", megatron & (year >= 2024) & fp8),
        "grad_bytes": _grad_bytes(runs, reader),
        "fused_gradients": ~reader.named("deepspeed|neox"),
        "framework": reader.stack,
        "software_year": year,
        **_again(reader),
        **_overlaps(reader),
        **_software(runs, reader),
    }


def _software(runs: Runs, reader: Reader) -> dict[str, numpy.ndarray]:
    """Return the fields of a case that follow from the software inputs."""
    moe, pure = runs.number("n_experts", 0.0) > 0, _pure(runs)
    rows = [
        software.fields(stack=int(stack), year=float(year), moe=bool(has), pure=bool(flag))
        for software, stack, year, has, flag in zip(reader.software, reader.stack, reader.year, moe, pure, strict=True)
    ]
    found = _stacked(rows, like=Software().fields(stack=codes.FRAMEWORK_MEGATRON, year=2025.0, moe=False))
    said = numpy.array([overlap is not None and "ep" in overlap for overlap in reader.overlap], dtype=bool)
    # Beside whole parameters, states that are sharded are copies; elsewhere the master copy serves as the parameter,
    # but for DeepSpeed, which keeps 16-bit parameters and gradients, and copies these to 32 bit for the update.
    deepspeed = _deepspeed(reader)
    whole = numpy.isin(reader.sharding, ["zero1", "zero2"])
    beside = whole | deepspeed
    copied = deepspeed & (_grad_bytes(runs, reader) == 2.0)
    # The trainer of Hugging Face updates without a fused kernel unless asked for one, until PyTorch 2.8.
    unasked = (reader.said("optimizer") == "") & ~pure
    unfused = (deepspeed | reader.named(_TRAINERS)) & unasked & (reader.year < _FUSED_UPDATE_SINCE)
    # A policy that names offloading keeps on the host what it keeps.
    offloaded = numpy.array(["offload" in word for word in runs.text("recompute")], dtype=bool)
    offloaded = offloaded & (reader.said("activation_offload") == "")
    return {
        **found,
        "activation_offload": numpy.where(offloaded, runs.number("n_layers"), found["activation_offload"]),
        "overlap_ep": numpy.where((reader.said("ep_overlap") == "") & said, 1.0, found["overlap_ep"]),
        "param_bytes": numpy.where(beside, 2.0, found["param_bytes"]),
        "bucket_params": _BUCKET_PARAMS * (deepspeed & whole),
        "update_bytes": found["update_bytes"] + 4.0 * copied + 4.0 * unfused,
    }


def _deepspeed(reader: Reader) -> numpy.ndarray:
    """Tell where DeepSpeed itself shards the states, not Megatron under it."""
    found: numpy.ndarray = reader.named("deepspeed") & (reader.stack == codes.FRAMEWORK_FSDP)
    return found


def _pure(runs: Runs) -> numpy.ndarray:
    """Tell where a precision says that all states are kept in 16 bit."""
    return numpy.array([bool(re.search("pure|true", word)) for word in runs.text("precision")], dtype=bool)


def _grad_bytes(runs: Runs, reader: Reader) -> numpy.ndarray:
    recipes = reader.named("nemo|bridge|mlperf") & (reader.stack == codes.FRAMEWORK_MEGATRON) & (reader.year >= 2023)
    usual = numpy.where(_pure(runs) | recipes | _deepspeed(reader), 2.0, 4.0)
    said = reader.said("grad_dtype")
    return numpy.where(said == "bf16", 2.0, numpy.where(said == "fp32", 4.0, usual))


def _again(reader: Reader) -> dict[str, Any]:
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


def _overlaps(reader: Reader) -> dict[str, Any]:
    """Return what is hidden: as said; where nobody says, what every framework hides, and no exchange of experts."""
    found = []
    for overlap, stack in zip(reader.overlap, reader.stack, strict=True):
        own = frozenset() if stack == codes.FRAMEWORK_FSDP else frozenset({"cp"})  # PyTorch's context parallelism waits
        found.append((frozenset({"tp", "dp", "pp"}) if overlap is None else overlap) | own)
    return {f"overlap_{axis}": [axis in overlap for overlap in found] for axis in ("tp", "dp", "pp", "cp")}


def _usual_interleave(runs: Runs, reader: Reader, pp: numpy.ndarray) -> numpy.ndarray:
    plain = reader.named("deepspeed|neox") | (reader.year < 2021) | (pp == 1)
    return numpy.where(plain, 1.0, numpy.maximum(1.0, numpy.floor(runs.number("n_layers") / pp / 2)))


def _stacked(rows: list[dict[str, float]], like: Mapping[str, float]) -> dict[str, numpy.ndarray]:
    """Return records of numbers, one a run, as an array a name; there may be no runs."""
    return {name: numpy.array([row[name] for row in rows], dtype=float) for name in like}
