"""What residuals are made of, against the textbook: dense restricted likelihood, nested F tests, Student's t."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from gigacluster.scaling.noise import Noise, Shared, curvature_test, find_noise, groupings, shared_error, spread_test

seeds = st.integers(0, 2**32 - 1).map(numpy.random.default_rng)


def grouped(chance, groups, each, ratio, slopes=2):
    """Return residuals with an error shared by groups of several sizes, derivatives, and the groups."""
    group = numpy.repeat(numpy.arange(groups), chance.integers(max(each - 2, 1), each + 3, groups))
    jacobian = numpy.column_stack([numpy.ones(len(group)), chance.standard_normal((len(group), slopes - 1))])
    residuals = 0.01 * (chance.standard_normal(len(group)) + numpy.sqrt(ratio) * chance.standard_normal(groups)[group])
    return residuals, jacobian, group


def dense(residuals, jacobian, group, ratio):
    """Return minus twice the restricted log likelihood with the own variance at its best, and that variance."""
    count, free = jacobian.shape
    covariance = numpy.eye(count) + ratio * (group[:, None] == group)
    inverse = numpy.linalg.inv(covariance)
    inner = jacobian.T @ inverse @ jacobian
    solved = numpy.linalg.solve(inner, jacobian.T @ inverse @ residuals)
    left = residuals - jacobian @ solved
    square = left @ inverse @ left
    value = (count - free) * numpy.log(square) + numpy.linalg.slogdet(covariance)[1] + numpy.linalg.slogdet(inner)[1]
    return value, square / (count - free)


@settings(max_examples=20)
@given(seeds, st.integers(5, 12), st.integers(2, 6), st.sampled_from([0.0, 0.5, 3.0, 20.0]))
def test_the_shared_error_is_that_of_the_dense_restricted_likelihood(chance, groups, each, ratio):
    residuals, jacobian, group = grouped(chance, groups, each, ratio)
    found, variance, evidence = shared_error(residuals, jacobian, group)
    alone, own = dense(residuals, jacobian, group, 0.0)
    best = optimize.minimize_scalar(
        lambda log_ratio: dense(residuals, jacobian, group, numpy.exp(log_ratio))[0], bounds=(-6, 6), method="bounded"
    )
    if found == 0.0:
        assert variance == pytest.approx(own, rel=1e-9)
        assert evidence == 0.0
        assert best.fun > alone - 1e-3
    else:
        assert dense(residuals, jacobian, group, found)[0] == pytest.approx(best.fun, abs=1e-3)
        assert numpy.log(found) == pytest.approx(best.x, abs=0.02)
        assert variance == pytest.approx(dense(residuals, jacobian, group, found)[1], rel=1e-6)
        assert evidence == pytest.approx(alone - dense(residuals, jacobian, group, found)[0], abs=1e-6)


@settings(max_examples=20)
@given(seeds, st.integers(12, 30))
def test_errors_of_their_own_have_the_variance_of_weighted_least_squares(chance, count):
    residuals, jacobian = 0.01 * chance.standard_normal(count), chance.standard_normal((count, 3))
    weights = chance.uniform(0.5, 2.0, count)
    weights[0] = 0.0
    noise = find_noise(residuals, jacobian, weights, {})
    scaled = (residuals * numpy.sqrt(weights))[1:]
    assert noise.shared is None
    assert noise.free == count - 1 - 3
    assert noise.sigma**2 == pytest.approx((scaled**2).sum() / noise.free)
    assert noise.scale[1:] == pytest.approx(weights[1:] ** -0.5)
    assert noise.scale[0] == 0.0  # a run of no weight draws nothing, and is drawn by none
    # The three smallest are those that a robust fit of three parameters goes through.
    kept = numpy.sort(scaled[numpy.argsort(abs(scaled))[3:]]) if count - 1 > 9 else numpy.sort(scaled)
    numpy.testing.assert_allclose(numpy.sort(noise.own), kept - kept.mean(), atol=1e-15)
    few = find_noise(residuals[1:10], jacobian[1:10], weights[1:10], {})
    assert len(few.own) == 9  # too few to leave any out
    for runs, free in ((5, 2), (4, 1), (3, 1)):  # where nothing is left, what rounding leaves counts as one
        few = find_noise(residuals[1 : 1 + runs], jacobian[1 : 1 + runs], weights[1 : 1 + runs], {})
        assert few.free == free
        assert few.sigma**2 == pytest.approx((scaled[:runs] ** 2).sum() / free)


def test_of_several_groupings_the_one_with_most_evidence_is_taken_and_only_with_enough():
    chance = numpy.random.default_rng(2)
    residuals, jacobian, group = grouped(chance, 20, 6, 4.0)
    coarse, none = group // 2, numpy.arange(len(group)) % 20
    groups = {"none": none, "coarse": coarse, "fine": group}
    noise = find_noise(residuals, jacobian, numpy.ones(len(group)), groups)
    ratio, own, evidence = shared_error(residuals, jacobian, group)
    assert noise.shared.by == "fine"
    assert (noise.shared.ratio, noise.sigma**2, noise.shared.evidence) == pytest.approx((ratio, own, evidence))
    assert noise.shared.correlation == pytest.approx(ratio / (1 + ratio))
    forced = find_noise(residuals, jacobian, numpy.ones(len(group)), groups, always="coarse")
    assert forced.shared.by == "coarse"
    # What is left to a run's own error is the residual less its group's best linear predictor.
    mean = numpy.bincount(group, residuals) / numpy.bincount(group)
    share = ratio * numpy.bincount(group) / (1 + ratio * numpy.bincount(group))
    left = residuals - (share * mean)[group]
    kept = numpy.sort(left[numpy.argsort(abs(left))[2:]])
    numpy.testing.assert_allclose(numpy.sort(noise.own), kept - kept.mean(), atol=1e-12)
    few = find_noise(residuals[:6], jacobian[:6], numpy.ones(6), {"fine": group[:6]}, always="fine")
    assert few.shared is None  # four runs beyond the parameters tell no variance of groups


@pytest.mark.parametrize("trials", [120, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [0.0, 1.0])
def test_evidence_is_asked_for_that_one_in_forty_sets_without_a_shared_error_has(size, trials):
    told = 0
    for seed in range(trials):
        chance = numpy.random.default_rng([seed, 4])
        residuals, jacobian, group = grouped(chance, 10, 6, size)
        noise = find_noise(residuals, jacobian, numpy.ones(len(group)), {"group": group})
        evidence = shared_error(residuals, jacobian, group)[2]
        assert (noise.shared is not None) == (evidence > stats.chi2.ppf(0.95, 1).round(2))
        told += noise.shared is not None
    assert told <= 0.06 * trials if size == 0 else told > 0.75 * trials  # one in forty without, nearly all with


@pytest.mark.parametrize("shared", [False, True])
def test_drawn_errors_have_the_variances_and_the_tails_that_are_claimed(shared):
    """Student's t: the variance of t with f degrees of freedom is f / (f - 2) times its scale squared."""
    chance = numpy.random.default_rng(5)
    residuals, jacobian, group = grouped(chance, 12, 6, 2.0 if shared else 0.0)
    weights = numpy.where(numpy.arange(len(group)) % 2, 1.0, 4.0)
    noise = find_noise(residuals / numpy.sqrt(weights), jacobian, weights, {"group": group} if shared else {})
    assert (noise.shared is not None) == shared
    errors = numpy.concatenate(list(noise.draw(20_000, 1, 20_000)))
    own = noise.sigma**2 * noise.free / (noise.free - 2)
    known = int(group.max()) + 1 - 3
    cause = noise.sigma**2 * noise.shared.ratio * known / (known - 2) if shared else 0.0
    for k in (0, 1):
        assert errors[:, k].var() == pytest.approx(own / weights[k] + cause, rel=0.05)
    assert abs(errors.mean()) < 0.02 * noise.sigma
    together = numpy.mean(errors[:, group == 0][:, 0] * errors[:, group == 0][:, 1])
    apart = numpy.mean(errors[:, 0] * errors[:, -1])
    assert together == pytest.approx(cause, abs=0.1 * (own + cause))
    assert apart == pytest.approx(0.0, abs=0.05 * (own + cause))
    # The scale of a whole replicate varies as one over a chi: few runs know their error badly.
    alone = errors / noise.scale if not shared else None
    if alone is not None:
        spread = alone.std(axis=1) / noise.sigma
        expected = numpy.sqrt(noise.free / stats.chi2.rvs(noise.free, size=20_000, random_state=0))
        sampling = alone.shape[1] ** -0.5
        assert spread.std() == pytest.approx(numpy.hypot(expected.std(), sampling * numpy.sqrt(0.5)), rel=0.15)


