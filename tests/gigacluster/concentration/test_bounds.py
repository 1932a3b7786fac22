"""Bounds for owners without a name: no structure of Other can leave them, and their ends are reached."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import concentration as c
from gigacluster.concentration.bounds import with_countless

named_owners = st.lists(st.floats(1, 100), min_size=1, max_size=6)
splits = st.lists(st.floats(0.01, 1), min_size=1, max_size=30)
MEASURES = {
    "hhi": c.hhi,
    "top 1": lambda x, n=1.0: c.top_share(x, 1, n),
    "top 3": lambda x, n=1.0: c.top_share(x, 3, n),
}


@pytest.mark.parametrize("name", MEASURES)
@given(named=named_owners, other=st.floats(0, 300), parts=splits)
@settings(max_examples=60)
def test_every_way_to_split_other_lies_within_the_bounds(name, named, other, parts):
    measure = MEASURES[name]
    found = c.bounds(numpy.asarray(named), other, measure)
    split = other * numpy.asarray(parts) / sum(parts)
    value = float(measure(numpy.concatenate([named, split])))
    slack = 1e-6  # countless owners are 1e12 of them
    assert float(found.lowest) - slack <= value <= float(found.highest) + slack
    if split.max() <= min(named):
        assert value <= float(found.capped) + slack
    assert float(found.lowest) - slack <= float(found.capped) <= float(found.highest) + slack


def test_bounds_are_exact_at_both_ends(xp):
    found = c.bounds(xp.array([40.0, 20.0]), 40.0)
    assert float(found.lowest) == pytest.approx(10_000 * (0.4**2 + 0.2**2))
    assert float(found.highest) == pytest.approx(10_000 * (0.4**2 + 0.2**2 + 0.4**2))
    assert float(found.capped) == pytest.approx(10_000 * (0.4**2 + 3 * 0.2**2))


def test_a_cap_leaves_whole_owners_at_the_cap_and_one_with_the_rest(xp):
    found = c.bounds(xp.array([50.0]), 50.0, cap=20.0)
    assert float(found.capped) == pytest.approx(10_000 * (0.5**2 + 2 * 0.2**2 + 0.1**2))
    assert float(c.bounds(xp.array([50.0]), 50.0, cap=80.0).capped) == float(found.highest)


def test_without_other_the_bounds_meet_and_a_missing_sample_stays_missing(xp):
    found = c.bounds(xp.array([[3.0, numpy.nan], [1.0, 1.0]]), xp.array([0.0, 1.0]))
    values = [found.lowest, found.capped, found.highest]
    assert [float(value[0]) for value in values] == pytest.approx([6_250] * 3)
    assert all(numpy.isnan(float(value[1])) for value in values)


def test_the_lowest_bound_alone_is_the_same_number(xp):
    named, other = xp.array([[3.0, 2.0], [1.0, 1.0]]), xp.array([2.0, 4.0])
    assert float(with_countless(named, other)[1]) == float(c.bounds(named, other).lowest[1])


@given(
    before=named_owners,
    after=named_owners,
    others=st.tuples(st.floats(1, 200), st.floats(1, 200)),
    inner=st.floats(0, 1),
)
@settings(max_examples=60)
def test_change_for_any_unchanged_structure_lies_between_its_extremes(before, after, others, inner):
    found = c.hhi_change(numpy.asarray(before), others[0], numpy.asarray(after), others[1])

    def index(named, other):
        total = sum(named) + other
        return 10_000 * (sum(x**2 for x in named) + inner * other**2) / total**2

    change = index(after, others[1]) - index(before, others[0])
    ends = sorted([float(found.if_countless), float(found.if_one)])
    assert ends[0] - 1e-6 <= change <= ends[1] + 1e-6
    flips = float(found.flips_at)
    if abs(ends[0]) > 1e-3 and abs(ends[1]) > 1e-3:  # the trend turns within what Other may be, or nowhere
        assert numpy.isfinite(flips) == (ends[0] < 0 < ends[1])
        assert numpy.isnan(flips) or 0 <= flips <= 10_000
    if not numpy.isnan(flips) and abs(ends[1] - ends[0]) > 1e-3:
        inner = flips / 10_000
        assert index(after, others[1]) - index(before, others[0]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("bands", "answer"),
    [
        *[((1, 2, 3, 4), "rose"), ((3, 4, 1, 2), "fell"), ((1, 3, 2, 4), "not known")],
        *[((1, 2, 2, 3), "not known"), ((2, 3, 1, 2), "not known")],  # bands that touch
    ],
)
def test_the_sign_of_a_trend_needs_disjoint_bands(bands, answer):
    assert c.trend(*bands) == answer


def test_a_gini_of_pareto_samples_on_the_device_agrees_with_the_host(xp):
    draws = numpy.random.default_rng(7).pareto(2.5, (40, 30)) + 1
    assert float(xp.max(xp.abs(c.gini(xp.array(draws)) - xp.array(c.gini(draws))))) < 1e-12


@given(named=named_owners, other=st.floats(0, 300), nothing=st.integers(1, 3), place=st.integers(0, 6))
@settings(max_examples=60)
def test_named_owners_of_nothing_change_no_bound(named, other, nothing, place):
    more = [*named[:place], *[0.0] * nothing, *named[place:]]
    one, two = (c.bounds(numpy.asarray(owners), other) for owners in (named, more))
    for end in ("lowest", "capped", "highest"):
        assert float(getattr(two, end)) == pytest.approx(float(getattr(one, end)), rel=1e-9)


@given(named=named_owners, other=st.floats(0.1, 300), scale=st.sampled_from([1e-9, 1e-3, 1e6]), cap=st.floats(0.05, 50))
@settings(max_examples=60)
def test_bounds_and_their_change_do_not_depend_on_the_unit(named, other, scale, cap):
    # a cap that fits a whole number of times into Other may fit once less after rounding: the rest is then one more
    one, two = (c.bounds(k * numpy.asarray(named), k * other, cap=k * cap) for k in (1.0, scale))
    for end in ("lowest", "capped", "highest"):
        assert float(getattr(two, end)) == pytest.approx(float(getattr(one, end)), rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_an_index_that_moves_alike_whatever_other_is_turns_nowhere(share):
    """Other holds the same share at both dates, in quarters and halves, which a computer holds exactly."""
    before, after = [0.5 - share / 2] * 2, [0.75 - share / 2, 0.25 - share / 2]
    found = c.hhi_change(before, share, after, share)
    assert float(found.if_countless) == pytest.approx(10_000 * 2 * 0.25**2)
    assert float(found.if_one) == pytest.approx(float(found.if_countless))
    assert numpy.isnan(float(found.flips_at))


def test_a_cap_that_is_not_positive_bounds_nothing():
    found = c.bounds([[50.0] * 3], 50.0, cap=numpy.asarray([-1.0, 0.0, 20.0]))
    assert numpy.isfinite(found.capped).tolist() == [False, False, True]
    assert numpy.isfinite(found.highest).all()


def test_an_index_that_only_one_firm_would_leave_as_it_was_turns_at_a_monopoly_within():
    """A half behind no name gets one: two halves at both dates if it was one owner, 2,500 more if it was countless."""
    found = c.hhi_change([0.5], 0.5, [0.5, 0.5], 0.0)
    assert (float(found.if_one), float(found.flips_at)) == (0.0, 10_000.0)
