"""Bad runs are named with their row and the remedy; a fit that failed cannot pass for one that did not."""

import numpy
import pandas as pd
import pytest
import scaling_runs

from gigacluster import scaling
from gigacluster.scaling.problem import Problem

#: A fit that only has to come to its optimum: what it says unasked takes most of the time.
QUICK = {"starts": 4, "flags": False, "device": "cpu"}


@pytest.fixture
def runs():
    return scaling_runs.synthetic(noise=0.01)


def spoil(runs, column, row, value):
    changed = runs.copy()
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("loss", 7, numpy.nan, "loss is missing or infinite in row 7; drop these runs"),
        ("tokens", 3, numpy.inf, "tokens is missing or infinite in row 3"),
        ("loss", 5, 0.0, "loss is zero or negative in row 5"),
        ("loss", 5, -2.1, r"loss is zero or negative in row 5 \(the first is -2.1\)"),
        ("params", 11, 0.07, r"params is 0.07 in row 11.*multiply by 1e9"),
        ("tokens", 2, 1.4e21, r"tokens is 1.4e\+21 in row 2.*divide by 1e9"),
        ("loss", 9, 25.0, "loss is 25 in row 9.*logarithm if it is a perplexity"),
    ],
)
def test_bad_cell_is_named_with_its_row_and_remedy(runs, column, row, value, message):
    with pytest.raises(ValueError, match=message):
        scaling.fit(spoil(runs, column, row, value), device="cpu")


def test_every_fault_is_named_at_once(runs):
    bad = spoil(spoil(runs, "loss", 1, numpy.nan), "params", 4, -1.0)
    with pytest.raises(
        ValueError, match=r"(?s)params is zero or negative in row 4.*loss is missing or infinite in row 1"
    ):
        scaling.fit(bad, device="cpu")


def test_table_in_billions_is_refused(runs):
    with pytest.raises(ValueError, match="unit looks wrong; multiply by 1e9"):
        scaling.fit(runs.assign(params=runs["params"] / 1e9), device="cpu")


def test_too_few_runs_and_one_size_are_refused(runs):
    with pytest.raises(ValueError, match="4 runs for 5 free parameters; at least 5"):
        scaling.fit(runs.head(4), device="cpu")
    with pytest.raises(ValueError, match="one value of params, 1e\\+08"):
        scaling.fit(runs.assign(params=1e8), device="cpu", loss_unit="nat")
    with pytest.raises(ValueError, match="0 runs"):
        scaling.fit(runs.head(0), device="cpu")


def test_duplicate_runs_are_named_and_flagged(runs):
    doubled = pd.concat([runs, runs.iloc[[4]]], ignore_index=True)
    with pytest.warns(scaling.RunsWarning, match=r"row 48 repeat.*row 4\b.*drop_duplicates"):
        fitted = scaling.fit(doubled, device="cpu")
    assert any(flag.kind == "data" for flag in fitted.flags)


def test_missing_column_is_named_with_what_there_is(runs):
    with pytest.raises(ValueError, match=r"no column 'unique_tokens'; they have \['params', 'tokens', 'loss'\]"):
        scaling.fit(runs, "data-constrained", device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "chinchila"}, "form is 'chinchila'; it can be 'chinchilla'"),
        ({"loss": "l1"}, "loss is 'l1'; it can be 'huber'"),
        ({"delta": 0.0}, "delta must be above 0, got 0.0"),
        ({"fixed": {"gamma": 1.0}}, "fixed of 'chinchilla'.*'gamma' is unknown"),
        ({"bootstrap": -1}, "bootstrap is -1"),
        ({"bootstrap": numpy.full((2, 48), 99)}, "there are rows 0 to 47"),
        ({"bootstrap": 10, "kind": "cluster"}, "needs clusters"),
        ({"weights": [1.0, 2.0]}, "weights must be 48"),
        ({"coverage": 95}, "coverage must be between 0 and 1, got 95"),
        ({"starts": 0}, "starts is 0"),
    ],
)
def test_bad_option_says_what_is_allowed(runs, options, message):
    with pytest.raises(ValueError, match=message):
        scaling.fit(runs, **{"device": "cpu", **options})


def test_fit_that_did_not_converge_is_nan_warned_and_flagged(runs, monkeypatch):
    solve = Problem.solve
    monkeypatch.setattr(
        Problem, "solve", lambda self, *args, **kwargs: solve(self, *args, **{**kwargs, "max_iterations": 1})
    )
    with pytest.warns(scaling.ConvergenceWarning, match="did not converge"):
        fitted = scaling.fit(runs, device="cpu")
    assert not fitted.converged
    assert all(numpy.isnan(value) for value in fitted.parameters.values())
    assert fitted.flags[-1].kind == "not converged"
    assert numpy.isnan(fitted.predict(1e9, 1e10).value)


