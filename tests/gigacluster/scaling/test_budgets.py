"""Approaches 1 and 2 on made budgets whose optima are known: lines, windows, replicates and what is told."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import scaling
from gigacluster.scaling.isoflop import _lines, _minima, choose_window
from gigacluster.scaling.parabola import budget_groups, line_through

seeds = st.integers(0, 2**32 - 1).map(numpy.random.default_rng)
FACTORS = numpy.exp(0.4 * numpy.arange(-3.0, 4.0))
#: Compute and size that the lines of all made optima go through.
MIDDLE_FLOP, MIDDLE_PARAMS = 10**19.5, 5e8


def optimal(budgets, exponent=0.5):
    return MIDDLE_PARAMS * (numpy.asarray(budgets) / MIDDLE_FLOP) ** exponent


def parabolas(budgets, *, exponent=0.5, factors=FACTORS, skew=0.0, noise=0.0, seed=0, flop_per=6.0):
    """Return runs whose loss is a parabola (with a cube) of log size about the optimum of each budget."""
    C = numpy.repeat(numpy.asarray(budgets, dtype=float), len(factors))
    away = numpy.log(numpy.tile(factors, len(budgets)))
    params = optimal(C, exponent) * numpy.exp(away)
    error = noise * numpy.random.default_rng(seed).standard_normal(len(C))
    loss = 3.0 - 0.05 * numpy.log(C / 1e18) + 0.08 * away**2 + skew * away**3 + error
    return {"params": params, "tokens": C / (flop_per * params), "budget_flop": C, "loss": loss}


BUDGETS = numpy.geomspace(1e18, 1e21, 5)


@settings(max_examples=15)
@given(st.floats(0.3, 0.7), st.floats(3.0, 12.0), st.sampled_from([1, 2]))
def test_exponents_factors_and_the_compute_convention_are_those_the_runs_were_made_with(exponent, flop_per, approach):
    # The middle one of the sizes is the optimum to the last digit, so that approach 1 finds it too.
    runs = parabolas(BUDGETS, exponent=exponent, flop_per=flop_per)
    found = scaling.isoflop(runs, approach=approach, bootstrap=0)
    assert found.flags == ()
    assert float(found.params_exponent.value) == pytest.approx(exponent, abs=1e-6)
    assert float(found.tokens_exponent.value) == pytest.approx(1 - exponent, abs=1e-6)
    factor = MIDDLE_PARAMS / MIDDLE_FLOP**exponent
    assert found.params_factor == pytest.approx(factor, rel=1e-4)
    assert found.tokens_factor == pytest.approx(1 / (factor * flop_per), rel=1e-4)
    assert found.flop_ratio == pytest.approx(flop_per / 6.0)
    assert found.budgets_flop == pytest.approx(BUDGETS)
    assert found.best_params == pytest.approx(optimal(BUDGETS, exponent), rel=1e-6)
    assert found.best_tokens == pytest.approx(BUDGETS / optimal(BUDGETS, exponent) / flop_per, rel=1e-6)
    assert found.replicates.shape == (0, 2)
    assert numpy.isnan(found.params_exponent.low)


def test_predictions_follow_the_lines_of_all_replicates_and_tell_their_reach():
    found = scaling.isoflop(parabolas(BUDGETS, noise=0.003), bootstrap=300, coverage=0.8)
    assert found.replicates.shape == (300, 2)
    assert found.params_exponent.low == pytest.approx(numpy.quantile(found.replicates[:, 0], 0.1))
    assert found.tokens_exponent.high == pytest.approx(numpy.quantile(found.replicates[:, 1], 0.9))
    flop = numpy.array([[1e19, 1.4e21], [1e22, 1e23]])
    best = found.predict(flop)
    for name, factor, slope in (
        ("params", found.params_factor, found.params_exponent),
        ("tokens", found.tokens_factor, found.tokens_exponent),
    ):
        numpy.testing.assert_allclose(best[name].value, factor * flop ** float(slope.value), rtol=1e-11)
    slope, level = found.lines["params"].T
    drawn = numpy.exp(level[1:, None, None] + slope[1:, None, None] * numpy.log(flop))
    assert best["params"].high == pytest.approx(numpy.quantile(drawn, 0.9, axis=0))
    assert [flag.kind for flag in best["tokens"].flags] == ["reach"]
    assert "100 times the largest budget" in best["tokens"].flags[0].message
    assert found.predict(1.49e21)["params"].flags == ()
    assert found.predict(1.51e21)["params"].flags != ()


def test_a_replicate_in_which_small_models_had_bad_luck_has_larger_optima():
    """Rows name which residual of the pool each run gets: the largest for the small models, the smallest for others."""
    runs = parabolas(BUDGETS, noise=0.01, seed=3)
    groups = budget_groups(runs["budget_flop"], 3)
    fits = [numpy.polyfit(numpy.log(runs["params"][g]), runs["loss"][g], 2) for g in groups]
    left = [runs["loss"][g] - numpy.polyval(p, numpy.log(runs["params"][g])) for g, p in zip(groups, fits, strict=True)]
    pool = numpy.concatenate(left)
    bad, good = int(numpy.argmax(pool)), int(numpy.argmin(pool))
    half = len(FACTORS) // 2
    worse = numpy.tile(numpy.repeat([bad, good], [half + 1, half]), len(BUDGETS))
    better = numpy.tile(numpy.repeat([good, bad], [half + 1, half]), len(BUDGETS))
    same = numpy.full(len(worse), good)
    found = scaling.isoflop(runs, bootstrap=numpy.stack([worse, better, same]), window=numpy.inf)
    # Of the optima's line at the middle budget; the rest that optima scatter by is drawn in three replicates alike.
    levels = found.lines["params"] @ [numpy.log(BUDGETS[2]), 1.0]
    assert levels[1] > levels[0] > levels[2]
    # Errors are those of the pool less its mean, scaled up for the three degrees of freedom of a parabola.
    scaled = (pool - pool.mean()) * numpy.sqrt(len(FACTORS) / (len(FACTORS) - 3))
    by_hand = []
    for group, fit in zip(groups, fits, strict=True):
        x = numpy.log(runs["params"][group])
        bend, tilt, _ = numpy.polyfit(x, numpy.polyval(fit, x) + scaled[worse[: len(FACTORS)]], 2)
        by_hand.append(-0.5 * tilt / bend)
    _, minima = _minima(runs["params"], runs["loss"], groups, numpy.inf, numpy.stack([better, worse]), 42)
    assert minima[2] == pytest.approx(by_hand, rel=1e-9)
    assert numpy.mean(by_hand) == pytest.approx(levels[1], abs=0.2)
    alone = scaling.isoflop(parabolas(BUDGETS), bootstrap=numpy.stack([worse]), window=numpy.inf)
    assert alone.lines["params"][1] == pytest.approx(alone.lines["params"][0], abs=1e-6)  # no residuals, no errors


def test_three_runs_a_budget_leave_no_residuals_and_replicates_without_spread():
    runs = parabolas(BUDGETS, factors=numpy.array([0.5, 1.0, 2.0]))
    found = scaling.isoflop(runs, bootstrap=5)
    assert found.replicates == pytest.approx(numpy.full((5, 2), 0.5), abs=1e-6)


@settings(max_examples=15)
@given(st.integers(0, len(FACTORS) - 1), st.integers(0, 10))
def test_a_replicate_of_approach_1_that_draws_one_run_takes_its_size(number, times):
    """Rows count within a budget, beyond its runs from the first again."""
    runs = parabolas(BUDGETS, exponent=0.45)
    shuffled = {name: v.reshape(5, 7)[::-1, [3, 0, 6, 1, 2, 5, 4]].ravel() for name, v in runs.items()}
    rows = numpy.full((1, 35), number + 7 * (times % 4))
    found = scaling.isoflop(shuffled, approach=1, bootstrap=rows)
    assert found.params_exponent.value == pytest.approx(0.45)
    assert found.lines["params"][1, 0] == pytest.approx(0.45)
    size = FACTORS[[3, 0, 6, 1, 2, 5, 4]][number]
    assert numpy.exp(found.lines["params"][1, 1]) == pytest.approx(optimal(1.0, 0.45) * size)
    assert found.window == numpy.inf


@settings(max_examples=20)
@given(seeds)
def test_optima_that_scatter_about_their_line_make_it_as_uncertain_as_least_squares_says(chance):
    """The slope of a line through k points is known as Student's t with k - 2 degrees: its scale is s / root of Sxx."""
    x = numpy.sort(chance.uniform(40.0, 50.0, 12))
    y = 0.5 * x + 0.1 * chance.standard_normal(12)
    y[chance.integers(0, 12)] = numpy.nan
    known = numpy.isfinite(y)
    found = _lines(x, numpy.tile(y, (6001, 1)), 3)
    slope, level = numpy.polyfit(x[known], y[known], 1)
    assert found[0] == pytest.approx((slope, level))
    left = known.sum() - 2
    rest = ((y - level - slope * x)[known] ** 2).sum() / left
    around = ((x[known] - x[known].mean()) ** 2).sum()
    assert found[1:, 0].var() == pytest.approx(rest / around * left / (left - 2), rel=0.15)
    assert found[1:, 0].mean() == pytest.approx(slope, abs=5 * numpy.sqrt(rest / around / 6000))
    # Replicates that scatter more than that already get nothing on top.
    drawn = numpy.concatenate([y[None, :], y + 1.0 * chance.standard_normal((50, 12))])
    numpy.testing.assert_array_equal(_lines(x, drawn, 3), line_through(x, drawn))
    few = numpy.where(numpy.arange(12) < 2, y, numpy.nan)
    assert numpy.isnan(_lines(x, numpy.tile(few, (3, 1)), 3)).all()
    assert _lines(x, y[None, :], 3) == pytest.approx(found[:1])


