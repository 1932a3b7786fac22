"""Numbers that carry their first and second derivatives, so that a law needs no more than its prediction.

A :class:`Jet` is a second-order Taylor expansion in the parameters of a law; arithmetic on it is exact to rounding.
Laws that are sums of power terms, L = E + sum of exp(a - e x), have a closed form, :class:`PowerSum`: log L has the
Hessian L''/L minus the outer product of its gradient, so that every sum over runs is a weighted sum of parts of the
loss, and of products of two parts, against powers of their columns: a few matrix products, placed into the packed
Hessian by a constant matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy

from gigacluster.arrays import Operand, moved
from gigacluster.scaling.law import Law


class Jet:
    """A value of shape (problems, runs) with its derivatives by parameter i, and by pairs (i, j) with i >= j.

    A derivative that is zero throughout is left out and costs nothing.
    """

    __array_ufunc__ = None  # so that a NumPy number times a jet comes here

    def __init__(self, value: Operand, gradient: dict[int, Any], hessian: dict[tuple[int, int], Any]) -> None:
        self.value, self.gradient, self.hessian = value, gradient, hessian

    def __add__(self, other: Jet | Operand) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.gradient, self.hessian)
        return Jet(self.value + other.value, _sum(self.gradient, other.gradient), _sum(self.hessian, other.hessian))

    def __mul__(self, other: Jet | Operand) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value * other, _times(self.gradient, other), _times(self.hessian, other))
        gradient = _sum(_times(self.gradient, other.value), _times(other.gradient, self.value))
        hessian = _sum(_times(self.hessian, other.value), _times(other.hessian, self.value))
        cross, back = (
            {(i, j): a * b for i, a in one.items() for j, b in two.items() if i >= j}
            for one, two in ((self.gradient, other.gradient), (other.gradient, self.gradient))
        )
        return Jet(self.value * other.value, gradient, _sum(hessian, _sum(cross, back)))

    def __neg__(self) -> Jet:
        return self * -1.0

    def __sub__(self, other: Jet | Operand) -> Jet:
        return self + -other

    def __rsub__(self, other: Jet | Operand) -> Jet:
        return -self + other

    def __truediv__(self, other: Jet | Operand) -> Jet:
        return self * (other.reciprocal() if isinstance(other, Jet) else 1.0 / other)

    def __rtruediv__(self, other: Jet | Operand) -> Jet:
        return self.reciprocal() * other

    __radd__, __rmul__ = __add__, __mul__

    def reciprocal(self) -> Jet:
        """Return 1 / self."""
        inverse = 1.0 / self.value
        return self.chain(inverse, -inverse * inverse, 2.0 * inverse * inverse * inverse)

    def chain(self, value: Operand, first: Operand, second: Operand) -> Jet:
        """Return f(self) from f, its derivative and its second derivative at ``self.value``."""
        slopes = self.gradient.items()
        bends = {(i, j): a * b * second for i, a in slopes for j, b in slopes if i >= j}
        return Jet(value, _times(self.gradient, first), _sum(_times(self.hessian, first), bends))


def _sum(one: dict[Any, Any], two: dict[Any, Any]) -> dict[Any, Any]:
    return one | {key: one[key] + value if key in one else value for key, value in two.items()}


def _times(derivatives: dict[Any, Any], factor: Operand) -> dict[Any, Any]:
    return {key: value * factor for key, value in derivatives.items()}


class JetOperations:
    """The functions that a law may use, on arrays and jets alike: ``exp``, ``expm1``, ``log`` and ``minimum``."""

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

    def exp(self, x: Jet | Operand) -> Any:
        """Return the exponential."""
        value = self._xp.exp(x.value if isinstance(x, Jet) else x)
        return x.chain(value, value, value) if isinstance(x, Jet) else value

    def expm1(self, x: Jet | Operand) -> Any:
        """Return the exponential minus one, exact for small arguments."""
        if not isinstance(x, Jet):
            return self._xp.expm1(x)
        slope = self._xp.exp(x.value)
        return x.chain(self._xp.expm1(x.value), slope, slope)

    def log(self, x: Jet | Operand) -> Any:
        """Return the natural logarithm."""
        if not isinstance(x, Jet):
            return self._xp.log(x)
        inverse = 1.0 / x.value
        return x.chain(self._xp.log(x.value), inverse, -inverse * inverse)

    def minimum(self, x: Jet | Operand, y: Jet | Operand) -> Any:
        """Return the smaller of two, with the derivatives of the one taken."""
        if not isinstance(x, Jet) and not isinstance(y, Jet):
            return self._xp.minimum(x, y)
        x, y = (z if isinstance(z, Jet) else constant(z) for z in (x, y))
        first, blank = x.value <= y.value, 0.0 * (x.value + y.value)

        def pick(a: dict[Any, Any], b: dict[Any, Any]) -> dict[Any, Any]:
            return {key: self._xp.where(first, a.get(key, 0.0) + blank, b.get(key, 0.0) + blank) for key in a | b}

        value = self._xp.where(first, x.value + blank, y.value + blank)
        return Jet(value, pick(x.gradient, y.gradient), pick(x.hessian, y.hessian))


def variables(columns: list[Any]) -> list[Jet]:
    """Return the parameters, each of shape (problems, 1), as independent variables of a jet."""
    return [Jet(column, {i: 1.0 + 0.0 * column}, {}) for i, column in enumerate(columns)]


def constant(value: Operand) -> Jet:
    """Return a jet that does not depend on the parameters."""
    return Jet(value, {}, {})


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i + 1)]


def contraction(xp: ModuleType, jet: Jet, count: int) -> Callable[[Any, Any], Any]:
    """Return the function that sums a jet of so many parameters over the runs, with an objective's slopes and bends."""
    blank = 0.0 * jet.value

    def contract(slope: Any, curvature: Any) -> Any:
        full = [jet.gradient.get(i, 0.0) + blank for i in range(count)]
        sums = [-xp.sum(slope * g, axis=1) for g in full]
        for i, j in _pairs(count):
            bend = jet.hessian.get((i, j), 0.0) + blank
            sums.append(xp.sum(curvature * full[i] * full[j] - slope * bend, axis=1))
        return xp.stack(sums, axis=1)

    return contract


