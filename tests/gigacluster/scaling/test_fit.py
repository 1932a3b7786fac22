"""The batched fitter against converged reference values, closed forms and synthetic runs."""

import numpy
import pytest
from scipy import optimize, special

from gigacluster import scaling
from gigareport import catalog

#: The optimum of the Huber 1e-3 objective on the 240 runs, to every digit known (two independent optimizers, float64).
OPTIMUM = {"A": 477.825868, "B": 2143.41736, "E": 1.8172181, "alpha": 0.3473105, "beta": 0.36717243}
OBJECTIVE = 1.0182740178e-3


@pytest.fixture(scope="module")
def runs():
    return catalog.load("scaling_chinchilla_runs")


@pytest.fixture(scope="module")
def bootstrapped(runs):
    return scaling.fit(runs, bootstrap=4000, kind="case", seed=42, device="cpu")


def test_optimum_of_240_runs_is_reached_to_every_known_digit(runs):
    fitted = scaling.fit(runs, device="cpu")
    assert fitted.converged
    assert fitted.gradient < 1e-12
    assert fitted.objective == pytest.approx(OBJECTIVE, rel=5e-11)  # eleven digits are known
    for symbol, value in OPTIMUM.items():
        assert fitted.parameters[symbol] == pytest.approx(value, rel=1.5e-8)  # eight or nine digits are known


def test_every_one_of_4000_replicates_is_proved_converged(bootstrapped):
    assert len(bootstrapped.replicates["A"]) == 4000
    assert bootstrapped.replicates["converged"].all()
    assert bootstrapped.replicates["gradient"].max() < 1e-9


def test_standard_errors_and_intervals_equal_the_fully_converged_ones(bootstrapped):
    errors = {"A": 124.4936, "B": 1293.169, "E": 0.0256570, "alpha": 0.0153975, "beta": 0.0205942}
    intervals = {
        "A": (286.085, 743.610),
        "B": (1042.366, 5810.359),
        "E": (1.769350, 1.871228),
        "alpha": (0.316823, 0.373283),
        "beta": (0.331261, 0.415375),
    }
    for symbol, error in errors.items():
        assert bootstrapped.standard_errors[symbol] == pytest.approx(error, rel=5e-6)  # printed to six or seven digits
        assert bootstrapped.intervals[symbol] == pytest.approx(intervals[symbol], rel=5e-6)


def test_row_indices_and_a_count_give_the_same_replicates(runs):
    stream = numpy.random.RandomState(42)
    rows = numpy.stack([stream.choice(numpy.arange(240), 240, replace=True) for _ in range(20)])
    drawn = scaling.fit(runs, bootstrap=rows, device="cpu").replicates
    counted = scaling.fit(runs, bootstrap=20, kind="case", seed=42, device="cpu").replicates
    assert numpy.array_equal(drawn["A"], counted["A"])


def test_scipy_goes_no_lower_on_a_sample_of_replicates(runs, bootstrapped):
    log_n, log_d, log_loss = (numpy.log(runs[name].to_numpy()) for name in ("params", "tokens", "loss"))
    log_n, log_d = log_n - log_n.mean(), log_d - log_d.mean()
    rows = numpy.random.RandomState(42).randint(0, 240, size=(4000, 240))
    for replicate in range(0, 4000, 500):
        n, d, y = log_n[rows[replicate]], log_d[rows[replicate]], log_loss[rows[replicate]]

        def objective(p, n=n, d=d, y=y):
            predicted = numpy.log(numpy.exp(p[0] - p[1] * n) + numpy.exp(p[2] - p[3] * d) + p[4])
            return special.huber(1e-3, y - predicted).sum() / 1e-3

        found = optimize.minimize(
            objective,
            bootstrapped.solved.theta[[0, 3, 1, 4, 2]],
            method="Nelder-Mead",
            options={"maxiter": 1500, "maxfev": 1500, "xatol": 1e-9, "fatol": 1e-12},
        )
        ours = bootstrapped.replicates["objective"][replicate]
        assert ours <= found.fun * 1e-3 * (1 + 1e-12)
        assert ours == pytest.approx(found.fun * 1e-3, rel=1e-3)  # a simplex comes this near in so many steps
