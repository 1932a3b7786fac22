"""The answers of a scenario as a page tells them: numbers in words, each named, so that a reader finds its source.

A number on a page is made by :func:`tell`, which knows the scenario and the answer. On a page it is a link to where the
number comes about, and carries its name: so that a test can hold all places of one number against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gigacluster.uncertainty import Interval
from gigareport import words
from gigareport.plots.display import on_page
from gigareport.scenario import Outlook
from gigareport.scenario.outlook import digits_of

#: The numbers that a reader sees first; an outlook has more.
HEADLINES = (
    "reference_run_days",
    "own_capital_usd",
    "saving_usd",
    "advantage_usd",
    "share_of_world",
    "lead_months",
)
#: What the address of a number begins with until the page is rendered: ``#number/<scenario>/<answer>``, and ``@``
#: with the place that explains it where that is not the page of inputs.
NUMBER_SCHEME = "#number/"
#: Whose numbers these are that hang on no scenario.
FACTS = "facts"


@dataclass(frozen=True, slots=True)
class Number:
    """One quantity of an outlook: ``raw`` is its median, to divide by."""

    quantity: str
    label: str
    median: str
    interval: str
    raw: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The verdict and every number."""

    verdict: str
    numbers: tuple[Number, ...]
    plan: Any = None  # the parallel plan behind them


def answers_of(outlook: Any) -> Answers:
    """Return the answers of an outlook: its ``verdict``, and its ``to_frame()`` with the headline numbers first."""
    numbers = []
    for row in outlook.to_frame().itertuples():
        found = Interval(row.low, row.median, row.high, without_frac=row.without_frac)
        numbers.append(_number_of(row.quantity, row.label, row.unit, found))
    order = {quantity: place for place, quantity in enumerate(HEADLINES)}
    numbers.sort(key=lambda number: order.get(number.quantity, len(order)))
    return Answers(str(outlook.verdict), tuple(numbers), outlook.plan)


def tell(outlook: Outlook, name: str, *, median_alone: bool = False) -> str:
    """Write one answer in Markdown; on a page it links to where it comes from.

    Parameters
    ----------
    outlook : Of the scenario in question.
    name : Name of the answer, such as ``"own_usd"``.
    median_alone : Whether to leave the interval out.

    Examples
    --------
    ``tell(found, "own_usd")`` gives ``$5.2 billion (4.2 to 6.3)``.
    """
    found, unit = outlook.interval(name), outlook.answers()[name][1]
    text = words.quantity(found.median, unit, digits_of(found)) if median_alone else outlook.say(name)
    return f"[{text}]({NUMBER_SCHEME}{outlook.scenario.name}/{name})" if on_page() else text


def say_difference(outlook: Outlook, name: str, said: words.Difference, mark: Callable[[str], str] = str) -> str:
    """Write an answer that may be negative with its sign in words; ``mark`` takes its numbers.

    Examples
    --------
    ``say_difference(found, "advantage_usd", words.BETTER)`` gives ``worse by $1.3 million ($0.4 to 2.6 million)``.
    """
    found, unit = outlook.interval(name), outlook.answers()[name][1]
    text = words.difference(found.low, found.median, found.high, said, unit=unit, digits=digits_of(found), mark=mark)
    return text + (f"; none in {words.share(found.without_frac)} of the samples" if found.without_frac else "")


def tell_difference(outlook: Outlook, name: str, said: words.Difference) -> str:
    """Write what :func:`say_difference` writes, its numbers linked as :func:`tell` links them.

    A loss has a name of its own, since the same answer stands in tables with a minus.
    """
    is_loss = outlook.interval(name).median < 0
    address = f"{NUMBER_SCHEME}{outlook.scenario.name}/{name}"
    address = f"{address}-as-a-loss@inputs.html#number-{name}" if is_loss else address
    return say_difference(outlook, name, said, lambda text: f"[{text}]({address})" if on_page() else text)


def named(text: str, name: str, place: str, *, of: Outlook | None = None) -> str:
    """Write a number that is no answer of an outlook with its name, and a link to the place that explains it.

    Parameters
    ----------
    text : The number as a reader sees it.
    name : What it is called: two texts under one name on a site fail a test.
    place : Page and heading, such as ``"90-validation.html#step-time"``.
    of : Whose number it is; otherwise one that hangs on no scenario.

    Examples
    --------
    >>> named("10 %", "error of step time", "90-validation.html#step-time")
    '10 %'
    """
    whose = FACTS if of is None else of.scenario.name
    return f"[{text}]({NUMBER_SCHEME}{whose}/{words.slug(name)}@{place})" if on_page() else text


def tell_input(outlook: Outlook, path: str, text: str) -> str:
    """Write an input of a scenario as ``text``; on a page it links to its value and its source."""
    return named(text, f"input {path}", f"inputs.html#input-{words.slug(path)}", of=outlook)


def tell_table(outlook: Outlook, names: Sequence[str], heading: str = "Answer") -> str:
    """Return a table of answers in Markdown: label, median and interval, each linked to where it comes from."""
    rows = []
    for name in names:
        found, (label, unit) = outlook.interval(name), outlook.answers()[name]
        number = _number_of(name, label, unit, found)
        rows.append(f"| {label} | {tell(outlook, name, median_alone=True)} | {number.interval} |")
    return "\n".join([f"| {heading} | Median | 5 to 95 % |", "|---|---|---|", *rows])


def _number_of(quantity: str, label: str, unit: str, found: Interval) -> Number:
    digits = digits_of(found)
    none = f"none in {words.share(found.without_frac)} of the samples"
    parts = [] if found.without_frac == 1 else [words.interval_alone(found.low, found.median, found.high, unit, digits)]
    text = "; ".join([*parts, none] if found.without_frac else parts)
    return Number(quantity, label, words.quantity(found.median, unit, digits), text, float(found.median))
