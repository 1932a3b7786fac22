"""The package outside its checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

from gigareport import headlines

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Unpack a wheel of the checkout into a folder of its own, and return that folder."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], check=True, capture_output=True, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(folder / "site")], check=True)
    return folder / "site"


def test_an_installed_package_finds_its_data_and_scenarios(installed, tmp_path):
    code = (
        "import gigacluster\n"
        "from gigareport import catalog, scenario\n"
        f"assert gigacluster.__file__.startswith({str(installed)!r}), gigacluster.__file__\n"
        "assert all(len(catalog.load(name)) for name in catalog.names() if name != 'throughput_vault')\n"
        "print(*(scenario.load(name).cluster.n_chips for name in scenario.names()))\n"
        "from gigareport import headlines\n"
        "from gigareport.pages import site\n"
        "print(*sorted(file.stem for file in site.notebooks_dir().glob('*.ipynb')))\n"
        "print(headlines.on_gpu())"
    )
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(installed), *_libraries()]!r}\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    chips, notebooks, on_gpu = done.stdout.splitlines()
    assert "100000" in chips
    assert notebooks.split() == sorted(file.stem for file in (ROOT / "notebooks").glob("*.ipynb"))
    assert on_gpu == headlines.on_gpu()


def test_the_wheel_has_every_package_of_the_checkout(installed):
    folder = ROOT / "helpers"
    files = {file.relative_to(folder) for file in folder.rglob("*") if file.suffix in (".py", ".j2", ".css", ".js")}
    assert files <= {file.relative_to(installed) for file in installed.rglob("*")}


@pytest.mark.slow
def test_the_source_archive_can_test_itself(tmp_path):
    """Unpacked elsewhere, tests of tables, documents, fields and a model run on what the archive holds."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    (archive,) = tmp_path.glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "tarfile", "-e", str(archive), str(tmp_path)], check=True)
    (unpacked,) = (folder for folder in tmp_path.iterdir() if folder.is_dir())
    probe = "import gigacluster\n\n\ndef test_it():\n    print(gigacluster.__file__)\n"
    (unpacked / "tests" / "test_where.py").write_text(probe)
    # Not the floors of imports: they are read from the packages that are installed, here those of the checkout.
    house = [f"tests/house/test_{name}.py" for name in ("documents", "environment", "library_alone")]
    more = ["tests/gigareport/test_catalog.py", "tests/gigareport/test_fields.py", "tests/gigacluster/test_units.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", "tests/test_where.py"]
    done = subprocess.run([*command, *house, *more], cwd=unpacked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert str(unpacked / "helpers") in done.stdout


def _libraries():
    """Return the folders of the other packages, without the link to the checkout that ``-S`` leaves out."""
    return [path for path in sys.path if path.endswith("site-packages")]


def test_make_names_what_is_missing_for_an_environment(tmp_path):
    done = subprocess.run(
        ["make", "-B", "env", "PYTHON=no-such-python", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Install Python 3.11 or newer" in done.stderr


def test_make_help_lists_every_public_command():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for command in ("env", "report", "test", "lab", "lint", "calibrate", "bench", "gpu", "browser", "clean-notebooks"):
        assert f"make {command} " in done.stdout
