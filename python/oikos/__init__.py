"""Worlds of Oikos from Python, over the binary `oikos`. Standard library only; data frames are pandas' or polars'
where one is installed.

    world = oikos.run("worlds/coins.toml", seed=7, set={"execution.ticks": 50})
    world.measures, world.series(wide=True), world.events(type="transfer"), world.accounts(at="6h")

`run` and `open` give a `World`, `Session` drives one step by step, `sweep` runs many. `oikos.gym` has PettingZoo's two
forms of an environment. Amounts are whole numbers in base units: scrip, microseconds of CPU, bytes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from oikos.binary import find_binary, version
from oikos.errors import Error, Refused, SessionEnded
from oikos.frames import Frame, Table, frame, frames
from oikos.outcomes import Comparison, Measures, Replay
from oikos.receipt import Receipt
from oikos.session import Actor, Session, op
from oikos.sweep import Sweep, sweep
from oikos.world import World, open_world as open, run, validate

if TYPE_CHECKING:
    from oikos import gym as gym

__all__ = [
    "Actor",
    "Comparison",
    "Error",
    "Frame",
    "Measures",
    "Receipt",
    "Refused",
    "Replay",
    "Session",
    "SessionEnded",
    "Sweep",
    "Table",
    "World",
    "find_binary",
    "frame",
    "frames",
    "op",
    "open",
    "run",
    "sweep",
    "validate",
    "version",
]


def __getattr__(name: str) -> Any:
    # PettingZoo is looked for where somebody wants it.
    if name == "gym":
        return importlib.import_module("oikos.gym")
    raise AttributeError(f"module 'oikos' has no attribute {name!r}")
