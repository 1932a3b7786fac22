"""The site: whole or not at all, the same each time, safe, self-contained, and honest about a failing notebook."""

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import report_samples

from gigareport import pages as report
from gigareport.pages import execute, render, site, text
from gigareport.plots.display import PAGE_VARIABLE


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A site of two notebooks that hold everything a page can hold."""
    folder = tmp_path_factory.mktemp("report")
    notebooks = report_samples.write_notebooks(folder / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        report_samples.fake_scenarios(patch)
        patch.delenv(PAGE_VARIABLE, raising=False)
        built = report.build("xai-colossus-2024", folder / "reports", notebooks=notebooks)
    return folder, built


@pytest.fixture
def faked(monkeypatch):
    report_samples.fake_scenarios(monkeypatch)


def pages_of(folder, name="xai-colossus-2024"):
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted((folder / "reports" / name).glob("*.html"))}


class Addresses(HTMLParser):
    """Every address that a page would fetch, links to, and every place to link to."""

    def __init__(self, page):
        super().__init__()
        self.fetched, self.linked, self.places, self.images = [], [], set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.places.add(attributes.get("id"))
        self.fetched += [attributes[name] for name in ("src", "srcset", "data", "poster") if name in attributes]
        if tag == "link":
            self.fetched.append(attributes["href"])
        if tag == "a" and "href" in attributes:
            self.linked.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes.get("alt"))


def test_a_site_has_an_index_a_page_for_each_notebook_and_the_inputs(built):
    folder, made = built
    assert list(pages_of(folder)) == ["00-first", "10-second", "index", "inputs"]
    assert made == report.Built(folder / "reports" / "xai-colossus-2024" / "index.html")


def test_the_index_says_how_large_the_reference_run_of_its_cards_is(built):
    folder, _ = built
    assert "The reference run: 3.0 × 10²⁵ FLOP" in pages_of(folder)["index"]


def test_pages_fetch_nothing_and_every_link_within_the_site_leads_somewhere(built):
    folder, _ = built
    pages = pages_of(folder)
    places = {name: Addresses(page).places for name, page in pages.items()}
    for name, page in pages.items():
        found = Addresses(page)
        assert all(address.startswith("data:") for address in found.fetched), name
        assert not re.search(r"@import|url\(", page.split("</style>")[0])
        for link in found.linked:
            if not link.startswith(("data:", "http")):
                target, _, place = link.partition("#")
                assert place in places[target.removesuffix(".html") or name] | {""}, (name, link)


def test_every_picture_has_its_alternative_text(built):
    folder, _ = built
    images = [alt for page in pages_of(folder).values() for alt in Addresses(page).images]
    assert len(images) == 5  # one still and one moving on the first page, two on the second, one on the index
    assert all(images)


def test_texts_of_scenarios_notebooks_and_tables_are_shown_not_obeyed(built):
    folder, _ = built
    for page in pages_of(folder).values():
        outside_scripts = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
        for markup in ("<b>", "<i>", "<rent>", "<less>", "<fast>", "<done>", "alert(1)</script>"):
            assert markup not in outside_scripts
        assert page.count("<script>") == 1  # ours, named by its digest in the page's policy


def test_the_index_tells_verdict_six_numbers_a_figure_and_each_question_with_its_answer(built):
    page = pages_of(built[0])["index"]
    assert "Own, for 4.0 % &lt;less&gt;." in page
    assert page.count("<dt>") == 6
    assert '<figure class="figure"' in page
    assert '<a href="00-first.html">What is &lt;b&gt;first&lt;/b&gt;?</a>' in page.replace("\n", "")
    assert "It costs $4.7 billion, not $10 billion, with 100" in page


def test_pages_carry_the_scenario_its_inputs_and_credits(built):
    pages = pages_of(built[0])
    assert "xai-colossus-2024.yaml" in pages["inputs"]
    assert "make report SCENARIO=xai-colossus-2024" in pages["inputs"]
    assert "<code>nvidia-h100-datasheet</code>" in pages["inputs"]
    for page in pages.values():
        assert "Epoch AI (CC BY 4.0)" in page
        assert "MLCommons (Apache-2.0)" in page


def test_a_page_has_formulas_as_drawings_tables_without_empty_headers_and_downloads(built):
    page = pages_of(built[0])["00-first"]
    assert 'role="img" aria-label="L = E + A / N^\\alpha"' in page
    assert not re.search(r"<th[^>]*>\s*</th>", page)
    assert page.count('download="00-first-figure-1.csv"') == 1
    assert "data:text/csv;charset=utf-8,chips%2Crate%0A1%2C1000%0A" in page


def test_no_page_shows_where_it_was_built_or_when(built):
    folder, _ = built
    for page in pages_of(folder).values():
        assert str(folder) not in page
        assert str(Path(render.__file__).parents[3]) not in page
        assert "papermill" not in page


def test_pages_stay_small(built):
    for page in pages_of(built[0]).values():
        assert len(re.sub(r'class="frames">.*?<', "<", page, flags=re.DOTALL)) < 1_500_000


def test_two_scenarios_stand_side_by_side(tmp_path, faked):
    (notebooks := tmp_path / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "10-second.ipynb", report_samples.markdown("# Second?", 0))
    made = report.build(["xai-colossus-2024", "oracle-24k-2024"], tmp_path / "reports", notebooks=notebooks)
    assert made == report.Built(tmp_path / "reports" / "index.html")
    page = made.index.read_text(encoding="utf-8")
    assert 'href="xai-colossus-2024/index.html"' in page
    assert 'href="oracle-24k-2024/10-second.html"' in page
    assert page.count("$4.0 billion") == 2
    assert "<rent>" not in page


def test_nothing_is_executed_again_when_nothing_changed_and_every_byte_is_the_same(built, faked, capsys, monkeypatch):
    folder, _ = built
    before = pages_of(folder)
    monkeypatch.setattr(execute, "_execute", lambda *_: pytest.fail("executed again"))
    report.build("xai-colossus-2024", folder / "reports", notebooks=folder / "notebooks")
    assert "2 of 2 notebooks are unchanged" in capsys.readouterr().out
    assert pages_of(folder) == before


def test_a_notebook_executed_again_gives_the_same_bytes(built, faked):
    folder, _ = built
    before = pages_of(folder)["10-second"]
    (only := folder / "only").mkdir()
    (only / "10-second.ipynb").write_bytes((folder / "notebooks" / "10-second.ipynb").read_bytes())
    report.build("xai-colossus-2024", folder / "again", notebooks=only, fresh=True)
    after = (folder / "again" / "xai-colossus-2024" / "10-second.html").read_text(encoding="utf-8")
    assert (
        re.search("<article>.*</article>", after, re.DOTALL)[0]
        == re.search("<article>.*</article>", before, re.DOTALL)[0]
    )


@pytest.mark.parametrize("changed", ["notebook", "parameters", "scenario", "package, data or lock"])
def test_whatever_goes_into_a_result_changes_its_key(tmp_path, changed):
    notebook = report_samples.write_notebooks(tmp_path / "n") / "10-second.ipynb"
    (file := tmp_path / "s.yaml").write_text("name: s")
    job = execute.Job(notebook, "s", {"scenario_name": str(file), "seed": 7})
    before = execute._key(job, "digest")
    if changed == "notebook":
        notebook.write_text(notebook.read_text().replace("Two", "Three"))
    elif changed == "parameters":
        job = execute.Job(notebook, "s", {"scenario_name": str(file), "seed": 8})
    elif changed == "scenario":
        file.write_text("name: s # another")
    assert execute._key(job, "other" if changed.startswith("package") else "digest") != before


def test_notebooks_side_by_side_leave_the_working_directory_alone(tmp_path, faked, monkeypatch):
    (notebooks := tmp_path / "notebooks").mkdir()
    for number in range(3):
        cells = report_samples.markdown("# Which?", 0), report_samples.code(f"import time; time.sleep({number} / 4)", 1)
        report_samples.write_notebook(notebooks / f"{number}0-which.ipynb", *cells)
    monkeypatch.chdir(tmp_path)
    built = report.build("xai-colossus-2024", "site", notebooks=notebooks)
    assert Path.cwd() == tmp_path
    assert built.index == tmp_path / "site" / "xai-colossus-2024" / "index.html"
    assert built.index.is_file()


def test_a_failing_notebook_names_cell_and_cause_and_leaves_the_good_site(tmp_path, faked, capsys):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    said = report_samples.code('from IPython.display import Markdown\nMarkdown("good")', 1)
    report_samples.write_notebook(notebooks / "00-good.ipynb", report_samples.markdown("# Good?", 0), said)
    report.build("xai-colossus-2024", tmp_path / "reports", notebooks=notebooks)
    before = pages_of(tmp_path)
    bad = report_samples.code("# the bad one\nraise ValueError('no <chips>')", 2)
    report_samples.write_notebook(notebooks / "10-bad.ipynb", report_samples.markdown("# Bad?", 0), said, bad)
    made = report.build("xai-colossus-2024", tmp_path / "reports", notebooks=notebooks)
    assert pages_of(tmp_path) == before
    incomplete = pages_of(tmp_path, "xai-colossus-2024.incomplete")
    assert list(incomplete) == ["00-good", "10-bad", "index", "inputs"]
    assert "stopped at code cell 2 (# the bad one): ValueError: no &lt;chips&gt;" in incomplete["10-bad"]
    assert ">good<" in incomplete["10-bad"]  # what it had done
    assert made.failures == ("xai-colossus-2024: 10-bad.ipynb, code cell 2 (# the bad one): ValueError: no <chips>",)
    assert "FAILED at code cell 2 (# the bad one): ValueError: no <chips>" in capsys.readouterr().out


def test_the_command_says_where_the_site_lies_or_what_failed(tmp_path, faked, monkeypatch, capsys):
    (index := tmp_path / "index.html").write_text("x" * 1000)
    monkeypatch.setattr(site, "build", lambda *_, **__: report.Built(index))
    assert report.main(["oracle-24k-2024"], tmp_path) == 0
    size, where = capsys.readouterr().out.splitlines()
    assert size == "1 pages, 0.0 MB; the largest is index.html with 0.0 MB of at most 2 MB"
    assert where.startswith(str(index))
    monkeypatch.setattr(site, "build", lambda *_, **__: report.Built(index, ("s: 10-bad.ipynb, code cell 2: E: x",)))
    assert report.main([], tmp_path) == 1
    assert "FAILED: s: 10-bad.ipynb, code cell 2: E: x" in capsys.readouterr().err


def test_a_wrong_scenario_writes_nothing(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("name: mine\ncluster: {chip: H1000, n_chips: -1}\n")
    assert report.main([str(tmp_path / "mine.yaml")], tmp_path / "reports") == 1
    assert "H1000" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_a_site_that_cannot_be_finished_leaves_the_earlier_one(tmp_path):
    (target := tmp_path / "site").mkdir()
    (target / "index.html").write_text("good")

    def stop_midway():
        with site._replacing(target) as new:
            (new / "index.html").write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_midway()
    assert (target / "index.html").read_text() == "good"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img"),
        ("[a](javascript:alert(1))", "harmful"),
        ("![picture](https://example.org/x.png)", "<p>picture</p>"),
        ("costs \\$5 and \\$6", "costs $5 and $6"),
        ("# A *b* & c", '<h1 id="a-b-c">A <em>b</em> &amp; c</h1>'),
    ],
)
def test_markdown_is_safe(source, made):
    page = text.markdown(source)
    assert made in page
    assert "<img" not in page
    assert "javascript:" not in page


def test_a_column_that_only_counts_rows_is_left_out_and_a_named_index_stays():
    numbered = pd.DataFrame({"owner": ["Google", "Meta"]})
    named = numbered.set_index("owner").assign(share=[0.6, 0.4])
    assert "<th" not in text.table(numbered.to_html()).partition("<tbody>")[2]
    assert re.findall(r"<th[^>]*>(.*?)</th>", text.table(numbered.to_html())) == ["owner"]
    assert 'scope="row">Google<' in text.table(named.to_html())
    years = pd.DataFrame({"chips": [1, 2]}, index=[2023, 2024])
    assert 'scope="row">2023<' in text.table(years.to_html())


def test_a_page_renders_in_under_a_second(built):
    import time

    notebook = next((built[0] / "reports" / ".cache").glob("xai*00-first*.ipynb"))
    read = nbformat.read(notebook, as_version=4)
    started = time.process_time()
    render.page_of("00-first", read)
    assert time.process_time() - started < 1.0
