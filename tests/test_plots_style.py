"""The look of figures, and what a finished figure carries to a reader."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from gigareport import plots
from gigareport.plots import picture
from gigareport.plots.display import FIGURE_MIME, PAGE_VARIABLE, figure_record
from gigareport.plots.style import caption_of


@pytest.fixture
def finished():
    made = []

    def make(title="Twice the chips <halve> the time", ncols=1, n_points=10, **caption):
        fig, axes = plots.figure(ncols=ncols, sharey=True)
        for ax in [axes] if ncols == 1 else axes:
            ax.scatter(range(1, n_points + 1), range(1, n_points + 1))
        ax.set(xlabel="Chips [chip]")
        made.append(fig)
        (axes if ncols == 1 else axes[0]).set_ylabel("Step time [s]")
        texts = {"alt": 'Points rise "evenly".', "source": "Epoch AI", "vintage": "2026-01-31"} | caption
        return plots.finish(fig, title=title, **texts)

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
    table = pd.DataFrame({"n_chips": [1000], "step_time_s": [1.23456789]})
    assert figure_record(finished(data=table))["csv"] == "n_chips,step_time_s\n1000,1.23457\n"
    assert figure_record(finished())["csv"] is None


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
    assert shown == [((fig,), {"metadata": {"image/png": {"alt": 'Points rise "evenly".'}}})]
    assert fig.number not in plt.get_fignums()


def test_a_page_gets_the_record(finished, shown, monkeypatch):
    monkeypatch.setenv(PAGE_VARIABLE, "1")
    plots.show(finished())
    (bundle,), options = shown[0]
    assert options == {"raw": True}
    assert bundle[FIGURE_MIME]["title"] == "Twice the chips <halve> the time"


def test_dollars_said_are_money_not_formulas(shown):
    plots.say(r"from $2 to $4, and \$6")
    assert shown[0][0][0].data == r"from \$2 to \$4, and \$6"


def test_a_dollar_in_a_title_is_money_not_a_formula(finished):
    fig = finished(title="$5 billion beats $8 billion")
    assert not any(text.get_parse_math() for text in caption_of(fig).texts)


def test_the_title_and_the_source_stand_in_the_figure_itself(finished):
    fig = finished()
    assert [text.get_text() for text in caption_of(fig).texts] == [
        "Twice the chips <halve> the time",
        "Source: Epoch AI. Data to 2026-01-31.",
    ]


def test_the_palette_is_told_apart_by_readers_with_a_common_colour_blindness():
    """Machado, Oliveira and Fernandes 2009: complete protanopia and deuteranopia, in linear RGB."""
    machado = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    colours = [[int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] for code in plots.COLOURS]
    for matrix in machado.values():
        seen = [[sum(m * c**2.2 for m, c in zip(row, rgb, strict=True)) for row in matrix] for rgb in colours]
        seen = [[max(value, 0.0) ** (1 / 2.2) for value in rgb] for rgb in seen]
        nearest = min(
            sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
            for i, one in enumerate(seen)
            for other in seen[:i]
        )
        assert nearest > 0.15  # Okabe and Ito's own colours come to 0.197; black to white is 1.73


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
