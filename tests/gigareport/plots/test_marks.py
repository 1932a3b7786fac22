"""The marks: what a figure says in words, under a finger and as data comes from its table alone."""

import datetime
import itertools

import matplotlib.pyplot as plt
import numpy
import pandas as pd
import pytest

from gigareport import plots
from gigareport.pages import text as page_text
from gigareport.plots import display, marks, titles
from gigareport.plots.display import FIGURE_MIME, PAGE_VARIABLE

COSTS = pd.DataFrame(
    {
        "label": ["Own", "Rent"],
        "low": [4.2, 6.4],
        "median": [5.2, 8.3],
        "high": [6.3, 11.0],
        "as_of": ["2024-07-22", "2024-05-01"],
    }
)
LINES = pd.DataFrame(
    {
        "Date": pd.to_datetime(["2024-01-31", "2024-02-29"] * 2),
        "Chips [chip]": [100.0, 200.0, 300.0, numpy.nan],
        "who": ["xAI", "xAI", "Meta", "Meta"],
    }
)
STACK = pd.DataFrame({"Chips [chip]": [1.0, 10.0], "useful": [0.9, 0.7], "lost": [0.1, 0.3]})
GRID = pd.DataFrame({"x [m]": [1.0, 2.0] * 2, "y [s]": [1.0, 1.0, 2.0, 2.0], "what": ["own", "own", "own", "rent"]})


@pytest.fixture(autouse=True)
def closed():
    plt.close("all")  # what other tests and examples left
    yield
    plt.close("all")


MARKS = {
    "rows": lambda: marks.rows(COSTS, "Cost [$ billion]"),
    "bars": lambda: marks.bars(COSTS, "median"),
    "stacked bars": lambda: marks.bars(COSTS, ["low", "high"], unit="Cost [$ billion]"),
    "curves": lambda: marks.curves(LINES, "Date", "Chips [chip]", by="who", log="y"),
    "band": lambda: marks.band(COSTS.assign(x=[1.0, 2.0]), "x", "Cost [$ billion]"),
    "areas": lambda: marks.areas(STACK, "Chips [chip]", ["useful", "lost"], "Share of the time"),
    "points": lambda: marks.points(LINES, "Date", "Chips [chip]", by="who"),
    "regions": lambda: marks.regions(GRID, "x [m]", "y [s]", "what"),
}


@pytest.mark.parametrize("name", MARKS)
def test_every_mark_becomes_a_figure_with_values_under_a_finger_and_its_table(name, monkeypatch):
    shown = []
    monkeypatch.setattr("gigareport.plots.display.display", lambda *data, **_: shown.append(data[0]))
    monkeypatch.setenv(PAGE_VARIABLE, "1")
    plots.show(MARKS[name](), title="A finding", source="Epoch AI", vintage="2026-01-31")
    record = shown[0][FIGURE_MIME]
    assert record["alt"].endswith(".")
    assert len(record["tips"]) >= 2
    for places in (record["wide_places"], record["narrow_places"]):
        assert len(places.split()) == len(record["tips"])
    assert record["csv"].splitlines()[1] == "# source: Epoch AI"
    assert plt.get_fignums() == []


def test_the_alternative_text_says_every_row_with_its_interval():
    assert marks.rows(COSTS, "Cost [$ billion]").alt == (
        "Cost [$ billion]: Own 5.2 (4.2 to 6.3); Rent 8.3 (6.4 to 11)."
    )


def test_a_line_is_told_from_its_first_to_its_last_known_value():
    assert "xAI 100 at 2024-01-31 to 200 at 2024-02-29" in marks.curves(LINES, "Date", "Chips [chip]", by="who").alt


def test_the_vintage_is_the_newest_date_of_the_data():
    assert marks.rows(COSTS, "Cost").vintage == "2024-07-22"
    assert marks.curves(LINES, "Date", "Chips [chip]").vintage == "2024-02-29"
    noted = STACK.copy()
    noted.attrs["vintage"] = "2025-03-01"
    assert marks.areas(noted, "Chips [chip]", ["useful"], "Share").vintage == "2025-03-01"


def test_areas_are_told_apart_without_colour_and_every_part_is_named_apart_from_the_others():
    parts = [*"abcdefghi"]
    table = pd.DataFrame({"x": [1.0, 2.0], **{part: [1.0, 0.0 if part in "bcd" else 1.0] for part in parts}})
    chart = marks.areas(table, "x", parts, "Share [1]", rest="i")
    hatches = [area.get_hatch() for area in chart.ax.collections]
    assert all(first != second for first, second in itertools.pairwise(hatches))
    plots.finished(chart, title="A", source="x", vintage="2026-01-31")
    chart.fig.canvas.draw()
    names = [text for text in chart.ax.texts if text.get_text() in parts]
    assert len(names) == len(parts)
    heights = sorted(text.get_window_extent().y0 for text in names)
    assert numpy.diff(heights).min() > 8  # letters of some 10 points


