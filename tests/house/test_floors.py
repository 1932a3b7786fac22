"""Imports run one way: the contracts of pyproject.toml, which `make lint` checks too."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
#: The exceptions of the day on which the contracts were written: none is ever added.
FIRST_EXCEPTIONS = {
    "gigacluster.reliability.evidence -> gigareport.catalog",
    "gigacluster.throughput.prediction -> gigareport.calibration.scores",
    "gigacluster.throughput.prediction -> gigareport.catalog",
    "gigareport.plots.cost -> gigareport.facts.rents",
    "gigareport.plots.validation -> gigareport.calibration.scores",
}


def test_the_contracts_hold():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_list_of_exceptions_only_shrinks():
    assert len(CONTRACTS) == 4
    assert {one for contract in CONTRACTS for one in contract.get("ignore_imports", ())} <= FIRST_EXCEPTIONS
