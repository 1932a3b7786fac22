"""Approaches 1, 2 and 3 of Hoffmann et al. (2022) as one object: three answers to one question, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import Samples
from gigacluster.scaling.compare import Comparison, compare
from gigacluster.scaling.decisions import compute_optimal
from gigacluster.scaling.estimate import Estimate, Flag, with_flags
from gigacluster.scaling.fitted import Fit
from gigacluster.scaling.fitting import fit
from gigacluster.scaling.isoflop import IsoFlop, isoflop
from gigacluster.scaling.law import Law
from gigacluster.scaling.runs import read_columns


@dataclass(frozen=True, kw_only=True)
class Approaches:
    """Optima by the best runs (``one``), by parabolas (``two``) and by a fitted law (``three``), and 2 less 3."""

    one: IsoFlop
    two: IsoFlop
    three: Fit
    difference: Comparison | None

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What a reader must know, of all three."""
        said = (*self.two.flags, *self.three.flags, *(self.difference.flags if self.difference else ()))
        return tuple(dict.fromkeys(said))

    def predict(self, budget_flop: Samples) -> dict[str, dict[str, Estimate]]:
        """Return ``params`` and ``tokens`` at any budget by each approach, with intervals."""
        best = compute_optimal(self.three, budget_flop, flop_per_param_token=6.0 * self.two.flop_ratio)
        return {
            "approach 1": self.one.predict(budget_flop),
            "approach 2": self.two.predict(budget_flop),
            "approach 3": {"params": best.params, "tokens": best.tokens},
        }

    def __str__(self) -> str:
        largest = float(self.two.budgets_flop.max())
        lines = [f"best size at {largest:.3g} FLOP, the largest budget:"]
        lines += [f"  {name}: {found['params']:.4g}" for name, found in self.predict(largest).items()]
        lines.append(f"  {self.difference or 'approaches 2 and 3 cannot be compared on these runs'}")
        return with_flags(self.flags, *lines)


def approaches(
    runs: Any,
    form: str | Law = "chinchilla",
    *,
    bootstrap: int = 400,
    seed: int = 42,
    coverage: float = 0.95,
    window: float | None = None,
    **options: Any,
) -> Approaches:
    """Fit approaches 1, 2 and 3 to runs at equal compute, and say how far 2 and 3 differ.

    Parameters
    ----------
    runs
        As for :func:`gigacluster.scaling.isoflop`.
    form
        The law of approach 3.
    bootstrap, seed, coverage
        Replicates of each, their seed, and the coverage of intervals.
    window
        Of the parabolas; None chooses it.
    **options
        Passed to :func:`gigacluster.scaling.fit`.

    Raises
    ------
    ValueError
        As those two do.
    """
    columns = read_columns(runs, ("params", "tokens", "budget_flop", "loss"))
    shared: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed, "coverage": coverage}
    one = isoflop(columns, approach=1, window=window, **shared)
    two = isoflop(columns, approach=2, window=window, **shared)
    three = fit(columns, form, **shared, **options)
    difference = compare(three.solved_or_raise("runs"), coverage=coverage, count=max(bootstrap, 1))
    return Approaches(one=one, two=two, three=three, difference=difference)
