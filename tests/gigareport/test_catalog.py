import csv
import dataclasses
import datetime
import json
import re

import frictionless
import pytest

from gigareport import catalog, dictionary
from gigareport.catalog import CatalogError
from gigareport.fields import Fault

#: Tables without a source in each row: computed from the others and tested there, or about the tables themselves.
WITHOUT_SOURCE = {"sources", "columns", "tables", "throughput_coefficients", "throughput_accuracy", "throughput_vault"}


@pytest.mark.parametrize("name", catalog.names())
def test_bundled_table_follows_its_schema_and_its_sources_resolve(name):
    table = catalog.load(name)
    assert len(table) > 0 or name == "throughput_vault"  # written for the first time at the next release
    if name not in WITHOUT_SOURCE:
        assert table["verification"].notna().all()


@pytest.mark.parametrize("name", catalog.names())
def test_every_column_has_a_unit_where_it_holds_numbers_a_meaning_and_limits_that_can_be_read(name):
    table = dictionary.table(name)
    known = set(dictionary.columns_of(name))
    assert set(table.key) <= known
    assert {word for rule in table.rules for word in rule.replace("<=", " ").split()} - {"with", "or"} <= known
    for column in table.columns:
        assert len(column.meaning.split()) > 1 or column.meaning == "Parameters", column
        assert bool(column.unit) == (column.type in ("number", "whole", "one number")), column
        column.reader()("") if column.blank else None
        assert column.choices if column.type in ("choice", "flag") else column.bounds is not None


#: End of a column's name: the unit that it stands for.
UNITS = {
    r"(?<!_per)_s|seconds": "s",
    r"(.*_)?days(?<!_node_days)": "d",
    r"_hours|_h": "h",
    r"_years": "year",
    r"_frac": "1",
    r"_flop": "FLOP",
    r"_tflops": "TFLOP/s",
    r"_gib": "GiB",
    r"_gb_per_s": "GB/s",
    r"_gbit_per_s": "Gbit/s",
    r"_w": "W",
    r"_mw": "MW",
    r"_tb": "TB",
    r"_ape|mape": "%",
    r"h100e(_8bit|_bf16)?(_p5|_median|_p95)?": "H100",
    r"(.*_)?tokens(_low|_high)?": "token",
}


@pytest.mark.parametrize("name", catalog.names())
def test_a_number_has_the_unit_that_its_column_is_named_by(name):
    for column in dictionary.table(name).columns:
        if column.type in ("number", "whole", "one number"):
            for end, unit in UNITS.items():
                if re.search(f"({end})$", column.column):
                    assert column.unit == unit, column
            if "usd" in column.column:
                assert "USD" in column.unit, column


def test_the_dictionary_names_each_column_of_each_table_once_and_in_the_order_of_the_file():
    for name in catalog.names():
        with (catalog.data_dir() / f"{name}.csv").open(newline="", encoding="utf-8-sig") as stream:
            header = next(csv.reader(stream))
        assert dictionary.columns_of(name) == header, name


def test_the_data_package_is_the_one_that_the_dictionary_gives_and_frictionless_finds_no_fault():
    file = catalog.data_dir() / "datapackage.json"
    assert json.loads(file.read_text(encoding="utf-8")) == dictionary.data_package(), "run: make datapackage"
    report = frictionless.Package(str(file)).validate()
    assert report.valid, report.flatten(["name", "rowNumber", "fieldName", "note"])[:10]


def test_every_csv_in_data_has_a_schema():
    assert {file.stem for file in catalog.data_dir().glob("*.csv")} == set(catalog.names())


def test_every_table_is_explained_in_the_readme_of_the_facts():
    text = (catalog.data_dir() / "README.md").read_text(encoding="utf-8")
    assert [name for name in catalog.names() if not re.search(rf"\b{name}\b", text)] == []


def test_every_source_is_used_or_explains_itself():
    used = {column.default for name in catalog.names() for column in dictionary.table(name).columns}
    for name in catalog.names():
        if name != "sources":
            table = catalog.load(name)
            for column in table.columns:
                if "source_id" in column:
                    used |= set(";".join(table[column].dropna().astype(str)).split(";"))
    unused = set(catalog.load("sources")["source_id"]) - used
    cited = " ".join(file.read_text() for file in catalog.data_dir().parent.glob("helpers/**/*.py"))
    cited += " ".join(column.meaning for name in catalog.names() for column in dictionary.table(name).columns)
    assert {source for source in unused if source not in cited} == set()


