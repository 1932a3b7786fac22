"""What inputs of the reliability models may be: a number out of range raises, an array's element becomes ``nan``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gigacluster.arrays import as_common, is_array

__all__ = [
    "ABOVE_ZERO",
    "AT_LEAST_ONE",
    "BELOW_ONE",
    "FRACTION",
    "LOGNORMAL_SIGMA",
    "NOT_NEGATIVE",
    "Limit",
    "checked",
    "one_of",
]


@dataclass(frozen=True, slots=True)
class Limit:
    """A range of valid values, and its name for a message."""

    words: str
    holds: Callable[[Any], Any]


ABOVE_ZERO = Limit("a finite number above 0", lambda value: (value > 0) & (value < math.inf))
NOT_NEGATIVE = Limit("a finite number, 0 or more", lambda value: (value >= 0) & (value < math.inf))
AT_LEAST_ONE = Limit("a finite number, 1 or more", lambda value: (value >= 1) & (value < math.inf))
FRACTION = Limit("a share from 0 to 1", lambda value: (value >= 0) & (value <= 1))
LOGNORMAL_SIGMA = Limit("a spread from 0 to 5", lambda value: (value >= 0) & (value <= 5))
BELOW_ONE = Limit("a share from 0 to less than 1", lambda value: (value >= 0) & (value < 1))


def checked(**inputs: tuple[Any, Limit]) -> tuple[Any, ...]:
    """Return ``(xp, *arrays)`` of inputs given as ``name=(value, limit)``, in that order.

    Raises
    ------
    ValueError
        If a number breaks its limit. Elements of arrays that do become ``nan`` instead, so that one bad sample does
        not stop the others and no device has to answer.

    Examples
    --------
    >>> checked(write_s=(-1.0, NOT_NEGATIVE))
    Traceback (most recent call last):
    ...
    ValueError: write_s is -1.0; it must be a finite number, 0 or more
    """
    for name, (value, limit) in inputs.items():
        if not is_array(value) and not limit.holds(float(value)):
            raise ValueError(f"{name} is {value}; it must be {limit.words}")
    xp, *arrays = as_common(*(value for value, _ in inputs.values()))
    kept = [xp.where(limit.holds(a), a, xp.nan) for a, (_, limit) in zip(arrays, inputs.values(), strict=True)]
    return xp, *kept


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of the allowed names."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it can be {', '.join(map(repr, allowed))}")
