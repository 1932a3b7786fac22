"""A law with its parameters, fitted or published: what it predicts, how sure that is, and how it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy

from gigacluster.arrays import Samples
from gigacluster.limits import POSITIVE, SHARE_WITHIN, whole, within
from gigacluster.scaling import diagnose as judge
from gigacluster.scaling.derivatives import JetOperations
from gigacluster.scaling.estimate import Estimate, Flag, spread, with_flags
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.noise import Noise, Shared
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.optimum import law_compute_for
from gigacluster.scaling.problem import make_problem
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN, Runs, is_table, known_columns, positive
from gigacluster.scaling.search import Solved, StartReport, search

#: Compute over that of the largest run from which a prediction is told to reach beyond the data.
REACH_TOLD = 1.5
#: Least number of noisy samples that an interval is read from.
_NOISY_SAMPLES = 4000
#: What every file of a fit has, whether fitted or published.
_KEPT = ("parameters", "fixed", "coverage", "kind", "objective", "flags", "replicates")


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
        return with_flags(self.flags, *lines)

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
        value, losses = self.loss_of(host)
        flop = known_columns(host, ("budget_flop",)).get("budget_flop")
        flags = tuple(f for f in self.flags if f.kind == "not converged") + self.reach_flags(flop)
        if noise and losses is not None:
            left = self.solved_or_raise("residuals")
            free, count = len(left.problem.free), len(left.residuals)
            # A fit comes closer to its own runs than to new ones: the usual degrees of freedom make up for it.
            residuals = left.residuals * numpy.sqrt(count / max(count - free, 1))
            losses = numpy.exp(with_noise(numpy.log(losses), residuals, seed))
        return spread(value, losses, self.coverage, flags)

    def answers(self, ask: Callable[[Mapping[str, Any]], Any], ndim: int) -> tuple[Any, Any]:
        """Return what is asked of the parameters, and of each replicate along a first axis; None without replicates.

        ``ask`` takes arrays by symbol, which broadcast with arrays of ``ndim`` axes.
        """
        shape = (-1,) + (1,) * ndim
        table = {name: column.reshape(shape) for name, column in self.samples.items()}
        return ask(self.parameters), ask(table) if table else None

    def loss_of(self, host: Mapping[str, numpy.ndarray]) -> tuple[Any, Any]:
        """Return the loss at columns from :meth:`columns_for`, and that of each replicate, shape (replicates, ...)."""
        operations, ndim = JetOperations(numpy), numpy.ndim(next(iter(host.values())))
        return self.answers(lambda symbols: numpy.asarray(self.law.loss(operations, symbols, host)), ndim)

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
            "the form's parameters, not of the form"
        )
        return (Flag("reach", "", message, "see scaling.rollouts for the error at such a reach"),)

    def compute_for(self, loss: Samples, *, flop_per_param_token: float = FLOP_PER_PARAM_TOKEN) -> Estimate:
        """Return the least training compute that reaches a loss, best split. [FLOP]

        ``inf`` where no compute reaches it (at or below E); the share of replicates that say so is told by a flag.
        """
        goal = positive("loss", loss)
        within(flop_per_param_token=(flop_per_param_token, POSITIVE))
        value, samples = self.answers(
            lambda symbols: law_compute_for(self.law, symbols, goal, flop_per_param_token=flop_per_param_token),
            goal.ndim,
        )
        never, flags = 0.0 if samples is None else float(numpy.isinf(samples).mean()), tuple[Flag, ...]()
        if never:
            flags = (Flag("out of reach", "", f"no compute reaches the loss in {never:.1%} of the replicates"),)
        finite = value[numpy.isfinite(value)] if value.ndim else value
        known = finite if numpy.size(finite) and numpy.isfinite(finite).all() else None
        return spread(value, samples, self.coverage, flags + self.reach_flags(known))

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON; :meth:`load` reads it."""
        content = {"form": self.law.name, **{name: getattr(self, name) for name in _KEPT}}
        if self.solved is not None:
            content["fitted"] = {
                "runs": self.runs,
                "weights": self.solved.problem.weights[0],
                "objective": self.solved.problem.objective,
                "starts": self.starts,
                "noise": self.noise,
            }
        Path(path).write_text(json.dumps(content, default=_plain), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path, form: Law | None = None) -> Fit:
        """Read a fit that :meth:`save` wrote; ``form`` is the law where it is one of yours."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not JSON ({error}); give a file that save(path) of a fit wrote") from None
        missing = [name for name in ("form", *_KEPT) if not isinstance(content, dict) or name not in content]
        if missing:
            raise ValueError(f"{path} holds no fit: it has no {', '.join(missing)}; give a file that save(path) wrote")
        law, fitted = form or get_law(content["form"]), content.get("fitted")
        kept = {name: content[name] for name in _KEPT}
        kept |= {"replicates": _arrays(kept["replicates"]), "flags": tuple(Flag(**flag) for flag in kept["flags"])}
        if fitted is None:
            return cls(law=law, **kept)
        runs, objective = Runs(**_arrays({**fitted["runs"], "notes": ()})), Objective(**fitted["objective"])
        weights = numpy.asarray(fitted["weights"])
        problem = make_problem(law, runs.columns, runs.loss, objective, weights=weights, fixed=content["fixed"])
        values = numpy.asarray([[content["parameters"][name] for name in law.names]])
        point, _ = search(problem, law.to_coordinates(values, problem.units))
        shared = fitted["noise"].pop("shared")
        noise = Noise(**_arrays(fitted["noise"]), shared=None if shared is None else Shared(**_arrays(shared)))
        starts = StartReport(**_arrays(fitted["starts"]))
        return cls(law=law, **kept, solved=Solved(problem=problem, runs=runs, point=point, starts=starts, noise=noise))


def _plain(value: Any) -> Any:
    """Return an array as a list, and a record as its fields, for JSON."""
    return {item.name: getattr(value, item.name) for item in fields(value)} if is_dataclass(value) else value.tolist()


def _arrays(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was read with its lists as arrays, those of a mapping too."""
    read_back = {name: _arrays(value) if isinstance(value, dict) else value for name, value in content.items()}
    return {name: numpy.asarray(value) if isinstance(value, list) else value for name, value in read_back.items()}


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
