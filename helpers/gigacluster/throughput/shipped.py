"""The calibration that ships with the package, or one taught by a reader's runs: records, and their certainty."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from gigacluster import hardware, tables
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.rows import Runs
from gigacluster.throughput.software import MOE_INPUTS

#: Share of a normal distribution below a value; SciPy's takes a quarter of a second to import, and plans are few.
_below = numpy.vectorize(lambda value: 0.5 * math.erfc(-value / math.sqrt(2.0)), otypes=[float])


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
    untested: list[str]  # what hardly any calibrating run had, separated by commas


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What calibration learnt: the coefficients, and what chips, families and sources add to them."""

    coefficients: Coefficients
    chip_effects: Mapping[str, float]  # logarithm of matmul time over the model's, by chip
    family_effects: Mapping[str, float]  # logarithm of step time over the model's, as the next
    source_effects: Mapping[str, float]
    families: Mapping[str, str]  # source, and what releases of it are called without their number -> family
    spreads: Mapping[str, float]  # standard deviations of the error, as logarithms, by cause
    tested: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # kind -> calibrating runs that had it
    constant_mfu: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    own_effect: float = 0.0  # of the reader's stack, for sources that calibration does not know
    own_runs: float = 0.0  # runs of that stack
    n_runs: float = 0.0  # published runs
    name: str = ""  # of its file; blank: that of the package

    def told(self) -> str:
        """Return which calibration this is, as a part of a sentence.

        Examples
        --------
        >>> shipped().told().startswith("calibrated on ")
        True
        """
        told = f"calibrated on {self.n_runs:.0f} published runs"
        if not self.own_runs:
            return told
        pace = "slower" if self.own_effect > 0 else "faster"
        stack = f"a stack {abs(math.expm1(self.own_effect)):.1%} {pace} than the model"
        return f"{told} and {self.own_runs:.0f} of one's own ({self.name}: {stack})"

    def chip_effect(self, name: str) -> float:
        """Return the effect of a chip, by any of its names; zero for one that no measured run used."""
        chip = _known_chip(name)
        return 0.0 if chip is None else self.chip_effects.get(chip.name, 0.0)

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
        known : Whether calibration saw runs of this family of sources.
        moe : Whether the model has experts.
        untested : Kinds of what hardly any calibrating run had: vendor, chip, precision, attention, scale.
        blanks_frac : Share of the software inputs of an MoE that are blank.
        n_chips : Beyond the largest calibrating run, the width grows with every doubling. [chip]
        """
        arch = "moe" if moe else "dense"
        variance = self.spreads[f"{'known' if known else 'new'} {arch}"] ** 2
        variance += sum(self.spreads[f"untested {kind}"] ** 2 for kind in untested if kind != "scale")
        doublings = math.log2(max(n_chips / self.largest_chips, 1.0))
        variance += (self.spreads["untested scale"] * doublings) ** 2
        variance += (blanks_frac * self.spreads["blank moe inputs"]) ** 2 if moe else 0.0
        return float(variance**0.5)

    def fit_probability(self, needed_bytes: Any, memory_bytes: Any, blank: Any = False) -> numpy.ndarray:
        """Return the probability that a plan fits, from how far printed peaks lie from predicted ones; on the host.

        Half is where it needs just what there is: a plan is said to fit from there on.

        Parameters
        ----------
        needed_bytes, memory_bytes : What the step cannot do without, and what the chip has. [byte]
        blank : Whether something that memory hangs on is not told: length, micro-batch, what is computed again.
        """
        half_width = numpy.where(blank, self.spreads["blank memory"], self.spreads["memory"])
        return numpy.asarray(_below(numpy.log(memory_bytes / needed_bytes) * NORMAL_80 / half_width))

    def untested_of(self, chip: hardware.Chip | None, precision: float, attention: float, n_chips: float) -> list[str]:
        """Return which kinds of a run hardly any calibrating run had: fewer than three."""
        said = {"precision": f"{precision:g}", "attention": f"{attention:g}"}
        said |= {"chip": chip.name, "vendor": chip.vendor} if chip is not None else {"chip": "", "vendor": ""}
        found = [kind for kind, name in said.items() if self.tested.get(kind, {}).get(name, 0.0) < _FEW]
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
        chips = [_known_chip(name) for name in runs.text("chip")]
        untested = [self.untested_of(chip, *row) for chip, *row in zip(chips, *columns, strict=True)]
        known = numpy.array([bool(self.family_of(source)) for source in sources], dtype=bool)
        widths = [
            self.half_width(known=k, moe=m, untested=u, blanks_frac=float(b), n_chips=float(n))
            for k, m, u, b, n in zip(known, moe, untested, blanks, columns[2], strict=True)
        ]
        return Certainty(
            half_width=numpy.array(widths, dtype=float), family_known=known, untested=[", ".join(u) for u in untested]
        )


def _known_chip(name: str) -> hardware.Chip | None:
    """Return a chip of the table, by any of its names; None for one of one's own."""
    try:
        return hardware.chip(name)
    except ValueError:
        return None


