"""The binary: where it is found, and that none of its processes outlives ours."""

import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
import unittest
from unittest import mock

import oikos
from oikos.binary import find_binary
from tests.worlds import COINS, folder, world_file

# Prints the number of each process that it starts. A shell has those that it starts in the background ignore SIGINT.
STARTED = """
import signal, sys, oikos, oikos.binary as binary
signal.signal(signal.SIGINT, signal.default_int_handler)
start = binary.Child.__init__
def started(self, *words, **more):
    start(self, *words, **more)
    print(self.process.pid, flush=True)
binary.Child.__init__ = started
"""
RUN = STARTED + "oikos.run(sys.argv[1], set={'execution.ticks': 100_000_000}, db=sys.argv[2])\n"
SERVED = STARTED + "oikos.Session(sys.argv[1], db=sys.argv[2]).run(ticks=100_000_000)\n"

HANGS_S = 60
"""Seconds after which something hangs."""


def is_alive(pid):
    """Whether a process runs; one that nobody waited for has ended too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = pathlib.Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def until(done):
    """Waits for something that is to come."""
    last = time.monotonic() + HANGS_S
    while not done():
        if time.monotonic() > last:
            raise TimeoutError("it does not come")
        time.sleep(0.01)


@unittest.skipUnless(os.name == "posix", "signals are POSIX'")
class Ends(unittest.TestCase):
    def started(self, script, db):
        """A Python that has a process of the binary at work, and the number of that."""
        command = [sys.executable, "-c", script, str(world_file(self, COINS)), str(db)]
        pipe = subprocess.PIPE
        python = subprocess.Popen(command, stdout=pipe, stderr=pipe, start_new_session=True)
        self.addCleanup(python.stderr.close)
        self.addCleanup(python.stdout.close)
        self.addCleanup(python.wait)
        self.addCleanup(python.kill)
        pid = int(python.stdout.readline())
        until(lambda: db.exists())
        return python, pid

    def test_an_interrupt_ends_the_process_in_an_orderly_way(self):
        for script in [RUN, SERVED]:
            db = folder(self) / "w.oikos"
            python, pid = self.started(script, db)
            os.killpg(python.pid, signal.SIGINT)
            self.assertIn(b"KeyboardInterrupt", python.stderr.read())
            self.assertFalse(is_alive(pid))
            self.assertTrue(oikos.open(db).verify()["ok"])

    def test_a_python_that_is_killed_leaves_no_process(self):
        for script in [RUN, SERVED]:
            db = folder(self) / "w.oikos"
            python, pid = self.started(script, db)
            self.assertTrue(is_alive(pid))
            python.kill()
            until(lambda: not is_alive(pid))
            self.assertTrue(oikos.open(db).verify()["ok"])

    def test_nobody_is_left_to_watch(self):
        with oikos.Session(world_file(self, COINS)) as session:
            guard = session._child._guard.pid
            self.assertTrue(is_alive(guard))
        self.assertFalse(is_alive(guard))


class Found(unittest.TestCase):
    def program(self, where, name="oikos"):
        path = folder(self) / where / name
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\necho oikos 1.2.3\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def test_it_is_named_or_beside_the_scripts_or_on_the_path(self):
        named, beside, on_path = (self.program(where) for where in ["named", "scripts", "path"])
        with mock.patch.dict(os.environ, {"OIKOS_BINARY": str(named), "PATH": str(on_path.parent)}):
            self.assertEqual(find_binary(), str(named))
            self.assertEqual(find_binary(beside), str(beside))
            self.assertEqual(oikos.version(beside), "1.2.3")
            os.environ["OIKOS_BINARY"] = "no_such_program"
            with self.assertRaises(FileNotFoundError) as raised:
                find_binary()
            self.assertIn("OIKOS_BINARY", str(raised.exception))
            del os.environ["OIKOS_BINARY"]
            with mock.patch("sys.executable", str(beside.parent / "python")):
                self.assertEqual(find_binary(), str(beside))
            with mock.patch("sysconfig.get_path", lambda *_: "nowhere"), mock.patch("sys.executable", "python"):
                self.assertEqual(find_binary(), str(on_path))
                os.environ["PATH"] = "nowhere"
                with self.assertRaises(FileNotFoundError) as raised:
                    find_binary()
                self.assertIn("binary=", str(raised.exception))

    def test_python_m_oikos_is_the_program(self):
        told = subprocess.run([sys.executable, "-m", "oikos", "--version"], capture_output=True, text=True)
        self.assertEqual(told.stdout.strip(), f"oikos {oikos.version()}")
        told = subprocess.run([sys.executable, "-m", "oikos", "inspect", "nowhere.oikos"], capture_output=True)
        self.assertEqual(told.returncode, 2)


if __name__ == "__main__":
    unittest.main()
