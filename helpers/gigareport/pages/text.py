"""Markdown, formulas and tables as safe HTML: markup inside a text is shown, never obeyed, and nothing is fetched."""

from __future__ import annotations

import html
import re
import warnings
from functools import cache
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from gigareport.words import JOINED, YES_NO, exact, slug

#: Height of the letters of a formula: that of the text around. [px]
FORMULA_PX = 18


class _Renderer(IPythonRenderer):
    """Formulas as drawings, raw HTML as text, no pictures from elsewhere, headings with a place to link to."""

    def __init__(self) -> None:
        super().__init__(escape=True, allow_harmful_protocols=False, exclude_anchor_links=True)

    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return (
            f'<div class="formula" tabindex="0" role="group" aria-label="Formula">{formula(body, block=True)}</div>\n'
        )

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return html.escape(text)

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        return f'<h{level} id="{anchor(text)}">{text}</h{level}>\n'


def markdown(text: str) -> str:
    """Return Markdown with formulas as HTML.

    Examples
    --------
    >>> markdown("<b>5</b> *chips*").strip()
    '<p>&lt;b&gt;5&lt;/b&gt; <em>chips</em></p>'
    """
    made = MarkdownWithMath(renderer=_Renderer()).render(text)
    return re.sub(r"<table>(.*?)</table>", lambda match: table(match[0]), made, flags=re.DOTALL)


def typeset(page: str) -> str:
    """Return a page with each number and its unit on one line, percentages alike, and powers of ten written as such.

    Inside code, drawings and programs every letter stays as it is.

    >>> typeset("<p>43% of 18 trillion, chance 6e-20 <code>43 %</code></p>").replace("\u00a0", "_")
    '<p>43_% of 18_trillion, chance 6_×_10⁻²⁰ <code>43 %</code></p>'
    """
    return _PARTS.sub(lambda part: _typeset_text(part[0]) if part[2] else part[0], page)


#: What stays verbatim, or else a text between two tags, which is the second group.
_PARTS = re.compile(r"<(script|style|pre|code|svg)\b.*?</\1>|<[^>]*>|([^<]+)", re.DOTALL)
#: A number as programs write it; no part of an address or of a commit.
_PROGRAMS = re.compile(r"(?<![\w.@/])-?\d(?:\.\d+)?e[+-]?\d{1,3}(?![\w@/-]|\.\w)")


def _typeset_text(text: str) -> str:
    text = re.sub(r"(\d)%(?![0-9A-F]{2})", r"\1 %", text)
    return JOINED.sub("\u00a0", _PROGRAMS.sub(lambda found: exact(float(found[0])), text))


def anchor(text: str) -> str:
    """Return the name of a heading in links.

    >>> anchor("What could <em>change</em> this answer?")
    'what-could-change-this-answer'
    """
    return slug(re.sub(r"<[^>]*>", "", html.unescape(text)))


@cache
def _ziamath() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it reads its font in a way that Python will drop
        import ziamath
    return ziamath


@cache
def formula(tex: str, *, block: bool = False) -> str:
    """Return a formula in TeX as inline SVG, named by its TeX for a reader who cannot see it."""
    drawing = _ziamath().Latex(tex, size=FORMULA_PX * (1.1 if block else 1.0), inline=not block)
    svg = re.sub(r'((?:fill|stroke)=")black"', r'\1currentColor"', drawing.svg())
    svg = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", svg)
    # How far it hangs below the line is a class and no style: a strict policy allows no style within a page.
    drop = "" if block else f' class="drop-{min(max(round(1 - drawing.getyofst()), 0), 20)}"'
    return svg.replace(
        "<svg ", f'<svg role="img" aria-label="{html.escape(tex.strip())}" fill="currentColor"{drop} ', 1
    )


def table(text: str) -> str:
    """Return the HTML of a table in our look: no empty header cells, row names marked, scrolling by itself.

    Tags other than those of tables, links and simple text are shown as text, and attributes other than spans and the
    addresses of pages are dropped.

    >>> table('<td onclick="x()" colspan="2">1 <script>').partition(">")[2]
    '<td colspan="2">1 &lt;script&gt;</div>'
    """
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<th(?:\s[^>]*)?>(?:\s|&nbsp;)*</th>", "<td></td>", text)
    head, body, tail = text.partition("<tbody>")
    head = _one_header(head)
    head, tail = head.replace("<th", '<th scope="col"'), tail.replace("<th", '<th scope="row"')
    head = head.replace('<th scope="col"ead', "<thead")
    text = re.sub(r"<[^<>]*>?", _plain_tag, _without_numbering(head, body + tail))
    text = _thousands(text)
    text = re.sub(r"<td>-(?=0(?:\.0+)?</td>)", "<td>", text)
    text = re.sub(r"<td>(True|False)</td>", lambda cell: f"<td>{YES_NO[cell[1]]}</td>", text)
    text = stacking(
        re.sub(r"<(td|th scope=\"row\")>(?=(?:(?!</t[hd]>)(?:<[^>]*>|[^<])){70})", r'<\1 class="long">', text)
    )
    return f'<div class="table" tabindex="0" role="group" aria-label="Table">{text}</div>'


#: A cell of a row, with its tag and its text.
_CELL = re.compile(r'<(td|th scope="row")>(.*?)(?=</t[dh]>)', re.DOTALL)
_NUMBER = re.compile(r"(-?\d+)(\.\d+)?")


