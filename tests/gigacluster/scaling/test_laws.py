"""Every law: its derivatives, its units, its recovery from synthetic runs."""

import numpy
import pandas as pd
import pytest
import scaling_runs

from gigacluster import scaling
from gigacluster.scaling.derivatives import JetOperations
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.problem import make_problem

#: Parameters to make runs of each law with, in the order of its symbols.
TRUTH = {
    "chinchilla": (406.4, 410.7, 1.69, 0.34, 0.28),
    "chinchilla-tied": (406.4, 410.7, 1.69, 0.31),
    "kaplan": (8.8e13, 5.4e13, 0.076, 0.095),
    "coupled": (900.0, 1500.0, 1.69, 0.3, 0.33, 1.1),
    "overtraining": (550.0, 780.0, 1.69, 0.15),
    "data-constrained": (
        numpy.exp(6.255414),
        numpy.exp(7.3049974),
        numpy.exp(0.6254804),
        0.3526596,
        0.3526596,
        15.4,
        5.3,
    ),
    "routing": (-0.084, -0.123, 0.0104, 1.12, 2.4, 220.0),
    "frontier": (1600.0, 1.74, 0.165),
}


def make_runs(form):
    law = scaling.LAWS[form]
    runs = scaling_runs.synthetic()
    stream = numpy.random.default_rng(3)
    runs["unique_tokens"] = runs["tokens"] / stream.choice([1.0, 2.0, 6.0, 20.0, 60.0], len(runs))
    runs["experts"] = stream.choice([1.0, 4.0, 16.0, 64.0, 256.0], len(runs))
    runs["budget_flop"] = 6 * runs["params"] * runs["tokens"]
    columns = law.log_columns({name: runs[name].to_numpy() for name in law.columns}, numpy.log)
    symbols = {
        s.name: numpy.log(v) if s.kind == "amplitude" else v for s, v in zip(law.symbols, TRUTH[form], strict=True)
    }
    return runs.assign(loss=numpy.exp(law.predict(JetOperations(numpy), symbols, columns)))


def problem_of(form, xp, objective):
    law, runs = scaling.LAWS[form], make_runs(form)
    noise = 1 + 0.003 * numpy.random.default_rng(1).standard_normal(len(runs))
    columns = {name: runs[name].to_numpy() for name in law.columns}
    problem = make_problem(law, columns, runs["loss"].to_numpy() * noise, objective, like=xp.array([0.0]))
    return problem, law.to_coordinates(numpy.asarray(TRUTH[form]), problem.units)


@pytest.mark.parametrize("form", scaling.LAWS)
@pytest.mark.parametrize("loss", ["huber", "squared", "asymmetric"])
def test_derivatives_equal_differences_of_the_objective(form, loss, xp):
    problem, theta = problem_of(form, xp, Objective(loss=loss, delta=0.05, quantile=0.7))
    prediction, _ = problem._prediction()
    function = problem._function(prediction, numpy.zeros(64, dtype=int))
    size, step = len(theta), 1e-5
    nudges = numpy.concatenate([numpy.zeros((1, size)), step * numpy.eye(size), -step * numpy.eye(size)])
    at = xp.array(theta + 0.02 * numpy.cos(numpy.arange(size)) * (theta > 0) + nudges)
    rows = numpy.asarray(scaling_rows(function(at, xp.array(numpy.zeros(len(nudges)), dtype=xp.int64))))
    gradient = (rows[1 : size + 1, 0] - rows[size + 1 :, 0]) / (2 * step)
    assert rows[0, 1 : size + 1] == pytest.approx(gradient, rel=1e-6, abs=1e-7)  # error of central differences
    hessian = (rows[1 : size + 1, 1 : size + 1] - rows[size + 1 :, 1 : size + 1]) / (2 * step)
    packed = hessian[numpy.tril_indices(size)]
    assert rows[0, size + 1 :] == pytest.approx(packed, rel=1e-5, abs=1e-4)


def scaling_rows(model):
    from gigacluster.arrays import to_host

    return to_host(model)


