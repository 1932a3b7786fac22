"""The files that make an environment agree with each other and hold no address."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Names that conda-forge gives to packages of PyPI.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def bounds(requirements):
    return dict(re.match(r"([A-Za-z0-9._-]+)(?:\[.*\])?(.*)", item).groups() for item in requirements)


@pytest.mark.parametrize(("file", "has_cupy"), [("environment.yml", True), ("environment-cpu.yml", False)])
def test_conda_environment_names_the_same_packages_and_bounds(file, has_cupy):
    *conda, pip = yaml.safe_load((ROOT / file).read_text())["dependencies"]
    listed = bounds(conda)
    assert listed.pop("python") == PROJECT["requires-python"]
    listed.pop("pip")
    assert (listed.pop("cupy", None) == ">=13.6") is has_cupy
    pypi = bounds(item for item in pip["pip"] if not item.startswith("-"))
    wanted = bounds(PROJECT["dependencies"])
    assert {**listed, **pypi} == {CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()}
    assert "--editable ." in pip["pip"]


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda file: file.name)
def test_lock_is_hashed_and_names_no_address(lock):
    text = lock.read_text()
    pinned = re.findall(r"^[A-Za-z0-9._-]+==", text, flags=re.MULTILINE)
    assert len(pinned) > 20
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "://" not in text
    assert "index-url" not in text


def test_every_dependency_is_in_the_lock():
    locked = {
        name.lower()
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    }
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert {name.lower() for name in bounds(wanted)} <= locked


def test_locks_of_the_extras_agree_with_the_main_lock():
    def pins(file):
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", file.read_text(), re.MULTILINE))

    main = pins(ROOT / "requirements.lock")
    for lock in ROOT.glob("requirements-*.lock"):
        other = pins(lock)
        assert {name: other[name] for name in other.keys() & main.keys()} == {
            name: main[name] for name in other.keys() & main.keys()
        }
