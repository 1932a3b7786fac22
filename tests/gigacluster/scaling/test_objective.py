"""What a fit makes small: as defined, with slopes and curvatures that are its derivatives."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigacluster.scaling.objective import LOSSES, Objective

residuals = st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=9).map(numpy.array)
deltas, quantiles = st.floats(1e-4, 0.2), st.floats(0.05, 0.95)


def defined(objective, r):
    if objective.loss == "squared":
        return r**2 / 2
    d = objective.delta
    huber = numpy.where(abs(r) <= d, r**2 / 2, d * (abs(r) - d / 2))
    side = numpy.where(r > 0, 2 * objective.quantile, 2 * (1 - objective.quantile))
    return huber * side if objective.loss == "asymmetric" else huber


@pytest.mark.parametrize("loss", LOSSES)
@given(residuals, deltas, quantiles)
def test_an_objective_is_its_definition_and_its_slope_the_derivative(loss, r, delta, quantile):
    objective = Objective(loss=loss, delta=delta, quantile=quantile)
    value, slope, curvature = objective(numpy, r)
    numpy.testing.assert_allclose(value, defined(objective, r), rtol=1e-9, atol=1e-16)
    step = 1e-6 * delta
    difference = (defined(objective, r + step) - defined(objective, r - step)) / (2 * step)
    smooth = numpy.minimum(abs(abs(r) - delta), abs(r)) > 2 * step  # away from the corners
    # A difference of values of 1e-2 over 1e-10 has 6 digits of the largest slope.
    numpy.testing.assert_allclose(slope[smooth], difference[smooth], rtol=1e-4, atol=1e-4 * delta)
    inner = numpy.ones(len(r), bool) if loss == "squared" else abs(r) < delta
    assert (curvature[inner] > 0).all()
    numpy.testing.assert_allclose(curvature[inner & smooth] * r[inner & smooth], slope[inner & smooth], rtol=1e-12)
    assert (curvature[~inner & smooth] == 0).all()


def test_a_half_is_symmetric_and_the_edges_are_no_quantiles():
    r = numpy.linspace(-0.01, 0.01, 7)
    for even, plain in zip(Objective(loss="asymmetric")(numpy, r), Objective()(numpy, r), strict=True):
        numpy.testing.assert_allclose(even, plain, rtol=1e-12)
    for quantile in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Objective(quantile=quantile)
    with pytest.raises(ValueError, match="delta must be above 0"):
        Objective(delta=0.0)
    assert Objective(quantile=0.999).quantile == 0.999


def test_the_unit_of_a_slope_is_its_bound():
    assert Objective(delta=0.02).unit == 0.02
    assert Objective(loss="squared", delta=0.02).unit == 0.01
