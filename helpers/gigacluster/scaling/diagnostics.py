"""What a fit says about itself, unasked: convergence, boundaries, weak parameters, several minima, odd runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from gigacluster.scaling.profiles import RULED_OUT, evidence, held_fits

if TYPE_CHECKING:
    from gigacluster.scaling.fitting import Fit

__all__ = ["Flag", "find_flags"]

#: A parameter is identified when a term ten times larger or smaller, and an exponent a fifth or thrice its size, are
#: ruled out by the runs.
_TERM_FACTOR = 10.0
_EXPONENT_FACTORS = (0.2, 3.0)
#: Shares of replicates, or of starts, that are worth a flag.
_BOUNDARY_SHARE = 0.05
_LEAST_HIT_RATE = 0.1
#: Logarithm of an amplitude, in units of the runs, beyond which it only stands for infinity or 0.
_RUNAWAY = 20.0
#: As near to a bound as makes no difference.
_AT_BOUND = 1e-9


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing that a reader of a fit must know. ``symbol`` is empty where it concerns the whole fit."""

    kind: str
    symbol: str
    message: str

    def __str__(self) -> str:
        return f"{self.symbol + ' ' if self.symbol else ''}{self.kind}: {self.message}"


def find_flags(fitted: Fit) -> tuple[Flag, ...]:
    """Return the flags of a fit; an empty tuple is a clean bill."""
    flags = [Flag("data", "", note) for note in fitted.runs.notes]
    if not fitted.converged:
        message = f"gradient / delta is {fitted.gradient:.1e}; the parameters are nan"
        return (*flags, Flag("not converged", "", message))
    flags += _boundaries(fitted)
    flags += _weak_parameters(fitted)
    flags += _minima(fitted)
    flags += _replicates(fitted)
    return tuple(flags)


def _at_bound(fitted: Fit) -> list[int]:
    lower = fitted.law.lower
    free = [name not in fitted.fixed for name in fitted.law.names]
    return [i for i in range(len(lower)) if free[i] and fitted.theta[i] <= lower[i] + _AT_BOUND]


def _boundaries(fitted: Fit) -> list[Flag]:
    flags = []
    for i in _at_bound(fitted):
        symbol = fitted.law.symbols[i]
        what = "the runs show no irreducible loss" if symbol.kind == "floor" else "the runs show no such dependence"
        message = f"the best fit is at {symbol.name} = 0: {what}; do not extrapolate from it"
        flags.append(Flag("at boundary", symbol.name, message))
    for i, symbol in enumerate(fitted.law.symbols):
        if symbol.kind == "amplitude" and symbol.name not in fitted.fixed and abs(fitted.theta[i]) > _RUNAWAY:
            end = "infinity" if fitted.theta[i] > 0 else "0"
            flags.append(
                Flag("at boundary", symbol.name, f"the best fit runs away towards {end}; the number means nothing")
            )
    return flags


def _weak_parameters(fitted: Fit) -> list[Flag]:
    """Hold each free parameter far from its optimum, both ways; flag those that the runs do not mind."""
    tried: list[tuple[int, float, str]] = []
    for i, symbol in enumerate(fitted.law.symbols):
        value = fitted.theta[i]
        if symbol.name in fitted.fixed or i in _at_bound(fitted):
            continue
        if symbol.kind == "amplitude":
            tried.append((i, value - numpy.log(_TERM_FACTOR), f"{_TERM_FACTOR:g} times smaller"))
            tried.append((i, value + numpy.log(_TERM_FACTOR), f"{_TERM_FACTOR:g} times larger"))
        elif symbol.kind == "exponent":
            tried += [(i, factor * value, f"{factor * value:.3g}") for factor in _EXPONENT_FACTORS]
        elif symbol.kind == "floor":
            tried.append((i, 0.0, "0"))
    if not tried:
        return []
    numbers, targets = numpy.asarray([t[0] for t in tried]), numpy.asarray([t[1] for t in tried])
    fits = held_fits(fitted.problem, fitted.theta, numbers, targets)
    falls = evidence(fitted.problem, fits.objective, fitted.objective)
    flags = []
    for i in dict.fromkeys(numbers.tolist()):
        allowed = [k for k, trial in enumerate(tried) if trial[0] == i and falls[k] < RULED_OUT]
        if allowed:
            others = " and ".join(f"{tried[k][2]} ({_rise(fits.objective[k], fitted.objective)})" for k in allowed)
            message = f"the profile is flat; the runs do not rule out a value {others}"
            flags.append(Flag("not identified", fitted.law.names[i], message))
    return flags


def _rise(objective: float, optimum: float) -> str:
    """Say how much higher an objective is than the optimum."""
    if optimum < 1e-20:
        return "the runs fit exactly either way"
    return f"objective +{max(objective / optimum - 1, 0.0):.3%}"


def _minima(fitted: Fit) -> list[Flag]:
    flags = []
    minima = fitted.starts.minima
    rivals = minima[evidence(fitted.problem, minima["objective"].to_numpy(), fitted.objective) < RULED_OUT].iloc[1:]
    if len(rivals):
        free = [name for name in fitted.law.names if name not in fitted.fixed]
        rival = rivals.iloc[0]
        where = ", ".join(f"{name} {rival[name]:.4g}" for name in free)
        flags.append(
            Flag(
                "several minima",
                "",
                f"{len(rivals)} more within the noise; the next at "
                f"{where} ({_rise(rival['objective'], fitted.objective)})",
            )
        )
    if fitted.starts.lower_unproved:
        message = (
            f"{fitted.starts.lower_unproved} starts went below the optimum and did not converge; a lower one may exist"
        )
        flags.append(Flag("hard to find", "", message))
    if fitted.starts.hit_rate < _LEAST_HIT_RATE:
        flags.append(Flag("hard to find", "", f"{fitted.starts}; raise starts to be sure"))
    return flags


def _replicates(fitted: Fit) -> list[Flag]:
    table = fitted.replicates
    if table.empty:
        return []
    flags = []
    failed = int((~table["converged"]).sum())
    if failed:
        message = f"{failed} of {len(table)} replicates; they are nan and left out of errors and intervals"
        flags.append(Flag("not converged", "", message))
    for symbol in fitted.law.symbols:
        if symbol.kind in ("floor", "exponent") and symbol.name not in fitted.fixed:
            share = float((table[symbol.name] <= 0).mean())
            if share > _BOUNDARY_SHARE:
                flags.append(Flag("at boundary", symbol.name, f"in {share:.0%} of the replicates"))
    several = float(table["several_minima"].mean())
    if several > _BOUNDARY_SHARE:
        flags.append(Flag("several minima", "", f"in {several:.0%} of the replicates"))
    return flags
