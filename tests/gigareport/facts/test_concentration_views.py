"""Views of who owns the compute: known clusters once each, seats of power, growth, and the published numbers."""

import itertools

import numpy
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import concentration as c
from gigareport import beside, catalog, facts
from gigareport.facts import known, ownership


@pytest.fixture(scope="module")
def clusters():
    return catalog.load("gpu_clusters")


@pytest.fixture(scope="module")
def world():
    return facts.load_stock(samples=2_000)


def rows_of(*cells):
    """Make rows of clusters: (owner, country, h100e)."""
    table = pd.DataFrame(cells, columns=["owner", "country", "h100e"])
    return table.astype({"owner": object, "country": object, "h100e": float})


def test_a_site_with_phases_counts_once_and_at_its_latest_phase(clusters):
    colossus = clusters["name"].str.startswith("xAI Colossus Memphis")
    for date, size in (("2024-09-02", 100_000), ("2025-02-18", 200_000), ("2025-12-31", 275_796)):
        active = known.active_clusters(clusters, date)
        assert active[colossus.reindex(active.index)]["h100e"].tolist() == [pytest.approx(size, abs=1)]
    twice = known.active_clusters(clusters, "2025-12-31", phases_once=False)
    assert twice[colossus.reindex(twice.index)]["h100e"].sum() == pytest.approx(575_796, abs=1)


def test_a_planned_phase_does_not_replace_the_one_that_stands(clusters):
    cortex = known.active_clusters(clusters, "2025-12-31")["name"].str.startswith("Tesla Cortex Phase 1")
    assert cortex.sum() == 1


def test_a_cluster_is_gone_once_it_is_decommissioned(clusters):
    closing = clusters.copy()
    eos = closing["name"] == "NVIDIA Eos Phase 2"
    closing.loc[eos, "decommissioned"] = pd.Timestamp("2025-06-01")
    for date, stands in (("2025-05-31", True), ("2025-06-01", False)):
        assert ("NVIDIA Eos Phase 2" in set(known.active_clusters(closing, date)["name"])) == stands


def test_ways_to_count_owners_share_out_the_same_total(clusters):
    active = known.active_clusters(clusters, "2025-03-31")
    for joint, anonymous in itertools.product(("split", "separate", "largest"), ("each", "country", "largest")):
        held = known.by_owner(active, joint=joint, anonymous=anonymous)
        assert held.sum() == pytest.approx(active["h100e"].sum())
        assert held.is_monotonic_decreasing
    assert known.by_owner(active, anonymous="dropped").sum() < active["h100e"].sum()


def test_joint_and_anonymous_owners_are_counted_as_said():
    rows = rows_of(("A", "X", 60), ("A,B", "X", 20), ("B", "Y", 10), (None, "Y", 6), (None, "Y", 4))
    assert known.by_owner(rows).to_dict() == {"A": 70, "B": 20, "Y #3": 6, "Y #4": 4}
    assert known.by_owner(rows, joint="largest", anonymous="country").to_dict() == {"A": 80, "B": 10, "Y as one": 10}
    assert known.by_owner(rows, joint="separate", anonymous="largest").to_dict() == {"A": 70, "A + B #1": 20, "B": 10}
    assert known.by_owner(rows, anonymous="dropped").sum() == 90


def test_no_assignment_of_shared_and_anonymous_clusters_leaves_the_bounds():
    rows = rows_of(("A", "X", 40), ("B", "X", 30), ("A,B", "X", 12), ("B,C", "X", 8), (None, "Y", 6), (None, "X", 4))
    found = known.known_bounds(rows)
    for first, second, third, fourth in itertools.product("AB", "BC", "ABCD", "ABCE"):
        held = dict.fromkeys("ABCDE", 0.0) | {"A": 40.0, "B": 30.0}
        for owner, size in ((first, 12), (second, 8), (third, 6), (fourth, 4)):
            held[owner] += size
        assert found.lowest - 1e-9 <= float(c.hhi(list(held.values()))) <= found.highest + 1e-9


