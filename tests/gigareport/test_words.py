"""Numbers in sentences: whatever its sign, a difference is said by a word and never by a minus."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigareport import scenario, words
from gigareport.scenario import leaves

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


@given(st.lists(dollars, min_size=3, max_size=3))
def test_whoever_marks_a_difference_has_all_its_numbers(values):
    """A page names and links what is marked: no number of a headline may stand beside it."""
    text = words.difference(*sorted(values), words.BETTER, mark=lambda numbers: "#" * len(numbers))
    assert not re.search(r"\d", text)


def test_a_difference_that_nobody_knows_is_said_to_be_unknown():
    assert words.difference(math.nan, math.nan, math.nan, words.BETTER) == "not known"


@pytest.mark.parametrize(("value", "text"), [(-1.3e6, "worse by $1.3 million"), (2e9, "better by $2.0 billion")])
def test_a_difference_alone_has_its_word(value, text):
    assert words.difference_alone(value, words.BETTER) == text


UNITS = sorted({unit for _, unit in scenario.Outlook.answers().values()})
INPUTS = sorted({field.entry.unit for _, field, _ in leaves(scenario.load(scenario.STORY)) if field.entry.unit})


def test_an_input_is_named_by_words_that_need_no_other_input_before_them():
    """Pages list inputs by what decides most, in any order."""
    meanings = {path: field.entry.meaning for path, field, _ in leaves(scenario.load(scenario.STORY))}
    leaning = re.compile(r"(?:Its?|They|Their|This|These)\b|.*\bso much of it$")
    assert {path: meaning for path, meaning in meanings.items() if leaning.match(meaning)} == {}


#: What a unit of the tables has and a reader does not say.
RAW = re.compile(r"/(?!s\b)|\(|\bUSD\b|\bper\b")


@pytest.mark.parametrize("unit", UNITS)
@given(ends=st.tuples(dollars, dollars, dollars).map(sorted))
def test_an_answer_is_said_in_words_and_not_in_the_units_of_the_tables(unit, ends):
    texts = [words.interval(*ends, unit).replace("(", "", 1), words.interval_alone(*ends, unit)]
    assert [text for text in texts if RAW.search(text)] == []


@pytest.mark.parametrize("unit", sorted({*UNITS, *INPUTS}))
def test_a_unit_is_said_in_words_and_not_as_the_tables_have_it(unit):
    assert not RAW.search(words.unit_words(unit))
