"""Decisions: optima against brute force and closed forms, on every array library."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import scaling
from gigacluster.arrays import to_host
from gigareport import beside, catalog

LAW = (482.01, 2085.43, 1.8172, 0.3478, 0.3658)
A, B, E, ALPHA, BETA = LAW


def loss_of(params, tokens):
    return E + A / params**ALPHA + B / tokens**BETA


@pytest.fixture(scope="module")
def fitted():
    return scaling.fit(catalog.load("scaling_chinchilla_runs"), bootstrap=200, device="cpu")


def test_optimum_is_the_lowest_point_of_a_fine_grid(xp):
    budget = xp.array([1e21, 5.76e23, 1e27])
    best = scaling.optimum(budget, *LAW)
    for i, flop in enumerate(to_host(budget)):
        params = numpy.geomspace(1e8, 1e14, 200_001)
        losses = loss_of(params, flop / (6 * params))
        assert float(to_host(best.params)[i]) == pytest.approx(params[losses.argmin()], rel=1e-4)  # spacing of the grid
        assert float(to_host(best.loss)[i]) == pytest.approx(losses.min(), rel=1e-9)
    assert to_host(6 * best.params * best.tokens) == pytest.approx(to_host(budget))


def test_elements_out_of_range_become_nan(xp):
    best = scaling.optimum(xp.array([1e24, -1.0, numpy.nan]), *LAW)
    assert numpy.isnan(to_host(best.params)).tolist() == [False, True, True]


def test_token_cap_binds_only_above_it(xp):
    none = to_host(scaling.optimum(1e22, *LAW, token_cap=xp.array([0.0, -1e12, numpy.nan])).loss)
    assert numpy.isnan(none).all()
    best = scaling.optimum(xp.array([1e22, 1e27]), *LAW, token_cap=1e12)
    free = scaling.optimum(xp.array([1e22, 1e27]), *LAW)
    params, tokens = to_host(best.params), to_host(best.tokens)
    assert params[0] == pytest.approx(to_host(free.params)[0])
    assert tokens[1] == 1e12
    assert params[1] == pytest.approx(1e27 / 6e12)


def test_excess_compute_equals_the_search_for_an_equal_loss(xp):
    budget = 1e24
    for ratio, excess in zip(
        (0.25, 0.5, 1.0, 3.0),
        to_host(scaling.excess_compute(xp.array([0.25, 0.5, 1.0, 3.0]), ALPHA, BETA)),
        strict=True,
    ):
        params = ratio * float(scaling.optimum(budget, *LAW).params)
        equal = scaling.optimum(budget / excess, *LAW)
        assert float(equal.loss) == pytest.approx(loss_of(params, budget / (6 * params)), rel=1e-12)


def test_serving_moves_to_smaller_models_and_never_costs_more(xp):
    target = float(scaling.optimum(1e25, *LAW).loss)
    plan = scaling.cheapest_to_serve(target, xp.array([0.0, 1e12, 1e14, 1e16]), *LAW)
    params, tokens = to_host(plan.params), to_host(plan.tokens)
    assert (numpy.diff(params) < 0).all()
    assert params[0] == pytest.approx(float(scaling.optimum(1e25, *LAW).params), rel=1e-6)  # golden section: 1e-7
    assert loss_of(params, tokens) == pytest.approx(target, rel=1e-9)
    assert (to_host(plan.total_flop) <= to_host(plan.total_flop_if_training_optimal) * (1 + 1e-12)).all()
    assert to_host(plan.training_flop) == pytest.approx(6 * params * tokens, rel=1e-12)
    assert to_host(plan.total_flop) == pytest.approx(
        6 * params * tokens + 2 * params * [0.0, 1e12, 1e14, 1e16], rel=1e-12
    )
    grid = numpy.geomspace(params[2] / 3, params[2] * 3, 20_001)
    left = numpy.maximum(target - E - A / grid**ALPHA, 1e-30)
    total = 6 * grid * (B / left) ** (1 / BETA) + 2 * grid * 1e14
    assert float(to_host(plan.total_flop)[2]) == pytest.approx(total.min(), rel=1e-6)


def test_unreachable_loss_is_nan():
    assert numpy.isnan(scaling.cheapest_to_serve(1.5, 1e12, *LAW).params)


def test_repeating_tokens_lies_between_endless_and_capped_data(xp):
    budget, unique = 1e27, xp.array([1e11, 1e12, 1e13, 1e15])
    repeated = to_host(scaling.repeated_optimum(budget, unique, *LAW, 15.4).loss)
    endless = float(scaling.optimum(budget, *LAW).loss)
    capped = to_host(scaling.optimum(budget, *LAW, token_cap=unique).loss)
    assert (numpy.diff(repeated) < 0).all()
    assert (repeated >= endless * (1 - 1e-12)).all()
    assert (repeated <= capped * (1 + 1e-12)).all()
    assert repeated[-1] == pytest.approx(endless, rel=1e-12)


@given(st.floats(20.0, 28.0), st.floats(9.0, 14.0), st.floats(1.0, 60.0))
def test_the_best_model_of_repeated_tokens_has_the_least_loss_of_a_grid(log_flop, log_unique, scale):
    budget, unique = 10**log_flop, 10**log_unique
    best = scaling.repeated_optimum(budget, unique, *LAW, scale)
    assert float(best.params * best.tokens) == pytest.approx(budget / 6, rel=1e-12)

    def loss(params):
        tokens = budget / (6 * params)
        worth = numpy.where(
            tokens > unique, unique * (1 + scale * (1 - numpy.exp((1 - tokens / unique) / scale))), tokens
        )
        return E + A / params**ALPHA + B / worth**BETA

    assert float(best.loss) == pytest.approx(float(loss(float(best.params))), rel=1e-12)
    grid = numpy.geomspace(float(best.params) / 1e3, float(best.params) * 1e3, 2_001)
    assert float(best.loss) <= loss(grid).min() * (1 + 1e-12)


def test_compute_optimal_has_intervals_of_the_shape_of_budgets(fitted):
    best = scaling.compute_optimal(fitted, [1e22, 1e24, 1e26])
    for estimate in (best.params, best.tokens, best.tokens_per_param, best.loss):
        assert estimate.value.shape == (3,)
        assert (estimate.low < estimate.value).all()
        assert (estimate.value < estimate.high).all()
    single = scaling.compute_optimal(fitted, 1e24)
    assert float(single.loss.value) == best.loss.value[1]


def test_share_of_compute_for_parameters_has_the_known_spread():
    full = scaling.fit(catalog.load("scaling_chinchilla_runs"), bootstrap=4000, kind="case", device="cpu").replicates
    share = full["beta"] / (full["alpha"] + full["beta"])
    assert share.std() == pytest.approx(0.01997064, rel=5e-6)  # printed with the population formula
    assert numpy.diff(numpy.quantile(share, [0.1, 0.9]))[0] == pytest.approx(0.0514135, rel=5e-6)


def test_tied_and_overtraining_fits_choose_alike():
    runs = catalog.load("scaling_chinchilla_runs")
    tied, over = (
        scaling.compute_optimal(scaling.fit(runs, form, device="cpu"), 1e24)
        for form in ("chinchilla-tied", "overtraining")
    )
    assert float(over.params.value) == pytest.approx(float(tied.params.value), rel=1e-6)
    assert float(over.loss.value) == pytest.approx(float(tied.loss.value), rel=1e-8)


def test_kaplan_optimum_is_the_lowest_point_of_its_law():
    table = catalog.load("scaling_published_laws").query("law == 'kaplan-2020'").set_index("symbol")["value"]
    best = beside.published_optima(1e23).set_index("law").loc["kaplan-2020"]
    params = numpy.geomspace(1e9, 1e13, 100_001)
    tokens = 1e23 / (6 * params)
    inner = (table["N_c"] / params) ** (table["alpha_N"] / table["alpha_D"]) + table["D_c"] / tokens
    assert best["params"] == pytest.approx(params[inner.argmin()], rel=1e-3)  # spacing of the grid
    assert best["loss"] == pytest.approx((inner ** table["alpha_D"]).min(), rel=1e-9)


def test_the_law_as_first_printed_lies_outside_the_interval_of_its_refit(fitted):
    interval = scaling.compute_optimal(fitted, 5e25)
    printed = beside.published_optima(5e25).set_index("law").loc["hoffmann-2022-printed"]
    assert printed["params"] < interval.params.low
    assert printed["loss"] < interval.loss.low


def test_wrong_form_and_budget_are_refused(fitted):
    with pytest.raises(ValueError, match="budget_flop is zero or negative in row"):
        scaling.compute_optimal(fitted, 0.0)
    frontier = scaling.fit(catalog.load("scaling_chinchilla_runs"), "frontier", device="cpu")
    with pytest.raises(ValueError, match="'frontier' has no compute optimum: it reads budget_flop"):
        scaling.compute_optimal(frontier, 1e24)


def test_score_link_equals_the_reference_and_knows_its_weakness():
    models = catalog.load("scaling_benchmark_models")
    link = scaling.link_score(
        numpy.log10(models["training_flop"]), models["mmlu_frac"], models["family"], bootstrap=200, floor=0.25
    )
    assert (link.slope, link.centre, link.ceiling) == pytest.approx((2.21, 23.28, 0.810), abs=0.006)  # two decimals
    assert link.error == pytest.approx(0.088, abs=6e-4)
    assert link.error_within_family < link.error
    ahead = link.predict(numpy.asarray([23.0, 24.0]))
    assert (ahead.high - ahead.low > 0.2).all()  # one model's score is uncertain by tenths


@pytest.mark.parametrize("name", ["optimum", "excess_compute", "cheapest_to_serve", "repeated_optimum"])
@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_any_input_may_be_the_array_and_the_others_broadcast_with_it(name, seed):
    chance = numpy.random.default_rng(seed)
    function, law = getattr(scaling, name), [chance.uniform(0.9, 1.1, 2) * value for value in LAW]
    inputs = {
        "optimum": [numpy.array([1e22, 1e25]), *law],
        "excess_compute": [numpy.array([0.4, 3.0]), *law[3:]],
        "cheapest_to_serve": [numpy.array([2.3, 2.5]), numpy.array([0.0, 1e13]), *law],
        "repeated_optimum": [numpy.array([1e24, 1e27]), numpy.array([1e11, 1e13]), *law, numpy.array([4.0, 15.0])],
    }[name]
    for place, values in enumerate(inputs):
        first = [float(other[0]) for other in inputs]
        found = numpy.array(function(*first[:place], values, *first[place + 1 :]))
        singly = [function(*first[:place], float(value), *first[place + 1 :]) for value in values]
        numpy.testing.assert_allclose(found, numpy.array(singly).T, rtol=1e-6)  # golden section: 1e-7
    crossed = numpy.array(function(*(values.reshape((2,) + (1,) * (n % 3)) for n, values in enumerate(inputs))))
    assert crossed.shape[-3:] == (2,) * min(3, len(inputs))


@pytest.mark.parametrize("name", ["optimum", "excess_compute", "cheapest_to_serve", "repeated_optimum"])
def test_an_input_out_of_its_range_has_no_answer_and_leaves_its_neighbours_one(name):
    function = getattr(scaling, name)
    inputs = {
        "optimum": [1e24, *LAW],
        "excess_compute": [0.5, ALPHA, BETA],
        "cheapest_to_serve": [2.0, 1e12, *LAW],
        "repeated_optimum": [1e24, 1e12, *LAW, 15.0],
    }[name]
    # A floor and a service may be zero; a loss must lie above its floor.
    zeros = {"optimum": {3}, "excess_compute": set(), "cheapest_to_serve": {1, 4}, "repeated_optimum": {4}}[name]
    floor = {"cheapest_to_serve": {0: E}}.get(name, {})
    whole = numpy.array(function(*inputs))
    for place, value in enumerate(inputs):
        wrong = [-value, -5e-324, numpy.nan, floor.get(place, 0.0 if place not in zeros else numpy.nan)]
        values = numpy.array([value, *wrong])
        found = numpy.array(function(*inputs[:place], values, *inputs[place + 1 :]))
        numpy.testing.assert_allclose(found[..., 0], whole, rtol=1e-12)
        assert numpy.isnan(found[..., 1:]).all(), place
        if place in zeros:
            assert numpy.isfinite(numpy.array(function(*inputs[:place], 0.0, *inputs[place + 1 :]))).all()


def test_a_law_of_other_columns_says_what_must_be_given():
    symbols = dict(scaling.LAWS["data-constrained"].defaults) | {"R_D*": 15.0, "R_N*": 5.0}
    with pytest.raises(ValueError, match="split between params and tokens; give unique_tokens beside the budget"):
        scaling.law_optimum("data-constrained", symbols, 1e22)
    best = scaling.law_optimum("data-constrained", symbols, 1e22, given={"unique_tokens": 1e15})
    assert float(best.params * best.tokens) == pytest.approx(1e22 / 6)
    for form, given_ in (("frontier", {}), ("routing", {}), ("routing", {"experts": 8.0})):
        with pytest.raises(ValueError, match="is split between params and tokens$"):
            scaling.law_optimum(form, {}, 1e22, given=given_)


@given(st.floats(6.0, 28.0), st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.floats(1.0, 12.0))
def test_the_optimum_is_equation_4_of_hoffmann_at_any_budget_and_convention(decades, alpha, beta, flop_per):
    pairs = 10**decades / flop_per
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    expected = G * pairs ** (beta / (alpha + beta)), pairs ** (alpha / (alpha + beta)) / G
    best = scaling.optimum(10**decades, A, B, E, alpha, beta, flop_per_param_token=flop_per)
    numpy.testing.assert_allclose([best.params, best.tokens], expected, rtol=1e-11)
    assert float(best.loss) == pytest.approx(E + A / expected[0] ** alpha + B / expected[1] ** beta, rel=1e-12)
    # A law that is a sum of two power terms is solved so too, however small its optimum.
    symbols = dict(zip(scaling.LAWS["chinchilla"].names, (A, B, E, alpha, beta), strict=True))
    same = scaling.law_optimum("chinchilla", symbols, 10**decades, flop_per_param_token=flop_per)
    assert same == best
    tied = {name: symbols[name] for name in ("A", "B", "E", "alpha")}
    assert scaling.law_optimum("chinchilla-tied", tied, 1e22) == scaling.optimum(1e22, A, B, E, alpha, alpha)


@settings(max_examples=40)
@given(st.floats(2.5, 5.0), st.floats(2.5, 5.0))
def test_a_search_answers_from_a_thousand_parameters_and_tokens(params_decades, tokens_decades):
    """Of Kaplan's law with equal exponents N / D = N_c / D_c, so that any optimum can be had."""
    params, tokens = 10**params_decades, 10**tokens_decades
    symbols = {"N_c": params, "D_c": tokens, "alpha_N": 0.1, "alpha_D": 0.1}
    best = scaling.law_optimum("kaplan", symbols, 6 * params * tokens)
    if min(params, tokens) > 1010:
        assert [float(best.params), float(best.tokens)] == pytest.approx([params, tokens], rel=1e-5)
    elif min(params, tokens) < 990:
        assert numpy.isnan([best.params, best.tokens, best.loss]).all()


