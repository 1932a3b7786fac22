"""A site is whole at every moment: exchanged at once, nothing of the reader's lost, nothing left behind."""

import contextlib
import errno
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
import report_samples

from gigareport.pages import folders

TESTS = Path(__file__).resolve().parents[2]
REPLACE_FOREVER = """
import itertools, runpy, sys
from pathlib import Path
replacing = runpy.run_path(sys.argv[1])["replacing"]  # the module alone: a report takes seconds to import
target = Path(sys.argv[2])
for number in itertools.count():
    with replacing(target) as new:
        for name in "abcdef":
            (new / f"{name}.html").write_text(str(number))
    print(number, flush=True)
"""
BUILD = """
import sys
import pytest, report_samples
from gigareport import pages
with pytest.MonkeyPatch.context() as patch:
    report_samples.fake_scenarios(patch)
    print("begin", flush=True)
    assert not pages.build("xai-colossus-2024", sys.argv[1], notebooks=sys.argv[2]).failures
"""
BUILD_A_LINE = """
import os, sys
import pytest, report_samples
from gigareport import pages
with pytest.MonkeyPatch.context() as patch:
    report_samples.fake_scenarios(patch)
    for _ in sys.stdin:  # a process for every line, forked: a report takes seconds to import
        if (child := os.fork()) == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            failed = True
            try:
                failed = bool(pages.build("xai-colossus-2024", sys.argv[1], notebooks=sys.argv[2]).failures)
            finally:
                os._exit(failed)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


ENVIRONMENT = os.environ | {"PYTHONPATH": str(TESTS)}


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT)


def run(code, *arguments):
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, env=ENVIRONMENT)


def kill_after(process, seconds):
    process.stdout.readline()  # it has begun
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def fill(target, **files):
    with folders.replacing(target) as new:
        for name, content in files.items():
            (new / f"{name}.html").write_text(content)


def contents(target):
    return {file.name: file.read_text() for file in target.iterdir() if file.name != folders.MANIFEST}


def test_a_site_killed_at_thirty_random_moments_is_whole_and_nothing_stays_behind(tmp_path):
    target, moments = tmp_path / "site", random.Random(7)
    for _ in range(30):
        kill_after(start(REPLACE_FOREVER, folders.__file__, target), moments.uniform(0, 0.02))
        assert list(contents(target)) != []
        assert len({*contents(target).values()}) == 1
        assert len(contents(target)) == 6
    fill(target, index="new")
    assert contents(target) == {"index.html": "new"}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
def test_a_report_killed_in_the_middle_leaves_the_earlier_site_and_the_next_one_succeeds(tmp_path):
    (notebooks := tmp_path / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "00-slow.ipynb", report_samples.code("import time; time.sleep(1)", 0))
    reports = tmp_path / "reports"
    run(BUILD, reports, notebooks)
    before = contents(reports / "xai-colossus-2024")
    moments = random.Random(8)
    for _ in range(2):
        kill_after(start(BUILD, reports, notebooks), moments.uniform(0.2, 2.5))
        assert contents(reports / "xai-colossus-2024") == before
    run(BUILD, reports, notebooks)
    assert contents(reports / "xai-colossus-2024") == before
    assert [file.name for file in reports.iterdir()] == ["xai-colossus-2024"]


@pytest.mark.slow
def test_what_had_ended_before_a_kill_is_there_whole_and_goes_with_the_next_run_that_succeeds(tmp_path):
    (notebooks := tmp_path / "notebooks").mkdir()
    report_samples.write_notebook(notebooks / "00-quick.ipynb", report_samples.code("6 * 7", 0))
    slow = "import pathlib, time\nwhile not pathlib.Path('../go').exists(): time.sleep(0.1)"
    report_samples.write_notebook(notebooks / "10-slow.ipynb", report_samples.code(slow, 0))
    reports = tmp_path / "reports"
    kept = reports / "xai-colossus-2024.incomplete" / "executed" / "00-quick.ipynb"
    process = start(BUILD, reports, notebooks)
    try:
        for _ in range(6_000):  # a busy machine takes minutes to begin
            if kept.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    finally:
        process.communicate()
    outputs = [cell.outputs for cell in nbformat.read(kept, as_version=4).cells if cell.cell_type == "code"]
    assert "42" in str(outputs)
    assert [file.name for file in kept.parent.iterdir()] == ["00-quick.ipynb"]
    report_samples.write_notebook(notebooks / "10-slow.ipynb", report_samples.code("1", 0))
    run(BUILD, reports, notebooks)
    assert [file.name for file in reports.iterdir()] == ["xai-colossus-2024"]


@pytest.mark.slow
def test_thirty_kills_of_whole_reports_at_random_moments_lose_nothing(tmp_path):
    """Kernels starting, cells running, pages being written and exchanged: the site is whole after each kill."""
    (notebooks := tmp_path / "notebooks").mkdir()
    for number in range(2):
        report_samples.write_notebook(notebooks / f"{number}0-page.ipynb", report_samples.code(f"{number} + 1", 0))
    reports = tmp_path / "reports"
    site = reports / "xai-colossus-2024"
    command = [sys.executable, "-c", BUILD_A_LINE, str(reports), str(notebooks)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, env=ENVIRONMENT) as builder:

        def build(seconds=None):
            """Return how a report ended that is killed after a time, and how long it lasted."""
            builder.stdin.write("again\n")
            child, begun = int(builder.stdout.readline()), time.monotonic()
            if seconds is not None:
                time.sleep(seconds)
                with contextlib.suppress(ProcessLookupError):  # it has ended
                    os.kill(child, signal.SIGKILL)
            return int(builder.stdout.readline()), time.monotonic() - begun

        ended, lasts_s = build()
        assert ended == 0
        before, moments, killed = contents(site), random.Random(9), 0
        for _ in range(100):
            ended, _ = build(moments.uniform(0.0, lasts_s))
            assert ended in (0, -signal.SIGKILL)
            assert contents(site) == before
            killed += ended != 0
            if killed == 30:
                break
        assert killed == 30
        assert build()[0] == 0
    assert contents(site) == before
    assert [file.name for file in reports.iterdir()] == ["xai-colossus-2024"]


def test_where_names_cannot_be_exchanged_a_kill_between_the_renames_is_mended(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_exchanged_at_once", lambda *_: False)
    target = tmp_path / "site"
    fill(target, index="first")
    fill(target, index="second")
    assert contents(target) == {"index.html": "second"}
    target.rename(tmp_path / ".site.gigacluster-work-abcd1234.old")  # as a kill between the two renames leaves it
    with folders.replacing(target) as new:
        assert contents(target) == {"index.html": "second"}
        (new / "index.html").write_text("third")
    assert contents(target) == {"index.html": "third"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_site_that_cannot_be_finished_leaves_the_earlier_one(tmp_path):
    fill(target := tmp_path / "site", index="good")

    def stop_midway():
        with folders.replacing(target) as new:
            (new / "index.html").write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_midway()
    assert contents(target) == {"index.html": "good"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_readers_own_files_are_carried_over_and_said(tmp_path, capsys):
    fill(target := tmp_path / "site", index="first", old="of a notebook that is gone")
    (target / "notes" / "empty").mkdir(parents=True)
    (target / "notes" / "mine.txt").write_text("mine")
    fill(target, index="second")
    assert (target / "notes" / "mine.txt").read_text() == "mine"
    assert (target / "notes" / "empty").is_dir()
    assert not (target / "old.html").exists()
    assert "notes/mine.txt" in capsys.readouterr().out
    (other := tmp_path / "other").mkdir()
    (other / "index.html").write_text("a page of my own")
    fill(other, index="ours")
    assert (other / "index.html").read_text() == "ours"
    assert (other / "index.kept.html").read_text() == "a page of my own"


def test_whatever_lies_in_a_site_is_carried_over_as_it_is(tmp_path):
    fill(target := tmp_path / "site", index="first")
    (target / "mine").write_text("mine")
    (target / "mine").chmod(0o640)
    (target / "link").symlink_to("nowhere")
    os.mkfifo(target / "pipe")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(target):
        listening.bind("socket")  # by a short name: that of the folder may be too long
    target.chmod(0o3775)
    names = ("link", "mine", "pipe", "socket")
    before = {name: ((target / name).lstat().st_ino, (target / name).lstat().st_mode) for name in names}
    fill(target, index="second")
    assert {name: ((target / name).lstat().st_ino, (target / name).lstat().st_mode) for name in names} == before
    assert stat.S_IMODE(target.stat().st_mode) == 0o3775
    assert (target / "index.html").read_text() == "second"


def test_where_a_file_has_one_name_alone_a_readers_is_copied(tmp_path, monkeypatch):
    fill(target := tmp_path / "site", index="first")
    (target / "mine").write_text("mine")

    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    fill(target, index="second")
    assert contents(target) == {"index.html": "second", "mine": "mine"}


def test_a_target_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "disk" / "site").mkdir(parents=True)
    (tmp_path / "site").symlink_to(tmp_path / "disk" / "site")
    fill(tmp_path / "site", index="new")
    assert (tmp_path / "site").is_symlink()
    assert contents(tmp_path / "disk" / "site") == {"index.html": "new"}


def test_a_folder_that_another_run_fills_is_left_alone(tmp_path):
    target = tmp_path / "site"
    with folders.replacing(target) as first:
        fill(target, index="second run")
        assert first.is_dir()
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_too_long_for_sockets_gives_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LONGEST_PLACE", 10)
    with folders.short_folder() as folder:
        assert folder is None
    monkeypatch.undo()
    with folders.short_folder() as folder:
        assert len(os.fsencode(folder)) <= folders.LONGEST_PLACE
    assert not folder.exists()


def test_a_folder_whose_name_begins_like_one_of_ours_is_the_readers(tmp_path, monkeypatch):
    """The parent holds what a reader keeps there: a checkout, notes, a download."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(folders, "LONGEST_PLACE", 4096)
    names = [
        "gigacluster-checkouts",
        "gigacluster-0.1.0rc1",
        ".site-my-notes1",
        ".site-2026_07",
        "gigacluster-work-mine",
    ]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    fill(tmp_path / "site", index="new")
    with folders.short_folder():
        pass
    assert all((tmp_path / name / "mine").read_text() == "mine" for name in names)


