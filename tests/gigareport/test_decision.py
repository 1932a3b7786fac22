"""Kinds of rent a file can name, three clusters that planners bring, and the decision as a map."""

import numpy
import pytest

from gigacluster import cost
from gigacluster.arrays import to_host
from gigareport import catalog, decision, scenario

STORY = scenario.load("xai-colossus-2024")

#: What a planner would type, beside the fields of a bundled file.
HOURLY_H200 = """
name: hourly-h200
title: Train by the hour on 1,024 H200, or own them?
decided_on: 2025-06-01
price_year: 2025
horizon_months: 24
cluster: {chip: H200, n_chips: 1024, it_power_w_per_chip: 1450}
training: {model: llama2-70b, seq_len: 4096, global_batch: 1024, used_frac: 0.7}
own: {deliveries: [{share: 1, month: 4}], chip_usd: [27000, 31000, 36000], server_usd_per_chip: 8000}
rent: {kind: hourly, committed_usd_per_chip_hour: [2.5, 3.2, 4.0], start_month: 0.5}
"""
MI300X = """
name: mi300x-16k
title: What would 16,384 MI300X cost?
decided_on: 2025-01-15
price_year: 2025
cluster: {chip: MI300X, n_chips: 16384, it_power_w_per_chip: 1500, nic_gbps_per_chip: 400}
training: {model: llama3.1-405b, seq_len: 8192, global_batch: 2048}
own: {deliveries: [{share: 1, month: [4, 6, 9]}], chip_usd: [12000, 15000, 20000], server_usd_per_chip: 7000}
rent: {committed_usd_per_chip_hour: [1.6, 2.0, 2.6], term_months: 24, start_month: 3}
"""
GB300_TWO_SITES = """
name: gb300-two-sites
title: 50,000 GB300 on two sites, or a contract of take or pay?
decided_on: 2026-01-15
price_year: 2026
horizon_months: 60
cluster:
  chip: GB300
  n_chips: 50000
  it_power_w_per_chip: [1900, 2100, 2400]
  sites: [{name: first, power_mw: 56, month: 6}, {name: second, power_mw: 84, month: 14}]
  nic_gbps_per_chip: 800
training: {model: deepseek-v3, n_chips: 49152, seq_len: 4096, global_batch: 12288, precision: fp8}
own:
  deliveries: [{share: 0.4, month: 6}, {share: 0.6, month: 12}]
  chip_usd: [38000, 45000, 55000]
  server_usd_per_chip: 6000
rent:
  committed_usd_per_chip_hour: [4.0, 5.0, 6.0]
  term_months: 36
  minimum_take_frac: 0.8
  prepaid_frac: 0.2
  ramp_months: 6
  start_month: [4, 8, 12]
"""


@pytest.fixture(scope="module")
def outlook():
    return scenario.evaluate(STORY, samples=1_000, device="cpu")