@pytest.mark.parametrize("at", [numpy.datetime64("2024-02-10"), datetime.date(2024, 2, 10), "2024-02-10"])
def test_an_upright_line_is_named_in_the_drawing_and_in_words(at):
    chart = marks.upright(marks.curves(LINES, "Date", "Chips [chip]", by="who"), at, "decision")
    plots.finished(chart, title="A", source="x", vintage="2026-01-31")
    assert "decision" in [text.get_text() for text in chart.ax.texts]
    assert "decision: 2024-02-10." in chart.alt
    assert "limit: 12." in marks.upright(marks.rows(COSTS, "Cost"), 12.0, "limit").alt


def test_a_row_without_an_interval_says_none():
    table = pd.concat([COSTS, pd.DataFrame({"label": ["Lease"], "median": [7.0]})], ignore_index=True)
    chart = marks.rows(table, "Cost [$ billion]")
    assert "Lease 7.0." in chart.alt
    assert "Own 5.2 (4.2 to 6.3)" in chart.alt


CORNERS = [(0.4, 0.95), (0.6, 0.95), (0.4, 0.05), (0.6, 0.05)]


@pytest.mark.parametrize("free", CORNERS)
@pytest.mark.parametrize("log", ["", "y"])
@pytest.mark.parametrize("draw", [marks.curves, marks.points])
def test_the_name_of_an_upright_line_stands_where_nothing_is_drawn(free, log, draw):
    """Dense marks fill three of the four corners beside the line; a curve has but two points in each."""
    count = 2 if draw is marks.curves else 60
    parts = [
        pd.DataFrame({"x": numpy.linspace(x, 0.5 + (x - 0.5) * 0.1, count), "y": 10.0**y, "who": str((x, y))})
        for x, y in (corner for corner in CORNERS if corner != free)
    ]
    frame = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 10.0], "who": "ends"})
    chart = draw(pd.concat([frame, *parts], ignore_index=True), "x", "y", by="who", log=log)
    finished = plots.finished(marks.upright(chart, 0.5, "plans from here"), title="A", source="x", vintage="2026-01-31")
    finished.canvas.draw()
    (name,) = (text for text in chart.ax.texts if text.get_text() == "plans from here")
    x, y = chart.ax.transAxes.inverted().transform(name.get_window_extent().get_points().mean(axis=0))
    middle = chart.ax.transAxes.inverted().transform(chart.ax.transData.transform((0.5, 1)))[0]
    assert (x < middle, y > 0.5) == (free[0] < 0.5, free[1] > 0.5)


def test_ticks_have_thousands_apart_on_every_numeric_axis_and_none_on_dates():
    table = pd.DataFrame({"x [chip]": [1500.0, 9000.0], "y [chip]": [-2000.0, 2000.0], "label": ["a", "b"]})
    drawn = {"x": marks.curves(table, "x [chip]", "y [chip]"), "bars": marks.bars(table, "x [chip]")}
    for chart in drawn.values():
        chart.fig.canvas.draw()
        assert "2,000" in [tick.get_text() for tick in chart.ax.get_xticklabels()]
    assert "−2,000" in [tick.get_text() for tick in drawn["x"].ax.get_yticklabels()]
    dated = marks.curves(LINES, "Date", "Chips [chip]", by="who")
    dated.fig.canvas.draw()
    assert not any("," in tick.get_text() for tick in dated.ax.get_xticklabels())


def test_a_finger_finds_the_value_where_it_is_drawn():
    chart = marks.rows(COSTS, "Cost [$ billion]")
    fig = plots.finished(chart, title="Owning costs less", source="Epoch AI")
    drawing = plots.picture.wide(fig)
    (x0, y0), (x1, y1) = (map(float, place.split(",")) for place in drawing.places.split())
    assert drawing.tips[0] == "Own: 5.2 (4.2 to 6.3)"
    assert x0 < x1
    assert y0 < y1  # the first row is the upper one
    left, right = chart.ax.get_xlim()
    width_pt = fig.get_size_inches()[0] * 72
    assert (x1 - x0) / width_pt == pytest.approx(3.1 / (right - left) * chart.ax.get_position().width, abs=0.01)


def test_between_two_regions_lies_no_third():
    grid = pd.DataFrame([(x, y) for x in range(10) for y in range(10)], columns=["x", "y"], dtype=float)
    grid["what"] = numpy.where(grid["x"] > 8, "own", numpy.where(grid["x"] > 4, "rent", "too close"))
    grid = pd.concat([grid[grid["what"] != "rent"], grid[grid["what"] == "rent"]])  # rent is the third to come
    chart = marks.regions(grid, "x", "y", "what")
    path = chart.ax.collections[1].get_paths()[0].vertices  # own
    assert path[:, 0].min() >= 8


