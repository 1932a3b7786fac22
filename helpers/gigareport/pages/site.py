"""A site for one scenario or several, whole or not at all."""

from __future__ import annotations

import errno
import html
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

import gigacluster
from gigareport import catalog, scenario, words
from gigareport.answers import Answers, answers_of
from gigareport.explore import PAGE_BUDGET_BYTES
from gigareport.headlines import draw_choice
from gigareport.pages import inputs
from gigareport.pages.derivation import derivations, fields_of_page, inputs_of_story
from gigareport.pages.execute import LIMIT_S, Job, Result, run_all
from gigareport.pages.folders import check_target, put, replacing
from gigareport.pages.glossary import TERMS, place_of
from gigareport.pages.render import Page, apart, asset, page_of, shell
from gigareport.versions import versions
from gigareport.whatif import WhatIf, whatif_of

WHAT_IF = ("what-if", "What if")
INPUTS = ("inputs", "Inputs")
#: The picture for those who share a page.
SHARED = "share.png"
#: Joint draws of the inputs, unless a parameter says otherwise.
SAMPLES = 10_000


class ReportError(RuntimeError):
    """There is nothing to report on, or nowhere to write it."""


@dataclass(frozen=True, slots=True)
class Built:
    """What :func:`build` wrote: ``index`` is the file to open; ``failures`` name notebook, cell and cause."""

    index: Path
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """One scenario of a build."""

    file: Path
    story: scenario.Scenario
    answers: Answers
    samples: int
    whatif: WhatIf | None
    pages: tuple[Page, ...]

    @property
    def name(self) -> str:
        return self.story.name

    @property
    def folder(self) -> str:
        """Of its site."""
        return _folder_of(self.file, self.story.name)


def build(
    scenarios: str | Path | Sequence[str | Path],
    out_dir: str | Path = "reports",
    *,
    notebooks: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    processes: int = 2,
    limit_s: float = LIMIT_S,
    separate: bool = False,
    address: str = "",
) -> Built:
    """Execute the notebooks for one scenario or several, and write a site for each.

    Parameters
    ----------
    scenarios : See :func:`gigareport.scenario.find`. With several, ``out_dir/index.html`` puts them side by side.
    out_dir : The site of a scenario goes to ``out_dir/<name>/index.html``, with a page for each notebook; that of a
        file that has the name of a bundled scenario to ``out_dir/<file>/index.html``.
    notebooks : Folder of the notebooks; by default that of the checkout.
    parameters : Further values for the cell tagged ``parameters``, for instance ``{"n_samples": 500}``.
    processes : Notebooks executed at a time.
    limit_s : How long one notebook may take before it is stopped and its page says at which cell. [s]
    separate : Write style, script, pictures and data beside the pages, for servers that allow none within a page.
        Otherwise each page is one file that reads alone.
    address : Where the sites will stand, such as ``https://example.org/reports``: pages then name their address and a
        picture for those who share them, which lies beside them.

    Returns
    -------
    Built
        If a notebook failed, the site that was there before stays; the incomplete one, with the cell and the cause
        on its page, lies beside it under ``<name>.incomplete``. While a run lasts, each notebook that has ended lies
        there executed, under ``executed``: a kill loses only what had not ended.

    Raises
    ------
    ScenarioError
        If a scenario is wrong. Nothing is written.
    ReportError
        If there are no notebooks, two scenarios have one name, a file was changed meanwhile, or the folder cannot be
        written.
    """
    wanted = [scenarios] if isinstance(scenarios, str | Path) else list(scenarios)
    files = [scenario.find(name) for name in wanted or [""]]
    written = [file.read_bytes() for file in files]
    asked = [(file, scenario.load(file)) for file in files]
    _check_names(asked)
    folder = Path(notebooks) if notebooks is not None else notebooks_dir()
    sources = sorted(folder.glob("[!.]*.ipynb"))
    if not sources:
        raise ReportError(f"{folder} holds no notebooks; name a folder that does")
    folders = {story.name: _folder_of(file, story.name) for file, story in asked}
    out, more = Path(os.path.realpath(out_dir)), dict(parameters or {})
    with _telling(out):
        _check_writable(out, folders.values())
    jobs = [
        Job(source, story.name, {"scenario_name": _argument(file), **more})
        for file, story in asked
        for source in sources
    ]
    _announce(asked, jobs, more)
    answers = [_answers(story, more) for _, story in asked]
    pages: dict[tuple[str, str], Future[Page]] = {}
    with ThreadPoolExecutor(1) as thread:  # beside the kernels

        def keep(result: Result) -> None:
            job = result.job
            with _telling(out):
                _keep_while_running(_executed(out, folders[job.scenario]), result)
            pages[job.scenario, job.name] = thread.submit(
                page_of, job.name, result.notebook, result.failure, scenario=job.scenario
            )

        whatifs = [thread.submit(whatif_of, one[1], found.plan) for one, found in zip(asked, answers, strict=True)]
        run_all(jobs, processes, limit_s, keep)
    for file, before in zip(files, written, strict=True):
        if file.read_bytes() != before:  # every notebook reads it: their pages tell of two scenarios
            raise ReportError(f"{file} was changed while its report was made, and nothing is written; run it again")
    sides = [
        _Side(
            file=file,
            story=story,
            answers=answer,
            samples=int(more.get("n_samples", SAMPLES)),
            whatif=whatif.result(),
            pages=tuple(pages[story.name, source.stem].result() for source in sources),
        )
        for (file, story), answer, whatif in zip(asked, answers, whatifs, strict=True)
    ]
    failures = tuple(
        f"{side.name}: {page.name}.ipynb, {page.failure}" for side in sides for page in side.pages if page.failure
    )
    suffix = ".incomplete" if failures else ""
    with _telling(out):
        with ExitStack() as whole:  # all sites, or none
            for side in sides:
                if failures:
                    shutil.rmtree(_executed(out, side.folder), ignore_errors=True)
                new = whole.enter_context(replacing(out / f"{side.folder}{suffix}"))
                _write_site(side, new, separate, address)
        if not failures:
            for side in sides:
                shutil.rmtree(out / f"{side.folder}.incomplete", ignore_errors=True)
            if len(sides) > 1:
                beside = _assets() if separate else {}
                put(out, {"index.html": _comparison(sides, separate), **beside})
                return Built(out / "index.html")
    first = next((side for side in sides if any(page.failure for page in side.pages)), sides[0])
    return Built(out / f"{first.folder}{suffix}" / "index.html", failures)