@pytest.mark.parametrize("kind", ["file", "below a file", "loop", "link to a file", "long"])
def test_what_cannot_be_a_site_is_refused_at_once_and_left_as_it_is(kind, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("file")
    target = {
        "file": tmp_path / "file",
        "below a file": tmp_path / "file" / "site",
        "loop": tmp_path / "loop" / "site",
        "link to a file": tmp_path / "link",
        "long": tmp_path / ("x" * 300),
    }[kind]
    with pytest.raises(OSError):  # noqa: PT011 which one differs
        folders.check_target(target)
    with pytest.raises(OSError):  # noqa: PT011
        fill(target, index="new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "link", "loop"]
    assert (tmp_path / "file").read_text() == "mine"


def test_checking_a_target_leaves_nothing_behind(tmp_path):
    folders.check_target(tmp_path / "a" / "b" / "site")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_another_run_takes_at_the_last_moment_is_exchanged(tmp_path, monkeypatch):
    target, exists = tmp_path / "site", Path.exists
    with folders.replacing(target) as new:
        (new / "index.html").write_text("second")
        fill(target, index="first", of_the_first="1")
        seen = iter([False])  # when it was looked at
        monkeypatch.setattr(Path, "exists", lambda file: next(seen, exists(file)))
    assert contents(target) == {"index.html": "second"}
    assert list(tmp_path.iterdir()) == [target]


ONCE = """
import pathlib, runpy, sys
with runpy.run_path(sys.argv[1])["replacing"](pathlib.Path(sys.argv[2])) as new:
    (new / "index.html").write_text("new")
"""
READ_ONLY = """
import pathlib, runpy, sys
replacing = runpy.run_path(sys.argv[1])["replacing"]
target = pathlib.Path(sys.argv[2])
for _ in range(2):
    with replacing(target) as new:
        (new / "index.html").write_text("new")
    for folder in (target / "notes", target):
        folder.mkdir(exist_ok=True)
        (folder / "mine").write_text("mine") if not (folder / "mine").exists() else None
        folder.chmod(0o555)
"""


def test_a_read_only_site_is_replaced_and_nothing_stays_behind(tmp_path):
    arguments = [folders.__file__, str(tmp_path / "site")]
    command = [*report_samples.BOUND_BY_MODES, sys.executable, "-c", READ_ONLY, *arguments]
    subprocess.run(command, check=True, env=ENVIRONMENT)
    assert contents(tmp_path / "site" / "notes") == {"mine": "mine"}
    assert [file.name for file in tmp_path.iterdir()] == ["site"]


def test_files_put_into_a_folder_of_others_replace_ours_and_keep_the_readers(tmp_path, capsys):
    (tmp_path / "index.html").write_text("mine")
    (tmp_path / "other").mkdir()
    folders.put(tmp_path, {"index.html": "first", "style.css": "ours"})
    assert capsys.readouterr().out == f"kept in {tmp_path}, since it is not of this report: index.kept.html\n"
    folders.put(tmp_path, {"index.html": "second"})
    assert capsys.readouterr().out == ""
    there = {file.name: file.read_text() for file in tmp_path.iterdir() if file.is_file()}
    assert there == {"index.html": "second", "index.kept.html": "mine", folders.MANIFEST: "index.html\n"}


def test_two_runs_put_their_files_one_after_the_other(tmp_path, monkeypatch):
    write, begun = folders.write_whole, threading.Barrier(2)

    def slowly(file, text):
        time.sleep(0.05)
        write(file, text)

    def put(number, names):
        begun.wait()
        folders.put(tmp_path, dict.fromkeys(names, str(number)))

    monkeypatch.setattr(folders, "write_whole", slowly)
    names = ["index.html", "page.js", "style.css"]
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(put, 1, names), pool.submit(put, 2, names[::-1])]:
            done.result()
    assert len({(tmp_path / name).read_text() for name in names}) == 1


def test_work_goes_on_in_a_folder_that_cannot_be_listed(tmp_path):
    """As some machines have it for temporary files of all."""
    (parent := tmp_path / "closed").mkdir(mode=0o300)
    arguments = [folders.__file__, str(parent / "site")]
    command = [*report_samples.BOUND_BY_MODES, sys.executable, "-c", ONCE, *arguments]
    subprocess.run(command, check=True, env=ENVIRONMENT)
    parent.chmod(0o700)
    assert contents(parent / "site") == {"index.html": "new"}
