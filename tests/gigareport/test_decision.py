"""Kinds of rent a file can name, three clusters that planners bring, and the decision as a map."""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy
import pytest

from gigacluster import cost
from gigacluster.arrays import to_host
from gigacluster.uncertainty import Uncertain
from gigareport import catalog, decision, scenario

STORY = scenario.load("xai-colossus-2024")

#: What planners would write from the README and the page of inputs.
PLANNERS = sorted((Path(__file__).parent / "planners").glob("*.yaml"))


@pytest.fixture(scope="module")
def outlook():
    return scenario.evaluate(STORY, samples=1_000, device="cpu")


@pytest.fixture(scope="module", params=PLANNERS, ids=lambda file: file.stem)
def planned(request):
    story = scenario.load(request.param)
    return story, scenario.search_plan(story)


def test_clusters_that_planners_bring_have_answers(planned):
    story, plan = planned
    found = scenario.evaluate(story, samples=200, device="cpu", plans=plan)
    for answer in ("own_usd", "rent_usd", "saving_usd", "advantage_usd", "own_net_usd", "rent_net_usd"):
        assert numpy.isfinite(to_host(getattr(found, answer))).all(), answer
    kinds = decision.by_kind(found, samples=200)
    assert kinds["cheaper_frac"].between(0, 1).all()
    assert decision.price_map(found, samples=100, prices=5, terms=3).better_frac.shape == (3, 5)
    assert scenario.slips(story) == []
    assert scenario.taken(story)  # what the tables know of the chip, in words


#: Every kind of rent, and every way to go on after a term.
RENTS = (
    {"kind": "contract", "term_months": math.inf},
    {"kind": "contract", "term_months": 12.0, "after_term": "renew"},
    {"kind": "contract", "term_months": 12.0, "after_term": "stop"},
    {"kind": "contract", "term_months": 12.0, "after_term": "buy"},
    {"kind": "reserved"},
    {"kind": "hourly"},
)


def with_rent(story, **values):
    plain = {"kind": "contract", "term_months": math.inf, "after_term": "renew"}
    for name, value in (plain | values).items():
        story = scenario.with_value(story, f"rent.{name}", value)
    return story


@pytest.mark.parametrize("rent", RENTS, ids=lambda rent: " ".join(map(str, rent.values())))
def test_the_properties_of_a_true_headline_hold_for_every_kind_of_rent(planned, rent):
    story, plan = planned
    price, worth = story.rent.committed_usd_per_chip_hour.median, "race.value_of_month_usd"
    cheap, dear = (
        with_rent(story, committed_usd_per_chip_hour=Uncertain.fixed(price * by), **rent) for by in (1.0, 1.3)
    )
    first = dict(rent, committed_usd_per_chip_hour=Uncertain.fixed(price))
    none = scenario.with_value(with_rent(story, **first), worth, Uncertain.fixed(0.0))
    much = scenario.with_value(with_rent(story, **first), worth, Uncertain.fixed(1e9))
    few = with_rent(scenario.with_value(story, "training.used_frac", Uncertain.fixed(0.4)), **first)
    found = scenario.evaluate([cheap, dear, none, much, few], samples=40, plans=[plan] * 5, device="cpu")
    usd = [{name: to_host(getattr(one, name)) for name in ("saving_usd", "rent_net_usd", "own_net_usd", "own_usd",
            "rent_bill_usd", "advantage_usd")} for one in found]  # fmt: skip
    assert numpy.all(usd[1]["rent_net_usd"] < usd[0]["rent_net_usd"])  # a dearer rent never helps renting
    assert numpy.all(usd[1]["saving_usd"] > usd[0]["saving_usd"])
    assert usd[1]["own_usd"] == pytest.approx(usd[0]["own_usd"], rel=1e-12)
    # a worth of time moves what each choice is worth, never what the same work costs
    assert usd[3]["saving_usd"] == pytest.approx(usd[2]["saving_usd"], rel=1e-12)
    assert numpy.all(usd[3]["own_net_usd"] > usd[2]["own_net_usd"])
    # worth nothing, the two choices differ by their bills
    scale = numpy.abs(usd[2]["rent_bill_usd"]) + numpy.abs(usd[2]["own_usd"])
    bills = usd[2]["rent_bill_usd"] - usd[2]["own_usd"]
    assert numpy.all(numpy.abs(usd[2]["advantage_usd"] - bills) <= 1e-9 * scale)
    # hours that are not used are never dearer than used ones
    assert numpy.all(usd[4]["rent_bill_usd"] <= usd[0]["rent_bill_usd"] * (1 + 1e-9))


def test_chips_wait_for_the_power_of_the_second_site():
    story = scenario.load(Path(__file__).parent / "planners" / "gb300-two-sites.yaml")
    found = scenario.evaluate(story, samples=200, device="cpu")
    it_w, pue = (numpy.median(found.inputs[f"cluster.{name}"]) for name in ("it_power_w_per_chip", "pue"))
    # 56 MW of the first site run so many of the 50,000 that stand from month 12 on, until the second has power
    assert numpy.median(to_host(found.idle_chips)) == pytest.approx(50_000 - 56e6 / (it_w * pue), rel=0.1)


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
    """By the hour: more used hours make owning better at each rent, and so does a dearer rent at each share of them."""
    chart = decision.draw_use(outlook, prices=12, samples=200)
    plt.close(chart.fig)
    (table,) = chart.tables
    grid = table.pivot_table(index=decision.HOUR, columns=decision.USED, values="cheaper_frac").to_numpy()
    assert numpy.all(numpy.diff(grid, axis=0) >= 0)
    assert numpy.all(numpy.diff(grid, axis=1) >= 0)
    assert grid.min() == 0
    assert grid.max() == 1


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
        ({"rent.kind": "followed", "cluster.chip": "H200"}, "as contracts; give rent.follows: listed or marketplace"),
        ({"training.used_frac": 0}, "training.used_frac: must be within 0.01 and 1"),
    ],
)
def test_impossible_rents_are_refused_with_what_to_do(changes, said):
    with pytest.raises(scenario.ScenarioError) as caught:
        scenario.load("xai-colossus-2024", changes=changes)
    assert said in str(caught.value)
