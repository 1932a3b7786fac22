"""The look of figures, and what a finished figure carries to a reader."""

import base64
import itertools
import re
import xml.etree.ElementTree as ElementTree
from datetime import date, timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigareport import plots
from gigareport.plots import picture
from gigareport.plots.chart import chart_of
from gigareport.plots.display import FIGURE_MIME, PAGE_VARIABLE, figure_record
from gigareport.plots.style import plain_ticks


@pytest.fixture
def finished():
    made = []

    def make(title="Twice the chips <halve> the time", ncols=1, n_points=10, alt='Points rise "evenly".', **texts):
        fig, axes = plots.figure(ncols=ncols, sharey=True)
        for ax in [axes] if ncols == 1 else axes:
            ax.scatter(range(1, n_points + 1), range(1, n_points + 1))
        ax.set(xlabel="Chips [chip]")
        made.append(fig)
        (axes if ncols == 1 else axes[0]).set_ylabel("Step time [s]")
        table = texts.pop("data", pd.DataFrame({"n_chips": [1000], "step_time_s": [1.23456789]}))
        chart = plots.Chart(fig, fig.axes[0], tables=[table], said=[alt])
        return plots.finished(chart, title=title, **{"source": "Epoch AI", "vintage": "2026-01-31"} | texts)

    yield make
    for fig in made:
        plt.close(fig)


@pytest.fixture
def shown(monkeypatch):
    """What left the notebook: each call of ``display``."""
    calls = []
    monkeypatch.setattr("gigareport.plots.display.display", lambda *data, **options: calls.append((data, options)))
    return calls


def width_pt(svg):
    return float(re.search(r'width="([\d.]+)pt"', svg)[1])


def texts_of(svg):
    """All letters are outlines, so texts are only the title and the description."""
    root = ElementTree.fromstring(svg)
    return [element.text for element in root.iter() if element.tag.endswith(("title", "desc"))]


def test_a_drawing_is_the_same_each_time_and_carries_no_date_or_generator(finished):
    first, second = (figure_record(finished()) for _ in range(2))
    assert first == second
    assert "Matplotlib" not in first["wide"]
    assert "<metadata>" not in first["wide"]


def test_a_drawing_names_itself_and_leaves_title_and_source_to_the_page(finished):
    record = figure_record(finished())
    assert texts_of(record["wide"]) == [
        "Twice the chips <halve> the time",
        'Points rise "evenly". Source: Epoch AI. Data to 2026-01-31.',
    ]
    assert record["title"] == "Twice the chips <halve> the time"
    assert record["credit"] == "Source: Epoch AI. Data to 2026-01-31."


def test_the_drawing_for_a_telephone_is_narrow_and_stacks_panels(finished):
    single, double = (figure_record(finished(ncols=n)) for n in (1, 2))
    assert width_pt(single["narrow"]) == pytest.approx(picture.NARROW_IN * 72)
    assert width_pt(single["wide"]) > width_pt(single["narrow"])
    height = [float(re.search(r'height="([\d.]+)pt"', record["narrow"])[1]) for record in (single, double)]
    assert height[1] == pytest.approx(2 * picture.PANEL_IN * 72)
    assert height[1] > height[0]


def test_stacked_panels_have_their_own_axis_labels(finished):
    fig = finished(ncols=2)
    picture.narrow(fig)
    assert [ax.get_ylabel() for ax in fig.axes] == ["Step time [s]", "Step time [s]"]


def test_many_points_become_one_picture_so_that_a_page_stays_small(finished):
    record = figure_record(finished(n_points=20_000))
    assert len(record["wide"]) < picture.HEAVY_BYTES
    encoded = re.search(r"data:image/png;base64,([^\"]+)", record["wide"])[1]
    assert base64.b64decode("".join(encoded.split())).startswith(b"\x89PNG")


def test_the_data_behind_a_figure_travel_as_csv(finished):
    record = figure_record(finished(source="epoch-data-centers"))
    title, source, licence, vintage, *rows = record["csv"].splitlines()
    assert title == "# Twice the chips <halve> the time"
    assert source.startswith("# source: Epoch AI")
    assert licence.startswith("# licence: CC BY 4.0")
    assert vintage == "# data to: 2026-01-31"
    assert rows == ["n_chips,step_time_s", "1000,1.23457"]


def test_more_data_than_a_page_can_carry_is_refused(finished):
    with pytest.raises(ValueError, match="5,001 rows"):
        finished(data=pd.DataFrame({"x": range(5001)}))


@pytest.mark.parametrize("field", ["title", "alt", "source", "vintage"])
def test_a_figure_without_its_texts_is_refused(finished, field):
    with pytest.raises(ValueError, match=f"{field} came empty"):
        finished(**{field: " "})


def test_an_unfinished_figure_is_not_shown():
    fig, _ = plots.figure()
    with pytest.raises(ValueError, match="finish"):
        plots.show(fig)
    plt.close(fig)


