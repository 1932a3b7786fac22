"""Commands as a user types them: exit codes, messages, and nothing half written."""

import csv
import json
import re
import sys
import types
from pathlib import Path

import pytest

from gigacluster import arrays
from gigareport import catalog, planner, scenario
from gigareport.__main__ import main

STORY = (catalog.data_dir() / "scenarios" / "xai-colossus-2024.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run from another folder than the checkout's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GIGACLUSTER_SCENARIO", raising=False)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command; return its exit code, output and messages."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def runs_file(elsewhere):
    """Write a file of the first runs of the table after a change to its lines."""

    def write(change=lambda rows: None):
        with (catalog.data_dir() / "training_runs.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))[:4]
        change(rows)
        with (elsewhere / "runs.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
        return elsewhere / "runs.csv"

    return write


def write(name, content):
    Path(name).write_text(content, encoding="utf-8")
    return name


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("validate",), ("validate", "a.csv", "--yaml")])
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    assert "usage: gigacluster" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nope.yaml"], "has no such file; give the path of a YAML file or one of: gigawatt"),
        (["check", "xai-colosus-2024"], "did you mean 'xai-colossus-2024'?"),
        (["check", "folder"], "there is no scenario 'folder': it is a folder; give the path of a YAML file"),
        (["check", ""], "got an empty name; give a scenario file, one of gigawatt"),
        (["check", "chips="], "'chips=' names no file; write chips=FILE.csv, or 'chips'"),
        (["check", "chip=new.csv"], "there is no table 'chip'; did you mean 'chips'?"),
        (["check", "runs.csv"], "runs.csv: of which table? Write TABLE=runs.csv; the tables are:"),
        (["check", "chips=folder"], "folder cannot be read (Is a directory); give the path of a CSV file"),
        (["validate", "folder"], "folder cannot be read (Is a directory); give the path of a CSV file"),
        (["validate", "nope.csv"], "nope.csv does not exist; give the path of a CSV file"),
        (["report", "nope.yaml"], "there is no scenario 'nope.yaml'"),
    ],
)
def test_a_name_that_leads_nowhere_is_named_with_what_to_give(run, elsewhere, arguments, said):
    (elsewhere / "folder").mkdir()
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert said in err
    assert [file.name for file in elsewhere.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must hold fields such as 'name: ...'"),
        ("- 1\n", "must hold fields such as 'name: ...'"),
        ("name: [unclosed", "is not YAML: line 1"),
        ("\tname: x\n", "is not YAML: line 1"),
        (
            "name: !!python/object:os.system x\n",
            "line 1, name: has the tag 'tag:yaml.org,2002:python/object:os.system', which is not read",
        ),
        ("? [a, b]\n: 1\n", "line 1, a list of 2: is not a field"),
    ],
)
def test_a_file_that_is_no_scenario_says_why(run, content, said):
    code, _, err = run("check", write("mine.yaml", content))
    assert code == 1
    assert said in err


def test_every_fault_of_every_file_is_told_and_the_good_ones_are_named(run):
    write("mine.yaml", STORY.replace("n_chips: 100000", "n_chips: -5").replace("seq_len: 8192", "seq_len: eight"))
    code, out, err = run("check", "startup-512-2025", "mine.yaml", "chips", "nope")
    assert code == 1
    assert out.splitlines() == ["startup-512-2025: good", "chips: good"]
    assert "mine.yaml has 2 faults:" in err
    assert "there is no scenario 'nope'" in err


def test_check_without_names_checks_all_of_data(run):
    code, out, err = run("check")
    assert (code, err) == (0, "")
    assert sum(": good" in line for line in out.splitlines()) == sum(
        map(len, (catalog.names(), scenario.names(), planner.names()))
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("global_batch: 6144", "global_batch: 6145")], "give training.n_chips: "),
        ([("n_chips: 98304", "n_chips: 98303")], "give training.n_chips: "),
        ([("n_chips: 98304", "n_chips: 1"), ("global_batch: 6144", "global_batch: 1")], "needs .* of the 80 GiB"),
    ],
)
def test_a_job_that_cannot_run_is_not_good(run, changes, said):
    text = STORY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    code, out, err = run("check", write("mine.yaml", text))
    assert (code, out) == (1, "")
    assert re.search(f"scenario 'xai-colossus-2024', training: .*{said}", err)
    assert "idle_frac" not in err  # no field of a scenario


def test_a_wrong_scenario_writes_no_report_and_leaves_the_earlier_one(run, elsewhere):
    earlier = elsewhere / "reports" / "xai-colossus-2024" / "index.html"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("earlier")
    mine = write("mine.yaml", STORY.replace("chip: H100-SXM", "chip: H100-SMX"))
    code, _, err = run("report", mine)
    assert code == 1
    assert "did you mean 'H100-SXM'?" in err
    assert [file for file in (elsewhere / "reports").rglob("*") if file.is_file()] == [earlier]


