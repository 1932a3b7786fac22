"""Trust in extrapolation: rollouts rank the form that made the runs first, and widths grow with the reach."""

import numpy
import pandas as pd
import pytest
import scaling_runs

from gigacluster import scaling


def overtrained_runs(seed=0):
    """Return small over-trained runs of a tied law: ratios of 20 to 600 tokens a parameter, two decades of compute."""
    stream = numpy.random.default_rng(seed)
    params, ratio = (a.ravel() for a in numpy.meshgrid(numpy.geomspace(1.1e7, 4.1e8, 6), [20.0, 40, 80, 160, 320, 640]))
    tokens = ratio * params
    loss = 1.77 + 480.0 / params**0.3 + 1100.0 / tokens**0.3
    return pd.DataFrame(
        {"params": params, "tokens": tokens, "loss": loss * numpy.exp(0.003 * stream.standard_normal(36))}
    )


def exact(params, tokens):
    return 1.77 + 480.0 / params**0.3 + 1100.0 / tokens**0.3


@pytest.fixture(scope="module")
def found():
    return scaling.rollouts(overtrained_runs(), bootstrap=40, cuts=4, starts=12)


def test_small_overtrained_runs_do_not_elect_kaplan(found):
    assert found.chosen.law.name != "kaplan"
    params, tokens = numpy.asarray([1.4e9, 7e9]), numpy.asarray([9e11, 1.4e11])
    best = found.predict(params, tokens)
    assert best.value == pytest.approx(exact(params, tokens), rel=0.015)
    assert (best.low < exact(params, tokens)).all()
    assert (exact(params, tokens) < best.high).all()


def test_width_grows_with_reach_and_the_reach_is_told(found):
    sizes = numpy.asarray([1e8, 1e9, 1e10, 1e11])
    widths = [float((e := found.predict(n, 40 * n)).high - e.low) / float(e.value) for n in sizes]
    assert (numpy.diff(widths) > 0).all()
    assert "reach" in {flag.kind for flag in found.predict(1e11, 4e12).flags}
    assert "reach" not in {flag.kind for flag in found.predict(1e8, 4e9).flags}
    assert "expected error at 100 times" in str(found)


def test_rollouts_are_a_table_of_forms_and_cut_offs(found):
    table = pd.DataFrame(found.table())
    assert set(table["form"]) == {"chinchilla", "chinchilla-tied", "kaplan"}
    assert (table["reach"] >= 3).all()
    assert (table["error"] > 0).all()
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert list(found.expected_error.values()) == sorted(found.expected_error.values())


def test_too_little_compute_between_the_runs_is_refused():
    runs = overtrained_runs()
    flop = runs["params"] * runs["tokens"]
    with pytest.raises(ValueError, match=r"no form can be judged beyond its runs: .* runs from"):
        scaling.rollouts(runs[flop < 2 * flop.min()])
    with pytest.raises(ValueError, match="reach must be above 1, times the compute of the largest run, got 0.5"):
        scaling.rollouts(runs, reach=0.5)
    with pytest.raises(ValueError, match="form is 'chinchila'"):
        scaling.rollouts(runs, forms=["chinchila"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chinchilla", "isoflop ml_scalefit__massivetext__chinchilla", "misfitting best"])
def test_intervals_at_a_hundred_times_the_compute_hold_the_runs(name, raw_data):
    runs = scaling_runs.load(name, lambda: raw_data)[["params", "tokens", "loss"]].astype(float)
    flop = 6 * runs["params"] * runs["tokens"]
    found = scaling.rollouts(runs[flop <= flop.max() / 100], bootstrap=100, loss_unit="nat")
    top = runs[flop > flop.max() / 2]
    best = found.predict(top["params"], top["tokens"])
    assert ((best.low <= top["loss"]) & (top["loss"] <= best.high)).mean() >= 0.9
