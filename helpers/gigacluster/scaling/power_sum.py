"""Value, gradient and Hessian in closed form for laws that are sums of power terms: L = E + sum of exp(a - e x).

With p = term / L and s = L, log L has the gradient (p, -x p, 1/s) and the Hessian s''/s minus the outer product of that
gradient. Every sum over runs is then a weighted sum of p, p p' and 1/s against 1, x, x' and x x': a few
matrix products, placed into the packed Hessian by a constant matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy

from gigacluster.scaling.laws import Law

__all__ = ["PowerSum"]


class PowerSum:
    """The prediction of a law of power terms for one set of runs, and its contraction."""

    def __init__(self, xp: ModuleType, law: Law, log_columns: Mapping[str, numpy.ndarray], like: Any) -> None:
        self._xp = xp
        self._terms = [(law.names.index(t.amplitude), law.names.index(t.exponent)) for t in law.terms]
        self._floor = law.names.index("E") if "E" in law.names else None
        columns = [numpy.asarray(log_columns[term.column]) for term in law.terms]
        ones = numpy.ones_like(columns[0])
        self._x = [_like(xp, column[None, :], like) for column in columns]
        self._own = [_like(xp, numpy.stack([ones, x, x * x], axis=1), like) for x in columns]
        self._cross = {
            (k, m): _like(xp, numpy.stack([ones, columns[k], columns[m], columns[k] * columns[m]], axis=1), like)
            for k in range(len(columns))
            for m in range(k)
        }
        self._place = _like(xp, self._placement(len(law.names)), like)

    def _placement(self, size: int) -> numpy.ndarray:
        """Return the matrix that takes the sums over runs, in the order of :meth:`contract`, to the packed result."""
        rows: list[numpy.ndarray] = []

        def entry(*parts: tuple[int, int | None, float]) -> None:
            """Add one sum, which counts towards gradient component i, or component (i, j) of the Hessian."""
            row = numpy.zeros(size + size * (size + 1) // 2)
            for i, j, sign in parts:
                low, high = (i, i) if j is None else (min(i, j), max(i, j))
                row[i if j is None else size + high * (high + 1) // 2 + low] += sign
            rows.append(row)

        floor = self._floor
        for a, e in self._terms:
            entry((a, None, -1.0), (a, a, -1.0))
            entry((e, None, 1.0), (a, e, 1.0))
            entry((e, e, -1.0))
            entry((a, a, 1.0))
            entry((a, e, -1.0))
            entry((e, e, 1.0))
            if floor is not None:
                entry((a, floor, 1.0))
                entry((e, floor, -1.0))
        for k, m in self._cross:
            (a, e), (b, f) = self._terms[k], self._terms[m]
            for i, j, sign in ((a, b, 1.0), (e, b, -1.0), (a, f, -1.0), (e, f, 1.0)):
                entry((i, j, sign * (2.0 if i == j else 1.0)))
        if floor is not None:
            entry((floor, None, -1.0))
            entry((floor, floor, 1.0))
        return numpy.stack(rows)

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
            shares = [term * inverse for term in terms]
            outer = curvature + slope
            weighted = [outer * share for share in shares]
            sums = []
            for k, share in enumerate(shares):
                sums += [(slope * share) @ self._own[k], (weighted[k] * share) @ self._own[k]]
                if self._floor is not None:
                    sums.append((weighted[k] * inverse) @ self._own[k][:, :2])
            sums += [(weighted[k] * shares[m]) @ basis for (k, m), basis in self._cross.items()]
            if self._floor is not None:
                ones = self._own[0][:, :1]
                sums += [(slope * inverse) @ ones, (outer * inverse * inverse) @ ones]
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


def _like(xp: ModuleType, values: numpy.ndarray, like: Any) -> Any:
    """Copy host values to the library and device of ``like``."""
    if xp.__name__ in ("numpy", "cupy"):
        return xp.asarray(values)
    return xp.asarray(values, device=like.device)
