"""What all tests share: array libraries, the folder of raw files where there is one, sites that are built once."""

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy
import pytest

from gigacluster.arrays import device_namespace

RAW_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Files that take longest, in the order in which the processes of a run take them, so that all end at about one time.
#: The site of the story is built first, by the kernels of its notebooks, while others test; later files read it.
LONGEST = (
    "gigareport/pages/test_notebooks.py",
    "browser/test_pages.py",
    "gigareport/pages/test_report.py",
    "browser/test_whatif.py",
    "gigareport/planner/test_plans.py",
    "gigareport/test_hostile_commands.py",
    "gigacluster/throughput/test_own.py",
    "gigacluster/scaling/test_bootstrap.py",
    "gigacluster/test_trace_models.py",
    "gigareport/pages/test_changed_notebooks.py",
    "gigareport/beside/test_scaling_published.py",
    "house/test_without_pandas.py",
    "gigacluster/scaling/test_inputs.py",
    "gigacluster/scaling/test_flags.py",
    "house/test_package.py",
    "gigareport/planner/test_hardware.py",
    "gigareport/scenario/test_options.py",
    "gigareport/test_out_of_memory.py",
    "house/test_benchmarks.py",
    "gigareport/scenario/test_hostile_scenarios.py",
    "gigareport/calibration/test_calibration.py",
    "gigacluster/test_parallel.py",
)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_collection_modifyitems(items):
    """Put the longest files first; the order within a file, and of all others, stays."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    if gone := [str(file) for file in places if not file.is_file()]:
        raise pytest.UsageError(f"LONGEST in tests/conftest.py names files that are gone: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


class Backend(SimpleNamespace):
    """An array library whose ``array([...])`` makes arrays on the test device; the rest is the library's own."""

    def __getattr__(self, name):
        return getattr(self.library, name)

    def array(self, values, **options):
        options.setdefault("dtype", self.library.float64)
        if self.device is not None:
            options["device"] = self.device
        return self.library.asarray(values, **options)


@pytest.fixture(params=["numpy", "read-only numpy", "array-api-strict", "cupy"])
def xp(request):
    """Each array library: NumPy, NumPy with read-only inputs, the strict array API off its default device, CuPy."""
    if request.param == "numpy":
        return Backend(library=numpy, device=None, name="numpy")
    if request.param == "read-only numpy":
        backend = Backend(library=numpy, device=None, name="read-only numpy")

        def read_only(values, **options):
            array = numpy.array(values, **{"dtype": numpy.float64, **options})
            array.setflags(write=False)
            return array

        backend.array = read_only
        return backend
    if request.param == "array-api-strict":
        strict = pytest.importorskip("array_api_strict")
        return Backend(library=strict, device=strict.Device("device1"), name="array-api-strict")
    try:
        return Backend(library=device_namespace("cuda"), device=None, name="cupy")
    except RuntimeError as fault:
        pytest.skip(str(fault))


@pytest.fixture
def raw_data():
    """The folder of raw files beside the checkout; tests that need it skip without it."""
    if not RAW_DATA.is_dir():
        pytest.skip("needs the raw files in ../shared/data")
    return RAW_DATA


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return a folder that the first process of a run fills by ``make(folder)``, and the others wait for."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # that of the run; each process has its own below it

    def folder_of(name, make):
        (folder := shared / name).mkdir(exist_ok=True)
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not any(folder.iterdir()):
                make(folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def site_of(made_once):
    """Return ``folder, failures`` of a scenario's site, built once for all files; ``executed`` lies beside it."""
    import nbformat

    from gigareport import pages
    from gigareport.pages import site

    def built(name):
        def build(folder):
            (executed := folder / "executed").mkdir()

            def kept(*given):
                results = run_all(*given)
                for result in results:
                    nbformat.write(result.notebook, executed / result.job.notebook.name)
                return results

            run_all = site.run_all
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(site, "run_all", kept)
                found = pages.build(name, folder, parameters={"n_samples": 200})
            (folder / "failures").write_text("\n".join(found.failures))

        folder = made_once(f"site-{name}", build)
        return folder / name, (folder / "failures").read_text()

    return built


@pytest.fixture(scope="session")
def executed_samples(made_once):
    """Return the folder of the small notebooks, executed once for all files."""
    import report_samples

    return made_once("executed-samples", report_samples.execute_notebooks)
