"""Figures of cost and race: each draws what it is given, in units that a reader can read."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gigacluster import race
from gigareport.plots import cost as draw_cost
from gigareport.plots import race as draw_race


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize(("size_usd", "word"), [(4e9, "billion"), (2e7, "million")])
def test_costs_are_shown_in_a_unit_that_fits_their_size(ax, size_usd, word):
    draw_cost.plot_so_far(ax, {"own": size_usd * np.linspace(0, 1, 13)[:, None] * np.ones(5)})
    assert word in ax.get_ylabel()
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(size_usd / (1e9 if word == "billion" else 1e6))


def test_parts_that_cost_nothing_are_left_out_and_a_sale_points_left(ax):
    draw_cost.plot_parts(ax, {"chips": np.full(4, 2e9), "site rent": np.zeros(4), "sale": np.full(4, -1e9)})
    assert sorted(bar.get_width() for bar in ax.patches) == [-1.0, 2.0]


def test_rents_show_quotes_by_kind_without_joining_different_buyers(ax):
    typical = pd.DataFrame(
        {"quarter_start": pd.to_datetime(["2024-01-01", "2024-04-01"]), "usd_per_chip_hour": [4.0, 3.5]}
    ).assign(low=3.0, high=4.5)
    quotes = pd.DataFrame(
        {"date": pd.to_datetime(["2024-02-01", "2025-10-01", "2026-03-01"]), "usd_per_chip_hour": [2.8, 1.7, 2.3]}
    ).assign(kind=["spot", "reserved_1y", "reserved_1y"])
    dates = pd.date_range("2024-07-01", periods=3, freq="30D")
    draw_cost.plot_rents(ax, typical, quotes, (dates, np.ones((3, 10))), label="X1")
    styles = {line.get_label(): line.get_linestyle() for line in ax.lines}
    assert styles["quoted, one-year contract"] == "-"
    assert styles["quoted, marketplace"] == "None"


def test_deal_marks_its_points_inside_the_figure(ax):
    terms = np.asarray([24.0, 48.0])
    draw_cost.plot_deal(ax, terms, terms * 100, terms * 200, terms * 300, points=[("asked", 36, 50_000)])
    assert ax.get_ylim()[1] > 50_000
    assert "asked" in {text.get_text() for text in ax.texts}


def test_tornado_starts_at_the_base(ax):
    draw_cost.plot_tornado(ax, {"a": (1e9, 4e9), "b": (2e9, 1.5e9)}, 2e9, {"a": "Rent"})
    assert {bar.get_x() for bar in ax.patches} == {2.0}
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "Rent"]


def test_growth_names_its_rate(ax):
    years, speed = np.linspace(2019, 2025, 9), 2.5 ** np.linspace(0, 6, 9) * 1e18
    draw_race.plot_growth(ax, years, speed, {"all": race.growth(years, speed)})
    assert "2.50 times a year" in ax.get_legend().get_texts()[0].get_text()


def test_worth_of_a_month_keeps_its_marks_in_sight(ax):
    draw_race.plot_month_worth(ax, np.linspace(1, 3, 5), np.ones((5, 9)) * 2e8, {"lease": 1e8})
    assert ax.get_ylim()[1] == pytest.approx(125.0)


def test_best_start_is_marked_at_the_earliest_finish(ax):
    starts = np.linspace(0, 12, 13)
    draw_race.plot_start(ax, starts, {"run": starts + 30 * 0.8**starts})
    dot = next(line for line in ax.lines if line.get_marker() == "o")
    assert dot.get_xdata()[0] == (starts + 30 * 0.8**starts).argmin()
