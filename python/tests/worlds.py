"""Worlds of the tests, and the binary that serves them."""

import os
import pathlib
import tempfile

BINARY = os.environ.get("OIKOS_BINARY", "oikos")

AGENTS = """
[[agents]]
id = "alice"
mind = "external"
scrip = 10
[[agents]]
id = "bob"
mind = "external"
scrip = 10
[[agents]]
id = "carol"
scrip = 3
code = "def step(o): return {'op': 'transfer', 'to': 'alice', 'amount': 1} if o['self']['scrip'] else None"
"""

TICK = '[execution]\nmode = "tick"\nticks = 9\n' + AGENTS
AUTONOMOUS = '[execution]\nmode = "autonomous"\nduration = "1h"\npace = "1s"\n' + AGENTS

# Ann gives Bea a coin in each tick, as long as she has one, and is refused when she has none.
COINS = """
[world]
name = "coins"
[execution]
mode = "tick"
ticks = 6
[measures]
every = "2m"
whole = "sum(scrip)"
least = "min(scrip)"
[[agents]]
id = "ann"
scrip = 4
code = "def step(o): return {'op': 'transfer', 'to': 'bea', 'amount': 1}"
[[agents]]
id = "bea"
scrip = 9007199254740993
code = "def step(o): return None"
"""


def world_file(test, text):
    """A world file of that text, which goes with the test."""
    path = folder(test) / "w.toml"
    path.write_text(text)
    return path


def folder(test):
    """A folder that goes with the test."""
    made = tempfile.TemporaryDirectory()
    test.addCleanup(made.cleanup)
    return pathlib.Path(made.name)


def pay(to, amount):
    return {"op": "transfer", "to": to, "amount": amount}
