"""How far a command is: a bar in a notebook or in a terminal, and nothing elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

_WIDTH = 40
_NOTEBOOK_S = 0.2
"""Seconds between two pictures of a bar in a notebook."""


class Bar(Protocol):
    """Shows how far something is: `done` and `of`, whole numbers of `unit`."""

    def __call__(self, far: Mapping[str, Any]) -> None: ...

    def close(self) -> None:
        """Takes the bar away."""


class NoBar:
    """Shows nothing."""

    def __call__(self, far: Mapping[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass


class TerminalBar:
    """A bar in the last line of standard error."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, far: Mapping[str, Any]) -> None:
        filled = "█" * int(_WIDTH * _share(far))
        sys.stderr.write(f"\r{filled:░<{_WIDTH}} {_words(far, self._begun)}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class NotebookBar:
    """A bar beneath the cell that runs."""

    def __init__(self) -> None:
        from IPython import display

        self._display = display
        self._handle: Any = None
        self._begun = time.monotonic()
        self._drawn = 0.0

    def __call__(self, far: Mapping[str, Any]) -> None:
        if time.monotonic() - self._drawn < _NOTEBOOK_S:
            return
        self._drawn = time.monotonic()
        words = html.escape(_words(far, self._begun))
        picture = self._display.HTML(f'<progress value="{_share(far):.4f}" max="1"></progress> {words}')
        if self._handle is None:
            self._handle = self._display.display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.update(self._display.HTML(""))


def bar(wanted: bool | None = None) -> Bar:
    """The bar for this place, if it is wanted; None wants one where there is somebody to see it."""
    if wanted is False:
        return NoBar()
    if _is_notebook():
        return NotebookBar()
    if sys.stderr is not None and sys.stderr.isatty():
        return TerminalBar()
    return NoBar()


def _is_notebook() -> bool:
    """Whether a kernel of Jupyter runs this: IPython is loaded then, and has a kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def _share(far: Mapping[str, Any]) -> float:
    return min(1.0, far["done"] / far["of"]) if far["of"] else 0.0


def _words(far: Mapping[str, Any], begun: float) -> str:
    words = f"{far['done']}/{far['of']} {far.get('unit', '')}".strip()
    share, passed_s = _share(far), time.monotonic() - begun
    return f"{words}  left {passed_s * (1 - share) / share:.0f} s" if share > 0 and passed_s > 1 else words
