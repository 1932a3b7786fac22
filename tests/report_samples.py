"""Small notebooks and an outlook to build a site from, without the models."""

import contextlib
import os
import resource
import sys
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from gigacluster.uncertainty import Interval

#: Before a command: read-only folders are read-only for root, too (two capabilities are dropped).
BOUND_BY_MODES = (
    sys.executable,
    "-c",
    "import ctypes, os, sys; [ctypes.CDLL(None).prctl(24, power, 0, 0, 0) for power in (1, 2)]; "
    "os.execv(sys.argv[1], sys.argv[1:])",
)[: None if os.geteuid() == 0 else 0]
DRAW = """
import numpy as np, pandas as pd
from gigareport import plots
from gigareport.explore import explore
x = np.logspace(0, 5, 50)
def rate(n_chips=1000, cooling="air"):
    fig, ax = plots.figure()
    ax.loglog(x, x * n_chips)
    plots.band(ax, x, 0.5 * x * n_chips, 2 * x * n_chips)
    ax.set(xlabel="Chips [chip]", ylabel="Rate [token/s]", ylim=(1e2, 1e10))
    table = pd.DataFrame({"chips": x, "rate": x * n_chips})
    chart = plots.Chart(fig, ax, tables=[table], said=["A line rises \\"evenly\\"."])
    title = f"{n_chips:,} chips with {cooling} train <fast>"
    return plots.finished(chart, title=title, source="Epoch AI", vintage="2026-01-31")
""".strip()


def markdown(text, number):
    return {"cell_type": "markdown", "id": f"m{number}", "metadata": {}, "source": text}


def code(text, number, *tags):
    empty = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": f"c{number}", "metadata": {"tags": list(tags)}, "source": text, **empty}


def write_notebook(file, *cells):
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    nbformat.write(nbformat.from_dict(notebook), file)


CHART = """
table = pd.DataFrame({"label": ["Own", "<Rent>"], "low": [1.0, 2.0], "median": [2.0, 3.0], "high": [3.0, 5.0]})
plots.show(plots.marks.rows(table, "Cost [$ billion]"), title="Owning <costs> 2", source="us", vintage="2026-01-31")
""".strip()


FRONT = """
plots.show_front(plots.Front(
    answer="Owning costs [$4.0 billion](#number/xai-colossus-2024/own_usd) <less>.", as_of="July 2024",
    figure=rate(), against=pd.DataFrame({"against": ["contract, 48 <months>"], "own better by": ["$2.1 billion"]}),
    note="A *benchmark*.", happened={"own": "$4.7 billion"}, flips={"price": "below $2.10"}, trust="Off by 2.6 times.",
))
""".strip()