@pytest.mark.parametrize("text", [HOURLY_H200, MI300X, GB300_TWO_SITES])
def test_clusters_that_planners_bring_have_answers(text, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    story = scenario.load(file)
    found = scenario.evaluate(story, samples=200, device="cpu")
    for answer in ("own_usd", "rent_usd", "saving_usd", "advantage_usd", "own_net_usd", "rent_net_usd"):
        assert numpy.isfinite(to_host(getattr(found, answer))).all(), answer
    kinds = decision.by_kind(found, samples=200)
    assert kinds["cheaper_frac"].between(0, 1).all()
    assert decision.price_map(found, samples=100, prices=5, terms=3).better_frac.shape == (3, 5)


def test_chips_wait_for_the_power_of_the_second_site(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(GB300_TWO_SITES)
    found = scenario.evaluate(scenario.load(file), samples=100, device="cpu")
    # 56 MW of the first site run 21,000 of the 50,000 that stand from month 12 on, until month 14
    assert numpy.median(to_host(found.idle_chips)) == pytest.approx(50_000 - 56e6 / (2_100 * 1.25), rel=0.1)


def rental(**changes):
    return scenario.load("xai-colossus-2024", changes={f"rent.{name}": value for name, value in changes.items()})


@pytest.mark.parametrize("kind", ["contract", "reserved", "hourly"])
def test_a_dearer_rent_never_helps_renting_of_any_kind(kind):
    cheap, dear = scenario.evaluate(
        [rental(kind=kind, committed_usd_per_chip_hour=usd, term_months=24) for usd in (2.0, 3.0)],
        samples=100,
        device="cpu",
    )
    assert numpy.all(to_host(dear.rent_net_usd) < to_host(cheap.rent_net_usd))
    assert numpy.all(to_host(dear.saving_usd) > to_host(cheap.saving_usd))


def test_rents_that_followed_do_not_depend_on_the_price_of_the_file():
    low, high = scenario.evaluate(
        [rental(kind="followed", committed_usd_per_chip_hour=usd) for usd in (2.0, 4.0)], samples=50, device="cpu"
    )
    assert to_host(low.rent_usd) == pytest.approx(to_host(high.rent_usd), rel=1e-12)


def test_hours_that_are_not_used_are_paid_under_a_contract_and_not_by_the_hour():
    def bill(used, **rent):
        changes = {"training.used_frac": used} | {f"rent.{name}": value for name, value in rent.items()}
        story = scenario.load("xai-colossus-2024", changes=changes)
        return to_host(scenario.evaluate(story, samples=50, device="cpu").rent_bill_usd)

    assert bill(0.6) == pytest.approx(bill(1.0), rel=1e-12)
    assert bill(0.6, minimum_take_frac=0.8) == pytest.approx(0.8 * bill(1.0), rel=1e-12)
    assert bill(0.6, kind="hourly") == pytest.approx(0.6 * bill(1.0, kind="hourly"), rel=1e-12)
    assert bill(0.6, kind="reserved") == pytest.approx(bill(1.0, kind="reserved"), rel=1e-12)


def test_the_map_agrees_with_single_evaluations(outlook):
    found = decision.price_map(outlook, prices=9, terms=3, samples=300)
    for term, price in ((0, 2), (1, 5), (2, 8)):
        months, usd = float(found.term_months[term]), float(found.usd_per_chip_hour[price])
        story = rental(term_months=months)
        given = {name: values[:300] for name, values in outlook.inputs.items()}
        market = given["rent.committed_usd_per_chip_hour"]
        # the market goes on from the scenario's price, whatever the contract's
        given |= {"rent.committed_usd_per_chip_hour": numpy.full(300, usd), "rent.renewal_usd_per_chip_hour": market}
        flows = scenario.cash_flows(story, given, to_host(outlook.goodput_frac)[:300])
        saving = cost.decide(*flows, usd_per_useful_chip_hour=0.0).same_work_usd
        assert found.saving_usd[term, price] == pytest.approx(numpy.median(saving), rel=1e-9)
        assert found.better_frac[term, price] == pytest.approx(numpy.mean(saving > 0))


def test_own_gets_better_with_the_price_at_every_term(outlook):
    found = decision.price_map(outlook, samples=200)
    assert numpy.all(numpy.diff(found.better_frac, axis=1) >= 0)
    assert numpy.all(numpy.diff(found.parity_usd, axis=0) >= 0)


def test_unused_hours_raise_the_rent_that_owning_beats(outlook):
    parity = decision.use_parity_usd(outlook, numpy.asarray([0.4, 0.7, 1.0]))
    assert numpy.all(numpy.diff(parity, axis=1) < 0)
    assert parity[1, 0] == pytest.approx(parity[1, 2] / 0.4)


def test_a_kind_that_never_held_so_many_chips_is_a_benchmark(outlook):
    kinds = decision.by_kind(outlook, samples=200).set_index("against")
    assert not kinds["is_benchmark"].iloc[0]
    assert kinds.loc[kinds.index.str.startswith("by the hour"), "is_benchmark"].all()


def test_landlord_at_its_own_cost_earns_its_cost_of_capital(outlook):
    cost_usd = decision.landlord(outlook, [2.0], samples=300)["cost_usd_per_chip_hour"].iloc[0]
    found = decision.landlord(outlook, [cost_usd, 2 * cost_usd], samples=300)
    rate = 0.6 * 0.11 + 0.4 * 0.15  # the medians of the cost of capital
    assert found["return_median"].iloc[0] == pytest.approx(rate, abs=0.02)
    assert found["return_median"].iloc[1] > found["return_median"].iloc[0]


def test_blocks_of_chips_grow_with_time():
    table = catalog.load("rent_kinds").sort_values("as_of")
    assert table.groupby("kind")["obtainable_chips"].apply(lambda chips: chips.is_monotonic_increasing).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rent.term_months": 60}, "got 60 months, beyond horizon_months=48"),
        ({"rent.leave_month": 10}, "the rented chips may start in month 14; leave later"),
        ({"rent.kind": "hourlyy"}, "must be 'contract', 'reserved', 'hourly' or 'followed'"),
        ({"rent.kind": "followed", "cluster.chip": "B200"}, "no rents of B200 were quoted after 2024-07-09"),
        ({"training.used_frac": 0}, "training.used_frac: must be within 0.01 and 1"),
    ],
)
def test_impossible_rents_are_refused_with_what_to_do(changes, said):
    with pytest.raises(scenario.ScenarioError) as caught:
        scenario.load("xai-colossus-2024", changes=changes)
    assert said in str(caught.value)
