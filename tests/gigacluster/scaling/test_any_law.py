"""Any law: from coefficients, of one's own, of one column; predictions, compute for a loss, optima by search."""

import json
import pickle

import numpy
import pandas as pd
import pytest
import scaling_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import scaling
from gigacluster.scaling.derivatives import JetOperations
from gigacluster.scaling.law import LAWS
from gigacluster.scaling.optimum import law_compute_for

PUBLISHED = {"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658}


def steep_log_loss(operations, p, x):
    """A user's law at the top of a module, so that it can be pickled."""
    first = operations.exp(p["A"] - p["alpha"] * x["params"])
    return operations.log(p["E"] + first + operations.exp(p["B"] - p["beta"] * x["tokens"]))


def own_law():
    amplitude = {"kind": "amplitude", "start": (-2.0, 1.0)}
    return scaling.Law(
        name="own",
        about="L = E + A / N^alpha + B / D^beta, written by a user",
        symbols=(
            scaling.Symbol(name="A", shifts=(("params", "alpha", 1.0),), **amplitude),
            scaling.Symbol(name="B", shifts=(("tokens", "beta", 1.0),), **amplitude),
            scaling.Symbol(name="E", kind="floor", start=(0.2, 0.98)),
            scaling.Symbol(name="alpha", kind="exponent"),
            scaling.Symbol(name="beta", kind="exponent"),
        ),
        columns=("params", "tokens"),
        log_loss=steep_log_loss,
    )


def test_a_law_of_compute_alone_predicts_from_a_number_a_mapping_and_a_table():
    runs = {
        "budget_flop": numpy.array([1e18, 3e18, 1e19, 3e19, 1e20, 3e20]),
        "loss": numpy.array([3.5273, 3.3398, 3.1494, 3.0066, 2.8509, 2.7222]),
    }
    fitted = scaling.fit(runs, form="frontier", fixed={"E": 1.6}, device="cpu")
    # Published 2.606, measured 2.599.
    for given_ in ((1e21,), ({"budget_flop": 1e21},), (pd.DataFrame({"budget_flop": [1e21]}),)):
        assert float(numpy.squeeze(fitted.predict(*given_).value)) == pytest.approx(2.605, abs=1e-3)
    assert float(fitted.predict(params=1e9, tokens=1e21 / 6e9).value) == pytest.approx(2.605, abs=1e-3)
    with pytest.raises(ValueError, match=r"needs budget_flop.*missing: budget_flop \(given: params\)"):
        fitted.predict(params=1e9)


def test_repeated_tokens_by_published_coefficients():
    e = numpy.exp
    coefficients = {"A": e(6.255414), "B": e(7.3049974), "E": e(0.6254804), "alpha": 0.3526596, "beta": 0.3526596}
    law = scaling.Fit.from_coefficients("data-constrained", {**coefficients, "R_D*": 15.387756, "R_N*": 5.309743})
    assert float(law.predict(8.7e9, 178e9, 178e9 / 7).value) == pytest.approx(2.22608, abs=5e-6)
    short = scaling.Fit.from_coefficients("data-constrained", {"R_D*": 15.387756, "R_N*": 5.309743})
    assert float(short.predict(8.7e9, 178e9, 178e9 / 7).value) == pytest.approx(2.22608, abs=5e-6)
    plenty = scaling.compute_optimal(law, 1e22, unique_tokens=1e15)
    scarce = scaling.compute_optimal(law, 1e22, unique_tokens=1e10)
    assert scarce.loss.value > plenty.loss.value


def test_coefficients_with_a_covariance_have_intervals():
    spread = numpy.diag([10.0, 50.0, 0.01, 0.005, 0.005]) ** 2
    law = scaling.Fit.from_coefficients("chinchilla", PUBLISHED, covariance=spread)
    best = scaling.compute_optimal(law, 1e24)
    assert best.loss.low < best.loss.value < best.loss.high
    assert law.covariance[2, 2] == pytest.approx(1e-4, rel=0.1)
    assert numpy.isnan(scaling.Fit.from_coefficients("chinchilla", PUBLISHED).predict(1e9, 1e10).low)


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ({"A": 1.0, "B": 1.0, "E": 1.0, "alpha": 0.3}, "beta missing"),
        ({**PUBLISHED, "gamma": 1.0}, "'gamma' is unknown"),
        (
            {**PUBLISHED, "A": -1.0, "alpha": -0.3},
            "A is -1.0 and must be a finite number above 0; alpha is -0.3 and must be a finite number at least 0",
        ),
    ],
)
def test_bad_coefficients_are_all_named(coefficients, message):
    with pytest.raises(ValueError, match=message):
        scaling.Fit.from_coefficients("chinchilla", coefficients)