def test_what_replicates_explain_is_taken_off_the_scatter_that_is_added():
    chance = numpy.random.default_rng(1)
    x = numpy.linspace(40.0, 50.0, 12)
    y = 0.5 * x + 0.1 * chance.standard_normal(12)
    scatter = ((y - numpy.polyval(numpy.polyfit(x, y, 1), x)) ** 2).sum() / 10
    around = ((x - x.mean()) ** 2).sum()
    for share in (0.25, 0.75):
        drawn = y + numpy.sqrt(share * scatter) * chance.standard_normal((6000, 12))
        found = _lines(x, numpy.concatenate([y[None, :], drawn]), 3)
        expected = scatter / around * (share + (1 - share) * 10 / 8)
        assert found[1:, 0].var() == pytest.approx(expected, rel=0.08)
        holed = numpy.where(chance.random(drawn.shape) < 0.05, numpy.nan, drawn)
        again = _lines(x, numpy.concatenate([y[None, :], holed]), 3)
        assert again[1:, 0].var() == pytest.approx(expected / 0.95, rel=0.15)


@settings(max_examples=12)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.02, 0.05]), st.sampled_from([0.001, 0.004, 0.03]))
def test_the_window_is_the_widest_that_agrees_with_every_narrower_one(seed, skew, noise):
    """Lepski's rule, by what approach 2 itself says with each window: exponent, and half of the central 68 %."""
    stretch = numpy.geomspace(0.08, 12.0, 11)
    runs = parabolas(BUDGETS, factors=stretch, skew=skew * 0.3, noise=noise, seed=seed)
    groups = budget_groups(runs["budget_flop"], 3)
    chosen, seen = 2.0, []
    for window in (2.0, 3.0, 5.0, 10.0, numpy.inf):
        try:
            found = scaling.isoflop(runs, window=window, bootstrap=100, seed=seed)
        except ValueError:
            continue
        exponent = float(found.params_exponent.value)
        if any(abs(exponent - other) > error for other, error in seen):
            break
        chosen = window
        known = found.replicates[numpy.isfinite(found.replicates[:, 0]), 0]
        if len(known) > 50:
            seen.append((exponent, numpy.subtract(*numpy.quantile(known, [0.84, 0.16])) / 2))
    assert choose_window(runs, groups, seed) == chosen
    if seen:
        assert scaling.isoflop(runs, bootstrap=0, seed=seed).window == chosen


