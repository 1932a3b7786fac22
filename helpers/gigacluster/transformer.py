"""Model shapes: from the sizes of a transformer to its parameters, floating-point operations and bytes.

Dense and mixture-of-experts (MoE) decoders, with grouped-query or multi-head latent attention (MLA). The functions take
any object with the fields of :class:`Transformer`, numbers or arrays, so that one shape and a million shapes are
counted by the same code.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gigacluster import configuration, tables
from gigacluster.arrays import Array, Samples, as_common
from gigacluster.names import normal, outside_model

#: Sizes that only the count of parameters needs.
_COUNTED = ("further_params", "further_active_params")
#: Sizes that no model is without.
_AT_LEAST_1 = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_head", "vocab")
#: Sizes that decide how many weights a layer has.
_OF_LAYER = (
    "d_model", "n_heads", "n_kv_heads", "d_head", "d_ff", "ffn_gated", "n_experts", "top_k", "d_ff_expert",
    "n_shared_experts", "mla_q_rank", "mla_kv_rank", "mla_rope_dim", "mla_value_dim",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerParams:
    """Weights of one layer by part, without biases; an array each, in parameters."""

    attention: Any
    dense_ffn: Any
    routed_experts: Any  # all experts of one MoE layer that tokens are routed to
    active_experts: Any  # those of them that one token meets
    shared_experts: Any
    router: Any
    norms: Any


def layer_params(shape: Any) -> LayerParams:
    """Count the weights of one layer, part by part.

    Parameters
    ----------
    shape : object with the model fields of :class:`Transformer`
        Numbers or broadcastable arrays of one library.

    Notes
    -----
    MLA: queries and keys-values go through low-rank projections (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1).
    """
    xp, sizes = as_common(*(getattr(shape, name) for name in _OF_LAYER))
    s = SimpleNamespace(**dict(zip(_OF_LAYER, sizes, strict=True)))
    grouped = s.d_model * s.d_head * (2.0 * s.n_heads + 2.0 * s.n_kv_heads)
    key, q_rank, kv_rank = s.n_heads * (s.d_head + s.mla_rope_dim), s.mla_q_rank, s.mla_kv_rank
    query = xp.where(q_rank > 0, q_rank * (s.d_model + key), s.d_model * key)
    value = s.n_heads * s.mla_value_dim * s.d_model
    latent = query + s.d_model * (kv_rank + s.mla_rope_dim) + kv_rank * s.n_heads * (s.d_head + s.mla_value_dim) + value
    expert = (2.0 + s.ffn_gated) * s.d_model * s.d_ff_expert
    return LayerParams(
        attention=xp.where(kv_rank > 0, latent, grouped),
        dense_ffn=(2.0 + s.ffn_gated) * s.d_model * s.d_ff,
        routed_experts=s.n_experts * expert,
        active_experts=s.top_k * expert,
        shared_experts=s.n_shared_experts * expert,
        router=s.n_experts * s.d_model,
        norms=2.0 * s.d_model,
    )


def attended_tokens(seq_len: Samples, window: Samples = 0.0, window_frac: Samples = 0.0) -> Array:
    """Return how many tokens a token attends to on average over layers and positions, with a causal mask.

    Parameters
    ----------
    seq_len : Length of a sequence. [token]
    window : Length of the sliding window; 0: none. [token]
    window_frac : Share of the layers that have the window. [1]

    Examples
    --------
    >>> float(attended_tokens(4096)), float(attended_tokens(4096, 4096, 1.0))
    (2048.0, 2048.0)
    """
    xp, (seq_len, window, window_frac) = as_common(seq_len, window, window_frac)
    within = xp.where((window > 0) & (window < seq_len), window, seq_len)
    windowed = within - within * within / (2.0 * seq_len)
    return window_frac * windowed + (1.0 - window_frac) * seq_len / 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Transformer:
    """The shape of one decoder-only transformer, checked at birth."""

    name: str = "unnamed"
    n_layers: int  # all layers, dense and MoE
    d_model: int
    n_heads: int
    n_kv_heads: int = 0  # 0: as many as heads (plain multi-head attention)
    d_head: int = 0  # 0: d_model / n_heads; with MLA, the part of a query or key without position
    d_ff: int = 0  # width of a dense FFN; 0 only where every layer is an MoE
    ffn_gated: bool = False  # True: three FFN matrices (SwiGLU, GeGLU), False: two
    vocab: int
    tied_embeddings: bool = False
    n_experts: int = 0  # 0: a dense model
    top_k: int = 0
    d_ff_expert: int = 0
    n_shared_experts: int = 0
    n_dense_layers: int = 0  # dense layers of an MoE, in front
    attention_window: int = 0  # length of sliding windows; 0: none [token]
    window_frac: float = 0.0  # share of layers with a sliding window
    attention_sinks: bool = False  # a learned sink a head, beside the keys
    mla_q_rank: int = 0
    mla_kv_rank: int = 0  # 0: no latent attention
    mla_rope_dim: int = 0  # part of a query or key with position, beside d_head
    mla_value_dim: int = 0
    further_params: int = 0  # beyond matrices and two norms a layer: biases, further norms, positions
    further_active_params: int = 0

    def __post_init__(self) -> None:
        if not self.n_kv_heads:
            object.__setattr__(self, "n_kv_heads", self.n_heads)
        if not self.d_head and self.n_heads:
            object.__setattr__(self, "d_head", self.d_model // self.n_heads)
        faults = [*self._size_faults(), *self._moe_faults()]
        if faults:
            raise ValueError(f"model {self.name}: {'; '.join(faults)}")

    def _size_faults(self) -> list[str]:
        faults = []
        for field in (name for name, kind in _KINDS.items() if kind == "int"):
            value, least = getattr(self, field), 1 if field in _AT_LEAST_1 else 0
            if not (value >= least and value == int(value)):
                faults.append(f"{field} must be a whole number, at least {least}, got {value!r}")
        if not faults and self.n_heads % self.n_kv_heads:
            faults.append(f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}")
        if not 0 <= self.window_frac <= 1:
            faults.append(f"window_frac must be in [0, 1], got {self.window_frac!r}")
        return faults

    def _moe_faults(self) -> list[str]:
        if not self.n_experts:
            return [] if self.d_ff else ["a dense model needs d_ff"]
        faults = []
        if not 1 <= self.top_k <= self.n_experts:
            faults.append(f"top_k={self.top_k} must be between 1 and n_experts={self.n_experts}")
        if not self.d_ff_expert:
            faults.append("an MoE needs d_ff_expert")
        if not 0 <= self.n_dense_layers < self.n_layers:
            faults.append(f"n_dense_layers={self.n_dense_layers} must be below n_layers={self.n_layers}")
        if self.n_dense_layers and not self.d_ff:
            faults.append("dense layers need d_ff")
        return faults

    @property
    def n_moe_layers(self) -> int:
        """Layers whose FFN is a mixture of experts."""
        return self.n_layers - self.n_dense_layers if self.n_experts else 0

    @property
    def params(self) -> float:
        """Number of parameters: layers, embedding and output head, without biases and position tables."""
        part = layer_params(self)
        per_moe = part.routed_experts + part.shared_experts + part.router
        return self._shared_params() + float(self.n_moe_layers * per_moe) + self.further_params

    @property
    def active_params(self) -> float:
        """Parameters that one token meets, with the embedding and the output head."""
        part = layer_params(self)
        per_moe = part.active_experts + part.shared_experts + part.router
        return self._shared_params() + float(self.n_moe_layers * per_moe) + self.further_active_params

    def _shared_params(self) -> float:
        """Return what dense and MoE layers have alike, the dense FFNs, and the vocabulary."""
        part = layer_params(self)
        dense = (self.n_layers - self.n_moe_layers) * part.dense_ffn
        tables = (1 if self.tied_embeddings else 2) * self.vocab * self.d_model
        return float(self.n_layers * (part.attention + part.norms) + dense + tables + self.d_model)

    def flop_per_token(self, seq_len: Samples) -> Array:
        """Return the model FLOP of training one token, forward and backward; a multiply-add counts as 2.

        Parameters
        ----------
        seq_len : Length of a sequence. [token]

        Returns
        -------
        array, shape of ``seq_len``
            [FLOP/token]; no recomputation; causal attention counts the half it needs, sliding windows their window.

        Notes
        -----
        6 x (matrix parameters a token meets, with the output head, without the embedding lookup) + attention.
        Source: data/sources.csv, id ``palm``, appendix B, with the causal half.
        """
        vectors = self.n_layers * 2 * self.d_model + self.d_model + self.further_active_params
        lookup = 0 if self.tied_embeddings else self.vocab * self.d_model
        matrices = self.active_params - vectors - lookup
        score_and_value = self.d_head + self.mla_rope_dim + self.mla_value_dim if self.mla_kv_rank else 2 * self.d_head
        per_attended = 6.0 * self.n_layers * self.n_heads * score_and_value
        return 6.0 * matrices + per_attended * attended_tokens(seq_len, self.attention_window, self.window_frac)

    def shape(self) -> dict[str, float]:
        """Return every size by name as a float, without the name of the model and what only its count needs."""
        return {name: float(getattr(self, name)) for name in _KINDS if name != "name"}


#: Every size with its type, but for what only the count of parameters needs.
_KINDS = {field.name: str(field.type) for field in fields(Transformer) if field.name not in _COUNTED}


def from_config(config: str | Path | Mapping[str, Any], *, name: str = "") -> Transformer:
    """Return the shape that a Hugging Face ``config.json`` describes.

    Parameters
    ----------
    config : Path of the file, or its keys.
    name : What to call the model; its ``_name_or_path`` or the name of the folder by default.

    Raises
    ------
    ValueError
        If the model is no plain decoder (hybrids, sparse attention, widths by block), a size is missing, or nobody can
        tell whether the FFN is gated: the message names the key.

    Examples
    --------
    >>> config = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    ...           "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "hidden_act": "silu"}
    >>> from_config(config).params
    8030261248.0
    """
    if not isinstance(config, str | Path | Mapping):
        raise ValueError(f"configuration must be the path of a config.json or its keys, got {type(config).__name__}")
    file = None if isinstance(config, Mapping) else Path(config)
    try:
        keys = config if file is None else json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(keys, Mapping):
            raise ValueError("it holds no keys; wanted: the config.json of a model")
        called = name or str(keys.get("_name_or_path") or (file.resolve().parent.name if file else "") or "unnamed")
        return Transformer(name=called, **configuration.sizes_of(keys))
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise ValueError(f"{file}: it is no JSON ({fault}); wanted: the config.json of a model") from None
    except OSError as fault:
        raise ValueError(f"{file}: cannot be read ({fault.strerror}); wanted: the config.json of a model") from None
    except ValueError as fault:
        raise ValueError(f"{file or 'configuration'}: {fault}") from None


@cache
def models() -> dict[str, Transformer]:
    """Return every model of ``data/models.csv`` by name."""
    return {str(row["name"]): _model(row) for row in tables.rows("models")}


def model(name: str) -> Transformer:
    """Return one model of ``data/models.csv``.

    Raises
    ------
    ValueError
        If the table has no such model; the message lists those it has.
    """
    known = models()
    by_key = {_key(other): other for other in known}
    found = by_key.get(_key(name)) or by_key.get(_key(_MAKERS_OWN.sub("", name.rpartition("/")[2])))
    if found is None:
        near = sorted((_distance(name, other), other) for other in known)
        close = [other for distance, other in near if distance < _FAR][:3]
        hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        if outside := outside_model(name):
            raise ValueError(f"unknown model {name!r}; {outside}")
        raise ValueError(
            f"unknown model {name!r}; {hint}data/models.csv has: {', '.join(known)}. Another shape: "
            "transformer.from_config('config.json')"
        )
    return known[found]


#: What makers add to the name of a model of one shape.
_MAKERS_OWN = re.compile(r"(?i)([-_](instruct|chat|base|hf|bf16|it|fp8|v0\.[0-9]|[0-9]{4}))+$")
#: Names further apart are not offered: other families, or more than four times the size.
_FAR = 2.1


def _key(name: str) -> str:
    """Return a name without what spellings of it differ in: ``meta-llama/Llama-3.1-8B`` is ``llama3-8b``."""
    bare = normal(name.rpartition("/")[2])
    return re.sub(r"^(llama3)\.[0-9](?=8b|70b)", r"\1", bare)  # 3 and 3.1 have one shape in these sizes


def _distance(name: str, other: str) -> float:
    """Return how far names are apart: families that differ count most, then the doublings between their sizes."""
    families = [re.split(r"[-_ .]?[0-9]", normal(text.rpartition("/")[2]), maxsplit=1)[0] for text in (name, other)]
    sizes = [re.search(r"([0-9.]+)([bm])(?![a-z])", text.lower().replace("a", " ")) for text in (name, other)]
    if families[0] != families[1] or not all(sizes):
        return 0.5 + 10.0 * (1.0 - difflib.SequenceMatcher(None, normal(name), normal(other)).ratio())
    billions = [float(size[1]) / (1000.0 if size[2] == "m" else 1.0) for size in sizes if size]
    return abs(math.log2(billions[0] / billions[1]))


def _model(row: dict[str, Any]) -> Transformer:
    """Build a record from one row of the table; counts are whole, shares and flags stay as they are."""
    made = {"int": int, "bool": bool}
    return Transformer(**{name: made[kind](row[name]) if kind in made else row[name] for name, kind in _KINDS.items()})
