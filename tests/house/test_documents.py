"""Documents that point into the checkout point to what is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from gigareport import dictionary
from gigareport.planner import Aim
from gigareport.scenario.reference import paths

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "helpers/README.md", "data/README.md"]


def places(document):
    """Return the paths in backticks and in links of a document, as they stand."""
    text = (ROOT / document).read_text()
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|csv|yaml|yml|json|md|ipynb|lock|toml))`", text)
    linked = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    return sorted({*named, *linked})


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document):
    beside = [ROOT, (ROOT / document).parent, ROOT / "helpers", ROOT / "data"]
    named = [place for place in places(document) if not place.startswith(("reports/", "build/", "../"))]
    missing = [place for place in named if not any((folder / place).exists() for folder in beside)]
    assert missing == []


def test_every_name_in_the_code_that_a_how_to_tells_is_there():
    text = (ROOT / "helpers" / "README.md").read_text()
    how_to = text.partition("## How to add ...")[2].partition("\n## ")[0]
    told = [name for name in re.findall(r"`([A-Za-z_.]+)`", how_to) if not name.endswith(".md")]
    names = {part for name in told for part in name.split(".")}
    assert {"AXES", "_amounts_usd", "_sum_of_powers"} <= names
    files = {*(ROOT / "helpers").rglob("*.py"), *(ROOT / "tests").rglob("*.py")} - {Path(__file__)}
    code = set(re.findall(r"\w+", "\n".join(file.read_text() for file in files)))
    assert names <= code, names - code


def test_every_command_of_make_that_a_document_names_is_there():
    commands = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z-]+)", (ROOT / document).read_text()))
        assert named <= commands, document


def test_the_reference_names_every_input_and_every_column(tmp_path):
    found = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "site" / "reference.py")
    reference = importlib.util.module_from_spec(found)
    found.loader.exec_module(reference)
    reference.write(tmp_path / "site" / "generated")
    inputs, tables = ((tmp_path / "site" / "generated" / f"{name}.md").read_text() for name in ("inputs", "tables"))
    assert [path for path, _ in paths() if f"`{path}`" not in inputs] == []
    goals = (tmp_path / "site" / "generated" / "goals.md").read_text()
    assert [path for path, _ in paths(Aim) if f"`{path}`" not in goals] == []
    for table in dictionary.tables().values():
        assert f"## {table.table}" in tables
        assert [column.column for column in table.columns if f"`{column.column}`" not in tables] == []


@pytest.mark.parametrize("document", ["README.md", "helpers/README.md"])
def test_code_that_a_document_shows_runs_or_is_a_piece_of_one(document):
    for code in re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL):
        compile(code, document, "exec")
        imports = [line for line in code.splitlines() if line.startswith(("from ", "import "))]
        exec("\n".join(imports), {})


def test_the_example_of_the_readme_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(code, {})
    assert "tp=" in capsys.readouterr().out
