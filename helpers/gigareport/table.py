"""Columns of NumPy by name: all that stands between a file of ``data/`` and an answer, with no need of pandas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy
import numpy.typing

if TYPE_CHECKING:
    import pandas as pd


class Table:
    """Columns of one length by name, to be read and not written.

    Numbers are float64 or int64 (a blank is ``nan``), flags bool, days datetime64[D] (``NaT``), texts objects (None).

    Examples
    --------
    >>> table = Table({"chip": ["A100", "H100", "H100"], "usd": [1.0, 3.0, numpy.nan]})
    >>> {chip: rows["usd"].tolist() for chip, rows in table.groups("chip").items()}
    {'A100': [1.0], 'H100': [3.0, nan]}
    >>> len(table.where(given(table["usd"])))
    2
    """

    def __init__(self, columns: Mapping[str, numpy.typing.ArrayLike]) -> None:
        self._columns = {name: _column(values) for name, values in columns.items()}
        lengths = {name: values.size for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of a table must have one length, got {lengths}")

    @classmethod
    def _read(cls, columns: Mapping[str, numpy.ndarray]) -> Table:
        """Return a table of columns in their form, such as those of another."""
        for values in columns.values():
            values.flags.writeable = False
        table = cls.__new__(cls)
        table._columns = dict(columns)
        return table

    @classmethod
    def of(cls, table: Table | pd.DataFrame) -> Table:
        """Return the columns of a DataFrame; a table passes as it is."""
        return table if isinstance(table, Table) else cls({name: table[name].to_numpy() for name in table.columns})

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> numpy.ndarray:
        return self._columns[name]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return the rows as mappings, one after the other; their numbers are Python's, as a file takes them."""
        columns = [one.tolist() if one.dtype.kind in "bif" else one for one in self._columns.values()]
        return (dict(zip(self.columns, cells, strict=True)) for cells in zip(*columns, strict=True))

    def where(self, rows: numpy.ndarray | slice) -> Table:
        """Return some rows: those where flags are true, or those at places."""
        return Table._read({name: values[rows] for name, values in self._columns.items()})

    def assign(self, **columns: numpy.typing.ArrayLike) -> Table:
        """Return the table with further columns, or others in their place; a single value holds for all rows."""
        whole = {name: numpy.broadcast_to(_column(values), len(self)) for name, values in columns.items()}
        return Table(self._columns | whole)

    def select(self, *names: str) -> Table:
        """Return some columns, in the order of their names here."""
        return Table._read({name: self[name] for name in names})

    def sorted(self, *names: str) -> Table:
        """Return the rows in the order of a column and, where that is the same, of the next; equal ones stay put."""
        keys = [self[name].astype(str) if self[name].dtype == object else self[name] for name in reversed(names)]
        return self.where(numpy.lexsort(keys))

    def last(self, *names: str) -> Table:
        """Return the last row of each combination of values of some columns, in the order in which they stand."""
        at = {key: row for row, key in enumerate(zip(*(self[name].tolist() for name in names), strict=True))}
        return self.where(numpy.array(sorted(at.values()), dtype=int))

    def groups(self, name: str) -> dict[Any, Table]:
        """Return the rows of each value of a column, in the order of the values; those without one are left out."""
        return {value: self.where(self[name] == value) for value in sorted(set(self[name][given(self[name])].tolist()))}

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame of the table: days as ``datetime64[s]``, blanks as missing values."""
        import pandas as pd

        return pd.DataFrame({name: _series(values) for name, values in self._columns.items()})


def stacked(*tables: Table) -> Table:
    """Return the rows of several tables of the same columns, one below the other."""
    return Table({name: numpy.concatenate([table[name] for table in tables]) for name in tables[0].columns})


def given(values: numpy.ndarray) -> numpy.ndarray:
    """Tell which cells of a column are no blanks."""
    if values.dtype == object:
        return numpy.array([value is not None for value in values], dtype=bool)
    blank: numpy.ndarray = numpy.isnat(values) if values.dtype.kind == "M" else numpy.isnan(values)
    return ~blank


def filled(values: numpy.ndarray, other: numpy.typing.ArrayLike) -> numpy.ndarray:
    """Return a column with another's values, or one value, in the place of its blanks."""
    return numpy.where(given(values), values, other)


def _column(values: numpy.typing.ArrayLike) -> numpy.ndarray:
    found = numpy.array(values)
    if found.dtype.kind == "U":
        found = found.astype(object)
    elif found.dtype.kind == "M":
        found = found.astype("datetime64[D]")
    elif found.dtype == object and found.ndim:
        found[found != found] = None  # nan, by which pandas says that a text is missing
    found.flags.writeable = False
    return found


def _series(values: numpy.ndarray) -> pd.Series:
    import pandas as pd

    if values.dtype.kind == "M":
        return pd.Series(values.astype("datetime64[s]"))
    texts = values.dtype == object and all(value is None or isinstance(value, str) for value in values)
    return pd.Series(values, dtype="str" if texts else None)
