"""An assumption changed in the first cell of a notebook reaches its answer, its figures and its tables."""

import json
from pathlib import Path

import nbformat
import pytest

from gigareport.explore import EXPLORE_MIME
from gigareport.pages.execute import Job, run_all
from gigareport.plots.display import FIGURE_MIME
from gigareport.scenario import STORY

FOLDER = Path(__file__).resolve().parents[3] / "notebooks"
#: As people write them: commas, a chip swapped, a size that the job follows, another horizon.
CHANGES = {
    "own.chip_usd": ["12,000", "15,000", "18,000"],
    "rent.committed_usd_per_chip_hour": "3.10",
    "cluster.chip": "H200",
    "cluster.n_chips": "65,536",
    "training.n_chips": 65_536,
    "horizon_months": "36",
    "reliability.failures_per_1000_node_days": "9",
}
FAST = ("50-cost",)
SLOW = (
    "00-the-decision",
    "10-concentration",
    "20-scaling-laws",
    "30-throughput",
    "40-reliability",
    "60-comparison",
    "70-planning",
)
#: Figures that are about the world, published runs or the story, whatever the scenario; of 90 these are all.
NOT_OF_THE_SCENARIO = {
    "00-the-decision": 1,  # what happened
    "10-concentration": 2,  # who owns it, and the index
    "20-scaling-laws": 2,  # approaches, laws of a score
    "40-reliability": 2,  # what fails, published figures
    "50-cost": 2,  # costs that others published, worth by the watt
}


@pytest.fixture
def before(site_of):
    """Return a notebook of the story's site, which nobody changed."""
    folder, failures = site_of(STORY)
    assert failures == ""
    return lambda notebook: nbformat.read(folder.parent / "executed" / f"{notebook}.ipynb", as_version=4)


def changed(notebook):
    (result,) = run_all([Job(FOLDER / f"{notebook}.ipynb", STORY, {"changes": CHANGES, "n_samples": 200})], 1)
    assert result.failure == ""
    return result.notebook


def shown(notebook):
    """Return the sentences, the figures and the tables of an executed notebook, in order, as texts."""
    found = {"sentences": [], "figures": [], "tables": []}
    for cell in notebook.cells:
        streams = [output for output in cell.get("outputs", ()) if output.output_type == "stream"]
        assert [stream.text for stream in streams if stream.name == "stderr"] == []  # a red box in JupyterLab
        for data in (output["data"] for output in cell.get("outputs", ()) if "data" in output):
            figure = data.get(FIGURE_MIME) or data.get(EXPLORE_MIME, {}).get("figure")
            if figure:
                assert not figure.get("unsupported"), figure["title"]
                found["figures"].append(json.dumps(figure))
            elif "<table" in data.get("text/html", ""):
                found["tables"].append(data["text/html"])
            elif "text/markdown" in data:
                found["sentences"].append(data["text/markdown"])
    return found


@pytest.mark.parametrize("notebook", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_what_a_reader_changes_reaches_the_answer_and_the_figures_below(notebook, before, monkeypatch):
    monkeypatch.setenv("GIGACLUSTER_SCENARIO", STORY)
    before, after = shown(before(notebook)), shown(changed(notebook))
    assert len(before["figures"]) == len(after["figures"])
    same = [one for one, other in zip(before["figures"], after["figures"], strict=True) if one == other]
    assert len(same) <= NOT_OF_THE_SCENARIO.get(notebook, 0), [json.loads(one)["title"] for one in same]
    assert before["tables"] != after["tables"] or not before["tables"]
    if notebook != "10-concentration":  # its answer is about the world
        assert before["sentences"] != after["sentences"]
