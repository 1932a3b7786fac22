"""The inputs of scenarios as arrays: options on the first axis, samples on the last, of length 1 where one will do.

``Inputs`` is the record class of a scenario with an array in the place of each number. Every uncertain input has a
stream of random numbers that its path in the file names, so that adding an input changes no draw of another, and
options share the draws of what they have in common. The times of a recovery scheme share one stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy

from gigacluster.arrays import Array, as_common
from gigacluster.uncertainty import Uncertain
from gigareport.scenario.record import Field, leaves, rebuild
from gigareport.scenario.recovery import RECOVERY_TIMES, TOGETHER, settled
from gigareport.scenario.reference import entry_of
from gigareport.scenario.register import Case, Delivery, Scenario, Site

Inputs: TypeAlias = Case[Array, Array, Any]

#: Inputs of the models rather than of a file: where law, prediction, the world's stock, rents and rivals stand.
LAW, STEP_ERROR, STOCK = "scaling.replicate", "throughput.log_error", "concentration.world_stock"
CHIP_ERROR = "throughput.chip_log_error"
RENT_PATH, RIVALS = "rent.path", "concentration.rivals"
_MODEL_INPUTS = {
    LAW: "Which replicate of the scaling law",
    STEP_ERROR: "Error of the predicted step time",
    CHIP_ERROR: "Error of the predicted step time that only this chip has",
    STOCK: "The world's stock of chips",
    RENT_PATH: "Which path the market's rent takes",
    RIVALS: "What the sites of others are and become",
}
#: A cluster that starts later than this share of the horizon is taken to start then: it has no cost of an hour.
LATEST_START = 0.98


def inputs_of(story: Scenario) -> dict[str, Uncertain]:
    """Return every uncertain input of a scenario, by its path in the file, such as ``"own.energy_usd_per_kwh"``."""
    return uncertain_of(_in_time(story))


def uncertain_of(story: Scenario) -> dict[str, Uncertain]:
    """Return the same as they stand, from a scenario of :func:`alike`."""
    return {
        path: value
        for path, field, value in leaves(story)
        if field.kind == "uncertain" and not math.isnan(value.median)
    }


def words_of(story: Scenario) -> dict[str, str]:
    """Return what each uncertain input means, in words without its unit, by its path in the file."""
    return _MODEL_INPUTS | {path: entry_of(path).meaning for path in inputs_of(story)}


def draw_inputs(
    options: Sequence[Mapping[str, Uncertain]],
    samples: int,
    seed: int,
    first: int = 0,
    streams: Sequence[Mapping[str, str]] = (),
) -> dict[str, numpy.ndarray]:
    """Draw the inputs of options by name, each of shape (options or 1, samples or 1).

    Parameters
    ----------
    options : sequence of mapping
        The uncertain inputs of each option by path. What an option lacks is ``nan`` there.
    samples, seed, first
        Samples ``first`` to ``first + samples`` of the seed; sample i is the same however many are drawn.
    streams : sequence of mapping, optional
        Names of random streams by path and option, for what options do not share though they all have it.

    Examples
    --------
    >>> same, dear = ({"price": Uncertain.fixed(value)} for value in (1.0, 2.0))
    >>> draw_inputs([same, dear], 100, 7)["price"].shape
    (2, 1)
    """
    if first < 0 or samples < 1:
        raise ValueError(f"samples must be at least 1 and first 0 or more; got {samples} and {first}")
    names = dict.fromkeys(name for option in options for name in option)
    apart = streams or [{}] * len(options)

    def column(name: str) -> numpy.ndarray:
        shared = TOGETHER if name in RECOVERY_TIMES else name
        values = [option.get(name, Uncertain.left_out()) for option in options]
        return _column(values, [own.get(name, shared) for own in apart], samples, seed, first)

    return {name: column(name) for name in names}


class DrawnInputs(Mapping[str, numpy.ndarray]):
    """The inputs of one scenario by path, each drawn when it is asked for: arrays of shape (samples,) on the host.

    Parameters
    ----------
    inputs : mapping of path to Uncertain
    samples, seed, first, streams
        As in :func:`draw_inputs`, streams of the one scenario.

    Examples
    --------
    >>> found = DrawnInputs({"price": Uncertain.fixed(2.0)}, 3, 7)
    >>> list(found), found["price"].tolist()
    (['price'], [2.0, 2.0, 2.0])
    """

    def __init__(
        self,
        inputs: Mapping[str, Uncertain],
        samples: int,
        seed: int,
        first: int = 0,
        streams: Mapping[str, str] | None = None,
    ) -> None:
        self._inputs, self._how = inputs, (samples, seed, first, [streams or {}])
        self._drawn: dict[str, numpy.ndarray] = {}

    def __getitem__(self, path: str) -> numpy.ndarray:
        if path not in self._drawn:
            values = draw_inputs([{path: self._inputs[path]}], *self._how)[path][0]
            self._drawn[path] = numpy.broadcast_to(values, (self._how[0],))
        return self._drawn[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)


def _column(values: list[Uncertain], streams: list[str], samples: int, seed: int, first: int) -> numpy.ndarray:
    if all(value == values[0] for value in values) and len(set(streams)) == 1:
        values = values[:1]
    if not any(value.low < value.high for value in values):
        return numpy.array([[value.median] for value in values])
    positions = {
        name: numpy.random.default_rng([seed, *name.encode()]).uniform(2**-54, 1 - 2**-53, first + samples)[first:]
        for name in set(streams)
    }
    return numpy.stack([value.quantile(positions[name]) for value, name in zip(values, streams, strict=False)])


def inputs_from(stories: Sequence[Scenario], drawn: Mapping[str, Any]) -> Inputs:
    """Return the record of inputs: what was drawn, by path, and beside it the exact numbers of the options.

    Parameters
    ----------
    stories : sequence of Scenario
        Of one form, from :func:`alike`.
    drawn : mapping of path to array
    """
    sides = [{path: value for path, _, value in leaves(story)} for story in stories]

    def array(path: str, field: Field, value: Any) -> Any:
        if field.kind not in ("uncertain", "number"):
            return value
        if path in drawn:
            return drawn[path]
        exact = [value.median if isinstance(value, Uncertain) else float(value) for value in (s[path] for s in sides)]
        return column_of(drawn, exact)

    return rebuild(stories[0], array)  # type: ignore[no-any-return]


def column_of(drawn: Mapping[str, Any], values: Sequence[float]) -> Array:
    """Return a number of each option on the first axis, in the library and on the device of what was drawn."""
    like = next(iter(drawn.values()))
    same = len({repr(value) for value in values}) == 1
    xp, (_, column) = as_common(like, list(values[:1] if same else values))
    return xp.reshape(column, (-1, *(1,) * (like.ndim - 1)))


def alike(stories: Sequence[Scenario]) -> list[Scenario]:
    """Return scenarios of one form: as many deliveries and sites, those added with a share or power of 0."""
    never = Uncertain.fixed(0.0)
    unlimited: Site[Uncertain, float, str] = Site(name="", power_mw=Uncertain.left_out(), month=never)
    sites = [story.cluster.sites or (unlimited,) for story in stories]
    n_deliveries, n_sites = max(len(story.own.deliveries) for story in stories), max(map(len, sites))
    delivery = Delivery(share=0.0, month=never)
    site: Site[Uncertain, float, str] = Site(name="", power_mw=never, month=never)
    return [
        replace(
            story,
            own=replace(story.own, deliveries=_filled(story.own.deliveries, delivery, n_deliveries)),
            cluster=replace(story.cluster, sites=_filled(there, site, n_sites)),
        )
        for story, there in zip(map(_in_time, stories), sites, strict=True)
    ]


def _filled(parts: tuple[Any, ...], part: Any, number: int) -> tuple[Any, ...]:
    return (*parts, *[part] * (number - len(parts)))


def _in_time(story: Scenario) -> Scenario:
    """Return a scenario whose starts lie within its horizon, with the rate and the recovery of its chip and size."""
    story = settled(story)
    latest = LATEST_START * story.horizon_months

    def clipped(month: Uncertain) -> Uncertain:
        low, median, high = (min(value, latest) for value in (month.low, month.median, month.high))
        return replace(month, low=low, median=median, high=high, upper=min(month.upper, latest))

    deliveries = tuple(replace(part, month=clipped(part.month)) for part in story.own.deliveries)
    rent = replace(story.rent, start_month=clipped(story.rent.start_month))
    return replace(story, own=replace(story.own, deliveries=deliveries), rent=rent)
