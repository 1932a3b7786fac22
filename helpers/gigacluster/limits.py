"""What inputs may be: a plain number out of its range raises, an element of an array becomes ``nan``.

Raising on the elements of an array would make a GPU stop and answer; a number is on the host and free to look at.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

from gigacluster.arrays import Array, Mask, Namespace, Samples, as_common, is_array


@dataclass(frozen=True, slots=True)
class Limit:
    """A range of allowed values and the words that name it."""

    low: float
    high: float
    words: str
    low_included: bool = True
    high_included: bool = True

    def holds(self, values: Samples) -> Any:
        """Return where ``values`` lie in the range; ``nan`` does not."""
        above = values >= self.low if self.low_included else values > self.low
        below = values <= self.high if self.high_included else values < self.high
        return above & below


POSITIVE = Limit(0.0, math.inf, "above 0", low_included=False, high_included=False)
ABOVE_ZERO = Limit(0.0, math.inf, "above 0, or infinite", low_included=False)
NON_NEGATIVE = Limit(0.0, math.inf, "0 or more", high_included=False)
AT_LEAST_ONE = Limit(1.0, math.inf, "1 or more", high_included=False)
SHARE = Limit(0.0, 1.0, "from 0 to 1")
SHARE_BELOW_ONE = Limit(0.0, 1.0, "from 0 to below 1", high_included=False)
SHARE_WITHIN = Limit(0.0, 1.0, "between 0 and 1", low_included=False, high_included=False)
LOGNORMAL_SIGMA = Limit(0.0, 5.0, "a spread from 0 to 5")
POSITIVE_SHARE = Limit(0.0, 1.0, "above 0 and at most 1", low_included=False)


#: What a model takes, within a limit: the signature of a function says what its arguments may be.
Positive: TypeAlias = Annotated[Samples, POSITIVE]
NonNegative: TypeAlias = Annotated[Samples, NON_NEGATIVE]
AtLeastOne: TypeAlias = Annotated[Samples, AT_LEAST_ONE]
Share: TypeAlias = Annotated[Samples, SHARE]
ShareBelowOne: TypeAlias = Annotated[Samples, SHARE_BELOW_ONE]
PositiveShare: TypeAlias = Annotated[Samples, POSITIVE_SHARE]


def admit(values: Mapping[str, Any], limits: Mapping[str, Limit]) -> tuple[Namespace, dict[str, Array], Mask]:
    """Bring inputs to one array library and say where they are allowed.

    Parameters
    ----------
    values : Inputs by name.
    limits : Allowed range by name; inputs without one may take any value.

    Returns
    -------
    xp : The library of the arrays.
    arrays : dict of str to array
        The inputs as float64, with ``nan`` for elements out of range, so that what is computed from them is ``nan``.
    valid : array of bool
        Where every array input lies in its range, for results that do not use them all; shape () for numbers alone.

    Raises
    ------
    ValueError
        If a plain number is out of its range, or a value is neither number nor array; every such input is named.

    Examples
    --------
    >>> xp, arrays, valid = admit({"pue": 1.2}, {"pue": AT_LEAST_ONE})
    >>> bool(valid)
    True
    """
    faults = [_fault(name, value, limits.get(name)) for name, value in values.items() if not is_array(value)]
    faults = [fault for fault in faults if fault]
    if faults:
        raise ValueError("; ".join(faults))
    xp, arrays = as_common(*values.values())
    named = dict(zip(values, arrays, strict=True))
    valid = xp.all(xp.ones_like(arrays[0], dtype=xp.bool))  # on the device of the arrays
    for name, limit in limits.items():
        if name in values and is_array(values[name]):
            here = limit.holds(named[name])
            named[name] = xp.where(here, named[name], xp.nan)
            valid = valid & here
    return xp, named, valid


def _fault(name: str, value: object, limit: Limit | None) -> str:
    """Say what is wrong with a plain value, or nothing."""
    if not isinstance(value, numbers.Real):
        return f"{name} must be a number or an array of numbers, got {value!r}"
    try:
        number = float(value)
    except OverflowError:
        return f"{name} must be a number that a computer can hold, below 1.8e308"
    if limit is not None and not limit.holds(number):
        return f"{name} must be {limit.words}, got {value}"
    return ""


@cache
def limits_of(function: Callable[..., object]) -> dict[str, Limit]:
    """Return the limits that the parameters of a function carry in its signature, by name and in order."""
    hints = get_type_hints(function, include_extras=True)
    limits = {name: next(_limits_in(hint), None) for name, hint in hints.items()}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _limits_in(hint: object) -> Iterator[Limit]:
    """Yield the limits of a type, also where it is one of several, as in ``NonNegative | None``."""
    for part in get_args(hint):
        if isinstance(part, Limit):
            yield part
        else:
            yield from _limits_in(part)


def checked(function: Callable[..., object], *values: Samples) -> tuple[Namespace, list[Array]]:
    """Return ``xp, arrays`` of the arguments of a function that carry a limit, in the order of its signature.

    See :func:`admit`.

    Examples
    --------
    >>> def written_frac(write_s: NonNegative) -> Array:
    ...     return checked(written_frac, write_s)[1][0]
    >>> written_frac(-1.0)
    Traceback (most recent call last):
    ...
    ValueError: write_s must be 0 or more, got -1.0
    """
    limits = limits_of(function)
    xp, named, _ = admit(dict(zip(limits, values, strict=True)), limits)
    return xp, list(named.values())


def within(**options: tuple[object, Limit]) -> None:
    """Raise ``ValueError`` unless each option, given as ``name=(value, limit)``, is a plain number within its limit.

    Examples
    --------
    >>> within(coverage=(95, SHARE_WITHIN))
    Traceback (most recent call last):
    ...
    ValueError: coverage must be between 0 and 1, got 95
    """
    faults = [fault for name, (value, limit) in options.items() if (fault := _fault(name, value, limit))]
    if faults:
        raise ValueError("; ".join(faults))


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of the allowed names."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it can be {', '.join(map(repr, allowed))}")


def whole(name: str, value: Any, least: int = 0) -> int:
    """Return a count or a seed, which must be a whole number from ``least``."""
    if not isinstance(value, numbers.Real) or not least <= float(value) < 2**32 or float(value) % 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {least} to below 2^32")
    return int(float(value))