def _thousands(text: str) -> str:
    """Write numbers with thousands apart, those that name a row too; columns that hold years alone stay.

    >>> _thousands("<tr><td>2048</td><td>2024</td></tr><tr><td>65536.5</td><td>2026</td></tr>")
    '<tr><td>2,048</td><td>2024</td></tr><tr><td>65,536.5</td><td>2026</td></tr>'
    """
    rows = [[cell for _, cell in _CELL.findall(row)] for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL)]
    width = max(map(len, rows), default=0)
    columns = [[row[place - width] for row in rows if len(row) >= width - place] for place in range(width)]
    numbers = [[float(cell) for cell in column if _NUMBER.fullmatch(cell)] for column in columns]
    are_years = [all(1990 <= number < 2040 for number in column) for column in numbers]

    def row(match: re.Match[str]) -> str:
        places = iter(range(width - len(_CELL.findall(match[0])), width))  # cells that span rows stand first
        return _CELL.sub(lambda cell: _grouped(cell, is_year=are_years[next(places)]), match[0])

    return re.sub(r"<tr.*?</tr>", row, text, flags=re.DOTALL)


def _grouped(cell: re.Match[str], *, is_year: bool) -> str:
    thousands = re.fullmatch(r"(-?[1-9]\d{3,})(\.\d+)?", cell[2])
    return cell[0] if is_year or not thousands else f"<{cell[1]}>{int(thousands[1]):,}{thousands[2] or ''}"


#: A table of so many columns is wider than a phone; one of so few rows is not long when it stacks.
_MANY_COLUMNS, _FEW_ROWS = 6, 8


def stacking(text: str) -> str:
    """Let a table with sentences, or of many columns and few rows, stack on a phone.

    Each cell then stands under the name of its column.

    >>> stacking('<table><tr><th>a</th></tr><tbody><tr><td class="long">b</td></tr></tbody>').partition("dy>")[2]
    '<tr><td class="long" data-column="a">b</td></tr></tbody>'
    """
    head, body, tail = text.partition("<tbody>")
    names = [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd](?:\s[^>]*)?>(.*?)</t[hd]>", head, re.DOTALL)]
    is_flat = len(names) >= _MANY_COLUMNS and tail.count("<tr") <= _FEW_ROWS
    if not (is_flat or 'class="long"' in tail) or head.count("<tr") != 1 or re.search(r"(?:col|row)span", text):
        return text

    def row(match: re.Match[str]) -> str:
        columns = iter(names)
        return re.sub(
            r"<t([hd])((?:\s[^>]*)?)>",
            lambda cell: f"<t{cell[1]}{cell[2]}{_column(next(columns, ''), cell[1])}>",
            match[0],
        )

    tail = re.sub(r"<tr.*?</tr>", row, tail, flags=re.DOTALL)
    return head.replace("<table", '<table class="stacks"', 1) + body + tail


def _column(name: str, kind: str) -> str:
    return f' data-column="{name.strip()}"' if name.strip() and kind == "d" else ""


def _one_header(head: str) -> str:
    """Return a header in one row where a second one only names the columns that name the rows, as pandas has it."""
    rows = re.findall(r"<tr[^>]*>.*?</tr>", head, re.DOTALL)
    if len(rows) != 2:
        return head
    first, second = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows)
    count = sum(not re.sub(r"&nbsp;|\s", "", cell) for cell in first)
    is_names = len(first) == len(second) and not any(re.sub(r"&nbsp;|\s", "", cell) for cell in second[count:])
    if not (is_names and count and all(second[:count])):
        return head
    cells = "".join(f"<th>{cell}</th>" for cell in (*second[:count], *first[count:]))
    return head.replace(rows[0], f"<tr>{cells}</tr>").replace(rows[1], "")


def _without_numbering(head: str, body: str) -> str:
    """Drop the first column where it only counts the rows from 0, as pandas does where nobody named them."""
    names = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', body)
    first_cell = r"(<tr[^>]*>\s*)<td></td>"
    if not names or names != [str(number) for number in range(len(names))] or len(re.findall(first_cell, head)) != 1:
        return head + body
    return re.sub(first_cell, r"\1", head) + re.sub(r'<th scope="row"[^>]*>.*?</th>', "", body)


#: Tags of tables, and of simple text in their cells.
_TABLE_TAGS = frozenset({"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption"})
#: A link to a page of the web or of this report, or a number that becomes one.
_LINK = re.compile(r'<a href="((?:https?://[^"<>\s]+|[a-z0-9-]+\.html(?:#[\w.=-]*)?|#number/[^"<>\s]+))">')
_TEXT_TAGS = frozenset({"div", "p", "br", "b", "strong", "em", "i", "sup", "sub", "code", "span", "details", "summary"})


def _plain_tag(match: re.Match[str]) -> str:
    if match[0] == "</a>":
        return match[0]
    if link := _LINK.fullmatch(match[0]):
        return f'<a rel="noreferrer" href="{link[1]}">' if link[1].startswith("http") else match[0]
    parts = re.fullmatch(r"<(/?)([a-z]+)([^<>]*)>", match[0])
    if not parts or parts[2] not in _TABLE_TAGS | _TEXT_TAGS:
        return html.escape(match[0])
    kept = "".join(re.findall(r' (?:colspan|rowspan|scope)="\w+"', parts[3]))
    return f"<{parts[1]}{parts[2]}{kept}>"
