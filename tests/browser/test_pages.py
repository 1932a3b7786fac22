"""Every page as a reader meets it: opened from a file, without a network, on a screen and on a telephone."""

import functools
import http.server
import threading

import numpy
import pytest
import report_samples

from gigareport import pages as report
from gigareport import words
from gigareport.pages import text
from gigareport.pages.render import asset

pytestmark = pytest.mark.browser

POINT_OF_FIRST_VALUE = """box => {
  const svg = box.querySelector("svg"), frame = svg.getBoundingClientRect();
  const [x, y] = box.dataset.places.split(" ")[0].split(",").map(Number);
  const scale = frame.width / svg.viewBox.baseVal.width;
  return [frame.left + x * scale, frame.top + y * scale];
}"""


@pytest.fixture(scope="module", params=["samples", pytest.param("notebooks", marks=pytest.mark.slow)])
def pages(request, tmp_path_factory, chromium, site_of, executed_samples):
    """The files of a site: of small notebooks that hold everything a page can, and of the project's own."""
    if request.param == "notebooks":
        folder, failures = site_of("xai-colossus-2024")
        assert failures == ""
        return sorted(folder.glob("*.html"))
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        report_samples.fake_scenarios(patch)
        report_samples.without_kernels(patch, executed_samples)
        built = report.build(["xai-colossus-2024", "oracle-24k-2024"], folder, notebooks=executed_samples)
    assert built.failures == ()
    # The pages of the other scenario are those of the first, with another name: each look would be taken twice.
    return sorted(folder.glob("xai-colossus-2024/*.html")) + sorted(folder.glob("*.html"))


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_no_page_has_an_error_a_request_an_overflow_or_a_fault_of_accessibility(pages, open_page, width, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    faults = []
    for file in pages:
        page = open_page(file.as_uri(), width, theme)
        faults += [(file.name, fault) for fault in page.faults]
        if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
            faults.append((file.name, f"needs {needed} pixels"))
        for fault in axe.run(page).response["violations"]:
            faults.append((file.name, fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]))
    assert faults == []


BOXES = """() => [...document.querySelectorAll("body *")].filter((box) => {
  const style = getComputedStyle(box);
  return ["auto", "scroll"].includes(style.overflowX) && box.scrollWidth > box.clientWidth + 1;
}).map((box) => [
  box.className,
  box.tabIndex === 0 || box.querySelector("a, button") !== null,
  ["printed", "source"].includes(box.className) || getComputedStyle(box).backgroundImage.includes("gradient"),
])"""
FLAT = """() => [...document.querySelectorAll("main .table > table")].filter((table) => {
  const head = table.tHead && table.tHead.rows.length === 1 && !table.querySelector("[rowspan], [colspan]");
  return head && table.clientWidth && !table.closest("details");
}).map((table) => [
  table.rows[0].cells.length, table.tBodies[0].rows.length, table.scrollWidth, table.parentElement.clientWidth,
])"""
CUT = """() => [...document.querySelectorAll("main table, main svg, main pre, main p")].filter((part) => {
  const edges = part.getBoundingClientRect();
  return edges.width && edges.right > document.documentElement.clientWidth + 1;
}).map((part) => [part.tagName, part.textContent.trim().slice(0, 40)])"""


def test_what_is_wider_than_a_phone_stacks_scales_or_scrolls_in_a_box_that_says_so(pages, open_page):
    stacked = 0
    for file in pages:
        page = open_page(file.as_uri(), 390)
        for box, is_reached, is_told in page.evaluate(BOXES):
            assert (file.name, box, is_reached, is_told) == (file.name, box, True, True)
            assert "formula" not in box
        for columns, rows, width, room in page.evaluate(FLAT):  # what decides is in sight in each row of a short table
            assert columns < 6 or rows > 8 or width <= room + 1, file.name
        for table in page.locator("table.stacks:visible").all():
            assert table.evaluate("table => table.scrollWidth <= table.parentElement.clientWidth + 1"), file.name
            stacked += 1
    assert stacked > 0


def test_nothing_is_cut_off_at_the_edge_of_the_paper(pages, open_page):
    for file in pages:
        page = open_page(file.as_uri(), 718)  # A4 between its margins
        page.emulate_media(media="print")
        assert (file.name, page.evaluate(CUT)) == (file.name, [])