#: What the sentences about who owns and uses the world's compute, its sites and the story's bill are made of.
HEADLINE_TABLES = (
    *("chip_owners", "maker_totals", "owners", "lab_compute", "published_anchors", "contracts"),
    *("data_center_timelines", "sites", "site_names", "scenario_defaults", "cost_inputs", "hardware_prices"),
)


def test_an_address_is_that_of_a_page_not_of_a_house():
    """A site of one page is written with its slash."""
    addresses = catalog.load("sources")["address"].dropna()
    assert [address for address in addresses if not re.fullmatch(r"https?://[^/\s]+/[^\s]*", address)] == []


def test_without_an_address_a_source_says_why_or_is_an_assumption():
    sources = catalog.load("sources")
    without = sources[sources["address"].isna() & ~sources["verification"].isin(["assumption", "recalled"])]
    said = without["note"].fillna("").str.contains(r"not kept|not told|each row|is its address", regex=True)
    assert without.loc[~said, "source_id"].tolist() == []


@pytest.mark.parametrize("name", HEADLINE_TABLES)
def test_what_carries_a_headline_can_be_looked_up(name):
    table = catalog.headline(catalog.load(name))
    columns = [column.column for column in dictionary.table(name).columns if column.type in ("source", "sources")]
    cited = set(";".join(table[columns].fillna("").astype(str).to_numpy().ravel()).split(";")) - {""}
    assumed = set(catalog.load("sources").query("verification == 'assumption'")["source_id"])
    assert cited - catalog.located() - assumed == set()


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
    said = "line 3, column 'verification': must be 'seen', 'secondary', 'recalled' or 'assumption'; got 'guessed'"
    assert said in message
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


def test_a_cell_at_fault_hides_neither_the_repeated_key_nor_the_broken_rule_of_another_line(tmp_path):
    file = tmp_path / "owners.csv"
    file.write_text(
        "owner,chip_maker,as_of,h100e_8bit_p5,h100e_8bit_median,h100e_8bit_p95\n"
        "A,M,2026-03-31,1,2,3\n"
        "A,M,2026-03-31,1,2,3\n"
        "B,M,2026-03-31,3,2,4\n"
        "C,M,2026-03-31,,2,4\n"
        "D,M,2026-02-30,1,25.000,3\n"
    )
    with pytest.raises(CatalogError) as caught:
        catalog.load("chip_owners", file)
    message = str(caught.value)
    assert "5 faults" in message
    assert "line 3: owner=A, chip_maker=M, as_of=2026-03-31, vintage=not stated stands on line 2 too" in message
    assert "line 4: h100e_8bit_p5 <= h100e_8bit_median <= h100e_8bit_p95 must hold; got 3.0, 2.0, 4.0" in message
    assert "line 5: h100e_8bit_p95 is given and h100e_8bit_p5 is not; give both or neither" in message
    assert "line 6, column 'as_of': got '2026-02-30', which is no day of the calendar" in message
    assert "line 6, column 'h100e_8bit_median': got '25.000', which is 25 or 25,000" in message


def test_ten_thousand_faults_and_a_cell_of_100_kilobytes_give_one_short_message_that_steers_no_terminal(tmp_path):
    file = tmp_path / "runs.csv"
    rows = [f"{'x' * 100_000},1,1,s"] + ["\x1b[2J,-1,1,s"] * 5_000
    file.write_text("\n".join(["params,tokens,loss,source_id", *rows]))
    with pytest.raises(CatalogError) as caught:
        catalog.load("scaling_chinchilla_runs", file)
    message = str(caught.value)
    assert len(message) < 2_000
    assert "10001 faults" in message
    assert message.replace("\n", "").isprintable()


def test_a_column_that_stands_twice_is_a_fault(sources_file):
    def change(rows):
        for row in rows:
            row.append(row[0])

    assert "column 'source_id' stands twice" in fault(sources_file(change))


def test_limits_that_nobody_can_read_are_named():
    column = dictionary.table("chips").columns[3]
    assert column.bounds == {"above": 0}
    with pytest.raises(Fault, match="write '> 0', '>= 0' or '0 to 1'"):
        dataclasses.replace(column, limits="positive").reader()("1")


def test_a_row_of_the_dictionary_with_an_unquoted_comma_is_named(tmp_path, monkeypatch):
    (tmp_path / "tables.csv").write_text("table,row,key,rules\nchips,a chip, or two,chip,\n")
    monkeypatch.setattr(dictionary, "data_dir", lambda: tmp_path)
    with pytest.raises(Fault, match=r"tables\.csv has 1 fault:\n  line 2: has 5 cells, the header 4; quote a cell"):
        dictionary._rows.__wrapped__("tables")


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
