"""Commands given what no one should give: one short message each, at once, and no file of the reader's is lost."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import report_samples

from gigareport import catalog
from gigareport.__main__ import main

LONGEST_S, LONGEST_MESSAGE, MOST_BYTES = 5.0, 2_000, 2 * 2**30
STORY = (catalog.data_dir() / "scenarios" / "startup-512-2025.yaml").read_text(encoding="utf-8")
GOAL = (catalog.data_dir() / "goals" / "startup-2025.yaml").read_text(encoding="utf-8")
HAVE = ["plan", "--have", "H100", "2048"]
FEW = ["--samples", "20"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with one good file of each kind, and some that are none."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(STORY, encoding="utf-8")
    Path("goal.yaml").write_text(GOAL, encoding="utf-8")
    with (catalog.data_dir() / "training_runs.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))[:6]
    with Path("runs.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    Path("folder").mkdir()
    Path("bytes").write_bytes(bytes(range(256)))
    Path("empty").touch()
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    return tmp_path


@pytest.fixture
def refusal(capsys):
    """Run a command that must be refused; return its exit code and message."""

    def call(arguments):
        began = time.process_time()
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
        assert time.process_time() - began < LONGEST_S
        said = capsys.readouterr().err
        assert code in (1, 2), (arguments, said)
        assert 0 < len(said) < LONGEST_MESSAGE
        assert said.replace("\n", "").isprintable(), said
        return code, said

    return call


#: Where a command takes a file that it reads.
READS = [
    ["evaluate", "FILE"],
    ["compare", "mine.yaml", "FILE"],
    ["plan", "FILE"],
    [*HAVE, "--days", "60", "--like", "FILE"],
    ["check", "FILE"],
    ["check", "chips=FILE"],
    ["report", "FILE"],
    ["predict", "FILE"],
    ["predict", "runs.csv", "--chips", "FILE"],
    ["predict", "runs.csv", "--calibration", "FILE"],
    ["validate", "FILE", "--vault"],
    ["validate", "runs.csv", "--log", "D0001=FILE"],
    ["calibrate", "FILE"],
    ["calibrate", "runs.csv", "--log", "D0001=FILE"],
    ["update", "FILE"],
]


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
@pytest.mark.parametrize(
    "file", ["folder", "bytes", "empty", "loop", "pipe", "/dev/zero", "a\x00b", "\x1b[31m", "x" * 5_000]
)
def test_what_is_no_file_of_its_kind_is_refused_in_one_short_message(arguments, file, refusal):
    refusal([argument.replace("FILE", file) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "mine.yaml", "--seed", "-1"], "--seed: must be within 0 and"),
        (["evaluate", "mine.yaml", "--seed", "7.5"], "--seed: got '7.5'; give a whole number"),
        (["plan", "goal.yaml", "--seed", "-1"], "--seed: must be within 0 and"),
        (["plan", "goal.yaml", "--days", "60"], "usage: gigacluster plan GOAL.yaml, or"),
        (["plan", "goal.yaml", "--like", "mine.yaml"], "usage: gigacluster plan GOAL.yaml, or"),
        ([*HAVE, "--days", "60", "--winner", "new.yaml"], "usage: gigacluster plan GOAL.yaml, or"),
        ([*HAVE, "--days", "nan"], "days must be from 0.01 to 3,650; got nan"),
        (["plan", "--have", "H100", "2.5", "--days", "60"], "got '2.5'; give a whole number"),
        (["plan", "--have", "\x1b[31m", "8", "--days", "60"], r"unknown chip '\x1b[31m'"),
        (["plan", "--have", "x" * 5_000, "8", "--days", "60"], "unknown chip 'xxx"),
        (["compare", "mine.yaml", "mine.yaml", "--figure", "new.csv"], "give a file that ends in .svg, .png or .pdf"),
        (["compare", "mine.yaml", "mine.yaml", "--figure", "new"], "give a file that ends in .svg, .png or .pdf"),
        (["compare", "mine.yaml", "mine.yaml", "--figure", "no/new.svg"], "there is no folder 'no'"),
        (["plan", "goal.yaml", "--winner", "no/new.yaml"], "there is no folder 'no'"),
        (["calibrate", "runs.csv", "--out", "folder"], "'folder' cannot be written: it is a folder"),
        (["report", "mine.yaml", "--address", "javascript:alert(1)"], "give an address such as https://example.org/"),
        (["report", "mine.yaml", "--address", "example.org"], "give an address such as https://example.org/"),
        (["report", "mine.yaml", "--address", 'https://x.org/"><b>'], "give an address such as https://example.org/"),
        (["report", "mine.yaml", "--address", "https://x.org/a\nb"], "give an address such as https://example.org/"),
        (["report", "mine.yaml", "--limit", "0"], "--limit: must be within 1 and"),
        (["report", "mine.yaml", "--limit", "nan"], "--limit: got 'nan', which is not a number"),
        (["\x1b[31m"], r"\x1b[31m"),
        (["evaluate", "mine.yaml", "\x1b[31m"], r"unrecognized arguments: \x1b[31m"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused_before_any_work(arguments, said, refusal):
    before = sorted(file.name for file in Path().iterdir())
    assert said in refusal(arguments)[1]
    assert sorted(file.name for file in Path().iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["calibrate", "runs.csv", "--out", "runs.csv"],
        ["calibrate", "runs.csv", "--log", "D0001=mine.yaml", "--out", "mine.yaml"],
        ["plan", "goal.yaml", "--winner", "./goal.yaml"],
    ],
)
def test_a_file_that_a_command_reads_is_not_written_over(arguments, refusal):
    file = Path(arguments[-1])
    before = file.read_bytes()
    assert "is read by this command; name another file" in refusal(arguments)[1]
    assert file.read_bytes() == before


def test_a_column_that_may_be_left_out_is_not_left_out_because_it_is_misspelt(refusal):
    runs = Path("runs.csv")
    runs.write_text(runs.read_text(encoding="utf-8").replace("recompute", "recompte", 1), encoding="utf-8")
    assert "line 1: column 'recompte' is not known; did you mean 'recompute'?" in refusal(["predict", "runs.csv"])[1]


#: As it is for most: what is printed waits, perhaps until the end.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize(
    ("arguments", "shell", "said"),
    [
        ("predict runs.csv", "{} 2>err | head -n 1; exit ${{PIPESTATUS[0]}}", ""),
        ("predict runs.csv", "{} >/dev/full 2>err", "what is printed: No space left on device"),
        ("predict runs.csv", "PYTHONUNBUFFERED=1 {} >/dev/full 2>err", "No space left on device"),
        ("--help", "{} >/dev/full 2>err", "what is printed: No space left on device"),
        ("evaluate mine.yaml --samples 20", "{} >&- 2>err", ""),
        (
            "evaluate mine.yaml --samples 20",
            "LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 PYTHONIOENCODING= {} >out 2>err",
            "",
        ),
    ],
    ids=["closed pipe", "full disk", "full disk at once", "full disk for help", "closed output", "ASCII"],
)
def test_an_output_that_ends_early_is_no_traceback(here, arguments, shell, said):
    command = f"'{sys.executable}' -m gigareport {arguments}"
    subprocess.run(["bash", "-c", shell.format(command)], timeout=300, capture_output=True, env=BUFFERED)
    err = (here / "err").read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert said in err


#: Where a command takes a file that it writes.
WRITES = [
    ["plan", "goal.yaml", *FEW, "--winner", "new.yaml"],
    ["compare", "mine.yaml", "other.yaml", *FEW, "--figure", "new.svg"],
    ["calibrate", "runs.csv", "--out", "new.csv"],
]
FORBIDDEN = """
import contextlib, io, json, sys
from gigareport.__main__ import main
said = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
    said.append([code, err.getvalue()])