def test_every_control_moved_by_keyboard_changes_its_frame_and_its_text(pages, open_page):
    moved = 0
    for file in pages:
        page = open_page(file.as_uri())
        for figure in page.locator("figure.explore").all():
            figure.locator(".controls").wait_for()
            for control in figure.locator(".control input, .control select").all():
                state = "box => [box.querySelector('.drawing').innerHTML, box.querySelector('.chosen').textContent]"
                before = figure.evaluate(state)
                control.focus()
                page.keyboard.press(_key(control))
                after = figure.evaluate(state)
                assert before[1] != after[1], (file.name, "text")
                moved += before[0] != after[0]
                if control.get_attribute("type") == "range":
                    text = control.get_attribute("aria-valuetext")
                    assert text == control.evaluate("input => input.parentElement.querySelector('output').value")
                    assert text in after[1]
        assert page.faults == []
    assert moved > 0


def _key(control):
    if control.get_attribute("type") == "checkbox":
        return "Space"
    at_end = control.evaluate(
        "input => input.type == 'range' ? input.value == input.max : input.selectedIndex == input.length - 1"
    )
    if control.get_attribute("type") == "range":
        return "ArrowLeft" if at_end else "ArrowRight"
    return "ArrowUp" if at_end else "ArrowDown"


def test_a_page_prints(pages, open_page, tmp_path):
    for file in pages:
        pdf = open_page(file.as_uri()).pdf()
        assert pdf.startswith(b"%PDF")
        assert len(pdf) > 5_000


def test_the_switches_show_the_code_and_the_dark_theme(pages, open_page):
    page = open_page(next(file for file in pages if file.name == "index.html").as_uri())
    source = page.locator("details.code .source").first
    assert not source.is_visible()
    page.get_by_role("button", name="Code").press("Enter")
    assert source.is_visible()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark").press("Enter")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_each_figure_can_be_saved_as_a_picture(pages, open_page):
    page = open_page(next(file for file in pages if file.name == "index.html").as_uri())
    link = page.locator("a.picture").first
    link.wait_for()
    with page.expect_download() as download:
        link.press("Enter")
    assert download.value.suggested_filename.endswith(".svg")
    assert "<svg" in download.value.path().read_text(encoding="utf-8")


def test_a_chart_tells_its_values_to_a_pointer_a_finger_and_the_arrow_keys(pages, open_page):
    told = 0
    for file in pages:
        page = open_page(file.as_uri())
        for figure in page.locator("figure.figure:has(script.tips)").all():
            box, said = figure.locator(".drawing:visible"), figure.locator(".tip")
            values = figure.evaluate("figure => JSON.parse(figure.querySelector('script.tips').textContent)")
            box.focus()
            page.keyboard.press("ArrowRight")
            assert said.inner_text() == values[0]
            page.keyboard.press("ArrowLeft")
            assert said.inner_text() == values[-1]
            page.keyboard.press("Escape")
            assert not said.is_visible()
            place = box.evaluate(POINT_OF_FIRST_VALUE)
            box.dispatch_event("pointerdown", {"clientX": place[0], "clientY": place[1], "pointerType": "touch"})
            assert said.inner_text() in values
            told += 1
        assert page.faults == []
    assert told > 0


def test_the_data_of_a_moved_figure_are_those_shown(pages, open_page):
    moved = 0
    for file in pages:
        page = open_page(file.as_uri())
        for figure in page.locator("figure.explore:has(a.csv)").all():
            figure.locator(".controls").wait_for()
            before = figure.locator("a.csv").get_attribute("href")
            table = figure.evaluate("figure => figure.querySelector('details.data').textContent")
            control = figure.locator(".control input, .control select").first
            control.focus()
            page.keyboard.press(_key(control))
            assert figure.locator("a.csv").get_attribute("href") != before
            assert figure.evaluate("figure => figure.querySelector('details.data').textContent") != table
            moved += 1
    assert moved > 0


def test_the_report_is_searched_by_title_number_and_term(pages, open_page):
    page = open_page(next(file for file in pages if file.name == "inputs.html").as_uri())
    page.locator("#search").fill("goodp")
    assert "inputs.html#term-goodput" in [link.get_attribute("href") for link in page.locator("#found a").all()]
    page.locator("#search").fill("no such thing at all")
    assert page.locator("#found").inner_text() == "Nothing found"
    page.keyboard.press("Escape")
    assert not page.locator("#found").is_visible()


TABLES = """html => {
  const cells = (root) => [...root.querySelectorAll("figure.explore details.data table")].map(
    (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent)));
  return [cells(new DOMParser().parseFromString(html, "text/html")), cells(document)];
}"""


def test_the_table_under_a_moving_figure_is_the_one_that_the_page_has_without_scripts(pages, open_page):
    seen = 0
    for file in pages:
        page = open_page(file.as_uri())
        for figure in page.locator("figure.explore").all():
            figure.locator(".controls").wait_for()
        still, moved = page.evaluate(TABLES, file.read_text(encoding="utf-8"))
        assert moved == still, file.name
        seen += sum(map(len, still))
    assert seen > 10


