"""What people hand in by mistake: an answer, or one message that names the column or the option and what is allowed."""

import inspect
import json
import pickle

import numpy
import pandas as pd
import pytest
import scaling_runs

from gigacluster import scaling

RUNS = scaling_runs.synthetic(noise=0.01, sizes=6, durations=5)
SYMBOLS = {"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658}
LAW = scaling.Fit.from_coefficients("chinchilla", SYMBOLS)


@pytest.fixture(scope="module")
def fitted():
    return scaling.fit(RUNS, bootstrap=20, starts=8, device="cpu")


def with_cell(column, value):
    table = RUNS.astype(object)
    table.loc[3, column] = value
    return table


REFUSED = {
    "nothing": (None, "must be a table or a mapping of columns, got a NoneType"),
    "a path": ("runs.csv", "must be a table or a mapping of columns, got a str"),
    "records": (RUNS.to_dict("records"), r"pandas.DataFrame\(runs\) makes one of a list of records"),
    "one column": (RUNS["params"], "must be a table or a mapping of columns, got a Series"),
    "no columns": ({}, r"no column 'params'; they have \[\]"),
    "no rows": (RUNS.head(0), "0 runs|there are no rows"),
    "words": (RUNS.assign(params="a"), "params is not numeric: could not convert string to float"),
    "a word": (with_cell("tokens", "n/a"), "tokens is not numeric"),
    "nobody knows": (with_cell("loss", None), "loss is missing or infinite in row 3"),
    "missing": (RUNS.convert_dtypes().assign(loss=with_cell("loss", pd.NA)["loss"].astype("Float64")), "in row 3"),
    "masked": ({**RUNS, "loss": numpy.ma.array(RUNS["loss"], mask=RUNS.index == 3)}, "loss is missing .* in row 3"),
    "negative": (with_cell("tokens", -1.0), r"tokens is zero or negative in row 3 \(the first is -1\)"),
    "truth": (RUNS.assign(loss=True), "loss is not numeric: it holds bool"),
    "complex": ({**RUNS, "loss": [complex(value) for value in RUNS["loss"]]}, "loss is not numeric: it holds complex"),
    "dates": (RUNS.assign(tokens=pd.Timestamp("2020")), "tokens is not numeric: it holds datetime64"),
    "400 digits": ({**RUNS, "params": [10**400] * len(RUNS)}, "params is not numeric: int too large"),
    "twice": (pd.concat([RUNS, RUNS], axis=1), "the runs have 2 columns 'params'; drop all but one"),
    "two names": (
        RUNS.rename(columns={"params": "N"}).assign(n_params=RUNS["params"] / 2),
        "the columns 'N', 'n_params' can all be 'params' and differ",
    ),
    "another unit": (RUNS.assign(loss=1e-6 * RUNS["loss"]), "loss is .*e-06 in the median .*in another unit"),
    "swapped": (RUNS.rename(columns={"params": "tokens", "tokens": "params"}), "params and tokens look swapped"),
    "lengths": ({**RUNS, "loss": RUNS["loss"][:-1]}, "different lengths"),
}
READERS = {
    "fit": lambda table: scaling.fit(table, starts=2, device="cpu"),
    "rollouts": lambda table: scaling.rollouts(table, bootstrap=0),
    "isoflop": lambda table: scaling.isoflop(table, bootstrap=0),
    "approaches": lambda table: scaling.approaches(table, bootstrap=0, device="cpu"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_used_is_refused_by_every_reader_with_column_and_row(name, reader):
    table, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        READERS[reader](table)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "name", ["records", "no columns", "no rows", "a word", "negative", "twice", "two names", "swapped"]
)
def test_candidates_are_checked_like_runs(fitted, name):
    table, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        scaling.next_run(fitted, at_flop=1e23, candidates=table)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.set_index(pd.Index(numpy.arange(len(t))[::-1] + 100)),
        lambda t: t.set_index([t.index, t.index]),
        lambda t: t.convert_dtypes(),
        lambda t: t.astype(str),
        lambda t: t.astype({"params": "category"}),
        lambda t: t.rename(columns=str.title),
        lambda t: t.to_dict("list"),
        lambda t: {name: column.to_numpy().reshape(6, 5) for name, column in t.items()},
        lambda t: t.assign(N=t["params"] / 2, notes="the standard name is the one that counts"),
    ],
)
def test_any_table_of_the_same_numbers_gives_the_same_law(fitted, change):
    found = scaling.fit(change(RUNS), starts=8, device="cpu")
    assert found.parameters == pytest.approx(fitted.parameters, rel=1e-9)
    by_row = found.predict(change(RUNS)).value.ravel()
    assert by_row == pytest.approx(fitted.predict(RUNS["params"], RUNS["tokens"]).value)


BAD_OPTIONS = [
    (scaling.fit, RUNS, ["bootstrap", "starts", "replicate_starts", "seed", "delta", "quantile", "coverage", "fixed"]),
    (scaling.fit, RUNS, ["kind", "loss", "form", "loss_unit", "clusters"]),
    (scaling.isoflop, RUNS, ["approach", "bootstrap", "seed", "coverage", "window"]),
    (scaling.rollouts, RUNS, ["reach", "cuts", "coverage"]),
    (scaling.compute_optimal, LAW, ["token_cap", "flop_per_param_token"]),
]


@pytest.mark.parametrize("value", ["a", -1, numpy.nan, -numpy.inf, object()], ids=["a", "-1", "nan", "-inf", "object"])
@pytest.mark.parametrize(
    ("function", "name"),
    [pytest.param(f, name, id=f"{f.__name__} {name}") for f, _, names in BAD_OPTIONS for name in names],
)
def test_an_option_that_cannot_be_is_refused_by_its_name(function, name, value):
    given = next(first for f, first, names in BAD_OPTIONS if f is function and name in names)
    others = {"budget_flop": 1e21} if function is scaling.compute_optimal else {}
    with pytest.raises(ValueError, match=name):
        function(given, **others, **{name: value})


