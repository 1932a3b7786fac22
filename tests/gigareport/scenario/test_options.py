"""Options of one call: equal to separate calls bit for bit; every input moves an answer that it declares."""

import importlib
import math
import sys
from dataclasses import replace

import numpy
import pytest

from gigacluster.arrays import to_host
from gigacluster.uncertainty import Uncertain
from gigareport import scenario
from gigareport.scenario.record import fields_of
from gigareport.scenario.register import OwnChip

CHANGES = (
    {},
    {"rent.committed_usd_per_chip_hour": 3.5},
    {"cluster.n_chips": 50_000, "training.n_chips": 49_152},
    {"own.deliveries": [{"share": 0.5, "month": 6}, {"share": 0.3, "month": [8, 9, 12]}, {"share": 0.2, "month": 14}]},
    {"cluster.sites": [{"name": "north", "power_mw": 40, "month": 2}, {"power_mw": [30, 40, 60], "month": 20}]},
    {"cluster.sites": [{"power_mw": 80, "month": [0, 1, 3]}]},
    {"race.value_of_month_usd": [1e8, 2e8, 4e8]},
    {"horizon_months": 36},
    {"rent.kind": "hourly", "training.used_frac": 0.7},
    {"rent.kind": "reserved"},
    {"rent.kind": "followed"},
    {"rent.kind": "followed", "rent.follows": "listed"},
    {"rent.term_months": 24, "rent.ramp_months": 4},
    {"rent.term_months": 24, "rent.after_term": "stop"},
    {"rent.term_months": 24, "rent.after_term": "buy"},
    {"rent.term_months": 36, "rent.after_term": "buy", "rent.buy_usd_per_chip": [9e3, 12e3, 15e3]},
    {"own.let_from_month": 24, "own.let_usd_per_chip_hour": 2.0},
    {"training.start": "waits"},
)
#: Told beside an answer and used in none; an input that joins them needs a reason here.
COMPARED_ONLY = {"cluster.reported_power_mw", "rent.contract_usd"}
#: Inputs whose direction is not the same everywhere; why stands above their entries.
EITHER_WAY = {"reliability.size_power", "reliability.lost_frac", "own.hardware_life_months", "own.debt_frac",
              "own.debt_effective_rate_per_year", "own.equity_rate_per_year", "rent.term_months",
              "race.rival_growth_per_year"}  # fmt: skip


@pytest.fixture(scope="module")
def stories():
    return [scenario.load("xai-colossus-2024", changes=changes) for changes in CHANGES]


@pytest.fixture(scope="module")
def together(stories):
    return scenario.evaluate(stories, samples=300, device="cpu")


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_an_option_is_the_same_alone_and_among_others(number, stories, together):
    alone = scenario.evaluate(stories[number], samples=300, device="cpu")
    for name in scenario.Outlook.answers():
        ours, theirs = (to_host(getattr(outlook, name)) for outlook in (alone, together[number]))
        assert numpy.array_equal(ours, theirs, equal_nan=True)


def test_options_in_another_order_and_in_blocks_are_the_same(stories, together, monkeypatch):
    module = sys.modules["gigareport.scenario.evaluate"]  # the package's own name is the function
    monkeypatch.setattr(module, "_OPTIONS_AT_ONCE", 2)
    monkeypatch.setattr(module, "_samples_at_once", lambda *_: 70)
    turned = scenario.evaluate(stories[::-1], samples=300, device="cpu")
    for found, expected in zip(turned, together[::-1], strict=True):
        for name in scenario.Outlook.answers():
            assert numpy.array_equal(getattr(found, name), getattr(expected, name), equal_nan=True)


def test_only_answers_asked_for_are_kept(stories):
    (found,) = scenario.evaluate(stories[:1], samples=20, device="cpu", answers=("own_usd",))
    assert found.own_usd.shape == (20,)
    assert found.rent_usd.shape == (0,)
    with pytest.raises(ValueError, match="there is no answer 'profit'"):
        scenario.evaluate(stories[:1], answers=("profit",))


def test_what_is_counted_month_by_month_is_left_out_where_nobody_asks(stories, monkeypatch):
    """Rates of return, paybacks and break-even months take longer than all other answers together."""
    plan = scenario.search_plan(stories[0])
    decide = importlib.import_module("gigacluster.cost.decide")  # the package's own name is the function

    def asked(*_):
        raise RuntimeError("counted month by month")

    for name in ("_internal_rate", "first_lasting_month"):
        monkeypatch.setattr(decide, name, asked)
    kept = ("own_usd", "saving_usd", "advantage_usd", "reference_run_days")
    (found,) = scenario.evaluate(stories[:1], samples=8, device="cpu", plans=[plan], answers=kept)
    assert numpy.isfinite(found.advantage_usd).all()
    with pytest.raises(RuntimeError, match="month by month"):
        scenario.evaluate(stories[:1], samples=8, device="cpu", plans=[plan], answers=("break_even_month",))


