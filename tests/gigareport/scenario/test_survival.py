"""What survives failures under each scheme and at each size: the same numbers as those of the outlook."""

import numpy
import pytest

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigareport import scenario
from gigareport.scenario.survival import PARTS, by_scheme, by_size, median_job


@pytest.fixture(scope="module")
def outlook():
    return scenario.evaluate(scenario.load("xai-colossus-2024"), samples=500, device="cpu")


def test_the_schemes_stand_beside_each_other_and_the_own_one_is_that_of_the_outlook(outlook):
    found = by_scheme(outlook, samples=500).set_index("scheme")
    kept = outlook.interval("goodput_frac")
    assert found.loc["hot_spare", ["low", "median", "high"]].tolist() == [kept.low, kept.median, kept.high]
    assert found.index[found["own"]].tolist() == ["hot_spare"]
    assert found["never"]["hot_spare"] == numpy.mean(outlook.goodput_frac < reliability.NEVER_BELOW)
    numpy.testing.assert_allclose(found[list(PARTS.values())].sum(axis=1), 1, rtol=1e-9)
    # at 98,304 GPUs a restart of the whole job keeps least, and dropping a replica most: 0.44 and 0.80 by Meta
    assert found["median"].idxmin() == "restart_all"
    assert found["median"].idxmax() == "drop_replica"


def test_what_is_a_share_is_one_in_every_draw_so_that_no_part_of_the_time_is_lost(outlook):
    found = by_scheme(outlook, samples=10_000)
    numpy.testing.assert_allclose(found[list(PARTS.values())].sum(axis=1), 1, rtol=1e-9)


def test_a_scheme_asked_for_takes_its_own_times_and_not_those_of_the_file():
    story = scenario.load("gigawatt-2026")  # names the stall of its replicas
    outlook = scenario.evaluate(story, samples=200, device="cpu")
    found = by_scheme(outlook, samples=200).set_index("scheme")
    asked = scenario.with_value(story, "reliability.recovery", "hot_spare")
    slow = scenario.evaluate(asked, samples=200, plans=outlook.plan, device="cpu").interval("goodput_frac").median
    assert found.loc["hot_spare", "median"] != slow  # with the stall of a replica for the swap of a node
    assert found.loc["drop_replica", "median"] == outlook.interval("goodput_frac").median


def test_goodput_falls_with_size_under_every_scheme(outlook):
    found = by_size(outlook, (1_024, 16_384, 262_144), samples=100)
    table = found.pivot(index="scheme", columns="n_chips", values="median")
    assert set(table.index) == set(reliability.SCHEMES)
    assert (table.diff(axis=1).iloc[:, 1:] < 0).all().all()
    assert (found["low"] <= found["median"]).all()


def test_the_median_job_is_in_the_middle_of_the_samples(outlook):
    job = median_job(outlook)
    assert job["mttf_s"] == pytest.approx(3600 * float(numpy.median(to_host(outlook.mttf_hours))), rel=0.1)
    assert 0 < job["checkpoint_write_s"] < job["restart_s"] < job["mttf_s"]
