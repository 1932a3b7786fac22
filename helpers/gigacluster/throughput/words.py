"""The vocabulary: every word of a table of runs, of a :class:`Plan` and of the limits of a search, with its synonyms.

A word is one of these, or a listed synonym of one, or a fault with the words allowed. Each list holds the words of the
frameworks that print them: PyTorch FSDP, DeepSpeed, Megatron, MaxText, Hugging Face.
"""

from __future__ import annotations

import re

from gigacluster.names import Vocabulary, is_blank
from gigacluster.throughput import case as codes

#: What the parts of a step are called to a reader.
PART_NAMES = {
    "matmul_s": "matrix multiplications",
    "attention_s": "attention core",
    "memory_s": "norms, activations",
    "tensor_comm_s": "tensor-parallel traffic",
    "context_comm_s": "context-parallel traffic",
    "expert_comm_s": "expert traffic",
    "host_s": "launching, logging",
    "bubble_s": "pipeline bubble",
    "stage_transfer_s": "between stages",
    "parameter_comm_s": "gradients, parameters",
    "optimizer_s": "optimizer",
    "straggler_s": "stragglers",
}

SHARDING = Vocabulary(
    "sharding",
    {
        "none": "ddp; no_shard; no; no sharding; replicated",
        "zero1": "zero-1; stage 1; zero stage 1; distributed optimizer; dist_opt; use_distributed_optimizer; optim",
        "zero2": "zero-2; stage 2; zero stage 2; shard_grad_op; fsdp_grad_op; fsdp (zero2-like); fsdp (zero2); "
        "optim_grads",
        "zero3": "zero-3; stage 3; zero stage 3; fsdp; fsdp1; fsdp2; fsdp_full; full_shard; fully_shard; "
        "megatron-fsdp; mcore fsdp; fsdp (model+seq parallel); optim_grads_params",
        "hsdp": "hybrid_shard; hybrid; fsdp_full+dp; hybrid sharding",
    },
)

RECOMPUTE = Vocabulary(
    "recompute",
    {
        "none": "no; false; off; 0; no ac; everything_saveable",
        "selective": "selective ac; selective (op); op; sac; attention; core_attn; selective activation checkpointing",
        "full": "full ac; full activation checkpointing; gradient_checkpointing; activation_checkpointing; "
        "checkpointing; uniform; block; true; yes; on; 1; nothing_saveable; full recompute; layer; custom",
        "minimal": "save_dots; checkpoint_dots; dots_saveable; checkpoint_dots_with_no_batch_dims; minimal_offloaded; "
        "dots_with_no_batch_dims_saveable",
        "save_qkv_proj": "qkv_proj_offloaded; save_qkv; qkv_offloaded",
        "save_dot_except_mlpwi": "save_dot_except_logits_ffn1; save_dot_with_context_except_mlpwi",
        "save_dot_except_mlp": "save_dot_with_context_except_mlp; save_out_proj",
    },
)
#: Share of the forward pass that the backward pass computes again, by part of the layer: the core of attention, the
#: matmuls around it, those of the (dense or shared) FFN, of the experts, the norms, and the activation functions.
PARTS_AGAIN = ("again_core", "again_projections", "again_ffn", "again_experts", "again_norms", "again_activations")
RECOMPUTED: dict[str, tuple[float, ...]] = {
    "none": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "selective": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),  # Megatron: the core of attention
    "selective by operation": (0.0, 0.5, 0.5, 0.5, 1.0, 1.0),  # PyTorch: every other matmul is kept
    "full": (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "minimal": (1.0, 0.0, 0.0, 0.0, 1.0, 1.0),  # every matmul's output is kept
    "save_qkv_proj": (1.0, 0.4, 1.0, 1.0, 1.0, 1.0),
    "save_dot_except_mlpwi": (1.0, 0.0, 0.67, 0.67, 1.0, 1.0),
    "save_dot_except_mlp": (1.0, 0.0, 1.0, 1.0, 1.0, 1.0),
}

