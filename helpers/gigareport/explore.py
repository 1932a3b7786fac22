"""One call for a figure that a reader moves: live in JupyterLab, from precomputed frames on a page.

>>> import pandas as pd
>>> from gigareport.plots import finished, marks
>>> def power(n_chips=100_000, cooling="liquid"):
...     table = pd.DataFrame({"label": [cooling], "Power [W]": [700.0 * n_chips]})
...     return finished(marks.bars(table, "Power [W]"), title=f"{n_chips:,} chips", source="…", vintage="2024-07-22")
>>> controls(power, {"n_chips": (50_000, 150_000, 50_000), "cooling": ["air", "liquid"]})[0].texts
('50,000', '100,000', '150,000')

In a notebook the last line is ``explore(power, n_chips=(50_000, 150_000, 50_000), cooling=["air", "liquid"])``.
"""

from __future__ import annotations

import base64
import gzip
import html
import inspect
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gigareport.fields import Fault
from gigareport.plots import picture
from gigareport.plots.chart import chart_of
from gigareport.plots.display import image, on_page

#: The type of a moving figure's record in an executed notebook.
EXPLORE_MIME = "application/vnd.gigacluster.explore+json"
#: A page carries at most this many frames of one figure: more stops of a slider are thinned out evenly.
MAX_FRAMES = 16
#: All frames of a page together may take this much. [bytes]
PAGE_BUDGET_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Control:
    """One input that a reader moves: a slider, a menu or a switch."""

    name: str
    label: str
    kind: str
    values: tuple[Any, ...]
    start: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as a reader sees them."""
        return tuple(value_text(value) for value in self.values)


def explore(
    figure_function: Callable[..., Figure], /, *, labels: Mapping[str, str] | None = None, **choices: Any
) -> None:
    """Show a figure with one or two controls that change it.

    Parameters
    ----------
    figure_function : Takes the chosen values by name and returns a finished figure (:func:`gigareport.plots.finished`);
        its title and alternative text are the answer in words. A parameter's default is where its control starts.
    labels : What a control is called, with its unit; otherwise its name without underscores.
    **choices
        For each parameter a list of numbers (slider), a list of texts (menu), ``(low, high, step)`` (slider), or
        ``True`` or ``False`` (switch, and where it starts).

    Raises
    ------
    Fault
        If there are no controls or more than two, a choice is empty, or a name is not a parameter of the function.

    Notes
    -----
    On a page at most 16 frames are drawn; a slider with more stops keeps evenly spread ones about its
    start, and both ends.
    The answer of a frame is computed by ``figure_function`` itself, never interpolated.
    """
    made = controls(figure_function, choices, labels)
    if on_page():
        record = page_record(figure_function, thinned(made))
        display({EXPLORE_MIME: record, "text/plain": record["figure"]["alt"]}, raw=True)
        return
    display(live(figure_function, made))


def controls(
    figure_function: Callable[..., Figure], choices: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> tuple[Control, ...]:
    """Return the controls for the given choices (see :func:`explore`)."""
    name = getattr(figure_function, "__name__", "explore")
    if not 1 <= len(choices) <= 2:
        raise Fault(f"explore({name}) takes one or two choices, got {len(choices)}: {', '.join(choices)}")
    parameters = inspect.signature(figure_function).parameters
    if unknown := [choice for choice in choices if choice not in parameters]:
        raise Fault(f"{name} has no parameter {', '.join(map(repr, unknown))}; it has: {', '.join(parameters)}")
    return tuple(_control(one, choice, parameters[one].default, labels or {}) for one, choice in choices.items())


def _control(name: str, choice: Any, default: Any, labels: Mapping[str, str]) -> Control:
    label = labels.get(name) or name.removeprefix("n_").replace("_", " ").capitalize()
    if isinstance(choice, bool):
        return Control(name, label, "switch", (False, True), int(choice))
    values = _steps(*choice) if isinstance(choice, tuple) and len(choice) == 3 else tuple(choice)
    if not values:
        raise Fault(f"the choice {name!r} has no values; give a list, (low, high, step), or True or False")
    is_slider = all(isinstance(value, int | float | numpy.number) for value in values) and len(values) > 2
    start = values.index(default) if default in values else (len(values) // 2 if is_slider else 0)
    return Control(name, label, "slider" if is_slider else "menu", values, start)


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    """Return the stops from ``low`` to ``high``, both included where the step allows."""
    if not (step > 0 and high > low):
        raise Fault(f"(low, high, step) is {(low, high, step)}; it needs low < high and step > 0")
    count = int(numpy.floor((high - low) / step + 1e-9)) + 1
    stops = [low + step * index for index in range(count)]
    return tuple(stop if isinstance(stop, int) else float(f"{stop:.12g}") for stop in stops)


def value_text(value: object) -> str:
    """Write a chosen value as a reader sees it.

    >>> value_text(100_000), value_text(0.05), value_text(True), value_text("NVL72")
    ('100,000', '0.05', 'on', 'NVL72')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | numpy.integer):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float | numpy.floating) else str(value)


