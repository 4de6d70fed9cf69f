"""A world served by `oikos session`: one JSON object a line, one line back, in order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

_WAIT_S = 10
"""Seconds that a session has to end by itself once its input has ended."""

_TOLD_BYTES_MAX = 2000
"""Bytes of the last words of a session that an error repeats."""


class Refused(Exception):
    """A request that the session refused.

    `code` is one of docs/session.md, `message` a sentence, `hint` what to do next, `need` and `have` amounts in base
    units; the last three are None where there are none.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code: str = error["code"]
        self.message: str = error["message"]
        self.hint: str | None = error.get("hint")
        self.need: int | None = error.get("need")
        self.have: int | None = error.get("have")
        hint = f" ({self.hint})" if self.hint else ""
        super().__init__(f"{self.code}: {self.message}{hint}")


class SessionEnded(Exception):
    """The process of a session is no more. `status` is its exit status, `told` the end of what it said."""

    def __init__(self, status: int | None, told: str) -> None:
        self.status = status
        self.told = told
        words = f": {told}" if told else ""
        super().__init__(f"the session has ended with status {status}{words}")


class Session:
    """A world, served by a process of its own until `close`.

    `world` is the path of a world file, for a fresh world in memory (or in `db`), or of a world database. `seed` and
    `set` (keys of the world file, as `{"execution.ticks": 50}`) differ from the file's. `binary` is the program
    `oikos`, by default the one on the path.
    """

    def __init__(
        self,
        world: str | os.PathLike[str],
        *,
        seed: int | None = None,
        set: Mapping[str, Any] | None = None,
        db: str | os.PathLike[str] | None = None,
        binary: str | os.PathLike[str] = "oikos",
    ) -> None:
        found = shutil.which(os.fspath(binary))
        if found is None:
            raise FileNotFoundError(f"there is no program `{os.fspath(binary)}`: name it with `binary=`")
        words = [found, "session", os.fspath(world)]
        words += [] if db is None else ["--db", os.fspath(db)]
        words += [] if seed is None else ["--seed", str(seed)]
        for key, value in (set or {}).items():
            words += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
        self._asked = 0
        self._told = tempfile.TemporaryFile()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=self._told)

    def request(self, **request: Any) -> dict[str, Any]:
        """Sends one request, such as `query={"what": "balances"}`; returns the whole answer.

        Raises `Refused` where the answer is an error, and `SessionEnded` where there is none.
        """
        self._asked += 1
        line = json.dumps({"id": self._asked, **request}, allow_nan=False) + "\n"
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(line.encode())
            stdin.flush()
            answer = stdout.readline()
        except (OSError, ValueError):
            raise self._ended() from None
        if not answer.endswith(b"\n"):
            raise self._ended()
        told: dict[str, Any] = json.loads(answer)
        if "error" in told:
            raise Refused(told["error"])
        if told.get("id") != self._asked:
            raise RuntimeError(f"the answer {told.get('id')} is none to the request {self._asked}")
        return told

    def act(self, who: str, op: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Acts as a principal, with one op or an atomic list; returns the receipt, of a refused action too."""
        action = dict(op) if isinstance(op, Mapping) else {"ops": list(op)}
        receipt: dict[str, Any] = self.request(act={"as": who, **action})["receipt"]
        return receipt

    def query(self, what: str, **fields: Any) -> Any:
        """The result of a query, as an observer who may see all."""
        return self.request(query={"what": what, **fields})["result"]

    def run(self, **span: Any) -> dict[str, Any]:
        """Runs the scheduler for `ticks=N`, or for a duration of the world: `run(**{"for": "10m"})`."""
        return self.request(run=span)

    def advance(self, duration: str) -> str:
        """Moves the virtual clock; returns the time that it is now."""
        now: str = self.request(advance=duration)["now"]
        return now

    def observe(self, agent: str) -> dict[str, Any]:
        """The observation of an agent, as its mind would have it now."""
        observation: dict[str, Any] = self.request(observe=agent)["result"]
        return observation

    def decide(self, agent: str, ops: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
        """Decides the open turn of an agent whose mind is a client; None or no ops do nothing.

        Returns the receipt of its step, or None where that comes with its next observation. Raises `Refused` where
        the decision can't be carried out as a whole: the turn stays open.
        """
        told = self.request(decide={"as": agent, "ops": None if ops is None else list(ops)})
        receipt: dict[str, Any] | None = told["receipt"]
        if receipt is not None and receipt["seq"] is None:
            raise Refused(receipt["error"])
        return receipt

    def verify(self) -> dict[str, Any]:
        """Verifies the whole journal; returns where the world stands, with its hashes."""
        result: dict[str, Any] = self.request(verify=True)["result"]
        return result

    def close(self) -> int | None:
        """Ends the process, and returns its exit status. A closed session may be closed again."""
        self._close_pipes()
        try:
            self._process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
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
        try:
            status: int | None = self._process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
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
