"""Numbers in sentences: whatever its sign, a difference is said by a word and never by a minus."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigareport import words

SAID = [words.BETTER, words.CHEAPER, words.SAVES, words.EARLIER]
dollars = st.floats(-1e13, 1e13).filter(lambda value: value == 0 or abs(value) > 1e-3)


@given(st.lists(dollars, min_size=3, max_size=3), st.sampled_from(SAID), st.sampled_from(["USD", "month"]))
def test_a_difference_is_said_without_a_minus_by_the_word_of_its_sign(values, said, unit):
    low, median, high = sorted(values)
    text = words.difference(low, median, high, said, unit=unit)
    assert "-" not in text
    form = said.behind if median < 0 else said.ahead
    if low < 0 < high:
        worse, better = (words.quantity(abs(end), unit) for end in (low, high))
        ends = f"{said.behind_end.format(worse)} to {said.ahead_end.format(better)}"
        assert text == f"{form.format(words.quantity(abs(median), unit))} ({ends})"
    else:
        smallest, largest = sorted((abs(low), abs(high)))
        assert text == form.format(words.interval(smallest, abs(median), largest, unit))


def test_a_difference_that_nobody_knows_is_said_to_be_unknown():
    assert words.difference(math.nan, math.nan, math.nan, words.BETTER) == "not known"


@pytest.mark.parametrize(("value", "text"), [(-1.3e6, "worse by $1.3 million"), (2e9, "better by $2.0 billion")])
def test_a_difference_alone_has_its_word(value, text):
    assert words.difference_alone(value, words.BETTER) == text