def test_parabolas_take_all_runs_and_crooked_curves_the_near_ones():
    stretch = numpy.geomspace(0.08, 12.0, 11)
    straight = parabolas(BUDGETS, factors=stretch)
    tilt = 0.006 * numpy.repeat(numpy.arange(5.0), 11)
    crooked = parabolas(BUDGETS, factors=stretch, noise=1e-5)
    crooked["loss"] = crooked["loss"] + tilt * numpy.tile(numpy.log(stretch) ** 3, 5)
    assert scaling.isoflop(straight, bootstrap=0).window == numpy.inf
    near = scaling.isoflop(crooked, bootstrap=0)
    assert near.window < 10
    assert float(near.params_exponent.value) == pytest.approx(0.5, abs=0.02)
    assert abs(float(scaling.isoflop(crooked, bootstrap=0, window=numpy.inf).params_exponent.value) - 0.5) > 0.05


@pytest.mark.parametrize("exponent", [-0.2, 1.3])
def test_an_exponent_that_no_budget_can_have_is_told_of_both_columns(exponent):
    found = scaling.isoflop(parabolas(numpy.geomspace(1e19, 1e20, 4), exponent=exponent), bootstrap=0)
    told = {flag.symbol: flag.message for flag in found.flags if flag.kind == "impossible exponent"}
    assert set(told) == {"params", "tokens"}
    assert f"params go as C^{exponent:.2f}" in told["params"]
    assert f"tokens go as C^{1 - exponent:.2f}" in told["tokens"]


