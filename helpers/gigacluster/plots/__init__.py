"""Figures: axes and host arrays in, axes out; one look (:mod:`gigacluster.plots.style`); one module a subject."""

from gigacluster.plots.display import say, show
from gigacluster.plots.style import COLOURS, band, figure, finish, label_line, use

__all__ = ["COLOURS", "band", "figure", "finish", "label_line", "say", "show", "use"]
