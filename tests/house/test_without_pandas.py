"""A scenario is read and evaluated with NumPy, SciPy and PyYAML alone: tables of pandas are made on request."""

import importlib
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[2] / "helpers"

ALONE = """
import importlib, importlib.abc, pkgutil, sys
sys.path.insert(0, {helpers!r})
allowed = {{"numpy", "scipy", "yaml", "gigacluster", "gigareport", *sys.stdlib_module_names, *sys.builtin_module_names}}

class Few(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed and not name.startswith("_"):
            raise ModuleNotFoundError(f"No module named {{name!r}}: there are NumPy, SciPy and PyYAML alone", name=name)

sys.meta_path.insert(0, Few())
"""

IMPORTS = """
failed = []
for name in ("catalog", "facts", "scenario"):
    module = importlib.import_module("gigareport." + name)
    for below in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        try:
            importlib.import_module(below.name)
        except ModuleNotFoundError as error:
            failed.append(f"{below.name}: {error}")
print(*failed, sep="\\n")
"""


def run(code):
    code = ALONE.format(helpers=str(HELPERS)) + code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_catalog_facts_and_scenarios_import_without_pandas():
    done = run(IMPORTS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


#: Every bundled scenario, and what takes other ways through the tables: other chips, and rents that were quoted later.
EVALUATED = """
import hashlib, numpy
from gigareport import scenario

small = {"cluster.n_chips": 1024, "training.n_chips": 1024}
cases = [(name, {}) for name in scenario.names()]
cases += [(scenario.STORY, small | {"cluster.chip": "H200", "decided_on": "2025-06-01"})]
cases += [(scenario.STORY, small | {"rent.kind": "followed", "rent.follows": name}) for name in ("contracts", "listed")]
for name, changes in cases:
    story = scenario.load(name, changes=changes)
    found = scenario.evaluate(story, samples=100, device="cpu")
    for answer in found.answers():
        values = numpy.ascontiguousarray(getattr(found, answer))
        print(name, answer, values.shape, hashlib.sha256(values.tobytes()).hexdigest())
print("pandas" in sys.modules)
"""


def test_every_bundled_scenario_has_the_same_answers_without_pandas_bit_for_bit(capsys):
    alone = run(EVALUATED)
    assert alone.returncode == 0, alone.stderr
    importlib.import_module("pandas")
    exec(EVALUATED, {"sys": sys})
    (*answers, has), (*wanted, had) = alone.stdout.splitlines(), capsys.readouterr().out.splitlines()
    assert (has, had) == ("False", "True")
    assert len(answers) > 7 * 40
    assert answers == wanted


def test_an_evaluation_does_not_load_pandas_where_there_is_one():
    code = "from gigareport import scenario; scenario.evaluate(scenario.load(scenario.STORY), samples=10, device='cpu')"
    code = f"import sys; sys.path.insert(0, {str(HELPERS)!r}); {code}; print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
