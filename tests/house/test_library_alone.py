"""The library on NumPy and SciPy alone: every module imports where nothing else is installed."""

import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[2] / "helpers"
#: What an import may cost. [CPU-s] Half of it is NumPy's own on a slow core.
LONGEST_IMPORT_CPU_S = 0.4

ALONE = """
import importlib.abc, importlib.metadata, pkgutil, sys
sys.path.insert(0, {helpers!r})
allowed = {{"numpy", "scipy", "gigacluster", *sys.stdlib_module_names, *sys.builtin_module_names}}

class OnlyNumPyAndSciPy(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed and not name.startswith("_"):
            raise ModuleNotFoundError(f"No module named {{name!r}}: the library alone has NumPy and SciPy", name=name)

sys.meta_path.insert(0, OnlyNumPyAndSciPy())
import gigacluster
failed = []
for module in pkgutil.walk_packages(gigacluster.__path__, "gigacluster."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        failed.append(module.name)
print(*failed)
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_of_the_library_imports_with_numpy_and_scipy_alone():
    assert run(ALONE.format(helpers=str(HELPERS))).split() == []


COMMAND = """
import importlib.abc, sys
sys.path.insert(0, {helpers!r})

class NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name=name)

sys.meta_path.insert(0, NoPandas())
from gigareport.command import main
sys.exit(main())
"""


def test_the_command_of_a_library_alone_says_in_one_line_what_to_install():
    code = COMMAND.format(helpers=str(HELPERS))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert "'pandas' is not installed" in said
    assert "pip install 'gigacluster[report]'" in said


def test_a_model_is_imported_in_well_under_half_a_second():
    code = (
        f"import sys, time; sys.path.insert(0, {str(HELPERS)!r}); start = time.process_time(); "
        "import gigacluster.throughput; print(time.process_time() - start)"
    )
    # The quickest of a few: what else runs on the machine only adds.
    assert min(float(run(code)) for _ in range(3)) < LONGEST_IMPORT_CPU_S


def test_no_face_is_lazy_so_that_editors_and_type_checkers_see_everything():
    folder = HELPERS / "gigacluster"
    lazy = {str(file.relative_to(folder)) for file in folder.rglob("*.py") if "\ndef __getattr__(" in file.read_text()}
    assert lazy == set()
