"""Figures about concentration: axes in and out, units on the axes, every owner named."""

import itertools

import matplotlib.pyplot as plt
import numpy
import pandas as pd
import pytest

from gigareport import plots
from gigareport.pages import text
from gigareport.plots import concentration as draw
from gigareport.plots import display

DATES = pd.date_range("2024-03-31", periods=4, freq="QE").to_numpy()
UP = numpy.asarray([0.1, 0.2, 0.3, 0.4])


@pytest.fixture
def ax():
    fig, axes = plt.subplots()
    yield axes
    plt.close(fig)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_index_names_each_structure_of_other_and_its_unit(ax):
    bounds = {"band_low": UP, "lowest": UP, "capped": UP, "highest": UP, "band_high": UP}
    assert draw.plot_index_bounds(ax, DATES, label="HHI", **bounds) is ax
    assert ax.get_ylabel() == "HHI [points of 10,000]"
    assert len(ax.get_legend().get_texts()) == 3


def test_every_owner_is_named_even_where_shares_vanish(ax):
    shares = numpy.asarray([[0.6] * 4, [0.4] * 4, [0.0] * 4])
    draw.plot_owner_shares(ax, DATES, shares, labels=["A", "B", "Other"])
    assert texts(ax) == ["A", "B", "Other"]
    heights = [text.xy[1] for text in ax.texts]
    assert (numpy.diff(heights) >= 0.05).all()


def test_many_owners_find_colours(ax):
    shares = numpy.full((15, 4), 1 / 15)
    draw.plot_owner_shares(ax, DATES, shares, labels=[f"owner {i}" for i in range(15)])
    assert len(ax.collections) == 15


def test_what_lies_after_the_table_is_dashed(ax):
    draw.plot_share_over_time(ax, DATES, UP / 2, UP, UP * 2, n_known=2, label="100,000 H100e")
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 3]


def test_owners_are_told_apart_without_colour(ax):
    draw.plot_owner_shares(ax, DATES, numpy.full((9, 4), 1 / 9), labels=list("abcdefghi"))
    hatches = [area.get_hatch() for area in ax.collections]
    assert all(first != second for first, second in itertools.pairwise(hatches))
    names = [text for text in ax.texts if text.get_text() in "abcdefghi"]
    assert {text.get_color() for text in names} == {"#262626"}  # which a page writes in the colour of its text


def test_a_folded_table_stays_folded_on_a_page(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", shown.append)
    plots.fold("Vintages <2>", pd.DataFrame({"maker": ["A"], "told": [1.5]}))
    page = text.table(shown[0].data)
    assert "<details><summary>Vintages &lt;2&gt;</summary>" in page
    assert '<th scope="col">maker</th>' in page
    assert page.count("<table") == page.count("</table>") == page.count("</details>") == 1
