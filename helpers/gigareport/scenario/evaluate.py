"""Every answer about one scenario, or about many as options of one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, TypeAlias, overload

import numpy

from gigacluster import cost
from gigacluster.arrays import (
    NUMPY,
    Array,
    Namespace,
    Samples,
    device_namespace,
    free_bytes,
    keep_freed_memory,
    namespace_of,
    release,
    to_host,
)
from gigacluster.parallel import halving
from gigacluster.uncertainty import sobol_indices
from gigareport.fields import Fault
from gigareport.scenario import spine
from gigareport.scenario.inputs import (
    Drawn,
    DrawnInputs,
    alike,
    all_inputs,
    draw_inputs,
    exact_columns,
    inputs_from,
    known_of,
    market_of,
    words_of,
)
from gigareport.scenario.known import Facts, facts_of
from gigareport.scenario.outlook import Outlook, Returns
from gigareport.scenario.plans import PlannedStep, TrainingPlan, search_plan
from gigareport.scenario.register import Scenario, loaded

#: A scenario in the form of its block, what the tables say of it, and its plan.
_Option: TypeAlias = tuple[Scenario, Facts, PlannedStep]
#: Options, and samples times months, evaluated at once on a CPU: arrays by month then stay in the cache.
_OPTIONS_AT_ONCE, _MONTHS_AT_ONCE, _LEAST_SAMPLES = 64, 96_000, 256
#: Memory that all arrays by month take together, a sample and month.
_BYTES_A_MONTH = 320


@overload
def evaluate(
    scenario: Scenario,
    *,
    samples: int = ...,
    seed: int = ...,
    device: str = ...,
    plans: PlannedStep | None = ...,
    first: int = ...,
    answers: Sequence[str] = ...,
    streams: Sequence[Mapping[str, str]] = ...,
) -> Outlook: ...


@overload
def evaluate(
    scenario: Sequence[Scenario],
    *,
    samples: int = ...,
    seed: int = ...,
    device: str = ...,
    plans: Sequence[PlannedStep] | None = ...,
    first: int = ...,
    answers: Sequence[str] = ...,
    streams: Sequence[Mapping[str, str]] = ...,
) -> list[Outlook]: ...


def evaluate(
    scenario: Scenario | Sequence[Scenario],
    *,
    samples: int = 10_000,
    seed: int = 7,
    device: str = "auto",
    plans: PlannedStep | Sequence[PlannedStep] | None = None,
    first: int = 0,
    answers: Sequence[str] = (),
    streams: Sequence[Mapping[str, str]] = (),
) -> Outlook | list[Outlook]:
    """Answer every question about scenarios, with samples of their uncertain inputs.

    Parameters
    ----------
    scenario : Scenario or sequence of Scenario
        From :func:`gigareport.scenario.load`. Several are options of one call: what they have in common is drawn once,
        so that differences between them are paired sample by sample.
    samples : int, default 10,000
        Draws of the inputs, at least 1.
    seed : int, default 7
    device : {"auto", "cpu", "cuda"}
        Where the models compute.
    plans : TrainingPlan or sequence of them, optional
        The parallel plan of each scenario, which all samples share. Left out: searched, at the inputs' medians.
    first : Number of the first sample: samples ``first`` to ``first + samples`` of the seed are evaluated.
    answers : Names of the answers to keep, so that many options take little memory; the others come back empty.
    streams : sequence of mapping, optional
        Names of random streams by path and scenario, for what options have each on their own: the price of another
        chip, the rate of failures of another site. Left out: one stream a path, shared by all.

    Returns
    -------
    Outlook or list of Outlook
        One for each scenario; equal, bit for bit, to those of separate calls.

    Examples
    --------
    >>> from gigareport import scenario
    >>> outlook = evaluate(scenario.load("xai-colossus-2024"), samples=100)
    >>> bool(0.1 < outlook.interval("mfu_frac").median < 0.6)
    True
    """
    stories = [loaded(item) for item in (scenario if isinstance(scenario, Sequence) else [scenario])]
    keep_freed_memory()
    _refuse_unknown(answers)
    given = [plans] if isinstance(plans, PlannedStep) else plans
    searched = [search_plan(story) for story in stories] if given is None else list(given)
    if len(searched) != len(stories):
        raise ValueError(f"got {len(searched)} plans for {len(stories)} scenarios; give one each")
    found: dict[int, Outlook] = {}
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, story in enumerate(stories):
        groups.setdefault(_shared(story), []).append(number)
    for members in groups.values():
        for start in range(0, len(members), _OPTIONS_AT_ONCE):
            block = members[start : start + _OPTIONS_AT_ONCE]
            cases = _cases([stories[number] for number in block], [searched[number] for number in block])
            own = [streams[number] for number in block] if streams else ()
            drawn = draw_inputs([all_inputs(*case) for case in cases], samples, seed, first, own)
            drawn |= exact_columns([form for form, *_ in cases], drawn)
            rows = _block(cases, drawn, samples, device, tuple(answers))
            for number, row in zip(block, rows, strict=True):
                story, plan = stories[number], searched[number]
                apart = streams[number] if streams else {}
                again = partial(_inputs_of, story, plan, samples=samples, seed=seed, first=first, streams=apart)
                found[number] = Outlook(scenario=story, plan=plan, drawn=again, seed=seed, **row)
    return [found[number] for number in range(len(stories))] if isinstance(scenario, Sequence) else found[0]


def _refuse_unknown(answers: Sequence[str]) -> None:
    if unknown := [name for name in answers if name not in Outlook.answers()]:
        raise ValueError(f"there is no answer {unknown[0]!r}; an outlook has: {', '.join(Outlook.answers())}")


def _shared(story: Scenario) -> tuple[Any, ...]:
    """Return what options of one array call have in common: months, rivals, how the rent is paid, how a run starts."""
    rent = story.rent
    quoted = (story.cluster.chip, rent.follows) if rent.kind == "followed" else ""
    how = rent.kind, rent.after_term, quoted, story.training.start
    return story.horizon_months, story.owner, story.decided_on, *how


def _cases(stories: Sequence[Scenario], plans: Sequence[PlannedStep]) -> list[_Option]:
    """Return scenarios in one form, what the tables say of each, and its plan."""
    return list(zip(alike(stories), map(facts_of, stories), plans, strict=True))


def _block(
    cases: Sequence[_Option],
    drawn: Mapping[str, numpy.ndarray],
    samples: int,
    device: str,
    kept: tuple[str, ...],
) -> list[dict[str, Array]]:
    """Return every answer of scenarios of one form, some samples at a time; those not kept are empty."""
    names = kept or tuple(Outlook.answers())
    with_returns = any(item.name in names for item in fields(Returns))
    try:
        xp = device_namespace(device)
    except (RuntimeError, ValueError) as fault:
        raise Fault(str(fault)) from None

    def some(few: slice) -> dict[str, Array]:
        part = {
            name: xp.asarray(values[:, few] if values.shape[1] > 1 else values, dtype=xp.float64)
            for name, values in drawn.items()
        }
        found = _answers(cases, part, with_returns=with_returns)
        return {name: xp.broadcast_to(found[name], (len(cases), few.stop - few.start)) for name in names}

    at_once = min(samples, _samples_at_once(xp, len(cases) * int(cases[0][0].horizon_months)))
    parts = [part for _, part in halving(some, samples, at_once, release=lambda: release(xp))]
    joined = {name: xp.concat([part[name] for part in parts], axis=1) for name in names}
    empty = joined[names[0]][0, :0]
    return [
        {name: joined[name][row, ...] if name in joined else empty for name in Outlook.answers()}
        for row in range(len(cases))
    ]


def _inputs_of(
    story: Scenario, plan: PlannedStep, *, samples: int, seed: int, first: int, streams: Mapping[str, str]
) -> DrawnInputs:
    """Return the inputs of one scenario by their path in its file, to be drawn again."""
    (case,) = _cases([story], [plan])
    known = all_inputs(*case)
    return DrawnInputs({name: known[name] for name in words_of(story)}, samples, seed, first, streams)


def _samples_at_once(xp: Namespace, months: int) -> int:
    """Return how many samples of so many months, of all options together, are evaluated at once."""
    if xp is NUMPY:
        return max(_MONTHS_AT_ONCE // months, _LEAST_SAMPLES)
    return max(int(min(free_bytes(xp) / 2 / _BYTES_A_MONTH, 2**40)) // months, _LEAST_SAMPLES)


def _answers(cases: Sequence[_Option], drawn: Drawn, *, with_returns: bool = True) -> dict[str, Array]:
    """Return every answer by name, for scenarios of one form and inputs drawn by path."""
    forms, facts, plans = zip(*cases, strict=True)
    known = known_of(facts, plans, drawn)
    horizon_months = int(forms[0].horizon_months)
    groups = spine.answers(inputs_from(forms, drawn), known, horizon_months, with_returns=with_returns)
    return {item.name: getattr(group, item.name) for group in groups for item in fields(group)}


def deciding_inputs(
    scenario: Scenario, answer: str, *, plan: TrainingPlan | None = None, samples: int = 256, seed: int = 7
) -> dict[str, tuple[float, float]]:
    """Say which inputs decide one answer: first-order and total Sobol index by input, largest first.

    Parameters
    ----------
    scenario : Scenario
    answer : Name of an answer of :class:`Outlook` that every sample has.
    plan : TrainingPlan, optional
    samples : Base sample, a power of two: the model sees that many times the number of inputs plus two.
    seed : int, default 7
    """
    _refuse_unknown([answer])
    (case,) = _cases([loaded(scenario)], [plan or search_plan(scenario)])

    def model(given: dict[str, numpy.ndarray]) -> numpy.ndarray:
        rows = {name: values[None, :] for name, values in given.items()}
        found = _answers([case], rows)[answer]  # of length 1 where no input moves it
        return numpy.array(to_host(namespace_of(found).broadcast_to(found, next(iter(rows.values())).shape))[0])

    return sobol_indices(model, all_inputs(*case), samples=samples, seed=seed)


def cash_flows(
    scenario: Scenario, given: Mapping[str, Any], goodput_frac: Samples
) -> tuple[cost.CashFlows, cost.CashFlows]:
    """Return what owning costs month by month, and what the scenario's rental over the same horizon costs.

    Parameters
    ----------
    scenario : Scenario
    given : mapping of path to array, shape (samples,)
        Inputs, such as those of an outlook, or with some of them changed.
    goodput_frac : [1]
    """
    (story,) = alike([loaded(scenario)])
    market = market_of(facts_of(scenario), given)
    return spine.flows(inputs_from([story], given), market, goodput_frac, int(story.horizon_months))
