"""A plan keeps the laws that any right plan keeps, equals brute force, and says what its scenarios say."""

import datetime
import importlib
import math
from dataclasses import replace

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster.arrays import to_host
from gigacluster.uncertainty import Uncertain
from gigareport import planner, scenario, words
from gigareport.planner.base import base_of
from gigareport.planner.evaluation import Drawn, bridge_usd
from gigareport.planner.options import offered, sizes
from gigareport.planner.scores import dominated, front, margin, objective, score

#: A small grid: three chips, four sizes, all ways, orders now and three months later.
SMALL = {"chips": [{"chip": name} for name in ("A100-80", "H100-SXM", "B200")], "least_chips": 64, "most_chips": 512}
SMALL["sizes_per_doubling"] = 1
SAMPLES = 1_000
#: A hall whose power comes in two phases.
HALL = [{"name": "hall", "power_mw": 0.3, "month": 0}, {"name": "hall", "power_mw": 0.5, "month": 6}]


def planned(changes=None, **options):
    goal = planner.load("startup-2025", changes={**SMALL, **(changes or {})})
    return planner.plan(goal, **{"samples": SAMPLES, **options})


@pytest.fixture(scope="module")
def small():
    return planned()


def names(found):
    return [item.option.name for item in found]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"prefer": "soonest", "budget_usd": 3e6}, marks=pytest.mark.slow),
        pytest.param({"probability": 0.5, "afterwards": "used", "capital_usd": 2e7}, marks=pytest.mark.slow),
        {"by": "2025-07-01", "budget_usd": 1e5},  # impossible
        pytest.param({"sites": HALL}, marks=pytest.mark.slow),
    ],
    ids=["cheapest", "soonest", "used", "impossible", "sites"],
)
def test_the_front_and_the_choice_equal_brute_force_at_full_samples(changes):
    screened, everything = planned(changes), planned(changes, screen=SAMPLES)
    assert len(everything.found) == len(everything.everything) == len(screened.everything)
    assert len(screened.found) < len(everything.found)
    assert names(screened.front) == names(everything.front)
    assert (screened.best and screened.best.option) == (everything.best and everything.best.option)
    assert (screened.second and screened.second.option) == (everything.second and everything.second.option)
    if screened.best is None:
        first, other = (planner.binding(found)[:1] for found in (screened, everything))
        assert [(bind.limit, bind.needed) for bind in first] == [(bind.limit, bind.needed) for bind in other]


