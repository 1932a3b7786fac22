"""Files that an accident has damaged, the same ones for the same seed."""

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
