import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from gigacluster import arrays
from gigacluster.arrays import Namespace, as_common, device_namespace, namespace_of, to_device, to_host


def test_numbers_alone_become_numpy_float64():
    xp, (one, two) = as_common(1, numpy.float32(2.5))
    assert xp is numpy
    assert (one.dtype, two.dtype) == (numpy.float64, numpy.float64)
    assert float(two) == 2.5


def test_numbers_follow_the_arrays_to_their_library_and_device(xp):
    given = xp.array([1.0, 2.0])
    library, (array, number) = as_common(given, 3)
    assert library is xp.library
    assert str(number.device) == str(array.device)
    assert to_host(array * number).tolist() == [3.0, 6.0]


def test_integers_become_float64(xp):
    _, (array,) = as_common(xp.array([1, 2], dtype=xp.int64))
    assert array.dtype == xp.float64


def test_mixed_libraries_are_refused_by_name():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="array_api_strict and numpy; convert"):
        as_common(numpy.ones(2), strict.asarray([1.0]))


def test_mixed_devices_are_refused_by_name():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(ValueError, match="devices .*device1"):
        as_common(strict.asarray([1.0]), strict.asarray([1.0], device=strict.Device("device1")))


def test_to_host_returns_numpy_from_every_library(xp):
    host = to_host(xp.array([[1.0, 2.0]]))
    assert type(host) is numpy.ndarray
    assert host.tolist() == [[1.0, 2.0]]


def test_read_only_input_is_not_copied_and_not_written():
    given = numpy.ones(3)
    given.setflags(write=False)
    _, (array,) = as_common(given)
    assert array is given


def test_namespace_of_numpy_is_numpy():
    assert namespace_of(numpy.ones(1)) is numpy


def test_unknown_device_says_what_is_allowed():
    with pytest.raises(ValueError, match="'tpu'; it can be 'auto', 'cpu' or 'cuda'"):
        device_namespace("tpu")


def test_environment_variable_overrides_auto(monkeypatch):
    monkeypatch.setenv(arrays.DEVICE_VARIABLE, "cpu")
    assert device_namespace("auto") is numpy
    monkeypatch.setenv(arrays.DEVICE_VARIABLE, "gpu")
    with pytest.raises(ValueError, match="device is 'gpu'"):
        device_namespace("auto")


def test_without_a_gpu_auto_says_once_that_it_uses_the_cpu():
    code = (
        "import sys; sys.modules['cupy'] = None\n"  # as if CuPy were not installed
        "from gigacluster.arrays import to_device\n"
        "print(type(to_device([1.0])), type(to_device([2.0])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("computing on the CPU (CuPy is not installed)") == 1
    assert done.stdout.count("numpy.ndarray") == 2


def test_cuda_without_a_gpu_says_why_and_what_to_do():
    code = "import sys; sys.modules['cupy'] = None\nfrom gigacluster.arrays import to_device\nto_device([1.0], 'cuda')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "no GPU answers: CuPy is not installed; use device='auto' or 'cpu'" in done.stderr


def test_an_old_cupy_is_refused_with_what_to_install():
    code = (
        "import sys, types\n"
        "sys.modules['cupy'] = types.SimpleNamespace(__version__='13.6.0')\n"
        "from gigacluster.arrays import to_device\nto_device([1.0], 'cuda')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "CuPy 13.6.0 lacks functions that are called; install CuPy 14 or newer" in done.stderr


def test_to_device_makes_float64():
    assert to_device([1, 2], "cpu").dtype == numpy.float64


#: The names that models may ask an array library for.
NAMES = {name for name in vars(Namespace) if not name.startswith("_")} | set(Namespace.__annotations__)


def test_every_name_that_models_may_use_is_in_numpy_and_in_the_array_api_standard():
    strict = pytest.importorskip("array_api_strict")
    assert len(NAMES) > 40
    for space in (numpy, strict):
        assert {name for name in NAMES if not hasattr(space, name)} == set()


def test_every_model_asks_its_library_only_for_those_names():
    files = Path(arrays.__file__).parent.rglob("*.py")
    used = {(name, file.name) for file in files for name in re.findall(r"\bxp\.([a-z]\w*)", file.read_text())}
    assert {(name, file) for name, file in used if name not in NAMES} == set()


PAGES = """
import resource, numpy
from gigacluster.arrays import keep_freed_memory
keep_freed_memory()
faults = []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [numpy.ones(2**17) for _ in range(16)]  # 16 MiB, 4,096 pages
    del arrays
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than GNU's")
def test_freed_arrays_are_not_cleared_anew_by_the_system():
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    faults = {}
    for kept, env in (("ours", bare), ("the user's", {**bare, "MALLOC_TRIM_THRESHOLD_": "65536"})):
        done = subprocess.run([sys.executable, "-c", PAGES], env=env, capture_output=True, text=True, check=True)
        faults[kept] = int(done.stdout.split()[-1])
    assert faults["ours"] < 100
    assert faults["the user's"] > 1_000  # what somebody asked for stays
