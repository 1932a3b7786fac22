"""Figures of reliability show the numbers they are given, with units on their axes."""

import matplotlib as mpl
import numpy
import pandas as pd
import pytest
from matplotlib import pyplot

from gigareport.plots import figure
from gigareport.plots import reliability as draw

mpl.use("Agg")
SIZES = numpy.geomspace(1e3, 1e6, 9)


@pytest.fixture
def ax():
    fig, axes = figure()
    yield axes
    pyplot.close(fig)


def test_rates_are_sorted_and_the_expected_range_is_drawn(ax):
    table = pd.DataFrame(
        {"system": ["b", "a"], "rate": [6.0, 2.0], "low": [None, 1.0], "high": [None, 3.0], "pooled": [True, False]}
    )
    assert draw.plot_rates(ax, table, 1.1, 4.0, 15.0) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert "per 1,000 node-days (8 GPUs)" in ax.get_xlabel()
    assert ax.get_xscale() == "log"


def test_components_are_ordered_with_the_largest_on_top(ax):
    draw.plot_components(ax, ["small", "large"], [0.1, 1.0], [0.05, 0.9], [0.2, 1.1])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["small", "large"]
    assert ax.patches[-1].get_width() == 1.0


def test_losses_fill_all_of_the_time(ax):
    shares = {"progress": numpy.linspace(1, 0, 9), "restarts": numpy.linspace(0, 1, 9)}
    draw.plot_losses(ax, SIZES, shares, mark=1e5)
    top = ax.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1)
    assert ax.get_ylabel() == "Share of time"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["restarts", "progress"]


def test_best_interval_is_marked_on_its_curve(ax):
    interval_s = numpy.linspace(60, 600, 10)
    share = {"write of 1 s": numpy.linspace(0.5, 0.6, 10)}
    draw.plot_intervals(ax, interval_s, share, {"write of 1 s": 300.0})
    marked = ax.lines[1].get_xydata()[0]
    assert marked.tolist() == pytest.approx([5, numpy.interp(300, interval_s, share["write of 1 s"])])
    assert ax.get_xlabel().endswith("[min]")


def test_forms_below_zero_are_left_out_and_simulations_are_points(ax):
    forms = {"exact": numpy.linspace(1, 0.3, 9), "first order": numpy.linspace(1, -0.5, 9)}
    draw.plot_forms(ax, SIZES, forms, {"simulated": (SIZES[:2], numpy.asarray([1.0, 0.9]))})
    assert numpy.nanmin(ax.lines[1].get_ydata()) >= 0
    assert ax.lines[2].get_linestyle() == "None"
    assert {text.get_text() for text in ax.texts} == {"exact", "first order"}


def test_goodput_by_size_has_a_band_and_a_name(ax):
    draw.plot_goodput_by_size(ax, SIZES, SIZES * 0 + 0.4, SIZES * 0 + 0.5, SIZES * 0 + 0.6, label="stored")
    assert len(ax.collections) == 1
    assert ax.texts[0].get_text() == "stored"


def test_published_values_and_bounds_are_told_apart(ax):
    table = pd.DataFrame(
        {
            "system": ["a", "b"],
            "low": [0.7, 0.5],
            "median": [0.8, 0.6],
            "high": [0.9, 0.7],
            "published": [0.9, 0.44],
            "is_lower_bound": [True, False],
        }
    )
    draw.plot_published(ax, table)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "estimate, 90 %",
        "published",
        "published: more than",
    ]
    assert ax.lines[1].get_xdata().tolist() == [0.44]


def test_replicas_and_spares_name_their_curves(ax):
    draw.plot_replicas(ax, numpy.asarray([1.0, 2.0]), {"stall of 30 s": numpy.asarray([0.7, 0.9])}, 0.6, "all stop")
    assert {text.get_text() for text in ax.texts} == {"stall of 30 s", "all stop"}
    ax.clear()
    draw.plot_spares(ax, numpy.asarray([0.0, 0.01, 0.02]), {"2 days": numpy.asarray([1.0, 0.02, 1e-6])})
    assert ax.get_yscale() == "log"
    assert ax.lines[0].get_xydata().shape == (2, 2)  # the vanishing probability is left out