def test_a_notebook_gets_an_ordinary_picture_with_alternative_text_and_the_figure_is_closed(
    finished, shown, monkeypatch
):
    monkeypatch.delenv(PAGE_VARIABLE, raising=False)
    fig = finished()
    plots.show(fig)
    (((data,), how),) = shown
    assert how == {"raw": True}
    assert data["text/plain"] == 'Points rise "evenly".'
    code = base64.b64encode(data["image/png"]).decode()
    assert data["text/html"].startswith(
        f'<img alt="Points rise &quot;evenly&quot;." src="data:image/png;base64,{code}"'
    )
    assert fig.number not in plt.get_fignums()


def test_a_page_gets_the_record(finished, shown, monkeypatch):
    monkeypatch.setenv(PAGE_VARIABLE, "1")
    plots.show(finished())
    (bundle,), options = shown[0]
    assert options == {"raw": True}
    assert bundle[FIGURE_MIME]["title"] == "Twice the chips <halve> the time"


def test_dollars_said_are_money_not_formulas(shown, monkeypatch):
    monkeypatch.setenv(PAGE_VARIABLE, "1")
    plots.say(r"from $2 to $4, and \$6")
    assert shown[0][0][0].data == r"from \$2 to \$4, and \$6"
    monkeypatch.delenv(PAGE_VARIABLE)
    plots.say("from $2 to $4")  # in JupyterLab two dollars of one paragraph begin and end a formula
    assert shown[1][0][0].data == r"from <span>\$</span>2 to <span>\$</span>4"


def test_a_dollar_in_a_title_is_money_not_a_formula(finished):
    fig = finished(title="$5 billion beats $8 billion")
    assert not any(text.get_parse_math() for text in chart_of(fig).texts)


def test_the_title_and_the_source_stand_in_the_figure_itself(finished):
    fig = finished()
    assert [text.get_text() for text in chart_of(fig).texts] == [
        "Twice the chips <halve> the time",
        "Source: Epoch AI. Data to 2026-01-31.",
    ]


