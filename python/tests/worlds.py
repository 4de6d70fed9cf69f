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


def world_file(test, text):
    """A world file of that text, which goes with the test."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    path = pathlib.Path(folder.name) / "w.toml"
    path.write_text(text)
    return path


def pay(to, amount):
    return {"op": "transfer", "to": to, "amount": amount}
