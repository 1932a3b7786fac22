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
from gigacluster.throughput.expressible import column, data_parallel, filled, plan_width, reasons_of
from gigacluster.throughput.inputs import Case
from gigacluster.throughput.words import precision_code, recompute_code, software_year
from gigacluster.units import BITS_PER_BYTE, GIB, GIGA, TERA

__all__ = ["RunCases", "cases_from_runs"]

#: Tokens of a micro-batch where nobody published it and no pipeline asks for small ones.
_TOKENS_AT_ONCE = 16_384
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
    reasons = reasons_of(table, chips)
    expressible = numpy.array([not reason for reason in reasons], dtype=bool)
    kept = table[expressible].reset_index(drop=True)
    case = Case(**_model(kept), **_hardware(kept, chips.set_index("chip")), **_plan(kept))
    return RunCases(case=case, expressible=expressible, reasons=reasons)


def _words(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series([""] * len(table), index=table.index, dtype=str)
    return table[name].fillna("").astype(str).str.lower()


def _model(table: pd.DataFrame) -> dict[str, Any]:
    notes = _words(table, "attn_notes")
    heads, width = column(table, "n_heads"), column(table, "d_model")
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
    head = filled(nope, filled(column(table, "d_head"), width / heads))
    window = notes.str.extract(r"(?:sliding window |local\()(\d+)")[0].astype(float).fillna(0.0).to_numpy()
    ratio = notes.str.extract(r"(\d+):1 local")[0].astype(float).to_numpy()
    activation = _words(table, "ffn_act").to_numpy()
    moe = {
        name: filled(column(table, name), 0.0)
        for name in ("n_experts", "top_k", "d_ff_expert", "n_shared_experts", "n_dense_layers")
    }
    return {
        "n_layers": column(table, "n_layers"),
        "d_model": width,
        "n_heads": heads,
        "n_kv_heads": filled(column(table, "n_kv_heads"), heads),
        "d_head": head,
        "d_ff": filled(column(table, "d_ff"), numpy.where(moe["d_ff_expert"] > 0, moe["d_ff_expert"], 4.0 * width)),
        "ffn_gated": numpy.isin(activation, ("swiglu", "geglu")).astype(float),
        "vocab": filled(column(table, "vocab"), _USUAL_VOCAB),
        "seq_len": column(table, "seq_len"),
        "tied_embeddings": notes.str.contains("tied embeddings").to_numpy().astype(float),
        **moe,
        "token_drop": _words(table, "notes").str.contains("tokendrop|token-drop|token drop").to_numpy().astype(float),
        "attention_window": window,
        "window_frac": numpy.where(window > 0, filled(ratio / (ratio + 1), 0.5), 0.0),
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
    years = filled(column(table, "year"), 2025.0)
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
    domain = filled(column(table, "scaleup_domain"), of_run["scaleup_domain"])
    nic = filled(column(table, "nic_gbps_per_chip"), of_run["scaleout_gbit_per_s"])
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
        "n_chips": column(table, "n_chips"),
    }


def _plan(table: pd.DataFrame) -> dict[str, Any]:
    framework = _framework(table)
    megatron, xla = framework == inputs.FRAMEWORK_MEGATRON, framework == inputs.FRAMEWORK_XLA
    year = _software_years(table)
    tp, pp = plan_width(table, "tp"), plan_width(table, "pp")
    cp = filled(column(table, "cp"), 1.0)
    dp = data_parallel(table)
    batch = column(table, "global_batch")
    accumulated = batch / (dp * column(table, "grad_accum"))
    whole = numpy.clip(numpy.floor(_TOKENS_AT_ONCE / column(table, "seq_len")), 1.0, batch / dp)
    usual = numpy.where(pp > 1, 1.0, whole)
    micro = filled(column(table, "micro_batch"), filled(accumulated, usual))
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
        "sp": filled(column(table, "sp"), ((year >= 2022) & megatron & (tp > 1)).astype(float)),
        "pp": pp,
        "vpp": filled(column(table, "vpp"), _usual_interleave(table, pp, year)),
        "dp": dp,
        "cp": cp,
        "ep": filled(column(table, "ep"), 1.0),
        "etp": filled(column(table, "etp"), numpy.where(_keeps_experts_whole(table), 1.0, tp)),
        "shard_params": shard_params.astype(float),
        "shard_grads": shard_grads.astype(float),
        "shard_optimizer": shard_optimizer.astype(float),
        "shard_group": numpy.minimum(filled(column(table, "shard_group"), dp * cp), dp * cp),
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
    return numpy.where(plain, 1.0, numpy.maximum(1.0, numpy.floor(column(table, "n_layers") / pp / 2)))
