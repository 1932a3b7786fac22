"""The software of a run beside its plan: dispatch of experts, graphs, fused kernels, loss and optimizer.

One record serves tables of runs, plans and jobs, under the names of the columns of ``data/training_runs.csv``. A blank
stands for what is usual, and makes a prediction less certain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from gigacluster.names import Vocabulary, is_blank
from gigacluster.throughput import case as codes
from gigacluster.throughput.words import ATTENTION, PARTS_AGAIN

DISPATCHER = Vocabulary.of(
    "dispatcher",
    {
        "alltoall": (codes.DISPATCH_ALLTOALL, "all-to-all; a2a; nccl"),
        "deepep": (codes.DISPATCH_DEEPEP, "flex; deep_ep; flex (deepep)"),
        "hybridep": (codes.DISPATCH_HYBRIDEP, "hybrid_ep; flex (hybridep); hybrid-ep"),
        "allgather": (codes.DISPATCH_ALLGATHER, "all-gather; ag"),
        "none": (codes.DISPATCH_ALLTOALL, "none (ep 1); no"),
    },
)
GROUPED_GEMM = Vocabulary(
    "grouped_gemm",
    {
        "te_grouped": "te; grouped; yes; true; 1; sonic_cute",
        "te_op_fuser": "cutedsl; fused",
        "gmm": "tokamax gmm; megablox; gmm or torch_mm; ragged_dot",
        "torch_mm": "torch grouped_mm; grouped_mm; torch._grouped_mm",
        "none": "none (sequential experts); sequential; no; false; 0",
        "einsum": "dense einsum; dense einsum, capacity dropped; capacity",
    },
)
#: With the excess load of the busiest experts over that of natural routing. Assumption, as what stands for a blank.
ROUTER = Vocabulary.of(
    "router",
    {
        "force_balance": (0.2, "force_balance_dropless; forced balance; balanced; moe_router_force_load_balancing"),
        "random": (0.3, "random_dropless"),
        "natural": (1.0, "natural_dropless; learned; dropless; real data"),
        "tokendrop": (0.0, "token drop; token-drop; token drop with capacity; capacity; dropped"),
    },
)
_USUAL_EXCESS = 0.4
#: With the bytes a parameter of the master copy and the moments: 32-bit master and two moments 12; in pure 16 bit two
#: moments of 2 bytes beside the parameter; one moment for Muon.
OPTIMIZER = Vocabulary.of(
    "optimizer",
    {
        "adamw": (
            12.0,
            "adamw fp32; adam; adamw fused; fused adamw; distributed adamw; megatron distributed adamw; "
            "distributed optimizer",
        ),
        "adamw_unfused": (12.0, "adamw not fused; adamw foreach; deepspeed torch adam; torch adam"),
        "adamw_bf16": (4.0, "adamw, bf16 states; adamw fused, bf16 states; pure bf16; adamw bf16"),
        "adamw_bf16_moments": (
            8.0, "distributed adamw, precision-aware, bf16 moments; precision-aware; bf16 moments"
        ),
        "adamw_8bit": (2.0, "adamw 8-bit; 8-bit adam; paged adamw 8-bit; adamw8bit; pagedadamw8bit"),
        "muon": (8.0, "muon (distributed); distributed muon"),
        "host": (0.0, "adamw on the host; cpu adam; adamw paged; offloaded adamw; cpu offload; deepspeed cpu adam"),
        "sgd": (4.0, "sgd without momentum"),
    },
)  # fmt: skip
LOSS = Vocabulary(
    "loss_impl",
    {
        "full": "full logits; eager; plain; cross_entropy",
        "compiled": "full, compiled; torch.compile",
        "chunked": "in chunks; chunks; chunked cross-entropy; ce_chunked",
        "fused": "fused cross-entropy; liger; cut cross-entropy; te fused; fused linear cross-entropy; cce",
        "vocabulary_parallel": "vocab parallel; vocab-parallel; loss_parallel; parallel cross-entropy",
    },
)
DTYPE = Vocabulary("dtype", {"fp32": "float32; 32; f32", "bf16": "bfloat16; fp16; float16; 16; half"})
#: Parts of a layer that a graph captures, as Transformer Engine names its scopes: share of the launches.
_SCOPES = {"attn": 0.35, "mlp": 0.3, "moe": 0.5, "moe_router": 0.2, "moe_preprocess": 0.1, "mamba": 0.0}
_WHOLE_GRAPHS = {
    **dict.fromkeys(("full_iteration", "local:full_iteration", "xla"), 1.0),
    **dict.fromkeys(("enable_cuda_graph (layer)", "layer (enable_cuda_graph)", "layer"), 0.9),
}
#: Modules that Megatron computes again: what of a layer each stands for, as shares.
_MODULES = {
    "core_attn": {"again_core": 1.0},
    "layernorm": {"again_norms": 1.0},
    "mla_up_proj": {"again_projections": 0.3},
    "mlp": {"again_ffn": 1.0, "again_activations": 1.0},
    "moe": {"again_experts": 1.0, "again_ffn": 1.0, "again_activations": 1.0},
    "moe_act": {"again_activations": 1.0},
    "shared_experts": {"again_ffn": 1.0},
    "none": {},
}
_ALL_LAYERS = 1e9
#: Share of the logits held at once: of a loss in chunks, of a fused one, and of a program of XLA, which fuses the loss
#: with what makes them. Assumption.
_LOGIT_FRACS, _XLA_LOGIT_FRAC = {"chunked": 1.0 / 8.0, "fused": 1.0 / 16.0}, 0.25
#: Where nobody says anything of the software of an MoE: share of the recipes of Megatron since mid 2026 that have
#: graphs of a whole iteration, fused experts and overlap, which come together (44 of 63 published runs), as their mean.
_PACKAGE_SHARE, _PACKAGE_SINCE = 0.6, 2026.4
#: Inputs that a run with experts has and a dense one lacks: each that is blank makes its prediction less certain.
MOE_INPUTS = (
    "dispatcher", "fp8_dispatch", "ep_overlap", "cuda_graph", "grouped_gemm", "fused_grouped_mlp", "fp8_attention",
    "router", "expert_padding", "recompute_modules", "optimizer_offload", "activation_offload", "attention_backend",
    "release",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Software:
    """Software inputs as words, blank where nobody said; read and checked at birth."""

    dispatcher: str = ""  # how tokens reach their experts
    fp8_dispatch: str = ""  # 1: tokens travel to their experts in 8 bit, and back in 16
    ep_overlap: str = ""  # 1: the exchange of one micro-batch under the computation of another
    cuda_graph: str = ""  # none, the scopes captured, full_iteration, xla
    grouped_gemm: str = ""  # kernel of the experts' matmuls
    fused_grouped_mlp: str = ""  # 1: these fused with activation and quantising
    fp8_attention: str = ""  # 1: the core of attention in 8 bit
    router: str = ""  # forced balance, random, natural, or dropping with a capacity
    expert_padding: str = ""  # capacity to which experts are filled up, over an even share; none
    recompute_modules: str = ""  # of Megatron; none
    optimizer_offload: str = ""
    activation_offload: str = ""  # layers whose activations go to the host: 0, how many, all
    attention_backend: str = ""
    release: str = ""  # of the framework; one that is a date, such as 26.04, goes before the year of the software
    loss_impl: str = ""
    logits_dtype: str = ""
    optimizer: str = ""
    grad_dtype: str = ""
    compiled: str = ""  # 1: element-wise operations are fused by a compiler or by hand

    def __post_init__(self) -> None:
        if faults := self._faults():
            raise ValueError("; ".join(faults))

    def _faults(self) -> list[str]:
        """Read every input, and return what is wrong with them; further fields of a record add theirs."""
        faults = []
        for field in fields(Software):
            said = getattr(self, field.name)
            try:
                object.__setattr__(self, field.name, "" if is_blank(said) else _read(field.name, said))
            except ValueError as fault:
                faults.append(str(fault))
        return faults

    def over(self, other: Software) -> Software:
        """Return these inputs, with those of another record where these are blank."""
        said = {f.name: getattr(self, f.name) for f in fields(Software) if getattr(self, f.name)}
        return replace(other.software(), **said)

    def software(self) -> Software:
        """Return these inputs alone, without the plan or the job that they belong to."""
        return Software(**{field.name: getattr(self, field.name) for field in fields(Software)})

    def again(self) -> dict[str, float] | None:
        """Return what named modules compute again, by part of a layer; nothing where none are named."""
        if not self.recompute_modules:
            return None
        shares = dict.fromkeys(PARTS_AGAIN, 0.0)
        for module in self.recompute_modules.split(","):
            shares |= {part: max(shares[part], share) for part, share in _MODULES[module].items()}
        return shares

    def fields(self, *, stack: int, year: float, moe: bool, pure: bool = False) -> dict[str, float]:
        """Return the fields of a case that follow, with what is usual where nothing was said.

        Parameters
        ----------
        stack : Kind of framework, one of the codes of :mod:`gigacluster.throughput.case`.
        year : Date of the software. [year]
        moe : Whether the model has experts.
        pure : Whether all states are kept in 16 bit unless said otherwise.
        """
        megatron, xla = stack == codes.FRAMEWORK_MEGATRON, stack == codes.FRAMEWORK_XLA
        said = bool(self.cuda_graph or self.fused_grouped_mlp or self.ep_overlap or self.grouped_gemm)
        package = _PACKAGE_SHARE if moe and megatron and not said and year >= _PACKAGE_SINCE else 0.0
        usual = "deepep" if year >= 2026.0 else "alltoall"
        drop = self.router == "tokendrop"
        capacity = {"": float(drop), "none": 0.0}.get(self.expert_padding)
        fused = self.fused_grouped_mlp == "1" or self.grouped_gemm == "te_op_fuser"
        told = self.activation_offload
        optimizer = self.optimizer or ("adamw_bf16" if pure else "adamw")
        logit_frac = _XLA_LOGIT_FRAC if xla else _LOGIT_FRACS.get(self.loss_impl, 1.0)
        if megatron and self.loss_impl == "fused":
            logit_frac = 1.0  # Megatron's fused loss still holds the logits
        return {
            "dispatcher": float(DISPATCHER.means[self.dispatcher or usual]),
            "overlap_ep": float(self.ep_overlap == "1") if said else package,
            "graph_frac": _graph_frac(self.cuda_graph, usual=1.0 if xla else package),
            "sequential_experts": float(self.grouped_gemm == "none"),
            "fused_experts": float(fused) if said else package,
            "fp8_attention": float(self.fp8_attention == "1"),
            "routing_excess": ROUTER.means.get(self.router, _USUAL_EXCESS),
            "token_drop": float(drop),
            "expert_capacity": float(self.expert_padding) if capacity is None else capacity,
            "fp8_dispatch": float(self.fp8_dispatch == "1"),
            "state_bytes": OPTIMIZER.means[optimizer],
            "update_bytes": 4.0 if optimizer == "adamw_unfused" else 0.0,
            "param_bytes": 0.0 if not megatron and optimizer in ("adamw", "adamw_unfused") else 2.0,
            "logit_bytes": _logit_bytes(self.loss_impl, self.logits_dtype, megatron=megatron or xla),
            "logit_frac": logit_frac,
            "compiled": float(self.compiled == "1" or (xla and self.compiled != "0")),
            "activation_offload": _ALL_LAYERS if told == "all" else float(told or 0),
            "optimizer_offload": float(optimizer == "host" or self.optimizer_offload not in ("", "0")),
        }


def _graph_frac(said: str, usual: float) -> float:
    if not said:
        return usual
    if said in _WHOLE_GRAPHS:
        return _WHOLE_GRAPHS[said]
    return sum(_SCOPES[scope] for scope in said.split(",")) if said != "none" else 0.0


def _logit_bytes(loss: str, dtype: str, *, megatron: bool) -> float:
    """Return the bytes that an element of the logits takes while the loss is computed.

    Eager: 16-bit logits, their 32-bit copy, its log-softmax and the gradients of both; compiled or by kernels of
    Megatron, the 32-bit copy worked on in place and the gradient.
    """
    if loss == "fused":
        return 4.0 if dtype == "bf16" else 6.0
    if loss in ("", "compiled", "vocabulary_parallel"):
        return 6.0 if megatron else 8.0
    return 8.0 if dtype == "bf16" else 16.0


def _listed(column: str, text: str, known: Iterable[str]) -> str:
    if text in known or not text:
        return text
    words = [word.strip() for word in re.split(r"[,+;]", text)]
    if strange := [word for word in words if word not in known]:
        raise ValueError(f"unknown {column} {', '.join(strange)!r}; use {', '.join(known)}, separated by commas")
    return ",".join(words)


def _capacity(text: str) -> str:
    """Return the capacity to which experts are filled up, over an even share; ``none`` where there is none.

    A capacity of ranks sizes buffers alone, and rows that are added for quantising fill tiles, which count as whole.
    """
    if text in _OFF or re.search("^rank capacity|quanti", text):
        return "none"
    if found := re.fullmatch(r"(?:capacity)?(?: factor)?\s*(\d+(?:\.\d*)?)?\s*(?:\(.*\))?(?:,? ?padded)?", text):
        if not (capacity := float(found[1] or 1.0)) > 0:
            raise ValueError(f"expert_padding must be a capacity above 0, got {text!r}")
        return f"{capacity:g}"
    raise ValueError(f"unknown expert_padding {text!r}; use none, or the capacity over an even share, such as 1.25")


#: What says of an amount that there is none.
_OFF = ("0", "0.0", "none", "no", "false")


def _modules(text: str) -> str:
    return _listed("recompute_modules", re.sub(r"\bcustom.*|\bselective\b|\bfull.*", "", text).strip(), _MODULES)


def _offloaded_layers(text: str) -> str:
    """Return how many layers are offloaded, or ``all``; 1 says that it is done."""
    if text in _OFF:
        return "0"
    return f"{float(text):g}" if re.fullmatch(r"\d+(\.0)?", text) and float(text) > 1 else "all"


def _kernel(text: str) -> str:
    text = re.sub(r"te auto.*|auto.*", "", text).strip()  # what Transformer Engine chooses is not said
    return ATTENTION.read(text) if text else ""


#: How inputs are read that are no single word, as lower-case text.
_PARSERS: dict[str, Callable[[str], str]] = {
    "release": str,
    "cuda_graph": lambda text: _listed("cuda_graph", text, (*_SCOPES, *_WHOLE_GRAPHS, "none")),
    "recompute_modules": _modules,
    "expert_padding": _capacity,
    "activation_offload": _offloaded_layers,
    "optimizer_offload": lambda text: "0" if text in _OFF else "1",
    "attention_backend": _kernel,
}
_YES_NO = {"1": "yes; true; on; 1.0", "0": "no; false; off; none; 0.0"}
_VOCABULARIES = {
    **{vocabulary.column: vocabulary for vocabulary in (DISPATCHER, GROUPED_GEMM, ROUTER, OPTIMIZER, LOSS)},
    **{column: Vocabulary(column, DTYPE.words) for column in ("logits_dtype", "grad_dtype")},
    **{
        column: Vocabulary(column, _YES_NO)
        for column in ("fp8_dispatch", "ep_overlap", "fused_grouped_mlp", "fp8_attention", "compiled")
    },
}


def _read(column: str, said: object) -> str:
    """Return the canonical word of an input; raise ``ValueError`` if it is not known."""
    if column in _PARSERS:
        return _PARSERS[column](str(said).strip().lower())
    return _VOCABULARIES[column].read(int(said) if isinstance(said, float) and said.is_integer() else said)
