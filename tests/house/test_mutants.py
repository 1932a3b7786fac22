"""The runner of mutants changes one thing at a time, leaves texts alone, and tells a blind test from one that sees."""

import ast
import json
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

from tests.mutants.operators import sites
from tests.mutants.session import _pass_on

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """
LIMIT = 4.0

def clipped(value: float, low: float = 0.0) -> tuple[float, float]:
    \"\"\"Return two numbers: 1 + 1.\"\"\"
    if value < low:
        raise ValueError(f"{value + 1} is below {low}")
    half = 0.5 * (value + LIMIT)
    if half == LIMIT:
        return half, half
    return min(half, LIMIT), -half
"""


def test_every_site_changes_the_code_and_leaves_the_tree_as_it_was():
    tree = ast.parse(SOURCE)
    before = ast.dump(tree)
    plain = compile(ast.parse(SOURCE), "made", "exec")
    for site in sites(tree):
        assert site.compiled(tree, "made") != plain, site.change
        first, second = site.change.split(" -> ")
        assert first != second
        assert ast.dump(tree) == before


def test_what_is_changed_is_computed_and_neither_said_nor_declared():
    changes = {site.change for site in sites(ast.parse(SOURCE))}
    assert {"value < low -> value <= low", "0.5 * (value + LIMIT) -> 0.5", "value + LIMIT -> value - LIMIT"} <= changes
    assert {"4.0 -> 8.0", "-half -> half", "min(half, LIMIT) -> max(half, LIMIT)"} <= changes
    assert not any("value + 1" in change or "1 + 1" in change or change.startswith("0.0") for change in changes)


TABLE = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Law:
    rate: float
    call: object

def grown(value):
    return value * FACTOR

def make(rate):
    return Law(rate * FACTOR, grown)

FACTOR = 1.0
LAWS = {"made": make(3.0)}
"""


@pytest.mark.parametrize(("old", "new", "rate"), [("", "", 3.0), ("make(3.0)", "make(4.0)", 4.0), ("1.0", "2.0", 6.0)])
def test_a_constant_of_classes_and_functions_is_passed_on_where_it_changed(monkeypatch, old, new, rate):
    module, user = types.ModuleType("made_laws"), types.ModuleType("made_user")
    for one in (module, user):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    exec(TABLE, module.__dict__)
    before = user.LAWS = module.LAWS
    _pass_on(module, compile(TABLE.replace(old, new), "made", "exec"))
    assert user.LAWS is module.LAWS
    assert (module.LAWS is before) == (old == "")
    assert module.LAWS["made"].rate == rate
    assert isinstance(module.LAWS["made"], module.Law)
    assert module.LAWS["made"].call(1.0) == module.grown(1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("claim", "killed"), [("area(3.0, 2.0) == 6.0", True), ("area(1.0, 1.0) > 0", False)])
def test_a_test_that_cannot_see_lets_mutants_live(tmp_path, claim, killed):
    (tmp_path / "made_module.py").write_text("def area(width, height):\n    return width * height\n")
    (tmp_path / "test_made.py").write_text(f"from made_module import area\n\ndef test_it():\n    assert {claim}\n")
    code = f"""
        import json, pytest
        from tests.mutants.session import Mutants
        plugin = Mutants(["made_module"], per_module=9, seed=1, seconds=5)
        pytest.main(["-q", "-s", "-p", "no:cacheprovider", "-c", "/dev/null", {str(tmp_path)!r}], [plugin])
        print(json.dumps(plugin.outcomes["made_module"].survivors))
    """
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{textwrap.dedent(code)}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout.splitlines()[-1]) == []) is killed


def test_the_recorded_run_has_every_module_and_its_sums_are_right():
    record = json.loads((ROOT / "tests" / "mutants" / "record.json").read_text())
    assert len(record) >= 20
    for name, one in record.items():
        assert one["killed"] + len(one["survivors"]) == one["sampled"], name
        assert (ROOT / "helpers" / f"{name.replace('.', '/')}.py").exists()
