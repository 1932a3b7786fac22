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
from benchmarks import machine, scaling
from gigacluster.trace import Record

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


def test_operations_and_bytes_of_a_record_count_every_row_of_its_long_axis():
    record = Record()
    x, w = record.input("x"), record.input("w", rows=100)
    record.output("x", record.space.sum(record.space.exp(w * x[:, None]), axis=1))
    assert machine.operations(record) == {"products_per_s": 100 + 100, "exp_per_s": 100}
    assert machine.moved_bytes(record) == 8 * (100 + 1 + 1)
    assert machine.moved_bytes(record, again=True) == 8 * 100
    rates = dict.fromkeys(("products_per_s", "exp_per_s", "copied_bytes_per_s"), 1e9)
    reached = machine.achieved(record, 1e6, rates)
    assert (reached["achieved_flop_per_s"], reached["share_of_limit"]) == (3e8, pytest.approx(0.816))


def test_a_benchmark_of_fits_says_what_it_achieves_beside_the_ceilings(monkeypatch):
    """On NumPy, because no GPU is at hand: the same code, the ceilings of this machine."""
    rates = dict.fromkeys(("products_per_s", "divisions_per_s", "exp_per_s", "log_per_s", "copied_bytes_per_s"), 1e9)
    monkeypatch.setattr(machine, "measure_gpu", lambda xp: rates)
    found = scaling._achieved(numpy, fits=200)
    runs = scaling._problem(numpy)[0].log_loss.shape[1]
    assert found["iterations"] > 200
    each = found["iterations"] / found["fits_s"]
    # Two exponentials and a logarithm a run are the least; the weights are read in every iteration.
    assert found["achieved_flop_per_s"] > 3 * runs * each
    assert found["achieved_bytes_per_s"] == pytest.approx(8 * runs * each, rel=0.1)
    assert found["share_of_limit"] == pytest.approx(found["achieved_flop_per_s"] / 1e9)
