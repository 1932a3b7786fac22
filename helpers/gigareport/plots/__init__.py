"""Figures: a table in, a chart out (:mod:`gigareport.plots.marks`), in one look (:mod:`gigareport.plots.style`)."""

from gigareport.plots import marks
from gigareport.plots.chart import Chart
from gigareport.plots.display import finished, fold, say, show
from gigareport.plots.front import Front, show_front
from gigareport.plots.style import COLOURS, band, figure, use

__all__ = [
    "COLOURS",
    "Chart",
    "Front",
    "band",
    "figure",
    "finished",
    "fold",
    "marks",
    "say",
    "show",
    "show_front",
    "use",
]