def test_marks_join_on_one_pair_of_axes_and_panels_on_one_figure():
    chart = marks.curves(LINES, "Date", "Chips [chip]", by="who")
    assert marks.points(LINES, "Date", "Chips [chip]", on=chart) is chart
    assert len(chart.data) == len(LINES)  # the same table is not repeated
    first, second = marks.panels(2)
    marks.rows(COSTS, "Cost", on=first)
    marks.areas(STACK, "Chips [chip]", ["useful"], "Share", on=second)
    assert "Cost" in first.alt
    assert "Share" in first.alt
    assert len(first.data) == len(COSTS) + len(STACK)


def test_a_source_by_its_id_brings_citation_and_licence():
    fig = plots.finished(marks.rows(COSTS, "Cost"), title="A", source="epoch-data-centers")
    chart = plots.chart.chart_of(fig)
    assert "Epoch AI" in chart.source
    assert chart.licence.startswith("CC BY 4.0")


@pytest.mark.parametrize(
    ("title", "missing"),
    [
        ("Owning costs $5.2 billion", []),
        ("Owning 100,000 H100 costs $5.3 billion", ["100,000", "5.3"]),
        ("2 of 2 rows since July 2024", []),
        ("At most 11", []),
        ("12 is none", ["12"]),
        ("Most of it is Llama 3's", []),
        ("5 to 95 %", []),
    ],
)
def test_numbers_of_a_title_that_the_data_do_not_hold_are_found(title, missing):
    assert titles.unsupported(title, COSTS.assign(of="Llama 3, 16,384 GPUs")) == missing


RANKED = pd.DataFrame(
    {"label": ["A", "B"], "low": [8.0, 1.0], "median": [10.0, 20.0], "high": [12.0, 2e4], "next": [0.93, numpy.nan]}
)


def test_a_ranking_says_how_sure_each_step_is_and_cuts_what_goes_far_beyond():
    chart = marks.rows(RANKED, "Time [day]", chance="next", highlight="B", reach=5, log=True)
    texts = {text.get_text(): text for text in chart.ax.texts}
    assert set(texts) == {"93 %", "from 1.0", "to 20,000"}
    assert texts["93 %"].get_fontweight() == "bold"
    assert chart.ax.get_xlim()[1] < 200
    assert "20,000" in chart.alt  # what is cut in the drawing stands in words and data in full


def test_a_row_in_the_storys_colour_leaves_the_others_grey():
    chart = marks.rows(RANKED, "Time [day]", highlight="B")
    grey, own = chart.ax.collections[-1].get_facecolors()
    assert not numpy.allclose(grey, own)


def test_long_names_of_rows_break_into_lines():
    chart = marks.bars(RANKED.assign(label=["word " * 20, "B"]), "median")
    assert "\n" in chart.ax.get_yticklabels()[0].get_text()


def test_a_logarithmic_axis_that_people_can_read_has_plain_numbers():
    for factor in (1.5, 30.0, 3e4):
        chart = marks.rows(RANKED.assign(median=[1.0, factor]), "Time [day]", low="", log=True)
        chart.fig.canvas.draw()
        labels = [tick.get_text() for tick in chart.ax.get_xticklabels()]
        assert sum(bool(text) for text in labels) >= 2
        assert not any("$" in text for text in labels)
        plt.close(chart.fig)


def test_a_folded_table_stays_folded_on_a_page(monkeypatch):
    shown = []
    monkeypatch.setattr(display, "display", shown.append)
    plots.fold("Vintages <2>", pd.DataFrame({"maker": ["A"], "told": [1.5]}))
    page = page_text.table(shown[0].data)
    assert "<details><summary>Vintages &lt;2&gt;</summary>" in page
    assert '<th scope="col">maker</th>' in page
    assert page.count("<table") == page.count("</table>") == page.count("</details>") == 1


@pytest.mark.parametrize("draw", [marks.curves, marks.band])
@pytest.mark.parametrize(("values", "alone"), [([3], [3]), ([1, numpy.nan, 3], [1, 3]), ([1, 2, numpy.nan], [])])
def test_a_point_of_a_line_without_neighbours_is_a_dot(draw, values, alone):
    table = pd.DataFrame({"x": range(len(values)), "y": values}, dtype=float)
    chart = draw(table.assign(low=table["y"], median=table["y"], high=table["y"]), "x", "y")
    dots = [line for line in chart.ax.lines if line.get_marker() == "o"]
    plt.close(chart.fig)
    assert [float(y) for line in dots for y in line.get_ydata()] == alone
