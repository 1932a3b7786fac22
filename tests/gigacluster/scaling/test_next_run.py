"""Which run next: the information matrix against the interval after the run was made, and against other choices."""

import numpy
import pytest
import scaling_runs

from gigacluster import scaling


def width(runs, target, at):
    found = scaling.fit(runs, bootstrap=200, kind="model", loss="squared", starts=4, device="cpu", flags=False)
    best = scaling.compute_optimal(found, at)
    estimate = best.loss if target == "loss" else best.params
    return float(numpy.log(estimate.high / estimate.low))


@pytest.mark.parametrize("target", ["loss", "optimum"])
def test_the_promised_width_is_that_after_the_run(target):
    runs = scaling_runs.synthetic(noise=0.01, sizes=8, durations=6)
    fitted = scaling.fit(runs, loss="squared", device="cpu", flags=False)
    found = scaling.next_run(fitted, at_flop=1e24, budget_flop=1e22, target=target)
    # A percentile interval of 200 replicates is known to a tenth, and the law is curved.
    assert numpy.log(found.width_now) == pytest.approx(width(runs, target, 1e24), rel=0.35)
    assert found.width_then < found.width_now
    assert found.flop <= 1e22 * (1 + 1e-9)


def test_the_best_run_per_flop_beats_the_largest_and_the_median():
    runs = scaling_runs.synthetic(noise=0.01, sizes=6, durations=5)
    fitted = scaling.fit(runs, loss="squared", device="cpu", flags=False)
    found = scaling.next_run(fitted, at_flop=1e24, budget_flop=1e22, target="optimum")
    table = found.candidates
    assert (numpy.diff(table["gain_per_flop"]) <= 0).all()
    largest = numpy.argmax(table["flop"])
    assert table["gain_per_flop"][0] > 3 * table["gain_per_flop"][largest]


def test_candidates_may_be_a_table_and_their_row_is_told():
    runs = scaling_runs.synthetic(noise=0.01)
    fitted = scaling.fit(runs, device="cpu", flags=False)
    pool = {"N": numpy.asarray([1e9, 2e10, 5e7]), "D": numpy.asarray([2e10, 4e11, 1e12])}
    found = scaling.next_run(fitted, at_flop=1e23, candidates=pool)
    assert found.params == pool["N"][found.row]
    assert "high over low" in str(found)


@pytest.mark.filterwarnings("ignore::gigacluster.scaling.ConvergenceWarning")
def test_half_of_the_interval_costs_less_by_choice_than_by_chance():
    """On made runs: greedy choice by the information matrix against the largest first, at equal compute."""
    pool = scaling_runs.synthetic(noise=0.01, sizes=10, durations=8)
    flop = (6 * pool["params"] * pool["tokens"]).to_numpy()
    order = numpy.argsort(flop)
    have = list(order[:12])
    for _ in range(14):
        rest = [i for i in range(len(pool)) if i not in have]
        fitted = scaling.fit(pool.loc[have], loss="squared", starts=4, device="cpu", flags=False)
        found = scaling.next_run(
            fitted, at_flop=1e23, target="optimum", candidates=pool.loc[rest], budget_flop=flop.max()
        )
        have.append(rest[found.row])
    spent = flop[have].sum()
    largest = list(order[:12])
    for i in order[::-1]:
        if flop[largest].sum() + flop[i] <= max(spent, flop[order[:12]].sum() + flop[order[-1]]):
            largest.append(i)
    assert width(pool.loc[have], "optimum", 1e23) < width(pool.loc[largest], "optimum", 1e23)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "score"}, "target is 'score'; it can be 'loss', 'optimum'"),
        ({"at_flop": -1.0}, "at_flop must be above 0, got -1.0"),
        ({"budget_flop": 1e3, "candidates": {"N": [1e9], "D": [1e10]}}, "no candidate costs 1e\\+03 FLOP or less"),
    ],
)
def test_bad_questions_say_what_is_allowed(options, message):
    fitted = scaling.fit(scaling_runs.synthetic(noise=0.01), device="cpu", flags=False)
    with pytest.raises(ValueError, match=message):
        scaling.next_run(fitted, **{"at_flop": 1e23, **options})
    law = scaling.Fit.from_coefficients("chinchilla", {"A": 400.0, "B": 400.0, "E": 1.7, "alpha": 0.3, "beta": 0.3})
    with pytest.raises(ValueError, match="was not fitted here"):
        scaling.next_run(law, at_flop=1e23)
