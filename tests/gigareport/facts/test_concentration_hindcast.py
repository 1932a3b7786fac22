"""Stated certainty is measured certainty: forecasts from earlier quarters and vintages, against what came."""

import numpy
import pytest

from gigareport import catalog
from gigareport.facts import hindcast, ownership, stock


@pytest.fixture(scope="module")
def owners():
    return catalog.load("chip_owners")


@pytest.fixture(scope="module")
def makers():
    return catalog.load("maker_totals")


def test_coverage_of_nominal_90_percent_is_not_rejected_for_totals_and_for_owners(owners, makers):
    held = hindcast.coverage(hindcast.forecasts(owners, makers)).set_index("of")
    assert (held["p_value"] > 0.05).all()
    assert held["cases"].to_dict() == {"totals": 22, "owners' shares": 190}
    # at most a factor 2.5 from end to end: an interval that holds all because it says nothing is no forecast
    assert (numpy.exp(held["median_width"]) < 2.5).all()


def test_the_vintage_of_september_lies_inside_what_april_said(owners, makers):
    scored = hindcast.revisions(owners, makers, "2026-09-24")
    assert scored["inside"].all()
    assert (scored["quarters"] > 0).sum() == 5  # Nvidia and AMD for two quarters, Google for one


@pytest.mark.parametrize("google_2025q4", [3_148_166, 3_812_878, 3_663_628])
def test_the_rise_of_every_vintage_lies_inside_the_interval(owners, makers, google_2025q4):
    """Google's TPUs at the end of 2025 in three vintages; once a vintage's rise lay outside the printed interval."""
    revised = makers.copy()
    last = (revised["chip_maker"] == "Google") & (revised["as_of"] == "2025-12-31")
    revised.loc[last, ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]] *= (
        google_2025q4 / revised.loc[last, "h100e_8bit_median"].to_numpy()[:, None]
    )
    world = stock.world_stock(owners, makers, samples=2_000)
    other = stock.world_stock(owners, revised, samples=2_000)
    printed = ownership.trend_tests(world, "2024-09-30", "2025-12-31").iloc[1]
    found = ownership.trend_tests(other, "2024-09-30", "2025-12-31").iloc[1]
    assert printed["change_p5"] < found["change_median"] < printed["change_p95"]


def test_sites_fall_inside_what_the_other_sites_revisions_allow():
    dates = ["2026-05-23", "2026-12-31", "2027-12-31"]
    scored = hindcast.sites("2025-12-17", "2026-05-23", dates)
    assert len(scored) > 40
    # 16 sites, three dates each: 90 % of 44 is 40; the dates of one site are no independent cases
    assert scored["inside"].sum() >= 38


def test_paths_cover_a_series_that_goes_on_as_they_say():
    rng = numpy.random.default_rng(7)
    inside = 0
    for seed in range(300):
        changes = numpy.zeros(14)
        changes[0] = 0.3
        for i in range(1, 14):
            changes[i] = 0.9 * changes[i - 1] + 0.05 * rng.standard_normal()
        drawn = stock.paths_ahead(changes[None, :12], 2, 1_000, seed)[0, 1]
        low, high = numpy.quantile(drawn, [0.05, 0.95])
        inside += low < changes[12:].sum() < high
    assert inside / 300 == pytest.approx(0.9, abs=0.05)  # three standard errors of 300 trials


def test_a_longer_past_narrows_the_paths():
    rng = numpy.random.default_rng(3)
    changes = 0.3 + 0.05 * rng.standard_normal((1, 60))
    short, long = (numpy.std(stock.paths_ahead(changes[:, -n:], 4, 4_000, 7)[0, 3]) for n in (4, 60))
    assert long < short
