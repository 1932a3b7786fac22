"""Text by the kind of its field: what people write, and what only looks like a number."""

import datetime
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from gigareport import facts, fields, scenario
from gigareport.fields import Fault


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_that_python_prints_is_read_back_or_is_one_that_reads_two_ways(value):
    assert fields.number(repr(value)) == value


@given(st.integers(-(10**15), 10**15))
def test_whole_numbers_are_read_in_one_piece_and_in_groups(value):
    assert fields.number(str(value), whole=True) == value
    assert fields.number(f"{value:_}", whole=True) == value


@given(st.text(max_size=300))
def test_any_text_gives_a_finite_number_or_a_short_fault_on_one_line(text):
    said = None
    try:
        value = fields.number(text, unit="USD")
    except Fault as fault:
        said = str(fault)
    assert math.isfinite(value) if said is None else len(said) < 400 and said.isprintable()


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("25.000", "write 25 or 25000"),
        ("1.000.000", "write 1 or 1000000"),
        ("025000", "write 25000"),
        ("-007", "write 7"),
        ("25,000", "without commas: 25000"),
        ("8:32", "not a number"),
        ("0x200", "not a number"),
        ("0o17", "not a number"),
        ("true", "not a number"),
        ("yes", "not a number"),
        ("1_0", "not a number"),
        ("٣", "not a number"),
        ("", "not a number"),
        (".inf", "not a number"),
        ("nan", "not a number"),
        ("9" * 400, "too large"),
        ("1e300", "too large to be counted exactly"),
        ("0" * 400, "begins with a zero"),
        ("1,000" * 100, "not a number"),
        ("181 MW", "in chips, without the unit's name"),
        ("0.5", "give a whole number"),
        ("-3", "at least 1 chips; got -3: is the unit right?"),
    ],
)
def test_what_only_looks_like_a_number_is_a_fault_with_a_remedy(text, remedy):
    with pytest.raises(Fault) as caught:
        fields.number(text, unit="chips", least=1, whole=True)
    assert remedy in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"least": 0, "most": 1}, "must be within 0 and 1; got -3"),
        ({"above": 0}, "must be above 0; got -3"),
        ({"above": 0, "most": 9}, "must be above 0 and at most 9; got -3"),
        ({"most": -4}, "must be at most -4; got -3"),
    ],
)
def test_limits_are_named(limits, said):
    with pytest.raises(Fault) as caught:
        fields.number("-3", **limits)
    assert str(caught.value) == said


@given(st.dates())
def test_a_day_is_read_back(day):
    assert fields.date(day.isoformat()) == day


@pytest.mark.parametrize("text", ["2025-02-30", "1720483200", "July", "2024-7-9", "2024-07", "7/9/2024", "20240709"])
def test_what_is_no_day_is_a_fault(text):
    with pytest.raises(Fault, match="got"):
        fields.date(text)


@pytest.mark.parametrize(("text", "day"), [("7/9/2024", "2024-07-09"), ("2024-07", "2024-07-01")])
def test_days_of_published_files_are_read_where_asked_for(text, day):
    assert fields.date(text, published=True) == datetime.date.fromisoformat(day)


def test_a_day_outside_the_data_names_the_range():
    with pytest.raises(Fault, match="give a day from 2015-01-01"):
        fields.date("2014-01-01", least=datetime.date(2015, 1, 1), most=datetime.date(2040, 1, 1))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("h100-sxm", "H100-SXM"),
        ("H100_SXM", "H100-SXM"),
        ("H100-SMX", "H100-SXM"),
        ("TPU v9", None),
        ("x" * 100_000, None),
        ("", None),
    ],
)
def test_only_a_near_name_is_offered(name, nearest):
    assert fields.near(name, ["H100-TT", "H100-SXM", "B200", "MI300X"]) == nearest


def test_a_choice_lists_what_is_allowed_and_a_named_one_offers_the_nearest():
    with pytest.raises(Fault, match="must be 'a', 'b' or 'c'; got 'd'"):
        fields.choice("d", "abc")
    with pytest.raises(Fault, match="must be 'a'; got 'd'"):
        fields.choice("d", "a")
    with pytest.raises(Fault, match="there is no chip 'h200'; did you mean 'H200'"):
        fields.choice("h200", ["H200"], what="chip")
    assert fields.choice(" a ", "abc") == "a"


def test_words_flags_and_identifiers():
    assert fields.text(" a b ") == "a b"
    assert fields.flag("True")
    assert not fields.flag("false")
    assert fields.identifier("llama3.1-405b") == "llama3.1-405b"
    for read, said in ((fields.text, " "), (fields.flag, "1"), (fields.identifier, "My Cluster")):
        with pytest.raises(Fault):
            read(said)


@given(st.text(max_size=50), st.lists(st.text(max_size=3_000), min_size=1, max_size=60))
def test_a_message_is_short_and_steers_no_terminal(heading, faults):
    said = fields.message(heading, faults)
    assert len(said) < 2_000
    assert said.replace("\n", "").isprintable()
    assert said.count("\n") >= 1


def test_a_notebook_shows_the_message_of_every_fault_of_a_user_alone():
    """And no calls: whoever changed a line of the first cell wrote none of them."""
    shell = InteractiveShell()
    faults = _subclasses(fields.ToldError)
    assert {"ScenarioError", "CatalogError", "Fault"} <= {fault.__name__ for fault in faults}
    for fault in faults:
        shell.push({"fault": fault})
        with capture_output() as shown:
            shell.run_cell("def load():\n    raise fault('own.chip_usd: got 26k; give a number')\nload()")
        assert shown.stdout == f"{fault.__name__}: own.chip_usd: got 26k; give a number\n"


def _subclasses(of):
    return {one for below in of.__subclasses__() for one in {below, *_subclasses(below)}}


@pytest.mark.parametrize(
    ("samples", "seed", "told"),
    [
        (0, 7, "samples: got 0; give a whole number of at least 1"),
        ("200", 7, "samples: got '200'; give"),
        (1e4, 7, "samples: got 10000.0; give"),
        (True, 7, "samples: got True; give"),
        (200, -1, "seed: got -1; give a whole number of at least 0"),
        (200, 1.5, "seed: got 1.5; give"),
    ],
)
@pytest.mark.parametrize("draw", [lambda **given: scenario.evaluate(scenario.load(), **given), facts.load_stock])
def test_samples_and_a_seed_that_are_none_are_told_before_anything_is_drawn(draw, samples, seed, told):
    with pytest.raises(fields.Fault, match=re.escape(told)):
        draw(samples=samples, seed=seed)


@pytest.mark.parametrize(("device", "told"), [("gpu", "can be 'auto', 'cpu' or 'cuda'"), ("cuda", "no GPU answers")])
def test_a_device_that_is_none_is_told_as_a_fault_of_the_user(device, told, monkeypatch):
    monkeypatch.setattr("gigacluster.arrays._gpu_fault", lambda: "no GPU answers")
    with pytest.raises(fields.Fault, match=told):
        scenario.evaluate(scenario.load(), samples=10, device=device)
