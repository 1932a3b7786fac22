"""A record of a model (:mod:`gigacluster.trace`) written out: JavaScript for pages, C for tests, CUDA for a GPU.

What does not vary from sample to sample stands before the loop over samples. For each level comes first what needs no
long axis, then one loop along it, which fills the sums, running sums and last rows of that level; a value by row that a
later loop reads goes through a buffer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gigacluster.trace import REDUCTIONS, Node, Record

_SAME = (
    {"add": "({0}+{1})", "subtract": "({0}-{1})", "multiply": "({0}*{1})", "divide": "({0}/{1})"}
    | {"less": "({0}<{1})", "less_equal": "({0}<={1})", "equal": "({0}=={1})", "not_equal": "({0}!={1})"}
    | {"logical_and": "({0}&&{1})", "logical_or": "({0}||{1})", "logical_not": "(!{0})", "negative": "(-{0})"}
    | {"where": "({0}?{1}:{2})", "minimum": "min_({0},{1})", "maximum": "max_({0},{1})", "remainder": "mod_({0},{1})"}
)
_CALLS = ("sqrt", "exp", "expm1", "log", "log1p", "log2", "floor", "ceil", "trunc")
#: What a reduction starts from, and the operation that takes each row in.
_FOLDS = {
    "sum": ("0", "add"),
    "scan": ("0", "add"),
    "max": ("-INFINITY", "maximum"),
    "min": ("INFINITY", "minimum"),
} | {"all": ("1", "logical_and"), "any": ("0", "logical_or"), "last": ("0", "")}


@dataclass(frozen=True, kw_only=True)
class _Language:
    operations: Mapping[str, str]
    number: str  # declaration of a number, and of a truth value
    truth: str
    changing: str  # prefix of a declaration whose value changes, and of one whose value stays
    fixed: str
    buffer: str  # declaration of a value by row: its name and its length
    row: str  # the number of a row as a number, and a number as an index
    index: str
    inlines: bool  # a value that is used once stands where it is used
    helpers: str


_JAVASCRIPT = _Language(
    operations=_SAME
    | {name: f"Math.{name}({{0}})" for name in (*_CALLS, "abs")}
    | {"isfinite": "isFinite({0})", "isnan": "isNaN({0})", "number": "(+{0})", "pow": "pow_({0},{1})"}
    | {"round": "round_({0})"},
    number="",
    truth="",
    changing="let",
    fixed="const",
    buffer="if({0}.length<{1}){0}=new Float64Array({1});",
    row="r",
    index="{0}",
    inlines=True,
    helpers="""const INFINITY=Infinity,min_=Math.min,max_=Math.max;
const pow_=(a,b)=>a===1||a===-1&&(b===Infinity||b===-Infinity)?1:Math.pow(a,b);
const round_=a=>{const r=Math.round(a);return r-a===0.5&&r%2!==0?r-1:r;};
const mod_=(a,b)=>{const m=a%b;return m===0?(b<0?-0:0):(m<0)!==(b<0)?m+b:m;};
""",
)
_C = _Language(
    operations=_SAME
    | {name: f"{name}({{0}})" for name in (*_CALLS, "isfinite", "isnan")}
    | {"abs": "fabs({0})", "number": "((double)({0}))", "pow": "pow({0},{1})", "round": "rint({0})"},
    number="double ",
    truth="int ",
    changing="",
    fixed="const ",
    buffer="double {0}[{1}];",
    row="((double)r)",
    index="(long)({0})",
    inlines=False,
    helpers="""static inline double min_(double a,double b){return a<b||a!=a?a:b;}
