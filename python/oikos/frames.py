"""Rows as data frames: those of pandas or polars where one is installed, otherwise a light `Table`.

`frames(KIND)` says which; integers stay exact in each, and times are moments in UTC, to the millisecond.
"""

from __future__ import annotations

import html
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, TypeAlias, overload

Kind: TypeAlias = Literal["pandas", "polars", "table"]

Frame: TypeAlias = Any
"""A `pandas.DataFrame`, a `polars.DataFrame` or a `Table`."""

_KINDS: tuple[Kind, ...] = ("pandas", "polars", "table")
_SHOWN_ROWS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INT64 = range(-(2**63), 2**63)

_chosen: Kind | None = None


def frames(kind: Kind | None = None) -> Kind:
    """Chooses what all data frames are from now on; returns what they are.

    `pandas` and `polars` must be installed; `table` is `oikos.Table`, which needs nothing. With None, as at the
    beginning, they are pandas' if it is installed, else polars', else tables.
    """
    global _chosen
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"frames are of pandas, polars or table, not {kind!r}")
    if kind in ("pandas", "polars") and importlib.util.find_spec(kind) is None:
        raise ImportError(f"{kind} is not installed: `pip install {kind}`")
    _chosen = kind
    return kind_now()


def kind_now() -> Kind:
    """The kind of all data frames."""
    if _chosen is not None:
        return _chosen
    for kind in _KINDS:
        if kind == "table" or importlib.util.find_spec(kind) is not None:
            return kind
    return "table"


class Table(Sequence[dict[str, Any]]):
    """Rows with the same columns: `table[3]` is a row as a dict, `table["scrip"]` a column as a list."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
        kept = list(rows)
        names = list(columns or ())
        names += [name for name in dict.fromkeys(key for row in kept for key in row) if name not in names]
        self.columns: list[str] = names
        self.rows: list[dict[str, Any]] = [{name: row.get(name) for name in names} for row in kept]

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Table: ...
    @overload
    def __getitem__(self, at: str) -> list[Any]: ...
    def __getitem__(self, at: int | slice | str) -> Any:
        if isinstance(at, str):
            if at not in self.columns:
                raise KeyError(f"there is no column {at!r}; the columns are {', '.join(self.columns)}")
            return [row[at] for row in self.rows]
        return Table(self.rows[at], self.columns) if isinstance(at, slice) else self.rows[at]

    def head(self, count: int = 5) -> Table:
        """The first rows."""
        return self[:count]

    def tail(self, count: int = 5) -> Table:
        """The last rows."""
        return self[max(0, len(self) - count) :]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self.columns, self.rows) == (other.columns, other.rows)

    def _cells(self) -> list[list[str]]:
        return [[_shown(row[name]) for name in self.columns] for row in self.rows[:_SHOWN_ROWS]]

    def __repr__(self) -> str:
        lines = [self.columns, *self._cells()]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
        if len(self) > _SHOWN_ROWS:
            shown.append(f"… {len(self)} rows")
        return "\n".join(shown)

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(cells, "td") for cells in self._cells())
        more = f"<p>{len(self)} rows</p>" if len(self) > _SHOWN_ROWS else ""
        head = line(self.columns, "th")
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{more}"


def frame(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = (), times: Sequence[str] = ("time",)
) -> Frame:
    """Rows as a data frame of the kind that `frames` says.

    `columns` are there also without rows, and come first; a row that lacks one has nothing there. The columns named
    by `times` hold moments.
    """
    table = Table(rows, columns)
    for name in times:
        if name in table.columns:
            _read_times(table, name)
    kind = kind_now()
    if kind == "pandas":
        return _pandas(table, times)
    if kind == "polars":
        return _polars(table, times)
    return table


def moment(text: str) -> datetime:
    """A time as worlds print it, `2026-01-01T00:00:00.000Z`."""
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=timezone.utc)


def _read_times(table: Table, name: str) -> None:
    """Turns a column into moments; one that holds a year that Python does not know stays as it is."""
    try:
        read = [moment(value) if isinstance(value, str) else value for value in table[name]]
    except ValueError:
        return
    for row, value in zip(table.rows, read):
        row[name] = value


def _is_moments(values: Sequence[Any]) -> bool:
    return all(value is None or isinstance(value, datetime) for value in values)


def _numbers(values: Sequence[Any]) -> type | None:
    """`int`, `bool` or `float` where all values that there are can stand in a column of it."""
    kinds = {type(value) for value in values if value is not None}
    for kind in (int, bool, float):
        if kinds == {kind}:
            fits = kind is not int or all(value is None or value in _INT64 for value in values)
            return kind if fits else None
    # A whole number among floats is one of them only if that loses nothing.
    if kinds == {int, float} and all(abs(value) <= 2**53 for value in values if isinstance(value, int)):
        return float
    return None


def _ms(value: datetime | None) -> int | None:
    return None if value is None else (value - _EPOCH) // timedelta(milliseconds=1)


def _pandas(table: Table, times: Sequence[str]) -> Any:
    import pandas

    def column(name: str) -> Any:
        values = table[name]
        if name in times and _is_moments(values):
            read = pandas.array([_ms(value) for value in values], dtype="Int64")
            return pandas.Series(read).astype("datetime64[ms]").dt.tz_localize("UTC")
        kind, is_whole = _numbers(values), None not in values
        words = {int: ("int64", "Int64"), bool: ("bool", "boolean"), float: ("float64", "float64")}
        if kind is None:
            return pandas.Series(values, dtype=None if all(type(value) is str for value in values) else "object")
        return pandas.Series(values, dtype=words[kind][0 if is_whole else 1])

    return pandas.DataFrame({name: column(name) for name in table.columns}, columns=table.columns)


def _polars(table: Table, times: Sequence[str]) -> Any:
    import polars

    words = {int: polars.Int64, bool: polars.Boolean, float: polars.Float64}

    def column(name: str) -> Any:
        values = table[name]
        if name in times and _is_moments(values):
            read = polars.Series(name, [_ms(value) for value in values], dtype=polars.Int64)
            return read.cast(polars.Datetime("ms", "UTC"))
        kind = _numbers(values)
        if kind is not None:
            return polars.Series(name, values, dtype=words[kind])
        is_text = all(value is None or isinstance(value, str) for value in values)
        return polars.Series(name, values, dtype=polars.String if is_text else polars.Object)

    return polars.DataFrame([column(name) for name in table.columns])


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
