"""One executed notebook in, one page of HTML out, in process and without a request to anywhere."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import jinja2
import nbformat
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape
from nbconvert import TemplateExporter

from gigareport import words
from gigareport.answers import NUMBER_SCHEME
from gigareport.explore import EXPLORE_MIME
from gigareport.pages import text
from gigareport.pages.glossary import explained, place_of
from gigareport.pages.inputs import sources
from gigareport.plots.display import FIGURE_MIME
from gigareport.plots.front import FRONT_MIME

#: A table under a figure shows at most this many rows.
TABLE_ROWS = 60

#: How the page shows what a notebook left.
_TEMPLATES = {FIGURE_MIME: "figure.html.j2", EXPLORE_MIME: "explore.html.j2", FRONT_MIME: "front.html.j2"}
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Page:
    """What the site needs of one executed notebook."""

    name: str
    title: str
    answer: Markup  # the first sentence said
    body: Markup
    headings: tuple[tuple[str, str], ...]  # anchor, text
    figures: tuple[tuple[str, str], ...]  # anchor, title
    notes: tuple[str, ...]  # sources of the figures
    failure: str = ""


def page_of(name: str, notebook: nbformat.NotebookNode, failure: str = "", *, scenario: str = "") -> Page:
    """Render the cells of an executed notebook; ``scenario`` is that whose numbers lead to the page of inputs."""
    figures = [record for record in _figures(notebook) if record]
    notes: dict[str, int] = {}
    for place, record in enumerate(figures, start=1):
        inner = record["figure"] if "frames" in record else record
        record["name"] = f"{name}-figure-{place}"
        record["note"] = notes.setdefault(inner["credit"], len(notes) + 1)
    # HTMLExporter's own method would parse the finished page once more, which takes long and changes the drawings.
    body, _ = TemplateExporter.from_notebook_node(_exporter(), notebook)
    title = next(filter(None, (_title(cell) for cell in notebook.cells)), name)
    return Page(
        name=name,
        title=title,
        answer=Markup(_numbers(_answer(notebook), scenario)),
        body=Markup(explained(_numbers(str(body), scenario))),
        headings=tuple(re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', body)),
        figures=tuple((record["name"], record.get("figure", record)["title"]) for record in figures),
        notes=tuple(notes),
        failure=failure,
    )


def shell(template: str, *, separate: bool = False, program: str = "", **values: Any) -> str:
    """Return a whole page from a template; every value is escaped unless it is :class:`markupsafe.Markup`.

    ``program`` is a script of this page alone. ``separate`` leaves style and scripts to files beside the page, for
    servers whose policy allows none within it.
    """
    style, scripts = asset("page.css"), [asset("page.js"), *([program] if program else [])]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    named = " ".join(f"'sha256-{digest}'" for digest in digests)
    within, beside = (
        f"img-src data:; style-src 'unsafe-inline'; script-src {named}",
        "img-src 'self' data:; style-src 'self'; script-src 'self'",
    )
    return text.typeset(
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            scripts=[Markup(script) for script in scripts],
            policy=f"default-src 'none'; {beside if separate else within}",
            separate=separate,
            **values,
        )
    )


def apart(page: str, folder: Path) -> str:
    """Write what a page carries within itself as files beside it, and return the page that names them."""

    def file_of(match: re.Match[str]) -> str:
        kind, text = match[1], html.unescape(match[2])
        content = (
            base64.b64decode("".join(text.split())) if kind == "image/png" else unquote(text.partition(",")[2]).encode()
        )
        name = f"files/{hashlib.sha256(content).hexdigest()[:16]}.{_SUFFIXES[kind]}"
        (folder / "files").mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return f'"{name}"'

    return re.sub(rf'"data:({"|".join(_SUFFIXES)})([^"]*)"', file_of, page)


#: What a page may carry within itself, by the ending that its file has.
_SUFFIXES = {"image/png": "png", "text/csv": "csv", "application/yaml": "yaml"}


def record_html(data: dict[str, Any]) -> Markup | None:
    """Return the figure, still or moving, or the first screen of which a notebook left a record; nothing without."""
    for mime, template in _TEMPLATES.items():
        if mime in data:
            return Markup(_environment().get_template(template).render(record=data[mime]))
    return None


def sourced(table: str) -> str:
    """Let each cell of a table that is the id of a source lead to that source.

    >>> sourced("<td>dlrover-2023</td><td>12</td>").partition(" title")[0]
    '<td><a href="inputs.html#source-dlrover-2023"'
    """
    citations = {source.source_id: source.text for source in sources()}

    def link(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        if name not in citations:
            return match[0]
        return f'{start}<a href="inputs.html#source-{name}" title="{escape(citations[name])}">{name}</a>{end}'

    return re.sub(r"(<td[^>]*>)([\w.+-]+)(</td>)", link, table)


def _numbers(body: str, scenario: str) -> str:
    """Give every number its name, and a link to where it comes from if it is of this report's scenario."""

    def named(match: re.Match[str]) -> str:
        name, _, place = match[1].partition("@")
        story, _, quantity = name.partition("/")
        if story == scenario or place:
            place = place or f"inputs.html#number-{quantity}"
        return f'<a class="number" data-number="{name}"' + (f' href="{place}">' if place else ">")

    return re.sub(rf'<a href="{NUMBER_SCHEME}([^"]*)">', named, body)