@contextmanager
def _telling(out: Path) -> Iterator[None]:
    """Let what the disk refuses be told in one line."""
    try:
        yield
    except OSError as fault:
        where = f"{fault.filename}: " if fault.filename else ""
        raise ReportError(
            f"the report cannot be written to {out}: {where}{fault.strerror or fault}; what was there is as it was"
        ) from fault


def _check_writable(out: Path, folders: Iterable[str]) -> None:
    """Raise OSError before any notebook runs where a site could not be written after them."""
    for folder in folders:
        check_target(out / f"{folder}.incomplete")
        check_target(out / folder)
    if (out / "index.html").is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out / "index.html"))


def _check_names(asked: Sequence[tuple[Path, scenario.Scenario]]) -> None:
    """Refuse two scenarios of one name or with one folder for their sites, by their files."""
    first: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for file, story in asked:
        if (name := story.name) in first:
            same = "stands there twice" if file.resolve() == first[name].resolve() else f"and {file} have one name"
            raise ReportError(f"{first[name]} {same}: name: {name}; give each file a name of its own")
        if (folder := _folder_of(file, name)) in folders:
            raise ReportError(f"the sites of {folders[folder]} and {file} would both be {folder!r}; change one name")
        first[name] = folders[folder] = file


def _folder_of(file: Path, name: str) -> str:
    """Return the folder of a scenario's site: its name, and never that of a bundled scenario for another file.

    >>> _folder_of(Path("mine.yaml"), "my-cluster"), _folder_of(Path("mine.yaml"), "xai-colossus-2024")
    ('my-cluster', 'mine')
    """
    bundled = scenario.names()
    if name not in bundled or _is_bundled(file):
        return name
    plain = re.fullmatch(r"\w[\w -]*", file.stem)  # no folder above or hidden, and no other file of ours
    return file.stem if plain and file.stem not in bundled else f"{name}-of-mine"


def _is_bundled(file: Path) -> bool:
    return file.parent.resolve() == (catalog.data_dir() / "scenarios").resolve()


def _executed(out: Path, folder: str) -> Path:
    return out / f"{folder}.incomplete" / "executed"


def _keep_while_running(folder: Path, result: Result) -> None:
    """Put an executed notebook, whole, where a reader finds it if this run is killed; no later run reads it."""
    with suppress(FileNotFoundError):  # another run of this scenario ended just now, and removed the folder
        folder.mkdir(parents=True, exist_ok=True)
        catalog.write_whole(folder / result.job.notebook.name, nbformat.writes(result.notebook))


