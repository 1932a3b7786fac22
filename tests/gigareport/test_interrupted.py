"""Ctrl-C ends a command in one line and with status 130: no kernel or worker lives on, no file is half written."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import report_samples

from gigareport import command
from gigareport.__main__ import main

TESTS = Path(__file__).resolve().parents[1]
REPORT = """
import sys
from pathlib import Path
import pytest, report_samples
from gigareport.__main__ import main
with pytest.MonkeyPatch.context() as patch:
    report_samples.fake_scenarios(patch)
    patch.setattr("gigareport.pages.site.notebooks_dir", lambda: Path(sys.argv[1]))
    sys.exit(main(["report", "--out", sys.argv[2]]))
"""
WAIT = """
import os, pathlib, time
pathlib.Path({file!r}).write_text(str(os.getpid()))
time.sleep(600)
"""
WORK = """
import sys, time
from gigacluster.parallel import in_order
try:
    for _ in in_order(time.sleep, [0.02] * 100_000, executor=2):
        print(flush=True)
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
"""


#: A shell lets what runs in its background ignore Ctrl-C, and so what that starts, such as these tests.
HEED = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def start(code, *arguments):
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", HEED + code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True)


def press(process):
    """Send what a terminal sends on Ctrl-C: to every process of the group."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=120)[1]


@pytest.mark.parametrize(
    "running",
    [pytest.param(True, id="cells running"), pytest.param(False, id="kernels starting", marks=pytest.mark.slow)],
)
def test_a_report_ends_in_one_line_with_its_kernels_and_leaves_the_earlier_site(running, tmp_path):
    (notebooks := tmp_path / "notebooks").mkdir()
    begun = [tmp_path / name for name in ("first", "second", "third")]
    for file in begun:
        code = report_samples.code(WAIT.format(file=str(file)), 0)
        report_samples.write_notebook(notebooks / f"{file.name}.ipynb", code)
    (site := tmp_path / "reports" / "xai-colossus-2024").mkdir(parents=True)
    (site / "index.html").write_text("earlier")
    process = start(REPORT, notebooks, tmp_path / "reports")
    try:
        assert "3 notebooks for xai-colossus-2024" in process.stderr.readline()
        for _ in range(6_000):  # a busy machine takes long to begin
            if not running or all(file.exists() and file.read_text() for file in begun[:2]):
                break
            time.sleep(0.1)
        time.sleep(0 if running else 0.7)
        said = press(process)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, "interrupted\n")
    for file in begun:
        if file.exists():
            with pytest.raises(ProcessLookupError):
                os.kill(int(file.read_text()), 0)
    assert not begun[2].exists()
    assert [file.read_text() for file in site.iterdir()] == ["earlier"]
    assert [folder.name for folder in site.parent.iterdir()] == [site.name]


def test_workers_leave_an_interruption_to_who_asked():
    process = start(WORK)
    try:
        process.stdout.readline()
        assert press(process) == "interrupted\n"
    finally:
        process.kill()


def test_a_command_that_still_imports_ends_in_one_line(monkeypatch, capsys):
    def interrupted(name, *arguments):
        raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "gigareport.__main__")
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=interrupted)])
    assert command.main() == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupted_plan_is_told_as_such_and_its_choice_is_not_written(tmp_path, monkeypatch, capsys):
    module = importlib.import_module("gigareport.planner.plan")
    real, calls = module.drawn, []

    def interrupting(*arguments, **options):
        calls.append(options)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(module, "drawn", interrupting)
    winner = tmp_path / "winner.yaml"
    assert main(["plan", "startup-2025", "--samples", "200", "--winner", str(winner)]) == 130
    said = capsys.readouterr()
    assert "Interrupted: this is the best of what was looked at until then." in said.out
    assert said.err.splitlines()[1:] == ["interrupted"]
    assert not winner.exists()
