"""Where an input turns the choice: on its two sides the choice is another, and every page says the same value."""

import math

import numpy
import pytest

from gigacluster.uncertainty import Uncertain
from gigareport import opening, scenario, turning
from gigareport.scenario import with_value
from gigareport.words import usd


@pytest.fixture(scope="module", params=[scenario.STORY, "startup-512-2025"])
def found(request):
    return scenario.evaluate(scenario.load(request.param), samples=200, device="cpu")


def saving_usd(found, path, value):
    """Return the median saving of owning with one input known."""
    story = found.scenario
    if path == turning.USED:
        story = with_value(story, "rent.kind", "hourly")
    if path == turning.LATE_POWER:
        changed = turning.with_late_power(story, value)
    else:
        changed = with_value(story, path, Uncertain.fixed(value))
    return scenario.evaluate(changed, samples=200, plans=found.plan, device="cpu").interval("saving_usd").median


@pytest.mark.parametrize("path", turning.DECIDING)
def test_on_the_side_that_is_said_renting_wins_and_on_the_other_owning_does(found, path):
    turn = turning.turn_of(found, path, samples=200)
    if turn.rent_wins in ("always", "never"):
        assert math.isnan(turn.at)
        assert (saving_usd(found, path, turn.given) < 0) == (turn.rent_wins == "always")
        return
    below, above = (saving_usd(found, path, turn.at * factor) < 0 for factor in (0.9, 1.1))
    assert (below, above) == (turn.rent_wins == "below", turn.rent_wins == "above")


def test_the_first_screen_and_the_table_say_the_same_values(found):
    table = turning.turns_of(found, samples=200).set_index("path")
    told = opening.flips(found, samples=200)
    assert usd(table.loc["own.chip_usd", "at"]) in told["price of a chip"]
    assert usd(table.loc[turning.PRICE, "at"], 3) in told["price of the contract"]
    assert numpy.isfinite(table.loc[[turning.PRICE, "own.chip_usd"], "at"]).all()
