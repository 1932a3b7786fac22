"""The figures of scaling laws show what they are given."""

import matplotlib.pyplot as plt
import numpy
import pandas as pd
import pytest

from gigacluster.scaling import Estimate
from gigareport import beside
from gigareport.plots import scaling as draw


@pytest.fixture
def ax():
    fig, axes = plt.subplots()
    yield axes
    fig.canvas.draw()
    plt.close(fig)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_loss_is_dashed_where_it_is_extrapolated(ax):
    flop = numpy.geomspace(1e18, 1e26, 9)
    value = 2 + 1e3 / flop**0.15
    draw.plot_loss(
        ax, [1e19, 1e22], [3.0, 2.2], flop, Estimate(value, value - 0.1, value + 0.1), [("cluster", 1e25, 2.1)]
    )
    solid, dashed = ax.lines[:2]
    assert max(solid.get_xdata()) <= 1e22 < min(dashed.get_xdata())
    assert "cluster" in texts(ax)


def test_each_run_and_supply_is_drawn(ax):
    budgets = pd.DataFrame(
        {"label": ["a", "b"], "tokens_low": [1e12, 2e12], "tokens": [2e12, 3e12], "tokens_high": [4e12, 5e12]}
    )
    supplies = pd.DataFrame(
        {"name": ["used", "stock"], "tokens_low": [1e13, 1e14], "tokens": [1e13, 3e14], "tokens_high": [1e13, 1e15]}
    )
    draw.plot_tokens(ax, budgets, supplies)
    assert {"used", "stock"} <= set(texts(ax))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_recalled_laws_are_hollow(ax):
    laws = beside.published_optima(1e25)
    draw.plot_laws(ax, laws, Estimate(1e12, 5e11, 2e12), "params", label="parameters")
    seen, recalled = ax.collections[-2:]
    assert len(seen.get_offsets()) + len(recalled.get_offsets()) == len(laws)
    assert recalled.get_facecolor().tolist() == [[1.0, 1.0, 1.0, 1.0]]


def test_serving_and_scores_draw_their_curves(ax):
    served = numpy.geomspace(1e11, 1e15, 9)
    draw.plot_serving(ax, served, numpy.linspace(1, 0.3, 9), numpy.linspace(0, 0.5, 9))
    assert len(ax.lines) == 2
    ax.clear()
    value = numpy.linspace(0.3, 0.8, 9)
    draw.plot_scores(
        ax,
        [1e22, 1e23],
        [0.3, 0.6],
        numpy.geomspace(1e21, 1e25, 9),
        Estimate(value, value - 0.1, value + 0.1),
        1e24,
        label="score",
    )
    assert ax.get_ylabel() == "score"
