"""Figures: axes and host arrays in, axes out; one look (:mod:`gigareport.plots.style`); one module a subject."""

from gigareport.plots.display import fold, say, show
from gigareport.plots.style import COLOURS, band, figure, finish, label_line, use

__all__ = ["COLOURS", "band", "figure", "finish", "fold", "label_line", "say", "show", "use"]
