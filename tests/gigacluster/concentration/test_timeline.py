"""Large sites on one timeline: what plans become, and where any cluster stands among them."""

import numpy
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster.concentration.timeline import built, place
from gigareport import catalog, facts
from gigareport.facts import leases, plans, timeline, use

MONTH = 365.25 / 12


@pytest.fixture(scope="module")
def sites():
    return timeline.latest(samples=500)


@pytest.fixture(scope="module")
def revisions():
    states, names = catalog.load("data_center_timelines"), catalog.load("site_names")
    return plans.revisions_between(states, names, "2025-12-17", "2026-05-23")


def test_cancellation_slip_and_re_estimate_each_do_their_own(xp):
    plan = {
        "planned_day": xp.array([[10.0, 20.0]]),
        "planned": xp.array([[8.0, 16.0]]),
        "day": xp.array([5.0, 15.0, 25.0]),
    }
    known = xp.array([[2.0, 2.0, 2.0]])
    none = xp.array([[[0.0], [0.0]]])
    both, one = xp.array([[[1.0], [1.0]]]), xp.array([[1.0]])
    late, first = xp.array([[[6.0], [0.0]]]), xp.array([[[0.0], [1.0]]])

    def sizes(delay=none, kept=both, ratio=one):
        return [float(v) for v in built(known, **plan, delay_days=delay, kept=kept, ratio=ratio)[0, :, 0]]

    assert sizes() == [2, 8, 16]
    assert sizes(delay=late) == [2, 2, 16]
    assert sizes(kept=first) == [2, 2, 16]
    assert sizes(ratio=xp.array([[0.5]])) == [1, 4, 8]


def test_a_cluster_leads_until_the_first_rival_is_as_large(xp):
    rivals = xp.array([[[5.0], [5.0], [7.0], [7.0]], [[1.0], [1.0], [1.0], [9.0]]])
    day = xp.array([0.0, MONTH, 2 * MONTH, 3 * MONTH])
    for size, start, rank, lead, still in (
        (6, 0, 1, 2, 0),
        (8, 0, 1, 3, 0),
        (10, 0, 1, 3, 1),
        (5, 0, 1, 0, 0),
        (4, 0, 2, 0, 0),
    ):
        found = place(float(size), float(start), rivals, day)
        assert float(found.rank[0, 0]) == rank
        assert float(found.lead_months[0]) == pytest.approx(lead)
        assert float(found.still_ahead[0]) == still
    later = place(8.0, MONTH, rivals, day)
    assert numpy.isnan(float(later.rank[0, 0]))
    assert float(later.lead_months[0]) == pytest.approx(2)


@given(
    sizes=st.lists(st.floats(1, 100), min_size=2, max_size=6),
    growth=st.floats(1.0, 1.5),
    size=st.floats(1, 200),
    more=st.floats(1.01, 3.0),
)
@settings(max_examples=60, deadline=None)
def test_a_larger_or_earlier_cluster_never_leads_for_less(sizes, growth, size, more):
    day = MONTH * numpy.arange(24.0)
    rivals = (numpy.asarray(sizes)[:, None] * growth ** numpy.arange(24.0))[:, :, None]
    usual, larger = place(size, 0.0, rivals, day), place(more * size, 0.0, rivals, day)
    assert larger.lead_months[0] >= usual.lead_months[0]
    assert (larger.rank <= usual.rank).all()
    late = place(size, day[3], rivals, day)
    assert late.lead_months[0] <= usual.lead_months[0] + 1e-9


def test_revisions_between_the_vintages_are_the_published_ones(revisions):
    moved = revisions.steps.loc[revisions.steps["slip_months"].abs() > 0, "slip_months"]
    assert revisions.common_sites == 16
    assert moved.median() == pytest.approx(2.1, abs=0.05)
    assert revisions.planned_before / 1e6 == pytest.approx(15.8, abs=0.05)
    # 10.4 with Google Pryor (North), which has no counterpart in the earlier vintage
    assert revisions.planned_now / 1e6 == pytest.approx(10.2, abs=0.05)
    assert 0 < revisions.steps["cancelled"].sum() < len(revisions.steps)


def test_every_listed_site_is_on_the_timeline_from_2022_to_the_end_of_2027(sites):
    assert len(sites.sites) == 51
    assert (str(sites.days[0]), str(sites.days[-1])) == ("2022-01-01", "2027-12-31")
    assert not numpy.isnan(sites.h100e).any()
    assert sites.owners[sites.sites.index("Colossus 2")] == "SpaceXAI"


