"""The world's stock drawn from its tables: makers' totals, owners' shares, what runs, and what one cluster is of it."""

import numpy
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigareport import catalog, facts
from gigareport.facts import headline, ownership, use
from gigareport.facts.stock import current

SAMPLES = 4_000
ESTIMATE = ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]
#: The five clouds at the end of 2025 as published, and how far Google's revision of September 2026 takes it.
PUBLISHED_FIVE, REVISED = 0.71, 0.015


@pytest.fixture(scope="module")
def owners():
    return catalog.load("chip_owners")


@pytest.fixture(scope="module")
def makers():
    return catalog.load("maker_totals")


@pytest.fixture(scope="module")
def world(owners, makers):
    return facts.world_stock(owners, makers, samples=SAMPLES)


def rows(cells, name="owner", vintage="2026-01"):
    """Make a table of owners or makers: (owner or maker, maker, date, p5, median, p95)."""
    columns = ["owner", "chip_maker", "as_of", *ESTIMATE] if name == "owner" else ["chip_maker", "as_of", *ESTIMATE]
    table = pd.DataFrame(cells, columns=columns).astype(dict.fromkeys(ESTIMATE, float))
    return table.assign(as_of=pd.to_datetime(table["as_of"]), incomplete=False, vintage=vintage)


def nobody():
    return rows([], name="maker")


def held(world, name, date):
    return world.at(date)[world.owners.index(name)]


def test_owners_add_up_to_their_makers_totals_in_every_sample(owners, makers, world):
    made = facts.world_stock(owners, makers, samples=SAMPLES, total_of="chip_maker")
    numpy.testing.assert_allclose(world.total, made.total, rtol=1e-9)
    assert (world.h100e_8bit >= 0).all()
    nvidia = made.h100e_8bit[made.owners.index("Nvidia"), -1]
    told = current(makers, ["chip_maker", "as_of"]).to_frame().set_index(["chip_maker", "as_of"])[ESTIMATE]
    # 4,000 draws of a spread of 14 %: two standard errors of the outer percentiles
    assert numpy.quantile(nvidia, [0.05, 0.5, 0.95]) == pytest.approx(told.loc[("Nvidia", "2025-12-31")], rel=0.02)


@pytest.mark.parametrize("date", ["2023-12-31", "2024-12-31", "2025-12-31"])
def test_owners_keep_the_intervals_that_were_published(owners, world, date):
    published = current(owners, ["owner", "chip_maker", "as_of"]).to_frame()
    published = published[(published["as_of"] == date) & published["h100e_8bit_p5"].notna()]
    for name in ("Microsoft", "Meta", "Oracle", "CoreWeave"):
        one = published[(published["owner"] == name) & (published["chip_maker"] == "Nvidia")][ESTIMATE].iloc[0]
        other = published[(published["owner"] == name) & (published["chip_maker"] != "Nvidia")][ESTIMATE].sum()
        drawn = numpy.quantile(held(world, name, date), [0.05, 0.5, 0.95])
        # shares are brought to a sum of one, which moves a median by 1 to 2 % and an end by up to 6 %
        assert drawn[1] == pytest.approx(one.iloc[1] + other.iloc[1], rel=0.03)
        assert drawn == pytest.approx((one + other).to_numpy(), rel=0.08)


def test_the_five_clouds_hold_what_the_publisher_says(world):
    share = numpy.quantile(ownership.fives_share(world, "2025-12-31"), [0.05, 0.5, 0.95])
    assert share[0] < PUBLISHED_FIVE < share[2]
    assert share[1] == pytest.approx(PUBLISHED_FIVE, abs=REVISED)


def test_makers_that_were_missing_and_smuggled_chips_count_with_china(world):
    china = held(world, "China", "2025-12-31")
    assert numpy.median(china / world.at("2025-12-31").sum(axis=0)) == pytest.approx(0.089, abs=0.003)
    assert "China (smuggled)" not in world.owners


def test_xai_holds_what_its_quarters_say(world):
    for date, chips in (("2024-09-30", 1e5), ("2025-03-31", 2e5), ("2025-09-30", 553_714), ("2025-12-31", 553_714)):
        assert set(held(world, "xAI", date)) == {chips}


def test_a_later_total_of_a_maker_moves_its_owners_and_not_their_shares():
    cells = [("A", "M", "2025-12-31", 40, 50, 60), ("B", "M", "2025-12-31", 20, 30, 40)]
    first = rows([("M", "2025-12-31", 90, 100, 110)], name="maker")
    later = pd.concat([first, rows([("M", "2025-12-31", 135, 150, 165)], name="maker", vintage="2026-02")])
    old, new = (facts.world_stock(rows(cells), totals, samples=SAMPLES).at("2025-12-31") for totals in (first, later))
    numpy.testing.assert_allclose(old / old.sum(axis=0), new / new.sum(axis=0), rtol=1e-6)
    assert numpy.median(new.sum(axis=0) / old.sum(axis=0)) == pytest.approx(1.5, rel=0.01)


