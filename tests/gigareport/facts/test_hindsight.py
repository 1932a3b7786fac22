"""What happened after the story's decision, and the rivals that its lead is counted against."""

import pandas as pd
import pytest

from gigareport import catalog, decision, scenario
from gigareport.facts import use
from gigareport.facts.plans import listed_states, of_others, states_of_others, told_clusters, traits
from gigareport.hindsight import hindsight


@pytest.fixture(scope="module")
def past():
    return hindsight(samples=300)


def test_choices_are_priced_with_what_is_known_now(past):
    costs = past.table.set_index("choice")["median"]
    assert list(costs.index) == [
        "own",
        "own, let out from May 2026",
        "rent at the contracts that followed (5 prices)",
        "rent by the hour at list prices (benchmark, 182 prices)",
        "rent on marketplaces (benchmark, 12 prices)",
        "rent at the contract offered",
    ]
    # six months of 231 million and two of a part of it, discounted, against the same chips kept
    assert 0.6e9 < costs["own"] - costs["own, let out from May 2026"] < 1.4e9
    assert costs.iloc[2] < costs["rent at the contract offered"]
    assert costs.iloc[4] < costs.iloc[2] < costs.iloc[3]  # marketplace, contracts, list prices
    assert (past.table["low"] < past.table["median"]).all()


def test_kinds_of_rent_that_followed_are_series_of_their_own_and_their_prices_are_counted(past):
    """Contracts, list prices and marketplaces differ two to five times, so no price stands in two of them."""
    contracts = past.quotes.query("series == 'contracts'")
    assert contracts["usd_per_chip_hour"].tolist() == [2.85, 2.99, 1.70, 2.35, 2.65]
    kinds = past.quotes[past.quotes["date"] >= "2025-01-01"].groupby("series")["kind"].unique()
    assert {name: list(found) for name, found in kinds.items()} == {
        "contracts": ["reserved_1y"],
        "listed": ["on_demand"],
        "marketplace": ["spot"],
    }
    counted = past.quotes.groupby("series")["n_prices"].sum()
    assert sorted(counted) == sorted(past.table.loc[past.table["n_prices"] > 0, "n_prices"])


def test_the_lease_for_so_many_chips_is_half_of_what_one_site_alone_would_say(past):
    assert past.lease_usd_per_month == pytest.approx(1e5 * use.usd_per_h100e_month())
    assert past.lease_usd_per_month == pytest.approx(231e6, rel=0.01)


def test_rivals_are_of_other_owners_and_records_rise():
    known = states_of_others("xAI")
    assert not set(known["site"]) & set(traits().to_frame().query("owner == 'xAI'")["site"])
    assert known["date"].is_monotonic_increasing
    records = known[known["record"]]
    assert records["h100e_8bit"].is_monotonic_increasing
    assert records["h100e_8bit"].is_unique
    assert len(states_of_others("")) > len(known)


def test_a_cluster_on_a_listed_campus_is_no_site_of_its_own():
    told, states = told_clusters().to_frame(), listed_states().to_frame()
    sites = set(states["site"])
    campuses = set(traits().to_frame().query("kind == 'campus'")["site"])
    assert set(told.loc[told["on_campus"], "site"]) <= campuses
    assert set(told.loc[~told["on_campus"], "site"]).isdisjoint(campuses)
    assert set(told["site"]) <= sites
    assert set(of_others("")) == sites
    # a told cluster is a part of its campus: never larger than the campus ever becomes
    largest = states.groupby("site")["h100e_8bit"].max()
    on = told[told["on_campus"]]
    assert (on["h100e_8bit"].to_numpy() <= 1.001 * largest[on["site"]].to_numpy()).all()


def test_no_cluster_on_a_listed_campus_is_planned_in_the_past():
    clusters, names = catalog.load("clusters"), catalog.load("site_names").set_index("name")["site"]
    here = clusters[(clusters["record_type"] == "cluster") & clusters["site_id"].isin(names.index)]
    assert set(here["status"]) == {"operational", "planned"}
    states = listed_states().to_frame()
    vintage = pd.Timestamp(states["vintage"].iloc[0])
    for row in here.itertuples():
        stands = states[
            (states["site"] == names[row.site_id]) & (states["date"] <= row.as_of) & (states["h100e_8bit"] > 0)
        ]
        assert row.as_of > vintage if row.status == "planned" else len(stands) or row.n_chips <= 25_000, row.name


def test_the_map_names_its_three_regions_and_the_lines_on_it():
    found = scenario.evaluate(scenario.load(scenario.STORY), samples=200, device="cpu")
    mapped = decision.price_map(found, prices=15, terms=5, samples=200)
    table = mapped.to_frame()
    assert list(dict.fromkeys(table["choice"])) == ["rent", "too close", "own"]
    assert set(decision.lines_of(found, mapped)["mark"]) == {"a landlord's cost", "$10 billion for these chips"}
    chart = decision.draw_map(found, mapped)
    assert pd.concat(chart.tables)["mark"].dropna().str.startswith("listed").any()
