"""The files that make an environment agree with each other and hold no address."""

import re
import tomllib
from pathlib import Path

import yaml

import gigacluster

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Names that conda-forge gives to packages of PyPI.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def bounds(requirements):
    return dict(re.match(r"([A-Za-z0-9._-]+)(?:\[.*\])?(.*)", item).groups() for item in requirements)


def test_conda_environment_names_the_same_packages_and_bounds():
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    listed = bounds(conda)
    assert listed.pop("python") == PROJECT["requires-python"]
    listed.pop("pip")
    assert listed.pop("cupy") == ">=14.0"
    pypi = bounds(item for item in pip["pip"] if not item.startswith("-"))
    wanted = bounds(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["report"])
    assert {**listed, **pypi} == {CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()}
    assert "--editable ." in pip["pip"]


def test_lock_is_hashed_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text()
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
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + extras["report"] + extras["test"]
    assert {name.lower() for name in bounds(wanted)} <= locked


def test_the_version_is_the_same_wherever_it_stands():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == citation["version"] == gigacluster.__version__


def test_workflows_templates_and_checks_before_a_commit_can_be_read():
    files = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]
    assert len(files) > 5
    for file in files:
        content = yaml.safe_load(file.read_text())
        if file.parent.name == "ISSUE_TEMPLATE" and file.stem != "config":
            assert {"name", "description", "body"} <= set(content), file


#: Actions whose hash was not yet looked up at the origin; the list only shrinks.
BY_TAG = {"actions/configure-pages", "actions/upload-pages-artifact", "actions/deploy-pages"}


def test_workflows_name_an_action_by_the_hash_of_a_commit():
    used = [
        step["uses"].partition("@")
        for file in (ROOT / ".github" / "workflows").glob("*.yml")
        for job in yaml.safe_load(file.read_text())["jobs"].values()
        for step in job["steps"]
        if "uses" in step
    ]
    assert len(used) > 10
    assert {name for name, _, version in used if not re.fullmatch("[0-9a-f]{40}", version)} == BY_TAG
