"""From loss or compute to a benchmark score: the weak link of the chain, and named as such.

Models of one compute differ widely in score with their data and family, so that the error of a single prediction is
large and does not shrink with more models. Where scores have only begun to rise, nothing shows where they will level
off: the ceiling is then averaged over what the scores allow, and said to be open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy

from gigacluster.arrays import Array, Samples
from gigacluster.limits import SHARE_BELOW_ONE, SHARE_WITHIN, whole, within
from gigacluster.scaling.estimate import Estimate, Flag, spread
from gigacluster.scaling.fitted import Fit, as_fit
from gigacluster.scaling.noise import Noise, find_noise
from gigacluster.scaling.runs import numbers

#: Ceilings and floors that are tried.
_CEILINGS, _FLOORS = 25, 9
_LEAST_FAMILIES = 4
#: Least steepness and largest, per unit of x over the range of x, and how far beyond the range the centre may lie.
_STEEPNESS = (0.2, 80.0)
_BEYOND = 3.0
_STEPS = 60
#: Width of the allowed ceilings or floors from which on the scores do not identify them.
_OPEN = 0.1
#: Share of the models, those of nearest fitted score, whose residuals a new model's error is drawn from.
_NEAR_SHARE = 0.3
_LEAST_NEAR = 12
_LEAST_MODELS = 10


@dataclass(frozen=True, kw_only=True)
class QualityLink:
    """score = floor + (ceiling - floor) / (1 + exp(-slope (x - centre))): best values, and what else is allowed.

    ``floor_interval``, ``ceiling_interval``: the central share ``coverage`` of what the scores (and the bounds given)
    allow. ``error``: root-mean-square residual over all models; ``error_within_family``: the same once each family
    has its own level; the difference is what the family decides. ``replicates``: slope, centre, ceiling, floor, a row
    a replicate.
    """

    slope: float
    centre: float
    ceiling: float
    floor: float
    ceiling_interval: tuple[float, float]
    floor_interval: tuple[float, float]
    error: float
    error_within_family: float
    x_range: tuple[float, float]
    coverage: float
    flags: tuple[Flag, ...]
    x: numpy.ndarray = field(repr=False)
    residuals: numpy.ndarray = field(repr=False)
    replicates: numpy.ndarray = field(repr=False)
    allowed: numpy.ndarray = field(repr=False)  # the same and its share, a row a pair of floor and ceiling

    def predict(self, x: Samples, *, seed: int = 7) -> Estimate:
        """Return the score of one new model, with the interval that holds it: the fit's error and a model's own.

        The error of a model is drawn from those of nearest fitted score: it is small near chance and large where scores
        rise. ``x`` may carry samples along axis 0 (``samples=...`` of :meth:`of_fit`). Beyond ``x_range`` a flag says
        so.
        """
        at = numbers("x", x)
        return self._estimate(at, at[None, ...], seed)

    def of_fit(self, fitted: Fit, *values: Any, seed: int = 7, **columns: Any) -> Estimate:
        """Return the score of one new model in two steps: its loss by a fit with replicates, minus that as ``x``."""
        if not as_fit(fitted).replicates:
            raise ValueError("this fit has no replicates to draw from; give fit(..., bootstrap=1000)")
        value, losses = fitted.loss_of(fitted.columns_for(*values, **columns))
        noise = numpy.random.default_rng([seed, 3]).choice(fitted.residuals, len(losses))
        return self._estimate(-value, -losses * numpy.exp(noise.reshape((-1,) + (1,) * value.ndim)), seed)

    def _estimate(self, at: numpy.ndarray, drawn: numpy.ndarray, seed: int) -> Estimate:
        shape = (-1,) + (1,) * at.ndim
        *curves, share = (column.reshape(shape) for column in self.allowed.T)
        value = (share * sigmoid(at, *curves)).sum(axis=0)
        stream = numpy.random.default_rng(seed)
        count = max(len(self.replicates), 4000)
        rows = numpy.arange(count) % len(self.replicates)
        taken = drawn[stream.integers(0, len(drawn), count) if len(drawn) > 1 else numpy.zeros(count, dtype=int)]
        curve = self._carried_on(taken, rows, stream.standard_normal(count).reshape(shape))
        noisy = numpy.clip(curve + self._own_errors(curve, stream.random(count).reshape(shape)), 0.0, 1.0)
        low, high = self.x_range
        flags = self.flags
        beyond = (at < low) | (at > high)
        if beyond.any():
            message = (
                f"x is {float(at[beyond].flat[0]):.4g} and lies outside those of the models, {low:.4g} to "
                f"{high:.4g}: the curve is carried on there, not tested"
            )
            flags = (*flags, Flag("reach", "", message))
        return spread(value, noisy, self.coverage, flags)

    def _carried_on(self, x: numpy.ndarray, rows: numpy.ndarray, level: numpy.ndarray) -> numpy.ndarray:
        """Return the curves of replicates, whose rise beyond the models is known the less the farther it goes.

        An assumption, not an estimate: at a distance of d times the range of x seen, the further rise (or fall) is
        known to a factor e^(+-d), one standard deviation. Scores of one range hold no evidence about the shape beyond
        it.
        """
        shape = (-1,) + (1,) * (x.ndim - 1)
        columns = [column[rows].reshape(shape) for column in self.replicates.T]
        low, high = self.x_range
        edge = sigmoid(numpy.clip(x, low, high), *columns)
        beyond = numpy.maximum(low - x, 0.0) + numpy.maximum(x - high, 0.0)
        return numpy.asarray(edge + (sigmoid(x, *columns) - edge) * numpy.exp(level * beyond / (high - low)))

    def _own_errors(self, curve: numpy.ndarray, chance_draw: numpy.ndarray) -> numpy.ndarray:
        """Draw a model's own error from those of the models of nearest fitted score, between two of them in proportion.

        Drawn from the errors themselves, the end of an interval would jump wherever one outlier among the nearest is
        just more, or just less, than the share outside.
        """
        fitted = sigmoid(self.x, self.slope, self.centre, self.ceiling, self.floor)
        order = numpy.argsort(fitted, kind="stable")
        near = min(max(_LEAST_NEAR, round(_NEAR_SHARE * len(order))), len(order))
        place = numpy.searchsorted(fitted[order], curve)
        first = numpy.clip(place - near // 2, 0, len(order) - near)
        nearest = numpy.sort(numpy.lib.stride_tricks.sliding_window_view(self.residuals[order], near), axis=1)
        at = chance_draw * (near - 1)
        below = at.astype(int)
        low, high = nearest[first, below], nearest[first, below + 1]
        return numpy.asarray(low + (at - below) * (high - low))


def link_score(
    x: Any,
    score_frac: Any,
    family: Any = None,
    *,
    chance: float = 0.25,
    ceiling: float | str | tuple[float, float] = "free",
    floor: float | str | tuple[float, float] = "free",
    bootstrap: int = 400,
    seed: int = 42,
    coverage: float = 0.9,
) -> QualityLink:
    """Fit a sigmoid to the scores of many models.

    Parameters
    ----------
    x
        What the score rises with, shape (models,): log10 of training compute, or minus a loss.
    score_frac
        Share of right answers, in [0, 1], shape (models,).
    family
        Label of each model: models of a family share data and recipe, and so an error.
    chance
        Score of guessing: 0.25 for four choices.
    ceiling, floor
        Where scores level off: ``"free"``, a number that is known, or bounds (low, high). A free floor lies between
        chance and the lowest scores, a free ceiling anywhere above. Where the scores do not fix them, predictions
        average over all that is allowed, each pair by its likelihood.
    bootstrap, seed, coverage
        Replicates, their seed, and the coverage of intervals.

    Raises
    ------
    ValueError
        If fewer than 10 models are known, or a score or the ceiling is out of range.

    Notes
    -----
    data/sources.csv, id ``ruan-2024-scores``, who find that the curve belongs to the family, not to compute alone.

    Examples
    --------
    >>> x = numpy.linspace(-1.4, -0.6, 20)
    >>> link = link_score(x, 0.25 + 0.6 / (1 + numpy.exp(-9 * (x + 1.0))))
    >>> round(link.ceiling, 3)
    0.85
    """
    within(chance=(chance, SHARE_BELOW_ONE), coverage=(coverage, SHARE_WITHIN))
    bootstrap, seed = whole("bootstrap", bootstrap, 1), whole("seed", seed)
    x, score = numbers("x", x).ravel(), numbers("score_frac", score_frac).ravel()
    labels = numpy.arange(len(x)) if family is None else numpy.asarray(family, dtype=str)
    if not len(x) == len(score) == labels.size:
        raise ValueError(f"x, score_frac and family have {len(x)}, {len(score)} and {labels.size} values")
    known = numpy.isfinite(x) & numpy.isfinite(score)
    if known.sum() < _LEAST_MODELS:
        raise ValueError(f"{known.sum()} models have both x and a score; at least {_LEAST_MODELS} are needed")
    wrong = known & ((score < 0) | (score > 1))
    if wrong.any():
        row = numpy.flatnonzero(wrong)[0]
        raise ValueError(
            f"score_frac is {score[row]:g} in row {row}; it must be a share from 0 to 1 (divide percent by 100)"
        )
    x, score = x[known], score[known]
    number = numpy.unique(labels[known], return_inverse=True)[1].ravel()
    least_scores = float(numpy.sort(score)[: max(3, len(score) // 10)].mean())
    floors = _range("floor", floor, chance, max(chance, least_scores), _FLOORS)
    ceilings = _range("ceiling", ceiling, max(chance, float(floors[-1])) + 0.02, 1.0, _CEILINGS)
    ends = numpy.asarray([(low, high) for low in floors for high in ceilings if high > low + 0.01])
    if not len(ends):
        raise ValueError(f"ceiling is {ceiling!r} and floor {floor!r}; the ceiling must lie above the floor")
    held = _curves(x, score[None, :], ends)
    squares = _squares(x, score, held)
    best = _refined(x, score, held[numpy.argmin(squares)], floors, ceilings)
    residuals = score - sigmoid(x, *best)
    noise = _noise(x, residuals, best, number if family is not None else None)
    effective = len(x) / (noise.shared.inflation if noise.shared is not None else 1.0)
    least = max(float((residuals**2).sum()), 1e-12)
    share = numpy.exp(-0.5 * max(effective - 4, 1) * numpy.log(numpy.maximum(squares, least) / least))
    share = share / share.sum()
    errors = numpy.concatenate(list(noise.draw(bootstrap, seed, bootstrap)))
    stream = numpy.random.default_rng([seed, 1])
    chosen = held[stream.choice(len(share), bootstrap, p=share)]
    replicates = _curves(x, _scores(x, chosen) + errors, chosen[:, :1:-1], chosen)
    intervals = [_central(held[:, k], share, coverage) for k in (2, 3)]
    flags = [
        Flag(
            "not identified",
            name,
            f"scores from {score.min():.2f} to {score.max():.2f} allow any {name} from {low:.2f} "
            f"to {high:.2f}; predictions average over them",
            f"give {name}=... if it is known",
        )
        for name, (low, high) in zip(("ceiling", "floor"), intervals, strict=True)
        if high - low > _OPEN
    ]
    inside = residuals - (numpy.bincount(number, residuals) / numpy.bincount(number))[number]
    families = int(number.max()) + 1
    return QualityLink(
        **dict(zip(("slope", "centre", "ceiling", "floor"), map(float, best), strict=True)),
        ceiling_interval=intervals[0],
        floor_interval=intervals[1],
        error=float(numpy.sqrt(numpy.mean(residuals**2))),
        error_within_family=float(numpy.sqrt(numpy.sum(inside**2) / max(len(x) - families, 1))),
        x_range=(float(x.min()), float(x.max())),
        coverage=coverage,
        flags=tuple(flags),
        x=x,
        residuals=residuals,
        replicates=replicates,
        allowed=numpy.column_stack([held, share]),
    )


def sigmoid(x: Array, slope: Samples, centre: Samples, ceiling: Samples, floor: Samples) -> Any:
    """Return the score that rises from the floor to the ceiling."""
    return floor + (ceiling - floor) / (1 + numpy.exp(-numpy.clip(slope * (x - centre), -500.0, 500.0)))


def _scores(x: numpy.ndarray, curves: numpy.ndarray) -> numpy.ndarray:
    """Return the scores of curves, a row a curve."""
    return numpy.asarray(sigmoid(x, *(column[:, None] for column in curves.T)))


def _squares(x: numpy.ndarray, score: numpy.ndarray, curves: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray(((score - _scores(x, curves)) ** 2).sum(axis=1))


def _range(name: str, given: Any, low: float, high: float, count: int) -> numpy.ndarray:
    """Return the values of a floor or ceiling to try: all between two ends, or what the caller gives."""
    if isinstance(given, str) and given == "free":
        ends = low, high
    else:
        try:
            ends = (float(given),) * 2 if numpy.ndim(given) == 0 else tuple(map(float, given))  # type: ignore[assignment]
        except (TypeError, ValueError):
            ends = (numpy.nan, numpy.nan)
        if len(ends) != 2 or not 0 <= ends[0] <= ends[1] <= 1:
            raise ValueError(
                f"{name} is {given!r}; it can be 'free', a share from 0 to 1, or two such bounds (low, high)"
            )
    return numpy.linspace(*ends, count) if ends[1] > ends[0] else numpy.asarray(ends[:1])


def _central(values: numpy.ndarray, share: numpy.ndarray, coverage: float) -> tuple[float, float]:
    distinct, place = numpy.unique(values, return_inverse=True)
    weight = numpy.bincount(place, share)
    low, high = numpy.interp([(1 - coverage) / 2, (1 + coverage) / 2], numpy.cumsum(weight) - 0.5 * weight, distinct)
    return float(low), float(high)


def _curves(
    x: numpy.ndarray, score: numpy.ndarray, ends: numpy.ndarray, start: numpy.ndarray | None = None
) -> numpy.ndarray:
    """Fit slope and centre to each row of ``score``, or to one, between ends (floor, ceiling), by damped Gauss-Newton.

    Returns rows of slope, centre, ceiling, floor.
    """
    reach = numpy.ptp(x)
    low = numpy.asarray([numpy.log(_STEEPNESS[0] / reach), x.min() - _BEYOND * reach])
    high = numpy.asarray([numpy.log(_STEEPNESS[1] / reach), x.max() + _BEYOND * reach])
    floor, height = ends[:, :1], ends[:, 1:] - ends[:, :1]
    if start is None:  # the best of a grid
        axes = numpy.linspace(low[0], high[0], 13), numpy.linspace(low[1], high[1], 29)
        grid = numpy.stack([axis.ravel() for axis in numpy.meshgrid(*axes)], axis=1)
        shapes = sigmoid(x, numpy.exp(grid[:, :1]), grid[:, 1:], 1.0, 0.0)
        squares = height**2 * (shapes**2).sum(axis=1) - 2 * height * ((score - floor) @ shapes.T)
        at = grid[numpy.argmin(squares, axis=1)]
    else:
        at = numpy.column_stack([numpy.log(start[:, 0]), start[:, 1]])
    damping = numpy.full(len(at), 1e-3)

    def left(point: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
        shape = sigmoid(x, numpy.exp(point[:, :1]), point[:, 1:], 1.0, 0.0)
        return shape, score - floor - height * shape

    shape, residual = left(at)
    squares = (residual**2).sum(axis=1)
    for _ in range(_STEPS):
        rise = height * shape * (1 - shape)
        slope = numpy.exp(at[:, :1])
        first, second = rise * slope * (x - at[:, 1:]), -rise * slope
        a, b, c = ((p * q).sum(axis=1) for p, q in ((first, first), (first, second), (second, second)))
        p, q = (first * residual).sum(axis=1), (second * residual).sum(axis=1)
        a, c = a * (1 + damping) + 1e-12, c * (1 + damping) + 1e-12
        step = numpy.stack([c * p - b * q, a * q - b * p], axis=1) / (a * c - b * b)[:, None]
        trial = numpy.clip(at + step, low, high)
        new_shape, new_residual = left(trial)
        new_squares = (new_residual**2).sum(axis=1)
        better = (new_squares <= squares)[:, None]
        at, shape = numpy.where(better, trial, at), numpy.where(better, new_shape, shape)
        residual, squares = numpy.where(better, new_residual, residual), numpy.minimum(squares, new_squares)
        damping = numpy.where(better[:, 0], 0.3 * damping, numpy.minimum(10 * damping, 1e8))
    return numpy.column_stack([numpy.exp(at[:, 0]), at[:, 1], ends[:, 1], ends[:, 0]])


def _refined(
    x: numpy.ndarray, score: numpy.ndarray, near: numpy.ndarray, floors: numpy.ndarray, ceilings: numpy.ndarray
) -> numpy.ndarray:
    """Take floor and ceiling from their grid to least squares, by ever finer grids around the best pair."""
    steps = [numpy.ptp(values) / max(len(values) - 1, 1) for values in (floors, ceilings)]
    for _ in range(5):
        axes = [
            numpy.unique(numpy.clip(centre + step * numpy.linspace(-1, 1, 5), values.min(), values.max()))
            for centre, step, values in zip((near[3], near[2]), steps, (floors, ceilings), strict=True)
        ]
        ends = numpy.stack([axis.ravel() for axis in numpy.meshgrid(*axes)], axis=1)
        fits = _curves(x, score[None, :], ends, numpy.repeat(near[None, :], len(ends), axis=0))
        near, steps = fits[numpy.argmin(_squares(x, score, fits))], [0.5 * step for step in steps]
    return near


def _noise(x: numpy.ndarray, residuals: numpy.ndarray, best: numpy.ndarray, family: numpy.ndarray | None) -> Noise:
    slopes = []
    for k in range(3):
        step = numpy.zeros(4)
        step[k] = 1e-5 * max(abs(best[k]), 1e-3)
        slopes.append((sigmoid(x, *(best + step)) - sigmoid(x, *(best - step))) / (2 * step[k]))
    groups = {} if family is None or family.max() + 1 < _LEAST_FAMILIES else {"family": family}
    return find_noise(residuals, numpy.stack(slopes, axis=1), numpy.ones(len(x)), groups)
