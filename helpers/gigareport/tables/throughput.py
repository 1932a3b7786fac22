"""Schemas of the tables about throughput."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from gigareport.tables.row import Fraction, Id, Missing, NonNegative, Row

__all__ = ["TABLES", "ModelRow", "TrainingRunRow"]

#: Blank: not published, or does not apply.
_Number = Annotated[NonNegative | None, Missing]
_Word = Annotated[str | None, Missing]
_Count = Annotated[int, Field(ge=0)]
_Flag = Annotated[int, Field(ge=0, le=1)]


class TrainingRunRow(Row):
    """One published, measured training configuration. Any file of this form can be predicted and scored.

    Words are free and numbers may be blank, so that a file with rows that the model cannot express still loads, and
    those rows are named one by one instead.
    """

    KEY: ClassVar = ("run_id",)
    ABOUT: ClassVar = "a measured training run: model, chip, network, plan, and the time of a step"

    run_id: str
    split_group: _Word = None  # near-identical runs: keep them together in any split
    source_id: str
    citation: _Word = None  # where exactly
    #: repo_file, benchmark_log, repo_image, digitised_figure, stored_page_excerpt, paper_via_stored_transcription,
    #: recalled or recalled_partly_verified
    provenance: _Word = None
    year: _Number = None
    framework: _Word = None
    model: _Word
    arch: _Word  # dense, moe or hybrid

    n_layers: _Number = None
    d_model: _Number = None
    n_heads: _Number = None
    n_kv_heads: _Number = None
    d_head: _Number = None
    d_ff: _Number = None  # width of a dense FFN
    ffn_act: _Word = None  # gelu, relu, relu2: two FFN matrices; swiglu, geglu: three
    vocab: _Number = None
    seq_len: _Number  # [token]
    n_experts: _Number = None
    top_k: _Number = None
    d_ff_expert: _Number = None
    n_shared_experts: _Number = None
    n_dense_layers: _Number = None  # dense layers of an MoE
    params_total: _Number = None
    params_active: _Number = None
    attn_notes: _Word = None

    chip: _Word  # as in data/chips.csv
    n_chips: _Number
    scaleup_domain: _Number = None  # [chip]
    nic_gbps_per_chip: _Number = None  # [Gbit/s], one direction

    tp: _Number = None
    sp: _Number = None  # 1: sequence parallel
    pp: _Number = None
    vpp: _Number = None  # model chunks a pipeline rank holds; 1: plain 1F1B
    dp: _Number = None  # n_chips / (tp pp cp)
    cp: _Number = None
    ep: _Number = None
    etp: _Number = None
    shard_strategy: _Word = None
    shard_group: _Number = None  # chips over which parameters are sharded
    micro_batch: _Number = None  # [sequence]
    global_batch: _Number  # [sequence]
    grad_accum: _Number = None  # micro-batches a replica processes in a step
    precision: _Word = None
    recompute: _Word = None
    comm_overlap: _Word = None

    step_time_s: _Number
    tokens_per_s_per_chip: _Number = None
    model_gflop_per_token_causal: _Number = None
    measured_field: _Word = None  # which of the targets was published
    peak_mem_gib: _Number = None
    plan_complete: _Number = None  # 1: the whole parallel plan is known
    end_to_end: _Number = None  # 1: derived from all GPU-hours of a training run
    notes: _Word = None

    # Software inputs, in words of :mod:`gigacluster.throughput.software`.
    dispatcher: _Word = None
    fp8_dispatch: _Word = None
    ep_overlap: _Word = None
    cuda_graph: _Word = None
    grouped_gemm: _Word = None
    fused_grouped_mlp: _Word = None
    fp8_attention: _Word = None
    router: _Word = None
    expert_padding: _Word = None
    recompute_modules: _Word = None
    optimizer_offload: _Word = None
    activation_offload: _Word = None
    attention_backend: _Word = None
    release: _Word = None
    confidence: _Word = None  # how the software inputs were seen
    # Memory.
    memory_kind: _Word = None  # of ``peak_mem_gib``: allocated, reserved, device
    loss_impl: _Word = None
    logits_dtype: _Word = None
    optimizer: _Word = None
    grad_dtype: _Word = None
    compiled: _Word = None
    oom: _Number = None  # 1: the run needed more than the chip has
    capacity_gib: _Number = None  # what the device reports
    lower_bound_gib: _Number = None  # the run needs more than this
    upper_bound_gib: _Number = None  # the run needs at most this


class ModelRow(Row):
    """The shape of one named model, as :class:`gigacluster.transformer.Transformer` takes it."""

    KEY: ClassVar = ("name",)
    ABOUT: ClassVar = "a named model shape, with its published number of parameters"

    name: Id
    n_layers: _Count
    d_model: _Count
    n_heads: _Count
    n_kv_heads: _Count
    d_head: _Count
    d_ff: _Count
    ffn_gated: _Flag
    vocab: _Count
    tied_embeddings: _Flag
    n_experts: _Count
    top_k: _Count
    d_ff_expert: _Count
    n_shared_experts: _Count
    n_dense_layers: _Count
    attention_window: _Count
    window_frac: Fraction
    mla_q_rank: _Count
    mla_kv_rank: _Count
    mla_rope_dim: _Count
    mla_value_dim: _Count
    published_params: _Number = None  # as its maker says
    published_active_params: _Number = None
    source_id: Id
    note: _Word = None


class MemoryRunRow(TrainingRunRow):
    """One published training configuration with what was printed about its memory, in the columns of training_runs."""

    ABOUT: ClassVar = "a training run with its measured peak of memory, or that it ran out, or fits within a size"


TABLES: dict[str, type[Row]] = {
    "training_runs": TrainingRunRow,
    "memory_runs": MemoryRunRow,
    "models": ModelRow,
}