static inline double max_(double a,double b){return a>b||a!=a?a:b;}
static inline double mod_(double a,double b){double m=fmod(a,b);return m==0?copysign(0.0,b):(m<0)!=(b<0)?m+b:m;}
""",
)
#: NVRTC brings no headers.
_CUDA_HEAD = """#define INFINITY __longlong_as_double(0x7ff0000000000000LL)
#define NaN __longlong_as_double(0x7ff8000000000000LL)
""" + _C.helpers.replace("static", "__device__ static")
_C_HEAD = "#include <math.h>\n#define NaN NAN\n" + _C.helpers


def javascript(record: Record, name: str = "model") -> str:
    """Return the constant ``name``, a function of ``x, w, t, y`` that computes one sample.

    ``x`` holds the inputs in the order of :func:`input_names`, ``w`` at the same places the columns of those that have
    rows, ``t`` the tables of the record, and ``y`` receives the outputs in their order. With ``x`` and ``y`` typed
    arrays a sample allocates nothing: its buffers are kept from call to call.
    """
    order = {input_: number for number, input_ in enumerate(input_names(record))}
    load = lambda node: f"w[{order[node.value]}][r]" if node.rows else f"x[{order[node.value]}]"  # noqa: E731
    before, inside, outputs = statements(record, _JAVASCRIPT, load)
    given = [f"y[{number}]={value};" for number, value in enumerate(outputs.values())]
    body = "\n".join([*before, *inside, *given])
    kept = re.findall(r"^if\((b\d+)\.length", body, re.MULTILINE)
    buffers = f"let {','.join(f'{held}=new Float64Array(0)' for held in kept)};\n" if kept else ""
    head = f'const {name}=(()=>{{"use strict";\n{_JAVASCRIPT.helpers}{buffers}'
    return f"{head}return function(x,w,t,y){{\n{body}\n}};}})();\n"


def c(record: Record, name: str = "model", *, cuda: bool = False, most_steps: int = 0) -> str:
    """Return a function ``name(n, x, t, y)`` that computes ``n`` samples, or a CUDA kernel with a thread a sample.

    ``x`` holds a column for each input in the order of :func:`input_names`: of n numbers, of 1 if the input does not
    vary, of rows x n or rows if it has rows. ``t`` and ``y`` hold columns, too. With ``most_steps`` a sample goes
    through the record again and again: outputs take the place of the inputs of their names until the output ``done``
    is true, so many times at most.
    """
    order = {input_: number for number, input_ in enumerate(input_names(record))}
    state = {output: f"s{order[output]}" for output in record.outputs if most_steps and output in order}

    def load(node: Node) -> str:
        if node.value in state:
            return state[node.value]
        place = ("r*n+i" if node.rows else "i") if node.varies else ("r" if node.rows else "0")
        return f"x[{order[node.value]}][{place}]"

    before, inside, outputs = statements(record, _C, load)
    if state:
        first = [f"double {held}=x[{order[output]}][i];" for output, held in state.items()]
        new = [f"const double new_{held}={outputs[output]};" for output, held in state.items()]
        kept = [f"{held}=new_{held};" for held in state.values()]
        inside = [
            *first,
            f"for(int k=0;k<{most_steps};k++){{",
            *inside,
            *new,
            *kept,
            f"if({outputs['done']})break;",
            "}",
        ]
        outputs = state
    body = "\n".join([*inside, *(f"y[{number}][i]={value};" for number, value in enumerate(outputs.values()))])
    start, step = ("blockIdx.x*(long)blockDim.x+threadIdx.x", "gridDim.x*(long)blockDim.x") if cuda else ("0", "1")
    kind = 'extern "C" __global__ void' if cuda else "void"
    return (
        f"{_CUDA_HEAD if cuda else _C_HEAD}{kind} {name}(long n,const double*const*x,const double*const*t,"
        "double*const*y){\n" + "\n".join(before) + f"\nfor(long i={start};i<n;i+={step}){{\n{body}\n}}\n}}\n"
    )


def input_names(record: Record) -> list[str]:
    """Return the inputs of a record, in the order in which its functions take them."""
    return [node.value for node in record.nodes if node.op == "input"]


def statements(
    record: Record, language: _Language, load: Callable[[Node], str]
) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the statements before and inside the loop over samples, and what each output is called there."""
    writer = _Writer(record, language, load)
    before: list[str] = []
    inside: list[str] = []
    for home in sorted({_home(node) for node in writer.nodes}):
        here = [node for node in writer.nodes if _home(node) == home]
        if home[1]:
            inside += writer.loop(here, home[1])
        for node in here if not home[1] else ():
            (inside if node.varies or home[0] else before).extend(writer.statement(node))
    return before, inside, {name: writer.names[node.index] for name, node in record.outputs.items()}


