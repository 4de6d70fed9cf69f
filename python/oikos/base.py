"""The types of the fields of ops and queries, and the making of an op or a query from them.

`ops.py` and `queries.py` have a method for each, and are written by `generate.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

Json: TypeAlias = Any
"""Any JSON: None, a bool, a number, a text, a list or a dict of them."""

Instant: TypeAlias = "str | datetime"
"""A time of the world: RFC 3339, or a `datetime` with a zone."""

Duration: TypeAlias = "str | timedelta"
"""A span of time, such as `60s` or `1h 30m`, or a `timedelta`, to the millisecond."""


class Unset(Enum):
    """The value of a field that is left out, where None says something."""

    UNSET = "unset"


UNSET = Unset.UNSET

Answer = TypeVar("Answer", covariant=True)


class OpMethods(ABC, Generic[Answer]):
    """The base of all ops as methods; `_op` does something with one and answers."""

    @abstractmethod
    def _op(self, op: dict[str, Json]) -> Answer: ...

    def _do(
        self, name: str, fields: Mapping[str, Json], nullable: Mapping[str, Json | Unset] | None = None
    ) -> Answer:
        """Does an op: those of its `fields` that are not None, and those in which None means something, if set."""
        given = {field: value for field, value in fields.items() if value is not None}
        more = {field: value for field, value in (nullable or {}).items() if value is not UNSET}
        return self._op({"op": name, **given, **more})


class QueryMethods(ABC):
    """The base of all queries as methods."""

    @abstractmethod
    def __call__(self, what: str, **fields: Json) -> Any:
        """The answer to the query of that name."""

    def _ask(self, what: str, fields: Mapping[str, Json]) -> Any:
        """Asks a query with those of its `fields` that are not None."""
        return self(what, **{field: value for field, value in fields.items() if value is not None})