def test_a_date_without_clusters_says_so(clusters):
    with pytest.raises(ValueError, match="take a date on which some have"):
        known.known_bounds(known.active_clusters(clusters, "2005-01-01"))
    with pytest.raises(ValueError, match="none of the 1 clusters"):
        known.by_owner(rows_of((None, "X", 1)), anonymous="largest")
    assert known.by_owner(rows_of((None, "X", 1))).to_dict() == {"X #0": 1}


def test_each_mistake_moves_the_index_and_the_world_stays_open(clusters):
    ways = known.naive_indices(clusters, "2025-03-31").set_index("way")
    low, high = ways.loc["sites once, owners bounded"]
    assert low < high
    assert ways["hhi_low"]["anonymous left out"] > low
    assert ways["hhi_low"]["extended to the world"] < 0.02 * low
    assert ways["hhi_high"]["extended to the world"] > 8_000


def test_bands_of_the_index_hold_their_medians(world):
    table = ownership.index_by_quarter(world)
    columns = ["band_low", "lowest", "capped", "highest", "band_high"]
    assert (table[columns].diff(axis=1).iloc[:, 1:] >= -1e-9).all().all()
    assert len(table) == len(world.dates)


NO_LEASES = pd.DataFrame({"lessor": [], "lessee": [], "h100e": []})
PARTIES = st.lists(st.floats(1, 100), min_size=2, max_size=5)


@settings(max_examples=80)
@given(
    held=PARTIES, nameless=st.floats(0, 200), parts=st.lists(st.floats(0.01, 1), min_size=1, max_size=8), data=st.data()
)
def test_no_structure_of_the_nameless_leaves_the_bounds_of_a_cut(held, nameless, parts, data):
    """Some of the nameless are alone, some belong to a named party, some are outside the market."""
    held, sizes = numpy.asarray(held), nameless * numpy.asarray(parts) / sum(parts)
    may_join, may_be_out = data.draw(st.booleans()), data.draw(st.booleans())
    places = ["alone"] + ["joins"] * may_join
    out = may_be_out and data.draw(st.booleans())
    named, alone = held.copy(), []
    for size in sizes:
        if data.draw(st.sampled_from(places)) == "joins":
            named[data.draw(st.integers(0, len(held) - 1))] += size
        else:
            alone.append(size)
    value = float(c.hhi(held if out else numpy.concatenate([named, alone])))
    cut = ownership.Cut(
        name="any",
        parties=tuple("abcde"[: len(held)]),
        held=held[:, None],
        nameless=numpy.asarray([nameless]),
        may_join=may_join,
        may_be_out=may_be_out,
    )
    low, high = cut.bounds()
    assert low[0] - 1e-6 <= value <= high[0] + 1e-6


def test_owners_behind_a_group_may_be_countless(world):
    cut = ownership.by_owner(world, world.dates[-1])
    assert cut.groups == ("China",)
    alone = ownership.Cut(name="x", parties=cut.parties, held=cut.held, nameless=cut.nameless)
    assert (cut.bounds()[0] < alone.bounds()[0]).all()
    numpy.testing.assert_array_equal(cut.bounds()[1], alone.bounds()[1])


def test_markets_share_out_what_they_are_of(world):
    made = facts.load_stock(samples=2_000, total_of="chip_maker")
    sites = {"Meta": numpy.full(2_000, 3.0), "Other": numpy.full(2_000, 1.0)}
    found = ownership.markets(world, made, catalog.load("owners"), sites, NO_LEASES, "2025-12-31")
    total = world.at("2025-12-31").sum(axis=0)
    for name in ("all compute, by owner", "home country of the owner", "makers of chips"):
        numpy.testing.assert_allclose(found[name].held.sum(axis=0) + found[name].nameless, total, rtol=1e-9)
    table = ownership.cuts(found).set_index("market")
    assert table["largest"].to_dict() == {
        "all compute, by owner": "Google",
        "home country of the owner": "United States of America",
        "clouds that let": "Google",
        "makers of chips": "Nvidia",
        "makers who sell to anybody": "Nvidia",
        "large sites listed, by owner": "Meta",
        "large sites listed, leases moved": "Meta",
    }
    assert table["hhi_low"]["makers of chips"] > table["hhi_high"]["all compute, by owner"]
    # Other may be American, and may or may not let: both cuts are wider than with Other left out
    assert table["hhi_high"]["home country of the owner"] > 8_000
    assert table["hhi_low"]["clouds that let"] < 2_000 < 2_500 < table["hhi_high"]["clouds that let"]