@settings(max_examples=25)
@given(st.floats(-12.0, 14.0), st.floats(-12.0, 14.0))
def test_parameters_and_tokens_may_be_counted_in_any_unit(params_decades, tokens_decades):
    """In units of n and d the amplitudes are A n^-alpha and B d^-beta, and compute is in n d."""
    n, d = 10**params_decades, 10**tokens_decades
    law = (A * n**-ALPHA, B * d**-BETA, E, ALPHA, BETA)
    for counted, plain in (
        (scaling.optimum(1e24 / (n * d), *law), scaling.optimum(1e24, *LAW)),
        (scaling.optimum(1e24 / (n * d), *law, token_cap=1e11 / d), scaling.optimum(1e24, *LAW, token_cap=1e11)),
        (scaling.cheapest_to_serve(2.0, 1e13 / d, *law), scaling.cheapest_to_serve(2.0, 1e13, *LAW)),
        (
            scaling.repeated_optimum(1e26 / (n * d), 1e12 / d, *law, 15.0),
            scaling.repeated_optimum(1e26, 1e12, *LAW, 15.0),
        ),
    ):
        for name, value in counted._asdict().items():
            unit = {"params": n, "tokens": d, "loss": 1.0}.get(name, n * d)
            assert float(value) * unit == pytest.approx(float(getattr(plain, name)), rel=1e-6), name
