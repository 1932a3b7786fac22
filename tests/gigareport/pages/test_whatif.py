"""The page that recomputes: its record gives the models' own answers, whatever a reader changes."""

import numpy
import pytest

from gigacluster.trace import replay
from gigareport import scenario, whatif

SAMPLES = 40


@pytest.fixture(scope="module", params=["xai-colossus-2024", "startup-512-2025"])
def made(request):
    return whatif.whatif_of(scenario.load(request.param), samples=SAMPLES)


def random_changes(made, rng):
    """Some inputs moved at once, each anywhere within a quarter and four times its median and its limits."""
    changes = {}
    for path in rng.choice(list(made.medians), size=rng.integers(1, 6), replace=False):
        least, most = made.limits(path)
        value = made.medians[path] * float(numpy.exp(rng.uniform(-1.4, 1.4)))
        changes[str(path)] = float(min(max(value, least), most))
    if whatif.HORIZON in changes:
        changes[whatif.HORIZON] = round(changes[whatif.HORIZON])
    return changes


def replayed(made, changes, swap=0):
    given = made.changed(changes, swap)
    given["market"] = given["market"][: int(given[whatif.HORIZON]) + 1]
    return replay(made.record, given)


def test_the_record_gives_the_models_answers_bit_for_bit_for_random_changes(made):
    rng = numpy.random.default_rng(1)
    for _ in range(12):
        changes, swap = random_changes(made, rng), int(rng.integers(len(made.swaps)))
        wanted, got = made.answers(changes, swap), replayed(made, changes, swap)
        for name, values in wanted.items():
            numpy.testing.assert_array_equal(
                numpy.broadcast_to(got[name], SAMPLES), values, err_msg=f"{name} {changes}"
            )


def test_without_changes_the_answers_are_those_of_evaluate(made):
    """In single precision, as a page carries its samples: one part in 10^7, which differences can enlarge."""
    wanted = scenario.evaluate(scenario.load(made.story.name), samples=SAMPLES, plans=made.plan, device="cpu")
    for name in ("own_usd", "rent_usd", "goodput_frac", "reference_run_days", "share_of_world", "months_gained"):
        numpy.testing.assert_allclose(made.answers({})[name], getattr(wanted, name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changes", [{"own.pue": 0.5}, {"own.chip": 3.0}, {"horizon_months": 10_000.0}])
def test_a_change_out_of_range_or_of_nothing_is_refused_with_what_is_allowed(made, changes):
    with pytest.raises(ValueError, match=r"must lie in|can be moved; there are"):
        made.changed(changes)


def test_a_changed_median_takes_its_samples_along_within_its_limits(made):
    path = "training.used_frac"
    before, after = made.samples[path], made.changed({path: 1.0})[path]
    assert numpy.median(after) >= numpy.median(before)
    assert after.max() <= 1.0


def test_the_page_stays_small(made):
    assert len(made.record.needed()) <= 2000
    assert len(made.script()) < 45_000  # two functions: all answers, and the saving alone for the map


def test_another_chip_or_number_gives_what_its_own_scenario_gives(made):
    """Medians alone: the page keeps the shape of the intervals, which moves a cost by a few per cent, a day by more."""
    assert {swap.n_chips // made.swaps[0].n_chips for swap in made.swaps} >= {1, 2}
    assert len({swap.chip for swap in made.swaps}) >= 4
    for place, swap in enumerate(made.swaps):
        wanted = scenario.evaluate(swap.story, samples=SAMPLES, plans=swap.plan, device="cpu")
        got = made.answers({}, place)
        for name, part in (("own_usd", 0.05), ("goodput_frac", 0.05), ("share_of_world", 1e-4), ("run_flop", 0.15)):
            ours, theirs = (float(numpy.nanmedian(values)) for values in (got[name], getattr(wanted, name)))
            assert ours == pytest.approx(theirs, rel=part), (swap.key, name)


def test_the_inputs_that_go_most_with_an_answer_move_it_and_none_goes_with_what_never_moves(made):
    found = made.strongest()
    assert found["saving_usd"][0] == "rent.committed_usd_per_chip_hour"
    assert found["idle_chips"] == []  # power limits nothing here
    before = made.answers({})
    for answer in ("own_usd", "goodput_frac", "month_worth_usd"):
        for path in found[answer]:
            after = made.answers({path: 1.2 * made.medians[path]})
            assert numpy.nanmedian(after[answer]) != numpy.nanmedian(before[answer]), (answer, path)
