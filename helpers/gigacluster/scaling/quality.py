"""From loss or compute to a benchmark score: the weak link of the chain, and named as such.

Models of one compute differ widely in score with their data and family, so that the error of a single prediction is
large and does not shrink with more models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.predict import Estimate, with_noise

__all__ = ["QualityLink", "link_score"]


@dataclass(frozen=True, kw_only=True)
class QualityLink:
    """score = chance + (ceiling - chance) / (1 + exp(-slope (x - centre))).

    ``error``: root-mean-square residual over all models; ``error_within_family``: the same once each family has its own
    level; the difference is what the family decides. ``replicates``: slope, centre, ceiling, a row a replicate.
    """

    slope: float
    centre: float
    ceiling: float
    chance: float
    error: float
    error_within_family: float
    x_range: tuple[float, float]
    residuals: numpy.ndarray
    replicates: numpy.ndarray
    coverage: float

    def predict(self, x: Any, *, seed: int = 7) -> Estimate:
        """Return the score of one new model, with the interval that holds it: the fit's error and a model's own.

        Beyond ``x_range`` the curve is an extrapolation, and the interval says nothing about its shape.
        """
        x = numpy.asarray(to_host(x), dtype=float)
        value = _sigmoid(x, self.chance, self.slope, self.centre, self.ceiling)
        slope, centre, ceiling = (column.reshape((-1,) + (1,) * x.ndim) for column in self.replicates.T)
        samples = _sigmoid(x, self.chance, slope, centre, ceiling)
        tails = [(1 - self.coverage) / 2, (1 + self.coverage) / 2]
        noisy = with_noise(samples, self.residuals, seed)
        low, high = numpy.quantile(numpy.clip(noisy, 0.0, 1.0), tails, axis=0)
        return Estimate(value, low, high)


def link_score(
    x: Any,
    score_frac: Any,
    family: Any,
    *,
    chance: float = 0.25,
    bootstrap: int = 100,
    seed: int = 42,
    coverage: float = 0.9,
) -> QualityLink:
    """Fit a sigmoid to the scores of many models.

    Parameters
    ----------
    x : array, shape (models,)
        What the score rises with: log10 of training compute, or minus a predicted loss.
    score_frac : array, shape (models,)
        Share of right answers, in [0, 1].
    family : array of str, shape (models,)
        Models of a family share data and recipe: the bootstrap draws whole families.
    chance : float, default 0.25
        Score of guessing: four choices.
    bootstrap, seed, coverage
        Replicates, their seed, and the coverage of intervals.

    Raises
    ------
    ValueError
        If fewer than 10 models are known.

    Notes
    -----
    data/sources.csv, id ``ruan-2024-scores``, who find that the curve belongs to the family, not to compute alone.
    """
    x, score = (numpy.asarray(to_host(v), dtype=float) for v in (x, score_frac))
    known = numpy.isfinite(x) & numpy.isfinite(score)
    if known.sum() < 10:
        raise ValueError(f"{known.sum()} models have both x and a score; at least 10 are needed")
    x, score = x[known], score[known]
    _, number = numpy.unique(numpy.asarray(family, dtype=str)[known], return_inverse=True)
    ones = numpy.ones(len(x))
    best = _fit(x, score, ones, chance, numpy.asarray([2.0, numpy.median(x), 0.8]))
    residuals = score - _sigmoid(x, chance, *best)
    within = residuals - (numpy.bincount(number, residuals) / numpy.bincount(number))[number]
    families = int(number.max()) + 1
    stream = numpy.random.default_rng(seed)
    drawn = stream.multinomial(families, numpy.full(families, 1 / families), size=bootstrap)
    replicates = numpy.stack([_fit(x, score, times[number], chance, best) for times in drawn])
    return QualityLink(
        slope=best[0],
        centre=best[1],
        ceiling=best[2],
        chance=chance,
        error=float(numpy.sqrt(numpy.mean(residuals**2))),
        error_within_family=float(numpy.sqrt(numpy.sum(within**2) / (len(x) - families))),
        x_range=(float(x.min()), float(x.max())),
        residuals=residuals,
        replicates=replicates,
        coverage=coverage,
    )


def _sigmoid(x: Any, chance: float, slope: Any, centre: Any, ceiling: Any) -> numpy.ndarray:
    return chance + (ceiling - chance) / (1 + numpy.exp(-slope * (x - centre)))


def _fit(
    x: numpy.ndarray, score: numpy.ndarray, weight: numpy.ndarray, chance: float, start: numpy.ndarray
) -> numpy.ndarray:
    from scipy import optimize

    root = numpy.sqrt(weight)
    found = optimize.least_squares(
        lambda p: root * (score - _sigmoid(x, chance, *p)),
        start,
        bounds=([0.05, x.min() - 2, chance], [20.0, x.max() + 3, 1.0]),
        x_scale=[1.0, 1.0, 0.2],
    )
    return found.x
