"""Tables of reliability from the raw files."""

import pandas as pd


def interruptions(raw_data):
    """Return Llama 3's rows of ``component_failures``: counts as printed, shares as fractions."""
    raw = pd.read_csv(raw_data / "reliability" / "llama3_interruptions.csv")
    return pd.DataFrame(
        {"component": raw["component"], "count": raw["count"], "printed_share": (raw["pct_printed"] / 100).round(4)}
    )