def test_errors_do_not_hang_on_the_blocks_they_are_drawn_in():
    chance = numpy.random.default_rng(6)
    residuals, jacobian, group = grouped(chance, 10, 5, 3.0)
    noise = find_noise(residuals, jacobian, numpy.ones(len(group)), {"group": group})
    whole, parts = (numpy.concatenate(list(noise.draw(10, 7, block))) for block in (10, 4))
    numpy.testing.assert_array_equal(whole, parts)
    assert len(list(noise.draw(10, 7, 4))) == 3
    assert abs(whole - numpy.concatenate(list(noise.draw(10, 8, 10)))).min() > 0  # another seed


def test_drawn_errors_are_smooth_where_a_robust_fit_left_zeros():
    """A narrow kernel: its width is Silverman's, the smaller of deviation and quartiles over 1.34."""
    own = numpy.concatenate([numpy.full(20, -0.01), numpy.full(20, 0.01)])
    noise = find_noise(own, numpy.ones((40, 1)), numpy.ones(40), {})
    errors = next(noise.draw(4_000, 3, 4_000)).ravel()
    assert len(numpy.unique(errors.round(12))) > 0.99 * errors.size
    width = 1.06 * min(noise.own.std(), 0.02 / 1.34) * len(noise.own) ** -0.2
    # Two bumps: their fourth moment over the squared second tells the share of the kernel's variance.
    share = width**2 / (width**2 + noise.own.std() ** 2)
    tails = (noise.free - 2) / (noise.free - 4)  # of one over chi-squared, to the fourth and the second power
    expected = tails * (1 + 4 * share - 2 * share**2)
    assert (errors**4).mean() / (errors**2).mean() ** 2 == pytest.approx(expected, rel=0.03)


