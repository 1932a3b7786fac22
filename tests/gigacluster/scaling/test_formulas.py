"""Every law against its formula as its authors print it, and in the centred units of a fit."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import scaling
from gigacluster.scaling.derivatives import JetOperations

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