@settings(max_examples=25)
@given(
    alpha=st.floats(0.15, 0.6),
    beta=st.floats(0.15, 0.6),
    log_flop=st.floats(18.0, 27.0),
    log_cap=st.floats(9.0, 14.0),
)
def test_golden_section_finds_the_closed_optimum(alpha, beta, log_flop, log_cap):
    symbols = {**PUBLISHED, "alpha": alpha, "beta": beta}
    closed = scaling.optimum(10**log_flop, **symbols, token_cap=10**log_cap)
    searched = scaling.law_optimum(own_law(), symbols, 10**log_flop, token_cap=10**log_cap)
    assert float(searched.params) == pytest.approx(float(closed.params), rel=1e-5)  # the minimum is flat: 1e-8 of loss
    assert float(searched.loss) == pytest.approx(float(closed.loss), rel=1e-12)


def test_a_law_of_ones_own_is_fitted_and_chooses():
    runs = scaling_runs.synthetic(noise=0.005)
    own = scaling.compute_optimal(scaling.fit(runs, own_law(), bootstrap=50, device="cpu"), 1e23)
    known = scaling.compute_optimal(scaling.fit(runs, bootstrap=50, device="cpu"), 1e23)
    assert float(own.params.value) == pytest.approx(float(known.params.value), rel=1e-4)
    assert own.params.low < own.params.value < own.params.high


