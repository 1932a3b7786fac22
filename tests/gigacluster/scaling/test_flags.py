"""What a fit says unasked: shared errors, lack of fit, an open split, reach; and evidence that is calibrated."""

import math

import numpy
import pytest
import scaling_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import scaling
from gigacluster.scaling.noise import shared_error


def kinds(fitted):
    return {flag.kind for flag in fitted.flags}


def with_shared(size, own=0.01, seed=0, sizes=12, durations=8):
    runs = scaling_runs.synthetic(noise=own, seed=seed, sizes=sizes, durations=durations)
    stream = numpy.random.default_rng([seed, 5])
    by_size = dict(zip(runs["params"].unique(), size * stream.standard_normal(sizes), strict=True))
    return runs.assign(loss=runs["loss"] * numpy.exp(runs["params"].map(by_size)))


@settings(max_examples=4)
@given(seed=st.integers(0, 10_000))
def test_an_error_shared_by_size_is_told_and_allowed_for(seed):
    fitted = scaling.fit(with_shared(0.02, seed=seed), bootstrap=10, device="cpu")
    assert "shared errors" in kinds(fitted)
    assert fitted.kind == "shared"
    assert fitted.noise.shared.by == "params"


@pytest.mark.parametrize(("trials", "shared", "lack"), [(10, 2, 2), pytest.param(60, 7, 5, marks=pytest.mark.slow)])
def test_independent_errors_are_seldom_called_shared_or_a_lack_of_fit(trials, shared, lack):
    told = [kinds(scaling.fit(with_shared(0.0, seed=seed), starts=4, device="cpu")) for seed in range(trials)]
    # Each test errs in 1 to 2.5 % of the cases, and there are two groupings.
    assert sum("shared errors" in found for found in told) <= shared
    assert sum("lack of fit" in found for found in told) <= lack


def test_variances_of_shared_and_own_error_are_recovered():
    stream = numpy.random.default_rng(3)
    group = numpy.repeat(numpy.arange(60), 10)
    slopes = numpy.stack([numpy.ones(600), numpy.repeat(stream.standard_normal(60), 10)], axis=1)
    residuals = numpy.repeat(0.02 * stream.standard_normal(60), 10) + 0.01 * stream.standard_normal(600)
    ratio, variance, evidence = shared_error(residuals, slopes, group)
    assert ratio == pytest.approx(4.0, rel=0.4)  # 60 groups know a variance to 18 %
    assert variance == pytest.approx(1e-4, rel=0.15)
    assert evidence > 100


def test_a_curve_that_the_law_lacks_is_told():
    runs = scaling_runs.synthetic(noise=0.003, sizes=10, durations=8)
    x, y = (numpy.log10(runs[name]) - numpy.log10(runs[name]).mean() for name in ("params", "tokens"))
    bent = runs.assign(loss=runs["loss"] * numpy.exp(0.02 * x * y))
    assert "lack of fit" in kinds(scaling.fit(bent, device="cpu"))
    assert "lack of fit" not in kinds(scaling.fit(runs, device="cpu"))


def test_a_spread_that_changes_with_compute_is_told_and_cases_are_drawn():
    runs = scaling_runs.synthetic(noise=0.0, sizes=12, durations=10)
    flop = runs["params"] * runs["tokens"]
    size = 0.03 * (flop / flop.min()) ** -0.3
    runs = runs.assign(loss=runs["loss"] * numpy.exp(size * numpy.random.default_rng(1).standard_normal(len(runs))))
    fitted = scaling.fit(runs, bootstrap=10, device="cpu")
    assert "uneven spread" in kinds(fitted)
    assert fitted.kind == "case"


@settings(max_examples=4)
@pytest.mark.filterwarnings("ignore::gigacluster.scaling.ConvergenceWarning")  # along a ridge nothing comes to rest
@given(ratio=st.floats(8.0, 60.0), noise=st.sampled_from([0.0, 0.003, 0.01]))
def test_tokens_that_follow_params_leave_the_split_open_and_the_answer_says_so(ratio, noise):
    params = numpy.geomspace(1e8, 1e10, 14)
    law = {"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28}
    loss = law["E"] + law["A"] / params ** law["alpha"] + law["B"] / (ratio * params) ** law["beta"]
    loss = loss * numpy.exp(noise * numpy.random.default_rng(0).standard_normal(14))
    fitted = scaling.fit({"N": params, "D": ratio * params, "loss": loss}, bootstrap=30, starts=8, device="cpu")
    best, truth = scaling.compute_optimal(fitted, 1e24), scaling.optimum(1e24, **law)
    assert "split not identified" in {flag.kind for flag in best.flags}
    assert best.params.low <= float(truth.params) <= best.params.high
    assert not best.loss.low > float(truth.loss)


def test_an_allocation_tells_its_reach_and_the_flags_that_bear_on_it():
    fitted = scaling.fit(with_shared(0.02), bootstrap=30, device="cpu")
    far = scaling.compute_optimal(fitted, 1e26)
    assert {"reach", "shared errors"} <= {flag.kind for flag in far.flags}
    assert "reach" not in {flag.kind for flag in scaling.compute_optimal(fitted, 1e20).flags}
    assert "times the compute of the largest run" in str(far)
    assert "reach" in {flag.kind for flag in fitted.predict(1e12, 1e13).flags}


def test_a_profile_is_held_in_the_units_of_the_parameters():
    fitted = scaling.fit(scaling_runs.synthetic(noise=0.005), device="cpu")
    for name, value in fitted.parameters.items():
        found = scaling.profile(fitted, name, [value, 1.02 * value])
        assert found["evidence"][0] == pytest.approx(0.0, abs=1e-4)
        assert not found["ruled_out"][0], name


@pytest.mark.parametrize(("loss", "tail"), [("huber", 3.0)])  # the others with the long one below
def test_ruled_out_at_95_percent_means_so_whatever_the_errors(loss, tail):
    trials, out = 25, 0
    for seed in range(trials):
        stream = numpy.random.default_rng([seed, 9])
        runs = scaling_runs.synthetic(sizes=10, durations=8)
        error = stream.standard_normal(len(runs)) if math.isinf(tail) else 0.5 * stream.standard_t(tail, len(runs))
        runs = runs.assign(loss=runs["loss"] * numpy.exp(0.01 * error))
        fitted = scaling.fit(runs, loss=loss, starts=2, device="cpu", flags=False)
        out += bool(scaling.profile(fitted, "alpha", [0.34])["ruled_out"][0])
    # 5 % of 25 are 1.3; before, a Huber loss read as a Laplace likelihood ruled the truth out in 18 to 28 %.
    assert out <= 5, out


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "tail"), [("huber", math.inf), ("huber", 3.0), ("squared", math.inf)])
def test_the_profile_holds_ninety_percent_within_86_and_94(loss, tail):
    trials, held = 400, 0
    for seed in range(trials):
        stream = numpy.random.default_rng([seed, 9])
        runs = scaling_runs.synthetic(sizes=10, durations=8)
        error = stream.standard_normal(len(runs)) if math.isinf(tail) else 0.5 * stream.standard_t(tail, len(runs))
        runs = runs.assign(loss=runs["loss"] * numpy.exp(0.01 * error))
        fitted = scaling.fit(runs, loss=loss, starts=2, device="cpu", flags=False)
        held += scaling.profile(fitted, "alpha", [0.34])["evidence"][0] < 1.39  # half the 90 % quantile of t squared
    slack = 2.5 * math.sqrt(0.09 / trials)
    assert 0.86 - slack <= held / trials <= 0.94 + slack