PRECISION = Vocabulary(
    "precision",
    {
        "bf16": "bfloat16; bf16_amp; amp_bf16; bf16_pure; bf16-mixed; bf16-true; bf16 mixed; pure bf16",
        "fp16": "float16; half; 16-mixed; fp16-mixed; fp16_amp",
        "fp8_ds": "fp8; float8; fp8_amp; fp8_delayed; fp8_hybrid; fp8 delayed scaling; fp8/int8; fp8_e4m3; amp_fp8",
        "fp8_cs": "fp8 current scaling; fp8 tensorwise; float8 tensorwise; tensorwise; fp8_or_fp4_unstated",
        "fp8_row": "fp8 rowwise; float8 rowwise; rowwise; float8_rowwise; fp8_rowwise",
        "mxfp8": "fp8_mx; fp8-mx; mx_fp8; mxfp8_e4m3; fp8_blockwise; fp8 block scaling; blockwise; fp8_block; fp8_sc",
        "nvfp4": "fp4; fp4_nv; nv_fp4; mxfp4",
        "int8": "int8_quantised_matmul (aqt)+bf16; aqt; int8 aqt",
    },
)
#: Name of a number format of the linear layers -> its code, and the peak rate that the chip must have.
PRECISIONS = {
    "bf16": (codes.PRECISION_BF16, "bf16"),
    "fp16": (codes.PRECISION_BF16, "bf16"),
    "fp8_ds": (codes.PRECISION_FP8_DELAYED, "fp8"),
    "fp8_cs": (codes.PRECISION_FP8_CURRENT, "fp8"),
    "fp8_row": (codes.PRECISION_FP8_ROW, "fp8"),
    "mxfp8": (codes.PRECISION_MXFP8, "fp8"),
    "nvfp4": (codes.PRECISION_NVFP4, "fp4"),
    "int8": (codes.PRECISION_INT8, "int8"),
}

#: Whether the activation function of the FFN is gated: three matrices instead of two.
ACTIVATION = Vocabulary(
    "ffn_act",
    {
        "gated": "swiglu; geglu; silu; swish; reglu; gated; glu; gelu_glu; gated_silu; gated_gelu",
        "plain": "gelu; relu; relu2; relu^2; squared_relu; gelu_new; gelu_fast; quick_gelu; two matrices",
    },
)

ATTENTION = Vocabulary(
    "attention_backend",
    {
        "unfused": "eager; no flashattention; no flash attention; math; naive; local",
        "flash1": "flashattention 1; flashattention (v1; flash attention v1; fa1; flashattention (v1, triton)",
        "flash2": "flashattention 2; flash attention 2; fa2; sdpa; flashattention v2; flexattention; splash; "
        " splash flash; tokamax splash; flash; flash attention; flashattention; xformers",
        "flash3": "flashattention 3; flash attention 3; fa3; flashattention v3; cudnn; te; fa4; "
        "fa4 cute; flashattention 4; flash_attention_4; transformer engine; te auto; fused",
        "cudnn_regressed": "cudnn-frontend 256",  # sinks under a release of cuDNN that lost its kernel for them
    },
)
ATTENTION_KERNELS = {
    "unfused": codes.ATTENTION_UNFUSED,
    "flash1": codes.ATTENTION_FLASH1,
    "flash2": codes.ATTENTION_FLASH2,
    "flash3": codes.ATTENTION_FLASH3,
    "cudnn_regressed": codes.ATTENTION_FLASH3,
}

#: Kinds of training framework, by the words that their names hold; the first that is found decides.
STACK = {
    codes.FRAMEWORK_XLA: "maxtext|jax|paxml|xla|google|neuron|levanter|mesh tf",
    codes.FRAMEWORK_FSDP: r"fsdp|zero-?3|torchtitan|titan|hf trainer|transformers|accelerate|lit-?gpt|composer|foundry"
    r"|torchtune|^deepspeed|trl|axolotl|nanogpt|nanochat|pytorch|open_lm|automodel|prime-rl|llama-recipes|ddp",
    codes.FRAMEWORK_MEGATRON: "megatron|nemo|nvidia|deepspeed|neox|mlperf|bridge|mcore|selene|meta internal"
    "|metaseq|habana",
}
_OVERLAPS = ("tp", "dp", "pp", "cp", "ep")


def stack_of(framework: str) -> int | None:
    """Return the code of the kind of framework that a name tells, or nothing.

    Examples
    --------
    >>> stack_of("MaxText (JAX/XLA)"), stack_of("Lit-GPT FSDP"), stack_of("NeMo 25.04"), stack_of("of my own")
    (2, 1, 0, None)
    """
    return next((code for code, words in STACK.items() if re.search(words, framework.lower())), None)


