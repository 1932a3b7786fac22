"""Large sites on one timeline: what plans become, and where any cluster stands among them."""

import numpy
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import race
from gigacluster.concentration.measures import built, rank
from gigareport import catalog, facts, scenario
from gigareport.facts import plans, rivals, timeline, use
from gigareport.facts.plans import states_of_others
from gigareport.facts.world import day_numbers

MONTH = 365.25 / 12


@pytest.fixture(scope="module")
def sites():
    return timeline.latest(samples=500)


@pytest.fixture(scope="module")
def revisions():
    return plans.revisions_between("2025-12-17", "2026-05-23")


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


def test_rank_counts_the_larger_ones_from_the_start_on(xp):
    others = xp.array([[[5.0], [5.0], [7.0], [7.0]], [[1.0], [1.0], [1.0], [9.0]]])
    day = xp.array([0.0, MONTH, 2 * MONTH, 3 * MONTH])
    for size, wanted in (
        (6, [1, 1, 2, 3]),
        (8, [1, 1, 1, 2]),
        (10, [1, 1, 1, 1]),
        (5, [1, 1, 2, 3]),
        (4, [2, 2, 2, 3]),
    ):
        assert [float(value) for value in rank(float(size), 0.0, others, day)[:, 0]] == wanted
    assert numpy.isnan(float(rank(8.0, MONTH, others, day)[0, 0]))


@given(
    states=st.lists(st.tuples(st.integers(0, 1000), st.floats(1, 100)), min_size=2, max_size=12),
    size=st.floats(1, 200),
)
@settings(max_examples=60)
def test_sizes_are_reached_on_the_first_day_that_any_site_has_them(states, size):
    year, h100e = rivals.reached(_timeline_of(states), "")
    large = [day for day, own in states if own >= size]
    enough = h100e[:, 0] >= size
    assert enough.any() == bool(large)
    if large:
        assert year[enough, 0].min() == pytest.approx(2022 + min(large) / 365.25, abs=0.002)  # a leap day
    assert (numpy.diff(year[:, 0]) >= 0).all()
    assert (numpy.diff(h100e[:, 0]) >= 0).all()


def _timeline_of(states):
    """Return a timeline of sites with one state each, a day after 2022 began and a size, nothing of it uncertain."""
    real, text = timeline.latest(samples=50), ("",) * len(states)
    none = numpy.zeros((len(states), len(real.days)))
    return timeline.Timeline(
        sites=real.sites[: len(states)],
        kinds=text,
        owners=text,
        users=text,
        days=real.days,
        h100e=none[:, :, None],
        buildings=none + 1,
        told=none,
        step_days=numpy.array([[[day]] for day, _ in states]) + day_numbers("2022-01-01"),
        step_h100e=numpy.array([[[size]] for _, size in states]),
        vintage="",
    )


@given(size=st.floats(1e3, 3e6), more=st.floats(1.01, 3.0), later=st.integers(1, 20))
@settings(max_examples=40)
def test_a_larger_or_earlier_cluster_never_leads_for_less(size, more, later):
    start, made = numpy.datetime64("2024-09-02"), timeline.latest(samples=50)
    usual, larger = (rivals.drop_in(made, value, start) for value in (size, more * size))
    assert (larger.lead_months >= usual.lead_months).all()
    assert (numpy.nan_to_num(larger.rank) <= numpy.nan_to_num(usual.rank)).all()
    late = rivals.drop_in(made, size, start + numpy.timedelta64(30 * later, "D"))
    assert late.lead_months == pytest.approx(usual.lead_months - 30 * later / MONTH)


def test_revisions_between_the_vintages_are_the_published_ones(revisions):
    moved = revisions.steps["slip_months"]
    moved = moved[numpy.abs(moved) > 0]
    assert revisions.common_sites == 16
    assert numpy.median(moved) == pytest.approx(2.1, abs=0.05)
    assert revisions.planned_before / 1e6 == pytest.approx(15.8, abs=0.05)
    # 10.4 with Google Pryor (North), which has no counterpart in the earlier vintage
    assert revisions.planned_now / 1e6 == pytest.approx(10.2, abs=0.05)
    assert 0 < revisions.steps["cancelled"].sum() < len(revisions.steps)


def test_every_listed_site_is_on_the_timeline_from_2022_to_the_end_of_2027(sites):
    assert sites.kinds.count("campus") == 51
    assert sites.kinds.count("cluster") > 20
    assert (str(sites.days[0]), str(sites.days[-1])) == ("2022-01-01", "2027-12-31")
    assert not numpy.isnan(sites.h100e).any()
    assert sites.owners[sites.sites.index("Colossus 2")] == "xAI"


def test_the_leading_sites_of_dates_hold_the_largest_of_each(sites):
    dates = ["2024-10-01", "2026-11-29", plans.LAST_DAY]
    names = [sites.sites[row] for row in timeline.leading(sites, dates, 2)]
    assert len(names) == len(set(names)) <= 6
    for date in dates:
        assert set(timeline.largest_at(sites, date, 2)["site"]) <= set(names)
    without = [sites.sites[row] for row in timeline.leading(sites, dates, 2, among=set(sites.sites) - set(names))]
    assert not set(without) & set(names)
    assert len(without) >= 2


@pytest.mark.parametrize(
    ("date", "first"), [("2024-10-01", "Colossus 1"), ("2026-09-30", "Colossus 2"), ("2026-11-29", "Colossus 2")]
)
def test_the_largest_site_is_the_one_reported(sites, date, first):
    assert timeline.largest_at(sites, date, 1)["site"].item() == first


