"""The calibration that ships with the package: ``data/throughput_coefficients.csv`` as records, and its certainty."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy

from gigacluster import hardware, tables
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.columns import Runs
from gigacluster.throughput.software import MOE_INPUTS


def stem_of(source: str) -> str:
    """Return the name of a source without the number of its release: what releases of one maker share.

    Examples
    --------
    >>> stem_of("mlperf-v5.1"), stem_of("nemo-25.02"), stem_of("nemo-automodel-2026"), stem_of("dgxc")
    ('mlperf', 'nemo', 'nemo-automodel', 'dgxc')
    """
    return re.sub(r"[-_ ]v?\d[\w.-]*$", "", source)


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """How sure predictions are, an element a run."""

    half_width: numpy.ndarray  # of the 80 % interval, as a logarithm
    family_known: numpy.ndarray
    untested: list[str]  # what no calibrating run had, separated by commas


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What calibration learnt: the coefficients, and what chips, families and sources add to them."""

    coefficients: Coefficients
    chip_effects: Mapping[str, float]  # logarithm of matmul time over the model's, by chip
    family_effects: Mapping[str, float]  # logarithm of step time over the model's, as the next
    source_effects: Mapping[str, float]
    families: Mapping[str, str]  # source, and what releases of it are called without their number -> family
    spreads: Mapping[str, float]  # standard deviations of the error, as logarithms, by cause
    tested: Mapping[str, frozenset[str]] = field(default_factory=dict)  # kind -> what calibrating runs had of it
    constant_mfu: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    own_effect: float = 0.0  # of the reader's stack, for sources that calibration does not know

    def chip_effect(self, name: str) -> float:
        """Return the effect of a chip, by any of its names; zero for one that no measured run used."""
        try:
            return self.chip_effects.get(hardware.chip(name).name, 0.0)
        except ValueError:
            return 0.0  # a chip of one's own

    def family_of(self, source: str) -> str:
        """Return the family of a source: its own, or that of other releases of it; empty where none is known."""
        return self.families.get(source) or self.families.get(stem_of(source), "")

    def source_effect(self, source: str) -> float:
        """Return the effect of a source with that of its family, as far as calibration knows them."""
        return self.family_effects.get(self.family_of(source), self.own_effect) + self.source_effects.get(source, 0.0)

    def half_width(
        self,
        *,
        known: bool,
        moe: bool,
        untested: Sequence[str] = (),
        blanks_frac: float = 0.0,
        n_chips: float = 1.0,
    ) -> float:
        """Return the half-width of the 80 % interval of a run, as a logarithm.

        Parameters
        ----------
        known
            Whether calibration saw runs of this family of sources.
        moe
            Whether the model has experts.
        untested
            Kinds of what no calibrating run had: vendor, chip, precision, attention, scale.
        blanks_frac
            Share of the software inputs of an MoE that are blank.
        n_chips
            Beyond the largest calibrating run, the width grows with every doubling. [chip]
        """
        arch = "moe" if moe else "dense"
        variance = self.spreads[f"{'known' if known else 'new'} {arch}"] ** 2
        variance += sum(self.spreads[f"untested {kind}"] ** 2 for kind in untested if kind != "scale")
        doublings = math.log2(max(n_chips / self.largest_chips, 1.0))
        variance += (self.spreads["untested scale"] * doublings) ** 2
        variance += (blanks_frac * self.spreads["blank moe inputs"]) ** 2 if moe else 0.0
        return float(variance**0.5)

    def untested_of(self, chip: hardware.Chip | None, precision: float, attention: float, n_chips: float) -> list[str]:
        """Return which kinds of a run no calibrating run had."""
        said = {"precision": f"{precision:g}", "attention": f"{attention:g}"}
        said |= {"chip": chip.name, "vendor": chip.vendor} if chip is not None else {"chip": "", "vendor": ""}
        found = [kind for kind, name in said.items() if name not in self.tested.get(kind, frozenset())]
        return [*found, "scale"] if n_chips > 1.02 * self.largest_chips else found

    @property
    def largest_chips(self) -> float:
        """Chips of the largest calibrating run."""
        return max((float(name) for name in self.tested.get("n_chips", ())), default=math.inf)

    def certainty(self, runs: Runs, case: Case, sources: Sequence[str]) -> Certainty:
        """Return how sure the predictions of expressible runs are."""
        moe = numpy.asarray(case.n_experts) > 0
        blanks = numpy.mean([[cell is None for cell in runs.cells(name)] for name in MOE_INPUTS], axis=0)
        columns = [numpy.broadcast_to(v, moe.shape) for v in (case.precision, case.attention_kernel, case.n_chips)]
        chips = [_record(name) for name in runs.text("chip")]
        untested = [self.untested_of(chip, *row) for chip, *row in zip(chips, *columns, strict=True)]
        known = numpy.array([bool(self.family_of(source)) for source in sources], dtype=bool)
        widths = [
            self.half_width(known=k, moe=m, untested=u, blanks_frac=float(b), n_chips=float(n))
            for k, m, u, b, n in zip(known, moe, untested, blanks, columns[2], strict=True)
        ]
        return Certainty(
            half_width=numpy.array(widths, dtype=float), family_known=known, untested=[", ".join(u) for u in untested]
        )


def _record(name: str) -> hardware.Chip | None:
    try:
        return hardware.chip(name)
    except ValueError:
        return None


def shipped() -> Calibration:
    """Return the calibration of ``data/throughput_coefficients.csv``, or of the file that the environment names.

    ``GIGACLUSTER_CALIBRATION`` is the path of a table that ``gigacluster calibrate RUNS.csv --out FILE`` wrote.
    """
    return _read(os.environ.get("GIGACLUSTER_CALIBRATION", ""))


@cache
def _read(path: str) -> Calibration:
    kinds: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in tables.rows("throughput_coefficients", path or None):
        kinds[str(row["kind"])][str(row["name"])] = float(row["value"])
    members = [name.split("|") for name in kinds["source"]]
    families = {source: family for family, source in members}
    return Calibration(
        coefficients=Coefficients(**kinds["coefficient"]),
        chip_effects=kinds["chip"],
        family_effects=kinds["family"],
        source_effects={source: kinds["source"][f"{family}|{source}"] for family, source in members},
        families={stem_of(source): family for source, family in families.items()} | families,
        spreads=kinds["interval"],
        own_effect=kinds["own"].get("stack", 0.0),
        tested={kind: frozenset(n for k, n in (t.split("|") for t in kinds["tested"]) if k == kind) for kind in _KINDS},
        constant_mfu={tuple(name.split("|")) if name != "all" else (): v for name, v in kinds["constant_mfu"].items()},
    )


_KINDS = ("vendor", "chip", "precision", "attention", "n_chips")
