"""Series carried ahead: changes that fade or persist as they did so far, with the spread that they had so far."""

from __future__ import annotations

import numpy

#: Spread of the changes of one series counts as this many observations of the spread of all: few changes are known of
#: each, and one quiet year does not make an owner steady.
_OBSERVATIONS_SHARED = 4.0
#: Persistence stays within these, so that changes neither flip their sign for ever nor explode.
_PERSISTENCE = (-0.5, 1.0)


def paths(changes: numpy.ndarray, steps: int, samples: int, seed: int, *, least_spread: float = 0.0) -> numpy.ndarray:
    """Draw how series go on after their last change, added up over the steps.

    Parameters
    ----------
    changes : array, shape (series, n)
        Changes of the logarithm of each series from step to step, oldest first; ``nan`` where it is not known.
    steps : Steps ahead.
    samples, seed : int
    least_spread : Standard deviation of a change that is assumed where fewer than two changes follow each other.

    Returns
    -------
    array, shape (series, steps, samples)
        Change of the logarithm since the last step that is known.

    Notes
    -----
    d(t+1) = p d(t) + s e: one persistence p of all series and a spread s of each, both drawn from what the changes
    leave open (flat priors; the spread of each series is shrunk towards that of all by four observations), so that
    few changes give wide paths.

    Examples
    --------
    >>> still = paths(numpy.zeros((1, 8)), 2, 100, 7)
    >>> float(abs(still).max())
    0.0
    """
    rng = numpy.random.default_rng([seed, *b"ahead"])
    before, after = changes[:, :-1], changes[:, 1:]
    both = numpy.isfinite(before) & numpy.isfinite(after)
    x, y = numpy.where(both, before, 0.0), numpy.where(both, after, 0.0)
    power, n = float((x * x).sum()), both.sum(axis=1)
    p = float((x * y).sum()) / power if power > 0 else 1.0
    missed = ((y - p * x) ** 2).sum(axis=1)
    shared = max(float(missed.sum()) / max(int(n.sum()) - 1, 1), least_spread**2 if n.sum() < 2 else 0.0)
    freedom = n + _OBSERVATIONS_SHARED if len(changes) > 1 else numpy.maximum(n - 1, 2)
    known = missed + (_OBSERVATIONS_SHARED * shared if len(changes) > 1 else numpy.where(n < 2, 2 * shared, 0.0))
    variance = known[:, None] / rng.chisquare(freedom[:, None], (len(changes), samples))
    spread_of_p = numpy.sqrt(shared / power) if power > 0 else 0.0
    persistence = numpy.clip(p + spread_of_p * rng.standard_normal(samples), *_PERSISTENCE)
    change = numpy.repeat(numpy.nan_to_num(changes[:, -1:]), samples, axis=1)
    total, found = numpy.zeros_like(change), []
    for _ in range(steps):
        change = persistence * change + numpy.sqrt(variance) * rng.standard_normal(change.shape)
        total = total + change
        found.append(total)
    return numpy.stack(found, axis=1)