def test_other_is_what_the_named_leave_whatever_the_table_calls_other(owners, makers):
    doubled = owners.copy()
    doubled.loc[doubled["owner"] == "Other", ESTIMATE] *= 2
    usual, moved = (facts.world_stock(table, makers, samples=200).at("2025-12-31") for table in (owners, doubled))
    numpy.testing.assert_allclose(usual[-1], moved[-1], rtol=1e-9)


@settings(max_examples=40)
@given(
    shares=st.lists(st.floats(0.01, 0.4), min_size=1, max_size=4),
    spread=st.floats(1.0, 1.6),
    whole=st.floats(1e3, 1e7),
)
def test_no_sample_of_any_tables_is_negative_or_lost(shares, spread, whole):
    named = min(1.0, 0.95 / sum(shares))
    cells = [
        (
            f"O{i}",
            "M",
            "2025-12-31",
            whole * s * named / spread**1.2,
            whole * s * named,
            whole * s * named * spread**1.2,
        )
        for i, s in enumerate(shares)
    ]
    totals = rows([("M", "2025-12-31", whole / spread, whole, whole * spread)], name="maker")
    found = facts.world_stock(rows(cells), totals, samples=50)
    total = facts.world_stock(rows(cells), totals, samples=50, total_of="chip_maker").total
    assert (found.h100e_8bit >= 0).all()
    numpy.testing.assert_allclose(found.total, total, rtol=1e-9)


def test_incomplete_quarters_and_older_vintages_are_counted_nowhere(owners, makers, world):
    part = owners[owners["incomplete"]]
    assert len(part) > 0
    more = pd.concat([owners, part.assign(vintage="2027-01", h100e_8bit_median=9e9, h100e_8bit_p95=9e9)])
    again = facts.world_stock(more, makers, samples=SAMPLES)
    assert again.dates[-1] == world.dates[-1]
    numpy.testing.assert_array_equal(again.h100e_8bit, world.h100e_8bit)


def test_one_owner_alone_does_not_make_a_quarter(owners, makers, world):
    alone = owners[(owners["owner"] == "xAI") & (owners["as_of"] == "2025-12-31")]
    later = alone.assign(as_of=pd.Timestamp("2026-03-31"), h100e_8bit_median=6e5)
    found = facts.world_stock(pd.concat([owners, later]), makers, samples=50)
    assert found.dates[-1] == world.dates[-1]


def test_a_further_owner_leaves_the_draws_of_the_others(owners, makers):
    few = facts.world_stock(owners[owners["owner"] != "xAI"], makers, samples=10, total_of="chip_maker")
    many = facts.world_stock(owners, makers, samples=10, total_of="chip_maker")
    numpy.testing.assert_allclose(few.h100e_8bit, many.h100e_8bit, rtol=1e-9)


def test_other_comes_last_and_the_largest_owner_first(world):
    assert world.owners[-1] == facts.OTHER
    sizes = numpy.median(world.h100e_8bit[:-1, -1], axis=1)
    assert (numpy.diff(sizes) <= 0).all()


def test_between_quarters_a_holding_grows_steadily_and_before_the_table_it_is_not_known(world):
    early, middle, late = (held(world, "Meta", day) for day in ("2025-06-30", "2025-08-15", "2025-09-30"))
    assert (early < middle).all()
    assert (middle < late).all()
    assert numpy.isnan(world.at("2021-12-31")).all()
    extrapolated = ownership.share_over_time(world, 1e5, ["2025-12-31", "2026-01-01"])["extrapolated"]
    assert extrapolated.tolist() == [False, True]


def test_quarters_that_makers_have_told_carry_the_total(makers, world):
    told = current(makers, ["chip_maker", "as_of"]).to_frame().set_index(["as_of", "chip_maker"])["h100e_8bit_median"]
    spring = told.loc["2026-03-31"].sum()  # without Amazon, Huawei and Cambricon
    total = numpy.median(world.at("2026-03-31").sum(axis=0))
    before = told.loc["2025-12-31"]
    assert total == pytest.approx(
        spring + (before["Amazon"] + 742_893) * spring / (before.sum() - before["Amazon"]), rel=0.01
    )


def test_without_a_past_nothing_is_said_of_growth():
    alone = facts.world_stock(rows([("A", "M", "2025-12-31", 1, 2, 3)]), nobody(), samples=10)
    numpy.testing.assert_allclose(alone.at("2026-12-31"), alone.at("2025-12-31"))


def test_what_runs_is_what_was_sold_a_while_ago_and_is_not_worn_out(world):
    sold = world.at("2025-12-31")
    lagged = world.running_at("2025-12-31", lag_months=3.0, life_months=120.0)
    numpy.testing.assert_allclose(
        lagged, world.at(numpy.datetime64("2025-12-31") - numpy.timedelta64(91, "D")), rtol=0.01
    )
    short = world.running_at("2025-12-31", lag_months=0.0, life_months=24.0)
    numpy.testing.assert_allclose(short, sold - world.at("2023-12-31"), rtol=0.01)


