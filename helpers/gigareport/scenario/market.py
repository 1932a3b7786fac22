"""Where the market's rent goes after the decision, as stored paths that a sample takes one of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy

from gigacluster.arrays import Array, as_common, moved
from gigareport.facts import rents
from gigareport.scenario.inputs import RENT_PATH
from gigareport.scenario.register import Scenario

#: Paths that are kept for each date and horizon.
_N_PATHS, _SEED = 4096, 7
#: The longest horizon of a scenario. [month]
_LONGEST_MONTHS = 240


def market_of(story: Scenario, drawn: Mapping[str, Any]) -> Array:
    """Return the market's rent by month over that of the day of the decision: (months + 1, ...) with the draws' shape.

    A year's contract keeps the rent of its anniversary. Rents that were quoted later are over the price of the file, so
    that they come out as quoted.

    Parameters
    ----------
    story : Its day, horizon and kind of rent are those of all options.
    drawn : mapping of path to array
        Inputs by path; without :data:`~gigareport.scenario.inputs.RENT_PATH` the first path is taken.
    """
    price = drawn["rent.committed_usd_per_chip_hour"]
    xp, (position, price) = as_common(drawn.get(RENT_PATH, 0.0 * price), price)
    decided, horizon = str(story.decided_on), int(story.horizon_months)
    if story.rent.kind == "followed":
        quoted = moved(_quoted(story, decided, horizon), price)
        return xp.reshape(quoted, (-1, *(1,) * price.ndim)) / price
    index = xp.astype(xp.clip(xp.floor(position * _N_PATHS), 0.0, _N_PATHS - 1.0), xp.int64)
    taken = xp.take(moved(_paths(decided, horizon), price), xp.reshape(index, (-1,)), axis=1)
    path = xp.reshape(taken, (horizon + 1, *index.shape))
    if story.rent.kind == "reserved":
        years = [path[month : month + 1, ...] for month in range(0, horizon + 1, 12)]
        path = xp.concat([years[month // 12] for month in range(horizon + 1)], axis=0)
    return path


def _paths(decided: str, horizon_months: int) -> numpy.ndarray:
    """Return the paths to a horizon: the beginning of the longest, so that many horizons take the memory of one."""
    return _longest_paths(decided)[: horizon_months + 1]


@cache
def _longest_paths(decided: str) -> numpy.ndarray:
    changes = rents.known_changes(decided)
    return rents.paths(1.0, changes, months=_LONGEST_MONTHS, samples=_N_PATHS, seed=_SEED)


def _quoted(story: Scenario, decided: str, horizon_months: int) -> numpy.ndarray:
    quotes = rents.quoted(story.cluster.chip, story.rent.follows)
    return rents.followed(quotes["date"], quotes["usd_per_chip_hour"], decided, horizon_months)[:, 0]
