"""Trust in extrapolation: how far forms err beyond the runs they saw, and predictions that carry that error on.

A rollout fits a form to the runs up to some compute and predicts those beyond. The error of log loss is taken to grow
with the logarithm of the reach (compute predicted over the largest fitted), at a rate that rollouts from several
cut-offs give for each form; forms are averaged by that rate, and the interval widens by it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
from scipy import special

from gigacluster.arrays import Samples
from gigacluster.limits import SHARE_WITHIN, Limit, whole, within
from gigacluster.scaling.estimate import Estimate, Flag, with_flags
from gigacluster.scaling.fitted import Fit
from gigacluster.scaling.fitting import ConvergenceWarning, fit
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN, RunsWarning, check_columns, read_columns

#: Forms that are compared by default.
FORMS = ("chinchilla", "chinchilla-tied", "kaplan")
_BEYOND = Limit(1.0, numpy.inf, "above 1, times the compute of the largest run", False, False)
#: Cut-offs, the least reach of a rollout, and the runs that a form needs beyond its free parameters.
_CUTS = 5
_LEAST_REACH = 3.0
_SPARE_RUNS = 3
#: Weight from which a form counts in the average; below it, it only costs time.
_LEAST_WEIGHT = 0.02
#: Least rate of error, per e-fold of compute: no form is trusted to better than 0.1 % over a factor of a hundred.
_LEAST_RATE = 2e-4


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One form fitted up to a cut-off and judged beyond it."""

    form: str
    cut_flop: float
    fitted: int  # runs
    misses: numpy.ndarray = field(repr=False)  # observed less predicted log loss of each run judged
    log_reach: numpy.ndarray = field(repr=False)  # of its compute over the largest fitted

    @property
    def reach(self) -> float:
        """Largest compute judged over the largest fitted."""
        return float(numpy.exp(self.log_reach.max()))

    @property
    def rate(self) -> float:
        """Root mean square of the error of log loss over the logarithm of its reach."""
        return _root_mean_square(self.misses / self.log_reach)


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """Forms fitted to all runs, with the weight that their rollouts earn them.

    ``expected_error``: relative error of each form at ``reach``, carried on from the rollouts by the logarithm of the
    reach. ``tested_reach``: the largest that a rollout had; beyond it errors are carried on, not tested.
    """

    rollouts: tuple[Rollout, ...]
    fits: dict[str, Fit]
    weights: dict[str, float]
    rates: dict[str, float]
    rate: float  # of the average of the forms
    cuts: int
    reach: float
    tested_reach: float
    largest_flop: float
    coverage: float
    flags: tuple[Flag, ...]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def expected_error(self) -> dict[str, float]:
        """Relative error of each form at the reach asked for, smallest first."""
        found = {name: float(numpy.expm1(rate * numpy.log(self.reach))) for name, rate in self.rates.items()}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def chosen(self) -> Fit:
        """The form of smallest expected error, fitted to all runs."""
        return self.fits[next(iter(self.expected_error))]

    def table(self) -> dict[str, list[Any]]:
        """Return the rollouts, a row a form and cut-off."""
        return {
            "form": [one.form for one in self.rollouts],
            "cut_flop": [one.cut_flop for one in self.rollouts],
            "reach": [one.reach for one in self.rollouts],
            "fitted": [one.fitted for one in self.rollouts],
            "judged": [len(one.misses) for one in self.rollouts],
            "error": [_root_mean_square(one.misses) for one in self.rollouts],  # of log loss
            "bias": [float(one.misses.mean()) for one in self.rollouts],
            "rate": [one.rate for one in self.rollouts],
        }

    def predict(self, params: Samples, tokens: Samples) -> Estimate:
        """Return the loss of runs that were not made, averaged over the forms. [nat/token]

        The interval holds a run: its own error, that of the parameters, what the forms differ by, and the error of the
        rollouts at the same reach; the last grows with the logarithm of the compute beyond the largest run.
        """
        params, tokens = numpy.broadcast_arrays(numpy.asarray(params, float), numpy.asarray(tokens, float))
        names = [name for name, weight in self.weights.items() if weight > 0]
        weight = numpy.asarray([self.weights[name] for name in names]).reshape((-1,) + (1,) * params.ndim)
        columns = {"params": params, "tokens": tokens, "budget_flop": FLOP_PER_PARAM_TOKEN * params * tokens}
        logs, spreads = [], []
        for name in names:
            fitted = self.fits[name]
            host = fitted.columns_for({column: columns[column] for column in fitted.law.columns})
            value, losses = fitted.loss_of(host)
            logs.append(numpy.log(value))
            samples = numpy.zeros((1, *params.shape)) if losses is None else numpy.log(losses)
            low, high = numpy.quantile(numpy.nan_to_num(samples, nan=numpy.inf, posinf=30.0), [0.16, 0.84], axis=0)
            spreads.append((0.5 * (high - low)) ** 2)  # robust: a few replicates go astray
        stacked = numpy.stack(logs)
        middle = (weight * stacked).sum(axis=0)
        reach = columns["budget_flop"] / self.largest_flop
        beyond = numpy.log(numpy.maximum(reach, 1.0))
        own = min(fitted.noise.sigma for fitted in self.fits.values())
        variance = (weight * (numpy.stack(spreads) + (stacked - middle) ** 2)).sum(axis=0) + own**2
        # One number of cut-offs tells the rate, so that its interval is that of Student's t.
        width = special.stdtrit(max(self.cuts, 2), 0.5 + self.coverage / 2) * numpy.sqrt(
            variance + (self.rate * beyond) ** 2
        )
        flags = self.flags
        if float(reach.max()) > self.tested_reach:
            message = (
                f"{float(reach.max()):,.3g} times the compute of the largest run, where rollouts on these runs reach "
                f"{self.tested_reach:,.3g} times: the error is carried on, not tested"
            )
            flags = (*flags, Flag("reach", "", message))
        return Estimate(numpy.exp(middle), numpy.exp(middle - width), numpy.exp(middle + width), flags)

    def __str__(self) -> str:
        lines = [
            f"expected error at {self.reach:g} times the largest run (rollouts up to {self.tested_reach:.3g} times):"
        ]
        lines += [f"  {n}: {error:.2%}, weight {self.weights[n]:.2f}" for n, error in self.expected_error.items()]
        lines.append(f"  average of the forms: {numpy.expm1(self.rate * numpy.log(self.reach)):.2%}")
        lines += [f"  {name}: not fitted, {reason}" for name, reason in self.failed.items()]
        return with_flags(self.flags, *lines)