@settings(max_examples=20)
@given(log_flop=st.floats(17.0, 28.0), form=st.sampled_from(["chinchilla", "own", "kaplan", "frontier"]))
def test_compute_for_a_loss_is_the_inverse_of_the_best_loss(log_flop, form):
    coefficients = {
        "chinchilla": PUBLISHED,
        "own": PUBLISHED,
        "kaplan": {"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.095},
        "frontier": {"A": 1600.0, "E": 1.7, "alpha": 0.16},
    }[form]
    law = scaling.Fit.from_coefficients(own_law() if form == "own" else form, coefficients)
    best = law.predict(10**log_flop) if form == "frontier" else scaling.compute_optimal(law, 10**log_flop).loss
    assert float(numpy.log10(law.compute_for(float(best.value)).value)) == pytest.approx(log_flop, abs=1e-6)


def test_a_loss_that_no_compute_reaches_is_infinite_and_counted():
    fitted = scaling.fit(scaling_runs.synthetic(noise=0.01), bootstrap=200, device="cpu")
    found = fitted.compute_for(fitted.parameters["E"] - 0.001)
    assert numpy.isinf(found.value)
    assert any(flag.kind == "out of reach" and "% of the replicates" in flag.message for flag in found.flags)
    assert numpy.isfinite(fitted.compute_for(2.2).value)


def test_plain_power_law_of_any_column():
    tokens = numpy.geomspace(1e9, 1e12, 12)
    to_zero = scaling.fit(
        {"tokens": tokens, "loss": 30.0 * tokens**-0.1}, scaling.power_law("tokens", floor=False), device="cpu"
    )
    assert to_zero.parameters["alpha"] == pytest.approx(0.1, rel=1e-6)
    with_floor = scaling.fit(
        {"tokens": tokens, "loss": 1.5 + 900 * tokens**-0.3}, scaling.power_law("tokens"), device="cpu"
    )
    assert with_floor.parameters["E"] == pytest.approx(1.5, rel=1e-5)


def test_one_run_for_one_free_symbol_is_enough():
    law = scaling.LAWS["chinchilla"]
    fixed = {name: value for name, value in PUBLISHED.items() if name != "E"}
    fitted = scaling.fit({"N": [1e9], "D": [2e10], "loss": [2.6]}, law, fixed=fixed, device="cpu")
    assert float(fitted.predict(1e9, 2e10).value) == pytest.approx(2.6, rel=1e-9)
    assert "few runs" in {flag.kind for flag in fitted.flags}


@pytest.mark.parametrize("form", ["chinchilla", "own"])
def test_a_fit_survives_pickle_and_json(form, tmp_path):
    law = own_law() if form == "own" else form
    fitted = scaling.fit(scaling_runs.synthetic(noise=0.01), law, bootstrap=30, device="cpu")
    fitted.save(tmp_path / "fit.json")
    assert json.loads((tmp_path / "fit.json").read_text())["form"] == form
    read = scaling.Fit.load(tmp_path / "fit.json", form=law if form == "own" else None)
    for copy in (pickle.loads(pickle.dumps(fitted)), read):
        assert copy.parameters == fitted.parameters
        assert copy.intervals == fitted.intervals
        assert copy.predict(1e12, 1e13).low == fitted.predict(1e12, 1e13).low
        assert scaling.profile(copy, "E", [1.0])["objective"] == pytest.approx(
            scaling.profile(fitted, "E", [1.0])["objective"], rel=1e-6
        )
        assert [str(flag) for flag in copy.flags] == [str(flag) for flag in fitted.flags]


def test_tables_come_out_as_columns():
    fitted = scaling.fit(scaling_runs.synthetic(noise=0.01), bootstrap=50, device="cpu")
    table = pd.DataFrame(fitted.table()).set_index("symbol")
    assert table.loc["alpha", "low"] < table.loc["alpha", "value"] < table.loc["alpha", "high"]
    assert numpy.sqrt(numpy.diag(fitted.covariance)) == pytest.approx(table["standard_error"].to_numpy(), rel=1e-9)


def test_every_form_says_which_columns_it_needs():
    for law in LAWS.values():
        assert law.columns
        assert set(law.columns) <= {"params", "tokens", "unique_tokens", "experts", "budget_flop"}


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(17.0, 27.0), st.floats(0.02, 0.5)), min_size=1, max_size=3), st.floats(23.0, 27.0))
def test_of_several_minima_the_optimum_is_the_lowest(dips, decades):
    """Dips in the log of the model's size that are wide beside the steps of a scan: 60 over up to 50 e-folds."""

    def log_loss(operations, p, x):
        loss = p["E"] + 0.0 * x["tokens"]
        for centre, depth in dips:
            away = (x["params"] - centre) / 3.0
            loss = loss - depth * operations.exp(-1.0 * away * away)
        return operations.log(loss)

    symbols = (scaling.Symbol(name="E", kind="floor"),)
    law = scaling.Law(name="dips", about="dips", symbols=symbols, columns=("params", "tokens"), log_loss=log_loss)
    budget = 6 * 10**decades
    log_params = numpy.linspace(numpy.log(1e3), numpy.log(10**decades / 1e3), 20_001)
    at = {"params": numpy.exp(log_params), "tokens": 10**decades / numpy.exp(log_params)}
    losses = law.loss(JetOperations(numpy), {"E": 3.0}, at)
    best = scaling.law_optimum(law, {"E": 3.0}, budget)
    # Of two whose depths differ by less than half a step from a bottom makes, either may be found.
    assert float(best.loss) <= losses.min() + 0.02 * (3.0 - losses.min())
    assert float(best.params * best.tokens) == pytest.approx(10**decades)


@settings(max_examples=30)
@given(st.floats(4.0, 64.0), st.floats(0.01, 0.5))
def test_compute_for_a_loss_is_found_between_a_million_and_1e60_flop(decades, alpha):
    law = scaling.power_law("budget_flop", floor=False)
    found = numpy.log10(float(law_compute_for(law, {"A": 7.0, "alpha": alpha}, 7.0 * 10 ** (-alpha * decades))))
    expected = numpy.inf if decades > 60 else max(decades, 6.0)
    assert abs(decades - 60) < 1e-6 or found == pytest.approx(expected, abs=1e-6)
