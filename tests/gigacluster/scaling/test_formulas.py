"""Every law against its formula as its authors print it, and in the centred units of a fit."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import scaling
from gigacluster.scaling.derivatives import JetOperations
from gigacluster.scaling.law import get_law

numbers = st.integers(0, 2**32 - 1).map(numpy.random.default_rng)


def data_constrained(p, x):
    N, D, U = x["params"], x["tokens"], numpy.minimum(x["tokens"], x["unique_tokens"])
    # At the optimum alpha A / N^alpha = beta B / D^beta: the parameters that U tokens can use.
    useful = numpy.minimum(N, (p["alpha"] * p["A"] / (p["beta"] * p["B"]) * U ** p["beta"]) ** (1 / p["alpha"]))
    tokens = U * (1 + p["R_D*"] * (1 - numpy.exp(-(D / U - 1) / p["R_D*"])))
    params = useful * (1 + p["R_N*"] * (1 - numpy.exp(-(N / useful - 1) / p["R_N*"])))
    return p["E"] + p["A"] / params ** p["alpha"] + p["B"] / tokens ** p["beta"]


def routing(p, x):
    effective = 1 / (1 / (x["experts"] - 1 + 1 / (1 / p["E_start"] - 1 / p["E_max"])) + 1 / p["E_max"])
    lg_params, lg_experts = numpy.log10(x["params"]), numpy.log10(effective)
    return 10 ** (p["a"] * lg_params + p["b"] * lg_experts + p["c"] * lg_params * lg_experts + p["d"])


def overtraining(p, x):
    ratio, flop = x["tokens"] / x["params"], 6 * x["params"] * x["tokens"]
    return p["E"] + (p["a"] * ratio ** p["eta"] + p["b"] * ratio ** -p["eta"]) * flop ** -p["eta"]


#: The formula, and parameters around those published, in the order of the law's symbols.
PRINTED = {
    "chinchilla": (
        lambda p, x: p["E"] + p["A"] / x["params"] ** p["alpha"] + p["B"] / x["tokens"] ** p["beta"],
        (406.4, 410.7, 1.69, 0.34, 0.28),
    ),
    "chinchilla-tied": (
        lambda p, x: p["E"] + p["A"] / x["params"] ** p["alpha"] + p["B"] / x["tokens"] ** p["alpha"],
        (406.4, 410.7, 1.69, 0.31),
    ),
    "kaplan": (
        lambda p, x: (
            ((p["N_c"] / x["params"]) ** (p["alpha_N"] / p["alpha_D"]) + p["D_c"] / x["tokens"]) ** p["alpha_D"]
        ),
        (8.8e13, 5.4e13, 0.076, 0.095),
    ),
    "coupled": (
        lambda p, x: p["E"] + (p["A"] / x["params"] ** p["alpha"] + p["B"] / x["tokens"] ** p["beta"]) ** p["k"],
        (900.0, 1500.0, 1.69, 0.3, 0.33, 1.1),
    ),
    "overtraining": (overtraining, (550.0, 780.0, 1.69, 0.15)),
    "data-constrained": (data_constrained, (521.0, 1488.0, 1.87, 0.35, 0.37, 15.4, 5.3)),
    "routing": (routing, (-0.084, -0.123, 0.0104, 1.12, 2.4, 220.0)),
    "frontier": (lambda p, x: p["E"] + p["A"] / x["budget_flop"] ** p["alpha"], (1600.0, 1.74, 0.165)),
}


def drawn(chance):
    runs = {"params": 10 ** chance.uniform(7, 12, 20), "tokens": 10 ** chance.uniform(8, 14, 20)}
    runs["unique_tokens"] = runs["tokens"] * chance.uniform(0.02, 1.5, 20)
    runs["budget_flop"] = 6 * runs["params"] * runs["tokens"]
    return runs | {"experts": chance.uniform(1, 512, 20)}


def test_every_law_has_its_printed_formula_here():
    assert set(PRINTED) == set(scaling.LAWS)


@pytest.mark.parametrize("form", PRINTED)
@settings(max_examples=10)
@given(numbers)
def test_a_law_is_what_its_authors_print(form, chance):
    (printed, published), law = PRINTED[form], scaling.LAWS[form]
    runs = {name: drawn(chance)[name] for name in law.columns}
    values = numpy.array(published) * chance.uniform(0.9, 1.1, len(published))
    symbols = dict(zip(law.names, values, strict=True))
    found = law.loss(JetOperations(numpy), symbols, runs)
    # Powers of 1e14 taken as logarithms keep 13 digits; the discount of few repeats takes a difference of near ones.
    numpy.testing.assert_allclose(found, printed(symbols, runs), rtol=1e-9)
    logs = law.log_columns(runs, numpy.log)
    units = law.units(logs, {})
    theta = law.to_coordinates(values, units)
    numpy.testing.assert_allclose(law.to_symbols(theta, units), values, rtol=1e-10)
    centred = {name: column - units[name] for name, column in logs.items()}
    again = law.predict(JetOperations(numpy), dict(zip(law.names, theta, strict=True)), centred)
    numpy.testing.assert_allclose(numpy.exp(again), found, rtol=1e-9)


@pytest.mark.parametrize("form", PRINTED)
def test_values_in_range_are_taken_as_they_are_and_all_others_refused_at_once(form):
    law = scaling.LAWS[form]
    printed = dict(zip(law.names, PRINTED[form][1], strict=True))
    edges = {"amplitude": (5e-324, 0.5, 1e308), "free": (-1e308, 0.0, 0.5)}
    outside = {"amplitude": (0.0, -0.5), "free": ()}
    assert law.values_of(printed, "here") == printed
    assert law.values_of({}, "here") == {}
    for symbol in law.symbols:
        for value in edges.get(symbol.kind, (0.0, 0.5, 1e308)):
            assert law.values_of({symbol.name: value}, "here") == {symbol.name: value}
        for value in (*outside.get(symbol.kind, (-5e-324, -0.5)), numpy.nan, numpy.inf, -numpy.inf, "many", None):
            with pytest.raises(ValueError, match=f"here of '{form}'") as caught:
                law.values_of({**printed, symbol.name: value, "else": 1.0}, "here")
            told = str(caught.value).split("): ")[1].split("; ")
            assert told[0] == "'else' is unknown"
            allowed = {"amplitude": "above 0", "free": "of any sign"}.get(symbol.kind, "at least 0")
            assert told[1:] == [f"{symbol.name} is {value!r} and must be a finite number {allowed}"]


@pytest.mark.parametrize("form", PRINTED)
@settings(max_examples=10)
@given(numbers, st.floats(7.0, 10.0))
def test_the_unit_of_the_runs_moves_coordinates_and_no_held_symbol(form, chance, decades):
    """A symbol held fixed has one coordinate, whatever the free ones are; columns that none holds are centred."""
    law, published = scaling.LAWS[form], numpy.array(PRINTED[form][1])
    runs = {name: drawn(chance)[name] * (1 if name in law.plain else 10**decades) for name in law.columns}
    logs = law.log_columns(runs, numpy.log)
    centred = law.units(logs, {})
    shared = {name: group[0] for group in law.same_unit for name in group}
    for name, column in logs.items():
        mean = 0.0 if name in law.plain else logs[shared.get(name, name)].mean()
        assert centred[name] == pytest.approx(mean, rel=1e-12), column
    for held in range(len(law.names)):
        units = law.units(logs, {law.names[held]: published[held]})
        values = published * chance.uniform(0.8, 1.2, (5, len(published)))
        values[:, held] = published[held]
        coordinates = law.to_coordinates(values, units)[:, held]
        numpy.testing.assert_allclose(coordinates, coordinates[0], rtol=1e-12)


@pytest.mark.parametrize("form", PRINTED)
def test_starts_are_drawn_around_what_was_published(form):
    """In runs as large as those published; a floor as a share of the least loss, below which it must lie."""
    law, chance = scaling.LAWS[form], numpy.random.default_rng(0)
    runs = {"params": 10 ** chance.uniform(7.5, 10, 99), "tokens": 10 ** chance.uniform(8, 12, 99)}
    runs |= {"unique_tokens": runs["tokens"], "experts": chance.uniform(1, 512, 99)}
    runs["budget_flop"] = 6 * runs["params"] * runs["tokens"]
    runs = {name: runs[name] for name in law.columns}
    values = numpy.array(PRINTED[form][1])
    loss = law.loss(JetOperations(numpy), dict(zip(law.names, values, strict=True)), runs)
    found = law.to_coordinates(values, law.units(law.log_columns(runs, numpy.log), {}))
    for symbol, coordinate in zip(law.symbols, found, strict=True):
        share = 1 / loss.min() if symbol.kind == "floor" else 1.0
        low, high = symbol.start
        assert low < coordinate * share < high, symbol.name
        assert low >= law.lower[law.names.index(symbol.name)]
        assert symbol.kind != "floor" or high < 1


@settings(max_examples=20)
@given(numbers, st.booleans(), st.sampled_from(["params", "tokens", "experts"]))
def test_a_plain_power_law_is_its_formula_in_any_column(chance, floor, column):
    law = scaling.power_law(column, floor=floor)
    symbols = {"A": chance.uniform(0.1, 900.0), "E": chance.uniform(0.5, 2.0), "alpha": chance.uniform(0.1, 1.0)}
    used = symbols if floor else {name: symbols[name] for name in ("A", "alpha")}
    assert set(law.names) == set(used)
    assert law.columns == (column,)
    values = 10 ** chance.uniform(0, 12, 9)
    printed = symbols["A"] / values ** symbols["alpha"] + (symbols["E"] if floor else 0.0)
    numpy.testing.assert_allclose(law.loss(JetOperations(numpy), used, {column: values}), printed, rtol=1e-12)
    theta = law.to_coordinates(numpy.array([used[name] for name in law.names]), {column: 20.0})
    coordinates, centred = dict(zip(law.names, theta, strict=True)), {column: numpy.log(values) - 20.0}
    again = numpy.exp(law.predict(JetOperations(numpy), coordinates, centred))
    numpy.testing.assert_allclose(again, printed, rtol=1e-12)
    assert law.name == f"power-{column}" + ("" if floor else "-to-zero")
    assert law.about == f"L = {'E + ' if floor else ''}A / {column}^alpha"


def test_constants_held_unless_told_are_those_of_the_c4_refit():
    """Muennighoff et al. (2023), appendix A: log A, log B and log E as printed, alpha = beta."""
    defaults = dict(scaling.LAWS["data-constrained"].defaults)
    assert defaults["alpha"] == defaults["beta"] == 0.3526596
    logs = [numpy.log(defaults[name]) for name in ("A", "B", "E")]
    assert logs == pytest.approx([6.255414, 7.3049974, 0.6254804], abs=1e-12)
    assert not any(law.defaults for form, law in scaling.LAWS.items() if form != "data-constrained")


def test_a_law_is_found_by_its_name_or_is_the_law_given():
    for form, law in scaling.LAWS.items():
        assert get_law(form) is law
        assert get_law(law) is law
        assert law.name == form
    for wrong in ("chinchila", None, 3, ["chinchilla"]):
        with pytest.raises(ValueError, match="it can be 'chinchilla'"):
            get_law(wrong)
    with pytest.raises(ValueError, match="column is 3; it must be the name of a column"):
        scaling.power_law(3)