def _drawn(
    figure_function: Callable[..., Figure], made: Sequence[Control], indices: Sequence[int]
) -> tuple[Figure, str]:
    """Return the figure for the places of all controls, and the chosen values in one line."""
    chosen = list(zip(made, indices, strict=True))
    texts = "; ".join(f"{control.label}: {control.texts[i]}" for control, i in chosen)
    return figure_function(**{control.name: control.values[i] for control, i in chosen}), texts


def thinned(made: Sequence[Control]) -> tuple[Control, ...]:
    """Keep as many stops of every slider as the frames of a page allow: both ends and the start among them."""
    fixed = int(numpy.prod([len(control.values) for control in made if control.kind != "slider"]))
    sliders = sum(control.kind == "slider" for control in made)
    most = max(3, int((MAX_FRAMES / max(fixed, 1)) ** (1 / max(sliders, 1))))
    return tuple(_thin(control, most) if control.kind == "slider" else control for control in made)


def _thin(control: Control, most: int) -> Control:
    last = len(control.values) - 1
    if last < most:
        return control
    stride = next(n for n in itertools.count(1) if control.start // n + (last - control.start) // n + 3 <= most)
    keep = sorted({0, last, *range(control.start % stride, last + 1, stride)})
    values = tuple(control.values[index] for index in keep)
    return replace(control, values=values, start=keep.index(control.start))


def page_record(figure_function: Callable[..., Figure], made: Sequence[Control]) -> dict[str, Any]:
    """Draw all frames, first control slowest, and return everything a page needs of them, as plain texts."""
    frames, start = [], {}
    starts = tuple(control.start for control in made)
    for indices in itertools.product(*(range(len(control.values)) for control in made)):
        fig, chosen = _drawn(figure_function, made, indices)
        chart = chart_of(fig)
        drawn = picture.narrow(fig)
        frame: dict[str, Any] = {"chosen": chosen, "title": chart.title, "alt": chart.alt, "csv": chart.csv}
        frame |= {"tips": drawn.tips, "svg": drawn.svg, "places": drawn.places}
        if indices == starts:
            start = frame | {"credit": chart.credit}
        plt.close(fig)
        frames.append(frame)
    packed = base64.b64encode(gzip.compress(json.dumps(frames).encode(), mtime=0)).decode()
    if len(packed) > PAGE_BUDGET_BYTES:
        raise ValueError(
            f"the frames take {len(packed):,} bytes; a page may carry {PAGE_BUDGET_BYTES:,}: draw fewer points"
        )
    return {
        "controls": [
            {"label": control.label, "kind": control.kind, "texts": list(control.texts), "start": control.start}
            for control in made
        ],
        "chosen": start["chosen"],
        "figure": start,
        "frames": packed,
        "n_frames": len(frames),
    }


def live(figure_function: Callable[..., Figure], made: Sequence[Control]) -> Any:
    """Return the widget of a moving figure for JupyterLab.

    The first figure is laid out; the later ones take its places, which draws them four times as fast and keeps the
    axes still while a slider moves. Ticks without a number, half of the drawing on a logarithmic axis, are left out.
    What was shown once is kept, so that going back is immediate.
    """
    import ipywidgets as widgets

    places: list[Any] = []

    @cache
    def frame(*indices: int) -> str:
        fig, chosen = _drawn(figure_function, made, indices)
        for ax in fig.axes:
            ax.minorticks_off()
        if not places and (layout := fig.get_layout_engine()) is not None:
            layout.execute(fig)
            places.extend(ax.get_position() for ax in fig.axes)
        if len(places) == len(fig.axes):
            fig.set_layout_engine("none")
            for ax, place in zip(fig.axes, places, strict=True):
                ax.set_position(place)
        chart, stream = chart_of(fig), io.BytesIO()
        FigureCanvasAgg(fig).print_png(stream)  # Figure.savefig would draw everything twice
        plt.close(fig)
        said = f'<p role="status">{html.escape(chosen)}. <b>{html.escape(chart.title)}</b></p>'
        return said + image(stream.getvalue(), chart.alt)

    handles = [_widget(control) for control in made]
    below = widgets.HTML()

    def redraw(*_: Any) -> None:
        below.value = frame(*(int(handle.value) for handle in handles))

    for handle in handles:
        handle.observe(redraw, names="value")
    redraw()
    return widgets.VBox([*handles, below])


def _widget(control: Control) -> Any:
    import ipywidgets as widgets

    look = {"description": control.label, "style": {"description_width": "initial"}}
    if control.kind == "switch":
        return widgets.Checkbox(value=bool(control.start), indent=False, **look)
    options = [(text, index) for index, text in enumerate(control.texts)]
    kind = widgets.SelectionSlider if control.kind == "slider" else widgets.Dropdown
    return kind(options=options, value=control.start, layout={"width": "min(100%, 32em)"}, **look)
