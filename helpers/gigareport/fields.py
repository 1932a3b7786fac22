"""What people write, read by the kind of the field: cells of a CSV file and scalars of a YAML file alike.

Each reader takes the text as it stands in the file and returns a value or raises a :class:`Fault`, whose message says
what was received, what is allowed and what to do; the caller adds file and line, gathers the faults of a whole file,
and hands them to :func:`message`. Nothing is guessed: ``25.000``, ``025000``, ``8:32`` and ``true`` are no numbers.
"""

from __future__ import annotations

import csv
import datetime
import io
import math
import os
import re
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path

from gigacluster.names import alike

#: A number as it is read: digits, in groups of three by underscores or in one piece, no leading zero.
_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+(\.[0-9]*)?")
#: 25.000 is 25 to some and 25,000 to others.
_POINT_OF_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.000)+")
_COMMAS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
#: How some published files write a day: 3/31/2024 or 3/31/24, and a month: 2024-03.
_AMERICAN_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_FLAGS = {"true": True, "false": False}

#: How like a name must be, from 0 to 1, to be offered in place of another.
_NEAR = 0.7
#: Longest piece of a user's text, name list and whole message that is printed. [characters]
_LONGEST_SHOWN, _MOST_NAMES, _LONGEST_LINE, _LONGEST_MESSAGE = 60, 25, 900, 1_900
#: Size of a file beyond which another one was meant, or a device without end. [bytes]
_LARGEST_FILE = 100_000_000


