"""Stated certainty is measured certainty: intervals of 90 % hold the truth of made runs about as often."""

import math
import warnings

import numpy
import pytest

from gigacluster import scaling

LAW = {"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28}
BUDGETS = (1e21, 1e24)
#: name: loss, sizes, durations, a run's own error, error shared by the runs of one size, Student's t of the own error
KINDS = {
    "huber": ("huber", 10, 8, 0.01, 0.0, math.inf),
    "huber, 48 runs": ("huber", 8, 6, 0.01, 0.0, math.inf),
    "huber, heavy tails": ("huber", 10, 8, 0.005, 0.0, 3.0),
    "squared": ("squared", 10, 8, 0.01, 0.0, math.inf),
    "squared, 48 runs": ("squared", 8, 6, 0.01, 0.0, math.inf),
    "huber, shared": ("huber", 12, 8, 0.01, 0.01, math.inf),
    "squared, shared": ("squared", 12, 8, 0.01, 0.01, math.inf),
}


def made_runs(seed, sizes, durations, own, shared, tail):
    stream = numpy.random.default_rng([seed, 17])
    params, tokens = numpy.meshgrid(numpy.geomspace(5e7, 1e10, sizes), numpy.geomspace(1e9, 3e11, durations))
    loss = LAW["E"] + LAW["A"] / params ** LAW["alpha"] + LAW["B"] / tokens ** LAW["beta"]
    drawn = stream.standard_normal(loss.shape) if math.isinf(tail) else stream.standard_t(tail, loss.shape)
    error = own * drawn + shared * stream.standard_normal(sizes)[None, :]
    return {"params": params.ravel(), "tokens": tokens.ravel(), "loss": (loss * numpy.exp(error)).ravel()}


def hits(kind, trials):
    """Return how often the interval of each quantity held its true value."""
    loss, sizes, durations, own, shared, tail = KINDS[kind]
    truth = scaling.optimum(numpy.asarray(BUDGETS), **LAW)
    inside = LAW["E"] + LAW["A"] / 1e9 ** LAW["alpha"] + LAW["B"] / 1e11 ** LAW["beta"]
    count = {}
    for seed in range(trials):
        runs = made_runs(seed, sizes, durations, own, shared, tail)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scaling.ConvergenceWarning)
            fitted = scaling.fit(runs, bootstrap=200, starts=4, loss=loss, coverage=0.9, flags=False, device="cpu")
        best = scaling.compute_optimal(fitted, BUDGETS)
        curve = fitted.predict(1e9, 1e11)
        held = {name: low <= LAW[name] <= high for name, (low, high) in fitted.intervals.items()}
        for name in ("params", "loss"):
            found, exact = getattr(best, name), getattr(truth, name)
            for k, budget in enumerate(BUDGETS):
                held[f"{name} at {budget:g}"] = bool(found.low[k] <= exact[k] <= found.high[k])
        held["prediction"] = bool(curve.low <= inside <= curve.high)
        for name, value in held.items():
            count[name] = count.get(name, 0) + bool(value)
    return {name: value / trials for name, value in count.items()}


@pytest.mark.parametrize("kind", ["squared, 48 runs"])  # the others with the long one below
def test_intervals_hold_about_as_often_as_they_claim(kind):
    trials = 60
    found = hits(kind, trials)
    # The least of ten quantities lies 3.6 standard errors (14 %) below 90 % once in a thousand runs; without the shared
    # error's allowance coverage was 50 to 60 %.
    assert min(found.values()) >= 0.9 - 3.6 * math.sqrt(0.09 / trials), found
    assert numpy.mean(list(found.values())) >= 0.82, found


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ninety_percent_is_between_86_and_94(kind):
    """Measured with 500 made sets each, least to most of ten quantities.

    Huber .89 to .93, on 48 runs .86 to .91, with heavy tails .87 to .94; squared .89 to .93, on 48 runs .88
    to .91; shared errors .87 to .90 by either loss. So the replicates by Student's t
    need no studentized or BCa interval on top.
    """
    trials = 500
    found = hits(kind, trials)
    slack = 2.5 * math.sqrt(0.09 / trials)  # of ten quantities a kind, one in eighty lies farther out by chance alone
    assert all(0.86 - slack <= share <= 0.94 + slack for share in found.values()), found
    assert 0.86 <= numpy.mean(list(found.values())) <= 0.94, found
