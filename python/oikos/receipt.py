"""Receipts of actions, as worlds give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from oikos.errors import Refused


class ErrorOf(TypedDict, total=False):
    """The error of a receipt. `need` and `have` are amounts in base units, `index` is the op of a list that failed."""

    code: str
    message: str
    need: int
    have: int
    hint: str
    index: int
    traceback: str


class Charge(TypedDict):
    """An amount of a resource, in its base units (microseconds, bytes, units), that a principal was charged."""

    principal: str
    resource: str
    amount: int


class Receipt(dict[str, Any]):
    """The receipt of an action: the object that the world gave, and its fields as attributes.

    `docs/session.md` has all of its fields. Amounts are whole numbers in base units.
    """

    @property
    def ok(self) -> bool:
        """Whether the action's effects happened."""
        return bool(self["ok"])

    @property
    def result(self) -> Any:
        """The result of one op, or of a list a list of results; None when not `ok`."""
        return self.get("result")

    @property
    def error(self) -> ErrorOf | None:
        """The reason why it did not happen, with its `code` and `message`; None when `ok`."""
        return self.get("error")

    @property
    def charges(self) -> list[Charge]:
        """Consumed amounts, also of an action that failed."""
        return self.get("charges") or []

    @property
    def payments(self) -> list[dict[str, Any]]:
        """Scrip that moved: `from`, `to`, `amount`, `why`."""
        return self.get("payments") or []

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Charges and payments line by line: `payer`, `resource`, `amount`, `for`, and more by `for`."""
        return self.get("lines") or []

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that others may see of it."""
        return self.get("events") or []

    @property
    def work(self) -> int | None:
        """Units of work behind the charges of CPU; None where there are none."""
        return self.get("work")

    @property
    def output(self) -> str | None:
        """The text that its code printed and logged, if any."""
        return self.get("output")

    @property
    def seq(self) -> int | None:
        """The number of its record; None of an action that was refused at admission, which leaves none."""
        return self.get("seq")

    @property
    def time(self) -> str | None:
        """The world's time, as `2026-01-01T00:00:00.000Z`."""
        return self.get("time")

    def check(self) -> Receipt:
        """This receipt; raises `Refused` where it is not `ok`."""
        if not self.ok:
            raise refusal(self["error"], self)
        return self

    def __repr__(self) -> str:
        if self.ok:
            return f"Receipt(ok, seq={self.seq}, result={self.result!r})"
        error = self["error"]
        return f"Receipt({error['code']}: {error['message']})"


def refusal(error: Mapping[str, Any], receipt: Receipt | None = None) -> Refused:
    """The exception of an error that a world told."""
    return Refused(
        error["code"],
        error["message"],
        need=error.get("need"),
        have=error.get("have"),
        hint=error.get("hint"),
        index=error.get("index"),
        receipt=receipt,
    )
