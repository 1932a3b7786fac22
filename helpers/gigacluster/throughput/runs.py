"""From a table of runs to a :class:`Case`: words become codes, blanks are filled by stated rules, faults get reasons.

The rules for what a source did not publish:

- micro-batch: the batch of a replica over its gradient accumulation steps where those are known; otherwise 1 in a
  pipeline, and as many sequences as 16,384 tokens hold without one;
- virtual stages: 1 without a pipeline, in DeepSpeed and GPT-NeoX and before 2021; otherwise chunks of two layers, the
  median of the published interleaved configurations;
- recompute: ``unknown`` counts as none, except in XLA frameworks, where a whole layer is the usual policy; a named XLA
  policy that saves matmuls counts as selective, ``custom`` as full;
- sequence parallel: with tensor parallel in Megatron since 2022, otherwise absent;
- data parallel: chips over (tensor x pipeline x context); expert and context parallel: 1;
- width of the FFN: four times that of the model, or that of an expert; vocabulary: 51,200;
- tensor and pipeline parallel: 1, if the table says that the plan is complete;
- expert tensor parallel: Megatron's default, the tensor-parallel width, except in Megatron-Bridge, whose recipes set 1;
- attention kernel: as noted; otherwise unfused before late 2023 (a year earlier in MLPerf), then the second generation,
  and the third from mid 2024 on Hopper and Blackwell outside PyTorch FSDP;
- gradients are reduced in 16 bit in Megatron since 2023, and parameters gathered in 8 bit in FP8 runs since 2024;
- gradients are added by kernels of their own in DeepSpeed and GPT-NeoX, elsewhere by the matmuls;
- sharding: the optimizer state, in Megatron; everything, in FSDP and XLA frameworks;
- scale-out rate: that of the chip's usual system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import pandas as pd

from gigacluster.throughput import inputs
from gigacluster.throughput.ceiling import matmul_ceiling_flop_per_s
from gigacluster.throughput.inputs import Case
from gigacluster.throughput.words import precision_code, recompute_code, software_year
from gigacluster.units import BITS_PER_BYTE, GIB, GIGA, TERA

__all__ = ["RunCases", "cases_from_runs"]

#: Tokens of a micro-batch where nobody published it and no pipeline asks for small ones.
_TOKENS_AT_ONCE = 16_384
_NEEDED = ("n_layers", "d_model", "n_heads", "seq_len", "n_chips", "global_batch", "tp", "pp")
_EIGHT_BIT = (
    inputs.PRECISION_FP8_DELAYED,
    inputs.PRECISION_FP8_CURRENT,
    inputs.PRECISION_MXFP8,
    inputs.PRECISION_INT8,
)
_NEEDED_OF_EXPERTS = ("top_k", "d_ff_expert")
#: Vocabulary where nobody published it: that of GPT-2, as Megatron pads it.
_USUAL_VOCAB = 51_200.0


@dataclass(frozen=True, kw_only=True)
class RunCases:
    """The runs that can be expressed, as one case, and why the others cannot."""

    case: Case
    expressible: numpy.ndarray  # one flag a run; the arrays of ``case`` hold these runs only
    reasons: list[str]  # one a run, empty where expressible


def cases_from_runs(runs: pd.DataFrame, chips: pd.DataFrame) -> RunCases:
    """Turn a table in the form of ``training_runs.csv`` into one case, an element a run.

    Parameters
    ----------
    runs : DataFrame
        Columns of ``data/training_runs.csv``; optional ones may be missing.
    chips : DataFrame
        Columns of ``data/chips.csv``.
    """
    table = runs.reset_index(drop=True)
    reasons = _reasons(table, chips)
    expressible = numpy.array([not reason for reason in reasons], dtype=bool)
    kept = table[expressible].reset_index(drop=True)
    case = Case(**_model(kept), **_hardware(kept, chips.set_index("chip")), **_plan(kept))
    return RunCases(case=case, expressible=expressible, reasons=reasons)


def _column(table: pd.DataFrame, name: str) -> numpy.ndarray:
    if name not in table:
        return numpy.full(len(table), numpy.nan)
    return pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=numpy.float64)


def _words(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series([""] * len(table), index=table.index, dtype=str)
    return table[name].fillna("").astype(str).str.lower()


def _filled(values: numpy.ndarray, instead: Any) -> numpy.ndarray:
    return numpy.where(numpy.isnan(values), instead, values)


def _reasons(table: pd.DataFrame, chips: pd.DataFrame) -> list[str]:
    """Say of every run why it cannot be expressed, or nothing."""
    numbers = {name: _column(table, name) for name in (*_NEEDED, *_NEEDED_OF_EXPERTS, "cp", "ep", "micro_batch")}
    numbers |= {
        "tp": _width(table, "tp"),
        "pp": _width(table, "pp"),
        "n_experts": _filled(_column(table, "n_experts"), 0),
    }
    replicas = _data_parallel(table)
    shape = numbers["tp"] * numbers["pp"] * _filled(numbers["cp"], 1.0) * replicas
    known_chips = set(chips["chip"])
    no_byte = set(chips["chip"][chips["fp8_tflops"].isna() & chips["int8_tops"].isna()])
    lacking = dict.fromkeys(_EIGHT_BIT, no_byte)
    lacking[inputs.PRECISION_NVFP4] = set(chips["chip"][chips["fp4_tflops"].isna()])
    reasons = []
    for index, row in enumerate(table.itertuples()):
        needed = _NEEDED + (_NEEDED_OF_EXPERTS if numbers["n_experts"][index] > 0 else ())
        missing = [name for name in needed if not numbers[name][index] > 0]
        n_chips, dp = numbers["n_chips"][index], replicas[index]
        batch, micro = numbers["global_batch"][index], numbers["micro_batch"][index]
        precision = str(getattr(row, "precision", ""))
        if row.chip not in known_chips:
            reason = f"chip {row.chip!r} is not in data/chips.csv; add it there"
        elif precision_code(precision) < 0:
            reason = f"precision {precision!r} is unknown; use bf16, fp16, fp8_ds, fp8_cs, mxfp8, nvfp4 or int8"
        elif missing:
            reason = f"{', '.join(missing)} must be positive and known"
        elif str(row.chip) in lacking.get(precision_code(precision), ()):
            reason = f"chip {row.chip!r} has no published rate for precision {precision!r}; use bf16"
        elif not abs(shape[index] / n_chips - 1) < 1e-6:
            reason = f"tp*pp*cp*dp = {shape[index]:g} is not n_chips = {n_chips:g}"
        elif batch < dp * _filled(micro, 1.0) * (1 - 1e-9):
            reason = f"global_batch {batch:g} is less than dp*micro_batch = {dp * _filled(micro, 1.0):g}"
        elif numbers["n_layers"][index] < numbers["pp"][index]:
            reason = f"{numbers['n_layers'][index]:g} layers do not fill {numbers['pp'][index]:g} pipeline stages"
        elif numbers["ep"][index] > max(numbers["n_experts"][index], 1):
            reason = f"ep = {numbers['ep'][index]:g} is more than the {numbers['n_experts'][index]:g} experts"
        else:
            reason = ""
        reasons.append(reason)
    return reasons


def _width(table: pd.DataFrame, axis: str) -> numpy.ndarray:
    """Return the tensor or pipeline width: 1 where it is blank in a plan said to be complete."""
    return _filled(_column(table, axis), numpy.where(_column(table, "plan_complete") == 1, 1.0, numpy.nan))


def _data_parallel(table: pd.DataFrame) -> numpy.ndarray:
    width = _width(table, "tp") * _width(table, "pp") * _filled(_column(table, "cp"), 1.0)
    return _filled(_column(table, "dp"), _column(table, "n_chips") / width)


def _model(table: pd.DataFrame) -> dict[str, Any]:
    notes = _words(table, "attn_notes")
    heads, width = _column(table, "n_heads"), _column(table, "d_model")
    latent = {
        field: notes.str.extract(rf"{word}=(\d+)")[0].astype(float).fillna(0.0).to_numpy()
        for field, word in (
            ("mla_q_rank", "q_lora"),
            ("mla_kv_rank", "kv_lora"),
            ("mla_rope_dim", "qk_rope"),
            ("mla_value_dim", "v_head"),
        )
    }
    nope = notes.str.extract(r"qk_nope=(\d+)")[0].astype(float).to_numpy()
    head = _filled(nope, _filled(_column(table, "d_head"), width / heads))
    window = notes.str.extract(r"(?:sliding window |local\()(\d+)")[0].astype(float).fillna(0.0).to_numpy()
    ratio = notes.str.extract(r"(\d+):1 local")[0].astype(float).to_numpy()
    activation = _words(table, "ffn_act").to_numpy()
    moe = {
        name: _filled(_column(table, name), 0.0)
        for name in ("n_experts", "top_k", "d_ff_expert", "n_shared_experts", "n_dense_layers")
    }
    return {
        "n_layers": _column(table, "n_layers"),
        "d_model": width,
        "n_heads": heads,
        "n_kv_heads": _filled(_column(table, "n_kv_heads"), heads),
        "d_head": head,
        "d_ff": _filled(_column(table, "d_ff"), numpy.where(moe["d_ff_expert"] > 0, moe["d_ff_expert"], 4.0 * width)),
        "ffn_gated": numpy.isin(activation, ("swiglu", "geglu")).astype(float),
        "vocab": _filled(_column(table, "vocab"), _USUAL_VOCAB),
        "seq_len": _column(table, "seq_len"),
        "tied_embeddings": notes.str.contains("tied embeddings").to_numpy().astype(float),
        **moe,
        "token_drop": _words(table, "notes").str.contains("tokendrop|token-drop|token drop").to_numpy().astype(float),
        "attention_window": window,
        "window_frac": numpy.where(window > 0, _filled(ratio / (ratio + 1), 0.5), 0.0),
        **latent,
        "attention_kernel": _attention_kernel(table, notes),
    }


def _attention_kernel(table: pd.DataFrame, notes: pd.Series) -> numpy.ndarray:
    """Take the kernel from the notes, otherwise the usual one of the year and chip."""
    year = _software_years(table)
    year = numpy.where(_words(table, "framework").str.contains("mlperf"), year + 1, year)  # tuned kernels come first
    made_for = _words(table, "chip").str.match(r"g?[hb]\d").to_numpy()  # Hopper and Blackwell
    made_for = made_for & (_framework(table) != inputs.FRAMEWORK_FSDP)  # PyTorch's own attention stayed with the second
    usual = numpy.select(
        [year < 2023.75, (year < 2024.5) | ~made_for],
        [inputs.ATTENTION_UNFUSED, inputs.ATTENTION_FLASH2],
        inputs.ATTENTION_FLASH3,
    )
    said = [notes.str.contains(r"no flashattention|unfused"), notes.str.contains(r"flashattention \(v1")]
    codes = [inputs.ATTENTION_UNFUSED, inputs.ATTENTION_FLASH1]
    return numpy.select([flag.to_numpy() for flag in said], codes, usual).astype(float)


def _software_years(table: pd.DataFrame) -> numpy.ndarray:
    frameworks = table["framework"].fillna("") if "framework" in table else [""] * len(table)
    years = _filled(_column(table, "year"), 2025.0)
    return numpy.array([software_year(str(f), float(y)) for f, y in zip(frameworks, years, strict=True)], dtype=float)


def _hardware(table: pd.DataFrame, chips: pd.DataFrame) -> dict[str, Any]:
    of_run = chips.loc[table["chip"]].reset_index(drop=True)
    rates = {
        name: of_run[column].to_numpy(dtype=float) * TERA
        for name, column in (("fp4", "fp4_tflops"), ("bf16_gemm", "mamf_bf16_tflops"), ("fp8_gemm", "mamf_fp8_tflops"))
    }
    half = of_run["bf16_tflops"].fillna(of_run["fp16_tflops"]).to_numpy(dtype=float) * TERA
    byte = of_run["fp8_tflops"].fillna(of_run["int8_tops"]).to_numpy(dtype=float) * TERA
    processors = of_run["n_processors"].to_numpy(dtype=float)
    kind = {
        "peak_bf16_flop_per_s": half,
        "peak_fp4_flop_per_s": rates["fp4"],
        "tdp_w": of_run["tdp_w"].to_numpy(dtype=float),
        "n_processors": processors,
    }
    domain = _filled(_column(table, "scaleup_domain"), of_run["scaleup_domain"])
    nic = _filled(_column(table, "nic_gbps_per_chip"), of_run["scaleout_gbit_per_s"])
    return {
        "peak_bf16_flop_per_s": half,
        "peak_fp8_flop_per_s": byte,
        "peak_fp4_flop_per_s": rates["fp4"],
        "gemm_bf16_flop_per_s": matmul_ceiling_flop_per_s(rates["bf16_gemm"], half, **kind),
        "gemm_fp8_flop_per_s": matmul_ceiling_flop_per_s(rates["fp8_gemm"], byte, **kind),
        "memory_bytes": of_run["usable_memory_gib"].fillna(of_run["memory_gib"]).to_numpy(dtype=float) * GIB,
        "memory_bytes_per_s": of_run["memory_gb_per_s"].to_numpy(dtype=float) * GIGA,
        "scaleup_bytes_per_s": of_run["scaleup_gb_per_s"].to_numpy(dtype=float) * GIGA,
        "scaleup_domain": domain,
        "nic_bytes_per_s": nic * GIGA / BITS_PER_BYTE,
        "n_processors": processors,
        "n_chips": _column(table, "n_chips"),
    }


def _plan(table: pd.DataFrame) -> dict[str, Any]:
    framework = _framework(table)
    megatron, xla = framework == inputs.FRAMEWORK_MEGATRON, framework == inputs.FRAMEWORK_XLA
    year = _software_years(table)
    tp, pp = _width(table, "tp"), _width(table, "pp")
    cp = _filled(_column(table, "cp"), 1.0)
    dp = _data_parallel(table)
    batch = _column(table, "global_batch")
    accumulated = batch / (dp * _column(table, "grad_accum"))
    whole = numpy.clip(numpy.floor(_TOKENS_AT_ONCE / _column(table, "seq_len")), 1.0, batch / dp)
    usual = numpy.where(pp > 1, 1.0, whole)
    micro = _filled(_column(table, "micro_batch"), _filled(accumulated, usual))
    sharding = _words(table, "shard_strategy")
    blank = (sharding == "").to_numpy()
    shard_params = (sharding.str.contains(r"fsdp_full|zero3|hsdp|fsdp \(model").to_numpy()) | (blank & ~megatron)
    shard_grads = shard_params | sharding.str.contains(r"zero2|fsdp").to_numpy()
    shard_optimizer = shard_grads | sharding.str.contains("zero1").to_numpy() | blank
    overlap = _words(table, "comm_overlap")
    unsaid = overlap.isin(["", "unknown", "xla"]).to_numpy()
    precision = _words(table, "precision")
    return {
        "tp": tp,
        "sp": _filled(_column(table, "sp"), ((year >= 2022) & megatron & (tp > 1)).astype(float)),
        "pp": pp,
        "vpp": _filled(_column(table, "vpp"), _usual_interleave(table, pp, year)),
        "dp": dp,
        "cp": cp,
        "ep": _filled(_column(table, "ep"), 1.0),
        "etp": _filled(_column(table, "etp"), numpy.where(_keeps_experts_whole(table), 1.0, tp)),
        "shard_params": shard_params.astype(float),
        "shard_grads": shard_grads.astype(float),
        "shard_optimizer": shard_optimizer.astype(float),
        "shard_group": numpy.minimum(_filled(_column(table, "shard_group"), dp * cp), dp * cp),
        "micro_batch": micro,
        "global_batch": batch,
        "precision": numpy.array([precision_code(name) for name in precision], dtype=float),
        "fp8_params": (megatron & (year >= 2024) & precision.str.contains("fp8").to_numpy()).astype(float),
        "grad_bytes": numpy.where(precision.str.contains("pure") | (megatron & (year >= 2023)), 2.0, 4.0),
        "fused_gradients": (~_words(table, "framework").str.contains("deepspeed|neox")).to_numpy().astype(float),
        "recompute": numpy.array(
            [recompute_code(name, xla=bool(flag)) for name, flag in zip(_words(table, "recompute"), xla, strict=True)],
            dtype=float,
        ),
        "overlap_tp": (overlap.str.contains("tp").to_numpy() | unsaid).astype(float),
        "overlap_dp": (overlap.str.contains("dp").to_numpy() | unsaid).astype(float),
        "overlap_pp": (overlap.str.contains("pp").to_numpy() | unsaid).astype(float),
        "framework": framework.astype(float),
        "software_year": year,
    }


def _framework(table: pd.DataFrame) -> numpy.ndarray:
    said = _words(table, "framework") + " " + _words(table, "notes")
    xla = said.str.contains("maxtext|jax|paxml|xla|google|neuron").to_numpy()
    fsdp = _words(table, "framework").str.contains("fsdp|zero-3|torchtitan").to_numpy()
    return numpy.select([xla, fsdp], [inputs.FRAMEWORK_XLA, inputs.FRAMEWORK_FSDP], inputs.FRAMEWORK_MEGATRON)


def _keeps_experts_whole(table: pd.DataFrame) -> numpy.ndarray:
    """Tell where recipes leave experts whole; Megatron's default splits them like the rest of the layer."""
    return _words(table, "framework").str.contains("bridge").to_numpy()


def _usual_interleave(table: pd.DataFrame, pp: numpy.ndarray, year: numpy.ndarray) -> numpy.ndarray:
    plain = _words(table, "framework").str.contains("deepspeed|neox").to_numpy() | (year < 2021) | (pp == 1)
    return numpy.where(plain, 1.0, numpy.maximum(1.0, numpy.floor(_column(table, "n_layers") / pp / 2)))
