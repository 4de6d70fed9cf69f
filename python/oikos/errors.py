"""Errors: the binary said no, a world refused an action, a session is no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oikos.receipt import Receipt


class Error(Exception):
    """A command of the binary that failed.

    `message` is the sentence that the binary said, with its hints. `status` is its exit code (docs/exit-codes.md):
    1 the answer is no, 2 what was asked can't be meant, 3 a fault, 130 interrupted; None where no process has ended.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, status)
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return self.message


class Refused(Error):
    """A request or an action that a world refused. It changed nothing but what `receipt` has as charges.

    `code` is one of docs/session.md, `message` a sentence, `hint` what to do next, `need` and `have` amounts in base
    units, `index` the op of a list that failed, and `receipt` the receipt of an action; each is None where there is
    none. `status` is 1.
    """

    def __init__(
        self,
        code: str,
        message: str,
        need: int | None = None,
        have: int | None = None,
        hint: str | None = None,
        index: int | None = None,
        receipt: Receipt | None = None,
    ) -> None:
        super().__init__(message, 1)
        self.args = (code, message, need, have, hint, index, receipt)
        self.code = code
        self.need = need
        self.have = have
        self.hint = hint
        self.index = index
        self.receipt = receipt

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.code}: {self.message}{hint}"


class SessionEnded(Error):
    """The process of a session is no more. `status` is its exit code, `told` the end of its last words."""

    def __init__(self, status: int | None, told: str) -> None:
        words = f": {told}" if told else ""
        super().__init__(f"the session has ended with status {status}{words}", status)
        self.args = (status, told)
        self.told = told
