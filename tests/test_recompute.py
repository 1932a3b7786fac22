"""The page's program answers as the report does, whatever a reader changes."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
from scipy import special

from gigacluster.uncertainty import Uncertain
from gigareport import scenario
from gigareport.pages.recompute import LEFT_OUT, answers_of, program
from gigareport.scenario.inputs import alike, draw_inputs
from gigareport.scenario.known import known_of, world_stock_of
from gigareport.scenario.outlook import Outlook
from tests.trace_models import worst

SAMPLES = 100
ASSET = Path(scenario.__file__).parents[1] / "pages" / "assets" / "spine.js"

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run JavaScript"),
]

_RUN = """
const fs=require('fs'),{data,cases}=JSON.parse(fs.readFileSync(process.argv[2]));
const out=cases.map(changes=>{const found=recompute(spine,data,changes);
  return Object.fromEntries(Object.entries(found).map(([k,v])=>[k,{values:Array.from(v,String),...summary(v)}]));});
console.log(JSON.stringify(out,(k,v)=>typeof v==='number'?String(v):v));
"""


@pytest.fixture(scope="module", params=scenario.names())
def made(request):
    story = scenario.load(request.param)
    plan = scenario.search_plan(story)
    return story, plan, program(story, plan, samples=SAMPLES)


def run(made, cases, folder):
    (folder / "page.js").write_text(made[2].javascript + ASSET.read_text() + _RUN)
    (folder / "given.json").write_text(json.dumps({"data": made[2].data, "cases": cases}))
    done = subprocess.run(
        ["node", folder / "page.js", folder / "given.json"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def numbers(texts):
    return numpy.array([float(text.replace("Infinity", "inf")) for text in texts])


def in_python(made, changes):
    """Return the answers of the models themselves to changed inputs, at the draws that travel with the page."""
    story, plan, page = made
    inputs, given = page.data["inputs"] | changes, {}
    latest = page.data["latest_start"] * inputs["horizon_months"]
    for name, told in inputs.items():
        packed = page.data["draws"].get(name)
        draws = None if packed is None else numpy.frombuffer(base64.b64decode(packed), "<f4").astype(float)
        if told is None:
            given[name] = draws
            continue
        if isinstance(told, dict):
            low, median, high = (told.get(key, numpy.nan) for key in ("low", "median", "high"))
            lower, upper = told.get("lower", -numpy.inf), told.get("upper", numpy.inf)
            if name in page.data["starts"]:
                low, median, high, upper = (min(value, latest) for value in (low, median, high, upper))
            value = Uncertain(low=low, median=median, high=high, lower=lower, upper=upper)
            given[name] = value.quantile(numpy.full(SAMPLES, 0.5) if draws is None else special.ndtr(draws))
        else:
            given[name] = numpy.full(SAMPLES, float(told))
    (form,) = alike([story])
    known = known_of([form], [plan], draw_inputs([{name: world_stock_of(story) for name in _KNOWN_DRAWS}], 1, 7))
    return answers_of(form, known, given, int(inputs["horizon_months"]))


_KNOWN_DRAWS = ("scaling.replicate", "throughput.log_error", "concentration.world_stock")


def random_changes(page, seed):
    """Return what a reader might move: some inputs together, numbers typed, another horizon, another count."""
    rng = numpy.random.default_rng(seed)
    changes = {"horizon_months": int(rng.integers(2, 120)), "cluster.n_chips": float(rng.integers(100, 300_000))}
    spreads = [name for name, told in page.data["inputs"].items() if isinstance(told, dict) and "low" in told]
    for name in rng.choice(spreads, 12, replace=False):
        told = page.data["inputs"][name]
        least, most = told.get("lower", -numpy.inf), told.get("upper", numpy.inf)
        factor = rng.uniform(0.3, 3.0)
        moved = {key: float(min(max(told[key] * factor, least), most)) for key in ("low", "median", "high")}
        changes[name] = moved["median"] if rng.uniform() < 0.3 else told | dict(sorted(moved.items()))
        if isinstance(changes[name], dict):
            changes[name] |= dict(zip(("low", "median", "high"), sorted(moved.values()), strict=True))
    return changes


def test_random_what_ifs_equal_python_and_are_nan_in_the_same_places(made, tmp_path):
    cases = [{}, *(random_changes(made[2], seed) for seed in range(12))]
    for changes, found in zip(cases, run(made, cases, tmp_path), strict=True):
        wanted = in_python(made, changes)
        apart = {name: worst(numbers(found[name]["values"]), wanted[name]) for name in wanted}
        assert {name: value for name, value in apart.items() if not value < 1e-9} == {}, changes


def test_the_page_starts_from_the_samples_of_the_report(made, tmp_path):
    story, plan, page = made
    outlook = scenario.evaluate(story, samples=SAMPLES, plans=plan)
    (found,) = run(made, [{}], tmp_path)
    assert set(found) | set(LEFT_OUT) == set(Outlook.answers())
    for name in ("own_usd", "rent_usd", "goodput_frac", "run_loss", "lead_months"):  # draws in single precision
        assert numbers(found[name]["values"]) == pytest.approx(getattr(outlook, name), rel=1e-4, nan_ok=True)


def test_quantiles_are_those_of_numpy_and_samples_without_an_answer_are_counted(made, tmp_path):
    (found,) = run(made, [{"horizon_months": 24}], tmp_path)
    for answer in found.values():
        values = numbers(answer["values"])
        known = values[~numpy.isnan(values)]
        assert float(answer["without"]) == pytest.approx(1 - len(known) / SAMPLES)
        if len(known) and numpy.isfinite(known).all():
            assert numbers(answer["quantiles"]) == pytest.approx(numpy.quantile(known, [0.05, 0.5, 0.95]), rel=1e-12)


def test_the_program_is_small(made):
    page = made[2]
    assert len(page.record.needed()) <= 2000
    assert len(page.javascript) < 25_000
    assert len(ASSET.read_text().splitlines()) <= 65