def test_replicates_without_a_minimum_are_counted_and_told():
    flat = parabolas(BUDGETS, noise=0.0)
    flat["loss"] = flat["loss"] + 0.06 * numpy.random.default_rng(5).standard_normal(35)
    found = scaling.isoflop(flat, bootstrap=400, window=numpy.inf)
    lost = [flag.message for flag in found.flags if flag.kind == "minima lost"]
    gone = float(numpy.isnan(found.replicates[:, 0]).mean())
    assert len(lost) == 1
    assert f"{gone:.1%} of the replicates have fewer than 3 left" in lost[0]
    share = float(lost[0].split("%")[0]) / 100
    # A replicate of five minima has fewer than three left where three or more are lost.
    assert 0.6 * gone <= share <= 1 - 0.6 * (1 - gone)
    assert 0.02 < share < 0.9
    assert not [
        f for f in scaling.isoflop(parabolas(BUDGETS, noise=1e-4), bootstrap=100).flags if f.kind == "minima lost"
    ]


def test_budgets_left_out_are_named_with_their_reason_and_the_rest_is_used():
    runs = parabolas(numpy.geomspace(1e18, 1e22, 5))
    keep = (runs["budget_flop"] > 2e18) | (runs["params"] > 1.1 * optimal(1e18))
    cut = {name: values[keep] for name, values in runs.items()}
    found = scaling.isoflop(cut, bootstrap=0)
    assert numpy.isnan(found.best_params).tolist() == [True, False, False, False, False]
    assert float(found.params_exponent.value) == pytest.approx(0.5, abs=1e-6)
    assert [flag.kind for flag in found.flags] == ["budgets left out"]
    assert "without a minimum: 1e+18 FLOP (its lowest run is the smallest)" in found.flags[0].message
    assert "4 of 5 budgets have a minimum" in str(found)


@pytest.mark.parametrize(("least", "approach"), [(3, 2), (1, 1)])
def test_three_budgets_with_enough_runs_are_needed(least, approach):
    runs = parabolas(BUDGETS[:3], factors=FACTORS[2 : 2 + max(least, 2)])
    assert scaling.isoflop(runs, approach=approach, bootstrap=0).budgets_flop == pytest.approx(BUDGETS[:3])
    short = {name: values[1:] for name, values in runs.items()} if least == 3 else parabolas(BUDGETS[:2])
    enough = (
        "have 1 run or more. 3 such" if least == 1 else "have 3 runs or more; fewer at 1e[+]18 FLOP [(]2[)]. 3 such"
    )
    with pytest.raises(ValueError, match=f"2 of {3 if least == 3 else 2} budgets {enough} budgets are needed"):
        scaling.isoflop(short, approach=approach, bootstrap=0)


@pytest.mark.parametrize("count", [8, 9, 11])
def test_a_refusal_names_eight_budgets_with_too_few_runs_and_counts_the_rest(count):
    runs = parabolas(numpy.geomspace(1e18, 1e22, count), factors=FACTORS[2:4])
    more = f" and {count - 8} more" if count > 8 else ""
    with pytest.raises(ValueError, match=f"0 of {count} budgets have 3 runs or more") as caught:
        scaling.isoflop(runs, bootstrap=0)
    assert str(caught.value).count(" FLOP (2)") == 8
    assert "; fewer at 1e+18 FLOP (2), " in str(caught.value)
    assert f" FLOP (2){more}. 3 such budgets are needed" in str(caught.value)