MACHADO = {  # Machado, Oliveira and Fernandes 2009: complete protanopia and deuteranopia, in linear RGB
    "anybody": numpy.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TO_XYZ = numpy.asarray([[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07217], [0.01933, 0.11919, 0.95030]])


def linear(code):
    rgb = numpy.asarray([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return numpy.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = numpy.cbrt(numpy.clip(TO_XYZ @ rgb / [0.95047, 1.0, 1.08883], 1e-6, None))
    return numpy.asarray([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def colours_of_pages():
    """The palette on paper, and its five first in each theme of the page."""
    style = (Path(plots.__file__).parents[1] / "pages" / "assets" / "page.css").read_text()
    found = [re.findall(r"--c\d: (#\w{6})", block) for block in style.split("}") if "--c0" in block]
    return [plots.COLOURS, *{tuple(block) for block in found}]


@pytest.mark.parametrize("reader", MACHADO)
def test_any_two_colours_are_told_apart_by_every_reader_in_every_theme(reader):
    """The distance in Lab; Okabe and Ito's own pink and grey come to 18 for a reader without green."""
    for colours in colours_of_pages():
        seen = [lab(numpy.clip(MACHADO[reader] @ linear(code), 0, 1)) for code in colours]
        assert min(numpy.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]) > 20, colours


def test_a_drawing_has_no_style_of_its_own_and_takes_ink_and_colours_from_the_page(finished):
    record = figure_record(finished())
    assert "style" not in record["wide"]
    assert 'fill="var(--c0,#0072B2)"' in record["wide"]
    assert "currentColor" in record["wide"]
    assert 'fill="#ffffff"' not in record["wide"]


def test_powers_of_ten_are_not_broken(finished):
    fig = finished()
    (ax,) = fig.axes
    ax.set(yscale="log", ylim=(1e-5, 10))
    picture.narrow(fig)
    assert "$\\mathdefault{10^{-2}}$" in [tick.get_text() for tick in ax.get_yticklabels()]


def test_long_names_are_broken_on_a_telephone_and_get_the_height_they_need(finished):
    fig = finished()
    (ax,) = fig.axes
    ax.set_yticks(range(8), [f"the owner of cluster number {n}" for n in range(8)])
    ax.set_xlabel("Months from the decision until the rented chips train [month]")
    ax.set_title("Months from the decision until the rented chips train")
    picture.narrow(fig)
    assert next(tick.get_text() for tick in ax.get_yticklabels()) == "the owner of\ncluster number 0"
    assert "\n" in ax.get_xlabel()
    assert "\n" in ax.get_title(loc="left")
    assert fig.get_size_inches()[1] == pytest.approx(picture.AROUND_IN + picture.LINE_IN * 16)


def test_texts_placed_for_a_wide_figure_stay_inside_a_narrow_one(finished):
    fig = finished()
    (ax,) = fig.axes
    said = ax.text(9, 5, "a long remark beside a point")
    noted = ax.annotate("another long remark", (9.5, 2), xytext=(5, 0), textcoords="offset points")
    for text in (said, noted):
        text.set_in_layout(False)
    picture.narrow(fig)
    for text in (said, noted):
        assert text.get_window_extent().x1 <= fig.bbox.x1 + 1


@pytest.mark.parametrize("years", [1, 2, 3, 5, 8, 20])
def test_dates_below_an_axis_stand_apart_on_a_telephone(years):
    dates = pd.date_range("2022-01-01", periods=12 * years, freq="MS")
    table = pd.DataFrame({"Date": dates, "Size": range(len(dates)), "site": "one"})
    fig = plots.finished(plots.marks.curves(table, "Date", "Size", by="site"), title="A line", source="us")
    axis = fig.axes[0].bbox
    picture.narrow(fig)
    fig.canvas.draw()
    boxes = [label.get_window_extent() for label in fig.axes[0].get_xticklabels() if label.get_text()]
    edges = sorted((box.x0, box.x1) for box in boxes if axis.x0 <= (box.x0 + box.x1) / 2 <= axis.x1)
    assert len(edges) >= 2
    assert all(left[1] < right[0] for left, right in itertools.pairwise(edges))
    plt.close(fig)


@pytest.mark.parametrize(("least", "most"), [(5, 6), (2, 4)])
@given(days=st.floats(3, 30 * 365), start=st.dates(date(2010, 1, 1), date(2030, 1, 1)))
def test_an_axis_of_dates_finds_its_ticks_whatever_it_spans(least, most, days, start):
    """Between two and five years it warned, and drew a dozen."""
    fig, ax = plots.figure()
    ax.plot([start, start + timedelta(days=days)], [0, 1])
    plots.style.short_dates(ax.xaxis, least=least, most=most)
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    plt.close(fig)
    assert 1 <= len(ticks) <= most + 1


@pytest.mark.parametrize("height_in", [3.0, 3.5, 4.2, 6.0])
@pytest.mark.parametrize("words", [3, 7, 12])
def test_the_name_of_an_upright_axis_leaves_its_title_alone(height_in, words):
    table = pd.DataFrame({"x": [1, 2], (name := " ".join(["chip-hour"] * words)): [1, 2]})
    chart = plots.marks.points(table, "x", name, on=plots.chart.new_chart(6.2, height_in))
    fig = plots.finished(chart, title="A title so long that it takes two lines " * 2, source="us", vintage="2024-01-01")
    fig.canvas.draw()
    box, title = fig.axes[0].yaxis.label.get_window_extent(), chart.texts[0].get_window_extent()
    plt.close(fig)
    assert box.y0 >= 0
    assert box.y1 <= title.y0


@pytest.mark.parametrize("ends", [(400, 6_000), (8, 900), (0.4, 30)])
def test_numbers_below_a_logarithmic_axis_stand_apart_on_a_telephone(ends):
    names = ["a name of a row that leaves little room", "another"]
    table = pd.DataFrame({"label": names, "median": ends})
    fig = plots.finished(
        plots.marks.rows(table, "Size [billion]", log=True), title="Two", source="us", vintage="2024-01-01"
    )
    picture.narrow(fig)
    fig.canvas.draw()
    ticks = [tick.label1 for tick in fig.axes[0].xaxis.get_major_ticks() if tick.label1.get_visible()]
    edges = sorted((box.x0, box.x1) for box in (tick.get_window_extent() for tick in ticks if tick.get_text()))
    assert len(edges) >= 2
    assert all(left[1] < right[0] for left, right in itertools.pairwise(edges))
    plt.close(fig)


def test_names_of_thin_areas_stand_apart_on_a_telephone():
    dates = pd.date_range("2022-01-01", periods=4, freq="YS")
    thin = {name: numpy.full(4, 2.0) for name in ("third", "fourth", "fifth")}
    table = pd.DataFrame({"Date": dates, "first": numpy.full(4, 40.0), "second": numpy.full(4, 40.0), **thin})
    chart = plots.marks.areas(table, "Date", ["first", "second", *thin], "Share [%]")
    fig = plots.finished(chart, title="Five", source="us")
    picture.narrow(fig)
    fig.canvas.draw()
    edges = sorted((box.y0, box.y1) for box in (text.get_window_extent() for text in fig.axes[0].texts))
    assert len(edges) == 5
    assert all(below[1] <= above[0] + 0.5 for below, above in itertools.pairwise(edges))
    plt.close(fig)


@given(st.floats(1.02, 1e4), st.floats(1.02, 1e4))
def test_an_axis_of_ratios_has_a_tick_where_both_are_equal(below, above):
    fig, ax = plots.figure()
    ax.set(xscale="log", xlim=(1 / below, above))
    plain_ticks(ax.xaxis)
    plt.close(fig)
    assert numpy.isclose(ax.get_xticks(), 1.0, rtol=1e-9).any()
