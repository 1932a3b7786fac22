"""Pooled failure rates: intervals that cover what they claim, and the tables behind them."""

import numpy
import pytest
from scipy import stats

from gigacluster import reliability
from gigacluster.uncertainty import Uncertain
from gigareport import catalog
from gigareport.beside import goodput


def test_prediction_interval_covers_a_new_cluster_as_often_as_it_says():
    rng = numpy.random.default_rng(4)
    rates = numpy.exp(rng.normal(1.4, 0.7, (3000, 10)))
    found = [reliability.pooled_rate(row[:9]) for row in rates]
    covered = numpy.mean([one.low <= row[9] <= one.high for one, row in zip(found, rates, strict=True)])
    assert covered == pytest.approx(0.90, abs=0.02)  # 0.0055 is one standard error


def test_counted_rate_covers_the_true_rate_as_often_as_it_says():
    rng = numpy.random.default_rng(4)
    counts = rng.poisson(0.02 * 1000, 4000)
    found = [reliability.counted_rate(count, 1000) for count in counts]
    covered = numpy.mean([one.low <= 20 <= one.high for one in found])
    assert covered == pytest.approx(0.90, abs=0.02)  # a count is a whole number: coverage moves in steps


def test_each_published_cluster_is_covered_by_the_others_about_as_often_as_claimed():
    table = catalog.headline(catalog.load("failure_rates"))
    held_out = table[table["pooled"]]
    covered = []
    for row in held_out.itertuples():
        expected = reliability.failure_rate(table=table.drop(row.Index))
        rate = row.failures_per_1000_node_days * 8 / row.gpus_per_node
        covered.append(expected.low <= rate <= expected.high)
    # of nine, 8.1 are expected inside 90 %; fewer than 7 would happen once in 20 times
    assert sum(covered) >= 7
    assert len(covered) == 9


def test_rates_of_the_table_follow_from_its_own_counts_and_times():
    table = catalog.load("failure_rates")
    counted = table[(table["basis"] == "counted")]
    rate = reliability.failures_per_1000_node_days(
        counted["failures"].to_numpy(),
        counted["n_gpus"].to_numpy(),
        counted["window_days"].to_numpy(),
        gpus_per_node=counted["gpus_per_node"].to_numpy(dtype=float),
    )
    assert rate == pytest.approx(counted["failures_per_1000_node_days"].to_numpy(), abs=0.001)  # printed to 0.001
    both = table[table["mttf_h"].notna() & table["failures_per_1000_node_days"].notna()]
    mttf_h = (
        reliability.mttf_s(
            both["n_gpus"].to_numpy(),
            both["failures_per_1000_node_days"].to_numpy(),
            gpus_per_node=both["gpus_per_node"].to_numpy(dtype=float),
        )
        / 3600
    )
    assert mttf_h == pytest.approx(both["mttf_h"].to_numpy(), rel=0.03)  # 18 minutes and 216 hours are rounded


def test_small_jobs_raise_the_rate_and_a_class_with_three_clusters_has_its_own():
    every, small = reliability.failure_rate(), reliability.failure_rate(n_gpus=1024)
    own, few = reliability.failure_rate("H100"), reliability.failure_rate("GB200")
    assert small.median > every.median
    assert own.median < every.median
    assert few == every
    assert own.high / own.low > every.high / every.low  # three clusters say less than nine


def test_too_few_rates_are_refused():
    with pytest.raises(ValueError, match="a spread needs at least 3 rates"):
        reliability.pooled_rate([3.0, 4.0])
    with pytest.raises(ValueError, match="n_gpus is 0; it must be 1 or more"):
        reliability.failure_rate(n_gpus=0)
    with pytest.raises(ValueError, match="node_days 0; they must be"):
        reliability.counted_rate(3, 0)


def test_counted_rate_agrees_with_the_exact_poisson_interval_for_large_counts():
    found = reliability.counted_rate(419, 2048 * 54)
    # Garwood's interval at 90 %: Jeffreys' lies inside it by half a count on each side
    low, high = stats.chi2.ppf([0.05, 0.95], [2 * 419, 2 * 420]) / 2 / (2048 * 54) * 1000
    assert low < found.low < found.high < high
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.002)  # half a count of 419


def test_published_effective_times_lie_within_their_estimates_where_restarts_were_automatic():
    published, rates = catalog.load("effective_time_published"), catalog.headline(catalog.load("failure_rates"))
    restart_s, write_s = Uncertain(low=180, median=600, high=2334), Uncertain(low=0.5, median=20, high=200)
    found = goodput.beside_published(published, rates, restart_s=restart_s, checkpoint_write_s=write_s)
    found = found.set_index(published.loc[published["gpus_per_node"].notna(), "effective_id"])
    measured = found.drop(index=["opt-175b", "rsc-2-100k", "rsc-1-8000", "rsc-1-large"])
    assert len(measured) == 4
    assert (measured["published"] < measured["high"]).all()
    assert ((measured["published"] > measured["low"]) | measured["is_lower_bound"]).all()
    assert measured["ratio"].between(0.9, 1.1).all()
    # exact values follow from printed inputs: the suggested tolerances
    formulas = found.loc[["rsc-2-100k", "rsc-1-8000", "rsc-1-large"]]
    assert (formulas["median"] - formulas["published"]).abs().max() < 0.05
    # OPT-175B was restarted by hand, hours after each failure: a model of automatic restarts must be far above
    assert found.loc["opt-175b", "ratio"] > 1.4