def test_leaders_are_all_that_were_ever_largest_and_the_largest_at_the_end(sites):
    names = {sites.sites[row] for row in timeline.leaders(sites, top=3)}
    assert {"Colossus 1", "Colossus 2", "Google Papillion"} <= names
    assert set(timeline.largest_at(sites, timeline.LAST_DAY, 3)["site"]) <= names


@pytest.mark.parametrize(
    ("date", "first"), [("2024-10-01", "Colossus 1"), ("2026-09-30", "Colossus 2"), ("2026-11-29", "Colossus 2")]
)
def test_the_largest_site_is_the_one_reported(sites, date, first):
    assert timeline.largest_at(sites, date, 1)["site"].item() == first


def test_what_stands_has_less_doubt_than_what_is_planned(sites):
    now, end = (timeline.largest_at(sites, date, 51).set_index("site") for date in ("2026-06-01", timeline.LAST_DAY))
    for name in ("Goodnight", "Microsoft Fairwater Wisconsin", "OpenAI Stargate Abilene"):
        width_now, width_end = (table.loc[name, "h100e_p95"] - table.loc[name, "h100e_p5"] for table in (now, end))
        assert width_end > 1.5 * width_now


def test_the_story_was_the_largest_when_it_started_and_for_a_few_months(sites):
    found = timeline.drop_in(sites, 1e5, "2024-09-02", without=["Colossus 1"])
    at = int(numpy.searchsorted(sites.days, numpy.datetime64("2024-09-02")))
    assert (found.rank[at] == 1).mean() > 0.9
    assert 2 < numpy.median(found.lead_months) < 8
    itself = timeline.drop_in(sites, 1e5, "2024-10-01")
    assert (itself.lead_months == 0).mean() > 0.3  # the listed site is as large, give or take its re-estimate


def test_lead_depends_on_size_and_buildings_are_weaker_rivals_than_campuses(sites):
    leads = [numpy.median(timeline.drop_in(sites, size, "2026-06-01").lead_months) for size in (1e5, 1.6e6, 5e6)]
    assert leads == sorted(leads)
    assert leads[0] == 0 < leads[2]
    campus, building = (timeline.drop_in(sites, 3e5, "2026-06-01", by=by).rank for by in ("campus", "building"))
    assert numpy.nanmedian(building) < numpy.nanmedian(campus)


def test_a_start_outside_the_timeline_is_nan_and_is_said(sites):
    found = timeline.drop_in(sites, 1e5, "2029-01-01")
    assert numpy.isnan(found.lead_months).all()
    assert "runs from 2022-01-01" in timeline.place_in_words(found, sites, "2029-01-01")
    assert numpy.isnan(sites.at("2021-01-01")).all()


def test_an_unknown_site_to_leave_out_is_named(sites):
    with pytest.raises(ValueError, match="no listed site is called Colossus 9"):
        timeline.drop_in(sites, 1e5, "2026-06-01", without=["Colossus 9"])


def test_power_without_compute_is_not_a_site_of_zero():
    states = catalog.load("data_center_timelines")
    kept = plans.states_by_site(states, catalog.load("site_names"), "2026-05-23")
    assert not ((kept["h100e_8bit"] == 0) & (kept["power_mw"] > 0)).any()
    raw = states[states["vintage"] == "2026-05-23"]
    assert ((raw["h100e_8bit"] == 0) & (raw["power_mw"] > 0)).any()


def test_sites_by_owner_share_out_all_that_is_listed(sites):
    held = timeline.by_owner(sites, "2026-09-30", 500)
    total = sum(values for values in held.values())
    numpy.testing.assert_allclose(total, sites.at("2026-09-30").sum(axis=0), rtol=1e-9)
    assert "xAI" in held
    assert "SpaceXAI" not in held


def test_leases_move_use_and_not_ownership():
    owned = {"xAI": 1_665_000.0, "Google": 5e6}
    running = [use.running_leases(leases.leases(), day) for day in ("2026-06-30", "2026-11-01", "2029-07-01")]
    before, after, end = (use.used_by(owned, part) for part in running)
    assert before == end == owned
    assert after["Anthropic"] == pytest.approx(541_000, rel=0.002)
    assert sum(after.values()) == pytest.approx(sum(owned.values()))
    more = running[1].assign(h100e=9e9)
    assert min(use.used_by(owned, more).values()) >= 0


def test_a_lease_whose_size_is_not_known_is_not_counted_as_none():
    running = use.running_leases(leases.leases(), "2026-11-01")
    labs = pd.Series({"Google DeepMind": 1.0, "Anthropic": 1.0, "OpenAI": 1.0})
    found = use.owned_and_used(labs, facts.load_stock(samples=10), running).set_index("laboratory")
    assert numpy.isnan(found["leased_in_h100e"]["Google DeepMind"])
    assert found["leased_in_h100e"]["OpenAI"] == 0
