"""Inputs out of their range: a number raises and says what is valid, an element of an array becomes nan."""

import ast
import importlib
from operator import attrgetter
from pathlib import Path

import numpy
import pytest

from gigacluster.arrays import to_host
from gigacluster.limits import (
    AT_LEAST_ONE,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_SHARE,
    SHARE,
    SHARE_BELOW_ONE,
    NonNegative,
    Positive,
    admit,
    checked,
    limits_of,
)

HELPERS = Path(__file__).resolve().parents[2] / "helpers"


def test_every_wrong_number_is_named_at_once():
    with pytest.raises(ValueError, match=r"pue must be 1 or more, got 0\.9; load must be from 0 to 1, got 2"):
        admit({"pue": 0.9, "load": 2, "n": 5}, {"pue": AT_LEAST_ONE, "load": SHARE, "n": POSITIVE})


def test_wrong_elements_become_nan_and_are_counted(xp):
    _, named, valid = admit({"load": xp.array([0.5, -1.0, 2.0]), "pue": 1.2}, {"load": SHARE, "pue": AT_LEAST_ONE})
    assert numpy.isnan(to_host(named["load"])).tolist() == [False, True, True]
    assert to_host(valid).tolist() == [True, False, False]
    assert float(named["pue"]) == 1.2


def test_inputs_are_left_as_they_were(xp):
    values = xp.array([0.5, -1.0])
    admit({"load": values}, {"load": SHARE})
    assert to_host(values).tolist() == [0.5, -1.0]


@pytest.mark.parametrize(
    ("limit", "inside", "outside"),
    [
        (POSITIVE, [1e-300, 5.0], [0.0, -1.0, numpy.inf, numpy.nan]),
        (NON_NEGATIVE, [0.0, 5.0], [-1e-300, numpy.inf, numpy.nan]),
        (AT_LEAST_ONE, [1.0, 5.0], [0.999, numpy.inf, numpy.nan]),
        (SHARE, [0.0, 1.0], [-0.1, 1.1, numpy.nan]),
        (SHARE_BELOW_ONE, [0.0, 0.99], [1.0, numpy.nan]),
        (POSITIVE_SHARE, [0.01, 1.0], [0.0, 1.1, numpy.nan]),
    ],
    ids=lambda value: getattr(value, "words", None),
)
def test_ends_of_ranges(limit, inside, outside):
    assert limit.holds(numpy.asarray(inside)).all()
    assert not limit.holds(numpy.asarray(outside)).any()


def test_numbers_alone_have_one_verdict():
    _, _, valid = admit({"load": 0.5}, {"load": SHARE})
    assert valid.shape == ()
    assert bool(valid)


@pytest.mark.parametrize("value", ["cheap", "5", None, [1.0, 2.0], 1j])
@pytest.mark.parametrize("limits", [{"price": POSITIVE}, {}], ids=["limited", "free"])
def test_what_is_neither_number_nor_array_is_refused_by_name(value, limits):
    with pytest.raises(ValueError, match=r"price must be a number or an array of numbers, got .*; pue must be 1"):
        admit({"price": value, "pue": 0.5}, limits | {"pue": AT_LEAST_ONE})


def paid(months: Positive, fee: float, rent: NonNegative | None = None):
    return checked(paid, months, 0.0 if rent is None else rent)[1]


def test_a_signature_says_the_limits_of_its_parameters_in_their_order():
    assert limits_of(paid) == {"months": POSITIVE, "rent": NON_NEGATIVE}
    with pytest.raises(ValueError, match="months must be above 0, got 0; rent must be 0 or more, got -1"):
        paid(0, 5.0, -1)
    with pytest.raises(ValueError, match="shorter"):
        checked(paid, 1.0)


def calls_of_checked():
    for file in HELPERS.rglob("*.py"):
        module = ".".join(file.relative_to(HELPERS).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "checked"):
                continue
            given = [one for part in node.args[1:] for one in (part.value.elts if starred(part) else [part])]
            if any(isinstance(one, ast.Starred) for one in given):  # handed on as they came
                continue
            names = [getattr(one, "id", None) for one in given]
            yield pytest.param(module, ast.unparse(node.args[0]), names, id=f"{module}:{node.lineno}")


def starred(part):
    return isinstance(part, ast.Starred) and isinstance(part.value, ast.Tuple)


@pytest.mark.parametrize(("module", "function", "names"), list(calls_of_checked()))
def test_what_is_checked_stands_in_the_order_of_the_signature(module, function, names):
    """Values go by their place: one in another's place would be held to another's limit."""
    limits = limits_of(attrgetter(function)(importlib.import_module(module)))
    assert len(names) == len(limits)
    assert all(given is None or given not in limits or given == name for given, name in zip(names, limits, strict=True))
