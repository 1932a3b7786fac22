"""Spares against counting by chance, and published practice."""

import numpy
import pytest
from scipy import stats

from gigacluster import reliability
from gigareport import catalog


def shortage(nodes, spares, broken_frac):
    """Probability that more nodes than the spares are broken."""
    return stats.binom.sf(numpy.floor(spares), numpy.ceil(nodes + spares), broken_frac)


def test_spares_needed_agree_with_counting_broken_nodes():
    spares = int(reliability.spares_needed(250, 0.03, 0.9))
    broken = (numpy.random.default_rng(2).random((20_000, 250 + spares)) < 0.03).sum(axis=1)
    assert (broken > spares).mean() < 0.1 < (broken[:10_000] > spares - 1).mean() + 0.005  # 1.7 standard errors


def test_spares_needed_are_enough_and_one_fewer_is_not():
    for nodes, broken, confidence in [(128, 0.01, 0.9), (1024, 0.001, 0.99), (12_500, 0.013, 0.999)]:
        spares = float(reliability.spares_needed(nodes, broken, confidence))
        assert shortage(nodes, spares, broken) <= 1 - confidence
        assert shortage(nodes, spares - 1, broken) > 1 - confidence


def test_spares_of_byterobust_follow_from_common_rates_and_half_a_day_of_repair():
    # 4 for 1,024 machines at the 99th percentile: the inverse question, which repair times give that at 2.3 to 6.5
    days = numpy.linspace(0.05, 1, 96)
    broken = reliability.broken_frac(numpy.asarray([[2.3], [6.5]]), days * 86_400)
    four = reliability.spares_needed(1024, broken) == 4
    assert four.any(axis=1).all()
    assert days[four.any(axis=0)].max() < 0.6


def test_published_shares_of_spares_leave_no_shortage_at_large_scale():
    shares = catalog.load("spares_facts").set_index("spares_id")["value"]
    broken = float(reliability.broken_frac(6.5, 2 * 86_400))  # RSC-1's rate and two days of repair
    assert shortage(12_500, 12_500 * shares["ml-engineering"], broken) < 1e-9
    assert float(reliability.spares_needed(12_500, broken)) < 12_500 * shares["nvl72"]


def test_node_is_broken_half_the_time_when_repair_takes_as_long_as_it_lasts():
    assert float(reliability.broken_frac(1.0, 1000 * 86_400)) == pytest.approx(0.5)
    assert float(reliability.broken_frac(0.0, 1000 * 86_400)) == 0


def test_bad_inputs_of_spares_are_refused_or_nan():
    with pytest.raises(ValueError, match="broken_frac must be from 0 to below 1, got 1.0"):
        reliability.spares_needed(100, 1.0)
    with pytest.raises(ValueError, match="confidence must be a share above 0 and below 1, got 1"):
        reliability.spares_needed(100, 0.1, 1)
    assert numpy.isnan(reliability.spares_needed(numpy.asarray([100.0, 0.0]), 0.01)).tolist() == [False, True]
