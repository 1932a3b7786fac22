"""The few inputs that decide a scenario, and the verdict that they move: live in JupyterLab, by steps on a page.

On a page one input moves at a time while the others stand at the scenario's values: every answer shown was computed by
the models, none is interpolated. In JupyterLab all of them move together.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from IPython.display import display

from gigacluster import units
from gigacluster.uncertainty import Uncertain
from gigareport import scenario
from gigareport.answers import Answers, answers_of
from gigareport.explore import Control, chosen_text, live_controls
from gigareport.plots.display import on_page
from gigareport.scenario.recovery import settled

__all__ = ["COCKPIT_MIME", "Lever", "changed", "cockpit", "levers"]

#: The type of a cockpit's record in an executed notebook.
COCKPIT_MIME = "application/vnd.gigacluster.cockpit+json"

_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_PRICE_FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
_DELAYS_MONTHS = (0.0, 3.0, 6.0, 9.0, 12.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Lever:
    """One deciding input: its steps in words, and what each does to a scenario."""

    label: str
    texts: tuple[str, ...]
    start: int
    values: tuple[float, ...]
    change: Callable[[Any, float], Any]

    @property
    def control(self) -> Control:
        """The slider."""
        return Control(self.label, self.label, "slider", self.texts, self.start)


def cockpit(story: scenario.Scenario, *, samples: int = 2_000, seed: int = 7, device: str = "auto") -> None:
    """Show the deciding inputs of a scenario as sliders, with the verdict and the numbers that follow.

    Parameters
    ----------
    story : Scenario
        As returned by :func:`gigareport.scenario.load`.
    samples, seed, device
        For :func:`gigareport.scenario.evaluate`; fewer samples answer sooner.
    """
    made = levers(story)

    @cache
    def answer(*steps: int) -> Answers:
        outlook = scenario.evaluate(changed(story, made, steps), samples=samples, seed=seed, device=device)
        return answers_of(outlook)

    if on_page():
        record = page_record(made, answer)
        display({COCKPIT_MIME: record, "text/plain": record["start"]["verdict"]}, raw=True)
        return
    controls = [lever.control for lever in made]

    def shown(*steps: int) -> str:
        texts = [lever.texts[step] for lever, step in zip(made, steps, strict=True)]
        return _as_html(chosen_text(controls, texts), answer(*steps))

    display(live_controls(controls, shown))


def levers(story: Any) -> tuple[Lever, ...]:
    """Return the deciding inputs of a scenario: chips, rent, power price, failures, delay, value of a month."""
    n_chips = story.cluster.n_chips
    made = (
        Lever(
            "Chips",
            tuple(f"{factor * n_chips:,.0f}" for factor in _FACTORS),
            2,
            _FACTORS,
            _with_chips,
        ),
        _scaled(story, "Rent [USD/chip-hour]", "rent.committed_usd_per_chip_hour", _PRICE_FACTORS),
        _scaled(story, "Power price [USD/kWh]", "own.energy_usd_per_kwh", _PRICE_FACTORS),
        _scaled(story, "Failures [per 1,000 node-days]", "reliability.failures_per_1000_node_days", _FACTORS),
        Lever(
            "Delay of the own cluster [months]",
            tuple(f"{months:.0f}" for months in _DELAYS_MONTHS),
            0,
            _DELAYS_MONTHS,
            lambda story, months: _with(story, "own.deliveries", lambda parts: _delayed(parts, months)),
        ),
        _value_of_month(story),
    )
    return tuple(lever for lever in made if len(set(lever.texts)) > 1)  # a price of 0 has no steps


def changed(story: Any, made: Sequence[Lever], steps: Sequence[int]) -> Any:
    """Return the scenario with every lever at its step."""
    for lever, step in zip(made, steps, strict=True):
        if step != lever.start:
            story = lever.change(story, lever.values[step])
    return story


def page_record(made: Sequence[Lever], answer: Callable[..., Answers]) -> dict[str, Any]:
    """Return what a page needs: for each lever the answer at each of its steps, the others at their start."""
    starts = [lever.start for lever in made]
    answers = [
        [_as_record(answer(*starts[:place], step, *starts[place + 1 :])) for step in range(len(lever.texts))]
        for place, lever in enumerate(made)
    ]
    levers_ = [{"label": lever.label, "texts": list(lever.texts), "start": lever.start} for lever in made]
    return {"controls": levers_, "answers": answers, "start": answers[0][starts[0]]}


def _as_record(answers: Answers) -> dict[str, Any]:
    numbers = [{"label": n.label, "median": n.median, "interval": n.interval} for n in answers.numbers[:6]]
    return {"verdict": answers.verdict, "numbers": numbers}


def _as_html(chosen: str, answers: Answers) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(n.label)}</td><td><b>{html.escape(n.median)}</b></td><td>{html.escape(n.interval)}</td></tr>"
        for n in answers.numbers[:6]
    )
    return f'<p role="status">{html.escape(chosen)}. <b>{html.escape(answers.verdict)}</b></p><table>{rows}</table>'


def _scaled(story: Any, label: str, field: str, factors: Sequence[float]) -> Lever:
    ready = (
        settled if field.startswith("reliability.") else lambda story: story
    )  # where the file leaves it to the tables
    section, name = field.split(".")
    median = getattr(getattr(ready(story), section), name).median
    return Lever(
        label,
        tuple(f"{factor * median:.3g}" for factor in factors),
        tuple(factors).index(1.0),
        tuple(factors),
        lambda story, factor: _with(ready(story), field, lambda value: _times(value, factor)),
    )


def _value_of_month(story: Any) -> Lever:
    """Scale what a month is worth: the scenario's own figure, or else the revenue it is derived from."""
    given = story.race.value_of_month_usd
    field = "race.value_of_month_usd" if not math.isnan(given.median) else "race.revenue_usd_per_site_w_year"
    factors = (0.0, 0.5, 1.0, 2.0, 4.0)
    texts = tuple(
        units.format_usd(factor * given.median, digits=2) if not math.isnan(given.median) else f"{factor:g} times"
        for factor in factors
    )
    label = "Value of a month" if not math.isnan(given.median) else "Value of a month [times the scenario's]"
    return Lever(
        label, texts, 2, factors, lambda story, factor: _with(story, field, lambda value: _times(value, factor))
    )


def _with_chips(story: Any, factor: float) -> Any:
    """Scale the cluster with everything that is as large as it: power, job, batch."""
    cluster, training = story.cluster, story.training
    story = _with(story, "cluster.n_chips", lambda n: max(round(n * factor), 1))
    story = _with(story, "training.global_batch", lambda n: max(round(n * factor), 1))
    if not math.isnan(cluster.site_power_mw.median):
        story = _with(story, "cluster.site_power_mw", lambda value: _times(value, factor))
    if math.isfinite(training.n_chips):
        story = _with(story, "training.n_chips", lambda n: max(round(n * factor), 1))
    return story


def _with(story: Any, field: str, change: Callable[[Any], Any]) -> Any:
    section, name = field.split(".")
    return scenario.with_value(story, field, change(getattr(getattr(story, section), name)))


def _times(value: Uncertain, factor: float) -> Uncertain:
    return Uncertain(low=value.low * factor, median=value.median * factor, high=value.high * factor)


def _delayed(deliveries: Sequence[Any], months: float) -> tuple[Any, ...]:
    return tuple(dataclasses.replace(part, month=_shifted(part.month, months)) for part in deliveries)


def _shifted(value: Uncertain, months: float) -> Uncertain:
    return Uncertain(low=value.low + months, median=value.median + months, high=value.high + months)