def rollouts(
    runs: Any,
    forms: str | Law | Sequence[str | Law] = FORMS,
    *,
    reach: float = 100.0,
    cuts: int = _CUTS,
    bootstrap: int = 200,
    coverage: float = 0.95,
    **options: Any,
) -> Extrapolation:
    """Judge forms by what they predict beyond the runs they saw, and average them for predictions far beyond all.

    Parameters
    ----------
    runs
        As for :func:`gigacluster.scaling.fit`.
    forms
        Names or laws, of params and tokens or of budget_flop.
    reach
        Compute over that of the largest run for which forms are ranked.
    cuts
        Cut-offs, evenly spaced in log compute.
    bootstrap, coverage
        Replicates of each form on all runs, and the coverage of intervals.
    **options
        Passed to :func:`gigacluster.scaling.fit`.

    Raises
    ------
    ValueError
        If the runs leave no rollout of a reach of 3: too few runs, or too little compute between them.
    """
    within(reach=(reach, _BEYOND), coverage=(coverage, SHARE_WITHIN))
    cuts = whole("cuts", cuts, 1)
    laws = [get_law(form) for form in ([forms] if isinstance(forms, str | Law) else forms)]
    columns = read_columns(runs, ("params", "tokens", "budget_flop", "loss"))
    check_columns(columns)
    flop = columns["budget_flop"]
    options = {"starts": 24, "device": "cpu", **options}
    failed: dict[str, str] = {}
    told = list(_roll_out(columns, laws, cuts, options, failed))
    rates = {
        law.name: max(_root_mean_square(known), _LEAST_RATE)
        for law in laws
        if (known := [one.rate for one in told if one.form == law.name and numpy.isfinite(one.rate)])
    }
    if not rates:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise ValueError(
            f"no form can be judged beyond its runs: {len(flop)} runs from {flop.min():.3g} to {flop.max():.3g} "
            f"FLOP, and a rollout needs {_SPARE_RUNS} runs more than parameters below a run of {_LEAST_REACH:g} times "
            f"their compute. {reasons}"
        )
    raw = {name: (min(rates.values()) / rate) ** 4 for name, rate in rates.items()}
    kept = {name: value for name, value in raw.items() if value >= _LEAST_WEIGHT * sum(raw.values())}
    best = max(raw, key=lambda name: raw[name])
    fits = {}
    for law in laws:
        if law.name in raw:
            drawn = bootstrap if law.name in kept else 0
            on_all, reason = _quiet_fit(
                columns, law, {**options, "bootstrap": drawn, "coverage": coverage}, law.name == best
            )
            if on_all is None:
                failed[law.name] = reason
            else:
                fits[law.name] = on_all
    if not set(kept) & set(fits):
        raise ValueError(f"no form fits all runs: {failed}")
    total = sum(value for name, value in kept.items() if name in fits)
    weights = {name: (kept.get(name, 0.0) if name in fits else 0.0) / total for name in rates}
    return Extrapolation(
        rollouts=tuple(told),
        fits=fits,
        weights=weights,
        rates={name: rate for name, rate in rates.items() if name in fits},
        rate=_rate_of_average(told, weights),
        cuts=len({rollout.cut_flop for rollout in told}),
        reach=reach,
        tested_reach=max(rollout.reach for rollout in told),
        largest_flop=float(flop.max()),
        coverage=coverage,
        flags=fits[max(fits, key=lambda name: weights[name])].flags,  # of the form that weighs most
        failed=failed,
    )


