"""The site: whole or not at all, the same each time, safe, self-contained, and honest about a failing notebook."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import report_samples

from gigareport import catalog
from gigareport import pages as report
from gigareport.__main__ import main
from gigareport.pages import glossary, render, site, text
from gigareport.words import JOINED


@pytest.fixture(scope="module")
def built(tmp_path_factory, executed_samples):
    """A site of two notebooks that hold everything a page can hold."""
    folder = tmp_path_factory.mktemp("report")
    notebooks = report_samples.write_notebooks(folder / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        report_samples.fake_scenarios(patch)
        report_samples.without_kernels(patch, executed_samples)
        built = report.build("xai-colossus-2024", folder / "reports", notebooks=notebooks)
    return folder, built


@pytest.fixture
def faked(monkeypatch):
    report_samples.fake_scenarios(monkeypatch)


def one_notebook(folder):
    """Write a folder of one notebook without code, which needs no kernel, and return it."""
    (notebooks := folder / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "10-second.ipynb", report_samples.markdown("# Second?", 0))
    return notebooks


def pages_of(folder, name="xai-colossus-2024"):
    """Return each page; whether a line may break at a blank aside, of which a test of its own tells."""
    files = sorted((folder / "reports" / name).glob("*.html"))
    return {file.stem: file.read_text(encoding="utf-8").replace("\u00a0", " ") for file in files}


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
        if attributes.get("role") == "img":
            self.images.append(attributes.get("aria-label"))


def test_a_site_has_an_index_a_page_for_each_notebook_and_the_inputs(built):
    folder, made = built
    assert list(pages_of(folder)) == ["10-second", "index", "inputs"]
    assert made == report.Built(folder / "reports" / "xai-colossus-2024" / "index.html")


def test_pages_fetch_nothing_and_every_link_within_the_site_leads_somewhere(built):
    folder, _ = built
    pages = pages_of(folder)
    places = {name: Addresses(page).places for name, page in pages.items()}
    for name, page in pages.items():
        found = Addresses(page)
        assert all(address.startswith("data:") for address in found.fetched), name
        assert not re.search(r"@import|url\(", page.split("</style>")[0])
        assert not re.search(r"<[^>]* style=", re.sub("<script.*?</script>", "", page, flags=re.DOTALL))
        for link in found.linked:
            if not link.startswith(("data:", "http")):
                target, _, place = link.partition("#")
                assert place in places[target.removesuffix(".html") or name] | {""}, (name, link)


def test_every_picture_has_its_alternative_text(built):
    folder, _ = built
    images = [alt for page in pages_of(folder).values() for alt in Addresses(page).images]
    # A still figure twice (for two screens), a moving one once: two and one on the first page, the same on the
    # second; and three formulas.
    assert len(images) == (2 + 2 + 1) + (2 + 1 + 2) + 3
    assert all(images)


def test_texts_of_scenarios_notebooks_and_tables_are_shown_not_obeyed(built):
    folder, _ = built
    for page in pages_of(folder).values():
        outside_scripts = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
        for markup in ("<b>", "<i>", "<rent>", "<less>", "<fast>", "<done>", "alert(1)</script>"):
            assert markup not in outside_scripts
        assert page.count("<script>") == 1  # ours, named by its digest in the page's policy


def test_the_first_notebook_is_the_first_page_with_its_answer_and_a_card_for_each_other_question(built):
    page = pages_of(built[0])["index"]
    front = re.search('<section class="front".*?</section>', page, re.DOTALL)[0]
    assert "As of July 2024" in front
    assert "&lt;less&gt;" in front
    assert "contract, 48 &lt;months&gt;" in front
    for title in ("What happened", "What flips it", "How far to trust it"):
        assert f"<h2>{title}</h2>" in front
    assert '<a href="10-second.html">And the second?</a>' in page
    card = re.search('<ul class="cards">.*?</ul>', page, re.DOTALL)[0]
    assert "Half, 50 %, costs" in card
    assert 'href="inputs.html#number-own_usd"' in card
    assert "It costs $4.7 billion, not $10 billion, with 100" in page


def test_a_number_leads_to_the_inputs_behind_it_and_is_the_same_wherever_it_stands(built):
    pages = pages_of(built[0])
    assert (
        'data-number="xai-colossus-2024/own_usd" href="inputs.html#number-own_usd">$4.0 billion</a>' in pages["index"]
    )
    found = re.findall(r'data-number="([^"]*)"[^>]*>([^<(]*)', "".join(pages.values()))
    assert len(found) > len({name for name, _ in found}) >= 8
    assert len({(name, text.strip()) for name, text in found}) == len({name for name, _ in found})
    row = re.search('<tr id="number-own_usd">.*?</tr>', pages["inputs"], re.DOTALL)[0]
    assert 'href="#input-own-chip-usd"' in row
    assert "none in 5 % of the samples" in row
    assert re.search(r'<tr id="input-[^"]*">.*?<a href="#source-', pages["inputs"])


def test_the_first_use_of_a_term_is_explained(built):
    page = glossary.explained("<h1>FLOP</h1><p>A FLOP and <a>MFU</a>, FLOPs.</p>")
    assert page.count("<a class") == 1
    assert 'A <a class="term" href="inputs.html#term-flop" title="A floating-point' in page
    assert all(f'id="{glossary.place_of(term)}"' in pages_of(built[0])["inputs"] for term in glossary.TERMS)


def test_pages_say_to_those_who_list_them_what_they_are(built):
    for page in pages_of(built[0]).values():
        for name in ("description", "author", "date", "generator"):
            assert re.search(rf'<meta name="{name}" content="[^"]+">', page)
        assert '<meta property="og:title"' in page


def test_pages_carry_the_scenario_its_inputs_and_credits(built):
    pages = pages_of(built[0])
    assert "xai-colossus-2024.yaml" in pages["inputs"]
    assert "make report SCENARIO=xai-colossus-2024" in pages["inputs"]
    assert "<code>nvidia-h100-datasheet</code>" in pages["inputs"]
    for page in pages.values():
        assert "Epoch AI (CC BY 4.0)" in page
        assert "MLCommons (Apache-2.0)" in page


def test_a_page_has_formulas_as_drawings_tables_without_empty_headers_and_downloads(built):
    page = pages_of(built[0])["index"]
    assert 'role="img" aria-label="L = E + A / N^\\alpha"' in page
    assert not re.search(r"<th[^>]*>\s*</th>", page)
    assert page.count('download="00-first-figure-1.csv"') == 1
    assert "%0A%23%20data%20to%3A%202026-01-31%0Achips%2Crate%0A1%2C1000%0A" in page


def test_no_page_shows_where_it_was_built_or_when(built):
    folder, _ = built
    for page in pages_of(folder).values():
        assert str(folder) not in page
        assert str(Path(render.__file__).parents[3]) not in page
        assert "papermill" not in page


def test_pages_stay_small(built):
    for page in pages_of(built[0]).values():
        assert len(re.sub(r'class="frames">.*?<', "<", page, flags=re.DOTALL)) < 1_500_000


def test_for_strict_servers_style_script_pictures_and_data_lie_beside_the_pages(
    built, tmp_path, faked, monkeypatch, executed_samples
):
    report_samples.without_kernels(monkeypatch, executed_samples)
    report.build("xai-colossus-2024", tmp_path / "reports", notebooks=built[0] / "notebooks", separate=True)
    folder = tmp_path / "reports" / "xai-colossus-2024"
    for page in pages_of(tmp_path).values():
        assert "<style" not in page
        assert not re.findall(r'<script(?! src="page.js"| type=)', page)
        for address in (*Addresses(page).fetched, *Addresses(page).linked):
            assert not address.startswith("data:")
            if address.startswith("files/"):
                assert (folder / address).is_file()
    assert (folder / "style.css").is_file()
    assert len(list((folder / "files").glob("*.csv"))) >= 2


def test_a_site_with_an_address_has_a_picture_for_those_who_share_it(tmp_path, faked, monkeypatch):
    def drawn(found, file, title, size_in):
        assert size_in == (10.0, 5.25)  # 1,200 by 630 dots, as those who show links ask for
        file.write_bytes(b"picture")

    monkeypatch.setattr("gigareport.pages.site.draw_choice", drawn)
    address = "https://example.org/reports/"
    report.build("xai-colossus-2024", tmp_path, notebooks=one_notebook(tmp_path), address=address)
    folder = tmp_path / "xai-colossus-2024"
    page = (folder / "inputs.html").read_text(encoding="utf-8")
    assert 'property="og:image" content="https://example.org/reports/xai-colossus-2024/share.png"' in page
    assert 'rel="canonical" href="https://example.org/reports/xai-colossus-2024/inputs.html"' in page
    assert (folder / "share.png").read_bytes() == b"picture"


def test_two_scenarios_stand_side_by_side(tmp_path, faked):
    stories, notebooks = ["xai-colossus-2024", "oracle-24k-2024"], one_notebook(tmp_path)
    made = report.build(stories, tmp_path / "reports", notebooks=notebooks)
    assert made == report.Built(tmp_path / "reports" / "index.html")
    page = made.index.read_text(encoding="utf-8").replace("\u00a0", " ")
    assert 'href="xai-colossus-2024/index.html"' in page
    assert 'href="oracle-24k-2024/index.html"' in page
    assert page.count("$4.0 billion") == 2
    assert "<rent>" not in page


def test_a_readers_own_index_beside_the_sites_is_kept_and_no_style_of_an_earlier_run(tmp_path, faked):
    stories, notebooks, out = ["xai-colossus-2024", "oracle-24k-2024"], one_notebook(tmp_path), tmp_path / "reports"
    out.mkdir()
    for name in ("index.html", "page.js"):
        (out / name).write_text("mine")
    report.build(stories, out, notebooks=notebooks, separate=True)
    assert (out / "style.css").is_file()
    report.build(stories, out, notebooks=notebooks)
    assert [(out / name).read_text() for name in ("index.kept.html", "page.kept.js")] == ["mine", "mine"]
    assert not [name for name in ("style.css", "page.js", "icon.svg") if (out / name).exists()]


def test_a_site_that_was_separate_leaves_no_style_in_one_of_single_pages(tmp_path, faked):
    notebooks, out = one_notebook(tmp_path), tmp_path / "reports"
    names = []
    for separate in (False, True, False):
        folder = report.build("xai-colossus-2024", out, notebooks=notebooks, separate=separate).index.parent
        names.append({file.name for file in folder.iterdir()})
    assert names[0] == names[2] < names[1]


def files_below(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("taken", ["reports", "reports/oracle-24k-2024", "reports/oracle-24k-2024.incomplete", "loop"])
def test_where_nothing_can_be_written_is_told_before_any_notebook_runs(taken, tmp_path, faked, monkeypatch):
    monkeypatch.setattr(site, "run_all", lambda *_: pytest.fail("a notebook ran"))
    out = tmp_path / taken.partition("/")[0]
    if taken == "loop":
        out.symlink_to("loop")
    else:
        (tmp_path / taken).parent.mkdir(exist_ok=True)
        (tmp_path / taken).write_text("mine")
    before = files_below(tmp_path)
    with pytest.raises(report.ReportError, match="the report cannot be written to "):
        report.build(["xai-colossus-2024", "oracle-24k-2024"], out, notebooks=one_notebook(tmp_path))
    assert {name: content for name, content in files_below(tmp_path).items() if name.parts[0] != "notebooks"} == before


@pytest.mark.parametrize("largest_bytes", [100, 20_000])
def test_a_full_disk_leaves_every_earlier_site_and_is_told_in_one_line(largest_bytes, tmp_path, faked, capsys):
    stories, notebooks, out = ["xai-colossus-2024", "oracle-24k-2024"], one_notebook(tmp_path), tmp_path / "reports"
    report.build(stories, out, notebooks=notebooks)
    before = files_below(out)
    report_samples.write_notebook(notebooks / "20-third.ipynb", report_samples.markdown("# Third?", 0))
    # capsys keeps in memory what is printed
    with report_samples.full_disk(largest_bytes), pytest.raises(report.ReportError) as fault:
        report.build(stories, out, notebooks=notebooks)
    said = r"the report cannot be written to \S+: (\S+: )?File too large; what was there is as it was"
    assert re.fullmatch(said, str(fault.value))
    after = files_below(out)
    assert {name: content for name, content in after.items() if ".incomplete" not in name.parts[0]} == before
    assert {name.suffix for name in after.keys() - before.keys()} <= {".ipynb"}  # whole ones
    report.build(stories, out, notebooks=notebooks)
    assert {name.parts[0] for name in files_below(out)} == {name.parts[0] for name in before}


def test_no_line_breaks_between_a_number_and_its_unit_on_any_page(built, tmp_path, faked):
    stories = ["xai-colossus-2024", "oracle-24k-2024"]
    made = report.build(stories, tmp_path / "reports", notebooks=one_notebook(tmp_path))
    files = [made.index, *(built[0] / "reports").rglob("*.html")]
    for file in files:
        page = file.read_text(encoding="utf-8")
        plain = re.sub(r"<(script|style|pre|code|svg)\b.*?</\1>|<[^>]*>", "\n", page, flags=re.DOTALL)
        assert JOINED.findall(plain) == [], file.name
        assert re.search("\\d\u00a0(billion|days)", plain) or file.stem in ("10-second", "what-if"), file.name


def test_a_notebook_executed_again_gives_the_same_bytes(built, faked):
    folder, _ = built
    before = pages_of(folder)["10-second"]
    (only := folder / "only").mkdir()
    (only / "10-second.ipynb").write_bytes((folder / "notebooks" / "10-second.ipynb").read_bytes())
    report.build("xai-colossus-2024", folder / "again", notebooks=only)
    after = (folder / "again" / "xai-colossus-2024" / "index.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert (
        re.search("<article>.*</article>", after, re.DOTALL)[0]
        == re.search("<article>.*</article>", before, re.DOTALL)[0]
    )


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
    assert list(incomplete) == ["10-bad", "index", "inputs"]
    assert "stopped at code cell 2 (# the bad one): ValueError: no &lt;chips&gt;" in incomplete["10-bad"]
    assert ">good<" in incomplete["10-bad"]  # what it had done
    assert made.failures == ("xai-colossus-2024: 10-bad.ipynb, code cell 2 (# the bad one): ValueError: no <chips>",)
    assert "FAILED at code cell 2 (# the bad one): ValueError: no <chips>" in capsys.readouterr().out


def test_the_command_says_where_the_site_lies_or_what_failed(tmp_path, faked, monkeypatch, capsys):
    (index := tmp_path / "index.html").write_text("x" * 1000)
    monkeypatch.setattr(report, "build", lambda *_, **__: report.Built(index))
    assert main(["report", "oracle-24k-2024"]) == 0
    size, where = capsys.readouterr().out.splitlines()
    assert size == "1 pages, 0.0 MB; the largest is index.html with 0.0 MB of at most 2 MB"
    assert where.startswith(str(index))
    monkeypatch.setattr(report, "build", lambda *_, **__: report.Built(index, ("s: 10-bad.ipynb, code cell 2: E: x",)))
    assert main(["report"]) == 1
    assert "FAILED: s: 10-bad.ipynb, code cell 2: E: x" in capsys.readouterr().err


def test_a_wrong_scenario_writes_nothing(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("name: mine\ncluster: {chip: H1000, n_chips: -1}\n")
    assert main(["report", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "reports")]) == 1
    assert "H1000" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_a_misspelt_scenario_is_told_before_any_process_begins(monkeypatch, capsys):
    monkeypatch.setattr("gigareport.kernels.prepare", lambda: pytest.fail("kernels were prepared"))
    assert main(["report", "xai-colossus-2024", "xai-colosus-2024"]) == 1
    assert "there is no scenario 'xai-colosus-2024'" in capsys.readouterr().err


def test_an_endless_cell_is_stopped_by_name_and_the_others_go_on(tmp_path, faked):
    (notebooks := tmp_path / "notebooks").mkdir()
    endless = report_samples.code("# wait for ever\nimport itertools\nany(itertools.repeat(False))", 2)
    said = report_samples.code('from IPython.display import Markdown\nMarkdown("good")', 1)
    report_samples.write_notebook(notebooks / "00-endless.ipynb", said, endless)
    report_samples.write_notebook(notebooks / "10-good.ipynb", said)
    made = report.build("xai-colossus-2024", tmp_path / "reports", notebooks=notebooks, limit_s=5)
    (failure,) = made.failures
    assert "00-endless.ipynb, code cell 2 (# wait for ever): the notebook ran past its limit of 5 s" in failure
    pages = pages_of(tmp_path, "xai-colossus-2024.incomplete")
    assert "This page is incomplete" in pages["index"]
    assert ">good<" in pages["index"]
    assert ">good<" in pages["10-good"]


def test_a_cell_that_ends_its_kernel_is_named(tmp_path, faked):
    (notebooks := tmp_path / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "00-dies.ipynb", report_samples.code("import os; os._exit(9)", 1))
    made = report.build("xai-colossus-2024", tmp_path / "reports", notebooks=notebooks)
    assert "00-dies.ipynb, code cell 1 (import os; os._exit(9)): DeadKernelError" in made.failures[0]


def test_a_temporary_folder_with_a_long_name_hangs_nothing(tmp_path, faked, monkeypatch):
    """A kernel's socket holds 107 bytes; a longer name let it wait for ever."""
    (long := tmp_path / ("x" * 120)).mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr("tempfile.tempdir", None)
    (notebooks := tmp_path / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "00-which.ipynb", report_samples.code("1 + 1", 1))
    assert report.build("xai-colossus-2024", tmp_path / "site", notebooks=notebooks, limit_s=60).failures == ()