def test_a_single_replicate_scatters_like_one_of_many():
    x = numpy.linspace(40.0, 50.0, 3)
    y = 0.5 * x + numpy.array([0.1, -0.2, 0.1])
    slopes = numpy.array([_lines(x, numpy.stack([y, y]), seed)[1, 0] for seed in range(40)])
    assert (abs(slopes - 0.5) > 1e-6).all()
    assert 0.25 < (slopes > 0.5).mean() < 0.75
    assert len(_lines(x, y[None, :], 3)) == 1


@settings(max_examples=10)
@given(seeds)
def test_budgets_that_replicates_know_well_and_badly_count_by_the_mean_of_what_they_explain(chance):
    """A budget in which no replicate has a minimum explains nothing, and its point tells as much as any."""
    x = numpy.linspace(40.0, 50.0, 12)
    y = 0.5 * x + 0.1 * chance.standard_normal(12)
    scatter = ((y - numpy.polyval(numpy.polyfit(x, y, 1), x)) ** 2).sum() / 10
    shares = chance.permutation(numpy.linspace(0.0, 1.2, 12))
    drawn = y + numpy.sqrt(shares * scatter) * chance.standard_normal((6000, 12))
    lost = int(chance.integers(0, 12))
    for holed in (drawn, numpy.where(numpy.arange(12) == lost, numpy.nan, drawn)):
        there = numpy.isfinite(holed[0])
        away = x[there] - x[there].mean()
        rest = scatter - (shares * scatter)[there].sum() / 12
        expected = (away**2 * (shares[there] * scatter + rest * 10 / 8)).sum() / (away**2).sum() ** 2
        found = _lines(x, numpy.concatenate([y[None, :], holed]), 3)
        assert found[1:, 0].var() == pytest.approx(expected, rel=0.1)


def test_the_share_of_minima_lost_is_of_budgets_that_have_one_in_any_number_of_replicates():
    """A budget whose sizes end above its optimum has none to lose."""
    runs = parabolas(numpy.geomspace(1e18, 1e22, 6))
    keep = (runs["budget_flop"] > 2e18) | (runs["params"] > 1.1 * optimal(1e18))
    runs = {name: values[keep] for name, values in runs.items()}
    noise = 0.05 * numpy.random.default_rng(5).standard_normal(len(runs["loss"]))
    runs["loss"] = runs["loss"] + noise * (runs["budget_flop"] > 2e18)
    groups = budget_groups(runs["budget_flop"], 3)
    rows = numpy.random.default_rng(2).integers(0, len(runs["loss"]), (40, len(runs["loss"])))
    curves, minima = _minima(runs["params"], runs["loss"], groups, numpy.inf, rows, 42)
    known = numpy.isfinite(minima[0])
    assert 3 <= known.sum() < len(known)
    told = []
    for chosen in (slice(0, 40), *(slice(k, k + 1) for k in range(40))):
        found = scaling.isoflop(runs, bootstrap=rows[chosen], window=numpy.inf)
        flags = [flag.message for flag in found.flags if flag.kind == "minima lost"]
        lost = float(numpy.isnan(minima[1:][chosen][:, known]).mean())
        assert [message.startswith(f"{lost:.1%} of the minima") for message in flags] == [True] * (lost > 0.02)
        told += flags
    assert 1 < len(told) < 41
    # One in fifty is not told, one in forty-nine is.
    whole = rows[[numpy.isfinite(minima[1:][:, known]).all(axis=1).argmax()]]
    pool = numpy.concatenate([curve.residuals for curve in curves])
    middle = numpy.isin(numpy.arange(-3, 35) % 7, [2, 3, 4])  # after three runs of the first budget seven a budget
    lost_one = numpy.where(middle, pool.argmax(), pool.argmin())[None, :]  # curves that open downwards
    for good in (49, 48):
        few = numpy.concatenate([numpy.repeat(whole, good, axis=0), lost_one])
        flags = scaling.isoflop(runs, bootstrap=few, window=numpy.inf).flags
        assert ("minima lost" in {flag.kind for flag in flags}) == (good < 49)
