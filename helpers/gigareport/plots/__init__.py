"""Figures: axes and host arrays in, axes out; one look (:mod:`gigareport.plots.style`); one module a subject."""

from gigareport.plots import marks
from gigareport.plots.display import finished, fold, say, show
from gigareport.plots.front import Front, show_front
from gigareport.plots.style import COLOURS, band, figure, finish, use

__all__ = [
    "COLOURS",
    "Front",
    "band",
    "figure",
    "finish",
    "finished",
    "fold",
    "marks",
    "say",
    "show",
    "show_front",
    "use",
]
