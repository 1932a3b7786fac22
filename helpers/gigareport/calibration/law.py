"""Fit the scaling law to its runs again and write the replicates that scenarios draw from.

``python -m gigareport.calibration.law``, which ``make calibrate`` runs beside the fit of the throughput coefficients.
"""

from __future__ import annotations

import pandas as pd

from gigacluster import scaling
from gigareport import catalog
from gigareport.dictionary import columns_of

_TABLE = "scaling_law_replicates"
_RUNS = "scaling_chinchilla_runs"
_REPLICATES, _SEED = 4_000, 42


def replicate_table() -> pd.DataFrame:
    """Return the rows of ``data/scaling_law_replicates.csv``, drawn as the residuals ask for.

    Runs of one size share an error, so that ``kind="auto"`` draws whole sizes anew; runs drawn one by one would make
    the law look better known than it is.
    """
    runs = catalog.load(_RUNS)
    fitted = scaling.fit(runs, bootstrap=_REPLICATES, seed=_SEED, device="cpu")
    found = {"replicate": range(_REPLICATES), **{name: fitted.replicates[name] for name in fitted.law.names}}
    return pd.DataFrame({**found, "source_id": runs["source_id"].iloc[0]})[list(columns_of(_TABLE))]


def main() -> None:
    """Write the table and print how well each symbol is known."""
    table = replicate_table()
    text = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    catalog.write_whole(catalog.data_dir() / f"{_TABLE}.csv", text)
    stored = catalog.load(_TABLE)  # checks what was written
    print(stored[list(scaling.LAWS["chinchilla"].names)].quantile([0.05, 0.5, 0.95]).to_string())


if __name__ == "__main__":
    main()
