"""Hugging Face configurations: from the keys of a ``config.json`` to the sizes of a transformer.

Only plain decoders are read: dense or with experts, with grouped, multi-query or latent attention. What a key says
otherwise, or what no key tells, is refused with the key's name.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

#: Keys of what is no plain decoder: state space layers, linear attention, indexed attention, widths by block.
_OUTSIDE = re.compile(
    r"mamba|ssm|linear_(key|value|num|conv)|conv_kernel|hybrid|index_|block_configs|full_attention_interval"
)
#: Names of one size in different families.
_NAMES = {
    "n_layers": ("num_hidden_layers", "n_layer"),
    "d_model": ("hidden_size", "n_embd"),
    "n_heads": ("num_attention_heads", "n_head"),
    "n_kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "d_head": ("head_dim",),
    "d_ff": ("intermediate_size", "n_inner"),
    "vocab": ("vocab_size",),
    "n_experts": ("num_experts", "num_local_experts", "n_routed_experts"),
    "top_k": ("num_experts_per_tok", "experts_per_token"),
    "d_ff_expert": ("moe_intermediate_size",),
    "n_shared_experts": ("n_shared_experts",),
    "n_dense_layers": ("first_k_dense_replace",),
    "mla_q_rank": ("q_lora_rank",),
    "mla_kv_rank": ("kv_lora_rank",),
    "mla_rope_dim": ("qk_rope_head_dim",),
    "mla_value_dim": ("v_head_dim",),
}
_NEEDED = ("n_layers", "d_model", "n_heads", "vocab")
#: Largest size that is taken for one.
_MOST = 1e9
#: Families whose FFN has two matrices; all others that are known have three.
_TWO_MATRICES = {
    "gpt2", "gpt_neox", "phi", "phi-msft", "falcon", "apertus", "opt", "gptj", "bloom", "nemotron", "starcoder2",
}  # fmt: skip
_GATED_ACTIVATIONS = {"silu", "swish", "swiglu", "geglu"}
_GATED_FAMILIES = {"gemma", "gemma2", "gemma3_text", "gemma3"}
#: Families that tie the output head to the embedding unless they say otherwise.
_TIED = {"gpt2", "gemma", "gemma2", "gemma3_text", "gemma3", "falcon", "bloom"}


def sizes_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a :class:`~gigacluster.transformer.Transformer` that a configuration says.

    Raises
    ------
    ValueError
        If the model is no plain decoder, or a size is missing: the message names the keys.
    """
    if isinstance(config.get("text_config"), Mapping):  # the text stack of a model of several senses
        inner = config["text_config"]
        config = {**inner, "model_type": inner.get("model_type", config.get("model_type"))}
    kind = str(config.get("model_type", ""))
    if kind == "" and "Grok1ForCausalLM" in (config.get("architectures") or []):
        kind = "grok"
    _refuse(config)
    found = {field: _first(config, names) for field, names in _NAMES.items()}
    if missing := [field for field in _NEEDED if found[field] is None]:
        keys = "; ".join(" or ".join(_NAMES[field]) for field in missing)
        raise ValueError(f"the configuration lacks {keys}: is it the config.json of a decoder?")
    sizes: dict[str, Any] = {field: _whole(found, field, _NAMES[field]) for field in found}
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        sizes["n_kv_heads"] = 1
    sizes["n_kv_heads"] = sizes["n_kv_heads"] or sizes["n_heads"]
    sizes["d_head"] = int(config.get("qk_nope_head_dim") or sizes["d_head"] or sizes["d_model"] // sizes["n_heads"])
    sizes["d_ff"] = sizes["d_ff"] or 4 * sizes["d_model"]
    sizes["ffn_gated"] = _gated(config, kind)
    sizes["tied_embeddings"] = bool(config.get("tie_word_embeddings", kind in _TIED))
    _experts(config, kind, sizes)
    sizes["attention_window"], sizes["window_frac"] = _window(config, kind, sizes["n_layers"])
    sizes["attention_sinks"] = kind == "gpt_oss"
    further, of_expert = _vectors(config, kind, sizes)
    moe_layers = sizes["n_layers"] - sizes["n_dense_layers"] if sizes["n_experts"] else 0
    sizes["further_params"] = further + moe_layers * sizes["n_experts"] * of_expert
    sizes["further_active_params"] = further + moe_layers * sizes["top_k"] * of_expert
    return sizes


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((config[name] for name in names if config.get(name) is not None), None)


def _whole(found: Mapping[str, Any], field: str, names: tuple[str, ...]) -> int:
    """Return a size; 0 where it is not given."""
    value = 0 if found[field] is None else found[field]
    least = 1 if field in _NEEDED else 0
    with contextlib.suppress(TypeError, ValueError):
        if not isinstance(value, bool) and least <= float(value) <= _MOST and float(value) == int(float(value)):
            return int(float(value))
    raise ValueError(f"{' or '.join(names)} must be a whole number, at least {least}, got {value!r}")


def _refuse(config: Mapping[str, Any]) -> None:
    """Raise where a key says that the model is no plain decoder."""
    keys = sorted(
        key for key, value in config.items() if _OUTSIDE.search(str(key)) and value not in (None, False, 0, [])
    )
    if keys:
        raise ValueError(
            f"{', '.join(keys)}: hybrids with state space, linear or indexed attention and models with widths by block "
            "are outside; give the sizes to Transformer(...) yourself if a plain decoder comes near"
        )
    if config.get("is_encoder_decoder"):
        raise ValueError("is_encoder_decoder: models with an encoder are outside: use a plain decoder")
    uneven = {"mlp_only_layers": [], "decoder_sparse_step": 1, "moe_layer_freq": 1, "interleave_moe_layer_step": 1}
    for key, plain in uneven.items():
        if config.get(key, plain) not in (plain, None):
            raise ValueError(
                f"{key} = {config[key]!r}: experts in some layers only are outside, but for dense ones in front"
            )


def _gated(config: Mapping[str, Any], kind: str) -> bool:
    """Tell whether the FFN has three matrices: by family, otherwise by the activation function."""
    if kind in _TWO_MATRICES:
        return False
    said = _first(config, ("hidden_activation", "hidden_act", "activation_function", "mlp_hidden_act"))
    if kind in _GATED_FAMILIES or kind == "grok" or str(said).lower() in _GATED_ACTIVATIONS:
        return True
    raise ValueError(
        f"model_type {kind!r} with activation {said!r}: has its FFN two matrices or three? Give ffn_gated to "
        "Transformer(...)"
    )


def _experts(config: Mapping[str, Any], kind: str, sizes: dict[str, Any]) -> None:
    """Set the sizes of the experts: in some families ``intermediate_size`` is the width of one."""
    if not sizes["n_experts"]:
        return
    if kind == "llama4_text":
        sizes["d_ff_expert"], sizes["n_shared_experts"] = sizes["d_ff"], 1
        sizes["d_ff"] = int(config.get("intermediate_size_mlp") or sizes["d_ff"])
    sizes["d_ff_expert"] = sizes["d_ff_expert"] or sizes["d_ff"]
    if config.get("residual_moe"):  # a dense FFN beside the experts, in widths of an expert
        if sizes["d_ff"] % sizes["d_ff_expert"]:
            raise ValueError("residual_moe: intermediate_size is no multiple of moe_intermediate_size")
        sizes["n_shared_experts"] = sizes["d_ff"] // sizes["d_ff_expert"]


def _window(config: Mapping[str, Any], kind: str, n_layers: int) -> tuple[int, float]:
    """Return the length of sliding windows and the share of layers that have one."""
    window = _whole(config, "sliding_window", ("sliding_window",)) if "sliding_window" in config else 0
    layers = config.get("layer_types")
    if not window or config.get("use_sliding_window") is False:
        return 0, 0.0
    if isinstance(layers, list):
        if len(layers) != n_layers:
            raise ValueError(f"layer_types has {len(layers)} entries for {n_layers} layers")
        return window, sum("sliding" in str(layer) for layer in layers) / n_layers
    if pattern := int(config.get("sliding_window_pattern") or 0):
        return window, (n_layers - n_layers // pattern) / n_layers
    return window, 0.5 if kind == "gemma2" else 1.0


def _vectors(config: Mapping[str, Any], kind: str, s: Mapping[str, Any]) -> tuple[int, int]:
    """Return the parameters beyond matrices and two norms a layer, and those of one expert: biases, further norms."""
    layers, width, ff, head = s["n_layers"], s["d_model"], s["d_ff"], s["d_head"]
    queries, keys = s["n_heads"] * head, s["n_kv_heads"] * head
    moe_layers = layers - s["n_dense_layers"]
    qkv_bias = queries + 2 * keys
    corrected = moe_layers * s["n_experts"]  # a correction bias of the router for each expert
    with_biases = qkv_bias + width + ff + width  # of attention and of an FFN of two matrices
    if kind in ("gpt2", "gpt_neox"):
        positions = int(config.get("n_positions") or 0) * width if kind == "gpt2" else 0
        return layers * (with_biases + 2 * width) + width + positions, 0
    if kind in ("phi", "phi-msft"):  # one norm a layer, with a bias; the head has one too
        return layers * with_biases + width + s["vocab"], 0
    if kind == "gpt_oss":
        attention = layers * (qkv_bias + width + s["n_heads"])  # with a sink a head
        return attention + moe_layers * s["n_experts"], 2 * s["d_ff_expert"] + width
    norms = {
        "falcon": width,
        "qwen2": layers * qkv_bias,
        "qwen3": layers * 2 * head,
        "qwen3_moe": layers * 2 * head,
        "gemma2": layers * 2 * width,
        "gemma3_text": layers * 2 * (width + head),
        "olmo2": layers * (queries + keys),
        "olmo3": layers * (queries + keys),
        "deepseek_v2": layers * (s["mla_kv_rank"] + s["mla_q_rank"]),
        "deepseek_v3": layers * (s["mla_kv_rank"] + s["mla_q_rank"]) + corrected,
        "glm4_moe": layers * (qkv_bias + 2 * head * bool(config.get("use_qk_norm"))) + corrected,
        "minimax_m2": layers * (queries + keys) + corrected,
        "apertus": layers * (2 * head + 2),
        "grok": layers * 2 * width,
    }
    return norms.get(kind, layers * qkv_bias * bool(config.get("attention_bias"))), 0
