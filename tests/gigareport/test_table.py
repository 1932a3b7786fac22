"""Tables of columns do what pandas does with the same rows, and hand nothing out that can be written to."""

import numpy
import pandas as pd
import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from gigareport import catalog
from gigareport.table import Table, filled, given, stacked

NAMES = st.one_of(st.none(), st.sampled_from("abc"))
DAYS = st.dates().map(lambda day: numpy.datetime64(day, "D"))
ROWS = st.lists(st.tuples(NAMES, st.sampled_from([*map(float, range(4)), numpy.nan]), DAYS), min_size=1, max_size=12)


def made(rows):
    name, usd, day = (list(column) for column in zip(*rows, strict=True))
    return Table({"name": numpy.array(name, dtype=object), "usd": usd, "day": numpy.array(day)})


@forall(ROWS)
def test_a_table_goes_to_pandas_and_back(rows):
    table = made(rows)
    back = Table.of(table.to_frame())
    assert back.columns == table.columns
    for name in table.columns:
        numpy.testing.assert_array_equal(back[name], table[name])
        assert back[name].dtype == table[name].dtype


@forall(ROWS)
def test_groups_sorting_and_blanks_are_those_of_pandas(rows):
    table = made(rows)
    frame = table.to_frame()
    pd.testing.assert_frame_equal(
        table.sorted("usd", "day").to_frame(), frame.sort_values(["usd", "day"], ignore_index=True)
    )
    wanted = {name: own["usd"].to_list() for name, own in frame.groupby("name")}
    groups = {name: own["usd"].tolist() for name, own in table.groups("name").items()}
    assert list(groups) == list(wanted)
    for name, usd in groups.items():
        numpy.testing.assert_array_equal(usd, wanted[name])
    named = table.where(given(table["name"]))
    pd.testing.assert_frame_equal(
        named.last("name", "day").to_frame(),
        frame.dropna(subset="name").groupby(["name", "day"]).tail(1).reset_index(drop=True),
    )
    assert filled(table["usd"], -1.0).tolist() == frame["usd"].fillna(-1.0).to_list()
    pd.testing.assert_frame_equal(stacked(table, table).to_frame(), pd.concat([frame, frame], ignore_index=True))


def test_a_table_is_read_and_not_written():
    table = catalog.read("chips")
    assert catalog.read("chips") is table
    with pytest.raises(ValueError, match="read-only"):
        table["tdp_w"][0] = 1.0
    more = table.assign(tdp_w=1.0, new="x")
    assert set(more["new"]) == {"x"}
    assert not numpy.array_equal(more["tdp_w"], table["tdp_w"])
    assert "new" not in table.columns


def test_a_row_too_many_is_refused():
    with pytest.raises(ValueError, match="broadcast"):
        catalog.read("chips").assign(new=[1.0, 2.0])


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        Table({"a": [1, 2], "b": [1]})
