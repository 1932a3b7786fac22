"""Paths of the market's rent."""

import numpy
import pytest

from gigareport.facts import rents
from gigareport.scenario import known
from gigareport.scenario.reference import entry_of


@pytest.mark.parametrize("months", [2, 7, 47, 48, 239])
def test_a_shorter_path_is_the_beginning_of_the_longest(months):
    drawn = rents.paths(rents.known_changes("2025-06-01"), months=months, samples=4096, seed=7)
    assert numpy.array_equal(known._paths("2025-06-01", months, by_year=False), drawn)


def test_no_horizon_is_longer_than_the_paths():
    assert entry_of("horizon_months").most <= known._LONGEST_MONTHS