def _roll_out(
    columns: dict[str, numpy.ndarray], laws: list[Law], cuts: int, options: dict[str, Any], failed: dict[str, str]
) -> Iterator[Rollout]:
    """Fit every form up to every cut-off and judge it beyond; what failed is added to ``failed``."""
    flop = columns["budget_flop"]
    found = _cut_offs(flop, cuts, min(len(law.names) for law in laws) + _SPARE_RUNS)
    for law, cut in ((law, cut) for law in laws for cut in found):
        seen = flop <= cut
        if seen.sum() < len(law.names) + _SPARE_RUNS:
            continue
        fitted, reason = _quiet_fit({name: values[seen] for name, values in columns.items()}, law, options)
        if fitted is None:
            failed[law.name] = reason
            continue
        beyond = flop >= _LEAST_REACH * flop[seen].max()
        predicted = fitted.predict({name: columns[name][beyond] for name in law.columns}).value
        yield Rollout(
            form=law.name,
            cut_flop=float(cut),
            fitted=int(seen.sum()),
            misses=numpy.log(columns["loss"][beyond]) - numpy.log(predicted),
            log_reach=numpy.log(flop[beyond] / flop[seen].max()),
        )


def _cut_offs(flop: numpy.ndarray, cuts: int, least: int) -> list[float]:
    """Return compute between that of the smallest runs that can be fitted and a third of the largest."""
    ordered = numpy.sort(flop)
    if len(ordered) <= least:
        return []
    low, high = ordered[least - 1], ordered[-1] / _LEAST_REACH
    if low > high:
        return []
    wanted = numpy.geomspace(low, high, cuts) * (1 + 1e-9)
    # Cut-offs between the same two runs are one.
    return [
        float(wanted[k]) for k in numpy.unique(numpy.searchsorted(ordered, wanted, side="right"), return_index=True)[1]
    ]


def _quiet_fit(
    columns: dict[str, numpy.ndarray], law: Law, options: dict[str, Any], flags: bool = False
) -> tuple[Fit | None, str]:
    """Fit without warnings; the reason where nothing comes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RunsWarning)
        try:
            fitted = fit(columns, law, flags=flags, **options)
        except ValueError as error:
            return None, str(error).splitlines()[-1].strip()
    return (fitted, "") if fitted.converged else (None, "no start converged")


def _rate_of_average(told: list[Rollout], weights: dict[str, float]) -> float:
    """Return the rate of error of the weighted average of the forms, over the cut-offs that all of them have."""
    used = [one for one in told if weights.get(one.form, 0.0) > 0]
    rates = []
    for cut in dict.fromkeys(one.cut_flop for one in used):
        those = [one for one in used if one.cut_flop == cut]
        if len(those) == sum(weight > 0 for weight in weights.values()):
            miss = sum(weights[one.form] * one.misses for one in those)
            rates.append(_root_mean_square(miss / those[0].log_reach))
    return max(_root_mean_square(rates) if rates else max(weights.values()), _LEAST_RATE)


def _root_mean_square(values: Any) -> float:
    return float(numpy.sqrt(numpy.mean(numpy.square(values))))