def test_running_stock_and_three_laboratories_agree_with_the_publisher(world):
    published = catalog.load("published_anchors").set_index("anchor_id")["value"]
    running = facts.running(SAMPLES)
    runs = world.running_at("2025-12-31", **running).sum(axis=0)
    low, high = numpy.quantile(runs, [0.05, 0.95])
    assert low < published["stock_running_2025q4"] < high
    labs = use.laboratories(catalog.load("lab_compute"), world, running)
    last = labs[labs["as_of"] == labs["as_of"].max()].set_index("lab")["share_of_world"]
    three = last[["OpenAI", "Anthropic", "SpaceXAI"]].sum()
    assert three == pytest.approx(published["labs3_share_running_2025q4"], abs=0.015)  # published to a whole percent


def test_share_of_the_story_is_near_three_percent_then_and_half_a_percent_at_the_end(world):
    found = ownership.share_over_time(world, 100_000, ["2024-07-09", "2025-12-31", "2026-06-30"])
    assert found["share_median"][0] == pytest.approx(0.028, abs=0.002)
    assert found["share_median"][1] == pytest.approx(100_000 / 20.3e6, rel=0.01)
    assert found["extrapolated"].tolist() == [False, False, True]
    assert (found["share_p95"] > found["share_p5"]).all()


def test_index_change_of_the_story_depends_on_the_owner(world):
    found = ownership.index_change(world, 1e5, "2024-09-02", [ownership.NEW_OWNER, "Oracle", "Google"]).set_index(
        "owner"
    )
    assert found["change_median"]["Google"] > 0 > found["change_median"]["Oracle"]
    assert found["change_median"][ownership.NEW_OWNER] < found["change_median"]["Oracle"]
    with pytest.raises(ValueError, match="the table names: Google"):
        ownership.index_change(world, 1e5, "2024-09-02", ["Orakel"])


def test_h100e_of_a_chip_is_by_its_best_dense_peak():
    assert facts.h100e_per_chip("H100-SXM") == 1
    assert facts.h100e_per_chip("A100-80") == pytest.approx(0.315, abs=0.001)
    with pytest.raises(ValueError, match="unknown chip 'H1000'"):
        facts.h100e_per_chip("H1000")


def test_sales_count_every_blackwell_chip_at_the_rate_of_a_gb200_and_clusters_tell_them_apart():
    sales, clusters = (catalog.load(name) for name in ("chip_sales", "gpu_clusters"))
    sold = sales[sales["chip"].isin(["B200", "B300"])]
    by_sales = (sold["h100e_8bit_median"] / sold["n_chips_median"]).to_numpy()
    assert by_sales == pytest.approx(facts.h100e_per_chip("GB200"), rel=1e-3)
    alone = clusters[(clusters["chip"] == "NVIDIA B200") & clusters["owner"].notna()]
    told = (alone["h100e"] / alone["n_chips"]).median()
    assert told == pytest.approx(facts.h100e_per_chip("B200"), rel=1e-3)
    # the most that the choice can move the stock at the end of 2025
    apart = 1 - facts.h100e_per_chip("B200") / facts.h100e_per_chip("GB200")
    total = catalog.load("maker_totals")
    total = total[total["as_of"] == "2025-12-31"].sort_values("vintage")
    stock = total.groupby("chip_maker")["h100e_8bit_median"].last().sum()
    newest = sold[sold["as_of"] <= "2025-12-31"]["h100e_8bit_median"].sum()
    assert 0.03 < apart * newest / stock < 0.06


def test_counting_by_8_bit_or_by_bf16_hardly_matters_for_clusters():
    clusters = catalog.load("clusters")
    names = {"H100": "H100-SXM", "A100": "A100-80"}
    names |= {name: name for name in ("H200", "H800", "B200", "B300", "GB200", "GB300", "TPUv5e", "TPUv5p", "TPUv7")}
    names |= {"Trainium2": "Trainium2"}
    known = clusters[clusters["chip"].isin(names) & (clusters["n_chips"] > 0) & (clusters["h100e_bf16"] > 0)]
    assert len(known) > 35
    for chip, n_chips, by_bf16 in known[["chip", "n_chips", "h100e_bf16"]].itertuples(index=False):
        assert n_chips * facts.h100e_per_chip(names[chip]) == pytest.approx(by_bf16, rel=0.03)


def test_a_share_through_time_says_what_is_known_at_any_date(world):
    found = ownership.share_over_time(world, 100_000, ["2021-01-01", "2024-09-02", "2026-06-30"])
    assert found["share_median"].isna().tolist() == [True, False, False]
    assert found["share_median"][1] == pytest.approx(0.023, abs=0.0005)
    assert found["extrapolated"][2]


def test_the_headline_stands_beside_the_publishers_with_its_age(world):
    said = headline.headline(world, "2026-09-24")
    for words in ("70 %", "Epoch AI says 71 %", "6 months before", "inside our interval", "whoever the unnamed"):
        assert words in said


def test_no_samples_are_refused(owners, makers):
    with pytest.raises(ValueError, match="at least 1"):
        facts.world_stock(owners, makers, samples=0)
