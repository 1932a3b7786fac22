"""Numbers in the prose of notebooks: each is computed here, recorded, published by a source, or was chosen.

Prose does not move when a model does. So that it cannot go wrong in silence, every number with a unit in a markdown
cell stands below with its proof; what a page computes belongs into an output.
"""

import json
import re
from pathlib import Path

import numpy
import pytest

from gigacluster import concentration
from gigacluster.scaling.objective import Objective
from gigareport import catalog
from gigareport.planner.plan import SCREEN_SAMPLES
from gigareport.scenario.register import default_of

ROOT = Path(__file__).resolve().parents[2]
_ONE = r"\d[\d,]*(?:\.\d+)?(?:e\d+)?"
_UNIT = (
    r"(?:%|times|points?|months?|days?|hours?|minutes?|seconds?|s|decades?|FLOP|[GT]B|GiB|bytes?|[kMG]?W|GPUs?|chips?"
    r"|node-days|nodes?|errors?|stops?|runs?|samples?|parameters|tokens|million|billion|trillion)(?!\w)"
)
#: A number or a list of them with a unit, with a currency, one out of many, or a decimal alone.
_NUMBER = re.compile(
    rf"(?<![\w.,-])(?:{_ONE}(?:, {_ONE})*(?: (?:to|and) {_ONE})?[ -]{_UNIT}|\$ ?{_ONE}(?: (?:million|billion))?"
    rf"|{_ONE} (?:of|in) {_ONE}(?!\w)|\d+\.\d+(?![\w.]))(?:/s)?"
)
#: Levels of an interval, of which every page says which one it draws.
_LEVELS = {"50 %", "80 %", "90 %", "95 %"}
#: Names of models and sizes.
_NAMES = re.compile(r"(?:Llama|Granite) \d\.\d|[A-Z][\w-]*-\d+\.\d")


def said():
    """Return the notebook of every number that the prose says, by its first two letters, with the number."""
    found = set()
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        for cell in (cell for cell in cells if cell["cell_type"] == "markdown"):
            prose = re.sub(r"\$\$.*?\$\$|`[^`]*`|\$[^$\n]*[\\=_^{][^$\n]*\$", " ", "".join(cell["source"]), flags=re.S)
            for match in _NUMBER.finditer(_NAMES.sub(" ", " ".join(prose.split()))):
                if match[0] not in _LEVELS:
                    found.add((file.name[:2], match[0]))
    return found


def _out_of_service_percent():
    """Return StepFun's repairs (their number in the row's note) times their mean, over all node-days. [%]"""
    repairs = catalog.load("restart_times").set_index("restart_id").loc["stepfun-repair"]
    watched = catalog.load("failure_rates").set_index("failure_id").loc["stepfun-unplanned"]
    (count,) = re.findall(r"mean of (\d+) repairs", repairs["note"])
    node_days = watched["window_days"] * watched["n_gpus"] / watched["gpus_per_node"]
    return 100 * int(count) * repairs["mean_s"] / 86_400 / node_days


def _stops(component):
    rows = catalog.load("component_failures").query("list == 'llama3'").set_index("component")["count"]
    assert rows.sum() == 419
    return rows[component]


#: What is computed from tables and models, in the unit of the prose; equal to the digits that are said.
COMPUTED = {
    ("10", "10,000 points"): lambda: float(concentration.hhi(numpy.array([1.0]))),
    ("20", "0.001"): lambda: Objective().delta,
    ("20", "240 runs"): lambda: len(catalog.load("scaling_chinchilla_runs")),
    ("40", "2.3 %"): _out_of_service_percent,
    ("40", "148 of 419"): lambda: _stops("Faulty GPU"),
    ("40", "6 of 419"): lambda: _stops("Silent Data Corruption"),
    ("70", "200 samples"): lambda: SCREEN_SAMPLES,
    ("90", "240 points"): lambda: len(catalog.load("scaling_chinchilla_runs")),
    ("90", "3 %"): lambda: 100 * default_of("maintenance_frac_per_year").median,
}
#: What others published: the source, in whose rows the numbers stand.
PUBLISHED = {
    ("10", "110,000 chips"): "google-spacex-2026",
    ("40", "94,870 node-days"): "cui-2025-delta",
    ("40", "5.5 days"): "stepfun-2025",
    ("50", "90 days"): "spacex-s1-2026",
    ("40", "30.1 %"): "llama3-2024",
    ("40", "222 s"): "olmo-hybrid-lambda",
    ("40", "2,334 s"): "olmo-hybrid-lambda",
    ("40", "5 to 10 %"): "ml-engineering-checkpoints",
    ("40", "2 %"): "lenovo-nvl72",
    ("40", "4 in 1,024"): "byterobust-2025",
    ("40", "0.44"): "salpekar-2026",
    ("40", "0.80"): "salpekar-2026",
    ("40", "18 minutes"): "salpekar-2026",
    ("40", "100,000 GPUs"): "salpekar-2026",
    ("40", "64 GPUs"): "clockwork-2025",
    ("40", "21.6"): "byterobust-2025",
    ("40", "1,000 node-days"): "byterobust-2025",
    ("90", "3.3 times"): "epoch-chip-stock",
}
#: What was measured once, and the document that says so, with its words.
RECORDED = {
    ("20", "28 %"): ("docs/figures-not-reached.md", "errs 10 to 28 %"),
}
#: What was chosen, and is no result: why it is that.
CHOSEN = {
    ("20", "30, 100 and 300 days"): "lengths of a run that are asked about",
    ("20", "10 %"): "size of a neglected term",
    ("40", "0.7"): "shape of the bursts that are simulated",
    ("20", "6 FLOP"): "two forward and four backward",
    ("20", "2 FLOP"): "a multiplication and an addition",
    ("70", "30 days"): "the question of the section",
    ("60", "100,000 chips"): "a size that is spoken of",
    ("90", "100,000 GPUs"): "a size that is spoken of",
}


