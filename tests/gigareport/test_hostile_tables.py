"""Six hundred damaged tables: each is read, or refused in one short message that names line and column."""

import collections
import csv
import random
import time

from gigareport import catalog, dictionary
from gigareport.catalog import CatalogError

SEED, N_FILES, LONGEST_S, LONGEST_MESSAGE = 20240709, 600, 5.0, 2_000

#: What a hand, an editor or a spreadsheet may leave in a cell.
CELLS = [
    *(
        "",
        " ",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "1e300",
        "1e19",
        "1e400",
        "-1",
        "0",
        "0x1F",
        "025",
        "25.000",
        "1,5",
        "1.234.567",
        "8:32",
    ),
    *("true", "TRUE", "yes", "None", "null", "#REF!", "=1+1", "€5", "5 %", "٣", "−5", "1e", "++1", "1_0", "½"),
    *("2025-02-30", "1720483200", "2024", "24-07-09", "09.07.2024", "2024-13-01", "0000-00-00", "9999-12-31"),
    *(
        "\x00",
        "\x1b[31mred",
        "a\nb",
        "a\r\nb",
        '"',
        "'",
        "a,b",
        ";",
        "\t",
        "\ufeff",
        "\u202eabc",
        "x" * 100_000,
        "9" * 400,
    ),
]


def damaged(rows, chance):
    """Return the text of a table after one to three accidents."""
    rows = [list(row) for row in rows]
    for _ in range(chance.randint(1, 3)):
        row, column = chance.randrange(len(rows)), chance.randrange(max(len(rows[0]), 1))
        match chance.randrange(9):
            case 0 | 1 | 2 | 3 if column < len(rows[row]):
                rows[row][column] = chance.choice(CELLS)
            case 4:
                rows.insert(row, list(rows[chance.randrange(len(rows))]))
            case 5:
                del rows[row][column:]
            case 6:
                rows[row].append(chance.choice(CELLS))
            case 7:
                for cells in rows:
                    cells[column : column + 1] = []
            case _:
                rows = rows[: max(row, 1)]
    mark = chance.choice(",,,,,,,,;\t")
    quoted = chance.random() < 0.7
    text = "\n".join(
        mark.join(f'"{cell}"' if quoted and any(c in cell for c in ',"\n') else cell for cell in cells)
        for cells in rows
    )
    return text[: chance.randrange(len(text))] if chance.random() < 0.1 else text


def files(folder):
    """Yield table names with damaged copies of them, the same ones in every run."""
    chance = random.Random(SEED)
    names = [name for name in catalog.names() if name != "scaling_law_replicates"]
    for number in range(N_FILES):
        name = chance.choice(names)
        with (catalog.data_dir() / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))[:30]
        file = folder / f"{number}.csv"
        raw = damaged(rows, chance).encode("utf-8", "surrogatepass")
        if chance.random() < 0.05:
            place = chance.randrange(len(raw) + 1)
            raw = raw[:place] + chance.randbytes(3) + raw[place:]
        file.write_bytes(raw)
        yield name, file


def test_every_damaged_table_is_read_or_refused_in_one_short_message(tmp_path):
    outcomes = collections.Counter()
    for name, file in files(tmp_path):
        start = time.perf_counter()
        try:
            table = catalog.load(name, path=file)
        except CatalogError as fault:
            message = str(fault)
            assert len(message) < LONGEST_MESSAGE, (name, message)
            assert message.replace("\n", "").isprintable(), (name, message)
            outcomes["refused"] += 1
        else:
            assert set(dictionary.columns_of(name)) <= set(table.columns)
            outcomes["read"] += 1
        assert time.perf_counter() - start < LONGEST_S, (name, file)
    # Not all are harmful: a longer note or a line less is a table still.
    assert outcomes["refused"] > N_FILES // 2, outcomes
    assert outcomes["read"] > N_FILES // 20, outcomes
