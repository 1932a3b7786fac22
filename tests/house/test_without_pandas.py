"""Catalog, facts and scenarios import with NumPy, SciPy and PyYAML alone: tables of pandas are made on request."""

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