def test_runs_of_one_size_or_budget_are_groups_where_there_are_enough_and_no_chain():
    sizes = numpy.repeat([1e8, 2e8, 4e8, 8e8], 3) * (1 + 0.01 * numpy.tile([-1, 0, 1], 4))
    columns = {"params": sizes, "tokens": numpy.geomspace(1e9, 1e11, 12), "chain": 1e9 * 1.02 ** numpy.arange(12)}
    found = groupings(columns, None)
    assert list(found) == ["params"]
    assert found["params"].tolist() == numpy.repeat(range(4), 3).tolist()
    assert groupings({"params": sizes[:9]}, None) == {}  # three groups
    assert groupings({"params": sizes[:7]}, None) == {}  # more groups than pairs of runs
    shuffled = numpy.random.default_rng(0).permutation(12)
    assert groupings({"params": sizes[shuffled]}, None)["params"].tolist() == found["params"][shuffled].tolist()
    labelled = groupings(columns, numpy.array([1, 0, 1] * 4))
    assert labelled["clusters"].tolist() == [1, 0, 1] * 4


def apart(step, count=4):
    """Return pairs of values that differ by a share of a decade, the pairs a decade apart."""
    return 10 ** (numpy.repeat(numpy.arange(8.0, 8.0 + count), 2) + numpy.tile([0.0, step], count))