class PowerSum:
    """The prediction of a law of power terms for one set of runs, and its contraction.

    The loss is a sum of parts: a term u = exp(a - e x), or the floor E. A coordinate i moves its part f by s f x^p / L
    of log L, where (p, s) is (0, 1) for an amplitude and for the floor (f = 1) and (1, -1) for an exponent.
    """

    def __init__(self, xp: ModuleType, law: Law, log_columns: Mapping[str, numpy.ndarray], like: Any) -> None:
        self._xp = xp
        self._terms = [(law.names.index(t.amplitude), law.names.index(t.exponent)) for t in law.terms]
        self._floor = law.names.index("E") if "E" in law.names else None
        self._x = [moved(log_columns[term.column][None, :], like) for term in law.terms]
        own, cross, place = self._tables([log_columns[term.column] for term in law.terms], len(law.names))
        self._own = [moved(table, like) for table in own]
        self._cross = {pair: moved(table, like) for pair, table in cross.items()}
        self._place = moved(place, like)

    def _tables(
        self, columns: list[numpy.ndarray], size: int
    ) -> tuple[list[numpy.ndarray], dict[tuple[int, int], numpy.ndarray], numpy.ndarray]:
        """Return what parts, and products of two parts, are multiplied with over the runs, and where the sums belong.

        The matrix takes all sums, in the order of the contraction, to gradient and packed Hessian.
        """
        parts = [[(a, 0, 1.0), (e, 1, -1.0)] for a, e in self._terms]
        powers = [numpy.stack([x**0, x, x**2], axis=1) for x in columns]
        if self._floor is not None:
            parts.append([(self._floor, 0, 1.0)])
            powers.append(numpy.ones((len(columns[0]), 1)))
        cross, places = {}, []
        for k, part in enumerate(parts):
            place = numpy.zeros((powers[k].shape[1], size, size + 1))  # the first column is the gradient
            for i, p, s in part:
                place[p, i, 0] -= s
                for j, q, t in part if i != self._floor else ():  # the loss is linear in the floor
                    place[p + q, i, 1 + j] -= s * t
            places.append(place)
        for k, m in _pairs(len(parts)):
            first, second = powers[k][:, : len(parts[k])], powers[m][:, : len(parts[m])]
            cross[k, m] = powers[k] if k == m else (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)
            place = numpy.zeros((cross[k, m].shape[1], size, size + 1))
            for i, p, s in parts[k]:
                for j, q, t in parts[m]:
                    column = p + q if k == m else p * len(parts[m]) + q
                    place[column, i, 1 + j] += s * t
                    place[column, j, 1 + i] += s * t * (k != m)
            places.append(place)
        place = numpy.concatenate(places)
        rows, lower = numpy.tril_indices(size)
        return powers, cross, numpy.concatenate([place[:, :, 0], place[:, rows, 1 + lower]], axis=1)

    def __call__(self, theta: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
        """Return the log loss (problems, runs) and its contraction, for parameters (problems, symbols)."""
        xp = self._xp
        terms = [
            xp.exp(theta[:, a : a + 1] - theta[:, e : e + 1] * x)
            for (a, e), x in zip(self._terms, self._x, strict=True)
        ]
        loss = terms[0]
        for term in terms[1:]:
            loss = loss + term
        if self._floor is not None:
            loss = loss + theta[:, self._floor : self._floor + 1]

        def contract(slope: Any, curvature: Any) -> Any:
            inverse = 1.0 / loss
            shares = [term * inverse for term in terms] + ([] if self._floor is None else [inverse])
            weighted = [(curvature + slope) * share for share in shares]
            sums = [(slope * share) @ table for share, table in zip(shares, self._own, strict=True)]
            sums += [(weighted[k] * shares[m]) @ table for (k, m), table in self._cross.items()]
            return xp.concat(sums, axis=1) @ self._place

        return xp.log(loss), contract

    def move(self, theta: Any, step: Any) -> Any:
        """Follow a step along the valley in which floor and amplitudes trade places.

        Runs fix the loss and its slopes at their centre better than the floor: E + sum of u and the products u e,
        with u = exp(a), hardly change along the valley. The step goes straight in those, curved in E and a. Where the
        floor would leave its range, and for parameters that do not move, it is the plain sum.
        """
        xp, plain = self._xp, theta + step
        if self._floor is None:
            return plain
        columns = [plain[:, i] for i in range(theta.shape[1])]
        level = plain[:, self._floor]
        usable = theta[:, self._floor] > 0
        curved: dict[int, Any] = {}
        for a, e in self._terms:
            usable = usable & (theta[:, e] > 0) & (plain[:, e] > 0.2 * theta[:, e]) & (plain[:, e] < 5.0 * theta[:, e])
            ratio = xp.where(usable, step[:, e] / theta[:, e], xp.zeros_like(level))
            curved[a] = plain[:, a] + ratio - xp.log1p(ratio)
            before = xp.exp(theta[:, a])
            level = level + before * (1.0 + step[:, a]) - xp.exp(curved[a])
        usable = usable & (level > 0) & xp.isfinite(level)
        for a, value in curved.items():
            columns[a] = xp.where(usable, value, columns[a])
        columns[self._floor] = xp.where(usable, level, columns[self._floor])
        return xp.stack(columns, axis=1)
