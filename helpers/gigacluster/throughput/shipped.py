"""The calibration that ships with the package: ``data/throughput_coefficients.csv`` as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from gigacluster import tables
from gigacluster.throughput.coefficients import Coefficients

__all__ = ["Calibration", "shipped"]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What calibration learnt: the coefficients, and what chips, families and sources add to them."""

    coefficients: Coefficients
    chip_effects: Mapping[str, float]  # logarithm of matmul time over the model's
    family_effects: Mapping[str, float]  # logarithm of step time over the model's, as the next
    source_effects: Mapping[str, float]
    half_widths: Mapping[str, float]  # "known dense", ... -> half-width of the 80 % interval, as a logarithm
    constant_mfu: Mapping[tuple[str, ...], float]

    def chip_effect(self, chip: str) -> float:
        """Return the effect of a chip, zero for one that no measured run used."""
        return self.chip_effects.get(chip, 0.0)

    def half_width(self, *, known: bool, moe: bool) -> float:
        """Return the half-width of the 80 % interval of a run, wider for a family of sources never seen."""
        return self.half_widths[f"{'known' if known else 'new'} {'moe' if moe else 'dense'}"]


@cache
def shipped() -> Calibration:
    """Return the calibration of ``data/throughput_coefficients.csv``."""
    kinds: dict[str, dict[str, float]] = defaultdict(dict)
    for row in tables.rows("throughput_coefficients"):
        kinds[str(row["kind"])][str(row["name"])] = float(row["value"])
    return Calibration(
        coefficients=Coefficients(**kinds["coefficient"]),
        chip_effects=kinds["chip"],
        family_effects=kinds["family"],
        source_effects=kinds["source"],
        half_widths=kinds["interval"],
        constant_mfu={tuple(name.split("|")) if name != "all" else (): v for name, v in kinds["constant_mfu"].items()},
    )