def test_replicates_that_did_not_converge_are_nan_and_left_out(monkeypatch):
    runs = scaling_runs.synthetic(noise=0.01)
    solve = Problem.solve

    def lame(self, theta, replicate=None, **kwargs):
        limit = {"max_iterations": 4} if replicate is not None else {}
        return solve(self, theta, replicate, **{**kwargs, **limit})

    monkeypatch.setattr(Problem, "solve", lame)
    monkeypatch.setattr("gigacluster.scaling.problem._WIDER_DELTAS", (1.0,))
    monkeypatch.setattr("gigacluster.scaling.replicates._RESCUE", 0)
    with pytest.warns(scaling.ConvergenceWarning, match="replicates did not converge"):
        fitted = scaling.fit(runs, bootstrap=50, device="cpu")
    table = fitted.replicates
    assert 0 < (~table["converged"]).sum() < 50
    assert numpy.isnan(table["A"][~table["converged"]]).all()
    assert numpy.isfinite(fitted.standard_errors["A"])
    assert any(flag.kind == "not converged" for flag in fitted.flags)


@pytest.mark.parametrize(
    "names",
    [
        {"params": "N", "tokens": "D", "loss": "L"},
        {"params": "n_params", "tokens": "training_tokens", "loss": "final_loss"},
        {"params": "Model Size", "tokens": "Train-Tokens", "loss": "val_loss"},
    ],
)
def test_columns_are_known_by_the_names_that_people_use(runs, names):
    plain, renamed = (scaling.fit(given, **QUICK).parameters for given in (runs, runs.rename(columns=names)))
    assert renamed == plain


def test_units_behind_a_name_are_read(runs):
    plain = scaling.fit(runs, **QUICK).parameters["A"]
    scaled = {"params_billion": runs["params"] / 1e9, "tokens_T": runs["tokens"] / 1e12, "loss": runs["loss"]}
    assert scaling.fit(scaled, **QUICK).parameters["A"] == pytest.approx(plain, rel=1e-8)
    flops = {"C": 6 * runs["params"] * runs["tokens"], "D": runs["tokens"], "perplexity": numpy.exp(runs["loss"])}
    assert scaling.fit(flops, **QUICK).parameters["A"] == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("mean_loss", [2.2, 2.5, 2.7])
def test_a_perplexity_below_sixteen_is_refused_until_it_is_said(runs, mean_loss):
    nats = runs["loss"] * mean_loss / runs["loss"].mean()
    table = runs.assign(loss=numpy.exp(nats)).query("loss < 16")
    with pytest.raises(ValueError, match="looks like a perplexity; name the column 'perplexity', or say"):
        scaling.fit(table, device="cpu")
    said = scaling.fit(table, loss_unit="perplexity", **QUICK)
    assert said.parameters["E"] < 2.7


def test_bits_are_told_and_converted_when_said(runs):
    bits = runs.assign(loss=runs["loss"] / numpy.log(2))
    assert any("if they are bits" in flag.message for flag in scaling.fit(bits, device="cpu").flags)
    nats = scaling.fit(bits, loss_unit="bit", **QUICK).parameters["E"]
    assert nats == pytest.approx(scaling.fit(runs, **QUICK).parameters["E"], rel=1e-8)
    with pytest.raises(ValueError, match="loss_unit is 'bits'; it can be 'nat', 'bit', 'perplexity'"):
        scaling.fit(runs, loss_unit="bits", device="cpu")


def test_swapped_columns_are_refused_with_their_rows(runs):
    swapped = runs.rename(columns={"params": "tokens", "tokens": "params"})
    with pytest.raises(ValueError, match=r"params and tokens look swapped; exchange them"):
        scaling.fit(swapped, device="cpu")
    budget = runs.assign(budget_flop=6e3 * runs["params"] * runs["tokens"])
    with pytest.raises(ValueError, match=r"budget_flop is 1e\+03 times 6 params tokens"):
        scaling.fit(budget, device="cpu")


