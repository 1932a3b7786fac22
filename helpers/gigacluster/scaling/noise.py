"""What the residuals of a fit are made of, and replicates that are made of the same.

Residuals of log loss are an error of each run and, where runs of one size, one budget or one group share a cause (their
learning rate, their data order, one curve read at several points), an error that the group shares. The two variances
are estimated by restricted maximum likelihood in the law linearised at its optimum, which allows for what the fit
absorbs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy
from scipy import special

#: Twice the rise of log likelihood above which a shared error is taken as real: chance 2.5 % without one, since the
#: variance lies at its bound (half a chi-squared with one degree of freedom).
_SHARED_EVIDENCE = 3.84
#: Log of the variance ratio between shared and own error that is searched.
_RATIOS = (-6.0, 6.0)
#: Values that differ by less than this share of a decade are one group, or one budget.
_SAME_DECADES = 0.02
_LEAST_GROUPS = 4
#: Variance of the shared error is known from about as many values as groups, less those that the law's terms absorb.
_ABSORBED_GROUPS = 3
#: Chance below which residuals that curve, or whose spread changes, are told.
SIGNIFICANT = 0.01


@dataclass(frozen=True, kw_only=True)
class Shared:
    """An error that runs of one group share: ``by`` names the grouping, ``group`` numbers the group of each run."""

    by: str
    group: numpy.ndarray
    ratio: float  # variance of the shared error over that of a run's own
    evidence: float  # twice the rise of log likelihood

    @property
    def correlation(self) -> float:
        """Intraclass correlation: the share of the variance that is shared."""
        return self.ratio / (1.0 + self.ratio)

    @property
    def inflation(self) -> float:
        """How many runs tell as much as one would without the error: 1 + (m - 1) times the correlation."""
        sizes = numpy.bincount(self.group)
        return 1.0 + (float((sizes**2).sum() / sizes.sum()) - 1.0) * self.correlation


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Errors of log loss that a fit has left: ``own`` residuals to draw from, their ``sigma``, and what is shared.

    ``sigma`` is a run's own standard deviation at weight 1; ``leverage_free``: degrees of freedom it is known from.
    """

    own: numpy.ndarray
    sigma: float
    free: int
    scale: numpy.ndarray  # of each run: one over the root of its weight
    shared: Shared | None

    def draw(self, count: int, seed: int, block: int) -> Iterator[numpy.ndarray]:
        """Yield errors of shape (up to ``block`` replicates, runs).

        A run's own error is drawn from the residuals smoothed by a narrow kernel (a robust fit goes exactly through
        some runs, and draws from a finite set would do so again); a shared one is normal. Both variances are drawn
        too, since they are known from few values: intervals then have the tails of Student's t.
        """
        runs = len(self.scale)
        spread = numpy.subtract(*numpy.quantile(self.own, [0.75, 0.25])) / 1.34
        width = 1.06 * min(self.own.std(), spread or self.own.std()) * len(self.own) ** -0.2
        rescale = self.sigma / max(float(numpy.hypot(self.own.std(), width)), 1e-300)
        pick, smooth, level, cause = (numpy.random.default_rng([seed, part]) for part in range(4))
        for first in range(0, count, block):
            size = min(block, count - first)
            own = self.own[pick.integers(0, len(self.own), (size, runs))]
            own = (own + width * smooth.standard_normal((size, runs))) * rescale * self.scale
            errors = own * numpy.sqrt(self.free / level.chisquare(self.free, size))[:, None]
            if self.shared is not None:
                groups = int(self.shared.group.max()) + 1
                known = max(groups - _ABSORBED_GROUPS, 2)
                drawn = cause.standard_normal((size, groups + known))
                level_of_group = numpy.sqrt(known / (drawn[:, groups:] ** 2).sum(axis=1))[:, None]
                size_of_group = self.sigma * numpy.sqrt(self.shared.ratio)
                errors = errors + size_of_group * level_of_group * drawn[:, self.shared.group]
            yield numpy.ascontiguousarray(errors)


