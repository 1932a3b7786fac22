"""The notebooks of the project: how they are stored, and that each runs, for the story and for another cluster."""

import ast
import html
import io
import json
import re
import statistics
from pathlib import Path
from typing import NamedTuple

import nbformat
import pandas as pd
import pytest

from gigareport import catalog, scenario
from gigareport.explore import EXPLORE_MIME
from gigareport.plots.display import FIGURE_MIME

FOLDER = Path(__file__).resolve().parents[3] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MENU_CELL = """
from gigareport import scenario

scenario.menu()
""".strip()
FIRST_CELL = """
# A scenario: the one of the menu above, or a name, or the path of a file.
# Changes to it: inputs by their names on the page Inputs, a value or low, median and high, as in
# {"own.chip_usd": ["23,000", "26,000", "30,000"], "cluster.chip": "H200", "horizon_months": 36}
scenario_name, changes = "", {}
n_samples, seed, device = 10_000, 7, "auto"
""".strip()


class Ceiling(NamedTuple):
    """How long a lecture may be: cells of all kinds, lines of a cell, and tables that are not folded."""

    cells: int = 30
    lines: int = 12
    median_lines: float = 8
    tables: int = 6


CEILING = Ceiling()


def cells_of(notebook, kind="code"):
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == kind]


def test_every_question_has_its_notebook():
    assert [file.stem for file in NOTEBOOKS] == [
        "00-the-decision",
        "10-concentration",
        "20-scaling-laws",
        "30-throughput",
        "40-reliability",
        "50-cost",
        "60-comparison",
        "70-planning",
        "90-validation",
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
class TestStored:
    def test_without_outputs_and_with_fixed_cell_ids(self, notebook):
        cells = nbformat.read(notebook, as_version=4).cells
        assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
        numbered = [f"cell-{number:02d}" for number in range(len(cells) - 1)]
        assert [cell.id for cell in cells] == [numbered[0], "cell-menu", *numbered[1:]]

    def test_with_a_menu_of_scenarios_above_what_may_be_typed(self, notebook):
        menu, first = cells_of(notebook)[:2]
        assert menu.source == MENU_CELL
        assert "parameters" in first.metadata.get("tags", [])

    def test_with_one_cell_of_plain_parameters(self, notebook):
        tagged = [cell for cell in cells_of(notebook) if "parameters" in cell.metadata.get("tags", [])]
        assert [cell.source for cell in tagged] == [FIRST_CELL]

    def test_with_a_question_as_title_and_what_could_change_the_answer(self, notebook):
        prose = [cell.source for cell in cells_of(notebook, "markdown")]
        assert re.match(r"# .+\?$", prose[0].splitlines()[0])
        assert any("## What could change this answer" in text for text in prose)

    def test_with_one_cell_that_prints_sentences_and_short_lines(self, notebook):
        saying = [cell.id for cell in cells_of(notebook) if re.search(r"^(say|show_front|print)\(", cell.source, re.M)]
        tables = [cell.id for cell in cells_of(notebook) if re.search(r"^say\(tell_table\(", cell.source, re.M)]
        assert len(set(saying) - set(tables)) == 1
        assert saying[0] not in tables  # the answer comes first
        assert max(len(line) for cell in cells_of(notebook) for line in cell.source.splitlines()) <= 100

    def test_with_short_cells_and_no_logic_of_their_own(self, notebook):
        lines = {cell.id: sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in cells_of(notebook)}
        assert {name: count for name, count in lines.items() if count > CEILING.lines} == {}
        assert statistics.median(lines.values()) <= CEILING.median_lines
        assert len(nbformat.read(notebook, as_version=4).cells) <= CEILING.cells
        for cell in cells_of(notebook):
            loops = (ast.For, ast.While, ast.ClassDef, ast.Try)
            assert not any(isinstance(node, loops) for node in ast.walk(ast.parse(cell.source))), cell.id

    def test_with_an_equation(self, notebook):
        assert any("$$" in cell.source for cell in cells_of(notebook, "markdown"))


OTHERS = ["gigawatt-2026", "oracle-24k-2024", "startup-512-2025"]


@pytest.fixture(params=["xai-colossus-2024", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def site(request, site_of):
    return site_of(request.param)


def test_every_notebook_runs_offline_with_small_parameters(site):
    _, failures = site
    assert failures == ""


def outputs(folder, notebook):
    """Return the outputs of an executed notebook, in order."""
    executed = nbformat.read(folder.parent / "executed" / f"{notebook}.ipynb", as_version=4)
    return [output for cell in executed.cells for output in cell.get("outputs", ())]


def test_no_notebook_warns(site):
    """In JupyterLab a warning is a red box."""
    folder, _ = site
    for notebook in NOTEBOOKS:
        streams = [output for output in outputs(folder, notebook.stem) if output.output_type == "stream"]
        assert [stream.text for stream in streams if stream.name == "stderr"] == [], notebook.stem


@pytest.mark.parametrize(("notebook", "figures"), [("30-throughput", 1), ("40-reliability", 2)])
def test_figures_over_the_size_of_a_job_hold_that_of_the_scenario(site, notebook, figures):
    """A cluster of 512 chips looks in vain for itself on an axis that begins at 1,024."""
    folder, _ = site
    story = scenario.load(folder.name)
    n_chips = min(story.training.n_chips, story.cluster.n_chips)
    data = [output["data"] for output in outputs(folder, notebook) if "data" in output]
    shown = [one.get(FIGURE_MIME) or one.get(EXPLORE_MIME, {}).get("figure") for one in data]
    tables = [pd.read_csv(io.StringIO(figure["csv"]), comment="#") for figure in shown if figure]
    sizes = [table[name] for table in tables for name in ("Chips", "Chips of the job") if name in table]
    assert len(sizes) == figures
    for size in sizes:
        assert size.min() <= n_chips <= size.max()


def read_page(folder, notebook):
    """Return the page of a notebook, blanks where no line breaks as others: the first is the first of the site."""
    name = "index" if notebook == NOTEBOOKS[0] else notebook.stem
    return (folder / f"{name}.html").read_text(encoding="utf-8").replace("\u00a0", " ")


def test_no_page_shows_more_tables_than_a_reader_takes_in(site):
    folder, _ = site
    for notebook in NOTEBOOKS:
        page = re.sub(r"<(details|figure|nav)\b.*?</\1>", "", read_page(folder, notebook), flags=re.DOTALL)
        assert page.count("<table") <= CEILING.tables, notebook.stem


def test_a_number_is_the_same_wherever_it_stands(site):
    folder, _ = site
    found = {}
    for file in folder.glob("*.html"):
        for name, text in re.findall(r'data-number="([^"]*)"[^>]*>([^<(;]*)', file.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(" ".join(text.split()))  # whether a line may break in it aside
    assert len(found) > 30
    assert {name: texts for name, texts in found.items() if len(texts) > 1} == {}


#: Words with digits that are no numbers of ours: names of chips and models, kinds of number, ends of an interval.
NAMES = "|".join(
    (
        r"\d{4}-\d\d-\d\d",
        r"\b\d{1,2} [A-Z][a-z]+ \d{4}",
        r"\b[A-Za-z][\w.]*[- ]?\d[\w.-]*",
        r"\b\d+-(?:bit|way)\b",
        r"\b5 to 95 %|\bwithin 20 %",
        r"\b(?:19|20)\d\d\b",
    )
)


def headlines_of(page):
    """The text of a page's answer: its first screen, or its first sentences in bold."""
    front = re.search(r'<section class="front".*?</section>', page, re.DOTALL)
    if front:
        kept = re.sub(r"<figure.*?</figure>|<p class=\"(dated|muted)[^>]*>.*?</p>", " ", front[0], flags=re.DOTALL)
        return re.sub(r"<h2>What is decided</h2><p>.*?</p>", " ", kept, flags=re.DOTALL)
    return re.search(r'<div class="said">(.*?)</div>', page, re.DOTALL)[1]


def test_no_number_of_a_headline_is_without_its_name(site):
    folder, _ = site
    for notebook in NOTEBOOKS:
        text = re.sub(r'<a class="number".*?</a>', "#", headlines_of(read_page(folder, notebook)), flags=re.DOTALL)
        plain = re.sub(NAMES, " ", re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'"))
        assert re.findall(r"[\w$.-]*\d[\w.,%]*", plain) == [], notebook.stem


def test_a_title_holds_no_number_that_its_figures_own_data_lack(site):
    folder, _ = site
    for file in folder.glob("*.html"):
        assert re.findall(r'data-unsupported="[^"]*"', file.read_text(encoding="utf-8")) == [], file.name


def test_every_page_answers_first_and_every_figure_names_source_and_vintage(site):
    folder, _ = site
    for notebook in NOTEBOOKS:
        page = read_page(folder, notebook)
        for figure in re.findall(r"<figure.*?</figure>", page, re.DOTALL):
            assert re.search(r"Source: .+ Data to \d{4}-\d{2}-\d{2}", figure, re.DOTALL), notebook.stem
            assert re.search(r'(alt|aria-label)="[^"]{20,}"', figure), notebook.stem


def test_no_page_shows_a_number_that_is_not_one(site):
    folder, _ = site
    for notebook in NOTEBOOKS:
        page = read_page(folder, notebook)
        text = re.sub(r"<(script|style|pre|code|svg).*?</\1>|<[^>]+>|data:[^\"]+", " ", page, flags=re.DOTALL)
        assert not re.search(r"\b(nan|NaN|inf|Traceback|Warning)\b", text), notebook.stem


#: What a program says and a reader need not know.
RAW = {
    "a name of the code": r"(?<![\w/.])[a-z0-9]+_[a-z0-9_]+\b(?!\.csv)|\b\w+\(\)",
    "a value of the code": r"\b(?:True|False|NaT|nan)\b|<NA>|\bNone\b(?! is)",
    "a number of the code": r"(?<![\w.@/])\d(?:\.\d+)?e[+-]?\d+\b|\d\.\d{9}",
    "a unit of the tables": r"\bUSD\b|\b1/(?:year|day|month)|\$[\d.]+(?: \w+)? per\b",
    "a percentage without a blank": r"\d%(?![0-9A-F]{2})",
    "a slip of the pen": r"(?<![.])\.\.(?![.])|,,|\b(the|a|of|in|to|is|and|are|for|on) \1\b",
    "a plural of one": r"(?<![\d.,–-])\b1 (?:day|month|year|chip|run|site|source|time|sample)s\b",
}


def test_a_reader_meets_nothing_that_only_a_program_says(site):
    """The page of inputs names what a file may hold, and the data under a figure are those of its CSV."""
    folder, _ = site
    faults = []
    for file in sorted(folder.glob("*.html")):
        page = file.read_text(encoding="utf-8").replace("\u00a0", " ")
        page = re.sub(
            r'<details class="(?:data|code)".*?</details>|<a [^>]*href="inputs[^>]*>.*?</a>', " ", page, flags=re.S
        )
        page = re.sub(r"<(script|style|pre|code|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
        text = html.unescape(re.sub(r"<[^>]+>", "\n", page))
        for what, pattern in RAW.items() if file.stem != "inputs" else ():
            faults += [
                (file.stem, what, found[0], text[found.start() - 30 : found.end() + 20])
                for found in re.finditer(pattern, text)
            ]
    assert faults == []


def test_what_a_finger_finds_in_a_figure_names_no_source_by_its_id(site):
    folder, _ = site
    ids = {name for name in catalog.load("sources")["source_id"] if "-" in name}
    for file in folder.glob("*.html"):
        for tips in re.findall(r'<script[^>]*class="tips"[^>]*>(.*?)</script>', file.read_text(encoding="utf-8"), re.S):
            words = {word.strip(".,;:()") for tip in json.loads(html.unescape(tips)) for word in tip.split()}
            assert words & ids == set(), file.stem


def test_the_default_scenario_is_the_story(monkeypatch):
    monkeypatch.delenv("GIGACLUSTER_SCENARIO", raising=False)
    assert scenario.load("").name == scenario.STORY