def test_foundries_share_out_the_stock_and_the_chips_of_an_unnamed_one_may_be_anybodys():
    made = facts.load_stock(samples=200, total_of="chip_maker")
    cut = ownership.foundries(made, catalog.load("accelerators"), "2025-12-31")
    total = made.at("2025-12-31").sum(axis=0)
    numpy.testing.assert_allclose(cut.held.sum(axis=0) + cut.nameless, total, rtol=1e-9)
    assert set(cut.parties) == {"TSMC", "SMIC"}
    tsmc = cut.held[cut.parties.index("TSMC")]
    numpy.testing.assert_allclose(
        cut.bounds()[1], c.hhi(numpy.stack([tsmc + cut.nameless, total - tsmc - cut.nameless]))
    )


def test_power_of_chips_is_that_of_the_latest_list():
    chips, listed = catalog.load("chips").set_index("chip"), catalog.load("accelerators")
    latest = listed[listed["vintage"] == listed["vintage"].max()].set_index("name")["tdp_w"]
    names = {"B300": "NVIDIA B300 (Blackwell Ultra)", "GB300": "NVIDIA GB300 (Blackwell Ultra)", "B200": "NVIDIA B200"}
    names |= {"GB200": "NVIDIA GB200", "H100-SXM": "NVIDIA H100 SXM5 80GB", "TPUv6e": "Google TPU v6e Trillium"}
    for chip, name in names.items():
        assert chips["tdp_w"][chip] == latest[name]


def test_mergers_move_the_index_by_twice_the_product_of_shares(world):
    made = facts.load_stock(samples=2_000, total_of="chip_maker")
    found = ownership.markets(world, made, catalog.load("owners"), {"Meta": 1.0}, NO_LEASES, "2025-12-31")
    row = ownership.mergers(found, {"makers who sell to anybody": ("Nvidia", "AMD")}).iloc[0]
    assert row["hhi_after"] - row["hhi_before"] == pytest.approx(row["rise"], rel=0.02)  # medians
    assert row["presumed"] == 1


def test_the_two_ways_to_claim_a_trend_differ_today(world):
    answers = ownership.trend_tests(world, "2024-09-02", "2025-12-31").set_index("assumption")["answer"]
    assert answers["nothing assumed about Other"] == "not known"
    assert answers["Other stayed countless owners"] == "rose"


def test_published_growth_comes_out_again(clusters, world):
    table = beside.published_growth(clusters, world, catalog.load("published_anchors")).set_index("quantity")
    of_clusters = table.loc[list(known.QUANTITIES)]
    # 2.5x performance, 1.6x per chip, 1.6x chips, 2.0x power, 2.0x cost: rounded when published, and a later vintage
    assert of_clusters["published"].between(of_clusters["low"], of_clusters["high"]).all()
    assert of_clusters["ratio"].between(0.92, 1.02).all()
    stock = table.loc[[name for name in table.index if "stock" in name]]
    assert stock["ratio"].tolist() == sorted(stock["ratio"], reverse=True)  # the table fills up in its first years
    low, high = (
        catalog.load("published_anchors").set_index("anchor_id")[end]["chipstock_growth"] for end in ("low", "high")
    )
    assert low < stock["median"].iloc[-1] < high