def test_what_stands_has_less_doubt_than_what_is_planned(sites):
    now, end = (timeline.largest_at(sites, date, 99).set_index("site") for date in ("2026-06-01", plans.LAST_DAY))
    for name in ("Goodnight", "Microsoft Fairwater Wisconsin", "OpenAI Stargate Abilene"):
        width_now, width_end = (table.loc[name, "h100e_p95"] - table.loc[name, "h100e_p5"] for table in (now, end))
        assert width_end > 1.5 * width_now


def test_the_story_was_the_largest_when_it_started_and_for_a_few_months(sites):
    found = rivals.drop_in(sites, 1e5, "2024-09-02", owner="xAI")
    at = int(numpy.searchsorted(sites.days, numpy.datetime64("2024-09-02")))
    assert (found.rank[at] == 1).mean() > 0.9
    assert 1 < numpy.median(found.lead_months) < 5
    # as published: Meta told of as many chips on 30 October, the first campus followed at the end of the year
    states = states_of_others("xAI")
    after = states[(states["date"] > "2024-09-02") & (states["h100e_8bit"] >= 1e5)]
    published = [(date - pd.Timestamp("2024-09-02")).days / MONTH for date in after["date"].head(2)]
    assert published == pytest.approx([1.9, 3.9], abs=0.05)
    itself = rivals.drop_in(sites, 1e5, "2024-10-01")
    assert (itself.lead_months < 0).mean() > 0.3  # the listed site is as large, give or take its re-estimate


def test_the_spine_and_a_cluster_dropped_in_agree():
    story = scenario.load(scenario.STORY)
    outlook = scenario.evaluate(story, samples=400, answers=["lead_months"], device="cpu")
    made = timeline.latest()
    complete = numpy.max(
        [outlook.inputs[f"own.deliveries.{n}.month"] for n in range(len(story.own.deliveries))], axis=0
    )
    sample = numpy.floor(outlook.inputs["concentration.rivals"] * made.h100e.shape[-1]).astype(int)
    year, h100e = (values[:, sample] for values in rivals.reached(made, story.owner))
    growth = outlook.inputs["race.rival_growth_per_year"]
    matched = race.matched_year(year, h100e, float(story.cluster.n_chips), growth)
    started = rivals.in_years(numpy.datetime64(story.decided_on)) + complete / 12
    assert outlook.lead_months == pytest.approx(12 * (matched - started), abs=1e-9)


def test_lead_depends_on_size_and_clusters_are_weaker_rivals_than_campuses(sites):
    leads = [numpy.median(rivals.drop_in(sites, size, "2026-06-01").lead_months) for size in (1e5, 1.6e6, 5e6)]
    assert leads == sorted(leads)
    assert leads[0] < 0 < leads[2]
    campus, cluster = (rivals.drop_in(sites, 3e5, "2026-06-01", by=by) for by in ("campus", "cluster"))
    assert numpy.nanmedian(cluster.rank) < numpy.nanmedian(campus.rank)
    assert (cluster.lead_months >= campus.lead_months - 1e-9).all()
    assert (sites.sizes("cluster") <= sites.sizes("campus") * (1 + 1e-12)).all()
    told, day = sites.sites.index("Colossus 1"), "2024-10-01"
    numpy.testing.assert_allclose(sites.at(day, "cluster")[told], sites.at(day)[told])  # one building


def test_a_start_outside_the_timeline_is_nan_and_is_said(sites):
    found = rivals.drop_in(sites, 1e5, "2029-01-01")
    assert numpy.isnan(found.lead_months).all()
    assert "runs from 2022-01-01" in rivals.place_in_words(found, sites, "2029-01-01")
    assert numpy.isnan(sites.at("2021-01-01")).all()


def test_power_without_compute_is_not_a_site_of_zero():
    states = catalog.load("data_center_timelines")
    kept = plans.states_by_site("2026-05-23")
    assert not ((kept["h100e_8bit"] == 0) & (kept["power_mw"] > 0)).any()
    raw = states[states["vintage"] == "2026-05-23"]
    assert ((raw["h100e_8bit"] == 0) & (raw["power_mw"] > 0)).any()


def test_sites_by_owner_share_out_all_that_is_listed(sites):
    held = timeline.by_owner(sites, "2026-09-30", 500)
    total = sum(values for values in held.values())
    campuses = numpy.asarray(sites.kinds) == "campus"
    numpy.testing.assert_allclose(total, sites.at("2026-09-30")[campuses].sum(axis=0), rtol=1e-9)
    assert "xAI" in held
    assert "SpaceXAI" not in held


def test_leases_move_use_and_not_ownership():
    owned = {"xAI": 1_665_000.0, "Google": 5e6}
    running = [use.running_leases(day) for day in ("2026-06-30", "2026-11-01", "2029-07-01")]
    before, after, end = (use.used_by(owned, part) for part in running)
    assert before == end == owned
    assert after["Anthropic"] == pytest.approx(541_000, rel=0.002)
    assert sum(after.values()) == pytest.approx(sum(owned.values()))
    more = running[1].assign(h100e=9e9)
    assert min(use.used_by(owned, more).values()) >= 0


def test_a_lease_whose_size_is_not_known_is_not_counted_as_none():
    running = use.running_leases("2026-11-01")
    labs = pd.Series({"Google DeepMind": 1.0, "Anthropic": 1.0, "OpenAI": 1.0})
    found = use.owned_and_used(labs, facts.load_stock(samples=10), running).set_index("laboratory")
    assert numpy.isnan(found["leased_in_h100e"]["Google DeepMind"])
    assert found["leased_in_h100e"]["OpenAI"] == 0
