"""Tables about scaling, made from the raw files."""

from pathlib import Path

import numpy
import pandas as pd


def chinchilla_runs(raw_data: Path) -> pd.DataFrame:
    """Return the 240 runs of the refit: without the five of highest loss, as the paper does."""
    raw = pd.read_csv(raw_data / "scaling_chinchilla_epoch" / "svg_extracted_data.csv")
    kept = raw[raw["loss"] < numpy.sort(raw["loss"])[-5]]
    return pd.DataFrame(
        {
            "params": kept["Model Size"],
            "tokens": kept["Training FLOP"] / (6 * kept["Model Size"]),
            "loss": kept["loss"],
            "source_id": "besiroglu-2024-points",
        }
    ).reset_index(drop=True)


def data_constrained_runs(raw_data: Path) -> pd.DataFrame:
    """Return the 182 runs of the published fit of repeated tokens."""
    raw = pd.read_csv(raw_data / "scaling_datablations" / "runs_182.csv")
    return raw[["params", "tokens", "unique_tokens", "loss"]].assign(source_id="datablations-runs")


def routing_runs(raw_data: Path) -> pd.DataFrame:
    """Return the last step of the routing runs that the law is about: one expert a token, every second layer."""
    raw = pd.read_csv(raw_data / "scaling_routing_moe" / "final_steps.csv")
    kept = raw[(raw["k"] == 1) & (raw["routing_frequency"] == 0.5)]
    return pd.DataFrame(
        {
            "router": kept["router_type"],
            "params": kept["dense_parameter_count"],
            "experts": kept["num_experts"],
            "loss": kept["loss_validation"],
            "source_id": "clark-2022-curves",
        }
    ).reset_index(drop=True)


def benchmark_models(raw_data: Path) -> pd.DataFrame:
    """Return the base models whose training compute and MMLU score are known."""
    raw = pd.read_csv(raw_data / "scaling_observational" / "base_llm_benchmark_eval.csv")
    table = pd.DataFrame(
        {
            "model": raw["Model"],
            "family": raw["Model Family"],
            "params": raw["Model Size (B)"] * 1e9,
            "tokens": raw["Pretraining Data Size (T)"] * 1e12,
            "training_flop": raw["FLOPs (1E21)"] * 1e21,
            "mmlu_frac": raw["MMLU"],
            "arc_c_frac": raw["ARC-C"],
            "hellaswag_frac": raw["HellaSwag"],
            "gsm8k_frac": raw["GSM8K"],
            "source_id": "ruan-2024-scores",
        }
    )
    return table.dropna(subset=["training_flop", "mmlu_frac"]).reset_index(drop=True)


def isoflop_runs(raw_data: Path) -> pd.DataFrame:
    """Return the cleaner digitisation of the runs at equal compute of Hoffmann et al. (2022)."""
    raw = pd.read_csv(raw_data / "scaling_isoflop" / "isoflops_no_llama.csv")
    kept = raw[raw["experiment"] == "ml_scalefit__massivetext__chinchilla"]
    table = kept.rename(columns={"budget": "budget_flop"})[["budget_flop", "params", "tokens", "loss"]]
    return table.assign(source_id="czech-2026-isoflops").reset_index(drop=True)


def ladder_scores(raw_data: Path) -> pd.DataFrame:
    """Return the ladder of OLMo and the models that it predicts, a row a model and task."""
    raw = pd.read_csv(raw_data / "scaling_olmo_ladder" / "two_step.csv")
    names = {"set": "role", "bpb": "loss_bits_per_byte", "accuracy_len_norm": "score_frac", "chance": "chance_frac"}
    return raw.rename(columns=names).assign(source_id="olmo-ladder-runs")
