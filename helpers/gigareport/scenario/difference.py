"""Two scenarios side by side: what their files differ in, and what that does to every answer, sample by sample."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

import numpy

from gigacluster.arrays import to_host
from gigacluster.uncertainty import Uncertain, interval
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.record import leaves
from gigareport.scenario.register import Scenario

if TYPE_CHECKING:
    import pandas as pd


def differing_inputs(first: Scenario, second: Scenario) -> pd.DataFrame:
    """Return the fields in which two scenarios differ: ``field, first, second, unit``, values as a file says them.

    Examples
    --------
    >>> from gigareport import scenario
    >>> story, dear = (scenario.load("xai-colossus-2024", changes=c) for c in ({}, {"own.chip_usd": 30_000}))
    >>> differing_inputs(story, dear).to_dict("records")
    [{'field': 'own.chip_usd', 'first': '23000, 26268, 30000', 'second': '30000', 'unit': 'USD'}]
    """
    import pandas as pd

    sides = [{path: (field, value) for path, field, value in leaves(story)} for story in (first, second)]
    rows = []
    for path in dict.fromkeys([*sides[0], *sides[1]]):
        texts = [_text(side[path][1]) if path in side else "" for side in sides]
        if texts[0] != texts[1]:
            field = next(side[path][0] for side in sides if path in side)
            unit = field.entry.unit if field.kind in ("uncertain", "number") else ""
            rows.append((path, *texts, unit))
    return pd.DataFrame(rows, columns=["field", "first", "second", "unit"])


def differences(first: Outlook, second: Outlook) -> pd.DataFrame:
    """Return what every answer gains from the first scenario to the second, with the samples paired.

    Both are drawn from the same streams, so what the scenarios share cancels out.

    Returns
    -------
    DataFrame
        ``quantity, label, first, second`` (medians), ``low, median, high`` of the difference, ``more_frac`` (share of
        the samples with both answers in which the second is larger, equal ones counting half), ``unit``,
        ``without_frac`` (share of the samples in which one of the two has no answer).

    Raises
    ------
    ValueError
        If the outlooks have different samples.
    """
    import pandas as pd

    if (first.seed, first.samples) != (second.seed, second.samples):
        raise ValueError("the two outlooks have other seeds or numbers of samples; evaluate both with the same")
    rows = []
    for name, (label, unit) in Outlook.answers().items():
        a, b = (numpy.broadcast_to(to_host(getattr(side, name)), (first.samples,)) for side in (first, second))
        change = b - a
        found = interval(change)
        known = change[~numpy.isnan(change)]
        more = float(numpy.mean(known > 0) + 0.5 * numpy.mean(known == 0)) if known.size else numpy.nan
        medians = [interval(values).median for values in (a, b)]
        rows.append((name, label, *medians, found.low, found.median, found.high, more, unit, found.without_frac))
    columns = ["quantity", "label", "first", "second", "low", "median", "high", "more_frac", "unit", "without_frac"]
    return pd.DataFrame(rows, columns=columns)


def _text(value: object) -> str:
    if not isinstance(value, Uncertain):
        return shorten(str(value), 60, placeholder=" ...")
    if numpy.isnan(value.median):
        return "left out"
    if value.low == value.high:
        return f"{value.median:.10g}"
    return ", ".join(f"{part:.10g}" for part in (value.low, value.median, value.high))