def inline_svg(svg: str, prefix: str, alt: str) -> Markup:
    """Return a drawing for the page itself: its names made its own, and named by its alternative text."""
    svg = re.sub(r"<title>.*?</title><desc>.*?</desc>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1))


def csv_table(content: str) -> Markup:
    """Return the first rows of a table for the page, with numbers as a reader says them."""
    rows = list(csv.reader(line for line in content.splitlines() if not line.startswith("# ")))
    head, body = rows[0], rows[1 : 1 + TABLE_ROWS]
    cells = "".join(f'<th scope="col">{escape(name.replace("_", " "))}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(_cell(cell))}</td>' for cell in row)}</tr>" for row in body)
    count = len(rows) - 1
    more = f"<p>The first {TABLE_ROWS} of {count:,} rows; the CSV has all.</p>" if count > len(body) else ""
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"
    return Markup(f'<div class="table" tabindex="0" role="group" aria-label="Table">{table}</div>{more}')


def _cell(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return words.YES_NO.get(text, text)
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e9 else words.number(value, 4)


def text_uri(content: str, mime: str) -> str:
    """Return a text as the address of itself."""
    return f"data:{mime};charset=utf-8,{quote(content)}"


@cache
def asset(name: str) -> str:
    """Return a file that every page has within itself or beside it."""
    units = "|".join(words.UNITS_OF_LINE).replace("/", r"\/")
    return (_HERE / "assets" / name).read_text(encoding="utf-8").replace("UNITS_OF_LINE", units)


@cache
def _environment() -> jinja2.Environment:
    environment = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        inline_svg=inline_svg,
        text_uri=text_uri,
        csv_table=csv_table,
        markdown=lambda source: Markup(text.markdown(source)),
        markdown_line=lambda source: Markup(text.markdown(source).strip().removeprefix("<p>").removesuffix("</p>")),
        place=text.anchor,
        stacking=lambda rows: Markup(text.stacking(str(rows))),
        place_of_term=place_of,
    )
    return environment


@cache
def _exporter() -> Any:
    """Return the exporter with our template, which inherits the cells of nbconvert's ``lab``."""
    from nbconvert import HTMLExporter
    from nbconvert.filters import Highlight2HTML
    from traitlets.config import Config

    look = {"template_name": "gigacluster", "extra_template_basedirs": [str(_HERE / "templates")]}
    exporter = HTMLExporter(config=Config(HTMLExporter=look))
    exporter.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3", parent=exporter))
    exporter.register_filter("markdown2html", jinja2.pass_context(lambda _, source: text.markdown(source)))
    exporter.register_filter("table_html", lambda table: sourced(text.table(table)))
    exporter.register_filter("record_html", record_html)
    return exporter


def _figures(notebook: nbformat.NotebookNode) -> list[dict[str, Any] | None]:
    """Return the record of each figure in order, also of the one that a first screen may hold."""
    outputs = [output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    return [
        record["figure"] if mime == FRONT_MIME else record
        for data in outputs
        for mime, record in data.items()
        if mime in _TEMPLATES
    ]


def _title(cell: nbformat.NotebookNode) -> str:
    match = re.match(r"#\s+(.+)", cell.source) if cell.cell_type == "markdown" else None
    return match[1].strip() if match else ""


def _answer(notebook: nbformat.NotebookNode) -> str:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if said := output.get("data", {}).get("text/markdown"):
                return text.markdown(said)
    return ""
