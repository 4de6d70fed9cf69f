"""A world served by `oikos session`: one JSON object a line, one line back, in order."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, overload

from oikos.binary import Child, Moment, Name, encoded, options, overrides, when
from oikos.errors import SessionEnded
from oikos.ops import Ops
from oikos.queries import Queries
from oikos.receipt import Receipt, refusal

_WAIT_S = 10
"""Seconds that a session has to end by itself once its input has ended."""

_TOLD_BYTES_MAX = 2000
"""Bytes of the last words of a session that an error repeats."""


class Written(Ops[dict[str, Any]]):
    """Ops as objects, for lists of them: `oikos.op.transfer("bob", 5)`."""

    def _op(self, op: dict[str, Any]) -> dict[str, Any]:
        return op


op = Written()
"""Writes ops as objects, such as `{"op": "transfer", "to": "bob", "amount": 5}`."""


class Actor(Ops[Receipt]):
    """A principal of a session. Each op is a method that acts at once and returns the receipt, or raises `Refused`."""

    def __init__(self, session: Session, who: str) -> None:
        self._session = session
        self.id = who

    def _op(self, op: dict[str, Any]) -> Receipt:
        return self._session.act(self.id, op).check()

    def together(self, *ops: Mapping[str, Any]) -> Receipt:
        """Does many ops as one atomic action, as `together(oikos.op.transfer("bob", 5), oikos.op.read("news"))`.

        The receipt's `result` is a list with a result for each. The first refusal undoes all, and is raised.
        """
        return self._session.act(self.id, list(ops)).check()

    def observe(self) -> dict[str, Any]:
        """The observation of this agent, as its mind would have it now."""
        return self._session.observe(self.id)

    def __repr__(self) -> str:
        return f"Actor({self.id!r})"


class Asked(Queries):
    """The queries of a session: `query.balance("alice")`, or `query("balance", of="alice")`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, what: str, **fields: Any) -> Any:
        return self._session.request(query={"what": what, **fields})["result"]


