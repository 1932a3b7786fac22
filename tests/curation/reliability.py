"""The table of Llama 3's interruptions from the raw file."""

import pandas as pd


def build(raw_data):
    """Return ``llama3_interruptions`` with counts as printed and shares as fractions."""
    raw = pd.read_csv(raw_data / "reliability" / "llama3_interruptions.csv")
    return pd.DataFrame(
        {
            "component": raw["component"],
            "category": raw["category"],
            "interruptions": raw["count"],
            "printed_share": (raw["pct_printed"] / 100).round(4),
            "source_id": "llama3-2024",
        }
    )