def test_a_notebook_may_build_a_report_from_its_own_event_loop(tmp_path, faked):
    async def build():
        return report.build("xai-colossus-2024", tmp_path / "site", notebooks=notebooks)

    (notebooks := tmp_path / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "00-which.ipynb", report_samples.code("1 + 1", 1))
    assert asyncio.run(build()).failures == ()


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


@pytest.mark.parametrize(("columns", "rows", "stacks"), [(6, 8, True), (12, 1, True), (5, 8, False), (6, 9, False)])
def test_a_table_of_many_columns_and_few_rows_stacks_on_a_phone(columns, rows, stacks):
    made = text.table(pd.DataFrame({f"column {place}": [1.5] * rows for place in range(columns)}).to_html(index=False))
    assert ('class="stacks"' in made) is stacks
    assert (made.count('data-column="column 0"') == rows) is stacks


def test_a_page_renders_in_under_a_second(executed_samples):
    import time

    notebook = nbformat.read(executed_samples / "00-first.ipynb", 4)
    started = time.process_time()
    render.page_of("00-first", notebook)
    assert time.process_time() - started < 1.0


def test_a_copy_with_a_bundled_name_leaves_the_bundled_report_alone(tmp_path, faked):
    story = (catalog.data_dir() / "scenarios" / "xai-colossus-2024.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(story)
    out, options = tmp_path / "reports", {"notebooks": one_notebook(tmp_path)}
    bundled = report.build("xai-colossus-2024", out, **options)
    before = bundled.index.read_bytes()
    mine = report.build(tmp_path / "mine.yaml", out, **options)
    assert mine.index == out / "mine" / "index.html"
    assert bundled.index.read_bytes() == before
    assert sorted(file.name for file in out.iterdir()) == ["mine", "xai-colossus-2024"]


@pytest.mark.parametrize("stem", ["..", "...", ".git", "index.html", "mine.incomplete", "gigawatt-2026", "a\nb"])
def test_the_name_of_a_file_leads_to_no_folder_but_one_of_its_own(stem):
    assert site._folder_of(Path(f"{stem}.yaml"), "xai-colossus-2024") == "xai-colossus-2024-of-mine"


def test_two_files_of_one_name_are_told_by_file_at_once(tmp_path):
    story = (catalog.data_dir() / "scenarios" / "xai-colossus-2024.yaml").read_text()
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(story)
    with pytest.raises(report.ReportError) as fault:
        report.build([tmp_path / "a.yaml", tmp_path / "b.yaml"], tmp_path / "reports")
    assert all(part in str(fault.value) for part in ("a.yaml", "b.yaml", "xai-colossus-2024"))
    assert not (tmp_path / "reports").exists()


def test_two_files_whose_sites_would_share_a_folder_are_refused_at_once(tmp_path):
    story = (catalog.data_dir() / "scenarios" / "startup-512-2025.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(story)  # has the name of a bundled scenario: its site is named by the file
    (tmp_path / "other.yaml").write_text(story.replace("name: startup-512-2025", "name: mine"))
    with pytest.raises(report.ReportError, match=r"mine.yaml and .*other.yaml would both be 'mine'"):
        report.build([tmp_path / "mine.yaml", tmp_path / "other.yaml"], tmp_path / "reports")


def test_a_scenario_that_is_changed_meanwhile_leaves_the_earlier_site(tmp_path, faked, monkeypatch):
    """Each notebook reads the file: some pages would tell of the old one, others of the new one."""
    mine = tmp_path / "mine.yaml"
    mine.write_text((catalog.data_dir() / "scenarios" / "startup-512-2025.yaml").read_text())
    monkeypatch.setattr(site, "run_all", lambda *_: mine.write_text(mine.read_text() + "# later") and [])
    with pytest.raises(report.ReportError, match=r"mine.yaml was changed while its report was made"):
        report.build(mine, tmp_path / "reports", notebooks=one_notebook(tmp_path))
    assert not (tmp_path / "reports").exists()


def test_a_result_is_kept_or_not_while_another_run_of_the_scenario_removes_its_own(tmp_path, monkeypatch):
    def removed(*_):
        raise FileNotFoundError

    monkeypatch.setattr(catalog, "write_whole", removed)
    job = site.Job(Path("00-which.ipynb"), "mine")
    site._keep_while_running(tmp_path, site.Result(job, nbformat.v4.new_notebook()))