class Session:
    """A world, served by a process of its own until `close`.

    world: A world file, for a fresh world in memory (or in `db`), or a world database, or a `World`; acts and runs
        change these two.
    seed, set: Another seed, and other values for keys of the world file, as `{"execution.ticks": 50}`.
    db: With a world file: the database in which the world is kept.
    at: With a database: go on from a moment of it, on a copy in memory.
    tape, max_cost, isolation: As in `oikos run`.
    binary: The program `oikos`; by default `find_binary()`.

    An interrupt ends the process in an orderly way; a world in memory is gone with it.
    """

    def __init__(
        self,
        world: Name,
        *,
        seed: int | None = None,
        set: Mapping[str, Any] | None = None,
        db: Name | None = None,
        at: Moment | None = None,
        tape: str | None = None,
        max_cost: str | None = None,
        isolation: str | None = None,
        binary: Name | None = None,
    ) -> None:
        more = options(
            db=None if db is None else os.fspath(db),
            at=None if at is None else when(at),
            tape=tape,
            max_cost=max_cost,
            isolation=isolation,
        )
        # A world in a folder for its time is there as long as somebody holds it.
        self._world = world
        self._asked = 0
        self._told = tempfile.TemporaryFile()
        words = ["session", os.fspath(world), *more, *overrides(seed, set)]
        pipe = subprocess.PIPE
        try:
            self._child = Child(words, binary, stdin=pipe, stdout=pipe, stderr=self._told)
        except BaseException:
            self._told.close()
            raise
        self._process = self._child.process
        self.query = Asked(self)

    def request(self, **request: Any) -> dict[str, Any]:
        """Sends one request, such as `query={"what": "balances"}`; returns the whole answer.

        Raises `Refused` where the answer is an error, and `SessionEnded` where there is none.
        """
        self._asked += 1
        line = json.dumps({"id": self._asked, **request}, allow_nan=False, default=encoded) + "\n"
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(line.encode())
            stdin.flush()
            answer = stdout.readline()
        except (OSError, ValueError):
            raise self._ended() from None
        except BaseException:
            # The answer would be taken for that of the next request.
            self._close_pipes()
            self._child.interrupt()
            raise
        if not answer.endswith(b"\n"):
            raise self._ended()
        told: dict[str, Any] = json.loads(answer)
        if "error" in told:
            raise refusal(told["error"])
        if told.get("id") != self._asked:
            raise RuntimeError(f"the answer {told.get('id')} is none to the request {self._asked}")
        return told

    @overload
    def act(self, who: str) -> Actor: ...
    @overload
    def act(self, who: str, op: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Receipt: ...
    def act(self, who: str, op: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> Actor | Receipt:
        """A principal, whose methods act: `act("alice").transfer("bob", 5)`.

        With an op, or a list of them that is one atomic action, acts and returns the receipt, of a refused action too.
        """
        if op is None:
            return Actor(self, who)
        action = dict(op) if isinstance(op, Mapping) else {"ops": list(op)}
        return Receipt(self.request(act={"as": who, **action})["receipt"])

    def batch(self, actions: Iterable[tuple[str, Mapping[str, Any] | Sequence[Mapping[str, Any]]]]) -> list[Receipt]:
        """Does many actions, each by itself, as `[("alice", oikos.op.noop()), …]`; returns a receipt for each, of
        refused ones too. One request is faster than many."""
        asked = [
            {"as": who, **(dict(op) if isinstance(op, Mapping) else {"ops": list(op)})} for who, op in actions
        ]
        return [Receipt(receipt) for receipt in self.request(batch=asked)["receipts"]]

    def run(self, ticks: int | None = None, *, for_: Any = None, **span: Any) -> dict[str, Any]:
        """Runs the scheduler for so many `ticks`, or `for_` a time of the world, as `10m` or a `timedelta`.

        Returns `now`, `seq`, `stopped` (`ticks`, `for`, `turns`, `budget`), and `turns` where clients are to decide.
        """
        asked = {"ticks": ticks, "for": for_, **span}
        return self.request(run={name: value for name, value in asked.items() if value is not None})

    def advance(self, duration: Any) -> str:
        """Moves the virtual clock by a time, as `60s` or a `timedelta`; returns the time that it is now."""
        now: str = self.request(advance=duration)["now"]
        return now

    def observe(self, agent: str) -> dict[str, Any]:
        """The observation of an agent, as its mind would have it now."""
        observation: dict[str, Any] = self.request(observe=agent)["result"]
        return observation

    def decide(self, agent: str, ops: Sequence[Mapping[str, Any]] | None) -> Receipt | None:
        """Decides the open turn of an agent whose mind is a client; None or no ops do nothing.

        Returns the receipt of its step, or None where that comes with its next observation. Raises `Refused` where
        the decision can't be carried out as a whole: the turn stays open.
        """
        told = self.request(decide={"as": agent, "ops": None if ops is None else list(ops)})["receipt"]
        if told is None:
            return None
        receipt = Receipt(told)
        return receipt.check() if receipt.seq is None else receipt

    def verify(self) -> dict[str, Any]:
        """Verifies the whole journal; returns where the world stands, with its hashes."""
        result: dict[str, Any] = self.request(verify=True)["result"]
        return result

    def close(self) -> int | None:
        """Ends the process, and returns its exit status. A closed session may be closed again."""
        self._close_pipes()
        self._child.end(_WAIT_S)
        self._told.close()
        return self._process.returncode

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                # The process is gone already.
                pass

    def _ended(self) -> SessionEnded:
        if self._told.closed:
            return SessionEnded(self._process.returncode, "it was closed")
        self._close_pipes()
        status = self._child.end(_WAIT_S)
        size = self._told.seek(0, os.SEEK_END)
        self._told.seek(max(0, size - _TOLD_BYTES_MAX))
        return SessionEnded(status, self._told.read().decode(errors="replace").strip())

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A session that nobody closed ends with its last reference. Where the constructor failed there is none.
        if getattr(self, "_process", None) is not None and not self._told.closed:
            self.close()
