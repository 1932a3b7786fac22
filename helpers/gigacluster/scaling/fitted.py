"""A law with its parameters, fitted or published: what it predicts, how sure that is, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

from gigacluster.arrays import Samples
from gigacluster.limits import POSITIVE, SHARE_WITHIN, whole, within
from gigacluster.scaling import diagnose as judge
from gigacluster.scaling.derivatives import JetOperations
from gigacluster.scaling.estimate import Estimate, Flag, spread
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.noise import Noise
from gigacluster.scaling.optimum import law_compute_for
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN, Runs, is_table, known_columns, positive
from gigacluster.scaling.search import Solved, StartReport
from gigacluster.scaling.storage import read, write

#: Compute over that of the largest run from which a prediction is told to reach beyond the data.
REACH_TOLD = 1.5
#: Least number of noisy samples that an interval is read from.
_NOISY_SAMPLES = 4000


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A law with its parameters: fitted by :func:`gigacluster.scaling.fit`, or published (:meth:`from_coefficients`).

    ``parameters``, ``standard_errors`` and ``intervals`` are dicts by symbol, in SI units and nats; the last two are
    ``nan`` without a bootstrap, and all are ``nan`` if the fit did not converge. ``replicates``: arrays by symbol, with
    ``converged`` and other marks of each replicate. ``objective``: the minimum. ``gradient``: its largest component
    there, divided by delta, in fitted coordinates (exponents and E as they are, amplitudes by their logarithm in units
    of the runs' geometric mean). ``kind``: how replicates were drawn. ``flags``: what a reader must know.
    """

    law: Law
    parameters: dict[str, float]
    fixed: dict[str, float]
    coverage: float
    replicates: dict[str, numpy.ndarray]
    flags: tuple[Flag, ...]
    kind: str = ""
    objective: float = numpy.nan
    solved: Solved | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        head = f"{self.law.name}: {self.law.about}"
        if self.solved is not None:
            head += f"; {len(self.runs)} runs, objective {self.objective:.10g}"
        lines = [head]
        for name, value in self.parameters.items():
            low, high = self.intervals[name]
            held = " (held fixed)" if name in self.fixed else f" ({low:.6g} to {high:.6g})" if low == low else ""
            lines.append(f"  {name} = {value:.8g}{held}")
        if self.replicates:
            count = len(self.replicates["converged"])
            lines.append(f"  intervals hold {self.coverage:.0%}, from {count} replicates by kind={self.kind!r}")
        if self.solved is not None:
            lines.append(f"  {self.starts}")
        return "\n".join([*lines, *(f"  ! {flag}" for flag in self.flags)])

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.6g}" for name, value in self.parameters.items())
        return f"Fit({self.law.name!r}, {values})"

    @classmethod
    def from_coefficients(
        cls,
        form: str | Law,
        coefficients: Mapping[str, float],
        *,
        covariance: Any = None,
        samples: int = 2000,
        seed: int = 42,
        coverage: float = 0.95,
    ) -> Fit:
        """Return the law of published coefficients, which predicts and chooses as a fitted one does.

        Parameters
        ----------
        form
            A name of :data:`gigacluster.scaling.LAWS`, or a law of yours.
        coefficients
            A value for every symbol of the form, in SI units and nats; symbols that the form holds fixed may be left
            out.
        covariance
            Of the coefficients, in the order given, shape (symbols, symbols): intervals are then those of normal draws.
        samples, seed, coverage
            How many draws, their seed, and what intervals hold.

        Raises
        ------
        ValueError
            If a symbol is missing, unknown, or out of its range.

        Examples
        --------
        >>> law = Fit.from_coefficients("chinchilla", dict(A=482.01, B=2085.43, E=1.8172, alpha=0.3478, beta=0.3658))
        >>> round(float(law.predict(70e9, 1.4e12).value), 3)
        1.974
        """
        law, (samples, seed) = get_law(form), (whole("samples", samples, 1), whole("seed", seed))
        within(coverage=(coverage, SHARE_WITHIN))
        values = {**dict(law.defaults), **law.values_of(coefficients, "coefficients")}
        missing = [name for name in law.names if name not in values]
        if missing:
            raise ValueError(f"coefficients of {law.name!r} ({', '.join(law.names)}): {', '.join(missing)} missing")
        replicates: dict[str, numpy.ndarray] = {}
        if covariance is not None:
            matrix, names = numpy.asarray(covariance, dtype=float), list(coefficients)
            if matrix.shape != (len(names), len(names)):
                raise ValueError(f"covariance has shape {matrix.shape}; it must be {(len(names),) * 2}, for {names}")
            stream = numpy.random.default_rng(seed)
            drawn = stream.multivariate_normal([values[name] for name in names], matrix, samples, method="eigh")
            table = {name: numpy.full(samples, value) for name, value in values.items()}
            table |= dict(zip(names, drawn.T, strict=True))
            good = numpy.all([table[s.name] > 0 for s in law.symbols if s.kind in ("amplitude", "exponent")], axis=0)
            replicates = {**{name: numpy.where(good, table[name], numpy.nan) for name in law.names}, "converged": good}
        return cls(
            law=law,
            parameters={name: values[name] for name in law.names},
            fixed={name: value for name, value in values.items() if name not in coefficients},
            coverage=coverage,
            replicates=replicates,
            flags=(),
            kind="covariance" if replicates else "",
        )

    @property
    def converged(self) -> bool:
        """Whether the gradient proves an optimum; true of published coefficients."""
        return self.solved is None or self.solved.converged

    @property
    def gradient(self) -> float:
        """Largest component of the gradient, over delta."""
        return numpy.nan if self.solved is None else float(self.solved.point.gradient[0])

    @property
    def runs(self) -> Runs:
        """The runs that were fitted."""
        return self.solved_or_raise("runs").runs

    @property
    def residuals(self) -> numpy.ndarray:
        """Observed less predicted log loss of each run, shape (runs,)."""
        return self.solved_or_raise("residuals").residuals

    @property
    def starts(self) -> StartReport:
        """How many starts reached the optimum."""
        return self.solved_or_raise("starts").starts

    @property
    def noise(self) -> Noise:
        """What the residuals are made of."""
        return self.solved_or_raise("residuals").noise

    @property
    def samples(self) -> dict[str, numpy.ndarray]:
        """Parameters of the converged replicates, by symbol; empty without a bootstrap."""
        if not self.replicates:
            return {}
        return {name: self.replicates[name][self.replicates["converged"]] for name in self.law.names}

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard deviation of each symbol over the replicates."""
        with numpy.errstate(all="ignore"):  # an amplitude that runs away has no standard deviation
            return {
                name: float(numpy.std(v, ddof=1)) if len(v) > 1 else numpy.nan for name, v in self._columns().items()
            }

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Percentile interval of each symbol."""
        found = {n: spread(self.parameters[n], v, self.coverage) for n, v in self._columns().items()}
        return {name: (float(estimate.low), float(estimate.high)) for name, estimate in found.items()}

    @property
    def covariance(self) -> numpy.ndarray:
        """Covariance of the symbols over the replicates, shape (symbols, symbols), in the order of ``law.names``."""
        with numpy.errstate(all="ignore"):
            return numpy.atleast_2d(numpy.cov(numpy.stack(list(self._columns().values()))))

    def _columns(self) -> dict[str, numpy.ndarray]:
        return self.samples or {name: numpy.empty(0) for name in self.law.names}

    def solved_or_raise(self, what: str) -> Solved:
        """Return the problem that was solved; published coefficients have none."""
        if self.solved is None:
            raise ValueError(f"this law was not fitted here, so that it has no {what}; fit it with scaling.fit(runs)")
        return self.solved

    def table(self) -> dict[str, list[Any]]:
        """Return the parameters as a table: ``symbol``, ``value``, ``standard_error``, ``low``, ``high``, ``fixed``."""
        names = self.law.names
        return {
            "symbol": list(names),
            "value": [self.parameters[name] for name in names],
            "standard_error": [self.standard_errors[name] for name in names],
            "low": [self.intervals[name][0] for name in names],
            "high": [self.intervals[name][1] for name in names],
            "fixed": [name in self.fixed for name in names],
        }

    def sample(self, samples: int, seed: int) -> dict[str, numpy.ndarray]:
        """Draw parameters jointly from the converged replicates, by symbol, each of shape (samples,)."""
        if not self.replicates:
            raise ValueError("this fit has no replicates to draw from; give fit(..., bootstrap=1000)")
        samples, seed = whole("samples", samples), whole("seed", seed)
        good = self.samples
        count = len(good[self.law.names[0]])
        rows = numpy.random.default_rng([seed, *b"scaling law"]).integers(0, count, samples)
        return {name: values[rows] for name, values in good.items()}

    def predict(self, *values: Any, noise: bool = False, seed: int = 7, **columns: Any) -> Estimate:
        """Return the loss of runs that were not made.

        Parameters
        ----------
        *values, **columns
            What the law reads, which broadcast: in the order of ``law.columns``, by name, or one mapping or table. For
            a law of compute alone ``params`` and ``tokens`` will do.
        noise
            The interval is that of the law's curve; with ``noise`` it is that of a single run, whose error is drawn
            from what the fit left.
        seed
            Of those draws.

        Returns
        -------
        Estimate
            Loss and percentile interval, at the coverage of the fit [nat/token]; a flag tells a reach beyond the runs.
        """
        host = self.columns_for(*values, **columns)
        value = self.law.loss(JetOperations(numpy), self.parameters, host)
        flop = known_columns(host, ("budget_flop",)).get("budget_flop")
        flags = tuple(f for f in self.flags if f.kind == "not converged") + self.reach_flags(flop)
        if not self.replicates:
            return spread(value, None, self.coverage, flags)
        losses = numpy.log(self.loss_samples(host))
        if noise:
            left = self.solved_or_raise("residuals")
            free, count = len(left.problem.free), len(left.residuals)
            # A fit comes closer to its own runs than to new ones: the usual degrees of freedom make up for it.
            losses = with_noise(losses, left.residuals * numpy.sqrt(count / max(count - free, 1)), seed)
        return spread(value, numpy.exp(losses), self.coverage, flags)

    def loss_samples(self, host: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
        """Return the loss by each replicate, shape (replicates, ...), at columns from :meth:`columns_for`."""
        shape = (-1,) + (1,) * numpy.ndim(next(iter(host.values())))
        table = {name: column.reshape(shape) for name, column in self.samples.items()}
        return numpy.asarray(self.law.loss(JetOperations(numpy), table, host))

    def columns_for(self, *values: Any, **columns: Any) -> dict[str, numpy.ndarray]:
        """Return what the law reads, by column, on the host and of one shape; ``values`` as in :meth:`predict`."""
        law = self.law
        if len(values) == 1 and is_table(values[0]):
            given = {**values[0], **columns}
        elif len(values) > len(law.columns):
            raise ValueError(f"{law.name!r} reads {', '.join(law.columns)}; got {len(values)} values")
        else:
            given = {**dict(zip(law.columns, values, strict=False)), **columns}
        found = known_columns(given, law.columns)
        missing = [name for name in law.columns if name not in found]
        if missing:
            raise ValueError(
                f"{law.name!r} needs {', '.join(law.columns)} to predict a loss; missing: {', '.join(missing)} "
                f"(given: {', '.join(map(str, given)) or 'nothing'})"
            )
        host = {name: positive(name, column) for name, column in found.items()}
        try:
            return dict(zip(host, numpy.broadcast_arrays(*host.values()), strict=True))
        except ValueError:
            shapes = ", ".join(f"{name} {column.shape}" for name, column in host.items())
            raise ValueError(f"the columns have shapes that do not go together: {shapes}") from None

    def reach_flags(self, flop: Any | None) -> tuple[Flag, ...]:
        """Return a flag where compute lies beyond that of the largest run."""
        largest = None if self.solved is None else self.runs.flop
        if flop is None or largest is None:
            return ()
        reach = float(numpy.max(flop)) / float(largest.max())
        if reach <= REACH_TOLD:
            return ()
        message = (
            f"{reach:,.3g} times the compute of the largest run ({largest.max():.2g} FLOP); the interval is that of "
            "the "
            "form's parameters, not of the form: see scaling.rollouts for the error at such a reach"
        )
        return (Flag("reach", "", message),)

    def compute_for(self, loss: Samples, *, flop_per_param_token: float = FLOP_PER_PARAM_TOKEN) -> Estimate:
        """Return the least training compute that reaches a loss, best split. [FLOP]

        ``inf`` where no compute reaches it (at or below E); the share of replicates that say so is told by a flag.
        """
        goal = positive("loss", loss)
        within(flop_per_param_token=(flop_per_param_token, POSITIVE))
        options = {"flop_per_param_token": flop_per_param_token}
        value = law_compute_for(self.law, self.parameters, goal, **options)
        samples, flags = None, tuple[Flag, ...]()
        if self.replicates:
            shape = (-1,) + (1,) * goal.ndim
            table = {name: column.reshape(shape) for name, column in self.samples.items()}
            samples = law_compute_for(self.law, table, goal, **options)
            never = float(numpy.isinf(samples).mean())
            if never:
                flags = (Flag("out of reach", "", f"no compute reaches the loss in {never:.1%} of the replicates"),)
        finite = value[numpy.isfinite(value)] if value.ndim else value
        known = finite if numpy.size(finite) and numpy.isfinite(finite).all() else None
        return spread(value, samples, self.coverage, flags + self.reach_flags(known))

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON; :meth:`load` reads it."""
        write(path, vars(self))

    @classmethod
    def load(cls, path: str | Path, form: Law | None = None) -> Fit:
        """Read a fit that :meth:`save` wrote; ``form`` is the law where it is one of yours."""
        return cls(**read(path, form))


def as_fit(fitted: object) -> Fit:
    """Return a fit, and refuse what is none."""
    if not isinstance(fitted, Fit):
        raise ValueError(
            f"fitted is a {type(fitted).__name__}; it must be a Fit, as scaling.fit and Fit.from_coefficients give"
        )
    return fitted


def with_noise(samples: numpy.ndarray, residuals: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Return samples (along axis 0) with residuals added, each sample often enough that the tails are well drawn.

    The same residuals serve all points, so that an interval drawn along a curve is smooth.
    """
    times = -(-_NOISY_SAMPLES // len(samples))
    drawn = numpy.random.default_rng(seed).choice(residuals, size=len(samples) * times)
    return numpy.asarray(numpy.repeat(samples, times, axis=0) + drawn.reshape((-1,) + (1,) * (samples.ndim - 1)))


def profile(fitted: Fit, symbol: str, values: Sequence[float]) -> dict[str, numpy.ndarray]:
    """Refit with one symbol held at each of some values, in the units of ``fitted.parameters``.

    Returns
    -------
    dict of arrays
        ``value``; ``objective``; ``evidence``, the fall of log likelihood against the optimum, calibrated by the
        residuals whatever their distribution (errors shared by groups allowed for); ``ruled_out`` at 95 %.
    """
    return judge.profile(as_fit(fitted).solved_or_raise("profile"), symbol, values)
