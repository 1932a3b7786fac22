"""Numbers as a reader says them: one spelling for every page, figure and sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_PLURALS = {
    "chip": "chips",
    "day": "days",
    "month": "months",
    "token": "tokens",
    "parameter": "parameters",
    "point": "points",
    "port": "ports",
    "sequence": "sequences",
    "nat": "nats",
    "h": "hours",
}
#: Of these a reader counts millions and more in words.
_COUNTED = ("parameter", "token")
#: Words for large numbers.
LARGE = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_DURATIONS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
#: Units as a reader says them, where they are short in the tables.
_UNITS = {
    "(chip h)": "chip-hour",
    "(W year)": "watt-year",
    "(chip year)": "chip-year",
    "(chip tier)": "chip and tier",
    "(kW month)": "kW-month",
    "1/(1,000 node-days)": "in 1,000 node-days",
}
#: A truth of a table as a reader says it.
YES_NO = {"True": "yes", "False": "no"}
#: Words that stay on the line of the number before them, here and in the script of a page.
UNITS_OF_LINE = sorted(
    {*_PLURALS, *_PLURALS.values(), *(word for _, word in LARGE), "%", "×", "FLOP", "FLOP/s", "MW", "GW", "kW", "GWh"}
    | {f"{unit}{end}" for unit in ("millisecond", "second", "minute", "hour", "year", "time") for end in ("", "s")}
)
#: The blanks between a number and its unit, and within a power of ten.
JOINED = re.compile(rf"(?<=[\d⁰¹²³⁴⁵⁶⁷⁸⁹×]) (?=(?:{'|'.join(UNITS_OF_LINE)})(?!\w)|10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])")
_UNKNOWN = "not known"
_SAME = "the same from 5 to 95 %"
#: The unit of a share, written in percent whatever its size.
_SHARE = "%"


def slug(text: str) -> str:
    """Write a text as a part of an address.

    >>> slug("What could change this answer?")
    'what-could-change-this-answer'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def number(value: float, digits: int = 2) -> str:
    """Write a number with significant digits: with commas, or with a power of ten where it is huge or tiny.

    Examples
    --------
    >>> number(98_765), number(0.0472), number(3.12e25), number(2.11e-18)
    ('99,000', '0.047', '3.1 × 10²⁵', '2.1 × 10⁻¹⁸')
    """
    if not math.isfinite(value):
        return _UNKNOWN
    if value == 0:
        return "0"
    if abs(value) >= 1e9 or abs(value) < 1e-4:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa} × 10{str(int(power)).translate(str.maketrans('0123456789-', '⁰¹²³⁴⁵⁶⁷⁸⁹⁻'))}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))  # 99.96 becomes 100 and needs one place fewer
    return f"{round(rounded, decimals):,.{max(decimals, 0)}f}"


def exact(value: float, digits: int = 6) -> str:
    """Write a number as it was given: with so many significant digits at most, and no zeros behind them.

    >>> exact(2.50), exact(98_304), exact(4.05e11), exact(0.1)
    ('2.5', '98,304', '4.05 × 10¹¹', '0.1')
    """
    return re.sub(r"(\.\d*?)0+(?= |$)", r"\1", number(value, digits)).replace(". ", " ").removesuffix(".")


def usd(value: float, digits: int = 2) -> str:
    """Write dollars; a few of them with their cents, as prices are read.

    Examples
    --------
    >>> usd(5.24e9), usd(2.914), usd(-31.6e6, 3), usd(2.11e-18)
    ('$5.2 billion', '$2.91', '-$31.6 million', '$2.1 × 10⁻¹⁸')
    """
    if not math.isfinite(value):
        return _UNKNOWN
    sign, size = ("-" if value < 0 else ""), abs(value)
    return f"{sign}${_in_words(size, max(digits, 3) if 1 <= size < 10 else digits)}"


def _in_words(size: float, digits: int) -> str:
    """Write a large number with its word."""
    for scale, word in LARGE:
        if size >= scale * (1 - 0.5 * 10.0**-digits):  # what rounds to 1.0 billion is not 1,000 million
            return f"{number(size / scale, digits)} {word}"
    return number(size, digits)


def share(value: float) -> str:
    """Write a share in whole percent, without rounding to certainty what is not certain.

    Examples
    --------
    >>> share(0.43), share(0.9991), share(1.0), share(0.002)
    ('43 %', 'over 99 %', '100 %', 'under 1 %')
    """
    if not math.isfinite(value):
        return _UNKNOWN
    if 0.995 <= value < 1:
        return "over 99 %"
    return "under 1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