def test_published_shares_come_out_again_but_one(clusters, world):
    tables = clusters, world, catalog.load("chip_sales"), catalog.load("published_anchors")
    table = beside.published_shares(*tables).set_index(["quantity", "as_of"])
    ratio = table["ratio"]
    # Google's chips were revised down by 4 % after the publisher's share
    assert ratio["five hyperscalers, stock"]["2025-12-31"].item() == pytest.approx(1, abs=0.02)
    assert ratio["United States, known clusters"].item() == pytest.approx(1, abs=0.05)
    assert ratio["China, known clusters"].item() == pytest.approx(1, abs=0.07)
    assert ratio["private owners, known clusters"]["2025-03-31"].item() == pytest.approx(1, abs=0.05)
    # published 40 %; more than half of this vintage's compute of 2019 is private
    assert ratio["private owners, known clusters"]["2019-01-01"].item() > 1.25


@pytest.mark.parametrize("date", ["2019-01-01", "2019-07-01", "2019-12-31"])
@pytest.mark.parametrize("by", ["h100e", "peak_16bit_op_per_s", "peak_op_per_s"])
def test_private_share_of_2019_does_not_reproduce_by_any_count(clusters, date, by):
    active = known.active_clusters(clusters, date)
    share = active.loc[active["sector"] == "Private", by].sum() / active[by].sum()
    assert share > 0.5


def test_growth_recovers_a_known_rate_and_covers_it_as_often_as_it_claims():
    rng = numpy.random.default_rng(7)
    opened = pd.Series(pd.date_range("2019-01-01", "2025-01-01", periods=40))
    years = (opened - opened[0]).dt.days / 365.25
    covered = 0
    for _ in range(300):
        speed = 1e18 * 2.5**years * numpy.exp(rng.normal(0, 0.5, 40))
        found = known.growth_at_release(
            pd.DataFrame({"first_operational": opened, "peak_16bit_op_per_s": speed}), "16-bit performance"
        ).factor
        covered += found.low < 2.5 < found.high
    assert covered / 300 == pytest.approx(0.9, abs=0.05)  # three standard errors of 300 trials


def test_clusters_alike_share_the_better_rank_at_release(clusters):
    row = clusters[clusters["name"] == "Meta 100k"]
    three = pd.concat([row.assign(peak_16bit_op_per_s=speed) for speed in (2.0, 3.0, 3.0, 1.0)], ignore_index=True)
    assert sorted(known.leaders_at_release(three, top=4)["rank_at_release"]) == [1, 1, 3, 4]
    assert len(known.leaders_at_release(three, top=2)) == 2


def test_growth_of_too_few_clusters_is_refused(clusters):
    with pytest.raises(ValueError, match="needs at least 3"):
        known.growth_at_release(known.leaders_at_release(clusters), "power", "2030-01-01", "2031-01-01")


def test_rank_at_release_agrees_with_the_published_ranks(raw_data):
    raw = pd.read_csv(raw_data / "epoch_gpu_clusters" / "gpu_clusters.csv")
    leaders = known.leaders_at_release(catalog.load("gpu_clusters"), top=10)
    published = raw.loc[leaders.index, "Rank when first operational"]  # by the best precision, not by 16 bit
    assert (published <= 10).mean() > 0.7


def test_top500_agrees_that_the_share_of_the_united_states_rose(raw_data, clusters):
    lists = pd.read_csv(raw_data / "top500" / "top500_lists.csv", low_memory=False)
    anchors = catalog.load("published_anchors").set_index("anchor_id")["value"]
    ours, theirs = [], []
    for day, name in (("2019-11-18", "2019-11"), ("2024-11-18", "2024-11")):
        one = lists[lists["list"] == name]
        speed = one.groupby("Country")["Rmax [TFlop/s]"].sum()
        theirs.append(speed["United States"] / speed.sum())
        assert theirs[-1] == pytest.approx(anchors[f"top500_us_share_{name[:4]}"], abs=0.0006)  # kept to 3 digits
        active = known.active_clusters(clusters, day)
        ours.append(active.loc[active["country"] == "United States of America", "h100e"].sum() / active["h100e"].sum())
    assert theirs[1] - theirs[0] > 0.1
    assert ours[1] - ours[0] > 0.1
