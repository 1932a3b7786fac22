"""Two hundred damaged goal files: each is a goal, or one short message; never a traceback, never a hang."""

import collections
import random
import time

import pytest

from gigareport import catalog, planner
from gigareport.scenario import ScenarioError

GOALS = {file.stem: file.read_text() for file in sorted((catalog.data_dir() / "goals").glob("*.yaml"))}
LONGEST_S, LONGEST_MESSAGE = 5.0, 2_000
#: What a hand or an editor may leave where a value stood, or anywhere.
VALUES = [
    "yes",
    "~",
    ".nan",
    ".inf",
    "-1",
    "0",
    "1e400",
    "9" * 400,
    "025",
    "8:32",
    "25.000",
    "2025-02-30",
    "1720483200",
]
VALUES += ["[1]", "[3, 2, 1]", "[[1], 2, 3]", "{low: 1, median: 2}", "&a [*a]", "!!int abc", "x" * 100_000, '"\\e[2J"']
PIECES = ["[", "]", "{", "}", ":", "\n", "  ", "- ", "&a ", "*a", "#", '"', "'", "|", ">", "!", "%", "0", "\t", "é"]


def damaged(text, chance):
    """Return a goal after one accident: another value in a line, letters among letters, or a line twice."""
    lines = text.split("\n")
    valued = [n for n, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")]
    match chance.randrange(4):
        case 0 | 1:
            line = chance.choice(valued)
            lines[line] = lines[line].split(": ")[0] + ": " + chance.choice(VALUES)
        case 2:
            at = chance.randrange(len(text))
            return (
                text[:at] + "".join(chance.choices(PIECES, k=chance.randrange(1, 4))) + text[at + chance.randrange(4) :]
            )
        case _:
            line = chance.choice(valued)
            lines.insert(line, lines[line])
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(4))
def test_every_damaged_goal_is_read_or_refused_in_one_short_message(seed, tmp_path):
    chance, outcomes = random.Random(seed), collections.Counter()
    for number in range(50):
        file = tmp_path / f"{number}.yaml"
        file.write_text(damaged(GOALS[chance.choice(sorted(GOALS))], chance), encoding="utf-8")
        start = time.process_time()
        try:
            planner.load(file)
            outcomes["read"] += 1
        except ScenarioError as fault:
            message = str(fault)
            assert len(message) < LONGEST_MESSAGE + len(str(file)), message
            assert all(letter.isprintable() or letter == "\n" for letter in message), message
            outcomes["refused"] += 1
        assert time.process_time() - start < LONGEST_S, file.read_text()[:2_000]
    assert outcomes["refused"] >= 20, outcomes  # most accidents are harmful
    assert outcomes["read"] >= 2, outcomes  # a letter in a comment or a title is not
