"""Drives worlds of Oikos from Python, over the binary `oikos`. Standard library only.

`Session` speaks the session protocol. `oikos.gym` has PettingZoo's two forms of an environment; it is imported by
itself, since it needs `pettingzoo`.
"""

from oikos.session import Refused, Session, SessionEnded

__all__ = ["Refused", "Session", "SessionEnded"]
