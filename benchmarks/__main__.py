"""Run every benchmark of this folder and record it whole: ``python -m benchmarks cpu`` or ``gpu``.

A benchmark is a module here with ``measure() -> dict`` of named figures (times in seconds, units in the names). One
that also runs on a GPU has ``measure_gpu(cupy) -> dict``, and ``parity(xp) -> dict`` of the largest relative difference
between NumPy and that library. The GPU run needs NumPy, SciPy, PyYAML and CuPy alone.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import numpy
import scipy

from gigacluster.arrays import device_namespace

HERE = Path(__file__).parent
#: Largest relative difference allowed between NumPy and a GPU: float64 sums in another order.
PARITY_TOLERANCE = 1e-9


def main() -> int:
    """Run the benchmarks that the command line names (all of them if it names none) and write the record."""
    kind, *wanted = sys.argv[1:] or ["cpu"]
    if kind not in ("cpu", "gpu"):
        print(f"usage: python -m benchmarks cpu|gpu [name ...]; got {kind!r}", file=sys.stderr)
        return 2
    known = sorted(file.stem for file in HERE.glob("[a-z]*.py"))
    if unknown := sorted(set(wanted) - set(known)):
        print(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    modules = [importlib.import_module(f"benchmarks.{name}") for name in known if not wanted or name in wanted]
    return _run_gpu(modules) if kind == "gpu" else _run_cpu(modules, partial=bool(wanted))


def _run_cpu(modules: list[ModuleType], *, partial: bool) -> int:
    target = HERE / "results" / "cpu.json"
    figures = json.loads(target.read_text())["figures"] if partial and target.exists() else {}
    for module in modules:
        figures[_name(module)] = _timed(module, module.measure)
    _write(target, {"device": _processor(), "threads": _threads(), "figures": figures})
    return 0


def _run_gpu(modules: list[ModuleType]) -> int:
    try:
        cupy = device_namespace("cuda")
    except RuntimeError as fault:
        print(fault, file=sys.stderr)
        return 1
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    device = properties["name"].decode()
    parity: dict[str, dict[str, float]] = {}
    figures: dict[str, dict] = {}
    broken = []
    for module in modules:
        name = _name(module)
        try:  # a benchmark that fails is told by its name, and the others are run all the same
            if hasattr(module, "parity"):
                parity[name] = module.parity(cupy)
            if hasattr(module, "measure_gpu"):
                figures[name] = _timed(module, lambda module=module: module.measure_gpu(cupy))
        except Exception as fault:
            broken.append(f"{name}: {type(fault).__name__}: {fault}")
    faults = [
        f"{name}.{what}: {difference:.2g}"
        for name, differences in parity.items()
        for what, difference in differences.items()
        if not difference <= PARITY_TOLERANCE
    ]
    record = {
        "device": device,
        "memory_gib": properties["totalGlobalMem"] / 2**30,
        "cupy": cupy.__version__,
        "cuda_runtime": cupy.cuda.runtime.runtimeGetVersion(),
        "cuda_driver": cupy.cuda.runtime.driverGetVersion(),
        "parity_largest_relative_difference": parity,
        "parity_tolerance": PARITY_TOLERANCE,
        "failed": broken,
        "figures": figures,
    }
    _write(HERE / "results" / f"{device.replace(' ', '-').lower()}.json", record)
    if faults:
        print(f"NumPy and the GPU differ by more than {PARITY_TOLERANCE:g}: {'; '.join(faults)}", file=sys.stderr)
    for fault in broken:
        print(f"failed: {fault}", file=sys.stderr)
    return 1 if faults or broken else 0


def _timed(module: ModuleType, measure) -> dict:
    start = time.perf_counter()
    print(f"{_name(module)}: measuring...", flush=True)
    figures = measure()
    print(f"{_name(module)}: done in {time.perf_counter() - start:.0f} s", flush=True)
    for name, value in figures.items():
        print(f"  {name}: {value:,.4g}" if isinstance(value, float) else f"  {name}: {value}")
    return figures


def _write(target: Path, record: dict) -> None:
    """Write a record whole or not at all."""
    versions = {"python": platform.python_version(), "numpy": numpy.__version__, "scipy": scipy.__version__}
    record = {"date": datetime.now(UTC).date().isoformat(), **versions, **record}
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1, default=float) + "\n")
    part.replace(target)
    print(f"Written: {target.relative_to(HERE.parent)}")


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {os.cpu_count()} cores"


def _threads() -> str:
    return os.environ.get("OMP_NUM_THREADS", "as the libraries choose")


if __name__ == "__main__":
    sys.exit(main())
