"""Ops and queries as methods: they are those of the binary, and do as they say."""

import datetime
import pickle
import subprocess
import sys
import unittest

import oikos
from tests.worlds import AUTONOMOUS, folder, world_file


class Methods(unittest.TestCase):
    def session(self, text=AUTONOMOUS, **more):
        session = oikos.Session(world_file(self, text), **more)
        self.addCleanup(session.close)
        return session

    def test_they_are_those_of_the_binary(self):
        checked = subprocess.run([sys.executable, "generate.py", "--check"], capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""), checked.stderr)

    def test_an_op_acts_and_gives_its_receipt(self):
        world = self.session()
        alice = world.act("alice")
        receipt = alice.transfer("bob", 4)
        self.assertTrue(receipt.ok)
        self.assertEqual((receipt.result, receipt.error), ({"balance": 6}, None))
        self.assertEqual(receipt.payments, [{"from": "alice", "to": "bob", "amount": 4, "why": "transfer"}])
        self.assertEqual((receipt.events[0]["type"], receipt.seq), ("transfer", 2))
        self.assertEqual(receipt["result"], receipt.result)
        self.assertEqual(world.query.balance("bob"), 14)
        self.assertEqual(world.query.balances(), world.query("balances"))
        self.assertIn("alice", [row["id"] for row in world.query.agents(limit=3)])
        self.assertEqual(world.query.events(type="transfer", since=1)[0]["to"], "bob")

    def test_a_refusal_is_raised_and_changes_nothing(self):
        world = self.session()
        with self.assertRaises(oikos.Refused) as raised:
            world.act("alice").transfer(to="bob", amount=50)
        refused = raised.exception
        self.assertEqual((refused.code, refused.need, refused.have), ("insufficient_scrip", 50, 10))
        self.assertFalse(refused.receipt.ok)
        self.assertIsInstance(refused, oikos.Error)
        again = pickle.loads(pickle.dumps(refused))
        self.assertEqual((str(again), again.need, again.status), (str(refused), 50, 1))
        with self.assertRaises(oikos.Refused) as raised:
            world.act("alice").together(oikos.op.transfer("bob", 1), oikos.op.transfer("bob", 90))
        self.assertEqual(raised.exception.index, 1)
        self.assertEqual(world.query.balances()["alice"], 10)
        self.assertEqual(world.query.supply(), 23)
        # With the op as an object nothing is raised.
        self.assertFalse(world.act("alice", oikos.op.transfer("bob", 50)).ok)

    def test_none_means_null_where_null_means_something(self):
        world = self.session()
        alice = world.act("alice")
        alice.write("note", content={"a": [1, None]}, metadata={"b": 2})
        alice.write("note", metadata=None)
        self.assertEqual(alice.read("note").result["content"], {"a": [1, None]})
        self.assertIsNone(world.query.artifact("note")["metadata"])
        alice.write("note", content=None)
        self.assertIsNone(alice.read("note").result["content"])
        self.assertEqual(oikos.op.write("note", kind=None), {"op": "write", "artifact": "note"})
        self.assertEqual(oikos.op.store("key", None), {"op": "store", "key": "key", "value": None})

    def test_words_of_python_moments_and_durations(self):
        self.assertEqual(oikos.op.sleep(for_="5s"), {"op": "sleep", "for": "5s"})
        world = self.session()
        until = datetime.datetime(2030, 1, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
        given = world.act("alice").mandate("bob", 5, until=until, per_window=9, window=datetime.timedelta(hours=1))
        self.assertTrue(given.ok)
        told = world.query.mandates("alice")["given"][0]
        self.assertEqual((told["until"], told["window"]), ("2030-01-01T01:00:00.000Z", "1h"))
        self.assertTrue(world.query.permission("read", as_="bob", target="genesis_ledger")["allowed"])
        now = world.advance(datetime.timedelta(seconds=1.5))
        self.assertEqual(now, "2026-01-01T00:00:01.500Z")
        self.assertEqual(world.run(for_=datetime.timedelta(seconds=10))["stopped"], "turns")
        with self.assertRaises(TypeError):
            world.act("alice").write("note", content={"a": object()})
        self.assertEqual(world.query.supply(), 23)

    def test_a_batch_has_a_receipt_for_each(self):
        world = self.session()
        receipts = world.batch(
            [
                ("alice", oikos.op.transfer("bob", 1)),
                ("alice", oikos.op.transfer("bob", 100)),
                ("bob", [oikos.op.transfer("alice", 1), oikos.op.noop()]),
            ]
        )
        self.assertEqual([receipt.ok for receipt in receipts], [True, False, True])
        with self.assertRaises(oikos.Refused):
            receipts[1].check()

    def test_a_session_of_a_database(self):
        db = folder(self) / "kept.oikos"
        with oikos.Session(world_file(self, AUTONOMOUS), db=db) as world:
            world.act("alice").transfer("bob", 4)
        with oikos.Session(db) as world:
            self.assertEqual(world.query.balance("bob"), 14)
        with oikos.Session(db, at=1) as world:
            self.assertEqual(world.query.balance("bob"), 10)


if __name__ == "__main__":
    unittest.main()
