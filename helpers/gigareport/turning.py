"""At which value of one input the choice between owning and renting turns, whatever page asks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy
import pandas as pd

from gigacluster.uncertainty import Uncertain, interval, turning_point
from gigareport import scenario
from gigareport.scenario.register import Site

PRICE = "rent.committed_usd_per_chip_hour"
USED = "training.used_frac"
#: The path of power that comes late, which is no input of the file.
LATE_POWER = ""
#: What may turn the choice, by its path in the file.
DECIDING = {
    PRICE: "price of the rent",
    USED: "share of the hours used, against a rent paid by the hour",
    "own.hardware_life_months": "life of a chip",
    LATE_POWER: "power comes late",
    "own.chip_usd": "price of a chip",
    "own.building_usd_per_it_w": "price of the building",
    "own.hardware_value_decline_per_year": "share of their value that used chips lose",
    "own.energy_usd_per_kwh": "price of electricity",
    "reliability.failures_per_1000_node_days": "failures",
}
#: By how much an input is moved to find where the decision turns, and how late in the horizon power may come.
_WIDEST, _LATEST = 8.0, 0.92
#: More power than any site has, so that nothing but its month limits. [MW]
_ANY_POWER_MW = 1e5


@dataclass(frozen=True, slots=True)
class Turn:
    """Where one input turns the choice, all others as they are given."""

    path: str
    given: float
    at: float  # nan where the choice does not turn
    rent_wins: str  # below, above, always, never
    unit: str


def turn_of(outlook: scenario.Outlook, path: str, *, samples: int = 300) -> Turn:
    """Return the value of one input at which the median saving of owning is 0.

    Parameters
    ----------
    outlook : Of the scenario.
    path : The input by its path in the file; ``LATE_POWER`` for the months that power comes late.
    samples : Joint draws of the other inputs.

    Examples
    --------
    >>> found = scenario.evaluate(scenario.load("startup-512-2025"), samples=100, device="cpu")
    >>> turn_of(found, "own.chip_usd", samples=100).rent_wins
    'above'
    """
    story = outlook.scenario
    if path == LATE_POWER:
        unit, given, low, high = "month", 0.0, 0.0, _LATEST * story.horizon_months
    else:
        entry = scenario.entry_of(path)
        unit, given = entry.unit, scenario.inputs_of(story)[path].median
        low, high = max(given / _WIDEST, entry.least), min(given * _WIDEST, entry.most)
    # A contract is paid for every hour, used or not, so that only a rent by the hour can gain from hours not used.
    basis = scenario.with_value(story, "rent.kind", "hourly") if path == USED else story

    def saving_usd(values: numpy.ndarray) -> numpy.ndarray:
        fixed = [Uncertain.fixed(float(x)) for x in values]
        variants = [scenario.with_value(basis, path, x) if path else with_late_power(story, x.median) for x in fixed]
        plans = [outlook.plan] * len(variants)
        outlooks = scenario.evaluate(
            variants, samples=samples, seed=outlook.seed, device="cpu", plans=plans, answers=("saving_usd",)
        )
        return numpy.array([interval(one.saving_usd).median for one in outlooks])

    at = turning_point(saving_usd, low, high, near=given) if low < high else math.nan
    (saving,) = saving_usd(numpy.array([given if math.isnan(at) else low]))
    wins = ("always", "never", "below", "above")[2 * math.isfinite(at) + int(not saving < 0)]
    if math.isfinite(at) and path == PRICE and story.rent.kind == "contract":
        at = outlook.interval("break_even_rent_usd_per_chip_hour").median  # the same on all samples
    return Turn(path, given, at, wins, unit)


def turns_of(outlook: scenario.Outlook, *, samples: int = 300) -> pd.DataFrame:
    """Return where each deciding input turns the choice, from an eighth to eight times what is given.

    An input that is given as 0 (what a landlord pays) is left out.

    Returns
    -------
    DataFrame
        ``path, what, given, at, rent_wins, unit``.
    """
    rows = [{"what": what, **asdict(turn_of(outlook, path, samples=samples))} for path, what in DECIDING.items()]
    table = pd.DataFrame(rows)[["path", "what", "given", "at", "rent_wins", "unit"]]
    return table[(table["given"] > 0) | (table["path"] == LATE_POWER)].reset_index(drop=True)


def with_late_power(story: scenario.Scenario, month: float) -> scenario.Scenario:
    """Return the scenario with all of its power there from one month on, and none before."""
    power, when = Uncertain.fixed(_ANY_POWER_MW), Uncertain.fixed(month)
    site: Site[Uncertain, float, str] = Site(name="", power_mw=power, month=when)
    return replace(story, cluster=replace(story.cluster, sites=(site,)))