def _home(node: Node) -> tuple[int, int]:
    """Return level and long axis of the block that computes a node; what needs no loop comes first in a level."""
    return (node.level - 1, node.value) if node.op in REDUCTIONS else (node.level, node.rows)


class _Writer:
    """Writes the nodes of a record, and remembers what each is called."""

    def __init__(self, record: Record, language: _Language, load: Callable[[Node], str]) -> None:
        self.record, self.language, self.load = record, language, load
        self.nodes = record.needed()
        self.names: dict[int, str] = {}
        pairs = [(argument, node) for node in self.nodes for argument in node.args]
        uses = Counter(argument.index for argument, _ in pairs)
        uses.update(node.index for node in record.outputs.values())
        #: Nodes that stand inside the one expression that uses them, and nodes by row that a later loop reads.
        self.inline = {
            argument.index
            for argument, node in pairs
            if language.inlines and uses[argument.index] == 1 and _home(argument) == _home(node)
            if node.op in language.operations
        }
        self.buffered = {a.index for a, node in pairs if a.rows and a.args and _home(a)[0] < _home(node)[0]}

    def loop(self, here: list[Node], rows: int) -> list[str]:
        """Return one loop along the long axis."""
        name, more = self.record.lengths.get(rows, ("", rows))
        symbol = next((node for node in self.record.nodes if name and node.value == name), None)
        length = self.language.index.format(f"{self.load(symbol)}+{more}" if symbol else more)
        before, inside = [], []
        for node in here:
            if node.op in _FOLDS:
                self.names[node.index] = name = f"v{node.index}"
                start, step = _FOLDS[node.op]
                before.append(f"{self._declare(node, self.language.changing)} {name}={start};")
                argument = self.names[node.args[0].index]
                inside.append(f"{name}={self.language.operations[step].format(name, argument) if step else argument};")
            else:
                inside += self.statement(node)
            if node.index in self.buffered:
                before.append(self.language.buffer.format(f"b{node.index}", length))
                inside.append(f"b{node.index}[r]={self.names[node.index]};")
        self.names |= {node.index: f"b{node.index}[r]" for node in here if node.index in self.buffered}
        counter = "let" if self.language.inlines else "long"
        return [*before, f"for({counter} r=0;r<{length};r++){{", *inside, "}"]

    def statement(self, node: Node) -> list[str]:
        """Name a node, and return the statement that computes it, if it needs one."""
        text = self._expression(node)
        self.names[node.index] = text
        if not node.args or node.index in self.inline:
            return []
        self.names[node.index] = f"v{node.index}"
        return [f"{self._declare(node, self.language.fixed)} v{node.index}={text};"]

    def _declare(self, node: Node, prefix: str) -> str:
        return (prefix + " " + (self.language.truth if node.truth else self.language.number)).strip()

    def _expression(self, node: Node) -> str:
        args = [self.names[argument.index] for argument in node.args]
        match node.op:
            case "constant":
                text = _constant(node.value)
                return text.replace(".0)", ")").removesuffix(".0") if self.language.inlines else text
            case "input":
                return self.load(node)
            case "row":
                return self.language.row
            case "column":
                return f"t[{node.value}][r]"
        return self.language.operations[node.op].format(*args)


def _constant(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if math.isnan(value):
        return "NaN"
    text = "INFINITY" if math.isinf(value) else repr(abs(value))
    return f"(-{text})" if math.copysign(1.0, value) < 0 else text
