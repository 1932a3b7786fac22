"""Numbers that carry their first and second derivatives, so that a law needs no more than its prediction.

A :class:`Jet` is a second-order Taylor expansion in the parameters of a law; arithmetic on it is exact to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["Jet", "JetOperations", "constant", "contraction", "variables"]


class Jet:
    """A value of shape (problems, runs) with its gradient and packed Hessian (row by row, lower triangle).

    A derivative that is zero throughout is the number 0.0 and costs nothing.
    """

    __array_ufunc__ = None  # so that a NumPy number times a jet comes here

    def __init__(self, value: Any, gradient: list[Any], hessian: list[Any]) -> None:
        self.value, self.gradient, self.hessian = value, gradient, hessian

    def _lift(self, other: Any) -> Jet:
        return other if isinstance(other, Jet) else constant(other, len(self.gradient))

    def __add__(self, other: Any) -> Jet:
        other = self._lift(other)
        return Jet(
            self.value + other.value,
            [_add(a, b) for a, b in zip(self.gradient, other.gradient, strict=True)],
            [_add(a, b) for a, b in zip(self.hessian, other.hessian, strict=True)],
        )

    def __mul__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet(
                self.value * other, [_mul(a, other) for a in self.gradient], [_mul(a, other) for a in self.hessian]
            )
        hessian = []
        for k, (i, j) in enumerate(_pairs(len(self.gradient))):
            cross = _add(_mul(self.gradient[i], other.gradient[j]), _mul(self.gradient[j], other.gradient[i]))
            own = _add(_mul(self.hessian[k], other.value), _mul(other.hessian[k], self.value))
            hessian.append(_add(own, cross))
        gradient = [
            _add(_mul(a, other.value), _mul(b, self.value)) for a, b in zip(self.gradient, other.gradient, strict=True)
        ]
        return Jet(self.value * other.value, gradient, hessian)

    def __neg__(self) -> Jet:
        return self * -1.0

    def __sub__(self, other: Any) -> Jet:
        return self + -other

    def __rsub__(self, other: Any) -> Jet:
        return -self + other

    def __truediv__(self, other: Any) -> Jet:
        return self * (other.reciprocal() if isinstance(other, Jet) else 1.0 / other)

    def __rtruediv__(self, other: Any) -> Jet:
        return self.reciprocal() * other

    __radd__, __rmul__ = __add__, __mul__

    def reciprocal(self) -> Jet:
        """Return 1 / self."""
        inverse = 1.0 / self.value
        return self.chain(inverse, -inverse * inverse, 2.0 * inverse * inverse * inverse)

    def chain(self, value: Any, first: Any, second: Any) -> Jet:
        """Return f(self) from f, its derivative and its second derivative at ``self.value``."""
        hessian = [
            _add(_mul(self.hessian[k], first), _mul(_mul(self.gradient[i], self.gradient[j]), second))
            for k, (i, j) in enumerate(_pairs(len(self.gradient)))
        ]
        return Jet(value, [_mul(a, first) for a in self.gradient], hessian)


def _is_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0.0


def _add(a: Any, b: Any) -> Any:
    if _is_zero(a):
        return b
    return a if _is_zero(b) else a + b


def _mul(a: Any, b: Any) -> Any:
    return 0.0 if _is_zero(a) or _is_zero(b) else a * b


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i + 1)]


class JetOperations:
    """The functions that a law may use, on arrays and jets alike: ``exp``, ``expm1``, ``log`` and ``minimum``."""

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

    def exp(self, x: Any) -> Any:
        """Return the exponential."""
        if not isinstance(x, Jet):
            return self._xp.exp(x)
        value = self._xp.exp(x.value)
        return x.chain(value, value, value)

    def expm1(self, x: Any) -> Any:
        """Return the exponential minus one, exact for small arguments."""
        if not isinstance(x, Jet):
            return self._xp.expm1(x)
        value, slope = self._xp.expm1(x.value), self._xp.exp(x.value)
        return x.chain(value, slope, slope)

    def log(self, x: Any) -> Any:
        """Return the natural logarithm."""
        if not isinstance(x, Jet):
            return self._xp.log(x)
        inverse = 1.0 / x.value
        return x.chain(self._xp.log(x.value), inverse, -inverse * inverse)

    def minimum(self, x: Any, y: Any) -> Any:
        """Return the smaller of two, with the derivatives of the one taken."""
        if not isinstance(x, Jet) and not isinstance(y, Jet):
            return self._xp.minimum(x, y)
        jet = x if isinstance(x, Jet) else y
        x, y = jet._lift(x), jet._lift(y)
        first = x.value <= y.value

        def pick(a: Any, b: Any) -> Any:
            if _is_zero(a) and _is_zero(b):
                return 0.0
            blank = 0.0 * (x.value + y.value)
            return self._xp.where(first, a + blank, b + blank)

        return Jet(
            pick(x.value, y.value),
            [pick(a, b) for a, b in zip(x.gradient, y.gradient, strict=True)],
            [pick(a, b) for a, b in zip(x.hessian, y.hessian, strict=True)],
        )


def variables(columns: list[Any]) -> list[Jet]:
    """Return the parameters, each of shape (problems, 1), as independent variables of a jet."""
    count = len(columns)
    zeros = [0.0] * (count * (count + 1) // 2)
    return [
        Jet(column, [1.0 + 0.0 * column if i == k else 0.0 for i in range(count)], zeros)
        for k, column in enumerate(columns)
    ]


def constant(value: Any, count: int) -> Jet:
    """Return a jet that does not depend on the ``count`` parameters."""
    return Jet(value, [0.0] * count, [0.0] * (count * (count + 1) // 2))


def contraction(xp: ModuleType, jet: Jet) -> Callable[[Any, Any], list[Any]]:
    """Return the function that sums a jet over the runs, as :class:`gigacluster.scaling.laws.Law` describes."""
    shape_holder = 0.0 * jet.value

    def contract(slope: Any, curvature: Any) -> list[Any]:
        full = [g + shape_holder for g in jet.gradient]
        sums = [-xp.sum(slope * g, axis=1) for g in full]
        for k, (i, j) in enumerate(_pairs(len(full))):
            sums.append(xp.sum(curvature * full[i] * full[j] - slope * (jet.hessian[k] + shape_holder), axis=1))
        return sums

    return contract
