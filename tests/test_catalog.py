import csv
import datetime

import pytest

from gigareport import catalog
from gigareport.catalog import CatalogError
from gigareport.tables import TABLES

#: Tables that this project computes from the others, held against them by tests of their own.
COMPUTED = {"throughput_coefficients", "throughput_accuracy"}


@pytest.mark.parametrize("name", catalog.names())
def test_bundled_table_follows_its_schema_and_its_sources_resolve(name):
    table = catalog.load(name)
    assert len(table) > 0
    if name != "sources" and name not in COMPUTED:
        assert table["verification"].notna().all()


@pytest.mark.parametrize("name", catalog.names())
def test_every_schema_says_what_a_row_is(name):
    assert TABLES[name].ABOUT


def test_every_csv_in_data_has_a_schema():
    assert {file.stem for file in catalog.data_dir().glob("*.csv")} == set(catalog.names())


def test_every_source_is_used_or_explains_itself():
    used = set()
    for name in catalog.names():
        if name != "sources":
            table = catalog.load(name)
            for column in table.columns:
                if "source_id" in column:
                    used |= set(";".join(table[column].dropna().astype(str)).split(";"))
    unused = set(catalog.load("sources")["source_id"]) - used
    cited = " ".join(file.read_text() for file in catalog.data_dir().parent.glob("helpers/**/*.py"))
    assert {source for source in unused if source not in cited} == set()


def test_headline_leaves_out_what_is_only_remembered():
    table = catalog.load("scenario_defaults").assign(
        verification=["recalled"] + ["seen"] * (len(catalog.load("scenario_defaults")) - 1)
    )
    assert len(catalog.headline(table)) == len(table) - 1


def test_vintage_is_the_latest_date():
    assert datetime.date.fromisoformat(catalog.vintage(catalog.load("sources"), "accessed"))


@pytest.fixture
def sources_file(tmp_path):
    """Write a copy of sources.csv after a change to its lines."""

    def write(change):
        with (catalog.data_dir() / "sources.csv").open(newline="") as stream:
            rows = list(csv.reader(stream))[:4]
        change(rows)
        file = tmp_path / "sources.csv"
        with file.open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
        return file

    return write


def fault(file):
    with pytest.raises(CatalogError) as caught:
        catalog.load("sources", file)
    return str(caught.value)


def test_a_wrong_cell_is_named_by_line_column_value_and_allowed_values(sources_file):
    def change(rows):
        rows[2][rows[0].index("verification")] = "guessed"
        rows[3][rows[0].index("source_id")] = "has a space"

    message = fault(sources_file(change))
    assert "2 faults" in message
    assert "line 3, column 'verification': got 'guessed'" in message
    assert "'seen', 'secondary', 'recalled' or 'assumption'" in message
    assert "line 4, column 'source_id': got 'has a space'" in message


def test_a_repeated_key_names_both_lines(sources_file):
    def change(rows):
        rows[3][0] = rows[1][0]

    assert "stands on line 2 too; keep one of them" in fault(sources_file(change))


def test_a_missing_column_names_the_nearest_header(sources_file):
    def change(rows):
        rows[0][rows[0].index("licence")] = "license"

    assert "line 1: column 'licence' is missing; rename 'license', which is near" in fault(sources_file(change))


def test_further_columns_of_another_file_are_left_out(sources_file):
    def change(rows):
        for number, row in enumerate(rows):
            row.append("extra" if number == 0 else "x")

    assert "extra" not in catalog.load("sources", sources_file(change)).columns


def test_a_short_line_is_named(sources_file):
    def change(rows):
        del rows[2][2:]

    assert "line 3, column 'licence'" in fault(sources_file(change))


def test_an_unknown_table_offers_the_nearest():
    with pytest.raises(CatalogError, match="did you mean 'sources'"):
        catalog.load("source")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"nowhere\.csv does not exist"):
        catalog.load("sources", tmp_path / "nowhere.csv")


def test_a_file_that_is_not_text_is_named(tmp_path):
    file = tmp_path / "sources.csv"
    file.write_bytes(b"\xff\xfe\x00\x01")
    assert "not a CSV file in UTF-8" in fault(file)
