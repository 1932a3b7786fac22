"""The first screen of a report: the answer, how sure it is, what happened, what flips it, how far to trust it.

A notebook fills a :class:`Front` and shows it with :func:`show_front`. All texts are Markdown with computed numbers
(:func:`gigareport.answers.tell` gives those that lead to where they come from); a ``$`` means dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from gigareport.plots.display import dollars, figure_record, on_page, say, show

#: The type of a first screen's record in an executed notebook.
FRONT_MIME = "application/vnd.gigacluster.front+json"
#: The table of a first screen has at most this many rows, and the lines of chips this many.
MOST_ROWS = 7


@dataclass(frozen=True, kw_only=True)
class Front:
    """What the first screen says.

    >>> Front(answer="Owning was cheaper.", as_of="July 2024", flips={"price": "below $2.10 a chip-hour"}).trust
    ''
    """

    answer: str  # one or two sentences, chosen by the numbers
    as_of: str  # when the question is asked, as a reader says it
    figure: Figure | None = None  # finished: the map of price and term
    against: pd.DataFrame = field(default_factory=pd.DataFrame)  # the other choices, a row each; texts
    note: str = ""  # below the table
    happened: Mapping[str, str] = field(default_factory=dict)  # choice: what it has cost since
    happened_note: str = ""
    flips: Mapping[str, str] = field(default_factory=dict)  # what: from where on the answer is another
    trust: str = ""  # how far to trust it, misses first
    story: str = ""  # what is decided, in a few sentences
    made: str = ""  # who computed it, and how new its data are

    def __post_init__(self) -> None:
        if not (self.answer.strip() and self.as_of.strip()):
            raise ValueError("a first screen needs an answer and as_of; one of them came empty")
        for name in ("against", "happened", "flips"):
            if len(getattr(self, name)) > MOST_ROWS:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows; the first screen holds {MOST_ROWS}")


def show_front(front: Front) -> None:
    """Show a first screen: laid out as one on a page, one part below the other in JupyterLab."""
    if on_page():
        display({FRONT_MIME: _record(front), "text/markdown": front.answer}, raw=True)
        if front.figure is not None:
            plt.close(front.figure)
        return
    say(f"**As of {front.as_of}.** {front.answer}")
    if front.figure is not None:
        show(front.figure)
    if len(front.against):
        display(front.against.style.hide(axis="index"))
    for title, texts in (("What happened", front.happened), ("What flips it", front.flips)):
        if texts:
            say(f"**{title}.** " + "; ".join(f"{name}: {text}" for name, text in texts.items()) + ".")
    if front.story:
        say(f"**What is decided.** {front.story}")
    if front.trust:
        say(f"**How far to trust it.** {front.trust}")


def _record(front: Front) -> dict[str, Any]:
    return {
        "answer": dollars(front.answer),
        "as_of": front.as_of,
        "figure": None if front.figure is None else figure_record(front.figure),
        "head": [str(name) for name in front.against.columns],
        "rows": [[dollars(str(cell)) for cell in row] for row in front.against.itertuples(index=False)],
        "note": dollars(front.note),
        "happened": [(name, dollars(text)) for name, text in front.happened.items()],
        "happened_note": dollars(front.happened_note),
        "flips": [(name, dollars(text)) for name, text in front.flips.items()],
        "trust": dollars(front.trust),
        "story": dollars(front.story),
        "made": front.made,
    }
