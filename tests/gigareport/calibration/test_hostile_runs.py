"""Damaged tables of runs and damaged logs: each is read for what it says, or refused in one short message."""

import collections
import csv
import math
import random
import statistics
import time

import pytest
from hostile_files import damaged

from gigareport import catalog
from gigareport.__main__ import main
from gigareport.calibration import logs, own

N_FILES, LONGEST_CPU_S, LONGEST_MESSAGE = 150, 5.0, 2_000
MEGATRON = " iteration {step}/ 100 | elapsed time per iteration (ms): {ms} | lr: 1e-4 | global batch size:   {batch} |"
TITAN = "step: {step}  loss:  8.49  memory: {gib}GiB(50.16%)  tps: {tps}  mfu: 33.73%"
#: What a cut line, another language, another program or a crash leaves where a number was.
WORDS = ["", "nan", "inf", "-1", "0", "0.0", ".", "..", "4.3.2", "1e5", "4,5", ",", "1,2,3", "٣", "½", "0x1F", "1_0"]
WORDS += ["9" * 400, "8" * 5_000, "\x1b[31m7", "\x00", "None"]


@pytest.fixture(scope="module")
def runs():
    """Return the header and four rows of runs as a file has them."""
    with (catalog.data_dir() / "training_runs.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    source = header.index("source_id")
    return [header, *[row for row in rows if row[source] == "nemo-24.05"][:4]]


def refusal_is_short(said):
    assert said
    assert len(said) < LONGEST_MESSAGE, said
    assert said.replace("\n", "").isprintable(), said
    assert "Traceback" not in said


def test_every_damaged_table_of_runs_is_scored_or_refused_in_one_short_message(runs, tmp_path, capsys):
    chance, outcomes, file = random.Random(20241130), collections.Counter(), tmp_path / "mine.csv"
    for _ in range(N_FILES):
        raw = damaged(runs, chance).encode("utf-8", "surrogatepass")
        if chance.random() < 0.1:
            place = chance.randrange(len(raw) + 1)
            raw = raw[:place] + chance.randbytes(3) + raw[place:]
        file.write_bytes(raw)
        began = time.process_time()
        code = main(["validate", str(file), "--json"])
        said = capsys.readouterr()
        if code:
            refusal_is_short(said.err)
        outcomes[code] += 1
        assert time.process_time() - began < LONGEST_CPU_S, raw[:2000]
    assert outcomes[1] > N_FILES // 2, outcomes
    assert outcomes[0] > N_FILES // 20, outcomes
    assert set(outcomes) == {0, 1}


def log(chance):
    """Return the lines of a log, half of them damaged in one number, and what the whole ones say."""
    titan, lines, whole = chance.random() < 0.5, [], []
    for step in range(chance.randrange(1, 9)):
        said = {"ms": chance.randrange(2_000, 9_000) / 2, "batch": 256, "gib": chance.randrange(1, 80) / 2}
        said["tps"] = chance.randrange(1_000, 9_000)
        written = said | {"step": step, "tps": f"{said['tps']:,}"}
        if chance.random() < 0.5:
            written[chance.choice(["gib", "tps"] if titan else ["ms", "batch"])] = chance.choice(WORDS)
        else:
            whole.append(said)
        lines.append((TITAN if titan else MEGATRON).format(**written))
    if not whole:
        return lines, None
    if titan:
        rate = statistics.median(said["tps"] for said in whole)
        return lines, {"tokens_per_s_per_chip": rate, "peak_mem_gib": max(said["gib"] for said in whole)}
    return lines, {"step_time_s": statistics.median(said["ms"] for said in whole) / 1000, "global_batch": 256}


def test_every_damaged_log_says_what_its_whole_lines_say(runs, tmp_path):
    chance, outcomes, file = random.Random(20241201), collections.Counter(), tmp_path / "mine.log"
    (tmp_path / "mine.csv").write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in runs))
    table = catalog.load("training_runs", path=tmp_path / "mine.csv")
    some = table.head(1).assign(global_batch=float("nan"))
    for number in range(N_FILES):
        lines, expected = log(chance)
        assert logs.read_log("\n".join(lines)) == expected, lines
        raw = chance.choice(["\n", "\r\n", "\r"]).join(lines).encode()
        if number % 2:  # cut or overwritten anywhere, which may leave another number than was there
            place = chance.randrange(len(raw) + 1)
            raw = raw[:place] + chance.choice([b"", chance.randbytes(9), raw[place + 7 :]])
        file.write_bytes(raw)
        try:
            (run,) = logs.joined(some, [str(file)]).to_dict("records")
        except catalog.CatalogError as fault:
            refusal_is_short(str(fault))
            outcomes["refused"] += 1
        else:
            assert 0 < run["step_time_s"] < math.inf, raw
            assert 0 < run["tokens_per_s_per_chip"] < math.inf, raw
            outcomes["read"] += 1
    assert min(outcomes["refused"], outcomes["read"]) > N_FILES // 5, outcomes


@pytest.mark.parametrize("piece", ["step: 1 memory: 1GiB ", "elapsed time per iteration (ms): 1 ", "1", "1,111", " "])
def test_a_log_of_one_endless_line_is_read_at_once(piece):
    began = time.process_time()
    assert logs.read_log(f"memory: {piece * 30_000}") is None
    assert time.process_time() - began < LONGEST_CPU_S


@pytest.mark.parametrize("line", ["\n", "step: 1\n", "elapsed time per iteration (ms): 1\r\n"])
def test_a_log_of_many_short_lines_is_read_at_once(line):
    began = time.process_time()
    assert logs.read_log(line * (50_000_000 // len(line))) is None
    assert time.process_time() - began < LONGEST_CPU_S


def test_many_runs_and_logs_that_cannot_be_used_are_told_in_one_short_message(runs, tmp_path):
    header, *rows = runs
    many = [[f"R{number}", *rows[number % 4][1:]] for number in range(200)]
    file = tmp_path / "mine.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *many])
    table = catalog.load("training_runs", path=file)
    table.drop(columns="verification").assign(step_time_s=0.0).to_csv(file, index=False)
    given = [f"nobody{number}={file}" for number in range(200)]
    for attempt in (lambda: own.calibrate(file), lambda: own.calibrate(file, logs=given)):
        with pytest.raises(catalog.CatalogError, match="200 faults") as caught:
            attempt()
        refusal_is_short(str(caught.value))


@pytest.mark.parametrize(("table", "option"), [("throughput_coefficients", "--calibration"), ("chips", "--chips")])
def test_every_damaged_calibration_and_table_of_chips_predicts_or_is_refused(table, option, runs, tmp_path, capsys):
    chance, outcomes, file = random.Random(20241202), collections.Counter(), tmp_path / "own.csv"
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(runs)
    with (catalog.data_dir() / f"{table}.csv").open(newline="", encoding="utf-8") as stream:
        whole = list(csv.reader(stream))[: 6 if table == "chips" else None]
    for _ in range(N_FILES):
        file.write_bytes(damaged(whole, chance).encode("utf-8", "surrogatepass"))
        began = time.process_time()
        try:
            code = main(["predict", str(tmp_path / "mine.csv"), option, str(file)])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        if code:
            refusal_is_short(said.err)
        else:
            times = [float(row["step_time_s"]) for row in csv.DictReader(said.out.splitlines())]
            assert all(0 < step_s < math.inf for step_s in times)
        outcomes[bool(code)] += 1
        assert time.process_time() - began < LONGEST_CPU_S
    assert min(outcomes[True], outcomes[False]) > N_FILES // 30, outcomes