def duration(value_s: float, digits: int = 2) -> str:
    """Write a duration in the unit that a reader would choose.

    Examples
    --------
    >>> duration(0.47 * 3600), duration(4.2), duration(3 * 86_400), duration(1e-4)
    ('28 minutes', '4.2 seconds', '3.0 days', '0.10 milliseconds')
    """
    for size_s, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds")):
        if abs(value_s) >= 2 * size_s or (size_s == 1.0 and abs(value_s) >= 1):
            return f"{number(value_s / size_s, digits)} {unit}"
    return f"{number(1e3 * value_s, digits)} milliseconds" if math.isfinite(value_s) else _UNKNOWN


def quantity(value: float, unit: str, digits: int = 2) -> str:
    """Write one number with its unit.

    Examples
    --------
    >>> quantity(4.71e9, "USD"), quantity(0.372, "1"), quantity(94.6, "day"), quantity(0.47, "h")
    ('$4.7 billion', '37 %', '95 days', '28 minutes')
    >>> quantity(2.94, "USD/(chip h)"), quantity(3.12e25, "FLOP"), quantity(2.11e-18, "USD/FLOP")
    ('$2.94 a chip-hour', '3.1 × 10²⁵ FLOP', '$2.1 × 10⁻¹⁸ a FLOP')
    >>> quantity(0.16, "1/year"), quantity(2.6, "1/year"), quantity(1.88, "nat/token", 3)
    ('16 % a year', '2.6 a year', '1.88 nats a token')
    """
    if not math.isfinite(value):
        return _UNKNOWN
    what, _, per = unit.partition("/")
    if per and per != "s":
        return f"{quantity(value, what, digits)} a {_UNITS.get(per, per)}"
    if unit == "USD":
        return usd(value, digits)
    if unit in _DURATIONS_S:
        return duration(value * _DURATIONS_S[unit], digits)
    if unit == _SHARE or (unit == "1" and abs(value) <= 1):
        return f"{number(100 * value, digits)} %"
    if unit in _COUNTED and value >= LARGE[-1][0]:
        return f"{_in_words(value, digits)} {_PLURALS[unit]}"
    digits = 3 if 100 <= abs(value) < 1000 else digits
    return f"{number(value, digits)} {_PLURALS.get(unit, '' if unit == '1' else unit)}".strip()


def unit_words(unit: str) -> str:
    """Write a unit as a reader says it.

    Examples
    --------
    >>> unit_words("USD/(chip h)"), unit_words("USD/kWh"), unit_words("1/year"), unit_words("W/chip")
    ('$ a chip-hour', '$ a kWh', 'a year', 'W a chip')
    """
    what, _, per = unit.partition("/")
    said = {"USD": "$", "1": ""}.get(what, _PLURALS.get(what, what))
    if unit in _UNITS or not per or per == "s":
        return _UNITS.get(unit, unit if per or unit == "1" else said)
    return f"{said} a {_UNITS.get(per, per)}".strip()


def interval(low: float, median: float, high: float, unit: str, digits: int = 2) -> str:
    """Write a median with its interval; a unit is said once where it is the same.

    Examples
    --------
    >>> interval(81.2, 95.04, 121.9, "day"), interval(4.2e9, 5.2e9, 6.3e9, "USD")
    ('95 days (81 to 122)', '$5.2 billion (4.2 to 6.3)')
    >>> interval(8e8, 5.2e9, 6.3e9, "USD"), interval(0.36, 0.43, 0.52, "1")
    ('$5.2 billion ($800 million to $6.3 billion)', '43 % (36 to 52)')
    >>> interval(3.4e25, 1.5e26, 3.6e26, "FLOP"), interval(5.2e11, 1.3e12, 2.7e12, "parameter")
    ('1.5 × 10²⁶ FLOP (3.4 × 10²⁵ to 3.6 × 10²⁶)', '1.3 trillion parameters (520 billion to 2.7 trillion)')
    >>> interval(0.48, 0.76, 1.2, "1"), interval(1.0, 1.2, 1.4, "1"), interval(-25, -16, -10, "month")
    ('76 % (48 to 120)', '1.2 (1.0 to 1.4)', '-16 months (-25 to -10)')
    """
    texts = [quantity(value, _unit_of(median, unit), digits) for value in (low, median, high)]
    if texts[0] == texts[2]:
        return texts[1]
    low_text, high_text = _ends(texts[0], texts[2], texts[1])
    return f"{texts[1]} ({low_text} to {high_text})"