def test_a_table_is_sorted_by_the_head_of_a_column(pages, open_page):
    page = open_page(next(file for file in pages if file.name == "inputs.html").as_uri())
    head = page.locator("#tables ~ .table thead th").nth(1)
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    counts = page.locator("#tables ~ .table tbody tr td:nth-child(2)").all_inner_texts()
    assert [int(text.replace(",", "")) for text in counts] == sorted(int(text.replace(",", "")) for text in counts)


STACK = """texts => {
  const rows = texts.map((text) => `<tr><th>x</th><td class="long">${text}</td></tr>`).join("");
  document.querySelector("main").innerHTML = `<div class="table"><table class="stacks"><thead><tr><td></td><th>size</th>
    </tr></thead><tbody>${rows}</tbody></table></div>`;
}"""
SAID = {
    "dollars": words.usd,
    "numbers": words.number,
    "numbers as printed": lambda value: f"{value:.5g}",
    "durations": words.duration,
    "cheaper or dearer": lambda value: words.difference(0.9 * value, value, 1.1 * value, words.CHEAPER),
    "saves or costs": lambda value: words.difference(value - 3e4, value, value + 3e4, words.SAVES),
    "earlier or later": lambda value: words.difference_alone(value, words.EARLIER, unit="month"),
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_a_stacked_table_is_sorted_by_its_menu_as_the_numbers_that_its_words_say(pages, open_page, said):
    rng = numpy.random.default_rng(5)
    sizes = numpy.round(10 ** rng.permutation(numpy.linspace(-3, 13, 40)), 4) * rng.choice([-1, 1], 40)
    page = open_page(next(file for file in pages if file.name == "inputs.html").as_uri(), 390)
    page.evaluate(STACK, [said(size) for size in sizes])
    page.evaluate(asset("page.js"))
    for chosen, wanted in (("size, rising", sorted(sizes)), ("size, falling", sorted(sizes, reverse=True))):
        page.get_by_label("Sort by").select_option(chosen)
        assert page.locator(".table td.long").all_inner_texts() == [said(size) for size in wanted]


@pytest.mark.parametrize("part", ["td", "th"])
def test_a_row_with_a_long_cell_or_a_long_name_stacks(part):
    row = f"<th>{'plan ' * 20}</th><td>1</td>" if part == "th" else f"<th>a</th><td>{'word ' * 20}</td>"
    made = text.table(f"<table><thead><tr><th>x</th><th>y</th></tr></thead><tbody><tr>{row}</tr></tbody></table>")
    assert '<table class="stacks">' in made


def test_the_menu_of_a_stacked_table_is_there_on_a_phone_alone(pages, open_page):
    file = next(file for file in pages if file.name == "inputs.html").as_uri()
    assert open_page(file, 390).get_by_label("Sort by").first.is_visible()
    assert not open_page(file, 1280).get_by_label("Sort by").first.is_visible()


STRICT = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'"
#: The header that Jenkins sends by default: no script, no inline style, no picture within a page.
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"


@pytest.mark.parametrize("policy", [STRICT, JENKINS])
def test_pages_with_files_beside_them_are_whole_under_a_strict_header(
    tmp_path_factory, chromium, executed_samples, policy
):
    folder = tmp_path_factory.mktemp("strict")
    with pytest.MonkeyPatch.context() as patch:
        report_samples.fake_scenarios(patch)
        report_samples.without_kernels(patch, executed_samples)
        report.build("xai-colossus-2024", folder, notebooks=executed_samples, separate=True)

    class Strict(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *_):
            pass

    handler = functools.partial(Strict, directory=folder / "xai-colossus-2024")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        faults = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        for name in ("index", "10-second", "inputs"):
            page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html")
            assert page.locator("header.top").evaluate("head => getComputedStyle(head).display") == "flex"
            for drawing in page.locator(".drawing:visible svg").all():
                assert drawing.bounding_box()["height"] > 100
            if policy == STRICT:
                page.locator("#theme").click()
                assert page.evaluate("document.documentElement.dataset.theme") == "dark"
                page.locator("#theme").click()
        page.close()
        server.shutdown()
    # Jenkins refuses scripts; style and pictures are whole under both, and nothing else is missed.
    assert [fault for fault in faults if policy == STRICT or "script" not in fault.lower()] == []


def test_markup_in_a_text_runs_nothing(pages, open_page):
    """The small notebooks say, title and tabulate scripts; a dialog that opened would stop the page."""
    page = open_page(next(file for file in pages if file.name == "index.html").as_uri())
    page.on("dialog", lambda dialog: page.faults.append(dialog.message))
    page.reload()
    assert page.faults == []
