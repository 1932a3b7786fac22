"""How tables that no command updates were made from the raw files; the tests make them again and compare."""

from pathlib import Path

import pandas as pd

#: Significant digits kept; Epoch's whole numbers of H100e have up to eight.
NUMBER_FORMAT = "%.8g"

_ESTIMATE = ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]


def lab_compute(raw: Path) -> pd.DataFrame:
    """Compute in use by five laboratories at the ends of years."""
    table = pd.read_csv(raw / "epoch_lab_compute" / "lab_compute_year_end_by_lab.csv").rename(
        columns={
            "Lab": "lab",
            "Date": "as_of",
            "h100e_p5": "h100e_8bit_p5",
            "h100e_med": "h100e_8bit_median",
            "h100e_p95": "h100e_8bit_p95",
        }
    )
    return _sorted(table, ["lab", "as_of"], _ESTIMATE, "epoch-lab-compute")


def gpu_clusters(raw: Path) -> pd.DataFrame:
    """All clusters of the dataset, in its order, with the columns in use."""
    table = pd.read_csv(raw / "epoch_gpu_clusters" / "gpu_clusters.csv").rename(
        columns={
            "Name": "name",
            "Status": "status",
            "Certainty": "certainty",
            "H100 equivalents": "h100e",
            "Total number of AI chips": "n_chips",
            "Country": "country",
            "Owner": "owner",
            "Users": "users",
            "Sector": "sector",
            "First Operational Date": "first_operational",
            "Decommissioned Date (if applicable)": "decommissioned",
            "Power Capacity (MW)": "power_mw",
            "Hardware Cost": "hardware_cost_usd_2025",
            "16-bit OP/s": "peak_16bit_op_per_s",
            "Max OP/s": "peak_op_per_s",
            "Chip type (primary)": "chip",
            "Include in Standard Analysis": "in_standard_analysis",
            "Possible Duplicate": "possible_duplicate",
            "Builds Upon": "builds_upon",
            "Superseded by": "superseded_by",
        }
    )
    columns = ["name", "status", "certainty", "h100e", "n_chips", "country", "owner", "users", "sector"]
    columns += ["first_operational", "decommissioned", "power_mw", "hardware_cost_usd_2025", "peak_16bit_op_per_s"]
    columns += ["peak_op_per_s", "chip", "in_standard_analysis", "possible_duplicate", "builds_upon", "superseded_by"]
    table = table[columns].assign(source_id="epoch-gpu-clusters")
    for flag in ("in_standard_analysis", "possible_duplicate"):
        table[flag] = table[flag].eq(True)
    # One date is a month alone: its first day.
    table["decommissioned"] = table["decommissioned"].str.replace(r"^(\d{4}-\d{2})$", r"\1-01", regex=True)
    return table


def notable_models(raw: Path) -> pd.DataFrame:
    """The models of which the compute, the chips or the cost of training is known."""
    table = pd.read_csv(raw / "epoch_notable_models" / "notable_ai_models.csv").rename(
        columns={
            "Model": "model",
            "Organization": "organization",
            "Publication date": "publication_date",
            "Domain": "domain",
            "Country (of organization)": "country",
            "Parameters": "n_parameters",
            "Training compute (FLOP)": "training_flop",
            "Training dataset size (gradients)": "n_training_tokens",
            "Confidence": "confidence",
            "Training hardware": "training_hardware",
            "Hardware quantity": "n_chips",
            "Training time (hours)": "training_hours",
            "Hardware utilization (MFU)": "mfu_frac",
            "Training compute cost (2023 USD)": "training_cost_usd_2023",
            "Training compute cost (upfront)": "upfront_cost_usd_2023",
            "Hardware acquisition cost": "hardware_acquisition_cost_usd",
            "Training power draw (W)": "training_power_w",
            "Frontier model": "frontier",
        }
    )
    columns = ["model", "organization", "publication_date", "domain", "country", "n_parameters", "training_flop"]
    columns += ["n_training_tokens", "confidence", "training_hardware", "n_chips", "training_hours", "mfu_frac"]
    columns += ["training_cost_usd_2023", "upfront_cost_usd_2023", "hardware_acquisition_cost_usd"]
    columns += ["training_power_w", "frontier"]
    known = table[["training_flop", "n_chips", "training_cost_usd_2023"]].notna().any(axis=1)
    table = table.loc[known, columns].assign(source_id="epoch-notable-models")
    table["frontier"] = table["frontier"].eq(True)
    table["n_training_tokens"] = table["n_training_tokens"].map(_one_number).astype(float)
    return table.sort_values(["publication_date", "model"], ignore_index=True)


#: Name of the table: function of the folder of raw files.
BUILD = {
    "lab_compute": lab_compute,
    "gpu_clusters": gpu_clusters,
    "notable_models": notable_models,
}


def _one_number(cell: object) -> str | None:
    """Two cells list two numbers: equal ones are one number, different ones are not known."""
    numbers = set(str(cell).split(","))
    return numbers.pop() if len(numbers) == 1 else None


def _sorted(table: pd.DataFrame, key: list[str], amounts: list[str], source_id: str) -> pd.DataFrame:
    return table[key + amounts].assign(source_id=source_id).sort_values(key, ignore_index=True)
