"""The files that make an environment agree with each other and hold no address."""

import json
import os
import re
import subprocess
import sys
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


def test_a_codespace_and_a_binder_make_the_same_environment_as_make_env():
    makefile = (ROOT / "Makefile").read_text()
    codespace = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    command, target = codespace["postCreateCommand"].split()
    assert command == "make"
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    (venv,) = re.findall(r"^VENV := (.+)$", makefile, re.MULTILINE)
    settings = codespace["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"] == f"{venv}/bin/python"
    assert codespace["name"] == PROJECT["name"]
    runtime = (ROOT / "binder" / "runtime.txt").read_text().strip()
    versions = {codespace["image"].rpartition(":")[2], runtime.removeprefix("python-")}
    assert len(versions) == 1, "one version of Python for both"
    least = PROJECT["requires-python"].removeprefix(">=")
    assert [int(part) for part in versions.pop().split(".")] >= [int(part) for part in least.split(".")]


def test_what_a_binder_runs_after_its_build_is_there_and_installs_what_make_env_does():
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    text, makefile = script.read_text(), (ROOT / "Makefile").read_text()
    subprocess.run(["bash", "-n", script], check=True)
    installs = re.findall(r"pip install (.+)$", text, re.MULTILINE)
    assert len(installs) == 2
    for arguments in installs:
        assert re.search(rf"pip install .*{re.escape(arguments)}", makefile), arguments
    files = [word for words in installs for word in words.split() if not word.startswith("-")]
    assert files == ["requirements.lock", "."]
    assert all((ROOT / file).exists() for file in files)


def test_what_a_binder_tells_jupyterlab_is_a_setting_of_the_locked_version(tmp_path):
    assert "binder/overrides.json" in (ROOT / "binder" / "postBuild").read_text()
    told = json.loads((ROOT / "binder" / "overrides.json").read_text())
    (plugin,) = told
    name, _, schema = plugin.partition(":")
    folder = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas" / name
    allowed = json.loads((folder / f"{schema}.json").read_text())["properties"]
    for setting, value in told[plugin].items():
        assert value in [choice["const"] for choice in allowed[setting]["oneOf"]]


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