def software_year(framework: str, year: float, release: str = "") -> float:
    """Return the date of the software as a year: from its name or release if that is a date, else mid-year.

    Examples
    --------
    >>> software_year("NeMo 25.04", 2025), software_year("MLPerf Training v4.1 NVIDIA", 2024)
    (2025.25, 2024.75)
    >>> software_year("Levanter", 2025, release="marin, 2026-07-17"), software_year("NeMo", 2024)
    (2026.5, 2024.5)
    """
    for said in (framework, release):
        if found := re.search(r"\b(?:20)?(2\d)[.-](0[1-9]|1[0-2])\b", said):
            return 2000 + int(found[1]) + (int(found[2]) - 1) / 12
        if found := re.search(r"MLPerf\D*v(\d)\.(\d)", said):
            return 2020.25 + int(found[1]) + 0.5 * int(found[2])
    return year + 0.5


def overlaps(said: object) -> frozenset[str] | None:
    """Return which communications are hidden behind computation, or nothing where nobody said.

    Raises
    ------
    ValueError
        If a word is neither one of tp, dp, pp, cp, ep nor none.

    Examples
    --------
    >>> sorted(overlaps("tp,pp+dp")), overlaps("none"), overlaps("unknown")
    (['dp', 'pp', 'tp'], frozenset(), None)
    """
    if is_blank(said) or str(said).strip().lower() in ("xla", "auto", "default"):
        return None
    words = frozenset(re.split(r"[\s,+/|;]+", str(said).strip().lower())) - {""}
    if words == {"none"}:
        return frozenset()
    if words == {"all"}:
        return frozenset(_OVERLAPS)
    if strange := sorted(words - set(_OVERLAPS)):
        raise ValueError(f"unknown comm_overlap {', '.join(strange)!r}; use none, or some of: {', '.join(_OVERLAPS)}")
    return words


#: What notes on attention may say: a pattern, and the column it stands for with the value (group 1 where blank).
_NOTES: tuple[tuple[str, str, float | str | None], ...] = (
    (r"q_lora=(\d+)", "mla_q_rank", None),
    (r"\bkv_lora=(\d+)", "mla_kv_rank", None),
    (r"qk_nope=(\d+)", "d_head", None),
    (r"qk_rope=(\d+)", "mla_rope_dim", None),
    (r"v_head=(\d+)", "mla_value_dim", None),
    (r"\bmla\b", "", None),
    (r"(\d+):1 (?=local)", "window_ratio", None),
    (r"(?:sliding window |local\()(\d+)\)?(?: on the short layers)?(?: ?/ ?full)?", "attention_window", None),
    (
        r":?global attention|alternating|share not published|learned position embedding|alibi|parallel attn\+ffn",
        "",
        None,
    ),
    (r"qk[- ]norm", "qk_norm", 1.0),
    (r"attention sinks?", "attention_sinks", 1.0),
    (r"untied embeddings", "tied_embeddings", 0.0),
    (r"tied embeddings", "tied_embeddings", 1.0),
    (r"no flash ?attention|unfused|eager", "attention_backend", "unfused"),
    (r"flash ?attention \(v1, triton\)|flash ?attention[- ]?\(?v?1[^0-9.]*?(?:\)|$|,)", "attention_backend", "flash1"),
    (r"(?:flash ?attention|\bfa)[- ]?\(?v?2(?:\.\d+)?\)?", "attention_backend", "flash2"),
    (r"(?:flash ?attention|\bfa)[- ]?\(?v?[34](?:\.\d+)?\)?", "attention_backend", "flash3"),
    (r"no sequence parallel(?:ism)?", "sp", 0.0),
)


def attention_notes(said: object) -> tuple[dict[str, float | str], str]:
    """Return what notes on attention say, as columns with values, and what of them nobody could read.

    Examples
    --------
    >>> attention_notes("learned position embedding, tied embeddings, FlashAttention 2")
    ({'tied_embeddings': 1.0, 'attention_backend': 'flash2'}, '')
    >>> attention_notes("MLA q_lora=1536, of my own")[1]
    'of my own'
    """
    if is_blank(said):
        return {}, ""
    rest, found = str(said).lower(), dict[str, float | str]()
    for pattern, column, value in _NOTES:
        match = re.search(pattern, rest)
        if match is None:
            continue
        rest = re.sub(pattern, " ", rest)
        if column and column not in found:
            found[column] = float(match[1]) if value is None else value
    return found, " ".join(re.sub(r"[,;/()]", " ", rest).split())