class ToldError(ValueError):
    """What a user gave is wrong. The message says where and what to do, and is all that a notebook shows."""

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows in place of the calls that led here, none of which the user wrote."""
        return [f"{type(self).__name__}: {told(str(self))}"]


class Fault(ToldError):  # noqa: N818 - a fault of the file, not an error of the program
    """One value is not what its field takes. The message says what was received, what is allowed and what to do."""


def file_text(file: Path, what: str, *, largest: int = _LARGEST_FILE, errors: str = "strict") -> str:
    """Return the text of a file of the user's, which should be ``what``, such as ``"a CSV file"``.

    ``largest`` is its most in bytes, ``errors`` as in :meth:`bytes.decode`.

    Raises
    ------
    Fault
        If it cannot be read, is a named pipe or no text in UTF-8, or is larger.
    """
    said = _safe(str(file), 300)
    try:
        # A named pipe waits for a writer, perhaps for ever; that of a shell (/dev/stdin, <(...)) has no name.
        if Path(os.path.realpath(file)).is_fifo():
            raise Fault(f"{said} is a pipe; give the path of {what}")
        with file.open("rb") as stream:
            raw = stream.read(largest + 1)
        if len(raw) > largest:
            raise Fault(f"{said} has more than {largest:,} bytes; give the path of {what}")
        return raw.decode("utf-8-sig", errors)
    except Fault:
        raise
    except FileNotFoundError:
        raise Fault(f"{said} does not exist; give the path of {what}") from None
    except OSError as fault:
        raise Fault(f"{said} cannot be read ({fault.strerror}); give the path of {what}") from None
    except UnicodeDecodeError as fault:
        raise Fault(f"{said} is not {what} in UTF-8: {fault}; save it as UTF-8") from None
    except ValueError:
        raise Fault(f"{said} is no name of a file; give the path of {what}") from None


def csv_rows(text: str, *, strict: bool = False) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV file, and each row that is not blank with the line on which it ends.

    Raises
    ------
    csv.Error
        If the text is no CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=strict)
    return next(reader, []), [(reader.line_num, row) for row in reader if row]


def number(
    text: str,
    *,
    unit: str = "",
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    whole: bool = False,
) -> float:
    """Return the number that a text says.

    Parameters
    ----------
    text : such as ``"25000"``, ``"25_000"``, ``"2.5e4"``.
    unit : named in the message; ``"1"`` and ``""`` are not.

    Raises
    ------
    Fault
        If the text says no finite number within the limits, or says one that another reader would read otherwise.

    Examples
    --------
    >>> number("2.5e4", whole=True)
    25000.0
    >>> number("25.000")
    Traceback (most recent call last):
    gigareport.fields.Fault: got '25.000', which is 25 or 25,000; write 25 or 25000
    """
    said = text.strip()
    if _POINT_OF_THOUSANDS.fullmatch(said):
        first, digits = said.split(".")[0], said.replace(".", "")
        raise Fault(f"got {shown(text)}, which is {first} or {int(digits):,}; write {first} or {digits}")
    if _LEADING_ZERO.fullmatch(said):
        raise Fault(f"got {shown(text)}, which begins with a zero; write {shown(said.lstrip('+-0') or '0')[1:-1]}")
    if _COMMAS.fullmatch(said):
        raise Fault(f"got {shown(text)}; write the number without commas: {shown(said.replace(',', ''))[1:-1]}")
    wanted = ("a whole number" if whole else "a number") + (f" in {unit}" if _is_named(unit) else "")
    if not _NUMBER.fullmatch(said):
        spare = ", without the unit's name" if _is_named(unit) and any(map(str.isalpha, said)) else ""
        raise Fault(f"got {shown(text)}, which is not a number; give {wanted}{spare}")
    value = float(said)
    if not math.isfinite(value):
        raise Fault(f"got {shown(text)}, which is too large; give {wanted}")
    if whole and abs(value) > 2.0**53:
        raise Fault(f"got {shown(text)}, which is too large to be counted exactly; give {wanted}")
    if whole and value != math.floor(value):
        raise Fault(f"got {shown(text)}; give {wanted}")
    if not (least <= value <= most and value > above):
        asked = " is the unit right?" if _is_named(unit) else ""
        raise Fault(f"must be {_limits(least, most, above, unit)}; got {value:.10g}:{asked}".removesuffix(":"))
    return value


def date(
    text: str,
    *,
    least: datetime.date = datetime.date.min,
    most: datetime.date = datetime.date.max,
    published: bool = False,
) -> datetime.date:
    """Return the day that a text says, written 2024-07-09.

    With ``published`` 7/9/2024, 7/9/24 (month first) and 2024-07 (its first day) are read too.

    Examples
    --------
    >>> date("2024-07-09")
    datetime.date(2024, 7, 9)
    """
    said = text.strip()
    if found := _DAY.fullmatch(said):
        parts = found.groups()
    elif published and (found := _AMERICAN_DAY.fullmatch(said)):
        parts = (f"20{found[3]}"[-4:], found[1], found[2])
    elif published and (found := _MONTH.fullmatch(said)):
        parts = (found[1], found[2], "1")
    else:
        raise Fault(f"got {shown(text)}; give a day as year-month-day, such as 2024-07-09")
    try:
        day = datetime.date(*map(int, parts))
    except ValueError as error:
        raise Fault(f"got {shown(text)}, which is no day of the calendar ({error}); give one") from None
    if not least <= day <= most:
        raise Fault(f"got {day}; give a day from {least} to {most}")
    return day


def choice(text: str, allowed: Iterable[str], *, what: str = "") -> str:
    """Return a text that is one of those allowed.

    Examples
    --------
    >>> choice("fp88", ["bf16", "fp8"])
    Traceback (most recent call last):
    gigareport.fields.Fault: must be 'bf16' or 'fp8'; got 'fp88'
    >>> choice("h100-sxm", map(str.upper, ["h100-sxm", "b200"]), what="chip")
    Traceback (most recent call last):
    gigareport.fields.Fault: there is no chip 'h100-sxm'; did you mean 'H100-SXM'?
    """
    said, known = text.strip(), list(allowed)
    if said in known:
        return said
    if what:
        raise Fault(f"there is no {what} {shown(text)}; {hint(said, known)}")
    names = [repr(name) for name in known]
    raise Fault(f"must be {' or '.join(filter(None, [', '.join(names[:-1]), names[-1]]))}; got {shown(text)}")


def flag(text: str) -> bool:
    """Return what ``true`` or ``false`` says, in letters of either case."""
    try:
        return _FLAGS[text.strip().casefold()]
    except KeyError:
        raise Fault(f"got {shown(text)}; give true or false") from None


def identifier(text: str) -> str:
    """Return a text that is a name for use in files and addresses."""
    said = text.strip()
    if not _IDENTIFIER.fullmatch(said):
        raise Fault(
            f"got {shown(text)}; give letters, digits, '.', '_', '+' and '-' without spaces, "
            "and begin with a letter or a digit"
        )
    return said


def text(text: str, *, longest: int = 20_000) -> str:
    """Return a text that is not blank, without white space around it."""
    said = text.strip()
    if not said:
        raise Fault("is blank; fill it in")
    if len(said) > longest:
        raise Fault(f"has {len(said):,} characters; give at most {longest:,}")
    return said


def near(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that is most like another, in letters of either case, or None where none is near.

    Examples
    --------
    >>> near("h100-smx", ["H100-SXM", "B200"])
    'H100-SXM'
    >>> near("TPU", ["H100-SXM", "B200"])
    """
    return None if len(name) > _LONGEST_SHOWN else alike(name, allowed, cutoff=_NEAR)