def moved(story, path, field, value):
    """Return the story with one input at 0.8, 1.25, 0.2 and 5 times its value, as far as its limits let it."""
    entry = field.entry
    given = [getattr(value, name, value) for name in ("low", "median", "high")]
    if not math.isfinite(given[1]):  # left out: the middle of its limits
        low, high = max(entry.least, 1e-6), min(entry.most, 1e12)
        given = [math.sqrt(low * high)] * 3
    if given[1] == 0:
        given = [min(entry.most, 1.0) / 10] * 3
    for factor in (0.8, 1.25, 0.2, 5.0):
        low, median, high = (min(max(part * factor, entry.least), entry.most) for part in given)
        if field.kind == "uncertain":
            percentiles = {"low": low, "median": median, "high": high}
            limits = {"lower": entry.least, "upper": entry.most}
            yield scenario.with_value(story, path, Uncertain(**percentiles, **limits))
        else:
            yield scenario.with_value(story, path, int(median) if entry.whole else median)


def value_of(story, path):
    value = {here: found for here, _, found in scenario.leaves(story)}[path]
    return float(getattr(value, "median", value))


def influence(story, plan):
    """Return which answers each numeric input moves, and whether upwards, downwards or both."""
    cases = [
        (path, case)
        for path, field, value in scenario.leaves(story)
        if field.kind in ("uncertain", "number") and path not in NOT_A_MODEL_INPUT
        for case in moved(story, path, field, value)
    ]
    outlooks = scenario.evaluate(
        [story, *(case for _, case in cases)], samples=16, device="cpu", plans=[plan] * (len(cases) + 1)
    )
    base, found = outlooks[0], {}
    for (path, case), outlook in zip(cases, outlooks[1:], strict=True):
        before, after = (value_of(side, path) for side in (story, case))
        for name in scenario.Outlook.answers():
            change = to_host(getattr(outlook, name)) - to_host(getattr(base, name))
            change = change[~numpy.isnan(change)]
            for sign in {int(s) for s in numpy.sign(change[numpy.abs(change) > 0])}:
                signs = found.setdefault(path, {}).setdefault(name, set())
                if not math.isnan(before):  # a limit that nobody gave has no direction
                    signs.add("up" if (sign > 0) == (after > before) else "down")
    return found


#: Numbers that choose a plan, a date or a shape: the search and the calendar see them, not the arithmetic.
NOT_A_MODEL_INPUT = {"cluster.nic_gbps_per_chip", "cluster.rails", "cluster.pod_chips", "cluster.oversubscription",
                     "training.seq_len", "training.global_batch", "training.n_chips",
                     "price_year", "horizon_months",
                     *(f"cluster.own_chip.{field.name}" for field in fields_of(OwnChip))}  # fmt: skip


@pytest.fixture(scope="module")
def influences():
    found = {}
    for name in scenario.names():
        story = scenario.load(name)
        limited = {
            "reliability.failures": 300,
            "reliability.node_days": 1e5,
            "cluster.sites": tuple(
                scenario.Site(
                    name="", power_mw=Uncertain.fixed(0.45 * story.cluster.n_chips * 1.8e-3), month=Uncertain.fixed(at)
                )
                for at in (1.0, 5.0)
            ),
        }
        cases = [story]
        for path, value in limited.items():
            cases.append(scenario.with_value(cases[-1], path, value))
        cases.append(scenario.with_value(story, "cluster.n_chips", 50_000_000))  # larger than any rival known
        left = story  # a contract that is left before its end, of which not all hours are used
        for path, value in {
            "training.used_frac": 0.7,
            "rent.minimum_take_frac": 0.8,
            "rent.exit_fee_frac": 0.2,
        }.items():
            left = scenario.with_value(left, path, Uncertain.fixed(value))
        for path, months in {"rent.term_months": 30.0, "rent.leave_month": 22.0, "rent.notice_months": 3.0}.items():
            left = scenario.with_value(left, path, months)
        left = scenario.with_value(left, "own.let_from_month", 24.0)
        left = scenario.with_value(left, "own.let_usd_per_chip_hour", Uncertain.fixed(2.0))
        left = scenario.with_value(left, "own.let_frac", Uncertain.fixed(0.8))
        short = scenario.with_value(story, "rent.term_months", 12.0)
        cases += [left, short, scenario.with_value(short, "rent.after_term", "buy")]
        # The cases in which a rare input counts are those of the story; the other scenarios show directions.
        for case in (cases[0], *cases[-5:]) if name == scenario.STORY else cases[:1]:
            for path, answers in influence(case, scenario.search_plan(story)).items():
                for answer, signs in answers.items():
                    found.setdefault(path, {}).setdefault(answer, set()).update(signs)
    return found


