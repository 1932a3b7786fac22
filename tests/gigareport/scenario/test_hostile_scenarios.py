"""Every file is a right answer or one short message: no traceback, no hang, no value read as another."""

import dataclasses
import random
import time

import pytest
import yaml

from gigareport import catalog, scenario
from gigareport.scenario import ScenarioError

STORY = (catalog.data_dir() / "scenarios" / "xai-colossus-2024.yaml").read_text()
STORY_LOADED = scenario.load("xai-colossus-2024")
#: One value for one field, and what it may be read as; None: it must be refused.
WORDS = {
    "25.000": 25.0,
    "025000": None,
    "8:32": None,
    "0x200": None,
    "0o17": None,
    "1_000": 1000.0,
    "1e3": 1000.0,
    "1E3": 1000.0,
    "+3": 3.0,
    "-3": -3.0,
    "yes": None,
    "true": None,
    "~": None,
    "": None,
    ".inf": None,
    "-.inf": None,
    ".nan": None,
    "nan": None,
    "9" * 400: None,
    "1e400": None,
    "1e-400": 0.0,
    "!!int abc": None,
    "!!float 3": 3.0,
    "!!python/object:os.system 3": None,
    "3 MW": None,
    "$3": None,
    "3%": None,
    "1,000": None,
    "2024-07-09": None,
    "1720483200": 1720483200.0,
    "[1]": None,
    "[1, 2]": None,
    "[3, 2, 1]": None,
    "[1, 2, 3, 4]": None,
    "[[1], 2, 3]": None,
    "[yes, yes, yes]": None,
    "{low: 1, median: 2}": None,
    "{low: 1, median: 2, high: 3, higher: 4}": None,
    "{low: 1, low: 1, median: 2, high: 3}": None,
    "'\\x1b[31mred'": None,
    '"\\e[2J"': None,
    '"3"': 3.0,
    "x" * 100_000: None,
    "&a [*a, *a, *a]": None,
}


def refused(text, folder):
    """Return the message about a text, or None where it is accepted with its scenario."""
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    started = time.process_time()
    try:
        found, said = scenario.load(file), None
    except ScenarioError as error:
        found, said = None, str(error)
    assert time.process_time() - started < 5.0
    if said is not None:
        assert len(said) < 2000 + len(str(file))
        assert all(letter.isprintable() or letter == "\n" for letter in said)
    return found, said


def paths():
    return [path for path, _, _ in scenario.leaves(STORY_LOADED) if "deliveries" not in path]


def with_text(path, value):
    """Return the story's file with one field replaced by a text as it stands."""
    content = scenario.plain(STORY_LOADED)
    *sections, last = path.split(".")
    part = content
    for name in sections:
        part = part[name]
    part[last] = "PLACEHOLDER"
    return yaml.safe_dump(content, sort_keys=False).replace("PLACEHOLDER", value)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 8))])
def test_any_word_in_any_field_is_read_as_itself_or_refused(seed, tmp_path):
    chosen = random.Random(seed)
    fields = {path: field for path, field, _ in scenario.leaves(STORY_LOADED)}
    for _ in range(60):
        path, (word, value) = chosen.choice(paths()), chosen.choice(list(WORDS.items()))
        found, said = refused(with_text(path, word), tmp_path)
        kind = fields[path].kind
        if found is None or kind in ("text", "date"):
            continue
        got = found
        for name in path.split("."):
            got = getattr(got, name)
        assert value is not None, f"{path}: {word[:60]!r} was read as {got}"
        assert (got.median if dataclasses.is_dataclass(got) else got) == value
        assert said is None


def test_a_price_in_thousands_is_told_and_a_count_with_a_point_is_refused(tmp_path):
    found, said = refused(with_text("cluster.n_chips", "25.000"), tmp_path)
    assert found is None
    assert "25 or 25,000" in said


BOMB = "\n".join([f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'lol'}]" for n in range(9)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "- 1\n- 2",
        "just words",
        "name: [unclosed",
        "\tname: x",
        "a: &a [*a]",
        "<<: *nothing",
        "&a {<<: *a}",
        "? [a, b]\n: 1",
        "? {a: b}\n: 1",
        "[" * 900 + "]" * 900,
        "{a: " * 900 + "1" + "}" * 900,
        BOMB,
        BOMB + "\ntitle: *a8",
        STORY.replace("title: Own", BOMB + "\ntitle: *a8\n#"),
        STORY + "\n---\nname: second",
        STORY.replace("month: [0.7, 1.1, 2.0]", "month: 1, month: 2"),
        STORY.replace("share: 0.25,", "share: .nan,"),
        STORY.replace("decided_on: 2024-07-09", "decided_on: 2025-02-30"),
        STORY.replace("decided_on: 2024-07-09", "decided_on: 2014-01-01"),
        STORY.replace("decided_on: 2024-07-09", "decided_on: 1720483200"),
        STORY.replace("decided_on: 2024-07-09", "decided_on: 2040-01-01"),
        STORY.replace("horizon_months: 48", "horizon_months: 1"),
        STORY.replace("n_chips: 100000", "n_chips: 0"),
        STORY.replace("n_chips: 100000", "n_chips: yes"),
        STORY.replace("nic_gbps_per_chip: 400", "nic_gbps_per_chip: 1e-9"),
        STORY.replace("name: xai-colossus-2024", "name: My Cluster"),
        STORY.replace("name: xai-colossus-2024", "name: " + "a" * 100_000),
        STORY.replace("own:", "own: 5\nown_:"),
        STORY.replace("chip: H100-SXM", "chip: [H100-SXM]"),
        STORY.replace("chip: H100-SXM", "chip: h100-smx"),
        "x" * 1_500_000,
    ],
    ids=range(33),
)
def test_a_hostile_file_gets_one_message(text, tmp_path):
    found, said = refused(text, tmp_path)
    assert found is None
    assert said


def test_bytes_that_are_no_text_and_a_folder_get_one_message(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(bytes(range(256)))
    for path in (tmp_path / "bytes.yaml", tmp_path, "x" * 5000, "a\x00b"):
        with pytest.raises(ScenarioError) as caught:
            scenario.load(path)
        assert len(str(caught.value)) < 2000


def test_a_random_edit_of_a_file_never_ends_in_a_traceback(tmp_path):
    chosen = random.Random(7)
    pieces = ["[", "]", "{", "}", ":", "\n", "  ", "- ", "&a ", "*a", "#", '"', "'", "|", ">", "!", "%", "0", "\t", "é"]
    for _ in range(150):
        at, length = chosen.randrange(len(STORY)), chosen.randrange(4)
        edited = STORY[:at] + "".join(chosen.choices(pieces, k=chosen.randrange(1, 4))) + STORY[at + length :]
        refused(edited, tmp_path)