PROVED = {**COMPUTED, **PUBLISHED, **RECORDED, **CHOSEN}


def _numbers(text):
    """Return the numbers of a text, without commas."""
    return [float(word) for word in re.findall(rf"(?<![\w.]){_ONE}(?!\w)", text.replace(",", ""))]


def test_every_number_of_the_prose_has_a_proof_and_every_proof_a_number():
    """A number that a page computes belongs into an output; one that a source prints below, with the source."""
    assert sorted(said() - set(PROVED)) == []
    assert sorted(set(PROVED) - said()) == []


def test_a_number_without_proof_is_found(tmp_path, monkeypatch):
    cell = {
        "cell_type": "markdown",
        "source": ["Owning costs $5.2 billion ($3 to 7 billion), 79 % of `9 %`, $x = 2 %$."],
    }
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00-x.ipynb").write_text(json.dumps({"cells": [cell]}))
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert {number for _, number in said()} >= {"$5.2 billion", "79 %"}
    assert not {number for _, number in said()} & {"9 %", "2 %"}


@pytest.mark.parametrize("number", COMPUTED, ids=" ".join)
def test_a_computed_number_is_as_the_prose_says(number):
    first = _numbers(number[1])[0]
    digits = len(number[1].split()[0].partition(".")[2])
    assert first == pytest.approx(COMPUTED[number](), rel=1e-9, abs=0.5 * 10**-digits)


@pytest.fixture(scope="module")
def rows_by_source():
    """Return the numbers of every row of our tables, in its cells and its note, by the source of the row."""
    found = {}
    for name in catalog.names():
        table = catalog.load(name)
        rows = table.to_dict("records") if "source_id" in table and name != "sources" else ()
        for row in rows:
            found.setdefault(row["source_id"], set()).update(_numbers(" ".join(map(str, row.values()))))
    return found


@pytest.mark.parametrize("number", PUBLISHED, ids=" ".join)
def test_a_published_number_stands_in_a_row_of_its_source(number, rows_by_source):
    for value in _numbers(number[1]):
        digits = len(str(value).removesuffix(".0").partition(".")[2])
        scales = (1, 100) if "%" in number[1] else (1,)
        printed = {one * scale for one in rows_by_source[PUBLISHED[number]] for scale in scales}
        assert any(abs(one - value) < 0.51 * 10**-digits if digits else one == value for one in printed)


@pytest.mark.parametrize("number", RECORDED, ids=" ".join)
def test_a_recorded_number_stands_in_its_document(number):
    document, words = RECORDED[number]
    assert words in (ROOT / document).read_text(encoding="utf-8")


def _without_address():
    sources = catalog.load("sources")
    lost = sources["address"].isna() & (sources["verification"] != "assumption")
    return ((lost & ~sources["source_id"].str.endswith("-recalled")).sum(),)


def _processors_from_memory():
    return (catalog.load("chips")["recalled"].fillna("").str.contains("n_processors").sum(),)


@pytest.mark.parametrize(
    ("words", "now"),
    [
        (r"Sources without an address: (\d+)\n", _without_address),
        (r"Processors of a chip: (\d+) from memory", _processors_from_memory),
    ],
)
def test_what_is_said_not_to_be_reached_is_counted_as_it_is_now(words, now):
    text = (ROOT / "docs" / "figures-not-reached.md").read_text(encoding="utf-8")
    assert tuple(map(int, re.search(words, text).groups())) == now()
