"""data/training_runs.csv and data/memory_runs.csv from the raw files: their rows and cells, with software inputs."""

import pandas as pd

from gigareport.dictionary import columns_of

COLUMNS = list(columns_of("training_runs"))
RAW = ("throughput_runs", "throughput_runs_2", "throughput_runs_3")
MOE_COLUMNS = (
    "dispatcher", "fp8_dispatch", "ep_overlap", "cuda_graph", "grouped_gemm", "fused_grouped_mlp", "fp8_attention",
    "router", "expert_padding", "recompute_modules", "optimizer_offload", "activation_offload", "attention_backend",
    "release", "confidence",
)  # fmt: skip
#: Cells that the makers' own scripts correct, with what stands there: see the notes on MoE inputs.
CORRECTIONS = {
    **{
        f"D0{number}": {"pp": "8", "vpp": "4", "ep": "8", "etp": "1", "plan_complete": "1"}
        for number in range(594, 602)
    },
    **{
        f"D0{number}": {"tp": "1", "pp": "1", "ep": "1", "micro_batch": "32", "grad_accum": "1", "plan_complete": "1",
                        "shard_strategy": "fsdp_full", "dp": "256"}
        for number in (591, 592)
    },
    "D0154": {"pp": "1", "vpp": "", "ep": "16", "dp": "16", "grad_accum": "64"},  # as many as the batch is
    "P0055": {"ep": "16"},
    # Llama 3 405B trained on the RoCE cluster of Meta: pods of 3,072 chips, a seventh beyond (section 3.3.1).
    **{f"D0{number}": {"pod_chips": "3072", "oversubscription": "7"} for number in (602, 603)},
    # The recipes of these folders train with JAX: the citation and the note of each row say so.
    **{f"D0{number}": {"framework": "MaxText (JAX)"} for number in range(334, 344)},
    **{f"D0{number}": {"framework": "Paxml (JAX)"} for number in range(409, 422)},
}  # fmt: skip


def _read(raw_data, folder, name="runs.csv"):
    table = pd.read_csv(raw_data / folder / name, dtype=str, keep_default_na=False)
    return table.reindex(columns=list(dict.fromkeys([*COLUMNS, *table.columns])), fill_value="")


def build(raw_data):
    """Return the table as ``data/training_runs.csv`` holds it."""
    runs = pd.concat([_read(raw_data, folder)[COLUMNS] for folder in RAW], ignore_index=True).set_index("run_id")
    moe = _read(raw_data, "moe_inputs", "moe_inputs.csv").set_index("run_id")
    for name in MOE_COLUMNS:
        runs.loc[moe.index.intersection(runs.index), name] = moe[name]
    runs.loc[moe.index.intersection(runs.index), "inputs_source_id"] = "moe-inputs-2026"
    dense = _read(raw_data, "moe_inputs", "dense_inputs.csv").set_index("run_id")
    for name, raw in (("cuda_graph",) * 2, ("recompute_modules",) * 2, ("confidence",) * 2,
                      ("activation_offload", "activation_offload_layers")):  # fmt: skip
        runs.loc[dense.index.intersection(runs.index), name] = dense[raw]
    runs.loc[dense.index.intersection(runs.index), "inputs_source_id"] = "moe-inputs-2026"
    runs = pd.concat([runs, _read(raw_data, "moe_inputs", "runs_new.csv").set_index("run_id")[COLUMNS[1:]]])
    for run, cells in CORRECTIONS.items():
        runs.loc[run, list(cells)] = list(cells.values())
    longer = runs.index.isin([f"D0{number}" for number in range(594, 602)])
    runs.loc[longer, "dp"] = [f"{256 // (4 * 8 * int(cp))}" for cp in runs.loc[longer, "cp"]]
    # A row's scope of graphs that changed within two days: what both days had.
    runs["cuda_graph"] = runs["cuda_graph"].str.partition("|")[0]
    runs["recompute_modules"] = runs["recompute_modules"].str.partition("|")[0]
    _of_the_model(runs)
    _of_the_notes(runs)
    return runs.reset_index()[COLUMNS]


def _of_the_model(runs):
    """Add what a model or a release brings along: gpt-oss has attention sinks, which one release of cuDNN lost."""
    sinks = runs["model"].str.contains("gpt-oss")
    runs.loc[sinks, "attn_notes"] = (runs.loc[sinks, "attn_notes"] + ", attention sinks").str.lstrip(", ")
    _with_norms(runs)
    lost = sinks & (runs["source_id"] == "megatron-bridge-26.06.01")
    runs.loc[lost, "attention_backend"] = "cudnn_regressed"
    # The launcher of NeMo 24 splits experts like the rest of the layer unless told otherwise.
    early = (runs["source_id"] == "dgxc") & (runs["arch"] == "moe")
    runs.loc[early, "etp"] = runs.loc[early, "tp"]


def _with_norms(runs):
    """Add that Qwen3 norms queries and keys by head."""
    normed = runs["model"].str.startswith("qwen3")
    runs.loc[normed, "attn_notes"] = (runs.loc[normed, "attn_notes"] + ", qk norm").str.lstrip(", ")


def _of_the_notes(runs):
    """Add what the note of a row alone says of its graphs, its compiler and its loss."""
    notes = runs["notes"].str.lower()
    runs.loc[notes.str.contains("cuda graphs") & (runs["cuda_graph"] == ""), "cuda_graph"] = "layer"
    runs.loc[notes.str.contains("compile"), "compiled"] = "1"
    runs.loc[notes.str.contains("no compile"), "compiled"] = "0"
    runs.loc[notes.str.contains("loss in [a-z]+ chunks") & (runs["loss_impl"] == ""), "loss_impl"] = "chunked"


#: The benchmark of LitGPT keeps parameters gathered unless told otherwise (``shard_mode``, thunder/benchmarks/
#: benchmark_litgpt.py), and these rows tell nothing: from 2 to 10 to 20 layers their peaks grow by 1.71 GiB a layer,
#: which is a whole 16-bit copy with an eighth of gradients and states (1.72), and not an eighth of all (1.19).
GATHERED = ("M0048", "M0050", "M0052")


def build_memory(raw_data):
    """Return the table as ``data/memory_runs.csv`` holds it."""
    raw = _read(raw_data, "memory_runs")
    raw.loc[raw["run_id"].isin(GATHERED), "shard_strategy"] = "fsdp (zero2)"
    # Gemma 2 caps its scores, for which LitGPT has no fused kernel (litgpt/model.py).
    capped = raw["model"].str.startswith("gemma2") & raw["framework"].str.startswith("LitGPT")
    raw.loc[capped, "attn_notes"] += ", unfused"
    # The benchmark of LitGPT compiles the whole step; the others compile the model and compute the loss eagerly.
    raw.loc[raw["framework"].str.startswith("LitGPT benchmark"), "loss_impl"] = "compiled"
    _with_norms(raw)
    raw["compiled"] = ["1" if _compiled(row) else "0" for _, row in raw.iterrows()]
    return raw[COLUMNS]


def _compiled(row):
    said = f"{row['framework']} {row['notes']} {row['source_id']}".lower()
    cumulative = row["source_id"] == "torchtune-readme" and "baseline" not in said  # flags are added one by one
    return cumulative or "inductor" in said or "compile" in said or "maxtext" in said or "litgpt benchmark" in said
