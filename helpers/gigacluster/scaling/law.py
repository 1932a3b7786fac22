"""Scaling laws behind one interface: a law is its symbols and its prediction of log loss.

To add a law, write a function of (operations, parameters, columns) with plain arithmetic and list its symbols; its
derivatives follow (:mod:`gigacluster.scaling.derivatives`). A sum of power laws names its terms instead and gets the
closed form of :class:`gigacluster.scaling.derivatives.PowerSum`, which is several times faster.

Parameters have *coordinates*, in which they are fitted: an amplitude by its logarithm in units of the runs' geometric
mean (log A - alpha log N0), everything else as it is. They are close to uncorrelated and of order one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy

_LOG10 = float(numpy.log(10.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Symbol:
    """One parameter of a law.

    ``kind``: an *amplitude* is positive and fitted by its logarithm; an *exponent* and a *floor* are at least zero;
    a *free* one is unbounded. ``shifts``: how the coordinate moves with the unit of a column, as (column, symbol or
    number, factor): coordinate in SI units = fitted coordinate + factor * symbol * log unit. ``start``: range that
    random starts are drawn from, in fitted coordinates; for a floor as a share of the smallest loss.
    """

    name: str
    kind: Literal["amplitude", "exponent", "floor", "free"]
    shifts: tuple[tuple[str, str | float, float], ...] = ()
    start: tuple[float, float] = (0.05, 1.0)


@dataclass(frozen=True, slots=True)
class PowerTerm:
    """One term ``amplitude / column ** exponent`` of a loss, by the names of its symbols and its column."""

    amplitude: str
    exponent: str
    column: str


@dataclass(frozen=True, kw_only=True)
class Law:
    """A scaling law. ``about`` is its formula; ``columns`` are those of the runs that it needs, beside ``loss``.

    ``log_loss(operations, parameters, columns)`` gets two dicts: the parameters (amplitudes as logarithms) and the
    columns as natural logarithms, all in one system of units, and returns the log of the loss. ``terms`` may stand
    instead: the loss is then their sum and the floor ``E``. ``derived`` makes columns that runs do not have from
    those they have. ``same_unit`` names columns that must share a unit, ``plain`` those that have none (counts).
    ``defaults`` holds symbols fixed unless told otherwise.
    """

    name: str
    about: str
    symbols: tuple[Symbol, ...]
    columns: tuple[str, ...]
    terms: tuple[PowerTerm, ...] = ()
    log_loss: Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any] | None = None
    derived: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    same_unit: tuple[tuple[str, ...], ...] = ()
    plain: tuple[str, ...] = ()
    defaults: tuple[tuple[str, float], ...] = ()
    source_id: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the symbols, in order."""
        return tuple(symbol.name for symbol in self.symbols)

    @cached_property
    def lower(self) -> numpy.ndarray:
        """Lower bounds of the fitted coordinates."""
        return numpy.asarray([0.0 if symbol.kind in ("exponent", "floor") else -numpy.inf for symbol in self.symbols])

    @cached_property
    def is_amplitude(self) -> numpy.ndarray:
        """Mark the symbols that are fitted by their logarithm."""
        return numpy.asarray([symbol.kind == "amplitude" for symbol in self.symbols])

    def log_columns(self, values: Mapping[str, Any], log: Callable[[Any], Any]) -> dict[str, Any]:
        """Return the natural logarithms of the columns that the prediction reads."""
        if self.derived is not None:
            values = self.derived(values)
        return {name: log(value) for name, value in values.items()}

    def units(self, log_columns: Mapping[str, Any], fixed: Mapping[str, float]) -> dict[str, float]:
        """Return the log of the unit of each column: its geometric mean, so that columns are centred.

        A column whose amplitude is fixed while its exponent is free keeps the unit 1, since its amplitude would move.
        """
        units = {name: float(numpy.mean(column)) for name, column in log_columns.items()}
        for group in self.same_unit:
            units.update(dict.fromkeys(group, units[group[0]]))
        units.update(dict.fromkeys(self.plain, 0.0))
        for symbol in self.symbols:
            for column, other, _ in symbol.shifts:
                if symbol.name in fixed and isinstance(other, str) and other not in fixed:
                    units[column] = 0.0
        return units

    def to_symbols(self, theta: numpy.ndarray, units: Mapping[str, float]) -> numpy.ndarray:
        """Return parameters in SI units from fitted coordinates; both of shape (..., symbols)."""
        values: numpy.ndarray = theta + self._shift(theta, units)
        with numpy.errstate(over="ignore"):  # a start that went astray may lie anywhere
            values[..., self.is_amplitude] = numpy.exp(values[..., self.is_amplitude])
        return values

    def to_coordinates(self, values: numpy.ndarray, units: Mapping[str, float]) -> numpy.ndarray:
        """Return fitted coordinates from parameters in SI units; both of shape (..., symbols)."""
        values = numpy.array(values, dtype=float)
        values[..., self.is_amplitude] = numpy.log(values[..., self.is_amplitude])
        return numpy.asarray(values - self._shift(values, units))

    def values_of(self, given: Any, what: str) -> dict[str, float]:
        """Return values of symbols by name; what is unknown or out of its range is refused, all of it at once."""
        if not isinstance(given, Mapping):
            raise ValueError(f"{what} is {given!r}; it must be a dict of values by symbol: {', '.join(self.names)}")
        values, faults = {}, [f"{name!r} is unknown" for name in given if name not in self.names]
        for symbol in self.symbols:
            if symbol.name in given:
                try:
                    value = values[symbol.name] = float(given[symbol.name])
                except (TypeError, ValueError, OverflowError):
                    value = numpy.nan
                least = {"amplitude": "above 0", "free": "of any sign"}.get(symbol.kind, "at least 0")
                low = symbol.kind != "free" and (value < 0 or (symbol.kind == "amplitude" and value == 0))
                if low or not numpy.isfinite(value):
                    faults.append(f"{symbol.name} is {given[symbol.name]!r} and must be a finite number {least}")
        if faults:
            raise ValueError(f"{what} of {self.name!r} ({', '.join(self.names)}): {'; '.join(faults)}")
        return values

    def _shift(self, theta: numpy.ndarray, units: Mapping[str, float]) -> numpy.ndarray:
        shift = numpy.zeros_like(theta)
        for i, symbol in enumerate(self.symbols):
            for column, other, factor in symbol.shifts:
                power = theta[..., self.names.index(other)] if isinstance(other, str) else other
                shift[..., i] += factor * power * units[column]
        return shift

    def loss(self, operations: Any, symbols: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """Return the loss [nat/token] for symbols and columns in SI units, arrays of one library that broadcast."""
        with numpy.errstate(all="ignore"):  # replicates that went astray may overflow
            parameters = {
                s.name: operations.log(symbols[s.name]) if s.kind == "amplitude" else symbols[s.name]
                for s in self.symbols
            }
            return operations.exp(self.predict(operations, parameters, self.log_columns(values, operations.log)))

    def predict(self, operations: Any, parameters: Mapping[str, Any], log_columns: Mapping[str, Any]) -> Any:
        """Return the log of the loss (arrays or jets)."""
        if self.log_loss is not None:
            return self.log_loss(operations, parameters, log_columns)
        loss = parameters["E"] if "E" in self.names else 0.0
        for term in self.terms:
            exponent = parameters[term.exponent] * log_columns[term.column]
            loss = operations.exp(parameters[term.amplitude] - exponent) + loss
        return operations.log(loss)


def _amplitude(name: str, column: str, exponent: str | float, start: tuple[float, float] = (-1.5, 1.5)) -> Symbol:
    return Symbol(name=name, kind="amplitude", shifts=((column, exponent, 1.0),), start=start)


def _exponent(name: str, start: tuple[float, float] = (0.05, 1.0)) -> Symbol:
    return Symbol(name=name, kind="exponent", start=start)


_FLOOR = Symbol(name="E", kind="floor", start=(0.2, 0.98))


def _kaplan(operations: Any, p: Mapping[str, Any], x: Mapping[str, Any]) -> Any:
    by_params = (p["alpha_N"] / p["alpha_D"]) * (p["N_c"] - x["params"])
    by_tokens = p["D_c"] - x["tokens"]
    return p["alpha_D"] * operations.log(operations.exp(by_params) + operations.exp(by_tokens))


def _coupled(operations: Any, p: Mapping[str, Any], x: Mapping[str, Any]) -> Any:
    both = operations.exp(p["A"] - p["alpha"] * x["params"]) + operations.exp(p["B"] - p["beta"] * x["tokens"])
    return operations.log(operations.exp(p["k"] * operations.log(both)) + p["E"])


def _data_constrained(operations: Any, p: Mapping[str, Any], x: Mapping[str, Any]) -> Any:
    """Discount repeated tokens, and parameters beyond those that the unique tokens can use."""
    balance = operations.log(p["alpha"]) + p["A"] - operations.log(p["beta"]) - p["B"]
    unique = operations.minimum(x["tokens"], x["unique_tokens"])  # no more than are read
    useful = operations.minimum(x["params"], (balance + p["beta"] * unique) / p["alpha"])
    tokens = _discounted(operations, x["tokens"], unique, p["R_D*"])
    params = _discounted(operations, x["params"], useful, p["R_N*"])
    loss = operations.exp(p["A"] - p["alpha"] * params) + operations.exp(p["B"] - p["beta"] * tokens) + p["E"]
    return operations.log(loss)


def _discounted(operations: Any, log_all: Any, log_unique: Any, log_scale: Any) -> Any:
    """Return log(U + U R* (1 - exp(-R / R*))) with R = all / U - 1."""
    repeats = operations.expm1(log_all - log_unique)
    scale = operations.exp(log_scale)
    return log_unique + operations.log(1.0 - scale * operations.expm1(-1.0 * repeats / scale))


def _routing(operations: Any, p: Mapping[str, Any], x: Mapping[str, Any]) -> Any:
    """Clark et al. (2022), eq. 7 and 8, with saturating effective experts; a to d for base-10 logarithms."""
    start, most = operations.exp(-1.0 * p["E_start"]), operations.exp(-1.0 * p["E_max"])
    effective = 1.0 / (operations.exp(x["experts"]) - 1.0 + 1.0 / (start - most)) + most
    experts = -1.0 * operations.log(effective)
    return p["a"] * x["params"] + experts * (p["b"] + p["c"] * (x["params"] / _LOG10)) + p["d"] * _LOG10


def _gadre_columns(values: Mapping[str, Any]) -> Mapping[str, Any]:
    params, tokens = values["params"], values["tokens"]
    return {"params": 6.0 * params * params, "tokens": 6.0 * tokens * tokens}


def _sum_of_powers(
    name: str,
    about: str,
    terms: tuple[tuple[str, str, str], ...],
    *,
    floor: bool = True,
    exponents: tuple[float, float] = (0.05, 1.0),
    source_id: str = "",
    derived: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Law:
    """Return the law of terms (amplitude, exponent, column), and of a floor; exponents are drawn from their range."""
    return Law(
        name=name,
        about=about,
        symbols=(
            *(_amplitude(amplitude, column, exponent) for amplitude, exponent, column in terms),
            *((_FLOOR,) if floor else ()),
            *(_exponent(exponent, exponents) for exponent in dict.fromkeys(exponent for _, exponent, _ in terms)),
        ),
        columns=tuple(column for _, _, column in terms),
        terms=tuple(PowerTerm(*term) for term in terms),
        derived=derived,
        source_id=source_id,
    )


_CHINCHILLA = _sum_of_powers(
    "chinchilla",
    "L = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, approach 3)",
    (("A", "alpha", "params"), ("B", "beta", "tokens")),
    source_id="hoffmann-2022",
)

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        _CHINCHILLA,
        _sum_of_powers(
            "chinchilla-tied",
            "L = E + A / N^alpha + B / D^alpha",
            (("A", "alpha", "params"), ("B", "alpha", "tokens")),
            source_id="muennighoff-2023",
        ),
        Law(
            name="kaplan",
            about="L = [(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D (Kaplan et al. 2020, eq. 1.5)",
            symbols=(
                _amplitude("N_c", "params", 1.0, (-2.0, 12.0)),
                _amplitude("D_c", "tokens", 1.0, (-2.0, 12.0)),
                _exponent("alpha_N", (0.03, 0.5)),
                _exponent("alpha_D", (0.03, 0.5)),
            ),
            columns=("params", "tokens"),
            log_loss=_kaplan,
            source_id="kaplan-2020",
        ),
        Law(
            name="coupled",
            about="L = E + (A / N^alpha + B / D^beta)^k: k = 1 is chinchilla, E = 0 is kaplan (Busbridge et al. 2025)",
            symbols=(*_CHINCHILLA.symbols, _exponent("k", (0.3, 1.5))),
            columns=("params", "tokens"),
            log_loss=_coupled,
            source_id="busbridge-2025",
        ),
        _sum_of_powers(
            "overtraining",
            "L = E + (a M^eta + b M^-eta) C^-eta, M = D / N, C = 6 N D (Gadre et al. 2024)",
            (("a", "eta", "params"), ("b", "eta", "tokens")),
            exponents=(0.02, 0.5),
            derived=_gadre_columns,
            source_id="gadre-2024",
        ),
        Law(
            name="data-constrained",
            about="L = E + A / N'^alpha + B / D'^beta with repeats discounted by R_N*, R_D* (Muennighoff et al. 2023)",
            symbols=(
                *_CHINCHILLA.symbols,
                Symbol(name="R_D*", kind="amplitude", start=(-1.0, 6.0)),
                Symbol(name="R_N*", kind="amplitude", start=(-1.0, 6.0)),
            ),
            columns=("params", "tokens", "unique_tokens"),
            log_loss=_data_constrained,
            same_unit=(("tokens", "unique_tokens"),),
            # The C4 refit that the published R_D* and R_N* hold fixed.
            defaults=(
                ("A", float(numpy.exp(6.255414))),
                ("B", float(numpy.exp(7.3049974))),
                ("E", float(numpy.exp(0.6254804))),
                ("alpha", 0.3526596),
                ("beta", 0.3526596),
            ),
            source_id="muennighoff-2023",
        ),
        Law(
            name="routing",
            about="lg L = a lg N + b lg E' + c lg N lg E' + d, E' saturating in the experts (Clark et al. 2022)",
            symbols=(
                Symbol(name="a", kind="free", start=(-0.15, -0.03)),
                Symbol(name="b", kind="free", shifts=(("params", "c", -1 / _LOG10),), start=(-0.1, 0.0)),
                Symbol(name="c", kind="free", start=(-0.02, 0.02)),
                Symbol(name="d", kind="free", shifts=(("params", "a", -1 / _LOG10),), start=(0.2, 0.6)),
                Symbol(name="E_start", kind="amplitude", start=(0.2, 1.8)),
                Symbol(name="E_max", kind="amplitude", start=(4.0, 7.0)),
            ),
            columns=("params", "experts"),
            log_loss=_routing,
            plain=("experts",),
            source_id="clark-2022",
        ),
        _sum_of_powers(
            "frontier",
            "L = E + A / C^alpha along the frontier of the best runs at each compute",
            (("A", "alpha", "budget_flop"),),
            exponents=(0.02, 0.6),
            source_id="hoffmann-2022",
        ),
    )
}


def power_law(column: str, *, floor: bool = True) -> Law:
    """Return the plain power law L = E + A / column^alpha, without E where there is no floor.

    Examples
    --------
    >>> power_law("tokens", floor=False).names
    ('A', 'alpha')
    """
    if not isinstance(column, str):
        raise ValueError(f"column is {column!r}; it must be the name of a column of the runs, such as 'tokens'")
    return _sum_of_powers(
        f"power-{column}" if floor else f"power-{column}-to-zero",
        f"L = {'E + ' if floor else ''}A / {column}^alpha",
        (("A", "alpha", column),),
        floor=floor,
        exponents=(0.02, 0.6),
    )


def get_law(form: str | Law) -> Law:
    """Return a law by its name, or the law given."""
    if isinstance(form, Law):
        return form
    if not isinstance(form, str) or form not in LAWS:
        raise ValueError(f"form is {form!r}; it can be {', '.join(map(repr, LAWS))}, or a Law of yours")
    return LAWS[form]