def notebooks_dir() -> Path:
    """Return the folder of the notebooks: that of a checkout, or the copy inside an installed package."""
    here = Path(__file__).resolve().parents[1]
    return next(folder for folder in (here.parents[1] / "notebooks", here / "notebooks") if folder.is_dir())


def sizes(folder: Path) -> str:
    """Say how large the pages are, beside what a page may carry."""
    sizes = {file.name: file.stat().st_size for file in folder.rglob("*.html")}
    largest = max(sizes, key=sizes.__getitem__)
    over = [name for name, size in sizes.items() if size > PAGE_BUDGET_BYTES]
    warning = f"; over the budget: {', '.join(over)}" if over else ""
    return (
        f"{len(sizes)} pages, {sum(sizes.values()) / 1e6:.1f} MB; the largest is {largest} with "
        f"{sizes[largest] / 1e6:.1f} MB of at most {PAGE_BUDGET_BYTES / 1e6:.0f} MB{warning}"
    )


def _argument(file: Path) -> str:
    """Return how a notebook names a scenario: the bundled ones by name, others by their full path."""
    return file.stem if _is_bundled(file) else str(file.resolve())


def _announce(
    asked: Sequence[tuple[Path, scenario.Scenario]], jobs: Sequence[Job], parameters: Mapping[str, Any]
) -> None:
    """Say on the error stream what begins, which takes longer than a reader waits without a word, and likely slips."""
    names = ", ".join(_argument(file) for file, _ in asked)
    told = "".join(f", {name} {value}" for name, value in parameters.items())
    print(f"gigacluster {gigacluster.__version__}: {len(jobs)} notebooks for {names}{told}", file=sys.stderr)
    for line in (line for _, story in asked for line in scenario.slips(story)):
        print(f"  {line}", file=sys.stderr)


def _answers(story: scenario.Scenario, parameters: Mapping[str, Any]) -> Answers:
    options = {"samples": parameters.get("n_samples", SAMPLES), "seed": parameters.get("seed", 7)}
    return answers_of(scenario.evaluate(story, device=parameters.get("device", "auto"), **options))


