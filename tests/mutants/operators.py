"""Small wrong changes of a module's source: where one can be made, and the tree that has it.

A site is a place in a syntax tree with what may stand there instead. Sites lie in the bodies of functions and in
plain assignments of a module; texts, messages, checks of types and annotations have none.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

#: Functions that write text.
TEXTS = {"__repr__", "__str__", "_repr_html_", "__rich__"}
#: Statements and expressions whose insides are texts, or are not computed.
SILENT = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Global)

OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_PAIRS = [("min", "max"), ("minimum", "maximum"), ("any", "all"), ("floor", "ceil"), ("argmin", "argmax")]
_PAIRS += [("zeros", "ones"), ("zeros_like", "ones_like"), ("log", "log1p"), ("exp", "expm1"), ("sqrt", "abs")]
#: Functions by their names, and what is called instead.
NAMES = {"sum": "max", "mean": "max", "prod": "sum", **dict(_PAIRS), **{second: first for first, second in _PAIRS}}
#: Calls whose two arguments are not of one kind, so that exchanging them only raises.
ORDERED = {"isinstance", "getattr", "setattr", "hasattr", "issubclass", "cast", "range", "replace", "as_common"}


@dataclass(frozen=True)
class Site:
    """A node in the field of its parent, and one node that may stand there instead."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    instead: ast.AST
    function: str  # dotted name of the function that it lies in; empty at the level of the module

    @property
    def line(self) -> int:
        """Line of the source, from 1."""
        return int(getattr(self.node, "lineno", getattr(self.parent, "lineno", 1)))

    @property
    def lines(self) -> range:
        """Lines over which the changed node stands."""
        return range(self.line, int(getattr(self.node, "end_lineno", self.line)) + 1)

    @property
    def change(self) -> str:
        """What stood there, and what stands there now."""
        return f"{ast.unparse(self.node)} -> {ast.unparse(self.instead)}"

    def put(self, node: ast.AST) -> None:
        """Set the place to a node."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node

    def compiled(self, tree: ast.Module, filename: str) -> object:
        """Return the code of the whole module with this one change; the tree is as before afterwards."""
        self.put(ast.copy_location(self.instead, self.node))
        try:
            return compile(ast.fix_missing_locations(tree), filename, "exec")
        finally:
            self.put(self.node)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """Return a copy of a node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def alternatives(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in place of a node, each a copy with one change."""
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in OPERATORS:
            yield _with(node, op=OPERATORS[type(op)]())
            if isinstance(node, ast.BinOp) and isinstance(op, ast.Add | ast.Mult):
                yield node.left  # a term or a factor is left out
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield from (_with(node, ops=[other()]) for other in COMPARISONS[type(op)])
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant():
            yield from _other_constants(node)
        case ast.IfExp(body=body, orelse=orelse):
            yield _with(node, body=orelse, orelse=body)
        case ast.Return(value=ast.Tuple(elts=[first, second, *rest]) as value):
            yield _with(node, value=_with(value, elts=[second, first, *rest]))
        case ast.Call():
            yield from _other_calls(node)


def _other_constants(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool() as value:
            yield _with(node, value=not value)
        case int() as value:
            yield _with(node, value=value + 1)
        case float() as value:
            yield _with(node, value=2 * value if value else 1.0)


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    func, args = node.func, node.args
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if name in NAMES:
        yield _with(node, func=_with(func, **{"attr" if isinstance(func, ast.Attribute) else "id": NAMES[name]}))
    if name == "where" and len(args) == 3:
        yield _with(node, args=[args[0], args[2], args[1]])
    elif len(args) >= 2 and name not in ORDERED | set(NAMES):
        yield _with(node, args=[args[1], args[0], *args[2:]])


def sites(tree: ast.Module) -> list[Site]:
    """Return every site of a module's tree, in the order of the source."""
    return list(_inside(tree, "", in_class=False))


def _inside(parent: ast.AST, function: str, *, in_class: bool) -> Iterator[Site]:
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "decorator_list", "bases", "keywords") and not isinstance(
            parent, ast.Call
        ):
            continue
        listed = isinstance(value, list)
        for index, node in enumerate(value if listed else [value]):
            if not isinstance(node, ast.AST) or isinstance(node, SILENT):
                continue
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                if node.name not in TEXTS:
                    name = f"{function}.{node.name}".lstrip(".")
                    yield from _inside(node, name, in_class=isinstance(node, ast.ClassDef))
                continue
            if in_class or isinstance(node, ast.arguments):  # fields and defaults are read when a class is made
                continue
            negated = (
                [ast.UnaryOp(op=ast.Not(), operand=node)] if field == "test" and isinstance(parent, ast.If) else []
            )
            for instead in [*alternatives(node), *negated]:
                if ast.dump(instead) == ast.dump(node):  # two equal values, exchanged
                    continue
                yield Site(parent, field, index if listed else None, node, instead, function)
            yield from _inside(node, function, in_class=False)
