"""Parameters that may be anything are counted, and become fewer."""

import ast
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[2] / "helpers"
#: Parameters of both packages that are annotated with ``Any`` and nothing else. Lower it with them.
CEILING = 256


def parameters_of_any_type(source):
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    for function in functions:
        given = function.args
        for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if isinstance(getattr(parameter, "annotation", None), ast.Name) and parameter.annotation.id == "Any":
                yield f"{function.name}({parameter.arg})"


def test_the_count_sees_each_kind_of_parameter():
    source = "def f(a: Any, /, b: int, *c: Any, d: Any = 1, e: list[Any], **g: Any): ..."
    assert list(parameters_of_any_type(source)) == ["f(a)", "f(d)", "f(c)", "f(g)"]


def test_parameters_that_may_be_anything_only_become_fewer():
    found = [name for file in HELPERS.rglob("*.py") for name in parameters_of_any_type(file.read_text())]
    assert len(found) <= CEILING, "give the new ones a type"
    assert len(found) > CEILING - 40, f"well done: CEILING in {Path(__file__).name} falls to {len(found)}"
