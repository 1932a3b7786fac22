"""Imports run one way: the contracts of pyproject.toml, which `make lint` checks too."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
#: What is left of the exceptions of the day on which the contracts were written: none is ever added.
EXCEPTIONS = {
    "gigareport.plots.validation -> gigareport.calibration.runs",
}


def test_the_contracts_hold():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_list_of_exceptions_only_shrinks():
    assert {"layers", "forbidden", "acyclic_siblings"} <= {contract["type"] for contract in CONTRACTS}
    assert {one for contract in CONTRACTS for one in contract.get("ignore_imports", ())} <= EXCEPTIONS


#: What notebooks take from the inside of a package: the list only shrinks.
INSIDES = {
    "gigacluster.throughput.plan_search",
    "gigareport.calibration.validation",
    "gigareport.scenario.survival",
}


def test_notebooks_import_from_the_faces_of_packages():
    inside = set()
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        for module in re.findall(r"\b(?:from|import) ((?:gigacluster|gigareport)\.\w+\.\w+)", notebook.read_text()):
            inside.add(module)
    assert inside <= INSIDES
