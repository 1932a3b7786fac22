"""The world's stock drawn from its table, and what one cluster is of it and does to it."""

import numpy
import pandas as pd
import pytest
from scipy import stats

from gigacluster import concentration as c
from gigareport import catalog, facts
from gigareport.facts import effects
from gigareport.facts.world import ranks

SAMPLES = 4_000
#: Percentiles of 4,000 draws of a spread of +-30 %: two standard errors.
SAMPLING = 0.03


@pytest.fixture(scope="module")
def owners():
    return catalog.load("chip_owners")


@pytest.fixture(scope="module")
def world(owners):
    return facts.world_stock(owners, samples=SAMPLES)


def row(world, owner, date):
    return world.h100e_8bit[world.owners.index(owner), list(world.dates.astype(str)).index(date)]


@pytest.mark.parametrize("rank_correlation", [0.0, 1.0])
def test_draws_have_the_percentiles_of_the_table(owners, rank_correlation):
    world = facts.world_stock(owners, samples=SAMPLES, rank_correlation=rank_correlation)
    china = owners[(owners["owner"] == "China") & (owners["as_of"] == "2025-09-30")].iloc[0]
    found = numpy.quantile(row(world, "China", "2025-09-30"), [0.05, 0.5, 0.95])
    expected = china[["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]].to_numpy(float)
    assert found == pytest.approx(expected, rel=SAMPLING)


def test_world_at_the_end_of_2025_is_the_sum_that_the_source_gives(world):
    # SOURCE.md of the raw files: 19.52 million H100e, five hyperscalers 73.6 %. Medians of sums of skewed draws lie a
    # little above the sums of medians.
    stock = world.at("2025-12-31")
    assert numpy.median(stock.sum(axis=0)) == pytest.approx(19.52e6, rel=0.01)
    five = [world.owners.index(name) for name in ("Google", "Microsoft", "Meta", "Amazon", "Oracle")]
    assert numpy.median(stock[five].sum(axis=0) / stock.sum(axis=0)) == pytest.approx(0.736, abs=0.005)


def test_an_owner_known_at_two_dates_is_carried_forward_between_them(world):
    assert set(row(world, "xAI", "2025-09-30")) == {100_000.0}
    assert set(row(world, "xAI", "2025-12-31")) == {553_714.0}
    assert set(row(world, "xAI", "2024-09-30")) == {0.0}


def test_other_comes_last_and_the_largest_owner_first(world):
    assert world.owners[-1] == facts.OTHER
    assert numpy.median(world.h100e_8bit[0, -1]) == numpy.median(world.h100e_8bit[:-1, -1], axis=1).max()


def test_between_quarters_a_holding_grows_at_a_steady_rate(world):
    first, last = row(world, "Google", "2024-06-30"), row(world, "Google", "2024-09-30")
    middle = world.at("2024-08-15")[world.owners.index("Google")]  # the middle of 92 days
    assert middle == pytest.approx(numpy.sqrt(first * last), rel=1e-9)
    assert world.at("2024-06-30")[world.owners.index("Google")] == pytest.approx(first)


def test_a_holding_that_starts_at_nothing_grows_linearly(world):
    xai = world.at("2024-11-15")[world.owners.index("xAI")]
    assert xai == pytest.approx(1e5 * 46 / 92)


def test_before_the_table_nothing_is_known_and_after_it_is_said(world):
    assert numpy.isnan(facts.share_of_world(1e5, world, "2021-12-31")).all()
    assert not world.is_extrapolated("2025-12-31")
    assert world.is_extrapolated("2026-01-01")


@pytest.mark.parametrize("asked", [0.0, 0.5, 1.0])
def test_ranks_have_the_correlation_asked_for(asked):
    drawn = ranks(["a", "b"], 20_000, 7, asked)
    assert stats.spearmanr(drawn["a"], drawn["b"]).statistic == pytest.approx(asked, abs=0.02)  # 3 / sqrt(20,000)


def test_a_further_owner_leaves_the_draws_of_the_others(owners):
    few = facts.world_stock(owners[owners["owner"] != "xAI"], samples=10)
    many = facts.world_stock(owners, samples=10)
    assert (row(few, "Google", "2025-12-31") == row(many, "Google", "2025-12-31")).all()


def test_errors_that_move_together_widen_the_total(owners, world):
    together = facts.world_stock(owners, samples=SAMPLES, rank_correlation=1.0)
    assert numpy.std(together.total[-1]) > 1.5 * numpy.std(world.total[-1])


@pytest.mark.parametrize("cut", ["2024-03-31", "2024-06-30", "2024-12-31", "2025-06-30"])
def test_forecast_of_the_stock_held_the_quarters_that_came(owners, world, cut):
    known = facts.world_stock(owners[owners["as_of"] <= cut], samples=SAMPLES)
    for date in [date for date in world.dates.astype(str) if cut < date][:4]:
        low, high = numpy.quantile(known.at(date).sum(axis=0), [0.05, 0.95])
        assert low < numpy.median(world.at(date).sum(axis=0)) < high


def test_one_quarter_alone_is_carried_on_without_growth(owners):
    alone = facts.world_stock(owners[owners["as_of"] == "2025-12-31"], samples=10)
    assert (alone.at("2026-12-31") == alone.at("2025-12-31")).all()


def test_share_of_the_story_is_near_three_percent_then_and_half_a_percent_now(world):
    found = effects.share_over_time(world, 100_000, ["2024-07-09", "2025-12-31", "2026-06-30"])
    assert found["share_median"][0] == pytest.approx(0.029, abs=0.002)
    assert found["share_median"][1] == pytest.approx(100_000 / 19.52e6, rel=0.01)
    assert found["extrapolated"].tolist() == [False, False, True]
    spread = found["share_p95"] - found["share_p5"]
    assert (spread > 0).all()


def test_a_cluster_can_go_to_an_owner_or_a_new_one(xp):
    holdings = xp.array([[3.0, 1.0], [1.0, 1.0]])
    assert float(facts.add_cluster(holdings, 2.0, owner=1)[1, 0]) == 3
    grown = facts.add_cluster(holdings, xp.array([2.0, 4.0]))
    assert [float(value) for value in grown[2, ...]] == [2, 4]
    with pytest.raises(ValueError, match="0 to 1"):
        facts.add_cluster(holdings, 1.0, owner=2)


@pytest.mark.parametrize(("owner", "points"), [(0, 100.0), (1, 100.0), (None, -100.0), (None, 100.0)])
def test_size_for_a_change_of_the_hhi_solves_its_quadratic(xp, owner, points):
    holdings = numpy.asarray([50.0, 30.0, 20.0])
    found = float(facts.size_for_change(c.hhi, xp.array(holdings), points, owner))
    own = 0.0 if owner is None else holdings[owner]
    goal = (float(c.hhi(holdings)) + points) / 10_000
    total, squares = holdings.sum(), (holdings**2).sum()
    roots = numpy.roots([1 - goal, 2 * own - 2 * goal * total, squares - goal * total**2])
    expected = min(root.real for root in roots if abs(root.imag) < 1e-12 and root.real > 0)
    assert found == pytest.approx(expected, rel=1e-6)  # 30 halvings of a fifth of a decade


def test_a_change_out_of_reach_is_nan(xp):
    assert numpy.isnan(float(facts.size_for_change(c.hhi, xp.array([50.0, 50.0]), -9_000.0)))


def test_index_change_of_the_story_depends_on_the_owner(world):
    found = effects.index_change(world, 1e5, "2024-09-02", [effects.NEW_OWNER, "Oracle", "Google"]).set_index("owner")
    assert found["change_median"]["Google"] > 0 > found["change_median"]["Oracle"]
    assert found["change_median"][effects.NEW_OWNER] < found["change_median"]["Oracle"]
    with pytest.raises(ValueError, match="the table names: Google"):
        effects.index_change(world, 1e5, "2024-09-02", ["Orakel"])


def test_h100e_of_a_chip_is_by_its_best_dense_peak():
    chips = catalog.load("chips")
    assert facts.h100e_per_chip(chips, "H100-SXM") == 1
    assert facts.h100e_per_chip(chips, "A100-80") == pytest.approx(0.315, abs=0.001)
    with pytest.raises(ValueError, match="unknown chip 'H1000'"):
        facts.h100e_per_chip(chips, "H1000")


def test_counting_by_8_bit_or_by_bf16_hardly_matters_for_clusters():
    clusters, chips = catalog.load("clusters"), catalog.load("chips")
    names = {"H100": "H100-SXM", "A100": "A100-80", "Trn2": "Trainium2"}
    names |= {name: name for name in ("H200", "H800", "B200", "B300", "GB200", "GB300", "TPUv5e", "TPUv5p", "TPUv7")}
    known = clusters[clusters["chip"].isin(names) & (clusters["n_chips"] > 0) & (clusters["h100e_bf16"] > 0)]
    assert len(known) > 35
    for chip, n_chips, by_bf16 in known[["chip", "n_chips", "h100e_bf16"]].itertuples(index=False):
        assert n_chips * facts.h100e_per_chip(chips, names[chip]) == pytest.approx(by_bf16, rel=0.03)


@pytest.mark.parametrize(
    ("date", "start"), [("2024-09-02", "2.4%"), ("2021-01-01", "unknown part"), ("2026-06-30", "extended")]
)
def test_answer_says_what_is_known_at_any_date(world, date, start):
    said = effects.answer(world, 100_000, date)
    assert start in said
    assert "nan" not in said


@pytest.mark.parametrize("bad", [-0.1, 1.1, numpy.nan])
def test_impossible_correlation_is_refused(owners, bad):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        facts.world_stock(owners, samples=10, rank_correlation=bad)


def test_owner_columns_that_share_a_date_add_up_like_a_pivot(owners, world):
    owners = owners[~owners["incomplete"]]
    fixed = owners.assign(h100e_8bit_p5=numpy.nan, h100e_8bit_p95=numpy.nan)
    stock = facts.world_stock(fixed, samples=1)
    pivot = owners.pivot_table(index="as_of", columns=["owner", "chip_maker"], values="h100e_8bit_median").ffill()
    assert stock.total[:, 0] == pytest.approx(pivot.sum(axis=1).to_numpy())
    assert pd.DatetimeIndex(stock.dates).equals(pd.DatetimeIndex(pivot.index.astype("datetime64[s]")))