print(json.dumps(said))
"""


@pytest.mark.parametrize("arguments", WRITES, ids=lambda arguments: arguments[0])
def test_a_full_disk_leaves_the_file_that_was_there(arguments, capsys):
    Path("other.yaml").write_text(STORY.replace("n_chips: 512", "n_chips: 1024"), encoding="utf-8")
    (file := Path(arguments[-1])).write_text("mine")
    before = sorted(file.name for file in Path().iterdir())
    with report_samples.full_disk(100):
        assert main(arguments) == 1
    assert f"{file.resolve()}: File too large" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert sorted(file.name for file in Path().iterdir()) == before


def test_a_written_file_keeps_its_mode_a_link_stays_one_and_a_pipe_takes_it(here):
    (file := here / "folder" / "file").write_text("mine")
    file.chmod(0o640)
    (link := here / "link").symlink_to(file)
    catalog.write_whole(link, "new")
    assert link.is_symlink()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o640)
    assert [one.name for one in (here / "folder").iterdir()] == ["file"]
    with subprocess.Popen(["cat", here / "pipe"], stdout=subprocess.PIPE) as reader:
        catalog.write_whole(here / "pipe", "new")
        assert reader.stdout.read() == b"new"
    assert (here / "pipe").is_fifo()


def test_where_nothing_may_be_written_is_told_before_the_work(here):
    (Path("folder") / "new.csv").touch()
    Path("folder").chmod(0o555)
    (here / "runs.csv.new").touch()
    (here / "runs.csv.new").chmod(0o444)
    inside = [[*arguments, f"folder/{name}"] for *arguments, name in WRITES]
    commands = [*inside, ["calibrate", "runs.csv", "--out", "runs.csv.new"]]
    commands.append(["report", "mine.yaml", "--out", "folder/reports"])
    run = [*report_samples.BOUND_BY_MODES, sys.executable, "-c", FORBIDDEN, json.dumps(commands)]
    said = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    assert [code for code, _ in said] == [2, 2, 2, 2, 1], said
    assert all("permission denied" in err.lower() for _, err in said), said
    assert said[-1][1].startswith("the report cannot be written to "), said  # not a word of notebooks