def write_notebooks(folder):
    """Write two notebooks with everything a page can hold."""
    folder.mkdir(exist_ok=True)
    write_notebook(
        folder / "00-first.ipynb",
        markdown("# What is <b>first</b>?", 0),
        code('scenario_name, n_samples = "", 100', 1, "parameters"),
        code(DRAW, 2),
        code(FRONT, 10),
        code(
            'plots.say(f"It costs $4.7 billion, not $10 billion, with {n_samples} samples <script>alert(1)</script>.")',
            3,
        ),
        markdown(
            "## A step\nThe law is $L = E + A / N^\\alpha$.\n\n$$\\frac{a}{b}$$\n\n| a | b |\n|---|---|\n| 1 | 2 |", 4
        ),
        code("plots.show(rate())", 5),
        code(
            'explore(rate, n_chips=(1000, 5000, 1000), cooling=["air", "liquid"], labels={"n_chips": "Chips [chip]"})',
            6,
        ),
        code('pd.DataFrame({"<i>x</i>": [1.5, 2.5], "b": ["<script>", "ok"]}, index=["r", "s"])', 7),
        code('print("printed & <done>")', 8),
        code(
            'pd.DataFrame({"claim": ["a", "b", "c"], "evidence": ["Words " * 40] * 3, "later": ["More " * 40] * 3})'
            ".style.hide()",
            11,
        ),
        code("pd.DataFrame({f'column number {place}': [-0.0, 1e6, 2e6] for place in range(20)})", 12),
        markdown("$$" + " + ".join(f"x_{{{place}}} y_{{{place}}}" for place in range(14)) + "$$", 13),
        markdown("## What could change this answer?\nEverything.", 9),
    )
    write_notebook(
        folder / "10-second.ipynb",
        markdown("# And the second?", 0),
        code('scenario_name, n_samples = "", 100', 1, "parameters"),
        code(DRAW, 2),
        code(
            "fig, axes = plots.figure(ncols=2, sharey=True)\nfor ax in axes:\n    ax.plot([1, 2], [3, 4])\n"
            'axes[0].set(xlabel="x [s]", ylabel="y [m]")\n'
            'chart = plots.Chart(fig, axes[0], tables=[pd.DataFrame({"x [s]": [1, 2]})], said=["Two lines."])\n'
            'plots.show(chart, title="Two", source="us", vintage="2026-01-31")',
            3,
        ),
        code('plots.say("Half, 50%, costs [$4.0 billion](#number/xai-colossus-2024/own_usd).")', 6),
        code("explore(rate, n_chips=[1000, 2000, 3000])", 4),
        code(CHART, 5),
    )
    return folder


@contextlib.contextmanager
def full_disk(largest_bytes):
    """Let no file grow beyond a size, as if the disk were full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def execute_notebooks(folder):
    """Write the small notebooks with what their cells gave."""
    from gigareport.pages import execute
    from gigareport.plots.display import PAGE_VARIABLE

    sources = sorted(write_notebooks(folder / "source").glob("*.ipynb"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(PAGE_VARIABLE, raising=False)
        jobs = [execute.Job(source, "xai-colossus-2024", {"scenario_name": "xai-colossus-2024"}) for source in sources]
        for result in execute.run_all(jobs, 2):
            assert result.failure == ""
            nbformat.write(result.notebook, folder / result.job.notebook.name)


def without_kernels(monkeypatch, executed=None):
    """Let a site show its notebooks as they are stored, or as they lie in a folder, executed."""
    from gigareport.pages import execute, site

    def run_all(jobs, processes, limit_s, keep):
        for job in jobs:
            file = executed / job.notebook.name if executed else job.notebook
            keep(execute.Result(job, nbformat.read(file, 4)))

    monkeypatch.setattr(site, "run_all", run_all)


class Outlook(SimpleNamespace):
    """The part of an outlook that a report reads."""

    verdict = "Own, for 4.0 % <less>."
    samples = 10_000
    plan = None

    def to_frame(self):
        rows = [(f"quantity_{n}", f"Quantity {n}", 1.0 * n, 2.0 * n, 4.0 * n, "days", 0) for n in range(1, 8)]
        rows.append(("own_usd", "Cost to own", 3e9, 4e9, 5e9, "USD", 0.05))
        return pd.DataFrame(rows, columns=["quantity", "label", "low", "median", "high", "unit", "without_frac"])

    def interval(self, name):
        row = self.to_frame().set_index("quantity").loc[name]
        return Interval(row["low"], row["median"], row["high"], without_frac=row["without_frac"])


def fake_scenarios(monkeypatch):
    """Give every scenario a title and a story with markup, and answer with the small outlook."""
    from gigareport import scenario

    load = scenario.load

    def loaded(file):
        return replace(load(file), title="Own or <rent>?", story="A story with <b>markup</b>.")

    monkeypatch.setattr(scenario, "load", loaded)
    monkeypatch.setattr("gigareport.pages.site.whatif_of", lambda *_: None)
    monkeypatch.setattr(scenario, "evaluate", lambda story, **options: Outlook(), raising=False)