@cache
def shipped() -> Calibration:
    """Return the calibration of ``data/throughput_coefficients.csv``."""
    return _read("")


def calibration_of(given: Calibration | str | Path | None) -> Calibration:
    """Return a calibration as given, read from a file, or that of the package."""
    return given if isinstance(given, Calibration) else read_calibration(given or "")


def read_calibration(path: str | Path = "") -> Calibration:
    """Return the calibration of a file that ``gigacluster calibrate RUNS.csv --out FILE`` wrote; blank: the package's.

    Raises
    ------
    ValueError
        If the file cannot be read, or is no calibration.
    """
    return _read(path) if path else shipped()


def _read(path: str | Path) -> Calibration:
    kinds: dict[str, dict[str, Any]] = defaultdict(dict)
    try:
        for row in tables.rows("throughput_coefficients", path or None):
            if str(row["name"]) in kinds[str(row["kind"])]:
                raise ValueError(f"{row['name']} stands twice")
            kinds[str(row["kind"])][str(row["name"])] = float(row["value"])
        if path:
            _refuse_damage(kinds)
        return _of_rows(kinds, str(path))
    except (OSError, UnicodeDecodeError) as fault:
        raise ValueError(f"calibration {str(path)!r} cannot be read ({getattr(fault, 'strerror', fault)})") from None
    except (KeyError, TypeError, ValueError) as fault:
        raise ValueError(
            f"{str(path)!r} is no calibration ({fault}); give a file that 'gigacluster calibrate RUNS.csv --out FILE' "
            "wrote with this version"
        ) from None


def _refuse_damage(kinds: Mapping[str, Mapping[str, float]]) -> None:
    """Raise where a calibration lacks what that of the package has, or holds what no fit can find."""
    for row in tables.rows("throughput_coefficients"):
        kind, name, usual = str(row["kind"]), str(row["name"]), float(row["value"])
        value = kinds.get(kind, {}).get(name)
        if value is None:
            raise ValueError(f"it lacks {name}")
        if kind == "coefficient" and usual > 0 and not usual / _FAR <= value <= usual * _FAR:
            raise ValueError(f"{name} is {value:g}, and {usual:g} in the package")
    for kind, values in kinds.items():
        for name, value in values.items():
            if not math.isfinite(value) or (kind in _LOGARITHMS and abs(value) > math.log(_FAR)):
                raise ValueError(f"{name} is {value:g}")


def _of_rows(kinds: Mapping[str, Mapping[str, Any]], name: str) -> Calibration:
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
        own_runs=kinds["own"].get("runs", 0.0),
        n_runs=sum(count for tested, count in kinds["tested"].items() if tested.startswith("chip|")),
        name=name,
        tested={
            kind: {name.partition("|")[2]: n for name, n in kinds["tested"].items() if name.startswith(f"{kind}|")}
            for kind in _KINDS
        },
        constant_mfu={tuple(name.split("|")) if name != "all" else (): v for name, v in kinds["constant_mfu"].items()},
    )


#: Standard deviations from the median to the ends of an 80 % interval of a normal distribution.
NORMAL_80 = 1.2816
#: No stack is so many times as fast or slow as another; and the kinds of rows that are logarithms of such factors.
_FAR, _LOGARITHMS = 100.0, {"chip", "family", "source", "interval"}
#: Fewer runs than these test nothing: the number that is enough to learn from.
_FEW = 3.0
_KINDS = ("vendor", "chip", "precision", "attention", "n_chips")