def test_values_within_two_hundredths_of_a_decade_are_one():
    assert groupings({"params": apart(0.019)}, None)["params"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert groupings({"params": apart(0.021)}, None) == {}  # eight groups of one run
    chain = numpy.concatenate([apart(0.0), 10 ** (20 + 0.019 * numpy.arange(3))])
    assert "params" in groupings({"params": chain}, None)
    assert groupings({"params": numpy.append(chain, 10 ** (20 + 0.019 * 3))}, None) == {}


@settings(max_examples=20)
@given(seeds, st.booleans())
def test_lack_of_fit_is_the_f_test_of_squares_products_and_cubes(chance, with_shared):
    groups, each = 9, 5
    group = numpy.repeat(numpy.arange(groups), each)
    log_columns = {name: chance.standard_normal(groups * each) * 3 + 20 for name in ("params", "tokens")}
    x, y = ((c - c.mean()) / c.std() for c in log_columns.values())
    jacobian = numpy.column_stack([x, y])
    residuals = chance.uniform(-1, 1, groups * each) + 0.1 * x * y
    shared = Shared(by="params", group=group, ratio=2.0, evidence=9.0) if with_shared else None
    chance_of_it, explained = curvature_test(residuals, jacobian, log_columns, shared)
    whiten = numpy.eye(len(group))
    if with_shared:
        whiten = numpy.linalg.inv(numpy.linalg.cholesky(whiten + 2.0 * (group[:, None] == group)))
    ones = numpy.ones(len(group))
    small = whiten @ numpy.column_stack([ones, x, y])
    large = whiten @ numpy.column_stack([ones, x, y, x * x, x * y, y * y, x**3, y**3])
    limit = 3 * stats.norm.ppf(0.75) ** -1 * numpy.median(abs(residuals))
    clipped = whiten @ numpy.clip(residuals, -limit, limit)
    without, with_ = (float(numpy.linalg.lstsq(a, clipped, rcond=None)[1][0]) for a in (small, large))
    free = len(group) - 8
    expected = stats.f.sf((without - with_) / 5 / (with_ / free), 5, free)
    assert chance_of_it == pytest.approx(expected, rel=2e-3)  # 1.4826 has five digits
    assert explained == pytest.approx(1 - with_ / without, rel=1e-4)


def test_one_outlier_is_no_lack_of_fit_however_large():
    chance = numpy.random.default_rng(8)
    log_columns = {"params": chance.standard_normal(40)}
    residuals, jacobian = chance.standard_normal(40), log_columns["params"][:, None]
    at_limit = 3 * 1.4826 * numpy.median(abs(numpy.where(numpy.arange(40) == 3, 1e9, residuals)))
    found = [
        curvature_test(numpy.where(numpy.arange(40) == 3, size, residuals), jacobian, log_columns, None)
        for size in (1e9, 1.0001 * at_limit, at_limit)
    ]
    assert found[0] == pytest.approx(found[2], rel=1e-9)
    assert found[1] == pytest.approx(found[2], rel=1e-9)
    inside = curvature_test(numpy.where(numpy.arange(40) == 3, 0.9 * at_limit, residuals), jacobian, log_columns, None)
    assert inside != pytest.approx(found[2], rel=1e-6)


def test_derivatives_that_add_up_to_the_constant_take_no_direction_more():
    """Those of a sum of terms and a floor do: what rounding leaves of the last one is no direction."""
    chance = numpy.random.default_rng(9)
    log_columns = {"params": chance.standard_normal(40)}
    residuals, slope = chance.standard_normal(40), chance.standard_normal(40)
    alone = curvature_test(residuals, slope[:, None], log_columns, None)
    for unit in (1e-6, 1.0, 1e6):
        both = curvature_test(residuals, unit * numpy.column_stack([slope, 1 - slope]), log_columns, None)
        assert both == pytest.approx(alone, rel=1e-6)


def test_too_few_runs_or_no_residuals_show_no_lack_of_fit():
    x = {"params": numpy.arange(6.0)}
    slopes = numpy.arange(6.0)[:, None]
    assert curvature_test(numpy.array([1.0, -1, 1, -1, 1, -1]), slopes, x, None) == (1.0, 0.0)
    seven = {"params": numpy.arange(7.0)}
    assert curvature_test(numpy.array([1.0, -1, 1, -1, 1, -1, 2]), numpy.arange(7.0)[:, None], seven, None)[0] < 1
    assert curvature_test(numpy.zeros(20), numpy.arange(20.0)[:, None], {"params": numpy.arange(20.0)}, None) == (1, 0)
    # A square of a column of two values is that column: nothing is left to explain anything.
    two = {"params": numpy.tile([0.0, 1.0], 10)}
    assert curvature_test(numpy.arange(20.0) % 3 - 1, two["params"][:, None], two, None) == (1.0, 0.0)


@settings(max_examples=20)
@given(seeds, st.floats(-0.5, 0.5))
def test_a_spread_that_changes_is_the_slope_of_log_size_with_its_t(chance, slope):
    log_compute = chance.uniform(40.0, 50.0, 30)
    residuals = chance.standard_normal(30) * numpy.exp(slope * log_compute)
    found, factor = spread_test(residuals, log_compute)
    size = numpy.log(abs(residuals))
    size = numpy.clip(size, *numpy.quantile(size, [0.05, 0.95]))
    # The clipped values keep their own mean in Student's t of a line through their median.
    centred = log_compute - log_compute.mean()
    line = stats.linregress(log_compute, size)
    offset = size.mean() - numpy.median(numpy.log(abs(residuals)))
    square = ((size - line.intercept - line.slope * log_compute) ** 2).sum() + 30 * offset**2
    expected = 2 * stats.t.sf(abs(line.slope) / numpy.sqrt(square / 28 / (centred**2).sum()), 28)
    assert factor == pytest.approx(10**line.slope, rel=1e-9)
    assert found == pytest.approx(expected, rel=1e-6)
    assert spread_test(-3.0 * residuals, log_compute + 1.0) == pytest.approx((found, factor), rel=1e-6)
    with_zero = spread_test(numpy.append(residuals, 0.0), numpy.append(log_compute, 45.0))
    assert with_zero == pytest.approx((found, factor), rel=1e-12)  # a run on the curve has no log size


def test_a_spread_is_judged_from_twelve_runs_over_half_an_e_fold_of_compute():
    residuals = numpy.exp(numpy.arange(13.0)) * (-1.0) ** numpy.arange(13)
    assert spread_test(residuals, numpy.arange(13.0))[0] < 1e-9
    assert spread_test(residuals[:12], numpy.arange(12.0))[0] < 1e-9
    assert spread_test(residuals[:11], numpy.arange(11.0)) == (1.0, 1.0)
    assert spread_test(residuals, numpy.arange(13.0) * 0.5 / 12)[0] < 1e-9
    assert spread_test(residuals, numpy.arange(13.0) * 0.49 / 12) == (1.0, 1.0)


@pytest.mark.parametrize("place", range(5))
def test_every_residual_is_drawn_as_often_as_any(place):
    own = (numpy.arange(5) == place).astype(float)
    noise = Noise(own=own, sigma=1.0, free=200, scale=numpy.ones(50), shared=None)
    errors = next(noise.draw(2_000, 1, 2_000))
    kernel = 1.06 * own.std() * 5**-0.2  # quartiles of one value among zeros are zero, so that the deviation is taken
    expected = 0.2 / numpy.hypot(own.std(), kernel)
    assert errors.mean() == pytest.approx(expected, rel=0.03)


@given(seeds, st.floats(1e-9, 1e9))
def test_a_shared_error_is_at_most_e_to_the_sixth_of_a_runs_own(chance, size):
    group = numpy.repeat(numpy.arange(8), 4)
    residuals = size * chance.standard_normal(8)[group]
    ratio, own, evidence = shared_error(residuals, numpy.ones((32, 1)), group)
    assert numpy.log(ratio) == pytest.approx(6.0)
    assert own < residuals.var() / 100
    assert evidence > 3.84


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.floats(0.0, 50.0))
def test_a_shared_error_inflates_the_variance_of_a_mean_of_all_runs(sizes, ratio):
    """Over that of as many runs of the same variance that share nothing."""
    group = numpy.repeat(numpy.arange(len(sizes)), sizes)
    shared = Shared(by="group", group=group, ratio=ratio, evidence=9.0)
    covariance = numpy.eye(len(group)) + ratio * (group[:, None] == group)
    assert shared.inflation == pytest.approx(covariance.sum() / numpy.trace(covariance), rel=1e-9)


@settings(max_examples=20)
@given(seeds, st.floats(-30.0, 30.0), st.floats(0.1, 10.0))
def test_lack_of_fit_does_not_hang_on_the_unit_of_a_column_or_of_the_loss(chance, shift, size):
    """Derivatives of a law are no columns: their span does not take up where a column is counted from."""
    log_columns = {name: chance.standard_normal(40) for name in ("params", "tokens")}
    jacobian, residuals = numpy.exp(0.3 * log_columns["params"])[:, None], chance.standard_normal(40)
    found = curvature_test(residuals, jacobian, log_columns, None)
    moved = {name: column + shift for name, column in log_columns.items()}
    assert curvature_test(size * residuals, jacobian, moved, None) == pytest.approx(found, rel=1e-6)