def test_every_input_moves_an_answer_that_it_declares(influences):
    for path, field, _ in scenario.leaves(scenario.load("xai-colossus-2024")):
        if field.kind not in ("uncertain", "number") or path in NOT_A_MODEL_INPUT:
            continue
        entry = field.entry
        if entry.compared:
            assert path in COMPARED_ONLY
            assert path not in influences, f"{path} is declared as compared only and moves {list(influences[path])}"
            continue
        if path.endswith(".share"):  # shares add up to 1: one of them cannot move alone
            continue
        answer, direction = entry.moves.split()
        assert answer in influences.get(path, {}), f"{path} moves no {answer}: is it read?"
        if direction != "either":
            assert influences[path][answer] <= {direction}, f"{path} moves {answer} {influences[path][answer]}"
        else:
            assert path in EITHER_WAY, f"{path} moves {answer} either way: say why above its entry, and list it here"


def test_an_input_that_nobody_reads_is_found(influences, monkeypatch):
    """The test above fails for a field that a model accepts and forgets: taken out of the spine, it moves nothing."""
    from gigareport.scenario import spine

    real = spine.own_flows
    story = scenario.load("xai-colossus-2024")
    fixed = Uncertain.fixed(100.0)

    def forgets(inputs, *rest):
        staff = 0 * inputs.cluster.pue + 100.0
        return real(replace(inputs, own=replace(inputs.own, staff_usd_per_chip_year=staff)), *rest)

    monkeypatch.setattr(spine, "own_flows", forgets)
    case = scenario.with_value(story, "own.staff_usd_per_chip_year", fixed)
    assert "own.staff_usd_per_chip_year" in influences
    assert "own.staff_usd_per_chip_year" not in influence(case, scenario.search_plan(story))


@pytest.mark.parametrize("name", ["xai-colossus-2024", "startup-512-2025"])
def test_every_input_at_both_of_its_limits_has_answers(name):
    """At a corner a sample may lack what the outlook counts (a payback, a run that ends), never the costs."""
    story = scenario.load(name)
    plan = scenario.search_plan(story)
    corners = [
        (path, end)
        for path, field, _ in scenario.leaves(story)
        if field.kind == "uncertain" and "month" not in path[-11:]
        for end in (field.entry.least, field.entry.most)
    ]
    cases = [scenario.with_value(story, path, Uncertain.fixed(end)) for path, end in corners]
    found = scenario.evaluate(cases, samples=20, plans=[plan] * len(cases), device="cpu")
    for (path, end), outlook in zip(corners, found, strict=True):
        for answer in ("goodput_frac", "own_usd", "rent_usd", "saving_usd", "own_usd_per_useful_chip_hour"):
            missing = int(numpy.isnan(to_host(getattr(outlook, answer))).sum())
            assert missing == 0 or path in MAY_STOP_A_JOB, f"{path} = {end}: {missing} of 20 samples have no {answer}"


#: At their upper limits a job may never finish a step; the outlook counts the samples.
MAY_STOP_A_JOB = {
    "reliability.failures_per_1000_node_days",
    "reliability.restart_s",
    "reliability.checkpoint_write_s",
    "reliability.planned_stops_per_day",
}


def test_common_draws_pair_options(stories):
    dear, same = scenario.evaluate([stories[1], stories[0]], samples=200, device="cpu", answers=("own_usd",))
    assert numpy.array_equal(dear.own_usd, same.own_usd)


def test_a_network_that_is_cut_slows_down_the_step_and_pods_of_the_whole_cluster_do_not():
    base = "startup-512-2025"
    chips = scenario.load(base).cluster.n_chips

    def step_s(**network):
        story = scenario.load(base, changes={f"cluster.{name}": value for name, value in network.items()})
        return scenario.plans.search_step(story).step_time_s

    usual = step_s()
    assert step_s(pod_chips=16, oversubscription=8) > 1.02 * usual
    assert step_s(pod_chips=chips, oversubscription=8) == usual
    assert step_s(pod_chips=16) == usual


def test_rails_count_where_experts_exchange_across_servers():
    job = scenario.plans.job_of(scenario.load("gigawatt-2026", changes={"cluster.rails": 0}))
    assert job.cluster.fabric.rails is False
    assert scenario.plans.job_of(scenario.load("gigawatt-2026")).cluster.fabric.rails is True
