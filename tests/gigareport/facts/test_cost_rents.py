"""Rents through time: what the table says, and paths that start from it."""

import numpy
import pandas as pd
import pytest

from gigareport import catalog
from gigareport.facts import rents
from gigareport.table import Table


@pytest.fixture(scope="module")
def prices():
    return catalog.load("rental_prices")


def test_contract_rent_of_an_h100_fell_and_rose_again(prices):
    """1.70 USD in October 2025, 2.35 in March and 2.65 in June 2026: a decline is the wrong shape."""
    quoted = prices[(prices["chip"] == "H100-SXM") & (prices["kind"] == "reserved_1y") & (prices["basis"] == "quoted")]
    quoted = quoted.sort_values("date")["usd_per_chip_hour"].to_list()
    assert quoted == [1.70, 2.35, 2.65]


def test_typical_rent_counts_a_provider_once_and_sees_nothing_of_the_future():
    days = pd.to_datetime(["2024-01-05", "2024-02-05", "2024-03-05", "2024-03-06", "2024-09-01"])
    table = pd.DataFrame(
        {
            "date": days,
            "chip": "X1",
            "provider": ["a", "a", "a", "b", "b"],
            "kind": "on_demand",
            "usd_per_chip_hour": [2.0, 2.0, 2.0, 4.0, 9.0],
        }
    )
    seen = rents.typical_rents(table, "X1", until="2024-06-30")
    assert seen["usd_per_chip_hour"].tolist() == [3.0]
    assert seen["n_providers"].tolist() == [2]


def test_unknown_chip_is_answered_with_the_known_ones(prices):
    with pytest.raises(ValueError, match=r"no spot rent of 'X1'; chips with such rents: .*H100-SXM"):
        rents.typical_rents(prices, "X1", "spot")


def test_change_over_a_gap_is_shared_out_over_its_quarters():
    series = pd.DataFrame(
        {
            "quarter_start": pd.to_datetime(["2024-01-01", "2024-10-01", "2025-01-01"]),
            "usd_per_chip_hour": [8.0, 1.0, 2.0],
            "n_providers": [9, 9, 9],
        }
    )
    numpy.testing.assert_allclose(rents.log_changes(Table.of(series)), numpy.log([0.5, 0.5, 0.5, 2.0]))


def test_path_of_equal_changes_is_a_plain_decline():
    path = 4.0 * rents.paths(numpy.full(5, numpy.log(0.9)), months=12, samples=2, seed=1)
    numpy.testing.assert_allclose(path, 4.0 * 0.9 ** (numpy.arange(13)[:, None] / 3) * numpy.ones(2), rtol=1e-12)


def test_every_quarter_of_the_past_is_drawn_as_often():
    changes = numpy.asarray([0.3, -0.1, 0.0, -0.4, 0.05])
    drawn = numpy.diff(numpy.log(rents.paths(changes, months=9, samples=40_000, seed=3))[::3], axis=0)
    # 40,000 draws of a spread of 0.23: a standard error of 0.0012
    numpy.testing.assert_allclose(drawn.mean(axis=1), changes.mean(), atol=0.006)
    numpy.testing.assert_allclose(drawn.std(axis=1), changes.std(), rtol=0.02)


def test_blocks_keep_neighbours_together():
    changes = numpy.asarray([1.0, 2.0, 4.0, 8.0])
    drawn = numpy.diff(numpy.log(rents.paths(changes, months=9, samples=500, seed=3))[::3], axis=0)
    numpy.testing.assert_allclose(drawn[1] % 15, drawn[0] * 2 % 15)  # 1, 2, 4, 8 and round again


def test_same_seed_same_paths_and_each_starts_at_the_rent_now():
    twice = [rents.paths(numpy.asarray([0.1, -0.2, 0.3]), months=7, samples=2, seed=5) for _ in range(2)]
    assert numpy.array_equal(*twice)
    assert twice[0].shape == (8, 2)
    assert (twice[0][0] == 1).all()


def test_what_was_known_in_july_2024_held_the_rents_that_followed(prices):
    """A back-test: 90 % paths drawn from changes until June 2024 hold each later quote for a one-year contract."""
    chips = ("H100-SXM", "A100-80", "V100-SXM")
    changes = rents.log_changes(*(rents.typical_rents(prices, chip, until="2024-06-30") for chip in chips))
    fan = numpy.quantile(2.85 * rents.paths(changes, months=24, samples=4_000, seed=7), [0.05, 0.95], axis=1)
    for month, quote in ((3, 2.99), (15, 1.70), (20, 2.35), (23, 2.65)):
        assert fan[0, month] <= quote <= fan[1, month], (month, quote, fan[:, month])
