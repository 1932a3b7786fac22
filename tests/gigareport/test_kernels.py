"""Kernels that are copies behave as kernels of their own."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import report_samples

from gigareport import kernels
from gigareport.pages.execute import Job, run_all

pytestmark = pytest.mark.skipif(not kernels.CAN_COPY, reason="kernels are copied on Linux alone")

#: What of a kernel's surroundings a notebook might see.
_CELLS = (
    "import os, sys, matplotlib; print(sys.path, os.getcwd(), matplotlib.get_backend())",
    "from gigareport import scenario; print(scenario.load('xai-colossus-2024').cluster.n_chips, __name__)",
    "print(os.environ['OMP_NUM_THREADS'], os.environ['MPLBACKEND'])",
    "import numpy; numpy.random.default_rng(3).normal()",
    "1 / 0",
)


@pytest.fixture
def notebook(tmp_path):
    def of(*cells):
        path = tmp_path / f"{abs(hash(cells))}.ipynb"
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbformat.write(made, path)
        return Job(path, "a scenario")

    return of


def outputs(result):
    return [[dict(output, traceback=[]) for output in cell.outputs] for cell in result.notebook.cells]


def test_a_copied_kernel_prints_what_one_of_its_own_prints(notebook, monkeypatch):
    (copied,) = run_all([notebook(*_CELLS)], 1)
    monkeypatch.setattr(kernels, "CAN_COPY", False)
    (own,) = run_all([notebook(*_CELLS)], 1)
    assert outputs(copied) == outputs(own)
    assert copied.failure == own.failure == "code cell 5 (1 / 0): ZeroDivisionError: division by zero"


def test_copies_share_nothing_that_was_set_after_the_imports(notebook):
    job = notebook("import gigareport.words as words; print(hasattr(words, 'left')); words.left = 1")
    assert [outputs(result)[0][0]["text"] for result in run_all([job, job], 1)] == ["False\n", "False\n"]


def test_a_kernel_that_dies_is_one_notebooks_failure(notebook):
    dying, living = notebook("import os; os.kill(os.getpid(), 9)"), notebook("print(1)")
    assert "died" in run_all([dying], 1)[0].failure.lower()
    assert run_all([living], 1)[0].failure == ""


def test_a_kernel_that_does_not_start_is_told_once_and_leaves_nothing_for_the_end(notebook, monkeypatch):
    async def refused(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(kernels.Copied, "launch_kernel", refused)
    left = []
    monkeypatch.setattr(atexit, "register", left.append)
    monkeypatch.setattr(atexit, "unregister", lambda call: left.remove(call) if call in left else None)
    assert run_all([notebook("print(1)")], 1)[0].failure == "no cell of its own: OSError: no more processes"
    assert not [call for call in left if "NotebookClient" in repr(call)]


def test_a_library_that_the_disk_refuses_is_told_in_one_line(tmp_path):
    (tmp_path / "ipykernel").mkdir()
    (tmp_path / "ipykernel" / "__init__.py").write_text("raise OSError('no folder can be written')")
    command = [sys.executable, "-c", "from gigareport import kernels; kernels.main(0)"]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert (ended.returncode, ended.stderr) == (1, "kernels cannot start: no folder can be written\n")


def test_a_home_that_cannot_be_written_is_no_matter_and_leaves_nothing(notebook, tmp_path):
    job = notebook("import IPython.paths; print(IPython.paths.get_ipython_dir())")
    code = f"""
from gigareport import kernels
kernels.give_home()
from gigareport.pages.execute import Job, run_all
import pathlib
result, = run_all([Job(pathlib.Path({str(job.notebook)!r}), "a scenario")], 1)
print(result.notebook.cells[0].outputs[0].text, result.failure)
"""
    (home := tmp_path / "home").mkdir(mode=0o555)
    (temporary := tmp_path / "temporary").mkdir()
    unset = {"IPYTHONDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = [*report_samples.BOUND_BY_MODES, sys.executable, "-c", code]
    ended = subprocess.run(
        command, capture_output=True, text=True, env={**environment, "HOME": str(home), "TMPDIR": str(temporary)}
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{temporary}/gigacluster-home-" in ended.stdout
    assert list(temporary.iterdir()) == []


def test_the_source_of_copies_is_started_again_if_it_was_killed(notebook):
    job = notebook("print(1)")
    assert run_all([job], 1)[0].failure == ""
    os.killpg(kernels._SOURCE.process.pid, signal.SIGKILL)
    kernels._SOURCE.process.wait()
    assert run_all([job], 1)[0].failure == ""


@pytest.mark.slow
def test_no_kernel_outlives_whoever_asked_for_it(notebook, tmp_path):
    job = notebook(f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    code = (
        "import sys; from pathlib import Path; from gigareport.pages.execute import Job, run_all;"
        "run_all([Job(Path(sys.argv[1]), 'x')], 1)"
    )
    asking = subprocess.Popen([sys.executable, "-c", code, str(job.notebook)])
    until = time.monotonic() + 120
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    kernel = int((tmp_path / "pid").read_text())
    asking.kill()
    asking.wait()
    while Path(f"/proc/{kernel}").exists():
        assert time.monotonic() < until, "the kernel goes on"
        time.sleep(0.05)