def hint(name: str, allowed: Iterable[str], *, what: str = "those allowed") -> str:
    """Return what to do about a name that is not allowed: ``did you mean 'x'?``, or the names that are.

    Examples
    --------
    >>> hint("sequence_len", ["seq_len", "pp"])
    "did you mean 'seq_len'?"
    >>> hint("tau", ["seq_len", "pp"], what="the fields here")
    'the fields here are: seq_len, pp'
    """
    known = list(allowed)
    if nearest := near(name, known):
        return f"did you mean {nearest!r}?"
    rest = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"{what} are: {', '.join(known[:_MOST_NAMES])}{rest}"


def draws(samples: object, seed: object) -> None:
    """Refuse samples and a seed that are no whole numbers, or too low.

    Raises
    ------
    Fault
        With the first of them that is none.
    """
    for name, value, least in (("samples", samples, 1), ("seed", seed, 0)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise Fault(f"{name}: got {shown(value)}; give a whole number of at least {least}")


def shown(value: object) -> str:
    """Return a value as it was received, short, on one line, without characters that steer a terminal.

    Examples
    --------
    >>> shown("7" * 400)
    "'777777777777777777777777777777777777777777777777777777777777...' (400 characters)"
    """
    said = value if isinstance(value, str) else repr(value)
    if len(said) <= _LONGEST_SHOWN:
        return repr(said) if isinstance(value, str) else said
    return f"{said[:_LONGEST_SHOWN] + '...'!r} ({len(said):,} characters)"


def told(text: str) -> str:
    """Return a message as it is printed: at most 2,000 characters, none of which steers a terminal."""
    said = "\n".join(_safe(line, _LONGEST_LINE) for line in text.split("\n"))
    return said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]} ..."


def message(heading: str, faults: Iterable[str]) -> str:
    """Return one message of at most 2,000 characters: how many faults there are, and as many of them as there is room.

    They stand in the order in which they are to be mended, below the heading with `` has 3 faults:``.
    """
    lines = [_safe(fault, _LONGEST_LINE) for fault in faults]
    said = f"{_safe(heading, 300)} has {len(lines)} fault{'s' if len(lines) > 1 else ''}:"
    for count, line in enumerate(lines):
        if len(said) + len(line) > _LONGEST_MESSAGE:
            return f"{said}\n  and {len(lines) - count} more"
        said += f"\n  {line}"
    return said


def _limits(least: float, most: float, above: float, unit: str) -> str:
    named = f" {unit}" if _is_named(unit) else ""
    low = above if above >= least else least
    if math.isfinite(low) and math.isfinite(most):
        return f"above {low:g} and at most {most:g}{named}" if above >= least else f"within {low:g} and {most:g}{named}"
    if math.isfinite(most):
        return f"at most {most:g}{named}"
    return f"above {low:g}{named}" if above >= least else f"at least {low:g}{named}"


def _is_named(unit: str) -> bool:
    return unit not in ("", "1")


def _safe(line: str, longest: int) -> str:
    """Return a line without control characters, cut in the middle where it is too long."""
    said = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line[: 4 * longest])
    return said if len(said) <= longest else f"{said[: longest // 2]} ... {said[-longest // 2 :]}"
