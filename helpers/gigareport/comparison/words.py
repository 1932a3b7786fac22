"""The comparison in sentences, and as text for readers who cannot see a figure."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from gigacluster.units import format_interval, format_share, format_usd
from gigareport.comparison.evaluation import Comparison
from gigareport.comparison.market import PRICE_YEARS
from gigareport.scenario import Scenario

BASIS_WORDS = {"money": "the same money", "power": "the same power", "chips": "the same number of chips"}
#: Chips with fewer measured runs are named as less sure.
_FEW_RUNS = 20
#: The first of a ranking that beats the second in a smaller share of the samples is named as close to a tie, and a pair
#: of neighbours counts as told apart from the larger share on.
_TIE, SURE = 2 / 3, 0.9


def each(table: pd.DataFrame, column: str, label: str = "name") -> str:
    """Return every row as ``label value``, for the text behind a figure.

    Examples
    --------
    >>> each(pd.DataFrame({"name": ["A", "B"], "days": [12.345, 1200.0]}), "days")
    'A 12.3; B 1,200'
    """
    return "; ".join(f"{row[label]} {_short(row[column])}" for row in table.to_dict("records"))


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1e3 <= value < 1e6 else f"{value:.3g}"


def say_days(found: Comparison, name: str) -> str:
    """Return the days of one option with their interval."""
    row = found.ranked("days").set_index("name").loc[name]
    return format_interval(row["low"], row["median"], row["high"], "days")


def say_soonest(found: Comparison, against: str) -> str:
    """Return which option of a basis is soonest, and how surely it is so before the option named ``against``."""
    best = found.ranked("days").iloc[0]
    text = f"**{best['name']}** on {best['n_chips']:,.0f} chips, {say_days(found, best['name'])}"
    if best["name"] == against:
        return text
    return f"{text}; before {against} in {format_share(found.beats(best['name'], against))}"


def say_first(found: Comparison, measured_runs: pd.Series) -> str:
    """Return which option of a basis is soonest and what weakens that: the next one is close, few runs were measured.

    Parameters
    ----------
    found : Comparison
        Options of one basis.
    measured_runs : Series
        Number of measured runs by chip, as of :func:`gigareport.comparison.chip_facts`.
    """
    ranked = found.ranked("days")
    best, notes = ranked.iloc[0], [f"best in {format_share(ranked['is_best'].iloc[0])} of the samples"]
    if best["beats_next"] < _TIE:
        notes.append(f"close to a tie with {ranked['name'].iloc[1]}")
    n_runs = int(measured_runs.get(best["chip"], 0))
    if n_runs < _FEW_RUNS:
        notes.append(f"its step time rests on {n_runs or 'no'} measured run{'' if n_runs == 1 else 's'}")
    return f"{best['name']} ({', '.join(notes)})"


def say_order(ranked: pd.DataFrame) -> str:
    """Return how many neighbours of a ranking are told apart.

    Examples
    --------
    >>> say_order(pd.DataFrame({"beats_next": [0.95, 0.6, float("nan")]}))
    '1 of 2 pairs of neighbours is told apart in 90% of the samples or more'
    """
    pairs = ranked["beats_next"].iloc[:-1]
    sure = int((pairs >= SURE).sum())
    return (
        f"{sure} of {len(pairs)} pairs of neighbours {'is' if sure == 1 else 'are'} told apart in {SURE:.0%} of the "
        "samples or more"
    )


def say_facts(facts: pd.DataFrame, story: Scenario) -> str:
    """Return what prices, powers and step times rest on, from :func:`gigareport.comparison.chip_facts`."""
    own, runs = story.cluster.chip, facts.set_index("chip")["n_runs"]
    few, none = runs[(runs > 0) & (runs < _FEW_RUNS)].index, runs[runs == 0].index
    return (
        f"Prices are quotes of {PRICE_YEARS[0]} and {PRICE_YEARS[1]} in dollars of their dates, a chip with its part "
        f"of the server; {own} costs what the scenario says, in dollars of {story.price_year}. Chips without a price "
        "are rented out by their makers or were not quoted; they are compared by days and energy only. Power is that "
        f"of {own} in proportion to the rated power of the chip, an assumption with its own error. Step times of "
        f"{', '.join(few)} rest on fewer than {_FEW_RUNS} measured runs, those of {', '.join(none)} on none: their "
        "intervals are wider."
    )


def say_published(beside: pd.DataFrame) -> str:
    """Return a line a published duration: theirs, ours as a ratio, and why they differ, as a list in Markdown."""
    return "\n".join(_published(row) for row in beside.to_dict("records"))


def _published(row: dict[Any, Any]) -> str:
    memory = " (from memory)" if row["verification"] == "recalled" else ""
    return (
        f"- {row['title']}, {row['n_chips']:,} {row['chip']}: published {row['published_days']:g} days{memory}, which "
        f"needs {row['published_mfu_frac']:.0%} of the 16-bit peak; ours is {row['ratio']:.2f} times that, "
        f"{row['ratio_then']:.2f} times with the software of then. Why: {row['why']}."
    )


def say_costs(costs: pd.DataFrame) -> str:
    """Return a line a published cost beside ours, as a list in Markdown."""
    return "\n".join(
        f"- {row['title']}, {row['n_chips']:,.0f} {row['chip']}: published {format_usd(row['published_usd'], 2)} and, "
        f"in a later run of their model, {format_usd(row['later_usd'], 2)}; ours is {format_usd(row['usd'], 2)} "
        f"({format_usd(row['usd_low'], 2)} to {format_usd(row['usd_high'], 2)}), {row['ratio']:.1f} and "
        f"{row['ratio_later']:.1f} times those."
        for row in costs.to_dict("records")
    )


def price_text(usd: float, low: float, high: float) -> str:
    """Return a price with its interval, or that it is not known."""
    return "not known" if math.isnan(usd) else f"{usd:,.0f} ({low:,.0f} to {high:,.0f})"
