"""The first screen: its sentences are chosen by the numbers, and a flip is where the choice turns."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy
import pytest

from gigacluster.uncertainty import Uncertain
from gigareport import opening, scenario
from gigareport.decision import PriceMap, price_map
from gigareport.plots.titles import unsupported
from gigareport.scenario import with_value


@pytest.fixture(autouse=True)
def no_figure_left_open():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def told():
    story = scenario.load("startup-512-2025")
    return scenario.evaluate(story, samples=200, device="cpu")


def map_with(low, high, terms=(12.0, 24.0, 48.0)):
    """A map whose parity lies between two prices at each term."""
    nothing = numpy.zeros((len(terms), 1))
    parity = numpy.array([low, numpy.add(low, high) / 2, high])
    return PriceMap(
        term_months=numpy.array(terms),
        usd_per_chip_hour=numpy.ones(1),
        parity_usd=parity,
        better_frac=nothing,
        saving_usd=nothing,
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        ([1.0, 1.0, 1.0], [1.5, 1.5, 1.5], "owning is cheaper at any term up to 48 months"),
        ([1.0, 1.0, 1.0], [9.0, 2.0, 1.5], "owning is cheaper from a term of about 24 months on"),
        ([1.0, 1.0, 1.0], [1.5, 9.0, 1.5], "owning is cheaper from a term of about 48 months on"),
        ([3.0, 3.0, 3.0], [9.0, 9.0, 9.0], "renting is cheaper at any term up to 48 months"),
        ([1.0, 1.0, 1.0], [9.0, 9.0, 9.0], "there is no clear answer at any term up to 48 months"),
        ([-1.0, 1.0, 1.2], [9.0, 9.0, 9.0], "at $5.10; in nine samples of ten renting wins below $1.20"),
        ([0.9, 1.0, 1.2], [9.0, 9.0, 9.0], "Below $0.900 renting wins at any term"),
    ],
)
def test_the_answer_follows_from_where_the_price_lies_among_the_parities(told, low, high, said):
    story = with_value(told.scenario, "rent.committed_usd_per_chip_hour", Uncertain.fixed(2.0))
    outlook = SimpleNamespace(scenario=story, interval=told.interval, answers=told.answers, say=told.say)
    assert said in opening.answer(outlook, map_with(low, high))


def test_the_first_screen_of_another_scenario_tells_no_story_of_xai(told):
    front = opening.front(told, samples=100)
    assert front.as_of == f"{told.scenario.decided_on:%B %Y}"
    assert front.happened == {}
    assert 3 <= len(front.against) <= 7
    assert "times" in front.trust


def test_the_timeline_has_the_cluster_from_its_last_delivery_on_and_no_site_of_its_owner():
    found = scenario.evaluate(scenario.load(scenario.STORY), samples=50, device="cpu")
    table = opening.sites_with(found, samples=50)
    here = table[table["site"] == "this cluster"].set_index("Date")[opening.SIZE]
    assert here[:"2024-08-01"].isna().all()
    assert (here["2024-10-01":] == 100_000).all()
    assert not any("Colossus" in name for name in table["site"])
    led = found.interval("lead_months").median
    written = opening.place_title(found, table)
    assert f"largest listed site for {led:.1f} months" in written
    assert unsupported(written, table) == []
    assert table["site"].nunique() <= 4  # names beside lines have no more room on a phone


@pytest.mark.parametrize("n_chips", [32_768, 65_536, 131_072])
def test_how_a_cluster_stands_among_the_sites_is_in_the_data_of_the_figure(n_chips):
    changes = {"cluster.n_chips": n_chips, "training.n_chips": n_chips}
    outlook = scenario.evaluate(scenario.load(scenario.STORY, changes=changes), samples=50, device="cpu")
    table = opening.sites_with(outlook, samples=50)
    assert unsupported(opening.place_title(outlook, table), table) == []


def test_a_rent_that_is_no_contract_is_answered_first():
    story = scenario.load(scenario.STORY, changes={"rent.kind": "hourly", "training.used_frac": 0.7})
    outlook = scenario.evaluate(story, samples=200, device="cpu")
    said = opening.answer(outlook, price_map(outlook, samples=100, prices=9, terms=4))
    assert said.startswith("**By the hour, as the market goes from $2.85 a chip-hour, with 70 % of the hours used ")
    assert "Under a contract instead: at $2.85" in said


def test_the_spread_is_in_dollars_that_a_reader_reads(told):
    table, label = opening.spread(told)
    assert label.endswith("[$ million]")  # 512 chips
    assert 1 <= table[label].abs().max() < 1e4
    assert table[opening.SHARE].between(0, 100).all()