def test_the_choice_evaluated_as_a_scenario_gives_the_same_numbers(small, tmp_path):
    file = tmp_path / "winner.yaml"
    for number, item in enumerate([small.best, *small.front[:: max(len(small.front) // 4, 1)]]):
        planner.write_scenario(item, file)
        said = scenario.evaluate(scenario.load(file), samples=SAMPLES)
        option = item.option
        column = {
            "own": "own_usd",  # sold after the run, as the goal says
            "hourly": "rent_reference_run_usd",
            "contract": "rent_bill_usd",
            "reserved": "rent_bill_usd",
        }.get(option.way)
        if column is None:
            continue
        start = "own.deliveries.0.month" if option.way == "own" else "rent.start_month"
        months = said.inputs[start] + to_host(said.reference_run_days) * 24 / 730.5
        usd = numpy.sort(to_host(getattr(said, column)))
        place = math.ceil(small.goal.probability * SAMPLES) - 1
        assert said.plan.name == item.task.step.name, number
        assert usd[place] == pytest.approx(item.score.sure_usd, rel=1e-12)
        assert numpy.sort(months)[place] == pytest.approx(item.score.sure_months, rel=1e-12)


def test_the_months_are_those_in_which_the_scenario_itself_is_done(small):
    item = next(one for one in small.front if one.option.way == "hourly")
    said = scenario.evaluate(item.scenario, samples=SAMPLES, plans=item.task.step)
    flops = to_host(said.useful_flop_per_s) * 86_400 * to_host(said.reference_run_days)
    assert flops == pytest.approx(said.inputs["training.reference_run_flop"], rel=1e-9)


def test_more_budget_is_never_later_and_more_time_never_dearer():
    aims = {"cheapest": lambda found: found.best.score.sure_usd, "soonest": lambda found: found.best.score.sure_months}
    for prefer, limit, values in (
        ("soonest", "budget_usd", (1.5e6, 4e6, 2e7)),
        ("cheapest", "by", ("2025-08-01", "2025-10-01", "2026-12-01")),
    ):
        found = [planned({"prefer": prefer, limit: value}) for value in values]
        reached = [aims[prefer](one) for one in found if one.best]
        assert [one.best is not None for one in found] == sorted(one.best is not None for one in found)
        assert reached == sorted(reached, reverse=True)
        assert len(reached) >= 2


def test_a_cheaper_rent_never_moves_the_choice_away_from_that_rent():
    usd = Uncertain(low=1.0, median=1.5, high=2.2)
    before = None
    for factor in (1.6, 1.0, 0.5):
        price = [usd.low * factor, usd.median * factor, usd.high * factor]
        rents = [{"kind": "hourly", "chip": "H100-SXM", "usd_per_chip_hour": price}, {"kind": "hourly"}]
        now = planned({"rents": rents, "by": "2026-02-01"}).best
        is_that = now.option.chip == "H100-SXM" and now.option.way in ("hourly", "bridge")
        assert is_that or not before
        before = is_that or before
    assert before


def test_more_power_never_hurts():
    limits = {"ways": "own", "by": "2026-12-01", "budget_usd": 1e7}
    found = [
        planned({**limits, "sites": [{"name": "hall", "power_mw": [0.8 * mw, mw, 1.1 * mw], "month": 1}]})
        for mw in (0.1, 0.25, 1.0, 3.0)
    ]
    usd = [math.inf if one.best is None else one.best.score.sure_usd for one in found]
    assert usd == sorted(usd, reverse=True)
    assert math.isfinite(usd[-1])
    assert not math.isfinite(usd[0])
    first = planner.binding(found[0])
    assert first[0].limit == "power"
    assert first[0].needed > 0.1


def test_more_options_never_make_the_front_worse(small):
    fewer = planned({"chips": [{"chip": "H100-SXM"}]})
    for old in fewer.front:
        assert any(
            new.score.sure_usd <= old.score.sure_usd and new.score.sure_months <= old.score.sure_months
            for new in small.front
        )


@pytest.mark.slow
def test_the_same_from_any_number_of_workers(small):
    other = planned(executor=2)
    assert other.to_frame().equals(small.to_frame())


def test_interrupted_it_keeps_what_was_found(monkeypatch):
    module = importlib.import_module("gigareport.planner.plan")
    real, calls = module.drawn, []

    def interrupting(tasks, samples, *arguments, **options):
        calls.append(samples)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(tasks, samples, *arguments, **options)

    monkeypatch.setattr(module, "drawn", interrupting)
    found = planned()
    assert found.interrupted
    assert found.best is not None
    assert {item.option.chip for item in found.everything} == {"A100-80", "H100-SXM"}
    assert "Interrupted" in planner.answer(found)


@pytest.mark.parametrize("call", [1, 4, 5])
def test_interrupted_it_claims_no_more_than_was_looked_at(monkeypatch, call):
    module = importlib.import_module("gigareport.planner.plan")
    real, calls = module.drawn, []

    def interrupting(*arguments, **options):
        calls.append(options)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(module, "drawn", interrupting)
    found = planned()
    assert found.interrupted
    said = planner.answer(found)
    if call == 1:  # before the first chip
        assert "before any option was priced" in said
    else:  # in the second look, and in the comparison of the two best
        assert found.best is not None
        assert found.best.score.samples == (200 if call == 4 else SAMPLES)
        assert (f"again on {SAMPLES:,}" in planner.not_offered(found)) == (call == 5)


def test_of_an_owned_choice_is_said_what_becomes_of_its_chips(small):
    for afterwards in ("used", "sold"):
        said = planner.answer(planned({"ways": "own", "afterwards": afterwards, "by": "2027-12-01", "budget_usd": 1e8}))
        assert f"`afterwards: {afterwards}`" in said
    assert "afterwards" not in planner.answer(planned({"ways": "rent"}))


def test_where_several_limits_bind_the_soonest_and_the_cheapest_say_by_how_much():
    found = planned({"by": "2025-06-20", "budget_usd": 1e4})
    said = planner.answer(found)
    soonest, cheapest = found.front[0], found.front[-1]
    assert "No single limit" in said
    assert soonest.option.name in said
    assert words.usd(cheapest.score.sure_usd) in said
    assert cheapest.score.sure_usd == min(
        item.score.sure_usd for item in found.found if item.score.may_stand(found.goal)
    )


def test_what_is_not_for_sale_is_not_offered_and_told():
    found = planned({"chips": [{"chip": name} for name in ("TPUv5p", "MI355X", "H100-SXM")], "ways": "own"})
    told = dict(planner.losers(found))
    assert "not for sale" in told["TPUv5p"]
    assert "no price" in told["MI355X"].lower()
    nothing = planned({"chips": [{"chip": "TPUv5p"}], "ways": "own"})
    assert nothing.best is None
    assert "not for sale" in planner.answer(nothing)


@pytest.mark.parametrize("changes", [{"ways": "own"}, {"by": "2025-07-20", "budget_usd": 5e6, "ways": "own"}])
def test_every_number_of_an_answer_can_be_named(changes):
    found = planned(changes)
    given = {}

    def named(text, name, place):
        assert given.setdefault(name, text) == text  # one name, one text
        return "#"

    said = f"{planner.answer(found, named)} {planner.regret(found, named)}"
    assert not any(letter.isdigit() for letter in said), said
    assert f"{planner.answer(found)} {planner.regret(found)}" != said


def test_an_impossible_goal_says_which_limit_binds_first_and_by_how_much():
    found = planned({"by": "2025-07-01", "budget_usd": 1e5})
    assert found.best is None
    said = planner.answer(found)
    assert "No option reaches the goal" in said
    nearly = planned({"by": "2025-07-20", "budget_usd": 5e6, "ways": "own"})
    first = planner.binding(nearly)[0]
    assert first.limit == "by"
    day = nearly.goal.decided_on + datetime.timedelta(first.needed * 30.4375 + 1)
    mended = planned({"by": str(day), "budget_usd": 5e6, "ways": "own"})
    assert mended.best is not None


def test_waiting_for_the_next_chip_is_an_option_once_it_has_a_price():
    chips = [{"chip": "H100-SXM"}, {"chip": "VR200", "usd": [50_000, 60_000, 75_000], "available_on": "2026-07-01"}]
    found = planned({"chips": chips, "by": "2027-12-01", "ways": "own", "wait_months": 12})
    waited = [item for item in found.everything if item.option.chip == "VR200"]
    assert waited
    assert all(item.option.own_start.low >= 12.9 for item in waited)
    later = [item.option.chip_usd.median for item in waited if item.option.n_chips == 64]
    assert min(later) < max(later)


def test_a_rental_is_no_larger_than_the_largest_block_known():
    base = base_of(planner.load("startup-2025", changes={**SMALL, "most_chips": 4096, "rents": [{"kind": "hourly"}]}))
    options, refused = offered(base)
    assert max(option.n_chips for option in options if option.way == "hourly") <= 1000
    assert any("no block beyond 1,000" in item.why and item.n_options for item in refused)
    assert sizes(base.goal) == (64, 128, 256, 512, 1024, 2048, 4096)


@given(
    before=st.floats(-12, 24),
    days=st.floats(0.1, 1e5) | st.just(math.inf),
    usd=st.tuples(st.floats(1, 1e9), st.floats(1, 1e9)),
)
def test_a_run_begun_rented_and_ended_owned_costs_between_both_and_never_ends_at_any_price(before, days, usd):
    rent_usd, own_usd = usd if math.isfinite(days) else (math.inf, math.inf)
    given = [numpy.array([value]) for value in (before, days, rent_usd, own_usd)]
    (cost,) = bridge_usd(*given, sold=False)
    if math.isinf(days):
        assert cost == math.inf
    else:
        assert min(usd) * (1 - 1e-9) <= cost <= max(usd) * (1 + 1e-9)
    assert bridge_usd(*given, sold=True)[0] >= own_usd


@given(
    seed=st.integers(0, 2**32 - 1),
    widened=st.sampled_from(("by", "budget_usd", "capital_usd")),
    days=st.integers(1, 400),
    more=st.floats(1, 3),
)
@settings(max_examples=60)  # each draws eight options of 40 samples
def test_a_wider_limit_never_makes_the_choice_dearer_or_later(seed, widened, days, more):
    rng = numpy.random.default_rng(seed)
    names = ("usd", "months", "energy_mwh", "capital_usd", "rated_mw", "site_mw", "days")
    options = [Drawn(**{name: rng.lognormal(2, 0.4, 40) for name in names}) for _ in range(8)]
    tight = planner.load("startup-2025", changes={"by": "2026-03-01", "budget_usd": 12, "capital_usd": 12})
    tight = replace(tight, probability=float(rng.uniform(0.1, 0.9)))
    wide = (
        replace(tight, by=tight.by + datetime.timedelta(days))
        if widened == "by"
        else replace(tight, **{widened: 12 * more})
    )
    scores = [[score(option, goal) for option in options] for goal in (tight, wide)]
    for prefer in ("cheapest", "soonest"):
        best = [
            min(
                (objective(replace(goal, prefer=prefer), one) for one in found if one.reaches(goal)),
                default=(math.inf,),
            )
            for goal, found in zip((tight, wide), scores, strict=True)
        ]
        assert best[1] <= best[0]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_dropped_by_a_margin_is_never_on_the_front(seed):
    rng = numpy.random.default_rng(seed)
    usd, months = numpy.exp(rng.normal(size=(2, 300)))
    on_front = set(front(usd, months).tolist())
    dropped = set(numpy.flatnonzero(dominated(usd, months, margin(200, 0.9))).tolist())
    assert not on_front & dropped
    assert len(dropped) > 200
    for place in on_front:
        assert not ((usd < usd[place]) & (months <= months[place])).any()


def test_what_is_chosen_does_not_depend_on_the_limits_that_it_holds_anyway(small):
    wider = planned({"budget_usd": 1e12})
    assert replace(wider.best.score, needs={}).sure_usd == small.best.score.sure_usd
