"""A menu of the bundled scenarios, above the first cell of a notebook."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping

from gigareport.scenario.load import SCENARIO_VARIABLE, STORY, names


def menu() -> None:
    """Show a menu in JupyterLab: the scenario chosen is what ``""`` means in the cells below.

    On a page it shows nothing, since a page tells of one scenario.
    """
    from gigareport.plots.display import on_page  # not at the top: the commands start without pictures

    if on_page():
        return
    import ipywidgets as widgets
    from IPython.display import display

    chosen = os.environ.get(SCENARIO_VARIABLE, "") or STORY
    known = names()
    box = widgets.Dropdown(options=known, value=chosen if chosen in known else None, description="Scenario")
    told = widgets.HTML("Choose one, then run all cells: menu Run, Run All Cells.")

    def choose(change: Mapping[str, str]) -> None:
        os.environ[SCENARIO_VARIABLE] = change["new"]
        told.value = f"Now run all cells for {html.escape(change['new'])}: menu Run, Run All Cells."

    box.observe(choose, names="value")
    display(widgets.HBox([box, told]))