@pytest.mark.parametrize("form", scaling.LAWS)
def test_known_parameters_are_recovered_from_exact_runs(form):
    runs = make_runs(form).drop_duplicates(list(scaling.LAWS[form].columns))
    fitted = scaling.fit(runs, form, device="cpu", loss="squared" if form == "routing" else "huber", starts=16)
    assert fitted.starts.hits > 1
    assert fitted.converged
    for name, value in zip(fitted.law.names, TRUTH[form], strict=True):
        if name not in fitted.fixed:
            assert fitted.parameters[name] == pytest.approx(value, rel=1e-5), name  # the runs are exact


@pytest.mark.parametrize("form", scaling.LAWS)
def test_coordinates_and_symbols_are_inverse(form):
    law = scaling.LAWS[form]
    units = dict.fromkeys((*law.columns, "params", "tokens"), 20.0)
    values = numpy.asarray([TRUTH[form], TRUTH[form]])
    assert law.to_symbols(law.to_coordinates(values, units), units) == pytest.approx(values, rel=1e-12)


def test_a_law_of_ones_own_needs_its_prediction_only():
    def log_loss(operations, p, x):
        return operations.log(p["E"] + operations.exp(p["A"] - p["alpha"] * x["params"]))

    law = scaling.Law(
        name="params-only",
        about="L = E + A / N^alpha",
        symbols=(
            scaling.Symbol(name="A", kind="amplitude", shifts=(("params", "alpha", 1.0),), start=(-2.0, 1.0)),
            scaling.Symbol(name="E", kind="floor", start=(0.2, 0.98)),
            scaling.Symbol(name="alpha", kind="exponent"),
        ),
        columns=("params",),
        log_loss=log_loss,
    )
    params = numpy.geomspace(1e7, 1e11, 20)
    fitted = scaling.fit({"params": params, "loss": 1.8 + 300 / params**0.3}, law, device="cpu")
    assert fitted.parameters["A"] == pytest.approx(300, rel=1e-5)
    assert fitted.parameters["E"] == pytest.approx(1.8, rel=1e-6)


def test_overtraining_is_the_tied_law_in_other_symbols():
    runs = scaling_runs.synthetic(noise=0.01)
    tied, over = (scaling.fit(runs, form, device="cpu") for form in ("chinchilla-tied", "overtraining"))
    assert over.objective == pytest.approx(tied.objective, rel=1e-10)
    assert 2 * over.parameters["eta"] == pytest.approx(tied.parameters["alpha"], rel=1e-7)


def test_fixed_symbols_stay_and_the_others_follow():
    runs = scaling_runs.synthetic()
    fitted = scaling.fit(runs, device="cpu", fixed={"E": 1.69, "alpha": 0.34})
    assert fitted.parameters["E"] == 1.69
    assert fitted.parameters["beta"] == pytest.approx(0.28, rel=1e-6)
    amplitude = scaling.fit(runs, device="cpu", fixed={"A": 406.4})
    assert amplitude.parameters["A"] == pytest.approx(406.4, rel=1e-12)
    assert amplitude.parameters["alpha"] == pytest.approx(0.34, rel=1e-6)


def test_unit_of_loss_and_order_of_runs_do_not_matter():
    runs = scaling_runs.synthetic(noise=0.01)
    shuffled = runs.sample(frac=1.0, random_state=1)
    bits = runs.assign(loss_bits=runs["loss"] / numpy.log(2)).drop(columns="loss")
    plain = scaling.fit(runs, device="cpu").parameters
    assert scaling.fit(shuffled, device="cpu").parameters["A"] == pytest.approx(plain["A"], rel=1e-8)
    assert scaling.fit(bits, device="cpu").parameters["E"] == pytest.approx(plain["E"], rel=1e-8)


def test_weights_count_like_repeated_runs():
    runs = scaling_runs.synthetic(noise=0.01)
    weights = numpy.where(numpy.arange(len(runs)) % 3 == 0, 2.0, 1.0)
    repeated = pd.concat([runs, runs[weights == 2]])
    with pytest.warns(scaling.RunsWarning, match="duplicate"):
        twice = scaling.fit(repeated, device="cpu")
    weighted = scaling.fit(runs, weights=weights, device="cpu")
    assert weighted.parameters["B"] == pytest.approx(twice.parameters["B"], rel=1e-7)