@pytest.mark.parametrize(
    "value", ["a", -1, 0, numpy.nan, numpy.inf, [1e21, -1.0], 10**400], ids=lambda value: str(value)[:12]
)
@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda fit, value: fit.predict(1e9, value), "tokens"),
        (lambda fit, value: fit.predict({"N": 1e9, "D": value}), "tokens|'?D'? is not"),
        (lambda fit, value: fit.predict(value, 1e10), "params"),
        (lambda fit, value: fit.compute_for(value), "loss"),
        (lambda fit, value: scaling.compute_optimal(fit, value), "budget_flop"),
        (lambda fit, value: scaling.next_run(fit, at_flop=value), "at_flop"),
        (lambda fit, value: scaling.next_run(fit, at_flop=1e23, budget_flop=value), "budget_flop"),
        (lambda fit, value: scaling.profile(fit, "A", value), "A is"),
    ],
)
def test_a_number_that_cannot_be_is_refused_by_its_name(fitted, ask, name, value):
    with pytest.raises(ValueError, match=name):
        ask(fitted, value)


def test_a_size_in_billions_is_told_apart_from_parameters(fitted):
    with pytest.raises(ValueError, match=r"params is 70 in row 0.*multiply by 1e9 if it is billions"):
        fitted.predict(70, 1.4)
    assert fitted.predict(params_billion=70, tokens_T=1.4).value == pytest.approx(fitted.predict(70e9, 1.4e12).value)
    compute = {"N": 70e9, "flops": 6 * 70e9 * 1.4e12}
    assert fitted.predict(compute).value == pytest.approx(fitted.predict(70e9, 1.4e12).value)
    with pytest.raises(ValueError, match=r"shapes that do not go together: params \(2,\), tokens \(3,\)"):
        fitted.predict([1e9, 2e9], [1e10, 2e10, 3e10])


@pytest.mark.parametrize("given", [None, "fit", 3.0, SYMBOLS])
def test_what_is_no_fit_is_refused_as_such(given):
    x = numpy.linspace(0, 1, 12)
    link = scaling.link_score(x, 0.3 + 0.5 * x, bootstrap=5)
    asks = [
        lambda: scaling.compute_optimal(given, 1e21),
        lambda: scaling.next_run(given, at_flop=1e21),
        lambda: scaling.profile(given, "A", [1.0]),
        lambda: link.of_fit(given, 1e9, 1e10),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match=f"fitted is a {type(given).__name__}; it must be a Fit"):
            ask()


def test_a_law_may_read_a_column_of_ones_own_and_says_when_it_is_missing():
    law = scaling.power_law("width")
    width = numpy.geomspace(64, 4096, 9)
    found = scaling.fit({"width": width, "loss": 1.5 + 20 / width**0.5}, law, device="cpu")
    assert found.parameters["alpha"] == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(ValueError, match="no column 'width'"):
        scaling.fit(RUNS, law, device="cpu")
    with pytest.raises(ValueError, match="column is None; it must be the name of a column"):
        scaling.power_law(None)


def test_an_irreducible_loss_above_every_loss_is_refused():
    with pytest.raises(ValueError, match=r"E is held at 1e\+300, above every loss"):
        scaling.fit(RUNS, fixed={"E": 1e300}, device="cpu")
    with pytest.raises(ValueError, match="A is 0 and must be a finite number above 0"):
        scaling.fit(RUNS, fixed={"A": 0}, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": 1.0}, "x, score_frac and family have 1, 12 and"),
        ({"family": ["a"]}, "x, score_frac and family have 12, 12 and 1 values"),
        ({"x": "a"}, "x is not numeric"),
        ({"chance": "a"}, "chance must be a number"),
        ({"chance": 1.0}, "chance must be from 0 to below 1"),
        ({"coverage": 90}, "coverage must be between 0 and 1, got 90"),
        ({"bootstrap": 0}, "bootstrap is 0; it must be a whole number from 1"),
        ({"ceiling": 0.0}, "ceiling is 0.0"),
    ],
)
def test_scores_that_cannot_be_linked_are_refused(changes, message):
    x = numpy.linspace(0, 1, 12)
    with pytest.raises(ValueError, match=message):
        scaling.link_score(**{"x": x, "score_frac": 0.3 + 0.5 * x, **changes})


@pytest.mark.parametrize("options", [{}, {"replicate_starts": 2, "clusters": RUNS.index // 3}, {"form": "kaplan"}])
def test_a_fit_that_was_kept_prints_as_it_did(tmp_path, options):
    found = scaling.fit(RUNS, **{"bootstrap": 5, "starts": 6, "device": "cpu", **options})
    found.save(tmp_path / "fit.json")
    again = scaling.Fit.load(tmp_path / "fit.json")
    assert str(again) == str(found) == str(pickle.loads(pickle.dumps(found)))
    assert again.noise.sigma == found.noise.sigma
    assert (again.noise.shared is None) == (found.noise.shared is None)
    json.loads((tmp_path / "fit.json").read_text())


def test_every_public_function_says_what_it_raises_or_is_elementwise():
    """Those of arrays alone give nan for elements out of range; the others tell their errors."""
    elementwise = {"optimum", "excess_compute", "cheapest_to_serve", "repeated_optimum", "law_optimum", "budget_table"}
    for name in scaling.__all__:
        function = getattr(scaling, name)
        if inspect.isfunction(function) and name not in elementwise:
            assert "Raises" in function.__doc__ or name in ("power_law", "profile"), name