def _menu(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return file and label of the pages of some notebooks, of which the first is the first page."""
    return [("index", _label(names[0])), *((name, _label(name)) for name in names[1:])]


def _write_site(side: _Side, folder: Path, separate: bool, address: str) -> None:
    first, *others = pages = side.pages
    menu = [*_menu([page.name for page in pages]), *([WHAT_IF] if side.whatif else []), INPUTS]
    common: dict[str, Any] = {
        "version": gigacluster.__version__,
        "vintage": catalog.vintage(catalog.load("sources"), "accessed"),
        "menu": menu,
        "story_title": side.story.title,
        "index": _search_index(pages, menu, side.answers),
        "address": f"{address.rstrip('/')}/{side.folder}" if address else "",
        "samples": f"{side.samples:,}",
    }
    if address:
        found = scenario.evaluate(side.story, samples=2_000, device="cpu", plans=side.answers.plan)
        draw_choice(found, folder / SHARED, side.story.title, (10.0, 5.25))

    def write(name: str, template: str, description: str, **values: Any) -> None:
        place = [entry[0] for entry in menu].index(name)
        steps: dict[str, Any] = {
            "previous": menu[place - 1] if place else None,
            "next": menu[place + 1] if place + 1 < len(menu) else None,
        }
        page = shell(
            template, separate=separate, current=name, description=_plain(description), **common, **steps, **values
        )
        (folder / f"{name}.html").write_text(apart(page, folder) if separate else page, encoding="utf-8")

    for page in others:
        write(page.name, "page.html.j2", page.answer or page.title, title=page.title, page=page)
    write(
        "index",
        "index.html.j2",
        first.answer or side.story.title,
        title=side.story.title,
        page=first,
        pages=others,
        decided_on=side.story.decided_on,
    )
    write(
        "inputs",
        "inputs.html.j2",
        "Every number with the inputs behind it, every input, table and source.",
        title="Inputs",
        scenario_name=side.name,
        scenario_text=side.file.read_text(encoding="utf-8"),
        bundled=_is_bundled(side.file),
        versions=versions(),
        labels={**dict(menu), first.name: menu[0][1]},
        derivations=derivations(
            side.story,
            side.answers,
            [page.name for page in others],
            {} if side.whatif is None else side.whatif.strongest(),
        ),
        story_inputs=tuple(inputs_of_story(side.story)),
        terms=TERMS,
        tables=inputs.tables(),
        sources=inputs.sources(),
    )
    if side.whatif is not None:
        program = side.whatif.script() + asset("whatif.js")
        if separate:
            (folder / "what-if.js").write_text(program, encoding="utf-8")
        write(
            "what-if",
            "whatif.html.j2",
            "Every input to move or type, several at once, and every answer recomputed in the page.",
            title="What if?",
            program=program,
            verdict=side.answers.verdict,
            numbers=side.answers.numbers,
            data=side.whatif.data(),
            swaps=[
                {"chip": swap.chip, "n_chips": swap.n_chips, "place": place}
                for place, swap in enumerate(side.whatif.swaps)
            ],
            **fields_of_page(side.whatif),
        )
    if separate:
        for name, text in _assets().items():
            (folder / name).write_text(text, encoding="utf-8")


def _search_index(
    pages: Sequence[Page], menu: Sequence[tuple[str, str]], answers: Answers
) -> list[tuple[str, str, str]]:
    """Return what a reader may search: text, address and page of titles, headings, figures, numbers and terms."""
    names = ["index", *(page.name for page in pages[1:])]
    labels, found = dict(menu), []
    for name, page in zip(names, pages, strict=True):
        found.append((page.title, f"{name}.html", labels[name]))
        found += [(_plain(text), f"{name}.html#{anchor}", labels[name]) for anchor, text in page.headings]
        found += [(title, f"{name}.html#{anchor}", labels[name]) for anchor, title in page.figures]
    found += [(number.label, f"inputs.html#number-{number.quantity}", number.median) for number in answers.numbers]
    return found + [(term, f"inputs.html#{place_of(term)}", meaning) for term, meaning in TERMS.items()]


def _assets() -> dict[str, str]:
    """Return what pages that stand beside their style and script ask for, by file."""
    return {"style.css": asset("page.css"), "page.js": asset("page.js"), "icon.svg": asset("icon.svg")}


def _plain(markup: str, longest: int = 300) -> str:
    """Return the beginning of a text without its tags, for those who list pages.

    >>> _plain("<p><strong>Own</strong>, for $5 billion.</p>")
    'Own, for $5 billion.'
    """
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", "", markup)).split())
    return text if len(text) <= longest else text[: text.rindex(" ", 0, longest)] + " …"


#: What a page is called where its name says too little.
_LABELS = {
    "00-the-decision": "Own or rent",
    "10-concentration": "World",
    "20-scaling-laws": "Laws",
    "30-throughput": "Speed",
    "40-reliability": "Failures",
    "60-comparison": "Clusters",
    "70-planning": "Plan",
    "90-validation": "Trust",
}


def _label(name: str) -> str:
    """Return the short name of a page.

    >>> _label("20-scaling-laws"), _label("95-other-questions")
    ('Laws', 'Other questions')
    """
    return _LABELS.get(name) or name.lstrip("0123456789-").replace("-", " ").capitalize() or name


def _comparison(sides: Sequence[_Side], separate: bool) -> str:
    labels: dict[str, dict[str, None]] = {}  # of one quantity, such as goodput under the recovery of each side
    for told in (told for side in sides for told in side.answers.numbers):
        labels.setdefault(told.quantity, {})[told.label] = None
    by_side = [{number.quantity: number for number in side.answers.numbers} for side in sides]
    rows = []
    for quantity, label in labels.items():
        numbers = [numbers.get(quantity) for numbers in by_side]
        first, second = numbers[0], numbers[1]
        # Two leads or savings of which one is negative have no ratio.
        ratio = words.number(second.raw / first.raw) if first and second and min(first.raw, second.raw) > 0 else "–"
        rows.append({"label": "; ".join(label), "numbers": numbers, "ratio": ratio})
    title = " and ".join(side.name for side in sides) if len(sides) == 2 else f"{len(sides)} scenarios side by side"
    return shell(
        "compare.html.j2",
        separate=separate,
        index=None,
        address="",
        current="index",
        title=title,
        description=_plain(" ".join(side.answers.verdict for side in sides)),
        sides=sides,
        rows=rows,
        menu=_menu([page.name for page in sides[0].pages]),
        version=gigacluster.__version__,
        vintage=catalog.vintage(catalog.load("sources"), "accessed"),
    )
