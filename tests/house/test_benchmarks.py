"""The benchmarks run where only NumPy, SciPy, PyYAML and CuPy are, and record whole results."""

import importlib
import json
import subprocess
import sys
import types
from pathlib import Path

import numpy
import pytest

from benchmarks import __main__ as benchmarks

ROOT = Path(__file__).resolve().parents[2]


def test_every_benchmark_imports_without_the_libraries_of_tables_and_figures():
    code = (
        "import importlib, sys\n"
        "for name in ('pandas', 'pydantic', 'matplotlib', 'tqdm', 'seaborn'): sys.modules[name] = None\n"
        "for name in sys.argv[1:]: importlib.import_module('benchmarks.' + name)"
    )
    names = [file.stem for file in (ROOT / "benchmarks").glob("[a-z]*.py")]
    assert len(names) >= 4
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def fake_gpu(monkeypatch, tmp_path):
    """NumPy under CuPy's name, on a device that does not exist, with results in a folder of their own."""
    library = types.ModuleType("numpy_as_cupy")
    library.__dict__.update({name: getattr(numpy, name) for name in numpy.__all__})
    runtime = types.SimpleNamespace(
        getDeviceProperties=lambda device: {"name": b"No Such GPU", "totalGlobalMem": 2**37},
        runtimeGetVersion=lambda: 13000,
        driverGetVersion=lambda: 13000,
    )
    library.cuda = types.SimpleNamespace(runtime=runtime)
    monkeypatch.setattr(benchmarks, "device_namespace", lambda device: library)
    monkeypatch.setattr(benchmarks, "HERE", tmp_path)
    return tmp_path / "results" / "no-such-gpu.json"


def module(**functions):
    made = types.ModuleType("benchmarks.made")
    made.__dict__.update(functions)
    return made


def test_a_gpu_run_records_parity_and_times(fake_gpu):
    made = module(parity=lambda xp: {"mean": 1e-12}, measure_gpu=lambda xp: {"rate_per_s": 2.0})
    assert benchmarks._run_gpu([made]) == 0
    record = json.loads(fake_gpu.read_text())
    assert record["device"] == "No Such GPU"
    assert record["parity_largest_relative_difference"] == {"made": {"mean": 1e-12}}
    assert record["figures"] == {"made": {"rate_per_s": 2.0}}


@pytest.mark.parametrize("name", ["reliability", "scaling", "scenario", "search"])
def test_the_comparison_of_libraries_finds_none_on_the_strict_array_api(name):
    strict = pytest.importorskip("array_api_strict")
    differences = importlib.import_module(f"benchmarks.{name}").parity(strict)
    assert differences
    assert max(differences.values()) <= benchmarks.PARITY_TOLERANCE


@pytest.mark.parametrize("difference", [1e-6, float("nan")])
def test_a_gpu_that_computes_otherwise_fails_the_run(fake_gpu, capsys, difference):
    assert benchmarks._run_gpu([module(parity=lambda xp: {"mean": difference})]) == 1
    assert "made.mean" in capsys.readouterr().err


def test_a_benchmark_that_fails_is_told_by_its_name_and_the_others_run(fake_gpu, capsys):
    def broken(xp):
        raise ArithmeticError("no such function")

    made = [module(measure_gpu=broken), module(measure_gpu=lambda xp: {"rate_per_s": 2.0})]
    assert benchmarks._run_gpu(made) == 1
    assert "failed: made: ArithmeticError: no such function" in capsys.readouterr().err
    assert json.loads(fake_gpu.read_text())["figures"] == {"made": {"rate_per_s": 2.0}}


def test_without_a_gpu_the_run_says_so_and_writes_nothing(monkeypatch, tmp_path, capsys):
    def none(device):
        raise RuntimeError("no GPU answers: CuPy is not installed")

    monkeypatch.setattr(benchmarks, "device_namespace", none)
    monkeypatch.setattr(benchmarks, "HERE", tmp_path)
    assert benchmarks._run_gpu([]) == 1
    assert "no GPU answers" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_the_recorded_cpu_results_have_every_benchmark():
    record = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text())
    measured = {file.stem for file in (ROOT / "benchmarks").glob("[a-z]*.py")}
    assert set(record["figures"]) == measured
