"""Constants and the formats of numbers in text. Inside the package everything is in SI base units."""

from __future__ import annotations

import math

__all__ = [
    "BITS_PER_BYTE",
    "GIB",
    "GIGA",
    "HOURS_PER_DAY",
    "HOURS_PER_MONTH",
    "HOURS_PER_YEAR",
    "MEGA",
    "PETA",
    "SECONDS_PER_DAY",
    "SECONDS_PER_HOUR",
    "TERA",
    "format_interval",
    "format_quantity",
    "format_share",
    "format_usd",
]

MEGA, GIGA, TERA, PETA = 1e6, 1e9, 1e12, 1e15
GIB = float(2**30)
BITS_PER_BYTE = 8.0
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86_400.0
HOURS_PER_DAY = 24.0
HOURS_PER_YEAR = 8766.0  # 365.25 days
HOURS_PER_MONTH = HOURS_PER_YEAR / 12

_PREFIXES = ((1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_quantity(value: float, unit: str = "", digits: int = 3) -> str:
    """Write a number with significant digits and an SI prefix to its unit.

    Examples
    --------
    >>> format_quantity(989e12, "FLOP/s")
    '989 TFLOP/s'
    >>> format_quantity(100_000)
    '100,000'
    >>> format_quantity(float("nan"), "s")
    'not known'
    """
    if not math.isfinite(value):
        return "not known"
    prefix = ""
    if unit and unit[0].isalpha() and abs(value) >= 1e3:
        scale, prefix = next(pair for pair in _PREFIXES if abs(value) >= pair[0])
        value /= scale
    return f"{_significant(value, digits)} {prefix}{unit}".strip()


def format_usd(value: float, digits: int = 3) -> str:
    """Write dollars the way a reader says them.

    Examples
    --------
    >>> format_usd(4.7e9), format_usd(2.914), format_usd(-31.6e6)
    ('$4.70 billion', '$2.91', '-$31.6 million')
    """
    if not math.isfinite(value):
        return "not known"
    sign, size = ("-" if value < 0 else ""), abs(value)
    for scale, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if size >= scale:
            return f"{sign}${_significant(size / scale, digits)}{word}"
    return f"{sign}${_significant(size, digits)}"


def format_share(value: float) -> str:
    """Write a share in whole percent, without rounding to certainty what is not certain.

    Examples
    --------
    >>> format_share(0.417), format_share(0.9991), format_share(1.0), format_share(0.002)
    ('42 %', 'over 99 %', '100 %', 'under 1 %')
    """
    if 0.995 <= value < 1:
        return "over 99 %"
    return "under 1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


def format_interval(low: float, median: float, high: float, unit: str = "", digits: int = 2) -> str:
    """Write a median with its interval.

    Examples
    --------
    >>> format_interval(81.2, 95.04, 121.9, "days")
    '95 days (81 to 120)'
    """
    low_text, median_text, high_text = (_significant(value, digits) for value in (low, median, high))
    return f"{median_text}{' ' + unit if unit else ''} ({low_text} to {high_text})"


def _significant(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "not known"
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))  # 99.96 becomes 100 and needs one place fewer
    return f"{round(rounded, decimals):,.{max(decimals, 0)}f}"