def test_a_file_that_the_system_refuses_is_no_traceback(run, elsewhere, monkeypatch):
    write("mine.yaml", STORY)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    code, _, err = run("check", "mine.yaml")
    assert code == 1
    assert "mine.yaml cannot be read (Permission denied); give the path of a YAML file" in err


@pytest.mark.parametrize("as_json", [True, False])
def test_validate_counts_no_run_in_a_file_with_a_header_alone(run, runs_file, as_json):
    code, out, err = run("validate", runs_file(lambda rows: rows.__delitem__(slice(1, None))), *["--json"] * as_json)
    assert (code, err) == (0, "")
    assert ('"n": 0' if as_json else "No run to score: n = 0.") in out


def test_validate_prints_json_with_null_where_there_is_no_run(run, runs_file):
    code, out, err = run("validate", runs_file(), "--json")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert (code, err) == (0, "")
    assert found["dense"]["n"] == 3
    assert found["moe"] == {"n": 0} | dict.fromkeys([name for name in found["moe"] if name != "n"])


@pytest.mark.parametrize("command", [("validate",), ("check", "training_runs=")])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "runs.csv, line 1: column 'run_id' is missing; add it"),
        (b"a,b\n1,2\n", "runs.csv, line 1: column 'step_time_s' is missing; add it"),
        (b"run_id;source_id;model\n1;2;3\n", "got 'run_id;source_id;model' as one column; separate the columns with"),
        (b"\xff\xfe\x00r", "is not a CSV file in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_runs_says_why(run, elsewhere, command, content, said):
    (elsewhere / "runs.csv").write_bytes(content)
    *first, last = command
    code, out, err = run(*first, f"{last}runs.csv") if first else run(last, "runs.csv")
    assert (code, out) == (1, "")
    assert said in err


def test_a_wrong_cell_is_found_on_its_own_line_although_empty_lines_come_before(run, runs_file):
    def change(rows):
        rows[3][rows[0].index("step_time_s")] = "fast"
        rows.insert(2, [])

    code, _, err = run("validate", runs_file(change))
    assert code == 1
    assert "runs.csv, line 5, column 'step_time_s': got 'fast'" in err


def test_cells_beyond_the_header_are_a_fault_and_empty_ones_are_not(run, runs_file):
    def change(rows):
        rows[1] += ["", ""]
        rows[2] += ["", "more"]

    code, _, err = run("validate", runs_file(change))
    assert code == 1
    assert "1 fault" in err
    assert "line 3: has" in err
    assert "quote a cell that has a comma" in err


def test_runs_named_twice_are_refused(run, runs_file):
    code, _, err = run("validate", runs_file(lambda rows: rows.append(rows[1])))
    assert code == 1
    assert "stands on line 2 too; keep one of them" in err


def test_check_says_how_many_chips_stand_idle(run, tmp_path):
    text = (catalog.data_dir() / "scenarios" / "startup-512-2025.yaml").read_text()
    file = tmp_path / "dark.yaml"
    file.write_text(text.replace("  n_chips: 512\n", "  n_chips: 512\n  sites: [{power_mw: 0.5, month: 0}]\n"))
    code, out, _ = run("check", str(file))
    assert code == 0
    assert re.search(r"good; \d+ chips .*of 512 stand idle at most, in 100 % of the samples: all need 1.0 MW", out)


@pytest.mark.parametrize(("wanted", "told"), [("cuda", "no GPU answers: CuPy is not installed"), ("gpu", "it can be")])
@pytest.mark.parametrize("command", ["evaluate xai-colossus-2024", "report", "plan grok-3-2024", "check"])
def test_a_device_that_is_not_there_is_said_in_a_sentence(run, monkeypatch, wanted, told, command):
    monkeypatch.setenv("GIGACLUSTER_DEVICE", wanted)
    monkeypatch.setitem(sys.modules, "cupy", None)
    arrays._gpu_fault.cache_clear()
    code, out, err = run(*command.split())
    arrays._gpu_fault.cache_clear()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("GIGACLUSTER_DEVICE: device")
    assert told in err


def test_an_old_cupy_is_said_in_a_sentence(run, monkeypatch):
    monkeypatch.setenv("GIGACLUSTER_DEVICE", "cuda")
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(__version__="13.6.0"))
    arrays._gpu_fault.cache_clear()
    code, out, err = run("evaluate", "xai-colossus-2024")
    arrays._gpu_fault.cache_clear()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "CuPy 13.6.0 lacks functions that are called; install CuPy 14 or newer" in err


@pytest.mark.parametrize("workers", ["0", "two", "-1", "1.5", "nan"])
def test_a_number_of_workers_that_is_none_is_wrong_usage(run, workers):
    with pytest.raises(SystemExit) as ended:
        run("plan", "grok-3-2024", "--workers", workers)
    assert ended.value.code == 2
