"""Titles of figures held against the figure's own data."""

from __future__ import annotations

import re

import numpy
import pandas as pd

#: What stands in a title for a power of ten while its numbers are looked up.
_POWER = " e"


def unsupported(title: str, data: pd.DataFrame) -> list[str]:
    """Return the numbers of a title that the figure's own data do not hold, as rounded as the title writes them.

    Letters beside digits make a name (H100). A number may be a value of the data in any power of a thousand or as a
    percentage, the count of rows or of those in which a flag holds, part of a column's name, a year of a date, part of
    a text in the data, or the 5, 50, 80, 90 and 95 of intervals.

    Examples
    --------
    >>> table = pd.DataFrame({"label": ["Own", "Rent"], "Cost [$]": [5.24e9, 8.31e9], "chance": [0.43, 0.57]})
    >>> unsupported("Owning 100,000 H100 costs $5.2 billion and wins in 43 %", table)
    ['100,000']
    """
    flags = data.select_dtypes("bool")
    numeric = data.select_dtypes("number").to_numpy(dtype=float).ravel()
    values = numpy.abs(numeric[numpy.isfinite(numeric)])
    scaled = (values[:, None] * 10.0 ** numpy.asarray([-12, -9, -6, -3, 0, 2, 3])).ravel()
    texts = " ".join(map(str, data.columns)) + " ".join(
        str(text) for column in data.select_dtypes(exclude="number") for text in data[column].unique()
    )
    words = {word.rstrip(",") for word in re.findall(r"\d[\d,]*(?:\.\d+)?", texts)}
    words |= {"5", "50", "80", "90", "95", f"{len(data):,}"}
    words |= {f"{int(flags[column].sum()):,}" for column in flags}
    title = re.sub(r" × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", _POWER, title)
    mantissas = values[values > 0] / 10.0 ** numpy.floor(numpy.log10(values[values > 0]))
    scaled = numpy.concatenate([scaled, mantissas]) if _POWER in title else scaled
    found = []
    for written in re.findall(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w])", title):
        digits = written.rstrip(",")
        decimals = len(digits.partition(".")[2])
        if digits in words or digits.replace(",", "") in words:
            continue
        trailing = len(digits) - len(digits.rstrip("0,")) if not decimals else 0
        half = 0.5 * 10.0 ** (digits[len(digits) - trailing :].count("0") - decimals)
        if not numpy.any(numpy.abs(scaled - float(digits.replace(",", ""))) <= half * (1 + 1e-9)):
            found.append(digits)
    return found