def groupings(columns: Mapping[str, numpy.ndarray], labels: numpy.ndarray | None) -> dict[str, numpy.ndarray]:
    """Return the ways in which runs may share an error: by a column with repeated values, or by numbered groups."""
    found = {} if labels is None else {"clusters": numpy.asarray(labels)}
    for name, values in columns.items():
        order, jumps = in_order_with_jumps(values)
        first, last = numpy.concatenate([[0], jumps]), numpy.concatenate([jumps, [len(values)]]) - 1
        decades = numpy.log10(values[order])
        apart = decades[last] - decades[first] <= 2 * _SAME_DECADES  # not a chain of values without a gap
        if _LEAST_GROUPS <= len(first) <= len(values) / 2 and apart.all():
            found[name] = numpy.empty(len(values), dtype=int)
            found[name][order] = numpy.repeat(numpy.arange(len(first)), last - first + 1)
    return found


def in_order_with_jumps(values: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the rows of values, lowest first, and where among them the values jump: between two that are not one."""
    order = numpy.argsort(values, kind="stable")
    return order, numpy.flatnonzero(numpy.diff(numpy.log10(values[order])) > _SAME_DECADES) + 1


def shared_error(residuals: numpy.ndarray, jacobian: numpy.ndarray, group: numpy.ndarray) -> tuple[float, float, float]:
    """Estimate the variance ratio of shared over own error, the own variance, and the evidence for sharing.

    ``residuals`` and the rows of ``jacobian`` (derivatives of log loss by the free coordinates) are those of the runs,
    times the root of their weights.
    """
    count, free = jacobian.shape
    number = numpy.bincount(group)
    table = numpy.column_stack([jacobian, residuals])
    total = table.T @ table
    sums = numpy.stack([numpy.bincount(group, column) for column in table.T], axis=1)

    def criterion(log_ratio: float) -> tuple[float, float]:
        ratio = numpy.exp(log_ratio)
        product = total - (sums * (ratio / (1 + ratio * number))[:, None]).T @ sums
        inner, mixed = product[:free, :free], product[:free, free]
        left = product[free, free] - mixed @ numpy.linalg.lstsq(inner, mixed, rcond=None)[0]
        left = max(float(left), 1e-300)
        value = (count - free) * numpy.log(left) + numpy.log1p(ratio * number).sum() + numpy.linalg.slogdet(inner)[1]
        return float(value), left / (count - free)

    alone, variance = criterion(-30.0)
    low, high = _RATIOS
    for _ in range(3):  # ever finer grids
        grid = numpy.linspace(low, high, 41)
        values = [criterion(point)[0] for point in grid]
        best = int(numpy.argmin(values))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if values[best] >= alone:
        return 0.0, variance, 0.0
    return float(numpy.exp(grid[best])), criterion(grid[best])[1], alone - values[best]


def find_noise(
    residuals: numpy.ndarray,
    jacobian: numpy.ndarray,
    weights: numpy.ndarray,
    groups: Mapping[str, numpy.ndarray],
    *,
    always: str | None = None,
) -> Noise:
    """Return what the residuals are made of: the grouping with most evidence, if it has enough, or ``always``."""
    root = numpy.sqrt(weights)
    used = weights > 0
    scaled, slopes = (residuals * root)[used], (jacobian * root[:, None])[used]
    count, free = slopes.shape
    left = max(count - free, 1)
    variance, shared = float(scaled @ scaled) / left, None
    candidates = {always: groups[always]} if always is not None else groups
    if count > free + 4:
        for name, group in candidates.items():
            ratio, own, evidence = shared_error(scaled, slopes, group[used])
            enough = always is not None or evidence > max(_SHARED_EVIDENCE, shared.evidence if shared else 0.0)
            if enough and ratio > 0:
                shared, variance = Shared(by=name, group=group, ratio=ratio, evidence=evidence), own
    own_part = scaled
    if shared is not None:
        number = numpy.bincount(shared.group[used])
        mean = numpy.bincount(shared.group[used], scaled) / numpy.maximum(number, 1)
        own_part = scaled - (shared.ratio * number / (1 + shared.ratio * number) * mean)[shared.group[used]]
    if len(own_part) > 3 * free:  # a robust fit goes through about as many runs as it has parameters
        own_part = own_part[numpy.argsort(numpy.abs(own_part))[free:]]
    scale = 1.0 / numpy.where(used, root, numpy.inf)
    return Noise(own=own_part - own_part.mean(), sigma=variance**0.5, free=left, scale=scale, shared=shared)


def curvature_test(
    residuals: numpy.ndarray,
    jacobian: numpy.ndarray,
    log_columns: Mapping[str, numpy.ndarray],
    shared: Shared | None,
) -> tuple[float, float]:
    """Test lack of fit: whether squares, products and cubes of the log columns explain what the law leaves.

    Returns the chance of as much without lack of fit, and the share of the residual variance explained. Residuals are
    clipped at three robust deviations, so that one outlier is no curvature; a shared error is taken out of all columns
    (quasi-differences), so that it is none either.
    """

    def own(columns: numpy.ndarray) -> numpy.ndarray:
        if shared is None:
            return columns
        number = numpy.bincount(shared.group)
        means = numpy.stack([numpy.bincount(shared.group, c) for c in columns.T], axis=1) / number[:, None]
        return numpy.asarray(columns - ((1 - (1 + shared.ratio * number) ** -0.5)[:, None] * means)[shared.group])

    limit = 3.0 * 1.4826 * numpy.median(numpy.abs(residuals))
    clipped = numpy.clip(residuals, -limit, limit)
    names = list(log_columns)
    unit = {k: (log_columns[k] - log_columns[k].mean()) / max(float(log_columns[k].std()), 1e-9) for k in names}
    basis = [unit[a] * unit[b] for i, a in enumerate(names) for b in names[: i + 1]]
    basis += [unit[a] ** 3 for a in names]
    # The derivatives of a sum of terms and a floor add up to the constant.
    outer = _directions(own(numpy.column_stack([numpy.ones(len(residuals)), jacobian])), 1e-9)
    extra = own(numpy.stack(basis, axis=1))
    clipped = own(clipped[:, None])[:, 0]
    directions = _directions(extra - outer @ (outer.T @ extra), 1e-6, float(numpy.linalg.norm(extra)))
    clipped = clipped - outer @ (outer.T @ clipped)
    count = directions.shape[1]
    free = len(residuals) - outer.shape[1] - count
    explained, total = float(((directions.T @ clipped) ** 2).sum()), float(clipped @ clipped)
    if free < 3 or count == 0 or total <= 0:
        return 1.0, 0.0
    ratio = (explained / count) / (max(total - explained, 1e-300) / free)
    return float(special.fdtrc(count, free, ratio)), explained / total


def _directions(columns: numpy.ndarray, least: float, size: float | None = None) -> numpy.ndarray:
    """Return unit vectors that span the columns, without those that are rounding: below ``least`` of ``size``."""
    left, sizes, _ = numpy.linalg.svd(columns, full_matrices=False)
    return numpy.asarray(left[:, sizes > least * (sizes[0] if size is None else size)])


def spread_test(residuals: numpy.ndarray, log_compute: numpy.ndarray) -> tuple[float, float]:
    """Test whether the size of residuals changes with compute: the chance of as much, and the factor a decade."""
    known = numpy.abs(residuals) > 0
    if known.sum() < 12 or numpy.ptp(log_compute) < 0.5:
        return 1.0, 1.0
    x, y = log_compute[known], numpy.log(numpy.abs(residuals[known]))
    x, y = x - x.mean(), y - numpy.median(y)
    y = numpy.clip(y, *numpy.quantile(y, [0.05, 0.95]))
    slope = float(x @ y / (x @ x))
    error = float(numpy.sqrt(((y - slope * x) ** 2).sum() / (len(x) - 2) / (x @ x)))
    chance = 2.0 * float(special.stdtr(len(x) - 2, -abs(slope) / max(error, 1e-300)))
    return chance, float(numpy.exp(slope * numpy.log(10.0)))
