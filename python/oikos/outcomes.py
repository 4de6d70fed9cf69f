"""Answers of whole worlds: their measures, a comparison, a replay."""

from __future__ import annotations

import html
from typing import Any

from oikos.frames import Frame, frame


class Measures(dict[str, "float | None"]):
    """Measures by name; None where one has no value. `frame()` has them as rows of `name` and `value`."""

    def frame(self) -> Frame:
        """One row a measure: `name`, `value`."""
        return frame([{"name": name, "value": value} for name, value in self.items()], ("name", "value"))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{'' if value is None else f'{value:.6g}'}</td></tr>"
            for name, value in self.items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


class Comparison:
    """Where two worlds part, and how they differ at their ends. `raw` is all that `oikos compare --json` printed."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    @property
    def is_equal(self) -> bool:
        """Whether both have the same records."""
        return self.parted is None and self.raw["seq"]["a"] == self.raw["seq"]["b"]

    @property
    def common(self) -> int:
        """How many records both have from the first on."""
        return int(self.raw["common"])

    @property
    def parted(self) -> dict[str, Any] | None:
        """The first record that differs: its `seq`, `time` and `cause`, the `parts` that differ, and both records,
        `a` and `b`. None where one world is the beginning of the other."""
        parted: dict[str, Any] | None = self.raw["parted"]
        return parted

    @property
    def measures(self) -> Frame:
        """One row a measure: `name`, and its value in either world, `a` and `b`."""
        return frame(self.raw["measures"], ("name", "a", "b"))

    @property
    def balances(self) -> Frame:
        """One row a principal whose scrip differs: `id`, `a`, `b`."""
        return frame(self.raw["balances"], ("id", "a", "b"))

    @property
    def artifacts(self) -> Frame:
        """One row an artifact that only one world has or that differs: `id`, `only` (`a`, `b` or None), `differs`."""
        told = self.raw["artifacts"]
        rows = [{"id": name, "only": "a"} for name in told["only_a"]]
        rows += [{"id": name, "only": "b"} for name in told["only_b"]]
        rows += [{"id": one["id"], "differs": ", ".join(one["differs"])} for one in told["differ"]]
        return frame(rows, ("id", "only", "differs"))

    @property
    def refusals(self) -> Frame:
        """One row a principal and code: `id`, `code`, and how often in either world, `a` and `b`."""
        return frame(self.raw["refusals"], ("id", "code", "a", "b"))

    def __repr__(self) -> str:
        if self.is_equal:
            return f"Comparison(equal, {self.common} records)"
        where = "one goes on" if self.parted is None else f"part at record {self.parted['seq']}, {self.parted['time']}"
        return f"Comparison({self.common} records in common, {where})"


class Replay:
    """A world executed again; true where every record was the same. `raw` is what `oikos replay --json` printed."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def __bool__(self) -> bool:
        return bool(self.raw["ok"])

    @property
    def difference(self) -> dict[str, Any] | None:
        """The first record that differs, and its parts, recorded and replayed; None where there is none."""
        difference: dict[str, Any] | None = self.raw.get("difference")
        return difference

    def __repr__(self) -> str:
        return "Replay(equal)" if self else f"Replay(record {(self.difference or {}).get('seq')} differs)"