def intervals(rows: Iterable[Sequence[float]], unit: str) -> list[str]:
    """Write each row of 5, 50 and 95 % as :func:`interval` does, for a column of a table.

    >>> intervals([(1e9, 2e9, 3e9), (4e9, 4e9, 4e9)], "USD")
    ['$2.0 billion (1.0 to 3.0)', '$4.0 billion']
    """
    return [interval(low, median, high, unit) for low, median, high in rows]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a difference is said by its sign, alone and at the end of an interval, so that no reader meets a minus."""

    ahead: str
    behind: str
    ahead_end: str
    behind_end: str


BETTER = Difference("better by {}", "worse by {}", "{} better", "{} worse")
CHEAPER = Difference("cheaper by {}", "dearer by {}", "{} cheaper", "{} dearer")
SAVES = Difference("saves {}", "costs {} more", "{} less", "{} more")
EARLIER = Difference("{} earlier", "{} later", "{} earlier", "{} later")


def difference(
    low: float,
    median: float,
    high: float,
    said: Difference,
    *,
    unit: str = "USD",
    digits: int = 2,
    mark: Callable[[str], str] = str,
) -> str:
    """Write a difference with its interval, the sign in words; ``mark`` takes the numbers, for instance as a link.

    Examples
    --------
    >>> difference(3.4e8, 2.4e9, 5.0e9, BETTER), difference(-4e6, -3.2e6, -1e6, SAVES)
    ('better by $2.4 billion ($340 million to $5.0 billion)', 'costs $3.2 million (1.0 to 4.0) more')
    >>> difference(-2.6e6, -1.3e6, 4e5, BETTER)
    'worse by $1.3 million ($2.6 million worse to $400,000 better)'
    >>> difference(-31.0, 12.0, 62.0, EARLIER, unit="day")
    '12 days earlier (31 days later to 62 days earlier)'
    """
    if not math.isfinite(median):
        return _UNKNOWN
    form = said.behind if median < 0 else said.ahead
    if low < 0 < high:
        worst, best = (quantity(abs(end), unit, digits) for end in (low, high))
        ends = f"{said.behind_end.format(worst)} to {said.ahead_end.format(best)}"
        middle = quantity(abs(median), unit, digits)
        if form.endswith("{}"):
            return form.format(mark(f"{middle} ({ends})"))
        return f"{form.format(mark(middle))} ({ends})"
    smallest, largest = sorted((abs(low), abs(high)))
    return form.format(mark(interval(smallest, abs(median), largest, unit, digits)))


def differences(rows: Iterable[Sequence[float]], said: Difference, *, unit: str = "USD") -> list[str]:
    """Write each row of low, median and high as a difference.

    >>> differences([[-4e6, -3.2e6, -1e6]], CHEAPER)
    ['dearer by $3.2 million (1.0 to 4.0)']
    """
    return [difference(low, median, high, said, unit=unit) for low, median, high in rows]


def difference_alone(value: float, said: Difference, *, unit: str = "USD", digits: int = 2) -> str:
    """Write a difference, the sign in words.

    >>> difference_alone(-3.2e6, SAVES), difference_alone(6.2, EARLIER, unit="month")
    ('costs $3.2 million more', '6.2 months earlier')
    """
    return difference(value, value, value, said, unit=unit, digits=digits)


def _ends(low: str, high: str, said: str) -> tuple[str, str]:
    """Return the ends of an interval without what the median has said: all words, or the unit alone."""
    texts = (low, high, said)
    rest = {text.partition(" ")[2] for text in texts}
    if len(rest) == 1 and not any("×" in text or text.startswith("-$") for text in texts):
        return low.lstrip("$").partition(" ")[0], high.lstrip("$").partition(" ")[0]
    units = {text.rpartition(" ")[2] for text in texts}
    if len(units) == 1 and all(text.count(" ") > 1 for text in texts) and " a " not in low:
        return low.rpartition(" ")[0], high.rpartition(" ")[0]
    return low, high


def _unit_of(median: float, unit: str) -> str:
    """Return the unit of both ends of an interval: a number without one is a share where its median is."""
    if unit != "1":
        return unit
    return _SHARE if abs(median) <= 1 else ""


def interval_alone(low: float, median: float, high: float, unit: str, digits: int = 2) -> str:
    """Write an interval without its median; a unit is said once where it is the same.

    >>> interval_alone(81.2, 95, 121.9, "day"), interval_alone(8e8, 5e9, 6.3e9, "USD")
    ('81 to 122 days', '$800 million to $6.3 billion')
    >>> interval_alone(0.26, 0.26, 0.26, "1"), interval_alone(0.48, 0.76, 1.2, "1")
    ('the same from 5 to 95 %', '48 to 120 %')
    """
    low_text, high_text = (quantity(value, _unit_of(median, unit), digits) for value in (low, high))
    if low_text == high_text:
        return _SAME
    head, _, rest = low_text.partition(" ")
    same = rest and not rest.startswith("×") and high_text.endswith(f" {rest}") and not low_text.startswith("-$")
    if not same and unit in (*_COUNTED, "FLOP") and " " in rest:
        return f"{low_text.rpartition(' ')[0]} to {high_text}"
    return f"{head if same else low_text} to {high_text}"