@pytest.mark.parametrize("scale", [1e-8, 4e4, 1e12])
def test_weights_of_any_scale_give_the_same_fit(runs, scale):
    weights = 1.0 + numpy.arange(len(runs)) % 3
    plain, scaled = (scaling.fit(runs, weights=factor * weights, bootstrap=20, **QUICK) for factor in (1.0, scale))
    assert scaled.converged
    assert scaled.parameters == pytest.approx(plain.parameters, rel=1e-7)
    assert scaled.intervals["A"] == pytest.approx(plain.intervals["A"], rel=1e-6)
    assert scaled.objective == pytest.approx(scale * plain.objective, rel=1e-9)


def test_sigma_is_the_root_of_an_inverse_weight(runs):
    sigma = 0.005 * (1.0 + numpy.arange(len(runs)) % 3)
    by_sigma = scaling.fit(runs, sigma=sigma, loss="squared", **QUICK)
    by_weight = scaling.fit(runs, weights=sigma**-2, loss="squared", **QUICK)
    assert by_sigma.parameters == pytest.approx(by_weight.parameters, rel=1e-7)
    with pytest.raises(ValueError, match="give weights or sigma, not both"):
        scaling.fit(runs, sigma=sigma, weights=sigma, device="cpu")
    with pytest.raises(ValueError, match="sigma must be 48 finite numbers above 0"):
        scaling.fit(runs, sigma=0 * sigma, device="cpu")


@pytest.mark.parametrize("values", [(1e9,), (-1e9, 1e10), (1e9, 1e10, 1e11)])
def test_predictions_say_what_they_need(runs, values):
    fitted = scaling.fit(runs, **QUICK)
    with pytest.raises(
        ValueError, match="missing: tokens|params is zero or negative in row 0|reads params, tokens; got 3 values"
    ):
        fitted.predict(*values)


def test_a_list_of_records_is_told_what_a_table_is(runs):
    with pytest.raises(ValueError, match=r"runs must be a table or a mapping of columns, got a list; pandas.DataFrame"):
        scaling.fit(runs.to_dict("records"), device="cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no fit", "fit.json is not JSON"),
        ("[]", "holds no fit: it has no form"),
        ('{"form": "kaplan"}', "no parameters"),
    ],
)
def test_a_file_that_holds_no_fit_is_refused(tmp_path, text, message):
    file = tmp_path / "fit.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        scaling.Fit.load(file)


@pytest.mark.parametrize("value", ["many", None, float("nan"), -1.0])
def test_a_coefficient_that_is_no_number_is_named(value):
    symbols = {"A": value, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28}
    with pytest.raises(ValueError, match=r"A is .* and must be a finite number above 0"):
        scaling.Fit.from_coefficients("chinchilla", symbols)


def any_answer(seed):
    """Fit, choose, profile and print something unusual; a ``ValueError`` with a reason is an answer too."""
    stream = numpy.random.default_rng(seed)
    count = int(stream.integers(1, 40))
    params = 10 ** (stream.uniform(7, 10, count) if seed % 3 else stream.choice([7.5, 8.0, 8.5, 9.0, 9.5], count))
    tokens = 20 * params if seed % 4 == 0 else params * 10 ** stream.uniform(0.5, 2.5, count)
    loss = stream.uniform(0, 2) + 400 / params ** stream.uniform(0.1, 0.6) + 900 / tokens ** stream.uniform(0.1, 0.6)
    loss = loss * numpy.exp(stream.choice([0.0, 0.003, 0.05]) * stream.standard_normal(count))
    runs = {"N": params, "D": tokens, "loss": loss}
    form = ["chinchilla", "chinchilla-tied", "kaplan", "overtraining"][seed % 4]
    options = {"bootstrap": 10, "starts": 6, "loss_unit": "nat", "loss": ["huber", "squared"][seed % 2]}
    try:
        fitted = scaling.fit(runs, form, device="cpu", **options)
        said = f"{fitted} {fitted.table()} {scaling.compute_optimal(fitted, [1e21, 1e25])} {fitted.compute_for(2.2)}"
        if fitted.converged:
            said += str(scaling.next_run(fitted, at_flop=1e23, budget_flop=1e22))
            scaling.profile(fitted, fitted.law.names[0], [fitted.parameters[fitted.law.names[0]]])
    except ValueError as fault:
        return str(fault)
    return said


@pytest.mark.filterwarnings("ignore::gigacluster.scaling.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(4))  # each form with each loss that it meets
def test_no_warning_of_numpy_leaves_whatever_the_runs(seed):
    assert any_answer(seed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::gigacluster.scaling.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::gigacluster.scaling.RunsWarning")
@pytest.mark.parametrize("seed", range(4, 150))
def test_no_warning_of_numpy_leaves_whatever_the_runs_at_length(seed):
    assert any_answer(seed)
