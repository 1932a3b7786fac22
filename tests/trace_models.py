"""Models as records for the tests of tracing, and programs that compute a record: node, and a C compiler."""

import ctypes
import json
import subprocess
from types import SimpleNamespace

import numpy

from gigacluster.emission import c, input_names, javascript
from gigacluster.trace import Record

#: Numbers at which functions change their mind.
EDGES = numpy.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 1e300, -1e-300, numpy.inf, -numpy.inf, numpy.nan]
)
#: Of a C compiler that keeps every bit: no fused multiply-add, nothing reordered.
C_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-shared", "-fPIC")

_NODE = """
const given=JSON.parse(require('fs').readFileSync(process.argv[2]),
  (key,value)=>({NaN:NaN,Infinity:Infinity,'-Infinity':-Infinity,'-0':-0})[value]??value);
const y=new Float64Array(given.outputs),x=new Float64Array(given.x.length),w=[],out=[];
for(let i=0;i<given.samples;i++){for(let k=0;k<x.length;k++)x[k]=w[k]=given.x[k][i];model(x,w,given.t,y);
  out.push(Array.from(y,v=>Object.is(v,-0)?'-0':String(v)));}
console.log(JSON.stringify(out));
"""


def same_bits(got, wanted):
    """Tell whether arrays are equal, nan in the same places and zeros of the same sign."""
    got, wanted = numpy.broadcast_arrays(numpy.asarray(got, dtype=float), numpy.asarray(wanted, dtype=float))
    equal = numpy.array_equal(got, wanted, equal_nan=True)
    return equal and bool((numpy.signbit(got) == numpy.signbit(wanted))[~numpy.isnan(got)].all())


def worst(got, wanted):
    """Return the largest relative difference, infinite where one is nan or infinite and the other is not."""
    got, wanted = numpy.broadcast_arrays(numpy.asarray(got, dtype=float), numpy.asarray(wanted, dtype=float))
    unequal = ~((got == wanted) | (numpy.isnan(got) & numpy.isnan(wanted)))
    with numpy.errstate(all="ignore"):
        apart = numpy.abs(got[unequal] - wanted[unequal]) / numpy.abs(wanted[unequal])
    return float(numpy.max(numpy.nan_to_num(apart, nan=numpy.inf, posinf=numpy.inf), initial=0.0))


def run_javascript(record, given, samples, folder):
    """Compute a record in node, with columns of inputs by name."""
    columns = [numpy.asarray(given[name], dtype=float) for name in input_names(record)]
    data = {
        "x": [_words(c.T if c.ndim == 2 else numpy.broadcast_to(c, samples)) for c in columns],
        "t": [_words(table) for table in record.tables],
        "outputs": len(record.outputs),
        "samples": samples,
    }
    (folder / "given.json").write_text(json.dumps(data))
    (folder / "model.js").write_text(javascript(record) + _NODE)
    done = subprocess.run(
        ["node", folder / "model.js", folder / "given.json"], capture_output=True, text=True, check=True
    )
    rows = [[float(value.replace("Infinity", "inf")) for value in row] for row in json.loads(done.stdout)]
    return dict(zip(record.outputs, numpy.array(rows).reshape(samples, -1).T, strict=True))


def _words(values):
    return [_words(row) if values.ndim == 2 else _word(row) for row in values]


def _word(value):
    value = float(value)
    if value == 0.0 and numpy.signbit(value):
        return "-0"
    return value if numpy.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]


def run_c(record, given, samples, folder):
    """Compile a record with ``cc`` and compute it."""
    (folder / "model.c").write_text(c(record))
    subprocess.run(["cc", *C_FLAGS, folder / "model.c", "-o", folder / "model.so", "-lm"], check=True)
    columns = [numpy.array(given[name], dtype=float, order="C") for name in input_names(record)]
    outputs = {name: numpy.empty(samples) for name in record.outputs}
    function = ctypes.CDLL(str(folder / "model.so")).model
    function(ctypes.c_long(samples), _columns(columns), _columns(record.tables), _columns(list(outputs.values())))
    return outputs


def _columns(arrays):
    pointer = ctypes.POINTER(ctypes.c_double)
    return (pointer * max(1, len(arrays)))(*[array.ctypes.data_as(pointer) for array in arrays])


def plan_record(job, coefficients, columns):
    """Return step time and memory of a plan as a record of the columns of a table of plans."""
    from gigacluster.throughput.memory import peak_memory
    from gigacluster.throughput.plans import plan_fields
    from gigacluster.throughput.step import step_time

    record = Record()
    case = job.case(**plan_fields(job, SimpleNamespace(**{name: record.input(name) for name in columns})))
    record.output("step_s", step_time(case, coefficients).total_s)
    record.output("needed_bytes", peak_memory(case).needed)
    return record
